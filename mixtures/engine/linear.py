"""Linear algebra of small matrices and of blocks of rows, for families over several columns together.

Matrices are (d, d), row-major in flat memory; blocks are (d, b), rows innermost, so that every inner loop runs over adjacent
numbers. Loops take four columns a time: a running sum is then loaded and stored once for four multiply-adds.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, jit_sums, wide_vectors


@jit
def cholesky(matrix, smallest):
    """The lower triangle L, L L' = matrix (d, d), in place; the strict upper triangle becomes 0.

    A pivot below ``smallest[j]``, or lost in the rounding of its row, is held there, as if that much had been added to the
    diagonal. Returns how many were.
    """
    d = matrix.shape[0]
    held = 0
    for j in range(d):
        whole = matrix[j, j]
        for c in range(j):
            matrix[j, j] -= matrix[j, c] * matrix[j, c]
        least = max(smallest[j], 16 * 2.2e-16 * whole)
        if not matrix[j, j] > least:
            matrix[j, j] = least
            held += 1
        pivot = np.sqrt(matrix[j, j])
        matrix[j, j] = pivot
        for i in range(j + 1, d):
            value = matrix[i, j]
            for c in range(j):
                value -= matrix[i, c] * matrix[j, c]
            matrix[i, j] = value / pivot
            matrix[j, i] = 0.0
    return held


@jit
def invert_lower(lower, out):
    """out = the inverse of a lower triangle, itself one."""
    d = lower.shape[0]
    for j in range(d):
        for i in range(j):
            out[i, j] = 0.0
        out[j, j] = 1.0 / lower[j, j]
        for i in range(j + 1, d):
            total = 0.0
            for c in range(j, i):
                total += lower[i, c] * out[c, j]
            out[i, j] = -total / lower[i, i]


@jit
def shift_rows(x, centre, out):
    """out (d, b) = x - centre, column by column."""
    wide_vectors()
    for j in range(x.shape[0]):
        for i in range(x.shape[1]):
            out[j, i] = x[j, i] - centre[j]


@jit
def squared_lengths(lower, offset, x, line, total):
    """total (b,) = the squared length of lower x + offset, for every row of x (d, b); `line` (b,) is scratch."""
    wide_vectors()
    d, b = x.shape
    for i in range(b):
        total[i] = 0.0
    for a in range(d):
        start = offset[a]
        for i in range(b):
            line[i] = start
        c = 0
        while c + 4 <= a + 1:
            l0, l1, l2, l3 = lower[a, c], lower[a, c + 1], lower[a, c + 2], lower[a, c + 3]
            x0, x1, x2, x3 = x[c], x[c + 1], x[c + 2], x[c + 3]
            for i in range(b):
                line[i] = line[i] + l0 * x0[i] + l1 * x1[i] + l2 * x2[i] + l3 * x3[i]
            c += 4
        while c <= a:
            slope = lower[a, c]
            cells = x[c]
            for i in range(b):
                line[i] += slope * cells[i]
            c += 1
        for i in range(b):
            total[i] += line[i] * line[i]


@jit
def add_linear(slopes, x, out):
    """out (b,) += the sum over columns of slopes (d,) x (d, b)."""
    wide_vectors()
    d = x.shape[0]
    c = 0
    while c + 4 <= d:
        s0, s1, s2, s3 = slopes[c], slopes[c + 1], slopes[c + 2], slopes[c + 3]
        x0, x1, x2, x3 = x[c], x[c + 1], x[c + 2], x[c + 3]
        for i in range(out.size):
            out[i] = out[i] + (s0 * x0[i] + s1 * x1[i] + s2 * x2[i] + s3 * x3[i])
        c += 4
    while c < d:
        slope = slopes[c]
        cells = x[c]
        for i in range(out.size):
            out[i] += slope * cells[i]
        c += 1


@jit_sums
def weighted_sums(share, x, scaled, first, second):
    """Add sum share x to `first` (d,) and sum share x x' to the lower triangle of `second` (d, d); `scaled` (d, b) is scratch."""
    wide_vectors()
    d, b = x.shape
    for j in range(d):
        cells = x[j]
        row = scaled[j]
        total = 0.0
        for i in range(b):
            row[i] = share[i] * cells[i]
            total += row[i]
        first[j] += total
    for a in range(0, d, 2):
        if a + 1 == d:
            row = scaled[a]
            for c in range(a + 1):
                cells = x[c]
                total = 0.0
                for i in range(b):
                    total += row[i] * cells[i]
                second[a, c] += total
            break
        # Two rows and four columns a time: eight sums for six loads.
        r0, r1 = scaled[a], scaled[a + 1]
        c = 0
        while c + 4 <= a + 2:
            x0, x1, x2, x3 = x[c], x[c + 1], x[c + 2], x[c + 3]
            s0 = s1 = s2 = s3 = 0.0
            t0 = t1 = t2 = t3 = 0.0
            for i in range(b):
                s0 += r0[i] * x0[i]
                s1 += r0[i] * x1[i]
                s2 += r0[i] * x2[i]
                s3 += r0[i] * x3[i]
                t0 += r1[i] * x0[i]
                t1 += r1[i] * x1[i]
                t2 += r1[i] * x2[i]
                t3 += r1[i] * x3[i]
            second[a, c] += s0
            second[a, c + 1] += s1
            second[a, c + 2] += s2
            second[a, c + 3] += s3
            second[a + 1, c] += t0
            second[a + 1, c + 1] += t1
            second[a + 1, c + 2] += t2
            second[a + 1, c + 3] += t3
            c += 4
        while c <= a + 1:
            cells = x[c]
            s0 = t0 = 0.0
            for i in range(b):
                s0 += r0[i] * cells[i]
                t0 += r1[i] * cells[i]
            second[a, c] += s0
            second[a + 1, c] += t0
            c += 1
