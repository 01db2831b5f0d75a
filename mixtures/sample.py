"""The rows that stand for a table where a fit starts, in an order that is theirs alone.

They depend on the weighted set of rows only, never on their order or on whether a row is repeated or weighted. Rows are
identified by a hash of their values and of what is known of them; equal rows are merged and their weights added; where there are
many, the rows with the smallest hashes stand for all, a sample that repetition can't bias. Rows with a label are few, as a rule,
and tell the most: of every label some join the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixtures.assembly import Assembly
from mixtures.engine.kmeans import hash_rows
from mixtures.engine.plan import Floats, Ints
from mixtures.knowledge import Knowledge
from mixtures.table import address_of_row_0


@dataclass
class Sample:
    """Rows that stand for a table, in the order of their hashes, and their weights; equal rows adjoin or are merged."""

    rows: Ints  # (m,)
    weights: Floats  # (m,)
    is_whole: bool


def sample_rows(assembly: Assembly, knowledge: Knowledge, size: int, size_of_label: int) -> Sample:
    """Every row of a table of at most `size`; otherwise about `size` distinct rows, and of every label `size_of_label`, and the
    total weight of each."""
    n_rows, weights = assembly.table.n_rows, assembly.problem.weights
    hashes = np.empty(n_rows, dtype=np.int64)
    addresses, strides = assembly.addresses, assembly.strides
    if knowledge:
        known = knowledge.columns()
        addresses = np.append(addresses, address_of_row_0(known) + known.strides[1] * np.arange(known.shape[1]))
        strides = np.append(strides, np.full(known.shape[1], known.strides[0]))
    hash_rows(n_rows, addresses, strides, hashes)
    if n_rows <= size:
        order = hashes.argsort(kind="stable")
        if weights.size:
            return Sample(order, weights[order], True)
        ones = np.empty(n_rows)
        ones.fill(1.0)
        return Sample(order, ones, True)
    rows, merged = _smallest(hashes, weights, size)
    hints = knowledge.hints()
    for label in np.unique(hints[hints >= 0]):
        (labelled,) = np.nonzero(hints == label)
        more, their_weights = _smallest(hashes[labelled], weights[labelled] if weights.size else weights, size_of_label)
        new = ~np.isin(hashes[labelled[more]], hashes[rows])
        rows, merged = np.append(rows, labelled[more[new]]), np.append(merged, their_weights[new])
    order = hashes[rows].argsort(kind="stable")
    return Sample(rows[order], merged[order], False)


def _smallest(hashes: Ints, weights: Floats, size: int) -> tuple[Ints, Floats]:
    """About `size` distinct rows of the smallest hashes, and the total weight of each."""
    share = 4.0 * size / len(hashes)
    while True:
        order = np.flatnonzero(hashes < share * 2.0**63) if share < 1.0 else np.arange(len(hashes))
        order = order[hashes[order].argsort(kind="stable")]
        found = hashes[order]
        new = np.concatenate([[True], found[1:] != found[:-1]])[: len(order)]
        if share >= 1.0 or new.sum() >= size:
            break
        share *= 4.0
    merged = np.bincount(new.cumsum() - 1, weights[order] if weights.size else None).astype(float)
    return order[new][:size], merged[:size]
