"""Pareto distribution.

    log f(x) = log(shape / scale) - (shape + 1) log(x / scale),   support: x >= scale.

Weighted maximum likelihood (Johnson, Kotz & Balakrishnan 1994, section 20.4): the scale is the smallest row that has a weight,
1 / shape = mean(log(x / scale)), means weighted. Logarithms are taken of quotients by the previous scale, so that rows close
together keep their digits.

In a mixture a row below the scale has responsibility 0, and the next scale is the smallest of the others: EM can raise it, never
lower it. It starts below all rows.

Components that tie the shape have the weighted mean of their mean(log(x / scale)); those that tie the scale the smallest of their
rows, for the likelihood of each rises with it up to there.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import positive
from mixtures.constraints import shape as positive_shape
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.gamma import logs_of
from mixtures.distributions.weibull import log_ratios
from mixtures.engine.coordinates import LOG
from mixtures.engine.plan import FAILED, FLOORED, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import log, log_one_plus
from mixtures.engine.ties import is_tied

SHAPE = 0
SCALE = 1
HELD = 2
CONSTANT = 3  # log(shape / scale)
TIES = 4
SIZE = 5

LARGEST_SHAPE = 1 / (16 * 2.220446049250313e-16)
"""Of rows that agree within 16 of their rounding errors."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        parameters[k, CONSTANT] = log(parameters[k, SHAPE]) - log(parameters[k, SCALE])


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    logs, ratios = np.empty(cells.size), np.empty(cells.size)
    logs_of(cells, logs)
    for k in range(out.shape[0]):
        row = out[k]
        shape, scale, constant = parameters[k, SHAPE], parameters[k, SCALE], parameters[k, CONSTANT]
        log_ratios(cells, logs, scale, shape + 1.0, ratios)
        for i in range(row.size):
            value = constant - (shape + 1.0) * ratios[i]
            row[i] += value if scale <= cells[i] < np.inf else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    """The sum of log(x / scale), and the largest negative of a row that belongs here."""
    wide_vectors()
    cells = x[0]
    logs, ratios = np.empty(cells.size), np.empty(cells.size)
    logs_of(cells, logs)
    for k in range(responsibilities.shape[0]):
        share = responsibilities[k]
        log_ratios(cells, logs, parameters[k, SCALE], parameters[k, SHAPE] + 1.0, ratios)
        statistics[k, 1] += weighted_total(ratios, share)
        low = np.inf
        for i in range(share.size):
            low = min(low, cells[i] if share[i] > 0.0 else np.inf)
        statistics[k, 2] = max(statistics[k, 2], -low)


@jit
def _maximize(statistics, parameters):
    outcome = 0
    shared_total = shared_sum = 0.0
    lowest = np.inf
    for k in range(parameters.shape[0]):
        if is_tied(parameters[k, TIES], parameters[k, HELD], SCALE) and statistics[k, 0] > 0.0:
            lowest = min(lowest, -statistics[k, 2])
    for k in range(parameters.shape[0]):
        p = parameters[k]
        shares_scale = is_tied(p[TIES], p[HELD], SCALE)
        total = statistics[k, 0]
        if not total > 0.0:
            p[SCALE] = lowest if shares_scale and lowest < np.inf else p[SCALE]
            continue
        mean, smallest, scale = statistics[k, 1] / total, -statistics[k, 2], p[SCALE]
        smallest = lowest if shares_scale else smallest
        if is_held(p[HELD], SCALE):
            if smallest < scale:
                return FAILED
        else:
            p[SCALE] = smallest
            near = abs(smallest - scale) < 0.5 * scale
            mean -= log_one_plus((smallest - scale) / scale) if near else log(smallest) - log(scale)
        if is_tied(p[TIES], p[HELD], SHAPE):
            shared_total += total
            shared_sum += total * mean
        elif not is_held(p[HELD], SHAPE):
            outcome |= _set_shape(p, mean)
    for k in range(parameters.shape[0]):
        if shared_total > 0.0 and is_tied(parameters[k, TIES], parameters[k, HELD], SHAPE):
            outcome |= _set_shape(parameters[k], shared_sum / shared_total)
    return outcome


@jit
def _set_shape(p, mean):
    shape = 1.0 / mean if mean > 0.0 else np.inf
    p[SHAPE] = min(shape, LARGEST_SHAPE)
    return 0 if shape < LARGEST_SHAPE else FLOORED


class Pareto(Family):
    """Pareto distribution of one column of values > 0: incomes, sizes of cities, losses beyond a threshold.

    Parameters
    ----------
    shape : float > 0, or None to be learned. Moments of an order below it are finite.
    scale : float > 0, in the unit of the column, the smallest possible value, or None to be learned.

    Notes
    -----
    ``scipy.stats.pareto(b=shape, scale=scale)``. Where all values agree within rounding, the shape is held at 1 over 16 rounding
    errors, 3e14, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Pareto(1.0, 2.0).log_prob([2.0, 1.9]).round(6)
    array([-0.693147,      -inf])
    >>> Pareto().fit([1.0, 2.0, 4.0])
    Pareto(shape=1.4426950408889634, scale=1.0)
    """

    parameters = {"shape": positive_shape, "scale": positive}
    support = positive
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    coordinates = ((LOG, SHAPE, 1, 0),)
    held = HELD
    ties = TIES
    n_maxima = 1
    ends = {"scale": -1.0}

    def __init__(self, shape: float | None = None, scale: float | None = None) -> None:
        super().__init__(shape=shape, scale=scale)

    shape: float
    scale: float

    @property
    def mean(self) -> float:
        """shape scale / (shape - 1), infinite for a shape of at most 1."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """shape scale^2 / ((shape - 1)^2 (shape - 2)), infinite for a shape of at most 2."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.pareto, (self.shape,), {"scale": self.scale}

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        return self.shape, self.scale, 0.0, 0.0, 0.0

    def _unpack(self, row, column):
        return Pareto(row[SHAPE], row[SCALE])

    def _start(self, column):
        return Pareto(1.0, column.lower)
