"""How unusual a row is for a mixture: the share of rows of the model that are no more probable, by simulation.

    p = (1 + number of simulated rows of log-density <= that of the row) / (n + 1),

which is valid whatever n (Davison & Hinkley 1997, "Bootstrap methods and their application", section 4.2): of rows that the model
made, at most a share alpha has p <= alpha. Equal rows count as equal although their sums of logarithms may differ by rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.leaves import Leaves, missing_cells, patterns, with_missing
from mixtures.table import Table

ROUNDING = 1e-10
"""Relative differences of log-densities that say nothing."""


def p_values(leaves: Leaves, table: Table, n_draws: int, random: Any, n_threads: int = 1) -> Floats:
    """Of every row of a table, (n,); rows that lack cells are compared with simulated ones that lack the same."""
    if not isinstance(n_draws, (int, np.integer)) or n_draws < 1:
        raise ParameterError(f"n_draws must be a whole number >= 1, found {n_draws!r}")
    found = leaves.log_densities(table, n_threads)
    drawn = leaves.draw(int(n_draws), random)
    out = np.empty(table.n_rows)
    columns = leaves.columns
    missing = np.column_stack([missing_cells(table, j) for j in columns])
    for rows, lacks in patterns(missing):
        gone = [j for j, lack in zip(columns, lacks, strict=True) if lack]
        simulated = np.sort(leaves.log_densities(with_missing(drawn, gone), n_threads))
        values = found[rows]
        slack = ROUNDING * (1.0 + np.where(np.isfinite(values), np.abs(values), 0.0))
        out[rows] = (1.0 + np.searchsorted(simulated, values + slack, side="right")) / (n_draws + 1.0)
    return out
