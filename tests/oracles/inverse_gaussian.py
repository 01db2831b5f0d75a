"""Inverse Gaussian in mpmath."""

import mpmath

from mixtures.distributions import InverseGaussian

FAMILY = InverseGaussian
GRID = [(mean, shape) for mean in (1e-3, 1.0, 50.0, 1e6) for shape in (1e-3, 0.3, 7.0, 1e4, 1e12)]
FITTED = [(0.4, 2.0), (3.0, 0.1), (200.0, 5.0), (1e3, 1e12)]
MIXED = [(1.0, 2.0), (8.0, 60.0)]
STARTED = [(2.0, 2.0), (6.0, 20.0)]


def log_density(x, mean, shape):
    return mpmath.log(shape / (2 * mpmath.pi * x**3)) / 2 - shape * (x - mean) ** 2 / (2 * mean**2 * x)
