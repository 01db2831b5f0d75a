"""Rayleigh in mpmath."""

import mpmath

from mixtures.distributions import Rayleigh

FAMILY = Rayleigh
GRID = [(scale,) for scale in (1e-300, 1e-150, 1e-3, 0.8, 1.0, 50.0, 1e9, 1e200)]
FITTED = [(0.4,), (1e-150,), (1e6,)]
MIXED = [(0.5,), (5.0,)]
STARTED = [(1.0,), (3.0,)]


def log_density(x, scale):
    return mpmath.log(x) - 2 * mpmath.log(scale) - (x / scale) ** 2 / 2


def size(x, scale):
    """The terms have different signs; each is rounded."""
    return abs(mpmath.log(x)) + 2 * abs(mpmath.log(scale)) + (x / scale) ** 2 / 2
