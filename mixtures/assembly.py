"""Components laid over a table: which families stand on which columns, packed into the arrays of a `Plan` and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from mixtures._numba_calls import address_of
from mixtures.column import Column
from mixtures.columns import Columns
from mixtures.door import KERNELS as DOOR_KERNELS
from mixtures.door import Door
from mixtures.engine import loop
from mixtures.engine.plan import CHUNK_ROWS, LIMIT, NO_FLOATS, ROW_NUMBER, Floats, Ints, Problem, Sizes
from mixtures.exceptions import DataError, FitError, ParameterError
from mixtures.parts import Parts, block_of, distinct
from mixtures.plates import Plate, lay
from mixtures.table import Table, address_of_row_0
from mixtures.templates import Template


class Assembly:
    """Complete components over one table: plan, rows, and the way between distributions and packed parameters.

    Parameters
    ----------
    components : the parts of k distributions, every parameter given.
    table : the rows, none of weight zero.
    weights : (n,) or None.
    frame : what is known of the columns, where the table is one chunk of more; None: what the table says.
    """

    def __init__(
        self, components: Sequence[Parts], table: Table, weights: Floats | None = None, frame: Columns | None = None
    ) -> None:
        self.table = table
        self.door = Door()
        self._components = components
        self._columns = _columns(components, table, frame)
        self._codes: list[Floats] = []
        self._sources: list[tuple[int, int]] = []  # addresses and strides
        self._source_of: dict[int, int] = {}
        self._plates = lay(components, self._columns, table)
        self.parameters = self._pack()
        self.problem = self._describe(NO_FLOATS if weights is None else _in_range(weights, self._plates))
        loop.prepare(self.problem, self.parameters)

    @classmethod
    def like(cls, template: Template, table: Table, weights: Floats | None) -> Assembly:
        """What is laid as it was over an earlier table, see :mod:`mixtures.templates`."""
        new = object.__new__(cls)
        new.table, new.door, new._components, new._codes = table, Door(), template.parts, []
        new._columns = {j: table.column(j) for j in template.sources}
        new._source_of = {j: place for place, j in enumerate(template.sources)}
        new._plates = template.plates([table.column(j) for j in range(table.n_columns)])
        new.parameters = new._pack()
        places = [table.place(j) for j in template.sources]
        new._sources = places
        addresses = [address for address, _ in places] + [stride for _, stride in places]
        whole = np.concatenate([template.described, addresses])
        scales = new._scales()
        sizes = template.sizes._replace(n_rows=table.n_rows)
        rows = NO_FLOATS if weights is None else _in_range(weights, new._plates)
        new.problem = Problem(sizes, whole, scales, rows)
        loop.prepare(new.problem, new.parameters)
        return new

    @property
    def source_columns(self) -> list[int]:
        """Columns of the table, in the order of the sources of the rows."""
        return list(self._source_of)

    def _scales(self) -> Floats:
        """Origins, units and fillers of the plates' columns."""
        origins: list[float] = []
        units: list[float] = []
        fillers: list[float] = []
        for plate in self._plates:
            family = plate.family
            for place in plate.places:
                origins.append(place.origin if family is not None and family.uses_origin else 0.0)
                units.append(place.unit if family is not None and family.uses_unit else 1.0)
                fillers.append(0.0 if place.categories or not math.isfinite(place.lower) else place.lower)
            if family is None:  # the row's number
                origins.append(0.0)
                units.append(1.0)
                fillers.append(0.0)
        return np.array(origins + units + fillers, dtype=np.float64)

    def _pack(self) -> Floats:
        values: list[float] = []
        for plate in self._plates:
            plate.start = len(values)
            for share in plate.shares:
                if plate.family is None:
                    for _ in range(share.count):
                        values += self.door.add(share.members[0], block_of(plate.columns[:-1], self.table))
                    continue
                packed: list[float] = []
                for distribution, place in zip(share.members, plate.grounds, strict=True):
                    packed += _pack(distribution, place, plate.n_parameters)
                values += packed * share.count
        return np.fromiter(values, np.float64, len(values))  # a fifth faster than np.array

    def _describe(self, weights: Floats) -> Problem:
        described: list[int] = []
        coordinates: list[tuple[int, int, int, int]] = []
        columns: list[int] = []
        k = len(self._components)
        statistic = 0
        for plate in self._plates:
            family, count = plate.family, plate.count
            kernels = DOOR_KERNELS if family is None else family.kernels
            n_statistics = 1 + plate.n_statistics * plate.n_members
            own = () if family is None else family._coordinates(plate.grounds[0])
            described += (
                plate.first,
                count,
                len(columns),
                len(plate.columns),
                plate.start,
                plate.n_parameters * plate.n_members,
                statistic,
                n_statistics,
                plate.masked,
                address_of(kernels.prepare, "prepare"),
                address_of(kernels.log_prob, "log_prob"),
                address_of(kernels.accumulate, "accumulate"),
                address_of(kernels.maximize, "maximize"),
                plate.n_maxima,
                plate.measure,
                address_of(kernels.log_prior, "log_prior") if plate.is_penalised else 0,
                plate.n_members,
                -1 if family is None or family.held is None else family.held,
                len(coordinates),
                len(own),
            )
            coordinates += own
            statistic += count * n_statistics
            columns += [self._source(j) for j in plate.columns]
        block = CHUNK_ROWS if self.door.components else _block_rows(len(columns) + 2 * k)
        n_sources = len(self._sources)
        n_coordinates = len(coordinates)
        sizes = Sizes(k, block, len(self._plates), n_coordinates, len(columns), self.table.n_rows, n_sources, 1 + k + statistic)
        places = [address for address, _ in self._sources] + [stride for _, stride in self._sources]
        whole = np.array([*described, *chain.from_iterable(coordinates), *columns, *places], dtype=np.int64)
        return Problem(sizes, whole, self._scales(), weights)

    @property
    def plates(self) -> Sequence[Plate]:
        """How the components are laid, in the order of the engine's plates."""
        return self._plates

    @property
    def addresses(self) -> Ints:
        """Address of row 0 of every source of the rows."""
        return self.problem.whole[-2 * len(self._sources) : -len(self._sources)]

    @property
    def strides(self) -> Ints:
        """Bytes from row to row of every source."""
        return self.problem.whole[-len(self._sources) :]

    def _source(self, column: int) -> int:
        if column == ROW_NUMBER:
            return ROW_NUMBER
        if column not in self._source_of:
            categories = self._columns[column].categories
            self._source_of[column] = len(self._sources)
            if categories is None:
                self._sources.append(self.table.place(column))
            else:
                codes = self.table.codes(column, categories)
                self._codes.append(codes)  # the one thing that keeps them in memory
                self._sources.append((address_of_row_0(codes), codes.strides[0]))
        return self._source_of[column]

    @property
    def is_maximum_likelihood(self) -> bool:
        """Whether the M-step of every component maximises its likelihood, so that the mixture's never falls."""
        return all(
            [
                getattr(factor, "is_maximum_likelihood", True)
                for component in distinct(self._components)
                for factor in component.factors
            ]
        )

    def families(self) -> str:
        """Names of the families of all components, for errors."""
        return ", ".join(dict.fromkeys(type(factor).__name__ for component in self._components for factor in component.factors))

    def unpack(self, parameters: Floats | None = None) -> list[Any]:
        """The components that packed parameters stand for, its own or others of this layout."""
        factors = self._factors(parameters)
        return [component.join(own, self.table) for component, own in zip(self._components, factors, strict=True)]

    def unpack_parts(self, parameters: Floats | None = None) -> list[Parts]:
        """As :meth:`unpack`, in parts."""
        pairs = zip(self._components, self._factors(parameters), strict=True)
        return [Parts(component.component, component.columns, factors) for component, factors in pairs]

    @np.errstate(all="ignore")  # a parameter beyond float64 is refused by its constraint
    def _factors(self, parameters: Floats | None) -> list[list[Any]]:
        parameters = self.parameters if parameters is None else parameters
        rebuilt = [list(component.factors) for component in self._components]
        door = iter(self.door.components)
        for plate in self._plates:
            start, width, k = plate.start, plate.n_parameters, plate.first
            for share in plate.shares:
                for component, factors in enumerate(rebuilt[k : k + share.count], k):
                    if plate.family is None:
                        factors[share.factors[0]] = next(door)
                        continue
                    for f, distribution, place in zip(share.factors, share.members, plate.grounds, strict=True):
                        try:
                            factors[f] = distribution._unpack(parameters[start : start + width], place)
                        except ParameterError as error:
                            raise _no_member(component, distribution, place, error) from error
                        start += width
                k += share.count
        return rebuilt

    def category_counts(self) -> list[int]:
        """For every source of the rows, the number of its categories; 0 for numbers."""
        counts = [0] * len(self._sources)
        for column, source in self._source_of.items():
            counts[source] = len(self._columns[column].categories or ())
        return counts

    def check_finite(self) -> None:
        """Refuse an infinite cell in a column of numbers that the components read."""
        for j, column in self._columns.items():
            if column.categories is None:
                self.table.check_finite(j)

    def evaluate(self, log_weights: Floats, n_threads: int = 1, parameters: Floats | None = None, **outputs: Any) -> None:
        """As :func:`mixtures.engine.loop.evaluate`, for the packed parameters, its own or others of this layout."""
        with self.door.keeping_interrupts():
            loop.evaluate(self.problem, self.parameters if parameters is None else parameters, log_weights, n_threads, **outputs)
        self.door.raise_error()

    def fit_labels(self, labels: Ints, softness: float = 0.0, max_steps: int = 1, **others: Any) -> int:
        """M-steps from fixed labels (n,); returns the flags of :func:`mixtures.engine.loop.fit_labels`."""
        with self.door.keeping_interrupts():
            outcome = loop.fit_labels(self.problem, self.parameters, labels, softness, max_steps, **others)
        self.door.raise_error()
        return outcome

    def columns_with(self, flags: Any, bit: int) -> list[str]:
        """Names of the columns of plates whose flags have this bit."""
        names = {self.table.where(j) for plate, flag in zip(self._plates, flags, strict=True) if flag & bit for j in plate.columns}
        return sorted(names)

    def limits(self, flags: Any) -> list[str]:
        """What is to be said of the plates whose families have become simpler ones, a sentence each; `flags` of every plate, or of
        all together."""
        if not any(flag & LIMIT for flag in np.atleast_1d(flags).tolist()):
            return []
        return [
            f"{type(plate.family).__name__} on {', '.join(self.table.where(j) for j in plate.columns)}: {plate.family.limit}"
            for plate, flag in zip(self._plates, np.broadcast_to(flags, len(self._plates)), strict=True)
            if flag & LIMIT and plate.family is not None and plate.family.limit
        ]


