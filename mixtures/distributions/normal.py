"""Normal distribution.

    log f(x) = -(x - mean)^2 / (2 std^2) - log std - log(2 pi) / 2,   support: the real line.

Weighted maximum likelihood (Bishop 2006, eqs. 9.24 and 9.25, one column): mean = sum w x / sum w,
std^2 = sum w (x - mean)^2 / sum w, about the given mean where that is held.

Sums are taken about a centre: sum w (x - c) and sum w (x - c)^2. Their rounding error grows with ((mean - c) / std)^2 only,
so that clusters of unit spread at 1e12 stay exact. The centre is the column's origin where the mean lies within 16 standard
deviations of it, for there all components share the same squares; else it is the previous mean. Where a mean moved more than
100 standard deviations away from its centre, the pass is asked for again about the new one.

A standardised deviation is (x - mean) / std, or, where mean / std is small, x / std - mean / std: one fused multiply-add,
whose rounding error is that of mean / std.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import positive, real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.coordinates import LOG, REAL
from mixtures.engine.plan import FLOORED, REPEAT, is_held
from mixtures.engine.special import HALF_LOG_2PI, log

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
SIZE = 9

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
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        if not total > 0.0:
            continue
        for j in range(parameters.shape[1] // SIZE):
            p = parameters[k, j * SIZE : (j + 1) * SIZE]
            shift = statistics[k, 1 + 2 * j] / total
            square = statistics[k, 2 + 2 * j] / total
            mean = p[CENTRE] + shift
            variance = square - shift * shift
            fixed = is_held(p[HELD], 0)
            if fixed:
                # About a mean that is held: where that is the centre, no digit cancels.
                mean = p[MEAN]
                variance = square - (mean - p[CENTRE]) * (2.0 * shift - (mean - p[CENTRE]))
            elif not shift * shift <= 1e4 * variance and abs(shift) > 8 * 2.2e-16 * abs(mean):
                # Cancellation beyond 1e4: the variance has lost four digits, unless the move is itself rounding.
                # Written so that an overflow to NaN asks, too.
                outcome |= REPEAT
                p[CENTRE] = mean
                continue
            p[MEAN] = mean
            if is_held(p[HELD], 1):
                pass
            elif variance > p[FLOOR] * p[FLOOR]:
                p[STD] = np.sqrt(variance)
            else:
                p[STD] = p[FLOOR]
                outcome |= FLOORED
            p[CENTRE] = 0.0 if abs(mean) <= NEAR_MEAN * p[STD] else mean
    return outcome


class Normal(Family):
    """Normal (Gaussian) distribution of one real column.

    Parameters
    ----------
    mean : float, or None to be learned.
    std : float > 0, standard deviation, or None to be learned.

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
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    coordinates = ((REAL, MEAN, 1, 0), (LOG, STD, 1, 1))
    several_columns = True
    uses_unit = True
    uses_origin = True
    held = HELD

    def __init__(self, mean: float | None = None, std: float | None = None) -> None:
        super().__init__(mean=mean, std=std)

    mean: float
    std: float

    @property
    def variance(self) -> float:
        """Square of the standard deviation."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.norm, (self.mean, self.std), {}

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        mean, std = self._in_units(column)
        centre = 0.0 if abs(mean) <= NEAR_MEAN * std else mean
        log_unit = 0.0 if column.unit == 1.0 else np.log(column.unit)
        return mean, std, centre, column.floor / column.unit, log_unit, 0.0, 0.0, 0.0, 0.0

    def _unpack(self, row, column):
        mean, std, *_ = row.tolist()
        if column.unit != 1.0 or column.origin != 0.0:
            old_mean, old_std = self._in_units(column)
            # A parameter that no row has moved keeps its last digit, too.
            mean = self.mean if mean == old_mean else mean * column.unit + column.origin
            std = self.std if std == old_std else std * column.unit
        return Normal._trusted(mean=mean, std=std) if std > 0.0 and abs(mean) + std < np.inf else Normal(mean, std)

    def _in_units(self, column):
        return (self.mean - column.origin) / column.unit, self.std / column.unit

    def _start(self, column):
        # Halves first: the difference of two values near the largest float overflows.
        mean = column.lower / 2 + column.upper / 2
        return Normal(mean, max(column.upper / 2 - column.lower / 2, column.floor))
