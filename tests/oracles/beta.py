"""Beta in mpmath."""

import mpmath

from mixtures.distributions import Beta

FAMILY = Beta
GRID = [(a, b) for a in (1e-3, 0.3, 1.0, 7.0, 39.5, 1e3, 1e6) for b in (1e-3, 0.5, 2.0, 33.0, 500.0, 1e6)]
FITTED = [(0.4, 2.0), (3.0, 0.6), (1e-1, 1.0), (200.0, 5.0), (2.0, 1e6), (1e5, 1e6)]
MIXED = [(2.0, 7.0), (30.0, 8.0)]
STARTED = [(1.0, 2.0), (5.0, 3.0)]


def log_density(x, alpha, beta):
    constant = mpmath.loggamma(alpha + beta) - mpmath.loggamma(alpha) - mpmath.loggamma(beta)
    return constant + (alpha - 1) * mpmath.log(x) + (beta - 1) * mpmath.log1p(-x)


def size(x, alpha, beta):
    # n x is rounded, and the deviance passes that on by alpha / (n x) - 1: the condition of the density, whatever its form.
    return abs(log_density(x, alpha, beta)) + abs(alpha - (alpha + beta) * x) / 100
