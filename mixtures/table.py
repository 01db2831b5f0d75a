"""The table shim: arrays and frames of any library become float64 columns, read where they lie when they can be.

A missing cell is NaN (None, null and NA become NaN). Values of columns that are not numbers stay as they are until a family
that understands categories asks for their codes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.column import Column, scan
from mixtures.exceptions import DataError, DataTypeError

Floats = npt.NDArray[np.float64]
_FLOAT64 = np.dtype(np.float64)  # compared with a type, a dtype takes ten times as long


class Table:
    """Rows and named columns over the caller's own memory."""

    def __init__(self, columns: Sequence[Any], names: Sequence[str], n_rows: int, named: bool) -> None:
        self._columns = list(columns)  # None: that of `_array`, a view of which is made when it is asked for
        self._array: npt.NDArray[Any] | None = None
        self.names = list(names)
        self.n_rows = n_rows
        self.named = named
        self._known: dict[int, Column] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._origin: npt.NDArray[np.int64] | None = None

    @property
    def is_plain_array(self) -> bool:
        """Whether it is an array of float64, read where it lies."""
        return self._array is not None

    @property
    def n_columns(self) -> int:
        return len(self._columns)

    @classmethod
    def read(cls, X: Any, *, one_column: bool = True) -> Table:
        """Read an array (n,) or (n, d) or a frame. With `one_column` false, an array (n,) is refused."""
        if isinstance(X, cls):
            return X
        if isinstance(X, np.ndarray) and X.dtype == _FLOAT64 and X.ndim == 2:
            return cls._from_array(X)
        if hasattr(X, "toarray") and hasattr(X, "nnz"):
            raise DataTypeError("sparse data are not supported: expected a dense table, found a sparse one; use X.toarray()")
        frame = _as_frame(X)
        if frame is not None:
            columns = [_series_column(frame.get_column(name)) for name in frame.columns]
            # As scikit-learn has it, numbers that pandas makes up are no names.
            named = any(isinstance(name, str) for name in frame.columns)
            return cls(columns, [str(name) for name in frame.columns], len(frame), named)
        if hasattr(X, "collect") and hasattr(X, "columns"):
            raise DataTypeError("expected a table in memory, found a lazy frame: call its collect() first")
        if isinstance(X, dict):
            raise DataTypeError("expected an array or a frame, found a dict: make it a frame of pandas or polars first")
        array = np.asarray(X)
        if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
            array = np.asarray(X, dtype=object)  # rows that mix numbers and categories: keep the numbers
        if array.dtype.kind == "c":
            raise DataError(
                f"Complex data not supported: expected real numbers or categories, found dtype {array.dtype}\n{array}\n"
            )
        if array.dtype.names is not None:
            columns = [_array_column(array[name]) for name in array.dtype.names]
            return cls(columns, array.dtype.names, array.shape[0], named=True)
        if array.ndim == 1 and one_column:
            array = array[:, None]
        if array.ndim != 2:
            raise DataError(
                f"Expected 2D array, got {'scalar' if array.ndim == 0 else f'{array.ndim}D'} array instead: "
                f"shape {array.shape}. Reshape your data using array.reshape(-1, 1) if it has a single column or "
                "array.reshape(1, -1) if it is a single row."
            )
        return cls._from_array(array)

    @classmethod
    def _from_array(cls, array: npt.NDArray[Any]) -> Table:
        if array.dtype.kind in "fiub" and array.dtype != _FLOAT64:
            array = array.astype(np.float64)
        n_rows, n_columns = array.shape
        names = [str(j) for j in range(n_columns)]
        if array.dtype == _FLOAT64 and array.dtype.isnative:
            table = cls([None] * n_columns, names, n_rows, named=False)
            table._array = array
            first, (stride, step) = address_of_row_0(array), array.strides
            table._places = {j: (first + j * step, stride) for j in range(n_columns)}
            return table
        return cls([_array_column(array[:, j]) for j in range(n_columns)], names, n_rows, named=False)

    def take(self, rows: npt.NDArray[np.int64]) -> Table:
        """A table of these rows, copied."""
        columns = [self._values(column)[rows] for column in range(self.n_columns)]
        taken = Table(columns, self.names, len(rows), self.named)
        taken._origin = rows if self._origin is None else self._origin[rows]
        return taken

    def row(self, place: int) -> int:
        """How errors number a row: as the caller does, who may have given some rows no weight."""
        return int(place if self._origin is None else self._origin[place])

    def where(self, column: int) -> str:
        """How errors name a column."""
        return f"column '{self.names[column]}'" if self.named else f"column {self.names[column]}"

    def _values(self, column: int) -> npt.NDArray[Any]:
        values = self._columns[column]
        if values is None:
            assert self._array is not None
            values = self._columns[column] = self._array[:, column]
        return values

    def is_numeric(self, column: int) -> bool:
        values = self._columns[column]
        return values is None or bool(values.dtype == _FLOAT64)

    def numbers(self, column: int) -> Floats:
        """The column as float64, NaN where missing; the caller's memory when it can be."""
        values = self._values(column)
        if values.dtype == _FLOAT64:
            return values
        numbers = np.empty(self.n_rows)
        for row, value in enumerate(values):
            try:
                numbers[row] = np.nan if is_missing(value) else float(value)
            except (TypeError, ValueError) as error:
                raise DataTypeError(
                    f"{self.where(column)}: expected numbers, row {self.row(row)} has {value!r} ({error}); "
                    "columns of categories need Categorical"
                ) from None
        self._columns[column] = numbers
        self.__dict__.pop("summary", None)  # which took the column for categories
        return numbers

    def value(self, column: int, row: int) -> Any:
        """One cell."""
        return self._values(column)[row]

    def categories(self, column: int) -> tuple[Hashable, ...]:
        """The distinct observed values, sorted where they can be compared."""
        values = self._values(column)
        if values.dtype == _FLOAT64:
            return tuple(_plain(value) for value in np.unique(values[~np.isnan(values)]))
        found: set[Hashable] = set()
        for row, value in enumerate(values):
            if not is_missing(value):
                try:
                    found.add(value)
                except TypeError:
                    raise DataTypeError(
                        f"{self.where(column)}: categories must be hashable, row {self.row(row)} has {value!r}; "
                        "an argument must be a string or a real number or another hashable value"
                    ) from None
        try:
            return tuple(sorted(found))  # type: ignore[type-var]
        except TypeError:
            return tuple(sorted(found, key=lambda value: (type(value).__name__, repr(value))))

    def codes(self, column: int, categories: tuple[Hashable, ...]) -> Floats:
        """Position of every value in `categories` as float64; their number for a value not among them; NaN for missing."""
        values = self._values(column)
        unseen = float(len(categories))
        if not categories:
            return np.where([is_missing(value) for value in values] if values.dtype == object else np.isnan(values), np.nan, 0.0)
        if values.dtype == _FLOAT64:
            numbers = np.array([float(c) if isinstance(c, (int, float, np.number, np.bool_)) else np.nan for c in categories])
            order = np.argsort(numbers)
            place = np.minimum(np.searchsorted(numbers[order], values), len(categories) - 1)
            codes = np.where(numbers[order][place] == values, order[place].astype(float), unseen)
            return np.where(np.isnan(values), np.nan, codes)
        code_of: dict[Any, float] = {category: float(code) for code, category in enumerate(categories)}
        return np.array([np.nan if is_missing(value) else code_of.get(value, unseen) for value in values], dtype=np.float64)

    def column(self, column: int) -> Column:
        """What is known of a column of numbers."""
        known = self._known.get(column)
        if known is None:
            wanted = [j for j in range(self.n_columns) if j == column or self.is_numeric(j)]
            out = np.empty((len(wanted), 4))
            scan(self.n_rows, np.array([self.place(j) for j in wanted], dtype=np.int64), out)
            for j, (low, high, missing, whole) in zip(wanted, out.tolist(), strict=True):
                self._known[j] = Column(self.names[j], self.n_rows, int(missing), low, high, None, whole == 1.0)
            known = self._known[column]
        return known

    def place(self, column: int) -> tuple[int, int]:
        """Address of the first row of a column of numbers, and bytes between rows."""
        place = self._places.get(column)
        if place is None:
            numbers = self.numbers(column)
            place = self._places[column] = address_of_row_0(numbers), numbers.strides[0]
        return place

    def check_finite(self, column: int) -> None:
        """Refuse an infinite cell in a column of numbers, naming it."""
        known = self.column(column)
        if known.magnitude == math.inf:
            row = int(np.flatnonzero(np.isinf(self.numbers(column)))[0])
            raise DataError(
                f"{self.where(column)}: expected finite values, row {self.row(row)} has {self.numbers(column)[row]} "
                "(infinity is no value to fit to; a missing cell is NaN)"
            )


