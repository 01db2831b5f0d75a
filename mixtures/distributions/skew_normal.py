"""Skew normal distribution (Azzalini 1985, "A class of distributions which includes the normal ones").

    log f(x) = log 2 - log scale - z^2 / 2 - log(2 pi) / 2 + log Phi(shape z),   z = (x - location) / scale,
    Phi the standard Normal's distribution function; support: the real line.

Weighted maximum likelihood: a pass collects what makes a lower bound of the log-likelihood that touches it at the current
parameters, a step maximises the bound, and so never lowers the likelihood. The part of z^2 is quadratic in the new parameters
already. At y = shape z with h = phi / Phi the derivatives of log Phi are h, -h (h + y), h ((h + y) (2 h + y) - 1) and a fourth
that is positive below y = 1 and nowhere less than -DEEPEST exp(-max(y - PEAK, 0)^2 / 2). So, for |e| <= t,

    log Phi(y + e) >= log Phi(y) + h e - h (h + y) e^2 / 2 + h ((h + y) (2 h + y) - 1) e^3 / 6 - m e^4 / 24,
    m = DEEPEST exp(-max(y - t - PEAK, 0)^2 / 2), or 0 where y + t < 1:

the bound agrees with the likelihood to the third order, and steps are as good as Newton's, also where the likelihood is all but
flat, as it is for shapes near 0. It holds for new parameters within a reach that follows the size of the last step, t = reach
(1 + max(1, |shape|) |z|). A second bound, log Phi(y + e) >= log Phi(y) + h e - e^2 / 2, holds for all e: that is the EM step of
the half-normal representation (Lin, Lee & Yen 2007), monotone and slow.

At shape 0 the likelihood is stationary whatever the skewness (Azzalini 1985, section 4), and from a start far away the way may
lead past there. Hence a third bound, about shape 0: Taylor's series of log Phi to the seventh order, with the least that the
eighth derivative can be, proves from the moments of the rows what some shapes between -1.5 and 1.5 are worth, the Normal at its
own maximum among them, against the value of the current parameters. Of the three steps the one with the largest gain is taken.

Where the sample is one-sided for its size the likelihood grows with |shape| for ever: the shape then goes to its end. Small
samples may have a maximum on either side of 0: a fit that starts anew climbs to that of the sample skewness' sign.
"""

from __future__ import annotations

import numpy as np
import scipy.special
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import between, positive, real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.plan import FLOORED, LIMIT, UNSETTLED, is_held
from mixtures.engine.special import HALF_LOG_2PI, exp_nonpositive, log, log_normal, log_normal_cdf, normal_cdf_parts
from mixtures.engine.student import ascent

LOCATION = 0  # about the column's origin, in its unit
SCALE = 1
SHAPE = 2
HELD = 3
FLOOR = 4
LOG_UNIT = 5
REACH = 6
CONSTANT = 7
SIZE = 8

# Means over rows: of z, ..., z^8; of log Phi; of its derivatives, the second with its sign changed, and of m, times powers of z.
MOMENTS, LEVEL, FIRST, SECOND, THIRD, FOURTH, SUMS = 0, 8, 9, 11, 14, 18, 23

