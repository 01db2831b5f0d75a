"""One candidate of a selection: a mixture to fit, how well it fits and generalises, and whether its likelihood can be trusted.

A fit that warned of degeneracy, other than that a family has become a simpler one, or that owes its likelihood to a component about
a few rows, is degenerate: its likelihood says nothing about the data, and it is never chosen while there is another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import _safe_indexing

from mixtures.criteria import FitMeasures
from mixtures.engine.plan import Floats, Ints
from mixtures.exceptions import DegenerateWarning, FitError, LimitWarning, ParameterError
from mixtures.model import GeneralMixtureModel
from mixtures.parts import take_apart
from mixtures.spikes import has_spike
from mixtures.table import Table
from mixtures.warn import collected

INFORMATION = ("bic", "aic", "aicc", "sabic", "icl")
"""Criteria that a fit to all rows tells; lower is better."""
CRITERIA = (*INFORMATION, "cv")
"""All of them; of "cv", the cross-validated mean log-density of a row, higher is better."""
SPIKE = "a component stands on a few rows that happen to lie close, to which the likelihood owes its height"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mixture of a selection.

    Attributes
    ----------
    name : of its components' specification.
    n_components : int.
    model : the fitted :class:`~mixtures.GeneralMixtureModel`; None where it could not be fitted.
    measures : log-likelihood, rows, parameters and entropy, with the information criteria; None as above.
    cv, cv_error : cross-validated mean log-density of a row, and its standard error over the folds; NaN where it was not asked for.
    notes : what the fit warned of, or why it failed.
    degenerate : whether it ended at the edge of what the data can tell, where a likelihood says nothing, or failed.
    simplified : whether a component's family has become a simpler one, at an end of a parameter's range.
    """

    name: str
    n_components: int
    model: Any = None
    measures: FitMeasures | None = None
    cv: float = np.nan
    cv_error: float = np.nan
    notes: tuple[str, ...] = ()
    degenerate: bool = False
    simplified: bool = False

    @property
    def is_fitted(self) -> bool:
        """Whether there is a model."""
        return self.model is not None

    def criterion(self, name: str) -> float:
        """A criterion by name; NaN where there is none."""
        if name == "cv":
            return self.cv
        return np.nan if self.measures is None else float(getattr(self.measures, name))

    @property
    def converged(self) -> bool:
        """Whether EM ended because nothing was left to gain."""
        return self.is_fitted and bool(self.model.converged_)

    # --- its components in order of weight, the largest first ---

    @property
    def _by_weight(self) -> Ints:
        return np.argsort(-self.model.weights_, kind="stable")

    @property
    def components(self) -> tuple[Any, ...]:
        """Fitted components, in order of weight, the largest first."""
        return tuple(self.model.components_[k] for k in self._by_weight)

    @property
    def weights(self) -> Floats:
        """(k,) in the order of :attr:`components`."""
        return np.asarray(self.model.weights_[self._by_weight])

    @property
    def labels(self) -> Ints:
        """(n,) most probable component of every training row, by its place in :attr:`components`; -1 for a row of weight zero."""
        place = np.empty(self.n_components + 1, dtype=np.int64)
        place[self._by_weight], place[-1] = np.arange(self.n_components), -1
        return np.asarray(place[self.model.labels_])


class Plan(NamedTuple):
    """A model that has not been fitted, with the name of its components."""

    name: str
    model: GeneralMixtureModel

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.model._listed_components())


class Rows(NamedTuple):
    """The caller's rows, their weights, and the table that they are."""

    X: Any
    weights: Floats | None
    table: Table


def fitted(plan: Plan, rows: Rows) -> Candidate:
    """The candidate of a plan; one without a model where its fit failed."""
    size, model = plan.n_components, plan.model
    seen = rows.table.n_rows if rows.weights is None else int(np.count_nonzero(rows.weights))
    if size > seen:
        return Candidate(plan.name, size, notes=(f"more components than rows, of which there are {seen}",), degenerate=True)
    with collected() as warned:
        try:
            model.fit(rows.X, sample_weight=rows.weights)
            measures = model._fit_measures(rows.X, rows.weights, entropy=True)
        except (FitError, ParameterError) as error:
            return Candidate(plan.name, size, notes=(str(error),), degenerate=True)
    notes = list(dict.fromkeys(message for message, _ in warned))
    degenerate = any(issubclass(kind, DegenerateWarning) and not issubclass(kind, LimitWarning) for _, kind in warned)
    if not degenerate and has_spike(take_apart(model.components_, rows.table), model.weights_ * seen, rows.table):
        degenerate, notes = True, [*notes, SPIKE]
    simplified = any(issubclass(kind, LimitWarning) for _, kind in warned)
    size = len(model.components_)
    return Candidate(plan.name, size, model, measures, notes=tuple(notes), degenerate=degenerate, simplified=simplified)


class Fold(NamedTuple):
    """Mean log-density of a row that was held out, their weight, and why there is none."""

    score: float
    weight: float
    note: str = ""


def held_out(plan: Plan, rows: Rows, train: Ints, test: Ints) -> Fold:
    """What a fit to the rows `train` makes of the rows `test`."""
    if plan.n_components > len(train):
        return Fold(np.nan, 1.0, f"cross-validation: more components than the {len(train)} rows of a fit")
    weights = rows.weights
    own, other = (None, None) if weights is None else (weights[train], weights[test])
    with collected():  # of all rows; a fold's warnings would repeat them
        try:
            plan.model.fit(_safe_indexing(rows.X, train), sample_weight=own)
            score = plan.model.score(_safe_indexing(rows.X, test), sample_weight=other)
        except (FitError, ParameterError) as error:
            return Fold(np.nan, 1.0, f"cross-validation: {error}")
    note = "" if score > -np.inf else "cross-validation: a row that was held out has density zero under the fit to the others"
    return Fold(score, float(len(test)) if other is None else float(other.sum()), note)


def over_folds(folds: Sequence[Fold]) -> Mapping[str, Any]:
    """Mean over all rows that were held out in turn, its standard error over the folds, and notes."""
    scores, weights = np.array([fold.score for fold in folds]), np.array([fold.weight for fold in folds])
    with np.errstate(invalid="ignore"):
        error = float(np.std(scores, ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 and np.isfinite(scores).all() else np.nan
        mean = float(weights @ scores / weights.sum())
    return {"cv": mean, "cv_error": error, "notes": tuple(dict.fromkeys(fold.note for fold in folds if fold.note))}
