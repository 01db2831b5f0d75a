"""Log-densities of the same values under many members of one family: what a numerical fit asks for, without a table each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures._numba import jit_entry, matrix
from mixtures._numba_calls import address_of, call_log_prob, call_prepare
from mixtures.column import Column

Floats = npt.NDArray[np.float64]

BLOCK = 1024
"""Values that one call of a kernel sees: they and what a kernel makes of them stay in a second-level cache."""


@jit_entry
def _evaluate(prepare, log_prob, parameters, x, out):
    out[:] = 0.0
    call_prepare(prepare, parameters)
    for first in range(0, x.size, BLOCK):
        size = min(BLOCK, x.size - first)
        call_log_prob(log_prob, parameters, matrix(x, first, 1, size), matrix(out, first, 1, size))


class Densities:
    """Values of one column, ready for the kernels of the members of a family.

    Parameters
    ----------
    family : a distribution of one column with kernels; its parameters don't matter.
    x : (n,) observed values, n >= 1.
    """

    def __init__(self, family: Any, x: Floats) -> None:
        is_whole = bool(np.all(x == np.floor(x)))
        self._column = Column("", len(x), 0, float(x.min()), float(x.max()), None, is_whole)
        origin = self._column.origin if family.uses_origin else 0.0
        scale = 1.0 / self._column.unit if family.uses_unit else 1.0
        self._x = np.require((x - origin) * scale, np.float64, ["C", "W"])

    def __call__(self, distribution: Any) -> Floats:
        """Log-density of every value under a complete member, (n,); -inf outside its support."""
        kernels = distribution.kernels
        out = np.empty(len(self._x))
        parameters = np.array([distribution._pack(self._column)], dtype=np.float64)
        _evaluate(address_of(kernels.prepare, "prepare"), address_of(kernels.log_prob, "log_prob"), parameters, self._x, out)
        return out


def log_densities(distribution: Any, x: Floats) -> Floats:
    """Log-density of observed values (n,) under any distribution of one column."""
    if hasattr(distribution, "kernels"):
        return Densities(distribution, x)(distribution)
    own = getattr(distribution, "_log_density", None)
    return np.asarray(own(x) if own is not None else distribution.log_prob(x))
