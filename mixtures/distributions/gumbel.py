"""Gumbel distribution of maxima.

    log f(x) = -z - exp(-z) - log scale,   z = (x - location) / scale,   support: the real line.

Weighted maximum likelihood (Johnson, Kotz & Balakrishnan 1995, "Continuous univariate distributions", chapter 22). Let means be
weighted, z standardised by the current parameters, and r = current scale / new scale. With A(r) = mean(exp(-r z)), the best
location for a new scale is where exp of its standardised move is 1 / A(r); what remains,

    log r - r mean(z) - log A(r) - 1,

is concave in r. A pass collects A(1), its first two derivatives and M = mean(|z|^3 exp(-z / 2 or -3 z / 2, the larger)), which
bounds the third for all r from 1/2 to 3/2. So A(r) is at most its Taylor polynomial plus M |r - 1|^3 / 6; and log A(r), which is
convex and 0 at r = 0, is at most r log A(1) for r <= 1. A Newton step, halved until the objective with such a bound in place of A
has risen enough, never lowers the likelihood, and is a whole step near the maximum, since the bound is off by a cubic term only;
far on the wrong side of it the second bound reaches the right order of magnitude at once. Where the bound stands in for A, the
location is the best one for the bound. Components that tie the scale climb the sum of their objectives, which is bounded alike.

Exponents are those of the density itself: exp(-z) can be large only where a row has next to no density. What that cannot excuse,
parameters that a caller started from far away from all rows, is answered by parameters as wide as the column.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import positive, real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.coordinates import LOG, REAL
from mixtures.engine.plan import FLOORED, UNSETTLED, is_held
from mixtures.engine.special import exp_nonpositive, log
from mixtures.engine.ties import has_ties, is_tied

# Parameters, about the column's origin and in its unit.
LOCATION = 0
SCALE = 1
HELD = 2
FLOOR = 3
LOWER = 4  # the column's smallest and largest value
UPPER = 5
LOG_UNIT = 6
INVERSE = 7  # 1 / scale
CONSTANT = 8
TIES = 9
SIZE = 10

LARGEST_MEAN = 1e20
"""Of exp(-z), which is 1 at a maximum: beyond, parameters are not improved but replaced. The log-likelihood of a row is below
-1e20 / 2 then, and above -3 - log(scale) under parameters as wide as the column."""
SMALLEST_MEAN = 1e-290
SETTLED = 1e-10
"""Largest step, of convergence that doubles the digits, after which there is nothing left to do."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        parameters[k, INVERSE] = 1.0 / parameters[k, SCALE]
        parameters[k, CONSTANT] = -log(parameters[k, SCALE]) - parameters[k, LOG_UNIT]


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    for k in range(out.shape[0]):
        row = out[k]
        location, inverse, constant = parameters[k, LOCATION], parameters[k, INVERSE], parameters[k, CONSTANT]
        for i in range(row.size):
            z = (cells[i] - location) * inverse
            z = z if z > -1e3 else -1e3  # where the exponential is infinite: -inf + inf must not arise
            decay = exp_nonpositive(-abs(z))
            growth = 1.0 / decay if decay > 0.0 else np.inf
            row[i] += (constant - z) - (decay if z >= 0.0 else growth)


@jit
def _standardise(cells, location, inverse, z, root):
    """z, and exp(-z / 2); beyond -400 and 1500, where neither matters to a maximum, as there."""
    wide_vectors()
    for i in range(cells.size):
        t = (cells[i] - location) * inverse
        t = t if t > -400.0 else -400.0
        t = t if t < 1500.0 else 1500.0
        decay = exp_nonpositive(-0.5 * abs(t))
        z[i] = t
        root[i] = decay if t >= 0.0 else 1.0 / decay


@jit_sums
def _add_sums(cells, location, z, root, share, sums):
    """Sums of x - location, exp(-z), z exp(-z), z^2 exp(-z) and the bound of the third derivative."""
    wide_vectors()
    plain = zeroth = first = second = third = 0.0
    for i in range(share.size):
        plain += share[i] * (cells[i] - location)
        t = z[i]
        tilted = share[i] * root[i] * root[i]
        product = tilted * t
        zeroth += tilted
        first += product
        second += product * t
        larger = share[i] * root[i] if t >= 0.0 else tilted * root[i]
        third += larger * abs(t) * (t * t)
    sums[1] += plain
    sums[2] += zeroth
    sums[3] += first
    sums[4] += second
    sums[5] += third


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    cells = x[0]
    z, root = np.empty(cells.size), np.empty(cells.size)
    for k in range(responsibilities.shape[0]):
        p = parameters[k]
        share = responsibilities[k]
        _standardise(cells, p[LOCATION], p[INVERSE], z, root)
        _add_sums(cells, p[LOCATION], z, root, share, statistics[k])


