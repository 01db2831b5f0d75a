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
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import between, positive, real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.coordinates import BOUNDED, LOG, REAL
from mixtures.engine.plan import FLOORED, LIMIT, UNSETTLED, is_held
from mixtures.engine.skew import FIRST, SECOND, SUMS, THIRD, changes, climb, leap
from mixtures.engine.special import HALF_LOG_2PI, exp_nonpositive, log, log_normal, log_normal_cdf, normal_cdf_parts

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
LEAST_REACH = 0.1
MOST_REACH = 0.99
"""Below 1, at which rounding would decide on which side of the first change of sign every row below the location comes to lie."""
STILL = 1e-9
NO_GAIN = 5e-16
FAR = 100.0
"""Mean of z^2 that only a start far from its rows has: from 6 on, a Normal of their scale is likelier."""
DEEPEST, PEAK = 0.189, 2.1


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
        gain = climb(move, shape, m, reach, is_open, low, high)
        leapt = False
        if is_open[1] and is_open[2] and _may_leap(p):
            sure = leap(m, is_open[0], high[0], other)
            if sure > gain + NO_GAIN:
                move[:], gain, leapt = other, sure, True
        e0, e1 = changes(move, shape)
        used = max(abs(e0), abs(e1) / max(1.0, abs(shape)))
        if used > 0.5 * reach and not leapt:
            m[SECOND], m[SECOND + 1], m[SECOND + 2] = 1.0, m[0], m[1]
            m[THIRD:] = 0.0
            sure = climb(other, shape, m, np.inf, is_open, low, high)
            if sure > gain:
                move[:], gain = other, sure
                e0, e1 = changes(move, shape)
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
    coordinates = ((REAL, LOCATION, 1, 0), (LOG, SCALE, 1, 1), (BOUNDED, SHAPE, 1000, 2))
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
