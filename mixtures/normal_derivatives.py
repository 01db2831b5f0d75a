"""Derivatives of a multivariate normal log-density by mean and covariance, in closed form, cells missing or not.

With P the inverse of the covariance S of a row's observed columns, e its distance from their mean and a = P e,

    d log f = a' dmean + tr(dS (a a' - P)) / 2,
    d2 log f = -dmean' P dmean - 2 dmean' P dS a - tr(dS P dS a a') + tr(dS P dS P) / 2

(Magnus & Neudecker 2019, Matrix Differential Calculus, section 15.6). A symmetric dS moves both entries of a pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def normal_derivatives(mean: Any, covariance: Any, rows: Floats, share: Floats) -> tuple[Floats, Floats, Floats]:
    """First derivatives (n, m) of the log-densities of rows, and the sum (m, m) of the second ones times `share` (n,).

    Parameters
    ----------
    mean : (d,).
    covariance : (d, d), or (d,) variances, or one variance of all columns.
    rows : (n, d), NaN where missing.

    Returns
    -------
    By the d entries of the mean, then by those of the covariance: of a matrix on and below its diagonal, row by row. All are by
    numbers in units (m,), the last array: a column's is a power of two near its standard deviation.
    """
    mean, given = np.asarray(mean, dtype=float), np.asarray(covariance, dtype=float)
    d = len(mean)
    matrix = given if given.ndim == 2 else np.diag(np.broadcast_to(given, (d,)))
    unit = 2.0 ** np.rint(0.5 * np.log2(np.diagonal(matrix)))
    if not given.ndim:
        unit[:] = unit.max()
    matrix = matrix / unit / unit[:, None]
    i, j = np.tril_indices(d)
    m = d + len(i)
    scores, hessian = np.zeros((len(rows), m)), np.zeros((m, m))
    seen = ~np.isnan(rows)
    patterns, place = np.unique(seen, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        chosen, (own,) = np.flatnonzero(place.ravel() == number), np.nonzero(pattern)
        if not len(own):
            continue
        P = np.zeros((d, d))
        P[np.ix_(own, own)] = np.linalg.inv(matrix[np.ix_(own, own)])
        distance = np.where(pattern, (rows[chosen] - mean) / unit, 0.0)
        a, weights = distance @ P, share[chosen]
        scores[chosen, :d] = a
        half = np.where(i == j, 0.5, 1.0)
        scores[chosen, d:] = half * (a[:, i] * a[:, j] - P[i, j])
        total, first, second = weights.sum(), weights @ a, (a * weights[:, None]).T @ a
        hessian[:d, :d] -= total * P
        crossed = -half * (P[:, i] * first[j] + P[:, j] * first[i])
        hessian[:d, d:] += crossed
        hessian[d:, :d] += crossed.T
        hessian[d:, d:] += 0.5 * (total * _traces(P, P, i, j) - _traces(P, second, i, j) - _traces(second, P, i, j))
    if given.ndim == 2:
        return scores, hessian, np.concatenate([unit, unit[i] * unit[j]])
    kept = np.zeros((m, d + (d if given.ndim else 1)))
    kept[:d, :d] = np.eye(d)
    kept[d:, d:] = (np.eye(d) if given.ndim else np.ones((d, 1)))[i] * (i == j)[:, None]
    return scores @ kept, kept.T @ hessian @ kept, np.concatenate([unit, unit**2 if given.ndim else unit[:1] ** 2])


def _traces(M: Floats, N: Floats, i: Any, j: Any) -> Floats:
    """tr(E M F N) for all pairs of E and F, symmetric matrices of ones at (i, j) and (j, i), zeros elsewhere."""
    half = np.where(i == j, 0.5, 1.0)
    found = M[j[:, None], i] * N[j, i[:, None]] + M[j[:, None], j] * N[i, i[:, None]]
    found += M[i[:, None], i] * N[j, j[:, None]] + M[i[:, None], j] * N[i, j[:, None]]
    return np.asarray(half[:, None] * half * found)