@jit
def _bounded(step, a, first, second, third):
    """The bound of (A(1 + step) - A(1)) / A(1) for |step| <= 1/2."""
    return step * (first + step * (0.5 * second + abs(step) * third / 6.0)) / a


@jit
def _gain(step, growth, mean, a, location_held):
    """By how much log r - r mean - log A(r), or - A(r) with the location held, rises to r = 1 + step where A grows by a share."""
    return np.log1p(step) - step * mean - (a * growth if location_held else np.log1p(growth))


@jit
def _newton(largest, mean, a, first, second, third, location_held):
    """A step of r up to `largest` with the logarithm of the bound of A there, and how much is gained for sure."""
    if location_held:
        slope, curvature = 1.0 - mean - first, 1.0 + second
    else:
        slope, curvature = 1.0 - mean - first / a, 1.0 + second / a - (first / a) * (first / a)
    step = min(max(slope / max(curvature, 1.0), -0.5), 0.5, largest)
    for _ in range(60):
        growth = _bounded(step, a, first, second, third)
        gain = _gain(step, growth, mean, a, location_held)
        # Steps of so few digits are right to second order, and what they gain is lost in rounding.
        if gain >= 0.25 * slope * step or abs(step) < SETTLED:
            return step, np.log(a) + np.log1p(growth), gain
        step *= 0.5
    return 0.0, np.log(a), 0.0


@jit
def _widened(mean, a, location_held):
    """As :func:`_newton`, from log A(r) <= r log A(1): r < 1 only."""
    level = np.log(a)
    best, step = 0.0, 0.0
    if not location_held:
        if mean + level > 1.0:
            step = 1.0 / (mean + level) - 1.0
            best = np.log1p(step) - step * (mean + level)
    else:
        r = 0.5
        while r > 1e-30:
            gain = np.log(r) - (r - 1.0) * mean - (np.exp(r * level) - a)
            if gain > best:
                best, step = gain, r - 1.0
            r *= 0.5
    return step, (1.0 + step) * level, best


@jit
def _widest(p):
    """The scale with which all |z| are at most 1, from the location held or from the middle of the column. A row's log-likelihood
    is above -log(scale) - 1.72 then, and below -log(scale) - 1 always: four times that scale is worse."""
    reach = 0.5 * p[UPPER] - 0.5 * p[LOWER]
    if is_held(p[HELD], LOCATION):
        reach = max(abs(p[UPPER] - p[LOCATION]), abs(p[LOWER] - p[LOCATION]))
    return max(reach, p[FLOOR])


@jit
def _replace(p, a):
    """Parameters for rows that the present ones, with this A(1), do not describe at all; what is held stays."""
    if not is_held(p[HELD], SCALE):
        p[SCALE] = _widest(p)
        if not is_held(p[HELD], LOCATION):
            p[LOCATION] = 0.5 * p[LOWER] + 0.5 * p[UPPER]
    elif not is_held(p[HELD], LOCATION):
        # The best location is that of the smallest row or above it; and, from far below, 660 scales and more away.
        p[LOCATION] = p[LOWER] if a > 1.0 else max(p[LOWER], p[LOCATION] + 600.0 * p[SCALE])


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        p = parameters[k]
        if statistics[k, 0] > 0.0 and not is_tied(p[TIES], p[HELD], SCALE):
            outcome |= _maximize_one(statistics[k], p)
    return outcome | _maximize_tied(statistics, parameters) if has_ties(parameters, TIES) else outcome


@jit
def _means(sums, p):
    """Means of z, exp(-z) and its derivatives as of A, and the bound M."""
    total = sums[0]
    return sums[1] / total * p[INVERSE], sums[2] / total, -sums[3] / total, sums[4] / total, sums[5] / total


