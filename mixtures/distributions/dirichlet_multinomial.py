"""Dirichlet-multinomial distribution (Polya's): a Multinomial whose probabilities each row draws anew from a Dirichlet.

    log f(x) = log n! - sum_j log x_j! + sum_j log (a_j)_{x_j} - log (A)_n,   n = sum_j x_j, A = sum_j a_j, a = concentration,

with rising factorials (a)_x = a (a + 1) ... (a + x - 1); the log-mass of a row given its total n, which may differ from row to
row; support: whole x_j >= 0. Small counts are read from tables of log[(a_j)_x / A^x], made once an iteration. Where totals are
large these terms cancel; with q_j = (a_j + x_j) / (A + n), C(a) = log Gamma(a) - a log a + a, c(x) = C(x) + log x and the deviance
D(a, m) = a log(a / m) + m - a (Loader 2000), of which the terms m - a add to 0,

    log f(x) = c(n) - sum_j c(x_j) + C(A) - C(A + n) - sum_j [C(a_j) - C(a_j + x_j) + D(a_j, A q_j) + D(x_j, n q_j)].

Weighted maximum likelihood: maximises sum_j F_j(a_j) - F(A), where F_j and F are sums of w log (a)_x over rows. These functions are
known from statistics that do not depend on the parameters (:mod:`mixtures.engine.rising_sums`), so that an M-step climbs to the
maximum (:mod:`mixtures.engine.concentrations`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import concentrations
from mixtures.distributions.base import Family, Kernels, generator_of
from mixtures.engine.concentrations import climb_concentrations
from mixtures.engine.coordinates import LOG
from mixtures.engine.counts import LOG_FACTORIALS, MAX_TABLE, log_coefficient_excesses, read_counts
from mixtures.engine.plan import is_held
from mixtures.engine.rising_sums import add_counts, sums_for
from mixtures.engine.special import log, log_gamma_excess, log_one_plus, poisson_deviance
from mixtures.exceptions import DataError, NotFittedError
from mixtures.row_supports import LARGEST_COUNT, counts

HELD = 0
COLUMN_SUMS = 1  # statistics of a column
TOTAL_SUMS = 2  # statistics of the totals
CELLS = 3  # entries of a column's table
TOTALS = 4  # entries of the table of totals
LARGEST_TOTAL = 5  # bound of A
TOTAL = 6  # A
CONSTANT = 7  # C(A) - sum_j C(a_j)
CONCENTRATION = 8  # d of them, then their tables, then that of the totals

TRIALS = 10
"""Of rows that are drawn where nothing else is said."""
LARGEST_RATIO = 1e8
"""Largest A over the largest total: the variance is then 1 + 1e-8 times the Multinomial's, at most."""


@jit
def _prepare(parameters):
    cells, totals = int(parameters[0, CELLS]), int(parameters[0, TOTALS])
    d = (parameters.shape[1] - CONCENTRATION - totals) // (1 + cells)
    for k in range(parameters.shape[0]):
        a = parameters[k, CONCENTRATION : CONCENTRATION + d]
        total = 0.0
        for j in range(d):
            total += a[j]
        parameters[k, TOTAL] = total
        constant = log_gamma_excess(total)
        for j in range(d):
            constant -= log_gamma_excess(a[j])
            start = CONCENTRATION + d + j * cells
            _sum_logs(a[j], total, parameters[k, start : start + cells])
        parameters[k, CONSTANT] = constant
        _sum_logs(total, total, parameters[k, CONCENTRATION + d + d * cells :])


@jit
def _sum_logs(a, scale, table):
    """table[x] = log[(a)_x / scale^x], sums with their rounding errors carried along (Kahan 1965)."""
    value, error = 0.0, 0.0
    for x in range(table.size):
        table[x] = value
        term = (log_one_plus(x / scale) if a == scale else log((a + x) / scale)) - error
        new = value + term
        error = (new - value) - term
        value = new


