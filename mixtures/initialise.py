"""Where EM starts: weighted k-means++ on encoded columns, families matched to clusters by likelihood.

A start depends on the weighted set of rows only, never on their order or on whether a row is repeated or weighted. Rows are
identified by a hash of their values; equal rows are merged and their weights added; where there are many, the rows with the
smallest hashes stand for all, a sample that repetition can't bias. Numbers are divided by their spread, categories become
indicators, and a missing cell leaves its column out of a distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from mixtures._numba import float_to_bits, jit, load_float
from mixtures.assembly import Assembly, complete, factors_of
from mixtures.engine.plan import Floats, Ints
from mixtures.table import Table, addresses_of

SAMPLE_ROWS = 4096
SAMPLE_ROWS_PER_COMPONENT = 64
LLOYD_ITERATIONS = 30
CODE_WIDTH = 32  # more categories than this are encoded by their number alone
SOFTNESS = 0.05
"""Share of every row that all components get alike in the first M-step. A wholly hard start would put probabilities and
rates at 0, where EM leaves them for ever, and the spread of a cluster of equal rows at its floor."""
IMPOSSIBLE_LOG_PROB = -1000.0
"""What a row outside a family's support counts for when families are matched to clusters."""


@jit
def hash_rows(n_rows, addresses, strides, out):
    """64-bit hash of every row's values (the finaliser of splitmix64, Steele, Lea & Flood 2014), 63 bits kept."""
    for i in range(n_rows):
        h = np.uint64(0x9E3779B97F4A7C15)
        for j in range(addresses.size):
            value = load_float(addresses[j] + i * strides[j]) + 0.0  # -0 and 0 are one value
            bits = float_to_bits(value) if value == value else np.int64(0x7FF8000000000000)
            h = h ^ np.uint64(bits)
            h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            h = h ^ (h >> np.uint64(31))
        out[i] = np.int64(h >> np.uint64(1))


def distinct_sample(columns: Sequence[Floats], weights: Floats | None, size: int) -> tuple[Ints, Floats]:
    """Row numbers of at most `size` distinct rows, in the order of their hashes, and the total weight of each."""
    n_rows = len(columns[0])
    hashes = np.empty(n_rows, dtype=np.int64)
    hash_rows(n_rows, *addresses_of(columns), hashes)
    share = min(1.0, 4.0 * size / n_rows)
    while True:
        rows = np.flatnonzero(hashes < share * 2.0**63) if share < 1.0 else np.arange(n_rows)
        rows = rows[np.argsort(hashes[rows], kind="stable")]
        found = hashes[rows]
        first = np.flatnonzero(np.concatenate([[True], found[1:] != found[:-1]])) if len(rows) else rows
        if len(first) >= size or share >= 1.0:
            break
        share *= 4.0
    total = np.add.reduceat(np.ones(len(rows)) if weights is None else weights[rows], first)
    return rows[first[:size]], total[:size]


def encode(table: Table, columns: Sequence[int], categories: dict[int, int], codes: dict[int, Floats]) -> Floats:
    """The sample as a matrix (m, D) for distances, NaN where missing."""
    parts = []
    for j in columns:
        if j in codes and categories[j] <= CODE_WIDTH:
            indicator = (codes[j][:, None] == np.arange(categories[j])).astype(float)
            indicator[np.isnan(codes[j])] = np.nan
            # a mismatch moves two indicators: halved, it counts as a distance of one spread
            parts.append(indicator * np.sqrt(0.5) / 0.5)
            continue
        values = codes[j] if j in codes else table.numbers(j)
        observed = values[~np.isnan(values)]
        if not len(observed):
            continue
        centre = np.median(observed)
        scale = np.max(np.abs(observed / 2 - centre / 2)) or 1.0
        scaled = (values / 2 - centre / 2) / scale
        spread = np.sqrt(np.nanmean(np.square(scaled - np.nanmean(scaled))))
        if spread > 0:
            parts.append((scaled / spread)[:, None])
    return np.ascontiguousarray(np.hstack(parts)) if parts else np.zeros((table.n_rows, 1))


@jit
def distance(z, i, centre):
    """Squared distance over the observed columns, scaled up to all of them."""
    total = 0.0
    seen = 0
    for j in range(centre.size):
        t = z[i, j] - centre[j]
        if t == t:
            total += t * t
            seen += 1
    return total * centre.size / seen if seen else 0.0


@jit
def first_above(cumulative, value):
    """Place of the first entry of an ascending array that is larger than `value`; the last place if none is."""
    low = 0
    high = cumulative.size - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > value:
            high = middle
        else:
            low = middle + 1
    return low


@jit
def seed_centres(z, weights, uniforms, centres):
    """Greedy k-means++ (Arthur & Vassilvitskii 2007) with weights; uniforms (k, candidates) in [0, 1)."""
    m = z.shape[0]
    closest = np.full(m, np.inf)
    trial = np.empty(m)
    best = np.empty(m)
    chance = np.empty(m)
    for k in range(centres.shape[0]):
        total = 0.0
        for i in range(m):
            total += weights[i] * (closest[i] if k else 1.0)
            chance[i] = total
        lowest = np.inf
        for c in range(uniforms.shape[1] if k else 1):
            pick = first_above(chance, uniforms[k, c] * total)
            potential = 0.0
            for i in range(m):
                trial[i] = min(closest[i], distance(z, i, z[pick]))
                potential += weights[i] * trial[i]
            if potential < lowest:
                lowest = potential
                best[:] = trial
                centres[k] = z[pick]
        closest[:] = best
        for j in range(z.shape[1]):
            if centres[k, j] != centres[k, j]:
                centres[k, j] = 0.0


