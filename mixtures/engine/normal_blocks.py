"""The M-step of blocks of columns that are Normal together: means and covariances, free, held or shared, with or without a prior.

Under a prior mean | S ~ N(m0, S / w), S ~ InverseWishart(degrees of freedom v, scale A) the maximum is, with n, m and C of the
rows (C divided by n), mean = (n m + w m0) / (n + w) and S = (A + n C + w n / (w + n) (m - m0)(m - m0)') / (v + n + d + 2); about a
held mean u, w (u - m0)(u - m0)' stands in the place of the last term and C is taken about u (Fraley & Raftery 2007, table 2; there
also the other kinds). So the prior of the mean counts as one row about m0 and that of the covariance as v + d + 1 rows of squares
A. Components with one covariance add all this up, A and its rows once. A mean that they share is, given their covariances, that
of all m weighted by n S^-1: mean and covariances follow each other, each step exact, and several are needed.

A prior's factor for what is shared counts once: that of the first component of those which share it.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, matrix, segment
from mixtures.engine.linear import cholesky, invert_lower
from mixtures.engine.plan import FLOORED, REPEAT, UNSETTLED, is_held
from mixtures.engine.special import HALF_LOG_2PI, log
from mixtures.engine.ties import is_tied

# Packed parameters: eight numbers, six vectors (d,), two matrices (d, d), about the columns' origins and in their units; then,
# where there is a prior, three numbers, a vector and a matrix of it.
KIND = 0
TIES = 1
HELD = 2
LOG_UNIT = 3  # sum over columns
CONSTANT = 4  # -log det(S) / 2 - log unit - d log(2 pi) / 2
NEAR = 5  # whether the offset may stand for the mean
INCOMPLETE = 6  # whether rows may lack cells
WIDTH = 7  # d
HEAD = 8
MEAN, CENTRE, FLOOR, SHARE, LOG_UNITS, OFFSET = range(6)  # SHARE: a column's unit over the largest; OFFSET: -L^-1 mean
COVARIANCE, WHITENER = range(2)  # S, L^-1
MEAN_WEIGHT, POWERS, PRIOR_CONSTANT, PRIOR_MEAN = range(4)  # of a prior: NormalInverseWishart.packed; its matrix follows its mean
TIED_COVARIANCE = 2.0  # the mask of ties

NEAR_OFFSET = 256.0
NEAR_MEAN = 16.0
STILL = 1e-11
"""Standard deviations, or correlations, by which a step may move the parameters of a fit with missing cells that has settled."""
PLANE = 1e-10
"""Eigenvalue of correlations below which a block with missing cells counts as lying in a plane. EM goes there by small steps, and
far below this rounding moves the likelihood by more than a step does."""


@jit
def width_of(parameters):
    """d."""
    return np.int64(parameters[0, WIDTH])


@jit
def vector(parameters, k, which, d):
    return segment(parameters, k * parameters.shape[1] + HEAD + which * d, d)


@jit
def square(parameters, k, which, d):
    return matrix(parameters, k * parameters.shape[1] + HEAD + 6 * d + which * d * d, d, d)


@jit
def _prior(parameters, k, d):
    """Numbers and mean of a component's prior, or nothing."""
    start = HEAD + 6 * d + 2 * d * d
    size = PRIOR_MEAN + d if parameters.shape[1] > start else 0
    return segment(parameters, k * parameters.shape[1] + start, size)


@jit
def _prior_scale(parameters, k, d):
    """The matrix of a component's prior."""
    return matrix(parameters, (k + 1) * parameters.shape[1] - d * d, d, d)


@jit
def _loses_digits(statistics, parameters, k, d):
    """Whether so many digits cancelled that the pass should be done again, the mean being the new centre."""
    total = statistics[k, 0]
    centre, full = vector(parameters, k, CENTRE, d), parameters[k, KIND] == 0.0
    first = segment(statistics, k * statistics.shape[1] + 1, d)
    prior = _prior(parameters, k, d)
    lost = False
    for i in range(d):
        shift = first[i] / total
        place = 1 + d + (i * d + i if full else i)
        variance = statistics[k, place] / total - shift * shift
        if prior.size:
            away = centre[i] + shift - prior[PRIOR_MEAN + i]
            pull = prior[MEAN_WEIGHT] / (prior[MEAN_WEIGHT] + total)
            variance += _prior_scale(parameters, k, d)[i, i] / total + pull * away * away
        # As for Normal: beyond 1e4 the variance has lost four digits, unless the move is itself rounding.
        if not shift * shift <= 1e4 * variance and abs(shift) > 8 * 2.2e-16 * abs(centre[i] + shift):
            lost = True
    if lost:
        for i in range(d):
            centre[i] += first[i] / total
    return lost


