"""How well a mixture tells its components apart: on rows (entropies of assignments), and by itself (overlap).

With responsibilities r_ik of n rows, H_i = - sum over k of r_ik log r_ik is the entropy of the assignment of row i, between 0 and
log K. Two measures of all rows put it between 0, nothing is told, and 1, everything is:

    relative entropy    1 - sum H_i / (n log K)     (Ramaswamy et al. 1993, Marketing Science 12; the "entropy" of Mplus)
    entropy R^2         1 - sum H_i / (n H(w))      with H(w) that of the weights (Vermunt & Magidson 2016, Latent GOLD guide)

Overlap of components is that of Maitra & Melnykov (2010, "Simulating data to study performance of finite mixture modeling and
clustering algorithms", JCGS 19): the probability that a row of component i is more probable as one of component j,

    omega_j|i = P(w_j f_j(X) > w_i f_i(X)),   X drawn from f_i,

for pairs omega_ij = omega_j|i + omega_i|j. They have it for Normals; here it is found by simulation, for any family, and ties,
which counts and categories have, are shared in halves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import xlogy

from mixtures.distributions.base import generator_of
from mixtures.divergences import Estimate
from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.leaves import Leaves


@dataclass(frozen=True, eq=False)
class Overlap:
    """Overlap of the components of a mixture, by simulation.

    Attributes
    ----------
    probabilities : (k, k), at [i, j] the probability that a row of component i is more probable as one of j; 1 at [i, i], as
        MixSim has it.
    standard_errors : (k, k), of the simulation.
    error : :class:`~mixtures.divergences.Estimate` of the probability that the most probable component of a row is not its own.
    """

    probabilities: Floats
    standard_errors: Floats
    error: Estimate

    @property
    def pairs(self) -> Floats:
        """Overlap of every two components, the sum of both probabilities, (k, k); 1 on the diagonal."""
        found = self.probabilities + self.probabilities.T
        np.fill_diagonal(found, 1.0)
        return found

    @property
    def mean(self) -> float:
        """Mean overlap of two components; 0 for a single one."""
        above = self.pairs[np.triu_indices(len(self.probabilities), 1)]
        return float(above.mean()) if len(above) else 0.0

    @property
    def largest(self) -> float:
        """Largest overlap of two components; 0 for a single one."""
        return float(self.pairs[np.triu_indices(len(self.probabilities), 1)].max(initial=0.0))


def entropies(responsibilities: Floats) -> Floats:
    """Entropy of every row's assignment, in nats, (n,), of responsibilities (n, k)."""
    found: Floats = -xlogy(responsibilities, responsibilities).sum(axis=1) + 0.0
    return found


def overlap(leaves: Leaves, weights: Floats, n_draws: int, random_state: Any, n_threads: int = 1) -> Overlap:
    """Overlap of the components of a mixture, of weights (k,), `n_draws` rows drawn from each that has weight."""
    if not isinstance(n_draws, (int, np.integer)) or n_draws < 1:
        raise ParameterError(f"n_draws must be a whole number >= 1, found {n_draws!r}")
    random = generator_of(random_state)
    k = len(weights)
    probabilities, errors, variance = np.zeros((k, k)), np.zeros((k, k)), 0.0
    missed = 0.0
    for i in np.flatnonzero(weights > 0):
        own = np.flatnonzero((leaves.component == i) & (leaves.weights > 0))
        leaf = own[random.choice(len(own), size=n_draws, p=leaves.weights[own] / leaves.weights[own].sum())]
        joint = by_component(leaves.log_joint(leaves.draw(n_draws, random, leaf), n_threads), leaves.component, k)
        with np.errstate(invalid="ignore"):
            gap = joint - joint[:, i : i + 1]
        wins = (gap > 0.0) + 0.5 * (gap == 0.0)
        probabilities[i], errors[i] = wins.mean(axis=0), wins.std(axis=0) / math.sqrt(n_draws)
        best = joint.max(axis=1, keepdims=True)
        share = (joint[:, i] == best[:, 0]) / (joint == best).sum(axis=1)
        missed += float(weights[i]) * float(1.0 - share.mean())
        variance += float(weights[i]) ** 2 * float(share.var()) / n_draws
    np.fill_diagonal(probabilities, 1.0)
    np.fill_diagonal(errors, 0.0)
    return Overlap(probabilities, errors, Estimate(missed, math.sqrt(variance)))


def by_component(joint: Floats, component: Any, k: int) -> Floats:
    """Log-joints of leaves (n, K) added up to those of the k components they belong to, (n, k)."""
    if len(component) == k:
        return joint
    out = np.full((len(joint), k), -np.inf)
    for leaf, owner in enumerate(component):
        out[:, owner] = np.logaddexp(out[:, owner], joint[:, leaf])
    return out
