"""Reading a CSV or parquet file into a frame, and what can be wrong with one, each in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixtures.exceptions import DataError, DataTypeError
from mixtures.extras import import_extra

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None"]
"""What a missing cell of a CSV file may hold."""
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
SPOILT_SHARE = 0.1
"""A column of text is one of numbers with a slip in it if no more of its cells than this (or a single one) are no numbers."""
MAX_CATEGORIES = 20
"""Numbers mixed with text may be categories, flat numbers say, if there are no more different ones than this."""


def read_table(path: Path) -> Any:
    """The table in a .csv or .parquet file, as a polars frame.

    Raises
    ------
    DataError : there is no such file, it is no table, it has no rows, or a column of numbers holds something else.
    ModuleNotFoundError : polars is not installed.
    """
    kind = path.suffix.lower()
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.is_dir():
        raise DataError(f"{path}: expected a file, found a folder")
    if kind not in (".csv", ".parquet"):
        raise DataError(f"{path}: expected a file named .csv or .parquet")
    polars = import_extra("polars", "tables")
    try:
        with path.open("rb") as file:  # not by name: polars would take * ? [ in one for a pattern
            if kind == ".parquet":
                frame = polars.read_parquet(file)
            else:
                if b"\0" in file.read(4096):
                    raise DataError(f"{path}: cannot be read as a csv table: expected text in UTF-8, found a binary file")
                file.seek(0)
                frame = polars.read_csv(file, infer_schema_length=None, try_parse_dates=True, null_values=MISSING)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except polars.exceptions.NoDataError:
        raise DataError(f"{path}: the file is empty") from None
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{path}: cannot be read as a {kind[1:]} table: {reason}") from None
    if not frame.width or not frame.height:
        raise DataError(f"{path}: the table is empty: expected at least one row below the names of the columns")
    frame = frame.fill_nan(None)  # no number and no value are the same here: a missing cell
    return _tidy(frame, path) if kind == ".csv" else frame


def _tidy(frame: Any, path: Path) -> Any:
    """Names and texts without blanks around them; text that is numbers after that becomes numbers."""
    if frame.width == 1:
        for separator, words in OTHER_SEPARATORS.items():
            if separator in frame.columns[0]:
                raise DataError(f"{path}: columns seem to be separated by {words}: expected commas")
    names = [name.strip() or f"column_{place}" for place, name in enumerate(frame.columns)]
    if len(set(names)) == len(names):
        frame.columns = names
    return frame.with_columns(_tidy_column(series) for series in frame)


def _tidy_column(series: Any) -> Any:
    import polars

    if series.dtype != polars.String:
        return series
    text = series.str.strip_chars()
    text = polars.select(polars.when(text.is_in(MISSING)).then(None).otherwise(text).alias(series.name)).to_series()
    for dtype in (polars.Int64, polars.Float64):
        numbers = text.cast(dtype, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    _check_numbers(text, numbers)
    return text


def _check_numbers(text: Any, numbers: Any) -> None:
    """Refuse a column that is numbers but for a few cells, and no set of categories."""
    n_cells, n_numbers = len(text) - text.null_count(), len(numbers) - numbers.null_count()
    spoilt = n_cells - n_numbers
    few_others = spoilt == 1 or spoilt <= SPOILT_SHARE * n_cells
    distinct = text.n_unique()
    if n_numbers > spoilt and few_others and (distinct > MAX_CATEGORIES or distinct > n_cells / 2):
        row = int((text.is_not_null() & numbers.is_null()).arg_true()[0])
        raise DataTypeError(
            f"column '{text.name}': {n_numbers:,} of {n_cells:,} cells are numbers, but row {row} has {text[row]!r}; "
            "leave a missing cell empty or write NA"
        )
