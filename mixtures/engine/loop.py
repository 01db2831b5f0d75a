"""The EM loop, written once: one thread runs it wholly in compiled code, several threads share each pass."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import types

from mixtures._numba import jit, jit_entry, jit_seldom, matrix, segment
from mixtures._numba_calls import MATRIX, address_of, by_address, call_log_prior, call_maximize, call_prepare
from mixtures.engine.acceleration import (
    CONFIRMATION,
    all_that_follows,
    is_pending,
    is_worse,
    leap,
    meets_end,
    new_state,
    plain_iterations,
    settle_state,
    undo,
    withdraw,
)
from mixtures.engine.draws import stream
from mixtures.engine.plan import (
    CHUNK_ROWS,
    COUNT,
    E_STEP,
    FAILED,
    FLOORED,
    ITERATION,
    LOG_PRIOR,
    MAXIMIZE,
    NO_FLOATS,
    NO_LABELS,
    NO_MATRIX,
    OUTPUTS,
    PARAMETER,
    PARAMETERS,
    PREPARE,
    PROGRESS,
    REPEAT,
    REPEATS,
    STATISTIC,
    STATISTICS,
    STATISTICS_OF_LABELS,
    UNSETTLED,
    UNWATCHED,
    Control,
    Floats,
    Ints,
    Problem,
    Sizes,
    Task,
    unfold,
)
from mixtures.engine.special import log
from mixtures.engine.status import CONTINUE, CONVERGED, EXHAUSTED, FELL, IMPOSSIBLE, NOT_A_NUMBER, UNFITTED
from mixtures.engine.sweep import FLOATS, INTS, PLAN, ROWS, TASK, call_visit, merge, reset, scratch_for, visit, visit_chunks
from mixtures.engine.team import Counter, Team, run_together

MAX_REPEATS = 3
FALL = 1e-9
"""Fall of the objective, as a share of its size (at least 1), that no rounding explains."""
ROUNDING = 1e-15
"""Gain, as a share of the objective's size (at least 1), that rounding hides."""
UNDONE = 1e-12
"""As FALL, that an extrapolation has to answer for."""
SLICE = 2e7
"""Cells times components that compiled code visits before it lets Python look for signals: a tenth of a second or so."""


@jit_seldom
def prepare_plates(plan, parameters):
    """Let every family derive what its kernels need from its parameters."""
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        call_prepare(plate[PREPARE], matrix(parameters, plate[PARAMETER], plate[COUNT], plate[PARAMETERS]))


@jit_entry
def prepare(problem, parameters):
    """As :func:`prepare_plates`, for Python."""
    plan, _ = unfold(problem)
    prepare_plates(plan, parameters)


@jit_seldom
def maximize(plan, totals, parameters, trial, flags, may_repeat):
    """M-step of every plate. When one asks for the pass again, only such plates change. Returns the union of the flags."""
    k = plan.n_components
    for i in range(parameters.size):
        trial[i] = parameters[i]
    union = 0
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        sums = matrix(totals, 1 + k + plate[STATISTIC], plate[COUNT], plate[STATISTICS])
        values = matrix(trial, plate[PARAMETER], plate[COUNT], plate[PARAMETERS])
        flags[p] = call_maximize(plate[MAXIMIZE], sums, values)
        union |= flags[p]
    again = may_repeat and union & REPEAT
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        if not again or flags[p] & REPEAT:
            start = plate[PARAMETER]
            for i in range(start, start + plate[COUNT] * plate[PARAMETERS]):
                parameters[i] = trial[i]
        call_prepare(plate[PREPARE], matrix(parameters, plate[PARAMETER], plate[COUNT], plate[PARAMETERS]))
    return union if again else union & ~REPEAT


@jit_seldom
def log_prior(plan, control, parameters, log_weights):
    """Log-density of parameters and weights under their priors: what the objective has beside the log-likelihood."""
    total = control.constant
    for c in range(plan.n_components):
        if control.pseudo_counts[c] != 0.0:
            total += control.pseudo_counts[c] * log_weights[c]
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        if plate[LOG_PRIOR] != 0:
            total += call_log_prior(plate[LOG_PRIOR], matrix(parameters, plate[PARAMETER], plate[COUNT], plate[PARAMETERS]))
    return total


