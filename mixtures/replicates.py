"""One mixture fitted to very many samples: those of a bootstrap, or draws of a model under which a statistic is to be judged.

All samples are laid out once. Drawn ones are one long table, of which each is a run of rows; resampled ones are counts of the rows
of one table, of which those that were drawn at all are gathered. What changes from fit to fit is where the rows begin and
what they weigh, so that little of a fit happens in Python, and the rest of it, with the interpreter's lock released, on several
threads. Every sample has its own draws and its own result: neither depends on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from mixtures.assembly import Assembly
from mixtures.engine import loop
from mixtures.engine.kmeans import encoded
from mixtures.engine.loop import Course, calls
from mixtures.engine.plan import FLOORED, NO_FLOATS, NO_LABELS, PROGRESS, Floats, Ints, Problem
from mixtures.engine.search import try_moves, try_starts
from mixtures.engine.status import CONTINUE, CONVERGED, EXHAUSTED
from mixtures.engine.team import run_together
from mixtures.exceptions import MixturesError, ParameterError
from mixtures.initialise import KINDS, LLOYD_ITERATIONS, SOFTNESS, START_STEPS
from mixtures.knowledge import NOTHING
from mixtures.parts import Parts
from mixtures.runs import begin
from mixtures.settings import Settings
from mixtures.spikes import has_spike
from mixtures.table import Table, address_of_row_0

SHORT_RUN = 15
"""M-steps of every start before the best ones go on."""
FINALISTS = 2


@dataclass
class Refit:
    """One fit.

    Attributes
    ----------
    parameters, log_weights : packed, as the assembly of the fits knows them.
    log_likelihood : total, with log-priors; NaN where the fit failed.
    converged : whether it ended because nothing was left to gain.
    failed : whether it ended where no parameters could be found, or the likelihood was not finite.
    floored : whether a scale was held at its floor.
    assembly : what these parameters are packed for.
    """

    parameters: Floats
    log_weights: Floats
    log_likelihood: float
    converged: bool
    failed: bool
    floored: bool
    assembly: Assembly
    problem: Problem
    rows: Any = None  # what the problem's addresses point to
    before: Floats | None = None  # responsibilities by the parameters that it began with, where those cannot be asked for later

    def components(self) -> list[Any]:
        """The fitted components."""
        return self.assembly.unpack(self.parameters)

    def parts(self) -> list[Parts]:
        """The fitted components, in parts."""
        return self.assembly.unpack_parts(self.parameters)

    def is_doubtful(self) -> bool:
        """Whether it met a floor, or one of its components is a spike."""
        rows = np.exp(self.log_weights) * self.problem.sizes.n_rows
        return self.floored or has_spike(self.parts(), rows, self.assembly.table)

    def posterior(self, parameters: Floats | None = None, log_weights: Floats | None = None) -> Floats:
        """Responsibilities (rows, k) of its rows, by its own parameters or others."""
        out = np.empty((self.problem.sizes.n_rows, len(self.log_weights)))
        own = self.parameters if parameters is None else parameters
        shares = self.log_weights if log_weights is None else log_weights
        loop.evaluate(self.problem, own, shares, posterior=out)
        return out


class Refits:
    """Fits of one mixture to samples of a table, by EM from the parameters that its components bring.

    Parameters
    ----------
    components : the parts of k complete distributions.
    table : the rows of all samples, none of weight zero.
    log_weights : (k,) of the mixture.
    settings : how EM is run; without draws or a watch.

    Notes
    -----
    Samples are given as runs of rows (:meth:`of_rows`) or as counts of all rows (:meth:`of_counts`). Components that only Python
    knows are fitted as well, at Python's pace.
    """

    def __init__(self, components: Sequence[Parts], table: Table, log_weights: Floats, settings: Settings) -> None:
        self.table, self.settings = table, settings._replace(n_threads=1, watch=None)
        self._components = components
        self.assembly = Assembly(components, table)
        self.start = self.assembly.parameters.copy()
        self.log_weights = np.asarray(log_weights, dtype=float)
        self._task = self.settings.task(NOTHING, 0)
        k = len(self.log_weights)
        self._control = self.settings.control(k, self.assembly.is_maximum_likelihood, self.is_compiled)
        self._columns = self._sources() if self.is_compiled else np.empty((0, 0))

    @property
    def is_compiled(self) -> bool:
        """Whether no component lives in Python only."""
        return not self.assembly.door.components

    def _sources(self) -> Floats:
        """The columns that the plan reads (sources, n), as it reads them."""
        assembly = self.assembly
        columns = []
        for j in assembly.source_columns:
            categories = assembly._columns[j].categories
            columns.append(self.table.numbers(j) if categories is None else self.table.codes(j, categories))
        return np.array(columns, dtype=np.float64)

    def _problem(self, rows: Floats, first: int, stop: int, weights: Floats) -> Problem:
        """The problem over columns first to stop of `rows` (sources, m)."""
        old, s = self.assembly.problem, len(rows)
        whole = old.whole.copy()
        whole[-2 * s : -s] = address_of_row_0(rows) + rows.strides[0] * np.arange(s) + first * rows.strides[1]
        whole[-s:] = rows.strides[1]
        return Problem(old.sizes._replace(n_rows=stop - first), whole, old.scales, weights)

    def of_rows(self, first: int, stop: int) -> Refit:
        """The fit to a run of rows."""
        if self.is_compiled:
            return self._refit(self._problem(self._columns, first, stop, NO_FLOATS), self._columns)
        return self._in_python(np.arange(first, stop), None)

    def of_counts(self, counts: Ints) -> Refit:
        """The fit to all rows, each so many times (n,)."""
        (drawn,) = np.nonzero(counts)
        weights = counts[drawn].astype(np.float64)
        if self.is_compiled:
            rows = np.ascontiguousarray(self._columns[:, drawn])
            return self._refit(self._problem(rows, 0, len(drawn), weights), rows)
        return self._in_python(drawn, weights)

    def searched(
        self,
        first: int,
        stop: int,
        moves: Ints,
        n_starts: int,
        seed: int,
        finalists: int = FINALISTS,
        place: tuple[Floats, Floats] | None = None,
    ) -> Refit:
        """The best fit to a run of rows from several starts; one that is doubtful, see :mod:`mixtures.spikes`, only where all are.

        Parameters
        ----------
        first, stop : the rows.
        moves : (moves, 2) of component to component: the first one is given half of the rows of the second, all others start where
            they are. A component of weight 0 that is given them splits the other.
        n_starts : starts from clusters of these rows, besides.
        seed : of the starts.
        finalists : starts that go on to their ends.
        place : packed parameters and logarithms of weights from which the moves lead; None for those of the components.
        """
        if not self.is_compiled:
            raise ParameterError("components that live in Python only can be fitted to many samples from one start alone")
        problem = self._problem(self._columns, first, stop, NO_FLOATS)
        m, k = stop - first, len(self.log_weights)
        ones, order = np.ones(m), np.arange(m)
        s = len(self._columns)
        z = encoded(problem.whole[-2 * s : -s], problem.whole[-s:], self.assembly.category_counts(), order, ones)
        begun = (calls(), problem, self._task, self._control, SHORT_RUN)
        data = (z, order, ones, NO_LABELS, seed)
        courses = []
        if len(moves):
            outputs = self._outputs(len(moves))
            rest = (moves, SOFTNESS, START_STEPS)
            run_together(1, try_moves, *begun, *(place or (self.start, self.log_weights)), *data, *rest, *outputs)
            courses += self._courses(problem, outputs)
        if n_starts:
            outputs = self._outputs(n_starts)
            kinds = np.array([KINDS[number % len(KINDS)] for number in range(n_starts)])
            fixed = NO_FLOATS if self._control.moves_weights else self.log_weights
            template = (np.zeros(k, dtype=bool), self.start, fixed)
            run_together(1, try_starts, *begun, *template, *data, kinds, SOFTNESS, LLOYD_ITERATIONS, START_STEPS, *outputs)
            courses += self._courses(problem, outputs)
        alive = [course for course in courses if course.status in (CONTINUE, CONVERGED, EXHAUSTED)]
        ranked = sorted(alive or courses, key=lambda course: -_height(course))
        ended = [self._ended(course, self._columns) for course in ranked[:finalists]]
        return best_of(ended)

    def _outputs(self, count: int) -> tuple[Any, ...]:
        k, width = len(self.log_weights), min(SHORT_RUN, self.settings.max_iter) + 1
        progress = np.zeros((count, PROGRESS + self.assembly.problem.sizes.n_plates), np.int64)
        return (
            np.empty((count, self.start.size)),
            np.empty((count, k)),
            np.empty((count, width)),
            progress,
            np.zeros(count, np.int64),
        )

    def _courses(self, problem: Problem, outputs: tuple[Any, ...]) -> list[Course]:
        parameters, log_weights, history, progress, statuses = outputs
        return [
            Course(problem, parameters[n], log_weights[n], history[n], progress[n], self._task, self._control, int(status))
            for n, status in enumerate(statuses)
        ]

    def _refit(self, problem: Problem, rows: Floats) -> Refit:
        course = Course(problem, self.start.copy(), self.log_weights.copy(), None, None, self._task, self._control)
        return self._ended(course, rows)

    def _ended(self, course: Course, rows: Any, assembly: Assembly | None = None) -> Refit:
        """What a course ends with."""
        course.run(1)
        assembly = self.assembly if assembly is None else assembly
        failed = course.status not in (CONVERGED, EXHAUSTED)
        problem, weights = course.problem, course.problem.weights
        total = float(weights.sum()) if weights.size else float(problem.sizes.n_rows)
        value = np.nan if failed else total * float(course.history[course.iteration])
        floored = any(flag & FLOORED for flag in course.flags.tolist())
        ended = course.status == CONVERGED
        return Refit(course.parameters, course.log_weights, value, ended, failed, floored, assembly, problem, rows)

    def _in_python(self, rows: Ints, weights: Floats | None) -> Refit:
        """The fit of components some of which only Python knows."""
        part = self.table.take(rows)
        assembly = Assembly(self._components, part, weights)
        before = np.empty((len(rows), len(self.log_weights)))
        assembly.evaluate(self.log_weights, posterior=before)
        run = begin(assembly, self.log_weights.copy(), self.settings)
        refit = self._ended(run.course, part, assembly)
        refit.before = before
        try:
            assembly.door.raise_error()
        except MixturesError:
            refit.failed, refit.log_likelihood = True, np.nan
        return refit


def best_of(refits: Sequence[Refit]) -> Refit:
    """The one of the highest likelihood; a failed one, or one that owes its likelihood to a few rows, only where all are."""
    ranked = sorted(refits, key=lambda refit: -np.nan_to_num(refit.log_likelihood, nan=-np.inf))
    return next((refit for refit in ranked if not refit.failed and not refit.is_doubtful()), ranked[0])


def with_a_spare(components: Sequence[Any], log_weights: Floats) -> tuple[list[Any], Floats, Ints]:
    """A mixture of one component more, where a search for its best fit may begin: one of weight 0, that any other may be split with.

    Returns
    -------
    k + 1 components, the logarithms of their weights, and moves (k, 2) for :meth:`Refits.searched`.
    """
    k = len(components)
    moves = np.array([(k, target) for target in range(k)], dtype=np.int64)
    return [*components, components[-1]], np.append(log_weights, -np.inf), moves


def _height(course: Course) -> float:
    past = course.iteration + (course.status != CONTINUE)
    return round(float(course.history[past - 1]), 9) if past else -np.inf


def side_by_side(function: Callable[[Any], Any], items: Iterable[Any], n_threads: int, batch: int = 256) -> Iterator[Any]:
    """``function(item)`` of every item, in their order, on so many threads; the calling thread makes the items, some at a time."""
    items = iter(items)
    if n_threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        while chosen := list(islice(items, batch)):
            yield from pool.map(function, chosen)
