"""How good a mixture is for how many parameters: information criteria."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import xlogy

from mixtures.checks import read_weights
from mixtures.engine.plan import Floats


class FitMeasures(NamedTuple):
    """What the information criteria are made of, and they.

    Attributes
    ----------
    log_likelihood : total, weighted.
    n_rows : sum of weights.
    n_parameters : free ones.
    entropy : total of the posteriors, weighted, in nats.
    """

    log_likelihood: float
    n_rows: float
    n_parameters: int
    entropy: float = 0.0

    @property
    def bic(self) -> float:
        """See :meth:`InformationCriteria.bic`; and so for the others."""
        return -2 * self.log_likelihood + self.n_parameters * float(np.log(self.n_rows))

    @property
    def aic(self) -> float:
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def aicc(self) -> float:
        n, p = self.n_rows, self.n_parameters
        return self.aic + 2 * p * (p + 1) / (n - p - 1) if n > p + 1 else float("inf")

    @property
    def sabic(self) -> float:
        return -2 * self.log_likelihood + self.n_parameters * float(np.log((self.n_rows + 2) / 24))

    @property
    def icl(self) -> float:
        return self.bic + 2 * self.entropy


class InformationCriteria:
    """What a mixture that can name its components and evaluate rows knows of its own quality; lower is better."""

    @abstractmethod
    def _state(self) -> tuple[list[Any], Floats]:
        """Components and weights."""

    @abstractmethod
    def _evaluate(self, X: Any, *wanted: str) -> dict[str, Any]:
        """Outputs of one pass over X."""

    @property
    def n_parameters(self) -> int:
        """Number of free parameters: those of the components, shared ones once, and k - 1 weights."""
        components, _ = self._state()
        own = sum(component.n_parameters for component in components) - _count_repeated(components)
        return int(own) + (len(components) - 1 if self._learns_weights() else 0)

    def _learns_weights(self) -> bool:
        """Whether mixing weights are parameters."""
        return bool(getattr(self, "learn_weights", True))

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Bayesian information criterion -2 log L + p log n, n the sum of weights; lower is better (Schwarz 1978)."""
        return self._fit_measures(X, sample_weight).bic

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike information criterion -2 log L + 2 p; lower is better (Akaike 1974)."""
        return self._fit_measures(X, sample_weight).aic

    def aicc(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike's criterion corrected for few rows, aic + 2 p (p + 1) / (n - p - 1), n the sum of weights; lower is better
        (Hurvich & Tsai 1989). Infinite where n <= p + 1: so few rows cannot speak for so many parameters."""
        return self._fit_measures(X, sample_weight).aicc

    def sabic(self, X: Any, sample_weight: Any = None) -> float:
        """Sample-size adjusted BIC, -2 log L + p log((n + 2) / 24), n the sum of weights; lower is better (Sclove 1987)."""
        return self._fit_measures(X, sample_weight).sabic

    def icl(self, X: Any, sample_weight: Any = None) -> float:
        """Integrated completed likelihood: bic plus twice the entropy of the posteriors (McLachlan & Peel 2000, sec. 6.10.3)."""
        return self._fit_measures(X, sample_weight, entropy=True).icl

    def _fit_measures(self, X: Any, sample_weight: Any, entropy: bool = False) -> FitMeasures:
        """All criteria, of one pass over X; ``icl`` with `entropy` only."""
        total, n, spread = self._likelihood(X, sample_weight, entropy)
        return FitMeasures(total, n, self.n_parameters, spread)

    def _likelihood(self, X: Any, sample_weight: Any, entropy: bool = False) -> tuple[float, float, float]:
        out = self._evaluate(X, "density", *(["posterior"] if entropy else []))
        density = out["density"]
        weights = read_weights(sample_weight, len(density))
        weights = np.ones(len(density)) if weights is None else weights
        seen = weights > 0
        spread = 0.0
        if entropy:
            share = out["posterior"][seen]
            spread = -float(weights[seen] @ xlogy(share, share).sum(axis=1))
        return float(weights[seen] @ density[seen]), float(weights.sum()), spread


def _count_repeated(components: Sequence[Any]) -> int:
    """How many numbers are parameters tied to those of an earlier component, on the same columns."""
    seen: set[Any] = set()
    repeated = 0
    for component in components:
        for key, factor in getattr(component, "factors", {None: component}).items():
            for name in getattr(factor, "tied_names", ()):
                group = key, factor._tie_kind, name
                repeated += factor._count(name) if group in seen else 0
                seen.add(group)
    return repeated
