"""Where EM starts: weighted k-means++ on encoded columns, families matched to clusters by likelihood.

A start depends on the weighted set of rows only, never on their order or on whether a row is repeated or weighted. Rows are
identified by a hash of their values; equal rows are merged and their weights added; where there are many, the rows with the
smallest hashes stand for all, a sample that repetition can't bias. Numbers are divided by their spread, categories become
indicators, and a missing cell leaves its column out of a distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_random_state

from mixtures.assembly import Assembly
from mixtures.engine.kmeans import cluster_rows, hash_rows
from mixtures.engine.plan import Floats, Ints
from mixtures.parts import Parts, distinct
from mixtures.standalone import complete
from mixtures.table import Table

SAMPLE_ROWS = 4096
SAMPLE_ROWS_PER_COMPONENT = 64
LLOYD_ITERATIONS = 30
SOFTNESS = 0.05
"""Share of every row that all components get alike in the first M-step. A wholly hard start would put probabilities and
rates at 0, where EM leaves them for ever, and the spread of a cluster of equal rows at its floor."""
START_STEPS = 20
"""M-steps of a start, at most, of families whose maximum takes several: the first ones come from parameters as wide as the column,
from which EM itself would follow other clusters."""
IMPOSSIBLE_LOG_PROB = -1000.0
"""What a row outside a family's support counts for when families are matched to clusters."""


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


class Starter:
    """Makes starts for one model on one table."""

    def __init__(
        self, components: Sequence[Parts], given: Sequence[bool], table: Table, weights: Floats | None, random_state: Any
    ) -> None:
        self._seed = seed_of(random_state)
        self._given = given
        self._kinds = _kinds(components, given)
        self._is_uniform = len(self._kinds) == 1 and not any(given)
        completed: dict[int, Parts] = {}
        for component, is_given in zip(components, given, strict=True):
            if id(component) not in completed:
                completed[id(component)] = complete(component, table, is_given)
        self._components = [completed[id(component)] for component in components]
        self._table, self._weights = table, weights
        self._assembly = Assembly(self._components, table, weights)
        self._widths = self._assembly.category_counts()
        k = len(components)
        self._sample = sample_rows(self._assembly, SAMPLE_ROWS + SAMPLE_ROWS_PER_COMPONENT * k)
        if not (self._sample.is_whole and self._is_uniform):
            self._sample_table = table.take(self._sample.rows)

    def start(self, number: int) -> tuple[Assembly, Floats]:
        """The start of this number: components over the whole table, packed, and the weights (k,) of a mixture."""
        k = len(self._components)
        sample, places = self._sample, (self._assembly.addresses, self._assembly.strides)
        seed = np.int64((self._seed + number * 0x9E3779B97F4A7C15) % 2**63)
        labels = cluster_rows(*places, self._widths, sample.rows, sample.weights, k, seed, LLOYD_ITERATIONS)
        shares = np.bincount(labels, weights=sample.weights, minlength=k)
        if sample.is_whole and self._is_uniform:
            every = np.empty_like(labels)
            every[sample.rows] = labels
            assembly = self._assembly if number == 0 else Assembly(self._components, self._table, self._weights)
            assembly.fit_labels(every, softness=SOFTNESS, max_steps=START_STEPS)
        else:
            if self._is_uniform:
                components = self._fit(self._components, labels)
            else:
                components, order = self._match(labels)
                shares = shares[order]
            assembly = Assembly(components, self._table, self._weights)
        weights = np.maximum(shares, np.add.reduce(shares) / (10 * k))
        return assembly, weights / np.add.reduce(weights)

    def _fit(self, components: Sequence[Parts], labels: Ints) -> list[Parts]:
        assembly = Assembly(components, self._sample_table, self._sample.weights)
        assembly.fit_labels(labels, softness=SOFTNESS, max_steps=START_STEPS)
        return [self._covering(parts) for parts in assembly.unpack_parts()]

    def _covering(self, parts: Parts) -> Parts:
        """Parts fitted to a sample, made to hold all rows: a Uniform's ends may only narrow later."""
        pairs = zip(parts.columns, parts.factors, strict=True)
        factors = [f._covering(self._table, places) if hasattr(f, "_covering") else f for places, f in pairs]
        return Parts(parts.component, parts.columns, factors)

    def _match(self, labels: Ints) -> tuple[list[Parts], Ints]:
        """Give each component the cluster that suits its family: the assignment of largest total log-likelihood."""
        k = len(self._components)
        gain = np.empty((k, k))  # component, cluster
        fitted: dict[Any, list[Parts]] = {}
        for key, places in self._kinds.items():
            copies = [self._components[places[0]]] * k
            given = self._given[places[0]]
            fitted[key] = copies if given else self._fit(copies, labels)
            value = self._log_prob(fitted[key][:1] if given else fitted[key])
            # NaN and +inf of a user's component count as impossible here, too; EM's first pass names their row.
            value = self._sample.weights[:, None] * np.where(
                value < np.inf, np.maximum(value, IMPOSSIBLE_LOG_PROB), IMPOSSIBLE_LOG_PROB
            )
            for c in range(k):
                gain[places, c] = value[labels == c, 0 if given else c].sum()
        _, order = linear_sum_assignment(-gain)
        of_place = {place: key for key, places in self._kinds.items() for place in places}
        return [fitted[of_place[place]][order[place]] for place in range(k)], order

    def _log_prob(self, components: Sequence[Parts]) -> Floats:
        assembly = Assembly(components, self._sample_table)
        out = np.empty((len(self._sample.rows), len(components)))
        assembly.evaluate(np.zeros(len(components)), log_joint=out)
        return out


def seed_of(random_state: Any) -> int:
    """A seed from what scikit-learn calls a random state; a whole number is its own."""
    if isinstance(random_state, (int, np.integer)) and random_state >= 0:
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _kinds(components: Sequence[Parts], given: Sequence[bool]) -> dict[Any, list[int]]:
    """Places of the components of one form, that one start serves; a given component is a kind of its own."""
    if not any(given) and len(distinct(components)) == 1:
        return {"": list(range(len(components)))}
    forms = {id(component): repr(component.component) for component in distinct(components)}
    kinds: dict[Any, list[int]] = {}
    for place, component in enumerate(components):
        kinds.setdefault(("given", place) if given[place] else forms[id(component)], []).append(place)
    return kinds
