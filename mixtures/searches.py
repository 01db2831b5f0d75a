"""A search for the best fit to one of very many samples: few starts, clever ones, and moves away from where they end.

All of it is compiled, and runs with the interpreter's lock released. See :mod:`mixtures.initialise` and :mod:`mixtures.escape` for
the search that a single fit takes its time for; this one begins at a fit that is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtures.engine.kmeans import encoded
from mixtures.engine.plan import NO_FLOATS, NO_LABELS, Floats, Ints
from mixtures.escape import LEAST_GAIN, leavers, lost_without, moves_of
from mixtures.exceptions import ParameterError
from mixtures.initialise import KINDS, NO_KINDS, NO_MOVES, tried
from mixtures.replicates import Refit, Refits
from mixtures.runs import Run

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
        runs = self._moved(moves, place or (self._refits.start, self._refits.log_weights)) + self._started(n_starts)
        return best_of(self._at_end(runs))

    def escaped(self, refit: Refit) -> Refit:
        """The fit to which moves lead from one that has ended, as long as they gain anything."""
        for _ in range(2 * len(refit.log_weights)):
            ended = self._at_end(self._moved(promising_moves(refit), (refit.parameters, refit.log_weights)))
            better = best_of([refit, *ended])
            if refit.failed or not better.log_likelihood > refit.log_likelihood + LEAST_GAIN * self._problem.sizes.n_rows:
                break
            refit = better
        return refit

    def _moved(self, moves: Ints, place: tuple[Floats, Floats]) -> list[Run]:
        return self._tried(len(moves), place, NO_KINDS, moves)

    def _started(self, count: int) -> list[Run]:
        refits = self._refits
        kinds = np.array([KINDS[number % len(KINDS)] for number in range(count)], dtype=np.int64)
        fixed = NO_FLOATS if refits.control.moves_weights else refits.log_weights
        return self._tried(count, (refits.start, fixed), kinds, NO_MOVES)

    def _tried(self, count: int, place: tuple[Floats, Floats], kinds: Ints, moves: Ints) -> list[Run]:
        if not count:
            return []
        refits = self._refits
        template = (np.zeros(len(refits.log_weights), dtype=bool), *place)
        arguments = (*template, *self._data, kinds, moves)
        return tried(refits.assembly, self._problem, refits.task, refits.control, SHORT_RUN, count, arguments)

    def _at_end(self, runs: Sequence[Run]) -> list[Refit]:
        """The best runs at their ends."""
        alive = [run for run in runs if run.is_regular]
        ranked = sorted(alive or runs, key=lambda run: -run.height)
        return [self._refits.ended(run.course, self._refits.columns) for run in ranked[:FINALISTS]]


def best_of(refits: Sequence[Refit]) -> Refit:
    """The one of the highest likelihood, the first of equal ones; a failed one, or one that owes its likelihood to a few rows, only
    where all are."""
    ranked = sorted(refits, key=lambda refit: -np.nan_to_num(refit.log_likelihood, nan=-np.inf))
    return next((refit for refit in ranked if not refit.failed and not refit.is_doubtful()), ranked[0])


def promising_moves(refit: Refit) -> Ints:
    """Moves (moves, 2) of component to component: all of them, or of many those of the components that are missed least, see
    :func:`mixtures.escape.promising_moves`."""
    k = len(refit.log_weights)
    return moves_of(leavers(k, lambda: lost_without(refit.posterior()).sum(axis=0)), k)


def with_a_spare(components: Sequence[Any], log_weights: Floats) -> tuple[list[Any], Floats, Ints]:
    """A mixture of one component more, of weight 0, with which any other may be split: where a search for its best fit begins.

    Returns
    -------
    k + 1 components, the logarithms of their weights, and moves (k, 2) for :meth:`Search.best`.
    """
    k = len(components)
    moves = np.array([(k, target) for target in range(k)], dtype=np.int64)
    return [*components, components[-1]], np.append(log_weights, -np.inf), moves
