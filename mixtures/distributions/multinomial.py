"""Multinomial distribution.

    log f(x) = log n! - sum_j log x_j! + sum_j x_j log p_j,   n = sum_j x_j, p = probabilities,

the log-mass of a row given its total n, which may differ from row to row; support: whole x_j >= 0, and x_j = 0 where p_j = 0.
These terms cancel where n is large; there it is computed as

    log f(x) = c(n) - sum_j [c(x_j) + D(x_j, n p_j)],   c(x) = log(2 pi x) / 2 + stirling_error(x), c(0) = 0,

with the deviance D(x, m) = x log(x / m) + m - x, D(0, m) = m (Loader 2000): the terms m - x add to 0.

Weighted maximum likelihood: p_j = sum w x_j / sum w n, which is 0 for a column of zeros. Of components that tie the
probabilities, sums over all of them. Under a Dirichlet prior of concentrations b_j, p_j = (sum w x_j + b_j - 1) / sum over j of
that, the mode of its posterior (Gelman et al. 2013, "Bayesian data analysis", section 3.4).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import simplex
from mixtures.distributions.base import Family, Kernels, generator_of
from mixtures.distributions.dirichlet import Dirichlet
from mixtures.engine.coordinates import SIMPLEX
from mixtures.engine.counts import log_coefficient_excesses, log_coefficients, read_counts
from mixtures.engine.linear import add_linear
from mixtures.engine.plan import is_held
from mixtures.engine.special import log, poisson_deviance
from mixtures.engine.ties import add_up
from mixtures.exceptions import DataError, NotFittedError, ParameterError
from mixtures.row_supports import counts

HELD = 0
TIES = 1
PRIOR_CONSTANT = 2
PROBABILITIES = 3  # d of them, then their logarithms, 0 for that of 0, then the prior's concentrations less 1, 0 without one

LARGE = 64
"""A block of rows with such a total takes the form without cancellation, which costs a logarithm a cell and component."""
TRIALS = 10
"""Of rows that are drawn where nothing else is said."""


@jit
def _prepare(parameters):
    d = (parameters.shape[1] - PROBABILITIES) // 3
    for k in range(parameters.shape[0]):
        for j in range(PROBABILITIES, PROBABILITIES + d):
            parameters[k, j + d] = log(parameters[k, j]) if parameters[k, j] > 0.0 else 0.0


@jit
def _add_impossible(column, row):
    """A probability of 0 allows no count but 0."""
    wide_vectors()
    for i in range(row.size):
        row[i] += 0.0 if column[i] == 0.0 else -np.inf


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    d, b = x.shape
    scratch = np.empty((d + 2, b))
    cells, total, base = scratch[:d], scratch[d], scratch[d + 1]
    large = read_counts(x, cells, total) >= LARGE
    if large:
        log_coefficient_excesses(cells, total, base)
    else:
        log_coefficients(cells, total, base)
    for k in range(out.shape[0]):
        row = out[k]
        probabilities = parameters[k, PROBABILITIES : PROBABILITIES + d]
        for i in range(b):
            row[i] += base[i]
        if not large:
            add_linear(parameters[k, PROBABILITIES + d :], cells, row)
        for j in range(d):
            column, chance = cells[j], probabilities[j]
            if chance == 0.0:
                _add_impossible(column, row)
            elif large:
                for i in range(b):
                    mean = total[i] * chance
                    count = column[i] if column[i] > 0.0 else 1.0
                    row[i] -= poisson_deviance(count, mean) if column[i] > 0.0 else max(mean, 0.0)


@jit_sums
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    for k in range(responsibilities.shape[0]):
        share = responsibilities[k]
        for j in range(x.shape[0]):
            cells = x[j]
            total = 0.0
            for i in range(share.size):
                total += share[i] * cells[i]
            statistics[k, 1 + j] += total


@jit
def _maximize(statistics, parameters):
    d = statistics.shape[1] - 1
    add_up(statistics, parameters, TIES)
    for k in range(parameters.shape[0]):
        counts = parameters[k, PROBABILITIES + 2 * d :]
        total = 0.0
        for j in range(d):
            total += statistics[k, 1 + j] + counts[j]
        if statistics[k, 0] > 0.0 and total > 0.0 and not is_held(parameters[k, HELD], 0):
            for j in range(d):
                parameters[k, PROBABILITIES + j] = (statistics[k, 1 + j] + counts[j]) / total
    return 0


@jit
def _log_prior(parameters):
    d = (parameters.shape[1] - PROBABILITIES) // 3
    value, met = 0.0, False
    for k in range(parameters.shape[0]):
        shared = parameters[k, TIES] != 0.0 and not is_held(parameters[k, HELD], 0)
        if shared and met:
            continue
        met = met or shared
        value += parameters[k, PRIOR_CONSTANT]
        for j in range(d):
            count = parameters[k, PROBABILITIES + 2 * d + j]
            value += count * log(parameters[k, PROBABILITIES + j]) if count > 0.0 else 0.0
    return value


class Multinomial(Family):
    """Multinomial distribution of several columns of counts: how often each of d outcomes came in a row's trials.

    Parameters
    ----------
    probabilities : sequence of d floats >= 0 with sum 1, one a column, or None to be learned.
    prior : :class:`~mixtures.distributions.Dirichlet` of the probabilities, concentrations >= 1, or None: a fit is then their most
        probable value.

    Notes
    -----
    ``scipy.stats.multinomial(n, probabilities)`` with n the sum of each row: the number of trials is no parameter, and says nothing
    of the component that a row belongs to. Cells must be whole, >= 0 and at most 2^53; missing cells are refused. Rows of zeros say
    nothing: of such alone the fit has equal probabilities. As a component it stands on all columns of the table; over some of them,
    in a ``Product``.

    Examples
    --------
    >>> Multinomial([0.5, 0.3, 0.2]).log_prob([[1, 1, 0], [0, 0, 0], [1, 0.5, 0]]).round(6)
    array([-1.203973,  0.      ,      -inf])
    >>> Multinomial().fit([[1, 2, 0], [3, 2, 0]])
    Multinomial(probabilities=(0.5, 0.5, 0.0))
    """

    parameters = {"probabilities": simplex}
    support = counts
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    carries = True
    reads_block = True
    held = HELD
    ties = TIES

    def __init__(self, probabilities: Any = None, *, prior: Dirichlet | None = None) -> None:
        super().__init__(probabilities=probabilities)
        self._take_prior(prior, Dirichlet, concentration=1.0)

    probabilities: tuple[float, ...]

    @property
    def n_features(self) -> int:
        """Number of columns, known once the probabilities are."""
        if self.probabilities is None:
            raise NotFittedError("Multinomial has no value for probabilities; give it one or fit it")
        return len(self.probabilities)

    def _count(self, name):
        return self.n_features - 1

    def to_scipy(self, trials: int = TRIALS):
        """The frozen `scipy.stats` distribution of rows of so many trials."""
        return scipy.stats.multinomial(trials, self._shares())

    def _shares(self) -> Any:
        """Probabilities whose sum is 1 but for rounding."""
        self._require_complete()
        return np.asarray(self.probabilities) / np.sum(self.probabilities)

    def sample(self, n: int = 1, random_state: Any = None, *, trials: Any = TRIALS) -> Any:
        """Draw n rows, shape (n, d), of so many trials: a whole number, or one for each row."""
        random = generator_of(random_state)
        shares = self._shares()
        left, rest = np.broadcast_to(np.asarray(trials, dtype=np.int64), n), np.cumsum(shares[::-1])[::-1]
        rows = np.empty((n, shares.size))
        for j in range(shares.size - 1):
            rows[:, j] = drawn = random.binomial(left, min(shares[j] / rest[j], 1.0) if rest[j] > 0 else 0.0)
            left = left - drawn
        rows[:, -1] = left
        return rows

    def cdf(self, x: Any) -> Any:
        raise NotImplementedError("Multinomial: rows have no order, so there is no cdf")

    def quantile(self, probability: Any) -> Any:
        raise NotImplementedError("Multinomial: rows have no order, so there are no quantiles")

    def _layout(self, columns):
        return PROBABILITIES + 3 * len(columns), 1 + len(columns)

    def _coordinates(self, columns):
        return ((SIMPLEX, PROBABILITIES, len(columns), 0),)

    def _pack(self, columns):
        if len(self.probabilities) != len(columns):
            raise DataError(
                f"Multinomial: expected {len(self.probabilities)} columns, as its probabilities have, found {len(columns)}"
            )
        constant, counts = 0.0, [0.0] * len(columns)
        if self.prior is not None:
            own = self.prior.concentration
            if len(own) != len(columns):
                raise ParameterError(
                    f"Multinomial: expected a prior of {len(columns)} concentrations, one a column, found {self.prior!r}"
                )
            constant = math.lgamma(math.fsum(own)) - math.fsum(map(math.lgamma, own))
            counts = [concentration - 1.0 for concentration in own]
        return 0.0, 0.0, constant, *self._shares().tolist(), *[0.0] * len(columns), *counts

    def _unpack(self, row, columns):
        return Multinomial(row[PROBABILITIES : PROBABILITIES + len(columns)])._under(self.prior)

    def _start(self, columns):
        return Multinomial([1.0 / len(columns)] * len(columns), prior=self.prior)
