"""Moments of a mixture: mean and covariance by the laws of total expectation and of total covariance.

mean = sum over k of w_k m_k,        covariance = sum over k of w_k (C_k + (m_k - mean)(m_k - mean)').
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import i0e, i1e

from mixtures.distributions.splits import ellipse
from mixtures.engine.plan import Floats
from mixtures.exceptions import UndefinedError
from mixtures.leaves import Leaves


def mean_of(factor: Any, width: int, words: str) -> Floats:
    """Expected values of the columns of a distribution, (width,).

    Raises
    ------
    UndefinedError : it has none that is known; categories, and families whose integral diverges.
    """
    found = ellipse(factor)
    if found is not None:
        values = found.location if found.df > 1.0 else None
    else:
        values = None if getattr(factor, "encoding", "numbers") == "categories" else getattr(factor, "mean", None)
    if values is None or np.size(values) != width or not np.isfinite(np.asarray(values, dtype=float)).all():
        raise UndefinedError(f"{words}: {factor!r} has no finite mean")
    return np.asarray(values, dtype=float).reshape(width)


def covariance_of(factor: Any, width: int, words: str) -> Floats:
    """Covariance of the columns of a distribution, (width, width); infinite variances are infinite.

    Raises
    ------
    UndefinedError : it has none that is known.
    """
    found = ellipse(factor)
    if found is not None:
        if math.isinf(found.df):
            return found.matrix
        return found.matrix * (found.df / (found.df - 2.0) if found.df > 2.0 else math.inf)
    if width == 1 and getattr(factor, "encoding", "numbers") != "categories":
        variance = getattr(factor, "variance", None)
        if variance is not None and not math.isnan(variance):
            return np.array([[float(variance)]])
    own = getattr(factor, "covariance", None)
    if own is not None and np.shape(own) == (width, width):
        return np.asarray(own, dtype=float)
    shares, variance = getattr(factor, "mean", None), getattr(factor, "variance", None)
    if shares is not None and variance is not None and hasattr(factor, "concentration") and np.size(shares) == width:
        total = 1.0 + float(np.sum(factor.concentration))  # of a Dirichlet
        return (np.diag(shares) - np.outer(shares, shares)) / total
    raise UndefinedError(f"{words}: {factor!r} has no covariance that is known")


def resultant_of(factor: Any, words: str) -> complex:
    """E[exp(i x)] of a distribution of one column of angles."""
    concentration, location = getattr(factor, "concentration", None), getattr(factor, "location", None)
    if concentration is None or location is None:
        raise UndefinedError(f"{words}: {factor!r} has no mean direction that is known")
    return complex(i1e(concentration) / i0e(concentration) * np.exp(1j * location))


def moments(leaves: Leaves, columns: Sequence[int], second: bool = True) -> tuple[Floats, Floats]:
    """Mean (d,) and covariance (d, d) of a mixture's columns, by place; the latter zeros where it is not asked for."""
    seen = np.flatnonzero(leaves.weights > 0)
    weights = leaves.weights[seen] / leaves.weights[seen].sum()
    d = len(columns)
    at = {j: place for place, j in enumerate(columns)}
    means, inner = np.empty((len(seen), d)), np.zeros((d, d))
    for row, leaf in enumerate(seen):
        for own, factor in leaves.factors[leaf]:
            places = [at[j] for j in own if j in at]
            if not places:
                continue
            kept = [place for place, j in enumerate(own) if j in at]
            words = leaves.where(own)
            means[row, places] = mean_of(factor, len(own), words)[kept]
            if second:
                inner[np.ix_(places, places)] += weights[row] * covariance_of(factor, len(own), words)[np.ix_(kept, kept)]
    mean = weights @ means
    centred = means - mean
    return mean, inner + (weights[:, None] * centred).T @ centred if second else inner
