"""Discrete uniform in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import DiscreteUniform

FAMILY = DiscreteUniform
GRID = [(0, 0), (1, 6), (-7, 10**6), (-(10**12), 10**12), (10**15, 10**15 + 3)]
FITTED = [(1, 6), (-50, 10**9)]
MIXED = [(0, 20), (10, 60)]
STARTED = [(0, 25), (5, 60)]


def points(distribution):
    return np.unique([distribution.low, (distribution.low + distribution.high) // 2, distribution.high])


def log_density(x, low, high):
    return -mpmath.log(high - low + 1)
