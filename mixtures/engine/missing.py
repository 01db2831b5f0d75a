"""Rows that lack cells, for a Normal block of columns: their density is that of the observed cells, and in a fit the others
take their conditional mean and covariance (Little & Rubin 2002, section 11.2.1).

Rows of a block are sorted by which cells they lack: what a pattern needs of a component is computed once.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit
from mixtures.engine.linear import cholesky
from mixtures.engine.special import HALF_LOG_2PI, log


@jit
def find_patterns(x, filled, pattern_of, patterns):
    """Copy x (d, b) with 0 for missing cells; number the patterns of rows that lack any.

    pattern_of (b,) is -1 for a whole row; row p of patterns (b, d) has 1 where pattern p has a cell. Returns how many there are.
    """
    d, b = x.shape
    count = 0
    for i in range(b):
        seen = 0
        for j in range(d):
            present = x[j, i] == x[j, i]
            filled[j, i] = x[j, i] if present else 0.0
            seen += 1 if present else 0
        pattern_of[i] = -1
        if seen == d:
            continue
        for p in range(count):
            same = True
            for j in range(d):
                if (patterns[p, j] == 1.0) != (x[j, i] == x[j, i]):
                    same = False
            if same:
                pattern_of[i] = p
                break
        if pattern_of[i] == -1:
            for j in range(d):
                patterns[count, j] = 1.0 if x[j, i] == x[j, i] else 0.0
            pattern_of[i] = count
            count += 1
    return count


@jit
def split(pattern, places):
    """The places of the observed columns first, then of the missing; returns how many are observed."""
    seen = 0
    for j in range(pattern.size):
        if pattern[j] == 1.0:
            places[seen] = j
            seen += 1
    last = seen
    for j in range(pattern.size):
        if pattern[j] != 1.0:
            places[last] = j
            last += 1
    return seen


@jit
def observed_factor(covariance, places, seen, lower):
    """Cholesky factor, in lower[:seen, :seen], of the covariance of the observed columns."""
    part = np.empty((seen, seen))
    for a in range(seen):
        for c in range(seen):
            part[a, c] = covariance[places[a], places[c]]
    cholesky(part, np.zeros(seen))
    for a in range(seen):
        for c in range(seen):
            lower[a, c] = part[a, c]


@jit
def densities_of_patterns(filled, pattern_of, patterns, count, mean, covariance, log_units, densities):
    """densities (b,) of rows that lack cells: those of their observed cells."""
    d, b = filled.shape
    places, lower, y = np.empty(d, dtype=np.int64), np.empty((d, d)), np.empty(d)
    for p in range(count):
        seen = split(patterns[p], places)
        observed_factor(covariance, places, seen, lower)
        constant = -seen * HALF_LOG_2PI
        for a in range(seen):
            constant -= log(lower[a, a]) + log_units[places[a]]
        for i in range(b):
            if pattern_of[i] != p:
                continue
            total = 0.0
            for a in range(seen):
                value = filled[places[a], i] - mean[places[a]]
                for c in range(a):
                    value -= lower[a, c] * y[c]
                y[a] = value / lower[a, a]
                total += y[a] * y[a]
            densities[i] = constant - 0.5 * total


@jit
def regression(covariance, places, seen, lower, loadings, rest):
    """Of the missing columns on the observed ones, whose covariance is lower lower': loadings[:m, :seen] on lower^-1 (x - mean),
    and the covariance rest[:m, :m] of what they leave open.

    Loadings are no larger than standard deviations. Slopes on x itself grow without bound where observed columns nearly lie in a
    plane, and what the differences of their products leave is noise.
    """
    d = covariance.shape[0]
    for a in range(d - seen):
        row = places[seen + a]
        for c in range(seen):
            value = covariance[row, places[c]]
            for e in range(c):
                value -= lower[c, e] * loadings[a, e]
            loadings[a, c] = value / lower[c, c]
    for a in range(d - seen):
        for c in range(a + 1):
            value = covariance[places[seen + a], places[seen + c]]
            for e in range(seen):
                value -= loadings[a, e] * loadings[c, e]
            rest[a, c] = value
            rest[c, a] = value


@jit
def add_patterns(filled, pattern_of, patterns, count, share, mean, centre, covariance, first, second):
    """Add the expected sums share (x - centre) to `first` (d,) and share (x - centre)(x - centre)' to `second` (d, d), of rows
    that lack cells."""
    d, b = filled.shape
    places, lower, loadings, rest = np.empty(d, dtype=np.int64), np.empty((d, d)), np.empty((d, d)), np.empty((d, d))
    t, white = np.empty(d), np.empty(d)
    for p in range(count):
        seen = split(patterns[p], places)
        observed_factor(covariance, places, seen, lower)
        regression(covariance, places, seen, lower, loadings, rest)
        weight = 0.0
        for i in range(b):
            if pattern_of[i] != p or share[i] == 0.0:
                continue
            weight += share[i]
            for a in range(seen):
                j = places[a]
                t[j] = filled[j, i] - centre[j]
                value = filled[j, i] - mean[j]
                for c in range(a):
                    value -= lower[a, c] * white[c]
                white[a] = value / lower[a, a]
            for a in range(d - seen):
                j = places[seen + a]
                value = mean[j] - centre[j]
                for c in range(seen):
                    value += loadings[a, c] * white[c]
                t[j] = value
            for j in range(d):
                u = share[i] * t[j]
                first[j] += u
                for c in range(d):
                    second[j, c] += u * t[c]
        for a in range(d - seen):
            for c in range(d - seen):
                second[places[seen + a], places[seen + c]] += weight * rest[a, c]
