"""Exponential distribution.

    log f(x) = log rate - rate x,   support: x >= 0.

Weighted maximum likelihood: rate = sum w / sum w x; of components that tie it, both sums over all of them. Under a Gamma(a, b)
prior of the rate, rate = (sum w + a - 1) / (sum w x + b), the mode of its posterior (Gelman et al. 2013,
"Bayesian data analysis", section 2.6).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import nonnegative, positive
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.gamma import Gamma
from mixtures.engine.conjugate import log_gamma_density
from mixtures.engine.coordinates import LOG
from mixtures.engine.plan import FLOORED
from mixtures.engine.special import log
from mixtures.engine.ties import pooled

# Parameters of one column.
RATE = 0
FLOOR = 1  # of the mean
UNIT = 2  # a power of two, in which the column is summed: at 1e308 a sum of rows would overflow
LOG_RATE = 3
TIES = 4
PRIOR_SHAPE = 5  # 1, and a rate of 0, without one
PRIOR_RATE = 6
SIZE = 7


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        for j in range(0, parameters.shape[1], SIZE):
            parameters[k, j + LOG_RATE] = log(parameters[k, j + RATE])


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    for k in range(out.shape[0]):
        row = out[k]
        for j in range(x.shape[0]):
            cells = x[j]
            rate = parameters[k, j * SIZE + RATE]
            constant = parameters[k, j * SIZE + LOG_RATE]
            for i in range(row.size):
                row[i] += constant - rate * cells[i] if cells[i] >= 0.0 else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    for k in range(responsibilities.shape[0]):
        for j in range(x.shape[0]):
            scale = 1.0 / parameters[k, j * SIZE + UNIT]
            statistics[k, 1 + j] += _scaled_sum(responsibilities[k], x[j], scale)


@jit_sums
def _scaled_sum(share, cells, scale):
    """Sum of share * (cells * scale): a function of its own, since inside the loops above
    the loop does not vectorise (0.65 ns a row for 0.07)."""
    wide_vectors()
    total = 0.0
    for i in range(share.size):
        total += share[i] * (cells[i] * scale)
    return total


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for j in range(parameters.shape[1] // SIZE):
        shared = pooled(statistics, parameters, j * SIZE + TIES, 1 + j)
        for k in range(parameters.shape[0]):
            p = parameters[k, j * SIZE : (j + 1) * SIZE]
            total, value = shared if p[TIES] != 0.0 else (statistics[k, 0], statistics[k, 1 + j])
            if not total > 0.0:
                continue
            mean = (value + p[PRIOR_RATE] / p[UNIT]) / (total + (p[PRIOR_SHAPE] - 1.0)) * p[UNIT]
            if not mean > p[FLOOR]:
                mean = p[FLOOR]
                outcome |= FLOORED
            p[RATE] = 1.0 / mean
    return outcome


@jit
def _log_prior(parameters):
    value = 0.0
    for j in range(0, parameters.shape[1], SIZE):
        met = False
        for k in range(parameters.shape[0]):
            p = parameters[k, j : j + SIZE]
            if p[TIES] == 0.0 or not met:
                value += log_gamma_density(p[RATE], p[PRIOR_SHAPE], p[PRIOR_RATE])
            met = met or p[TIES] != 0.0
    return value


class Exponential(Family):
    """Exponential distribution of one column of values >= 0: waiting times without memory.

    Parameters
    ----------
    rate : float > 0, events per unit of the column (1 / mean), or None to be learned.
    prior : :class:`~mixtures.distributions.Gamma` of the rate with a shape >= 1, or None: a fit is then its most probable value.

    Notes
    -----
    ``scipy.stats.expon(scale=1 / rate)``. On a column of zeros the mean is held at 16 rounding errors of the column's largest
    value (of 1 if all are zero), with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Exponential(2.0).log_prob([0.0, -1.0]).round(6)
    array([0.693147,     -inf])
    >>> Exponential().fit([1.0, 3.0])
    Exponential(rate=0.5)
    """

    parameters = {"rate": positive}
    support = nonnegative
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    carries = True
    coordinates = ((LOG, RATE, 1, 0),)
    several_columns = True
    ties = TIES

    def __init__(self, rate: float | None = None, *, prior: Gamma | None = None) -> None:
        super().__init__(rate=rate)
        self._take_prior(prior, Gamma, shape=1.0)

    rate: float

    @property
    def mean(self) -> float:
        """1 / rate."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """1 / rate^2."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.expon, (), {"scale": 1.0 / self.rate}

    def _layout(self, column):
        return SIZE, 2

    def _pack(self, column):
        shape, rate = (1.0, 0.0) if self.prior is None else (self.prior.shape, self.prior.rate)
        return self.rate, column.floor, column.unit, 0.0, 0.0, shape, rate

    def _unpack(self, row, column):
        return Exponential(row[RATE])._under(self.prior)

    def _expected(self, row, column):
        return 1.0, 1.0 / row[RATE] / row[UNIT]

    def _start(self, column):
        return Exponential(1.0 / max(column.upper / 2, column.floor), prior=self.prior)
