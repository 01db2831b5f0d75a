"""Multivariate Normal distribution.

    log f(x) = -(x - mean)' S^-1 (x - mean) / 2 - log det(S) / 2 - d log(2 pi) / 2,   S = covariance, support: R^d.

With S = L L' (Cholesky) the quadratic form is the squared length of L^-1 (x - mean).

Weighted maximum likelihood (Bishop 2006, eqs. 9.24 and 9.25): mean = sum w x / sum w, S = sum w (x - mean)(x - mean)' / sum w;
of ``diagonal`` the diagonal, of ``spherical`` the mean of the diagonal. Where components tie theirs, S is the mean over all
components, weighted by their shares (Celeux & Govaert 1995).

A row that lacks cells counts with the density of the others, and in a fit with their expectation: missing cells are filled by
their regression on the observed ones, whose residual covariance is added to S (Little & Rubin 2002, section 11.2.1). That is an
EM of its own: where cells are missing a fit takes several steps.

Under a prior mean | S ~ N(m0, S / w), S ~ InverseWishart(degrees of freedom v, scale A) the maximum is, with n, m and C of the
rows (C divided by n), mean = (n m + w m0) / (n + w) and S = (A + n C + w n / (w + n) (m - m0)(m - m0)') / (v + n + d + 2); about a
held mean u, w (u - m0)(u - m0)' stands in the place of the last term and C is taken about u (Fraley & Raftery 2007, table 2; there
also the other kinds). So the prior of the mean counts as one row about m0 and that of the covariance as v + d + 1 rows of squares
A. Components with one covariance add all this up, A and its rows once. A mean that they share is, given their covariances, that
of all m weighted by n S^-1: mean and covariances follow each other, each step exact, and several are needed.

Sums are taken about a centre, as for :mod:`~mixtures.distributions.normal`: the columns' origins where the mean lies within 16
standard deviations of them in every column, else the previous mean; where a mean moved more than 100 standard deviations
from its centre, the pass is asked for again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, matrix, wide_vectors
from mixtures.constraints import Covariance, Vector, real
from mixtures.distributions.base import Family, Kernels, generator_of
from mixtures.engine.linear import STRIDE, cholesky, invert_lower, shift_rows, squared_lengths, weighted_sums
from mixtures.engine.missing import add_patterns, densities_of_patterns, find_patterns
from mixtures.engine.plan import FLOORED, REPEAT, UNSETTLED, is_held
from mixtures.engine.special import HALF_LOG_2PI, log
from mixtures.engine.sweep import aligned
from mixtures.engine.ties import is_tied
from mixtures.exceptions import DataError, NotFittedError, ParameterError
from mixtures.priors import NormalInverseWishart, joint_moments

KINDS = ("full", "diagonal", "spherical")

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


@jit
def _width(parameters):
    """d."""
    return np.int64(parameters[0, WIDTH])


@jit
def _vector(parameters, k, which, d):
    return matrix(parameters, k * parameters.shape[1] + HEAD + which * d, 1, d)[0]


@jit
def _square(parameters, k, which, d):
    return matrix(parameters, k * parameters.shape[1] + HEAD + 6 * d + which * d * d, d, d)


@jit
def _prior(parameters, k, d):
    """Numbers and mean of a component's prior, or nothing."""
    start = HEAD + 6 * d + 2 * d * d
    size = PRIOR_MEAN + d if parameters.shape[1] > start else 0
    return matrix(parameters, k * parameters.shape[1] + start, 1, size)[0]


@jit
def _prior_scale(parameters, k, d):
    """The matrix of a component's prior."""
    return matrix(parameters, (k + 1) * parameters.shape[1] - d * d, d, d)


@jit
def _prepare(parameters):
    d = _width(parameters)
    lower = np.empty((d, d))
    none = np.zeros(d)
    for k in range(parameters.shape[0]):
        mean, offset = _vector(parameters, k, MEAN, d), _vector(parameters, k, OFFSET, d)
        covariance, whitener = _square(parameters, k, COVARIANCE, d), _square(parameters, k, WHITENER, d)
        for i in range(d):
            for j in range(d):
                lower[i, j] = covariance[i, j]
        cholesky(lower, none)
        invert_lower(lower, whitener)
        constant = -parameters[k, LOG_UNIT] - d * HALF_LOG_2PI
        largest = 0.0
        for i in range(d):
            constant -= log(lower[i, i])
            total = 0.0
            size = 0.0
            for j in range(i + 1):
                total -= whitener[i, j] * mean[j]
                size += abs(whitener[i, j] * mean[j])
            offset[i] = total
            largest = max(largest, size)
        parameters[k, CONSTANT] = constant
        parameters[k, NEAR] = 1.0 if largest <= NEAR_OFFSET else 0.0


