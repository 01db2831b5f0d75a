"""Dirichlet distribution.

    log f(x) = log Gamma(A) - sum_j log Gamma(a_j) + sum_j (a_j - 1) log x_j,   a = concentration, A = sum_j a_j,

a density of all columns but the last; support: x_j > 0, sum_j x_j = 1. A row that sums to 1 but for its rounding is read as
x / sum(x). These terms cancel where A is large; there it is computed as

    log f(x) = C(A) - sum_j [C(a_j) + D(a_j, A x_j) + log x_j]

with C(a) = log Gamma(a) - a log a + a and the deviance D(a, m) = a log(a / m) + m - a (Loader 2000): the terms m - a add to 0.

Weighted maximum likelihood: with g_j = sum w log x_j / sum w, digamma(a_j) - digamma(A) = g_j. The log-likelihood is concave (an
exponential family). Given A every a_j follows, so that one equation is left (the fixed point of Minka 2000, "Estimating a
Dirichlet distribution"),

    G(A) = sum_j digamma^-1(g_j + digamma(A)) - A = 0,

solved by Newton's method with its root kept bracketed, at the cost of d inversions a step. G has slope d - 1 at 0 and -gap at
infinity, where gap = -log sum_j exp(g_j) > 0 (Jensen); A = (d - 1) / (2 gap) is right at that end and within a factor of two or so
at the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import concentrations
from mixtures.distributions.base import Family, Kernels, generator_of
from mixtures.engine.coordinates import LOG
from mixtures.engine.linear import add_linear
from mixtures.engine.plan import FLOORED, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import (
    digamma,
    exp_nonpositive,
    inverse_digamma,
    log,
    log_gamma,
    log_gamma_excess,
    poisson_deviance,
    trigamma,
)
from mixtures.exceptions import DataError, NotFittedError
from mixtures.row_supports import TOLERANCE, open_simplex

HELD = 0
TOTAL = 1
CONSTANT = 2
CONCENTRATION = 3  # and the following

LARGE = 50.0
"""Totals from here on take the form without cancellation, which costs a logarithm a cell and component."""
SMALLEST_GAP = 3e-15
"""Gap that rounding tells from 0, of logarithms near 1: the total is at most (d - 1) 1.7e14."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        a = parameters[k, CONCENTRATION:]
        total = 0.0
        for j in range(a.size):
            total += a[j]
        constant = log_gamma_excess(total) if total >= LARGE else log_gamma(total)
        for j in range(a.size):
            constant -= log_gamma_excess(a[j]) if total >= LARGE else log_gamma(a[j])
        parameters[k, TOTAL] = total
        parameters[k, CONSTANT] = constant


@jit
def _read(x, shares, logs, base):
    """Of rows x (d, b): shares of their sums, logarithms of those and minus the sum of these; 1, 0 and -inf outside the support."""
    wide_vectors()
    d, b = x.shape
    total, least = np.empty(b), np.empty(b)
    for i in range(b):
        total[i] = 0.0
        least[i] = np.inf
    for j in range(d):
        cells = x[j]
        for i in range(b):
            total[i] += cells[i]
            least[i] = cells[i] if cells[i] < least[i] else least[i]
    for i in range(b):
        inside = least[i] > 0.0 and abs(total[i] - 1.0) <= TOLERANCE
        base[i] = 0.0 if inside else -np.inf
        total[i] = 1.0 / total[i] if inside else 0.0
    for j in range(d):
        cells, share, level = x[j], shares[j], logs[j]
        for i in range(b):
            share[i] = cells[i] * total[i] if total[i] > 0.0 else 1.0
            level[i] = log(share[i])
            base[i] -= level[i]


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    d, b = x.shape
    scratch = np.empty((2 * d + 1, b))
    shares, logs, base = scratch[:d], scratch[d : 2 * d], scratch[2 * d]
    _read(x, shares, logs, base)
    for k in range(out.shape[0]):
        row = out[k]
        a = parameters[k, CONCENTRATION:]
        total, constant = parameters[k, TOTAL], parameters[k, CONSTANT]
        for i in range(b):
            row[i] += constant + base[i]
        if total >= LARGE:
            for j in range(d):
                concentration, share = a[j], shares[j]
                for i in range(b):
                    row[i] -= poisson_deviance(concentration, total * share[i])
        else:
            add_linear(a, logs, row)


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    d, b = x.shape
    scratch = np.empty((2 * d + 1, b))
    shares, logs = scratch[:d], scratch[d : 2 * d]
    _read(x, shares, logs, scratch[2 * d])
    for k in range(responsibilities.shape[0]):
        for j in range(d):
            statistics[k, 1 + j] += weighted_total(logs[j], responsibilities[k])


@jit
def total_of(mean_logs, gap):
    """The total A > 0 with sum_j digamma^-1(g_j + digamma(A)) = A, for mean logarithms g_j and gap = -log sum_j exp(g_j) > 0."""
    d = mean_logs.size
    low, high = 0.0, np.inf
    total = 0.5 * (d - 1) / gap
    last = np.inf
    for _ in range(200):
        level = digamma(total)
        excess, slope = -total, 0.0
        for j in range(d):
            a = inverse_digamma(mean_logs[j] + level)
            excess += a
            slope += 1.0 / trigamma(a)
        slope = slope * trigamma(total) - 1.0
        if excess > 0.0:
            low = total
        else:
            high = total
        new = total - excess / slope
        if slope < 0.0 and abs(new - total) <= 4e-16 * total:
            return new  # at the end of its own bracket, which would send it halfway back to the other
        if not (slope < 0.0 and low < new < high):
            new = 4.0 * total if high == np.inf else 0.25 * total if low == 0.0 else np.sqrt(low) * np.sqrt(high)
        step = abs(new - total)
        total = new
        # The end: a step that is rounding, or where rounding of the sum of a large A no longer lets steps shrink.
        if step <= 4e-16 * total or (step <= 1e-7 * total and step >= 0.5 * last):
            break
        last = step
    return total


