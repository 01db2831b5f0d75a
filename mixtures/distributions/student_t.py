"""Student's t distribution.

    log f(x) = log Gamma((df + 1) / 2) - log Gamma(df / 2) - log(df pi) / 2 - log scale - (df + 1) / 2 log(1 + z^2 / df),
    z = (x - location) / scale,   support: the real line.

Weighted maximum likelihood, df included: each step maximises a lower bound of the log-likelihood that touches it at the current
parameters, and so never lowers it; near the maximum the bound agrees with it to the fifth order, and steps are as good as
Newton's (:mod:`mixtures.engine.student` has the argument). Rows are taken about the current location in the current scale, so
that clusters of unit spread stay exact far from 0. Components that tie the scale or df climb together
(:mod:`mixtures.engine.student_ties`).

With few degrees of freedom the likelihood may have several maxima; as one of several values repeated it has none: the scale
then goes to its floor.
"""

from __future__ import annotations

import numpy as np
import scipy.special
import scipy.stats

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import degrees_of_freedom, positive, real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.coordinates import CAPPED, LOG, REAL
from mixtures.engine.plan import FLOORED, LIMIT, UNSETTLED, is_held
from mixtures.engine.special import HALF_LOG_2PI, log
from mixtures.engine.student import (
    LARGEST_DF,
    LEAST_DF,
    NO_GAIN,
    STILL,
    SUMS,
    add_sums,
    climb,
    log_constant,
    log_one_plus_square,
    shapes_of,
)
from mixtures.engine.student_ties import climb_together
from mixtures.engine.ties import has_ties, is_tied

DF = 0
LOCATION = 1  # about the column's origin, in its unit
SCALE = 2
HELD = 3
FLOOR = 4
LOG_UNIT = 5
SLOPE = 6  # 1 / (scale sqrt(df))
CONSTANT = 7
TIES = 8
SIZE = 9


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        p = parameters[k]
        p[SLOPE] = 1.0 / (p[SCALE] * np.sqrt(p[DF]))
        p[CONSTANT] = log_constant(p[DF], 1.0) - HALF_LOG_2PI - log(p[SCALE]) - p[LOG_UNIT]


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    for k in range(out.shape[0]):
        row = out[k]
        location, slope, constant, exponent = (
            parameters[k, LOCATION],
            parameters[k, SLOPE],
            parameters[k, CONSTANT],
            0.5 * (parameters[k, DF] + 1.0),
        )
        for i in range(row.size):
            row[i] += constant - exponent * log_one_plus_square((cells[i] - location) * slope)


@jit
def _standardise(cells, location, slope, out):
    wide_vectors()
    for i in range(cells.size):
        out[i] = (cells[i] - location) * slope


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    lines = np.empty((5, x.shape[1]))
    t, w, v, u, logs = lines[0], lines[1], lines[2], lines[3], lines[4]
    for k in range(responsibilities.shape[0]):
        _standardise(x[0], parameters[k, LOCATION], parameters[k, SLOPE], t)
        shapes_of(t, w, v, u, logs)
        add_sums(responsibilities[k], w, v, u, logs, statistics[k, 1:])


@jit
def _maximize(statistics, parameters):
    outcome = 0
    move = np.empty(3)
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        p = parameters[k]
        if not total > 0.0 or _shares(p):
            continue
        held = p[HELD]
        free = (not is_held(held, LOCATION), not is_held(held, SCALE), not is_held(held, DF))
        largest = log(p[SCALE] / min(p[FLOOR], p[SCALE]))
        df, gain = climb(total, statistics[k, 1:], p[DF], 1.0, free[0], free[1], free[2], largest, move)
        outcome |= _moved(p, df, move, gain)
    return outcome | _maximize_tied(statistics, parameters) if has_ties(parameters, TIES) else outcome


@jit
def _shares(p):
    return is_tied(p[TIES], p[HELD], SCALE) or is_tied(p[TIES], p[HELD], DF)


@jit
def _moved(p, df, move, gain):
    """Make a move that :func:`climb` found, and say what came of it."""
    outcome = 0
    free_scale, free_df = not is_held(p[HELD], SCALE), not is_held(p[HELD], DF)
    scale, floor = p[SCALE], min(p[FLOOR], p[SCALE])
    p[DF] = df
    if free_df and (df >= LARGEST_DF or df <= LEAST_DF):
        outcome |= LIMIT
    p[SCALE] = scale * np.exp(-move[0])
    if free_scale and not p[SCALE] > p[FLOOR] * (1.0 + 1e-9):
        p[SCALE] = max(p[SCALE], floor)
        outcome |= FLOORED
    p[LOCATION] -= move[1] * p[SCALE]
    if max(abs(move[0]), abs(move[1]), abs(move[2])) > STILL and gain > NO_GAIN:
        outcome |= UNSETTLED
    return outcome