@jit_seldom
def has_settled(history, iteration, n_comparable, tolerance):
    """Whether what is left to gain is below the tolerance: the last gain, and Aitken's estimate of the sum of all that follow,
    gain * c / (1 - c) where gains shrink by the factor c (McLachlan & Krishnan 2008, section 4.9). Where gains grow, as they do on
    the way from a saddle, much is left; the first step towards one gains so much that the second seems to be the end, so that two
    gains are too few to tell. The last `n_comparable` gains can be compared."""
    gain = history[iteration] - history[iteration - 1]
    if abs(gain) <= ROUNDING * max(1.0, abs(history[iteration])):
        return True
    if n_comparable < 3 or not abs(gain) < tolerance:
        return False
    before = history[iteration - 1] - history[iteration - 2]
    if gain > before > 0.0:
        return False
    if abs(gain) >= abs(before):  # rounding
        return abs(gain) < 1e-3 * tolerance
    shrinking = abs(gain) / abs(before)
    return abs(gain) * shrinking / (1.0 - shrinking) < tolerance


@jit_seldom
def update_weights(plan, control, totals, total_weight, log_weights):
    """Mixing weights from the sums of responsibilities: the maximum of likelihood times a Dirichlet prior."""
    whole = total_weight
    for c in range(plan.n_components):
        whole += control.pseudo_counts[c]
    for c in range(plan.n_components):
        log_weights[c] = log((totals[1 + c] + control.pseudo_counts[c]) / whole)


@jit_seldom
def is_over(control, history, iteration, n_comparable, accelerator):
    """Whether nothing is left to gain, as far as gains of plain iterations tell; those of extrapolations tell little."""
    if not control.tolerance > 0.0:
        return False
    if accelerator.size:
        gain = abs(history[iteration] - history[iteration - 1])
        plain = plain_iterations(accelerator)
        if gain > ROUNDING * max(1.0, abs(history[iteration])):
            if plain < CONFIRMATION or not all_that_follows(accelerator, history, iteration) < control.tolerance:
                return False
        elif plain == 0:
            return False
    return has_settled(history, iteration, n_comparable, control.tolerance)


@jit_seldom
def advance(calls, plan, totals, control, n_comparable, parameters, log_weights, trial, history, progress, accelerator):
    """All that lies between two passes: objective, stopping rule, M-step, extrapolation. Returns a status; CONTINUE asks for the
    next pass.

    `n_comparable`: of the passes just before, how many have objectives that can be compared with this one's. `accelerator`: the
    state of :mod:`mixtures.engine.acceleration`, of size 0 for plain EM.
    """
    iteration, flags = progress[ITERATION], progress[PROGRESS:]
    total_weight = 0.0
    for c in range(plan.n_components):
        total_weight += totals[1 + c]
    objective = (totals[0] + log_prior(plan, control, parameters, log_weights)) / total_weight
    if is_pending(accelerator) and is_worse(objective, history[iteration - 1]):
        withdraw(plan, accelerator, flags, parameters, log_weights)
        progress[REPEATS] = 0
        return CONTINUE
    history[iteration] = objective
    if objective == -np.inf:
        return IMPOSSIBLE
    if not np.isfinite(objective):
        return NOT_A_NUMBER
    if n_comparable > 0:
        fall = (history[iteration - 1] - objective) / max(1.0, abs(objective))
        if fall > UNDONE and undo(plan, accelerator, parameters, log_weights):
            progress[ITERATION] -= 1
            progress[REPEATS] = 0
            return CONTINUE
        if control.watches and progress[UNWATCHED] == 0 and fall > FALL:
            return FELL
        if is_over(control, history, iteration, n_comparable, accelerator):
            return CONVERGED
    if iteration == control.max_iter:
        return EXHAUSTED
    outcome = maximize(plan, totals, parameters, trial, flags, progress[REPEATS] < MAX_REPEATS)
    if is_pending(accelerator) and not outcome & REPEAT and (outcome & FAILED or meets_end(plan, accelerator, flags)):
        withdraw(plan, accelerator, flags, parameters, log_weights)
        progress[REPEATS] = 0
        return CONTINUE
    if outcome & FAILED:
        return UNFITTED
    if outcome & REPEAT:
        progress[REPEATS] += 1
        return CONTINUE
    if control.moves_weights:
        update_weights(plan, control, totals, total_weight, log_weights)
    progress[ITERATION] += 1
    progress[REPEATS] = 0
    if outcome & FLOORED:
        progress[UNWATCHED] = 1
    if accelerator.size and n_comparable > 0:
        weigh = control.moves_weights
        if call_leap(
            calls.leap, plan, control.tolerance, weigh, accelerator, flags, history, iteration, parameters, log_weights
        ):  # fmt: skip
            prepare_plates(plan, parameters)
    return CONTINUE


