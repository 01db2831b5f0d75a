"""Multivariate Normal distribution.

    log f(x) = -(x - mean)' S^-1 (x - mean) / 2 - log det(S) / 2 - d log(2 pi) / 2,   S = covariance, support: R^d.

With S = L L' (Cholesky) the quadratic form is the squared length of L^-1 (x - mean).

Weighted maximum likelihood (Bishop 2006, eqs. 9.24 and 9.25): mean = sum w x / sum w, S = sum w (x - mean)(x - mean)' / sum w;
of ``diagonal`` the diagonal, of ``spherical`` the mean of the diagonal. Where components tie theirs, S is the mean over all
components, weighted by their shares (Celeux & Govaert 1995).

A row that lacks cells counts with the density of the others, and in a fit with their expectation: missing cells are filled by
their regression on the observed ones, whose residual covariance is added to S (Little & Rubin 2002, section 11.2.1). That is an
EM of its own: where cells are missing a fit takes several steps.

Sums are taken about a centre, as for :mod:`~mixtures.distributions.normal`: the columns' origins where the mean lies within 16
standard deviations of them in every column, else the previous mean; where a mean moved more than 100 standard deviations
from its centre, the pass is asked for again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, matrix, wide_vectors
from mixtures.constraints import Covariance, Vector, real
from mixtures.distributions.base import Family, Kernels, generator_of
from mixtures.engine import coordinates
from mixtures.engine.linear import STRIDE, cholesky, invert_lower, shift_rows, squared_lengths, weighted_sums
from mixtures.engine.missing import add_patterns, densities_of_patterns, find_patterns
from mixtures.engine.plan import FLOORED, REPEAT, UNSETTLED, is_held
from mixtures.engine.special import HALF_LOG_2PI, log
from mixtures.engine.sweep import aligned
from mixtures.exceptions import DataError, NotFittedError, ParameterError

KINDS = ("full", "diagonal", "spherical")

# Packed parameters: seven numbers, six vectors (d,), two matrices (d, d), about the columns' origins and in their units.
KIND = 0
TIED = 1
HELD = 2
LOG_UNIT = 3  # sum over columns
CONSTANT = 4  # -log det(S) / 2 - log unit - d log(2 pi) / 2
NEAR = 5  # whether the offset may stand for the mean
INCOMPLETE = 6  # whether rows may lack cells
HEAD = 7
MEAN, CENTRE, FLOOR, SHARE, LOG_UNITS, OFFSET = range(6)  # SHARE: a column's unit over the largest; OFFSET: -L^-1 mean
COVARIANCE, WHITENER = range(2)  # S, L^-1

NEAR_OFFSET = 256.0
NEAR_MEAN = 16.0
STILL = 1e-11
"""Standard deviations, or correlations, by which a step may move the parameters of a fit with missing cells that has settled."""


@jit
def _width(parameters):
    """d, of HEAD + 6 d + 2 d^2 parameters."""
    d = 1
    while HEAD + 6 * d + 2 * d * d < parameters.shape[1]:
        d += 1
    return d


@jit
def _vector(parameters, k, which, d):
    return matrix(parameters, k * parameters.shape[1] + HEAD + which * d, 1, d)[0]


@jit
def _square(parameters, k, which, d):
    return matrix(parameters, k * parameters.shape[1] + HEAD + 6 * d + which * d * d, d, d)


@jit
def _prepare(parameters):
    d = _width(parameters)
    lower = np.empty((d, d))
    none = np.zeros(d)
    for k in range(parameters.shape[0]):
        mean, offset = _vector(parameters, k, MEAN, d), _vector(parameters, k, OFFSET, d)
        covariance, whitener = _square(parameters, k, COVARIANCE, d), _square(parameters, k, WHITENER, d)
        for i in range(d):
            for j in range(d):
                lower[i, j] = covariance[i, j]
        cholesky(lower, none)
        invert_lower(lower, whitener)
        constant = -parameters[k, LOG_UNIT] - d * HALF_LOG_2PI
        largest = 0.0
        for i in range(d):
            constant -= log(lower[i, i])
            total = 0.0
            size = 0.0
            for j in range(i + 1):
                total -= whitener[i, j] * mean[j]
                size += abs(whitener[i, j] * mean[j])
            offset[i] = total
            largest = max(largest, size)
        parameters[k, CONSTANT] = constant
        parameters[k, NEAR] = 1.0 if largest <= NEAR_OFFSET else 0.0


@jit
def _scaled_squares(slopes, offset, x, total):
    """total (b,) = the sum over columns of (slope x + offset)^2, slopes on the diagonal of a matrix."""
    wide_vectors()
    for i in range(total.size):
        total[i] = 0.0
    for j in range(x.shape[0]):
        slope, start = slopes[j, j], offset[j]
        cells = x[j]
        for i in range(total.size):
            t = cells[i] * slope + start
            total[i] += t * t


@jit
def _add_densities(constant, total, row):
    """row += constant - total / 2; -inf where a cell is infinite, and so the total may be infinity minus infinity."""
    wide_vectors()
    for i in range(row.size):
        value = constant - 0.5 * total[i]
        row[i] += value if total[i] == total[i] else -np.inf


@jit
def _log_prob(parameters, x, out):
    d, b = x.shape
    lines = aligned(4 * STRIDE).reshape(4, STRIDE)
    total, densities = np.empty(b), np.empty(b)
    shifted = np.empty((d, b))
    zero = np.zeros(d)
    cells = x
    patterns, pattern_of, count = np.empty((0, d)), np.empty(0, dtype=np.int64), 0
    if parameters[0, INCOMPLETE] == 1.0:
        cells, patterns, pattern_of = np.empty((d, b)), np.empty((b, d)), np.empty(b, dtype=np.int64)
        count = find_patterns(x, cells, pattern_of, patterns)
    for k in range(out.shape[0]):
        whitener, offset, seen = _square(parameters, k, WHITENER, d), _vector(parameters, k, OFFSET, d), cells
        if parameters[k, NEAR] == 0.0:
            shift_rows(cells, _vector(parameters, k, MEAN, d), shifted)
            offset, seen = zero, shifted
        if parameters[k, KIND] == 0.0:
            squared_lengths(whitener, offset, seen, lines, total)
        else:
            _scaled_squares(whitener, offset, seen, total)
        if count == 0:
            _add_densities(parameters[k, CONSTANT], total, out[k])
            continue
        for i in range(b):
            densities[i] = 0.0
        _add_densities(parameters[k, CONSTANT], total, densities)
        mean, covariance = _vector(parameters, k, MEAN, d), _square(parameters, k, COVARIANCE, d)
        log_units = _vector(parameters, k, LOG_UNITS, d)
        densities_of_patterns(cells, pattern_of, patterns, count, mean, covariance, log_units, densities)
        for i in range(b):
            out[k, i] += densities[i]


@jit_sums
def _sums_of_squares(share, x, first, second):
    """Add sum share x and sum share x^2, column by column."""
    wide_vectors()
    for j in range(x.shape[0]):
        cells = x[j]
        a = b = 0.0
        for i in range(share.size):
            u = share[i] * cells[i]
            a += u
            b += u * cells[i]
        first[j] += a
        second[j] += b


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    d, b = x.shape
    scratch = np.empty((2 * d + 1, b))
    shifted, scaled, share = scratch[:d], scratch[d : 2 * d], scratch[2 * d]
    size = statistics.shape[1]
    cells = x
    patterns, pattern_of, count = np.empty((0, d)), np.empty(0, dtype=np.int64), 0
    if parameters[0, INCOMPLETE] == 1.0:
        cells, patterns, pattern_of = np.empty((d, b)), np.empty((b, d)), np.empty(b, dtype=np.int64)
        count = find_patterns(x, cells, pattern_of, patterns)
    expected = np.empty((d, d))
    for k in range(responsibilities.shape[0]):
        full = parameters[k, KIND] == 0.0
        centre, seen = _vector(parameters, k, CENTRE, d), cells
        first = matrix(statistics, k * size + 1, 1, d)[0]
        for i in range(b):
            share[i] = responsibilities[k, i]
        if count:
            expected[:] = 0.0
            mean, covariance = _vector(parameters, k, MEAN, d), _square(parameters, k, COVARIANCE, d)
            add_patterns(cells, pattern_of, patterns, count, share, mean, centre, covariance, first, expected)
            for i in range(d):
                for j in range(i + 1):
                    if full:
                        statistics[k, 1 + d + i * d + j] += expected[i, j]
                    elif i == j:
                        statistics[k, 1 + d + i] += expected[i, i]
            for i in range(b):
                share[i] = share[i] if pattern_of[i] == -1 else 0.0
        if not _is_zero(centre):
            shift_rows(cells, centre, shifted)
            seen = shifted
        if full:
            weighted_sums(share, seen, scaled, first, matrix(statistics, k * size + 1 + d, d, d))
        else:
            _sums_of_squares(share, seen, first, matrix(statistics, k * size + 1 + d, 1, d)[0])


@jit
def _is_zero(values):
    largest = 0.0
    for i in range(values.size):
        largest = max(largest, abs(values[i]))
    return largest == 0.0


@jit
def _moments(statistics, parameters, k, d, covariance):
    """New mean in place, and the covariance (d, d) of component k about it, or about a mean that is held.

    Returns REPEAT, the mean being the new centre, where so many digits cancelled that the pass should be done again.
    """
    total = statistics[k, 0]
    mean, centre = _vector(parameters, k, MEAN, d), _vector(parameters, k, CENTRE, d)
    full = parameters[k, KIND] == 0.0
    first = matrix(statistics, k * statistics.shape[1] + 1, 1, d)[0]
    repeat = False
    for i in range(d):
        shift = first[i] / total
        place = 1 + d + (i * d + i if full else i)
        variance = statistics[k, place] / total - shift * shift
        # As for Normal: beyond 1e4 the variance has lost four digits, unless the move is itself rounding.
        if not shift * shift <= 1e4 * variance and abs(shift) > 8 * 2.2e-16 * abs(centre[i] + shift):
            repeat = True
    if repeat:
        for i in range(d):
            centre[i] += first[i] / total
        return REPEAT
    held = is_held(parameters[k, HELD], 0)
    moved = 0
    for i in range(d):
        shift_i = first[i] / total
        away_i = mean[i] - centre[i] - shift_i if held else 0.0
        for j in range(i + 1):
            shift_j = first[j] / total
            away_j = mean[j] - centre[j] - shift_j if held else 0.0
            value = 0.0
            if full:
                value = statistics[k, 1 + d + i * d + j] / total - shift_i * shift_j + away_i * away_j
            elif i == j:
                value = statistics[k, 1 + d + i] / total - shift_i * shift_i + away_i * away_i
            covariance[i, j] = value
            covariance[j, i] = value
    if not held:
        for i in range(d):
            new = centre[i] + first[i] / total
            if abs(new - mean[i]) > STILL * np.sqrt(covariance[i, i]):
                moved = UNSETTLED
            mean[i] = new
    return moved if parameters[k, INCOMPLETE] == 1.0 else 0


@jit
def _store(parameters, k, d, covariance, lower):
    """Put a covariance into component k, its pivots held above the columns' rounding. Returns FLOORED where one was."""
    target, floor, share = _square(parameters, k, COVARIANCE, d), _vector(parameters, k, FLOOR, d), _vector(parameters, k, SHARE, d)
    smallest = np.empty(d)
    for i in range(d):
        smallest[i] = floor[i] * floor[i]
    if parameters[k, KIND] == 2.0:
        # One variance for all columns, in the unit of the largest.
        total = 0.0
        for i in range(d):
            total += covariance[i, i] * share[i] * share[i]
        for i in range(d):
            covariance[i, i] = total / d / (share[i] * share[i])
    for i in range(d):
        for j in range(d):
            lower[i, j] = covariance[i, j]
    held = cholesky(lower, smallest)
    moved = 0
    for i in range(d):
        for j in range(i + 1):
            value = covariance[i, j]
            if held:
                value = 0.0
                for c in range(j + 1):
                    value += lower[i, c] * lower[j, c]
            if abs(value - target[i, j]) > STILL * np.sqrt(covariance[i, i] * covariance[j, j]):
                moved = UNSETTLED
            target[i, j] = value
            target[j, i] = value
    return (FLOORED if held else 0) | (moved if parameters[k, INCOMPLETE] == 1.0 else 0)


