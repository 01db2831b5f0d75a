"""Inverse Gaussian (Wald) distribution.

    log f(x) = log(shape / (2 pi x^3)) / 2 - shape (x - mean)^2 / (2 mean^2 x),   support: x > 0.

Weighted maximum likelihood (Johnson, Kotz & Balakrishnan 1994, chapter 15), means weighted: mean = mean(x) whatever the shape, and
1 / shape = mean((x - mean)^2 / (mean^2 x)), which is mean(1 / x) - 1 / mean for the fitted mean and stays so for a held one.

Sums are taken about a centre c, the previous mean: with d = mean(x) / c - 1 and q = mean((x - c)^2 / (c x)), mean = c (1 + d)
and 1 / shape = (q - d^2 / (1 + d)) / c, which loses digits only where the mean moved by many standard deviations: the pass is
asked for again then.

The mean being the best one whatever the shape, components that tie the shape have 1 / shape = the weighted mean of theirs.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import positive
from mixtures.constraints import shape as positive_shape
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.gamma import logs_of
from mixtures.engine.coordinates import LOG
from mixtures.engine.plan import FAILED, FLOORED, REPEAT, UNSETTLED, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import HALF_LOG_2PI, log
from mixtures.engine.ties import is_tied
from mixtures.quantiles import wald

# In the unit of the column.
MEAN = 0
SHAPE = 1
HELD = 2
CENTRE = 3
LOG_UNIT = 4
CONSTANT = 5  # log(shape / 2 pi) / 2 - log unit
TIES = 6
SIZE = 7

SMALLEST_RATIO = (16 * 2.220446049250313e-16) ** 2
"""mean / shape, the square of the coefficient of variation, of rows that lie 16 rounding errors apart."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        parameters[k, CONSTANT] = 0.5 * log(parameters[k, SHAPE]) - HALF_LOG_2PI - parameters[k, LOG_UNIT]


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    logs = np.empty(cells.size)
    logs_of(cells, logs)
    for k in range(out.shape[0]):
        row = out[k]
        mean, half, constant = parameters[k, MEAN], 0.5 * parameters[k, SHAPE], parameters[k, CONSTANT]
        for i in range(row.size):
            # In this order nothing overflows that the result does not.
            t = (cells[i] - mean) / mean
            value = constant - 1.5 * logs[i] - half * (t * (t / cells[i]))
            row[i] += value if 0.0 < cells[i] < np.inf else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    cells = x[0]
    first, second = np.empty(cells.size), np.empty(cells.size)
    for k in range(responsibilities.shape[0]):
        centre = parameters[k, CENTRE]
        for i in range(cells.size):
            t = (cells[i] - centre) / centre
            first[i] = t
            # A row at 0 belongs to other components, but an infinity times its share of 0 would be no number.
            second[i] = t * ((cells[i] - centre) / cells[i]) if cells[i] > 0.0 else 0.0
        statistics[k, 1] += weighted_total(first, responsibilities[k])
        statistics[k, 2] += weighted_total(second, responsibilities[k])


