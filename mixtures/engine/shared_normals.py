"""Normal components of one column that share a mean, a variance or both, with or without priors: their maximum together.

For component k let n, m, v be weight, mean and variance of its rows. Given the means u, the variances are those of the sums of
squares S = n (v + (m - u)^2) + w (u - u0)^2, w the weight of the prior's mean u0: (2 b + sum S) / (2 a + 2 + sum (n + 1)) over the
components that share one, with an inverse Gamma prior of shape a and scale b, and without the 1 where a mean has no prior (Fraley &
Raftery 2007, table 1, of equal variances). Given the variances, the means that are shared are the mean of all m, weighted by
n / variance. Where only the means are shared both hold together at the maximum: they are solved for in turn, each step exact, so
that the objective never falls (Meng & Rubin 1993, "Maximum likelihood estimation via the ECM algorithm").

A prior's factor for what is shared counts once: that of the first component of those which share it and have a prior.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit
from mixtures.engine.plan import FLOORED, UNSETTLED, is_held
from mixtures.engine.ties import is_tied

MAX_ROUNDS = 200
STILL = 1e-13
"""Standard deviations by which the shared mean may still move when it has settled."""

# Columns of `rows`, and of `priors`, which are 0 without one.
WEIGHT, ROWS_MEAN, ROWS_VARIANCE = range(3)
PRIOR_MEAN, MEAN_WEIGHT, PRIOR_SHAPE, PRIOR_SCALE = range(4)


@jit
def maximise_shared(rows, held, ties, priors, floor, means, variances):
    """The most probable `means` (k,) and `variances` (k,), which begin as the current ones; `rows` (k, 3) and `priors` (k, 4) as
    above, `held` and `ties` (k,) masks of mean and variance, `floor` the smallest standard deviation. Components without rows keep
    what they do not share. Returns FLOORED, or UNSETTLED."""
    count = means.size
    counts_mean, counts_variance = np.zeros(count), np.zeros(count)
    _count_once(held, ties, priors, 0, counts_mean)
    _count_once(held, ties, priors, 1, counts_variance)
    solved_together = False
    for k in range(count):
        if is_tied(ties[k], held[k], 0):
            solved_together = True
        elif rows[k, WEIGHT] > 0.0 and not is_held(held[k], 0):
            pull = counts_mean[k] * priors[k, MEAN_WEIGHT]
            means[k] = rows[k, ROWS_MEAN] + pull / (pull + rows[k, WEIGHT]) * (priors[k, PRIOR_MEAN] - rows[k, ROWS_MEAN])
    outcome = 0
    for _ in range(MAX_ROUNDS):
        moved = _share_mean(rows, held, ties, priors, counts_mean, means, variances) if solved_together else 0.0
        outcome = _set_variances(rows, held, ties, priors, counts_mean, counts_variance, floor, means, variances)
        if moved <= STILL:
            return outcome
    return outcome | UNSETTLED


@jit
def _count_once(held, ties, priors, parameter, counts):
    """counts (k,) = 1 where a component's prior counts in full, 0 where an earlier one's stands for it, or it has none."""
    found = False
    for k in range(counts.size):
        shared = is_tied(ties[k], held[k], parameter)
        counts[k] = 1.0 if priors[k, MEAN_WEIGHT] > 0.0 and not (shared and found) else 0.0
        found = found or (shared and counts[k] == 1.0)


@jit
def _share_mean(rows, held, ties, priors, counts, means, variances):
    """One mean for all that share theirs, given the variances; returns its move in standard deviations of the narrowest."""
    near = -1
    for k in range(means.size):
        if is_tied(ties[k], held[k], 0) and (near < 0 or rows[near, WEIGHT] == 0.0):
            near = k
    # About one of the means, and in units of one of the variances.
    centre, unit = rows[near, ROWS_MEAN], variances[near]
    total = away = 0.0
    narrowest = np.inf
    for k in range(means.size):
        if is_tied(ties[k], held[k], 0):
            precision = unit / variances[k]
            pull = counts[k] * priors[k, MEAN_WEIGHT] * precision
            total += rows[k, WEIGHT] * precision + pull
            away += rows[k, WEIGHT] * precision * (rows[k, ROWS_MEAN] - centre) + pull * (priors[k, PRIOR_MEAN] - centre)
            narrowest = min(narrowest, variances[k])
    if not total > 0.0:
        return 0.0
    new = centre + away / total
    move = 0.0
    for k in range(means.size):
        if is_tied(ties[k], held[k], 0):
            move = max(move, abs(new - means[k]))
            means[k] = new
    return 0.0 if move <= 4.0 * 2.2e-16 * abs(new) else move / np.sqrt(narrowest)


@jit
def _set_variances(rows, held, ties, priors, counts_mean, counts_variance, floor, means, variances):
    """Variances given the means. Returns FLOORED where one was held at its floor."""
    outcome = 0
    shared_squares = shared_weight = 0.0
    for k in range(means.size):
        if is_held(held[k], 1):
            continue
        n, pull = rows[k, WEIGHT], counts_mean[k] * priors[k, MEAN_WEIGHT]
        from_rows, from_prior = rows[k, ROWS_MEAN] - means[k], priors[k, PRIOR_MEAN] - means[k]
        squares = n * (rows[k, ROWS_VARIANCE] + from_rows * from_rows) + pull * from_prior * from_prior
        squares += counts_variance[k] * 2.0 * priors[k, PRIOR_SCALE]
        weight = n + counts_mean[k] + counts_variance[k] * 2.0 * (priors[k, PRIOR_SHAPE] + 1.0)
        if is_tied(ties[k], held[k], 1):
            shared_squares += squares
            shared_weight += weight
        elif n > 0.0:
            variances[k] = max(squares / weight, floor * floor)
            outcome |= FLOORED if not squares > weight * floor * floor else 0
    if not shared_weight > 0.0:
        return outcome
    variance = shared_squares / shared_weight
    if not variance > floor * floor:
        variance = floor * floor
        outcome |= FLOORED
    for k in range(means.size):
        if is_tied(ties[k], held[k], 1):
            variances[k] = variance
    return outcome
