"""Skew normal distribution (Azzalini 1985, "A class of distributions which includes the normal ones").

    log f(x) = log 2 - log scale - z^2 / 2 - log(2 pi) / 2 + log Phi(shape z),   z = (x - location) / scale,
    Phi the standard Normal's distribution function; support: the real line.

Weighted maximum likelihood: each step maximises a lower bound of the log-likelihood that touches it at the current parameters, and
so never lowers it. The part of z^2 is quadratic in the new parameters already; log Phi, whose second derivative -h (h + y) at y,
h = phi / Phi, grows with y, lies above the parabola of its value and slope at y = shape z and of any curvature between, hence

    log Phi(y + e) >= log Phi(y) + h e - K e^2 / 2   for e >= -t,   K = min(1, exp(t (max(y, 0) + 0.35)) h (h + y)),

because the logarithm of h (h + y) falls no faster than max(y, 0) + 0.35. K = 1 holds for all e: that bound is the EM step of the
half-normal representation (Lin, Lee & Yen 2007), monotone and slow. The other holds for new parameters within a reach that
follows the size of the last step, t = reach (1 + max(1, |shape|) |z|); as steps shrink K tends to the true curvature, and they
converge like Newton's. The step that raises the likelihood more for sure is taken.

At shape 0 the likelihood is stationary whatever the skewness. There, and wherever Taylor's series of log 2 Phi about 0, whose
fourth derivative lies between -0.19 and 0.12, proves it better, the step is to one of a few shapes of the sample skewness' sign.
Where the sample is one-sided for its size the likelihood grows with |shape| for ever: the shape then goes to its end.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import between, positive, real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.plan import FLOORED, UNSETTLED, is_held
from mixtures.engine.special import HALF_LOG_2PI, exp_nonpositive, log, log_normal_cdf, scaled_normal_tail
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

LARGEST_SHAPE = 1e3
STILL = 1e-9
NO_GAIN = 5e-16
FAR = 100.0
"""Mean of z^2 that only a start far from its rows has: from 6 on, a Normal of their scale is likelier."""
ROOT = 0.7978845608028654  # sqrt(2 / pi)
# log 2 Phi(y) = ROOT y - y^2 / pi + CUBIC y^3 + at least -BELOW y^4, at most ABOVE y^4
CUBIC, BELOW, ABOVE = 0.0363356023574983602, 0.0079, 0.0048


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
def _shapes(cells, location, inverse, shape, reach, z, h, curvature):
    """Of every row z, the slope h of log Phi at shape z, and K."""
    wide_vectors()
    length = max(1.0, abs(shape))
    for i in range(cells.size):
        z[i] = min(max((cells[i] - location) * inverse, -1e70), 1e70)
        y = shape * z[i]
        above = max(y, 0.0)
        tail = scaled_normal_tail(y)
        e = exp_nonpositive(-0.5 * y * y)
        density = 0.3989422804014327 / (1.0 - 0.5 * tail * e)  # phi / Phi above 0, but for e
        h[i] = ROOT / tail if y < 0.0 else density * e
        room = reach * (1.0 + length * abs(z[i])) * (above + 0.35)
        # The exponents of K meet before either overflows.
        rise = min(room, 700.0) if y < 0.0 else room - 0.5 * y * y
        grown = exp_nonpositive(-abs(rise))
        flat = density * (h[i] + y) * grown if rise < 0.0 else 1.0
        bent = h[i] * (h[i] + y) / grown if y < 0.0 else flat
        curvature[i] = bent if bent < 1.0 and y > -10.0 else 1.0


@jit_sums
def _add(share, z, h, curvature, sums):
    wide_vectors()
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = 0.0
    for i in range(share.size):
        u = share[i] * z[i]
        s0 += u
        u *= z[i]
        s1 += u
        u *= z[i]
        s2 += u
        s3 += u * z[i]
        u = share[i] * h[i]
        s4 += u
        s5 += u * z[i]
        u = share[i] * curvature[i]
        s6 += u
        u *= z[i]
        s7 += u
        s8 += u * z[i]
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2
    sums[3] += s3
    sums[4] += s4
    sums[5] += s5
    sums[6] += s6
    sums[7] += s7
    sums[8] += s8


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    lines = np.empty((3, x.shape[1]))
    z, h, curvature = lines[0], lines[1], lines[2]
    for k in range(responsibilities.shape[0]):
        p = parameters[k]
        _shapes(x[0], p[LOCATION], 1.0 / p[SCALE], p[SHAPE], p[REACH], z, h, curvature)
        _add(responsibilities[k], z, h, curvature, statistics[k, 1:])


@jit
def _changes(move, shape):
    """The new shape z is the old one plus e0 + e1 z."""
    return move[2] * move[1], move[2] * np.exp(move[0]) - shape


@jit
def _bound(move, shape, m, bends):
    """Gain in mean log-likelihood, at least, of a move: (log of old scale over new, (location - new location) / new scale, new
    shape); `m` are means over rows, `bends` of K, K z and K z^2."""
    a = np.exp(move[0])
    e0, e1 = _changes(move, shape)
    squares = a * a * m[1] + 2.0 * a * move[1] * m[0] + move[1] * move[1] - m[1]
    bent = e0 * e0 * bends[0] + 2.0 * e0 * e1 * bends[1] + e1 * e1 * bends[2]
    return move[0] - 0.5 * squares + e0 * m[4] + e1 * m[5] - 0.5 * bent


@jit
def _climb(move, shape, m, bends, reach, is_open, low, high):
    """Climb the bound by Newton's method from `move`, in place, where |e0| <= reach, |e1| <= reach max(1, |shape|)."""
    gradient, hessian, step, new = np.empty(3), np.empty((3, 3)), np.empty(3), np.empty(3)
    is_free = np.empty(3, dtype=np.bool_)
    value = _bound(move, shape, m, bends)
    length = max(1.0, abs(shape))
    for _ in range(60):
        a, t, s = np.exp(move[0]), move[1], move[2]
        e0, e1 = _changes(move, shape)
        g0 = m[4] - e0 * bends[0] - e1 * bends[1]
        g1 = m[5] - e0 * bends[1] - e1 * bends[2]
        gradient[0] = 1.0 - a * a * m[1] - a * t * m[0] + g1 * s * a
        gradient[1] = -a * m[0] - t + g0 * s
        gradient[2] = g0 * t + g1 * a
        hessian[0, 0] = -2.0 * a * a * m[1] - a * t * m[0] + g1 * s * a - bends[2] * s * a * s * a
        hessian[1, 0] = -a * m[0] - bends[1] * s * s * a
        hessian[2, 0] = g1 * a - (bends[1] * t + bends[2] * a) * s * a
        hessian[1, 1] = -1.0 - bends[0] * s * s
        hessian[2, 1] = g0 - (bends[0] * t + bends[1] * a) * s
        hessian[2, 2] = -(bends[0] * t * t + 2.0 * bends[1] * t * a + bends[2] * a * a)
        for i in range(3):
            inwards = (move[i] > low[i] or gradient[i] > 0.0) and (move[i] < high[i] or gradient[i] < 0.0)
            is_free[i] = is_open[i] and inwards
        damping, moved, found = 0.0, 0.0, False
        for _ in range(40):
            if ascent(gradient, hessian, damping, is_free, step):
                moved = 0.0
                for i in range(3):
                    new[i] = min(max(move[i] + step[i], low[i]), high[i])
                    moved = max(moved, abs(new[i] - move[i]) / (1.0 if i < 2 else length))
                e0, e1 = _changes(new, shape)
                if abs(e0) <= reach and abs(e1) <= reach * length:
                    reached = _bound(new, shape, m, bends)
                    if reached > value or (damping == 0.0 and moved < 1e-6):
                        found = True
                        break
            damping = 0.25 if damping == 0.0 else 4.0 * damping
        if not found:
            break
        value = reached
        move[:] = new
        if damping == 0.0 and moved < 1e-11:
            break
    return value