@jit_seldom
def sharpness_at(start, warming, iteration):
    """Power of the posteriors in this iteration; by repeated products, which are the same in and out of compiled code."""
    sharpness = start
    for _ in range(iteration):
        if sharpness >= 1.0:
            break
        sharpness *= warming
    return min(1.0, sharpness)


@jit_seldom
def task_of(task, control, iteration):
    """The task of a pass of this iteration: posteriors sharpen from one to the next, and rows are drawn anew."""
    sharpness, seed = sharpness_at(task.sharpness, control.warming, iteration), task.seed
    if seed >= 0:
        seed = stream(seed, iteration)
    empty, nothing = task.density, task.posterior
    return Task(task.kind, 0.0, task.keep, sharpness, seed, task.known, task.beliefs, task.labels, empty, nothing, nothing)


_task_of = getattr(task_of, "py_func", task_of)  # for Python: too little work to compile


@jit_seldom
def comparable_before(task, control, iteration):
    """How many objectives just before that of this iteration, at most three, can be compared with it: no temperature, no draws."""
    count = 0
    if task.seed < 0:
        while count < min(3, iteration) and sharpness_at(task.sharpness, control.warming, iteration - 1 - count) == 1.0:
            count += 1
    return count


@jit_seldom
def sum_rows(visit, plan, rows, task, parameters, log_weights, scratch, part, totals):
    """Statistics of all rows, `part` and `totals` (n_statistics,): chunk by chunk, in their order."""
    reset(plan, totals)
    for start in range(0, rows.n_rows, CHUNK_ROWS):
        reset(plan, part)
        stop = min(start + CHUNK_ROWS, rows.n_rows)
        call_visit(visit, plan, rows, task, parameters, log_weights, start, stop, scratch, part)
        merge(plan, totals, part)


@jit
def climb(
    calls, plan, rows, task, control, until, chunks, parameters, log_weights, history, progress, accelerator, scratch, part, totals,
    trial,
):  # fmt: skip
    """EM from where `progress` stands, for at most `until` M-steps in all; or, where several threads made the statistics of all
    chunks (n, n_statistics), what lies between two passes. Returns the status; the last four are scratch."""
    status = CONTINUE
    while status == CONTINUE and progress[ITERATION] < until:
        if chunks.shape[0] == 0:
            own = task_of(task, control, progress[ITERATION])
            sum_rows(calls.visit, plan, rows, own, parameters, log_weights, scratch, part, totals)
        else:
            reset(plan, totals)
            for chunk in range(chunks.shape[0]):
                merge(plan, totals, chunks[chunk])
        n_comparable = comparable_before(task, control, progress[ITERATION])
        status = advance(calls, plan, totals, control, n_comparable, parameters, log_weights, trial, history, progress, accelerator)
        if chunks.shape[0]:
            break
    return status


@jit
def follow_labels(
    visit, plan, rows, labels, beliefs, softness, max_steps, parameters, log_weights, flags, scratch, part, totals, trial
):  # fmt: skip
    """M-steps from fixed labels (n,), softened as :func:`mixtures.engine.sweep.soften` says, or, where there are none, from fixed
    responsibilities, logs (n, k): nothing is estimated about the rows. One step, or as many as families ask for; `totals` are
    the statistics of the last one. Returns the union of the plates' last flags."""
    nothing = matrix(totals, 0, 0, 0)
    empty = segment(totals, 0, 0)
    task = Task(STATISTICS_OF_LABELS, softness, 0, 1.0, -1, labels[:0], beliefs, labels, empty, nothing, nothing)
    outcome = steps = repeats = 0
    while steps < max_steps:
        sum_rows(visit, plan, rows, task, parameters, log_weights, scratch, part, totals)
        outcome = maximize(plan, totals, parameters, trial, flags, repeats < MAX_REPEATS)
        if outcome & REPEAT:
            repeats += 1
            continue
        steps += 1
        repeats = 0
        if outcome & FAILED or not outcome & UNSETTLED:
            break
    return outcome


