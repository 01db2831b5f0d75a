"""Where a mixture stands whose data come in chunks: its parameters as the kernels see them, in a frame that all chunks share.

Packed parameters hold more than a distribution does: centres of sums of squares, how far a search has come. A model that goes
from pass to pass keeps them, so that it does what a fit of all rows at once would do, to the last bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures.assembly import Assembly
from mixtures.checks import check_support
from mixtures.columns import Columns
from mixtures.engine.loop import MAX_REPEATS, prepare
from mixtures.engine.plan import FAILED, REPEAT, Floats, Ints
from mixtures.engine.streaming import maximum_of, statistics_of
from mixtures.exceptions import DataError, FitError, ParameterError
from mixtures.fitting import safe_log
from mixtures.parts import Parts, take_apart
from mixtures.runs import Runs
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
    parameters : packed, in the order of runs, without addresses.
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

    @classmethod
    def at(cls, components: list[Any], weights: Floats, columns: Columns) -> Position:
        """Where a mixture starts, its components packed afresh."""
        require_kernels(components)
        assembly = _assembly(take_apart(components, columns.table()), columns.table(), columns)
        return cls._of(components, weights, safe_log(weights), columns, assembly)

    @classmethod
    def _of(
        cls,
        components: list[Any],
        weights: Floats,
        log_weights: Floats,
        columns: Columns,
        assembly: Assembly,
        repeats: int = 0,
    ) -> Position:
        runs = Runs(assembly)
        parameters = runs.parameters(assembly.parameters)
        digest = hashlib.sha256(f"{columns.key()} {runs.structure()} {repeats}".encode())
        digest.update(parameters.tobytes())
        digest.update(log_weights.tobytes())
        return cls(components, weights, log_weights, columns, parameters, digest.hexdigest(), repeats)

    def is_of(self, components: Sequence[Any], weights: Floats) -> bool:
        """Whether these, immutable as they are, are still a model's components and weights."""
        same = len(components) == len(self.components) and np.array_equal(weights, self.weights)
        return same and all(one is other for one, other in zip(components, self.components, strict=True))

    def laid(self) -> tuple[Assembly, Runs]:
        """The components over no rows, ready for an M-step."""
        table = self.columns.table()
        assembly = _assembly(take_apart(self.components, table), table, self.columns)
        runs = Runs(assembly)
        runs.put_parameters(self.parameters, assembly.parameters)
        return assembly, runs

    def summarize(self, table: Table, weights: Floats | None, n_threads: int) -> Statistics:
        """Statistics of the rows of a table, all of weight > 0."""
        parts = take_apart(self.components, table)
        check_support(parts, table)
        seen = Columns.of(parts, table)
        total = float(table.n_rows if weights is None else weights.sum())
        if weights is not None and not 1e-100 < weights.max() < 1e100:
            raise DataError(
                "sample_weight: expected weights between 1e-100 and 1e100, in which those of several chunks are added, found a "
                f"largest one of {weights.max():.3g}"
            )
        assembly, runs = self.laid()
        if not self.columns.covers(seen):
            return Statistics(seen, total, self.fingerprint, None, runs.is_maximum)
        assembly = _assembly(parts, table, self.columns, seen, weights)
        runs = Runs(assembly)
        runs.put_parameters(self.parameters, assembly.parameters)
        prepare(assembly.problem, assembly.parameters)
        values = statistics_of(assembly.problem, assembly.parameters, self.log_weights, n_threads)[runs.statistic_places]
        if not np.isfinite(values[0]):
            raise FitError(self._blame(assembly, n_threads))
        return Statistics(seen, total, self.fingerprint, values, runs.is_maximum)

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
        parts = take_apart(self.components, columns.table())
        return Position._of(
            self.components, self.weights, self.log_weights, columns, _assembly(parts, columns.table(), columns), self.repeats
        )

    def maximized(self, values: Floats) -> tuple[Position, Assembly, Ints]:
        """After the M-step from statistics in the order of runs: the new position, what says where its flags stand, and those.

        Where ``repeats`` has grown, nothing but a centre has moved: the pass is to be done again.
        """
        assembly, runs = self.laid()
        totals = np.empty(assembly.problem.sizes.n_statistics)
        totals[runs.statistic_places] = values
        log_weights = self.log_weights.copy()
        outcome, flags = maximum_of(
            assembly.problem, totals, assembly.parameters, log_weights, may_repeat=self.repeats < MAX_REPEATS
        )
        if outcome & FAILED:
            raise FitError(f"the M-step of a component, one of {assembly.families()}, found no parameters")
        if outcome & REPEAT:
            new = Position._of(self.components, self.weights, log_weights, self.columns, assembly, self.repeats + 1)
        else:
            new = Position._of(assembly.unpack(), np.exp(log_weights), log_weights, self.columns, assembly)
        return new, assembly, flags

    def carried(self, values: Floats, other: Position) -> Floats:
        """Statistics taken at this position as they would have been at another, the responsibilities being the same."""
        (_, old), (_, new) = self.laid(), other.laid()
        for j, column in self.columns.known.items():
            if column.unit != other.columns.known[j].unit:
                raise DataError(
                    f"column {column.name}: values to {other.columns.known[j].magnitude:.3g} are measured in another unit than "
                    f"those seen before, to {column.magnitude:.3g}: scale it, or tell the model of its range first, by survey"
                )
        found = [values[: 1 + len(self.log_weights)]]
        rows = zip(
            old.runs,
            new.runs,
            old.rows_of_statistics(values),
            old.rows_of_parameters(self.parameters),
            new.rows_of_parameters(other.parameters),
            strict=True,
        )
        for before, after, statistics, old_rows, new_rows in rows:
            each = zip(before.members, statistics, old_rows, new_rows, strict=True)
            found += [member._carried(s, p, q, before.ground, after.ground) for member, s, p, q in each]
        return np.concatenate(found)


def _assembly(
    parts: Sequence[Parts], table: Table, columns: Columns, seen: Columns | None = None, weights: Floats | None = None
) -> Assembly:
    """Parts over one chunk in a frame; without `seen`, over no rows, every column being read by itself."""
    always = {
        j
        for component in parts
        for places, factor in zip(component.columns, component.factors, strict=True)
        for j in places
        # Packed parameters say whether cells may lack, and are the same for all chunks.
        if getattr(factor, "takes_missing", False)
    }
    return Assembly(parts, table, weights, columns.lacking(seen, always))


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
