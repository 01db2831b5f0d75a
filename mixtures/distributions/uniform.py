"""Continuous uniform distribution.

    log f(x) = -log(high - low),   support: low <= x <= high.

Weighted maximum likelihood: low and high are the smallest and the largest row that has a weight.

In a mixture a row outside has responsibility 0, and the next ends are those of the other rows: EM can narrow the interval, never
widen it. It starts over the whole column, and gives way where another component takes all that lies beyond some row.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import lower_end, real, upper_end
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.plan import FAILED, FLOORED, is_held
from mixtures.engine.special import log
from mixtures.exceptions import ParameterError

LOW = 0
HIGH = 1
HELD = 2
FLOOR = 3  # of the width
CONSTANT = 4  # -log(high - low)
SIZE = 5

LOG_2 = 0.6931471805599453


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        # Halves: the difference of two values near the largest float overflows.
        parameters[k, CONSTANT] = -log(0.5 * parameters[k, HIGH] - 0.5 * parameters[k, LOW]) - LOG_2


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    for k in range(out.shape[0]):
        row = out[k]
        low, high, constant = parameters[k, LOW], parameters[k, HIGH], parameters[k, CONSTANT]
        for i in range(row.size):
            row[i] += constant if low <= cells[i] <= high else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    """The largest value of a row that belongs here, and the largest negative of one."""
    wide_vectors()
    cells = x[0]
    for k in range(responsibilities.shape[0]):
        share = responsibilities[k]
        high = -np.inf
        low = np.inf
        for i in range(share.size):
            high = max(high, cells[i] if share[i] > 0.0 else -np.inf)
            low = min(low, cells[i] if share[i] > 0.0 else np.inf)
        statistics[k, 1] = max(statistics[k, 1], high)
        statistics[k, 2] = max(statistics[k, 2], -low)


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        if not statistics[k, 0] > 0.0:
            continue
        p = parameters[k]
        low, high = -statistics[k, 2], statistics[k, 1]
        low_held, high_held = is_held(p[HELD], LOW), is_held(p[HELD], HIGH)
        if (low_held and low < p[LOW]) or (high_held and high > p[HIGH]):
            return FAILED
        low = p[LOW] if low_held else low
        high = p[HIGH] if high_held else high
        if not (low_held and high_held) and not 0.5 * high - 0.5 * low >= 0.5 * p[FLOOR]:
            outcome |= FLOORED
            rest = p[FLOOR] - (high - low)
            low -= 0.0 if low_held else rest if high_held else 0.5 * rest
            high += 0.0 if high_held else rest if low_held else 0.5 * rest
        p[LOW], p[HIGH] = low, high
    return outcome


class Uniform(Family):
    """Continuous uniform distribution of one real column: what is known to lie between two ends, and background noise.

    Parameters
    ----------
    low, high : floats, low < high, the ends, which belong to the support; or None to be learned.

    Raises
    ------
    ParameterError : both ends are given and low is not below high.

    Notes
    -----
    ``scipy.stats.uniform(loc=low, scale=high - low)``. A column whose values agree has no width to learn: it is then held at 16
    rounding errors of the column's largest value, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Uniform(0.0, 2.0).log_prob([2.0, 2.1]).round(6)
    array([-0.693147,      -inf])
    >>> Uniform().fit([1.0, 2.0, 4.0])
    Uniform(low=1.0, high=4.0)
    """

    parameters = {"low": lower_end, "high": upper_end}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    held = HELD
    n_maxima = 2
    ends = {"low": -1.0, "high": 1.0}

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        super().__init__(low=low, high=high)
        if low is not None and high is not None and not self.low < self.high:
            raise ParameterError(f"Uniform: low must be < high, found low={low!r}, high={high!r}")

    low: float
    high: float

    @property
    def mean(self) -> float:
        """(low + high) / 2."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """(high - low)^2 / 12."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.uniform, (self.low, self.high - self.low), {}

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        return self.low, self.high, 0.0, column.floor, 0.0

    def _unpack(self, row, column):
        return Uniform(row[LOW], row[HIGH])

    def _start(self, column):
        # Whatever end is given, the other lies beyond it.
        low = column.lower if self.high is None else min(column.lower, self.high - column.floor)
        high = column.upper if self.low is None else max(column.upper, self.low + column.floor)
        return Uniform(low, high if high > low else low + column.floor)