@jit
def _add_large(parameters, k, cells, total, row):
    """Add to `row` (b,) what does not come from a row alone, in the form for large totals."""
    wide_vectors()
    a, sum_of_a, constant = parameters[k, CONCENTRATION:], parameters[k, TOTAL], parameters[k, CONSTANT]
    for i in range(row.size):
        row[i] += constant - log_gamma_excess(sum_of_a + max(total[i], 0.0))
    for j in range(cells.shape[0]):
        concentration, column = a[j], cells[j]
        for i in range(row.size):
            n = max(total[i], 0.0)
            count = column[i]
            share = (concentration + count) / (sum_of_a + n)
            some = count if count > 0.0 else 1.0
            deviance = poisson_deviance(some, n * share) if count > 0.0 else n * share
            row[i] += log_gamma_excess(concentration + count) - poisson_deviance(concentration, sum_of_a * share) - deviance


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    d, b = x.shape
    size, totals = int(parameters[0, CELLS]), int(parameters[0, TOTALS])
    scratch = np.empty((d + 2, b))
    cells, total, base = scratch[:d], scratch[d], scratch[d + 1]
    largest = read_counts(x, cells, total)
    widest = 0.0
    for j in range(d):
        column = cells[j]
        for i in range(b):
            widest = column[i] if column[i] > widest else widest
    if widest >= size or largest >= totals:
        log_coefficient_excesses(cells, total, base)
        for k in range(out.shape[0]):
            row = out[k]
            for i in range(b):
                row[i] += base[i]
            _add_large(parameters, k, cells, total, row)
        return
    places = np.empty((d + 1, b), dtype=np.uint64)
    for i in range(b):
        places[d, i] = np.uint64(max(total[i], 0.0))
        base[i] = LOG_FACTORIALS[places[d, i]] if total[i] >= 0.0 else -np.inf
    for j in range(d):
        column, place = cells[j], places[j]
        for i in range(b):
            place[i] = np.uint64(column[i])
            base[i] -= LOG_FACTORIALS[place[i]]
    for k in range(out.shape[0]):
        row = out[k]
        table, place = parameters[k, CONCENTRATION + d + d * size :], places[d]
        for i in range(b):
            row[i] += base[i] - table[place[i]]
        for j in range(d):
            table, place = parameters[k, CONCENTRATION + d + j * size :], places[j]
            for i in range(b):
                row[i] += table[place[i]]


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    d, b = x.shape
    size = int(parameters[0, COLUMN_SUMS])
    scratch = np.empty((d + 1, b))
    cells, total = scratch[:d], scratch[d]
    read_counts(x, cells, total)
    for i in range(b):
        total[i] = max(total[i], 0.0)
    for k in range(responsibilities.shape[0]):
        sums = statistics[k, 1:]
        for j in range(d):
            add_counts(responsibilities[k], cells[j], sums[j * size : (j + 1) * size])
        add_counts(responsibilities[k], total, sums[d * size :])


@jit
def _maximize(statistics, parameters):
    size, rest = int(parameters[0, COLUMN_SUMS]), int(parameters[0, TOTAL_SUMS])
    d = (statistics.shape[1] - 1 - rest) // size
    outcome = 0
    for k in range(parameters.shape[0]):
        if statistics[k, 0] > 0.0 and not is_held(parameters[k, HELD], 0):
            sums, concentration = statistics[k, 1:], parameters[k, CONCENTRATION : CONCENTRATION + d]
            outcome |= climb_concentrations(concentration, sums[: d * size], sums[d * size :], parameters[k, LARGEST_TOTAL])
    return outcome


