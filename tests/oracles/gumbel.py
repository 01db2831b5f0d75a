"""Gumbel in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import Gumbel

FAMILY = Gumbel
GRID = [(location, scale) for location in (-300.0, 0.0, 0.7, 1e6) for scale in (1e-3, 0.5, 1.0, 40.0, 1e9)]
FITTED = [(0.4, 2.0), (-5.0, 1e-3), (1e6, 1.0)]
MIXED = [(0.0, 1.0), (8.0, 2.0)]
STARTED = [(1.0, 2.0), (5.0, 2.0)]


def points(distribution):
    """From where the log-density is all but beyond float64 to far on the other side."""
    z = np.concatenate([[-700.0, -300.0, -30.0, -6.0], np.linspace(-3, 10, 27), [40.0, 700.0, 1e6]])
    return distribution.location + distribution.scale * z


def log_density(x, location, scale):
    z = (x - location) / scale
    return -z - mpmath.exp(-z) - mpmath.log(scale)


def size(x, location, scale):
    """The terms have different signs; the exponential takes over the rounding of z."""
    z = (x - location) / scale
    return abs(z) + mpmath.exp(-z) * (1 + abs(z)) + abs(mpmath.log(scale))
