"""Degenerate distribution: all mass at one value.

    f(x) = 1 at the value, 0 elsewhere.

f is a probability, not a density. In a mixture with densities over the same column, an atom and a density are compared with
respect to the sum of the counting measure at the atoms and the length of the line: there a density is 0 at an atom, so that
rows at the value belong to the point mass alone. Beside distributions of whole numbers f is a mass like theirs.

Weighted maximum likelihood: the value of all rows; rows that differ cannot have come from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.plan import FAILED
from mixtures.exceptions import DataError

VALUE = 0


@jit
def _prepare(parameters):
    pass


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    for k in range(out.shape[0]):
        row = out[k]
        value = parameters[k, VALUE]
        for i in range(row.size):
            row[i] += 0.0 if cells[i] == value else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    """The largest value of a row that belongs here, and the largest negative of one."""
    wide_vectors()
    cells = x[0]
    for k in range(responsibilities.shape[0]):
        share = responsibilities[k]
        high = -np.inf
        low = np.inf
        for i in range(share.size):
            high = max(high, cells[i] if share[i] > 0.0 else -np.inf)
            low = min(low, cells[i] if share[i] > 0.0 else np.inf)
        statistics[k, 1] = max(statistics[k, 1], high)
        statistics[k, 2] = max(statistics[k, 2], -low)


@jit
def _maximize(statistics, parameters):
    for k in range(parameters.shape[0]):
        if statistics[k, 0] > 0.0:
            if statistics[k, 1] != -statistics[k, 2]:
                return FAILED
            parameters[k, VALUE] = statistics[k, 1]
    return 0


class Degenerate(Family):
    """Point mass at one value of one column of numbers: zeros in a column of amounts, a default that nobody changed.

    Parameters
    ----------
    value : float, or None for the value that the column repeats most.

    Notes
    -----
    A spike and a continuous part: ``GeneralMixtureModel([Degenerate(0.0), Gamma()])``; its first weight is the share of rows at
    exactly 0, which the Gamma then does not see. scipy.stats has no equivalent.

    Examples
    --------
    >>> Degenerate(0.0).log_prob([0.0, 1.0])
    array([  0., -inf])
    >>> Degenerate().fit([3.0, 3.0])
    Degenerate(value=3.0)
    """

    parameters = {"value": real}
    unmoved = {"value": "a point mass has no likelihood beside its point"}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    n_maxima = 2

    def __init__(self, value: float | None = None) -> None:
        super().__init__(value=value)

    value: float

    @property
    def atoms(self) -> tuple[float, ...]:
        """The values that have mass."""
        return (self.value,)

    @property
    def mean(self) -> float:
        """The value."""
        self._require_complete()
        return self.value

    @property
    def variance(self) -> float:
        """0."""
        return 0.0

    def _bind(self, table, column):
        if self.value is not None:
            return self
        values = table.numbers(column)
        found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        if not len(found):
            raise DataError(f"Degenerate on {table.where(column)}: expected at least one observed value, found only missing cells")
        return Degenerate(found[counts.argmax()])

    def _layout(self, column):
        return 1, 3

    def _pack(self, column):
        return (self.value,)

    def _unpack(self, row, column):
        return Degenerate(row[VALUE])

    def _start(self, column):
        return Degenerate(column.lower)

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """n rows of the value, shape (n, 1)."""
        self._require_complete()
        return np.full((n, 1), self.value)

    def cdf(self, x: Any) -> Any:
        """Probability of a value <= x, elementwise."""
        self._require_complete()
        return np.where(np.asarray(x, dtype=float) >= self.value, 1.0, 0.0)

    def quantile(self, probability: Any) -> Any:
        """The value, for every probability."""
        self._require_complete()
        levels = np.asarray(probability, dtype=float)
        return np.where((levels >= 0.0) & (levels <= 1.0), self.value, np.nan)
