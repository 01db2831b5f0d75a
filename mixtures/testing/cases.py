"""What the laws are checked on: a distribution with rows, the domain of each column, and helpers that compare fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.constraints import Interval, Simplex, Whole, real
from mixtures.distributions.base import Distribution
from mixtures.row_supports import RowSupport
from mixtures.testing.integration import quantiles

Rows = npt.NDArray[Any]
N_ROWS = 200
FIT_TOLERANCE = 1e-7
"""Largest difference of log-densities, relative to 1 + their size, of two fits that should be one. Closed forms meet 1e-12;
fits that iterate stop earlier."""


def require(condition: Any, message: str) -> None:
    """Raise AssertionError with this message unless `condition` (an ``assert`` that python -O keeps)."""
    if not condition:
        raise AssertionError(message)


@dataclass(frozen=True)
class Case:
    """A distribution and the rows that it is checked on.

    ``domains`` holds, per column, the constraint of its values, or a tuple of categories; ``blocks`` the columns, by place, whose
    rows have a joint support, and that support. ``promises`` says whether the
    distribution derives from :class:`~mixtures.distributions.Distribution` and so keeps the protocol's promises about missing
    cells and weight 0 itself; for others the engine keeps them.
    """

    distribution: Any
    rows: Rows
    domains: tuple[Interval | tuple[Any, ...], ...]
    names: tuple[str, ...] | None
    promises: bool
    seed: int
    blocks: tuple[tuple[list[int], RowSupport], ...] = ()

    @property
    def one_column(self) -> bool:
        return len(self.domains) == 1 and not self.blocks

    @property
    def ours(self) -> bool:
        """Whether every part of it, too, derives from Distribution."""
        return all(isinstance(part, Distribution) for part in parts(self.distribution))

    @property
    def is_maximum_likelihood(self) -> bool:
        """Whether its fit maximises the likelihood."""
        return all(getattr(part, "is_maximum_likelihood", True) for part in parts(self.distribution))

    @property
    def categorical(self) -> bool:
        """Whether the one column holds categories."""
        return self.one_column and isinstance(self.domains[0], tuple)

    @property
    def atoms(self) -> tuple[float, ...] | None:
        """The values of the one column that have mass, where the distribution has nothing else."""
        return getattr(self.distribution, "atoms", None) if self.one_column else None

    @property
    def whole(self) -> bool:
        """Whether the one column holds whole numbers."""
        return self.one_column and isinstance(self.domains[0], Whole)

    def random(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def table(self, rows: Rows) -> Any:
        """Rows as the distribution reads them: with field names where its factors are named."""
        rows = np.asarray(rows)
        if self.names is None:
            return as_numbers(rows)
        columns = [as_numbers(rows[:, j]) for j in range(rows.shape[1])]
        table = np.empty(len(rows), dtype=[(name, column.dtype) for name, column in zip(self.names, columns, strict=True)])
        for name, column in zip(self.names, columns, strict=True):
            table[name] = column
        return table

    def log_prob(self, rows: Rows, distribution: Any = None) -> npt.NDArray[np.float64]:
        """Log-density of rows, shape (n,)."""
        found = (self.distribution if distribution is None else distribution).log_prob(self.table(rows))
        return np.asarray(found, dtype=float).reshape(len(rows))

    def log_prob_of(self, values: Any) -> npt.NDArray[np.float64]:
        """Log-density of single values of the one column."""
        values = list(values)
        rows = np.empty((len(values), 1), dtype=object if self.categorical else float)
        rows[:, 0] = values
        return self.log_prob(rows)

    def fit(self, rows: Rows, weights: Any = None) -> Any:
        """The distribution fitted to rows."""
        return self.distribution.fit(self.table(rows), sample_weight=weights)

    def objective(self, distribution: Any, rows: Rows, weights: npt.NDArray[np.float64]) -> float:
        """What a fit maximises, over the sum of weights: the weighted log-likelihood and the log-density of the priors."""
        with np.errstate(over="ignore"):  # far from a maximum the log-likelihood may be beyond float64
            value = float(weights @ self.log_prob(rows, distribution))
        value += sum(part.log_prior() for part in parts(distribution) if hasattr(part, "log_prior"))
        return value / float(weights.sum())

    def require_same(self, found: Any, expected: Any, what: str) -> None:
        """Two distributions give the case's rows the same log-densities, to ``FIT_TOLERANCE``."""
        a, b = self.log_prob(self.rows, found), self.log_prob(self.rows, expected)
        same = np.isclose(a, b, rtol=FIT_TOLERANCE, atol=FIT_TOLERANCE) | (a == b)
        if not same.all():
            i = int(np.flatnonzero(~same)[0])
            raise AssertionError(f"{what}: expected {expected!r}, found {found!r}; row {self.rows[i]} has {b[i]} and {a[i]}")