def address_of_row_0(array: npt.NDArray[Any]) -> int:
    """Memory address of an array's first element."""
    return int(array.__array_interface__["data"][0])


def is_missing(value: Any) -> bool:
    """Whether a cell is None, NaN or NA."""
    # NaN is the one value that differs from itself; pandas' NA answers neither and has no truth value.
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return type(value).__name__ in {"NAType", "NaTType"}


def _plain(value: Any) -> Hashable:
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _array_column(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype == _FLOAT64:
        return values if values.dtype.isnative else values.astype(np.float64)
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    if values.dtype.kind == "c":
        raise DataError(f"Complex data not supported: expected real numbers or categories, found dtype {values.dtype}")
    if values.dtype.kind in "mM":
        raise DataTypeError(f"dates and durations are not supported, found dtype {values.dtype}; convert to numbers first")
    values = values.astype(object)
    try:  # an object column that holds nothing but numbers is a column of numbers
        if not any(isinstance(value, (str, bytes)) for value in values):
            return np.array([np.nan if is_missing(value) else float(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError):
        pass
    return values


def _as_frame(X: Any) -> Any:
    if isinstance(X, (np.ndarray, list, tuple)):
        return None
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True, pass_through=True, allow_series=True)
    if isinstance(frame, nw.DataFrame):
        return frame
    return frame.to_frame() if isinstance(frame, nw.Series) else None


def _series_column(series: Any) -> npt.NDArray[Any]:
    dtype = series.dtype
    if dtype.is_numeric() or str(dtype) == "Boolean":
        array = series.to_numpy()
        if array.dtype == _FLOAT64:
            return np.asarray(array)
        if array.dtype.kind in "fiub":
            return np.asarray(array.astype(np.float64))
        return np.array([np.nan if is_missing(value) else float(value) for value in series.to_list()])
    if dtype.is_temporal():
        raise DataTypeError(
            f"column '{series.name}': dates and durations are not supported, found {dtype}; convert to numbers first"
        )
    values = np.empty(len(series), dtype=object)
    values[:] = series.to_list()
    return _array_column(values)
