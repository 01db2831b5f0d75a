"""The likelihood of Student's t about the current parameters, from sums of one pass: what families of t's climb by.

A row at t^2 = (x - location)' scale^-1 (x - location) / df of its component adds -(df + d) / 2 log(1 + t^2) to the log-likelihood,
d columns. With other parameters 1 + t^2 becomes (1 + t^2) (1 + y), and with w = t^2 / (1 + t^2), v = t / (1 + t^2) of one column

    y = c (1 - w) + p w + b v,   1 + p = a^2 k,   b = 2 a e k / sqrt(df),   c = e^2 k / df,

where a = scale / new scale, e = (location - new location) / new scale, k = df / new df. Two bounds hold for all y > -1:

    log(1 + y) <= T(y) = y - y^2 / 2 + y^3 / 3 - y^4 / 4 + y^5 / 5,   mean log(1 + y) <= log(1 + mean y) (Jensen).

So the means of log(1 + t^2), of w to w^5 and of v to v w^4 (v^2 = w - w^2) bound the log-likelihood of any new parameters from
below, touching it at the current ones: by T to the fifth order, whose maximum is found here by Newton's method and which makes
the climb superlinear in all parameters together, df included, where EM crawls (Liu & Rubin 1995, "ML estimation of the t
distribution using EM and its extensions, ECM and ECME"); by Jensen for far moves, where it gives the parameter-expanded EM step
(Liu, Rubin & Wu 1998). The step with the larger bound is taken, and the likelihood never falls.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import inline, jit, jit_sums, wide_vectors
from mixtures.engine.special import log, log_gamma, log_minus_digamma, log_one_plus, stirling_series, trigamma_excess

ORDER = 5
"""Of the bound T: odd, for it to be one."""
SUMS = 2 * ORDER + 2
"""Sums over rows that :func:`climb` reads: of log(1 + t^2); of w, ..., w^5; of v, v w, ..., v w^4; of 1 - w."""
LEAST_DF, LARGEST_DF = 1e-2, 1e10
"""Where a fit's df ends. At the upper end the gain of a larger one is below the tolerance of any fit, and soon its own rounding."""
FAR = 16.0
"""Largest factor of df in a step: beyond, the rounding of log(1 + t^2), which the new df multiplies, would count as gain."""
ALL_FAR, GROWN = 1e-150, 1e70
"""Mean of 1 - w below which all rows that count lie beyond t = 1e75, and a growth of the scale that they allow."""
STILL = 1e-6
"""A smaller move of log scale, of location in scales and of log df is the last: the next would be its fifth power or so."""
NO_GAIN = 1e-15


@jit
def log_one_plus_square(t):
    """log(1 + t^2) for every float64, also where t^2 is rounded away beside 1, or overflows."""
    inline()
    t = abs(t)
    far = t > 1e100
    square = 0.0 if far else t * t
    y = t if far else 1.0 + square
    value = log(y)
    rest = (square - (y - 1.0)) / y
    return 2.0 * value if far else value + rest


@jit
def log_constant(df, d):
    """log of gamma((df + d) / 2) / gamma(df / 2) / (df / 2)^(d / 2), a ratio that tends to 1."""
    x, h = 0.5 * df, 0.5 * d
    if x >= 8.0:
        return (x + h - 0.5) * log_one_plus(h / x) - h + (stirling_series(x + h) - stirling_series(x))
    return log_gamma(x + h) - log_gamma(x) - h * log(x)


@jit
def _slopes_of_constant(df, d):
    """First and second derivative of :func:`log_constant` in log df."""
    x, h = 0.5 * df, 0.5 * d
    first = x * ((log_one_plus(h / x) + log_minus_digamma(x)) - log_minus_digamma(x + h))
    return first - h, first + x * x * (trigamma_excess(x + h) - trigamma_excess(x)) - x * h / (x + h)


@jit
def shapes_of(t, w, v, u, logs):
    """w, v, 1 - w and log(1 + t^2) of rows at t."""
    wide_vectors()
    for i in range(t.size):
        # Farther than 1e100 a row says only that the scale must grow, which it says from there, too.
        near = min(max(t[i], -1e100), 1e100)
        u[i] = 1.0 / (1.0 + near * near)
        v[i] = near * u[i]
        w[i] = near * v[i]
        logs[i] = log_one_plus_square(t[i])


