"""Normal distribution.

    log f(x) = -(x - mean)^2 / (2 std^2) - log std - log(2 pi) / 2,   support: the real line.

Weighted maximum likelihood (Bishop 2006, eqs. 9.24 and 9.25, one column): mean = sum w x / sum w,
std^2 = sum w (x - mean)^2 / sum w, about the given mean where that is held.

Sums are taken about a centre: sum w (x - c) and sum w (x - c)^2. Their rounding error grows with ((mean - c) / std)^2 only,
so that clusters of unit spread at 1e12 stay exact. The centre is the column's origin where the mean lies within 16 standard
deviations of it, for there all components share the same squares; else it is the previous mean. Where a mean moved more than
100 standard deviations away from its centre, the pass is asked for again about the new one.

Under a prior mean | variance ~ N(m0, variance / w), variance ~ InverseGamma(a, b) the maximum is, with n = sum w and m, v the rows'
mean and variance, mean = (n m + w m0) / (n + w) and variance = (2 b + n v + w n / (w + n) (m - m0)^2) / (2 a + n + 3), about a held
mean u (2 b + n (v + (m - u)^2) + w (u - m0)^2) / (2 a + n + 3) (Fraley & Raftery 2007, table 1). Components that share a mean or
a variance: see :mod:`mixtures.engine.shared_normals`.

A standardised deviation is (x - mean) / std, or, where mean / std is small, x / std - mean / std: one fused multiply-add,
whose rounding error is that of mean / std.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import positive, real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.conjugate import log_inverse_gamma_density
from mixtures.engine.coordinates import LOG, REAL
from mixtures.engine.plan import FLOORED, REPEAT, is_held
from mixtures.engine.shared_normals import (
    MEAN_WEIGHT,
    PRIOR_MEAN,
    PRIOR_SCALE,
    PRIOR_SHAPE,
    ROWS_MEAN,
    ROWS_VARIANCE,
    WEIGHT,
    maximise_shared,
)
from mixtures.engine.special import HALF_LOG_2PI, log
from mixtures.engine.ties import has_ties, is_tied
from mixtures.priors import NormalInverseGamma, check_squares, moments

# Parameters of one column, about its origin and in its unit.
MEAN = 0
STD = 1
CENTRE = 2
FLOOR = 3
LOG_UNIT = 4
SLOPE = 5  # 1 / (sqrt(2) std): squared after it meets a deviation, so that std itself may be as small as 1e-300
OFFSET = 6  # -mean * SLOPE
CONSTANT = 7  # -log std - log unit - log(2 pi) / 2
HELD = 8
TIES = 9
PRIOR = 10  # four numbers of a prior, in the order of mixtures.engine.shared_normals; 0 for none
SIZE = 14

NEAR_OFFSET = 256.0
"""Largest OFFSET for which x * SLOPE + OFFSET, which is then right to 3e-14, replaces (x - mean) * SLOPE."""
NEAR_MEAN = 16.0
"""Largest mean / std for which sums about the column's origin serve."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        for j in range(0, parameters.shape[1], SIZE):
            std = parameters[k, j + STD]
            slope = 0.7071067811865476 / std
            parameters[k, j + SLOPE] = slope
            parameters[k, j + OFFSET] = -parameters[k, j + MEAN] * slope
            parameters[k, j + CONSTANT] = -log(std) - parameters[k, j + LOG_UNIT] - HALF_LOG_2PI


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    d = x.shape[0]
    for k in range(out.shape[0]):
        row = out[k]
        j = 0
        while j < d:
            p = parameters[k, j * SIZE :]
            if j + 4 <= d and _is_near(parameters, k, j):
                # Four columns a time, so that `out` is read and written once for every four.
                constant = p[CONSTANT] + p[SIZE + CONSTANT] + p[2 * SIZE + CONSTANT] + p[3 * SIZE + CONSTANT]
                h0, h1, h2, h3 = p[SLOPE], p[SIZE + SLOPE], p[2 * SIZE + SLOPE], p[3 * SIZE + SLOPE]
                b0, b1, b2, b3 = p[OFFSET], p[SIZE + OFFSET], p[2 * SIZE + OFFSET], p[3 * SIZE + OFFSET]
                x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
                for i in range(row.size):
                    t0 = x0[i] * h0 + b0
                    t1 = x1[i] * h1 + b1
                    t2 = x2[i] * h2 + b2
                    t3 = x3[i] * h3 + b3
                    row[i] = (((row[i] + constant - t0 * t0) - t1 * t1) - t2 * t2) - t3 * t3
                j += 4
            else:
                constant, mean, slope = p[CONSTANT], p[MEAN], p[SLOPE]
                cells = x[j]
                for i in range(row.size):
                    t = (cells[i] - mean) * slope
                    row[i] += constant - t * t
                j += 1