@jit
def cluster(z, weights, uniforms, max_iter, labels):
    """Labels (m,) by weighted k-means from greedy k-means++ centres."""
    m, d = z.shape
    k = uniforms.shape[0]
    centres = np.empty((k, d))
    seed_centres(z, weights, uniforms, centres)
    sums = np.empty((k, d))
    mass = np.empty((k, d))
    labels[:] = -1
    for _ in range(max_iter):
        changed = 0
        for i in range(m):
            nearest = 0
            lowest = np.inf
            for c in range(k):
                t = distance(z, i, centres[c])
                if t < lowest:
                    lowest = t
                    nearest = c
            if labels[i] != nearest:
                labels[i] = nearest
                changed += 1
        if changed == 0:
            break
        sums[:] = 0.0
        mass[:] = 0.0
        for i in range(m):
            for j in range(d):
                if z[i, j] == z[i, j]:
                    sums[labels[i], j] += weights[i] * z[i, j]
                    mass[labels[i], j] += weights[i]
        for c in range(k):
            for j in range(d):
                if mass[c, j] > 0.0:
                    centres[c, j] = sums[c, j] / mass[c, j]


class Starter:
    """Makes starts for one model on one table."""

    def __init__(self, components: Sequence[Any], table: Table, weights: Floats | None) -> None:
        self._given = [_is_complete(component) for component in components]
        k = len(components)
        columns = sorted({j for columns, _ in factors_of(components[0], table) for j in columns})
        categories: dict[int, int] = {}
        sources = []
        of_categories = {
            positions[0]
            for component in components
            for positions, d in factors_of(component, table)
            if getattr(d, "encoding", "numbers") == "categories"
        }
        all_codes = {j: table.codes(j, table.categories(j)) for j in of_categories}
        for j in columns:
            sources.append(all_codes[j] if j in all_codes else table.numbers(j))
            if j in all_codes:
                categories[j] = len(table.categories(j))
        rows, self._weights = distinct_sample(sources, weights, SAMPLE_ROWS + SAMPLE_ROWS_PER_COMPONENT * k)
        self._components = [complete(component, table) for component in components]
        self._table = table.take(rows)
        codes = {j: values[rows] for j, values in all_codes.items()}
        self._encoded = encode(self._table, columns, categories, codes)

    def start(self, random: np.random.RandomState) -> tuple[list[Any], Floats]:
        """Complete components and their weights."""
        k = len(self._components)
        uniforms = random.random_sample((k, 2 + int(np.log(k))))
        labels = np.empty(self._table.n_rows, dtype=np.int64)
        cluster(self._encoded, self._weights, uniforms, LLOYD_ITERATIONS, labels)
        shares = np.bincount(labels, weights=self._weights, minlength=k)
        kinds: dict[Any, list[int]] = {}
        for place, component in enumerate(self._components):
            key = ("given", place) if self._given[place] else _kind(component)
            kinds.setdefault(key, []).append(place)
        if len(kinds) == 1 and not any(self._given):
            components, order = self._fit(self._components, labels), np.arange(k)
        else:
            components, order = self._match(kinds, labels)
        weights = np.maximum(shares[order], shares.sum() / (10 * k))
        return components, weights / weights.sum()

    def _fit(self, components: Sequence[Any], labels: Ints) -> list[Any]:
        assembly = Assembly(components, self._table, self._weights)
        assembly.prepare()
        assembly.fit_labels(labels, softness=SOFTNESS)
        return assembly.unpack()

    def _match(self, kinds: dict[Any, list[int]], labels: Ints) -> tuple[list[Any], Ints]:
        """Give each component the cluster that suits its family: the assignment of largest total log-likelihood."""
        k = len(self._components)
        gain = np.empty((k, k))  # component, cluster
        fitted: dict[Any, list[Any]] = {}
        for key, places in kinds.items():
            copies = [self._components[places[0]]] * k
            given = self._given[places[0]]
            fitted[key] = copies if given else self._fit(copies, labels)
            value = self._log_prob(fitted[key][:1] if given else fitted[key])
            value = self._weights[:, None] * np.maximum(value, IMPOSSIBLE_LOG_PROB)
            for c in range(k):
                gain[places, c] = value[labels == c, 0 if given else c].sum()
        _, order = linear_sum_assignment(-gain)
        of_place = {place: key for key, places in kinds.items() for place in places}
        return [fitted[of_place[place]][order[place]] for place in range(k)], order

    def _log_prob(self, components: Sequence[Any]) -> Floats:
        assembly = Assembly(components, self._table)
        assembly.prepare()
        out = np.empty((self._table.n_rows, len(components)))
        assembly.evaluate(np.zeros(len(components)), log_joint=out)
        return out


def _is_complete(component: Any) -> bool:
    return bool(getattr(component, "is_complete", True))


def _kind(component: Any) -> Any:
    """What tells components apart before a fit; equal for components of one form."""
    return repr(component)
