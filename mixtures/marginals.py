"""What a mixture says of some of its columns: alone (marginals), or where others are known (conditionals).

Columns are independent of each other given the component, but for those of a block, so both are mixtures of the same components
over fewer columns. A marginal keeps the weights; where x is known they become

    w_k f_k(x) / sum over l of w_l f_l(x),

computed from logarithms.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mixtures.distributions.product import Product
from mixtures.distributions.splits import conditional, marginal
from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError
from mixtures.leaves import Leaves, empty_table, words_for
from mixtures.parts import take_apart
from mixtures.table import Table, is_missing


def known_columns(components: Sequence[Any], model: Any) -> tuple[list[str], bool]:
    """Names of the columns that a model was fitted to, or, without a fit, that its components name; and whether they are names."""
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        return [str(name) for name in names], True
    width = getattr(model, "n_features_in_", None)
    if width is not None:
        return [str(j) for j in range(width)], False
    named: dict[str, None] = {}
    width = 1
    for component in components:
        factors = getattr(component, "factors", None)
        keys = list(factors) if isinstance(factors, dict) else []
        columns = [column for key in keys for column in (key if isinstance(key, tuple) else (key,))]
        if any(isinstance(column, str) for column in columns):
            named.update(dict.fromkeys(map(str, columns)))
        else:
            width = max([width, *(column + 1 for column in columns)])
            if not columns:
                width = max(width, _width(component))
    return (list(named), True) if named else ([str(j) for j in range(width)], False)


def _width(component: Any) -> int:
    """Number of columns of a component that is no product; a family of one column stands for one until it has seen a table."""
    if callable(getattr(component, "_state", None)):
        return len(known_columns(component._state()[0], component)[0])
    found = getattr(component, "n_features", 1)
    return found if isinstance(found, int) else 1


def find_column(column: Any, names: Sequence[str], named: bool) -> int:
    """Place of a column, given by name or by position.

    Raises
    ------
    DataError : there is no such column.
    """
    if isinstance(column, numbers.Integral) and not isinstance(column, bool):
        if 0 <= int(column) < len(names):
            return int(column)
        raise DataError(f"expected a column from 0 to {len(names) - 1}, found {column!r}")
    if named and column in names:
        return list(names).index(column)
    found = f"the columns {list(names)}" if named else f"{len(names)} columns without names"
    raise DataError(f"expected columns of the model, which has {found}; found {column!r}")


def find_columns(columns: Any, names: Sequence[str], named: bool) -> list[int]:
    """Places of one column or several, no two the same."""
    listed = [columns] if isinstance(columns, (str, numbers.Integral)) else list(columns)
    places = [find_column(column, names, named) for column in listed]
    if not places:
        raise DataError("expected at least one column, found none")
    for at, place in enumerate(places):
        if place in places[:at]:
            raise DataError(f"column {listed[at]!r} is asked for twice")
    return places


def marginal_components(components: Sequence[Any], names: Sequence[str], named: bool, places: Sequence[int]) -> list[Any]:
    """Components over some columns, by place and in this order."""

    def split(factor: Any, kept: list[int], columns: tuple[int, ...]) -> Any:
        return marginal(factor, kept, words_for(columns, names, named))

    return _over(components, names, named, places, split)


def conditional_components(
    components: Sequence[Any], names: Sequence[str], named: bool, known: Mapping[int, Any], places: Sequence[int]
) -> list[Any]:
    """Components over columns `places`, where all other columns that share a block with them are `known` or missing."""

    def split(factor: Any, kept: list[int], columns: tuple[int, ...]) -> Any:
        words = words_for(columns, names, named)
        seen = [place for place, j in enumerate(columns) if j in known]
        if not seen:
            return marginal(factor, kept, words)
        rest = [place for place in range(len(columns)) if place not in seen]
        found = conditional(factor, seen, [known[columns[place]] for place in seen], words)
        return found if rest == kept else marginal(found, [rest.index(place) for place in kept], words)

    return _over(components, names, named, places, split)


def _over(
    components: Sequence[Any],
    names: Sequence[str],
    named: bool,
    places: Sequence[int],
    split: Callable[[Any, list[int], tuple[int, ...]], Any],
) -> list[Any]:
    """Components over some columns, blocks split as told; one object several times stays one."""
    new_place = {j: place for place, j in enumerate(places)}
    parts = take_apart(components, empty_table(names, named))
    made: dict[int, Any] = {}
    for part in parts:
        if id(part) in made:
            continue
        kept: dict[tuple[int, ...], Any] = {}
        for columns, factor in zip(part.columns, part.factors, strict=True):
            own = [place for place, j in enumerate(columns) if j in new_place]
            if len(own) == len(columns):
                kept[columns] = factor
            elif own:
                kept[tuple(columns[place] for place in own)] = split(factor, own, columns)
        described = {j for columns in kept for j in columns}
        for j in places:
            if j not in described:
                raise DataError(f"{words_for([j], names, named)}: no component describes it")
        made[id(part)] = _joined(kept, names if named else None, new_place)
    return [made[id(part)] for part in parts]


def _joined(factors: Mapping[tuple[int, ...], Any], names: Sequence[str] | None, new_place: Mapping[int, int]) -> Any:
    """One distribution of factors over old columns; a product where there are several, or where columns change their order."""
    keys = [tuple(new_place[j] for j in columns) for columns in factors]
    if len(keys) == 1 and keys[0] == tuple(range(len(keys[0]))):
        return next(iter(factors.values()))
    if names is not None:
        named = {tuple(names[j] for j in columns): factor for columns, factor in factors.items()}
        return Product({key if len(key) > 1 else key[0]: factor for key, factor in named.items()})
    order = sorted(range(len(keys)), key=lambda place: keys[place])
    listed = list(factors.values())
    return Product({keys[place] if len(keys[place]) > 1 else keys[place][0]: listed[place] for place in order})


def one_row(known: Mapping[int, Any], names: Sequence[str], named: bool) -> Table:
    """A table of one row that has only some cells.

    Raises
    ------
    DataError : a cell is no value.
    """
    cells: list[Any] = []
    for j in range(len(names)):
        if j not in known:
            cells.append(np.full(1, np.nan))
            continue
        value = known[j]
        if is_missing(value):
            raise DataError(f"{words_for([j], names, named)}: expected a value, found {value!r}; leave out what is not known")
        is_number = isinstance(value, (numbers.Real, np.bool_)) and not isinstance(value, str)
        cells.append(np.array([float(value)]) if is_number else _object(value))
    return Table(cells, names, 1, named)


def _object(value: Any) -> Any:
    cell = np.empty(1, dtype=object)
    cell[0] = value
    return cell


def updated_weights(leaves: Leaves, row: Table, known: Mapping[int, Any], n_components: int, n_threads: int) -> Floats:
    """Weights of the components (k,) where the cells of a table of one row are known.

    Raises
    ------
    DataError : no component can have made that row.
    """
    joint = leaves.log_joint(row, n_threads)[0]
    total = np.logaddexp.reduce(joint)
    if not np.isfinite(total):
        words = ", ".join(f"{words_for([j], leaves.names, leaves.named)}: {value!r}" for j, value in known.items())
        raise DataError(f"a row with {words} has log-density {total} under every component together, so nothing follows from it")
    found = np.bincount(leaves.component, weights=np.exp(joint - total), minlength=n_components)
    weights: Floats = found / found.sum()
    return weights
