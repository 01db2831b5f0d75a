"""Random numbers by counter: draw number i of a stream is a function of seed and i, so threads need no state."""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit


@jit
def uniform(seed, number):
    """The `number`-th draw from [0, 1) of a stream (the finaliser of splitmix64, Steele, Lea & Flood 2014)."""
    h = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(number + 1)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    h = h ^ (h >> np.uint64(31))
    return float(h >> np.uint64(11)) * 1.1102230246251565e-16  # 2**-53


@jit
def stream(seed, number):
    """The seed of stream number `number` of a family of streams, >= 0."""
    h = np.uint64(seed) ^ (np.uint64(0xD1B54A32D192ED03) * np.uint64(number + 1))
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0xDABA0B6EB09322E3)
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0x9FB21C651E98DF25)
    return np.int64((h ^ (h >> np.uint64(32))) >> np.uint64(1))
