"""Scores: derivatives of the log-density of every row by the free numbers of a mixture, and the sums of the second derivatives.

With r_nk the responsibilities, s_nk and h_nk the first and second derivatives of log(weight_k f_k(x_n)),

    score_n = sum_k r_nk s_nk,      hessian_n = sum_k r_nk (h_nk + s_nk s_nk') - score_n score_n'

(Fisher's identity; Louis 1982, Journal of the Royal Statistical Society B 44). A component that is a mixture is taken apart in
the same way, and the factors of a product add. What is left are families, see :mod:`mixtures.differences`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from mixtures.differences import LEAST_INFORMATION, Leaf, Node
from mixtures.engine.plan import Floats
from mixtures.free_groups import ALL_BUT_AT_END, FREE, simplex_group
from mixtures.parts import Parts, block_of
from mixtures.table import Table


class Joint(Node):
    """Nodes side by side: their numbers after each other."""

    def _gather(self, nodes: Sequence[Node], prefixes: Sequence[str] | None = None) -> None:
        self.nodes = list(nodes)
        prefixes = prefixes or [""] * len(nodes)
        self.numbers = [replace(n, name=p + n.name) for node, p in zip(nodes, prefixes, strict=True) for n in node.numbers]
        self.places = [place for node in nodes for place in node.places]
        self.ties = [tie for node in nodes for tie in node.ties]
        self.units = np.concatenate([np.empty(0), *[node.units for node in nodes]])
        self.unknown = [one for node in nodes for one in node.unknown]
        self.jacobian = _diagonal([node.jacobian for node in nodes])

    @property
    def _ranges(self) -> list[slice]:
        ends = np.cumsum([0, *[node.size for node in self.nodes]]).tolist()
        return [slice(first, stop) for first, stop in pairwise(ends)]


class Factors(Joint):
    """A product, whose factors' log-densities add."""

    def __init__(self, parts: Parts, table: Table) -> None:
        self._gather([node_of(factor, columns, table) for columns, factor in zip(parts.columns, parts.factors, strict=True)])

    def prepare(self, table: Table, share: Floats) -> None:
        for node in self.nodes:
            node.prepare(table, share)
        self._gather(self.nodes)

    def differentiate(self, table: Table, share: Floats) -> tuple[Floats, Floats]:
        found = [node.differentiate(table, share) for node in self.nodes]
        return np.hstack([scores for scores, _ in found]), _diagonal([hessian for _, hessian in found])

    def prior(self) -> tuple[Floats, Floats]:
        found = [node.prior() for node in self.nodes]
        return np.concatenate([gradient for gradient, _ in found]), _diagonal([hessian for _, hessian in found])


class Mixture(Joint):
    """A mixture: its weights, then its components.

    Parameters
    ----------
    components : nodes of the components.
    weights : (k,).
    learns_weights : whether they are estimated.
    concentrations : (k,) of the weights' prior, or none.
    is_inner : whether it is part of another one, so that its numbers are named by where they stand in it.
    """

    def __init__(
        self,
        components: Sequence[Node],
        weights: Floats,
        learns_weights: bool,
        concentrations: Sequence[float],
        is_inner: bool = False,
    ) -> None:
        k = len(components)
        self._components, self._is_inner = list(components), is_inner
        self.weights = np.asarray(weights, dtype=float)
        held = set() if learns_weights else set(range(k))
        self.group = simplex_group("weight", self.weights.tolist(), [""] * k, held)
        self.concentrations = np.array(concentrations, dtype=float)
        self._refresh()

    def _refresh(self) -> None:
        k = len(self._components)
        named = [f"components[{j}]." if self._is_inner else "" for j in range(k)]
        self._gather(self._components, named)
        own = [replace(n, name=f"weights[{j}]" if self._is_inner else n.name) for j, n in enumerate(self.group.numbers)]
        self.numbers, self.places = [*own, *self.numbers], [()] * k + self.places
        self.ties = [None] * len(self.group.start) + self.ties
        self.units = np.concatenate([np.ones(len(self.group.start)), self.units])
        self.jacobian = _diagonal([self.group.jacobian, self.jacobian])
        shares = self.weights
        # (k, w): derivatives of the logarithms of the weights by their coordinates
        self._slopes = np.divide(self.group.jacobian, shares[:, None], out=np.zeros((k, self._w)), where=shares[:, None] > 0)

    @property
    def owners(self) -> list[int]:
        """The component that every number belongs to."""
        return [*range(len(self.nodes)), *[k for k, node in enumerate(self.nodes) for _ in node.numbers]]

    @property
    def _w(self) -> int:
        return len(self.group.start)

    def _responsibilities(self, table: Table) -> Floats:
        raise NotImplementedError

    def prepare(self, table: Table, share: Floats) -> None:
        self.prepare_given(table, share, self._responsibilities(table))

    def prepare_given(self, table: Table, share: Floats, posterior: Floats) -> None:
        """As :meth:`prepare`, given the responsibilities (n, k)."""
        belongs = share @ posterior
        few = {place: ALL_BUT_AT_END for place, k in enumerate(self.group.owners or []) if belongs[k] < LEAST_INFORMATION}
        if few:
            self.group = self.group.without(few)
        for k, node in enumerate(self.nodes):
            node.prepare(table, share * posterior[:, k])
        self._refresh()

    def differentiate(self, table: Table, share: Floats) -> tuple[Floats, Floats]:
        return self.differentiate_given(table, share, self._responsibilities(table))

    def differentiate_given(self, table: Table, share: Floats, posterior: Floats) -> tuple[Floats, Floats]:
        """As :meth:`differentiate`, given the responsibilities (n, k)."""
        w, q = self._w, self.size
        scores, hessian = np.zeros((table.n_rows, q)), np.zeros((q, q))
        scores[:, :w] = posterior @ self._slopes
        for k, (node, own) in enumerate(zip(self.nodes, self._ranges, strict=True)):
            place = slice(w + own.start, w + own.stop)
            belongs = share * posterior[:, k]
            of_node, curved = node.differentiate(table, belongs)
            weighted = of_node * belongs[:, None]
            hessian[place, place] += curved + weighted.T @ of_node
            crossed = np.outer(weighted.sum(axis=0), self._slopes[k])
            hessian[place, :w] += crossed
            hessian[:w, place] += crossed.T
            hessian[:w, :w] += belongs.sum() * np.outer(self._slopes[k], self._slopes[k])
            scores[:, place] = of_node * posterior[:, k : k + 1]
        hessian[:w, :w] += share.sum() * self._curvature()
        hessian -= (scores * share[:, None]).T @ scores
        return scores, hessian

    def _curvature(self) -> Floats:
        """Second derivatives of the logarithm of any weight by the coordinates, the same for all: with p the weights that are
        estimated, over their sum, minus the covariance of a draw of one of them."""
        if not self._w:
            return np.zeros((0, 0))
        moving = [k for k, n in enumerate(self.group.numbers) if n.standing == FREE]
        shares = self.weights[moving] / self.weights[moving].sum()
        slopes = self._slopes[moving]
        return -np.asarray((slopes * shares[:, None]).T @ slopes)

    def prior(self) -> tuple[Floats, Floats]:
        w = self._w
        found = [node.prior() for node in self.nodes]
        gradient = np.concatenate([np.zeros(w), *[own for own, _ in found]])
        hessian = _diagonal([np.zeros((w, w)), *[own for _, own in found]])
        if self.concentrations.size and w:
            extra = self.concentrations - 1.0
            gradient[:w] = extra @ self._slopes
            hessian[:w, :w] = extra.sum() * self._curvature()
        return gradient, hessian


