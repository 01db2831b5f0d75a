"""Dirichlet-multinomial in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import DirichletMultinomial

FAMILY = DirichletMultinomial
GRID = [
    ([0.5, 0.9],),
    ([1e-3, 1e-3, 2e-3],),
    ([1.0, 1.0, 1.0, 1.0],),
    ([1e-3, 5.0, 1e6],),
    ([1e6, 3e6, 5e5],),
    ([1e9, 3e9],),
    ([30.0] * 7,),
]
FITTED = [([0.5, 0.9],), ([0.05, 0.02, 0.1],), ([40.0, 3.0, 7.0],), ([300.0, 200.0, 50.0, 9.0],)]
MIXED = [([2.0, 5.0, 1.0],), ([8.0, 2.0, 4.0],)]
STARTED = [([3.0, 4.0, 1.0],), ([5.0, 3.0, 3.0],)]


def rows(distribution, random):
    d = distribution.n_features
    one = np.zeros(d)
    one[-1] = 1.0
    near = [distribution.sample(3, random, trials=trials) for trials in (0, 1, 5, 60, 200, 1000, 10**6)]
    return np.concatenate([*near, [7 * one, 1e5 * one, np.arange(d) + 1.0]])


def draw(distribution, n, random):
    return distribution.sample(n, random, trials=random.poisson(30, n))


def terms(row, concentration):
    total, n = sum(concentration), sum(row)
    yield mpmath.loggamma(n + 1)
    yield mpmath.loggamma(total) - mpmath.loggamma(total + n) + n * mpmath.log(total)
    for x, a in zip(row, concentration, strict=True):
        yield -mpmath.loggamma(x + 1)
        yield mpmath.loggamma(a + x) - mpmath.loggamma(a) - x * mpmath.log(total)


def log_density(row, concentration):
    return sum(terms(row, concentration))


def size(row, concentration):
    """Totals below 128 add the textbook's terms, scaled by the sum, from tables; of others logarithms are left."""
    logs = sum(abs(mpmath.log(a)) + mpmath.log(x + 1) for x, a in zip(row, concentration, strict=True))
    found = abs(log_density(row, concentration)) + logs
    return max(found, sum(abs(term) for term in terms(row, concentration))) if sum(row) < 128 else found


def point(distribution):
    return np.log(distribution.concentration)


def at(point, distribution):
    return DirichletMultinomial(np.exp(point))
