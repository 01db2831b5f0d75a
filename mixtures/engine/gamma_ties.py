"""A shape or a rate that several Gamma laws share: the exact maximum of all their likelihoods together.

Of component k let the weight be w_k, the mean of its rows m_k, that of their logarithms L_k, and s_k = log m_k - L_k >= 0. What
is to be made large, the sum of w_k (a_k log r_k - log-gamma of a_k + a_k L_k - r_k m_k), is concave in shapes a and rates r
together, since a psi'(a) > 1: a stationary point is the maximum.

- One shape a. A component whose rate is free has r_k = a / m_k, and contributes the slope w_k (log a - psi(a) - s_k); one whose
  rate is given w_k (log r_k + L_k - psi(a)). The sum of the slopes falls with a and is 0 at the maximum.
- One rate r. A component whose shape is free has psi(a_k) = log r + L_k, one whose shape is given keeps it; the slope in r, the
  sum of w_k (a_k / r - m_k), is 0. With a_k = r m_k exp(v_k), v_k solves log a_k - psi(a_k) - v_k = s_k: small numbers where
  shapes are large.
- One of both: a single law of all rows, of the mean m, with s = sum w_k (s_k + u_k - log(1 + u_k)) / sum w_k, u_k = m_k / m - 1.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit
from mixtures.engine.special import digamma, log, log_minus_digamma, trigamma, trigamma_excess


@jit
def common_shape(free_weight, gap, given_weight, level, start):
    """The a with F (log a - psi(a) - gap) + G (level - psi(a)) = 0, weights F and G, by Newton's method for log a in a bracket."""
    y = log(start)
    low, high = -230.0, 160.0
    for _ in range(200):
        a = np.exp(y)
        value = free_weight * (log_minus_digamma(a) - gap) + given_weight * (level - digamma(a))
        if value > 0.0:
            low = y
        else:
            high = y
        new = y + value / (a * (free_weight * trigamma_excess(a) + given_weight * trigamma(a)))
        if not low <= new <= high:
            new = 0.5 * (low + high)
        settled = abs(new - y) <= 1e-15 * max(1.0, abs(y))
        y = new
        if settled:
            break
    return np.exp(y)


@jit
def log_surplus(expected, gap):
    """The v with log a - psi(a) - v = gap, a = expected exp(v), by Newton's method: the left side falls with v, and is convex."""
    v = 0.0
    for _ in range(300):
        a = expected * np.exp(v)
        step = (log_minus_digamma(a) - v - gap) / (1.0 + a * trigamma_excess(a))
        v += max(step, -20.0)
        if abs(step) <= 4e-16 * max(1.0, abs(v)):
            break
    return v


@jit
def common_rate(weights, means, gaps, given, start, shapes):
    """The rate of several laws, of which some have their `shapes` given, and the free ones' shapes in place. By Newton's method for
    its logarithm in a bracket."""
    y = log(start)
    low, high = -740.0, 700.0
    size = 0.0
    for k in range(weights.size):
        size += weights[k] * means[k]
    for _ in range(200):
        rate = np.exp(y)
        value = slope = 0.0
        for k in range(weights.size):
            if not weights[k] > 0.0:
                continue
            share = weights[k] * means[k] / size
            if given[k]:
                ratio = shapes[k] / rate / means[k]
                value += share * (ratio - 1.0)
                slope -= share * ratio
            else:
                v = log_surplus(rate * means[k], gaps[k])
                a = rate * means[k] * np.exp(v)
                bend = a * trigamma_excess(a)
                shapes[k] = a
                value += share * np.expm1(v)
                slope -= share * np.exp(v) * bend / (1.0 + bend)
        if value > 0.0:
            low = y
        else:
            high = y
        new = y - value / slope
        if not low <= new <= high:
            new = 0.5 * (low + high)
        settled = abs(new - y) <= 1e-15 * max(1.0, abs(y))
        y = new
        if settled:
            break
    return np.exp(y)
