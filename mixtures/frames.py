"""Tables with some of their cells replaced: a copy of the caller's own kind, other cells bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mixtures.engine.plan import Ints


def filled(X: Any, cells: Mapping[int, tuple[Ints, Any]]) -> Any:
    """A copy of X, array or frame, with new values of some cells.

    Parameters
    ----------
    X : array (n,) or (n, d), structured array, or a frame or series of pandas, polars or another library that narwhals knows.
    cells : of columns, by place: rows (m,), and values (m,). Numbers become the column's own type: rounded for whole numbers.
    """
    if isinstance(X, np.ndarray):
        return _filled_array(X.copy(), cells)
    if isinstance(X, (list, tuple)):
        array = np.array(X)
        return _filled_array(array if array.dtype.kind in "fiub" else np.array(X, dtype=object), cells)
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True, allow_series=True)
    if isinstance(frame, nw.Series):
        return nw.to_native(_filled_series(frame, *cells.get(0, (np.empty(0, dtype=np.int64), []))))
    columns = [_filled_series(frame.get_column(frame.columns[j]), *found) for j, found in cells.items()]
    return nw.to_native(frame.with_columns(*columns) if columns else frame.clone())


def _filled_array(array: Any, cells: Mapping[int, tuple[Ints, Any]]) -> Any:
    for j, (rows, values) in cells.items():
        column = array[array.dtype.names[j]] if array.dtype.names is not None else array if array.ndim == 1 else array[:, j]
        column[rows] = _as_type(values, column.dtype.kind)
    return array


def _as_type(values: Any, kind: str) -> Any:
    """Values for an array of some kind; objects become what they stand for."""
    if kind in "iu":
        return np.rint(np.asarray(values, dtype=float))
    if kind == "b":
        return np.asarray(values, dtype=float) >= 0.5
    return values


def _filled_series(series: Any, rows: Ints, values: Any) -> Any:
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_integer():
        new: list[Any] = [round(float(value)) for value in values]
    elif dtype.is_float():
        new = [float(value) for value in values]
    elif str(dtype) == "Boolean":
        new = [bool(float(value) >= 0.5) for value in values]
    else:
        new = [value.item() if isinstance(value, np.generic) else value for value in values]
    if series.implementation.is_pandas_like():
        native = series.to_native().copy()
        if hasattr(native, "cat"):
            unknown = [value for value in dict.fromkeys(new) if value not in native.cat.categories]
            native = native.cat.add_categories(unknown) if unknown else native
        elif native.dtype == object:
            new = _of_objects(native, new)
        native.iloc[rows] = new
        return nw.from_native(native, series_only=True)
    return series.scatter(rows.tolist(), new)


def _of_objects(native: Any, values: list[Any]) -> list[Any]:
    """Values for a column of objects: True and False where those are what it holds."""
    observed = native.dropna()
    if len(observed) and all(isinstance(value, (bool, np.bool_)) for value in observed):
        return [bool(value >= 0.5) for value in values]
    return values
