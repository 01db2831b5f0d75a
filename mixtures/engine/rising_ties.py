"""A base of rising factorials that several components share: the step of :mod:`mixtures.engine.rising` for their sum.

A bound of each component's slope that touches it at the current base is one of the sum where they are added, so that a step to
where the sum of the bounds is zero never goes too far. Of the two bounds that each component has, the one that allows more is
taken."""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit
from mixtures.engine.rising import (
    MEANS_DOWNWARDS,
    MEANS_UPWARDS,
    SUMS,
    bound_of_gradient,
    inverse_trigamma,
    trigamma_at,
    trigamma_fall,
    upper_share,
)

# What is known of a component: its weight, the gradient of what it climbs, slope, curvature and mean of its counts as for
# step_of_size, and whether its mean is free, so that the base climbs a profile.
WEIGHT, GRADIENT, SLOPE, CURVATURE, MEAN, PROFILED = range(6)


@jit
def _bound(b, a, terms, width, upwards):
    """The sum of the bounds of the gradients at b, and its derivative."""
    value = derivative = 0.0
    for k in range(terms.shape[0]):
        weight, gradient, slope, curvature, mean, profiled = terms[k]
        if not weight > 0.0:
            continue
        if not mean > 0.0:  # zeros alone: their slope does not depend on the base
            value += weight * gradient
            continue
        free = profiled == 1.0
        pair = upper_share(slope, curvature, a, width), width
        best, bend = bound_of_gradient(SUMS, b, a, gradient, slope, curvature, pair, mean, free)
        if upwards:
            excess = max(0.0, trigamma_fall(mean, a) - curvature)
            other, other_bend = bound_of_gradient(MEANS_UPWARDS, b, a, gradient, slope, curvature, (excess, 0.0), mean, free)
            if other > best:
                best, bend = other, other_bend
        else:
            level = max(trigamma_at(a) - curvature, trigamma_at(mean + a))
            if mean > a and level < 1.6 and b >= 1e-3 * a:
                pair = inverse_trigamma(level), 0.0
                other, other_bend = bound_of_gradient(MEANS_DOWNWARDS, b, a, gradient, slope, curvature, pair, mean, free)
                if other < best:
                    best, bend = other, other_bend
        value += weight * best
        derivative += weight * bend
    return value, derivative


@jit
def step_of_shared_size(a, terms, width, smallest, largest):
    """The base to which the sum of the components' likelihoods climbs from a: to where the sum of bounds of its gradient is zero,
    `smallest` or `largest`. `terms` (k, 6) are in the order above, `width` the largest count less 1."""
    gradient = 0.0
    for k in range(terms.shape[0]):
        gradient += terms[k, WEIGHT] * terms[k, GRADIENT]
    upwards = gradient > 0.0
    far = largest if upwards else smallest
    if (_bound(far, a, terms, width, upwards)[0] > 0.0) == upwards:
        return far
    near = b = a
    for _ in range(100):
        value, derivative = _bound(b, a, terms, width, upwards)
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
            return near if b == a else b
        b = new
    return near
