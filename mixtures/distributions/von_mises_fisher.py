"""Von Mises-Fisher distribution.

    log f(x) = kappa m'x - kappa - d/2 log(2 pi) - log[I(kappa) kappa^-v exp(-kappa)],   m = direction, kappa = concentration,

a density on the surface of the unit sphere in R^d; I the modified Bessel function of order v = d/2 - 1; support: |x| = 1. A row of
length 1 but for its rounding is read as x / |x|. Of unit vectors m'x - 1 = -|x - m|^2 / 2, which keeps the digits of a row that is
near m.

Weighted maximum likelihood (Mardia & Jupp 2000, section 10.3.1): with the mean row s, direction = s / |s|, and the concentration
solves A(kappa) = |s|, where A is the ratio of Bessel functions of orders v + 1 and v. With the direction held, A(kappa) = m's, or
kappa = 0 where that is not positive.

Sums are taken about a centre c, the previous direction: of x - c, and of |x - c|^2 = 2 (1 - c'x), which gives 1 - |s|^2 =
h (2 - h) - |t|^2 without cancellation, h = 1 - c's and t the part of s orthogonal to c, as long as t is short; where the direction
moved by more than 100 of its spreads, the pass is asked for again about the new one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import nonnegative, unit_vector
from mixtures.distributions.base import Family, Kernels, generator_of
from mixtures.engine import coordinates
from mixtures.engine.bessel import bessel_i_ratio, inverse_bessel_i_ratio, log_bessel_i_reduced
from mixtures.engine.plan import FLOORED, REPEAT, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import HALF_LOG_2PI
from mixtures.exceptions import DataError, NotFittedError
from mixtures.row_supports import TOLERANCE, sphere

HELD = 0
KAPPA = 1
CONSTANT = 2
DIRECTION = 3  # d numbers, then the centre, d numbers

EPSILON = 2.220446049250313e-16
LARGEST = 1.0 / (16.0 * EPSILON) ** 2
"""Largest concentration: a spread of 16 rounding errors of 1."""


@jit
def _prepare(parameters):
    d = (parameters.shape[1] - DIRECTION) // 2
    for k in range(parameters.shape[0]):
        parameters[k, CONSTANT] = -d * HALF_LOG_2PI - log_bessel_i_reduced(0.5 * d - 1.0, parameters[k, KAPPA])


@jit
def _read(x, cells, inverse, excess, base):
    """Of rows x (d, b): the rows, their lengths' inverses and (length - 1)^2, 0; 0, 0, 0 and -inf for other than unit vectors."""
    wide_vectors()
    for i in range(base.size):
        base[i] = 0.0
    for j in range(x.shape[0]):
        column = x[j]
        for i in range(base.size):
            base[i] += column[i] * column[i]
    for i in range(base.size):
        square = base[i]
        inside = abs(square - 1.0) <= 2.0 * TOLERANCE
        length = np.sqrt(square) if inside else 1.0
        away = (square - 1.0) / (1.0 + length)
        inverse[i] = 1.0 / length if inside else 0.0
        excess[i] = away * away if inside else 0.0
        base[i] = 0.0 if inside else -np.inf
    for j in range(x.shape[0]):
        column, cell = x[j], cells[j]
        for i in range(base.size):
            cell[i] = column[i] if inverse[i] > 0.0 else 0.0


@jit
def _squared_distances(cells, inverse, excess, centre, out):
    """out (b,) = |x / |x| - centre|^2: of |x - centre|^2 the part that a length other than 1 makes is known."""
    wide_vectors()
    for i in range(out.size):
        out[i] = 0.0
    for j in range(cells.shape[0]):
        cell, place = cells[j], centre[j]
        for i in range(out.size):
            t = cell[i] - place
            out[i] += t * t
    for i in range(out.size):
        value = (out[i] - excess[i]) * inverse[i]
        out[i] = value if value > 0.0 else 0.0


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    d, b = x.shape
    scratch = np.empty((d + 4, b))
    cells, inverse, excess, base, squares = scratch[:d], scratch[d], scratch[d + 1], scratch[d + 2], scratch[d + 3]
    _read(x, cells, inverse, excess, base)
    for k in range(out.shape[0]):
        row = out[k]
        _squared_distances(cells, inverse, excess, parameters[k, DIRECTION : DIRECTION + d], squares)
        constant, half = parameters[k, CONSTANT], 0.5 * parameters[k, KAPPA]
        for i in range(b):
            row[i] += constant + base[i] - half * squares[i]


