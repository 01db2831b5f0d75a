"""How a model is to be fitted, checked and in the form that compiled code reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import gammaln

from mixtures.e_steps import SOFT, EStep
from mixtures.engine.plan import NO_FLOATS, NO_LABELS, NO_MATRIX, STATISTICS_OF_DENSITIES, Control, Floats, Ints, Task


@dataclass(frozen=True)
class Knowledge:
    """What is known of the rows' components beforehand.

    labels : (n,) a component, or -1 for unknown; size 0: nothing is known.
    beliefs : (n, k) logs of plausibilities; size 0: nothing is believed.
    """

    labels: Ints = field(default_factory=lambda: NO_LABELS)
    beliefs: Floats = field(default_factory=lambda: NO_MATRIX)

    def take(self, rows: Ints) -> Knowledge:
        """What is known of these rows."""
        if not self:
            return self
        return Knowledge(
            self.labels[rows] if self.labels.size else self.labels, self.beliefs[rows] if self.beliefs.size else self.beliefs
        )

    def hints(self, rows: Ints) -> Ints:
        """Labels of these rows to start from: the known ones, or those that are believed more than all others together; -1 for the
        others; size 0 where nothing is known."""
        if self.labels.size:
            return self.labels[rows]
        if self.beliefs.size:
            beliefs = np.exp(self.beliefs[rows])
            return np.where(beliefs.max(axis=1) > 0.5 * beliefs.sum(axis=1), beliefs.argmax(axis=1), -1)
        return NO_LABELS

    def __bool__(self) -> bool:
        return bool(self.labels.size or self.beliefs.size)


NOTHING = Knowledge()


@dataclass(frozen=True)
class Settings:
    """How to run EM; the arguments of the same names of the model."""

    tol: float
    max_iter: int
    n_init: int | None = 1
    random_state: Any = None
    n_threads: int = 1
    verbose: int = 0
    e_step: EStep = SOFT
    learn_weights: bool = True
    concentrations: tuple[float, ...] = ()
    starved: str = "report"
    escape: bool = True
    callbacks: Sequence[Callable[..., Any]] = ()

    def task(self, knowledge: Knowledge, seed: int) -> Task:
        """What a pass of EM does."""
        kind, draws = self.e_step, seed if self.e_step.draws else -1
        return Task(
            STATISTICS_OF_DENSITIES,
            0.0,
            kind.components,
            kind.sharpness,
            draws,
            knowledge.labels,
            knowledge.beliefs,
            NO_LABELS,
            NO_FLOATS,
            NO_MATRIX,
            NO_MATRIX,
        )

    def control(self, n_components: int, watches: bool) -> Control:
        """How EM goes on from pass to pass; `watches`: every component maximises its likelihood."""
        if self.concentrations and self.learn_weights:
            concentrations = np.array(self.concentrations)
            constant = float(gammaln(concentrations.sum()) - gammaln(concentrations).sum())
            extra = concentrations - 1.0
        else:
            constant, extra = 0.0, np.zeros(n_components)
        return Control(self.max_iter, self.tol, self.learn_weights, watches, self.e_step.warming, extra, constant)
