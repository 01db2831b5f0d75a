"""Information about the free numbers of a mixture in its rows, and the covariance of their estimates.

``observed``: minus the second derivative of the log-likelihood (Louis 1982). ``opg``: the sum of outer products of the rows'
scores. ``sandwich``: observed^-1 opg observed^-1, which is right as well where the rows come from no mixture of this form (Huber
1967; White 1982, Econometrica 50). With priors, minus the second derivative of their log-density is added to the first two: the
covariance is that of the most probable values. Weights of rows mean repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures.differences import Leaf, Node
from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.parts import Parts, take_apart
from mixtures.scores import Factors, Mixture, Nested
from mixtures.table import Table

KINDS = ("observed", "opg", "sandwich")
SINGULAR = 1e-9
"""Eigenvalue of the information, in coordinates of which each has information 1, up to which nothing is known of a direction:
second derivatives are right to some ten digits."""
LOADING = 1e-4
"""Share of a number's gradient in such directions from which on it is not known itself."""
CHUNK_CELLS = 2**23
"""Rows times coordinates that are differentiated at a time."""


@dataclass(frozen=True)
class Derivatives:
    """What the rows say of the free numbers of a mixture.

    Attributes
    ----------
    mixture : the mixture's node.
    tied : (q, p) derivatives of the q coordinates by p free ones; those that are tied share one.
    gradient : (p,) of the objective: log-likelihood and log-priors.
    curvature : (p, p) minus the second derivative of the log-likelihood.
    outer : (p, p) sum of outer products of the rows' scores.
    prior : (p, p) minus the second derivative of the log-priors.
    """

    mixture: Mixture
    tied: Floats
    gradient: Floats
    curvature: Floats
    outer: Floats
    prior: Floats

    @property
    def jacobian(self) -> Floats:
        """(m, p) derivatives of the numbers by the free coordinates."""
        return self.mixture.jacobian @ self.tied

    def information(self, kind: str) -> Floats:
        """The information (p, p) of a kind that has one of its own."""
        return (self.curvature if kind == "observed" else self.outer) + self.prior


@dataclass(frozen=True)
class Covariance:
    """Covariance of the estimates.

    Attributes
    ----------
    matrix : (m, m) of the mixture's numbers; NaN where they are not determined, 0 where they are held.
    errors : (m,) the roots of its diagonal, right where that is beyond float64.
    undetermined : (m,) whether the rows do not tell a number that a fit estimates.
    decrement : what the gradient says that the objective would gain at its maximum, times two.
    """

    matrix: Floats
    errors: Floats
    undetermined: Any
    decrement: float


def check_kind(kind: Any) -> None:
    """Refuse a kind of information that there is not."""
    if kind not in KINDS:
        raise ParameterError(f"kind must be one of {KINDS}, found {kind!r}")


def root_of(
    components: Sequence[Any], weights: Floats, table: Table, learns_weights: bool, concentrations: Sequence[float]
) -> Mixture:
    """The node of a mixture over a table."""
    nodes: list[Node] = []
    for part in take_apart(components, table):
        nodes.append(_component(part, table))
    return Mixture(nodes, weights, learns_weights, concentrations)


def _component(part: Parts, table: Table) -> Node:
    component = part.component
    if hasattr(component, "_state") and hasattr(component, "_evaluate"):
        return Nested(component, part.columns[0], table)
    if len(part.columns) > 1 or getattr(component, "factors", None):
        return Factors(part, table)
    return Leaf(component, part.columns[0], table)


def differentiate(mixture: Mixture, table: Table, weights: Floats | None, posterior: Floats) -> Derivatives:
    """Derivatives of the log-likelihood of rows of these weights (n,), given their responsibilities (n, k)."""
    share = np.ones(table.n_rows) if weights is None else weights
    mixture.prepare_given(table, share, posterior)
    tied = _tied(mixture.ties, mixture.units)
    p = tied.shape[1]
    total, hessian, outer = np.zeros(p), np.zeros((p, p)), np.zeros((p, p))
    rows = max(1024, CHUNK_CELLS // max(mixture.size, 1))
    for first in range(0, table.n_rows, rows):
        chosen = np.arange(first, min(first + rows, table.n_rows))
        part = table if len(chosen) == table.n_rows else table.take(chosen)
        scores, curved = mixture.differentiate_given(part, share[chosen], posterior[chosen])
        if p < mixture.size:  # tied coordinates
            scores, curved = scores @ tied, tied.T @ curved @ tied
        weighted = scores * share[chosen, None]
        total += weighted.sum(axis=0)
        outer += weighted.T @ scores
        hessian += curved
    gradient, prior = mixture.prior()
    return Derivatives(mixture, tied, total + gradient @ tied, -hessian, outer, -(tied.T @ prior @ tied))


def _tied(ties: Sequence[Any], units: Floats) -> Floats:
    """(q, p), not 0 where coordinate q is free coordinate p: the unit of the first coordinate that is, over its own."""
    at: dict[Any, int] = {}
    places = []
    for number, tie in enumerate(ties):
        key = ("", number) if tie is None else tie
        places.append(at.setdefault(key, len(at)))
    out = np.zeros((len(ties), len(at)))
    firsts = [places.index(place) for place in range(len(at))]
    out[np.arange(len(ties)), places] = units[[firsts[place] for place in places]] / units
    return out


def covariance_of(derivatives: Derivatives, kind: str) -> Covariance:
    """Covariance of the estimates of all numbers, by the delta method."""
    check_kind(kind)
    jacobian = derivatives.jacobian
    information = derivatives.information("observed" if kind == "sandwich" else kind)
    scale = np.sqrt(np.maximum(np.diagonal(information), 0.0))
    known = scale > 0
    unit = np.where(known, scale, 1.0)
    values, vectors = np.linalg.eigh(np.where(known[:, None] & known, information / unit / unit[:, None], 0.0))
    sound = values > SINGULAR
    inverse = (vectors[:, sound] / values[sound]) @ vectors[:, sound].T
    numbers = jacobian / unit
    largest = np.abs(numbers).max(axis=1, initial=0.0)
    largest[largest == 0.0] = 1.0
    numbers = numbers / largest[:, None]
    lost = np.linalg.norm(numbers @ vectors[:, ~sound], axis=1)
    size = np.linalg.norm(numbers, axis=1)
    undetermined = (size > 0) & (lost > LOADING * size)
    free = inverse
    if kind == "sandwich":
        free = inverse @ (derivatives.outer / unit / unit[:, None]) @ inverse
    matrix = numbers @ free @ numbers.T
    edges = np.array([bool(n.standing == "edge") for n in derivatives.mixture.numbers], dtype=bool)
    unknown = undetermined | edges
    matrix[unknown] = np.nan
    matrix[:, unknown] = np.nan
    errors = largest * np.sqrt(np.diagonal(matrix))
    with np.errstate(over="ignore"):
        matrix = largest * matrix * largest[:, None]
    slope = derivatives.gradient / unit
    rising = vectors[:, ~sound].T @ slope
    return Covariance(matrix, errors, undetermined, float(slope @ inverse @ slope + rising @ rising))
