"""Logistic distribution.

    log f(x) = -|z| - 2 log(1 + exp(-|z|)) - log scale,   z = (x - location) / scale,   support: the real line.

Weighted maximum likelihood has no closed form and no sufficient statistics (Johnson, Kotz & Balakrishnan 1995, "Continuous
univariate distributions", chapter 23). A move to z' = z + a + b z makes the mean log-likelihood of a row
log(1 + b) + mean(phi(z')), with phi(z) = -2 log(2 cosh(z / 2)), concave in (a, b). A pass collects what two bounds of it need:

- For any a and b, phi(z') >= phi(z) - w (z'^2 - z^2) / 2 with w = tanh(z / 2) / z (Jaakkola & Jordan 2000, "Bayesian parameter
  estimation via variational methods"): a normal distribution's problem with weights w, solved in closed form. Good from anywhere,
  and linear near the maximum.
- Gradient and Hessian in (a, b), and mean(q) and mean(|z|^3 q) with q = min(2 exp((1 - |z|) / 2), 3^(-1/2) / 3), which
  is at least |phi'''| between z and z' as long as |a| and |b| are at most a half. By Taylor's formula a step gains at least its
  quadratic model minus 2/3 (|a|^3 mean(q) + |b|^3 mean(|z|^3 q)): a Newton step, whole near the maximum.

The step that is sure to gain more is taken, so that no step lowers the likelihood and the last ones double the digits.

Components that tie the scale have one b and an a each; both bounds hold for the sum of their likelihoods, in which every a is
coupled to b alone, so that both are maximised in one go.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import positive, real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.coordinates import LOG, REAL
from mixtures.engine.plan import FLOORED, UNSETTLED, is_held
from mixtures.engine.special import exp_nonpositive, log, log_normal
from mixtures.engine.ties import has_ties, is_tied

# Parameters, about the column's origin and in its unit.
LOCATION = 0
SCALE = 1
HELD = 2
FLOOR = 3
LOG_UNIT = 4
INVERSE = 5  # 1 / scale
CONSTANT = 6
TIES = 7
SIZE = 8

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
            size = abs((cells[i] - location) * inverse)
            row[i] += (constant - size) - 2.0 * log_normal(1.0 + exp_nonpositive(-size))


@jit
def _standardise(cells, location, inverse, z, root):
    """z and exp(-|z| / 2)."""
    wide_vectors()
    for i in range(cells.size):
        t = (cells[i] - location) * inverse
        z[i] = t
        root[i] = exp_nonpositive(-0.5 * abs(t))


@jit_sums
def _add_sums(z, root, share, sums):
    """The eight sums of a pass, in the order of the statistics."""
    wide_vectors()
    s0 = s1 = h0 = h1 = h2 = w0 = q0 = q3 = 0.0
    for i in range(share.size):
        r, t, size = share[i], z[i], abs(z[i])
        decay = root[i] * root[i]
        inverse = 1.0 / (1.0 + decay)
        slope = (1.0 - decay) * inverse if size > 1e-7 else 0.5 * size  # tanh(|z| / 2)
        signed = r * slope if t >= 0.0 else -r * slope
        # Beyond 1500, all but the slopes are 0.
        near = size if size < 1500.0 else 1500.0
        bend = 2.0 * r * decay * inverse * inverse  # sech(z / 2)^2 / 2
        bend_size = bend * near
        third = 3.2974425414002564 * root[i]
        third = r * (third if third < 0.19245008972987526 else 0.19245008972987526)
        s0 += signed
        s1 += r * (slope * size)
        h0 += bend
        h1 += bend_size if t >= 0.0 else -bend_size
        h2 += bend_size * near
        w0 += r * (slope / size if size > 1e-4 else 0.5)
        q0 += third
        q3 += third * near * (near * near)
    sums[1] += s0
    sums[2] += s1
    sums[3] += h0
    sums[4] += h1
    sums[5] += h2
    sums[6] += w0
    sums[7] += q0
    sums[8] += q3


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    cells = x[0]
    z, root = np.empty(cells.size), np.empty(cells.size)
    for k in range(responsibilities.shape[0]):
        _standardise(cells, parameters[k, LOCATION], parameters[k, INVERSE], z, root)
        _add_sums(z, root, responsibilities[k], statistics[k])


@jit
def _newton(m, location_held, scale_held):
    """The step (a, b) towards the maximum of the quadratic model, at most a half each, and what it gains for sure."""
    ga, gb = -m[1], 1.0 - m[2]
    haa, hab, hbb = m[3], m[4], m[5] + 1.0  # of minus the log-likelihood
    if location_held:
        a, b = 0.0, gb / hbb
    elif scale_held:
        a, b = ga / haa, 0.0
    else:
        determinant = haa * hbb - hab * hab
        a, b = (hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant
    largest = max(abs(a), abs(b))
    if not largest < np.inf:
        return 0.0, 0.0, 0.0
    shrink = 1.0 if largest <= 0.5 else 0.5 / largest
    for _ in range(20):
        p, q = shrink * a, shrink * b
        model = p * ga + q * gb - 0.5 * (haa * p * p + 2.0 * hab * p * q + m[5] * q * q) + (np.log1p(q) - q)
        bound = 2.0 / 3.0 * (abs(p) ** 3 * m[7] + abs(q) ** 3 * m[8])
        # Of what so small a step gains, rounding leaves nothing to be seen; the bound is far below it.
        if model > 4.0 * bound or largest * shrink < SETTLED:
            # The other bound's gain is rounding where this step is small: nothing beats a whole one there.
            return p, q, np.inf if largest < 1e-3 else model - bound
        shrink *= 0.5
    return 0.0, 0.0, 0.0


@jit
def _reweighted(m, most, location_held, scale_held):
    """As :func:`_newton`, by the weighted normal problem; b is at most `most`."""
    weight, first, second = m[6], m[1], m[2]  # means of w, w z and w z^2
    if second < 1e-200 and not scale_held:  # squares that soon underflow: a scale that is far too large for certain
        return 0.0, min(1e90, 1.0 + most) - 1.0, np.inf
    centre = 0.0 if location_held or not weight > 0.0 else first / weight
    spread = second - centre * first
    if scale_held or not spread > 1e-10 * second:
        # All rows on one point far away, as far as can be told: there first.
        return -centre, 0.0, 0.5 * centre * first
    # Of steps in one direction a part will do: r - 1 shall keep some digits of r.
    r = min(max(1.0 / np.sqrt(spread), 1e-8), 1.0 + most)
    return -r * centre, r - 1.0, np.log(r) - 0.5 * (r * r * spread - second)


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        p = parameters[k]
        if statistics[k, 0] > 0.0 and not is_tied(p[TIES], p[HELD], SCALE):
            outcome |= _maximize_one(statistics[k], p)
    return outcome | _maximize_tied(statistics, parameters) if has_ties(parameters, TIES) else outcome


@jit
def _maximize_one(sums, p):
    location_held, scale_held = is_held(p[HELD], LOCATION), is_held(p[HELD], SCALE)
    if location_held and scale_held:
        return 0
    if not scale_held and p[SCALE] < p[FLOOR]:
        p[SCALE] = p[FLOOR]  # from a start below it
        return UNSETTLED
    means = sums / sums[0]
    room = np.inf if scale_held else p[SCALE] / p[FLOOR] - 1.0
    a, b, gain = _newton(means, location_held, scale_held)
    other_a, other_b, other_gain = _reweighted(means, room, location_held, scale_held)
    if other_gain > gain or not b <= room:
        a, b = other_a, other_b
    outcome = 0
    move = -a * p[SCALE] / (1.0 + b)
    if not scale_held:
        if b >= room:
            outcome |= FLOORED
        p[SCALE] = p[FLOOR] if b >= room else p[SCALE] / (1.0 + b)
    return outcome | _shift(p, move, b)


@jit
def _shift(p, move, b):
    """Move a location that is not held; whether that or the step b of the scale was a long one."""
    if not is_held(p[HELD], LOCATION):
        p[LOCATION] += move
    return UNSETTLED if abs(b) > SETTLED or abs(move) > SETTLED * p[SCALE] + 8 * 2.2e-16 * abs(p[LOCATION]) else 0


@jit
def _maximize_tied(statistics, parameters):
    """One step b of the scale and a step a of each location, by the better of the two bounds of the sum."""
    count = parameters.shape[0]
    weights, means, free = np.zeros(count), np.zeros((count, 9)), np.zeros(count, dtype=np.bool_)
    room = 0.0
    outcome = 0
    for k in range(count):
        p = parameters[k]
        if is_tied(p[TIES], p[HELD], SCALE):
            room = p[SCALE] / p[FLOOR] - 1.0
            free[k] = not is_held(p[HELD], LOCATION)
            weights[k] = max(statistics[k, 0], 0.0)
            if weights[k] > 0.0:
                means[k] = statistics[k, :9] / weights[k]
            if p[SCALE] < p[FLOOR]:
                p[SCALE] = p[FLOOR]  # from a start below it
                outcome = UNSETTLED
    total = weights.sum()
    if outcome or not total > 0.0:
        return outcome
    weights /= total
    steps, other_steps = np.zeros(count), np.zeros(count)
    b, gain = _newton_together(weights, means, free, steps)
    other_b, other_gain = _reweighted_together(weights, means, free, room, other_steps)
    if other_gain > gain or not b <= room:
        b = other_b
        steps[:] = other_steps
    if b >= room:
        outcome |= FLOORED
    for k in range(count):
        p = parameters[k]
        if is_tied(p[TIES], p[HELD], SCALE):
            move = -steps[k] * p[SCALE] / (1.0 + b)
            p[SCALE] = p[FLOOR] if b >= room else p[SCALE] / (1.0 + b)
            outcome |= _shift(p, move, b)
    return outcome


@jit
def _newton_together(weights, means, free, steps):
    """As :func:`_newton`, for one b and a step a of every component, weights of sum 1."""
    slope = bend = 0.0
    for k in range(weights.size):
        m = means[k]
        if weights[k] > 0.0:
            slope += weights[k] * (1.0 - m[2] + (m[4] * m[1] / m[3] if free[k] else 0.0))
            bend += weights[k] * (m[5] + 1.0 - (m[4] * m[4] / m[3] if free[k] else 0.0))
    b = slope / bend
    largest = abs(b)
    for k in range(weights.size):
        steps[k] = (-means[k, 1] - means[k, 4] * b) / means[k, 3] if weights[k] > 0.0 and free[k] else 0.0
        largest = max(largest, abs(steps[k]))
    if not largest < np.inf:
        steps[:] = 0.0
        return 0.0, 0.0
    shrink = 1.0 if largest <= 0.5 else 0.5 / largest
    for _ in range(20):
        q = shrink * b
        model, bound = np.log1p(q) - q, 0.0
        for k in range(weights.size):
            if weights[k] > 0.0:
                m, p = means[k], shrink * steps[k]
                part = -p * m[1] + q * (1.0 - m[2]) - 0.5 * (m[3] * p * p + 2.0 * m[4] * p * q + m[5] * q * q)
                model += weights[k] * part
                bound += weights[k] * (2.0 / 3.0) * (abs(p) ** 3 * m[7] + abs(q) ** 3 * m[8])
        if model > 4.0 * bound or largest * shrink < SETTLED:
            steps *= shrink
            return q, np.inf if largest < 1e-3 else model - bound
        shrink *= 0.5
    steps[:] = 0.0
    return 0.0, 0.0


@jit
def _reweighted_together(weights, means, free, most, steps):
    """As :func:`_reweighted`, for one b and a step a of every component, weights of sum 1."""
    second = spread = gain = 0.0
    for k in range(weights.size):
        m = means[k]
        steps[k] = -m[1] / m[6] if free[k] and m[6] > 0.0 else 0.0
        second += weights[k] * m[2]
        spread += weights[k] * (m[2] + steps[k] * m[1])
        gain += weights[k] * -0.5 * steps[k] * m[1]
    if second < 1e-200:
        steps[:] = 0.0
        return min(1e90, 1.0 + most) - 1.0, np.inf
    if not spread > 1e-10 * second:
        return 0.0, gain
    r = min(max(1.0 / np.sqrt(spread), 1e-8), 1.0 + most)
    steps *= r
    return r - 1.0, np.log(r) - 0.5 * (r * r * spread - second)


class Logistic(Family):
    """Logistic distribution of one real column: like a normal one, with exponential tails.

    Parameters
    ----------
    location : float, mean, median and mode, or None to be learned.
    scale : float > 0, or None to be learned. The standard deviation is scale pi / sqrt(3).

    Notes
    -----
    ``scipy.stats.logistic(loc=location, scale=scale)``. Where all values agree the scale is held at 16 rounding errors of the
    column's largest value, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Logistic(0.0, 1.0).log_prob([0.0]).round(6)
    array([-1.386294])
    >>> round(Logistic().fit([1.0, 2.0, 3.0]).scale, 9)
    0.504959133
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
        """The location."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """scale^2 pi^2 / 3."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.logistic, (self.location, self.scale), {}

    def _layout(self, column):
        return SIZE, 9

    def _pack(self, column):
        return *self._in_units(column), 0.0, column.floor / column.unit, np.log(column.unit), 0.0, 0.0, 0.0

    def _unpack(self, row, column):
        location, scale = row[LOCATION], row[SCALE]
        old_location, old_scale = self._in_units(column)
        # A parameter that no row has moved keeps its last digit, too.
        location = self.location if location == old_location else location * column.unit + column.origin
        return Logistic(location, self.scale if scale == old_scale else scale * column.unit)

    def _in_units(self, column):
        return (self.location - column.origin) / column.unit, self.scale / column.unit

    def _start(self, column):
        # Halves first: the difference of two values near the largest float overflows.
        location = column.lower / 2 + column.upper / 2
        return Logistic(location, max(column.upper / 2 - column.lower / 2, column.floor))