@jit_sums
def _sum_of_differences(share, cells, inverse, centre):
    """Sum of share (x / |x| - centre) over rows, for one column."""
    wide_vectors()
    total = 0.0
    for i in range(share.size):
        total += share[i] * (cells[i] * inverse[i] - centre)
    return total


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    d, b = x.shape
    scratch = np.empty((d + 4, b))
    cells, inverse, excess, base, squares = scratch[:d], scratch[d], scratch[d + 1], scratch[d + 2], scratch[d + 3]
    _read(x, cells, inverse, excess, base)
    for k in range(responsibilities.shape[0]):
        centre = parameters[k, DIRECTION + d :]
        for j in range(d):
            statistics[k, 1 + j] += _sum_of_differences(responsibilities[k], cells[j], inverse, centre[j])
        _squared_distances(cells, inverse, excess, centre, squares)
        statistics[k, 1 + d] += weighted_total(squares, responsibilities[k])


@jit
def _maximize(statistics, parameters):
    d = (parameters.shape[1] - DIRECTION) // 2
    order = 0.5 * d - 1.0
    outcome = 0
    for k in range(parameters.shape[0]):
        weight = statistics[k, 0]
        if not weight > 0.0:
            continue
        direction, centre = parameters[k, DIRECTION : DIRECTION + d], parameters[k, DIRECTION + d :]
        first = statistics[k, 1 : 1 + d]
        low = 0.5 * statistics[k, 1 + d] / weight  # 1 - c's
        along = 0.0
        for j in range(d):
            along += centre[j] * first[j] / weight
        across = 0.0
        for j in range(d):
            t = first[j] / weight - along * centre[j]
            across += t * t
        if is_held(parameters[k, HELD], 0):
            rest = low
            length = 1.0 - low
        else:
            square = low * (2.0 - low) - across  # 1 - |s|^2
            length = np.sqrt((1.0 - low) * (1.0 - low) + across)
            norm = 0.0  # the length, but 0 where rounding may leave that a little
            for j in range(d):
                norm += (centre[j] + first[j] / weight) ** 2
            norm = np.sqrt(norm)
            if norm > 0.0:
                new = direction if across <= 1e4 * square or across <= (8.0 * EPSILON) ** 2 else centre
                for j in range(d):
                    new[j] = (centre[j] + first[j] / weight) / norm
                if not (across <= 1e4 * square or across <= (8.0 * EPSILON) ** 2):
                    outcome |= REPEAT
                    continue
            rest = square / (1.0 + length)
        if not is_held(parameters[k, HELD], 1):
            least = 0.5 * (d - 1.0) / LARGEST
            if rest <= least:
                outcome |= FLOORED
                parameters[k, KAPPA] = LARGEST
            else:
                parameters[k, KAPPA] = inverse_bessel_i_ratio(order, length, rest)
        for j in range(d):
            centre[j] = direction[j]
    return outcome


