"""What the components of a mixture say of a few columns alone: the mixture over these columns, and what they are called.

Components are products over columns, or stand on several jointly; of a product the factors of the other columns fall away, of a
joint family the margin is taken where that is a family of the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mixtures import distributions
from mixtures.distributions.splits import marginal
from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError, ParameterError
from mixtures.leaves import empty_table, shares_nothing
from mixtures.model import GeneralMixtureModel
from mixtures.parts import take_apart
from mixtures.table import Table


def state_of(model: Any) -> tuple[list[Any], Floats]:
    """Components and weights (k,) of a mixture that is fitted or has all its parameters.

    Raises
    ------
    NotFittedError : it has not. ParameterError : it is no mixture of this package.
    """
    if not isinstance(model, GeneralMixtureModel):
        raise ParameterError(f"expected a GeneralMixtureModel, found {type(model).__name__}")
    components, weights = model._state()
    return list(components), np.asarray(weights, dtype=float)


def header_of(model: Any) -> Table:
    """The columns that a mixture stands on, as a table without a row: named where the model was fitted to a frame, or names
    them."""
    components, _ = state_of(model)
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        return empty_table(list(map(str, names)), True)
    keys: list[Any] = []
    for component in components:
        for key in getattr(component, "factors", {}):
            keys += [name for name in (key if isinstance(key, tuple) else (key,)) if name not in keys]
    if keys and all(isinstance(key, str) for key in keys):
        return empty_table(keys, True)
    width = getattr(model, "n_features_in_", None)
    if width is None:
        width = next((w for w in map(_width_of, components) if w is not None), None)
    if width is None:  # components that don't say, of a model that has seen no table
        check_is_fitted(model, "n_features_in_")
        width = 1
    return empty_table([str(j) for j in range(int(width))], False)


def _width_of(component: Any) -> int | None:
    """Number of columns of a component, None where it does not say."""
    if isinstance(component, GeneralMixtureModel):
        return next((w for w in map(_width_of, component._state()[0]) if w is not None), None)
    found = getattr(component, "n_features", None)
    return None if found is None else int(found)


def header_of_rows(model: Any, X: Any) -> Table:
    """As :func:`header_of`, of a model that may have seen no table yet, and rows X that it takes."""
    table = Table.read(X)
    if not table.named and hasattr(model, "feature_names_in_"):
        return header_of(model)
    return empty_table(table.names, table.named)


def label_of(table: Table, column: int) -> str:
    """How a column is called where people read it: its name, or its number."""
    if table.named:
        return " ".join(table.names[column].split())
    return "x" if table.n_columns == 1 else f"column {column}"


def place_of(column: Any, table: Table) -> int:
    """The place of a column that is given by name or by place.

    Raises
    ------
    ParameterError : there is none such.
    """
    if isinstance(column, (int, np.integer)) and not isinstance(column, bool):
        if not 0 <= column < table.n_columns:
            raise ParameterError(f"expected a column from 0 to {table.n_columns - 1}, found {column}")
        return int(column)
    if not table.named or column not in table.names:
        found = f"columns {table.names}" if table.named else f"{table.n_columns} columns without names"
        raise ParameterError(f"expected a column named {column!r}, found {found}")
    return table.names.index(column)


def modelled(components: Sequence[Any], table: Table) -> list[int]:
    """Places of the columns that some component stands on, in the table's order."""
    seen = {j for part in take_apart(components, table) for columns in part.columns for j in columns}
    return sorted(seen)


def mixture_over(components: Sequence[Any], weights: Floats, table: Table, columns: Sequence[int]) -> GeneralMixtureModel:
    """The mixture over some columns alone, whose components are in the same order.

    Raises
    ------
    DataError : a component has no density over them alone; names the component.
    """
    parts = [part_over(component, table, columns, f"component {k}") for k, component in enumerate(components)]
    return GeneralMixtureModel(parts, weights=np.asarray(weights) / np.sum(weights), n_jobs=1)


def part_over(component: Any, table: Table, columns: Sequence[int], who: str) -> Any:
    """What one component says of some columns, in this order, as a distribution over them by place."""
    part = take_apart([component], table)[0]
    found: dict[Any, Any] = {}
    for own, factor in zip(part.columns, part.factors, strict=True):
        wanted = [j for j in columns if j in own]
        if wanted:
            key = tuple(list(columns).index(j) for j in wanted)
            places = [own.index(j) for j in wanted]
            found[key if len(key) > 1 else key[0]] = _margin(factor, len(own), places, [table.where(j) for j in wanted], who)
    missing = [j for j in columns if not any(j in own for own in part.columns)]
    if missing:
        raise DataError(f"{who} says nothing of {table.where(missing[0])}")
    if len(found) == 1:
        return next(iter(found.values()))
    return distributions.Product(found)


def _margin(factor: Any, width: int, places: Sequence[int], names: Sequence[str], who: str) -> Any:
    """A distribution over `width` columns as that of those at some places."""
    factor = shares_nothing(factor)
    if list(places) == list(range(width)):
        return factor
    if isinstance(factor, GeneralMixtureModel):
        components, weights = factor._state()
        return mixture_over(components, weights, empty_table([str(j) for j in range(width)], False), places)
    try:
        return marginal(factor, places, " and ".join(names))
    except ParameterError:
        raise DataError(
            f"{who}: {type(factor).__name__} has no density of {' and '.join(names)} alone that this package knows"
        ) from None
