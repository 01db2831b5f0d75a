"""Inverse gamma in mpmath."""

import mpmath

from mixtures.distributions import InverseGamma

FAMILY = InverseGamma
GRID = [(shape, scale) for shape in (1e-3, 0.3, 1.0, 7.0, 49.9, 50.0, 300.0, 1e6) for scale in (1e-3, 1.0, 50.0, 1e30, 1e-200)]
FITTED = [(0.4, 2.0), (3.0, 1e-3), (200.0, 5.0), (1e6, 1e3)]
MIXED = [(4.0, 1.0), (30.0, 60.0)]
STARTED = [(2.0, 0.5), (10.0, 20.0)]


def log_density(x, shape, scale):
    return shape * mpmath.log(scale) - mpmath.loggamma(shape) - (shape + 1) * mpmath.log(x) - scale / x