LARGEST_SHAPE = 1e3
LEAST_REACH = 0.1
MOST_REACH = 0.99
"""Below 1, at which rounding would decide on which side of the first change of sign every row below the location comes to lie."""
STILL = 1e-9
NO_GAIN = 5e-16
FAR = 100.0
"""Mean of z^2 that only a start far from its rows has: from 6 on, a Normal of their scale is likelier."""
ROOT = 0.7978845608028654  # sqrt(2 / pi)
DEEPEST, PEAK = 0.189, 2.1
SERIES = np.array(
    [
        -0.6931471805599453,
        ROOT,
        -1.0 / np.pi,
        0.03633560235749837,
        0.004782111752259119,
        -3.698073718848184e-05,
        -0.00021202574144674573,
        -5.216000183976342e-05,
        -5.96e-05,  # the least that the eighth derivative / 8! is anywhere
    ]
)
"""Of log Phi about 0."""
BINOMIAL = np.array([[float(scipy.special.comb(j, i)) for i in range(9)] for j in range(9)])
LEAST_SPREAD = 0.3
"""Variance of z, in means of z^2, from which its higher moments about the mean are known to rounding."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        p = parameters[k]
        p[CONSTANT] = 0.6931471805599453 - HALF_LOG_2PI - log(p[SCALE]) - p[LOG_UNIT]


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    for k in range(out.shape[0]):
        row = out[k]
        p = parameters[k]
        location, inverse, shape, constant = p[LOCATION], 1.0 / p[SCALE], p[SHAPE], p[CONSTANT]
        for i in range(row.size):
            z = (cells[i] - location) * inverse
            value = constant - 0.5 * z * z + log_normal_cdf(shape * z)
            row[i] += value if value == value else -np.inf


@jit
def _shapes(cells, location, inverse, shape, reach, z, level, first, second, third, fourth):
    """Of every row z, what :func:`_take_logarithms` makes log Phi at shape z of, its derivatives, and m."""
    wide_vectors()
    length = max(1.0, abs(shape))
    for i in range(cells.size):
        # Farther than 1e35 a row says only that the scale must grow, which it says from there, too.
        z[i] = min(max((cells[i] - location) * inverse, -1e35), 1e35)
        y = shape * z[i]
        e, part = normal_cdf_parts(y)
        h = 0.3989422804014327 * e / part
        level[i] = part
        first[i] = h
        # From here on h + y and what follows lose their digits to cancellation, but the bound with e^2 / 2 is close.
        far = y < -10.0
        second[i] = 1.0 if far else h * (h + y)
        third[i] = 0.0 if far else h * ((h + y) * (2.0 * h + y) - 1.0)
        room = reach * (1.0 + length * abs(z[i]))
        above = max(y - room - PEAK, 0.0)
        # As steep as the likelihood itself, which a held location far below all rows leaves all but flat in the shape.
        deep = DEEPEST * exp_nonpositive(-0.5 * above * above)
        fourth[i] = 0.0 if far or y + room < 1.0 else deep


@jit
def _may_leap(p):
    """Whether the bound about shape 0 is worth its logarithm: near there, and where steps are long, as they are at first."""
    return abs(p[SHAPE]) < 0.5 or p[REACH] > LEAST_REACH


@jit
def _take_logarithms(shape, z, level):
    wide_vectors()
    for i in range(z.size):
        y = shape * z[i]
        level[i] = log_normal(level[i]) - (0.5 * y * y if y < 0.0 else 0.0)


@jit_sums
def _add_moments(share, z, level, sums):
    wide_vectors()
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = 0.0
    for i in range(share.size):
        u = share[i] * z[i]
        s0 += u
        u *= z[i]
        s1 += u
        u *= z[i]
        s2 += u
        u *= z[i]
        s3 += u
        u *= z[i]
        s4 += u
        u *= z[i]
        s5 += u
        u *= z[i]
        s6 += u
        s7 += u * z[i]
        s8 += share[i] * level[i]
    for i, value in enumerate((s0, s1, s2, s3, s4, s5, s6, s7, s8)):
        sums[i] += value


@jit_sums
def _add_derivatives(share, z, first, second, third, fourth, sums):
    wide_vectors()
    a0 = a1 = b0 = b1 = b2 = c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = d4 = 0.0
    for i in range(share.size):
        u = share[i] * first[i]
        a0 += u
        a1 += u * z[i]
        u = share[i] * second[i]
        b0 += u
        u *= z[i]
        b1 += u
        b2 += u * z[i]
        u = share[i] * third[i]
        c0 += u
        u *= z[i]
        c1 += u
        u *= z[i]
        c2 += u
        c3 += u * z[i]
        u = share[i] * fourth[i]
        d0 += u
        u *= z[i]
        d1 += u
        u *= z[i]
        d2 += u
        u *= z[i]
        d3 += u
        d4 += u * z[i]
    for i, value in enumerate((a0, a1, b0, b1, b2, c0, c1, c2, c3, d0, d1, d2, d3, d4)):
        sums[i] += value


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    lines = np.empty((6, x.shape[1]))
    z, level, first, second, third, fourth = lines[0], lines[1], lines[2], lines[3], lines[4], lines[5]
    for k in range(responsibilities.shape[0]):
        p = parameters[k]
        _shapes(x[0], p[LOCATION], 1.0 / p[SCALE], p[SHAPE], p[REACH], z, level, first, second, third, fourth)
        if _may_leap(p):
            _take_logarithms(p[SHAPE], z, level)
        _add_moments(responsibilities[k], z, level, statistics[k, 1:])
        _add_derivatives(responsibilities[k], z, first, second, third, fourth, statistics[k, 1 + FIRST :])


@jit
def _changes(move, shape):
    """shape z becomes itself plus e0 + e1 z."""
    return move[2] * move[1], move[2] * np.exp(move[0]) - shape


@jit
def _bound(move, shape, m):
    """Gain in mean log-likelihood, at least, of a move: (log of old scale over new, (location - new location) / new scale, new
    shape); `m` are means over rows."""
    a = np.exp(move[0])
    x, y = _changes(move, shape)
    squares = a * a * m[1] + 2.0 * a * move[1] * m[0] + move[1] * move[1] - m[1]
    value = x * m[FIRST] + y * m[FIRST + 1]
    value -= 0.5 * (x * x * m[SECOND] + 2.0 * x * y * m[SECOND + 1] + y * y * m[SECOND + 2])
    cubic = x * x * (x * m[THIRD] + 3.0 * y * m[THIRD + 1]) + y * y * (3.0 * x * m[THIRD + 2] + y * m[THIRD + 3])
    quartic = x * x * (x * x * m[FOURTH] + 4.0 * x * y * m[FOURTH + 1] + 6.0 * y * y * m[FOURTH + 2])
    quartic += y * y * y * (4.0 * x * m[FOURTH + 3] + y * m[FOURTH + 4])
    return move[0] - 0.5 * squares + value + cubic / 6.0 - quartic / 24.0


@jit
def _slope(x, y, m, i):
    """Derivative of the bound's part of log Phi by e0 (i = 0) or e1 (i = 1)."""
    first = m[FIRST + i] - x * m[SECOND + i] - y * m[SECOND + 1 + i]
    cubic = x * x * m[THIRD + i] + 2.0 * x * y * m[THIRD + 1 + i] + y * y * m[THIRD + 2 + i]
    quartic = x * x * (x * m[FOURTH + i] + 3.0 * y * m[FOURTH + 1 + i])
    quartic += y * y * (3.0 * x * m[FOURTH + 2 + i] + y * m[FOURTH + 3 + i])
    return first + cubic / 2.0 - quartic / 6.0


