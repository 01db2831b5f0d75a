"""Quantiles of a mixture of one column, as pictures of its fit need them: of components that have a cdf alone, too."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError, MixturesError
from mixtures.leaves import Leaves
from mixtures.one_column_law import OneColumnLaw


def quantiles_of(model: Any, levels: Floats, low: float, high: float) -> Floats:
    """Smallest values at which the mixture's cdf reaches levels (m,) between 0 and 1.

    Those of components without quantiles are looked for from the middle of `low` and `high` outwards.

    Raises
    ------
    DataError : a component has no cdf; names it.
    """
    components, weights = model._state()
    leaves = Leaves.of(components, weights, ["x"], False)
    seen = [(factors[0][1], weight) for factors, weight in zip(leaves.factors, leaves.weights, strict=True) if weight > 0.0]
    members = [_searchable(leaf, low / 2 + high / 2) for leaf, _ in seen]
    return OneColumnLaw(members, np.array([weight for _, weight in seen])).quantile(levels)


def _searchable(leaf: Any, start: float) -> Any:
    """A distribution that has quantiles, or its cdf and where to begin to look for them."""
    try:
        leaf.cdf(np.array([start]))
    except (AttributeError, NotImplementedError):
        raise DataError(f"{type(leaf).__name__} has no cdf, which this picture compares the rows with") from None
    try:
        leaf.quantile(np.array([0.5]))
    except (AttributeError, NotImplementedError, ValueError, MixturesError):
        return _Searched(leaf, start)
    return leaf


class _Searched:
    """A distribution known by its cdf."""

    def __init__(self, base: Any, start: float) -> None:
        self.cdf = base.cdf
        self.support = getattr(base, "support", None)
        self._start = start

    def quantile(self, levels: Any) -> Floats:
        """Where to begin, and infinities as ends."""
        q = np.asarray(levels, dtype=float)
        return np.where(q <= 0.0, -np.inf, np.where(q >= 1.0, np.inf, self._start))
