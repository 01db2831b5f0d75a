"""Sums of logarithms of rising factorials, log (a)_x = log[a (a + 1) ... (a + x - 1)], over weighted counts x, as functions of a.

The weighted counts are kept in few numbers that do not depend on a: a histogram of the counts below ``EXACT``, and for each octave
[2^m, 2^(m+1)) above it the sums of w T_p(t) of the first ``NODES`` Chebyshev polynomials, t the place of x in the octave, between
-1 and 1. On an octave the logarithm of Gamma at a + x is analytic in x up to -a <= 0, so that its Chebyshev interpolation is
right to (3 + sqrt 8)^-20 = 5e-16 of its size (Trefethen 2013, theorem 8.2) whatever a is, and the sum over rows becomes a sum over
the octave's nodes.
"""

from __future__ import annotations

import math

import numpy as np

from mixtures._numba import float_to_bits, jit, jit_sums, wide_vectors
from mixtures.engine.special import log, log_minus_digamma, log_one_plus, stirling_series, trigamma_excess

EXACT = 64
NODES = 20
MAX_GROUPS = 2 + 48
"""Of counts: none, below EXACT, octaves up to 2^53, of which that beyond has one count."""
_FIRST_EXPONENT = np.int64(1023 + 6)  # of EXACT, biased
_PLACES = np.array([math.cos(math.pi * (m + 0.5) / NODES) for m in range(NODES)])
_POLYNOMIALS = np.array([[math.cos(p * math.pi * (m + 0.5) / NODES) for m in range(NODES)] for p in range(NODES)])


def sums_for(largest: float) -> int:
    """How many sums keep counts up to `largest`."""
    if largest < EXACT:
        return int(max(largest, 0.0)) + 1
    return EXACT + NODES * (math.frexp(largest)[1] - 6)


@jit
def add_counts(share, counts, sums):
    """Add counts (b,) of weights `share` (b,) to their sums."""
    for i in range(share.size):
        count = counts[i]
        if count < EXACT:
            sums[np.uint64(count)] += share[i]
            continue
        octave = (float_to_bits(count) >> np.int64(52)) - _FIRST_EXPONENT
        t = 2.0 * (count / float(np.int64(EXACT) << octave)) - 3.0
        place = EXACT + NODES * octave
        before, value = t, 1.0
        for p in range(NODES):
            sums[place + p] += share[i] * value
            before, value = value, 2.0 * t * value - before


@jit
def group_counts(counts):
    """What :func:`add_grouped` needs of counts (b,), whatever their weights: their order by groups, of those < 0, which are none,
    of those below EXACT, and of each octave; where each group ends; and of the sorted counts the polynomials (NODES, b).
    """
    b = counts.size
    group, order = np.empty(b, dtype=np.uint64), np.empty(b, dtype=np.uint64)
    ends = np.zeros(MAX_GROUPS, dtype=np.int64)
    for i in range(b):
        octave = (float_to_bits(counts[i]) >> np.int64(52)) - _FIRST_EXPONENT
        group[i] = np.uint64(octave + 2 if counts[i] >= EXACT else (1 if counts[i] >= 0.0 else 0))
        ends[group[i]] += 1
    place = 0
    for g in range(MAX_GROUPS):
        size = ends[g]
        ends[g] = place
        place += size
    for i in range(b):
        order[ends[group[i]]] = np.uint64(i)
        ends[group[i]] += 1
    polynomials = np.empty((NODES, b))
    first = polynomials[1]
    for g in range(2, MAX_GROUPS):
        scale = 2.0 / float(np.int64(EXACT) << np.int64(g - 2))
        for i in range(ends[g - 1], ends[g]):
            first[i] = counts[order[i]] * scale - 3.0
    _polynomials(ends[1], polynomials)
    return order, ends, polynomials


@jit
def _polynomials(start, values):
    """From place `start` on, the other polynomials T_p of the values of T_1, in row 1."""
    wide_vectors()
    t = values[1]
    for i in range(start, t.size):
        values[0, i] = 1.0
    for p in range(2, NODES):
        row, last, before = values[p], values[p - 1], values[p - 2]
        for i in range(start, t.size):
            row[i] = 2.0 * t[i] * last[i] - before[i]


@jit
def add_grouped(share, counts, order, ends, polynomials, sums):
    """As :func:`add_counts`, given what :func:`group_counts` says of the counts and `share` (b,) in their order."""
    for i in range(ends[0], ends[1]):
        sums[np.uint64(counts[order[i]])] += share[i]
    for g in range(2, ends.size):
        if ends[g - 1] < ends[g]:
            weights, start = share[ends[g - 1] : ends[g]], ends[g - 1]
            for p in range(NODES):
                sums[EXACT + NODES * (g - 2) + p] += _weighted(polynomials[p], start, weights)


@jit_sums
def _weighted(values, start, weights):
    """Sum of weights times values from place `start` on."""
    wide_vectors()
    row = values[start:]
    total = 0.0
    for i in range(weights.size):
        total += row[i] * weights[i]
    return total


@jit
def tabulate(sums, table):
    """From sums the weights that :func:`evaluate` reads: below EXACT of counts above 0, 1, ..., then of nodes of octaves.
    Returns (sum of w, sum of w x)."""
    exact = min(sums.size, EXACT)
    total, first = 0.0, 0.0
    for start in range(exact, sums.size, NODES):
        total += sums[start]
        first += 0.5 * float(np.int64(EXACT) << np.int64((start - exact) // NODES)) * (3.0 * sums[start] + sums[start + 1])
        for m in range(NODES):
            weight = 0.5 * sums[start]
            for p in range(1, NODES):
                weight += sums[start + p] * _POLYNOMIALS[p, m]
            table[start + m] = weight * (2.0 / NODES)
    for x in range(exact - 1, -1, -1):
        first += x * sums[x]
        table[x] = total
        total += sums[x]
    return total, first


@jit
def evaluate(a, scale, table, with_value):
    """Of F(a) = sum w log[(a)_x / scale^x]: its value, or 0 if that is not asked for, and two derivatives."""
    exact = min(table.size, EXACT)
    value, first, second = 0.0, 0.0, 0.0
    for i in range(exact):
        if table[i] == 0.0:
            break
        inverse = 1.0 / (a + i)
        first += table[i] * inverse
        second -= table[i] * inverse * inverse
        if with_value:
            value += table[i] * log((a + i) / scale)
    if table.size > exact:
        base = a + EXACT
        gap, excess = log_minus_digamma(base), trigamma_excess(base)
        for place in range(exact, table.size):
            weight = table[place]
            if weight == 0.0:
                continue
            octave, m = (place - exact) // NODES, (place - exact) % NODES
            y = 0.5 * float(np.int64(EXACT) << np.int64(octave)) * (3.0 + _PLACES[m]) - EXACT
            ratio = log_one_plus(y / base)
            first += weight * (ratio - (log_minus_digamma(base + y) - gap))
            second += weight * ((trigamma_excess(base + y) - excess) - y / (base * (base + y)))
            if with_value:
                rest = stirling_series(base + y) - stirling_series(base)
                value += weight * (y * log((base + y) / scale) + ((base - 0.5) * ratio - y) + rest)
    return value, first, second