class Calls(NamedTuple):
    """Addresses of what is compiled once for all that call it."""

    visit: int
    leap: int
    climb: int
    follow_labels: int


CALLS = types.NamedUniTuple(types.int64, 4, Calls)
CONTROL = types.NamedTuple(
    (types.int64, types.float64, types.boolean, types.boolean, types.float64, FLOATS, types.float64, types.boolean), Control
)
_MODEL = (PLAN, ROWS)
_SCRATCH = (FLOATS, FLOATS, FLOATS, FLOATS)
call_climb = by_address(
    "climb", types.int64, CALLS, *_MODEL, TASK, CONTROL, types.int64, MATRIX, FLOATS, FLOATS, FLOATS, INTS, FLOATS, *_SCRATCH
)
call_leap = by_address("leap", types.boolean, PLAN, types.float64, types.boolean, FLOATS, INTS, FLOATS, types.int64, FLOATS, FLOATS)
call_follow_labels = by_address(
    "follow_labels", types.int64, types.int64, *_MODEL, INTS, MATRIX, types.float64, types.int64, FLOATS, FLOATS, INTS, *_SCRATCH
)


@functools.cache
def calls() -> Calls:
    """The addresses, compiled when they are first asked for."""
    roles = {"visit": visit, "leap": leap, "climb": climb, "follow_labels": follow_labels}
    return Calls(*[address_of(kernel, role) for role, kernel in roles.items()])


@jit_entry
def em_steps(calls, problem, task, control, until, parameters, log_weights, history, progress, accelerator, chunks):
    """:func:`climb`, for Python."""
    plan, rows = unfold(problem)
    part, totals = np.empty(problem.sizes.n_statistics), np.empty(problem.sizes.n_statistics)
    trial = np.empty(parameters.size)
    scratch = scratch_for(plan) if chunks.shape[0] == 0 else part
    return call_climb(
        calls.climb, calls, plan, rows, task, control, until, chunks, parameters, log_weights, history, progress, accelerator,
        scratch, part, totals, trial,
    )  # fmt: skip


@jit_entry
def label_steps(calls, problem, labels, beliefs, softness, max_steps, parameters, log_weights, flags):
    """:func:`follow_labels`, for Python; log_weights become those of the shares of all rows."""
    plan, rows = unfold(problem)
    part, totals = np.empty(problem.sizes.n_statistics), np.empty(problem.sizes.n_statistics)
    scratch, trial = scratch_for(plan), np.empty(parameters.size)
    outcome = call_follow_labels(
        calls.follow_labels, calls.visit, plan, rows, labels, beliefs, softness, max_steps, parameters, log_weights, flags, scratch,
        part, totals, trial,
    )  # fmt: skip
    whole = 0.0
    for c in range(plan.n_components):
        whole += totals[1 + c]
    for c in range(plan.n_components):
        log_weights[c] = log(totals[1 + c] / whole)
    return outcome


def steps_of_a_slice(sizes: Sizes) -> int:
    """M-steps that compiled code may do at a time."""
    return max(1, int(SLICE / (sizes.n_rows * max(1, sizes.n_columns) * sizes.n_components)))