class Nested(Mixture):
    """A mixture among the components or factors of another: it evaluates its own rows."""

    def __init__(self, model: Any, columns: tuple[int, ...], table: Table) -> None:
        self.model, self.columns = model, columns
        components, weights = model._state()
        inner = self._inner(table)
        nodes = [node_of(component, tuple(range(inner.n_columns)), inner) for component in components]
        prior = getattr(model, "weights_prior", None)
        concentrations = [] if prior is None else np.broadcast_to(np.asarray(prior, dtype=float), (len(components),)).tolist()
        super().__init__(nodes, weights, bool(getattr(model, "learn_weights", True)), concentrations, True)

    def _refresh(self) -> None:
        super()._refresh()
        self.places = [tuple([self.columns[j] for j in place]) or self.columns for place in self.places]

    def _inner(self, table: Table) -> Table:
        inner = Table.read(block_of(self.columns, table))
        inner.names = [table.names[j] for j in self.columns]
        return inner

    def _responsibilities(self, table: Table) -> Floats:
        joint = self.model._evaluate(block_of(self.columns, table), "log_joint", finite=False)["log_joint"]
        return responsibilities_of(joint)

    def prepare(self, table: Table, share: Floats) -> None:
        self.prepare_given(self._inner(table), share, self._responsibilities(table))

    def differentiate(self, table: Table, share: Floats) -> tuple[Floats, Floats]:
        return self.differentiate_given(self._inner(table), share, self._responsibilities(table))


def responsibilities_of(log_joint: Floats) -> Floats:
    """Posterior probabilities (n, k); zeros for a row that no component can have made."""
    top = log_joint.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        share = np.where(top > -np.inf, np.exp(log_joint - top), 0.0)
    total = share.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(share, total, out=np.zeros_like(share), where=total > 0))


def node_of(component: Any, columns: tuple[int, ...], table: Table) -> Node:
    """The node of a component over some columns of a table: a mixture, a product, or a family."""
    if hasattr(component, "_state") and hasattr(component, "_evaluate"):
        return Nested(component, columns, table)
    if hasattr(component, "_factors") and columns == tuple(range(table.n_columns)):
        pairs = component._factors(table)
        if len(pairs) > 1 or getattr(component, "factors", None):
            return Factors(Parts(component, [own for own, _ in pairs], [factor for _, factor in pairs]), table)
    return Leaf(component, columns, table)


def _diagonal(blocks: Sequence[Floats]) -> Floats:
    """Matrices along the diagonal of one."""
    rows, columns = sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)
    out = np.zeros((rows, columns))
    i = j = 0
    for block in blocks:
        out[i : i + block.shape[0], j : j + block.shape[1]] = block
        i, j = i + block.shape[0], j + block.shape[1]
    return out
