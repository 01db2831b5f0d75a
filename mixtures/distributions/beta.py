"""Beta distribution.

    log f(x) = (alpha - 1) log x + (beta - 1) log(1 - x) - log B(alpha, beta),   support: 0 < x < 1.

Where these terms are large they cancel. With n = alpha + beta, the deviance D(a, m) = a log(a / m) + m - a and r the rest of
Stirling's formula, it is computed there as -log(x (1 - x)) - D(alpha, n x) - D(beta, n (1 - x)) + log(alpha beta / (2 pi n)) / 2 +
r(n) - r(alpha) - r(beta) (Loader 2000: the density is the continuous case of the binomial mass).

Weighted maximum likelihood: digamma(n) - digamma(alpha) = -mean(log x) and digamma(n) - digamma(beta) = -mean(log(1 - x)), means
weighted; the log-likelihood is concave in (alpha, beta). Solved to the last digits in each M-step: the parameter whose mean log
is nearer to 0 follows from the other by a safeguarded Newton iteration in logarithms, in which the equation is all but a
straight line at both ends, and the other likewise from the equation that is left. With one held, the other is found so.

Components that tie alpha have the root of the weighted mean of digamma(n) - digamma(alpha) + mean(log x), each with the beta that
follows from alpha as above: the slope of a profile, which falls, as the sum of their likelihoods is concave in all parameters
together. Likewise beta; those that tie both are one law of all their rows.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import inline, jit, wide_vectors
from mixtures.constraints import concentration, fraction
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.coordinates import LOG
from mixtures.engine.plan import FLOORED, UNSETTLED, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import (
    HALF_LOG_2PI,
    log,
    log_minus_digamma,
    log_one_plus,
    stirling_rest,
    trigamma,
    trigamma_excess,
)
from mixtures.engine.ties import has_ties, is_tied

ALPHA = 0
BETA = 1
HELD = 2
CONSTANT = 3
TIES = 4
SIZE = 5

LARGE = 40.0
"""alpha + beta from here on takes the form without cancellation, which costs three nanoseconds more a row and component."""
SMALLEST_GAP = 3e-15
"""What the spread of the rows takes away from a mean log, relative to it, that is told from rounding."""
LARGEST_TIED = 1e14
"""Where a parameter that components share is held, when the rows of each of them agree."""
STILL = 1e-10
"""Relative move of a parameter, where some components tie both and others one, that is the last."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        alpha, beta = parameters[k, ALPHA], parameters[k, BETA]
        n = alpha + beta
        constant = 0.5 * (log(alpha) + log(beta / n)) - HALF_LOG_2PI + stirling_rest(n) - stirling_rest(alpha) - stirling_rest(beta)
        if n < LARGE:
            constant -= alpha * log(alpha / n) + beta * log(beta / n)
        parameters[k, CONSTANT] = constant


@jit
def _logs(cells, low, high):
    """log x and log(1 - x); 0 outside the support, where the result is discarded."""
    wide_vectors()
    for i in range(cells.size):
        cell = cells[i] if 0.0 < cells[i] < 1.0 else 0.5
        low[i] = log(cell)
        high[i] = log_one_plus(-cell)


@jit
def _deviance(a, m, log_ratio):
    """D(a, m) given log(a / m), which far from 1 costs D no more than a few roundings; near it the series of poisson_deviance."""
    inline()
    v = (a - m) / (a + m)
    square = v * v
    p = 1.0 / 25.0
    p = p * square + 1.0 / 23.0
    p = p * square + 1.0 / 21.0
    p = p * square + 1.0 / 19.0
    p = p * square + 1.0 / 17.0
    p = p * square + 1.0 / 15.0
    p = p * square + 1.0 / 13.0
    p = p * square + 1.0 / 11.0
    p = p * square + 1.0 / 9.0
    p = p * square + 1.0 / 7.0
    p = p * square + 1.0 / 5.0
    p = p * square + 1.0 / 3.0
    near = (a - m) * v + 2.0 * a * v * square * p
    return near if -0.2 < v < 0.2 else a * log_ratio + (m - a)


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    low, high = np.empty(cells.size), np.empty(cells.size)
    _logs(cells, low, high)
    for k in range(out.shape[0]):
        row = out[k]
        alpha, beta, constant = parameters[k, ALPHA], parameters[k, BETA], parameters[k, CONSTANT]
        n = alpha + beta
        if n < LARGE:
            for i in range(row.size):
                value = constant + (alpha - 1.0) * low[i] + (beta - 1.0) * high[i]
                row[i] += value if 0.0 < cells[i] < 1.0 else -np.inf
        else:
            log_low, log_high = log(alpha / n), log(beta / n)
            for i in range(row.size):
                cell = cells[i] if 0.0 < cells[i] < 1.0 else 0.5
                terms = _deviance(alpha, n * cell, log_low - low[i]) + _deviance(beta, n * (1.0 - cell), log_high - high[i])
                value = constant - (low[i] + high[i]) - terms
                row[i] += value if 0.0 < cells[i] < 1.0 else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    cells = x[0]
    low, high = np.empty(cells.size), np.empty(cells.size)
    _logs(cells, low, high)
    for k in range(responsibilities.shape[0]):
        statistics[k, 1] += weighted_total(low, responsibilities[k])
        statistics[k, 2] += weighted_total(high, responsibilities[k])


