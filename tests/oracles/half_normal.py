"""HalfNormal in mpmath."""

import mpmath

from mixtures.distributions import HalfNormal

FAMILY = HalfNormal
GRID = [(scale,) for scale in (1e-300, 1e-150, 1e-3, 0.8, 1.0, 50.0, 1e9, 1e200)]
FITTED = [(0.4,), (1e-150,), (1e6,)]
MIXED = [(0.5,), (5.0,)]
STARTED = [(1.0,), (3.0,)]


def log_density(x, scale):
    return -((x / scale) ** 2) / 2 - mpmath.log(scale) + mpmath.log(2 / mpmath.pi) / 2


def size(x, scale):
    """Below scale 1 the logarithm of the scale is cancelled where the density passes 1; both terms are rounded."""
    return (x / scale) ** 2 / 2 + abs(mpmath.log(scale)) + mpmath.log(mpmath.pi / 2) / 2
