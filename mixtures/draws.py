"""Rows drawn from the components of a mixture, whose columns stand in one order whatever order each component names them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtures.engine.plan import Ints
from mixtures.exceptions import ParameterError
from mixtures.leaves import empty_table, words_for
from mixtures.marginals import known_columns
from mixtures.parts import Parts, take_apart


def drawn_rows(components: Sequence[Any], counts: Ints, names: list[str], named: bool, random: Any) -> Any:
    """Rows of every component, one component after the other, (n, d): objects where a component's values are.

    Parameters
    ----------
    counts : (k,), how many rows of each component.
    names : of the columns; `named`, whether components may know them by these. Columns that no component describes are left out;
        those that only others describe are missing.
    random : a generator.

    Raises
    ------
    ParameterError : a component cannot be drawn from, or its rows are of another width than its columns.
    """
    if not named:  # products by position put their columns in order themselves
        drawn = [component.sample(int(count), random) for component, count in zip(components, counts, strict=True)]
        return np.concatenate(drawn)
    parts = take_apart(components, empty_table(names, named))
    described = sorted({j for part in parts for columns in part.columns for j in columns})
    place = {j: at for at, j in enumerate(described)}
    rows = []
    for k, (part, count) in enumerate(zip(parts, counts.tolist(), strict=True)):
        blocks = [_drawn(factor, count, random, f"component {k} on {words_for(own, names, named)}", len(own))
                  for own, factor in zip(part.columns, part.factors, strict=True)]  # fmt: skip
        is_object = any(block.dtype == object for block in blocks)
        cells = np.full((count, len(described)), np.nan, dtype=object if is_object else float)
        for own, block in zip(_columns(part, names), blocks, strict=True):
            cells[:, [place[j] for j in own]] = block
        rows.append(cells)
    return np.concatenate(rows)


def _columns(part: Parts, names: list[str]) -> list[tuple[int, ...]]:
    """Places of the columns of every factor's draws."""
    if callable(getattr(part.component, "_state", None)):  # a mixture, whose rows are in the order of its own columns
        own, named = known_columns(part.component._state()[0], part.component)
        if named and sorted(own) == sorted(names):
            return [tuple(names.index(name) for name in own)]
    return part.columns


def _drawn(factor: Any, count: int, random: Any, words: str, width: int) -> Any:
    if not callable(getattr(factor, "sample", None)):
        raise ParameterError(f"{words}: expected a method sample of {type(factor).__name__}, found none")
    drawn = np.asarray(factor.sample(count, random))
    if drawn.size != count * width:
        raise ParameterError(f"{words}: expected rows of {width} columns, {type(factor).__name__} drew an array {drawn.shape}")
    return drawn.reshape(count, width)
