"""Row-wise outputs in the frame type that `set_output` asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn


def in_callers_frame(estimator: Any, X: Any, values: np.ndarray, name: str) -> Any:
    """`values` (n,) or (n, k) as they are, or as a series or frame of pandas or polars; pandas keeps the index of X."""
    config = getattr(estimator, "_sklearn_output_config", {}).get("transform") or sklearn.get_config()["transform_output"]
    if config == "default":
        return values
    columns = [f"{name}_{k}" for k in range(values.shape[1])] if values.ndim == 2 else None
    if config == "pandas":
        import pandas

        index = getattr(X, "index", None) if hasattr(X, "iloc") else None
        return pandas.Series(values, index, name=name) if columns is None else pandas.DataFrame(values, index, columns)
    import polars

    return polars.Series(name, values) if columns is None else polars.DataFrame(values, schema=columns)
