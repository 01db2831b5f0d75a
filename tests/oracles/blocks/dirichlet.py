"""Dirichlet in mpmath: a row stands for its shares."""

import mpmath
import numpy as np

from mixtures.distributions import Dirichlet

FAMILY = Dirichlet
GRID = [
    ([0.5, 0.9],),
    ([1e-3, 1e-3, 2e-3],),
    ([1.0, 1.0, 1.0, 1.0],),
    ([10.0, 20.0, 19.9],),
    ([10.0, 20.0, 20.0],),
    ([1e-3, 5.0, 1e6],),
    ([1e6, 3e6, 5e5],),
    ([300.0] * 7,),
]
FITTED = [([0.5, 0.9],), ([0.05, 0.02, 0.1],), ([40.0, 3.0, 7.0],), ([1e6, 3e6, 5e5],)]
MIXED = [([2.0, 5.0, 1.0],), ([8.0, 2.0, 4.0],)]
STARTED = [([3.0, 4.0, 1.0],), ([5.0, 3.0, 3.0],)]


def rows(distribution, random):
    d = distribution.n_features
    near = distribution.sample(8, random)
    far = random.dirichlet(np.ones(d), 4)
    corner = np.full((1, d), 1e-300)
    corner[0, 0] = 1.0
    return np.concatenate([near, far, corner, np.full((1, d), 1.0 / d)])


def log_density(row, concentration):
    return sum(terms(row, concentration))


def terms(row, concentration):
    total = sum(row)
    yield mpmath.loggamma(sum(concentration))
    for x, a in zip(row, concentration, strict=True):
        yield -mpmath.loggamma(a)
        yield (a - 1) * mpmath.log(x / total)


def size(row, concentration):
    """To a sum of 50 the textbook's terms are added as they are; beyond, deviances and logarithms of shares."""
    if sum(concentration) < 50:
        return sum(abs(term) for term in terms(row, concentration))
    return abs(log_density(row, concentration)) + sum(abs(mpmath.log(value)) for value in [*row, *concentration])


def point(distribution):
    return np.log(distribution.concentration)


def at(point, distribution):
    return Dirichlet(np.exp(point))