@jit
def _bend(x, y, m, i):
    """Its second derivatives: twice by e0 (i = 0), by both (1), twice by e1 (2)."""
    quartic = x * x * m[FOURTH + i] + 2.0 * x * y * m[FOURTH + 1 + i] + y * y * m[FOURTH + 2 + i]
    return -m[SECOND + i] + x * m[THIRD + i] + y * m[THIRD + 1 + i] - 0.5 * quartic


@jit
def _slopes(move, shape, m, gradient, hessian):
    """Derivatives of :func:`_bound`."""
    a, t, s = np.exp(move[0]), move[1], move[2]
    x, y = _changes(move, shape)
    g0, g1 = _slope(x, y, m, 0), _slope(x, y, m, 1)
    h0, h1, h2 = _bend(x, y, m, 0), _bend(x, y, m, 1), _bend(x, y, m, 2)
    gradient[0] = 1.0 - a * a * m[1] - a * t * m[0] + g1 * s * a
    gradient[1] = -a * m[0] - t + g0 * s
    gradient[2] = g0 * t + g1 * a
    hessian[0, 0] = -2.0 * a * a * m[1] - a * t * m[0] + g1 * s * a + h2 * s * a * s * a
    hessian[1, 0] = -a * m[0] + h1 * s * s * a
    hessian[2, 0] = g1 * a + (h1 * t + h2 * a) * s * a
    hessian[1, 1] = -1.0 + h0 * s * s
    hessian[2, 1] = g0 + (h0 * t + h1 * a) * s
    hessian[2, 2] = h0 * t * t + 2.0 * h1 * t * a + h2 * a * a


@jit
def _climb(move, shape, m, reach, is_open, low, high):
    """Climb the bound by Newton's method from no move, in `move`, where |e0| <= reach, |e1| <= reach max(1, |shape|)."""
    gradient, hessian, step, new = np.empty(3), np.empty((3, 3)), np.empty(3), np.empty(3)
    is_free = np.empty(3, dtype=np.bool_)
    move[:] = (0.0, 0.0, shape)
    value = 0.0
    length = max(1.0, abs(shape))
    for _ in range(60):
        _slopes(move, shape, m, gradient, hessian)
        for i in range(3):
            inwards = (move[i] > low[i] or gradient[i] > 0.0) and (move[i] < high[i] or gradient[i] < 0.0)
            is_free[i] = is_open[i] and inwards
        damping, moved, found, reached = 0.0, 0.0, False, value
        for _ in range(40):
            if ascent(gradient, hessian, damping, is_free, step):
                moved = 0.0
                for i in range(3):
                    new[i] = min(max(move[i] + step[i], low[i]), high[i])
                    moved = max(moved, abs(new[i] - move[i]) / (1.0 if i < 2 else length))
                e0, e1 = _changes(new, shape)
                if abs(e0) <= reach and abs(e1) <= reach * length:
                    reached = _bound(new, shape, m)
                    if reached > value or (damping == 0.0 and moved < 1e-6):
                        found = True
                        break
            damping = 1e-6 if damping == 0.0 else 8.0 * damping
        if not found:
            break
        value = reached
        move[:] = new
        if damping == 0.0 and moved < 1e-11:
            break
    return value


