"""Ellipses that hold a share of a component's probability, of families whose density is constant on ellipses."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixtures.distributions.splits import unconstrained
from mixtures.engine.plan import Floats

ANGLES = np.linspace(0.0, 2.0 * np.pi, 181)


def ellipse_of(piece: Any, share: float) -> Floats | None:
    """Outline (181, 2) of the ellipse that holds `share` of a distribution of two columns; None of other families.

    Of a Normal the squared radius is a quantile of chi-square with two degrees of freedom, -2 log(1 - share); of a Student t
    with df degrees of freedom it is df ((1 - share)^(-2 / df) - 1), twice a quantile of F(2, df).
    """
    found = _centre_and_matrix(piece)
    if found is None:
        return None
    centre, matrix, df = found
    square = -2.0 * np.log1p(-share) if df is None else df * np.expm1(-2.0 / df * np.log1p(-share))
    circle = np.sqrt(square) * np.stack([np.cos(ANGLES), np.sin(ANGLES)])
    outline: Floats = (np.asarray(centre)[:, None] + np.linalg.cholesky(matrix) @ circle).T
    return outline


def _centre_and_matrix(piece: Any) -> tuple[Any, Any, float | None] | None:
    piece = unconstrained(piece)
    values = piece.parameter_values() if hasattr(piece, "parameter_values") else {}
    if set(values) == {"mean", "covariance"}:
        return piece.mean, piece._matrix(), None
    if set(values) == {"df", "location", "scale_matrix"}:
        return piece.location, np.asarray(piece.scale_matrix, dtype=float), float(piece.df)
    factors = [unconstrained(factor) for _, factor in sorted(getattr(piece, "factors", {}).items())] if not values else []
    if len(factors) == 2 and all(set(getattr(factor, "parameters", ())) == {"mean", "std"} for factor in factors):
        return [factor.mean for factor in factors], np.diag([factor.std**2 for factor in factors]), None
    return None
