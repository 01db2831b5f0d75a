"""Multinomial in mpmath, its probabilities over their sum."""

import mpmath
import numpy as np

from mixtures.distributions import Multinomial

FAMILY = Multinomial
GRID = [([0.5, 0.5],), ([0.2, 0.3, 0.5],), ([0.0, 0.25, 0.75],), ([1e-300, 0.5, 0.5],), ([0.1, 0.2, 0.3, 0.05, 0.05, 0.3],)]
FITTED = [([0.2, 0.8],), ([0.2, 0.3, 0.5],), ([0.05, 0.05, 0.4, 0.5],)]
MIXED = [([0.5, 0.3, 0.2],), ([0.2, 0.2, 0.6],)]
STARTED = [([0.4, 0.3, 0.3],), ([0.3, 0.3, 0.4],)]


def rows(distribution, random):
    d = distribution.n_features
    one = np.zeros(d)
    one[-1] = 1.0
    near = [distribution.sample(3, random, trials=trials) for trials in (0, 1, 5, 60, 63, 64, 1000, 10**6, 10**7)]
    far = [trials * random.dirichlet(np.ones(d), 1).round(2) for trials in (100, 10**5)]
    return np.concatenate([*near, *far, [7 * one, 10**7 * one]]).round()


def draw(distribution, n, random):
    return distribution.sample(n, random, trials=random.poisson(12, n))


def terms(row, probabilities):
    yield mpmath.loggamma(sum(row) + 1)
    for x, p in zip(row, probabilities, strict=True):
        yield -mpmath.loggamma(x + 1)
        if x:
            yield x * mpmath.log(p / sum(probabilities)) if p else -mpmath.inf


def log_density(row, probabilities):
    return sum(terms(row, probabilities))


def size(row, probabilities):
    """Totals below 64, and others in their company, add the textbook's terms; there a bare sum keeps 13 digits of its largest."""
    found = abs(log_density(row, probabilities)) + 1 + sum(mpmath.log(x + 1) for x in row)
    return max(found, sum(abs(term) for term in terms(row, probabilities))) if sum(row) < 64 else found


def point(distribution):
    p = np.array(distribution.probabilities)
    return np.log(p[:-1] / p[-1])


def at(point, distribution):
    shares = np.exp(np.append(point, 0.0))
    return Multinomial(shares / shares.sum())
