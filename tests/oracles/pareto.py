"""Pareto in mpmath."""

import mpmath

from mixtures.distributions import Pareto

FAMILY = Pareto
GRID = [(shape, scale) for shape in (0.1, 1.0, 7.0, 500.0, 1e6) for scale in (1e-3, 1.0, 50.0, 1e6)]
FITTED = [(0.4, 2.0), (3.0, 1e-3), (1e4, 1e6)]
MIXED = [(9.0, 4.0), (2.0, 1.0)]
STARTED = [(5.0, 0.9), (1.0, 1.0)]  # no scale above a row of the other's


def log_density(x, shape, scale):
    return mpmath.log(shape / x) - shape * mpmath.log(x / scale)


def size(x, shape, scale):
    # Near its root the density is the difference of two terms of this size.
    return abs(log_density(x, shape, scale)) + abs(mpmath.log(shape / scale))
