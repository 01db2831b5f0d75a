"""Where densities or probabilities of mixtures, which differ from row to row in their weights or components, are largest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln, logsumexp

from mixtures.constraints import Interval
from mixtures.densities import log_densities
from mixtures.engine.plan import Floats, Ints
from mixtures.exceptions import ParameterError

LEVELS = np.concatenate([[1e-6, 1e-4, 1e-3], np.arange(1, 64) / 64, [1 - 1e-3, 1 - 1e-4, 1 - 1e-6]])
"""Where a component's quantiles stand for it."""
MOST_VALUES = 4096
"""So many whole numbers are all tried; of a wider range quantiles and their neighbours."""
CELLS = 2**22
"""Numbers that are held at a time."""
SECTIONS = 60
GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True, eq=False)
class Law:
    """A component's distribution of one cell of n rows.

    Attributes
    ----------
    log_density : of points (m,) in rows of these numbers (m,).
    fixed : the one distribution of all rows, or None.
    centres, scales : (n,), of rows that each have their own.
    """

    log_density: Callable[[Floats, Ints], Floats]
    fixed: Any = None
    centres: Floats | None = None
    scales: Floats | None = None

    @classmethod
    def of(cls, distribution: Any) -> Law:
        """One distribution of all rows."""
        return cls(lambda x, _: _log_densities(distribution, x), distribution)

    @classmethod
    def around(cls, locations: Floats, scales: Floats, df: Floats) -> Law:
        """Student's t around locations (n,), a Normal where df is infinite."""
        is_normal = np.isinf(df)
        d = np.where(is_normal, 1.0, df)
        constant = np.where(
            is_normal, -0.5 * np.log(2 * np.pi), gammaln((d + 1) / 2) - gammaln(d / 2) - 0.5 * np.log(d * np.pi)
        ) - np.log(scales)

        def log_density(x: Floats, rows: Ints) -> Floats:
            square = ((x - locations[rows]) / scales[rows]) ** 2
            if is_normal.all():
                return np.asarray(constant[rows] - 0.5 * square)
            heavy = -0.5 * (d[rows] + 1.0) * np.log1p(square / d[rows])
            return constant[rows] + np.where(is_normal[rows], -0.5 * square, heavy)

        return cls(log_density, None, locations, scales)


def most_probable(laws: Sequence[Law], shares: Floats, is_whole: bool) -> Floats:
    """The most probable value of each of n rows, (n,), whose components have these laws and these shares (n, K)."""
    fixed = [law.fixed for law in laws]
    if is_whole:
        return _most_probable_whole(fixed, shares)
    atoms = sorted({value for factor in fixed for value in getattr(factor, "atoms", ())})
    if not atoms:
        return _highest(laws, shares)
    masses = shares @ np.array([[_mass(factor, atom) for atom in atoms] for factor in fixed])
    is_mass = masses.sum(axis=1) >= 0.5
    smooth = [k for k, factor in enumerate(fixed) if not hasattr(factor, "atoms")]
    found = np.array(atoms)[np.argmax(masses, axis=1)]
    rows = np.flatnonzero(~is_mass)
    if len(rows):
        own = [_of_rows(laws[k], rows) for k in smooth]
        found[rows] = _highest(own, shares[rows][:, smooth])
    return found


def _of_rows(law: Law, rows: Ints) -> Law:
    if law.centres is None or law.scales is None:
        return law
    return Law(lambda x, at: law.log_density(x, rows[at]), None, law.centres[rows], law.scales[rows])


def _log_densities(distribution: Any, x: Floats) -> Floats:
    """As :func:`mixtures.densities.log_densities`; a class of one's own is asked for rows."""
    is_ours = hasattr(distribution, "kernels") or hasattr(distribution, "_log_density")
    found = log_densities(distribution, x) if is_ours else distribution.log_prob(x[:, None])
    return np.asarray(found, dtype=float).reshape(len(x))


def _mass(factor: Any, atom: float) -> float:
    return 1.0 if atom in getattr(factor, "atoms", ()) else 0.0


def _grid(factor: Any) -> Floats:
    """Values of a distribution that are likely to be near its modes; ends of its support that belong to it."""
    if not callable(getattr(factor, "quantile", None)):
        raise ParameterError(
            f"{type(factor).__name__}: expected a method quantile, without which its mode is not known; use 'draw'"
        )
    found = np.asarray(factor.quantile(LEVELS), dtype=float)
    support = getattr(factor, "support", None)
    if isinstance(support, Interval):
        ends = np.array([support.low, support.high])
        found = np.concatenate([found, ends])
        found = found[np.asarray(support.contains(found), dtype=bool)]
    found = np.concatenate([found, np.asarray(getattr(factor, "points", ()), dtype=float)])  # a kernel density has a bump at each
    return found[np.isfinite(found)]


