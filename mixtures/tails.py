"""Probability of an interval under a distribution of one column, and its inverse, without cancellation and far into the tails."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from mixtures.constraints import Interval, Whole
from mixtures.densities import log_densities

Floats = npt.NDArray[np.float64]
Tail = Callable[[Any], Any]

FEW = 4096
"""Whole numbers that are summed rather than left to differences of cdfs."""
CANCELS = 0.1
"""Share of the larger of two probabilities below which their difference is integrated instead."""
UNDERFLOWS = -600.0
"""Logarithm of a tail's probability below which quantiles are found by bisection of its logarithm."""
COARSE, FINE = (np.polynomial.legendre.leggauss(n) for n in (24, 48))


class Tails:
    """Logarithms of a distribution's cdf and survival function, scipy's where it has them, and what follows from them."""

    def __init__(self, base: Any) -> None:
        self._base = base
        own: tuple[Tail, Tail, Tail | None] = base._tails() if hasattr(base, "_tails") else _tails(base)
        self.log_cdf, self.log_sf, self.isf = own

    def is_right(self, low: float) -> bool:
        """Whether everything from `low` on lies right of the median."""
        return bool(self.log_sf(low) <= -math.log(2.0))

    def between(self, low: float, high: float, p: Floats) -> Floats:
        """Value up to which lies share `p` of the probability of (low, high]."""
        if self.is_right(low):
            top = float(self.log_sf(low))
            levels = top + np.log1p(p * np.expm1(float(self.log_sf(high)) - top))
            return self._inverse(self.log_sf, levels, low, high, self.isf)
        top = float(self.log_cdf(high))
        rest = math.exp(float(self.log_cdf(low)) - top)
        levels = top + np.log(rest + p * (1.0 - rest))
        return self._inverse(self.log_cdf, levels, high, low, self._base.quantile)

    def _inverse(self, tail: Any, levels: Floats, near: float, far: float, inverse: Any) -> Floats:
        """Where a tail's logarithm falls to each of `levels`, from `near`, where it is largest, towards `far`."""
        if inverse is not None and float(tail(near)) > UNDERFLOWS:
            return np.asarray(inverse(np.exp(levels)))
        step = math.copysign(1e-12 * max(1.0, abs(near)), far - near)
        outer = near + step
        while math.isfinite(float(tail(outer))) and float(tail(outer)) > levels.min() and abs(step) < 1e300:
            step *= 2.0
            outer = near + step
        short, beyond = np.full(levels.shape, near), np.full(levels.shape, outer)
        for _ in range(120):
            middle = (short + beyond) / 2
            falls_short = tail(middle) > levels
            short, beyond = np.where(falls_short, middle, short), np.where(falls_short, beyond, middle)
        return short


def _tails(base: Any) -> tuple[Tail, Tail, Tail | None]:
    """Logarithms of cdf and survival function, and the inverse of the latter; None where only bisection finds it."""
    named = base._scipy() if hasattr(base, "_scipy") else None
    if named is not None:
        family, places, names = named
        return tuple(_with(getattr(family, method), places, names) for method in ("logcdf", "logsf", "isf"))  # type: ignore[return-value]
    try:
        frozen = base.to_scipy()
    except (AttributeError, NotImplementedError):
        return from_cdf(base)
    return frozen.logcdf, frozen.logsf, frozen.isf


def _with(method: Tail, places: Sequence[Any], names: Mapping[str, Any]) -> Tail:
    return lambda x: method(x, *places, **names)


def from_cdf(base: Any) -> tuple[Tail, Tail, None]:
    """Tails of a distribution that has nothing but a cdf."""
    return (lambda x: np.log(base.cdf(x))), (lambda x: np.log1p(-base.cdf(x))), None


def below_and_up_to(interval: Interval) -> tuple[float, float]:
    """(low, high] as cdfs want it: the number before the first whole number, the last one."""
    return (interval.low - 1.0 if isinstance(interval, Whole) else interval.low), interval.high


def log_mass(base: Any, interval: Interval) -> float:
    """Logarithm of the probability of an interval, ends included, inside the support of `base`."""
    if isinstance(interval, Whole) and interval.high - interval.low < FEW:
        return float(logsumexp(log_densities(base, np.arange(interval.low, interval.high + 1.0))))
    tails = Tails(base)
    low, high = below_and_up_to(interval)
    ends = np.array([low, high])
    left, up_to = tails.log_cdf(ends).tolist()
    if up_to <= -math.log(2.0):  # all of it left of the median
        larger, smaller = up_to, left
    else:
        beyond, right = tails.log_sf(ends).tolist()
        if beyond <= -math.log(2.0):
            larger, smaller = beyond, right
        else:  # around the median: what is left beside both tails
            larger, smaller = 0.0, math.log(math.exp(left) + math.exp(right) or 5e-324)
    share = -math.expm1(smaller - larger) if larger > -math.inf else 0.0
    if not isinstance(interval, Whole):
        if not larger > -math.inf:
            return _integrated(base, low, high)
        if share < CANCELS:
            rough, fine = (_panel(base, low, high, rule) for rule in (COARSE, FINE))
            if abs(rough - fine) <= 1e-13 * (1 + abs(fine)):
                return fine
    return larger + math.log(share) if share > 0.0 else -math.inf


def _panel(base: Any, low: Any, high: Any, rule: Any) -> float:
    """Logarithm of the integral over panels (m,), or one, by Gauss and Legendre's rule."""
    low, high = np.atleast_1d(low)[:, None], np.atleast_1d(high)[:, None]
    half = high / 2 - low / 2
    x = np.clip((low / 2 + high / 2) + half * rule[0], low, high)
    return float(logsumexp(log_densities(base, x.ravel()) + np.log(half * rule[1]).ravel()))


def _integrated(base: Any, low: float, high: float) -> float:
    """Logarithm of the integral over an interval so far out that the cdf underflows: panels that double away from both ends."""
    edges = []
    for end, sign in ((low, 1.0), (high, -1.0)):
        if math.isfinite(end):
            edges.append(np.concatenate([[end], end + sign * max(1.0, abs(end)) * 2.0 ** np.arange(-60, 60)]))
    found = np.unique(np.clip(np.concatenate(edges), low, high))
    return _panel(base, found[:-1], found[1:], FINE)
