"""Where a mixture stands whose data come in chunks: its parameters as the kernels see them, in a frame that all chunks share.

Packed parameters hold more than a distribution does: centres of sums of squares, how far a search has come. A model that goes
from pass to pass keeps them, so that it does what a fit of all rows at once would do, to the last bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixtures.assembly import Assembly
from mixtures.columns import Columns
from mixtures.engine.loop import MAX_REPEATS, prepare
from mixtures.engine.plan import FAILED, REPEAT, Floats, Ints
from mixtures.engine.streaming import maximum_of, statistics_of
from mixtures.exceptions import DataError, FitError, ParameterError
from mixtures.knowledge import NOTHING
from mixtures.layout import Layout
from mixtures.leaves import safe_log
from mixtures.parts import Parts, distinct, take_apart
from mixtures.settings import Settings
from mixtures.statistics import Statistics
from mixtures.table import Table


@dataclass(frozen=True, eq=False)
class Position:
    """Components and weights, packed in a frame.

    Attributes
    ----------
    components : k complete distributions.
    weights : (k,), as the model shows them.
    log_weights : (k,), which are the model's: weights computed from them and back differ in the last bit.
    columns : the frame.
    parameters : packed, in the order of strands, without addresses.
    fingerprint : differs where anything else does; the same in every process.
    repeats : how often in a row the last M-step has asked for the pass again.
    """

    components: list[Any]
    weights: Floats
    log_weights: Floats
    columns: Columns
    parameters: Floats
    fingerprint: str
    repeats: int = 0
    _layout: list[Layout] = field(default_factory=list)  # once it was needed; never pickled

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_layout": []}

    @classmethod
    def at(cls, components: list[Any], weights: Floats, columns: Columns) -> Position:
        """Where a mixture starts, its components packed afresh."""
        require_kernels(components)
        assembly = _without_rows(components, columns)
        return cls._of(components, weights, safe_log(weights), columns, assembly, Layout(assembly))

    @classmethod
    def _of(
        cls,
        components: list[Any],
        weights: Floats,
        log_weights: Floats,
        columns: Columns,
        assembly: Assembly,
        layout: Layout,
        repeats: int = 0,
    ) -> Position:
        parameters = layout.parameters(assembly.parameters)
        digest = hashlib.sha256(f"{columns.key()} {layout.structure()} {repeats}".encode())
        digest.update(parameters.tobytes())
        digest.update(log_weights.tobytes())
        return cls(components, weights, log_weights, columns, parameters, digest.hexdigest(), repeats)

    def is_of(self, components: Sequence[Any], weights: Floats) -> bool:
        """Whether these, immutable as they are, are still a model's components and weights."""
        same = len(components) == len(self.components) and np.array_equal(weights, self.weights)
        return same and all(one is other for one, other in zip(components, self.components, strict=True))

    @property
    def layout(self) -> Layout:
        """The order of strands."""
        if not self._layout:
            self._layout.append(Layout(_without_rows(self.components, self.columns)))
        return self._layout[0]

    def summarize(self, table: Table, seen: Columns, weights: Floats | None, settings: Settings) -> Statistics:
        """Statistics of the rows of a table, of weight > 0 and within the supports, whose columns are `seen`."""
        total = float(table.n_rows if weights is None else weights.sum())
        if weights is not None and not 1e-100 < weights.max() < 1e100:
            raise DataError(
                "sample_weight: expected weights between 1e-100 and 1e100, in which those of several chunks are added, found a "
                f"largest one of {weights.max():.3g}"
            )
        if not self.columns.covers(seen):
            return Statistics(seen, total, self.fingerprint, None, self.layout.is_maximum)
        parts = take_apart(self.components, table)
        assembly = Assembly(parts, table, weights, self.columns.lacking(seen, _always_lacking(parts)))
        layout = Layout(assembly)
        layout.put_parameters(self.parameters, assembly.parameters)
        prepare(assembly.problem, assembly.parameters)
        task = settings.task(NOTHING, 0)
        found = statistics_of(assembly.problem, task, assembly.parameters, self.log_weights, settings.n_threads)
        if not np.isfinite(found[0]):
            raise FitError(self._blame(assembly, settings.n_threads))
        return Statistics(seen, total, self.fingerprint, found[layout.statistic_places], layout.is_maximum)

    def _blame(self, assembly: Assembly, n_threads: int) -> str:
        table = assembly.table
        density = np.empty(table.n_rows)
        assembly.evaluate(self.log_weights, n_threads, density=density)
        bad = np.flatnonzero(~np.isfinite(density))
        if not len(bad):
            return "the sum of log-densities over rows is not finite"
        row = int(bad[0])
        cells = ", ".join(f"{table.where(j)}: {table.value(j, row)}" for j in range(min(8, table.n_columns)))
        return (
            f"row {table.row(row)} ({cells}) has log-density {density[row]} under the current components, {assembly.families()}. "
            "Start from other parameters, or use a family whose support holds every row."
        )

    def widened(self, columns: Columns) -> Position:
        """The same components in a wider frame, packed afresh."""
        assembly = _without_rows(self.components, columns)
        return Position._of(self.components, self.weights, self.log_weights, columns, assembly, Layout(assembly), self.repeats)

    def maximized(self, values: Floats, settings: Settings) -> Maximum:
        """After the M-step from statistics in the order of strands."""
        assembly = _without_rows(self.components, self.columns)
        layout = Layout(assembly)
        layout.put_parameters(self.parameters, assembly.parameters)
        totals = np.empty(assembly.problem.sizes.n_statistics)
        totals[layout.statistic_places] = values
        log_weights = self.log_weights.copy()
        control = settings.control(len(log_weights), watches=False, is_compiled=False)
        outcome, flags, objective = maximum_of(
            assembly.problem, control, totals, assembly.parameters, log_weights, self.repeats < MAX_REPEATS
        )
        if outcome & FAILED:
            raise FitError(f"the M-step of a component, one of {assembly.families()}, found no parameters")
        if outcome & REPEAT:
            new = Position._of(self.components, self.weights, log_weights, self.columns, assembly, layout, self.repeats + 1)
        else:
            weights = np.exp(log_weights) if settings.learn_weights else self.weights
            new = Position._of(assembly.unpack(), weights, log_weights, self.columns, assembly, layout)
        return Maximum(new, objective, assembly, flags)

    def carried(self, values: Floats, other: Position) -> Floats:
        """Statistics taken at this position as they would have been at another, the responsibilities being the same."""
        old = self.layout
        new = old if other.columns is self.columns else other.layout
        for j, column in self.columns.known.items():
            if column.unit != other.columns.known[j].unit:
                raise DataError(
                    f"column {column.name}: values to {other.columns.known[j].magnitude:.3g} are measured in another unit than "
                    f"those seen before, to {column.magnitude:.3g}: scale it, or tell the model of its range first, by survey"
                )
        found = [values[: 1 + len(self.log_weights)]]
        rows = zip(
            old.strands,
            new.strands,
            old.rows_of_statistics(values),
            old.rows_of_parameters(self.parameters),
            new.rows_of_parameters(other.parameters),
            strict=True,
        )
        for before, after, statistics, old_rows, new_rows in rows:
            each = zip(before.members, statistics, old_rows, new_rows, strict=True)
            found += [member._carried(s, p, q, before.ground, after.ground) for member, s, p, q in each]
        return np.concatenate(found)

    def expected(self) -> Floats | str:
        """Statistics of one row that is the model's own: those that its parameters stand for, without a log-likelihood; or the
        name of a family that does not know them."""
        layout = self.layout
        found = [np.concatenate([[0.0], self.weights])]
        for strand, rows in zip(layout.strands, layout.rows_of_parameters(self.parameters), strict=True):
            for place, (member, row) in enumerate(zip(strand.members, rows, strict=True)):
                own = member._expected(row, strand.ground)
                if own is None:
                    return type(member).__name__
                found.append(self.weights[strand.key[0] + place] * np.asarray(own))
        return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class Maximum:
    """What an M-step found.

    Attributes
    ----------
    position : the new one. Where its ``repeats`` are not 0, nothing but a centre has moved: the pass is to be done again.
    objective : mean log-likelihood of a row, and priors, under the old one.
    assembly, flags : of every plate, and what can say where it stands.
    """

    position: Position
    objective: float
    assembly: Assembly
    flags: Ints


