"""Von Mises-Fisher in mpmath: a row stands for its direction."""

import mpmath
import numpy as np

from mixtures.distributions import VonMisesFisher

FAMILY = VonMisesFisher
HALF = [0.5, -0.5, 0.5, 0.5]
GRID = [
    ([1.0, 0.0], 0.0),
    ([0.6, 0.8], 0.7),
    ([0.36, 0.48, -0.8], 1e-8),
    ([0.36, 0.48, -0.8], 39.0),
    ([0.36, 0.48, -0.8], 1e6),
    (HALF, 250.0),
    (HALF, 1e12),
    ([*HALF, 0.0, 0.0, 0.0], 1e3),
    ([0.1] * 100, 3.0),
    ([0.1] * 100, 5e4),
]
FITTED = [([0.6, 0.8], 0.7), ([0.36, 0.48, -0.8], 5.0), (HALF, 300.0), ([0.36, 0.48, -0.8], 1e4)]
MIXED = [([0.36, 0.48, -0.8], 6.0), ([0.0, 1.0, 0.0], 15.0)]
STARTED = [([0.0, 0.6, -0.8], 4.0), ([0.6, 0.8, 0.0], 4.0)]


def rows(distribution, random):
    near = distribution.sample(8, random)
    far = random.standard_normal((4, near.shape[1]))
    pole = np.array([distribution.direction])
    return np.concatenate([near, far / np.linalg.norm(far, axis=1)[:, None], pole, -pole, near * (1 + 5e-7)])


def terms(row, direction, concentration):
    """Minus half the concentration times the squared distance, and the rest: the Bessel function times exp(-concentration)."""
    d = len(row)
    order = mpmath.mpf(d) / 2 - 1
    cosine = mpmath.fdot(row, direction) / mpmath.sqrt(mpmath.fdot(row, row) * mpmath.fdot(direction, direction))
    yield concentration * (cosine - 1)
    if concentration == 0:
        yield mpmath.loggamma(mpmath.mpf(d) / 2) - mpmath.log(2) - mpmath.mpf(d) / 2 * mpmath.log(mpmath.pi)
        return
    yield -mpmath.mpf(d) / 2 * mpmath.log(2 * mpmath.pi)
    if concentration > 1e4 * d:  # Abramowitz & Stegun 9.7.1, exact to many digits there
        scaled = mpmath.hyp2f0(0.5 - order, 0.5 + order, 1 / (2 * concentration)) / mpmath.sqrt(2 * mpmath.pi * concentration)
    else:
        scaled = mpmath.besseli(order, concentration) * mpmath.exp(-concentration)
    yield order * mpmath.log(concentration) - mpmath.log(scaled)


def log_density(row, direction, concentration):
    return sum(terms(row, direction, concentration))


def size(row, direction, concentration):
    """The density may be 1 anywhere: its terms are what is rounded. A row's own rounding is not, but that of a direction as it is
    brought to length 1: by an error of 1, times the slope."""
    found = list(terms(row, direction, concentration))
    return sum(abs(term) for term in found) + mpmath.sqrt(2 * concentration * abs(found[0])) / 100


def point(distribution):
    z = np.array(distribution.direction)
    return np.append(np.arctan2(z[1:], z[0]), np.log(distribution.concentration))


def at(point, distribution):
    """Angles of each coordinate to the first."""
    ratios = np.tan(point[:-1])
    z = np.append(1.0, ratios) * np.sign(np.cos(point[0]))
    return VonMisesFisher(z / np.linalg.norm(z), np.exp(point[-1]))
