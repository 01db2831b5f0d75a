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

Under a Gamma(a, b) prior of the rate, given the shape, with A = (a - 1) / sum w and B = b / sum w the most probable rate is
(shape + A) / (mean(x) + B), and at it the slope of the log-posterior in the shape over sum w is log(shape + A) - digamma(shape) -
s - log(1 + B / mean(x)). It falls from infinity to less than 0 (1 / (shape + A) < trigamma(shape)): there is one maximum, also for
one row. With the rate held, the prior changes nothing.

Components that tie a shape or a rate: see :mod:`mixtures.engine.gamma_ties`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from mixtures._numba import inline, jit, wide_vectors
from mixtures.constraints import positive
from mixtures.constraints import shape as positive_shape
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.conjugate import log_gamma_density
from mixtures.engine.coordinates import LOG
from mixtures.engine.gamma_ties import common_rate, common_shape
from mixtures.engine.plan import FAILED, FLOORED, REPEAT, UNSETTLED, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import (
    HALF_LOG_2PI,
    inverse_digamma,
    log,
    log_gamma,
    log_minus_digamma,
    log_one_plus,
    poisson_deviance,
    stirling_rest,
    trigamma_excess,
)
from mixtures.engine.ties import has_ties, is_tied
from mixtures.exceptions import ParameterError

SHAPE = 0
RATE = 1
HELD = 2
REFERENCE = 3  # the column's largest value, in which it is summed: at 1e308 a sum of rows would overflow
CENTRE = 4  # of the sums, the mean; 0 for sums about nothing
CONSTANT = 5
TIES = 6
PRIOR_SHAPE = 7  # 1, and a rate of 0, without one
PRIOR_RATE = 8
SIZE = 9

NEAR = 64.0
"""Largest shape * (1 + |log rate|) for the textbook's form; that without cancellation costs a logarithm a row and component."""
NARROW = 1e4
"""Shapes from here on sum about a centre."""
SMALLEST_GAP = 3e-15
"""log(mean) - mean(log) that rounding tells from 0, of numbers near 1, when not taken about a centre."""
SMALLEST_CENTRED_GAP = 6e-30
"""The same about a centre: of rows that lie 16 rounding errors apart. The shape is at most 8e28."""
STILL = 1e-10
"""Relative move of a shape or a rate, which some components tie both and others one of, that is the last."""


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
def shape_under(gap, extra):
    """The shape a > 0 with log(a + extra) - digamma(a) = gap > 0, extra >= 0: as :func:`shape_of`, by steps that stay inside a
    bracket. The left side falls with a and lies between log(a) - digamma(a) and that plus extra / a, so less than (1 + extra) / a.
    """
    gap = min(gap, 1e100)
    low, high = shape_of(gap), (1.0 + extra) / gap
    a = high  # where 1 / a is smallest, from which Newton's steps on a concave side do not pass the root
    for _ in range(200):
        surplus = log_minus_digamma(a) + log_one_plus(extra / a) - gap
        if surplus > 0.0:
            low = max(low, a)
        else:
            high = min(high, a)
        new = a / (1.0 - surplus / (a * trigamma_excess(a) + extra / (a + extra)))
        if not low <= new <= high:
            new = np.sqrt(low) * np.sqrt(high)
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
        if statistics[k, 0] > 0.0 and not _shares(parameters[k]):
            outcome |= _maximize_one(statistics[k], parameters[k])
    return outcome | _maximize_tied(statistics, parameters) if has_ties(parameters, TIES) else outcome


@jit
def _shares(p):
    return is_tied(p[TIES], p[HELD], SHAPE) or is_tied(p[TIES], p[HELD], RATE)


