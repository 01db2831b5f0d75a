"""Modified Bessel functions I of any order, and their ratios: scalar code, for what is derived from parameters once an iteration.

With r = sqrt(order^2 + x^2) the uniform expansion for large orders (Abramowitz & Stegun 9.7.7) is a series in 1 / r whose
coefficients are polynomials in (order / r)^2: it holds for every order from 0 on where r is large, that for large arguments
(9.7.1) included. To r = 40, the power series (9.6.10), whose terms all are positive.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit
from mixtures.engine.special import log, log_gamma

FAR = 40.0
"""r from which 16 terms of the expansion give 1e-16."""
_TERMS = 16
_LOG_2 = 0.6931471805599453
_LOG_2PI = 1.8378770664093453


def _expansion() -> np.ndarray:
    """Coefficients of v_k(s), a row each, where u_k(t) = t^k v_k(t^2) (Abramowitz & Stegun 9.3.10). Their signs alternate, so that
    nothing cancels in making them."""
    found = np.zeros((_TERMS, _TERMS + 1))
    found[0, 0] = 1.0
    for k in range(_TERMS - 1):
        for i in range(k + 1):
            power = k + 2 * i
            found[k + 1, i] += found[k, i] * (power / 2 + 1 / (8 * (power + 1)))
            found[k + 1, i + 1] -= found[k, i] * (power / 2 + 5 / (8 * (power + 3)))
    return found


_COEFFICIENTS = _expansion()


@jit
def _far_rest(order, r):
    """The sum of the expansion's terms but the first, which is 1."""
    share = order / r
    square = share * share
    total = 0.0
    for k in range(_TERMS - 1, 0, -1):
        value = 0.0
        for i in range(k, -1, -1):
            value = value * square + _COEFFICIENTS[k, i]
        total = (total + value) / r
    return total


@jit
def log_bessel_i_reduced(order, x):
    """log[I(x) x^-order exp(-x)] for order >= 0 and x >= 0, which neither grows nor cancels at either end; error 1e-15 relative to
    1 + order log(order + x)."""
    r = np.sqrt(order * order + x * x)
    if r >= FAR:
        # r - x = order^2 / (r + x), and log[x / (order + r)] - log x.
        return order * (order / (r + x) - log(order + r)) - 0.5 * (_LOG_2PI + log(r)) + np.log1p(_far_rest(order, r))
    quarter = 0.25 * x * x
    total, term, m = 1.0, 1.0, 0
    while term > 1e-17 * total:
        m += 1
        term *= quarter / (m * (order + m))
        total += term
    return np.log1p(total - 1.0) - x - order * _LOG_2 - log_gamma(order + 1.0)


@jit
def log_bessel_i(order, x):
    """log I(x) for order >= 0 and x > 0; error 1e-15 relative to the largest of 1, x and order |log(order + x)|."""
    return log_bessel_i_reduced(order, x) + order * log(x) + x


@jit
def bessel_i_ratio(order, x):
    """The ratio I(x) of order + 1 over I(x) of order, between 0 and 1, and 1 less the ratio; relative errors 1e-13 for orders to
    1000. By the continued fraction (Gautschi & Slavik 1978), from its end, where it is short; else from the expansion."""
    if x <= max(60.0, 4.0 * order):
        ratio = 0.0
        if x > 0.0:
            for k in range(int(x) + 60, 0, -1):
                ratio = 1.0 / (2.0 * (order + k) / x + ratio)
        return ratio, 1.0 - ratio
    above = order + 1.0
    r, s = np.sqrt(order * order + x * x), np.sqrt(above * above + x * x)
    # Differences of the terms of log_bessel_i_reduced, each of them small.
    value = above * (above / (s + x) - np.arcsinh(above / x)) - order * (order / (r + x) - np.arcsinh(order / x))
    value += np.log1p(_far_rest(above, s)) - np.log1p(_far_rest(order, r)) - 0.25 * np.log1p((order + above) / (r * r))
    return np.exp(value), -np.expm1(value)


@jit
def inverse_bessel_i_ratio(order, ratio, rest):
    """The x >= 0 at which the ratio is this, given also rest = 1 - ratio > 0, of which the one below a half counts.

    Newton's method from the start of Banerjee et al. (2005). The ratio A is concave in x: a step from the left stays left of the
    root, one from the right goes there, or below 0, which is held off. A' = 1 - A^2 - (2 order + 1) A / x, or all but (1 - A) / x
    where that cancels.
    """
    if not ratio > 0.0:
        return 0.0
    d = 2.0 * order + 2.0
    x = ratio * (d - ratio * ratio) / (rest * (1.0 + ratio))
    last = np.inf
    for _ in range(100):
        found, left = bessel_i_ratio(order, x)
        error = found - ratio if ratio < 0.5 else rest - left
        slope = left * (1.0 + found) - (d - 1.0) * found / x if x < 1e3 * d else left / x
        step = max(min(error / slope, 0.9 * x), -9.0 * x)
        x -= step
        if abs(step) <= 4e-16 * x or (abs(step) <= 1e-11 * x and abs(step) >= 0.5 * last):
            break
        last = abs(step)
    return x
