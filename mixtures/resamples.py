"""The samples of a bootstrap: rows of a table drawn again, or draws of a mixture in their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import numpy as np

from mixtures.engine.plan import Floats, Ints
from mixtures.exceptions import ParameterError
from mixtures.free_numbers import rebuilt
from mixtures.leaves import missing_cells
from mixtures.parts import Parts, block_of
from mixtures.table import Table


def resampled(probabilities: Floats | None, n_rows: int, total: int, n_replicates: int, random: Any) -> Iterator[Ints]:
    """Counts (n,) of the rows of one sample after the other."""
    shares = np.full(n_rows, 1.0 / n_rows) if probabilities is None else probabilities
    for _ in range(n_replicates):
        yield random.multinomial(total, shares)


def drawn_table(parts: Sequence[Parts], weights: Floats, table: Table, n: int, rows: Ints, random: Any) -> Table:
    """A table of draws of a mixture, with what the mixture does not speak of taken from `rows` (n,) of the `table`: which cells are
    missing, and of counts over several columns the sum of a row.

    Parameters
    ----------
    parts : of k components over the table.
    weights : (k,).

    Raises
    ------
    ParameterError : a component cannot be drawn from.
    """
    counts = random.multinomial(n, weights / weights.sum())
    owner = random.permutation(np.repeat(np.arange(len(parts)), counts))
    columns = [np.zeros(n) if table.is_numeric(j) else np.full(n, None) for j in range(table.n_columns)]
    for k, part in enumerate(parts):
        (own,) = np.nonzero(owner == k)
        for places, factor in zip(part.columns, part.factors, strict=True):
            values = _drawn(factor, table, places, rows[own], random).reshape(len(own), len(places))
            for place, column in enumerate(places):
                columns[column][own] = values[:, place]
    for j, values in enumerate(columns):
        missing = missing_cells(table, j)[rows]
        if missing.any():
            values[missing] = np.nan if table.is_numeric(j) else None
    return Table(columns, table.names, n, table.named)


def _drawn(factor: Any, table: Table, columns: Sequence[int], rows: Ints, random: Any) -> Any:
    """Draws of a factor on some columns in the place of rows."""
    if not hasattr(factor, "sample"):
        raise ParameterError(f"bootstrap: {type(factor).__name__} has no method sample; use kind='nonparametric'")
    bare = rebuilt(factor, {}) if hasattr(factor, "kernels") else factor
    if _takes_trials(bare):
        return bare.sample(len(rows), random, trials=block_of(columns, table)[rows].sum(axis=1))
    if hasattr(factor, "_state") and any(_takes_trials(inner) for inner in _families(factor)):
        raise ParameterError(
            "bootstrap: a mixture within a mixture cannot be told the numbers of trials of rows; use kind='nonparametric'"
        )
    return np.asarray(factor.sample(len(rows), random))


def _takes_trials(distribution: Any) -> bool:
    """Whether the sums of rows are no part of the distribution, but given."""
    return hasattr(distribution, "sample") and "trials" in signature(distribution.sample).parameters


def _families(component: Any) -> Iterator[Any]:
    """What a component is made of, free of wrappers."""
    inner = component._state()[0] if hasattr(component, "_state") else getattr(component, "factors", {}).values()
    for one in inner:
        yield from _families(one)
    if not inner:
        yield rebuilt(component, {}) if hasattr(component, "kernels") else component
