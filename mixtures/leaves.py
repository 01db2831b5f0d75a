"""A mixture taken apart down to its families: mixtures within it unfolded, parameters that a fit holds or shares set free.

A component that is a mixture, or a product with a factor that is one, stands for as many components as that has, weights
multiplied: the same distribution, of which every part is a family over some columns. That is what questions about single
cells are asked of: any cells of a row may be missing there, those of blocks included that have a marginal in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from mixtures.assembly import Assembly
from mixtures.distributions.base import generator_of
from mixtures.distributions.splits import marginal, unconstrained
from mixtures.engine.plan import Floats, Ints
from mixtures.exceptions import ParameterError
from mixtures.parts import Parts, take_apart
from mixtures.table import Table, is_missing

Factors = list[tuple[tuple[int, ...], Any]]
"""(columns, distribution) pairs, independent of each other."""


def safe_log(weights: Any) -> Floats:
    """Logarithms of weights, -inf for 0, without a warning."""
    values = np.asarray(weights, dtype=float)
    if np.count_nonzero(values) == values.size:  # to change how numpy warns takes longer than the logarithms
        return np.log(values)
    with np.errstate(divide="ignore"):
        return np.log(values)


def words_for(columns: Sequence[int], names: Sequence[str], named: bool) -> str:
    """How errors name columns, by place."""
    listed = ", ".join(repr(names[j]) if named else names[j] for j in columns)
    return f"column {listed}" if len(columns) == 1 else f"columns {listed}"


def empty_table(names: Sequence[str], named: bool) -> Table:
    """A table without rows, which components find their columns in."""
    return Table([np.empty(0) for _ in names], names, 0, named)


@dataclass(frozen=True, eq=False)
class Leaves:
    """Components without mixtures inside.

    Attributes
    ----------
    factors : of every leaf, what stands on which columns, by place.
    weights : (K,), with sum 1.
    component : (K,), the component of the mixture that a leaf belongs to.
    names : of all columns of the table; `named`, whether the caller knows them.
    """

    factors: list[Factors]
    weights: Floats
    component: Ints
    names: list[str]
    named: bool

    @classmethod
    def of(cls, components: Sequence[Any], weights: Floats, names: Sequence[str], named: bool) -> Leaves:
        """The leaves of a mixture over a table of columns of these names."""
        found, shares, owners = [], [], []
        parts = take_apart(components, empty_table(names, named))
        for k, part in enumerate(parts):
            for share, factors in _unfolded(list(zip(part.columns, part.factors, strict=True))):
                found.append(factors)
                shares.append(weights[k] * share)
                owners.append(k)
        return cls(found, np.array(shares), np.array(owners), list(names), named)

    @property
    def columns(self) -> list[int]:
        """Places of the columns that the components describe."""
        return sorted({j for factors in self.factors for columns, _ in factors for j in columns})

    def where(self, columns: Sequence[int]) -> str:
        """How errors name columns."""
        return words_for(columns, self.names, self.named)

    def factor_on(self, leaf: int, column: int) -> tuple[tuple[int, ...], Any]:
        """The columns and the distribution of the factor of a leaf that a column belongs to."""
        return next((columns, factor) for columns, factor in self.factors[leaf] if column in columns)

    def standing_on(self, column: int) -> list[tuple[tuple[int, ...], Any]]:
        """As :meth:`factor_on`, of every leaf."""
        return [self.factor_on(leaf, column) for leaf in range(len(self.factors))]

    def log_joint(self, table: Table, n_threads: int = 1) -> Floats:
        """Log weight plus log-density of the observed cells of every row under every leaf, (n, K)."""
        out = np.empty((table.n_rows, len(self.factors)))
        refusing = self._refusing(table)
        if not refusing:
            self._evaluate(self.factors, table, n_threads, out)
            return out
        missing = np.column_stack([np.isnan(table.numbers(j)) for j in refusing])
        for rows, lacks in patterns(missing):
            gone = {j for j, lack in zip(refusing, lacks, strict=True) if lack}
            split = [list(self._without(factors, gone)) for factors in self.factors]
            values = np.empty((len(rows), len(self.factors)))
            self._evaluate(split, table.take(rows), n_threads, values)
            out[rows] = values
        return out

    def log_densities(self, table: Table, n_threads: int = 1) -> Floats:
        """Log-density of the observed cells of every row, (n,)."""
        density: Floats = np.logaddexp.reduce(self.log_joint(table, n_threads), axis=1)
        return density

    def _refusing(self, table: Table) -> list[int]:
        """Columns with missing cells that stand in blocks whose family cannot leave them out by itself."""
        found: set[int] = set()
        for factors in self.factors:
            for columns, factor in factors:
                if len(columns) > 1 and not getattr(factor, "takes_missing", False):
                    found.update(j for j in columns if np.isnan(table.numbers(j)).any())
        return sorted(found)

    def _without(self, factors: Factors, gone: set[int]) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Factors over what is left of columns."""
        for columns, factor in factors:
            kept = [place for place, j in enumerate(columns) if j not in gone]
            if len(kept) == len(columns):
                yield columns, factor
            elif kept:
                yield tuple(columns[place] for place in kept), marginal(factor, kept, self.where(columns))

    def _evaluate(self, factors: Sequence[Factors], table: Table, n_threads: int, out: Floats) -> None:
        log_weights = safe_log(self.weights)
        if not any(factors):
            out[:] = log_weights
            return
        parts = [Parts(None, [columns for columns, _ in own], [factor for _, factor in own]) for own in factors]
        assembly = Assembly(parts, table)
        assembly.check_finite()
        assembly.evaluate(log_weights, n_threads, log_joint=out)

    def draw(self, n: int, random_state: Any = None, leaf: Ints | None = None) -> Table:
        """A table of n rows drawn from the mixture, or one row from each of the leaves (n,) named; columns that no component
        describes are missing."""
        random = generator_of(random_state)
        if leaf is None:
            counts = random.multinomial(n, self.weights / self.weights.sum())
            leaf = random.permutation(np.repeat(np.arange(len(counts)), counts))
        cells: list[Any] = [None] * len(self.names)
        for k in np.unique(leaf):
            rows = np.flatnonzero(leaf == k)
            for columns, factor in self.factors[k]:
                if not callable(getattr(factor, "sample", None)):
                    raise ParameterError(f"{type(factor).__name__} on {self.where(columns)}: expected a method sample, found none")
                drawn = np.asarray(factor.sample(len(rows), random)).reshape(len(rows), len(columns))
                for place, j in enumerate(columns):
                    is_object = drawn.dtype == object
                    if cells[j] is None:
                        cells[j] = np.full(n, np.nan, dtype=object if is_object else float)
                    elif is_object and cells[j].dtype != object:
                        cells[j] = cells[j].astype(object)
                    cells[j][rows] = drawn[:, place]
        return Table([np.full(n, np.nan) if values is None else values for values in cells], self.names, n, self.named)


