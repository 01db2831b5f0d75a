"""Multivariate Student's t distribution.

    log f(x) = log Gamma((df + d) / 2) - log Gamma(df / 2) - d log(df pi) / 2 - log det(S) / 2
               - (df + d) / 2 log(1 + (x - location)' S^-1 (x - location) / df),   S = scale_matrix, support: R^d.

With S = L L' (Cholesky) the quadratic form is the squared length of L^-1 (x - location).

Weighted maximum likelihood, df included, from one pass a step. Two moves are known to raise the likelihood by at least so much:
the parameter-expanded EM step in location and scale_matrix (Liu, Rubin & Wu 1998), location = sum u x / sum u, S = sum u
(x - location)(x - location)' / sum u with u = w / (df + q), q the quadratic form; and a step in df and the size of S, as good as
Newton's (:mod:`mixtures.engine.student`). The larger is taken, and the likelihood never falls.

Rows are taken about the current location: clusters of unit spread stay exact far from 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.stats

from mixtures._numba import jit, matrix, segment, wide_vectors
from mixtures.constraints import Covariance, Vector, degrees_of_freedom, real
from mixtures.distributions.base import Family, Kernels, generator_of
from mixtures.engine.coordinates import CAPPED, FACTOR, REAL
from mixtures.engine.linear import STRIDE, cholesky, invert_lower, shift_rows, squared_lengths, weighted_sums
from mixtures.engine.plan import FLOORED, LIMIT, UNSETTLED, is_held
from mixtures.engine.special import HALF_LOG_2PI, log, log_one_plus
from mixtures.engine.student import LARGEST_DF, LEAST_DF, SUMS, add_sums, climb, log_constant
from mixtures.exceptions import DataError, NotFittedError, ParameterError

# Packed parameters: four numbers, two vectors (d,), two matrices (d, d), about the columns' origins and in their units.
HELD = 0
LOG_UNIT = 1  # sum over columns
CONSTANT = 2
DF = 3
HEAD = 4
LOCATION, FLOOR = range(2)
LOWER, WHITENER = range(2)  # L, L^-1: of S = L L' the pivots of rows in a plane would be rounding

STEADY = 1e-10
"""What the last step may move, in scales, correlations or parts of df."""
NOTHING, NOTHING_IN_A_PLANE = 2e-16, 1e-5
"""Gains that are rounding."""
IN_A_PLANE = 1024 * 2.2e-16
"""Pivots smaller than that part of a column's variance are held there: a fit knows them to some roundings of that variance."""
LEAST_VARIANCE, LARGEST_VARIANCE, FARTHEST = 1e-290, 1e290, 1e145
"""What a scale matrix may hold, and where a location may be, in units of the columns, for squares to be float64."""


@jit
def _width(parameters):
    """d, of HEAD + 2 d + 2 d^2 parameters."""
    d = 1
    while HEAD + 2 * d + 2 * d * d < parameters.shape[1]:
        d += 1
    return d


@jit
def _vector(parameters, k, which, d):
    return segment(parameters, k * parameters.shape[1] + HEAD + which * d, d)


@jit
def _square(parameters, k, which, d):
    return matrix(parameters, k * parameters.shape[1] + HEAD + 2 * d + which * d * d, d, d)


@jit
def _product(lower, i, j):
    """(L L')[i, j]."""
    value = 0.0
    for c in range(min(i, j) + 1):
        value += lower[i, c] * lower[j, c]
    return value


@jit
def _prepare(parameters):
    d = _width(parameters)
    for k in range(parameters.shape[0]):
        lower = _square(parameters, k, LOWER, d)
        invert_lower(lower, _square(parameters, k, WHITENER, d))
        constant = log_constant(parameters[k, DF], float(d)) - parameters[k, LOG_UNIT] - d * HALF_LOG_2PI
        for i in range(d):
            constant -= log(lower[i, i])
        parameters[k, CONSTANT] = constant


@jit
def _add_densities(constant, df, d, lengths, row):
    """row += constant - (df + d) / 2 log(1 + length / df); -inf where a cell is infinite."""
    wide_vectors()
    exponent, inverse = 0.5 * (df + d), 1.0 / df
    for i in range(row.size):
        value = constant - exponent * log_one_plus(lengths[i] * inverse)
        row[i] += value if value == value else -np.inf


