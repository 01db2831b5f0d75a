"""Rising factorials in their base: h(a) = log gamma(x + a) - log gamma(a), the sum of log(a + j) over j = 0 .. x - 1.

Counts that a Gamma or a Beta spreads (negative binomial, beta-binomial) are fitted in such bases. What rows say of a base is
summed up by the slope S = sum w h'(a) and the curvature C = -sum w h''(a) at the current a, which make bounds of the slope
elsewhere. With y = 1 / (a + j) over all rows and j, S = sum y, C = sum y^2, and at another base b

    h'(b) = sum y / (1 + (b - a) y),

in which 1 / (1 + (b - a) y) is convex in y. Weighted by y, whose mean is C / S, Jensen's inequality bounds h'(b) from below by
S / (1 + (b - a) C / S); the chord between the ends of y, 1 / (a + width) and 1 / a with width = largest count - 1, bounds it
from above. Both touch h' at a to first order, so that a step to where a bound crosses zero never goes too far and converges
as Newton's does. They are minorisations (Hunter & Lange 2004) of h upwards and downwards.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import inline, jit
from mixtures.engine.special import digamma, log, log_minus_digamma, log_one_plus, trigamma_excess

# Kinds of bounds.
SUMS = 0
MEANS_UPWARDS = 1
MEANS_DOWNWARDS = 2

LARGE_BASE = 1000.0
"""Bases from which three terms of the asymptotic series are exact, and needed: differences of two values would cancel."""


@jit
def log_minus_digamma_far(x):
    """log(x) - psi(x) for x >= 16 (Abramowitz & Stegun 6.3.18); relative error 1e-15."""
    inline()
    inverse = 1.0 / x
    square = inverse * inverse
    p = 1.0 / 132.0
    p = p * square - 1.0 / 240.0
    p = p * square + 1.0 / 252.0
    p = p * square - 1.0 / 120.0
    p = p * square + 1.0 / 12.0
    return 0.5 * inverse + p * square


@jit
def trigamma_far(x):
    """psi'(x) for x >= 16 (Abramowitz & Stegun 6.4.12); relative error 1e-15."""
    inline()
    inverse = 1.0 / x
    square = inverse * inverse
    p = 5.0 / 66.0
    p = p * square - 1.0 / 30.0
    p = p * square + 1.0 / 42.0
    p = p * square - 1.0 / 30.0
    p = p * square + 1.0 / 6.0
    return inverse + 0.5 * square + p * square * inverse


@jit
def rise_of_digamma_error(x, a, at_a, at_sum):
    """e(a) - e(a + x), where e = log - psi is `at_a` at a and `at_sum` at a + x."""
    inline()
    u, v = 1.0 / a, 1.0 / (a + x)
    far = x * u * v * (0.5 + (u + v) * (1.0 / 12.0 - (u * u + v * v) / 120.0))
    return far if a >= LARGE_BASE else at_a - at_sum


@jit
def fall_of_trigamma(x, a, at_a, at_sum):
    """psi'(a) - psi'(a + x), which are `at_a` and `at_sum`."""
    inline()
    u, v = 1.0 / a, 1.0 / (a + x)
    far = x * u * v * (1.0 + 0.5 * (u + v) + (u * u + u * v + v * v) / 6.0)
    return far if a >= LARGE_BASE else at_a - at_sum


@jit
def digamma_error(x):
    """log(x) - psi(x) for x > 0."""
    return log_minus_digamma(x)


@jit
def trigamma_at(x):
    """psi'(x) for x > 0."""
    return 1.0 / x + trigamma_excess(x)


@jit
def upper_share(slope, curvature, a, width):
    """The weight of the end y = 1 / a in the chord above h', the rest being that of y = 1 / (a + width)."""
    if not width > 0.0:
        return 1.0
    return min(1.0, max(0.0, 1.0 - (slope - a * curvature) / slope * ((a + width) / width)))


@jit
def bound_of_slope(b, a, slope, curvature, chord):
    """The lower bound of h'(b) for b > a, the upper one below; its difference from h'(a), which does not cancel beside a; its
    derivative in b. `chord` is (weight, width) of :func:`upper_share`."""
    weight, width = chord
    step = b - a
    if step > 0.0:
        ratio = slope / (slope + step * curvature)
        return ratio * slope, -ratio * (step * curvature), -ratio * ratio * curvature
    # products as quotients: they might overflow
    near, far = a / b, (a + width) / (b + width)
    bound = slope * (weight * near + (1.0 - weight) * far)
    change = -slope * step * (weight / b + (1.0 - weight) / (b + width))
    return bound, change, -slope * (weight * near / b + (1.0 - weight) * far / (b + width))


@jit
def inverse_trigamma(level):
    """The n with psi'(n) = level, at most 1.6: 1 / psi' is all but linear there, with slope 1."""
    n = 1.0 / level
    for _ in range(60):
        step = 1.0 / level - 1.0 / trigamma_at(n)
        n += step
        if abs(step) <= 1e-14 * n:
            break
    return n


