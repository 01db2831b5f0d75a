"""Parameters of every family as one vector without constraints, and back: what an accelerator of EM may move.

A family names its coordinates (:meth:`mixtures.distributions.base.Family._coordinates`) as rows (kind, place, size, parameter).
Each kind is a one-to-one map to the real line, or onto a sphere, in which the steps of EM are nearly linear up to the ends of the
range: logarithms of scales; square roots of probabilities, which vanish at a steady rate where their logarithms would run to
minus infinity, and of which Fisher's metric is that of space (Kass & Vos 1997, "Geometrical foundations of asymptotic
inference", section 7.4).

A coordinate that has not moved is left as it is, to the last bit. So parameters that are held, weights of 0 and what stands at
an end of its range stay there: EM does not move them, hence no linear combination of its iterates does.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit_seldom, segment
from mixtures.engine.plan import (
    COORDINATE,
    COORDINATES,
    COUNT,
    FLOORED,
    MEMBERS,
    PARAMETER,
    PARAMETERS,
)

# Kinds of coordinates: how the numbers from a place on become free ones.
REAL = 0
"""`size` real numbers: themselves."""
LOG = 1
"""`size` numbers > 0: their logarithms. 0 stays."""
FRACTION = 2
"""`size` numbers between 0 and 1: twice the arcsine of the square root. Ends stay."""
SIMPLEX = 3
"""`size` numbers >= 0 whose sum stays as it is: square roots, a point on a sphere. Zeros stay."""
COVARIANCE = 4
"""A symmetric positive definite matrix (size, size), row-major: its Cholesky factor, of whose diagonal the logarithm."""
FACTOR = 5
"""A lower triangle (size, size), row-major, itself a Cholesky factor: as of a covariance."""
DIAGONAL = 6
"""The diagonal, > 0, of a matrix (size, size): logarithms."""
MULTIPLE = 7
"""The diagonal, > 0, of a matrix (size, size) whose ratios stay: the logarithm of its first number."""
ANGLE = 8
"""An angle in [-pi, pi], and next to it what its float64 lacks: the angle that is nearest to what `out` holds."""
DIRECTION = 9
"""`size` numbers, a vector of length 1: themselves, a point on a sphere."""
BOUNDED = 10
"""One number between -size and size: itself. Ends stay."""
CAPPED = 11
"""`size` numbers > 0 and at most `CAP`: their logarithms. What would go beyond the cap goes there."""

TURN = 6.283185307179586
CAP = 1e10
"""Of numbers that lead to another family as they grow, such as degrees of freedom."""
FARTHEST = 100.0
"""By how much a logarithm may move in one step."""


def shifted(rows, start):
    """The rows of a family whose packed parameters begin at `start` among those of a wrapper."""
    return tuple([(kind, place + start, size, parameter) for kind, place, size, parameter in rows])


@jit_seldom
def _numbers(kind, size):
    """How many free numbers a row of coordinates makes."""
    if kind in (COVARIANCE, FACTOR):
        return size * (size + 1) // 2
    if kind in (MULTIPLE, ANGLE, BOUNDED):
        return 1
    return size


@jit_seldom
def n_free(plan, moves_weights):
    """Length of the vector of free numbers."""
    total = plan.n_components if moves_weights else 0
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        for r in range(plate[COORDINATE], plate[COORDINATE] + plate[COORDINATES]):
            total += _numbers(plan.coordinates[r, 0], plan.coordinates[r, 2]) * plate[COUNT] * plate[MEMBERS]
    return total


@jit_seldom
def to_free(plan, parameters, log_weights, moves_weights, flags, out):
    """out = the free numbers of all plates, component by component, then of the weights. Plates whose `flags` say that a scale
    was held at its floor are not moved: 0 stands for all of theirs. `out` must hold finite numbers before."""
    at = 0
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        width = plate[PARAMETERS] // plate[MEMBERS]
        is_moved = not flags[p] & FLOORED
        for start in range(plate[PARAMETER], plate[PARAMETER] + plate[COUNT] * plate[PARAMETERS], width):
            for r in range(plate[COORDINATE], plate[COORDINATE] + plate[COORDINATES]):
                row = plan.coordinates[r]
                count = _numbers(row[0], row[2])
                if is_moved:
                    _read(row[0], segment(parameters, start + row[1], width - row[1]), row[2], segment(out, at, count))
                else:
                    out[at : at + count] = 0.0
                at += count
    if moves_weights:
        for c in range(log_weights.size):
            out[at + c] = np.exp(0.5 * log_weights[c])


@jit_seldom
def from_free(plan, free, base, parameters, log_weights, moves_weights):
    """Move `parameters` and `log_weights`, whose free numbers are `base`, to those of `free`. Returns whether all stayed within
    their ranges; where not, they are of no use."""
    at = 0
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        width = plate[PARAMETERS] // plate[MEMBERS]
        for start in range(plate[PARAMETER], plate[PARAMETER] + plate[COUNT] * plate[PARAMETERS], width):
            for r in range(plate[COORDINATE], plate[COORDINATE] + plate[COORDINATES]):
                row = plan.coordinates[r]
                count = _numbers(row[0], row[2])
                new, old = segment(free, at, count), segment(base, at, count)
                if _differ(new, old) and not _write(row[0], segment(parameters, start + row[1], width - row[1]), row[2], new, old):
                    return False
                at += count
    if moves_weights:
        new, old = segment(free, at, log_weights.size), segment(base, at, log_weights.size)
        share = _share_of_old(new, old)
        for c in range(log_weights.size):
            if log_weights[c] > -np.inf and new[c] != old[c]:
                if not new[c] > 0.0:
                    return False
                log_weights[c] = 2.0 * np.log(new[c]) + np.log(share)
    return True


@jit_seldom
def average_over_components(plan, moves_weights, values):
    """Each of `values`, one a free number, becomes their mean over the components of a plate, or over all weights."""
    at = 0
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        width = 0
        for r in range(plate[COORDINATE], plate[COORDINATE] + plate[COORDINATES]):
            width += _numbers(plan.coordinates[r, 0], plan.coordinates[r, 2]) * plate[MEMBERS]
        _average(segment(values, at, width * plate[COUNT]), width)
        at += width * plate[COUNT]
    if moves_weights:
        _average(segment(values, at, values.size - at), 1)


@jit_seldom
def _average(values, width):
    """Each of `values`, rows of so many, becomes the mean of its column."""
    for j in range(width):
        total = 0.0
        for i in range(j, values.size, width):
            total += values[i]
        total /= values.size // width
        for i in range(j, values.size, width):
            values[i] = total


@jit_seldom
def _differ(new, old):
    found = False
    for i in range(new.size):
        found = found or new[i] != old[i]
    return found


@jit_seldom
def _share_of_old(new, old):
    """Sum of the squares of `old` over that of `new`, where these have moved: with it, the sum of them all stays."""
    total = whole = 0.0
    for i in range(new.size):
        if new[i] != old[i] and old[i] > 0.0:
            total += new[i] * new[i]
            whole += old[i] * old[i]
    return whole / total


@jit_seldom
def _read(kind, values, size, out):
    """out = the free numbers of one row of coordinates, given the parameters from its place on."""
    if kind in (REAL, DIRECTION, BOUNDED):
        for i in range(out.size):
            out[i] = values[i]
    elif kind in (LOG, CAPPED):
        for i in range(size):
            out[i] = np.log(values[i]) if values[i] > 0.0 else 0.0
    elif kind == FRACTION:
        for i in range(size):
            out[i] = 2.0 * np.arctan2(np.sqrt(values[i]), np.sqrt(1.0 - values[i]))
    elif kind == SIMPLEX:
        for i in range(size):
            out[i] = np.sqrt(values[i])
    elif kind == COVARIANCE:
        _factorise(values, size, out)
    elif kind == FACTOR:
        n = 0
        for i in range(size):
            for j in range(i + 1):
                value = values[i * size + j]
                out[n] = np.log(value) if i == j else value
                n += 1
    elif kind in (DIAGONAL, MULTIPLE):
        for i in range(out.size):
            out[i] = np.log(values[i * size + i])
    elif kind == ANGLE:
        out[0] = values[0] + TURN * np.rint((out[0] - values[0]) / TURN)


@jit_seldom
def _factorise(values, d, out):
    """out = the Cholesky factor of a matrix, row by row up to the diagonal, of which the logarithm."""
    for i in range(d):
        row = i * (i + 1) // 2
        for j in range(i + 1):
            column = j * (j + 1) // 2
            value = values[i * d + j]
            for c in range(j):
                value -= out[row + c] * out[column + c]
            if i == j:
                out[row + i] = np.sqrt(value) if value > 0.0 else np.nan
            else:
                out[row + j] = value / out[column + j]
    for i in range(d):
        last = i * (i + 1) // 2 + i
        out[last] = np.log(out[last])


@jit_seldom
def _write(kind, values, size, new, old):
    """The parameters from a place on, whose free numbers are `old`, become those of `new`. Returns whether they can. What stops at
    a cap stops there in `new`, too."""
    if kind == REAL:
        for i in range(size):
            values[i] = new[i]
            if not np.isfinite(new[i]):
                return False
    elif kind in (LOG, CAPPED):
        for i in range(size):
            if new[i] != old[i] and values[i] > 0.0:
                values[i] *= np.exp(new[i] - old[i])
                if kind == CAPPED and values[i] > CAP:
                    values[i], new[i] = CAP, np.log(CAP)
                if not (0.0 < values[i] < np.inf and abs(new[i] - old[i]) < FARTHEST):
                    return False
    elif kind == FRACTION:
        for i in range(size):
            if new[i] != old[i] and 0.0 < values[i] < 1.0:
                values[i] = np.sin(0.5 * new[i]) ** 2
                if not 0.0 < new[i] < 0.5 * TURN or not 0.0 < values[i] < 1.0:
                    return False
    elif kind == SIMPLEX:
        share = _share_of_old(new, old)
        for i in range(size):
            if values[i] > 0.0 and new[i] != old[i]:
                values[i] = new[i] * new[i] * share
                if not (new[i] > 0.0 and values[i] > 0.0):
                    return False
    elif kind == COVARIANCE:
        for i in range(size):
            for j in range(i + 1):
                value = _product(new, i, j)
                values[i * size + j] = value
                values[j * size + i] = value
                if not np.isfinite(value):
                    return False
            if not values[i * size + i] > 0.0:
                return False
    elif kind == FACTOR:
        n = 0
        for i in range(size):
            for j in range(i + 1):
                value = np.exp(new[n]) if i == j else new[n]
                values[i * size + j] = value
                if not np.isfinite(value) or (i == j and not value > 0.0):
                    return False
                n += 1
    elif kind in (DIAGONAL, MULTIPLE):
        for i in range(size):
            n = i if kind == DIAGONAL else 0
            values[i * size + i] *= np.exp(new[n] - old[n])
            if not 0.0 < values[i * size + i] < np.inf:
                return False
    elif kind == ANGLE:
        values[0] = new[0] - TURN * np.rint(new[0] / TURN)
        values[1] = 0.0
        if not abs(new[0] - old[0]) < 0.25 * TURN:
            return False
    elif kind == DIRECTION:
        length = 0.0
        for i in range(size):
            length += new[i] * new[i]
        length = np.sqrt(length)
        if not 0.1 < length < np.inf:
            return False
        for i in range(size):
            values[i] = new[i] / length
    elif kind == BOUNDED and abs(values[0]) < size:
        values[0] = new[0]
        return abs(new[0]) < size
    return True


@jit_seldom
def _product(factor, i, j):
    """(L L')[i, j], i >= j, of a packed factor whose diagonal is logarithms."""
    row, column = i * (i + 1) // 2, j * (j + 1) // 2
    value = (np.exp(factor[row + j]) if i == j else factor[row + j]) * np.exp(factor[column + j])
    for c in range(j):
        value += factor[row + c] * factor[column + c]
    return value
