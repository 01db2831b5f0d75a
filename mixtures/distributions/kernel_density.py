"""Gaussian kernel density of one column.

    log f(x) = log sum over points p of w_p exp(-(x - p)^2 / 2 h^2) - log(h sqrt(2 pi) sum w),   support: every real number.

A fit keeps the rows as points, sorted and equal ones merged, with their weights. The bandwidth h is given, or Silverman's rule
(1986, eq. 3.31): h = 0.9 min(s, IQR / 1.34) n^(-1/5), s and IQR weighted, n the sum of weights (at least 1), since a weight
means repetition. As a component of a mixture it makes EM nonparametric (Benaglia, Chauveau & Hunter 2009, J. Comput. Graph.
Stat. 18:505): its fit maximises no likelihood, so a mixture's may fall, and ``is_maximum_likelihood`` says so.

The sum runs outwards from x until all that is left, weighted, could not change it by 2^-56: exact, far tails included.
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
LARGEST_REPR = 1000
"""Points that a repr writes out."""


@jit_entry
def _log_sums(x, points, weights, below, above, bandwidth, out):
    """out[i] = log of the weighted sum of kernels at x[i]; below[j] and above[j] are the weights before and after point j."""
    n = points.size
    for i in range(x.size):
        right = np.searchsorted(points, x[i])
        left = right - 1
        nearest = np.inf
        if left >= 0:
            nearest = (x[i] - points[left]) / bandwidth
        if right < n and (points[right] - x[i]) / bandwidth < nearest:
            nearest = (points[right] - x[i]) / bandwidth
        total = 0.0
        while left >= 0:
            z = (x[i] - points[left]) / bandwidth
            kernel = exp_nonpositive(0.5 * (nearest - z) * (nearest + z))
            total += weights[left] * kernel
            if below[left] * kernel <= NEGLIGIBLE * total:
                break
            left -= 1
        while right < n:
            z = (points[right] - x[i]) / bandwidth
            kernel = exp_nonpositive(0.5 * (nearest - z) * (nearest + z))
            total += weights[right] * kernel
            if above[right] * kernel <= NEGLIGIBLE * total:
                break
            right += 1
        out[i] = log(total) - 0.5 * nearest * nearest


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
    errors of their size, weights below 1e-300 of the largest count as 0. A density at one value visits the points within some 8
    bandwidths, in a nanosecond or two each.

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
        total = np.cumsum(self.weights)
        before = np.concatenate([[0.0], total[:-1]])
        after = np.concatenate([np.cumsum(self.weights[::-1])[::-1][1:], [0.0]])
        found = np.empty(int(seen.sum()))
        points, weights = np.array(self.points), np.array(self.weights)
        _log_sums(np.ascontiguousarray(x[seen]), points, weights, before, after, width, found)
        out[seen] = found - (math.log(width) + HALF_LOG_2PI + math.log(total[-1]))
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
