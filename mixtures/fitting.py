"""From components and a table to the best EM run: starts, runs, and what a run's end means to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from mixtures import templates
from mixtures.assembly import Assembly
from mixtures.engine.loop import sharpness_at, steps_of_a_slice
from mixtures.engine.plan import FLOORED, NO_FLOATS, Floats, Ints
from mixtures.engine.status import EXHAUSTED, MESSAGES
from mixtures.escape import escaped, reseeded, starved
from mixtures.exceptions import ConvergenceWarning, DegenerateWarning, FitError, LimitWarning
from mixtures.history import History, Move
from mixtures.initialise import START_STEPS, Starter, seed_of
from mixtures.knowledge import Knowledge
from mixtures.leaves import safe_log
from mixtures.parts import Parts, distinct, resolve_priors
from mixtures.runs import Run, begin
from mixtures.settings import Settings
from mixtures.spikes import is_doubtful
from mixtures.standalone import complete, is_given, warn_floored
from mixtures.table import Table
from mixtures.templates import Template
from mixtures.warn import warn

SHORT_RUN = 20
"""M-steps that every start gets before the best ones go on."""
FINALISTS = 2
"""Starts that go on to the end."""
LEAST_STARTS, MOST_STARTS, CELLS_OF_STARTS = 10, 40, 2e5
"""Starts where their number is not given and nothing of them runs in Python: as many as make so many rows times components."""


@dataclass
class Fit:
    """The best of several runs, with its objective and labels at the final parameters."""

    components: list[Any]
    weights: Floats
    converged: bool
    n_iter: int
    history: History
    labels: Ints
    objective: float
    interrupted: bool


def fit_mixture(
    components: Sequence[Parts],
    table: Table,
    weights: Floats | None,
    mixing: Floats | None,
    settings: Settings,
    knowledge: Knowledge,
    template: Template | None = None,
) -> Fit:
    """Fit k `components` to the rows of `table`; `mixing` (k,) are the weights that EM starts from; `template` says how they are
    laid, where that is known.

    EM starts at the parameters of a component that brings them. Equal components would stay equal for ever: they are taken
    for one family several times, whose start is to be found.
    """
    k = len(components)
    components = resolve_priors(components, table, weights, k)
    log_mixing = NO_FLOATS if mixing is None else safe_log(mixing)
    if k > 1 and len(distinct(components)) == 1:
        given = [False] * k
    else:
        given = [is_given(c, table) and not _is_repeated(place, components) for place, c in enumerate(components)]
    if isinstance(settings.start, Knowledge):
        run = _started(components, given, table, weights, log_mixing, settings, knowledge)
    elif all(given) or k == 1:
        assembly = _laid(components, given, table, weights, template)
        log_weights = log_mixing.copy() if mixing is not None else np.full(k, -np.log(k))
        run = begin(assembly, log_weights, settings, knowledge, _seed(settings))
        run.go(settings)
        if settings.starved == "re-seed" and starved(run):
            run = _reseeded(Starter(components, given, table, weights, log_mixing, settings, knowledge), run, settings)
    else:
        run = _searched(Starter(components, given, table, weights, log_mixing, settings, knowledge, template), settings)
    while settings.starved == "drop" and starved(run) and not run.interrupted:
        run = _dropped(run, settings, knowledge)
    fit = _finish(run, table, settings)
    if mixing is not None and not settings.learn_weights and len(mixing) == len(fit.weights):
        fit.weights = mixing.copy()  # to the last bit
    return fit


def _laid(
    components: Sequence[Parts], given: Sequence[bool], table: Table, weights: Floats | None, template: Template | None
) -> Assembly:
    """Components as they came; what one of them lacks, where it's the only one, from a start."""
    if template is not None:
        return Assembly.like(template, table, weights)
    assembly = Assembly([complete(c, table, g) for c, g in zip(components, given, strict=True)], table, weights)
    if all(given):
        templates.keep([part.component for part in components], table, list(components), assembly)
    return assembly