@jit
def _maximize(statistics, parameters):
    d = _width(parameters)
    count = parameters.shape[0]
    covariance, lower = np.zeros((d, d)), np.empty((d, d))
    pooled = np.zeros((d, d))
    pooled_weight = 0.0
    outcome = 0
    for k in range(count):
        total = statistics[k, 0]
        if not total > 0.0:
            continue
        outcome |= _moments(statistics, parameters, k, d, covariance)
        if outcome & REPEAT:
            continue
        if is_held(parameters[k, HELD], 1):
            continue
        if parameters[k, TIED] == 1.0:
            for i in range(d):
                for j in range(d):
                    pooled[i, j] += total * covariance[i, j]
            pooled_weight += total
        else:
            outcome |= _store(parameters, k, d, covariance, lower)
    if pooled_weight > 0.0 and not outcome & REPEAT:
        for i in range(d):
            for j in range(d):
                pooled[i, j] /= pooled_weight
        for k in range(count):
            if parameters[k, TIED] == 1.0 and not is_held(parameters[k, HELD], 1):
                for i in range(d):
                    for j in range(d):
                        covariance[i, j] = pooled[i, j]
                outcome |= _store(parameters, k, d, covariance, lower)
    if not outcome & REPEAT:
        for k in range(count):
            _choose_centre(parameters, k, d)
    return outcome


