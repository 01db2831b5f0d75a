"""How far two mixtures are apart: Kullback-Leibler and Jensen-Shannon divergence, by simulation with its error.

    KL(p || q) = E_p[log p(x) - log q(x)],        JS(p, q) = KL(p || m) / 2 + KL(q || m) / 2,   m = (p + q) / 2.

Neither has a closed form between mixtures (Hershey & Olsen 2007, "Approximating the Kullback Leibler divergence between Gaussian
mixture models"). Values are in nats; JS is at most log 2 (Lin 1991, "Divergence measures based on the Shannon entropy").
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from mixtures.constraints import Whole
from mixtures.distributions.base import generator_of
from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError, ParameterError
from mixtures.leaves import Leaves
from mixtures.row_supports import RowSupport
from mixtures.table import Table


class Estimate(NamedTuple):
    """A number found by simulation."""

    value: float
    standard_error: float


def kullback_leibler(p: Any, q: Any, n_draws: int = 10_000, random_state: Any = None) -> Estimate:
    """Kullback-Leibler divergence of `q` from `p`, in nats: what is lost where rows of `p` are described by `q`.

    Parameters
    ----------
    p, q : models, fitted or with all their parameters, over the same columns.
    n_draws : int >= 2, rows drawn from `p`.
    random_state : int, generator or None.

    Returns
    -------
    Estimate : infinite, with standard error 0, where `q` gives a drawn row density 0.

    Examples
    --------
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Normal
    >>> from mixtures.divergences import kullback_leibler
    >>> p = GeneralMixtureModel([Normal(0.0, 1.0)])
    >>> q = GeneralMixtureModel([Normal(1.0, 1.0)])
    >>> found = kullback_leibler(p, q, random_state=0)
    >>> abs(found.value - 0.5) < 3 * found.standard_error < 0.05
    True
    """
    one, other = _pair(p, q, n_draws)
    rows = one.draw(n_draws, random_state)
    return _mean([one.log_densities(rows) - _foreign(rows, one, other)])


def jensen_shannon(p: Any, q: Any, n_draws: int = 10_000, random_state: Any = None) -> Estimate:
    """Jensen-Shannon divergence of two models, in nats, between 0 and log 2; as :func:`kullback_leibler`, n_draws rows from each.

    Examples
    --------
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Uniform
    >>> from mixtures.divergences import jensen_shannon
    >>> p = GeneralMixtureModel([Uniform(0.0, 1.0)])
    >>> q = GeneralMixtureModel([Uniform(2.0, 3.0)])
    >>> round(jensen_shannon(p, q, random_state=0).value, 6)
    0.693147
    """
    one, other = _pair(p, q, n_draws)
    random = generator_of(random_state)
    terms = []
    for first, second in ((one, other), (other, one)):
        rows = first.draw(n_draws, random)
        own, foreign = first.log_densities(rows), _foreign(rows, first, second)
        terms.append(math.log(2.0) - np.logaddexp(0.0, foreign - own))
    return _mean(terms)


def _pair(p: Any, q: Any, n_draws: int) -> tuple[Leaves, Leaves]:
    if not isinstance(n_draws, (int, np.integer)) or n_draws < 2:
        raise ParameterError(f"n_draws must be a whole number >= 2, found {n_draws!r}")
    one, other = p._leaves(), q._leaves()
    same = sorted(one.names) == sorted(other.names) if one.named and other.named else len(one.names) == len(other.names)
    if not same or len(one.columns) != len(other.columns):
        raise DataError(f"expected models of the same columns, found {one.names} and {other.names}")
    return one, other


def _as(rows: Table, one: Leaves, other: Leaves) -> Table:
    """Rows with the columns that another model has, in its order and by its names."""
    by_name = one.named and other.named
    places = [one.names.index(name) for name in other.names] if by_name else range(len(one.names))
    return Table([rows._values(j) for j in places], other.names, rows.n_rows, other.named)


def _foreign(rows: Table, one: Leaves, other: Leaves) -> Floats:
    """Log-densities of rows drawn from one mixture under another: -inf where the one has mass at a value of a column at which the
    other has nothing but a density, to which a single value is nothing."""
    theirs = _as(rows, one, other)
    found = other.log_densities(theirs)
    for j in one.columns:
        at = other.names.index(one.names[j]) if one.named and other.named else j
        if any(_has_mass(factor) for _, factor in _of_weight(other, at)):
            continue
        masses = [factor for _, factor in _of_weight(one, j) if _has_mass(factor)]
        if masses and len(masses) == len(_of_weight(one, j)):
            found[:] = -np.inf
        elif masses:
            values = rows.numbers(j)
            for factor in masses:
                found[np.asarray(factor.log_prob(values)) > -np.inf] = -np.inf
    return found


def _of_weight(leaves: Leaves, column: int) -> list[tuple[tuple[int, ...], Any]]:
    """What stands on a column in the leaves that have weight."""
    pairs = zip(leaves.standing_on(column), leaves.weights, strict=True)
    return [standing for standing, weight in pairs if weight > 0]


def _has_mass(factor: Any) -> bool:
    """Whether single values have probability."""
    support = getattr(factor, "support", None)
    support = support.cells if isinstance(support, RowSupport) else support
    is_category = getattr(factor, "encoding", "numbers") == "categories"
    return is_category or isinstance(support, Whole) or getattr(factor, "atoms", None) is not None


def _mean(terms: list[Floats]) -> Estimate:
    """Mean of the means of independent samples of one size, and its standard error."""
    if any(np.isposinf(values).any() for values in terms):
        return Estimate(math.inf, 0.0)
    value = float(np.mean([values.mean() for values in terms]))
    variance = sum(float(values.var(ddof=1)) / len(values) for values in terms) / len(terms) ** 2
    return Estimate(value, math.sqrt(variance))