def _started(
    components: Sequence[Parts],
    given: Sequence[bool],
    table: Table,
    weights: Floats | None,
    log_mixing: Floats,
    settings: Settings,
    knowledge: Knowledge,
) -> Run:
    """A run that starts from the M-step of labels, or of responsibilities, of every row."""
    k, start = len(components), settings.start
    assembly = Assembly([complete(c, table, g) for c, g in zip(components, given, strict=True)], table, weights)
    log_weights = np.empty(k)
    assembly.fit_labels(start.labels, 0.0, START_STEPS, beliefs=start.beliefs, log_weights=log_weights)
    run = begin(assembly, log_mixing.copy() if log_mixing.size else log_weights, settings, knowledge, _seed(settings))
    run.go(settings)
    return run


def _seed(settings: Settings) -> int:
    """Seed of the draws of a run that needs no start."""
    return seed_of(settings.random_state) if settings.e_step.draws else 0


def _reseeded(starter: Starter, run: Run, settings: Settings) -> Run:
    """A run on all rows with its starved components given other places."""
    if not (starter.is_whole and starter.is_compiled):
        return run
    new, moves = reseeded(starter, run, settings)
    new.moves = [*run.moves, *moves]
    return new


def _dropped(run: Run, settings: Settings, knowledge: Knowledge) -> Run:
    """A run that goes on without the starved components."""
    gone = starved(run)
    if knowledge:
        raise FitError(
            f"components {gone} are left without rows, and cannot be dropped where labels or responsibilities name "
            "components by their numbers; fit fewer components"
        )
    kept = [place for place in range(len(run.log_weights)) if place not in gone]
    parts = run.assembly.unpack_parts(run.course.parameters)
    assembly = Assembly([parts[place] for place in kept], run.assembly.table, run.row_weights)
    left = run.log_weights[kept]
    settings = settings._replace(concentrations=tuple(c for place, c in enumerate(settings.concentrations) if place in kept))
    new = begin(assembly, left - np.logaddexp.reduce(left), settings)
    new.go(settings)
    new.moves = [*run.moves, Move("dropped", tuple(gone))]
    return new


def _searched(starter: Starter, settings: Settings) -> Run:
    """The best of several starts, at its end. Who looks on sees that one only: it is made once more from its beginning."""
    kind = settings.e_step
    if kind.draws or kind.sharpness < 1.0:  # what such a run comes from matters little, and it is not to be judged by its beginning
        return _best_of_whole_runs(starter, settings)
    run, moves = _sought(starter, settings._replace(watch=None))
    if not starter.is_whole:
        interrupted, run = run.interrupted, starter.over_all_rows(run)
        run.interrupted = interrupted
    elif settings.watch is not None and run.course.iteration and not run.interrupted:
        run = run.rewound()
    if not (starter.is_whole and starter.is_compiled and settings.watch is None):  # otherwise it has ended
        run.go(settings)
    run.moves = moves
    return run


def _sought(starter: Starter, settings: Settings) -> tuple[Run, list[Move]]:
    """The best run on the rows that stand for the table, and the moves that led to it."""
    count = settings.n_init or starter.is_compiled * _automatic_starts(starter) or 1
    moves: list[Move] = []
    if count == 1:
        (run,) = starter.starts(1, steps_of_a_slice(starter.assembly.problem.sizes) if starter.is_compiled else 0)
        if starter.is_compiled or not starter.is_whole:
            run.go(settings)
    else:
        runs = starter.starts(count, SHORT_RUN)
        alive = [run for run in runs if run.is_regular] or runs
        ranked = sorted(alive, key=lambda run: -run.height)
        sound = islice((run for run in ranked if not is_doubtful(run)), FINALISTS)
        run = _best_at_end(list(sound) or ranked[:FINALISTS], settings)
    if settings.n_init is None and starter.is_compiled and not run.interrupted:
        run, moves = escaped(starter, run, settings)
    if settings.starved == "re-seed" and starter.is_compiled and not run.interrupted:
        try:
            run, more = reseeded(starter, run, settings)
            moves += more
        except KeyboardInterrupt:
            run.interrupted = "interrupted"
    return run, moves