def _without_rows(components: Sequence[Any], columns: Columns) -> Assembly:
    """Components over no rows, every column read by itself."""
    table = columns.table()
    return Assembly(take_apart(components, table), table, None, columns.lacking(None))


def _always_lacking(parts: Sequence[Parts]) -> set[int]:
    """Columns whose families pack whether cells may lack: they are told so, as packed parameters are the same for all chunks."""
    return {
        j
        for component in distinct(parts)
        for places, factor in zip(component.columns, component.factors, strict=True)
        for j in places
        if getattr(factor, "takes_missing", False)
    }


def _factors_of(components: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Every factor of every component, and where it stands."""
    for place, component in enumerate(components):
        for key, factor in getattr(component, "factors", {None: component}).items():
            yield f"component {place}" if key is None else f"component {place}, factor {key!r}", factor


def require_kernels(components: Sequence[Any]) -> None:
    """Refuse what exists in Python only.

    Raises
    ------
    ParameterError : names the component.
    """
    for where, factor in _factors_of(components):
        if not hasattr(factor, "kernels"):
            raise ParameterError(
                f"{where}, {type(factor).__name__}: expected a family with kernels, found a distribution that fits itself to all "
                "its rows: it has no statistics that could be added up. Read its rows at once, by fit"
            )


def open_priors(components: Sequence[Any]) -> list[str]:
    """Where priors stand that leave something to be taken from the rows."""
    return [where for where, factor in _factors_of(components) if not getattr(getattr(factor, "prior", None), "is_complete", True)]


def carries(components: Sequence[Any]) -> bool:
    """Whether statistics taken under some parameters tell what they would be under others."""
    return all(factor.carries for _, factor in _factors_of(components))


def require_carriers(components: Sequence[Any]) -> None:
    """Refuse families whose statistics under other parameters cannot be known.

    Raises
    ------
    ParameterError : names the family.
    """
    require_kernels(components)
    for where, factor in _factors_of(components):
        if not factor.carries:
            raise ParameterError(
                f"partial_fit: {where}: what {type(factor).__name__} gathers from rows belongs to the parameters at hand, or is an "
                "end of its support, so that rows seen under older ones cannot be weighed against new ones. Use summarize and "
                "from_statistics on chunks that can be read again, or hold all its parameters with Frozen"
            )
