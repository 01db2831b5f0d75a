"""Negative binomial in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import NegativeBinomial

FAMILY = NegativeBinomial
GRID = [
    (size, probability)
    for size in (1e-8, 0.3, 1.0, 7.5, 40.0, 1e3, 1e6, 1e13)
    for probability in (1e-9, 1e-3, 0.4, 0.9, 1 - 1e-9, 1.0)
    if size / probability < 1e14
]
FITTED = [(0.4, 0.1), (3.0, 0.5), (200.0, 0.9), (2.0, 1e-4), (30.0, 0.01)]
MIXED = [(2.0, 0.5), (6.0, 0.2)]
STARTED = [(1.0, 0.3), (3.0, 0.1)]


def points(distribution):
    mean, std = distribution.mean, distribution.variance**0.5
    near = np.rint(mean + std * np.array([-7, -3, -1, -0.1, 0, 0.1, 1, 4, 30, 1000]))
    if distribution.probability == 1.0:
        return np.zeros(1)
    x = np.concatenate([near, [0, 1, 2, 3, 15, 16, 17, 255, 256, 257, 1000, 1e6, 1e9, 1e12, 1e12 + 1]])
    return np.unique(x[x >= 0])


def log_density(x, size, probability):
    if probability == 1:
        return mpmath.mpf(0)
    binomial = mpmath.loggamma(x + size) - mpmath.loggamma(size) - mpmath.loggamma(x + 1)
    return binomial + size * mpmath.log(probability) + x * mpmath.log(1 - probability)
