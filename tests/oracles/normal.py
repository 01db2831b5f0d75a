"""Normal in mpmath."""

import mpmath

from mixtures.distributions import Normal

FAMILY = Normal
GRID = [(mean, std) for mean in (0.0, -3.5, 1e6) for std in (1e-6, 1.0, 30.0, 1e150)]
FITTED = [(0.0, 1.0), (-20.0, 0.01), (1e9, 1.0)]
MIXED = [(0.0, 1.0), (4.0, 2.0)]
STARTED = [(-1.0, 2.0), (6.0, 1.0)]


def log_density(x, mean, std):
    return -(((x - mean) / std) ** 2) / 2 - mpmath.log(std) - mpmath.log(2 * mpmath.pi) / 2


def size(x, mean, std):
    """Of the terms, which cancel where the density is 1."""
    return ((x - mean) / std) ** 2 / 2 + abs(mpmath.log(std)) + 1
