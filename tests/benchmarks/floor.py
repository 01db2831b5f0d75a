"""The least time this machine could take: its own rates of exponentials, multiply-adds and memory, measured in the same run.

    floor = exponentials * (time of one) + multiply-adds * (time of one) + bytes / (copy bandwidth),

each rate that of all threads running at once. What is counted is the work of EM itself, whatever the code does beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures import jit
from mixtures._numba import wide_vectors
from mixtures.engine.special import exp_nonpositive

BLOCK = 512  # rows of a block: the first-level cache holds it
CHAIN = 16  # multiply-adds on one number

# Floating-point operations per cell and component, a fused multiply-add being one: the E-step's, then the M-step's.
NORMAL = 4  # t = fma(x, slope, offset), fma | fma, fma; the squares of a column serve all components
LINEAR = 2  # Exponential and Poisson: fma | fma; Categorical: a look-up and an addition | an addition
SHARES = 4  # per row and component: minus the largest, sum over components, times the inverse, sum over rows


def full(columns: int) -> int:
    """Operations of a full covariance: a triangle times a row, squares | r x, its sums, a triangle of products."""
    return columns * (columns + 1) + 3 * columns


@dataclass(frozen=True)
class Load:
    """Work of one EM iteration."""

    rows: int
    exponentials: float  # per row
    multiply_adds: float  # per row
    columns: int

    @classmethod
    def of(cls, rows: int, components: int, columns: int, cells: int) -> Load:
        """`cells`: operations per row and component. Of two components only one needs its exponential."""
        exponentials = 1 if components == 2 else components
        return cls(rows, exponentials, components * (cells + SHARES), columns)


@jit
def _exponentials(x, out, repeats):
    wide_vectors()
    for _ in range(repeats):
        for i in range(x.size):
            out[i] = exp_nonpositive(x[i])


@jit
def _multiply_adds(x, factor, term, repeats):
    wide_vectors()
    for _ in range(repeats):
        for i in range(x.size):
            value = x[i]
            for _ in range(CHAIN):
                value = value * factor + term
            x[i] = value


def _copy(source: Any, target: Any, repeats: int) -> None:
    for _ in range(repeats):
        np.copyto(target, source)


def _together(call: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> float:
    """Seconds that one call per thread takes, all at once."""
    with ThreadPoolExecutor(len(arguments)) as pool:
        list(pool.map(time.sleep, [0.001] * len(arguments)))  # threads exist
        start = time.perf_counter()
        for future in [pool.submit(call, *each) for each in arguments]:
            future.result()
        return time.perf_counter() - start


class Machine:
    """Rates of this machine with a number of threads running at once."""

    def __init__(self, threads: int, load: Load) -> None:
        self.load = load
        self._blocks = [-np.linspace(0.0, 30.0, BLOCK) for _ in range(threads)]
        self._size = 8 * load.columns * load.rows  # bytes that an iteration reads
        count = max(self._size // 8 // threads, 1)
        self._arrays = [(np.ones(count), np.ones(count)) for _ in range(threads)]
        self._copies = max(1, int(5e7 / (8 * count)))

    def exponential(self, repeats: int = 10_000) -> float:
        """Seconds of one exponential."""
        work = [(block, np.empty(BLOCK), repeats) for block in self._blocks]
        return _together(_exponentials, work) / (BLOCK * repeats * len(work))

    def multiply_add(self, repeats: int = 10_000) -> float:
        """Seconds of one multiply-add."""
        work = [(block.copy(), 0.999, 0.001, repeats) for block in self._blocks]
        return _together(_multiply_adds, work) / (BLOCK * repeats * len(work) * CHAIN)

    def byte(self) -> float:
        """Seconds to move one byte, read or written, when copying as much as the load reads, in cache if it fits."""
        work = [(*arrays, self._copies) for arrays in self._arrays]
        return _together(_copy, work) / (2 * sum(source.nbytes for source, _ in self._arrays) * self._copies)

    def floor(self) -> float:
        """Seconds below which no iteration can go here, by rates of this moment."""
        load = self.load
        arithmetic = load.exponentials * self.exponential() + load.multiply_adds * self.multiply_add()
        return load.rows * arithmetic + self._size * self.byte()