@jit_sums
def add_sums(share, w, v, u, logs, sums):
    """Add what :func:`climb` reads to `sums`, rows weighted by `share`."""
    wide_vectors()
    s0 = s1 = s2 = s3 = s4 = s5 = rest = 0.0
    v0 = v1 = v2 = v3 = v4 = 0.0
    for i in range(share.size):
        s0 += share[i] * logs[i]
        rest += share[i] * u[i]
        power = share[i] * w[i]
        s1 += power
        power *= w[i]
        s2 += power
        power *= w[i]
        s3 += power
        power *= w[i]
        s4 += power
        power *= w[i]
        s5 += power
        power = share[i] * v[i]
        v0 += power
        power *= w[i]
        v1 += power
        power *= w[i]
        v2 += power
        power *= w[i]
        v3 += power
        power *= w[i]
        v4 += power
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2
    sums[3] += s3
    sums[4] += s4
    sums[5] += s5
    sums[6] += v0
    sums[7] += v1
    sums[8] += v2
    sums[9] += v3
    sums[10] += v4
    sums[11] += rest


@jit
def _polynomial(coefficients, c, p, b, f, g):
    """A polynomial of y, its coefficients from the constant on, as f(w) + v g(w), by Horner's rule; y = c + p w + b v."""
    f[:] = 0.0
    g[:] = 0.0
    degree = coefficients.size - 1
    f[0] = coefficients[degree]
    for step in range(degree):
        # Downwards, so that the old coefficients are still there.
        for j in range(step + 1, -1, -1):
            old_f, old_g = f[j], g[j]
            f[j] = c * old_f + (p * f[j - 1] + b * g[j - 1] if j > 0 else 0.0) - (b * g[j - 2] if j > 1 else 0.0)
            g[j] = c * old_g + b * old_f + (p * g[j - 1] if j > 0 else 0.0)
        f[0] += coefficients[degree - 1 - step]


@jit
def _mean(f, g, w, v, shift, times_v):
    """Mean of (f(w) + v g(w)) w^shift, or of that times v; terms whose moments are beyond the order have no coefficients."""
    total = 0.0
    for j in range(ORDER + 1):
        if times_v:
            if f[j] != 0.0:
                total += f[j] * v[j + shift]
            if g[j] != 0.0:
                total += g[j] * (w[j + shift + 1] - w[j + shift + 2])
        else:
            if f[j] != 0.0:
                total += f[j] * w[j + shift]
            if g[j] != 0.0:
                total += g[j] * v[j + shift]
    return total


_T = np.array([0.0, 1.0, -1.0 / 2.0, 1.0 / 3.0, -1.0 / 4.0, 1.0 / 5.0])
_T_FIRST = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
_T_SECOND = np.array([-1.0, 2.0, -3.0, 4.0])


@jit
def _place(move, df):
    """1 + p, b, c and the new df of a move (log of old scale over new, shift in new scales, log of new df over old)."""
    a, k = np.exp(move[0]), np.exp(-move[2])
    return a * a * k, 2.0 * a * move[1] * k / np.sqrt(df), move[1] * move[1] * k / df, df / k


@jit
def _bound(move, w, v, mean_log, df, d, f, g):
    """Lower bound, by T, of the mean log-likelihood after a move, but for what no move changes."""
    q, b, c, new = _place(move, df)
    _polynomial(_T, c, (q - 1.0) - c, b, f, g)
    return d * move[0] + log_constant(new, d) - 0.5 * (new + d) * (mean_log + _mean(f, g, w, v, 0, False))


