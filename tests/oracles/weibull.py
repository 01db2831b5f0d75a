"""Weibull in mpmath."""

import mpmath

from mixtures.distributions import Weibull

FAMILY = Weibull
GRID = [(shape, scale) for shape in (0.1, 0.5, 1.0, 1.7, 7.0, 50.0, 500.0) for scale in (1e-3, 1.0, 50.0, 1e6)]
FITTED = [(0.1, 2.0), (0.7, 5.0), (3.0, 1e-3), (50.0, 5.0), (1e4, 1e3)]
MIXED = [(1.5, 1.0), (6.0, 5.0)]
STARTED = [(2.0, 2.0), (3.0, 4.0)]


def log_density(x, shape, scale):
    return mpmath.log(shape / x) + shape * mpmath.log(x / scale) - (x / scale) ** shape


def size(x, shape, scale):
    # z = shape log(x / scale) is rounded, and exp(z) takes over z times its relative error: 5e-14 at three times the largest
    # quantile under a shape of 500.
    return abs(log_density(x, shape, scale)) * max(1, abs(shape * mpmath.log(x / scale)) / 100)
