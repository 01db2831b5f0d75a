"""Binomial in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import Binomial

FAMILY = Binomial
GRID = [
    (trials, p)
    for trials in (1, 2, 10, 40, 1000, 10**6, 10**12)
    for p in (1e-300, 1e-12, 1e-3, 0.3, 0.5, 0.75, 1 - 1e-9, 1 - 2**-53)
]
FITTED = [(10, 0.3), (1, 0.5), (1000, 0.99), (10**9, 1e-8)]
MIXED = [(20, 0.2), (20, 0.6)]
STARTED = [(20, 0.3), (20, 0.5)]


def points(distribution):
    trials, mean, std = distribution.trials, distribution.mean, distribution.variance**0.5
    x = np.rint(mean + std * np.array([-40, -7, -1, 0, 0.1, 1, 4, 100]))
    x = np.concatenate([x, [0, 1, 2, 3, 15, 16, 17, 255, 256, 257, 1000, 1e6, 1e9], trials - np.array([0, 1, 2, 16, 300])])
    return np.unique(x[(x >= 0) & (x <= trials)])


def log_density(x, trials, probability):
    with mpmath.workdps(360):  # 1 - 1e-300
        ways = mpmath.loggamma(trials + 1) - mpmath.loggamma(x + 1) - mpmath.loggamma(trials - x + 1)
        return ways + x * mpmath.log(probability) + (trials - x) * mpmath.log(1 - probability)