@jit
def _scaled_squares(slopes, offset, x, total):
    """total (b,) = the sum over columns of (slope x + offset)^2, slopes on the diagonal of a matrix."""
    wide_vectors()
    for i in range(total.size):
        total[i] = 0.0
    for j in range(x.shape[0]):
        slope, start = slopes[j, j], offset[j]
        cells = x[j]
        for i in range(total.size):
            t = cells[i] * slope + start
            total[i] += t * t


@jit
def _add_densities(constant, total, row):
    """row += constant - total / 2; -inf where a cell is infinite, and so the total may be infinity minus infinity."""
    wide_vectors()
    for i in range(row.size):
        value = constant - 0.5 * total[i]
        row[i] += value if total[i] == total[i] else -np.inf


@jit
def _log_prob(parameters, x, out):
    d, b = x.shape
    lines = aligned(4 * STRIDE).reshape(4, STRIDE)
    total, densities = np.empty(b), np.empty(b)
    shifted = np.empty((d, b))
    zero = np.zeros(d)
    cells = x
    patterns, pattern_of, count = np.empty((0, d)), np.empty(0, dtype=np.int64), 0
    if parameters[0, INCOMPLETE] == 1.0:
        cells, patterns, pattern_of = np.empty((d, b)), np.empty((b, d)), np.empty(b, dtype=np.int64)
        count = find_patterns(x, cells, pattern_of, patterns)
    for k in range(out.shape[0]):
        whitener, offset, seen = _square(parameters, k, WHITENER, d), _vector(parameters, k, OFFSET, d), cells
        if parameters[k, NEAR] == 0.0:
            shift_rows(cells, _vector(parameters, k, MEAN, d), shifted)
            offset, seen = zero, shifted
        if parameters[k, KIND] == 0.0:
            squared_lengths(whitener, offset, seen, lines, total)
        else:
            _scaled_squares(whitener, offset, seen, total)
        if count == 0:
            _add_densities(parameters[k, CONSTANT], total, out[k])
            continue
        for i in range(b):
            densities[i] = 0.0
        _add_densities(parameters[k, CONSTANT], total, densities)
        mean, covariance = _vector(parameters, k, MEAN, d), _square(parameters, k, COVARIANCE, d)
        log_units = _vector(parameters, k, LOG_UNITS, d)
        densities_of_patterns(cells, pattern_of, patterns, count, mean, covariance, log_units, densities)
        for i in range(b):
            out[k, i] += densities[i]


@jit_sums
def _sums_of_squares(share, x, first, second):
    """Add sum share x and sum share x^2, column by column."""
    wide_vectors()
    for j in range(x.shape[0]):
        cells = x[j]
        a = b = 0.0
        for i in range(share.size):
            u = share[i] * cells[i]
            a += u
            b += u * cells[i]
        first[j] += a
        second[j] += b


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    d, b = x.shape
    scratch = np.empty((2 * d + 1, b))
    shifted, scaled, share = scratch[:d], scratch[d : 2 * d], scratch[2 * d]
    size = statistics.shape[1]
    cells = x
    patterns, pattern_of, count = np.empty((0, d)), np.empty(0, dtype=np.int64), 0
    if parameters[0, INCOMPLETE] == 1.0:
        cells, patterns, pattern_of = np.empty((d, b)), np.empty((b, d)), np.empty(b, dtype=np.int64)
        count = find_patterns(x, cells, pattern_of, patterns)
    expected = np.empty((d, d))
    for k in range(responsibilities.shape[0]):
        full = parameters[k, KIND] == 0.0
        centre, seen = _vector(parameters, k, CENTRE, d), cells
        first = matrix(statistics, k * size + 1, 1, d)[0]
        for i in range(b):
            share[i] = responsibilities[k, i]
        if count:
            expected[:] = 0.0
            mean, covariance = _vector(parameters, k, MEAN, d), _square(parameters, k, COVARIANCE, d)
            add_patterns(cells, pattern_of, patterns, count, share, mean, centre, covariance, first, expected)
            for i in range(d):
                for j in range(i + 1):
                    if full:
                        statistics[k, 1 + d + i * d + j] += expected[i, j]
                    elif i == j:
                        statistics[k, 1 + d + i] += expected[i, i]
            for i in range(b):
                share[i] = share[i] if pattern_of[i] == -1 else 0.0
        if not _is_zero(centre):
            shift_rows(cells, centre, shifted)
            seen = shifted
        if full:
            weighted_sums(share, seen, scaled, first, matrix(statistics, k * size + 1 + d, d, d))
        else:
            _sums_of_squares(share, seen, first, matrix(statistics, k * size + 1 + d, 1, d)[0])


