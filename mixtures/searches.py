"""A search for the best fit to one of very many samples: few starts, clever ones, and moves away from where they end.

All of it is compiled, and runs with the interpreter's lock released. See :mod:`mixtures.initialise` and :mod:`mixtures.escape` for
the search that a single fit takes its time for; this one begins at a fit that is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtures.engine.kmeans import encoded
from mixtures.engine.loop import Course, calls
from mixtures.engine.plan import NO_FLOATS, NO_LABELS, PROGRESS, Floats, Ints
from mixtures.engine.search import try_runs
from mixtures.engine.status import CONTINUE, CONVERGED, EXHAUSTED
from mixtures.engine.team import run_together
from mixtures.escape import ALL_MOVES, LEAST_GAIN, LEAVERS
from mixtures.exceptions import ParameterError
from mixtures.initialise import HOW, KINDS, NO_KINDS, NO_MOVES
from mixtures.replicates import Refit, Refits

SHORT_RUN = 20
"""M-steps that follow every start and every move before the best ones go on."""
FINALISTS = 4


class Search:
    """A search for the best fit of a mixture to a run of rows of its table.

    Parameters
    ----------
    refits : of the mixture to all samples.
    first, stop : the rows.
    seed : of the starts.

    Raises
    ------
    ParameterError : a component lives in Python only.
    """

    def __init__(self, refits: Refits, first: int, stop: int, seed: int) -> None:
        if not refits.is_compiled:
            raise ParameterError("components that live in Python only can be fitted to many samples from one start alone")
        self._refits, self._seed = refits, seed
        self._problem = problem = refits.problem(refits.columns, first, stop, NO_FLOATS)
        s, m = len(refits.columns), stop - first
        ones, order = np.ones(m), np.arange(m)
        z = encoded(problem.whole[-2 * s : -s], problem.whole[-s:], refits.assembly.category_counts(), order, ones)
        self._begun = (calls(), problem, refits.task, refits.control, SHORT_RUN)
        self._data = (z, order, ones, NO_LABELS, seed)

    def best(self, moves: Ints = NO_MOVES, n_starts: int = 0, place: tuple[Floats, Floats] | None = None) -> Refit:
        """The best fit from several starts.

        Parameters
        ----------
        moves : (moves, 2) of component to component: the first one is given half of the rows of the second, all others start where
            they are. A component of weight 0 that is given them splits the other.
        n_starts : starts from clusters of these rows, besides.
        place : packed parameters and logarithms of weights from which the moves lead; None for those of the components.
        """
        courses = self._moved(moves, place or (self._refits.start, self._refits.log_weights)) + self._started(n_starts)
        return best_of(self._at_end(courses))

    def escaped(self, refit: Refit) -> Refit:
        """The fit to which moves lead from one that has ended, as long as they gain anything."""
        for _ in range(2 * len(refit.log_weights)):
            ended = self._at_end(self._moved(promising_moves(refit), (refit.parameters, refit.log_weights)))
            better = best_of([refit, *ended])
            if refit.failed or not better.log_likelihood > refit.log_likelihood + LEAST_GAIN * self._problem.sizes.n_rows:
                break
            refit = better
        return refit

    def _moved(self, moves: Ints, place: tuple[Floats, Floats]) -> list[Course]:
        if not len(moves):
            return []
        outputs = self._outputs(len(moves))
        template = (np.zeros(len(self._refits.log_weights), dtype=bool), *place)
        run_together(1, try_runs, *self._begun, *template, *self._data, NO_KINDS, moves, *HOW, *outputs)
        return self._courses(outputs)

    def _started(self, count: int) -> list[Course]:
        if not count:
            return []
        refits, outputs = self._refits, self._outputs(count)
        kinds = np.array([KINDS[number % len(KINDS)] for number in range(count)])
        fixed = NO_FLOATS if refits.control.moves_weights else refits.log_weights
        template = (np.zeros(len(refits.log_weights), dtype=bool), refits.start, fixed)
        run_together(1, try_runs, *self._begun, *template, *self._data, kinds, NO_MOVES, *HOW, *outputs)
        return self._courses(outputs)

    def _at_end(self, courses: Sequence[Course]) -> list[Refit]:
        """The best courses at their ends."""
        alive = [course for course in courses if course.status in (CONTINUE, CONVERGED, EXHAUSTED)]
        ranked = sorted(alive or courses, key=lambda course: -_height(course))
        return [self._refits.ended(course, self._refits.columns) for course in ranked[:FINALISTS]]

    def _outputs(self, count: int) -> tuple[Any, ...]:
        refits = self._refits
        k, width = len(refits.log_weights), min(SHORT_RUN, refits.settings.max_iter) + 1
        progress = np.zeros((count, PROGRESS + self._problem.sizes.n_plates), np.int64)
        return (
            np.empty((count, refits.start.size)),
            np.empty((count, k)),
            np.empty((count, width)),
            progress,
            np.zeros(count, np.int64),
        )

    def _courses(self, outputs: tuple[Any, ...]) -> list[Course]:
        parameters, log_weights, history, progress, statuses = outputs
        task, control = self._refits.task, self._refits.control
        return [
            Course(self._problem, parameters[n], log_weights[n], history[n], progress[n], task, control, int(status))
            for n, status in enumerate(statuses)
        ]


def best_of(refits: Sequence[Refit]) -> Refit:
    """The one of the highest likelihood, the first of equal ones; a failed one, or one that owes its likelihood to a few rows, only
    where all are."""
    ranked = sorted(refits, key=lambda refit: -np.nan_to_num(refit.log_likelihood, nan=-np.inf))
    return next((refit for refit in ranked if not refit.failed and not refit.is_doubtful()), ranked[0])


def promising_moves(refit: Refit) -> Ints:
    """Moves (moves, 2) of component to component: all of them, or of many those of the components that are missed least, see
    :func:`mixtures.escape.promising_moves`."""
    k = len(refit.log_weights)
    leavers = range(k)
    if k * (k - 1) > ALL_MOVES:
        lost = -np.log1p(-np.minimum(refit.posterior(), 1 - 1e-16)).sum(axis=0)
        leavers = np.argsort(lost, kind="stable")[:LEAVERS].tolist()
    return np.array([(j, target) for j in leavers for target in range(k) if target != j], dtype=np.int64).reshape(-1, 2)


def with_a_spare(components: Sequence[Any], log_weights: Floats) -> tuple[list[Any], Floats, Ints]:
    """A mixture of one component more, of weight 0, with which any other may be split: where a search for its best fit begins.

    Returns
    -------
    k + 1 components, the logarithms of their weights, and moves (k, 2) for :meth:`Search.best`.
    """
    k = len(components)
    moves = np.array([(k, target) for target in range(k)], dtype=np.int64)
    return [*components, components[-1]], np.append(log_weights, -np.inf), moves


def _height(course: Course) -> float:
    past = course.iteration + (course.status != CONTINUE)
    return round(float(course.history[past - 1]), 9) if past else -np.inf