@jit
def _maximize(statistics, parameters):
    outcome = 0
    d = parameters.shape[1] - CONCENTRATION
    mean_logs = np.empty(d)
    for k in range(parameters.shape[0]):
        weight = statistics[k, 0]
        if not weight > 0.0 or is_held(parameters[k, HELD], 0):
            continue
        largest, size = -np.inf, 1.0
        for j in range(d):
            mean_logs[j] = statistics[k, 1 + j] / weight
            largest = max(largest, mean_logs[j])
            size = max(size, -mean_logs[j])
        total = 0.0
        for j in range(d):
            total += exp_nonpositive(mean_logs[j] - largest)
        gap = -largest - log(total)
        smallest = SMALLEST_GAP * size
        if not gap > smallest:
            for j in range(d):
                mean_logs[j] -= smallest - gap
            gap = smallest
            outcome |= FLOORED
        level = digamma(total_of(mean_logs, gap))
        for j in range(d):
            parameters[k, CONCENTRATION + j] = inverse_digamma(mean_logs[j] + level)
    return outcome


class Dirichlet(Family):
    """Dirichlet distribution of several columns of shares, which sum to 1: compositions, budgets, mixtures of topics.

    Parameters
    ----------
    concentration : sequence of d >= 2 floats > 0, one a column, or None to be learned. The mean is concentration / sum.

    Notes
    -----
    ``scipy.stats.dirichlet(concentration)``. Every cell must be > 0 and every row sum to 1 within 1e-6; it is read as divided by
    its sum. Missing cells are refused. As a component it stands on all columns of the table; over some of them, in a ``Product``.
    Where all rows agree within rounding, a relative spread below 1e-7, the sum of concentrations is held at about 1e14 a column,
    with a :class:`~mixtures.exceptions.DegenerateWarning`. Draws below the smallest float64, common for concentrations below
    a hundredth, are raised to it.

    Examples
    --------
    >>> Dirichlet([1.0, 1.0, 1.0]).log_prob([[0.2, 0.3, 0.5], [0.2, 0.3, 0.6]]).round(6)
    array([0.693147,     -inf])
    >>> fitted = Dirichlet().fit([[0.2, 0.8], [0.5, 0.5], [0.4, 0.6]])
    >>> [round(a, 6) for a in fitted.concentration]
    [5.065889, 8.808229]
    """

    parameters = {"concentration": concentrations}
    support = open_simplex
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    carries = True
    reads_block = True
    held = HELD

    def __init__(self, concentration: Any = None) -> None:
        super().__init__(concentration=concentration)

    concentration: tuple[float, ...]

    @property
    def n_features(self) -> int:
        """Number of columns, known once the concentration is."""
        if self.concentration is None:
            raise NotFittedError("Dirichlet has no value for concentration; give it one or fit it")
        return len(self.concentration)

    def _count(self, name):
        return self.n_features

    @property
    def mean(self) -> Any:
        """concentration / sum, shape (d,)."""
        self._require_complete()
        return np.asarray(self.concentration) / np.sum(self.concentration)

    @property
    def variance(self) -> Any:
        """mean (1 - mean) / (1 + sum of concentrations), shape (d,)."""
        return self.mean * (1.0 - self.mean) / (1.0 + np.sum(self.concentration))

    def to_scipy(self):
        return scipy.stats.dirichlet(self.concentration)

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, d)."""
        self._require_complete()
        random = generator_of(random_state)
        a = np.asarray(self.concentration)
        # Gamma variates by their logarithms, which do not underflow: Gamma(a) = Gamma(a + 1) U^(1 / a) (Marsaglia & Tsang 2000).
        logs = np.log(random.standard_gamma(a + 1.0, (n, a.size))) - random.standard_exponential((n, a.size)) / a
        shares = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
        return np.maximum(shares, np.nextafter(0.0, 1.0))

    def cdf(self, x: Any) -> Any:
        raise NotImplementedError("Dirichlet: rows have no order, so there is no cdf")

    def quantile(self, probability: Any) -> Any:
        raise NotImplementedError("Dirichlet: rows have no order, so there are no quantiles")

    def _layout(self, columns):
        return CONCENTRATION + len(columns), 1 + len(columns)

    def _coordinates(self, columns):
        return ((LOG, CONCENTRATION, len(columns), 0),)

    def _pack(self, columns):
        if len(self.concentration) != len(columns):
            raise DataError(
                f"Dirichlet: expected {len(self.concentration)} columns, as its concentration has, found {len(columns)}"
            )
        return 0.0, 0.0, 0.0, *self.concentration

    def _unpack(self, row, columns):
        return Dirichlet(row[CONCENTRATION:])

    def _expected(self, row, columns):
        concentration = row[CONCENTRATION:]
        return np.append(1.0, scipy.special.digamma(concentration) - scipy.special.digamma(concentration.sum()))

    def _start(self, columns):
        if len(columns) < 2:
            raise DataError(f"Dirichlet on column {columns[0].name}: expected at least two columns, which sum to 1")
        return Dirichlet([1.0] * len(columns))
