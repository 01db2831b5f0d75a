"""Geometric in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import Geometric

FAMILY = Geometric
GRID = [(p,) for p in (1e-300, 1e-12, 1e-3, 0.3, 0.5, 0.9, 1 - 2**-53, 1.0)]
FITTED = [(0.5,), (1e-3,), (0.99,)]
MIXED = [(0.5,), (0.05,)]
STARTED = [(0.3,), (0.1,)]


def points(distribution):
    return np.ones(1) if distribution.probability == 1 else np.array([1, 2, 3, 17, 1000, 1e6, 1e9, 1e12, 1e12 + 1, 1e15])


def log_density(x, probability):
    with mpmath.workdps(400):  # 1 - 1e-300
        failure = mpmath.log(1 - probability) if x > 1 else 0
        return (x - 1) * failure + mpmath.log(probability)
