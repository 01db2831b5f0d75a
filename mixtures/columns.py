"""What is known of the columns of a table that is not at hand, or not all of it: the frame in which statistics are taken.

Families measure a column from its own origin, in its own unit, with tables as long as its values need. Statistics of several
chunks can be added only if all were taken alike, so that a model which reads its data in chunks keeps what it knows of them.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mixtures.column import Column
from mixtures.exceptions import DataError
from mixtures.parts import Parts, distinct
from mixtures.table import Table


class Columns:
    """What is known of the columns of a table; of several tables, the sum. Small, and pickled with a model.

    Attributes
    ----------
    names : names of all columns of the table, in order.
    named : whether the table gave them, rather than their numbers.
    known : by place, what is known of each column that the model reads: its range, how many rows there were and how many lacked it.
    """

    __slots__ = ("known", "named", "names")

    def __init__(self, names: Sequence[str], named: bool, known: Mapping[int, Column]) -> None:
        self.names = tuple(names)
        self.named = named
        self.known = dict(known)

    @classmethod
    def of(cls, components: Sequence[Parts], table: Table) -> Columns:
        """Of the columns of `table` that the components read."""
        known: dict[int, Column] = {}
        for component in distinct(components):
            for places, distribution in zip(component.columns, component.factors, strict=True):
                for j in places:
                    if getattr(distribution, "encoding", "numbers") == "categories":
                        known[j] = Column(table.names[j], table.n_rows, int(np.isnan(table.codes(j, ())).sum()))
                    elif j not in known:
                        known[j] = table.column(j)
        return cls(table.names, table.named, dict(sorted(known.items())))

    def __repr__(self) -> str:
        cells = []
        for j, column in self.known.items():
            span = "categories" if np.isnan(column.lower) else f"{column.lower:.6g} to {column.upper:.6g}"
            lacks = f", {column.n_missing} missing" if column.n_missing else ""
            cells.append(f"{self.names[j]}: {span}{lacks}")
        return f"<Columns of {self.n_rows} rows; {'; '.join(cells)}>"

    @property
    def n_rows(self) -> int:
        """Rows that were looked at."""
        return max((column.n_rows for column in self.known.values()), default=0)

    def fits(self, table: Table) -> bool:
        """Whether a table has these columns."""
        return self.named == table.named and self.names == tuple(table.names)

    def covers(self, other: Columns) -> bool:
        """Whether no value of another table lies beyond those known."""
        return all(
            np.isnan(column.lower) or (self.known[j].lower <= column.lower and column.upper <= self.known[j].upper)
            for j, column in other.known.items()
        )

    def __add__(self, other: Columns) -> Columns:
        """What is known of the rows of two tables together: the same as of one table of all rows."""
        if not isinstance(other, Columns):
            return NotImplemented
        return self._with(other, sum_rows=True)

    def widened(self, other: Columns, *, keep_rows: bool = False) -> Columns:
        """What covers both; of rows, as many as the larger of the two had, or with `keep_rows`, as this one had."""
        wide = self._with(other, sum_rows=False)
        if keep_rows:
            for j, column in wide.known.items():
                # Lengths of tables follow the number of rows, and may not change beneath running statistics.
                column.n_rows, column.n_missing = self.known[j].n_rows, min(column.n_missing, self.known[j].n_rows)
        return wide

    def _with(self, other: Columns, sum_rows: bool) -> Columns:
        if (self.names, self.named, self.known.keys()) != (other.names, other.named, other.known.keys()):
            raise DataError(f"expected columns {list(self.names)}, found {list(other.names)}: they are no chunks of one table")
        known = {}
        for j, one in self.known.items():
            two = other.known[j]
            count = sum if sum_rows else max
            n_rows, n_missing = count([one.n_rows, two.n_rows]), count([one.n_missing, two.n_missing])
            lower, upper = float(np.fmin(one.lower, two.lower)), float(np.fmax(one.upper, two.upper))
            if not sum_rows and not np.isnan(lower):
                n_missing = min(n_missing, n_rows - 1)  # something was seen
            known[j] = Column(one.name, n_rows, n_missing, lower, upper, None, one.whole and two.whole)
        return Columns(self.names, self.named, known)

    def lacking(self, other: Columns | None, always: Collection[int] = ()) -> Columns:
        """These columns, those marked as lacking cells which lack some here or in `other`, or are named in `always`; None: all.

        It changes how rows are read, never what a parameter or a statistic is.
        """
        known = {}
        for j, column in self.known.items():
            known[j] = column
            if not column.n_missing and (other is None or j in always or other.known[j].n_missing):
                known[j] = copy.copy(column)
                known[j].n_missing = 1
        return Columns(self.names, self.named, known)

    def table(self) -> Table:
        """A table of these columns without a row."""
        return Table([np.empty(0) for _ in self.names], self.names, 0, self.named)

    def key(self) -> str:
        """Text that differs where anything does."""
        cells = [(j, c.n_rows, c.n_missing, c.lower, c.upper, c.whole) for j, c in self.known.items()]
        return repr((self.names, self.named, cells))
