"""Missing cells of a table, filled in from what a mixture says of them given the row's other cells.

Given its observed cells a row is from component k with the probability that its marginal density has among the components; given
the component, its missing cells follow that component's distribution, in a block given the block's observed cells. Rows are
grouped by the missing cells of a block, never gone through one by one.

- The mean of a cell is the sum of the components' (conditional) means, weighted by those probabilities. Of whole numbers it is
  rounded: among whole numbers that has the least mean square error. Of angles it is the direction of the mean of (cos, sin).
- The mode is the value of highest probability, or the highest point of the density: the best of a grid of the components'
  quantiles, then golden section beside it.
- Categories have no mean: there the mean is the mode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixtures.constraints import Angle, Whole
from mixtures.distributions.splits import Given, ellipse, given
from mixtures.engine.plan import Floats, Ints
from mixtures.exceptions import DataError, ParameterError
from mixtures.leaves import Leaves, missing_cells, patterns
from mixtures.modes import Law, most_probable
from mixtures.moments import mean_of, resultant_of
from mixtures.row_supports import RowSupport
from mixtures.table import Table

Cells = dict[int, tuple[Ints, Any]]
"""Of columns, by place: rows, and their new values."""

CATEGORIES, WHOLE, ANGLES, REAL = "categories", "whole", "angles", "real"


@dataclass(eq=False)
class _Task:
    """Rows that lack cells, and what is known of them.

    Attributes
    ----------
    leaves : the mixture.
    table : the rows.
    lacks : of every column that lacks cells, by place, which rows do.
    responsibilities : (n, K), probabilities of the leaves.
    blocks, centres : what was found of blocks, by columns, and by columns and leaf.
    """

    leaves: Leaves
    table: Table
    lacks: dict[int, Any]
    responsibilities: Floats
    blocks: dict[Any, Any] = field(default_factory=dict)
    centres: dict[Any, Any] = field(default_factory=dict)

    def kind(self, column: int) -> str:
        """What the values of a column are."""
        domains = []
        for columns, factor in self.leaves.standing_on(column):
            if getattr(factor, "encoding", "numbers") == "categories":
                return CATEGORIES
            support = getattr(factor, "support", None)
            support = support[columns.index(column)] if isinstance(support, tuple) else support
            support = support.cells if isinstance(support, RowSupport) else support
            atoms = getattr(factor, "atoms", None)
            is_whole = isinstance(support, Whole) or (atoms is not None and all(float(a).is_integer() for a in atoms))
            domains.append(WHOLE if is_whole else ANGLES if isinstance(support, Angle) else REAL)
        return domains[0] if len(set(domains)) == 1 else REAL


def impute_cells(leaves: Leaves, table: Table, method: str, random: Any, n_threads: int = 1) -> Cells:
    """New values of the missing cells of a table's columns that the mixture describes.

    Parameters
    ----------
    method : "mean", "mode" or "draw".
    random : generator, for "draw".

    Raises
    ------
    DataError : a row with missing cells has density zero under every component.
    ParameterError : a family cannot say what is asked.
    """
    missing = {j: missing_cells(table, j) for j in leaves.columns}
    missing = {j: lacks for j, lacks in missing.items() if lacks.any()}
    if not missing:
        return {}
    rows = np.flatnonzero(np.logical_or.reduce(list(missing.values())))
    short = table.take(rows)
    joint = leaves.log_joint(short, n_threads)
    density = np.logaddexp.reduce(joint, axis=1)
    bad = np.flatnonzero(~np.isfinite(density))
    if len(bad):
        raise DataError(
            f"row {rows[bad[0]]} has log-density {density[bad[0]]} under every component ({len(bad)} such rows), so nothing "
            "follows from its observed cells"
        )
    lacks = {j: cells[rows] for j, cells in missing.items()}
    task = _Task(leaves, short, lacks, np.exp(joint - density[:, None]))
    found = _drawn(task, random) if method == "draw" else _means(task) if method == "mean" else _modes(task, list(lacks))
    return {j: (rows[lacks[j]], values) for j, values in found.items()}


def _block(task: _Task, columns: tuple[int, ...]) -> tuple[Floats, Any, Any]:
    """Cells of a block, (n, d), which of them are missing, and its patterns of missing cells."""
    if columns not in task.blocks:
        cells = np.column_stack([task.table.numbers(j) for j in columns])
        missing = np.isnan(cells)
        task.blocks[columns] = cells, missing, list(patterns(missing))
    found: tuple[Floats, Any, Any] = task.blocks[columns]
    return found


def _given(task: _Task, columns: tuple[int, ...], factor: Any, rows: Ints, lacks: Any, cells: Floats) -> Given:
    """The missing cells of rows of one pattern, of a block that splits."""
    found = ellipse(factor)
    if found is None:
        raise ParameterError(
            f"{type(factor).__name__} over {task.leaves.where(columns)}: some of its columns given the others have no "
            f"closed form, row {task.table.row(rows[0])} lacks some and has others"
        )
    seen = np.flatnonzero(~lacks).tolist()
    return given(found, seen, cells[rows][:, seen])


# --- draws ---


def _drawn(task: _Task, random: Any) -> dict[int, Any]:
    """Component first, then its missing cells together."""
    n = task.table.n_rows
    reached = np.cumsum(task.responsibilities, axis=1)
    leaf = (random.uniform(size=(n, 1)) * reached[:, -1:] >= reached).sum(axis=1)
    leaf = np.minimum(leaf, task.responsibilities.shape[1] - 1)
    found = {j: np.empty(n, dtype=object if task.kind(j) == CATEGORIES else float) for j in task.lacks}
    for k in np.unique(leaf):
        own = np.flatnonzero(leaf == k)
        for columns, factor in task.leaves.factors[k]:
            wanted = [j for j in columns if j in task.lacks]
            if not wanted:
                continue
            if len(columns) == 1:
                rows = own[task.lacks[columns[0]][own]]
                if len(rows):
                    found[columns[0]][rows] = np.asarray(factor.sample(len(rows), random)).reshape(len(rows))
                continue
            cells, missing, _ = _block(task, columns)
            for place, lacks in patterns(missing[own]):
                if lacks.any():
                    values = _drawn_block(task, columns, factor, own[place], lacks, cells, random)
                    for at, j in enumerate(np.flatnonzero(lacks)):
                        found[columns[j]][own[place]] = values[:, at]
    return {j: values[task.lacks[j]] for j, values in found.items()}


def _drawn_block(task: _Task, columns: Any, factor: Any, rows: Ints, lacks: Any, cells: Floats, random: Any) -> Floats:
    if lacks.all():
        if isinstance(getattr(factor, "support", None), RowSupport) and isinstance(factor.support.cells, Whole):
            raise _no_totals(task, columns, factor)
        return np.asarray(factor.sample(len(rows), random), dtype=float)
    rest = _given(task, columns, factor, rows, lacks, cells)
    noise = random.standard_normal(rest.locations.shape) @ rest.lower.T * np.sqrt(rest.stretches)[:, None]
    if not math.isinf(rest.df):
        noise /= np.sqrt(random.chisquare(rest.df, (len(rows), 1)) / rest.df)
    return rest.locations + noise


def _no_totals(task: _Task, columns: Any, factor: Any) -> ParameterError:
    return ParameterError(
        f"{type(factor).__name__} over {task.leaves.where(columns)}: a row without counts has no total, nor has the family"
    )


# --- means ---


def _means(task: _Task) -> dict[int, Any]:
    n = task.table.n_rows
    kinds = {j: task.kind(j) for j in task.lacks}
    sums = {j: np.zeros(n, dtype=complex if kinds[j] == ANGLES else float) for j in task.lacks if kinds[j] != CATEGORIES}
    for k, factors in enumerate(task.leaves.factors):
        if not task.leaves.weights[k] > 0:
            continue
        share = task.responsibilities[:, k]
        for columns, factor in factors:
            if len(columns) == 1 and columns[0] in sums:
                words = task.leaves.where(columns)
                is_angle = kinds[columns[0]] == ANGLES
                sums[columns[0]] += share * (resultant_of(factor, words) if is_angle else mean_of(factor, 1, words)[0])
            elif len(columns) > 1 and any(j in sums for j in columns):
                _add_block(task, columns, factor, share, sums)
    found: dict[int, Any] = _modes(task, [j for j in task.lacks if kinds[j] == CATEGORIES])
    for j, values in sums.items():
        own = values[task.lacks[j]]
        found[j] = np.angle(own) if kinds[j] == ANGLES else np.rint(own) if kinds[j] == WHOLE else own
    return found


def _add_block(task: _Task, columns: Any, factor: Any, share: Floats, sums: dict[int, Any]) -> None:
    cells, _, found = _block(task, columns)
    words = task.leaves.where(columns)
    for rows, lacks in found:
        if not lacks.any():
            continue
        places = np.flatnonzero(lacks)
        if lacks.all():
            mean = mean_of(factor, len(columns), words)
            support = getattr(factor, "support", None)
            if isinstance(support, RowSupport) and not support.contains(mean[None])[0]:
                raise ParameterError(
                    f"{words}: the mean of {factor!r} is no row that it allows, {support.words}; use method 'draw'"
                )
            values = np.broadcast_to(mean, (len(rows), len(columns)))
        else:
            rest = _given(task, columns, factor, rows, lacks, cells)
            if not rest.df > 1.0:
                raise ParameterError(f"{words}: {factor!r} has no finite mean")
            values = rest.locations
        for at, place in enumerate(places):
            sums[columns[place]][rows] += share[rows] * values[:, at]


# --- modes ---


def _modes(task: _Task, columns: Sequence[int]) -> dict[int, Any]:
    return {j: _mode(task, j) for j in columns}


def _mode(task: _Task, column: int) -> Any:
    rows = np.flatnonzero(task.lacks[column])
    shares = task.responsibilities[rows]
    standing = task.leaves.standing_on(column)
    kind = task.kind(column)
    if kind == CATEGORIES:
        return _most_probable_category([factor for _, factor in standing], shares)
    laws = [_law(task, column, columns, factor, rows, leaf) for leaf, (columns, factor) in enumerate(standing)]
    return most_probable(laws, shares, kind == WHOLE)


def _most_probable_category(factors: Sequence[Any], shares: Floats) -> Any:
    """The first of the most probable categories of every row, in the order in which components name them."""
    categories = list(dict.fromkeys(category for factor in factors for category in factor.categories))
    table = np.array([[dict(zip(f.categories, f.probabilities, strict=True)).get(c, 0.0) for c in categories] for f in factors])
    values = np.empty(len(categories), dtype=object)
    values[:] = categories
    return values[np.argmax(shares @ table, axis=1)]


def _law(task: _Task, column: int, columns: tuple[int, ...], factor: Any, rows: Ints, leaf: int) -> Law:
    """What a component says of a missing cell of some rows."""
    if len(columns) == 1:
        return Law.of(factor)
    if ellipse(factor) is None:
        raise ParameterError(
            f"{type(factor).__name__} over {task.leaves.where(columns)}: the mode of some of its columns is not known; use "
            "method 'mean' or 'draw'"
        )
    if (columns, leaf) not in task.centres:
        task.centres[columns, leaf] = _centres(task, columns, factor)
    locations, scales, df = task.centres[columns, leaf]
    place = columns.index(column)
    return Law.around(locations[rows, place], scales[rows, place], df[rows])


def _centres(task: _Task, columns: tuple[int, ...], factor: Any) -> tuple[Floats, Floats, Floats]:
    """Location and scale of every missing cell of a block given the others, (n, d), and degrees of freedom, (n,)."""
    cells, _, found = _block(task, columns)
    locations, scales, df = np.zeros(cells.shape), np.ones(cells.shape), np.full(len(cells), math.inf)
    for rows, lacks in found:
        if lacks.any():
            rest = _given(task, columns, factor, rows, lacks, cells)
            at = np.ix_(rows, np.flatnonzero(lacks))
            locations[at] = rest.locations
            scales[at] = np.sqrt(np.square(rest.lower).sum(axis=1)) * np.sqrt(rest.stretches)[:, None]
            df[rows] = rest.df
    return locations, scales, df
