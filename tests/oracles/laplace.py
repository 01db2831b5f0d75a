"""Laplace in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import Laplace

FAMILY = Laplace
GRID = [(location, scale) for location in (-300.0, 0.0, 0.7, 1e6) for scale in (1e-3, 0.5, 1.0, 40.0, 1e9)]
FITTED = [(0.4, 2.0), (-5.0, 1e-3), (1e6, 1.0)]
MIXED = [(0.0, 1.0), (8.0, 2.0)]
STARTED = [(1.0, 2.0), (5.0, 2.0)]


def points(distribution):
    """The middle and both tails, far out."""
    z = np.concatenate([np.linspace(-8, 8, 33), [-1e6, -750.0, -30.0, 30.0, 750.0, 1e6]])
    return distribution.location + distribution.scale * z


def log_density(x, location, scale):
    return -abs(x - location) / scale - mpmath.log(2 * scale)


def size(x, location, scale):
    """The logarithm of the scale has the other sign below a half."""
    return abs(x - location) / scale + 1 + abs(mpmath.log(scale))