@jit
def _moments(sums, p):
    """Mean, mean of logarithms, the gap between its logarithm and that, the smallest gap that rounding leaves, and how much
    cancelled in it."""
    first, second = sums[1] / sums[0], sums[2] / sums[0]
    centre = p[CENTRE]
    if centre > 0.0:
        lost = phi(first) if -0.9 < first < 10.0 else np.inf
        return centre * (1.0 + first), log(centre) + (first - second), second - lost, SMALLEST_CENTRED_GAP, lost
    mean = first * p[REFERENCE]
    return mean, second, log(mean) - second, SMALLEST_GAP * max(1.0, abs(second)), 0.0


@jit
def _maximize_one(sums, p):
    mean, mean_log, gap, smallest, lost = _moments(sums, p)
    if not 0.0 < mean < np.inf:
        return FAILED
    extra, more = (p[PRIOR_SHAPE] - 1.0) / sums[0], p[PRIOR_RATE] / sums[0]
    if is_held(p[HELD], SHAPE):
        if not is_held(p[HELD], RATE):
            p[RATE] = (p[SHAPE] + extra) / (mean + more)
        return 0
    if is_held(p[HELD], RATE):
        p[SHAPE] = inverse_digamma(log(p[RATE]) + mean_log)
        return 0
    gap += log_one_plus(more / mean)
    shape = shape_of(max(gap, smallest)) if extra == 0.0 else shape_under(max(gap, smallest), extra)
    if _moves_centre(p, mean, shape, lost, max(gap, smallest)):
        return REPEAT | UNSETTLED
    p[SHAPE] = shape
    p[RATE] = (shape + extra) / (mean + more)
    p[CENTRE] = mean if shape >= NARROW else 0.0
    return 0 if gap > smallest else FLOORED


@jit
def _moves_centre(p, mean, shape, lost, gap):
    """Whether the sums should be taken once more, about the mean; about nothing where that is lost, too."""
    if not ((shape >= NARROW and not p[CENTRE] > 0.0) or lost > 1e3 * gap):
        return False
    p[CENTRE] = mean if lost < np.inf else 0.0
    return True


@jit
def _maximize_tied(statistics, parameters):
    """The same for components that tie a shape, a rate or both: one after the other, given each other, unless the same components
    tie both."""
    count = parameters.shape[0]
    weights, moments = np.zeros(count), np.empty((count, 5))
    has_shape = has_rate = False
    is_one = True
    for k in range(count):
        p = parameters[k]
        if not _shares(p):
            continue
        shape_tied, rate_tied = is_tied(p[TIES], p[HELD], SHAPE), is_tied(p[TIES], p[HELD], RATE)
        has_shape |= shape_tied
        has_rate |= rate_tied
        is_one &= shape_tied and rate_tied
        if statistics[k, 0] > 0.0:
            weights[k] = statistics[k, 0]
            moments[k] = _moments(statistics[k], p)
            if not 0.0 < moments[k, 0] < np.inf:
                return FAILED
    if not weights.sum() > 0.0:
        return 0
    if is_one:
        return _share_both(weights, moments, parameters)
    outcome = _share_shape(weights, moments, parameters) if has_shape else 0
    return outcome | _share_rate(weights, moments, parameters) if has_rate and not outcome & REPEAT else outcome


@jit
def _share_both(weights, moments, parameters):
    total = weights.sum()
    mean = gap = smallest = 0.0
    for k in range(weights.size):
        mean += weights[k] / total * (moments[k, 0] if weights[k] > 0.0 else 0.0)
    for k in range(weights.size):
        if weights[k] > 0.0:
            share, u = weights[k] / total, (moments[k, 0] - mean) / mean
            gap += share * (moments[k, 2] + phi(u))
            smallest += share * moments[k, 3]
    shape = shape_of(max(gap, smallest))
    outcome = 0
    for k in range(weights.size):
        if weights[k] > 0.0 and _moves_centre(parameters[k], moments[k, 0], shape, moments[k, 4], max(gap, smallest)):
            outcome = REPEAT | UNSETTLED
    if outcome:
        return outcome
    for k in range(weights.size):
        p = parameters[k]
        if _shares(p):
            p[SHAPE], p[RATE] = shape, shape / mean
        if weights[k] > 0.0:
            p[CENTRE] = moments[k, 0] if shape >= NARROW else 0.0
    return 0 if gap > smallest else FLOORED


