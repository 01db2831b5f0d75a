"""Bernoulli in mpmath."""

import mpmath

from mixtures.distributions import Bernoulli

FAMILY = Bernoulli
GRID = [(chance,) for chance in (1e-300, 1e-10, 0.3, 0.5, 0.9, 1 - 1e-12)]
FITTED = [(0.1,), (0.5,), (0.97,)]
MIXED = [(0.1,), (0.8,)]
STARTED = [(0.3,), (0.6,)]


def points(distribution):
    return [0.0, 1.0]


def log_density(x, chance):
    return mpmath.log(chance) if x else mpmath.log(1 - chance)