class DirichletMultinomial(Family):
    """Dirichlet-multinomial distribution of several columns of counts that scatter more than a Multinomial's: words, votes.

    Parameters
    ----------
    concentration : sequence of d >= 2 floats > 0, one a column, or None to be learned. The mean share is concentration / sum;
        the larger the sum, the nearer to a Multinomial.

    Notes
    -----
    ``scipy.stats.dirichlet_multinomial(concentration, n)`` with n the sum of each row: the number of trials is no parameter, and
    says nothing of the component that a row belongs to. Cells must be whole, >= 0 and at most 2^53; missing cells are
    refused. As a component it stands on all columns of the table; over some of them, in a ``Product``.

    Held at a bound, with a :class:`~mixtures.exceptions.DegenerateWarning`: the sum of concentrations at 1e8 times the sum of the
    columns' largest counts, where counts scatter no more than a Multinomial's; at 1e-8, where every row has all its counts in one
    column; the share of a column of zeros, at 1e-15. Rows of a single trial say nothing of the sum, which then stays where it was:
    at d in a fit of its own.

    Examples
    --------
    >>> DirichletMultinomial([1.0, 1.0]).log_prob([[1, 1], [4, 0], [1, 0.5]]).round(6)
    array([-1.098612, -1.609438,      -inf])
    >>> fitted = DirichletMultinomial().fit([[5, 0], [1, 4], [3, 2], [5, 1]])
    >>> [round(a, 6) for a in fitted.concentration]
    [2.168259, 1.107638]
    """

    parameters = {"concentration": concentrations}
    support = counts
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    carries = True
    reads_block = True
    held = HELD
    limit = (
        "the concentrations are held at a bound: counts scatter no more than a Multinomial's (use Multinomial there), or every row "
        "has its counts in one column, or a column has none."
    )

    def __init__(self, concentration: Any = None) -> None:
        super().__init__(concentration=concentration)

    concentration: tuple[float, ...]

    @property
    def n_features(self) -> int:
        """Number of columns, known once the concentration is."""
        if self.concentration is None:
            raise NotFittedError("DirichletMultinomial has no value for concentration; give it one or fit it")
        return len(self.concentration)

    def _count(self, name):
        return self.n_features

    def to_scipy(self, trials: int = TRIALS):
        """The frozen `scipy.stats` distribution of rows of so many trials."""
        return scipy.stats.dirichlet_multinomial(self.concentration, trials)

    def sample(self, n: int = 1, random_state: Any = None, *, trials: Any = TRIALS) -> Any:
        """Draw n rows, shape (n, d), of so many trials: a whole number, or one for each row."""
        self._require_complete()
        random = generator_of(random_state)
        a = np.asarray(self.concentration)
        left, rest = np.broadcast_to(np.asarray(trials, dtype=np.int64), n), np.cumsum(a[::-1])[::-1]
        rows = np.empty((n, a.size))
        for j in range(a.size - 1):  # a column against those that follow: a Dirichlet's shares are Betas of the rest
            rows[:, j] = drawn = random.binomial(left, random.beta(a[j], rest[j + 1], n))
            left = left - drawn
        rows[:, -1] = left
        return rows

    def cdf(self, x: Any) -> Any:
        raise NotImplementedError("DirichletMultinomial: rows have no order, so there is no cdf")

    def quantile(self, probability: Any) -> Any:
        raise NotImplementedError("DirichletMultinomial: rows have no order, so there are no quantiles")

    def _sizes(self, columns):
        """Sums of a column, sums of the totals, entries of a column's table, entries of the totals' table, largest total."""
        uppers = [min(column.upper, LARGEST_COUNT) if column.upper >= 0 else 0.0 for column in columns]
        largest, total = max(uppers), sum(uppers)
        # Tables no longer than the data: a fit of a few rows should not pay for long ones.
        longest = min(MAX_TABLE, max(columns[0].n_rows, 8))
        return sums_for(largest), sums_for(total), int(min(largest + 1, longest)), int(min(total + 1, longest)), total

    def _layout(self, columns):
        column_sums, total_sums, cells, totals, _ = self._sizes(columns)
        d = len(columns)
        return CONCENTRATION + d + d * cells + totals, 1 + d * column_sums + total_sums

    def _coordinates(self, columns):
        return ((LOG, CONCENTRATION, len(columns), 0),)

    def _pack(self, columns):
        d = len(columns)
        if len(self.concentration) != d:
            raise DataError(
                f"DirichletMultinomial: expected {len(self.concentration)} columns, as its concentration has, found {d}"
            )
        column_sums, total_sums, cells, totals, largest = self._sizes(columns)
        bound = LARGEST_RATIO * max(largest, 1.0)
        head = [0.0, column_sums, total_sums, cells, totals, bound, 0.0, 0.0]
        return [*head, *self.concentration, *[0.0] * (d * cells + totals)]

    def _unpack(self, row, columns):
        return DirichletMultinomial(row[CONCENTRATION : CONCENTRATION + len(columns)])

    def _carried(self, statistics, old, new, before, after):
        # Larger counts have sums of their own, after those of smaller ones.
        sizes = [[column_sums] * len(before) + [total_sums] for column_sums, total_sums, *_ in map(self._sizes, (before, after))]
        carried, start = [statistics[:1]], 1
        for known, wanted in zip(*sizes, strict=True):
            carried.append(np.pad(statistics[start : start + known], (0, wanted - known)))
            start += known
        return np.concatenate(carried)

    def _start(self, columns):
        if len(columns) < 2:
            raise DataError(f"DirichletMultinomial on column {columns[0].name}: expected at least two columns")
        return DirichletMultinomial([1.0] * len(columns))
