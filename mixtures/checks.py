"""What a table and its weights must be before a fit looks at them: every refusal names column, row and value."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError
from mixtures.parts import Parts, block_of, distinct
from mixtures.row_supports import RowSupport
from mixtures.table import Table


def check_support(components: Sequence[Parts], table: Table) -> None:
    """Refuse a table with a value that no component's family allows, naming column, row and value."""
    standing: dict[int, list[tuple[Any, int]]] = {}
    for component in distinct(components):
        for columns, distribution in zip(component.columns, component.factors, strict=True):
            if hasattr(distribution, "kernels"):
                distribution._check_width(len(columns))
            for place, j in enumerate(columns):
                standing.setdefault(j, []).append((distribution, place))
    joint = False
    for j, standing_there in standing.items():
        if all([getattr(d, "encoding", "numbers") == "categories" for d, _ in standing_there]):
            _check_categories(j, [d for d, _ in standing_there], table)
            continue
        table.check_finite(j)
        supports = []
        for distribution, place in standing_there:
            domain = _domain_at(distribution, place)
            if domain is None:
                break
            if isinstance(domain, RowSupport):
                joint, domain = True, domain.cells
            supports.append((type(distribution).__name__, domain))
        else:
            _check_numbers(j, supports, table)
    if joint:
        _check_rows(distinct(components), table)


def _domain(distribution: Any) -> Any:
    """The values that some parameters of a family allow; None for a component that may allow any."""
    return distribution.support if hasattr(distribution, "kernels") else getattr(distribution, "domain", None)


def _domain_at(distribution: Any, place: int) -> Any:
    """As :func:`_domain`, of the column at a place where a family over several declares one for each."""
    domain = _domain(distribution)
    return domain[place] if isinstance(domain, tuple) else domain


def _check_rows(components: Sequence[Parts], table: Table) -> None:
    """Refuse a row that every component gives to a family over the same columns jointly, none of which allows it."""
    standing = [dict(zip(component.columns, component.factors, strict=True)) for component in components]
    for columns in standing[0]:
        supports = {(type(d).__name__, _domain(d)) for d in [factors.get(columns) for factors in standing]}
        if not all([isinstance(support, RowSupport) for _, support in supports]):
            continue
        rows = block_of(columns, table)
        inside = np.isnan(rows).any(axis=1)  # missing cells are the engine's to take or to refuse
        for _, support in supports:
            inside |= support.contains(rows)
        if not inside.all():
            row = int(np.flatnonzero(~inside)[0])
            _, support = min(supports, key=lambda pair: pair[0])
            names = " or ".join(sorted({name for name, _ in supports}))
            words = " or ".join(sorted({support.words for _, support in supports}))
            where = ", ".join([repr(table.names[j]) if table.named else table.names[j] for j in columns])
            cells = ", ".join([f"{value:.9g}" for value in rows[row]])
            advice = f"; {support.advice}" if support.advice else ""
            raise DataError(
                f"{names} on columns {where}: rows must be {words}, row {table.row(row)} has ({cells}), "
                f"{support.found(rows[row])}{advice}"
            )


def _check_numbers(column: int, supports: Collection[tuple[str, Any]], table: Table) -> None:
    known = table.column(column)
    if known.n_missing == known.n_rows:
        return
    for _, support in supports:
        if support.holds(known.lower, known.upper, known.whole):
            return
    values = table.numbers(column)
    inside = np.isnan(values)
    for _, support in supports:
        inside |= np.asarray(support.contains(values), dtype=bool)
    if not inside.all():
        row = int(np.flatnonzero(~inside)[0])
        names = " or ".join(sorted({name for name, _ in supports}))
        words = " or ".join(sorted({support.words for _, support in supports}))
        kind = "Negative values in data passed to " if values[row] < 0 else ""
        raise DataError(
            f"{kind}{names} on {table.where(column)}: values must be {words}, row {table.row(row)} has {values[row]:.15g}"
        )


def _check_categories(column: int, distributions: Sequence[Any], table: Table) -> None:
    known: set[Any] = set()
    for distribution in distributions:
        if distribution.categories is None or distribution.pseudo_count:
            return
        known.update(distribution.categories)
    codes = table.codes(column, tuple(known))
    unseen = np.flatnonzero(codes == len(known))
    if len(unseen):
        value = table.value(column, int(unseen[0]))
        raise DataError(
            f"Categorical on {table.where(column)}: values must be among {sorted(map(repr, known))}, "
            f"row {table.row(unseen[0])} has {value!r}; set a pseudo_count to allow others"
        )


def read_weights(sample_weight: Any, n_rows: int) -> Floats | None:
    """Weights (n,) of finite numbers >= 0, not all 0; None for none given."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight)
    if weights.ndim == 0 and weights.dtype.kind in "fiub":
        weights = np.full(n_rows, float(weights))
    try:
        weights = weights.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample_weight: expected numbers, found {error}") from None
    if weights.shape != (n_rows,):
        raise DataError(f"sample_weight: expected shape ({n_rows},), one weight a row, found {weights.shape}")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise DataError(f"sample_weight: expected finite weights >= 0, row {bad[0]} has {weights[bad[0]]}")
    if not np.any(weights > 0):
        raise DataError("sample_weight: expected at least one weight > 0, found all zero")
    return weights


def without_zeros(table: Table, weights: Floats | None) -> tuple[Table, Floats | None]:
    """Table and weights, rows of weight zero left out: whatever they hold, they are not looked at."""
    if weights is not None and not np.all(weights > 0):
        rows = np.flatnonzero(weights > 0)
        table, weights = table.take(rows), weights[rows]
    if table.n_rows == 0:
        raise DataError(
            f"expected at least one row, found 0 sample(s) (shape=(0, {table.n_columns})) while a minimum of 1 is required."
        )
    if table.n_columns == 0:
        raise DataError(
            f"expected at least one column, found 0 feature(s) (shape=({table.n_rows}, 0)) while a minimum of 1 is required."
        )
    return table, weights
