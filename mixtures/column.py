"""What is known of one column before a family is laid over it, and the scan that finds it out."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np

from mixtures._numba import jit, jit_entry, load_float, wide_vectors

_EPSILON = float(np.finfo(float).eps)


class Column:
    """What is known of one column before a family is laid over it.

    Attributes
    ----------
    lower, upper : bounds of the observed values; NaN where there are none, or where they are categories.
    magnitude : largest absolute value, 0 when nothing is observed.
    origin : where families free of location put their zero: 0, or the middle of a column that lies far from 0 for its range.
        All values lie within a third of it, so that their differences from it are exact (Sterbenz 1974).
    unit : power of two that families free of scale measure the column in: 1, unless squares would overflow or underflow.
    floor : smallest standard deviation or mean that is told from zero: 16 rounding errors of the largest value.
    """

    __slots__ = ("categories", "floor", "lower", "magnitude", "n_missing", "n_rows", "name", "origin", "unit", "upper", "whole")

    def __init__(
        self,
        name: str,
        n_rows: int = 0,
        n_missing: int = 0,
        lower: float = math.nan,
        upper: float = math.nan,
        categories: tuple[Hashable, ...] | None = None,
        whole: bool = False,
    ) -> None:
        self.name = name
        self.n_rows = n_rows
        self.n_missing = n_missing
        observed = n_missing < n_rows
        self.lower = lower if observed else math.nan
        self.upper = upper if observed else math.nan
        self.categories = categories
        self.whole = whole
        magnitude = max(abs(lower), abs(upper)) if observed and lower == lower else 0.0
        self.magnitude = magnitude
        # never subnormal: its reciprocal must be a number, too
        self.floor = max(16 * _EPSILON * (magnitude or 1.0), 2.3e-308)
        middle, reach = self.lower / 2 + self.upper / 2, self.upper / 2 - self.lower / 2
        self.origin = middle if math.isfinite(middle) and abs(middle) > 3.0 * reach else 0.0
        self.unit = 1.0
        if 0.0 < magnitude < math.inf and not 1e-100 < magnitude < 1e100:
            # kept inside the range whose reciprocal is a normal number
            self.unit = 2.0 ** min(max(math.frexp(magnitude)[1], -1000), 1000)


@jit
def scan_block(start, stride, size, low, high, missing, fractions):
    """Fold `size` values from address `start` into lanes, one a row of the block: elementwise, so that it vectorises."""
    wide_vectors()
    for i in range(size):
        value = load_float(start + i * stride)
        low[i] = value if value < low[i] else low[i]
        high[i] = value if value > high[i] else high[i]
        missing[i] += 0.0 if value == value else 1.0
        fractions[i] += 0.0 if value == np.floor(value) else 1.0


@jit_entry
def scan(n_rows, places, out):
    """Of every column, whose first cell's address and bytes between rows are a row of `places`: smallest and largest observed
    value, number of missing cells, whether all observed are whole."""
    lanes = min(256, n_rows)
    low, high, missing, fractions = np.empty(lanes), np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for j in range(places.shape[0]):
        address, stride = places[j, 0], places[j, 1]
        for i in range(lanes):
            low[i], high[i], missing[i], fractions[i] = np.inf, -np.inf, 0.0, 0.0
        for first in range(0, n_rows, lanes):
            scan_block(address + first * stride, stride, min(lanes, n_rows - first), low, high, missing, fractions)
        out[j, 0], out[j, 1], out[j, 2] = np.inf, -np.inf, 0.0
        broken = 0.0
        for i in range(lanes):
            out[j, 0] = min(out[j, 0], low[i])
            out[j, 1] = max(out[j, 1], high[i])
            out[j, 2] += missing[i]
            broken += fractions[i]
        out[j, 3] = 1.0 if broken == out[j, 2] else 0.0