def as_numbers(rows: Rows) -> Rows:
    """Float64 where every cell is a number, else as it is."""
    if rows.dtype != object:
        return rows if rows.dtype.kind not in "iub" else rows.astype(float)
    if all(isinstance(cell, (int, float, np.number, np.bool_)) for cell in rows.flat):
        return rows.astype(float)
    return rows


def parts(distribution: Any) -> Iterator[Any]:
    """A distribution's factors, their factors and so on; itself where it has none."""
    factors = getattr(distribution, "factors", None)
    if isinstance(factors, dict):
        for factor in factors.values():
            yield from parts(factor)
    else:
        yield distribution


def examples(constraint: Interval | Simplex) -> list[Any]:
    """Some members of a parameter's constraint."""
    if isinstance(constraint, Simplex):
        return [(0.2, 0.3, 0.5), (1.0,), (0.5, 0.5), (0.0, 1.0), tuple([1 / 12] * 12)]
    return constraint.examples()


def counterexamples(constraint: Interval | Simplex) -> list[Any]:
    """Some values that break a parameter's constraint."""
    if isinstance(constraint, Simplex):
        return [(0.5, 0.6), (-0.5, 1.5), (np.nan, 1.0), (np.inf, 0.0), ("a", "b")]
    return [*constraint.counterexamples(), "word"]


def _domains(distribution: Any, support: Interval | None) -> list[Interval | tuple[Any, ...]] | None:
    """Domain of every column as far as the distribution says; None where the number of columns is not known."""
    factors = getattr(distribution, "factors", None)
    if isinstance(factors, dict):
        found: list[Interval | tuple[Any, ...]] = []
        for key, factor in factors.items():
            width = len(key) if isinstance(key, tuple) else 1
            own = _domains(factor, None) or [real]
            found += own if len(own) == width else own[:1] * width
        columns = [column for key in factors for column in (key if isinstance(key, tuple) else (key,))]
        in_order = all(isinstance(column, int) for column in columns)
        return [found[place] for place in np.argsort(columns)] if in_order else found
    if getattr(distribution, "categories", None) is not None:
        return [tuple(distribution.categories)]
    declared = getattr(distribution, "support", None)
    declared = declared.cells if isinstance(declared, RowSupport) else declared
    if support is None and isinstance(declared, tuple):
        return list(declared)
    domain = support if support is not None else declared if isinstance(declared, Interval) else real
    n_features = getattr(distribution, "n_features", None)
    return None if n_features is None else [domain] * int(n_features)


def _blocks(distribution: Any) -> tuple[tuple[list[int], RowSupport], ...]:
    """Columns of joint supports, by place in the rows."""
    factors = getattr(distribution, "factors", None)
    if not isinstance(factors, dict):
        support = getattr(distribution, "support", None)
        return ((list(range(distribution.n_features)), support),) if isinstance(support, RowSupport) else ()
    found = []
    place = 0
    for key, factor in factors.items():
        columns = list(key) if isinstance(key, tuple) else [key]
        if isinstance(getattr(factor, "support", None), RowSupport):
            by_position = all(isinstance(column, int) for column in columns)
            found.append((columns if by_position else list(range(place, place + len(columns))), factor.support))
        place += len(columns)
    return tuple(found)


def _names(distribution: Any) -> tuple[str, ...] | None:
    """Names of the columns in the order of the factors; None where they go by position."""
    factors = getattr(distribution, "factors", None)
    if not isinstance(factors, dict):
        return None
    names = [name for key in factors for name in (key if isinstance(key, tuple) else (key,))]
    return tuple(names) if all(isinstance(name, str) for name in names) else None


def make_case(distribution: Any, X: Any, support: Interval | None, seed: int) -> Case:
    """A case of given rows, or of rows drawn from the distribution."""
    domains = _domains(distribution, support)
    if X is not None:
        rows = np.asarray(X)
        rows = rows[:, None] if rows.ndim == 1 else rows
    elif hasattr(distribution, "sample"):
        rows = np.asarray(distribution.sample(N_ROWS, random_state=seed))
        rows = rows[:, None] if rows.ndim == 1 else rows
    elif domains is None or len(domains) == 1:
        domain = support or (real if domains is None or isinstance(domains[0], tuple) else domains[0])
        levels = np.random.default_rng(seed).uniform(size=N_ROWS)

        def log_density(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            return np.asarray(distribution.log_prob(x[:, None]), dtype=float).reshape(len(x))

        rows = quantiles(log_density, domain, levels)[:, None]
    else:
        raise ValueError(f"{distribution!r} has no method sample: give rows X to check it on")
    if domains is None:
        declared = getattr(distribution, "support", None)
        domains = [support or (declared if isinstance(declared, Interval) else real)] * rows.shape[1]
    rows.setflags(write=False)  # no fit may write to its caller's data
    return Case(
        distribution,
        rows,
        tuple(domains),
        _names(distribution),
        isinstance(distribution, Distribution),
        seed,
        _blocks(distribution),
    )
