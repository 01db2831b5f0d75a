"""Rows of counts: read from a block, and what their log-mass has that no parameter enters."""

from __future__ import annotations

import math

import numpy as np

from mixtures._numba import jit, wide_vectors
from mixtures.engine.special import HALF_LOG_2PI, log, stirling_error
from mixtures.row_supports import LARGEST_COUNT

MAX_TABLE = 128
LOG_FACTORIALS = np.array([math.log(math.factorial(x)) for x in range(MAX_TABLE)])


@jit
def read_counts(x, cells, total):
    """cells (d, b) = rows x of counts, 0 in rows that are none; total (b,) their sums, -1 for such rows. Returns the largest."""
    wide_vectors()
    d, b = x.shape
    for i in range(b):
        total[i] = 0.0
    for j in range(d):
        column = x[j]
        for i in range(b):
            whole = 0.0 <= column[i] <= LARGEST_COUNT and column[i] == np.floor(column[i])
            total[i] += column[i] if whole else np.inf
    largest = 0.0
    for i in range(b):
        total[i] = total[i] if total[i] < np.inf else -1.0
        largest = total[i] if total[i] > largest else largest
    for j in range(d):
        column, cell = x[j], cells[j]
        for i in range(b):
            cell[i] = column[i] if total[i] >= 0.0 else 0.0
    return largest


@jit
def log_coefficients(cells, total, base):
    """base (b,) = log n! - sum_j log x_j!, totals below MAX_TABLE; -inf for rows that are no counts."""
    wide_vectors()
    for i in range(base.size):
        base[i] = LOG_FACTORIALS[np.uint64(max(total[i], 0.0))] if total[i] >= 0.0 else -np.inf
    for j in range(cells.shape[0]):
        column = cells[j]
        for i in range(base.size):
            base[i] -= LOG_FACTORIALS[np.uint64(column[i])]


@jit
def factorial_excess(x):
    """c(x) = log x! - (x log x - x) for whole x >= 0."""
    y = x if x > 0.0 else 1.0
    return HALF_LOG_2PI + 0.5 * log(y) + stirling_error(y) if x > 0.0 else 0.0


@jit
def log_coefficient_excesses(cells, total, base):
    """base (b,) = c(n) - sum_j c(x_j); -inf for rows that are no counts."""
    wide_vectors()
    for i in range(base.size):
        base[i] = factorial_excess(total[i]) if total[i] >= 0.0 else -np.inf
    for j in range(cells.shape[0]):
        column = cells[j]
        for i in range(base.size):
            base[i] -= factorial_excess(column[i])