@jit
def _choose_centre(parameters, k, d):
    """The columns' origins where the mean is near them, else the mean."""
    mean, centre, covariance = (
        _vector(parameters, k, MEAN, d),
        _vector(parameters, k, CENTRE, d),
        _square(parameters, k, COVARIANCE, d),
    )
    near = True
    for i in range(d):
        if not mean[i] * mean[i] <= NEAR_MEAN * NEAR_MEAN * covariance[i, i]:
            near = False
    for i in range(d):
        centre[i] = 0.0 if near else mean[i]


class MultivariateNormal(Family):
    """Normal (Gaussian) distribution of several real columns together.

    Parameters
    ----------
    mean : sequence of d floats, or None to be learned.
    covariance : of kind "full" a symmetric positive definite matrix (d, d); of "diagonal" d variances; of "spherical" one
        variance; or None to be learned.
    kind : "full", "diagonal" or "spherical".
    tied : whether components of a mixture share one covariance.

    Notes
    -----
    ``scipy.stats.multivariate_normal(mean, covariance)``. As a component it stands on all columns of the table; over some of
    them, in a ``Product``: ``Product({("height", "weight"): MultivariateNormal(), "smoker": Bernoulli()})``. Where rows agree,
    or lie in a plane, variance is held at the rounding of the columns, with a :class:`~mixtures.exceptions.DegenerateWarning`.
    Missing cells are allowed, and taken at their conditional moments.

    Examples
    --------
    >>> MultivariateNormal([0, 0], [[1, 0], [0, 1]]).log_prob([[0.0, 0.0]]).round(6)
    array([-1.837877])
    >>> MultivariateNormal(kind="spherical").fit([[0.0, 1.0], [2.0, 3.0]])
    MultivariateNormal(mean=(1.0, 2.0), covariance=1.0, kind='spherical')
    """

    parameters = {"mean": Vector(), "covariance": Covariance()}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    reads_block = True
    uses_unit = True
    uses_origin = True
    takes_missing = True
    held = HELD

    def __init__(self, mean: Any = None, covariance: Any = None, *, kind: str = "full", tied: bool = False) -> None:
        if kind not in KINDS:
            raise ParameterError(f"MultivariateNormal: kind must be one of {KINDS}, found {kind!r}")
        super().__init__(mean=mean, covariance=covariance, kind=kind, tied=bool(tied))
        if mean is not None and covariance is not None:
            d = len(self.mean)
            expected = {"full": (d, d), "diagonal": (d,), "spherical": ()}[kind]
            if np.shape(self.covariance) != expected:
                raise ParameterError(
                    f"MultivariateNormal: covariance of kind {kind!r} must have shape {expected} for {d} columns, "
                    f"found {np.shape(self.covariance)}"
                )

    mean: tuple[float, ...]
    covariance: Any
    kind: str
    tied: bool

    @property
    def n_features(self) -> int:
        """Number of columns, known once the mean is."""
        self._require("mean")
        return len(self.mean)

    @property
    def _plate_kind(self):
        return MultivariateNormal, self.kind

    def _count(self, name):
        d = self.n_features
        return d if name == "mean" else {"full": d * (d + 1) // 2, "diagonal": d, "spherical": 1}[self.kind]

    def n_shared(self) -> int:
        """Parameters that components of a mixture have in common: those of a tied covariance."""
        return self._count("covariance") if self.tied else 0

    def _require(self, name: str) -> None:
        if vars(self)[name] is None:
            raise NotFittedError(f"MultivariateNormal has no value for {name}; give it one or fit it")

    def _values(self):
        values = dict(vars(self))
        if values["kind"] == "full":
            del values["kind"]
        if not values["tied"]:
            del values["tied"]
        return values

    def _matrix(self) -> Any:
        """The covariance as a matrix (d, d)."""
        values = np.asarray(self.covariance, dtype=float)
        return values if values.ndim == 2 else np.diag(np.broadcast_to(values, (len(self.mean),)))

    def to_scipy(self):
        return scipy.stats.multivariate_normal(np.asarray(self.mean), self._matrix())

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, d)."""
        self._require_complete()
        random = generator_of(random_state)
        noise = random.standard_normal((n, len(self.mean)))
        return np.asarray(self.mean) + noise @ np.linalg.cholesky(self._matrix()).T

    def cdf(self, x: Any) -> Any:
        """Probability of a row below x (n, d) in every column, by scipy's quadrature (absolute error 1e-5)."""
        self._require_complete()
        return np.atleast_1d(self.to_scipy().cdf(np.asarray(x, dtype=float)))

    def quantile(self, probability: Any) -> Any:
        raise NotImplementedError("MultivariateNormal: rows have no order, so there are no quantiles")

    def _layout(self, columns):
        d = len(columns)
        return HEAD + 6 * d + 2 * d * d, 1 + d + (d * d if self.kind == "full" else d)

    def _coordinates(self, columns):
        d = len(columns)
        kind = (coordinates.COVARIANCE, coordinates.DIAGONAL, coordinates.MULTIPLE)[KINDS.index(self.kind)]
        return (coordinates.REAL, HEAD + MEAN * d, d, 0), (kind, HEAD + 6 * d, d, 1)

    def _pack(self, columns):
        d = len(columns)
        if len(self.mean) != d:
            raise DataError(f"MultivariateNormal: expected {len(self.mean)} columns, as its mean has, found {d}")
        origin, unit = _frame(columns)
        mean, covariance = (np.asarray(self.mean) - origin) / unit, self._matrix() / unit / unit[:, None]
        near = bool(np.all(mean * mean <= NEAR_MEAN * NEAR_MEAN * np.diagonal(covariance)))
        floor = np.array([column.floor for column in columns]) / unit
        incomplete = any(column.n_missing for column in columns)
        head = [KINDS.index(self.kind), self.tied, 0.0, np.log(unit).sum(), 0.0, 0.0, incomplete]
        vectors = [mean, np.zeros(d) if near else mean, floor, unit / unit.max(), np.log(unit), np.zeros(d)]
        return [*head, *np.concatenate([*vectors, covariance.ravel(), np.zeros(d * d)]).tolist()]

    def _unpack(self, row, columns):
        d = len(columns)
        origin, unit = _frame(columns)
        mean = row[HEAD : HEAD + d] * unit + origin
        covariance = row[HEAD + 6 * d : HEAD + 6 * d + d * d].reshape(d, d) * unit * unit[:, None]
        if self.kind != "full":
            covariance = np.diagonal(covariance) if self.kind == "diagonal" else covariance[0, 0]
        return MultivariateNormal(mean, covariance, kind=self.kind, tied=self.tied)

    def _start(self, columns):
        for column in columns:
            if column.magnitude and not 1e-150 < column.magnitude < 1e150:
                raise DataError(
                    f"MultivariateNormal on column {column.name}: values to {column.magnitude:.3g} have variances and covariances "
                    "that are no float64; scale the column"
                )
        middle = [column.lower / 2 + column.upper / 2 for column in columns]
        spread = np.array([max(column.upper / 2 - column.lower / 2, column.floor) for column in columns]) ** 2
        covariance = {"full": np.diag(spread), "diagonal": spread, "spherical": spread.max()}[self.kind]
        return MultivariateNormal(middle, covariance, kind=self.kind, tied=self.tied)


def _frame(columns: Any) -> tuple[Any, Any]:
    """Origins and units of columns."""
    return np.array([column.origin for column in columns]), np.array([column.unit for column in columns])