@jit
def _moments(statistics, parameters, k, d, fixed, covariance):
    """The rows' mean in place, unless it is fixed, and their covariance (d, d) about the mean."""
    total = statistics[k, 0]
    mean, centre = vector(parameters, k, MEAN, d), vector(parameters, k, CENTRE, d)
    full = parameters[k, KIND] == 0.0
    first = segment(statistics, k * statistics.shape[1] + 1, d)
    for i in range(d):
        shift_i = first[i] / total
        away_i = mean[i] - centre[i] - shift_i if fixed else 0.0
        for j in range(i + 1):
            shift_j = first[j] / total
            away_j = mean[j] - centre[j] - shift_j if fixed else 0.0
            value = 0.0
            if full:
                value = statistics[k, 1 + d + i * d + j] / total - shift_i * shift_j + away_i * away_j
            elif i == j:
                value = statistics[k, 1 + d + i] / total - shift_i * shift_i + away_i * away_i
            covariance[i, j] = value
            covariance[j, i] = value
    if not fixed:
        for i in range(d):
            mean[i] = centre[i] + first[i] / total


@jit
def _shrink(parameters, k, d, total, fixed, covariance):
    """Mean and covariance (d, d), divided by one row more, of rows of weight `total` and the prior's mean."""
    mean, prior = vector(parameters, k, MEAN, d), _prior(parameters, k, d)
    weight = prior[MEAN_WEIGHT]
    pull = weight if fixed else weight * (total / (weight + total))
    full = parameters[k, KIND] == 0.0
    for i in range(d):
        for j in range(d):
            if full or i == j:
                squares = pull * (mean[i] - prior[PRIOR_MEAN + i]) * (mean[j] - prior[PRIOR_MEAN + j])
                covariance[i, j] = (total * covariance[i, j] + squares) / (total + 1.0)
    if not fixed:
        for i in range(d):
            mean[i] += weight / (weight + total) * (prior[PRIOR_MEAN + i] - mean[i])


@jit
def _has_moved(parameters, k, d, before, covariance):
    """Whether the mean has moved from where it was (d,), beyond what a fit that takes several steps calls still."""
    mean = vector(parameters, k, MEAN, d)
    moved = False
    for i in range(d):
        if abs(mean[i] - before[i]) > STILL * np.sqrt(covariance[i, i]):
            moved = True
    return moved


@jit
def _short_of_plane(lower, covariance, inverse):
    """By how much the least eigenvalue of correlations, of a covariance lower lower', falls short of PLANE; <= 0 where it does not.

    It is at most one over the sum of squares of any row of the inverse of the correlations' factor, and at least a d-th part of the
    least of these. `inverse` (d, d) is scratch.
    """
    invert_lower(lower, inverse)
    largest = 0.0
    for i in range(lower.shape[0]):
        total = 0.0
        for j in range(i + 1):
            total += inverse[i, j] * inverse[i, j] * covariance[j, j]
        largest = max(largest, total)
    return PLANE - 1.0 / largest


@jit
def _store(parameters, k, d, covariance, lower):
    """Put a covariance into component k, its pivots held above the columns' rounding, and where cells are missing its correlations
    out of a plane. Returns FLOORED where one was."""
    target, floor, share = square(parameters, k, COVARIANCE, d), vector(parameters, k, FLOOR, d), vector(parameters, k, SHARE, d)
    smallest = np.empty(d)
    if parameters[k, KIND] == 2.0:
        # One variance for all columns, in the unit of the largest.
        total = 0.0
        for i in range(d):
            total += covariance[i, i] * share[i] * share[i]
        for i in range(d):
            covariance[i, i] = total / d / (share[i] * share[i])
    for i in range(d):
        smallest[i] = floor[i] * floor[i]
        for j in range(d):
            lower[i, j] = covariance[i, j]
    held = cholesky(lower, smallest)
    short = _short_of_plane(lower, covariance, square(parameters, k, WHITENER, d)) if parameters[k, INCOMPLETE] == 1.0 else 0.0
    if short > 0.0:
        for i in range(d):
            covariance[i, i] += short * covariance[i, i]
            for j in range(d):
                lower[i, j] = covariance[i, j]
        held = cholesky(lower, smallest)
    moved = 0
    for i in range(d):
        for j in range(i + 1):
            value = covariance[i, j]
            if held:
                value = 0.0
                for c in range(j + 1):
                    value += lower[i, c] * lower[j, c]
            if abs(value - target[i, j]) > STILL * np.sqrt(covariance[i, i] * covariance[j, j]):
                moved = UNSETTLED
            target[i, j] = value
            target[j, i] = value
    return (FLOORED if held or short > 0.0 else 0) | (moved if parameters[k, INCOMPLETE] == 1.0 else 0)


