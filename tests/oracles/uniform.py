"""Uniform in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import Uniform

FAMILY = Uniform
GRID = [(low, low + width) for low in (-1e6, 0.0, 1e-3, 3.0) for width in (1e-3, 0.5, 7.0, 1e6)]
FITTED = [(0.4, 2.0), (-3.0, 1e-3), (1e6, 1e6 + 1.0)]
MIXED = [(1.0, 2.0), (0.0, 6.0)]
STARTED = [(-1.0, 6.5), (0.0, 6.0)]  # over all rows


def log_density(x, low, high):
    return -mpmath.log(high - low)


def points(distribution):
    return np.linspace(distribution.low, distribution.high, 9)
