"""Lower bounds of the skew normal's mean log-likelihood, and what climbs them, from means over rows.

Which bounds, and why they hold, stands at :mod:`the family <mixtures.distributions.skew_normal>`.
"""

from __future__ import annotations

import numpy as np
import scipy.special

from mixtures._numba import jit
from mixtures.engine.special import log
from mixtures.engine.student import ascent

# Means over rows: of z, ..., z^8; of log Phi; of its derivatives, the second with its sign changed, and of m, times powers of z.
MOMENTS, LEVEL, FIRST, SECOND, THIRD, FOURTH, SUMS = 0, 8, 9, 11, 14, 18, 23

ROOT = 0.7978845608028654  # sqrt(2 / pi)
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
def changes(move, shape):
    """shape z becomes itself plus e0 + e1 z."""
    return move[2] * move[1], move[2] * np.exp(move[0]) - shape


@jit
def _bound(move, shape, m):
    """Gain in mean log-likelihood, at least, of a move: (log of old scale over new, (location - new location) / new scale, new
    shape); `m` are means over rows."""
    a = np.exp(move[0])
    x, y = changes(move, shape)
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
    x, y = changes(move, shape)
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
def climb(move, shape, m, reach, is_open, low, high):
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
                e0, e1 = changes(new, shape)
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
def leap(m, scale_is_free, highest, move):
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