@jit
def _is_tied(parameters, k, parameter):
    return is_tied(parameters[k, TIES], parameters[k, HELD], parameter)


@jit
def _share_mean(statistics, parameters, d):
    """The mean of all that share theirs, given their covariances. Returns UNSETTLED where it has moved, which moves those."""
    centre, total_away, away, white, new = np.empty(d), np.zeros(d), np.empty(d), np.empty(d), np.empty(d)
    precision, lower = np.zeros((d, d)), np.empty((d, d))
    first, found, priors = -1, 0, 0
    for k in range(parameters.shape[0]):
        if not _is_tied(parameters, k, 0):
            continue
        if first < 0:
            first = k
            centre[:] = vector(parameters, k, MEAN, d)
        prior = _prior(parameters, k, d)
        for part in range(2):
            # The rows about their mean, then the prior of the first that has one.
            if part == 0:
                weight, sums = statistics[k, 0], segment(statistics, k * statistics.shape[1] + 1, d)
                if not weight > 0.0:
                    continue
                for i in range(d):
                    away[i] = vector(parameters, k, CENTRE, d)[i] + sums[i] / weight - centre[i]
            else:
                if prior.size == 0 or priors > 0:
                    continue
                priors += 1
                weight = prior[MEAN_WEIGHT]
                for i in range(d):
                    away[i] = prior[PRIOR_MEAN + i] - centre[i]
            found += 1
            whitener = square(parameters, k, WHITENER, d)
            for a in range(d):
                white[a] = 0.0
                for i in range(a + 1):
                    white[a] += whitener[a, i] * away[i]
            for i in range(d):
                if found == 1:
                    new[i] = away[i]
                for a in range(i, d):
                    total_away[i] += weight * whitener[a, i] * white[a]
                for j in range(d):
                    for a in range(max(i, j), d):
                        precision[i, j] += weight * whitener[a, i] * whitener[a, j]
    if found == 0:
        return 0
    if found > 1:
        for i in range(d):
            for j in range(d):
                lower[i, j] = precision[i, j]
        cholesky(lower, np.zeros(d))
        _solve(lower, total_away, new)
    moved = 0
    for k in range(parameters.shape[0]):
        if _is_tied(parameters, k, 0):
            mean, covariance = vector(parameters, k, MEAN, d), square(parameters, k, COVARIANCE, d)
            for i in range(d):
                if abs(centre[i] + new[i] - mean[i]) > STILL * np.sqrt(covariance[i, i]):
                    moved = UNSETTLED
                mean[i] = centre[i] + new[i]
    return moved


@jit
def _solve(lower, right, out):
    """out (d,) with lower lower' out = right."""
    d = right.size
    for i in range(d):
        value = right[i]
        for j in range(i):
            value -= lower[i, j] * out[j]
        out[i] = value / lower[i, i]
    for i in range(d - 1, -1, -1):
        value = out[i]
        for j in range(i + 1, d):
            value -= lower[j, i] * out[j]
        out[i] = value / lower[i, i]