@jit
def _mean_of_series(b, c, u):
    """Mean of the series at b + c u, from the moments of u, in parts that are even and odd in u."""
    sums = np.zeros(2)
    power = 1.0
    for i in range(9):
        # Taylor's coefficient of order i about b, by Horner's rule.
        value = 0.0
        for j in range(8, i - 1, -1):
            value = value * b + SERIES[j] * BINOMIAL[j, i]
        sums[i % 2] += value * power * u[i]
        power *= c
    return sums[0], sums[1]


@jit
def _leap(m, scale_is_free, highest, move):
    """The best of some shapes by the series about 0, with the mean, and the variance where the scale is free, of the rows: in
    `move`. Returns the gain that is sure, -inf where there is none."""
    best = -np.inf
    variance = max(m[1] - m[0] * m[0], 1e-12 * m[1])
    spread = np.sqrt(variance)
    # Mean and variance of what has cancelled are known well enough for a Normal only.
    is_wide = variance > LEAST_SPREAD * m[1]
    u = np.zeros(9)
    if is_wide:
        powers = 1.0
        for j in range(9):
            value, power = 0.0, 1.0
            for i in range(j, -1, -1):
                value += BINOMIAL[j, i] * (m[i - 1] if i > 0 else 1.0) * power
                power *= -m[0]
            u[j] = value / powers
            powers *= spread
    else:
        u[0], u[2] = 1.0, 1.0
    size = 1.5
    while True:
        mean = ROOT * size / np.sqrt(1.0 + size * size)
        log_a = 0.0
        if scale_is_free:
            log_a = min(0.5 * log((1.0 - mean * mean) / variance), highest) if variance > 0.0 else highest
        a = np.exp(log_a)
        c = a * spread
        # y = size (mean + c u) or, of the shape -size, size (mean - c u): parts even and odd in u.
        even, odd = _mean_of_series(size * mean, size * c, u)
        gain = log_a - 0.5 * (mean * mean + c * c) + even + abs(odd) - (m[LEVEL] - 0.5 * m[1])
        if gain > best:
            best = gain
            sign = 1.0 if odd >= 0.0 else -1.0
            move[0], move[1], move[2] = log_a, sign * mean - a * m[0], sign * size
        if size == 0.0:
            return best
        size = 0.8 * size if is_wide and size > 1e-3 else 0.0


@jit
def _maximize(statistics, parameters):
    outcome = 0
    m, move, other, is_open = np.empty(SUMS), np.empty(3), np.empty(3), np.empty(3, dtype=np.bool_)
    low, high = np.empty(3), np.empty(3)
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        if not total > 0.0:
            continue
        p = parameters[k]
        for i in range(SUMS):
            m[i] = statistics[k, 1 + i] / total
        scale, shape, reach, floor = p[SCALE], p[SHAPE], p[REACH], min(p[FLOOR], p[SCALE])
        if m[1] > FAR and not is_held(p[HELD], 1):
            # The likelihood is below that of a Normal of the scale sqrt(mean z^2), or of the sample's mean and deviation.
            spread = m[1]
            if not is_held(p[HELD], 0) and not is_held(p[HELD], 2):
                # Of a deviation that has cancelled, a bound, for the next pass to improve on.
                spread = max(m[1] - m[0] * m[0], 1e-10 * m[1])
                p[LOCATION] += m[0] * scale
                p[SHAPE] = 0.0
            p[SCALE] = scale * np.sqrt(spread)
            outcome |= UNSETTLED
            continue
        flat = scale <= p[FLOOR] * (1.0 + 1e-9)  # where z is rounding, and the shape with it
        is_open[0], is_open[1] = not is_held(p[HELD], 1), not is_held(p[HELD], 0)
        is_open[2] = not is_held(p[HELD], 2) and not flat
        end = max(LARGEST_SHAPE, abs(shape))
        low[:] = (-np.inf, -np.inf, -end)
        # A scale a millionth of the rows' distance or less would be their rounding: for the next pass, from nearer.
        high[:] = (min(log(scale / floor), -0.5 * log(max(1e-12 * m[1], 1e-260))), np.inf, end)
        gain = _climb(move, shape, m, reach, is_open, low, high)
        leapt = False
        if is_open[1] and is_open[2] and _may_leap(p):
            sure = _leap(m, is_open[0], high[0], other)
            if sure > gain + NO_GAIN:
                move[:], gain, leapt = other, sure, True
        e0, e1 = _changes(move, shape)
        used = max(abs(e0), abs(e1) / max(1.0, abs(shape)))
        if used > 0.5 * reach and not leapt:
            m[SECOND], m[SECOND + 1], m[SECOND + 2] = 1.0, m[0], m[1]
            m[THIRD:] = 0.0
            sure = _climb(other, shape, m, np.inf, is_open, low, high)
            if sure > gain:
                move[:], gain = other, sure
                e0, e1 = _changes(move, shape)
                used = max(abs(e0), abs(e1) / max(1.0, abs(shape)))
        p[REACH] = MOST_REACH if leapt else min(max(1.5 * used, LEAST_REACH), MOST_REACH)
        p[SCALE] = scale * np.exp(-move[0])
        if is_open[0] and not p[SCALE] > p[FLOOR] * (1.0 + 1e-9):
            p[SCALE] = max(p[SCALE], floor)
            outcome |= FLOORED
            flat = flat and p[SCALE] == scale
        else:
            flat = False
        p[LOCATION] -= move[1] * p[SCALE]
        p[SHAPE] = move[2]
        if is_open[2] and abs(move[2]) >= end:
            outcome |= LIMIT
        moved = max(abs(move[0]), abs(move[1]), abs(move[2] - shape) / max(1.0, abs(shape)))
        if moved > STILL and gain > NO_GAIN and not flat:
            outcome |= UNSETTLED
    return outcome


