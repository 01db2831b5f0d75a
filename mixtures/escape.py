"""Moves away from a poor optimum: a component is taken from where it is hardly missed, and given half of another one's rows.

Split and merge (Ueda, Nakano, Ghahramani & Hinton 2000, Neural Computation 12): EM follows each move for some iterations, the
best ones to their end, and one that ends higher than before is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mixtures.engine.plan import Floats, Ints
from mixtures.exceptions import FitError
from mixtures.history import Move
from mixtures.initialise import Starter
from mixtures.runs import Run
from mixtures.settings import Settings
from mixtures.spikes import is_doubtful

TRIAL = 15
"""M-steps that follow every move before the best ones go on."""
ALL_MOVES = 12
"""Moves that are all tried where there are no more of them: those of four components."""
LEAVERS = 2
"""Components of many that are taken away in turn, those that are missed least."""
FINALISTS = 2
STARVED_ROWS = 0.1
LEAST_GAIN = 1e-7
"""Of the mean objective, for which a move is kept."""


def escaped(starter: Starter, run: Run, settings: Settings) -> tuple[Run, list[Move]]:
    """The run that moves lead to from where one has ended, on the rows that stand for the table, and those moves."""
    k = len(run.log_weights)
    kept: list[Move] = []
    for _ in range(2 * k):
        moves = promising_moves(run)
        try:
            better = _better(starter, run, moves, settings)
        except KeyboardInterrupt:
            run.interrupted = "interrupted"
            break
        if better is None:
            break
        new, number = better
        kept.append(Move("split and merge", tuple(moves[number].tolist()), new.objective - run.objective))
        run = new
    return run, kept


def _better(starter: Starter, run: Run, moves: Ints, settings: Settings) -> tuple[Run, int] | None:
    """The best run that moves lead to, and the number of its move; None if none is better than where they began."""
    tried = starter.moved(run, moves, TRIAL)
    alive = [n for n, other in enumerate(tried) if other.is_regular and other.floored <= run.floored]
    best, chosen = run, -1
    for number in sorted(alive, key=lambda n: -tried[n].height)[:FINALISTS]:
        try:
            tried[number].go(settings, 1)
        except FitError:
            continue
        if tried[number].interrupted:
            raise KeyboardInterrupt
        is_better = tried[number].objective > best.objective + LEAST_GAIN
        if is_better and not (is_doubtful(tried[number]) and not is_doubtful(run)):
            best, chosen = tried[number], number
    return None if chosen < 0 else (best, chosen)


def promising_moves(run: Run) -> Ints:
    """Moves (moves, 2) of component to component: all of them, or of many those of the components that are missed least."""
    k = len(run.log_weights)
    return moves_of(sorted(leavers(k, lambda: losses(run))), k)


def leavers(n_components: int, losses: Callable[[], Floats]) -> list[int]:
    """Components to be taken away in turn: all, or, of many, those whose `losses` (k,) are least, the least first."""
    if n_components * (n_components - 1) <= ALL_MOVES:
        return list(range(n_components))
    found: list[int] = np.argsort(losses(), kind="stable")[:LEAVERS].tolist()
    return found


def moves_of(leavers: Sequence[int], n_components: int) -> Ints:
    """Moves (moves, 2) of these components to all others."""
    pairs = [(j, target) for j in leavers for target in range(n_components) if target != j]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def losses(run: Run) -> Floats:
    """What the log-likelihood would lose without each component (k,), all else unchanged."""
    assembly, course = run.assembly, run.course
    share = np.empty((assembly.table.n_rows, len(run.log_weights)))
    assembly.evaluate(course.log_weights, 1, course.parameters, posterior=share)
    weights = assembly.problem.weights
    lost = lost_without(share)
    return np.asarray(weights @ lost if weights.size else lost.sum(axis=0))


def lost_without(share: Floats) -> Floats:
    """What every row's log-density would lose without each component, -log(1 - r), given its responsibilities (n, k)."""
    return np.asarray(-np.log1p(-np.minimum(share, 1 - 1e-16)))


def starved(run: Run) -> list[int]:
    """Components that are left with all but nothing: less than a tenth of a row of average weight."""
    rows = run.assembly.table.n_rows
    return [k for k, weight in enumerate(run.weights.tolist()) if weight * rows < STARVED_ROWS]


def reseeded(starter: Starter, run: Run, settings: Settings) -> tuple[Run, list[Move]]:
    """Give every starved component one half of the rows of another one, whichever serves the likelihood best."""
    kept: list[Move] = []
    for _ in run.log_weights:
        places = starved(run)
        if not places:
            break
        others = [target for target in range(len(run.log_weights)) if target not in places]
        moves = np.array([(places[0], target) for target in others], dtype=np.int64)
        tried = [other for other in starter.moved(run, moves, settings.max_iter + 1) if other.is_regular]
        if not tried:
            break
        new = min(tried, key=lambda other: (len(starved(other)), other.floored, -other.height))
        kept.append(Move("re-seeded", (places[0],), new.objective - run.objective))
        if len(starved(new)) >= len(places):
            return (new if new.objective > run.objective else run), kept
        run = new
    return run, kept
