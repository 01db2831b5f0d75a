"""The samples of a bootstrap: rows of a table drawn again, or draws of a mixture in their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import numpy as np

from mixtures.engine.plan import Floats, Ints
from mixtures.exceptions import ParameterError
from mixtures.parts import Parts
from mixtures.table import Table


def resampled(probabilities: Floats | None, n_rows: int, total: int, n_replicates: int, random: Any) -> Iterator[Ints]:
    """Counts (n,) of the rows of one sample after the other."""
    shares = np.full(n_rows, 1.0 / n_rows) if probabilities is None else probabilities
    for _ in range(n_replicates):
        yield random.multinomial(total, shares)


def drawn_table(parts: Sequence[Parts], weights: Floats, table: Table, n: int, rows: Ints, random: Any) -> Table:
    """A table of draws of a mixture, in which cells are missing as they are in `rows` (n,) of the `table`.

    Parameters
    ----------
    parts : of k components over the table.
    weights : (k,).
    """
    counts = random.multinomial(n, weights / weights.sum())
    columns: dict[int, list[Any]] = {}
    for part, count in zip(parts, counts.tolist(), strict=True):
        for places, factor in zip(part.columns, part.factors, strict=True):
            values = np.asarray(_sampler(factor)(count, random)).reshape(count, len(places))
            for place, column in enumerate(places):
                columns.setdefault(column, []).append(values[:, place])
    order = random.permutation(n)
    found = []
    for j in range(table.n_columns):
        if j not in columns:  # which no component describes
            found.append(np.zeros(n))
            continue
        values = np.concatenate([np.asarray(part, dtype=None if table.is_numeric(j) else object) for part in columns[j]])[order]
        values = values.astype(np.float64) if table.is_numeric(j) else values
        missing = _missing(table, j)[rows]
        if missing.any():
            values[missing] = np.nan if table.is_numeric(j) else None
        found.append(values)
    return Table(found, table.names, n, table.named)


def _missing(table: Table, column: int) -> Any:
    """Which cells of a column are missing (n,)."""
    values = table.numbers(column) if table.is_numeric(column) else table.codes(column, ())
    return np.isnan(values)


def _sampler(factor: Any) -> Any:
    """The method that draws rows of a factor.

    Raises
    ------
    ParameterError : there is none, or what rows are drawn by is not known.
    """
    sample = getattr(factor, "sample", None)
    if sample is None:
        raise ParameterError(f"bootstrap: {type(factor).__name__} has no method sample; use kind='nonparametric'")
    inner = factor
    while hasattr(inner, "base"):
        inner = inner.base
    if "trials" in signature(inner.sample).parameters:
        raise ParameterError(
            f"bootstrap: the numbers of trials of rows are no part of a {type(inner).__name__}; use kind='nonparametric'"
        )
    return sample
