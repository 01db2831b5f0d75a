"""Half-normal distribution: the absolute value of a normal one about 0.

    log f(x) = -x^2 / (2 scale^2) - log scale + log(2 / pi) / 2,   support: x >= 0.

Weighted maximum likelihood: scale^2 = sum w x^2 / sum w, about 0 and not about the mean (Johnson, Kotz & Balakrishnan 1994,
"Continuous univariate distributions", chapter 13). Of components that tie the scale, sums over all of them. Under an
InverseGamma(a, b) prior of scale^2 it is (sum w x^2 + 2 b) / (sum w + 2 a + 2).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import nonnegative, positive
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.inverse_gamma import InverseGamma
from mixtures.engine.conjugate import log_inverse_gamma_density
from mixtures.engine.coordinates import LOG
from mixtures.engine.plan import FLOORED, is_held
from mixtures.engine.special import log
from mixtures.engine.ties import pooled

# Parameters of one column, in its unit.
SCALE = 0
HELD = 1
FLOOR = 2
LOG_UNIT = 3
SLOPE = 4  # 1 / (sqrt(2) scale): squared after it meets a value, so that the scale itself may be as small as 1e-300
CONSTANT = 5
TIES = 6
PRIOR_POWER = 7  # shape + 1 of a prior; both are 0 without one
PRIOR_SCALE = 8
SIZE = 9

HALF_LOG_2_OVER_PI = -0.22579135264472744


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        for j in range(0, parameters.shape[1], SIZE):
            scale = parameters[k, j + SCALE]
            parameters[k, j + SLOPE] = 0.7071067811865476 / scale
            parameters[k, j + CONSTANT] = HALF_LOG_2_OVER_PI - log(scale) - parameters[k, j + LOG_UNIT]


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    for k in range(out.shape[0]):
        row = out[k]
        for j in range(x.shape[0]):
            cells = x[j]
            slope, constant = parameters[k, j * SIZE + SLOPE], parameters[k, j * SIZE + CONSTANT]
            for i in range(row.size):
                t = cells[i] * slope
                row[i] += constant - t * t if cells[i] >= 0.0 else -np.inf


@jit_sums
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    for k in range(responsibilities.shape[0]):
        share = responsibilities[k]
        for j in range(x.shape[0]):
            cells = x[j]
            total = 0.0
            for i in range(share.size):
                total += share[i] * cells[i] * cells[i]
            statistics[k, 1 + j] += total


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for j in range(parameters.shape[1] // SIZE):
        shared = pooled(statistics, parameters, j * SIZE + TIES, 1 + j)
        for k in range(parameters.shape[0]):
            p = parameters[k, j * SIZE : (j + 1) * SIZE]
            total, squares = shared if p[TIES] != 0.0 else (statistics[k, 0], statistics[k, 1 + j])
            if not total > 0.0 or is_held(p[HELD], SCALE):
                continue
            scale = np.sqrt((squares + 2.0 * p[PRIOR_SCALE]) / (total + 2.0 * p[PRIOR_POWER]))
            if not scale > p[FLOOR]:
                scale = p[FLOOR]
                outcome |= FLOORED
            p[SCALE] = scale
    return outcome


@jit
def _log_prior(parameters):
    value = 0.0
    for j in range(0, parameters.shape[1], SIZE):
        met = False
        for k in range(parameters.shape[0]):
            p = parameters[k, j : j + SIZE]
            shared = p[TIES] != 0.0 and not is_held(p[HELD], SCALE)
            if p[PRIOR_POWER] > 0.0 and not (shared and met):
                log_variance, variance = 2.0 * log(p[SCALE]), p[SCALE] * p[SCALE]
                density = log_inverse_gamma_density(log_variance, variance, p[PRIOR_POWER] - 1.0, p[PRIOR_SCALE])
                value += density - 2.0 * p[LOG_UNIT]
            met = met or shared
    return value


class HalfNormal(Family):
    """Half-normal distribution of one column of values >= 0: sizes of errors, distances from a line.

    Parameters
    ----------
    scale : float > 0, root of the mean square of the values, or None to be learned. It is the standard deviation of the normal
        distribution that is folded, not that of the values.
    prior : :class:`~mixtures.distributions.InverseGamma` of scale^2, or None: a fit is then its most probable value.

    Notes
    -----
    ``scipy.stats.halfnorm(scale=scale)``. On a column of zeros the scale is held at 16 rounding errors of the column's largest
    value (of 1 if all are zero), with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> HalfNormal(1.0).log_prob([0.0, -1.0]).round(6)
    array([-0.225791,      -inf])
    >>> HalfNormal().fit([1.0, 7.0])
    HalfNormal(scale=5.0)
    """

    parameters = {"scale": positive}
    support = nonnegative
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    carries = True
    coordinates = ((LOG, SCALE, 1, 0),)
    several_columns = True
    uses_unit = True
    held = HELD
    ties = TIES

    def __init__(self, scale: float | None = None, *, prior: InverseGamma | None = None) -> None:
        super().__init__(scale=scale)
        self._take_prior(prior, InverseGamma)

    scale: float

    @property
    def mean(self) -> float:
        """scale sqrt(2 / pi)."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """scale^2 (1 - 2 / pi)."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.halfnorm, (), {"scale": self.scale}

    def _layout(self, column):
        return SIZE, 2

    def _pack(self, column):
        unit = column.unit
        power, scale = (0.0, 0.0) if self.prior is None else (self.prior.shape + 1.0, self.prior.scale / unit / unit)
        return self.scale / unit, 0.0, column.floor / unit, np.log(unit), 0.0, 0.0, 0.0, power, scale

    def _unpack(self, row, column):
        return HalfNormal(row[SCALE] * column.unit)._under(self.prior)

    def _expected(self, row, column):
        return 1.0, row[SCALE] ** 2

    def _start(self, column):
        return HalfNormal(max(column.upper / 2, column.floor), prior=self.prior)