@jit
def _log_prob(parameters, x, out):
    d, b = x.shape
    lines, lengths = np.empty((4, STRIDE)), np.empty(b)
    shifted, zero = np.empty((d, b)), np.zeros(d)
    for k in range(out.shape[0]):
        shift_rows(x, _vector(parameters, k, LOCATION, d), shifted)
        squared_lengths(_square(parameters, k, WHITENER, d), zero, shifted, lines, lengths)
        _add_densities(parameters[k, CONSTANT], parameters[k, DF], d, lengths, out[k])


@jit
def _shapes(lengths, df, share, w, u, logs, weight):
    """Of t^2 = length / df: w = t^2 / (1 + t^2), u = 1 - w, log(1 + t^2), and the weight of rows in the EM step, share u."""
    wide_vectors()
    inverse = 1.0 / df
    for i in range(lengths.size):
        square = min(lengths[i] * inverse, 1e200)
        u[i] = 1.0 / (1.0 + square)
        w[i] = square * u[i]
        logs[i] = log_one_plus(square)
        weight[i] = share[i] * u[i]


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    d, b = x.shape
    lines, shapes = np.empty((4, STRIDE)), np.zeros((6, b))
    lengths, w, u, logs, weight, none = shapes[0], shapes[1], shapes[2], shapes[3], shapes[4], shapes[5]
    shifted, scaled, zero = np.empty((d, b)), np.empty((d, b)), np.zeros(d)
    size = statistics.shape[1]
    for k in range(responsibilities.shape[0]):
        shift_rows(x, _vector(parameters, k, LOCATION, d), shifted)
        squared_lengths(_square(parameters, k, WHITENER, d), zero, shifted, lines, lengths)
        _shapes(lengths, parameters[k, DF], responsibilities[k], w, u, logs, weight)
        add_sums(responsibilities[k], w, none, u, logs, statistics[k, 1:])
        first = segment(statistics, k * size + 1 + SUMS, d)
        weighted_sums(weight, shifted, scaled, first, matrix(statistics, k * size + 1 + SUMS + d, d, d))


@jit
def _expanded_step(statistics, parameters, k, d, shift, lower, inverse):
    """The EM step of component k: the shift of its location and, in `lower`, the new L. Returns the gain in mean log-likelihood
    that is sure, by Jensen's bound log(1 + mean y), how far the step goes, and how many pivots were held at their floor."""
    size = statistics.shape[1]
    total, rest, near = statistics[k, 0], statistics[k, SUMS], statistics[k, 2]  # sums of weights, of 1 - w, of w
    first = segment(statistics, k * size + 1 + SUMS, d)
    second = matrix(statistics, k * size + 1 + SUMS + d, d, d)
    old, whitener = _square(parameters, k, LOWER, d), _square(parameters, k, WHITENER, d)
    floor = _vector(parameters, k, FLOOR, d)
    moments, smallest = np.empty((d, d)), np.empty(d)
    keeps_location, keeps_scale = is_held(parameters[k, HELD], 1), is_held(parameters[k, HELD], 2)
    far = 0.0
    for i in range(d):
        shift[i] = 0.0 if keeps_location else first[i] / rest
        far = max(far, abs(shift[i]) / np.sqrt(_product(old, i, i)))
    for i in range(d):
        for j in range(i + 1):
            moments[i, j] = second[i, j] / rest - shift[i] * shift[j]
            moments[j, i] = moments[i, j]
        # From far away the moments about the new location are rounding: of a variance there, that much is known.
        moments[i, i] = max(moments[i, i], 16 * 2.2e-16 * second[i, i] / rest)
        smallest[i] = max(floor[i] * floor[i], IN_A_PLANE * moments[i, i])
    held = 0
    logs = 0.0
    if not keeps_scale:
        lower[:] = moments
        held = cholesky(lower, smallest)
        invert_lower(lower, inverse)
        for i in range(d):
            logs -= log(lower[i, i] * whitener[i, i])
            for j in range(i + 1):
                moved = abs(_product(lower, i, j) - _product(old, i, j))
                far = max(far, moved / np.sqrt(_product(old, i, i) * _product(old, j, j)))
    trace = 0.0  # of the new S^-1 times the moments
    for i in range(d):
        for a in range(i + 1):
            for c in range(i + 1):
                trace += (whitener[i, a] * whitener[i, c] if keeps_scale else inverse[i, a] * inverse[i, c]) * moments[a, c]
    # What is added to pivots makes it less than d; by their rounding, a 1024th of what they are held at or so, it may be more.
    if held:
        trace = min(trace, float(d)) + held / 256.0
    df = parameters[k, DF]
    gain = logs - 0.5 * (df + d) * log_one_plus((rest * trace / df - near) / total)
    return gain, far, held


