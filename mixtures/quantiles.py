"""scipy's distributions with quantiles of our own, where scipy's search fails far out."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats


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
