"""Results as tables in the caller's library: a frame where rows came in one, a list of dictionaries where they came in an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from mixtures.extras import import_extra


def implementation_of(X: Any) -> Any:
    """The library of the caller's frame, as narwhals names it; None for an array."""
    if isinstance(X, (np.ndarray, list, tuple)) or X is None:
        return None
    import narwhals as nw

    return getattr(nw.from_native(X, pass_through=True, allow_series=True), "implementation", None)


def table_of(columns: Mapping[str, Sequence[Any]], implementation: Any) -> Any:
    """Columns as a frame of a library, or for None as a list of dictionaries, one a row."""
    if implementation is not None:
        return frame_of(columns, None, implementation)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def frame_of(columns: Mapping[str, Sequence[Any]], backend: Any, implementation: Any) -> Any:
    """Columns as a frame of `backend`, else of the library of the rows, else of pandas, else of polars."""
    import narwhals as nw

    chosen: Any = backend or implementation
    if chosen is None:
        chosen = "pandas" if find_spec("pandas") else import_extra("polars", "tables").__name__
    return nw.from_dict(dict(columns), backend=chosen).to_native()
