"""Where densities are evaluated for a picture: fine where a component is narrow, within what the families allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtures.constraints import Whole
from mixtures.engine.plan import Floats
from mixtures.exceptions import MixturesError
from mixtures.profiles import leaves, moments_of, support_of

MARGIN = 0.08
"""Of the span of the rows, to each side."""
_TAIL = np.array([1e-15, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3])
LEVELS = np.concatenate([_TAIL, np.linspace(0.005, 0.995, 100), 1.0 - _TAIL[::-1]])
"""Quantiles of a component at which a curve has points: down to where nothing of it can be seen."""


def range_of(values: Floats, pieces: Sequence[Any], margin: float = MARGIN) -> tuple[float, float]:
    """From where to where a column is drawn: its values and some space, no further than the families allow."""
    low, high = float(values.min()), float(values.max())
    pad = margin * (high - low)
    if not pad > 16 * np.spacing(max(abs(low), abs(high))):  # one value: as far as the components reach
        stds = [std for std in (moments_of(piece)[1] for piece in pieces) if 0.0 < std < np.inf]
        pad = max([4.0 * std for std in stds], default=0.0)
        pad = max(pad, 64 * np.spacing(max(abs(low), abs(high))), 1e-300) if pad > 0 else max(1.0, 1e-3 * abs(low))
    least, most = support_of(pieces)
    # A little beyond an end of the support shows that the density ends there.
    return max(low - pad, least - 0.25 * pad), min(high + pad, most + 0.25 * pad)


def points_between(low: float, high: float, pieces: Sequence[Any], n_points: int) -> Floats:
    """Increasing values, evenly spaced, and more of them where a component has its mass; without point masses."""
    found = [np.linspace(low, high, n_points)]
    for leaf in (leaf for piece in pieces for leaf in leaves(piece)):
        if isinstance(getattr(leaf, "support", None), Whole):
            continue
        try:
            own = np.asarray(leaf.quantile(LEVELS), dtype=float)
        except (AttributeError, NotImplementedError, TypeError, ValueError, MixturesError):
            mean, std = moments_of(leaf)
            own = mean + std * np.linspace(-4.0, 4.0, 65)
        found.append(own[np.isfinite(own)])
        for end in support_of([leaf]):  # both sides of a jump
            if np.isfinite(end):
                found.append(np.array([np.nextafter(end, -np.inf), end, np.nextafter(end, np.inf)]))
    x = np.unique(np.concatenate(found))
    return x[(x >= low) & (x <= high) & ~np.isin(x, atoms_of(pieces))]


def atoms_of(pieces: Sequence[Any]) -> Floats:
    """Values that have mass among densities."""
    found = [leaf.atoms for piece in pieces for leaf in leaves(piece) if getattr(leaf, "atoms", None) is not None]
    return np.unique(np.concatenate(found)) if found else np.empty(0)


def is_discrete(piece: Any) -> bool:
    """Whether a distribution has masses only."""
    own = leaves(piece)
    return all(getattr(leaf, "atoms", None) is not None or isinstance(getattr(leaf, "support", None), Whole) for leaf in own)


def lattice(values: Floats, pieces: Sequence[Any]) -> Floats:
    """Whole numbers from the least to the largest count, and as far beyond as the components reach, 2,000 at most."""
    ends = np.floor(values.min()), np.ceil(values.max())
    low, high = ends
    for leaf in (leaf for piece in pieces for leaf in leaves(piece)):
        try:
            own = np.asarray(leaf.quantile([0.005, 0.995]), dtype=float)
        except (AttributeError, NotImplementedError, TypeError, ValueError, MixturesError):
            continue
        if np.isfinite(own).all():
            low, high = min(low, own[0]), max(high, own[1])
    least, most = support_of(pieces)
    low, high = min(ends[0], max(np.floor(low), least)), max(ends[1], min(np.ceil(high), most))  # rows may lie outside
    step = max(1.0, np.ceil((high - low) / 2000))
    return np.arange(low, high + step, step)[: int((high - low) // step) + 1]


def component_densities(model: Any, rows: Any) -> Floats:
    """Weight times density of every component at some rows, shape (m, k); they sum to the mixture's."""
    with np.errstate(over="ignore"):
        densities: Floats = np.exp(model._evaluate(rows, "log_joint")["log_joint"])
    return densities