@jit
def maximize(statistics, parameters):
    d = width_of(parameters)
    count = parameters.shape[0]
    covariance, lower = np.zeros((d, d)), np.empty((d, d))
    pooled, before = np.zeros((d, d)), np.empty(d)
    pooled_weight = 0.0
    mean_priors, covariance_priors = 0, 0  # met among those of what is shared, where one counts
    lost = np.zeros(count)
    outcome = shared = 0
    for k in range(count):
        if statistics[k, 0] > 0.0 and _loses_digits(statistics, parameters, k, d):
            lost[k] = 1.0
            outcome = REPEAT
        shared += 1 if _is_tied(parameters, k, 0) else 0
    if shared and not outcome & REPEAT:
        outcome |= _share_mean(statistics, parameters, d)
    for k in range(count):
        total = statistics[k, 0]
        ties_mean, ties_covariance = _is_tied(parameters, k, 0), _is_tied(parameters, k, 1)
        has_prior = _prior(parameters, k, d).size > 0
        if lost[k] == 1.0 or (outcome & REPEAT and (ties_mean or ties_covariance)):
            continue
        if not total > 0.0 and not (ties_covariance and has_prior):
            continue
        before[:] = vector(parameters, k, MEAN, d)
        fixed = is_held(parameters[k, HELD], 0) or ties_mean or not total > 0.0
        weight = total
        if total > 0.0:
            _moments(statistics, parameters, k, d, fixed, covariance)
        else:
            covariance[:] = 0.0
        if has_prior and not (ties_mean and mean_priors > 0):
            _shrink(parameters, k, d, total, fixed, covariance)
            weight += 1.0
        mean_priors += 1 if has_prior and ties_mean else 0
        if parameters[k, INCOMPLETE] == 1.0 and _has_moved(parameters, k, d, before, covariance):
            outcome |= UNSETTLED
        if is_held(parameters[k, HELD], 1):
            continue
        if ties_covariance:
            for i in range(d):
                for j in range(d):
                    pooled[i, j] += weight * covariance[i, j]
            pooled_weight += weight
            if has_prior and covariance_priors == 0:
                pooled_weight += _add_prior(parameters, k, d, pooled)
            covariance_priors += 1 if has_prior else 0
            continue
        if has_prior:
            for i in range(d):
                for j in range(d):
                    covariance[i, j] *= weight
            weight += _add_prior(parameters, k, d, covariance)
            for i in range(d):
                for j in range(d):
                    covariance[i, j] /= weight
        outcome |= _store(parameters, k, d, covariance, lower)
    if pooled_weight > 0.0:
        for i in range(d):
            for j in range(d):
                pooled[i, j] /= pooled_weight
        for k in range(count):
            if _is_tied(parameters, k, 1):
                for i in range(d):
                    for j in range(d):
                        covariance[i, j] = pooled[i, j]
                outcome |= _store(parameters, k, d, covariance, lower)
    if not outcome & REPEAT:
        for k in range(count):
            _choose_centre(parameters, k, d)
    return outcome


@jit
def _add_prior(parameters, k, d, squares):
    """Add the matrix of a component's prior to sums of squares (d, d); returns how many rows it counts as."""
    scale = _prior_scale(parameters, k, d)
    for i in range(d):
        for j in range(d):
            squares[i, j] += scale[i, j]
    return _prior(parameters, k, d)[POWERS]


@jit
def log_prior(parameters):
    d = width_of(parameters)
    white = np.empty(d)
    value = 0.0
    has_mean = has_covariance = False
    for k in range(parameters.shape[0]):
        prior = _prior(parameters, k, d)
        if prior.size == 0:
            continue
        mean, whitener, scale = vector(parameters, k, MEAN, d), square(parameters, k, WHITENER, d), _prior_scale(parameters, k, d)
        half_log_det = -parameters[k, CONSTANT] - d * HALF_LOG_2PI
        if not (has_mean and _is_tied(parameters, k, 0)):
            length = 0.0
            for a in range(d):
                total = 0.0
                for i in range(a + 1):
                    total += whitener[a, i] * (mean[i] - prior[PRIOR_MEAN + i])
                length += total * total
            weight = prior[MEAN_WEIGHT]
            value += d * (0.5 * log(weight) - HALF_LOG_2PI) - half_log_det - 0.5 * weight * length
        if not (has_covariance and _is_tied(parameters, k, 1)):
            trace = 0.0
            for a in range(d):
                for i in range(a + 1):
                    white[i] = 0.0
                    for j in range(a + 1):
                        white[i] += scale[i, j] * whitener[a, j]
                    trace += white[i] * whitener[a, i]
            value += prior[PRIOR_CONSTANT] - prior[POWERS] * half_log_det - 0.5 * trace
        has_mean = has_mean or _is_tied(parameters, k, 0)
        has_covariance = has_covariance or _is_tied(parameters, k, 1)
    return value


@jit
def _choose_centre(parameters, k, d):
    """The columns' origins where the mean is near them, else the mean; the mean where cells are missing, since EM then passes by
    covariances that are nearly singular, of which digits that cancel are a large part."""
    mean, centre, covariance = (
        vector(parameters, k, MEAN, d),
        vector(parameters, k, CENTRE, d),
        square(parameters, k, COVARIANCE, d),
    )
    near = parameters[k, INCOMPLETE] == 0.0
    for i in range(d):
        if not mean[i] * mean[i] <= NEAR_MEAN * NEAR_MEAN * covariance[i, i]:
            near = False
    for i in range(d):
        centre[i] = 0.0 if near else mean[i]
