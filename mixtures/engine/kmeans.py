"""Weighted k-means++ over rows of mixed columns, compiled: where starts of EM come from."""

from __future__ import annotations

import numpy as np

from mixtures._numba import float_to_bits, jit, jit_entry, load_float, wide_vectors
from mixtures.engine.draws import uniform
from mixtures.engine.plan import Floats, Ints

CODE_WIDTH = 32
"""More categories than this enter distances by their number alone."""


@jit_entry
def hash_rows(n_rows, addresses, strides, out):
    """64-bit hash of every row's values (the finaliser of splitmix64, Steele, Lea & Flood 2014), 63 bits kept."""
    for i in range(n_rows):
        h = np.uint64(0x9E3779B97F4A7C15)
        for j in range(addresses.size):
            value = load_float(addresses[j] + i * strides[j]) + 0.0  # -0 and 0 are one value
            bits = float_to_bits(value) if value == value else np.int64(0x7FF8000000000000)
            h = h ^ np.uint64(np.int64(bits))
            h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            h = h ^ (h >> np.uint64(31))
        out[i] = np.int64(h >> np.uint64(1))


@jit_entry
def encode(addresses, strides, widths, rows, weights, z):
    """The rows (m,) as a matrix z (D, m) for distances, NaN where missing: numbers in units of their weighted spread,
    categories (`widths` of a column > 0) as indicators, of which a mismatch moves two by one spread in all."""
    m = rows.size
    place = 0
    for j in range(addresses.size):
        low = np.inf
        high = -np.inf
        for i in range(m):
            value = load_float(addresses[j] + rows[i] * strides[j])
            z[place, i] = value
            low = value if value < low else low
            high = value if value > high else high
        if 0 < widths[j] <= CODE_WIDTH:
            for i in range(m):
                value = z[place, i]
                for c in range(widths[j]):
                    z[place + c, i] = np.sqrt(0.5) if value == c else (0.0 if value == value else np.nan)
            place += widths[j]
            continue
        # Halves, then shares of the range: neither a difference nor a square of the largest floats overflows.
        centre = low / 2 + high / 2
        span = high / 2 - low / 2
        total = 0.0
        first = 0.0
        second = 0.0
        for i in range(m):
            t = (z[place, i] / 2 - centre / 2) / span if span > 0.0 else 0.0 * z[place, i]
            z[place, i] = t
            if t == t:
                total += weights[i]
                first += weights[i] * t
                second += weights[i] * t * t
        mean = first / total if total > 0.0 else 0.0
        variance = second / total - mean * mean if total > 0.0 else 0.0
        spread = np.sqrt(variance) if variance > 0.0 else 0.0
        for i in range(m):
            z[place, i] = (z[place, i] - mean) / spread if spread > 0.0 else 0.0 * z[place, i]
        place += 1


@jit
def distances(z, centres, c, seen, out):
    """out (m,) = squared distance of every column of z (D, m) to centres[c], over what is observed and scaled up to all of D.

    `seen` (m,) is scratch.
    """
    wide_vectors()
    for i in range(out.size):
        out[i] = 0.0
        seen[i] = 0.0
    for j in range(z.shape[0]):
        centre = centres[c, j]
        for i in range(out.size):
            t = z[j, i] - centre
            present = t == t
            out[i] += t * t if present else 0.0
            seen[i] += 1.0 if present else 0.0
    size = float(z.shape[0])
    for i in range(out.size):
        out[i] *= size / seen[i] if seen[i] > 0.0 else 0.0


@jit
def first_above(cumulative, value):
    """Place of the first entry of an ascending array that is larger than `value`; the last place if none is."""
    low = 0
    high = cumulative.size - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > value:
            high = middle
        else:
            low = middle + 1
    return low