@jit
def _share_shape(weights, moments, parameters):
    """One shape; rates that are tied, too, stay."""
    free = given = gap = smallest = level = 0.0
    start = 1.0
    for k in range(weights.size):
        p = parameters[k]
        if is_tied(p[TIES], p[HELD], SHAPE):
            start = p[SHAPE]
            if weights[k] > 0.0 and _has_own_rate(p):
                free += weights[k]
                gap += weights[k] * moments[k, 2]
                smallest += weights[k] * moments[k, 3]
            elif weights[k] > 0.0:
                given += weights[k]
                level += weights[k] * (log(p[RATE]) + moments[k, 1])
    if not free + given > 0.0:
        return 0
    if free > 0.0:
        gap, smallest = gap / free, smallest / free
    if given > 0.0:
        shape = common_shape(free / (free + given), max(gap, smallest), given / (free + given), level / given, start)
    else:
        shape = shape_of(max(gap, smallest))
    outcome = 0
    for k in range(weights.size):
        p = parameters[k]
        reads_gap = weights[k] > 0.0 and is_tied(p[TIES], p[HELD], SHAPE) and _has_own_rate(p)
        if reads_gap and _moves_centre(p, moments[k, 0], shape, moments[k, 4], max(gap, smallest)):
            outcome = REPEAT | UNSETTLED
    if outcome:
        return outcome
    for k in range(weights.size):
        p = parameters[k]
        if not is_tied(p[TIES], p[HELD], SHAPE):
            continue
        if weights[k] > 0.0 and is_tied(p[TIES], p[HELD], RATE) and abs(shape - p[SHAPE]) > STILL * shape:
            outcome |= UNSETTLED
        p[SHAPE] = shape
        if weights[k] > 0.0 and _has_own_rate(p):
            p[RATE] = shape / moments[k, 0]
            p[CENTRE] = moments[k, 0] if shape >= NARROW else 0.0
    return outcome if given > 0.0 or gap > smallest else outcome | FLOORED


@jit
def _has_own_rate(p):
    return not is_held(p[HELD], RATE) and not is_tied(p[TIES], p[HELD], RATE)


@jit
def _share_rate(weights, moments, parameters):
    """One rate; shapes that are tied, too, stay."""
    count = weights.size
    own, shapes, given, gaps = np.zeros(count), np.empty(count), np.zeros(count, dtype=np.bool_), np.empty(count)
    start = 1.0
    floored = True
    for k in range(count):
        p = parameters[k]
        if not is_tied(p[TIES], p[HELD], RATE):
            continue
        own[k], start, shapes[k], gaps[k] = weights[k], p[RATE], p[SHAPE], max(moments[k, 2], moments[k, 3])
        given[k] = is_held(p[HELD], SHAPE) or is_tied(p[TIES], p[HELD], SHAPE)
        floored &= not (own[k] > 0.0 and (given[k] or moments[k, 2] > moments[k, 3]))
    if not own.sum() > 0.0:
        return 0
    rate = common_rate(own, moments[:, 0], gaps, given, start, shapes)
    outcome = 0
    for k in range(count):
        reads_gap = own[k] > 0.0 and not given[k]
        if reads_gap and _moves_centre(parameters[k], moments[k, 0], shapes[k], moments[k, 4], gaps[k]):
            outcome = REPEAT | UNSETTLED
    if outcome:
        return outcome
    for k in range(count):
        p = parameters[k]
        if not is_tied(p[TIES], p[HELD], RATE):
            continue
        if own[k] > 0.0 and is_tied(p[TIES], p[HELD], SHAPE) and abs(rate - p[RATE]) > STILL * rate:
            outcome |= UNSETTLED
        p[RATE] = rate
        if own[k] > 0.0 and not given[k]:
            p[SHAPE] = shapes[k]
            p[CENTRE] = moments[k, 0] if shapes[k] >= NARROW else 0.0
    return outcome | FLOORED if floored else outcome


