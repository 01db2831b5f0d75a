"""How a model is to be fitted, checked and in the form that compiled code reads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaln

from mixtures.e_steps import SOFT, EStep
from mixtures.engine.plan import NO_FLOATS, NO_LABELS, NO_MATRIX, STATISTICS_OF_DENSITIES, Control, Task
from mixtures.knowledge import Knowledge

STARVED = ("report", "drop", "re-seed")
"""What may become of components that are left without rows."""


class Settings(NamedTuple):
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
    start: Any = "clusters"
    """"clusters", "random", or :class:`mixtures.knowledge.Knowledge` of every row: labels, or responsibilities."""
    accelerate: bool = True
    watch: Any = None
    """Called with the run after every iteration; True ends it. See :mod:`mixtures.watching`."""

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

    def control(self, n_components: int, watches: bool, is_compiled: bool) -> Control:
        """How EM goes on from pass to pass; `watches`: every component maximises its likelihood; `is_compiled`: none lives in
        Python only."""
        constant, extra = 0.0, np.zeros(n_components)
        if self.concentrations and self.learn_weights:
            concentrations = np.array(self.concentrations)
            constant = float(gammaln(concentrations.sum()) - gammaln(concentrations).sum())
            extra = concentrations - 1.0
        # Hard assignments settle in finitely many steps, drawn ones never; a tolerance of 0 asks for EM's own steps.
        steady = not self.e_step.draws and self.e_step.components != 1 and self.tol > 0.0
        accelerates = self.accelerate and steady and watches and is_compiled and n_components > 1
        return Control(self.max_iter, self.tol, self.learn_weights, watches, self.e_step.warming, extra, constant, accelerates)