@jit
def _maximize(statistics, parameters):
    d = _width(parameters)
    move, shift = np.empty(3), np.empty(d)
    lower, inverse = np.empty((d, d)), np.empty((d, d))
    outcome = 0
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        if not total > 0.0:
            continue
        p = parameters[k]
        keeps_df, keeps_scale = is_held(p[HELD], 0), is_held(p[HELD], 2)
        factor, floor = _square(parameters, k, LOWER, d), _vector(parameters, k, FLOOR, d)
        location, whitener = _vector(parameters, k, LOCATION, d), _square(parameters, k, WHITENER, d)
        room = np.inf
        for i in range(d):
            room = min(room, max(0.0, -log(whitener[i, i] * floor[i])))
        df, gain = climb(total, statistics[k, 1:], p[DF], float(d), False, not keeps_scale, not keeps_df, room, move)
        sure, far, held = -np.inf, 0.0, 0
        if statistics[k, SUMS] > 0.0:
            sure, far, held = _expanded_step(statistics, parameters, k, d, shift, lower, inverse)
        if sure > gain:
            for i in range(d):
                location[i] += shift[i]
            if not keeps_scale:
                factor[:] = lower
        else:
            p[DF] = df
            factor[:] *= np.exp(-move[0])
        if not keeps_df and (p[DF] >= LARGEST_DF or p[DF] <= LEAST_DF):
            outcome |= LIMIT
        if held or (not keeps_scale and room <= 1e-9):
            outcome |= FLOORED
        # Of rows in a plane, the quadratic form is rounding along the pivots that are held.
        least = NOTHING_IN_A_PLANE if held else NOTHING
        if (far > STEADY and sure > least) or (max(abs(move[0]), abs(move[2])) > STEADY and gain > least):
            outcome |= UNSETTLED
    return outcome


_of_block = replace(degrees_of_freedom, members=(2.0, 3.0, 40.0, 500.0, 1e6))
"""Heavier tails are legal, too, but their integral over several columns cannot be checked by sampling."""