@jit
def digamma_rise(a, b):
    """digamma(a + b) - digamma(b) for a, b > 0, without cancellation where it is small."""
    return log_one_plus(a / b) + (log_minus_digamma(b) - log_minus_digamma(a + b))


@jit
def trigamma_fall(a, b):
    """trigamma(b) - trigamma(a + b) for a, b > 0."""
    return (a / b) / (a + b) + (trigamma_excess(b) - trigamma_excess(a + b))


@jit
def _follow(a, rise, b):
    """The b with digamma(a + b) - digamma(b) = rise, from a start: Newton's method for log(left side) against log b, of slope
    -1 at both ends, between bounds that close in."""
    y = log(b)
    low, high = -720.0, 700.0
    for _ in range(100):
        value = digamma_rise(a, b)
        if value > rise:
            low = y
        else:
            high = y
        slope = -b * trigamma_fall(a, b) / value
        new = y - log(value / rise) / slope
        if not low <= new <= high:
            new = 0.5 * (low + high)
        settled = abs(new - y) <= 1e-9  # whose square is left
        y = new
        b = np.exp(y)
        if settled:
            break
    return b


@jit
def _both(near, far, a):
    """(a, b, floored) with digamma(a + b) - digamma(b) = near and digamma(a + b) - digamma(a) = far, near <= far, from a start.

    As a grows and b follows, the second left side falls to -log(1 - exp(-near)): what `far` exceeds that by is Jensen's gap.
    """
    limit = -np.log(-np.expm1(-near))
    gap = far - limit
    floored = not gap > SMALLEST_GAP * max(1.0, far)
    if floored:
        gap = SMALLEST_GAP * max(1.0, far)
    y = log(a)
    b = a / np.expm1(near)
    low, high = -720.0, 100.0
    for _ in range(100):
        b = _follow(a, near, b)
        value = digamma_rise(b, a) - limit
        if value > gap:
            low = y
        else:
            high = y
        # How b follows a, and the slope of the logarithm of `value` against that of a.
        follows = trigamma(a + b) / trigamma_fall(a, b)
        slope = a * (trigamma(a + b) * follows - trigamma_fall(b, a)) / value
        if not -4.0 < slope < -0.25:  # lost in rounding
            slope = -1.0
        new = y - log(value / gap) / slope if value > 0.0 else 0.5 * (low + y)
        if not low <= new <= high:
            new = 0.5 * (low + high)
        settled = abs(new - y) <= 1e-9
        y = new
        a = np.exp(y)
        if settled:
            break
    return a, _follow(a, near, b), floored


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        p = parameters[k]
        if statistics[k, 0] > 0.0 and not _shares(p):
            outcome |= _maximize_one(statistics[k], p)
    return outcome | _maximize_tied(statistics, parameters) if has_ties(parameters, TIES) else outcome


@jit
def _shares(p):
    return is_tied(p[TIES], p[HELD], ALPHA) or is_tied(p[TIES], p[HELD], BETA)


@jit
def _maximize_one(sums, p):
    low, high = -sums[1] / sums[0], -sums[2] / sums[0]
    floored = False
    if is_held(p[HELD], ALPHA):
        if not is_held(p[HELD], BETA):
            p[BETA] = _follow(p[ALPHA], high, p[BETA])
    elif is_held(p[HELD], BETA):
        p[ALPHA] = _follow(p[BETA], low, p[ALPHA])
    elif high <= low:
        p[ALPHA], p[BETA], floored = _both(high, low, p[ALPHA])
    else:
        p[BETA], p[ALPHA], floored = _both(low, high, p[BETA])
    return FLOORED if floored else 0


@jit
def _maximize_tied(statistics, parameters):
    """One alpha given the betas that are tied, then one beta given alpha, unless the same components tie both."""
    has_alpha = has_beta = False
    is_one = True
    for k in range(parameters.shape[0]):
        if _shares(parameters[k]):
            alpha = is_tied(parameters[k, TIES], parameters[k, HELD], ALPHA)
            beta = is_tied(parameters[k, TIES], parameters[k, HELD], BETA)
            has_alpha |= alpha
            has_beta |= beta
            is_one &= alpha and beta
    if is_one:
        return _share_both(statistics, parameters)
    outcome = _share_one(statistics, parameters, ALPHA, BETA) if has_alpha else 0
    return outcome | _share_one(statistics, parameters, BETA, ALPHA) if has_beta else outcome


