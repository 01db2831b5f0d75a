"""SkewNormal in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import SkewNormal

FAMILY = SkewNormal
PLACES = [(0.0, 1.0), (-3.0, 1e-3), (7.0, 50.0)]
GRID = [(*place, shape) for shape in (0.0, 1e-3, -0.5, 3.0, -40.0, 1e3) for place in PLACES]
FITTED = [(3.0, 2.0, 2.0), (-1.0, 0.1, -5.0), (100.0, 1.0, 3.0)]
MIXED = [(0.0, 1.0, 3.0), (6.0, 2.0, -2.0)]
STARTED = [(0.5, 2.0, 1.0), (4.0, 2.0, -1.0)]


def points(distribution):
    """Both tails."""
    z = np.concatenate([10.0 ** np.arange(-8.0, 3.0), np.linspace(0.1, 40, 20)])
    return distribution.location + distribution.scale * np.concatenate([-z, [0.0], z])


def log_density(x, location, scale, shape):
    z = (x - location) / scale
    y = shape * z
    # erfc keeps its digits where Phi is next to nothing.
    tail = mpmath.log(mpmath.erfc(-y / mpmath.sqrt(2)))
    return -mpmath.log(scale) - z * z / 2 - mpmath.log(2 * mpmath.pi) / 2 + tail


def size(x, location, scale, shape):
    """The constant and the logarithm of the scale may cancel."""
    return abs(log_density(x, location, scale, shape)) + 1