@jit
def _is_near(parameters, k, j):
    """Whether the offsets of columns j to j + 3 are small."""
    largest = 0.0
    for c in range(j, j + 4):
        largest = max(largest, abs(parameters[k, c * SIZE + OFFSET]))
    return largest <= NEAR_OFFSET


@jit_sums
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    d = x.shape[0]
    fours = d - d % 4
    count = responsibilities.shape[0]
    k = 0
    while k < count:
        if k + 4 <= count and _is_centred(parameters, k):
            # Four components a time share each column and its squares.
            r0, r1, r2, r3 = responsibilities[k], responsibilities[k + 1], responsibilities[k + 2], responsibilities[k + 3]
            for j in range(d):
                cells = x[j]
                a0 = a1 = a2 = a3 = 0.0
                b0 = b1 = b2 = b3 = 0.0
                for i in range(cells.size):
                    t = cells[i]
                    square = t * t
                    a0 += r0[i] * t
                    a1 += r1[i] * t
                    a2 += r2[i] * t
                    a3 += r3[i] * t
                    b0 += r0[i] * square
                    b1 += r1[i] * square
                    b2 += r2[i] * square
                    b3 += r3[i] * square
                statistics[k, 1 + 2 * j] += a0
                statistics[k, 2 + 2 * j] += b0
                statistics[k + 1, 1 + 2 * j] += a1
                statistics[k + 1, 2 + 2 * j] += b1
                statistics[k + 2, 1 + 2 * j] += a2
                statistics[k + 2, 2 + 2 * j] += b2
                statistics[k + 3, 1 + 2 * j] += a3
                statistics[k + 3, 2 + 2 * j] += b3
            k += 4
            continue
        share = responsibilities[k]
        sums = statistics[k]
        # Four columns a time share each component's responsibilities.
        for j in range(0, fours, 4):
            p = parameters[k, j * SIZE : (j + 4) * SIZE]
            c0, c1, c2, c3 = p[CENTRE], p[SIZE + CENTRE], p[2 * SIZE + CENTRE], p[3 * SIZE + CENTRE]
            x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
            a0 = a1 = a2 = a3 = 0.0
            b0 = b1 = b2 = b3 = 0.0
            for i in range(share.size):
                r = share[i]
                t0 = x0[i] - c0
                t1 = x1[i] - c1
                t2 = x2[i] - c2
                t3 = x3[i] - c3
                u0 = r * t0
                u1 = r * t1
                u2 = r * t2
                u3 = r * t3
                a0 += u0
                a1 += u1
                a2 += u2
                a3 += u3
                b0 += u0 * t0
                b1 += u1 * t1
                b2 += u2 * t2
                b3 += u3 * t3
            s = sums[1 + 2 * j : 9 + 2 * j]
            s[0] += a0
            s[1] += b0
            s[2] += a1
            s[3] += b1
            s[4] += a2
            s[5] += b2
            s[6] += a3
            s[7] += b3
        for j in range(fours, d):
            centre = parameters[k, j * SIZE + CENTRE]
            cells = x[j]
            first = 0.0
            second = 0.0
            for i in range(share.size):
                t = cells[i] - centre
                u = share[i] * t
                first += u
                second += u * t
            sums[1 + 2 * j] += first
            sums[2 + 2 * j] += second
        k += 1


