"""Eigenvalues of small symmetric matrices, cut off at bounds."""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit


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
    values, vectors = np.linalg.eigh(matrix)
    for c in range(d):
        change = min(max(values[c], low), high) - values[c]
        raised |= change > 0.0
        lowered |= change < 0.0
        if change != 0.0:
            for i in range(d):
                for j in range(d):
                    matrix[i, j] += change * vectors[i, c] * vectors[j, c]
    return raised, lowered
