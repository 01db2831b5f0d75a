"""StudentT in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import StudentT

FAMILY = StudentT
GRID = [
    (df, *place) for df in (1e-3, 0.5, 1.0, 3.7, 15.9, 16.0, 300.0, 1e6, 1e10) for place in ((0.0, 1.0), (-3.0, 1e-3), (7.0, 50.0))
]
FITTED = [(0.6, 2.0, 1e-3), (1.5, -1.0, 3.0), (3.0, 100.0, 1.0), (5.0, 0.0, 1.0)]
MIXED = [(3.0, 0.0, 1.0), (8.0, 4.0, 0.5)]
STARTED = [(5.0, 1.0, 2.0), (5.0, 3.0, 2.0)]


def points(distribution):
    """Both tails, which quantiles of few degrees of freedom put beyond float64; nothing beyond 1e100, where columns have a unit,
    whose logarithm joins the constant with its own rounding."""
    z = np.concatenate([10.0 ** np.arange(-8.0, 4.0), 10.0 ** np.array([8, 50, 80]), np.linspace(0.1, 40, 20)])
    return distribution.location + distribution.scale * np.concatenate([-z, [0.0], z])


def log_density(x, df, location, scale):
    z = (x - location) / scale
    ratio = mpmath.loggamma((df + 1) / 2) - mpmath.loggamma(df / 2)
    return ratio - mpmath.log(df * mpmath.pi) / 2 - mpmath.log(scale) - (df + 1) / 2 * mpmath.log1p(z * z / df)


def size(x, df, location, scale):
    """The constant and the logarithm of the scale may cancel."""
    return abs(log_density(x, df, location, scale)) + 1
