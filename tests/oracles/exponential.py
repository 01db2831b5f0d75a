"""Exponential in mpmath."""

import mpmath

from mixtures.distributions import Exponential

FAMILY = Exponential
GRID = [(rate,) for rate in (1e-200, 1e-3, 1.0, 50.0, 1e200)]
FITTED = [(1.0,), (1e-4,), (300.0,)]
MIXED = [(5.0,), (0.2,)]
STARTED = [(2.0,), (0.5,)]


def log_density(x, rate):
    return mpmath.log(rate) - rate * x


def size(x, rate):
    """Of the terms, which cancel where the density is 1."""
    return abs(mpmath.log(rate)) + rate * x
