"""Geometric distribution: the number of trials up to the first success.

    log f(x) = (x - 1) log(1 - probability) + log probability,   support: whole x >= 1.

Weighted maximum likelihood: probability = sum w / sum w x, taken from sum w (x - 1) so that a column of ones gives exactly 1.
Of components that tie it, sums over all of them. Under a Beta(a, b) prior
of the probability it is (sum w + a - 1) / (sum w x + a + b - 2).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import counting, positive_probability
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.beta import Beta
from mixtures.engine.conjugate import log_beta_density
from mixtures.engine.coordinates import FRACTION
from mixtures.engine.plan import FAILED, is_held
from mixtures.engine.special import log, log_one_plus
from mixtures.engine.ties import pooled

PROBABILITY = 0
HELD = 1
LOG_SUCCESS = 2
LOG_FAILURE = 3
TIES = 4
ALPHA = 5  # of the prior; both are 1 without one
BETA = 6
SIZE = 7


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        p = parameters[k, PROBABILITY]
        parameters[k, LOG_SUCCESS] = log(p)
        parameters[k, LOG_FAILURE] = log_one_plus(-p) if p < 1.0 else -np.inf


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    for k in range(out.shape[0]):
        row = out[k]
        success, failure = parameters[k, LOG_SUCCESS], parameters[k, LOG_FAILURE]
        for i in range(row.size):
            count = cells[i]
            inside = count == np.floor(count) and 1.0 < count < np.inf
            value = success + (count - 1.0) * failure if inside else -np.inf
            row[i] += success if count == 1.0 else value  # 0 times the logarithm of 0 is none


@jit_sums
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    cells = x[0]
    for k in range(responsibilities.shape[0]):
        share = responsibilities[k]
        total = 0.0
        for i in range(share.size):
            total += share[i] * (cells[i] - 1.0)
        statistics[k, 1] += total


@jit
def _maximize(statistics, parameters):
    shared = pooled(statistics, parameters, TIES, 1)
    for k in range(parameters.shape[0]):
        total, value = shared if parameters[k, TIES] != 0.0 else (statistics[k, 0], statistics[k, 1])
        if total > 0.0 and not is_held(parameters[k, HELD], 0):
            failures = (value + (parameters[k, BETA] - 1.0)) / (total + (parameters[k, ALPHA] - 1.0))
            if not failures < np.inf:
                return FAILED
            parameters[k, PROBABILITY] = 1.0 / (1.0 + max(failures, 0.0))
    return 0


@jit
def _log_prior(parameters):
    value, met = 0.0, False
    for k in range(parameters.shape[0]):
        p = parameters[k]
        if p[TIES] == 0.0 or not met:
            value += log_beta_density(p[PROBABILITY], p[ALPHA], p[BETA])
        met = met or p[TIES] != 0.0
    return value


class Geometric(Family):
    """Geometric distribution of one column of counts 1, 2, ...: trials up to and with the first success.

    Parameters
    ----------
    probability : float in (0, 1], of a success, or None to be learned. The mean is 1 / probability.
    prior : :class:`~mixtures.distributions.Beta` of the probability, both arguments >= 1, or None: a fit is then its most probable
        value.

    Notes
    -----
    ``scipy.stats.geom(p=probability)``, whose support begins at 1; for probability 1 ``scipy.stats.bernoulli(0, loc=1)``.
    Failures before the first success, 0, 1, 2, ..., are one less: fit ``x + 1``, or ``NegativeBinomial`` with size 1. A column
    of ones gives probability 1, the point mass at 1.

    Examples
    --------
    >>> Geometric(0.5).log_prob([1, 2, 0]).round(6)
    array([-0.693147, -1.386294,      -inf])
    >>> Geometric().fit([1, 2, 5, 8])
    Geometric(probability=0.25)
    """

    parameters = {"probability": positive_probability}
    support = counting
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    carries = True
    coordinates = ((FRACTION, PROBABILITY, 1, 0),)
    held = HELD
    ties = TIES

    def __init__(self, probability: float | None = None, *, prior: Beta | None = None) -> None:
        super().__init__(probability=probability)
        self._take_prior(prior, Beta, alpha=1.0, beta=1.0)

    probability: float

    @property
    def mean(self) -> float:
        """1 / probability."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """(1 - probability) / probability^2."""
        return self._moment("var")

    def _scipy(self):
        # Quantiles of geom divide by log(1 - p).
        return (
            (scipy.stats.geom, (self.probability,), {}) if self.probability < 1.0 else (scipy.stats.bernoulli, (0.0,), {"loc": 1})
        )

    def _layout(self, column):
        return SIZE, 2

    def _pack(self, column):
        alpha, beta = (1.0, 1.0) if self.prior is None else (self.prior.alpha, self.prior.beta)
        return self.probability, 0.0, 0.0, 0.0, 0.0, alpha, beta

    def _unpack(self, row, column):
        return Geometric(row[PROBABILITY])._under(self.prior)

    def _expected(self, row, column):
        return 1.0, 1.0 / row[PROBABILITY] - 1.0

    def _start(self, column):
        return Geometric(1.0 / max(column.upper / 2, 1.5), prior=self.prior)