@jit
def _slopes(move, w, v, mean_log, df, d, f, g, gradient, hessian):
    """Derivatives of :func:`_bound`."""
    q, b, c, new = _place(move, df)
    p = (q - 1.0) - c
    n = 0.5 * (new + d)
    # Means of T, T' e and T'' e e', where y = c e0 + p e1 + b e2 with e = (1, w, v).
    _polynomial(_T, c, p, b, f, g)
    level = mean_log + _mean(f, g, w, v, 0, False)
    _polynomial(_T_FIRST, c, p, b, f, g)
    d0, d1, d2 = _mean(f, g, w, v, 0, False), _mean(f, g, w, v, 1, False), _mean(f, g, w, v, 0, True)
    _polynomial(_T_SECOND, c, p, b, f, g)
    d00, d01, d02 = _mean(f, g, w, v, 0, False), _mean(f, g, w, v, 1, False), _mean(f, g, w, v, 0, True)
    d11, d12 = _mean(f, g, w, v, 2, False), _mean(f, g, w, v, 1, True)
    d22 = d01 - d11
    # Rows: c, p, b; columns: their derivatives by the three parts of a move.
    k = np.exp(-move[2])
    b1 = 2.0 * np.exp(move[0]) * k / np.sqrt(df)
    c1 = 2.0 * move[1] * k / df
    c11 = 2.0 * k / df
    first = ((0.0, c1, -c), (2.0 * q, -c1, c - q), (b, b1, -b))
    slopes = np.empty(3)
    for i in range(3):
        slopes[i] = d0 * first[0][i] + d1 * first[1][i] + d2 * first[2][i]
    # Second derivatives of c, p, b, contracted with the means of T' e.
    bends = np.empty((3, 3))
    bends[0, 0] = d1 * 4.0 * q + d2 * b
    bends[0, 1] = d2 * b1
    bends[0, 2] = d1 * -2.0 * q - d2 * b
    bends[1, 1] = (d0 - d1) * c11
    bends[1, 2] = (d1 - d0) * c1 - d2 * b1
    bends[2, 2] = (d0 - d1) * c + d1 * q + d2 * b
    first_constant, second_constant = _slopes_of_constant(new, d)
    for i in range(3):
        gradient[i] = -n * slopes[i]
        for j in range(i, 3):
            c_i, p_i, b_i = first[0][i], first[1][i], first[2][i]
            c_j, p_j, b_j = first[0][j], first[1][j], first[2][j]
            bend = bends[i, j] + d00 * c_i * c_j + d11 * p_i * p_j + d22 * b_i * b_j
            bend += d01 * (c_i * p_j + p_i * c_j) + d02 * (c_i * b_j + b_i * c_j) + d12 * (p_i * b_j + b_i * p_j)
            hessian[i, j] = -n * bend
    gradient[0] += d
    gradient[2] += first_constant - 0.5 * new * level
    hessian[0, 2] -= 0.5 * new * slopes[0]
    hessian[1, 2] -= 0.5 * new * slopes[1]
    hessian[2, 2] += second_constant - 0.5 * new * level - new * slopes[2]
    hessian[1, 0], hessian[2, 0], hessian[2, 1] = hessian[0, 1], hessian[0, 2], hessian[1, 2]


@jit
def ascent(gradient, hessian, damping, is_free, step):
    """step = (damping D - hessian)^-1 gradient over the free parts, 0 elsewhere; whether that matrix is positive definite.

    D is the size of each part's own derivatives: that in log df is all but flat where df is large.
    """
    lower = np.zeros((3, 3))
    for i in range(3):
        for j in range(i + 1):
            total = -hessian[i, j] if is_free[i] and is_free[j] else 0.0
            if i == j:
                total = total + damping * (max(abs(hessian[i, i]), abs(gradient[i])) + 1e-13) if is_free[i] else 1.0
            for c in range(j):
                total -= lower[i, c] * lower[j, c]
            if i == j:
                if not total > 0.0:
                    return False
                lower[i, i] = np.sqrt(total)
            else:
                lower[i, j] = total / lower[j, j]
    for i in range(3):
        step[i] = gradient[i] if is_free[i] else 0.0
        for c in range(i):
            step[i] -= lower[i, c] * step[c]
        step[i] /= lower[i, i]
    for i in range(2, -1, -1):
        for c in range(i + 1, 3):
            step[i] -= lower[c, i] * step[c]
        step[i] /= lower[i, i]
    return True