@jit
def log_prior(parameters):
    value = 0.0
    for k in range(parameters.shape[0]):
        p = parameters[k]
        value += log_gamma_density(p[RATE], p[PRIOR_SHAPE], p[PRIOR_RATE])
    return value


def expected(row):
    """Statistics (3,) of a row of weight 1, the mean one."""
    mean = row[SHAPE] / row[RATE]
    gap = log_minus_digamma(row[SHAPE])  # of log(mean) over the mean logarithm
    if row[CENTRE] > 0.0:
        away = (mean - row[CENTRE]) / row[CENTRE]
        return 1.0, away, phi(away) + gap
    return 1.0, mean / row[REFERENCE], np.log(mean) - gap


def carried(statistics, old, new):
    """Sums (3,) about the centre, or nothing, and in the reference of packed parameters `old`, about and in those of `new`."""
    total, first, second = statistics
    centre = new[CENTRE]
    if old[CENTRE] > 0.0 and centre > 0.0:
        grown = (old[CENTRE] - centre) / centre
        # phi(x / c' - 1) = phi(x / c - 1) + grown (x / c - 1) + phi(grown), c' = c / (1 + grown)
        return total, first + grown * (first + total), second + grown * first + total * phi(grown)
    in_units = (first + total) * old[CENTRE] if old[CENTRE] > 0.0 else first * old[REFERENCE]
    logs = first - second + total * np.log(old[CENTRE]) if old[CENTRE] > 0.0 else second
    if centre > 0.0:
        shift = in_units / centre - total
        return total, shift, shift - (logs - total * np.log(centre))
    return total, in_units / new[REFERENCE], logs


class Gamma(Family):
    """Gamma distribution of one column of values > 0: waiting times, sizes of claims, rainfall.

    Parameters
    ----------
    shape : float > 0, or None to be learned.
    rate : float > 0, 1 / scale, or None to be learned. The mean is shape / rate.
    prior : Gamma of the rate, given the shape, with a shape >= 1, or None: a fit is then the most probable shape and rate, the
        prior of the shape being flat. Components under a prior can tie neither.

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
    kernels = Kernels(prepare, _log_prob, _accumulate, maximize, log_prior)
    carries = True
    coordinates = ((LOG, SHAPE, 1, 0), (LOG, RATE, 1, 1))
    held = HELD
    ties = TIES

    def __init__(self, shape: float | None = None, rate: float | None = None, *, prior: Gamma | None = None) -> None:
        super().__init__(shape=shape, rate=rate)
        self._take_prior(prior, Gamma, shape=1.0)

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

    def _prior_of(self, name):
        return refused_under_ties(self)

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        return self.shape, self.rate, 0.0, column.magnitude or 1.0, 0.0, 0.0, 0.0, *packed_prior(self.prior)

    def _unpack(self, row, column):
        return Gamma(row[SHAPE], row[RATE])._under(self.prior)

    def _expected(self, row, column):
        return expected(row)

    def _carried(self, statistics, old, new, before, after):
        return carried(statistics, old, new)

    def _start(self, column):
        return Gamma(1.0, 1.0 / max(column.upper / 2, column.floor), prior=self.prior)


def packed_prior(prior: Gamma | None) -> tuple[float, float]:
    """Shape and rate of a prior as the kernels read them."""
    return (1.0, 0.0) if prior is None else (prior.shape, prior.rate)


def refused_under_ties(distribution: Any) -> None:
    """Refuse a prior of a component that ties parameters."""
    if distribution.prior is not None:
        raise ParameterError(
            f"{type(distribution).__name__}: parameters that components tie can have no prior, found {distribution!r}"
        )
