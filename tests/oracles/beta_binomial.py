"""Beta-binomial in mpmath."""

import mpmath
import numpy as np

from mixtures.distributions import BetaBinomial

FAMILY = BetaBinomial
SHAPES = [
    (1e-9, 1e-6),
    (1e-3, 1e-3),
    (1e-3, 1e6),
    (0.3, 7.5),
    (1.0, 1.0),
    (40.0, 3.0),
    (1e6, 1e6),
    (2e9, 3e7),
    (1e13, 3e13),
]
GRID = [(trials, alpha, beta) for trials in (1, 2, 10, 63, 200, 1000, 10**6, 10**12) for alpha, beta in SHAPES]
FITTED = [(10, 0.3, 0.9), (20, 1e-2, 3e-2), (1000, 40.0, 3.0), (10**6, 2.0, 5.0), (5, 6.0, 1.0)]
MIXED = [(20, 2.0, 6.0), (20, 9.0, 3.0)]
STARTED = [(20, 2.0, 3.0), (20, 4.0, 3.0)]


def points(distribution):
    n = distribution.trials
    mean, std = n * distribution.alpha / (distribution.alpha + distribution.beta), float(n) ** 0.5
    x = np.rint(mean + std * np.array([-40, -7, -1, -0.3, -0.1, 0, 0.1, 0.3, 1, 4, 100]))
    low = np.array([0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 64, 65, 255, 256, 1000, 1e6, 1e9])
    x = np.concatenate([x, low, n - low, [n // 2]])
    return np.unique(x[(x >= 0) & (x <= n)])


def log_density(x, trials, alpha, beta):
    with mpmath.workdps(80):
        y, total = trials - x, alpha + beta
        ways = mpmath.loggamma(trials + 1) - mpmath.loggamma(x + 1) - mpmath.loggamma(y + 1)
        rising = mpmath.loggamma(alpha + x) - mpmath.loggamma(alpha) + mpmath.loggamma(beta + y) - mpmath.loggamma(beta)
        return ways + rising - mpmath.loggamma(total + trials) + mpmath.loggamma(total)