@jit
def digamma_rise(x, a):
    """psi(x + a) - psi(a) - log(1 + x / a)."""
    return rise_of_digamma_error(x, a, digamma_error(a), digamma_error(x + a))


@jit
def trigamma_fall(x, a):
    """psi'(a) - psi'(x + a)."""
    return fall_of_trigamma(x, a, trigamma_at(a), trigamma_at(x + a))


@jit
def step_of_size(a, gradient, slope, curvature, width, mean, profiled, smallest, largest):
    """The base b to which a climb of the mean of h(b) - b * constant goes from a, or, `profiled`, of h(b) + b log(b / (b + mean))
    - mean log(b + mean), where its gradient is `gradient`: to where a bound of its gradient is zero, `smallest` or `largest`.
    The gradient has kept its sign up to there if it changes sign but once.
    """
    upwards = gradient > 0.0
    pair = upper_share(slope, curvature, a, width), width
    b = zero_of_bound(SUMS, a, gradient, slope, curvature, pair, mean, profiled, largest if upwards else smallest)
    # Of two bounds, the one that allows the longer step.
    if upwards:
        excess = max(0.0, trigamma_fall(mean, a) - curvature)
        return max(b, zero_of_bound(MEANS_UPWARDS, a, gradient, slope, curvature, (excess, 0.0), mean, profiled, largest))
    level = max(trigamma_at(a) - curvature, trigamma_at(mean + a))  # as Jensen has it, where rounding has not
    if mean > a and level < 1.6:
        pair = inverse_trigamma(level), 0.0
        far = max(smallest, 1e-3 * a)
        return min(b, zero_of_bound(MEANS_DOWNWARDS, a, gradient, slope, curvature, pair, mean, profiled, far))
    return b


@jit
def zero_of_bound(kind, a, gradient, slope, curvature, pair, mean, profiled, far):
    """Where a bound of the gradient is zero, between a and `far`; `far` where it is not. By Newton's method in a bracket."""
    upwards = gradient > 0.0
    if (bound_of_gradient(kind, far, a, gradient, slope, curvature, pair, mean, profiled)[0] > 0.0) == upwards:
        return far
    near = b = a
    for _ in range(100):
        value, derivative = bound_of_gradient(kind, b, a, gradient, slope, curvature, pair, mean, profiled)
        if (value > 0.0) == upwards:
            near = b
        else:
            far = b
        new = b - value / derivative
        low, high = min(near, far), max(near, far)
        if not low < new < high:
            # The bracket may reach over hundreds of powers of ten.
            new = near * 8.0 if upwards else near * 0.125
            new = new if low < new < high else np.sqrt(low) * np.sqrt(high)
        if abs(new - b) <= 1e-7 * abs(b - a) or abs(new - b) <= 1e-15 * b or not low < new < high:
            return b  # closer is of no use to a step that is itself of second order
        b = new
    return near


@jit
def bound_of_gradient(kind, b, a, gradient, slope, curvature, pair, mean, profiled):
    """The bound that :func:`zero_of_bound` follows, and its derivative.

    MEANS_...: h'(b) = E psi(x + b) - psi(b). For b > a, E psi'(x + t) exceeds psi'(mean + t), since psi' is convex, by what it does
    at a times (a / t)^4 at least, since no term of its second derivative falls faster. For b < a, psi'(n + step) is convex in
    psi'(n), since -psi'' is log-convex: Jensen's inequality in the n whose psi'(n) is the mean of psi'(x + a).
    """
    if kind == SUMS:
        bound, change, derivative = bound_of_slope(b, a, slope, curvature, pair)
    elif kind == MEANS_UPWARDS:
        excess, ratio = pair[0], a / b
        cube = ratio * ratio * ratio
        added = excess * a * (1.0 - cube) / 3.0
        derivative = excess * cube * ratio - trigamma_fall(mean, b)
        if profiled:
            # What goes over into the logarithm that is subtracted below would cancel.
            return gradient + (digamma_rise(mean, b) - digamma_rise(mean, a) + added), derivative + mean / (b + mean) / b
        change = digamma(mean + b) - digamma(mean + a) - (digamma(b) - digamma(a)) + added
        bound = slope + change
    else:
        moved = pair[0] + (b - a)
        change = digamma(moved) - digamma(pair[0]) - (digamma(b) - digamma(a))
        bound, derivative = slope + change, trigamma_at(moved) - trigamma_at(b)
    if not profiled:
        return gradient + change, derivative
    derivative += mean / (b + mean) / b
    if 0.5 * a < b < 2.0 * a:
        # products as quotients: they might overflow
        return gradient + (change - log_one_plus((a - b) / b * (mean / (a + mean)))), derivative
    return bound - (log_one_plus(mean / b) if mean < 1e200 * b else log(mean) - log(b)), derivative