@jit
def _is_far(mean, a):
    return not (SMALLEST_MEAN < a < LARGEST_MEAN and mean < np.inf)


@jit
def _maximize_one(sums, p):
    location_held, scale_held = is_held(p[HELD], LOCATION), is_held(p[HELD], SCALE)
    if location_held and scale_held:
        return 0
    mean, a, first, second, third = _means(sums, p)
    if _is_far(mean, a) or (not scale_held and p[SCALE] > 4.0 * _widest(p)):
        _replace(p, a)
        return UNSETTLED
    outcome = 0
    step, level = 0.0, np.log(a)
    if not scale_held:
        room = p[SCALE] / p[FLOOR] - 1.0
        if room < 0.0:
            step, level = room, (1.0 + room) * level
            outcome |= FLOORED
        else:
            step, level, gain = _newton(room, mean, a, first, second, third, location_held)
            other, other_level, other_gain = _widened(mean, a, location_held)
            if other_gain > gain:
                step, level = other, other_level
            if step == room:
                outcome |= FLOORED
        p[SCALE] = p[FLOOR] if step == room else p[SCALE] / (1.0 + step)
    return outcome | _shift(p, level, step)


@jit
def _shift(p, level, step):
    """Move a location that is not held, the scale being new; whether that or the step of the scale was a long one."""
    move = 0.0 if is_held(p[HELD], LOCATION) else -level * p[SCALE]
    p[LOCATION] += move
    return UNSETTLED if abs(step) > SETTLED or abs(move) > SETTLED * p[SCALE] + 8 * 2.2e-16 * abs(p[LOCATION]) else 0


@jit
def _maximize_tied(statistics, parameters):
    """One step of the scale and a location each, by the better of the two bounds of the sum."""
    count = parameters.shape[0]
    weights, means, held, levels = np.zeros(count), np.zeros((count, 5)), np.zeros(count, dtype=np.bool_), np.zeros(count)
    scale = widest = floor = 0.0
    far = stuck = False
    for k in range(count):
        p = parameters[k]
        if not is_tied(p[TIES], p[HELD], SCALE):
            continue
        scale, floor, widest = p[SCALE], p[FLOOR], max(widest, _widest(p))
        held[k] = is_held(p[HELD], LOCATION)
        if statistics[k, 0] > 0.0:
            weights[k] = statistics[k, 0]
            means[k] = _means(statistics[k], p)
            is_far = _is_far(means[k, 0], means[k, 1])
            far |= is_far
            stuck |= is_far and held[k]
    total = weights.sum()
    if not total > 0.0:
        return 0
    if far or scale > 4.0 * widest:
        return _replace_together(weights, means, parameters, widest if stuck or scale > 4.0 * widest else 0.0)
    weights /= total
    room = scale / floor - 1.0
    outcome = 0
    if room < 0.0:
        step = room
        for k in range(count):
            levels[k] = (1.0 + step) * np.log(means[k, 1]) if weights[k] > 0.0 else 0.0
    else:
        other_levels = np.zeros(count)
        step, gain = _newton_together(room, weights, means, held, levels)
        other, other_gain = _widened_together(weights, means, held, other_levels)
        if other_gain > gain:
            step = other
            levels[:] = other_levels
    if step == room:
        outcome |= FLOORED
    for k in range(count):
        p = parameters[k]
        if is_tied(p[TIES], p[HELD], SCALE):
            p[SCALE] = p[FLOOR] if step == room else p[SCALE] / (1.0 + step)
            outcome |= _shift(p, levels[k] if weights[k] > 0.0 else 0.0, step)
    return outcome


@jit
def _replace_together(weights, means, parameters, scale):
    """Parameters for rows that the present ones do not describe at all: of all with a new `scale`, or, where that is 0, the
    locations of those whose rows are far."""
    for k in range(weights.size):
        p = parameters[k]
        if not is_tied(p[TIES], p[HELD], SCALE):
            continue
        if scale > 0.0:
            p[SCALE] = scale
            if not is_held(p[HELD], LOCATION):
                p[LOCATION] = 0.5 * p[LOWER] + 0.5 * p[UPPER]
        elif weights[k] > 0.0 and _is_far(means[k, 0], means[k, 1]):
            p[LOCATION] = p[LOWER] if means[k, 1] > 1.0 else max(p[LOWER], p[LOCATION] + 600.0 * p[SCALE])
    return UNSETTLED