class SkewNormal(Family):
    """Skew normal distribution of one real column: a bell that leans to one side.

    Parameters
    ----------
    location : float, or None to be learned; the mean is beside it where the shape is not 0.
    scale : float > 0, or None to be learned.
    shape : float between -1000 and 1000, of the sign of the skewness, 0 for a Normal; or None to be learned.

    Notes
    -----
    ``scipy.stats.skewnorm(shape, location, scale)``. A shape at the end of its range says that the column looks like half a
    bell; where values agree, scale is held at 16 rounding errors of the column's largest value. Of either a
    :class:`~mixtures.exceptions.DegenerateWarning` tells. Beside the maximum that a new fit finds, a small sample may have another
    one whose shape has the other sign; a fit that starts there stays.

    Examples
    --------
    >>> SkewNormal(0, 1, 2).log_prob([0.0]).round(6)
    array([-0.918939])
    >>> round(SkewNormal().fit([1.0, 1.6, 2.0, 2.2, 2.5, 3.0, 3.6, 5.0]).shape, 2)
    5.17
    """

    parameters = {"location": real, "scale": positive, "shape": between(-LARGEST_SHAPE, LARGEST_SHAPE, True, True)}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    uses_unit = True
    uses_origin = True
    held = HELD
    limit = "the shape is at the end of its range: the rows look like half a bell; use HalfNormal from where they begin"

    def __init__(self, location: float | None = None, scale: float | None = None, shape: float | None = None) -> None:
        super().__init__(location=location, scale=scale, shape=shape)

    location: float
    scale: float
    shape: float

    @property
    def mean(self) -> float:
        """location + scale sqrt(2 / pi) shape / sqrt(1 + shape^2)."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """scale^2 (1 - 2 / pi shape^2 / (1 + shape^2))."""
        return self._moment("var")

    def to_scipy(self):
        return scipy.stats.skewnorm(self.shape, self.location, self.scale)

    def _layout(self, column):
        return SIZE, 1 + SUMS

    def _pack(self, column):
        location, scale = self._in_units(column)
        return location, scale, self.shape, 0.0, column.floor / column.unit, np.log(column.unit), MOST_REACH, 0.0

    def _unpack(self, row, column):
        location, scale = self._in_units(column)
        # A parameter that no row has moved keeps its last digit, too.
        return SkewNormal(
            self.location if row[LOCATION] == location else row[LOCATION] * column.unit + column.origin,
            self.scale if row[SCALE] == scale else row[SCALE] * column.unit,
            row[SHAPE],
        )

    def _in_units(self, column):
        return (self.location - column.origin) / column.unit, self.scale / column.unit

    def _start(self, column):
        # Halves first: the difference of two values near the largest float overflows.
        middle = column.lower / 2 + column.upper / 2
        return SkewNormal(middle, max(column.upper / 2 - column.lower / 2, column.floor), 0.0)