def _in_range(weights: Floats, plates: Sequence[Plate]) -> Floats:
    """Weights as the engine reads them; times a power of two, which changes no parameter, where their sums would overflow."""
    largest = float(weights.max())
    if not 1e-100 < largest < 1e100:
        for plate in plates:
            if plate.is_penalised:
                raise DataError(
                    f"{type(plate.family).__name__}: under a prior, weights count rows: expected the largest between 1e-100 and "
                    f"1e100, found {largest:.3g}"
                )
        weights = weights * 2.0 ** -max(min(math.frexp(largest)[1], 1000), -1000)
    return np.require(weights, np.float64, ["C", "W"])


def _block_rows(width: int) -> int:
    """Rows of a block whose scratch, `width` numbers a row, stays well inside a second-level cache (measured: the time of a
    pass changes by a tenth between 128 and 1024 rows).

    An odd multiple of 64: where columns lie a multiple of 1024 bytes apart, a store to one and a load from another look alike
    to the processor and wait for each other (measured: up to twice the time).
    """
    return 64 * min(15, 2**16 // (8 * width) // 128 * 2 + 1)


def _columns(components: Sequence[Parts], table: Table, frame: Columns | None = None) -> dict[int, Column]:
    """What is known of every column that the components read; the same columns for each of them."""
    numbers = table.column if frame is None else frame.known.__getitem__
    different = distinct(components)
    used = _read_by(different[0])
    for component in different[1:]:
        if _read_by(component) != used:
            raise ParameterError(
                f"every component must describe the same columns: component 0 has {[table.names[j] for j in used]}, "
                f"component {components.index(component)} has {[table.names[j] for j in _read_by(component)]}"
            )
    categories: dict[int, dict[Any, None]] = {}
    numeric: set[int] = set()
    for component in different:
        for positions, distribution in zip(component.columns, component.factors, strict=True):
            if getattr(distribution, "encoding", "numbers") == "categories":
                categories.setdefault(positions[0], {}).update(dict.fromkeys(distribution.categories))
            else:
                numeric.update(positions)
    if not categories:
        return {j: numbers(j) for j in used}
    for j in numeric & categories.keys():
        raise ParameterError(f"{table.where(j)}: Categorical and a family of numbers cannot share a column")
    places = {}
    for j in used:
        if j in categories:
            if frame is None:
                n_rows, missing = table.n_rows, int(np.isnan(table.codes(j, ())).sum())
            else:
                n_rows, missing = frame.known[j].n_rows, frame.known[j].n_missing
            places[j] = Column(table.names[j], n_rows, missing, categories=tuple(categories[j]))
        else:
            places[j] = numbers(j)
    return places


def _pack(distribution: Any, place: Column, size: int) -> Sequence[float]:
    values: Sequence[float] = distribution._pack(place)
    if len(values) != size:  # every later parameter would be read at the wrong place
        raise ValueError(f"{type(distribution).__name__}: _layout says {size} packed parameters, _pack gives {len(values)}")
    return values


def _read_by(component: Parts) -> list[int]:
    return sorted([j for columns in component.columns for j in columns])


def _no_member(component: int, distribution: Any, place: Any, error: ParameterError) -> FitError:
    """What to say where a fit has left the parameters that a family can have."""
    columns = [column.name for column in (place if isinstance(place, (list, tuple)) else [place])]
    listed = f"column {columns[0]}" if len(columns) == 1 else f"columns {', '.join(columns)}"
    return FitError(
        f"component {component}: the fit of {type(distribution).__name__} on {listed} ended at parameters that it cannot have "
        f"({str(error)[:300]}). Scale the columns, fit fewer components, or give a prior."
    )