@jit
def _maximize(statistics, parameters):
    outcome = 0
    shared_total = shared_inverse = smallest_inverse = 0.0
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        if not total > 0.0:
            continue
        p = parameters[k]
        centre, shift, ratio = p[CENTRE], statistics[k, 1] / total, statistics[k, 2] / total
        if is_held(p[HELD], MEAN):
            if centre != p[MEAN]:
                p[CENTRE] = p[MEAN]
                outcome |= REPEAT | UNSETTLED
                continue
            lost = shift = 0.0
        else:
            lost = shift * shift / (1.0 + shift) if shift > -1.0 else np.inf
        smallest = SMALLEST_RATIO / (1.0 + shift)
        if not lost <= 1e3 * max(ratio - lost, smallest) or shift < -0.9:
            p[CENTRE] = centre * max(1.0 + shift, 1e-10)
            outcome |= REPEAT | UNSETTLED
            continue
        ratio -= lost
        if is_tied(p[TIES], p[HELD], SHAPE):
            shared_total += total
            shared_inverse += total * ratio / centre
            smallest_inverse += total * smallest / centre
        if not is_held(p[HELD], MEAN):
            p[MEAN] = p[CENTRE] = centre * (1.0 + shift)
        if not is_held(p[HELD], SHAPE) and not is_tied(p[TIES], p[HELD], SHAPE):
            if not ratio > smallest:
                ratio = smallest
                outcome |= FLOORED
            if not ratio < np.inf:
                return FAILED
            p[SHAPE] = centre / ratio
    if shared_total > 0.0 and not outcome & REPEAT:
        outcome |= FLOORED if not shared_inverse > smallest_inverse else 0
        shape = shared_total / max(shared_inverse, smallest_inverse)
        if not shape > 0.0:
            return FAILED
        for k in range(parameters.shape[0]):
            if is_tied(parameters[k, TIES], parameters[k, HELD], SHAPE):
                parameters[k, SHAPE] = shape
    return outcome


class InverseGaussian(Family):
    """Inverse Gaussian distribution of one column of values > 0: first passage times, skewed durations.

    Parameters
    ----------
    mean : float > 0, in the unit of the column, or None to be learned.
    shape : float > 0, in the unit of the column, or None to be learned. The variance is mean^3 / shape.

    Notes
    -----
    ``scipy.stats.invgauss(mu=mean / shape, scale=shape)``, but for its quantiles, which fail far out and are solved for here.
    Where all values agree within 16 rounding errors, shape / mean is held at 8e28, with a
    :class:`~mixtures.exceptions.DegenerateWarning`; rows whose shape would leave float64 are refused.

    Examples
    --------
    >>> InverseGaussian(1.0, 1.0).log_prob([1.0, 0.0]).round(6)
    array([-0.918939,      -inf])
    >>> InverseGaussian().fit([1.0, 2.0, 3.0])
    InverseGaussian(mean=2.0, shape=8.999999999999998)
    """

    parameters = {"mean": positive, "shape": positive_shape}
    support = positive
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    carries = True
    coordinates = ((LOG, MEAN, 1, 0), (LOG, SHAPE, 1, 1))
    uses_unit = True
    held = HELD
    ties = TIES
    tieable = ("shape",)

    def __init__(self, mean: float | None = None, shape: float | None = None) -> None:
        super().__init__(mean=mean, shape=shape)

    mean: float
    shape: float

    @property
    def variance(self) -> float:
        """mean^3 / shape."""
        return self._moment("var")

    def _scipy(self):
        return wald, (self.mean / self.shape,), {"scale": self.shape}

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        # A centre among the rows, wherever a start's mean lies.
        centre = min(max(self.mean, column.lower), column.upper) if column.lower > 0.0 else self.mean
        unit = column.unit
        return self.mean / unit, self.shape / unit, 0.0, centre / unit, np.log(unit), 0.0, 0.0

    def _unpack(self, row, column):
        return InverseGaussian(row[MEAN] * column.unit, row[SHAPE] * column.unit)

    def _expected(self, row, column):
        centre, away = row[CENTRE], (row[MEAN] - row[CENTRE]) / row[CENTRE]
        return 1.0, away, away * ((row[MEAN] - centre) / row[MEAN]) + centre / row[SHAPE]

    def _carried(self, statistics, old, new, before, after):
        total, first, second = statistics
        # Sums of x / c - 1 and of x / c - 2 + c / x, with c the centre, which shrinks by 1 + grown.
        grown = (old[CENTRE] - new[CENTRE]) / new[CENTRE]
        rest = first + (first - second + total * grown) / (1.0 + grown)
        return total, first + grown * (first + total), second + grown * rest

    def _start(self, column):
        middle = max(column.upper / 2, column.floor)
        return InverseGaussian(middle, middle)
