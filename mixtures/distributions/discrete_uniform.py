"""Discrete uniform distribution: whole numbers between two ends, all alike.

    log f(x) = -log(high - low + 1),   support: whole x, low to high, both ends included.

Maximum likelihood: the smallest and the largest value that has any weight; how much does not matter.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import whole, whole_high, whole_low
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.plan import is_held
from mixtures.engine.special import log
from mixtures.exceptions import ParameterError

LOW = 0
HIGH = 1
HELD = 2
LOG_MASS = 3
SIZE = 4

# Statistics, both maxima over rows.
MINUS_SMALLEST = 1
LARGEST = 2


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        low, high = parameters[k, LOW], parameters[k, HIGH]
        values = high - low + 1.0
        # Their number may be beyond float64 where its half is not.
        parameters[k, LOG_MASS] = -log(values) if values < np.inf else -log(0.5 * high - 0.5 * low) - np.log(2.0)


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    for k in range(out.shape[0]):
        row = out[k]
        low, high, mass = parameters[k, LOW], parameters[k, HIGH], parameters[k, LOG_MASS]
        for i in range(row.size):
            inside = low <= cells[i] <= high and cells[i] == np.floor(cells[i])
            row[i] += mass if inside else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    cells = x[0]
    for k in range(responsibilities.shape[0]):
        share = responsibilities[k]
        smallest, largest = -statistics[k, MINUS_SMALLEST], statistics[k, LARGEST]
        for i in range(cells.size):
            value = cells[i]
            smallest = value if share[i] > 0.0 and value < smallest else smallest
            largest = value if share[i] > 0.0 and value > largest else largest
        statistics[k, MINUS_SMALLEST], statistics[k, LARGEST] = -smallest, largest


@jit
def _maximize(statistics, parameters):
    for k in range(parameters.shape[0]):
        if statistics[k, 0] > 0.0:
            held = parameters[k, HELD]
            if not is_held(held, 0):
                parameters[k, LOW] = -statistics[k, MINUS_SMALLEST]
            if not is_held(held, 1):
                parameters[k, HIGH] = statistics[k, LARGEST]
    return 0


class DiscreteUniform(Family):
    """Discrete uniform distribution of one column of whole numbers.

    Parameters
    ----------
    low : whole number, the smallest possible value, or None to be learned.
    high : whole number >= low, the largest possible value, or None to be learned.

    Notes
    -----
    ``scipy.stats.randint(low, high + 1)``. In a mixture no end ever moves outwards, since values beyond it have probability 0,
    and it moves inwards only when the component has lost every row at that end. So the ends are the column's, unless they are
    given as a start: a uniform component suits as a background beneath other families. A constant column is a point mass.

    Examples
    --------
    >>> DiscreteUniform(1, 6).log_prob([1, 6, 7]).round(6)
    array([-1.791759, -1.791759,      -inf])
    >>> DiscreteUniform().fit([2, 5, 3])
    DiscreteUniform(low=2, high=5)
    """

    parameters = {"low": whole_low, "high": whole_high}
    unmoved = {"low": "a whole number, an end of the support", "high": "a whole number, an end of the support"}
    support = whole
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    n_maxima = 2
    held = HELD

    def __init__(self, low: int | None = None, high: int | None = None) -> None:
        super().__init__(low=low, high=high)
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ParameterError(f"DiscreteUniform: low must be at most high, found low={low!r}, high={high!r}")

    low: int
    high: int

    @property
    def mean(self) -> float:
        """(low + high) / 2."""
        self._require_complete()
        return self.low / 2 + self.high / 2

    @property
    def variance(self) -> float:
        """((high - low + 1)^2 - 1) / 12."""
        self._require_complete()
        return ((self.high - self.low + 1.0) ** 2 - 1.0) / 12.0  # scipy divides by 0 for a point mass

    def _scipy(self):
        return scipy.stats.randint, (self.low, self.high + 1), {}

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        return self.low, self.high, 0.0, 0.0

    def _unpack(self, row, column):
        return DiscreteUniform(row[LOW], row[HIGH])

    def _start(self, column):
        return DiscreteUniform(np.floor(column.lower), np.ceil(column.upper))
