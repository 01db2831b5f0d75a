"""Columns of any memory layout copied, block by block, into contiguous scratch; missing cells marked and filled."""

from __future__ import annotations

from mixtures._numba import jit, load_float, load_nth, wide_vectors
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
def gather(plan, rows, first, x, mask):
    """Copy rows first..first+b of every plate column into scratch (columns, b); missing cells become the filler."""
    for p in range(plan.plates.shape[0]):
        column = plan.plates[p, COLUMN]
        for j in range(column, column + plan.plates[p, WIDTH]):
            source = plan.columns[j]
            if source == ROW_NUMBER:
                for i in range(x.shape[1]):
                    x[j, i] = float(first + i)
                continue
            stride = rows.strides[source]
            start = rows.addresses[source] + first * stride
            origin = plan.origins[j]
            scale = 1.0 / plan.units[j]
            if stride == 8:
                read_contiguous(start, origin, scale, x, j)
            else:
                read_strided(start, stride, origin, scale, x, j)
            if plan.plates[p, MASKED]:
                fill_missing(x, mask, j, (plan.fillers[j] - origin) * scale)
