"""Additive statistics of some rows under a model: what an M-step needs of them, and all that it needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.columns import Columns
from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError


class Statistics:
    """What a mixture needs of some rows for its next M-step; of more rows, the sum. Immutable; small; to be pickled.

    They are made by ``model.summarize(X)``, added by ``+`` or :func:`sum`, in any order, and used by
    ``model.from_statistics(statistics)``. Responsibilities, and the centres of sums of squares, are those of the parameters that
    the model had: statistics taken under others, or in another frame (``model.columns_``), are refused.

    Attributes
    ----------
    n_rows : number of rows of weight > 0.
    weight : sum of their weights.
    log_likelihood : weighted sum of their log-densities under the model; NaN where ``is_beyond``.
    columns : what was seen of the columns.
    is_beyond : whether a value lies beyond what ``model.columns_`` knows. Of such rows nothing is summed: from_statistics widens
        the model's columns, and the pass has to be done again.
    """

    __slots__ = ("_is_maximum", "_model", "_values", "columns", "weight")

    columns: Columns
    weight: float
    _model: str  # fingerprint of the model, its parameters and its frame
    _values: Floats | None  # log-likelihood, k weights, then each strand's statistics; None where is_beyond
    _is_maximum: npt.NDArray[np.bool_]

    def __init__(
        self, columns: Columns, weight: float, model: str, values: Floats | None, is_maximum: npt.NDArray[np.bool_]
    ) -> None:
        if values is not None:
            values.flags.writeable = False
        own = {"columns": columns, "weight": weight, "_model": model, "_values": values, "_is_maximum": is_maximum}
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("Statistics are immutable; add them to get others")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Statistics are immutable; add them to get others")

    def __reduce__(self) -> Any:
        return Statistics, (self.columns, self.weight, self._model, self._values, self._is_maximum)

    def __repr__(self) -> str:
        if self.is_beyond:
            return f"<Statistics of {self.n_rows} rows, some beyond what the model knew of its columns>"
        return f"<Statistics of {self.n_rows} rows of weight {self.weight:.6g}, log-likelihood {self.log_likelihood:.6g}>"

    @property
    def n_rows(self) -> int:
        """Number of rows of weight > 0."""
        return self.columns.n_rows

    @property
    def is_beyond(self) -> bool:
        """Whether a value lies beyond what the model knew."""
        return self._values is None

    @property
    def log_likelihood(self) -> float:
        """Weighted sum of log-densities under the model."""
        return float("nan") if self._values is None else float(self._values[0])

    def __add__(self, other: Any) -> Statistics:
        """Statistics of the rows of both."""
        if not isinstance(other, Statistics):
            return NotImplemented
        if other._model != self._model:
            raise ParameterError(
                "expected statistics taken under the same parameters and in the same frame, found those of two models. Give every "
                "worker the same model, after its survey(X), and summarize all chunks before the next from_statistics"
            )
        if self._values is None or other._values is None:
            values = None
        else:
            values = self._values + other._values
            values[self._is_maximum] = np.maximum(self._values, other._values)[self._is_maximum]
        return Statistics(self.columns + other.columns, self.weight + other.weight, self._model, values, self._is_maximum)

    def __radd__(self, other: Any) -> Statistics:
        # sum() starts at 0
        return self if isinstance(other, int) and other == 0 else NotImplemented