def _most_probable_whole(factors: Sequence[Any], shares: Floats) -> Floats:
    values = np.unique(np.concatenate([np.rint(_grid(factor)) for factor in factors]))
    if values[-1] - values[0] < MOST_VALUES:
        values = np.arange(values[0], values[-1] + 1.0)
    found = values[_best_of(factors, shares, values)[0]]
    if len(values) < 2 or values[-1] - values[0] < MOST_VALUES:
        return found
    # Between neighbours of a sparse grid the probabilities rise and fall once: step towards the top, halving the step.
    place = np.searchsorted(values, found)
    step = np.maximum(np.diff(values, append=values[-1] + 1.0)[place], 1.0)
    laws = [Law.of(factor) for factor in factors]
    best = _log_density(laws, shares, found)
    while step.max() >= 1.0:
        for sign in (-1.0, 1.0):
            moved = found + sign * step
            value = _log_density(laws, shares, moved)
            found, best = np.where(value > best, moved, found), np.maximum(value, best)
        step = np.where(step > 1.0, np.floor(step / 2.0), 0.0)
    return found


def _best_of(factors: Sequence[Any], shares: Floats, values: Floats) -> tuple[Ints, Floats]:
    """Of every row, the place of the best of some values, and the logarithm of its density."""
    with np.errstate(all="ignore"):
        logs = np.array([_log_densities(factor, values) for factor in factors])
    top = np.max(logs, axis=0, initial=-np.inf, where=np.isfinite(logs))
    top = np.where(np.isfinite(top), top, 0.0)
    densities = np.exp(logs - top)
    places, best = np.empty(len(shares), dtype=np.int64), np.empty(len(shares))
    size = max(1, CELLS // len(values))
    for first in range(0, len(shares), size):
        with np.errstate(divide="ignore"):
            found = np.log(shares[first : first + size] @ densities) + top
        places[first : first + size] = np.argmax(found, axis=1)
        best[first : first + size] = found.max(axis=1)
    return places, best


def _log_density(laws: Sequence[Law], shares: Floats, x: Floats) -> Floats:
    """Log-density of point x[i] in row i."""
    rows = np.arange(len(x))
    with np.errstate(all="ignore"):
        logs = np.column_stack([law.log_density(x, rows) for law in laws])
        found: Floats = logsumexp(logs, axis=1, b=shares)
    return np.where(np.isnan(found), -np.inf, found)


def _highest(laws: Sequence[Law], shares: Floats) -> Floats:
    """The highest point of each row's density."""
    fixed = [law.fixed for law in laws if law.fixed is not None]
    grid = np.unique(np.concatenate([_grid(factor) for factor in fixed])) if fixed else np.empty(0)
    if len(fixed) == len(laws):
        place, best = _best_of(fixed, shares, grid)
        found = grid[place]
        low, high = grid[np.maximum(place - 1, 0)], grid[np.minimum(place + 1, len(grid) - 1)]
    else:
        found, best, reach = np.zeros(len(shares)), np.full(len(shares), -np.inf), np.ones(len(shares))
        spread = np.ptp(grid) / len(LEVELS) if len(grid) else 0.0
        for law in laws:
            if law.centres is not None and law.scales is not None:
                found, best, reach = _better(laws, shares, law.centres, law.scales, found, best, reach)
        for value in grid:
            found, best, reach = _better(laws, shares, np.full(len(shares), value), spread, found, best, reach)
        low, high = found - reach, found + reach
    return _golden(laws, shares, low, high, found, best)


def _better(
    laws: Sequence[Law], shares: Floats, points: Floats, reach: Any, found: Floats, best: Floats, old_reach: Floats
) -> tuple[Floats, Floats, Floats]:
    value = _log_density(laws, shares, points)
    better = value > best
    return np.where(better, points, found), np.maximum(value, best), np.where(better, reach, old_reach)


def _golden(laws: Sequence[Law], shares: Floats, low: Floats, high: Floats, found: Floats, best: Floats) -> Floats:
    """Golden section between two ends of every row; no point is left for a lower one."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = _log_density(laws, shares, left), _log_density(laws, shares, right)
    for _ in range(SECTIONS):
        goes_left = at_left >= at_right
        high, low = np.where(goes_left, right, high), np.where(goes_left, low, left)
        new = np.where(goes_left, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        value = _log_density(laws, shares, new)
        right, at_right, left, at_left = (
            np.where(goes_left, left, new),
            np.where(goes_left, at_left, value),
            np.where(goes_left, new, right),
            np.where(goes_left, value, at_right),
        )
        if np.all(high - low <= 1e-9 * np.maximum(np.abs(low), np.abs(high))):
            break
    x, value = np.where(at_left >= at_right, left, right), np.maximum(at_left, at_right)
    return np.where(value > best, x, found)