@jit
def _is_zero(values):
    largest = 0.0
    for i in range(values.size):
        largest = max(largest, abs(values[i]))
    return largest == 0.0


@jit
def _loses_digits(statistics, parameters, k, d):
    """Whether so many digits cancelled that the pass should be done again, the mean being the new centre."""
    total = statistics[k, 0]
    centre, full = _vector(parameters, k, CENTRE, d), parameters[k, KIND] == 0.0
    first = matrix(statistics, k * statistics.shape[1] + 1, 1, d)[0]
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
    mean, centre = _vector(parameters, k, MEAN, d), _vector(parameters, k, CENTRE, d)
    full = parameters[k, KIND] == 0.0
    first = matrix(statistics, k * statistics.shape[1] + 1, 1, d)[0]
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
    mean, prior = _vector(parameters, k, MEAN, d), _prior(parameters, k, d)
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
    mean = _vector(parameters, k, MEAN, d)
    moved = False
    for i in range(d):
        if abs(mean[i] - before[i]) > STILL * np.sqrt(covariance[i, i]):
            moved = True
    return moved


@jit
def _store(parameters, k, d, covariance, lower):
    """Put a covariance into component k, its pivots held above the columns' rounding. Returns FLOORED where one was."""
    target, floor, share = _square(parameters, k, COVARIANCE, d), _vector(parameters, k, FLOOR, d), _vector(parameters, k, SHARE, d)
    smallest = np.empty(d)
    for i in range(d):
        smallest[i] = floor[i] * floor[i]
    if parameters[k, KIND] == 2.0:
        # One variance for all columns, in the unit of the largest.
        total = 0.0
        for i in range(d):
            total += covariance[i, i] * share[i] * share[i]
        for i in range(d):
            covariance[i, i] = total / d / (share[i] * share[i])
    for i in range(d):
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
    return (FLOORED if held else 0) | (moved if parameters[k, INCOMPLETE] == 1.0 else 0)


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
            centre[:] = _vector(parameters, k, MEAN, d)
        prior = _prior(parameters, k, d)
        for part in range(2):
            # The rows about their mean, then the prior of the first that has one.
            if part == 0:
                weight, sums = statistics[k, 0], matrix(statistics, k * statistics.shape[1] + 1, 1, d)[0]
                if not weight > 0.0:
                    continue
                for i in range(d):
                    away[i] = _vector(parameters, k, CENTRE, d)[i] + sums[i] / weight - centre[i]
            else:
                if prior.size == 0 or priors > 0:
                    continue
                priors += 1
                weight = prior[MEAN_WEIGHT]
                for i in range(d):
                    away[i] = prior[PRIOR_MEAN + i] - centre[i]
            found += 1
            whitener = _square(parameters, k, WHITENER, d)
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
            mean, covariance = _vector(parameters, k, MEAN, d), _square(parameters, k, COVARIANCE, d)
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
def _maximize(statistics, parameters):
    d = _width(parameters)
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
        before[:] = _vector(parameters, k, MEAN, d)
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
def _log_prior(parameters):
    d = _width(parameters)
    white = np.empty(d)
    value = 0.0
    has_mean = has_covariance = False
    for k in range(parameters.shape[0]):
        prior = _prior(parameters, k, d)
        if prior.size == 0:
            continue
        mean, whitener, scale = _vector(parameters, k, MEAN, d), _square(parameters, k, WHITENER, d), _prior_scale(parameters, k, d)
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
    """The columns' origins where the mean is near them, else the mean."""
    mean, centre, covariance = (
        _vector(parameters, k, MEAN, d),
        _vector(parameters, k, CENTRE, d),
        _square(parameters, k, COVARIANCE, d),
    )
    near = True
    for i in range(d):
        if not mean[i] * mean[i] <= NEAR_MEAN * NEAR_MEAN * covariance[i, i]:
            near = False
    for i in range(d):
        centre[i] = 0.0 if near else mean[i]