@jit
def _newton(move, is_open, low, high, w, v, mean_log, df, d):
    """Climb the bound by T from `move`, in place, inside the box from `low` to `high`; returns the bound there."""
    f, g = np.empty(ORDER + 1), np.empty(ORDER + 1)
    gradient, hessian, step, new = np.empty(3), np.empty((3, 3)), np.empty(3), np.empty(3)
    is_free = np.empty(3, dtype=np.bool_)
    value = _bound(move, w, v, mean_log, df, d, f, g)
    for _ in range(60):
        _slopes(move, w, v, mean_log, df, d, f, g, gradient, hessian)
        for i in range(3):
            inwards = (move[i] > low[i] or gradient[i] > 0.0) and (move[i] < high[i] or gradient[i] < 0.0)
            is_free[i] = is_open[i] and inwards
        damping = 0.0
        found = False
        length = 0.0
        for _ in range(30):
            if ascent(gradient, hessian, damping, is_free, step):
                length = 0.0
                for i in range(3):
                    new[i] = min(max(move[i] + step[i], low[i]), high[i])
                    length = max(length, abs(new[i] - move[i]))
                reached = _bound(new, w, v, mean_log, df, d, f, g)
                # So short an undamped step gains, whatever rounding makes of the difference of two bounds.
                if reached > value or (damping == 0.0 and length < 1e-5):
                    found = True
                    break
            damping = 0.25 if damping == 0.0 else 4.0 * damping
        if not found:
            break
        value = reached
        move[:] = new
        if damping == 0.0 and length < 1e-9:
            break
    return value


@jit
def climb(total, sums, df, d, location_is_free, scale_is_free, df_is_free, largest, move):
    """Find the move that raises the likelihood most for sure, from the sums of a pass (SUMS,) over rows of weight `total`.

    Parameters
    ----------
    largest : the log of old scale over new may not be larger.
    move : (3,) output: log of old scale over new, (location - new location) / new scale, log of new df over old.

    Returns
    -------
    (new df, the gain in mean log-likelihood that is sure)
    """
    w, v = np.zeros(2 * ORDER), np.zeros(2 * ORDER)
    w[0] = 1.0
    mean_log = sums[0] / total
    for j in range(ORDER):
        w[j + 1] = sums[1 + j] / total
        v[j] = sums[1 + ORDER + j] / total
    rest = sums[2 * ORDER + 1] / total
    f, g = np.empty(ORDER + 1), np.empty(ORDER + 1)
    least_df, largest_df = min(df, max(LEAST_DF, df / FAR)), max(df, min(LARGEST_DF, df * FAR))
    # In far moves of the location c would be large, and its powers and their rounding cancel.
    reach = 2.0 * np.sqrt(df)
    low = np.array([-np.inf, -reach, np.log(least_df / df)])
    high = np.array([largest, reach, np.log(largest_df / df)])
    is_open = np.array([scale_is_free, location_is_free, df_is_free])
    if scale_is_free and rest < ALL_FAR:
        # Every row that counts is far from a scale that is next to nothing: the log-likelihood grows by df times that of the scale.
        move[:] = 0.0
        move[0] = -np.log(GROWN)
        return df, df * np.log(GROWN)
    start = log_constant(df, d) - 0.5 * (df + d) * mean_log
    # The step of parameter-expanded EM, and what Jensen's bound makes of it: log(1 + mean y) with mean y = c (1 - w) + p w + b v.
    expanded = np.zeros(3)
    sure = 0.0
    if rest > 0.0:
        shift = np.sqrt(df) * v[0] / rest if location_is_free else 0.0
        ratio = df * w[1] / (rest * d) - shift * shift
        if scale_is_free:
            expanded[0] = min(largest, -0.5 * log(ratio) if ratio > 0.0 else np.inf)
        expanded[1] = -shift * np.exp(expanded[0])
        q, b, c, _ = _place(expanded, df)
        sure = d * expanded[0] - 0.5 * (df + d) * log_one_plus(c * rest + (q - 1.0) * w[1] + b * v[0])
    # From there, too, where T says no less of it than of no move at all.
    move[:] = 0.0
    if abs(expanded[1]) < reach and _bound(expanded, w, v, mean_log, df, d, f, g) > start:
        move[:] = expanded
    gain = _newton(move, is_open, low, high, w, v, mean_log, df, d) - start
    if sure > gain + NO_GAIN:
        move[:] = expanded
        gain = sure
    new = df
    if df_is_free:
        new = largest_df if move[2] >= high[2] else least_df if move[2] <= low[2] else df * np.exp(move[2])
    return new, gain