@jit
def _series(move, m, quartic):
    """Mean of log 2 Phi by Taylor's series with this last coefficient, less the new z^2 / 2, plus the log of old scale over new."""
    a, t, s = np.exp(move[0]), move[1], move[2]
    m1 = a * m[0] + t
    m2 = a * a * m[1] + 2.0 * a * t * m[0] + t * t
    m3 = a * a * a * m[2] + 3.0 * a * a * t * m[1] + 3.0 * a * t * t * m[0] + t * t * t
    m4 = a**4 * m[3] + 4.0 * a**3 * t * m[2] + 6.0 * a * a * t * t * m[1] + 4.0 * a * t**3 * m[0] + t**4
    series = ROOT * s * m1 - s * s * m2 / np.pi + CUBIC * s**3 * m3 + quartic * s**4 * m4
    return move[0] - 0.5 * m2 + series


@jit
def _leap(shape, m, highest, move):
    """The best of some shapes by what the series proves, in `move`; the gain that is sure, -inf where there is none."""
    variance = m[1] - m[0] * m[0]
    best = -np.inf
    if not variance > 1e-12 * m[1]:
        return best
    third = m[2] - 3.0 * m[0] * m[1] + 2.0 * m[0] ** 3
    here = np.array([0.0, 0.0, shape])
    now = _series(here, m, ABOVE)
    new = np.empty(3)
    size = 2.0
    while size > 1e-4:
        size *= 0.8
        new[2] = size if third > 0.0 else -size
        # The location and scale at which mean and variance are the sample's.
        mean = ROOT * new[2] / np.sqrt(1.0 + size * size)
        spread = np.sqrt((1.0 - mean * mean) / variance)
        new[0] = np.log(spread)
        new[1] = mean - m[0] * spread
        gain = _series(new, m, -BELOW) - now
        if gain > best and new[0] <= highest:
            best = gain
            move[:] = new
    return best


