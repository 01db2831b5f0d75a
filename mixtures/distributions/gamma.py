"""Gamma distribution.

    log f(x) = shape log(rate) - log Gamma(shape) + (shape - 1) log x - rate x,   support: x > 0.

Where these terms are large they cancel; it is computed as -log x - D(shape, rate x) + log(shape / 2 pi) / 2 -
stirling_rest(shape) there, with the deviance D(a, m) = a log(a / m) + m - a (Loader 2000: the Gamma density is the
continuous case of the Poisson mass).

Weighted maximum likelihood: with s = log(mean x) - mean(log x) >= 0, means weighted, the shape solves
log(shape) - digamma(shape) = s, and rate = shape / mean(x). With the rate held, digamma(shape) = log(rate) + mean(log x).

Under a large shape the rows lie so close together that s is lost in the rounding of the logarithms. The pass is then asked for
again with sums about a centre c, the mean: with d = mean(x) / c - 1 and phi(u) = u - log(1 + u) >= 0,
s = mean(phi(x / c - 1)) - phi(d).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import inline, jit, wide_vectors
from mixtures.constraints import positive
from mixtures.constraints import shape as positive_shape
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.coordinates import LOG
from mixtures.engine.plan import FAILED, FLOORED, REPEAT, UNSETTLED, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import (
    HALF_LOG_2PI,
    inverse_digamma,
    log,
    log_gamma,
    log_minus_digamma,
    poisson_deviance,
    stirling_rest,
    trigamma_excess,
)

SHAPE = 0
RATE = 1
HELD = 2
REFERENCE = 3  # the column's largest value, in which it is summed: at 1e308 a sum of rows would overflow
CENTRE = 4  # of the sums, the mean; 0 for sums about nothing
CONSTANT = 5
SIZE = 6

NEAR = 64.0
"""Largest shape * (1 + |log rate|) for the textbook's form; that without cancellation costs a logarithm a row and component."""
NARROW = 1e4
"""Shapes from here on sum about a centre."""
SMALLEST_GAP = 3e-15
"""log(mean) - mean(log) that rounding tells from 0, of numbers near 1, when not taken about a centre."""
SMALLEST_CENTRED_GAP = 6e-30
"""The same about a centre: of rows that lie 16 rounding errors apart. The shape is at most 8e28."""


@jit
def prepare(parameters):
    for k in range(parameters.shape[0]):
        shape, rate = parameters[k, SHAPE], parameters[k, RATE]
        if is_far(shape, rate):
            parameters[k, CONSTANT] = 0.5 * log(shape) - HALF_LOG_2PI - stirling_rest(shape)
        else:
            parameters[k, CONSTANT] = shape * log(rate) - log_gamma(shape)


@jit
def is_far(shape, rate):
    """Whether the terms of the textbook's form are so large that their rounding shows."""
    return shape * (1.0 + abs(log(rate))) > NEAR


@jit
def logs_of(cells, out):
    """Logarithms; 0 outside the support, where the result is discarded."""
    wide_vectors()
    for i in range(cells.size):
        out[i] = log(cells[i]) if 0.0 < cells[i] < np.inf else 0.0


