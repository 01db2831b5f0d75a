"""Gaussian kernel density of one column.

    log f(x) = log sum over points p of w_p exp(-(x - p)^2 / 2 h^2) - log(h sqrt(2 pi) sum w),   support: every real number.

A fit keeps the rows as points, sorted and equal ones merged, with their weights. The bandwidth h is given, or Silverman's rule
(1986, eq. 3.31): h = 0.9 min(s, IQR / 1.34) n^(-1/5), s and IQR weighted, n the sum of weights (at least 1), since a weight
means repetition. As a component of a mixture it makes EM nonparametric (Benaglia, Chauveau & Hunter 2009, J. Comput. Graph.
Stat. 18:505): its fit maximises no likelihood, so a mixture's may fall, and ``is_maximum_likelihood`` says so.

The sum runs outwards from x until all that is left, weighted, could not change it by 2^-56: exact, far tails included. Points of
one cell of half a bandwidth are summed together through their moments (the fast Gauss transform of Greengard & Strain 1991, its
Taylor series taken to the last bit), so that a value costs a microsecond or two whatever the number of points.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import ndtr

from mixtures._numba import jit_entry
from mixtures.constraints import Interval, real
from mixtures.distributions.base import Floats
from mixtures.distributions.one_column import OneColumn, weighted_quantiles
from mixtures.engine.special import HALF_LOG_2PI, exp_nonpositive, log
from mixtures.exceptions import ParameterError

NEGLIGIBLE = 2.0**-56
TERMS = 28
"""Of a cell's series: within `REACH`, |y t| is at most 2.5, and 2.5^28 / 28! is 5e-19."""
REACH = 10.0
"""Bandwidths from its centre at which a cell's series is used."""
NEAR = 7.0
"""Bandwidths to the nearest point beyond which points are summed one by one: few of them matter there."""
DENSE = 12
"""Points of a cell from which its series costs less than they do."""
LARGEST_REPR = 1000
"""Points that a repr writes out."""


@jit_entry
def _log_sums(x, points, weights, starts, centres, moments, before, after, bandwidth, out):
    """out[i] = log of the weighted sum of kernels at x[i].

    Cell g holds points starts[g] to starts[g + 1]; before[g] and after[g] are the weights beyond it. A cell with moments gives
    exp(-(y - t)^2 / 2) = exp(-y^2 / 2) sum of y^k [t^k exp(-t^2 / 2) / k!], y and t from its centre, in bandwidths.
    """
    n, n_cells = points.size, centres.size
    for i in range(x.size):
        place = np.searchsorted(points, x[i])
        nearest = np.inf
        if place > 0:
            nearest = (x[i] - points[place - 1]) / bandwidth
        if place < n and (points[place] - x[i]) / bandwidth < nearest:
            nearest = (points[place] - x[i]) / bandwidth
        # Kernels are measured by one at a distance that none, nor any centre used, is nearer than.
        is_near = nearest <= NEAR
        unit = max(nearest - 0.5, 0.0) if is_near else nearest
        middle = np.searchsorted(starts, place, side="right") - 1 if place < n else n_cells
        total = 0.0
        for step in (-1, 1):
            g = middle - 1 if step < 0 else middle
            while 0 <= g < n_cells:
                y = (x[i] - centres[g]) / bandwidth
                if is_near and moments[g, 0] > 0.0 and abs(y) <= REACH:
                    value = moments[g, TERMS - 1]
                    for k in range(TERMS - 2, -1, -1):
                        value = value * y + moments[g, k]
                    total += value * exp_nonpositive(0.5 * (unit - abs(y)) * (unit + abs(y)))
                else:
                    for j in range(starts[g], starts[g + 1]):
                        z = abs(x[i] - points[j]) / bandwidth
                        total += weights[j] * exp_nonpositive(0.5 * (unit - z) * (unit + z))
                last = starts[g] if step < 0 else starts[g + 1] - 1
                z = max(step * (points[last] - x[i]) / bandwidth, unit)
                left = before[g] if step < 0 else after[g]
                if left * exp_nonpositive(0.5 * (unit - z) * (unit + z)) <= NEGLIGIBLE * total:
                    break
                g += step
        out[i] = log(total) - 0.5 * unit * unit