@jit
def _share_both(statistics, parameters):
    sums = np.zeros(3)
    last = -1
    for k in range(parameters.shape[0]):
        if _shares(parameters[k]):
            last = k
            for s in range(3):
                sums[s] += statistics[k, s]
    if last < 0 or not sums[0] > 0.0:
        return 0
    outcome = _maximize_one(sums, parameters[last])
    for k in range(parameters.shape[0]):
        if _shares(parameters[k]):
            parameters[k, ALPHA], parameters[k, BETA] = parameters[last, ALPHA], parameters[last, BETA]
    return outcome


@jit
def _slope_of_shared(statistics, parameters, own, other, value):
    """Slope, over the sum of weights, of the profile of the parameter `own` where all that tie it have this value; each one's
    `other` follows, in place, unless it is held or tied."""
    slope = total = 0.0
    for k in range(parameters.shape[0]):
        p, sums = parameters[k], statistics[k]
        if is_tied(p[TIES], p[HELD], own) and sums[0] > 0.0:
            if not is_held(p[HELD], other) and not is_tied(p[TIES], p[HELD], other):
                p[other] = _follow(value, -sums[1 + other] / sums[0], p[other])
            slope += sums[0] * digamma_rise(p[other], value) + sums[1 + own]
            total += sums[0]
    return slope / total if total > 0.0 else 0.0


@jit
def _share_one(statistics, parameters, own, other):
    """The root of that slope, which falls: a bracket from the present value on, halved and cut by secants, in logarithms."""
    present = -1.0
    weight = 0.0
    for k in range(parameters.shape[0]):
        if is_tied(parameters[k, TIES], parameters[k, HELD], own):
            present = parameters[k, own]
            weight += statistics[k, 0]
    if not weight > 0.0:
        return 0
    y = log(present)
    value = _slope_of_shared(statistics, parameters, own, other, present)
    stride = 0.5 if value > 0.0 else -0.5
    near, near_value, far, far_value = y, value, y, value
    outcome = 0
    for _ in range(100):
        far = min(max(far + stride, -200.0), log(LARGEST_TIED))
        far_value = _slope_of_shared(statistics, parameters, own, other, np.exp(far))
        if (far_value > 0.0) != (value > 0.0):
            break
        near, near_value = far, far_value
        if far <= -200.0 or far >= log(LARGEST_TIED):
            outcome |= FLOORED
            break
        stride *= 2.0
    for step in range(200):
        if outcome or abs(far - near) <= 1e-15 * max(1.0, abs(near)) or near_value == 0.0:
            break
        new = near - near_value * (far - near) / (far_value - near_value)
        inside = min(near, far) < new < max(near, far)
        new = new if inside and step % 3 != 2 else 0.5 * (near + far)
        found = _slope_of_shared(statistics, parameters, own, other, np.exp(new))
        if (found > 0.0) == (near_value > 0.0):
            near, near_value = new, found
        else:
            far, far_value = new, found
    shared = np.exp(near)
    _slope_of_shared(statistics, parameters, own, other, shared)
    for k in range(parameters.shape[0]):
        p = parameters[k]
        if is_tied(p[TIES], p[HELD], own):
            if is_tied(p[TIES], p[HELD], other) and abs(shared - p[own]) > STILL * shared:
                outcome |= UNSETTLED
            p[own] = shared
    return outcome


class Beta(Family):
    """Beta distribution of one column of values between 0 and 1: shares, probabilities.

    Parameters
    ----------
    alpha : float > 0, or None to be learned. The mean is alpha / (alpha + beta).
    beta : float > 0, or None to be learned.

    Notes
    -----
    ``scipy.stats.beta(a=alpha, b=beta)``, whose quantiles are wrong below a probability of 1e-50 or so. The ends 0 and 1 are
    outside the support: the density is 0 or infinite there, and no parameters are a maximum for rows that hold them. Where all
    values agree within rounding, a relative spread below 1e-7, the smaller parameter is held at about 1e14, with a
    :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Beta(2.0, 1.0).log_prob([0.5, 0.0]).round(6)
    array([  0., -inf])
    >>> Beta().fit([0.2, 0.3, 0.7])
    Beta(alpha=2.092427222643769, beta=3.0512584385553083)
    """

    parameters = {"alpha": concentration, "beta": concentration}
    support = fraction
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    carries = True
    coordinates = ((LOG, ALPHA, 1, 0), (LOG, BETA, 1, 1))
    held = HELD
    ties = TIES

    def __init__(self, alpha: float | None = None, beta: float | None = None) -> None:
        super().__init__(alpha=alpha, beta=beta)

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        """alpha / (alpha + beta)."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """alpha beta / ((alpha + beta)^2 (alpha + beta + 1))."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.beta, (self.alpha, self.beta), {}

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        return self.alpha, self.beta, 0.0, 0.0, 0.0

    def _unpack(self, row, column):
        return Beta(row[ALPHA], row[BETA])

    def _expected(self, row, column):
        return 1.0, -digamma_rise(row[BETA], row[ALPHA]), -digamma_rise(row[ALPHA], row[BETA])

    def _start(self, column):
        return Beta(1.0, 1.0)
