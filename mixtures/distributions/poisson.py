"""Poisson distribution.

    log f(x) = x log rate - rate - log x!,   support: whole x >= 0.

Computed as -D(x, rate) - stirling_error(x) - log(2 pi x) / 2 with the deviance D(x, rate) = x log(x / rate) + rate - x
(Loader 2000, "Fast and accurate computation of binomial probabilities"): the textbook form loses digits where its terms are
large and their sum is small. Small counts are read from a table of each component's log-masses, made once an iteration.

Weighted maximum likelihood: rate = sum w x / sum w; 0 for a column of zeros, a point mass there. Of components that tie the rate,
both sums over all of them. Under a Gamma(a, b) prior of the rate, rate = (sum w x + a - 1) / (sum w + b), the mode of its
posterior (Gelman et al. 2013, "Bayesian data analysis", section 2.6).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import inline, jit, jit_sums, wide_vectors
from mixtures.constraints import natural, nonnegative
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.gamma import Gamma
from mixtures.engine.conjugate import log_gamma_density
from mixtures.engine.coordinates import LOG
from mixtures.engine.special import HALF_LOG_2PI, log, poisson_deviance, stirling_error
from mixtures.engine.ties import pooled

RATE = 0
TIES = 1
PRIOR_SHAPE = 2  # 1, and a rate of 0, without one
PRIOR_RATE = 3
TABLE = 4  # log-mass at 0, 1, 2, ... up to the largest count or MAX_TABLE, then -inf for what is no count
MAX_TABLE = 256


@jit
def _base(x):
    """The part of log f that no component enters, for x > 0."""
    inline()
    return -HALF_LOG_2PI - 0.5 * log(x) - stirling_error(x)


@jit
def _log_mass(x, rate, base):
    """Branch-free log f(x) given base = _base(x)."""
    inline()
    whole = x >= 0.0 and x == np.floor(x) and x < np.inf
    value = base - poisson_deviance(x, rate)
    value = -rate if x == 0.0 else value
    return value if whole else -np.inf


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        rate = parameters[k, RATE]
        size = parameters.shape[1] - TABLE - 1
        for x in range(size):
            parameters[k, TABLE + x] = _log_mass(float(x), rate, _base(float(x)))
        parameters[k, TABLE + size] = -np.inf


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    size = parameters.shape[1] - TABLE - 1
    beyond = 0
    for i in range(cells.size):
        beyond += 0 if cells[i] < size else 1
    if beyond == 0:
        place = np.empty(cells.size, dtype=np.uint64)
        for i in range(cells.size):
            count = np.int64(cells[i])
            place[i] = np.uint64(count if float(count) == cells[i] and count >= 0 else size)
        for k in range(out.shape[0]):
            row = out[k]
            table = parameters[k, TABLE:]
            for i in range(row.size):
                row[i] += table[place[i]]
    else:
        base = np.empty(cells.size)
        for i in range(cells.size):
            base[i] = _base(cells[i]) if cells[i] > 0.0 else 0.0
        for k in range(out.shape[0]):
            row = out[k]
            rate = parameters[k, RATE]
            for i in range(row.size):
                row[i] += _log_mass(cells[i], rate, base[i])


@jit_sums
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    cells = x[0]
    for k in range(responsibilities.shape[0]):
        share = responsibilities[k]
        total = 0.0
        for i in range(share.size):
            total += share[i] * cells[i]
        statistics[k, 1] += total


@jit
def _maximize(statistics, parameters):
    shared = pooled(statistics, parameters, TIES, 1)
    for k in range(parameters.shape[0]):
        total, value = shared if parameters[k, TIES] != 0.0 else (statistics[k, 0], statistics[k, 1])
        if total > 0.0:
            p = parameters[k]
            p[RATE] = (value + (p[PRIOR_SHAPE] - 1.0)) / (total + p[PRIOR_RATE])
    return 0


@jit
def _log_prior(parameters):
    value, met = 0.0, False
    for k in range(parameters.shape[0]):
        p = parameters[k]
        if p[TIES] == 0.0 or not met:
            value += log_gamma_density(p[RATE], p[PRIOR_SHAPE], p[PRIOR_RATE])
        met = met or p[TIES] != 0.0
    return value


class Poisson(Family):
    """Poisson distribution of one column of counts.

    Parameters
    ----------
    rate : float >= 0, mean count, or None to be learned. Rate 0 is the point mass at 0.
    prior : :class:`~mixtures.distributions.Gamma` of the rate with a shape >= 1, or None: a fit is then its most probable value.

    Notes
    -----
    ``scipy.stats.poisson(mu=rate)``.

    Examples
    --------
    >>> Poisson(2.0).log_prob([0, 1.5]).round(6)
    array([ -2., -inf])
    >>> Poisson().fit([1, 2, 6])
    Poisson(rate=3.0)
    """

    parameters = {"rate": nonnegative}
    support = natural
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    ties = TIES
    carries = True
    coordinates = ((LOG, RATE, 1, 0),)

    def __init__(self, rate: float | None = None, *, prior: Gamma | None = None) -> None:
        super().__init__(rate=rate)
        self._take_prior(prior, Gamma, shape=1.0)

    rate: float

    @property
    def mean(self) -> float:
        """The rate."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """The rate."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.poisson, (self.rate,), {}

    def _layout(self, column):
        # A table no longer than the data: a fit of a few rows should not pay for a long one.
        largest = column.upper if np.isfinite(column.upper) and column.upper >= 0 else -1.0
        return TABLE + int(min(largest + 1, MAX_TABLE, column.n_rows)) + 1, 2

    def _pack(self, column):
        shape, rate = (1.0, 0.0) if self.prior is None else (self.prior.shape, self.prior.rate)
        return (self.rate, 0.0, shape, rate, *[0.0] * (self._layout(column)[0] - TABLE))

    def _unpack(self, row, column):
        return Poisson(row[RATE])._under(self.prior)

    def _expected(self, row, column):
        return 1.0, row[RATE]

    def _start(self, column):
        return Poisson(max(column.upper / 2, 0.5), prior=self.prior)
