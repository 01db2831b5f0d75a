"""Inverse gamma distribution: that of 1 / y where y is Gamma with the same shape and the scale as its rate.

    log f(x) = shape log(scale) - log Gamma(shape) - (shape + 1) log x - scale / x,   support: x > 0.

Weighted maximum likelihood: that of Gamma for the values 1 / x, means weighted: log(shape) - digamma(shape) =
log(mean(1 / x)) + mean(log x), scale = shape / mean(1 / x). With the scale held, digamma(shape) = log(scale) - mean(log x).

Both are computed as Gamma's are (see there).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import positive
from mixtures.constraints import shape as positive_shape
from mixtures.distributions import gamma
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.gamma import (
    CENTRE,
    CONSTANT,
    HELD,
    REFERENCE,
    SHAPE,
    SIZE,
    TIES,
    carried,
    deviance,
    expected,
    is_far,
    logs_of,
)
from mixtures.engine.coordinates import LOG
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import log, poisson_deviance

SCALE = gamma.RATE  # of Gamma's kernels, whose values are 1 / x


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    logs = np.empty(cells.size)
    logs_of(cells, logs)
    for k in range(out.shape[0]):
        row = out[k]
        shape, scale, constant = parameters[k, SHAPE], parameters[k, SCALE], parameters[k, CONSTANT]
        if is_far(shape, scale):
            log_scale = log(scale)
            for i in range(row.size):
                value = constant - logs[i] - deviance(shape, scale / cells[i], log_scale - logs[i])
                row[i] += value if 0.0 < cells[i] < np.inf else -np.inf
        else:
            for i in range(row.size):
                value = constant - (shape + 1.0) * logs[i] - scale / cells[i]
                row[i] += value if 0.0 < cells[i] < np.inf else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    cells = x[0]
    logs, first, second = np.empty(cells.size), np.empty(cells.size), np.empty(cells.size)
    logs_of(cells, logs)
    for k in range(responsibilities.shape[0]):
        smallest = 1.0 / parameters[k, REFERENCE]
        # Rows outside the support belong to other components, but an infinity times their share of 0 would be no number.
        if parameters[k, CENTRE] > 0.0:
            centre = 1.0 / parameters[k, CENTRE]
            for i in range(cells.size):
                inside = 0.0 < cells[i] < np.inf
                # D(x, c) / x = D(1, c / x), which overflows later, but is coarser where x is near c.
                value = poisson_deviance(cells[i], centre) / cells[i]
                value = value if cells[i] < 1e290 else poisson_deviance(1.0, centre / cells[i])
                first[i] = (centre - cells[i]) / cells[i] if inside else 0.0
                second[i] = value if inside else 0.0
        else:
            for i in range(cells.size):
                first[i] = smallest / cells[i] if cells[i] > 0.0 else 0.0
                second[i] = -logs[i]
        statistics[k, 1] += weighted_total(first, responsibilities[k])
        statistics[k, 2] += weighted_total(second, responsibilities[k])


class InverseGamma(Family):
    """Inverse gamma distribution of one column of values > 0: variances, and other sizes with a heavy upper tail.

    Parameters
    ----------
    shape : float > 0, or None to be learned. Moments of an order below it are finite.
    scale : float > 0, in the unit of the column, or None to be learned. The mean is scale / (shape - 1).
    prior : :class:`~mixtures.distributions.Gamma` of the scale, given the shape, with a shape >= 1, or None: a fit is then the most
        probable shape and scale, the prior of the shape being flat. Components under a prior can tie neither.

    Notes
    -----
    ``scipy.stats.invgamma(a=shape, scale=scale)``. Where all values agree within 16 rounding errors, the shape is held at about
    8e28, with a :class:`~mixtures.exceptions.DegenerateWarning`; rows whose scale would leave float64 are refused.

    Examples
    --------
    >>> InverseGamma(1.0, 1.0).log_prob([1.0, 0.0])
    array([ -1., -inf])
    >>> InverseGamma().fit([1.0, 2.0, 3.0])
    InverseGamma(shape=4.932644947861117, scale=8.071600823772739)
    """

    parameters = {"shape": positive_shape, "scale": positive}
    support = positive
    kernels = Kernels(gamma.prepare, _log_prob, _accumulate, gamma.maximize, gamma.log_prior)
    carries = True
    coordinates = ((LOG, SHAPE, 1, 0), (LOG, SCALE, 1, 1))
    held = HELD
    ties = TIES

    def __init__(self, shape: float | None = None, scale: float | None = None, *, prior: gamma.Gamma | None = None) -> None:
        super().__init__(shape=shape, scale=scale)
        self._take_prior(prior, gamma.Gamma, shape=1.0)

    shape: float
    scale: float

    @property
    def mean(self) -> float:
        """scale / (shape - 1), infinite for a shape of at most 1."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """scale^2 / ((shape - 1)^2 (shape - 2)), infinite for a shape of at most 2."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.invgamma, (self.shape,), {"scale": self.scale}

    def _prior_of(self, name):
        return gamma.refused_under_ties(self)

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        # The smallest value, whose inverse is the largest: 1e-300 stands for what has none.
        smallest = max(column.lower, 1e-300) if column.lower > 0.0 else 1.0
        return self.shape, self.scale, 0.0, 1.0 / smallest, 0.0, 0.0, 0.0, *gamma.packed_prior(self.prior)

    def _unpack(self, row, column):
        return InverseGamma(row[SHAPE], row[SCALE])._under(self.prior)

    def _expected(self, row, column):
        return expected(row)

    def _carried(self, statistics, old, new, before, after):
        return carried(statistics, old, new)

    def _start(self, column):
        return InverseGamma(1.0, max(column.lower, 1e-300) * 2.0, prior=self.prior)
