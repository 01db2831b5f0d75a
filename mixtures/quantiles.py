"""Quantiles of our own, where scipy's search fails far out."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from mixtures.tails import Floats, Tails


class SolvedQuantiles:
    """Mixed into a scipy family of positive values: quantiles by bisection of the logarithms of its tails."""

    _logcdf: Any
    _logsf: Any

    def _ppf(self, q: Any, *shapes: Any) -> Any:
        lower, upper = self._solved(self._logcdf, q, shapes, 1.0), self._solved(self._logsf, 1.0 - q, shapes, -1.0)
        return np.exp(np.where(q <= 0.5, lower, upper))

    def _isf(self, q: Any, *shapes: Any) -> Any:
        upper, lower = self._solved(self._logsf, q, shapes, -1.0), self._solved(self._logcdf, 1.0 - q, shapes, 1.0)
        return np.exp(np.where(q <= 0.5, upper, lower))

    def _solved(self, log_tail: Any, q: Any, shapes: Any, sign: float) -> Any:
        """log x where a tail has probability q; `sign` is that of its slope."""
        q, *shapes = np.broadcast_arrays(q, *shapes)
        low, high = np.full(q.shape, -744.0), np.full(q.shape, 709.0)
        with np.errstate(all="ignore"):
            target = np.log(q)
            for _ in range(64):
                middle = 0.5 * (low + high)
                found = np.nan_to_num(log_tail(np.exp(middle), *shapes), nan=-np.inf, neginf=-np.inf)  # NaN where it vanishes
                beyond = sign * (found - target) >= 0.0
                low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        return 0.5 * (low + high)


class _Wald(SolvedQuantiles, type(scipy.stats.invgauss)):  # type: ignore[misc]
    """scipy's inverse Gaussian; its own quantiles raise, or are wrong, far out (seen with scipy 1.17)."""


wald = _Wald(a=0.0, name="invgauss")
"""As ``scipy.stats.invgauss``."""


def without_wrong_ends(distribution: Any, levels: Any, found: Any) -> Floats:
    """Quantiles `found` of a distribution at levels, those sought anew that are infinite or NaN inside (0, 1).

    scipy's search may end at an infinity, even of the wrong sign: that of ``scipy.stats.t(3).ppf(1e-300)`` is +inf (seen with scipy
    1.17). What is found instead is the smallest float64 whose cdf reaches the level, by bisection of all of them in their order; an
    infinity where none does.
    """
    q, out = np.broadcast_arrays(np.asarray(levels, dtype=float), np.asarray(found, dtype=float))
    wrong = (q > 0.0) & (q < 1.0) & ~np.isfinite(out)
    if not wrong.any():
        return np.asarray(found)
    tails, sought = Tails(distribution), q[wrong]

    def reaches(x: Floats) -> Any:
        with np.errstate(all="ignore"):
            lower = np.asarray(tails.log_cdf(x)) >= np.log(sought)
            return np.where(sought <= 0.5, lower, np.asarray(tails.log_sf(x)) <= np.log1p(-sought))

    last = _place(np.array(np.finfo(float).max))
    low, high = np.full(len(sought), -last - 1), np.full(len(sought), last + 1)  # the infinities
    for _ in range(64):
        middle = low // 2 + high // 2 + (low % 2 + high % 2) // 2
        at_end = reaches(_at(middle))
        low, high = np.where(at_end, low, middle), np.where(at_end, middle, high)
    anew, out = np.where(high == -last, -np.inf, _at(high)), out.copy()  # the first of all stands for those beyond
    out[wrong] = np.where(np.isnan(out[wrong]) & np.isinf(anew), np.nan, anew)  # no cdf either
    return out


def _place(x: Floats) -> Any:
    """The number of a float64 among all of them, from 0 outwards to both sides."""
    bits = np.abs(x).view(np.int64)
    return np.where(np.signbit(x), -bits, bits)


def _at(place: Any) -> Floats:
    """The float64 of a number."""
    return np.copysign(np.abs(place).view(np.float64), place)
