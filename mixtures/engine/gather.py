"""Columns of any memory layout copied, block by block, into contiguous scratch; missing cells marked and filled."""

from __future__ import annotations

from mixtures._numba import jit, load_float, load_nth, wide_vectors
from mixtures._numba_tiles import ROWS, turn_4, turn_8
from mixtures.engine.plan import COLUMN, MASKED, ROW_NUMBER, WIDTH

# Loops run from 0 over the last axis of a matrix: an offset inside the loop would bring back Python's test for negative
# indices, and with it the end of vectorisation.


@jit
def read_contiguous(start, origin, scale, x, j):
    """x[j] = adjacent float64 from address `start`, less `origin`, times `scale`."""
    wide_vectors()
    for i in range(x.shape[1]):
        x[j, i] = (load_nth(start, i) - origin) * scale


@jit
def read_strided(start, stride, origin, scale, x, j):
    """As :func:`read_contiguous`, `stride` bytes apart."""
    for i in range(x.shape[1]):
        x[j, i] = (load_float(start + i * stride) - origin) * scale


@jit
def fill_missing(x, mask, j, filler):
    """Note in mask[j] which cells of x[j] are there; put `filler` in the others."""
    wide_vectors()
    for i in range(x.shape[1]):
        value = x[j, i]
        present = value == value
        mask[j, i] = 1.0 if present else 0.0
        x[j, i] = value if present else filler


@jit
def read_tiles(start, stride, x, j, width):
    """x[j : j + width] = `width` (4 or 8) adjacent columns of rows `stride` bytes apart, in tiles of 8 rows."""
    for i in range(0, x.shape[1], ROWS):
        if width == 8:
            turn_8(start + i * stride, stride, x, j, i)
        else:
            turn_4(start + i * stride, stride, x, j, i)


@jit
def rescale(x, j, origin, scale):
    """x[j] less `origin`, times `scale`."""
    wide_vectors()
    for i in range(x.shape[1]):
        x[j, i] = (x[j, i] - origin) * scale


@jit
def adjacent(plan, rows, j):
    """How many of the plate columns from j on lie side by side in rows that are apart: 8, 4 or 1."""
    source = plan.columns[j]
    if source == ROW_NUMBER or rows.strides[source] < 32:
        return 1
    count = 1
    while count < 8 and j + count < plan.columns.size:
        other = plan.columns[j + count]
        if other == ROW_NUMBER or rows.strides[other] != rows.strides[source]:
            break
        if rows.addresses[other] != rows.addresses[source] + 8 * count:
            break
        count += 1
    return 8 if count == 8 else (4 if count >= 4 else 1)


@jit
def gather(plan, rows, first, x, mask):
    """Copy rows first..first+b of every plate column into scratch (columns, b); missing cells become the filler."""
    j = 0
    while j < plan.columns.size:
        source = plan.columns[j]
        if source == ROW_NUMBER:
            for i in range(x.shape[1]):
                x[j, i] = float(first + i)
            j += 1
            continue
        stride = rows.strides[source]
        start = rows.addresses[source] + first * stride
        width = adjacent(plan, rows, j) if x.shape[1] % ROWS == 0 else 1
        if width > 1:
            read_tiles(start, stride, x, j, width)
            for c in range(j, j + width):
                if plan.origins[c] != 0.0 or plan.units[c] != 1.0:
                    rescale(x, c, plan.origins[c], 1.0 / plan.units[c])
        elif stride == 8:
            read_contiguous(start, plan.origins[j], 1.0 / plan.units[j], x, j)
        else:
            read_strided(start, stride, plan.origins[j], 1.0 / plan.units[j], x, j)
        j += width
    for p in range(plan.plates.shape[0]):
        if plan.plates[p, MASKED]:
            column = plan.plates[p, COLUMN]
            for j in range(column, column + plan.plates[p, WIDTH]):
                if plan.columns[j] != ROW_NUMBER:
                    fill_missing(x, mask, j, (plan.fillers[j] - plan.origins[j]) / plan.units[j])
