"""The climb of :mod:`mixtures.engine.student` for components that share a scale, degrees of freedom, or both.

Both bounds hold for every component whatever the others do, so their weighted sum bounds the sum of the likelihoods. The sum of the
bounds by T is climbed by turns, within one M-step: each component's own parameters given the shared ones, then the shared ones,
all by Newton's method, until nothing moves. Locations of symmetric laws are all but independent of the others: few turns do.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit
from mixtures.engine.special import log, log_one_plus
from mixtures.engine.student import (
    FAR,
    LARGEST_DF,
    LEAST_DF,
    NO_GAIN,
    ORDER,
    SUMS,
    _bound,
    _newton,
    _place,
    _slopes,
    ascent,
    log_constant,
)

TURNS = 60


@jit
def _read(total, sums, w, v):
    """Moments of w and v, as climb has them; the means of log(1 + t^2) and of 1 - w."""
    w[0] = 1.0
    for j in range(ORDER):
        w[j + 1] = sums[1 + j] / total
        v[j] = sums[1 + ORDER + j] / total
    return sums[0] / total, sums[SUMS - 1] / total


@jit
def _together(members, weights, moves, is_open, low, high, w, v, logs, df):
    """Climb the sum of the bounds of some components in the parts of their moves that they share; returns the longest step."""
    f, g = np.empty(ORDER + 1), np.empty(ORDER + 1)
    gradient, hessian, step = np.empty(3), np.empty((3, 3)), np.empty(3)
    slopes, bends = np.empty(3), np.empty((3, 3))
    is_free = np.empty(3, dtype=np.bool_)
    shared, new = np.zeros(3), np.zeros(3)
    first = -1
    value = 0.0
    for k in range(weights.size):
        if members[k] and weights[k] > 0.0:
            first = k if first < 0 else first
            value += weights[k] * _bound(moves[k], w[k], v[k], logs[k], df[k], 1.0, f, g)
    if first < 0:
        return 0.0
    start = moves[first].copy()
    shared[:] = start
    for _ in range(60):
        gradient[:] = 0.0
        hessian[:] = 0.0
        for k in range(weights.size):
            if members[k] and weights[k] > 0.0:
                _slopes(moves[k], w[k], v[k], logs[k], df[k], 1.0, f, g, slopes, bends)
                for i in range(3):
                    gradient[i] += weights[k] * slopes[i]
                    for j in range(3):
                        hessian[i, j] += weights[k] * bends[i, j]
        for i in range(3):
            inwards = (shared[i] > low[i] or gradient[i] > 0.0) and (shared[i] < high[i] or gradient[i] < 0.0)
            is_free[i] = is_open[i] and inwards
        damping = 0.0
        found = False
        length = reached = 0.0
        for _ in range(30):
            if ascent(gradient, hessian, damping, is_free, step):
                length = reached = 0.0
                for i in range(3):
                    new[i] = min(max(shared[i] + step[i], low[i]), high[i]) if is_open[i] else shared[i]
                    length = max(length, abs(new[i] - shared[i]))
                for k in range(weights.size):
                    if members[k] and weights[k] > 0.0:
                        for i in range(3):
                            moves[k, i] = new[i] if is_open[i] else moves[k, i]
                        reached += weights[k] * _bound(moves[k], w[k], v[k], logs[k], df[k], 1.0, f, g)
                if reached > value or (damping == 0.0 and length < 1e-5):
                    found = True
                    break
            damping = 0.25 if damping == 0.0 else 4.0 * damping
        for i in range(3):
            shared[i] = new[i] if found else shared[i]
        for k in range(weights.size):
            for i in range(3):
                moves[k, i] = shared[i] if members[k] and is_open[i] else moves[k, i]
        if not found:
            break
        value = reached
        if damping == 0.0 and length < 1e-9:
            break
    longest = 0.0
    for i in range(3):
        longest = max(longest, abs(shared[i] - start[i]) if is_open[i] else 0.0)
    return longest


@jit
def climb_together(weights, sums, df, free, ties, largest, moves):
    """Find the moves that raise the sum of several components' likelihoods most for sure.

    Parameters
    ----------
    weights : (k,) of the components; 0 for those that take no part.
    sums : (k, SUMS) of the pass over the rows of each.
    df : (k,) degrees of freedom, in place: the new ones.
    free : (k, 3) whether a component's scale, location and df are learned.
    ties : (k, 3) whether they are shared.
    largest : the log of old scale over new may not be larger.
    moves : (k, 3) output: as of climb.

    Returns
    -------
    the gain in mean log-likelihood that is sure
    """
    count = weights.size
    w, v = np.zeros((count, 2 * ORDER)), np.zeros((count, 2 * ORDER))
    logs, rests, starts = np.zeros(count), np.zeros(count), np.zeros(count)
    low, high = np.zeros((count, 3)), np.zeros((count, 3))
    f, g = np.empty(ORDER + 1), np.empty(ORDER + 1)
    total, start = weights.sum(), 0.0
    above = below = 0.0
    moves[:] = 0.0
    for k in range(count):
        least, most = min(df[k], max(LEAST_DF, df[k] / FAR)), max(df[k], min(LARGEST_DF, df[k] * FAR))
        reach = 2.0 * np.sqrt(df[k])
        low[k, 0], low[k, 1], low[k, 2] = -np.inf, -reach, log(least / df[k])
        high[k, 0], high[k, 1], high[k, 2] = largest, reach, log(most / df[k])
        if weights[k] > 0.0:
            logs[k], rests[k] = _read(weights[k], sums[k], w[k], v[k])
            starts[k] = log_constant(df[k], 1.0) - 0.5 * (df[k] + 1.0) * logs[k]
            start += weights[k] / total * starts[k]
            if ties[k, 0]:
                shift = np.sqrt(df[k]) * v[k, 0] / rests[k] if free[k, 1] and rests[k] > 0.0 else 0.0
                factor = weights[k] * (df[k] + 1.0) / df[k]
                above += factor * (df[k] * w[k, 1] - shift * shift * rests[k])
                below += factor * rests[k]
    # The step of parameter-expanded EM, and what Jensen's bound makes of it.
    expanded = np.zeros((count, 3))
    sure = taylor = 0.0
    near = True
    common = min(largest, -0.5 * log(above / below)) if above > 0.0 and below > 0.0 else 0.0
    for k in range(count):
        if not weights[k] > 0.0:
            continue
        shift = np.sqrt(df[k]) * v[k, 0] / rests[k] if free[k, 1] and rests[k] > 0.0 else 0.0
        if ties[k, 0]:
            expanded[k, 0] = common
        elif free[k, 0] and rests[k] > 0.0:
            ratio = df[k] * w[k, 1] / rests[k] - shift * shift
            expanded[k, 0] = min(largest, -0.5 * log(ratio) if ratio > 0.0 else np.inf)
        expanded[k, 1] = -shift * np.exp(expanded[k, 0])
        q, b, c, _ = _place(expanded[k], df[k])
        growth = log_one_plus(c * rests[k] + (q - 1.0) * w[k, 1] + b * v[k, 0])
        sure += weights[k] / total * (expanded[k, 0] - 0.5 * (df[k] + 1.0) * growth)
        near &= abs(expanded[k, 1]) < high[k, 1]
        taylor += weights[k] / total * _bound(expanded[k], w[k], v[k], logs[k], df[k], 1.0, f, g) if near else 0.0
    if near and taylor > start:
        moves[:] = expanded
    scale_ties, df_ties = ties[:, 0].copy(), ties[:, 2].copy()
    is_one = True
    for k in range(count):
        is_one &= scale_ties[k] == df_ties[k]
    is_open = np.empty(3, dtype=np.bool_)
    for _ in range(TURNS):
        longest = 0.0
        for k in range(count):
            if weights[k] > 0.0:
                before = moves[k].copy()
                for i in range(3):
                    is_open[i] = free[k, i] and not ties[k, i]
                _newton(moves[k], is_open, low[k], high[k], w[k], v[k], logs[k], df[k], 1.0)
                longest = max(longest, np.abs(moves[k] - before).max())
        is_open[0], is_open[1], is_open[2] = True, False, is_one
        longest = max(longest, _turn(scale_ties, weights, moves, is_open, low, high, w, v, logs, df))
        if not is_one:
            is_open[0], is_open[2] = False, True
            longest = max(longest, _turn(df_ties, weights, moves, is_open, low, high, w, v, logs, df))
        if longest < 1e-9:
            break
    gain = -start
    for k in range(count):
        if weights[k] > 0.0:
            gain += weights[k] / total * _bound(moves[k], w[k], v[k], logs[k], df[k], 1.0, f, g)
    if sure > gain + NO_GAIN:
        moves[:] = expanded
        gain = sure
    for k in range(count):
        if weights[k] > 0.0 and free[k, 2]:
            at_high, at_low = moves[k, 2] >= high[k, 2], moves[k, 2] <= low[k, 2]
            most, least = max(df[k], min(LARGEST_DF, df[k] * FAR)), min(df[k], max(LEAST_DF, df[k] / FAR))
            df[k] = most if at_high else least if at_low else df[k] * np.exp(moves[k, 2])
    return gain


@jit
def _turn(members, weights, moves, is_open, low, high, w, v, logs, df):
    for k in range(weights.size):
        if members[k]:
            return _together(members, weights, moves, is_open, low[k], high[k], w, v, logs, df)
    return 0.0
