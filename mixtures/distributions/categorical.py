"""Categorical distribution.

    log f(c) = log p_c,   support: the listed categories.

Weighted maximum likelihood: p_c = sum of w over rows with category c, over sum w. With a pseudo-count a and C categories,
p_c = (n_c + a) / (n + a (C + 1)), and the remaining a / (n + a (C + 1)) is the probability of any category never seen
(Laplace's rule with one cell for "something else"): the mode of the posterior under a Dirichlet(a + 1) prior. Of
components that tie the probabilities, counts over all of them. Under a Dirichlet prior of concentrations b_c, without that cell,
p_c = (n_c + b_c - 1) / (n + sum (b_c - 1)) (Gelman et al. 2013, "Bayesian data analysis", section 3.4).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import nonnegative, simplex
from mixtures.distributions.base import Family, Kernels, generator_of
from mixtures.distributions.dirichlet import Dirichlet
from mixtures.engine.coordinates import SIMPLEX
from mixtures.engine.special import log
from mixtures.engine.ties import add_up
from mixtures.exceptions import DataError, NotFittedError, ParameterError

# Parameters: the pseudo-count of unseen categories, the mask of ties, the constant of the prior's log-density, C probabilities,
# C + 1 log-probabilities of which the last is that of an unseen category, C pseudo-counts, the prior's concentrations less 1.
PSEUDO_COUNT = 0
TIES = 1
PRIOR_CONSTANT = 2
PROBABILITIES = 3

SMALLEST_LOG = -36.7368005696771
"""log 2^-53: what is left of 1 by probabilities that add up to it, but for rounding."""

# Up to so many categories, comparing codes with each of them vectorises better than going where they point (measured).
FEW_CHOICES = 4
FEW_SUMS = 8


@jit
def _count(parameters):
    """C."""
    return (parameters.shape[1] - PROBABILITIES - 1) // 3


@jit
def _prepare(parameters):
    size = _count(parameters)
    for k in range(parameters.shape[0]):
        total = 0.0
        for c in range(size):
            p = parameters[k, PROBABILITIES + c]
            total += p
            parameters[k, PROBABILITIES + size + c] = log(p)
        rest = 1.0 - total if parameters[k, PSEUDO_COUNT] > 0.0 else 0.0
        parameters[k, PROBABILITIES + 2 * size] = log(max(rest, 0.0))


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    size = _count(parameters)
    count = out.shape[0]
    cells = x[0]  # Codes come from the table shim: whole, from 0 to C.
    if size <= FEW_CHOICES:
        for k in range(0, count - 1, 2):
            one, two = parameters[k, PROBABILITIES + size :], parameters[k + 1, PROBABILITIES + size :]
            _add_chosen_twice(cells, size, one, two, out[k], out[k + 1])
        if count % 2:
            _add_chosen(cells, size, parameters[count - 1, PROBABILITIES + size :], out[count - 1])
    else:
        place = np.empty(cells.size, dtype=np.uint64)
        for i in range(cells.size):
            place[i] = np.uint64(np.int64(cells[i]))
        for k in range(count):
            row = out[k]
            table = parameters[k, PROBABILITIES + size :]
            for i in range(row.size):
                row[i] += table[place[i]]


@jit
def _add_chosen(cells, size, table, out):
    """out[i] += table[cells[i]]; the table ends at `size` <= 4 and is held in registers."""
    wide_vectors()
    v0, v1, v2, v3, v4 = table[0], table[min(1, size)], table[min(2, size)], table[min(3, size)], table[size]
    for i in range(out.size):
        code = cells[i]
        v = v3 if code == 3.0 else v4
        v = v2 if code == 2.0 else v
        v = v1 if code == 1.0 else v
        out[i] += v0 if code == 0.0 else v


@jit
def _add_chosen_twice(cells, size, one, two, out_one, out_two):
    """As :func:`_add_chosen` for two components, which share the comparisons."""
    wide_vectors()
    b, c, d = min(1, size), min(2, size), min(3, size)
    v0, v1, v2, v3, v4 = one[0], one[b], one[c], one[d], one[size]
    w0, w1, w2, w3, w4 = two[0], two[b], two[c], two[d], two[size]
    for i in range(out_one.size):
        code = cells[i]
        v = v3 if code == 3.0 else v4
        w = w3 if code == 3.0 else w4
        v = v2 if code == 2.0 else v
        w = w2 if code == 2.0 else w
        v = v1 if code == 1.0 else v
        w = w1 if code == 1.0 else w
        out_one[i] += v0 if code == 0.0 else v
        out_two[i] += w0 if code == 0.0 else w


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    size = _count(parameters)
    count = responsibilities.shape[0]
    cells = x[0]
    for k in range(0, count - 1, 2):
        one, two = responsibilities[k], responsibilities[k + 1]
        sums_one, sums_two = statistics[k, 1:], statistics[k + 1, 1:]
        if size <= FEW_SUMS:
            for c in range(size):
                total_one, total_two = _two_sums_where(cells, float(c), one, two)
                sums_one[c] += total_one
                sums_two[c] += total_two
        else:
            # An addition waits for the last one to the same place: two components wait together.
            for i in range(cells.size):
                place = np.uint64(cells[i])
                sums_one[place] += one[i]
                sums_two[place] += two[i]
    if count % 2:
        share, sums = responsibilities[count - 1], statistics[count - 1, 1:]
        if size <= FEW_SUMS:
            for c in range(size):
                sums[c] += _sum_where(cells, float(c), share)
        else:
            for i in range(cells.size):
                sums[np.uint64(cells[i])] += share[i]


@jit_sums
def _sum_where(cells, code, share):
    """Sum of `share` where `cells` is `code`."""
    wide_vectors()
    total = 0.0
    for i in range(share.size):
        total += share[i] if cells[i] == code else 0.0
    return total


@jit_sums
def _two_sums_where(cells, code, one, two):
    """As :func:`_sum_where` for two components."""
    wide_vectors()
    total_one = total_two = 0.0
    for i in range(cells.size):
        found = cells[i] == code
        total_one += one[i] if found else 0.0
        total_two += two[i] if found else 0.0
    return total_one, total_two


@jit
def _maximize(statistics, parameters):
    size = _count(parameters)
    add_up(statistics, parameters, TIES)
    for k in range(parameters.shape[0]):
        if statistics[k, 0] > 0.0:
            counts = parameters[k, PROBABILITIES + 2 * size + 1 :]
            total = parameters[k, PSEUDO_COUNT]
            for c in range(size):
                total += statistics[k, 1 + c] + counts[c]
            for c in range(size):
                parameters[k, PROBABILITIES + c] = (statistics[k, 1 + c] + counts[c]) / total
    return 0


@jit
def _log_prior(parameters):
    size = _count(parameters)
    value, met = 0.0, False
    for k in range(parameters.shape[0]):
        shared = parameters[k, TIES] != 0.0
        if shared and met:
            continue
        met = met or shared
        logs, counts = parameters[k, PROBABILITIES + size :], parameters[k, PROBABILITIES + 2 * size + 1 :]
        value += parameters[k, PRIOR_CONSTANT]
        for c in range(size):
            value += counts[c] * logs[c] if counts[c] > 0.0 else 0.0
        if parameters[k, PSEUDO_COUNT] > 0.0:
            value += parameters[k, PSEUDO_COUNT] * max(logs[size], SMALLEST_LOG)
    return value


class Categorical(Family):
    """Categorical distribution of one column of any hashable values.

    Parameters
    ----------
    probabilities : sequence of C floats >= 0 with sum 1 (or less, with a pseudo-count), or None to be learned.
    categories : sequence of C distinct hashable values. None: 0 .. C-1 where probabilities are given, else learned from the data.
    pseudo_count : float >= 0, added to every category's count and to that of one cell for values never seen.
    prior : :class:`~mixtures.distributions.Dirichlet` of the probabilities, a concentration >= 1 for each category, in their order,
        or None: a fit is then their most probable value. Not together with a pseudo-count, which is one.

    Notes
    -----
    A value not among the categories has log-probability -inf, or that of the extra cell where a pseudo-count is set.
    On codes 0 .. C-1 it is ``scipy.stats.rv_discrete(values=(range(C), probabilities))``.

    Examples
    --------
    >>> Categorical([0.5, 0.5], ["cat", "dog"]).log_prob(["dog", "fox"]).round(6)
    array([-0.693147,      -inf])
    >>> Categorical().fit(["a", "a", "b", "a"])
    Categorical(probabilities=(0.75, 0.25), categories=('a', 'b'))
    """

    parameters = {"probabilities": simplex}
    support = None
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    carries = True
    encoding = "categories"
    ties = TIES

    def __init__(
        self,
        probabilities: Sequence[float] | None = None,
        categories: Sequence[Hashable] | None = None,
        *,
        pseudo_count: float = 0.0,
        prior: Dirichlet | None = None,
    ) -> None:
        if not bool(nonnegative.contains(pseudo_count)):
            raise ParameterError(f"Categorical: pseudo_count must be {nonnegative.words}, found {pseudo_count!r}")
        if probabilities is not None:
            try:
                probabilities = tuple(map(float, probabilities))
            except (TypeError, ValueError):
                raise ParameterError(f"Categorical: probabilities must be {simplex.words}, found {probabilities!r}") from None
        if categories is not None:
            categories = tuple(categories)
            if not categories or len(set(categories)) != len(categories):
                raise ParameterError(f"Categorical: categories must be distinct and at least one, found {categories!r}")
        elif probabilities is not None:
            categories = tuple(range(len(probabilities)))
        if probabilities is not None and categories is not None and len(probabilities) != len(categories):
            raise ParameterError(
                f"Categorical: expected one probability a category, found {len(probabilities)} for {len(categories)}"
            )
        if probabilities is not None and pseudo_count:
            if not simplex.contains([*probabilities, max(1.0 - sum(probabilities), 0.0)]):
                raise ParameterError(f"Categorical: probabilities must be >= 0 and sum to at most 1, found {probabilities!r}")
            object.__setattr__(self, "probabilities", probabilities)
            super().__init__(categories=categories, pseudo_count=float(pseudo_count))
        else:
            super().__init__(probabilities=probabilities, categories=categories, pseudo_count=float(pseudo_count))
        self._take_prior(prior, Dirichlet, concentration=1.0)
        if prior is not None and pseudo_count:
            raise ParameterError(f"Categorical: expected a pseudo_count or a prior, found both, {pseudo_count!r} and {prior!r}")
        if prior is not None and categories is not None and len(prior.concentration) != len(categories):
            raise ParameterError(
                f"Categorical: expected a prior of one concentration a category, found {prior!r} for the categories {categories!r}"
            )

    probabilities: tuple[float, ...]
    categories: tuple[Hashable, ...]
    pseudo_count: float

    def _count(self, name):
        if self.categories is None:
            raise NotFittedError("Categorical: the number of parameters is known once the categories are")
        return len(self.categories) - 1

    def _values(self):
        values = dict(vars(self))
        if not values["pseudo_count"]:
            del values["pseudo_count"]
        return values

    def _bind(self, table, column):
        if self.categories is not None:
            return self
        found = table.categories(column)
        if not found:
            raise DataError(f"Categorical on {table.where(column)}: expected at least one observed value, found only missing cells")
        return Categorical(self.probabilities, found, pseudo_count=self.pseudo_count, prior=self.prior)

    def _layout(self, column):
        size = len(column.categories)
        return PROBABILITIES + 3 * size + 1, size + 2  # a last statistic swallows categories that were never seen

    def _coordinates(self, column):
        return ((SIMPLEX, PROBABILITIES, len(column.categories), 0),)

    def _pack(self, column):
        at = dict(zip(self.categories, self.probabilities, strict=True))
        size = len(column.categories)
        none = 0.0
        if self.pseudo_count and len(at) < size:  # other components' categories are among those never seen, cells of equal shares
            none = max(1.0 - sum(self.probabilities), 0.0) / (size - len(at) + 1)
        probabilities = [at.get(category, none) for category in column.categories]
        constant, counts = self._packed_prior(column.categories) if self._is_penalised else (0.0, [0.0] * size)
        return (self.pseudo_count, 0.0, constant, *probabilities, *[0.0] * (size + 1), *counts)

    def _packed_prior(self, categories):
        """The constant of the prior's log-density, and its concentrations less 1 in the order of these categories."""
        size = len(categories)
        if self.prior is None:
            own = [self.pseudo_count + 1.0] * (size + 1)
            counts = [self.pseudo_count] * size
        else:
            own = self._prior_over(categories).concentration
            counts = [concentration - 1.0 for concentration in own]
        return math.lgamma(math.fsum(own)) - math.fsum(map(math.lgamma, own)), counts

    def _prior_over(self, categories):
        """The prior with its concentrations in the order of these categories, which must be its own."""
        if self.prior is None or categories == self.categories:
            return self.prior
        at = dict(zip(self.categories, self.prior.concentration, strict=True))
        if at.keys() != set(categories):
            raise ParameterError(
                f"Categorical: {self.prior!r} is of the categories {self.categories!r}, but the components know {categories!r} "
                "together: give every component all of them"
            )
        return Dirichlet([at[category] for category in categories])

    @property
    def _is_penalised(self) -> bool:
        return self.prior is not None or self.pseudo_count > 0.0

    def _unpack(self, row, column):
        size = len(column.categories)
        new = Categorical(row[PROBABILITIES : PROBABILITIES + size], column.categories, pseudo_count=self.pseudo_count)
        return new if self.prior is None else new._under(self._prior_over(column.categories))

    def _expected(self, row, column):
        shares = row[PROBABILITIES : PROBABILITIES + len(column.categories)]
        return np.concatenate([[1.0], shares, [max(0.0, 1.0 - shares.sum())]])

    def _start(self, column):
        size = len(column.categories)
        rest = 1 if self.pseudo_count else 0
        return Categorical([1.0 / (size + rest)] * size, column.categories, pseudo_count=self.pseudo_count, prior=self.prior)

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, 1): numbers where all categories are, else objects."""
        self._require_complete()
        random = generator_of(random_state)
        weights = np.asarray(self.probabilities)
        codes = random.choice(len(weights), size=n, p=weights / weights.sum())
        numeric = all(isinstance(category, (int, float, np.number)) for category in self.categories)
        values = np.empty(len(weights), dtype=float if numeric else object)
        values[:] = self.categories
        return values[codes][:, None]

    def cdf(self, x: Any) -> Any:
        raise NotImplementedError("Categorical: categories have no order, so there is no cdf")

    def quantile(self, probability: Any) -> Any:
        raise NotImplementedError("Categorical: categories have no order, so there are no quantiles")
