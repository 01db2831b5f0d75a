"""VonMises in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import VonMises

FAMILY = VonMises
GRID = [(location, k) for location in (0.0, -3.0, 3.1415, 1e6) for k in (0.0, 1e-6, 0.5, 3.0, 7.9, 8.1, 40.0, 1e4, 1e6, 1e12)]
FITTED = [(0.3, 0.7), (-3.0, 5.0), (3.1, 2e3)]
MIXED = [(0.0, 2.0), (2.5, 20.0)]
STARTED = [(0.5, 1.0), (2.0, 5.0)]


def points(distribution):
    """From the location to its antipode, on both sides and some periods away, and beyond exact reduction."""
    d = np.concatenate([10.0 ** np.arange(-12.0, 0.0), np.linspace(0.0, np.pi, 20)])
    near = distribution.location + np.concatenate([d, -d])
    return np.concatenate([near, near + 2000 * np.pi, near - 2e6 * np.pi, [1e9, -1e300]])


def log_density(x, location, concentration):
    with mpmath.workdps(400):  # of 1e300, to be reduced
        gap = mpmath.sin((x - location) / 2) ** 2
    scaled = mpmath.log(mpmath.besseli(0, concentration)) - concentration
    return -2 * concentration * gap - mpmath.log(2 * mpmath.pi) - scaled


def size(x, location, concentration):
    """An angle that is reduced by the C library is right to a rounding error of pi."""
    loose = abs(x) > 6e6
    return abs(log_density(x, location, concentration)) + (1 + concentration * 1e-2 if loose else 1)
