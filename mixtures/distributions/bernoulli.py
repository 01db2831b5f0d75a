"""Bernoulli distribution.

    log f(1) = log p, log f(0) = log(1 - p),   support: 0 and 1 (False and True).

Weighted maximum likelihood: p = sum w x / sum w; the ends 0 and 1 are allowed. Of components that tie p, both sums over all of
them. Under a Beta(a, b) prior of p, p = (sum w x + a - 1) / (sum w + a + b - 2), the mode of its posterior (Gelman et al. 2013,
"Bayesian data analysis", section 2.1).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import probability, zero_one
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.beta import Beta
from mixtures.engine.conjugate import log_beta_density
from mixtures.engine.coordinates import FRACTION
from mixtures.engine.special import log
from mixtures.engine.ties import pooled

PROBABILITY = 0
LOG_ONE = 1
LOG_ZERO = 2
TIES = 3
ALPHA = 4  # of the prior; both are 1 without one
BETA = 5
SIZE = 6


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        for j in range(0, parameters.shape[1], SIZE):
            p = parameters[k, j + PROBABILITY]
            parameters[k, j + LOG_ONE] = log(p)
            parameters[k, j + LOG_ZERO] = np.log1p(-p) if p < 1.0 else -np.inf


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    for k in range(out.shape[0]):
        row = out[k]
        for j in range(x.shape[0]):
            cells = x[j]
            one = parameters[k, j * SIZE + LOG_ONE]
            zero = parameters[k, j * SIZE + LOG_ZERO]
            for i in range(row.size):
                otherwise = zero if cells[i] == 0.0 else -np.inf
                row[i] += one if cells[i] == 1.0 else otherwise


@jit_sums
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    for k in range(responsibilities.shape[0]):
        share = responsibilities[k]
        for j in range(x.shape[0]):
            cells = x[j]
            total = 0.0
            for i in range(share.size):
                total += share[i] * cells[i]
            statistics[k, 1 + j] += total


@jit
def _maximize(statistics, parameters):
    for j in range(parameters.shape[1] // SIZE):
        shared = pooled(statistics, parameters, j * SIZE + TIES, 1 + j)
        for k in range(parameters.shape[0]):
            p = parameters[k, j * SIZE : (j + 1) * SIZE]
            total, ones = shared if p[TIES] != 0.0 else (statistics[k, 0], statistics[k, 1 + j])
            if total > 0.0:
                more, fewer = p[ALPHA] - 1.0, p[BETA] - 1.0
                # Both sums round differently: their quotient may pass 1 by a last digit.
                p[PROBABILITY] = min(1.0, max(0.0, (ones + more) / (total + (more + fewer))))
    return 0


@jit
def _log_prior(parameters):
    value = 0.0
    for j in range(0, parameters.shape[1], SIZE):
        met = False
        for k in range(parameters.shape[0]):
            p = parameters[k, j : j + SIZE]
            if p[TIES] == 0.0 or not met:
                value += log_beta_density(p[PROBABILITY], p[ALPHA], p[BETA])
            met = met or p[TIES] != 0.0
    return value


class Bernoulli(Family):
    """Bernoulli distribution of one column of 0 and 1, or False and True.

    Parameters
    ----------
    probability : float in [0, 1], of a 1, or None to be learned.
    prior : :class:`~mixtures.distributions.Beta` of the probability, both arguments >= 1, or None: a fit is then its most probable
        value.

    Notes
    -----
    ``scipy.stats.bernoulli(p=probability)``.

    Examples
    --------
    >>> Bernoulli(0.25).log_prob([1, 2]).round(6)
    array([-1.386294,      -inf])
    >>> Bernoulli().fit([True, False, False, False])
    Bernoulli(probability=0.25)
    """

    parameters = {"probability": probability}
    support = zero_one
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    carries = True
    coordinates = ((FRACTION, PROBABILITY, 1, 0),)
    several_columns = True
    ties = TIES

    def __init__(self, probability: float | None = None, *, prior: Beta | None = None) -> None:
        super().__init__(probability=probability)
        self._take_prior(prior, Beta, alpha=1.0, beta=1.0)

    probability: float

    @property
    def mean(self) -> float:
        """The probability of a 1."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """p (1 - p)."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.bernoulli, (self.probability,), {}

    def _layout(self, column):
        return SIZE, 2

    def _pack(self, column):
        alpha, beta = (1.0, 1.0) if self.prior is None else (self.prior.alpha, self.prior.beta)
        return self.probability, 0.0, 0.0, 0.0, alpha, beta

    def _unpack(self, row, column):
        return Bernoulli(row[PROBABILITY])._under(self.prior)

    def _expected(self, row, column):
        return 1.0, row[PROBABILITY]

    def _start(self, column):
        return Bernoulli(0.5, prior=self.prior)