@jit
def _maximize_tied(statistics, parameters):
    count = parameters.shape[0]
    weights, sums, df, moves = np.zeros(count), np.zeros((count, SUMS)), np.ones(count), np.empty((count, 3))
    free, ties = np.zeros((count, 3), dtype=np.bool_), np.zeros((count, 3), dtype=np.bool_)
    largest = np.inf
    seen_scale, seen_df = -1, -1
    for k in range(count):
        p = parameters[k]
        if not _shares(p):
            continue
        weights[k] = max(statistics[k, 0], 0.0)
        sums[k] = statistics[k, 1 : 1 + SUMS]
        df[k] = p[DF]
        free[k, 0], free[k, 1], free[k, 2] = not is_held(p[HELD], SCALE), not is_held(p[HELD], LOCATION), not is_held(p[HELD], DF)
        ties[k, 0], ties[k, 2] = is_tied(p[TIES], p[HELD], SCALE), is_tied(p[TIES], p[HELD], DF)
        largest = min(largest, log(p[SCALE] / min(p[FLOOR], p[SCALE])))
        if weights[k] > 0.0:
            seen_scale = k if ties[k, 0] else seen_scale
            seen_df = k if ties[k, 2] else seen_df
    if not weights.sum() > 0.0:
        return 0
    gain = climb_together(weights, sums, df, free, ties, largest, moves)
    outcome = 0
    for k in range(count):
        if weights[k] > 0.0:
            outcome |= _moved(parameters[k], df[k], moves[k], gain)
    for k in range(count):  # those without rows follow, and rounding parts none
        if ties[k, 0] and seen_scale >= 0:
            parameters[k, SCALE] = parameters[seen_scale, SCALE]
        if ties[k, 2] and seen_df >= 0:
            parameters[k, DF] = parameters[seen_df, DF]
    return outcome


def _scipy_log_density(self, x, df):
    t = np.abs(x) / np.sqrt(df)
    near = np.minimum(t, 1e100)
    # log(1 + t^2) is 2 log t long before t^2 overflows.
    logs = np.where(t < 1e100, np.log1p(near * near), 2 * np.log(np.maximum(t, 1.0)))
    return np.log(scipy.special.poch(df / 2, 0.5)) - np.log(df * np.pi) / 2 - (df + 1) / 2 * logs


_wide_t = type("wide_t", (type(scipy.stats.t),), {"_logpdf": _scipy_log_density})(name="t")
"""scipy's t with a density that is right wherever z is a number."""


class StudentT(Family):
    """Student's t distribution of one real column: a bell with heavy tails, which outliers do not drag along.

    Parameters
    ----------
    df : float > 0 and at most 1e10, degrees of freedom, or None to be learned.
    location : float, the centre, or None to be learned.
    scale : float > 0, or None to be learned. The standard deviation is scale sqrt(df / (df - 2)) where df > 2.

    Notes
    -----
    ``scipy.stats.t(df, location, scale)``, whose density ends where z^2 overflows; this one's does not. A fit finds df between
    0.01 and 1e10. The upper end means that the tails are no heavier than a Normal's: the log-densities of the two differ there by
    less than 1e-7 within six scales of the centre. Where values agree, scale is held at 16 rounding errors of the column's largest
    value, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> StudentT(1, 0, 1).log_prob([0.0]).round(6)  # Cauchy
    array([-1.14473])
    >>> round(StudentT().fit([-1.0, 0.0, 0.5, 1.0, 100.0]).location, 3)
    0.392
    """

    parameters = {"df": degrees_of_freedom, "location": real, "scale": positive}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    coordinates = ((CAPPED, DF, 1, 0), (REAL, LOCATION, 1, 1), (LOG, SCALE, 1, 2))
    uses_unit = True
    uses_origin = True
    held = HELD
    ties = TIES
    tieable = ("df", "scale")
    limit = "df is at an end of what a fit finds; at 1e10 the rows have no heavier tails than a Normal's: use Normal"

    def __init__(self, df: float | None = None, location: float | None = None, scale: float | None = None) -> None:
        super().__init__(df=df, location=location, scale=scale)

    df: float
    location: float
    scale: float

    @property
    def mean(self) -> float:
        """The location where df > 1, else NaN."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """scale^2 df / (df - 2) where df > 2, else infinite or NaN."""
        return self._moment("var")

    def _scipy(self):
        return _wide_t, (self.df, self.location, self.scale), {}

    def _layout(self, column):
        return SIZE, 1 + SUMS

    def _pack(self, column):
        location, scale = self._in_units(column)
        return self.df, location, scale, 0.0, column.floor / column.unit, np.log(column.unit), 0.0, 0.0, 0.0

    def _unpack(self, row, column):
        location, scale = self._in_units(column)
        # A parameter that no row has moved keeps its last digit, too.
        return StudentT(
            row[DF],
            self.location if row[LOCATION] == location else row[LOCATION] * column.unit + column.origin,
            self.scale if row[SCALE] == scale else row[SCALE] * column.unit,
        )

    def _in_units(self, column):
        return (self.location - column.origin) / column.unit, self.scale / column.unit

    def _start(self, column):
        # Halves first: the difference of two values near the largest float overflows.
        middle = column.lower / 2 + column.upper / 2
        return StudentT(4.0, middle, max(column.upper / 2 - column.lower / 2, column.floor))
