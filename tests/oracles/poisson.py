"""Poisson in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import Poisson

FAMILY = Poisson
GRID = [(rate,) for rate in (1e-200, 1e-3, 0.7, 12.0, 300.0, 1e6, 1e12)]
FITTED = [(0.2,), (3.0,), (400.0,), (1e9,)]
MIXED = [(2.0,), (9.0,)]
STARTED = [(3.0,), (6.0,)]


def log_density(x, rate):
    return x * mpmath.log(rate) - rate - mpmath.loggamma(x + 1)


def points(distribution):
    spread = distribution.rate**0.5
    beside = np.floor(distribution.rate + spread * np.arange(-6, 7))
    return np.unique(np.abs(np.concatenate([[0, 1, 2, 7, 15, 16, 255, 256, 1000, 1e12], beside])))
