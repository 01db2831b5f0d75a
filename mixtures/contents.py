"""What the components of a mixture say of every column, in words: the rows of the table that shows a mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures.describing import describe, mean_and_std, parameter
from mixtures.distributions.base import Distribution
from mixtures.distributions.splits import unconstrained
from mixtures.distributions.wrapped import Wrapped
from mixtures.exceptions import DataError, ParameterError
from mixtures.parts import take_apart
from mixtures.pieces import label_of, modelled, part_over
from mixtures.table import Table
from mixtures.tables import short

MAX_PAIRS = 6
"""Of more pairs of columns, only the strongest correlation is named."""
SINGULAR = {"probabilities": "probability"}


@dataclass(frozen=True)
class Content:
    """What the components say of one column, or of several jointly.

    Attributes
    ----------
    column : what it is called, with its unit.
    family : of all components, or of each in turn where they differ.
    cells : k tuples of lines; an empty one where a component says nothing.
    """

    column: str
    family: str
    cells: tuple[tuple[str, ...], ...]


def contents_of(components: Sequence[Any], table: Table, units: Mapping[Any, str] | None = None) -> tuple[Content, ...]:
    """A row for every column that the components stand on, and one for what joint families say beyond single columns.

    Parameters
    ----------
    components : k complete distributions over the columns of `table`.
    units : unit of a column by its name, or its place where columns have no names.

    Raises
    ------
    ParameterError : a unit is for a column that is none of them.
    """
    labels = labels_of(table, units)
    parts = take_apart(components, table)
    rows = []
    for j in modelled(components, table):
        standing = [
            next(((own, factor) for own, factor in zip(part.columns, part.factors, strict=True) if j in own), None)
            for part in parts
        ]
        peers = [unconstrained(found[1]) for found in standing if found is not None]
        cells = [() if found is None else _cell(*found, j, table, peers) for found in standing]
        families = ["" if found is None else family_of(found[1]) for found in standing]
        if any(cells):
            rows.append(Content(labels[j], *_with_families(families, cells)))
    return (*rows, *_joint(parts, table))


def labels_of(table: Table, units: Mapping[Any, str] | None = None) -> list[str]:
    """What every column is called, with its unit in brackets."""
    labels = [label_of(table, j) for j in range(table.n_columns)]
    for column, unit in (units or {}).items():
        if table.named and column not in table.names:
            raise ParameterError(f"units: expected one of the columns {table.names}, found {column!r}")
        if not table.named and (not isinstance(column, (int, np.integer)) or not 0 <= column < table.n_columns):
            raise ParameterError(f"units: expected places of columns from 0 to {table.n_columns - 1}, found {column!r}")
        j = table.names.index(column) if table.named else int(column)
        labels[j] = f"{short(labels[j], 40)} [{short(str(unit))}]"
    return labels


def family_of(distribution: Any) -> str:
    """The name of a family as it is shown: wrappers that only say what a fit may find are left out."""
    distribution = unconstrained(distribution)
    if hasattr(distribution, "_state"):
        return f"mixture of {len(distribution._state()[0])}"
    name = type(distribution).__name__
    base = getattr(distribution, "base", None)
    if base is not None and (isinstance(distribution, Wrapped) or isinstance(base, Distribution)):
        return f"{name}({family_of(base)})"
    family: Any = getattr(distribution, "family", None)
    return f"scipy {family.name}" if hasattr(family, "name") else name


def _with_families(families: list[str], cells: list[tuple[str, ...]]) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """The family of a row, and its cells; where components differ, each cell begins with its own."""
    distinct = list(dict.fromkeys(family for family in families if family))
    if len(distinct) < 2:
        return (distinct[0] if distinct else ""), tuple(cells)
    return "of each", tuple((family, *lines) if lines else () for family, lines in zip(families, cells, strict=True))


def _cell(own: tuple[int, ...], factor: Any, j: int, table: Table, peers: Sequence[Any]) -> tuple[str, ...]:
    """Lines of one component for a column, `own` those of its factor."""
    factor = unconstrained(factor)
    if len(own) == 1:
        return tuple(describe(factor, peers))
    place = own.index(j)
    values = factor.parameter_values() if hasattr(factor, "parameter_values") else {}
    if set(values) == {"mean", "covariance"}:
        stds = [float(np.sqrt(peer._matrix()[place, place])) for peer in peers if hasattr(peer, "_matrix")]
        return (mean_and_std(float(factor.mean[place]), float(np.sqrt(factor._matrix()[place, place])), stds),)
    lines = []
    for name, value in values.items():
        if np.ndim(value) == 1 and len(value) == len(own):
            lines.append(f"{SINGULAR.get(name, name)} {parameter(float(value[place]))}")
        elif np.ndim(value) == 2:
            lines.append(f"scale {parameter(float(np.sqrt(value[place][place])))}")
    if not lines and hasattr(factor, "_state"):
        try:
            return tuple(describe(part_over(factor, _numbered(len(own)), [place], "it")))
        except DataError:  # a joint family that has no margins
            return ()
    return tuple(lines)


def _numbered(width: int) -> Table:
    return Table([np.empty(0)] * width, [str(j) for j in range(width)], 0, named=False)


def _joint(parts: Sequence[Any], table: Table) -> list[Content]:
    """What families over several columns say of these together: numbers of the whole block, then correlations."""
    blocks = dict.fromkeys(own for part in parts for own in part.columns if len(own) > 1)
    rows = []
    for block in blocks:
        factors = [dict(zip(part.columns, part.factors, strict=True)).get(block) for part in parts]
        families = ["" if factor is None else family_of(factor) for factor in factors]
        whole = [() if factor is None else tuple(_of_block(unconstrained(factor))) for factor in factors]
        names = [short(label_of(table, j)) for j in block]
        if any(whole):
            name = " & ".join(names) if len(block) < 3 else f"{len(block)} columns jointly"
            rows.append(Content(name, *_with_families(families, whole)))
        matrices = [None if factor is None else _correlation(unconstrained(factor)) for factor in factors]
        if any(matrix is not None for matrix in matrices):
            rows += _correlations(matrices, names)
    return rows


def _of_block(factor: Any) -> list[str]:
    """The numbers that a joint family has once for all its columns."""
    if not hasattr(factor, "parameter_values"):
        return [] if hasattr(factor, "_state") else describe(factor)
    values = factor.parameter_values()
    if "covariance" in values:
        return []  # one variance for all columns is shown as theirs
    return [f"{name} {parameter(value)}" for name, value in values.items() if np.ndim(value) == 0]


def _correlation(factor: Any) -> Any:
    """Correlations (d, d) of a joint family that has a matrix."""
    if not hasattr(factor, "parameter_values"):
        return None
    matrix = next((np.asarray(value, dtype=float) for value in factor.parameter_values().values() if np.ndim(value) == 2), None)
    if matrix is None:
        return None
    scales = np.sqrt(np.diagonal(matrix))
    return matrix / scales / scales[:, None]


def _correlations(matrices: Sequence[Any], names: Sequence[str]) -> list[Content]:
    """A row for every pair of columns, or one for the strongest of too many."""
    first, second = np.triu_indices(len(names), 1)
    if len(first) <= MAX_PAIRS:
        return [
            Content(f"{names[a]}, {names[b]}", "correlation", tuple(() if r is None else (f"{r[a, b]:.2f}",) for r in matrices))
            for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ]
    cells: list[tuple[str, ...]] = []
    for r in matrices:
        strongest = 0 if r is None else int(np.argmax(np.abs(r[first, second])))
        a, b = int(first[strongest]), int(second[strongest])
        cells.append(() if r is None else (names[a], names[b], f"{r[a, b]:.2f}"))
    return [Content(f"{len(names)} columns jointly", "strongest correlation", tuple(cells))]
