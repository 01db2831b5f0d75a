"""One run of EM over an assembly: how it is begun, and what its end means."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from mixtures.assembly import Assembly
from mixtures.engine import loop
from mixtures.engine.loop import Course
from mixtures.engine.plan import FLOORED, Floats, Ints
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
        self._kept: float | None = None
        self._beginning: tuple[Floats, Floats, list[Any]] | None = None

    def remember(self, course: Course) -> None:
        """Keep where a course stands as the beginning of this run."""
        self._beginning = (course.parameters.copy(), course.log_weights.copy(), list(self.assembly.door.components))

    def rewound(self) -> Run:
        """This run at the beginning that it remembers."""
        assert self._beginning is not None
        parameters, log_weights, components = self._beginning
        self.assembly.door.components[:] = components
        old = self.course
        course = Course(old.problem, parameters.copy(), log_weights.copy(), None, None, old.task, old.control)
        new = Run(self.assembly, course)
        new.remember(course)
        return new

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
        """That of the parameters, the last one but in a chain that has gone back to its best; -inf before the first pass."""
        if self._kept is not None:
            return self._kept
        history = self.history
        return float(history[-1]) if len(history) else -np.inf

    @property
    def height(self) -> float:
        """The objective but for rounding, by which runs are ranked: those that meet on one hill keep the order of their starts."""
        return round(self.objective, 9)

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
        """Go on to the end, unless the user or a callback ends it before, or has done so.

        Raises
        ------
        FitError : see :meth:`check`.
        """
        best = BestOfChain(self) if settings.e_step.draws else None
        if not self.interrupted:
            try:
                with self.assembly.door.keeping_interrupts():
                    self.course.run(n_threads or settings.n_threads, self._watch(settings.watch, best))
                self.assembly.door.raise_interrupt()
            except KeyboardInterrupt:
                if not self.course.iteration:
                    raise
                self.interrupted = "interrupted"
                self.course.status = CONTINUE  # a component that was interrupted has failed the pass, not the fit
        if self.course.status == CONTINUE:
            self.interrupted = self.interrupted or "stopped"
            self.course.stop()
        self.check(settings)
        if best is not None:
            self._kept = best.restore(self)

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
        known = self.course.task.known
        if known.size and known[bad[0]] >= 0:
            under = f"component {known[bad[0]]}, which its label names"
        else:
            under = f"the current components, {self.assembly.families()}"
        return f"row {table.row(bad[0])} ({cells}) has log-density {density[bad[0]]} under {under}"


class BestOfChain:
    """The parameters of the highest objective in a chain of stochastic steps, which has no end of its own."""

    def __init__(self, run: Run) -> None:
        self.objective = -np.inf
        self._before = self._best = self._state(run)
        self._floored = False

    def _state(self, run: Run) -> tuple[Floats, Floats, list[Any], Ints]:
        return run.course.parameters.copy(), run.log_weights.copy(), list(run.assembly.door.components), run.course.flags.copy()

    def look(self, run: Run) -> None:
        """After an iteration: its pass told the objective of the parameters that it began with."""
        objective = float(run.course.history[run.course.iteration - 1])
        if objective > self.objective and not self._floored:  # on a floor the likelihood has no bound
            self.objective, self._best = objective, self._before
        self._before, self._floored = self._state(run), run.floored

    def restore(self, run: Run) -> float:
        """At the end: put the best parameters back. Returns their objective."""
        if run.objective < self.objective or run.floored:
            run.course.parameters[:], run.log_weights[:], run.assembly.door.components[:], run.course.flags[:] = self._best
            loop.prepare(run.course.problem, run.course.parameters)
            return self.objective
        return run.objective


def begin(assembly: Assembly, log_weights: Floats, settings: Settings, knowledge: Knowledge = NOTHING, seed: int = 0) -> Run:
    """A run that starts at an assembly's parameters and these weights, which change in place."""
    k = assembly.problem.sizes.n_components
    control = settings.control(k, assembly.is_maximum_likelihood, not assembly.door.components)
    task = settings.task(knowledge, seed)
    run = Run(assembly, Course(assembly.problem, assembly.parameters, log_weights, None, None, task, control))
    if settings.watch is not None:
        run.remember(run.course)
    return run


def run_em(assembly: Assembly, log_weights: Floats, settings: Settings, knowledge: Knowledge = NOTHING, seed: int = 0) -> Run:
    """One run of EM to its end.

    Raises
    ------
    FitError : see :meth:`Run.check`.
    """
    run = begin(assembly, log_weights, settings, knowledge, seed)
    run.go(settings)
    return run
