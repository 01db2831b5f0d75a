"""The rows that stand for a table where a fit starts, in an order that is theirs alone.

They depend on the weighted set of rows only, never on their order or on whether a row is repeated or weighted. Rows are
identified by a hash of their values; equal rows are merged and their weights added; where there are many, the rows with the
smallest hashes stand for all, a sample that repetition can't bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixtures.assembly import Assembly
from mixtures.engine.kmeans import hash_rows
from mixtures.engine.plan import Floats, Ints


@dataclass
class Sample:
    """Rows that stand for a table, in the order of their hashes, and their weights; equal rows adjoin or are merged."""

    rows: Ints  # (m,)
    weights: Floats  # (m,)
    is_whole: bool


def sample_rows(assembly: Assembly, size: int) -> Sample:
    """Every row of a table of at most `size`; otherwise about `size` distinct rows and the total weight of each."""
    n_rows, weights = assembly.table.n_rows, assembly.problem.weights
    hashes = np.empty(n_rows, dtype=np.int64)
    hash_rows(n_rows, assembly.addresses, assembly.strides, hashes)
    if n_rows <= size:
        order = hashes.argsort(kind="stable")
        if weights.size:
            return Sample(order, weights[order], True)
        ones = np.empty(n_rows)
        ones.fill(1.0)
        return Sample(order, ones, True)
    share = 4.0 * size / n_rows
    while True:
        order = np.flatnonzero(hashes < share * 2.0**63) if share < 1.0 else np.arange(n_rows)
        order = order[hashes[order].argsort(kind="stable")]
        found = hashes[order]
        new = np.concatenate([[True], found[1:] != found[:-1]])[: len(order)]
        if share >= 1.0 or new.sum() >= size:
            break
        share *= 4.0
    merged = np.bincount(new.cumsum() - 1, weights[order] if weights.size else None).astype(float)
    return Sample(order[new][:size], merged[:size], False)