def patterns(missing: Any) -> Iterator[tuple[Ints, Any]]:
    """Row numbers of each pattern of missing cells (n, d), and the pattern (d,)."""
    if not len(missing):
        return
    codes = np.packbits(missing, axis=1)
    found, place = np.unique(codes, axis=0, return_inverse=True)
    order = np.argsort(place.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(place.ravel(), minlength=len(found)))
    for rows in np.split(order, ends[:-1]):
        yield rows, missing[rows[0]]


def _unfolded(factors: Factors) -> Iterator[tuple[float, Factors]]:
    """A component as a mixture of components without mixtures: weights and factors."""
    choices = [_choices(columns, factor) for columns, factor in factors]
    for chosen in product(*choices):
        share, own = 1.0, []
        for weight, leaf in chosen:
            share *= weight
            own += leaf
        yield share, own


def shares_nothing(factor: Any) -> Any:
    """A distribution that shares nothing: leaves stand in another order, and not all of them where some columns are asked for."""
    factor = unconstrained(factor)
    return factor.replaced(tied=False) if getattr(factor, "tied", False) else factor


def _choices(columns: tuple[int, ...], factor: Any) -> list[tuple[float, Factors]]:
    if not callable(getattr(factor, "_state", None)):
        return [(1.0, [(columns, shares_nothing(factor))])]
    components, weights = factor._state()
    found = []
    places = [str(j) for j in range(len(columns))]
    for part, weight in zip(take_apart(components, empty_table(places, False)), weights, strict=True):
        inner = [(tuple(columns[j] for j in own), d) for own, d in zip(part.columns, part.factors, strict=True)]
        found += [(float(weight) * share, leaf) for share, leaf in _unfolded(inner)]
    return found


def missing_cells(table: Table, column: int) -> Any:
    """Which cells of a column are missing, (n,)."""
    values = table._values(column)
    if values.dtype == object:
        return np.array([is_missing(value) for value in values], dtype=bool)
    return np.isnan(values)


def with_missing(table: Table, columns: Sequence[int]) -> Table:
    """A table with all cells of some columns missing."""
    gone = set(columns)
    cells = [np.full(table.n_rows, np.nan) if j in gone else table._values(j) for j in range(table.n_columns)]
    return Table(cells, table.names, table.n_rows, table.named)
