"""Eigenvalues of small symmetric matrices, cut off at bounds."""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit


@jit
def rotate(matrix, vectors):
    """Turn a symmetric matrix (d, d) until it is diagonal, and `vectors` with it, in place: Jacobi's method, row by row (Golub &
    Van Loan 2013, section 8.5), which for few columns is as good as LAPACK's and compiles in less time."""
    d = matrix.shape[0]
    for _ in range(60):
        rest = 0.0
        for i in range(d):
            for j in range(i):
                a = matrix[i, j]
                rest = max(rest, abs(a) / np.sqrt(abs(matrix[i, i] * matrix[j, j])) if a != 0.0 else 0.0)
                if a == 0.0:
                    continue
                theta = 0.5 * (matrix[j, j] - matrix[i, i]) / a
                t = (1.0 if theta >= 0.0 else -1.0) / (abs(theta) + np.hypot(1.0, theta))
                c = 1.0 / np.sqrt(1.0 + t * t)
                s = t * c
                for k in range(d):
                    one, two = matrix[k, i], matrix[k, j]
                    matrix[k, i], matrix[k, j] = c * one - s * two, s * one + c * two
                for k in range(d):
                    one, two = matrix[i, k], matrix[j, k]
                    matrix[i, k], matrix[j, k] = c * one - s * two, s * one + c * two
                    one, two = vectors[k, i], vectors[k, j]
                    vectors[k, i], vectors[k, j] = c * one - s * two, s * one + c * two
                matrix[i, j] = matrix[j, i] = 0.0
        if not rest > 1e-16:
            break


@jit
def clip_eigenvalues(matrix, low, high, is_diagonal):
    """Cut the eigenvalues of a symmetric matrix (d, d) off at two bounds, in place; what lies between them keeps its digits.

    Returns whether some were raised, and whether some were lowered.
    """
    d = matrix.shape[0]
    raised = lowered = False
    if is_diagonal:
        for i in range(d):
            raised |= matrix[i, i] < low
            lowered |= matrix[i, i] > high
            matrix[i, i] = min(max(matrix[i, i], low), high)
        return raised, lowered
    vectors = np.eye(d)
    diagonal = matrix.copy()
    rotate(diagonal, vectors)
    values = np.diag(diagonal)
    for c in range(d):
        change = min(max(values[c], low), high) - values[c]
        raised |= change > 0.0
        lowered |= change < 0.0
        if change != 0.0:
            for i in range(d):
                for j in range(d):
                    matrix[i, j] += change * vectors[i, c] * vectors[j, c]
    return raised, lowered
