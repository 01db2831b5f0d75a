"""Gamma distribution.

    log f(x) = shape log(rate) - log Gamma(shape) + (shape - 1) log x - rate x,   support: x > 0.

These terms cancel where the shape is large; it is computed as -log x - D(shape, rate x) + log(shape / 2 pi) / 2 -
stirling_error(shape) there, with the deviance D(a, m) = a log(a / m) + m - a (Loader 2000: the Gamma density is the
continuous case of the Poisson mass).

Weighted maximum likelihood: with s = log(mean x) - mean(log x) >= 0, means weighted, the shape solves
log(shape) - digamma(shape) = s, and rate = shape / mean(x). With the rate held, digamma(shape) = log(rate) + mean(log x).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import positive
from mixtures.constraints import shape as positive_shape
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.plan import FLOORED, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import (
    HALF_LOG_2PI,
    inverse_digamma,
    log,
    log_gamma,
    log_minus_digamma,
    poisson_deviance,
    stirling_series,
    trigamma_excess,
)

SHAPE = 0
RATE = 1  # per unit of the column
HELD = 2
LOG_UNIT = 3
CONSTANT = 4
SIZE = 5

LARGE = 50.0
"""Shapes from here on take the form without cancellation, which costs a logarithm a row and component."""
SMALLEST_GAP = 3e-15
"""log(mean) - mean(log) that rounding tells from 0, of numbers near 1: the shape is at most a sixth of 1e15."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        shape = parameters[k, SHAPE]
        if shape >= LARGE:
            parameters[k, CONSTANT] = 0.5 * log(shape) - HALF_LOG_2PI - stirling_series(shape) - parameters[k, LOG_UNIT]
        else:
            parameters[k, CONSTANT] = shape * log(parameters[k, RATE]) - log_gamma(shape) - parameters[k, LOG_UNIT]


@jit
def _logs(cells, out):
    """Logarithms; 0 outside the support, where the result is discarded."""
    wide_vectors()
    for i in range(cells.size):
        out[i] = log(cells[i]) if 0.0 < cells[i] < np.inf else 0.0


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    logs = np.empty(cells.size)
    _logs(cells, logs)
    for k in range(out.shape[0]):
        row = out[k]
        shape, rate, constant = parameters[k, SHAPE], parameters[k, RATE], parameters[k, CONSTANT]
        if shape >= LARGE:
            for i in range(row.size):
                value = constant - logs[i] - poisson_deviance(shape, rate * cells[i])
                row[i] += value if 0.0 < cells[i] < np.inf else -np.inf
        else:
            for i in range(row.size):
                value = constant + (shape - 1.0) * logs[i] - rate * cells[i]
                row[i] += value if 0.0 < cells[i] < np.inf else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    cells = x[0]
    logs = np.empty(cells.size)
    _logs(cells, logs)
    for k in range(responsibilities.shape[0]):
        statistics[k, 1] += weighted_total(cells, responsibilities[k])
        statistics[k, 2] += weighted_total(logs, responsibilities[k])


@jit
def shape_of(gap):
    """The shape a > 0 with log(a) - digamma(a) = gap > 0, by Newton's method in 1 / a, in which the left side is all but linear
    at both ends (the iteration of Minka 2002, "Estimating a Gamma distribution", eq. 10)."""
    gap = min(gap, 1e100)  # a shape of 1e-100, whose square is still a number
    # Within 1.5 % everywhere (Minka's eq. 7).
    a = (3.0 - gap + np.sqrt((gap - 3.0) * (gap - 3.0) + 24.0 * gap)) / (12.0 * gap)
    for _ in range(30):
        step = (log_minus_digamma(a) - gap) / (a * trigamma_excess(a))
        new = a / (1.0 - step)
        settled = abs(new - a) <= 4e-16 * a
        a = new
        if settled:
            break
    return a


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        if not total > 0.0:
            continue
        mean = statistics[k, 1] / total
        mean_log = statistics[k, 2] / total
        held = parameters[k, HELD]
        if not is_held(held, SHAPE):
            if is_held(held, RATE):
                parameters[k, SHAPE] = inverse_digamma(log(parameters[k, RATE]) + mean_log)
                continue
            gap = log(mean) - mean_log
            smallest = SMALLEST_GAP * max(1.0, abs(mean_log))
            if not gap > smallest:
                gap = smallest
                outcome |= FLOORED
            parameters[k, SHAPE] = shape_of(gap)
        if not is_held(held, RATE):
            parameters[k, RATE] = parameters[k, SHAPE] / mean
    return outcome


class Gamma(Family):
    """Gamma distribution of one column of values > 0: waiting times, sizes of claims, rainfall.

    Parameters
    ----------
    shape : float > 0, or None to be learned.
    rate : float > 0, 1 / scale, or None to be learned. The mean is shape / rate.

    Notes
    -----
    ``scipy.stats.gamma(a=shape, scale=1 / rate)``. Where all values agree within rounding, a relative spread below 1e-7, the
    shape is held at about 1e14, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Gamma(2.0, 1.0).log_prob([1.0, 0.0])
    array([ -1., -inf])
    >>> Gamma().fit([1.0, 2.0, 3.0])
    Gamma(shape=5.375209483690756, rate=2.687604741845378)
    """

    parameters = {"shape": positive_shape, "rate": positive}
    support = positive
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    uses_unit = True
    held = HELD

    def __init__(self, shape: float | None = None, rate: float | None = None) -> None:
        super().__init__(shape=shape, rate=rate)

    shape: float
    rate: float

    @property
    def mean(self) -> float:
        """shape / rate."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """shape / rate^2."""
        return self._moment("var")

    def to_scipy(self):
        return scipy.stats.gamma(self.shape, scale=1.0 / self.rate)

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        return self.shape, self.rate * column.unit, 0.0, np.log(column.unit), 0.0

    def _unpack(self, row, column):
        return Gamma(row[SHAPE], row[RATE] / column.unit)

    def _start(self, column):
        return Gamma(1.0, 1.0 / max(column.upper / 2, column.floor))