@jit
def _newton_together(largest, weights, means, held, levels):
    """As :func:`_newton`, for the sum over components, weights of sum 1; the logarithms of their bounds in place."""
    slope = curvature = 0.0
    for k in range(weights.size):
        if weights[k] > 0.0:
            mean, a, first, second, _ = means[k]
            share = 1.0 if held[k] else a
            square = 0.0 if held[k] else (first / a) * (first / a)
            slope += weights[k] * (1.0 - mean - first / share)
            curvature += weights[k] * (1.0 + second / share - square)
    step = min(max(slope / max(curvature, 1.0), -0.5), 0.5, largest)
    for _ in range(60):
        gain = 0.0
        for k in range(weights.size):
            if weights[k] > 0.0:
                mean, a, first, second, third = means[k]
                growth = _bounded(step, a, first, second, third)
                levels[k] = np.log(a) + np.log1p(growth)
                gain += weights[k] * _gain(step, growth, mean, a, held[k])
        if gain >= 0.25 * slope * step or abs(step) < SETTLED:
            return step, gain
        step *= 0.5
    for k in range(weights.size):
        levels[k] = np.log(means[k, 1]) if weights[k] > 0.0 else 0.0
    return 0.0, 0.0


@jit
def _widened_together(weights, means, held, levels):
    """As :func:`_widened`, for the sum over components."""
    best, step, r = 0.0, 0.0, 0.5
    while r > 1e-30:
        gain = np.log(r)
        for k in range(weights.size):
            if weights[k] > 0.0:
                mean, a, level = means[k, 0], means[k, 1], np.log(means[k, 1])
                rest = np.exp(r * level) - a if held[k] else (r - 1.0) * level
                gain -= weights[k] * ((r - 1.0) * mean + rest)
        if gain > best:
            best, step = gain, r - 1.0
        r *= 0.5
    for k in range(weights.size):
        levels[k] = (1.0 + step) * np.log(means[k, 1]) if weights[k] > 0.0 else 0.0
    return step, best


class Gumbel(Family):
    """Gumbel distribution of one real column of maxima: floods of a year, highest loads. Minima have it with the sign changed.

    Parameters
    ----------
    location : float, the mode, or None to be learned.
    scale : float > 0, or None to be learned. The standard deviation is scale pi / sqrt(6).

    Notes
    -----
    ``scipy.stats.gumbel_r(loc=location, scale=scale)``. Where all values agree the scale is held at 16 rounding errors of the
    column's largest value, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Gumbel(0.0, 1.0).log_prob([0.0])
    array([-1.])
    >>> round(Gumbel().fit([1.0, 2.0, 4.0]).location, 9)
    1.741099424
    """

    parameters = {"location": real, "scale": positive}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    coordinates = ((REAL, LOCATION, 1, 0), (LOG, SCALE, 1, 1))
    uses_unit = True
    uses_origin = True
    held = HELD
    ties = TIES
    tieable = ("scale",)

    def __init__(self, location: float | None = None, scale: float | None = None) -> None:
        super().__init__(location=location, scale=scale)

    location: float
    scale: float

    @property
    def mean(self) -> float:
        """location + 0.5772... scale."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """scale^2 pi^2 / 6."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.gumbel_r, (self.location, self.scale), {}

    def _layout(self, column):
        return SIZE, 6

    def _pack(self, column):
        floor, lower, upper = (
            (value) / column.unit for value in (column.floor, column.lower - column.origin, column.upper - column.origin)
        )
        return *self._in_units(column), 0.0, floor, lower, upper, np.log(column.unit), 0.0, 0.0, 0.0

    def _unpack(self, row, column):
        location, scale = row[LOCATION], row[SCALE]
        old_location, old_scale = self._in_units(column)
        # A parameter that no row has moved keeps its last digit, too.
        location = self.location if location == old_location else location * column.unit + column.origin
        return Gumbel(location, self.scale if scale == old_scale else scale * column.unit)

    def _in_units(self, column):
        return (self.location - column.origin) / column.unit, self.scale / column.unit

    def _start(self, column):
        # Halves first: the difference of two values near the largest float overflows.
        location = column.lower / 2 + column.upper / 2
        return Gumbel(location, max(column.upper / 2 - column.lower / 2, column.floor))
