"""One run of EM over an assembly: how it is begun, and what its end means."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from mixtures.assembly import Assembly
from mixtures.engine import loop
from mixtures.engine.loop import Course
from mixtures.engine.plan import FLOORED, Floats
from mixtures.engine.status import CONTINUE, CONVERGED, EXHAUSTED, FELL, IMPOSSIBLE, MESSAGES, NOT_A_NUMBER
from mixtures.exceptions import FitError
from mixtures.history import Move
from mixtures.knowledge import NOTHING, Knowledge
from mixtures.settings import Settings

logger = logging.getLogger("mixtures")


class Run:
    """A run of EM from packed components.

    Attributes
    ----------
    assembly, course : the model over its rows, and where EM stands.
    moves : what led to where it began and was no EM step.
    interrupted : "interrupted" by the user, "stopped" by a callback, or "".
    """

    def __init__(self, assembly: Assembly, course: Course) -> None:
        self.assembly = assembly
        self.course = course
        self.interrupted = ""
        self.moves: list[Move] = []

    @property
    def log_weights(self) -> Floats:
        """Logarithms of the mixing proportions (k,)."""
        return self.course.log_weights

    @property
    def weights(self) -> Floats:
        """Mixing proportions (k,)."""
        return np.exp(self.course.log_weights)

    @property
    def history(self) -> Floats:
        """Mean objective of a row at the start and after each iteration, as far as passes have told it."""
        return self.course.history[: self.course.iteration + (self.course.status != CONTINUE)]

    @property
    def objective(self) -> float:
        """The last one; -inf before the first pass."""
        history = self.history
        return float(history[-1]) if len(history) else -np.inf

    @property
    def converged(self) -> bool:
        """Whether it ended because nothing was left to gain."""
        return self.course.status == CONVERGED

    @property
    def floored(self) -> bool:
        """Whether the last M-step held a scale at its floor."""
        return any([flag & FLOORED for flag in self.course.flags.tolist()])

    @property
    def row_weights(self) -> Floats | None:
        """Weights of the rows (n,); None for 1."""
        weights = self.assembly.problem.weights
        return weights if weights.size else None

    @property
    def is_regular(self) -> bool:
        """Whether nothing has gone wrong so far."""
        return self.course.status in (CONTINUE, CONVERGED, EXHAUSTED)

    def go(self, settings: Settings, n_threads: int | None = None) -> None:
        """Go on to the end, unless the user or a callback ends it before.

        Raises
        ------
        FitError : see :meth:`check`.
        """
        watch, best = settings.watch, None
        if settings.e_step.draws:
            best = BestOfChain(self)
        try:
            self.course.run(n_threads or settings.n_threads, self._watch(watch, best))
        except KeyboardInterrupt:
            if not self.course.iteration:
                raise
            self.interrupted = "interrupted"
        if self.course.status == CONTINUE:
            self.interrupted = self.interrupted or "stopped"
            self.course.stop()
        self.check(settings)
        if best is not None:
            best.restore(self)

    def _watch(self, watch: Any, best: BestOfChain | None) -> Any:
        """What the course calls after every iteration, if anything."""
        if watch is None and best is None:
            return None

        def look(course: Course) -> bool:
            if best is not None:
                best.look(self)
            return watch is not None and bool(watch(self))

        return look

    def check(self, settings: Settings) -> None:
        """Raise what ended the run, if that was no regular end.

        Raises
        ------
        FitError : the log-likelihood was not finite, or fell, or a component found no parameters.
        """
        self.assembly.door.raise_error()
        status = self.course.status
        if status in (CONVERGED, EXHAUSTED):
            if settings.verbose:
                logger.info("EM run: %d iterations, mean log-likelihood %.9g", self.course.iteration, self.objective)
            return
        values: dict[str, Any] = {"iteration": self.course.iteration, "families": self.assembly.families(), "where": ""}
        if status in (IMPOSSIBLE, NOT_A_NUMBER):
            values["where"] = self._blame()
        if status == FELL:
            values["before"], values["after"] = self.course.history[self.course.iteration - 1 : self.course.iteration + 1]
        raise FitError(MESSAGES[status].format(**values))

    def _blame(self) -> str:
        """The first row that stopped the run, in words."""
        table = self.assembly.table
        density = np.empty(table.n_rows)
        self.assembly.evaluate(self.log_weights, parameters=self.course.parameters, task=self.course.task, density=density)
        bad = np.flatnonzero(~np.isfinite(density))
        if not len(bad):
            return "the sum over rows is not finite"
        cells = ", ".join(f"{table.where(j)}: {table.value(j, int(bad[0]))}" for j in range(min(8, table.n_columns)))
        families = self.assembly.families()
        return f"row {table.row(bad[0])} ({cells}) has log-density {density[bad[0]]} under the current components, {families}"


class BestOfChain:
    """The parameters of the highest objective in a chain of stochastic steps, which has no end of its own."""

    def __init__(self, run: Run) -> None:
        self.objective = -np.inf
        self._before = self._best = self._state(run)
        self._floored = False

    def _state(self, run: Run) -> tuple[Floats, Floats, list[Any]]:
        return run.course.parameters.copy(), run.course.log_weights.copy(), list(run.assembly.door.components)

    def look(self, run: Run) -> None:
        """After an iteration: its pass told the objective of the parameters that it began with."""
        objective = float(run.course.history[run.course.iteration - 1])
        if objective > self.objective and not self._floored:  # on a floor the likelihood has no bound
            self.objective, self._best = objective, self._before
        self._before, self._floored = self._state(run), run.floored

    def restore(self, run: Run) -> None:
        """At the end: put the best parameters back."""
        if run.objective < self.objective or run.floored:
            run.course.parameters[:], run.course.log_weights[:], run.assembly.door.components[:] = self._best
            loop.prepare(run.course.problem, run.course.parameters)


def begin(assembly: Assembly, log_weights: Floats, settings: Settings, knowledge: Knowledge = NOTHING, seed: int = 0) -> Run:
    """A run that starts at an assembly's parameters and these weights, which change in place."""
    control = settings.control(assembly.problem.sizes.n_components, assembly.is_maximum_likelihood)
    return Run(assembly, Course(assembly.problem, assembly.parameters, log_weights, settings.task(knowledge, seed), control))


def run_em(assembly: Assembly, log_weights: Floats, settings: Settings, knowledge: Knowledge = NOTHING, seed: int = 0) -> Run:
    """One run of EM to its end.

    Raises
    ------
    FitError : see :meth:`Run.check`.
    """
    run = begin(assembly, log_weights, settings, knowledge, seed)
    run.go(settings)
    return run


def safe_log(weights: Floats) -> Floats:
    """Logarithm of weights; -inf for 0, without a warning."""
    if 0.0 not in weights.tolist():
        return np.log(weights)
    with np.errstate(divide="ignore"):
        return np.log(weights)
