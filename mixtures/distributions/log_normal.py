"""Log-normal distribution: the logarithm of a log-normal value is normal.

    log f(x) = -(log x - mean_log)^2 / (2 std_log^2) - log std_log - log(2 pi) / 2 - log x,   support: x > 0.

The last term is the Jacobian of the logarithm. Weighted maximum likelihood: mean and standard deviation of log x, weighted, as
those of :mod:`~mixtures.distributions.normal`, whose kernels do the work on the logarithms of each block (Johnson, Kotz &
Balakrishnan 1994, "Continuous univariate distributions", chapter 14).

Logarithms are taken of x / unit, with a power of two in the middle of the column for a unit, so that values that lie close
together far from 1 keep the digits in which they differ.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.stats

from mixtures._numba import bits_to_float, jit, wide_vectors
from mixtures.constraints import log_location, log_scale, positive
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.normal import (
    CENTRE,
    HELD,
    LOG_UNIT,
    MEAN,
    NEAR_MEAN,
    SIZE,
    STD,
    TIES,
    _accumulate,
    _log_prob,
    _maximize,
    _prepare,
    log_prior_of,
    moved_moments,
    packed_prior,
)
from mixtures.engine.coordinates import LOG, REAL
from mixtures.engine.special import log
from mixtures.priors import NormalInverseGamma, moments

_LOG_2_HIGH = 6.93147180369123816490e-01  # 33 bits of log 2, so that a multiple by a whole number is exact
_LOG_2_LOW = 1.90821492927058770002e-10


@jit
def _logs(parameters, x, outside):
    """Logarithms of x / unit (d, b); `outside` beyond the support."""
    wide_vectors()
    logs = np.empty(x.shape)
    for j in range(x.shape[0]):
        cells, out = x[j], logs[j]
        exponent = np.int64(np.rint(parameters[0, j * SIZE + LOG_UNIT] / math.log(2.0)))
        inverse_unit = bits_to_float((np.int64(1023) - exponent) << np.int64(52))
        for i in range(cells.size):
            out[i] = log(cells[i] * inverse_unit) if 0.0 < cells[i] < np.inf else outside
    return logs


@jit
def _log_prob_of_logs(parameters, x, out):
    wide_vectors()
    # Infinity has log-density -inf under every normal distribution.
    logs = _logs(parameters, x, np.inf)
    _log_prob(parameters, logs, out)
    for j in range(1, logs.shape[0]):
        total, added = logs[0], logs[j]
        for i in range(total.size):
            total[i] += added[i]
    jacobian = logs[0]
    for k in range(out.shape[0]):
        row = out[k]
        for i in range(row.size):
            row[i] -= jacobian[i]


@jit
def _accumulate_logs(parameters, x, responsibilities, statistics):
    # A row outside the support has responsibility 0, which must not meet an infinity.
    _accumulate(parameters, _logs(parameters, x, 0.0), responsibilities, statistics)


@jit
def _log_prior(parameters):
    return log_prior_of(parameters, 0.0)


class LogNormal(Family):
    """Log-normal distribution of one column of values > 0: incomes, sizes of particles, latencies.

    Parameters
    ----------
    mean_log : float, mean of log x, or None to be learned. exp(mean_log) is the median of x, in the unit of the column.
    std_log : float > 0, standard deviation of log x, or None to be learned.
    prior : :class:`~mixtures.priors.NormalInverseGamma` of mean_log and std_log^2, or None: a fit is then their most probable
        value.

    Notes
    -----
    ``scipy.stats.lognorm(s=std_log, scale=exp(mean_log))``. A column whose values agree has no spread to learn: std_log is then
    held at 16 rounding errors of its logarithms, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> LogNormal(0.0, 1.0).log_prob([1.0, 0.0]).round(6)
    array([-0.918939,      -inf])
    >>> LogNormal().fit([1.0, 10.0, 100.0])
    LogNormal(mean_log=2.302585092994046, std_log=1.8800528557247882)
    """

    parameters = {"mean_log": log_location, "std_log": log_scale}
    support = positive
    kernels = Kernels(_prepare, _log_prob_of_logs, _accumulate_logs, _maximize, _log_prior)
    carries = True
    coordinates = ((REAL, MEAN, 1, 0), (LOG, STD, 1, 1))
    several_columns = True
    held = HELD
    ties = TIES

    def __init__(
        self, mean_log: float | None = None, std_log: float | None = None, *, prior: NormalInverseGamma | None = None
    ) -> None:
        super().__init__(mean_log=mean_log, std_log=std_log)
        self._take_prior(prior, NormalInverseGamma)

    mean_log: float
    std_log: float

    @property
    def mean(self) -> float:
        """exp(mean_log + std_log^2 / 2)."""
        self._require_complete()
        with np.errstate(over="ignore"):
            return float(np.exp(self.mean_log + self.std_log**2 / 2))

    @property
    def variance(self) -> float:
        """(exp(std_log^2) - 1) mean^2."""
        self._require_complete()
        with np.errstate(over="ignore"):
            return float(np.expm1(self.std_log**2) * np.exp(2.0 * self.mean_log + self.std_log**2))

    def _scipy(self):
        with np.errstate(over="ignore"):
            return scipy.stats.lognorm, (self.std_log,), {"scale": np.exp(self.mean_log)}

    def _prior_of(self, name):
        if self.prior is None:
            return None
        return (self.prior.shape, self.prior.scale) if name == "std_log" else (self.prior.mean, self.prior.mean_weight)

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        unit = _exponent(column)
        mean_log = _in_units(self.mean_log, unit)
        centre = 0.0 if abs(mean_log) <= NEAR_MEAN * self.std_log else mean_log
        ends = [value - unit * math.log(2.0) for value in _end_logs(column)]
        of = (0.0, 0.0, 0.0, 0.0)
        if self.prior is not None:
            of = packed_prior(self.prior, 0.0, 1.0)
            of = (_in_units(of[0], unit), *of[1:])
        return mean_log, self.std_log, centre, _floor(ends), unit * math.log(2.0), 0.0, 0.0, 0.0, 0.0, 0.0, *of

    def _unpack(self, row, column):
        mean_log, std_log, *_ = row.tolist()
        unit = _exponent(column)
        # A parameter that no row has moved keeps its last digit, too.
        kept = mean_log == _in_units(self.mean_log, unit)
        new = LogNormal(self.mean_log if kept else (mean_log + unit * _LOG_2_LOW) + unit * _LOG_2_HIGH, std_log)
        return new._under(self.prior)

    def _expected(self, row, column):
        away = row[MEAN] - row[CENTRE]
        return 1.0, away, row[STD] ** 2 + away * away

    def _carried(self, statistics, old, new, before, after):
        return moved_moments(statistics, (old[LOG_UNIT] - new[LOG_UNIT]) + (old[CENTRE] - new[CENTRE]))

    def _start(self, column):
        low, high = _end_logs(column)
        return LogNormal(low / 2 + high / 2, max(high / 2 - low / 2, _floor([low, high])), prior=self.prior)

    def _resolved(self, table, columns, weights, n_components):
        column = self._place(table, columns[0])
        x = table.numbers(columns[0])
        inside = (x > 0.0) & (x < np.inf)  # other components may allow more
        logs = np.log(np.where(inside, x, 1.0))
        mean, variance = moments(np.where(inside, logs, np.nan), weights) if inside.any() else (0.0, 0.0)
        smallest = _floor(_end_logs(column))
        return self.replaced(prior=self.prior.filled(mean, max(variance, smallest**2), n_components))


def _in_units(mean_log, unit):
    """A mean of logarithms, of values in a unit of which this is the exponent."""
    return (mean_log - unit * _LOG_2_HIGH) - unit * _LOG_2_LOW


def _end_logs(column):
    """Logarithms of the ends of a column, as far as they belong to the support."""
    return [math.log(value) if 0.0 < value < math.inf else 0.0 for value in (column.lower, column.upper)]


def _exponent(column):
    """Of the power of two that is the unit of a column."""
    low, high = _end_logs(column)
    return max(min(round((low / 2 + high / 2) / math.log(2.0)), 1000), -1000)


def _floor(logs):
    """Smallest standard deviation that is told from zero between these logarithms, those of numbers with rounding errors."""
    return 16 * float(np.finfo(float).eps) * max(1.0, *map(abs, logs))