@jit
def _is_centred(parameters, k):
    """Whether components k to k + 3 take all their sums about the columns' origins."""
    for c in range(4):
        for j in range(CENTRE, parameters.shape[1], SIZE):
            if parameters[k + c, j] != 0.0:
                return False
    return True


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for j in range(parameters.shape[1] // SIZE):
        if has_ties(parameters, j * SIZE + TIES):
            outcome |= _maximize_together(statistics, parameters, j)
            continue
        for k in range(parameters.shape[0]):
            if statistics[k, 0] > 0.0:
                p = parameters[k, j * SIZE : (j + 1) * SIZE]
                outcome |= _maximize_one(statistics[k, 0], statistics[k, 1 + 2 * j], statistics[k, 2 + 2 * j], p)
    return outcome


@jit
def _has_lost_digits(shift, spread, mean):
    """Whether a variance, what is left of the mean square less shift^2, has lost four digits: of what it adds to, too."""
    # Cancellation beyond 1e4, unless the move is itself rounding. Written so that an overflow to NaN asks, too.
    return not shift * shift <= 1e4 * spread and abs(shift) > 8 * 2.2e-16 * abs(mean)


@jit
def _maximize_one(total, first, second, p):
    shift = first / total
    square = second / total
    mean = p[CENTRE] + shift
    variance = square - shift * shift
    prior = p[PRIOR:SIZE]
    pull = prior[MEAN_WEIGHT]
    from_prior = mean - prior[PRIOR_MEAN]
    fixed = is_held(p[HELD], 0)
    if fixed:
        # About a mean that is held: where that is the centre, no digit cancels.
        mean = p[MEAN]
        variance = square - (mean - p[CENTRE]) * (2.0 * shift - (mean - p[CENTRE]))
        from_prior = mean - prior[PRIOR_MEAN]
    elif pull > 0.0:
        pull *= total / (pull + total)
    added = 2.0 * prior[PRIOR_SCALE] + pull * from_prior * from_prior
    if not fixed and _has_lost_digits(shift, variance + added / total, mean):
        p[CENTRE] = mean
        return REPEAT
    centre = mean
    if pull > 0.0:
        variance = (total * variance + added) / (2.0 * prior[PRIOR_SHAPE] + total + 3.0)
        mean -= 0.0 if fixed else pull / total * from_prior
    outcome = 0
    p[MEAN] = mean
    if is_held(p[HELD], 1):
        pass
    elif variance > p[FLOOR] * p[FLOOR]:
        p[STD] = np.sqrt(variance)
    else:
        p[STD] = p[FLOOR]
        outcome = FLOORED
    p[CENTRE] = 0.0 if abs(centre) <= NEAR_MEAN * p[STD] else centre
    return outcome


@jit
def _maximize_together(statistics, parameters, j):
    """Column j of components some of which share its mean or its variance."""
    count = parameters.shape[0]
    rows, priors = np.zeros((count, 3)), np.zeros((count, 4))
    held, ties, means, variances = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    outcome = 0
    seen = 0.0
    for k in range(count):
        p = parameters[k, j * SIZE : (j + 1) * SIZE]
        total = statistics[k, 0]
        held[k], ties[k], means[k], variances[k] = p[HELD], p[TIES], p[MEAN], p[STD] * p[STD]
        for i in range(4):
            priors[k, i] = p[PRIOR + i]
        if not total > 0.0:
            continue
        seen += total
        shift = statistics[k, 1 + 2 * j] / total
        rows[k, WEIGHT], rows[k, ROWS_MEAN] = total, p[CENTRE] + shift
        rows[k, ROWS_VARIANCE] = max(statistics[k, 2 + 2 * j] / total - shift * shift, 0.0)
        spread = statistics[k, 2 + 2 * j] / total - shift * shift
        if _has_lost_digits(shift, spread, rows[k, ROWS_MEAN]):
            p[CENTRE] = rows[k, ROWS_MEAN]
            outcome = REPEAT
    if outcome == REPEAT or not seen > 0.0:
        return outcome
    outcome = maximise_shared(rows, held, ties, priors, parameters[0, j * SIZE + FLOOR], means, variances)
    for k in range(count):
        p = parameters[k, j * SIZE : (j + 1) * SIZE]
        centre = rows[k, ROWS_MEAN] if rows[k, WEIGHT] > 0.0 else means[k]
        p[MEAN] = means[k]
        if not is_held(held[k], 1) and (rows[k, WEIGHT] > 0.0 or is_tied(ties[k], held[k], 1)):
            p[STD] = np.sqrt(variances[k])
        p[CENTRE] = 0.0 if abs(centre) <= NEAR_MEAN * p[STD] else centre
    return outcome


@jit
def _log_prior(parameters):
    return log_prior_of(parameters, 1.0)


@jit
def log_prior_of(parameters, scaled):
    """Sum over components and columns; `scaled` is 1 where LOG_UNIT is that of the parameters, 0 where it is of the rows alone."""
    value = 0.0
    for j in range(0, parameters.shape[1], SIZE):
        has_mean = has_variance = False
        for k in range(parameters.shape[0]):
            p = parameters[k, j : j + SIZE]
            prior = p[PRIOR:SIZE]
            weight = prior[MEAN_WEIGHT]
            if not weight > 0.0:
                continue
            std, log_unit = p[STD], scaled * p[LOG_UNIT]
            log_std = log(std)
            shares_mean, shares_variance = is_tied(p[TIES], p[HELD], 0), is_tied(p[TIES], p[HELD], 1)
            if not (shares_mean and has_mean):
                t = (p[MEAN] - prior[PRIOR_MEAN]) / std
                value += 0.5 * log(weight) - HALF_LOG_2PI - log_std - log_unit - 0.5 * weight * t * t
            if not (shares_variance and has_variance):
                density = log_inverse_gamma_density(2.0 * log_std, std * std, prior[PRIOR_SHAPE], prior[PRIOR_SCALE])
                value += density - 2.0 * log_unit
            has_mean = has_mean or shares_mean
            has_variance = has_variance or shares_variance
    return value


def moved_moments(statistics, move):
    """Sums of weights, of deviations from a centre and of their squares (3,), from a centre that lies `move` below."""
    total, first, second = statistics
    return total, first + total * move, second + move * (2.0 * first + total * move)


class Normal(Family):
    """Normal (Gaussian) distribution of one real column.

    Parameters
    ----------
    mean : float, or None to be learned.
    std : float > 0, standard deviation, or None to be learned.
    prior : :class:`~mixtures.priors.NormalInverseGamma` of mean and variance, or None: a fit is then their most probable value.

    Notes
    -----
    ``scipy.stats.norm(loc=mean, scale=std)``. A column whose values agree has no spread to learn: std is then held at 16
    rounding errors of the column's largest value, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Normal(0, 1).log_prob([0.0]).round(6)
    array([-0.918939])
    >>> Normal().fit([1.0, 2.0, 3.0])
    Normal(mean=2.0, std=0.8164965809277263)
    """

    parameters = {"mean": real, "std": positive}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    carries = True
    coordinates = ((REAL, MEAN, 1, 0), (LOG, STD, 1, 1))
    several_columns = True
    uses_unit = True
    uses_origin = True
    held = HELD
    ties = TIES

    def __init__(self, mean: float | None = None, std: float | None = None, *, prior: NormalInverseGamma | None = None) -> None:
        super().__init__(mean=mean, std=std)
        self._take_prior(prior, NormalInverseGamma)

    mean: float
    std: float

    @property
    def variance(self) -> float:
        """Square of the standard deviation."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.norm, (self.mean, self.std), {}

    def _prior_of(self, name):
        if self.prior is None:
            return None
        return (self.prior.shape, self.prior.scale) if name == "std" else (self.prior.mean, self.prior.mean_weight)

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        unit = column.unit
        mean, std = (self.mean - column.origin) / unit, self.std / unit
        centre = 0.0 if abs(mean) <= NEAR_MEAN * std else mean
        floor, log_unit = column.floor / unit, 0.0 if unit == 1.0 else np.log(unit)
        if self.prior is None:
            return mean, std, centre, floor, log_unit, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        return mean, std, centre, floor, log_unit, 0.0, 0.0, 0.0, 0.0, 0.0, *packed_prior(self.prior, column.origin, unit)

    def _unpack(self, row, column):
        mean, std, *_ = row.tolist()
        if column.unit != 1.0 or column.origin != 0.0:
            old_mean, old_std = self._in_units(column)
            # A parameter that no row has moved keeps its last digit, too.
            mean = self.mean if mean == old_mean else mean * column.unit + column.origin
            std = self.std if std == old_std else std * column.unit
        new = Normal._trusted(mean=mean, std=std) if std > 0.0 and abs(mean) + std < np.inf else Normal(mean, std)
        return new if self.prior is None else new._under(self.prior)

    def _in_units(self, column):
        return (self.mean - column.origin) / column.unit, self.std / column.unit

    def _expected(self, row, column):
        away = row[MEAN] - row[CENTRE]
        return 1.0, away, row[STD] ** 2 + away * away

    def _carried(self, statistics, old, new, before, after):
        return moved_moments(statistics, (before.origin - after.origin) / after.unit + (old[CENTRE] - new[CENTRE]))

    def _start(self, column):
        # Halves first: the difference of two values near the largest float overflows.
        mean = column.lower / 2 + column.upper / 2
        return Normal(mean, max(column.upper / 2 - column.lower / 2, column.floor), prior=self.prior)

    def _resolved(self, table, columns, weights, n_components):
        column = self._place(table, columns[0])
        check_squares(table, columns[0], "variances")
        mean, variance = moments(table.numbers(columns[0]), weights)
        return self.replaced(prior=self.prior.filled(mean, max(variance, column.floor**2), n_components))


def packed_prior(prior: NormalInverseGamma, origin: float, unit: float) -> tuple[float, float, float, float]:
    """A prior's numbers as the kernels read them, of a column about this origin and in this unit. What is open says nothing of the
    rows' density, but no fit can go on with it."""
    if not prior.is_complete:
        return np.nan, 1.0, np.nan, np.nan
    return (prior.mean - origin) / unit, prior.mean_weight, prior.shape, prior.scale / unit / unit