@jit
def seed_centres(z, weights, seed, candidates, placed, centres, scratch):
    """Greedy k-means++ (Arthur & Vassilvitskii 2007) with weights, `candidates` tried for each centre but those that are `placed`
    (k,) already. `scratch` is (5, m)."""
    m = z.shape[1]
    closest, trial, best, chance, seen = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    for i in range(m):
        closest[i] = np.inf
    found = False
    for k in range(centres.shape[0]):
        if placed[k]:
            found = True
            distances(z, centres, k, seen, trial)
            for i in range(m):
                closest[i] = trial[i] if trial[i] < closest[i] else closest[i]
    for k in range(centres.shape[0]):
        if placed[k]:
            continue
        total = 0.0
        for i in range(m):
            total += weights[i] * (closest[i] if found else 1.0)
            chance[i] = total
        lowest = np.inf
        chosen = 0
        for c in range(candidates if found else 1):
            pick = first_above(chance, uniform(seed, k * candidates + c) * total)
            for j in range(z.shape[0]):
                centres[k, j] = z[j, pick]
            distances(z, centres, k, seen, trial)
            potential = 0.0
            for i in range(m):
                trial[i] = closest[i] if closest[i] < trial[i] else trial[i]
                potential += weights[i] * trial[i]
            if potential < lowest:
                lowest = potential
                chosen = pick
                for i in range(m):
                    best[i] = trial[i]
        found = True
        for i in range(m):
            closest[i] = best[i]
        for j in range(z.shape[0]):
            centres[k, j] = z[j, chosen] if z[j, chosen] == z[j, chosen] else 0.0


@jit
def improve(z, weights, hints, centres, labels, max_iter, sums, mass, nearest, scratch):
    """Lloyd's iterations. Labels (m,), -1 at first, become the nearest centre's, the first on a tie; `centres` (k, D) move.
    Rows keep the label that `hints` (m,), or none, give them, if that is >= 0.

    `sums` and `mass` (k, D), `nearest` (m,) and `scratch` (5, m) are for use here only.
    """
    d, m = z.shape
    lowest, trial, seen = scratch[0], scratch[1], scratch[2]
    total = 0.0
    for i in range(m):
        total += weights[i]
    for _ in range(max_iter):
        for i in range(m):
            lowest[i] = np.inf
            nearest[i] = 0
        for c in range(centres.shape[0]):
            distances(z, centres, c, seen, trial)
            for i in range(m):
                closer = trial[i] < lowest[i]
                lowest[i] = trial[i] if closer else lowest[i]
                nearest[i] = c if closer else nearest[i]
        for i in range(hints.size):
            nearest[i] = hints[i] if hints[i] >= 0 else nearest[i]
        changed = 0.0
        for i in range(m):
            changed += weights[i] if labels[i] != nearest[i] else 0.0
            labels[i] = nearest[i]
        if 100 * changed <= total:  # a share of weight, not of rows; EM does the rest better
            break
        for j in range(d):
            for c in range(centres.shape[0]):
                sums[c, j] = 0.0
                mass[c, j] = 0.0
            for i in range(m):
                if z[j, i] == z[j, i]:
                    sums[labels[i], j] += weights[i] * z[j, i]
                    mass[labels[i], j] += weights[i]
            for c in range(centres.shape[0]):
                if mass[c, j] > 0.0:
                    centres[c, j] = sums[c, j] / mass[c, j]


@jit
def seed_rows(z, weights, seed, placed, centres, scratch):
    """Centres (k, D) but those that are `placed` (k,) already at rows of z (D, m) drawn by weight; a row may be drawn twice."""
    chance = scratch[3]
    total = 0.0
    for i in range(z.shape[1]):
        total += weights[i]
        chance[i] = total
    for k in range(centres.shape[0]):
        if placed[k]:
            continue
        pick = first_above(chance, uniform(seed, k) * total)
        for j in range(z.shape[0]):
            centres[k, j] = z[j, pick] if z[j, pick] == z[j, pick] else 0.0


def encoded(addresses: Ints, strides: Ints, widths: list[int], rows: Ints, weights: Floats) -> Floats:
    """:func:`encode` of rows (m,) with weights (m,): (D, m)."""
    z = np.empty((sum([width if 0 < width <= CODE_WIDTH else 1 for width in widths]), rows.size))
    encode(addresses, strides, np.array(widths, dtype=np.int64), rows, weights, z)
    return z
