"""Fitting mixtures of several sizes, and choosing the one with the lowest BIC."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures.engine.plan import Floats, Ints
from mixtures.exceptions import DegenerateWarning, FitError
from mixtures.model import GeneralMixtureModel


@dataclass(frozen=True)
class Candidate:
    """A fitted mixture, its components in order of weight, the largest first; or why it could not be fitted."""

    n_components: int
    components: tuple[Any, ...] = ()
    weights: Floats | None = None
    labels: Ints | None = None
    n_parameters: int = 0
    log_likelihood: float = np.nan
    bic: float = np.inf
    notes: tuple[str, ...] = ()
    degenerate: bool = False
    """Whether the fit ended at the edge of what the data can tell, where a likelihood says nothing."""


def fit_sizes(distribution: Any, X: Any, sizes: Iterable[int], **arguments: Any) -> list[Candidate]:
    """Fit a mixture of each number of components of one distribution; `arguments` are those of the model.

    What a fit warns of, and why one failed, ends in the candidate's notes.
    """
    return [_fit_size(distribution, X, size, arguments) for size in sizes]


def _fit_size(distribution: Any, X: Any, size: int, arguments: dict[str, Any]) -> Candidate:
    model = GeneralMixtureModel(distribution, n_components=size, **arguments)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(X)
            score = model.score(X)
        except FitError as error:
            return Candidate(size, notes=(str(error),), degenerate=True)
    n_rows = len(model.labels_)
    order = np.argsort(-model.weights_, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(size)
    return Candidate(
        size,
        tuple(model.components_[k] for k in order),
        model.weights_[order],
        place[model.labels_],
        model.n_parameters,
        n_rows * score,
        -2 * n_rows * score + model.n_parameters * float(np.log(n_rows)),
        tuple(dict.fromkeys(str(warning.message) for warning in caught)),
        any(issubclass(warning.category, DegenerateWarning) for warning in caught),
    )


def lowest_bic(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate to choose; a degenerate one only where there is no other.

    Raises
    ------
    FitError : no candidate was fitted.
    """
    fitted = [candidate for candidate in candidates if candidate.components]
    if not fitted:
        raise FitError(f"no mixture could be fitted: {candidates[0].notes[0] if candidates else 'no size was asked for'}")
    return min(fitted, key=lambda candidate: (candidate.degenerate, candidate.bic))