@jit
def deviance(shape, expected, log_expected):
    """D(shape, expected), also where `expected` has left the range of float64, not so its logarithm."""
    inline()
    tiny = expected < 1e-290
    value = poisson_deviance(shape, 1.0 if tiny else expected)
    return shape * (log(shape) - log_expected) - shape if tiny else value


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    logs = np.empty(cells.size)
    logs_of(cells, logs)
    for k in range(out.shape[0]):
        row = out[k]
        shape, rate, constant = parameters[k, SHAPE], parameters[k, RATE], parameters[k, CONSTANT]
        if is_far(shape, rate):
            log_rate = log(rate)
            for i in range(row.size):
                value = constant - logs[i] - deviance(shape, rate * cells[i], log_rate + logs[i])
                row[i] += value if 0.0 < cells[i] < np.inf else -np.inf
        else:
            for i in range(row.size):
                value = constant + (shape - 1.0) * logs[i] - rate * cells[i]
                row[i] += value if 0.0 < cells[i] < np.inf else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    cells = x[0]
    logs, first, second = np.empty(cells.size), np.empty(cells.size), np.empty(cells.size)
    logs_of(cells, logs)
    for k in range(responsibilities.shape[0]):
        reference = parameters[k, REFERENCE]
        centre = parameters[k, CENTRE]
        if centre > 0.0:
            for i in range(cells.size):
                first[i] = (cells[i] - centre) / centre
                # Rows outside the support belong to other components, but what is no number times a share of 0 is none.
                value = poisson_deviance(centre, cells[i]) / centre
                second[i] = value if 0.0 < cells[i] < np.inf else 0.0
        else:
            for i in range(cells.size):
                first[i] = cells[i] / reference
        statistics[k, 1] += weighted_total(first, responsibilities[k])
        statistics[k, 2] += weighted_total(second if centre > 0.0 else logs, responsibilities[k])


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
def phi(u):
    """u - log(1 + u) for u > -1, without cancellation."""
    if abs(u) < 1e-4:
        return u * u * (0.5 - u * (1.0 / 3.0 - u * (0.25 - u * 0.2)))
    return poisson_deviance(1.0, 1.0 + u)


@jit
def maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        if not total > 0.0:
            continue
        p = parameters[k]
        first, second = statistics[k, 1] / total, statistics[k, 2] / total
        centre = p[CENTRE]
        if centre > 0.0:
            mean = centre * (1.0 + first)
            mean_log = log(centre) + (first - second)
            lost = phi(first) if -0.9 < first < 10.0 else np.inf
            gap, smallest = second - lost, SMALLEST_CENTRED_GAP
        else:
            mean = first * p[REFERENCE]
            mean_log = second
            lost = 0.0
            gap, smallest = log(mean) - mean_log, SMALLEST_GAP * max(1.0, abs(mean_log))
        if not 0.0 < mean < np.inf:
            return FAILED
        if is_held(p[HELD], SHAPE):
            if not is_held(p[HELD], RATE):
                p[RATE] = p[SHAPE] / mean
            continue
        if is_held(p[HELD], RATE):
            p[SHAPE] = inverse_digamma(log(p[RATE]) + mean_log)
            continue
        shape = shape_of(max(gap, smallest))
        narrow = shape >= NARROW
        if (narrow and not centre > 0.0) or lost > 1e3 * max(gap, smallest):
            # Once more, about the mean; about nothing where that is lost, too.
            p[CENTRE] = mean if lost < np.inf else 0.0
            outcome |= REPEAT | UNSETTLED
            continue
        if not gap > smallest:
            outcome |= FLOORED
        p[SHAPE] = shape
        p[RATE] = shape / mean
        p[CENTRE] = mean if narrow else 0.0
    return outcome


class Gamma(Family):
    """Gamma distribution of one column of values > 0: waiting times, sizes of claims, rainfall.

    Parameters
    ----------
    shape : float > 0, or None to be learned.
    rate : float > 0, 1 / scale, or None to be learned. The mean is shape / rate.

    Notes
    -----
    ``scipy.stats.gamma(a=shape, scale=1 / rate)``. Where all values agree within 16 rounding errors, the shape is held at
    about 8e28, with a :class:`~mixtures.exceptions.DegenerateWarning`; rows whose rate would leave float64 are refused.

    Examples
    --------
    >>> Gamma(2.0, 1.0).log_prob([1.0, 0.0])
    array([ -1., -inf])
    >>> Gamma().fit([1.0, 2.0, 3.0])
    Gamma(shape=5.375209483690756, rate=2.687604741845378)
    """

    parameters = {"shape": positive_shape, "rate": positive}
    support = positive
    kernels = Kernels(prepare, _log_prob, _accumulate, maximize)
    coordinates = ((LOG, SHAPE, 1, 0), (LOG, RATE, 1, 1))
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

    def _scipy(self):
        return scipy.stats.gamma, (self.shape,), {"scale": 1.0 / self.rate}

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        return self.shape, self.rate, 0.0, column.magnitude or 1.0, 0.0, 0.0

    def _unpack(self, row, column):
        return Gamma(row[SHAPE], row[RATE])

    def _start(self, column):
        return Gamma(1.0, 1.0 / max(column.upper / 2, column.floor))