class MultivariateNormal(Family):
    """Normal (Gaussian) distribution of several real columns together.

    Parameters
    ----------
    mean : sequence of d floats, or None to be learned.
    covariance : of kind "full" a symmetric positive definite matrix (d, d); of "diagonal" d variances; of "spherical" one
        variance; or None to be learned.
    kind : "full", "diagonal" or "spherical".
    tied : whether components of a mixture share one covariance.
    prior : :class:`~mixtures.priors.NormalInverseWishart` of mean and covariance, or None: a fit is then their most probable value.
        Components with and without one cannot share a covariance.

    Notes
    -----
    ``scipy.stats.multivariate_normal(mean, covariance)``. As a component it stands on all columns of the table; over some of
    them, in a ``Product``: ``Product({("height", "weight"): MultivariateNormal(), "smoker": Bernoulli()})``. Where rows agree,
    or lie in a plane, variance is held at the rounding of the columns, with a :class:`~mixtures.exceptions.DegenerateWarning`.
    Missing cells are allowed, and taken at their conditional moments.

    Examples
    --------
    >>> MultivariateNormal([0, 0], [[1, 0], [0, 1]]).log_prob([[0.0, 0.0]]).round(6)
    array([-1.837877])
    >>> MultivariateNormal(kind="spherical").fit([[0.0, 1.0], [2.0, 3.0]])
    MultivariateNormal(mean=(1.0, 2.0), covariance=1.0, kind='spherical')
    """

    parameters = {"mean": Vector(), "covariance": Covariance()}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    reads_block = True
    uses_unit = True
    uses_origin = True
    takes_missing = True
    held = HELD
    ties = TIES

    def __init__(
        self,
        mean: Any = None,
        covariance: Any = None,
        *,
        kind: str = "full",
        tied: bool = False,
        prior: NormalInverseWishart | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ParameterError(f"MultivariateNormal: kind must be one of {KINDS}, found {kind!r}")
        super().__init__(mean=mean, covariance=covariance, kind=kind, tied=bool(tied))
        self._take_prior(prior, NormalInverseWishart)
        if prior is not None:
            prior.check(kind)
        if mean is not None and covariance is not None:
            d = len(self.mean)
            expected = {"full": (d, d), "diagonal": (d,), "spherical": ()}[kind]
            if np.shape(self.covariance) != expected:
                raise ParameterError(
                    f"MultivariateNormal: covariance of kind {kind!r} must have shape {expected} for {d} columns, "
                    f"found {np.shape(self.covariance)}"
                )

    mean: tuple[float, ...]
    covariance: Any
    kind: str
    tied: bool

    @property
    def n_features(self) -> int:
        """Number of columns, known once the mean is."""
        self._require("mean")
        return len(self.mean)

    @property
    def _plate_kind(self):
        return MultivariateNormal, self.kind, self.prior is not None

    @property
    def _tie_kind(self):
        return MultivariateNormal, self.kind

    def _prior_of(self, name):
        if self.prior is None:
            return None
        return (
            (self.prior.degrees_of_freedom, self.prior.scale) if name == "covariance" else (self.prior.mean, self.prior.mean_weight)
        )

    def _count(self, name):
        d = self.n_features
        return d if name == "mean" else {"full": d * (d + 1) // 2, "diagonal": d, "spherical": 1}[self.kind]

    @property
    def tied_names(self) -> tuple[str, ...]:
        """The covariance, where it is tied."""
        return ("covariance",) if self.tied else ()

    def _require(self, name: str) -> None:
        if vars(self)[name] is None:
            raise NotFittedError(f"MultivariateNormal has no value for {name}; give it one or fit it")

    def _values(self):
        values = dict(vars(self))
        if values["kind"] == "full":
            del values["kind"]
        if not values["tied"]:
            del values["tied"]
        return values

    def _matrix(self) -> Any:
        """The covariance as a matrix (d, d)."""
        values = np.asarray(self.covariance, dtype=float)
        return values if values.ndim == 2 else np.diag(np.broadcast_to(values, (len(self.mean),)))

    def to_scipy(self):
        return scipy.stats.multivariate_normal(np.asarray(self.mean), self._matrix())

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, d)."""
        self._require_complete()
        random = generator_of(random_state)
        noise = random.standard_normal((n, len(self.mean)))
        return np.asarray(self.mean) + noise @ np.linalg.cholesky(self._matrix()).T

    def cdf(self, x: Any) -> Any:
        """Probability of a row below x (n, d) in every column, by scipy's quadrature (absolute error 1e-5)."""
        self._require_complete()
        return np.atleast_1d(self.to_scipy().cdf(np.asarray(x, dtype=float)))

    def quantile(self, probability: Any) -> Any:
        raise NotImplementedError("MultivariateNormal: rows have no order, so there are no quantiles")

    def _layout(self, columns):
        d = len(columns)
        size = HEAD + 6 * d + 2 * d * d
        if self.prior is not None:
            size += PRIOR_MEAN + d + d * d
        return size, 1 + d + (d * d if self.kind == "full" else d)

    def _pack(self, columns):
        d = len(columns)
        if len(self.mean) != d:
            raise DataError(f"MultivariateNormal: expected {len(self.mean)} columns, as its mean has, found {d}")
        origin, unit = _frame(columns)
        mean, covariance = (np.asarray(self.mean) - origin) / unit, self._matrix() / unit / unit[:, None]
        near = bool(np.all(mean * mean <= NEAR_MEAN * NEAR_MEAN * np.diagonal(covariance)))
        floor = np.array([column.floor for column in columns]) / unit
        incomplete = any(column.n_missing for column in columns)
        ties = TIED_COVARIANCE if self.tied else 0.0
        head = [KINDS.index(self.kind), ties, 0.0, np.log(unit).sum(), 0.0, 0.0, incomplete, d]
        vectors = [mean, np.zeros(d) if near else mean, floor, unit / unit.max(), np.log(unit), np.zeros(d)]
        of = [] if self.prior is None else self._packed_prior(origin, unit)
        return [*head, *np.concatenate([*vectors, covariance.ravel(), np.zeros(d * d), *of]).tolist()]

    def _packed_prior(self, origin, unit):
        mean, weight, powers, constant, scale = self.prior.packed(self.kind, len(unit))
        return np.array([weight, powers, constant]), (mean - origin) / unit, (scale / unit / unit[:, None]).ravel()

    def _unpack(self, row, columns):
        d = len(columns)
        origin, unit = _frame(columns)
        mean = row[HEAD : HEAD + d] * unit + origin
        covariance = row[HEAD + 6 * d : HEAD + 6 * d + d * d].reshape(d, d) * unit * unit[:, None]
        if self.kind != "full":
            covariance = np.diagonal(covariance) if self.kind == "diagonal" else covariance[0, 0]
        return MultivariateNormal(mean, covariance, kind=self.kind, tied=self.tied)._under(self.prior)

    def _start(self, columns):
        for column in columns:
            if column.magnitude and not 1e-150 < column.magnitude < 1e150:
                raise DataError(
                    f"MultivariateNormal on column {column.name}: values to {column.magnitude:.3g} have variances and covariances "
                    "that are no float64; scale the column"
                )
        middle = [column.lower / 2 + column.upper / 2 for column in columns]
        spread = np.array([max(column.upper / 2 - column.lower / 2, column.floor) for column in columns]) ** 2
        covariance = {"full": np.diag(spread), "diagonal": spread, "spherical": spread.max()}[self.kind]
        return MultivariateNormal(middle, covariance, kind=self.kind, tied=self.tied)._under(self.prior)

    def _resolved(self, table, columns, weights, n_components):
        for j in columns:
            self._place(table, j)
        mean, covariance = joint_moments(table, columns, weights)
        return self.replaced(prior=self.prior.filled(mean, covariance, n_components, self.kind))


def _frame(columns: Any) -> tuple[Any, Any]:
    """Origins and units of columns."""
    return np.array([column.origin for column in columns]), np.array([column.unit for column in columns])