class VonMisesFisher(Family):
    """Von Mises-Fisher distribution of several columns that are unit vectors: directions, embeddings compared by their cosine.

    Parameters
    ----------
    direction : sequence of d >= 2 floats of length 1, the mean direction, or None to be learned.
    concentration : float >= 0, or None to be learned. 0 is the uniform distribution on the sphere; about 1 / variance where large.

    Notes
    -----
    ``scipy.stats.vonmises_fisher(direction, concentration)``; of two columns ``scipy.stats.vonmises`` of the angle. Every row must
    have length 1 within 1e-6; it is read as divided by its length. Missing cells are refused. As a component it stands on all
    columns of the table; over some of them, in a ``Product``. Where all rows agree, the concentration is held at 8e28, a spread of
    16 rounding errors, with a :class:`~mixtures.exceptions.DegenerateWarning`. Where rows cancel and have no mean direction, the
    concentration is 0 and the direction stays.

    Examples
    --------
    >>> VonMisesFisher([0.0, 1.0], 2.0).log_prob([[0.0, 1.0], [0.0, 2.0]]).round(6)
    array([-0.661871,      -inf])
    >>> round(VonMisesFisher().fit([[0.6, 0.8], [0.8, 0.6], [0.0, 1.0]]).concentration, 6)
    7.056947
    """

    parameters = {"direction": unit_vector, "concentration": nonnegative}
    support = sphere
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    carries = True
    reads_block = True
    held = HELD

    def __init__(self, direction: Any = None, concentration: float | None = None) -> None:
        super().__init__(direction=direction, concentration=concentration)

    direction: tuple[float, ...]
    concentration: float

    @property
    def n_features(self) -> int:
        """Number of columns, known once the direction is."""
        if self.direction is None:
            raise NotFittedError("VonMisesFisher has no value for direction; give it one or fit it")
        return len(self.direction)

    def _count(self, name):
        return self.n_features - 1 if name == "direction" else 1

    @property
    def mean(self) -> Any:
        """The mean row, shape (d,): the direction times the ratio A(concentration)."""
        self._require_complete()
        return np.asarray(self.direction) * bessel_i_ratio(0.5 * self.n_features - 1.0, self.concentration)[0]

    def to_scipy(self):
        if self.concentration == 0.0:
            return scipy.stats.uniform_direction(self.n_features)
        return scipy.stats.vonmises_fisher(self._unit(), self.concentration)

    def _unit(self) -> Any:
        """The direction, its length 1 but for rounding."""
        return np.asarray(self.direction) / np.linalg.norm(self.direction)

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, d), by rejection (Wood 1994), written in distances from the direction, so that none cancel."""
        self._require_complete()
        random = generator_of(random_state)
        direction, kappa = self._unit(), self.concentration
        m = len(direction) - 1
        b = m / (2.0 * kappa + np.hypot(2.0 * kappa, m))
        away = np.empty(0)  # 1 - cosine of the angle to the direction; of Wood's x0 it is 2 b / (1 + b)
        centre = 2.0 * b / (1.0 + b)
        while away.size < n:
            z = random.beta(m / 2, m / 2, 2 * (n - away.size) + 16)
            drawn = 2.0 * b * z / (1.0 - (1.0 - b) * z)
            ratio = (centre + (1.0 - centre) * drawn) / (centre * (2.0 - centre))
            accept = kappa * (centre - drawn) + m * np.log(ratio) >= np.log(random.uniform(size=z.size))
            away = np.concatenate([away, drawn[accept]])
        away = away[:n, None]
        tangent = random.standard_normal((n, m + 1))
        tangent -= (tangent @ direction)[:, None] * direction
        tangent /= np.linalg.norm(tangent, axis=1)[:, None]
        return direction + (np.sqrt(away * (2.0 - away)) * tangent - away * direction)

    def cdf(self, x: Any) -> Any:
        raise NotImplementedError("VonMisesFisher: rows have no order, so there is no cdf")

    def quantile(self, probability: Any) -> Any:
        raise NotImplementedError("VonMisesFisher: rows have no order, so there are no quantiles")

    def _layout(self, columns):
        return DIRECTION + 2 * len(columns), 2 + len(columns)

    def _coordinates(self, columns):
        return (coordinates.DIRECTION, DIRECTION, len(columns), 0), (coordinates.LOG, KAPPA, 1, 1)

    def _pack(self, columns):
        if len(self.direction) != len(columns):
            raise DataError(f"VonMisesFisher: expected {len(self.direction)} columns, as its direction has, found {len(columns)}")
        direction = self._unit().tolist()
        return 0.0, self.concentration, 0.0, *direction, *direction

    def _unpack(self, row, columns):
        return VonMisesFisher(row[DIRECTION : DIRECTION + len(columns)], row[KAPPA])

    def _expected(self, row, columns):
        d = len(columns)
        direction, centre = row[DIRECTION : DIRECTION + d], row[DIRECTION + d : DIRECTION + 2 * d]
        length, rest = bessel_i_ratio(0.5 * d - 1.0, row[KAPPA])
        away = direction - centre
        return np.concatenate([[1.0], length * away - rest * centre, [2.0 * rest + length * (away @ away)]])

    def _carried(self, statistics, old, new, before, after):
        d = len(after)
        move = old[DIRECTION + d : DIRECTION + 2 * d] - new[DIRECTION + d : DIRECTION + 2 * d]
        total, first, squares = statistics[0], statistics[1 : 1 + d], statistics[1 + d]
        return total, *(first + total * move), squares + move @ (2.0 * first + total * move)

    def _start(self, columns):
        if len(columns) < 2:
            raise DataError(f"VonMisesFisher on column {columns[0].name}: expected at least two columns")
        return VonMisesFisher([1.0] + [0.0] * (len(columns) - 1), 1.0)