def _cells(points: Floats, weights: Floats, bandwidth: float) -> tuple[Any, Floats, Floats, Floats, Floats]:
    """Starts, centres, moments and outer weights of the cells of half a bandwidth that hold points.

    Moments are 0 where a sum over the points costs no more.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        number = np.floor((points - points[0]) / (0.5 * bandwidth))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(number) != 0) + 1, [len(points)]])
    first, last = points[starts[:-1]], points[starts[1:] - 1]
    centres = first / 2 + last / 2
    is_dense = (np.diff(starts) >= DENSE) & (last - first <= 0.5001 * bandwidth)
    moments = np.zeros((len(centres), TERMS))
    if is_dense.any():
        t = (points - np.repeat(centres, np.diff(starts))) / bandwidth
        t = np.where(np.repeat(is_dense, np.diff(starts)), t, 0.0)
        term = weights * np.exp(-0.5 * t * t)
        for k in range(TERMS):
            moments[:, k] = np.where(is_dense, np.add.reduceat(term, starts[:-1]), 0.0)
            term = term * t / (k + 1)
    inside = np.add.reduceat(weights, starts[:-1])
    before = np.concatenate([[0.0], np.cumsum(inside)[:-1]])
    after = np.concatenate([np.cumsum(inside[::-1])[::-1][1:], [0.0]])
    return starts.astype(np.int64), centres, moments, before, after


class KernelDensity(OneColumn):
    """Weighted Gaussian kernel density of one column: a component whose shape is not known.

    Parameters
    ----------
    bandwidth : float > 0, standard deviation of the kernel in the column's unit; None for Silverman's rule, at every fit anew.
    points : sequence of finite numbers, or None to be learned.
    weights : sequence of as many weights > 0; None for 1.

    Notes
    -----
    ``scipy.stats.gaussian_kde``, which knows bandwidths as multiples of the standard deviation. A mixture's log-likelihood may fall
    from one iteration to the next, and information criteria don't apply: it has no ``n_parameters``. Components that differ in
    nothing but their rows are told apart by the start alone. Points that all agree get a bandwidth of 16 rounding
    errors of their size, weights below 1e-300 of the largest count as 0.

    Examples
    --------
    >>> KernelDensity(1.0, points=[0.0]).log_prob([0.0]).round(6)
    array([-0.918939])
    >>> KernelDensity(0.5).fit([3.0, 1.0, 3.0])
    KernelDensity(bandwidth=0.5, points=(1.0, 3.0), weights=(1.0, 2.0))
    """

    is_maximum_likelihood = False
    support = real

    def __init__(self, bandwidth: float | None = None, *, points: Any = None, weights: Any = None) -> None:
        if bandwidth is not None:
            try:
                width = float(bandwidth)
            except (TypeError, ValueError):
                width = math.nan
            if not 0 < width < math.inf:
                raise ParameterError(f"KernelDensity: bandwidth must be finite and > 0, or None, found {bandwidth!r}")
            bandwidth = width
        if points is None:
            if weights is not None:
                raise ParameterError("KernelDensity: weights belong to points, found no points")
            vars(self).update(bandwidth=bandwidth, points=None, weights=None)
            return
        places = _vector("points", points)
        shares = np.ones(len(places)) if weights is None else _vector("weights", weights)
        if shares.shape != places.shape or not (shares >= 0).all() or not shares.max() > 0:
            raise ParameterError(f"KernelDensity: weights must be {len(places)} numbers >= 0, not all 0, found {weights!r}")
        vars(self).update(self._merged(bandwidth, places, shares))

    bandwidth: float | None
    points: Floats
    weights: Floats

    @staticmethod
    def _merged(bandwidth: float | None, points: Floats, weights: Floats) -> dict[str, Any]:
        """Sorted points of weight > 0, weights of equal ones added."""
        seen = weights > 1e-300 * weights.max()
        places, place = np.unique(points[seen] + 0.0, return_inverse=True)
        shares = np.bincount(place.ravel(), weights=weights[seen]).astype(float)
        places.setflags(write=False)
        shares.setflags(write=False)
        return {"bandwidth": bandwidth, "points": places, "weights": shares}

    @property
    def is_complete(self) -> bool:
        """Whether it has points."""
        return vars(self)["points"] is not None

    def _require_complete(self) -> None:
        if not self.is_complete:
            from mixtures.exceptions import NotFittedError

            raise NotFittedError("KernelDensity has no points; give them or fit it")

    @property
    def domain(self) -> Interval:
        """Every real number."""
        return real

    @property
    def n_parameters(self) -> int:
        """None: a nonparametric estimate has no number of parameters, and information criteria don't apply to it."""
        raise AttributeError("KernelDensity has no number of parameters: information criteria do not apply to a kernel density")

    @property
    def kernel_std(self) -> float:
        """The bandwidth in use, given or by Silverman's rule."""
        self._require_complete()
        if self.bandwidth is not None:
            return self.bandwidth
        unit = float(np.abs(self.points).max()) or 1.0  # squares of extremes stay in range
        points, total = self.points / unit, float(self.weights.sum())
        share = self.weights / total
        std = math.sqrt(float(share @ np.square(points - share @ points)))
        low, high = weighted_quantiles(points, self.weights, [0.25, 0.75])
        spread = min(std, (high - low) / 1.34) if high > low else std
        width = unit * float(0.9 * spread * max(total, 1.0) ** -0.2)
        return max(width, 16 * np.finfo(float).eps * unit, 2.3e-308)

    def _values(self) -> dict[str, Any]:
        if not self.is_complete:
            return {"bandwidth": self.bandwidth, "points": None, "weights": None}
        return {"bandwidth": self.bandwidth, "points": tuple(self.points.tolist()), "weights": tuple(self.weights.tolist())}

    def __repr__(self) -> str:
        if not self.is_complete or len(self.points) <= LARGEST_REPR:
            return super().__repr__()
        width = "" if self.bandwidth is None else f"bandwidth={self.bandwidth!r}, "
        return f"KernelDensity({width}points=<{len(self.points)} from {self.points[0]:g} to {self.points[-1]:g}>)"

    def _log_density(self, x: Floats) -> Floats:
        width = self.kernel_std
        out = np.full(len(x), -np.inf)
        seen = np.isfinite(x)
        prepared = vars(self).get("prepared")
        if prepared is None:  # once, for all chunks of a pass
            points, weights = np.array(self.points), np.array(self.weights)
            prepared = vars(self)["prepared"] = (points, weights, *_cells(points, weights, width), width)
        found = np.empty(int(seen.sum()))
        _log_sums(np.ascontiguousarray(x[seen]), *prepared, found)
        out[seen] = found - (math.log(width) + HALF_LOG_2PI + math.log(self.weights.sum()))
        return out

    def _fitted(self, x: Floats, weights: Floats) -> KernelDensity:
        return self._trusted(**self._merged(self.bandwidth, x, weights))

    def cdf(self, x: Any) -> Floats:
        self._require_complete()
        x = np.asarray(x, dtype=float)
        share, width = self.weights / self.weights.sum(), self.kernel_std
        return np.array([share @ ndtr((value - self.points) / width) for value in x.ravel()]).reshape(x.shape)

    def quantile(self, probability: Any) -> Floats:
        """Smallest value whose cdf reaches `probability`, elementwise: by bisection."""
        self._require_complete()
        p = np.asarray(probability, dtype=float)
        low = np.full(p.shape, self.points[0] - 40 * self.kernel_std)
        high = np.full(p.shape, self.points[-1] + 40 * self.kernel_std)
        for _ in range(100):
            middle = low / 2 + high / 2
            below = self.cdf(middle) < p
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        found = np.where(p == 0, -np.inf, np.where(p == 1, np.inf, high))
        return np.asarray(np.where((p >= 0) & (p <= 1), found, np.nan))

    def _drawn(self, n: int, random: Any) -> Floats:
        chosen = random.choice(self.points, size=n, p=self.weights / self.weights.sum())
        return np.asarray(chosen + self.kernel_std * random.standard_normal(size=n))

    @property
    def mean(self) -> float:
        """Weighted mean of the points."""
        self._require_complete()
        return float(self.weights @ self.points / self.weights.sum())

    @property
    def variance(self) -> float:
        """Weighted variance of the points, and the kernel's."""
        centred = self.points - self.mean
        return float(self.weights @ np.square(centred) / self.weights.sum()) + self.kernel_std**2


def _vector(name: str, values: Any) -> Floats:
    try:
        found = np.array(values, dtype=float)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise ParameterError(f"KernelDensity: {name} must be a sequence of finite numbers, found {values!r}")
    return found
