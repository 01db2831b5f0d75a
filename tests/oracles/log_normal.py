"""LogNormal in mpmath."""

import mpmath

from mixtures.distributions import LogNormal

FAMILY = LogNormal
GRID = [(mean, std) for mean in (-300.0, -7.0, 0.0, 1.5, 20.0) for std in (1e-6, 0.01, 0.5, 1.0, 8.0)]
FITTED = [(0.4, 2.0), (30.0, 1e-3), (-5.0, 0.3)]
MIXED = [(0.0, 0.5), (2.0, 0.3)]
STARTED = [(0.2, 0.6), (1.5, 0.5)]


def log_density(x, mean_log, std_log):
    square = ((mpmath.log(x) - mean_log) / std_log) ** 2 / 2
    return -square - mpmath.log(std_log) - mpmath.log(2 * mpmath.pi) / 2 - mpmath.log(x)


def size(x, mean_log, std_log):
    """The terms have different signs, each of them rounded once. So is the mean where it is moved to the column's unit, and the
    logarithm of x in that unit, which is at most that of the column's range: both are divided by std_log, then squared. Of that
    a hundredth: 1e-15, a few rounding errors, where the others have 1e-13."""
    z = abs(mpmath.log(x) - mean_log) / std_log
    return z**2 / 2 + abs(mpmath.log(std_log)) + 1 + abs(mpmath.log(x)) + z * (1 + abs(mpmath.log(x) - mean_log)) / std_log / 100
