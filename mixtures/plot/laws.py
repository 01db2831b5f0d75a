"""Distribution function and quantiles of a mixture of one column, as pictures of its fit need them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError, MixturesError
from mixtures.profiles import leaves

STEPS = 200
"""Of bisection, at most: doubles are exhausted earlier."""


def cdf_of(model: Any, x: Floats) -> Floats:
    """Probability of a value <= x (m,) under a mixture of one column.

    Raises
    ------
    DataError : a component has no cdf; names it.
    """
    total = np.zeros(len(x))
    for weight, leaf in _weighted_leaves(model):
        try:
            total += weight * np.asarray(leaf.cdf(x), dtype=float).reshape(len(x))
        except (AttributeError, NotImplementedError):
            raise DataError(f"{type(leaf).__name__} has no cdf, which this picture compares the rows with") from None
    return np.clip(total, 0.0, 1.0)


def _weighted_leaves(model: Any) -> list[tuple[float, Any]]:
    found = []
    for component, weight in zip(*model._state(), strict=True):
        if hasattr(component, "_state"):
            found += [(float(weight) * inner, leaf) for inner, leaf in _weighted_leaves(component)]
        else:
            found += [(float(weight), leaf) for leaf in leaves(component)]
    return found


def quantiles_of(model: Any, levels: Floats, low: float, high: float) -> Floats:
    """Smallest values at which the mixture's cdf reaches levels (m,) between 0 and 1, by bisection.

    It begins between the components' own quantiles, between which the mixture's lies; where a component has none, at `low` and
    `high`, which are moved outwards as far as must be.
    """
    below, above = np.full(len(levels), np.inf), np.full(len(levels), -np.inf)
    for weight, leaf in _weighted_leaves(model):
        if weight == 0.0:
            continue
        try:
            own = np.asarray(leaf.quantile(levels), dtype=float).reshape(len(levels))
        except (AttributeError, NotImplementedError, ValueError, MixturesError):
            own = np.full(len(levels), np.nan)
        below, above = np.fmin(below, own), np.fmax(above, own)
    span = max(high - low, 1.0)
    below, above = np.where(np.isfinite(below), below, low - span), np.where(np.isfinite(above), above, high + span)
    # Rounding of the components' own quantiles may have missed the level; a component without any may lie beyond.
    below, above = np.nextafter(below, -np.inf), np.nextafter(above, np.inf)
    for _ in range(60):
        early, late = cdf_of(model, below) > levels, cdf_of(model, above) < levels
        if not (early | late).any():
            break
        width = np.maximum(above - below, 1e-3 * span)
        below, above = np.where(early, below - width, below), np.where(late, above + width, above)
    for _ in range(STEPS):
        middle = below / 2 + above / 2
        if not ((middle > below) & (middle < above)).any():
            break
        reached = cdf_of(model, middle) >= levels
        below, above = np.where(reached, below, middle), np.where(reached, middle, above)
    return above