class Course:
    """A run of EM: where it stands, and how it goes on.

    Attributes
    ----------
    parameters, log_weights : packed, changed in place.
    history : (max_iter + 1,) objective before each M-step, of which `iteration` + 1 (one less before the first pass) are there.
    """

    def __init__(
        self,
        problem: Problem,
        parameters: Floats,
        log_weights: Floats,
        history: Floats | None,
        progress: Ints | None,
        task: Task,
        control: Control,
        status: int = CONTINUE,
    ) -> None:
        self.problem, self.parameters, self.log_weights = problem, parameters, log_weights
        self.task, self.control, self.status = task, control, status
        self.progress = np.zeros(PROGRESS + problem.sizes.n_plates, dtype=np.int64) if progress is None else progress
        self.history = np.empty(control.max_iter + 1) if history is None else history
        self.accelerator: Floats | None = None

    def stop(self) -> None:
        """End here: one more pass tells the objective of what has been reached."""
        self.control = self.control._replace(max_iter=self.iteration, tolerance=0.0)
        self.run(1)

    @property
    def iteration(self) -> int:
        """M-steps so far."""
        return int(self.progress[ITERATION])

    @property
    def flags(self) -> Ints:
        """Flags of every plate's last M-step."""
        return self.progress[PROGRESS:]

    def run(self, n_threads: int, watch: Callable[[Course], bool] | None = None, until: int | None = None) -> None:
        """Go on to the end, or for `until` M-steps in all. Bits do not depend on `n_threads`. `watch` is called after every
        iteration and may say to stop, by True; parameters are then those of the next pass, EM's or an extrapolation.

        A KeyboardInterrupt leaves everything as after some M-step.
        """
        if self.status != CONTINUE:
            return
        if self.history.size <= self.control.max_iter:
            past, self.history = self.history, np.empty(self.control.max_iter + 1)
            self.history[: past.size] = past
        if self.accelerator is None:
            self.accelerator = new_state(self.problem, self.control, self.parameters.size)
        # The last pass follows the last M-step.
        self._run(n_threads, watch, self.control.max_iter + 1 if until is None else until)
        if self.accelerator.size and self.status == CONTINUE:
            settle_state(self.problem, self.accelerator, self.parameters, self.log_weights)

    def _run(self, n_threads: int, watch: Callable[[Course], bool] | None, until: int) -> None:
        sizes, steps = self.problem.sizes, (calls(), self.problem, self.task, self.control)
        state = (self.parameters, self.log_weights, self.history, self.progress, self.accelerator)
        n_chunks = -(-sizes.n_rows // CHUNK_ROWS)
        n_threads = min(n_threads, n_chunks)
        if n_threads == 1:
            stride = 1 if watch else steps_of_a_slice(sizes)
            while self.status == CONTINUE and self.iteration < until:
                before = self.iteration
                self.status = em_steps(*steps, min(before + stride, until), *state, NO_MATRIX)
                if watch and self.iteration > before and watch(self):
                    break
            return
        chunks = np.empty((n_chunks, sizes.n_statistics))
        with Team(n_threads) as team:
            while self.status == CONTINUE and self.iteration < until:
                before = self.iteration
                task = _task_of(self.task, self.control, before)
                team.run(visit_chunks, calls().visit, self.problem, task, self.parameters, self.log_weights, chunks, Counter)
                self.status = em_steps(*steps, before + 1, *state, chunks)
                if watch and self.iteration > before and watch(self):
                    break


def evaluate(
    problem: Problem,
    parameters: Floats,
    log_weights: Floats,
    n_threads: int = 1,
    *,
    density: Floats | None = None,
    posterior: Floats | None = None,
    log_joint: Floats | None = None,
    labels: Ints | None = None,
    task: Task = E_STEP,
) -> None:
    """Fill the given outputs, described at :class:`mixtures.engine.plan.Task`, by the rules of an E-step, `task`."""
    task = Task(
        OUTPUTS,
        *task[1:7],
        NO_LABELS if labels is None else labels,
        NO_FLOATS if density is None else density,
        NO_MATRIX if posterior is None else posterior,
        NO_MATRIX if log_joint is None else log_joint,
    )
    n_threads = min(n_threads, -(-problem.sizes.n_rows // CHUNK_ROWS))
    run_together(n_threads, visit_chunks, calls().visit, problem, task, parameters, log_weights, NO_MATRIX)


def fit_labels(
    problem: Problem,
    parameters: Floats,
    labels: Ints,
    softness: float,
    max_steps: int,
    beliefs: Floats = NO_MATRIX,
    log_weights: Floats | None = None,
) -> int:
    """M-steps from fixed labels (n,) or responsibilities, see :func:`follow_labels`; `log_weights` (k,) become those of their
    shares. Returns the union of the plates' last flags."""
    flags = np.zeros(problem.sizes.n_plates, dtype=np.int64)
    log_weights = np.empty(problem.sizes.n_components) if log_weights is None else log_weights
    log_weights.fill(0.0)
    label_steps(calls(), problem, labels, beliefs, softness, max_steps, parameters, log_weights, flags)
    return functools.reduce(operator.or_, flags.tolist())