def _automatic_starts(starter: Starter) -> int:
    """As many as take some milliseconds, but some in any case."""
    return int(min(MOST_STARTS, max(LEAST_STARTS, CELLS_OF_STARTS // (starter.n_rows * starter.n_components))))


def _best_at_end(runs: Sequence[Run], settings: Settings) -> Run:
    """The best of runs at their end, those that fail left out, unless all do; an interrupt ends all."""
    ended: list[Run] = []
    failure: FitError | None = None
    for run in runs:
        try:
            run.go(settings, 1)
        except FitError as error:
            failure = failure or error
            continue
        ended.append(run)
        if run.interrupted:
            break
    if not ended and failure is not None:
        raise failure
    best = _best(ended)
    best.interrupted = ended[-1].interrupted
    return best


def _best_of_whole_runs(starter: Starter, settings: Settings) -> Run:
    """The best of runs over all rows. Where there is a temperature, which may melt components into one, they are joined by runs
    without it from the same starts, if it ends in time to compare them."""
    count, kind = settings.n_init or 1, settings.e_step
    runs = [starter.over_all_rows(run) for run in starter.starts(count, 0)]
    if kind.sharpness < 1.0 == sharpness_at(kind.sharpness, kind.warming, settings.max_iter):
        runs += [starter.over_all_rows(run) for run in starter.as_soft().starts(count, 0)]
    run = runs[0]
    if len(runs) > 1:
        run = _best_at_end(runs, settings._replace(watch=None))
        if settings.watch is None or run.interrupted:
            return run
        run = run.rewound()
    run.go(settings)
    return run


def _best(runs: Sequence[Run]) -> Run:
    """The run of the best objective.

    A run that ended on a floor or on a spike counts only where every run did. Starts that meet on one hill differ by rounding,
    which must not choose the order of the components: the first one wins.
    """
    best = runs[0]
    doubt = len(runs) > 1 and is_doubtful(best)  # which takes a run apart
    for other in runs[1:]:
        is_higher, others_doubt = other.objective - best.objective > 1e-10, is_doubtful(other)
        # higher ones lose only against sound ones, others win only against doubtful ones
        if doubt >= others_doubt if is_higher else doubt > others_doubt:
            best, doubt = other, others_doubt
    return best


def _is_repeated(place: int, components: Sequence[Parts]) -> bool:
    """Whether another component is equal to the one at `place`."""
    own = components[place].component
    return any(
        other.component is own or (type(other.component) is type(own) and _is_equal(other.component, own))
        for k, other in enumerate(components)
        if k != place
    )


def _is_equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (TypeError, ValueError):  # a user's dataclass that holds arrays has no single answer
        return False


def _finish(run: Run, table: Table, settings: Settings) -> Fit:
    labels = np.empty(table.n_rows, dtype=np.int64)
    assembly, course = run.assembly, run.course
    assembly.evaluate(course.log_weights, settings.n_threads, course.parameters, task=course.task, labels=labels)
    moves = list(run.moves)
    if run.interrupted:
        moves.append(Move(run.interrupted))
    elif not run.converged and settings.tol > 0 and not settings.e_step.draws:
        advice = MESSAGES[EXHAUSTED].format(max_iter=settings.max_iter, tol=settings.tol)
        warn(advice, ConvergenceWarning)
    if run.floored:
        warn_floored(assembly.columns_with(course.flags, FLOORED))
    for sentence in dict.fromkeys(assembly.limits(course.flags)):
        warn(sentence, LimitWarning)
    for component in assembly.door.components:
        if getattr(component, "untold", ()):
            component.warn_untold()
    weights = run.weights
    if few := starved(run):
        warn(
            f"components {few} have no rows left, or all but none. Fit fewer components, or choose starved='drop' or 're-seed'.",
            DegenerateWarning,
        )
    history = History(run.history, moves)
    unpacked = assembly.unpack(course.parameters)
    return Fit(unpacked, weights, run.converged, course.iteration, history, labels, run.objective, run.interrupted == "interrupted")
