"""The concentrations under which counts are likeliest: the M-step of distributions that are Multinomials of Dirichlet shares.

Maximises L(a) = sum_j F_j(a_j) - F(A), A = sum_j a_j, where F_j and F are sums of w log (a)_x over the counts of a column and
over the rows' totals (:mod:`mixtures.engine.rising_sums`): by Newton's method, whose matrix is a diagonal and a multiple of 1 1',
where that matrix is negative definite and the step raises the likelihood; else along the ray of the concentrations, to where the
derivative changes its sign; else by Minka's fixed point a_j F_j'(a_j) / F'(A) (Minka 2000, "Estimating a Dirichlet
distribution"), which never lowers the likelihood: log (a)_x lies above c log a + const that touches it, -F above its tangent.
No step is taken that lowers it.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit
from mixtures.engine.plan import LIMIT, UNSETTLED
from mixtures.engine.rising_sums import evaluate, tabulate

SMALLEST_TOTAL = 1e-8
SMALLEST_SHARE = 1e-15
MAX_STEPS = 200


@jit
def _value(a, columns, totals):
    """The log-likelihood at concentrations (d,), up to a constant."""
    total = a.sum()
    value = -evaluate(total, total, totals, True)[0]
    for j in range(a.size):
        value += evaluate(a[j], total, columns[j], True)[0]
    return value


@jit
def _derivatives(a, columns, totals, gradient, diagonal):
    """Gradient (d,) and diagonal (d,) of the matrix of second derivatives; returns what is added to all of its cells, F'(A), and
    the scale of the gradient in log a, a sum of its positive terms."""
    _, slope, curvature = evaluate(a.sum(), a.sum(), totals, False)
    scale = 0.0
    for j in range(a.size):
        _, first, second = evaluate(a[j], 1.0, columns[j], False)
        gradient[j] = first - slope
        diagonal[j] = second
        scale += a[j] * first
    return -curvature, slope, scale


@jit
def _slope_along_ray(a, total, columns, totals):
    """Derivative of the log-likelihood in log A at concentrations proportional to `a` whose sum is `total`."""
    ratio = total / a.sum()
    value = -total * evaluate(total, total, totals, False)[1]
    for j in range(a.size):
        value += ratio * a[j] * evaluate(ratio * a[j], 1.0, columns[j], False)[1]
    return value


@jit
def _best_on_ray(a, columns, totals, largest):
    """Uphill from `a` along its ray: the sum of concentrations where the derivative changes its sign, within 1 %, or a bound."""
    here = a.sum()
    slope = _slope_along_ray(a, here, columns, totals)
    factor = 4.0 if slope > 0.0 else 0.25
    there = here
    while True:
        here = there
        there = min(max(here * factor, SMALLEST_TOTAL), largest)
        if _slope_along_ray(a, there, columns, totals) * slope <= 0.0:
            break
        if there in (SMALLEST_TOTAL, largest):
            return there
    while abs(there - here) > 0.01 * here:
        middle = np.sqrt(here * there)
        if _slope_along_ray(a, middle, columns, totals) * slope > 0.0:
            here = middle
        else:
            there = middle
    return here


@jit
def _newton(a, gradient, diagonal, common, step):
    """Newton's step (d,), by Sherman and Morrison's formula. Returns whether the matrix is negative definite."""
    inverse, product = 0.0, 0.0
    for j in range(a.size):
        inverse += 1.0 / diagonal[j]
        product += gradient[j] / diagonal[j]
    rest = 1.0 + common * inverse
    for j in range(a.size):
        step[j] = (common * product / rest - gradient[j]) / diagonal[j]
    return rest > 1e-12  # 0 where the sum of concentrations does not matter


@jit
def _copy(values, out):
    for j in range(values.size):
        out[j] = values[j]


@jit
def _climb(a, columns, totals, largest, often, ever):
    """Move concentrations `a` (d,) to a maximum of the likelihood that is no lower.

    `often` (d,) are shares of the counts, the best for a large sum of concentrations, `ever` (d,) shares of the rows that have any,
    the best for a small one. Returns LIMIT at a bound of the sum, UNSETTLED after too many steps.
    """
    d = a.size
    gradient, diagonal, step, trial = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    value = _value(a, columns, totals)
    for _ in range(MAX_STEPS):
        common, slope, scale = _derivatives(a, columns, totals, gradient, diagonal)
        if _newton(a, gradient, diagonal, common, step):
            rate, widest, gain = 1.0, 0.0, 0.0
            for j in range(d):
                widest = max(widest, abs(step[j]) / a[j])
                gain += gradient[j] * step[j]
                if rate * step[j] < -0.9 * a[j]:
                    rate = -0.9 * a[j] / step[j]
            if widest <= 1e-7:  # what is left after this one is its square
                for j in range(d):
                    a[j] += step[j]
                return 0
            better = False
            for _ in range(6):
                for j in range(d):
                    trial[j] = a[j] + rate * step[j]
                new = _value(trial, columns, totals)
                better = new >= value + 1e-4 * rate * gain and trial.sum() <= largest
                if better:
                    break
                rate *= 0.25
            if better:
                value = new
                _copy(trial, a)
                continue
        here = a.sum()
        total = _best_on_ray(a, columns, totals, largest)
        bound = total <= SMALLEST_TOTAL or total >= largest
        for j in range(d):
            shares = often if total >= largest else ever
            trial[j] = total * (max(shares[j], SMALLEST_SHARE) if bound else a[j] / here)
        new = _value(trial, columns, totals)
        if bound and new >= value - 1e-15 * scale:
            value = new
            _copy(trial, a)
            outwards = _slope_along_ray(a, total, columns, totals)
            if (outwards >= 0.0) == (total >= largest):
                return LIMIT
            continue
        if new > value:
            value = new
            _copy(trial, a)
            continue
        moved = 0.0
        for j in range(d):
            trial[j] = a[j] * (1.0 + gradient[j] / slope)
            moved = max(moved, abs(a[j] * gradient[j]))
        if moved <= 1e-15 * scale:
            return 0
        value = _value(trial, columns, totals)
        _copy(trial, a)
    return UNSETTLED


@jit
def climb_concentrations(concentration, sums, sums_of_totals, largest):
    """Move concentrations (d,) to a maximum of the likelihood that is no lower, given what :func:`add_counts` made of each
    column, one after the other in `sums`, and of the totals. Their sum stays at most `largest`. Returns LIMIT where it, or the
    share of a column, was held at a bound; UNSETTLED after too many steps; else 0.
    """
    d = concentration.size
    size = sums.size // d
    tables, totals = np.empty((d, size)), np.empty(sums_of_totals.size)
    trials = tabulate(sums_of_totals, totals)[1]
    if not trials > 0.0:
        return 0
    a, often, ever, places = np.empty(d), np.empty(d), np.empty(d), np.empty(d, dtype=np.int64)
    count, rows, total = 0, 0.0, 0.0
    for j in range(d):
        share = tabulate(sums[j * size : (j + 1) * size], tables[count])[1] / trials
        if share > SMALLEST_SHARE:
            often[count], ever[count], places[count] = share, tables[count, 0], j
            a[count] = concentration[j]
            rows += ever[count]
            total += a[count]
            count += 1
    for j in range(count):
        ever[j] /= rows
        a[j] *= min(1.0, largest / total)
    several = False
    for i in range(1, totals.size):
        several |= totals[i] != 0.0
    outcome = 0
    if several:
        outcome = _climb(a[:count], tables[:count], totals, largest, often[:count], ever[:count])
    else:  # single trials, which say nothing of the sum of concentrations: rounding would send it anywhere
        for j in range(count):
            a[j] = often[j] * total
    total = a[:count].sum()
    for j in range(d):
        concentration[j] = SMALLEST_SHARE * total
    for j in range(count):
        concentration[places[j]] = max(a[j], SMALLEST_SHARE * total)
    return outcome | (LIMIT if count < d else 0)