class MultivariateStudentT(Family):
    """Student's t distribution of several real columns together: an ellipse with heavy tails.

    Parameters
    ----------
    df : float > 0 and at most 1e10, degrees of freedom, or None to be learned.
    location : sequence of d floats, the centre, or None to be learned.
    scale_matrix : symmetric positive definite matrix (d, d), or None to be learned. The covariance is scale_matrix df / (df - 2)
        where df > 2.

    Notes
    -----
    ``scipy.stats.multivariate_t(location, scale_matrix, df)``. As a component it stands on all columns of the table; over some of
    them, in a ``Product``. A fit finds df between 0.01 and 1e10, the upper end where the tails are no heavier than a Normal's.
    Where rows agree, or lie in a plane to 5e-7 of their spread, the scale is held at the rounding of the columns, with a
    :class:`~mixtures.exceptions.DegenerateWarning`. Rows with missing cells are refused.

    Examples
    --------
    >>> MultivariateStudentT(3, [0, 0], [[1, 0], [0, 1]]).log_prob([[0.0, 0.0]]).round(6)
    array([-1.837877])
    >>> rows = [[0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [1.0, 1.0], [3.0, 2.0], [50.0, -90.0]]
    >>> [round(x, 2) for x in MultivariateStudentT().fit(rows).location]
    [1.59, 1.42]
    """

    parameters = {"df": _of_block, "location": Vector(), "scale_matrix": Covariance()}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    reads_block = True
    uses_unit = True
    uses_origin = True
    held = HELD
    limit = "df is at an end of what a fit finds; at 1e10 the rows have no heavier tails than a Normal's: use MultivariateNormal"

    def __init__(self, df: float | None = None, location: Any = None, scale_matrix: Any = None) -> None:
        super().__init__(df=df, location=location, scale_matrix=scale_matrix)
        if location is not None and scale_matrix is not None:
            expected = (len(self.location), len(self.location))
            if np.shape(self.scale_matrix) != expected:
                raise ParameterError(
                    f"MultivariateStudentT: scale_matrix must have shape {expected} for {expected[0]} columns, "
                    f"found {np.shape(self.scale_matrix)}"
                )

    df: float
    location: tuple[float, ...]
    scale_matrix: Any

    @property
    def n_features(self) -> int:
        """Number of columns, known once the location is."""
        if self.location is None:
            raise NotFittedError("MultivariateStudentT has no value for location; give it one or fit it")
        return len(self.location)

    def _count(self, name):
        d = self.n_features
        return {"df": 1, "location": d, "scale_matrix": d * (d + 1) // 2}[name]

    def to_scipy(self):
        return scipy.stats.multivariate_t(np.asarray(self.location), np.asarray(self.scale_matrix), self.df)

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, d)."""
        self._require_complete()
        random = generator_of(random_state)
        noise = random.standard_normal((n, len(self.location))) @ np.linalg.cholesky(np.asarray(self.scale_matrix)).T
        return np.asarray(self.location) + noise / np.sqrt(random.chisquare(self.df, (n, 1)) / self.df)

    def cdf(self, x: Any) -> Any:
        """Probability of a row below x (n, d) in every column, by scipy's quadrature."""
        self._require_complete()
        return np.atleast_1d(self.to_scipy().cdf(np.asarray(x, dtype=float), random_state=0))

    def quantile(self, probability: Any) -> Any:
        raise NotImplementedError("MultivariateStudentT: rows have no order, so there are no quantiles")

    def _layout(self, columns):
        d = len(columns)
        return HEAD + 2 * d + 2 * d * d, 1 + SUMS + d + d * d

    def _coordinates(self, columns):
        d = len(columns)
        return (CAPPED, DF, 1, 0), (REAL, HEAD + LOCATION * d, d, 1), (FACTOR, HEAD + 2 * d, d, 2)

    def _pack(self, columns):
        d = len(columns)
        if len(self.location) != d:
            raise DataError(f"MultivariateStudentT: expected {len(self.location)} columns, as its location has, found {d}")
        origin, unit = _frame(columns)
        with np.errstate(over="ignore", under="ignore"):
            location, scale = (np.asarray(self.location) - origin) / unit, np.asarray(self.scale_matrix) / unit / unit[:, None]
        for column, place, variance in zip(columns, location, np.diagonal(scale), strict=True):
            if not (LEAST_VARIANCE < variance < LARGEST_VARIANCE and abs(place) < FARTHEST):
                raise DataError(
                    f"MultivariateStudentT on column {column.name}: squares of a scale {np.sqrt(variance) * column.unit:.3g} or a "
                    f"location {place * column.unit + column.origin:.3g} beside values to {column.magnitude:.3g} are no float64; "
                    "scale the column or start nearer"
                )
        floor = np.array([column.floor for column in columns]) / unit
        cholesky(scale, np.zeros(d))
        numbers = [np.array([0.0, np.log(unit).sum(), 0.0, self.df]), location, floor, scale.ravel(), np.zeros(d * d)]
        return np.concatenate(numbers).tolist()

    def _unpack(self, row, columns):
        d = len(columns)
        origin, unit = _frame(columns)
        location = row[HEAD : HEAD + d] * unit + origin
        lower = row[HEAD + 2 * d : HEAD + 2 * d + d * d].reshape(d, d)
        own = np.asarray(self.scale_matrix) / unit / unit[:, None]
        cholesky(own, np.zeros(d))
        # A matrix that no row has moved keeps its last digits, too.
        scale = self.scale_matrix if np.array_equal(lower, own) else lower @ lower.T * unit * unit[:, None]
        return MultivariateStudentT(row[DF], location, scale)

    def _start(self, columns):
        for column in columns:
            if column.magnitude and not 1e-150 < column.magnitude < 1e150:
                raise DataError(
                    f"MultivariateStudentT on column {column.name}: values to {column.magnitude:.3g} have squares that are no "
                    "float64; scale the column"
                )
        middle = [column.lower / 2 + column.upper / 2 for column in columns]
        spread = [max(column.upper / 2 - column.lower / 2, column.floor) ** 2 for column in columns]
        return MultivariateStudentT(4.0, middle, np.diag(spread))


def _frame(columns: Any) -> tuple[Any, Any]:
    """Origins and units of columns."""
    return np.array([column.origin for column in columns]), np.array([column.unit for column in columns])