@jit
def _maximize(statistics, parameters):
    outcome = 0
    m, sure, leap, ones = np.empty(9), np.empty(3), np.empty(3), np.ones(3)
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        if not total > 0.0:
            continue
        p = parameters[k]
        for i in range(9):
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
        is_open = np.array([not is_held(p[HELD], 1), not is_held(p[HELD], 0), not is_held(p[HELD], 2) and not flat])
        end = max(LARGEST_SHAPE, abs(shape))
        low, high = np.array([-np.inf, -np.inf, -end]), np.array([log(scale / floor), np.inf, end])
        move = np.array([0.0, 0.0, shape])
        gain = _climb(move, shape, m, m[6:], reach, is_open, low, high)
        ones[1], ones[2] = m[0], m[1]
        sure[:] = (0.0, 0.0, shape)
        other = _climb(sure, shape, m, ones, np.inf, is_open, low, high)
        if other > gain:
            move[:], gain = sure, other
        leapt = False
        if is_open[0] and is_open[1] and is_open[2]:
            other = _leap(shape, m, high[0], leap)
            if other > gain + NO_GAIN:
                move[:], gain, leapt = leap, other, True
            # A Normal at its own maximum, against what is there, of which log 2 Phi <= log 2, and 0 at shape 0.
            variance = m[1] - m[0] * m[0]
            most = min(high[0], 300.0)
            leap[0] = min(-0.5 * log(variance), most) if variance > 0.0 else most
            leap[1], leap[2] = -m[0] * np.exp(leap[0]), 0.0
            other = (
                leap[0] - 0.5 * (np.exp(2.0 * leap[0]) * max(variance, 0.0) - m[1]) - (0.0 if shape == 0.0 else 0.6931471805599453)
            )
            if other > gain + NO_GAIN:
                move[:], gain, leapt = leap, other, True
        e0, e1 = _changes(move, shape)
        used = max(abs(e0), abs(e1) / max(1.0, abs(shape)))
        p[REACH] = 0.25 if leapt else min(max(4.0 * used, 1e-9), 1.0)
        p[SCALE] = scale * np.exp(-move[0])
        if is_open[0] and not p[SCALE] > p[FLOOR] * (1.0 + 1e-9):
            p[SCALE] = max(p[SCALE], floor)
            outcome |= FLOORED
            flat = flat and p[SCALE] == scale
        else:
            flat = False
        p[LOCATION] -= move[1] * p[SCALE]
        p[SHAPE] = move[2]
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
    bell. Where values agree, scale is held at 16 rounding errors of the column's largest value, with a
    :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> SkewNormal(0, 1, 2).log_prob([0.0]).round(6)
    array([-0.918939])
    >>> SkewNormal().fit([1.0, 2.0, 2.5, 3.0, 6.0]).shape
    1000.0
    """

    parameters = {"location": real, "scale": positive, "shape": between(-LARGEST_SHAPE, LARGEST_SHAPE, True, True)}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    uses_unit = True
    uses_origin = True
    held = HELD

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
        return SIZE, 10

    def _pack(self, column):
        location, scale = self._in_units(column)
        return location, scale, self.shape, 0.0, column.floor / column.unit, np.log(column.unit), 0.25, 0.0

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
