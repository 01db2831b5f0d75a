"""Multivariate Normal distribution.

    log f(x) = -(x - mean)' S^-1 (x - mean) / 2 - log det(S) / 2 - d log(2 pi) / 2,   S = covariance, support: R^d.

With S = L L' (Cholesky) the quadratic form is the squared length of L^-1 (x - mean).

Weighted maximum likelihood (Bishop 2006, eqs. 9.24 and 9.25): mean = sum w x / sum w, S = sum w (x - mean)(x - mean)' / sum w;
of ``diagonal`` the diagonal, of ``spherical`` the mean of the diagonal. Where components tie theirs, S is the mean over all
components, weighted by their shares (Celeux & Govaert 1995).

A row that lacks cells counts with the density of the others, and in a fit with their expectation: missing cells are filled by
their regression on the observed ones, whose residual covariance is added to S (Little & Rubin 2002, section 11.2.1). That is an
EM of its own: where cells are missing a fit takes several steps.

Under a prior, or of parameters that components share, the M-step is that of :mod:`mixtures.engine.normal_blocks`.

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
from mixtures.engine.normal_blocks import (
    CENTRE,
    CONSTANT,
    COVARIANCE,
    HEAD,
    HELD,
    INCOMPLETE,
    KIND,
    LOG_UNIT,
    LOG_UNITS,
    MEAN,
    NEAR,
    NEAR_MEAN,
    NEAR_OFFSET,
    OFFSET,
    PRIOR_MEAN,
    TIED_COVARIANCE,
    TIES,
    WHITENER,
    log_prior,
    maximize,
    square,
    vector,
    width_of,
)
from mixtures.engine.special import HALF_LOG_2PI, log
from mixtures.engine.sweep import aligned
from mixtures.exceptions import DataError, NotFittedError, ParameterError
from mixtures.normal_derivatives import normal_derivatives
from mixtures.priors import NormalInverseWishart, joint_moments

KINDS = ("full", "diagonal", "spherical")


@jit
def _prepare(parameters):
    d = width_of(parameters)
    lower = np.empty((d, d))
    none = np.zeros(d)
    for k in range(parameters.shape[0]):
        mean, offset = vector(parameters, k, MEAN, d), vector(parameters, k, OFFSET, d)
        covariance, whitener = square(parameters, k, COVARIANCE, d), square(parameters, k, WHITENER, d)
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
        whitener, offset, seen = square(parameters, k, WHITENER, d), vector(parameters, k, OFFSET, d), cells
        if parameters[k, NEAR] == 0.0:
            shift_rows(cells, vector(parameters, k, MEAN, d), shifted)
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
        mean, covariance = vector(parameters, k, MEAN, d), square(parameters, k, COVARIANCE, d)
        log_units = vector(parameters, k, LOG_UNITS, d)
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
        centre, seen = vector(parameters, k, CENTRE, d), cells
        first = matrix(statistics, k * size + 1, 1, d)[0]
        for i in range(b):
            share[i] = responsibilities[k, i]
        if count:
            expected[:] = 0.0
            mean, covariance = vector(parameters, k, MEAN, d), square(parameters, k, COVARIANCE, d)
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


class MultivariateNormal(Family):
    """Normal (Gaussian) distribution of several real columns together.

    Parameters
    ----------
    mean : sequence of d floats, or None to be learned.
    covariance : of kind "full" a symmetric positive definite matrix (d, d); of "diagonal" d variances; of "spherical" one
        variance; or None to be learned.
    kind : "full", "diagonal" or "spherical".
    tied : whether components of a mixture share one covariance.
    prior : :class:`~mixtures.priors.NormalInverseWishart` of mean and covariance, or None: a fit is then their most probable value.
        Components with and without one cannot share a covariance.

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
    kernels = Kernels(_prepare, _log_prob, _accumulate, maximize, log_prior)
    carries = True
    reads_block = True
    uses_unit = True
    uses_origin = True
    takes_missing = True
    held = HELD
    ties = TIES

    def __init__(
        self,
        mean: Any = None,
        covariance: Any = None,
        *,
        kind: str = "full",
        tied: bool = False,
        prior: NormalInverseWishart | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ParameterError(f"MultivariateNormal: kind must be one of {KINDS}, found {kind!r}")
        super().__init__(mean=mean, covariance=covariance, kind=kind, tied=bool(tied))
        self._take_prior(prior, NormalInverseWishart)
        if prior is not None:
            prior.check(kind)
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
        return MultivariateNormal, self.kind, self.prior is not None

    @property
    def _tie_kind(self):
        return MultivariateNormal, self.kind

    def _prior_of(self, name):
        if self.prior is None:
            return None
        return (
            (self.prior.degrees_of_freedom, self.prior.scale) if name == "covariance" else (self.prior.mean, self.prior.mean_weight)
        )

    def _count(self, name):
        d = self.n_features
        return d if name == "mean" else {"full": d * (d + 1) // 2, "diagonal": d, "spherical": 1}[self.kind]

    @property
    def tied_names(self) -> tuple[str, ...]:
        """The covariance, where it is tied."""
        return ("covariance",) if self.tied else ()

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
        size = HEAD + 6 * d + 2 * d * d
        if self.prior is not None:
            size += PRIOR_MEAN + d + d * d
        return size, 1 + d + (d * d if self.kind == "full" else d)

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
        ties = TIED_COVARIANCE if self.tied else 0.0
        head = [KINDS.index(self.kind), ties, 0.0, np.log(unit).sum(), 0.0, 0.0, incomplete, d]
        vectors = [mean, np.zeros(d) if near else mean, floor, unit / unit.max(), np.log(unit), np.zeros(d)]
        of = [] if self.prior is None else self._packed_prior(origin, unit)
        return [*head, *np.concatenate([*vectors, covariance.ravel(), np.zeros(d * d), *of]).tolist()]

    def _packed_prior(self, origin, unit):
        mean, weight, powers, constant, scale = self.prior.packed(self.kind, len(unit))
        return np.array([weight, powers, constant]), (mean - origin) / unit, (scale / unit / unit[:, None]).ravel()

    def _unpack(self, row, columns):
        d = len(columns)
        origin, unit = _frame(columns)
        mean = row[HEAD : HEAD + d] * unit + origin
        covariance = row[HEAD + 6 * d : HEAD + 6 * d + d * d].reshape(d, d) * unit * unit[:, None]
        is_sound = self._is_sound(row, d) and bool(np.isfinite(covariance).all() and np.diagonal(covariance).min() > 0.0)
        if self.kind != "full":
            covariance = np.diagonal(covariance) if self.kind == "diagonal" else covariance[0, 0]
        if is_sound:
            values = covariance.tolist()
            values = tuple(map(tuple, values)) if self.kind == "full" else tuple(values) if self.kind == "diagonal" else values
            new = self._trusted(mean=tuple(mean.tolist()), covariance=values, kind=self.kind, tied=self.tied)
        else:
            new = MultivariateNormal(mean, covariance, kind=self.kind, tied=self.tied)
        return new._under(self.prior)

    def _is_sound(self, row, d):
        """Whether packed parameters are those of a member beyond doubt, which to prove from a matrix takes ten times as long: all
        numbers finite, and no column's variance given the columns before it less than 1e-12 of its whole variance, since the
        diagonal of L^-1 holds the reciprocals of those deviations."""
        if not np.isfinite(row).all():
            return False
        variances = row[HEAD + 6 * d : HEAD + 6 * d + d * d : d + 1]
        whitener = row[HEAD + 6 * d + d * d : HEAD + 6 * d + 2 * d * d : d + 1]
        return bool(variances.min() > 0.0 and (variances * whitener * whitener).max() < 1e12)

    def _expected(self, row, columns):
        d = len(columns)
        mean, centre = row[HEAD : HEAD + d], row[HEAD + CENTRE * d : HEAD + (CENTRE + 1) * d]
        square = row[HEAD + 6 * d : HEAD + 6 * d + d * d].reshape(d, d) + np.outer(mean - centre, mean - centre)
        return np.concatenate([[1.0], mean - centre, np.tril(square).ravel() if self.kind == "full" else np.diagonal(square)])

    def _carried(self, statistics, old, new, before, after):
        d = len(after)
        (origin, unit), (later, _) = _frame(before), _frame(after)
        start = HEAD + CENTRE * d
        move = (origin - later) / unit + (old[start : start + d] - new[start : start + d])
        total, first, second = statistics[0], statistics[1 : 1 + d], statistics[1 + d :]
        if self.kind == "full":
            crossed = np.outer(move, first)
            square = second.reshape(d, d) + np.tril(crossed + crossed.T + total * np.outer(move, move))
        else:
            square = second + move * (2.0 * first + total * move)
        return np.concatenate([[total], first + total * move, square.ravel()])

    def _derivatives(self, rows, share):
        return normal_derivatives(self.mean, self.covariance, rows, share)

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
        return MultivariateNormal(middle, covariance, kind=self.kind, tied=self.tied)._under(self.prior)

    def _resolved(self, table, columns, weights, n_components):
        for j in columns:
            self._place(table, j)
        mean, covariance = joint_moments(table, columns, weights)
        return self.replaced(prior=self.prior.filled(mean, covariance, n_components, self.kind))


def _frame(columns: Any) -> tuple[Any, Any]:
    """Origins and units of columns."""
    return np.array([column.origin for column in columns]), np.array([column.unit for column in columns])
