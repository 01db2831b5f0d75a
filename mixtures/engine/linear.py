"""Linear algebra of small matrices and of blocks of rows, for families over several columns together.

Matrices are (d, d), row-major in flat memory; blocks are (d, b), rows innermost, so that every inner loop runs over adjacent
numbers.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, jit_sums, segment, wide_vectors

LINE = 1024
"""Rows that a line of scratch takes; more of them are done in several rounds."""
STRIDE = LINE + 16
"""Numbers from line to line: no power of two, which would put all lines in the same sets of the cache."""


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
def squared_lengths(lower, offset, x, lines, total):
    """total (b,) = the squared length of lower x + offset, for every row of x (d, b); `lines` (4, STRIDE) is scratch."""
    b = x.shape[1]
    for first in range(0, b, LINE):
        _squared_lengths(lower, offset, x, first, lines, segment(total, first, min(LINE, b - first)))


@jit
def _cells(x, c, first, count):
    """Cells of column c of rows first.. of x."""
    return segment(x, c * x.shape[1] + first, count)


@jit
def _squared_lengths(lower, offset, x, first, lines, total):
    """As above for total.size rows from `first` on, at most LINE.

    `lower` is 0 above the diagonal. Four rows of it meet four columns of x a time: each running sum is loaded and stored once for
    four multiply-adds, each cell once for four. The four sums lie a constant apart, so that LLVM sees that they don't overlap.
    """
    wide_vectors()
    d, b = x.shape[0], total.size
    for i in range(b):
        total[i] = 0.0
    l0, l1 = segment(lines, 0, b), segment(lines, STRIDE, b)
    l2, l3 = segment(lines, 2 * STRIDE, b), segment(lines, 3 * STRIDE, b)
    fours = d - d % 4
    for a in range(0, fours, 4):
        for i in range(b):
            l0[i] = offset[a]
            l1[i] = offset[a + 1]
            l2[i] = offset[a + 2]
            l3[i] = offset[a + 3]
        for c in range(0, a + 4, 4):
            x0, x1 = _cells(x, c, first, b), _cells(x, c + 1, first, b)
            x2, x3 = _cells(x, c + 2, first, b), _cells(x, c + 3, first, b)
            p0, p1, p2, p3 = lower[a, c], lower[a, c + 1], lower[a, c + 2], lower[a, c + 3]
            q0, q1, q2, q3 = lower[a + 1, c], lower[a + 1, c + 1], lower[a + 1, c + 2], lower[a + 1, c + 3]
            r0, r1, r2, r3 = lower[a + 2, c], lower[a + 2, c + 1], lower[a + 2, c + 2], lower[a + 2, c + 3]
            s0, s1, s2, s3 = lower[a + 3, c], lower[a + 3, c + 1], lower[a + 3, c + 2], lower[a + 3, c + 3]
            for i in range(b):
                u0, u1, u2, u3 = x0[i], x1[i], x2[i], x3[i]
                l0[i] = l0[i] + p0 * u0 + p1 * u1 + p2 * u2 + p3 * u3
                l1[i] = l1[i] + q0 * u0 + q1 * u1 + q2 * u2 + q3 * u3
                l2[i] = l2[i] + r0 * u0 + r1 * u1 + r2 * u2 + r3 * u3
                l3[i] = l3[i] + s0 * u0 + s1 * u1 + s2 * u2 + s3 * u3
        for i in range(b):
            total[i] = total[i] + l0[i] * l0[i] + l1[i] * l1[i] + l2[i] * l2[i] + l3[i] * l3[i]
    for a in range(fours, d):
        for i in range(b):
            l0[i] = offset[a]
        for c in range(a + 1):
            slope = lower[a, c]
            cells = _cells(x, c, first, b)
            for i in range(b):
                l0[i] += slope * cells[i]
        for i in range(b):
            total[i] += l0[i] * l0[i]


@jit_sums
def weighted_sums(share, x, scaled, first, second):
    """Add sum share x to `first` (d,) and sum share x x' to the lower triangle of `second` (d, d); `scaled` (d, b) is scratch.

    Four rows and four columns a time, sixteen sums for eight loads; above the diagonal `second` may hold anything.
    """
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
    fours = d - d % 4
    for a in range(0, fours, 4):
        r0, r1, r2, r3 = scaled[a], scaled[a + 1], scaled[a + 2], scaled[a + 3]
        for c in range(0, a + 4, 4):
            x0, x1, x2, x3 = x[c], x[c + 1], x[c + 2], x[c + 3]
            p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = 0.0
            s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = 0.0
            for i in range(b):
                p0 += r0[i] * x0[i]
                p1 += r0[i] * x1[i]
                p2 += r0[i] * x2[i]
                p3 += r0[i] * x3[i]
                q0 += r1[i] * x0[i]
                q1 += r1[i] * x1[i]
                q2 += r1[i] * x2[i]
                q3 += r1[i] * x3[i]
                s0 += r2[i] * x0[i]
                s1 += r2[i] * x1[i]
                s2 += r2[i] * x2[i]
                s3 += r2[i] * x3[i]
                t0 += r3[i] * x0[i]
                t1 += r3[i] * x1[i]
                t2 += r3[i] * x2[i]
                t3 += r3[i] * x3[i]
            for e, sums in enumerate(((p0, p1, p2, p3), (q0, q1, q2, q3), (s0, s1, s2, s3), (t0, t1, t2, t3))):
                second[a + e, c] += sums[0]
                second[a + e, c + 1] += sums[1]
                second[a + e, c + 2] += sums[2]
                second[a + e, c + 3] += sums[3]
    for a in range(fours, d):
        row = scaled[a]
        for c in range(a + 1):
            cells = x[c]
            total = 0.0
            for i in range(b):
                total += row[i] * cells[i]
            second[a, c] += total


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
