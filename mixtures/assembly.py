"""Components laid over a table: which families stand on which columns, packed into the arrays of a `Plan` and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixtures._numba_calls import address_of
from mixtures.door import KERNELS as DOOR_KERNELS
from mixtures.door import SIZE as DOOR_SIZE
from mixtures.door import Door
from mixtures.engine import loop
from mixtures.engine.plan import CHUNK_ROWS, PLATE_FIELDS, ROW_NUMBER, Floats, Ints, Plan, Rows
from mixtures.exceptions import DataError, ParameterError
from mixtures.table import Column, Table, addresses_of


@dataclass
class _Plate:
    first: int
    columns: list[int]
    kernels: Any
    n_parameters: int  # per component and column
    n_statistics: int  # of its own, per component and column
    masked: bool
    members: list[list[Any]]  # a distribution per column, per component
    factors: list[list[int]]  # its place among the component's factors
    places: list[Column] = field(default_factory=list)
    start: int = 0


class Assembly:
    """Complete components over one table: plan, rows, and the way between distributions and packed parameters.

    Parameters
    ----------
    components : k distributions, every parameter given.
    table : the rows, none of weight zero.
    weights : (n,) or None.
    """

    def __init__(self, components: Sequence[Any], table: Table, weights: Floats | None = None) -> None:
        self.table = table
        self.door = Door()
        self._components = list(components)
        known = {id(component): factors_of(component, table) for component in components}
        self._factors = [known[id(component)] for component in components]
        self._columns = _columns(self._factors, table)
        self._sources: list[Floats] = []
        self._source_of: dict[int, int] = {}
        self._plates = self._lay()
        self.parameters = self._pack()
        plates, columns, units, fillers = self._describe()
        block = CHUNK_ROWS if self.door.components else _block_rows(len(columns) + 2 * len(components))
        self.plan = Plan(len(components), block, plates, columns, units, fillers)
        addresses, strides = addresses_of(self._sources)
        weights = np.empty(0) if weights is None else _in_range(weights)
        self.rows = Rows(table.n_rows, addresses, strides, weights)

    def _lay(self) -> list[_Plate]:
        """Group factors of one family over the same columns, in runs of consecutive components."""
        found: dict[Any, list[tuple[int, int, Any]]] = {}
        for k, factors in enumerate(self._factors):
            for f, (columns, distribution) in enumerate(factors):
                family = type(distribution) if hasattr(distribution, "kernels") else None
                found.setdefault((columns, family), []).append((k, f, distribution))
        plates: dict[Any, _Plate] = {}
        for (columns, family), members in found.items():
            runs: list[list[tuple[int, int, Any]]] = []
            for member in members:
                if runs and runs[-1][-1][0] == member[0] - 1:
                    runs[-1].append(member)
                else:
                    runs.append([member])
            for run in runs:
                plate = self._plate(columns, family, run)
                # One kernel call for many columns, where the family's kernels take them.
                fused = family is not None and family.several_columns and not plate.masked
                key = (
                    (family, plate.first, len(run), plate.n_parameters, plate.n_statistics)
                    if fused
                    else (columns, family, plate.first)
                )
                if key in plates:
                    known = plates[key]
                    known.columns += plate.columns
                    known.places += plate.places
                    for mine, new in zip(known.members, plate.members, strict=True):
                        mine += new
                    for mine, new in zip(known.factors, plate.factors, strict=True):
                        mine += new
                else:
                    plates[key] = plate
        return list(plates.values())

    def _plate(self, columns: tuple[int, ...], family: Any, run: list[tuple[int, int, Any]]) -> _Plate:
        places = [self._columns[j] for j in columns]
        masked = any(place.n_missing for place in places)
        members = [[distribution] for _, _, distribution in run]
        factors = [[f] for _, f, _ in run]
        if family is None:
            if masked and len(columns) > 1:
                where = next(j for j in columns if self._columns[j].n_missing)
                row = self.table.row(np.flatnonzero(np.isnan(self.table.numbers(where)))[0])
                raise DataError(
                    f"{type(run[0][2]).__name__} on {self.table.where(where)}: expected no missing cells, row {row} has one; "
                    "only factors of one column can leave them out"
                )
            return _Plate(run[0][0], [*columns, ROW_NUMBER], DOOR_KERNELS, DOOR_SIZE, 0, masked, members, factors, places)
        n_parameters, n_statistics = run[0][2]._layout(places[0])
        return _Plate(run[0][0], list(columns), family.kernels, n_parameters, n_statistics - 1, masked, members, factors, places)

    def _pack(self) -> Floats:
        size = 0
        for plate in self._plates:
            plate.start = size
            size += len(plate.members) * self._width(plate)
        parameters = np.zeros(size)
        packed: dict[tuple[int, int], Sequence[float]] = {}
        for plate in self._plates:
            rows = self._parameters(plate, parameters)
            for row, members in zip(rows, plate.members, strict=True):
                if plate.kernels is DOOR_KERNELS:
                    row[:] = self.door.add(members[0], block_of(plate.columns[:-1], self.table))
                    continue
                for c, (distribution, place) in enumerate(zip(members, plate.places, strict=True)):
                    key = id(distribution), id(place)
                    if key not in packed:
                        packed[key] = distribution._pack(place)
                    row[c * plate.n_parameters : (c + 1) * plate.n_parameters] = packed[key]
        return parameters

    def _width(self, plate: _Plate) -> int:
        return plate.n_parameters * len(plate.members[0])

    def _parameters(self, plate: _Plate, parameters: Floats) -> Floats:
        count, width = len(plate.members), self._width(plate)
        return parameters[plate.start : plate.start + count * width].reshape(count, width)

    def _describe(self) -> tuple[Any, Any, Floats, Floats]:
        described = np.zeros((len(self._plates), PLATE_FIELDS), dtype=np.int64)
        columns: list[int] = []
        units: list[float] = []
        fillers: list[float] = []
        statistic = 0
        for p, plate in enumerate(self._plates):
            kernels = plate.kernels
            n_statistics = 1 + plate.n_statistics * len(plate.members[0])
            described[p] = (
                plate.first,
                len(plate.members),
                len(columns),
                len(plate.columns),
                plate.start,
                self._width(plate),
                statistic,
                n_statistics,
                plate.masked,
                address_of(kernels.prepare, "prepare"),
                address_of(kernels.log_prob, "log_prob"),
                address_of(kernels.accumulate, "accumulate"),
                address_of(kernels.maximize, "maximize"),
            )
            statistic += len(plate.members) * n_statistics
            in_units = plate.kernels is not DOOR_KERNELS and plate.members[0][0].uses_unit
            for j, place in zip(plate.columns, [*plate.places, None], strict=False):
                columns.append(self._source(j))
                units.append(place.unit if place is not None and in_units else 1.0)
                fillers.append(0.0 if place is None or place.categories or not np.isfinite(place.lower) else place.lower)
        return described, np.array(columns, dtype=np.int64), np.array(units), np.array(fillers)

    def _source(self, column: int) -> int:
        if column == ROW_NUMBER:
            return ROW_NUMBER
        if column not in self._source_of:
            categories = self._columns[column].categories
            self._source_of[column] = len(self._sources)
            self._sources.append(self.table.numbers(column) if categories is None else self.table.codes(column, categories))
        return self._source_of[column]

    def unpack(self, parameters: Floats | None = None) -> list[Any]:
        """The components that packed parameters stand for."""
        parameters = self.parameters if parameters is None else parameters
        rebuilt = [[distribution for _, distribution in factors] for factors in self._factors]
        door = iter(self.door.components)
        for plate in self._plates:
            for m, row in enumerate(self._parameters(plate, parameters)):
                if plate.kernels is DOOR_KERNELS:
                    rebuilt[plate.first + m][plate.factors[m][0]] = next(door)
                    continue
                for c, (distribution, place) in enumerate(zip(plate.members[m], plate.places, strict=True)):
                    part = row[c * plate.n_parameters : (c + 1) * plate.n_parameters]
                    rebuilt[plate.first + m][plate.factors[m][c]] = distribution._unpack(part, place)
        return [rejoin(component, factors, self.table) for component, factors in zip(self._components, rebuilt, strict=True)]

    def category_counts(self) -> Ints:
        """For every source of the rows, the number of its categories; 0 for numbers."""
        counts = np.zeros(len(self._sources), dtype=np.int64)
        for column, source in self._source_of.items():
            categories = self._columns[column].categories
            counts[source] = 0 if categories is None else len(categories)
        return counts

    def check_finite(self) -> None:
        """Refuse an infinite cell in a column of numbers that the components read."""
        for j, column in self._columns.items():
            if column.categories is None:
                self.table.check_finite(j)

    def prepare(self) -> None:
        """Derive what kernels need from the packed parameters."""
        loop.prepare(self.plan, self.parameters)

    def evaluate(self, log_weights: Floats, n_threads: int = 1, **outputs: Any) -> None:
        """As :func:`mixtures.engine.loop.evaluate`, for the packed parameters."""
        loop.evaluate(self.plan, self.rows, self.parameters, log_weights, n_threads, **outputs)
        self.door.raise_error()

    def fit_labels(self, labels: Any, steps: int = 1, softness: float = 0.0) -> int:
        """M-steps from fixed labels (n,); returns the flags of :func:`mixtures.engine.loop.fit_labels`."""
        flags = np.zeros(len(self._plates), dtype=np.int64)
        outcome = int(loop.fit_labels(self.plan, self.rows, self.parameters, labels, softness, steps, flags))
        self.door.raise_error()
        return outcome

    def columns_with(self, flags: Any, bit: int) -> list[str]:
        """Names of the columns of plates whose flags have this bit."""
        names = {self.table.where(j) for plate, flag in zip(self._plates, flags, strict=True) if flag & bit for j in plate.columns}
        return sorted(names)


def _in_range(weights: Floats) -> Floats:
    """Weights as the engine reads them; times a power of two, which changes no parameter, where their sums would overflow."""
    largest = float(weights.max())
    if not 1e-100 < largest < 1e100:
        weights = weights * 2.0 ** -max(min(math.frexp(largest)[1], 1000), -1000)
    return np.require(weights, np.float64, ["C", "W"])


def _block_rows(width: int) -> int:
    """Rows of a block whose scratch, `width` numbers a row, stays well inside a second-level cache (measured: the time of a
    pass changes by a tenth between 128 and 1024 rows)."""
    return max(64, min(1024, 2**16 // (8 * width) // 64 * 64))


def factors_of(component: Any, table: Table) -> list[tuple[tuple[int, ...], Any]]:
    """(columns, distribution) pairs of one component: a Python-only one stands on all columns together."""
    if hasattr(component, "_factors"):
        return component._factors(table)
    return [(tuple(range(table.n_columns)), component)]


def rejoin(component: Any, factors: list[Any], table: Table) -> Any:
    """The component made of new factors, in the order of :func:`factors_of`."""
    return component._rejoin(factors, table) if hasattr(component, "_rejoin") else factors[0]


def _columns(factors: Sequence[Sequence[tuple[tuple[int, ...], Any]]], table: Table) -> dict[int, Column]:
    """What is known of every column that the components read; the same columns for each of them."""
    used = [sorted(j for columns, _ in component for j in columns) for component in factors]
    for k, columns in enumerate(used):
        if columns != used[0]:
            raise ParameterError(
                f"every component must describe the same columns: component 0 has {[table.names[j] for j in used[0]]}, "
                f"component {k} has {[table.names[j] for j in columns]}"
            )
    categories: dict[int, dict[Any, None]] = {}
    numeric: set[int] = set()
    for component in {id(component): component for component in factors}.values():
        for positions, distribution in component:
            if getattr(distribution, "encoding", "numbers") == "categories":
                categories.setdefault(positions[0], {}).update(dict.fromkeys(distribution.categories))
            else:
                numeric.update(positions)
    for j in numeric & set(categories):
        raise ParameterError(f"{table.where(j)}: Categorical and a family of numbers cannot share a column")
    places = {}
    for j in used[0]:
        if j in categories:
            missing = int(np.isnan(table.codes(j, ())).sum())
            places[j] = Column(table.names[j], table.n_rows, missing, categories=tuple(categories[j]))
        else:
            places[j] = table.column(j)
    return places


def block_of(columns: Sequence[int], table: Table) -> Floats:
    """Columns of numbers as a matrix (n, d)."""
    return np.column_stack([table.numbers(j) for j in columns])
