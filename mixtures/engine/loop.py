"""The EM loop, written once: one thread runs it wholly in compiled code, several threads share each pass."""

from __future__ import annotations

import ctypes
import functools
import operator
import os
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from mixtures._numba import jit, jit_entry, matrix
from mixtures._numba_calls import address_of, call_maximize, call_prepare
from mixtures.engine.plan import (
    CHUNK_ROWS,
    COUNT,
    E_STEP,
    FAILED,
    MAXIMIZE,
    NO_FLOATS,
    NO_LABELS,
    NO_MATRIX,
    OUTPUTS,
    PARAMETER,
    PARAMETERS,
    PREPARE,
    REPEAT,
    STATISTIC,
    STATISTICS,
    STATISTICS_OF_DENSITIES,
    STATISTICS_OF_LABELS,
    UNSETTLED,
    Floats,
    Ints,
    Problem,
    Task,
    unfold,
)
from mixtures.engine.special import log
from mixtures.engine.status import CONTINUE, CONVERGED, IMPOSSIBLE, NOT_A_NUMBER, UNFITTED
from mixtures.engine.sweep import call_visit, merge, reset, scratch_for, visit, visit_chunks

MAX_REPEATS = 3


@jit_entry
def prepare(problem, parameters):
    """Let every family derive what its kernels need from its parameters."""
    plan, _ = unfold(problem)
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        call_prepare(plate[PREPARE], matrix(parameters, plate[PARAMETER], plate[COUNT], plate[PARAMETERS]))


@jit
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


@jit_entry
def em_steps(visit, problem, kind, labels, softness, parameters, log_weights, history, max_iter, tolerance, progress, chunks):
    """EM in compiled code, until it is over; or, where several threads made the statistics of all chunks (n, statistics), all
    that lies between two passes: merging in chunk order, stopping rule, M-step. Returns the status; `progress` is (M-steps so
    far, how often a pass was repeated, each plate's flags). `kind`, `labels` and `softness` are those of the task.
    """
    plan, rows = unfold(problem)
    nothing = matrix(history, 0, 0, 0)
    task = Task(kind, softness, labels, matrix(history, 0, 1, 0)[0], nothing, nothing)
    k = plan.n_components
    totals, part, trial = np.empty(problem.sizes.n_statistics), np.empty(problem.sizes.n_statistics), np.empty(parameters.size)
    flags = progress[2:]
    given = chunks.shape[0] > 0
    scratch = part if given else scratch_for(plan)
    while progress[0] < max_iter:
        reset(plan, totals)
        if given:
            for chunk in range(chunks.shape[0]):
                merge(plan, totals, chunks[chunk])
        else:
            for start in range(0, rows.n_rows, CHUNK_ROWS):
                reset(plan, part)
                stop = min(start + CHUNK_ROWS, rows.n_rows)
                call_visit(visit, plan, rows, task, parameters, log_weights, start, stop, scratch, part)
                merge(plan, totals, part)
        iteration, repeats = progress[0], progress[1]
        total_weight = 0.0
        for c in range(k):
            total_weight += totals[1 + c]
        history[iteration] = totals[0] / total_weight
        if totals[0] == -np.inf:
            return IMPOSSIBLE
        if not np.isfinite(totals[0]):
            return NOT_A_NUMBER
        if iteration > 0 and abs(history[iteration] - history[iteration - 1]) < tolerance:
            return CONVERGED
        outcome = maximize(plan, totals, parameters, trial, flags, repeats < MAX_REPEATS)
        if outcome & FAILED:
            return UNFITTED
        if outcome & REPEAT:
            progress[1] += 1
        else:
            for c in range(k):
                log_weights[c] = log(totals[1 + c] / total_weight)
            progress[0] += 1
            progress[1] = 0
            if task.kind == STATISTICS_OF_LABELS and not outcome & UNSETTLED:
                break
        if given:
            break
    return CONTINUE


def em(
    problem: Problem, parameters: Floats, log_weights: Floats, max_iter: int, tolerance: float, n_threads: int
) -> tuple[int, int, Floats, Ints]:
    """Run EM from `parameters` and `log_weights`, which change in place.

    Returns status, number of M-steps, mean log-likelihood before each of them (and at the stop, when it was reached by
    convergence), flags of each plate's last M-step. Bits do not depend on `n_threads`.
    """
    history = np.empty(max_iter + 1)
    progress = np.zeros(2 + problem.sizes.n_plates, dtype=np.int64)
    address = address_of(visit, "visit")
    steps = (address, problem, STATISTICS_OF_DENSITIES, NO_LABELS, 0.0, parameters, log_weights, history, max_iter, tolerance)
    n_chunks = -(-problem.sizes.n_rows // CHUNK_ROWS)
    if min(n_threads, n_chunks) == 1:
        status = em_steps(*steps, progress, NO_MATRIX)
    else:
        status = CONTINUE
        chunks = np.empty((n_chunks, problem.sizes.n_statistics))
        with Team(min(n_threads, n_chunks)) as team:
            while status == CONTINUE and progress[0] < max_iter:
                team.run(visit_chunks, address, problem, E_STEP, parameters, log_weights, Counter, chunks)
                status = em_steps(*steps, progress, chunks)
    iteration = int(progress[0])
    return status, iteration, history[: iteration + (status != CONTINUE)], progress[2:]


class Counter:
    """Stands for the shared counter's address among the arguments of :meth:`Team.run`."""


class Team:
    """Threads that run one compiled function together, sharing a counter. The calling thread is one of them.

    They are handed work through queues, in half the time of an executor's futures (15 instead of 30 microseconds a call).
    """

    def __init__(self, n_threads: int) -> None:
        self._work: SimpleQueue[tuple[Any, tuple[Any, ...]] | None] = SimpleQueue()
        self._ends: SimpleQueue[BaseException | None] = SimpleQueue()
        self._others = [Thread(target=self._serve, daemon=True) for _ in range(n_threads - 1)]

    def __enter__(self) -> Team:
        for thread in self._others:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for _ in self._others:
            self._work.put(None)
        for thread in self._others:
            thread.join()

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            function, arguments = work
            end = None
            try:
                function(*arguments)
            except BaseException as error:  # the caller's to raise
                end = error
            self._ends.put(end)

    def run(self, function: Any, *arguments: Any) -> None:
        """Call ``function(*arguments)`` in every thread, the counter set to 0."""
        counter = ctypes.c_int64(0)
        address = ctypes.addressof(counter)
        arguments = tuple(address if argument is Counter else argument for argument in arguments)
        for _ in self._others:
            self._work.put((function, arguments))
        function(*arguments)
        for end in [self._ends.get() for _ in self._others]:
            if end is not None:
                raise end


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
) -> None:
    """Fill the given outputs, described at :class:`mixtures.engine.plan.Task`."""
    task = Task(
        OUTPUTS,
        0.0,
        NO_LABELS if labels is None else labels,
        NO_FLOATS if density is None else density,
        NO_MATRIX if posterior is None else posterior,
        NO_MATRIX if log_joint is None else log_joint,
    )
    pass_over = (address_of(visit, "visit"), problem, task, parameters, log_weights)
    n_threads = min(n_threads, -(-problem.sizes.n_rows // CHUNK_ROWS))
    if n_threads <= 1:
        counter = ctypes.c_int64(0)
        visit_chunks(*pass_over, ctypes.addressof(counter), NO_MATRIX)
        return
    with Team(n_threads) as team:
        team.run(visit_chunks, *pass_over, Counter, NO_MATRIX)


def fit_labels(problem: Problem, parameters: Floats, labels: Ints, softness: float, max_steps: int) -> int:
    """M-steps from fixed labels (n,), softened as :func:`mixtures.engine.sweep.soften` says: the same loop, in which nothing is
    estimated about the rows. One step, or as many as families ask for. Returns the union of the plates' last flags."""
    numbers = np.zeros(problem.sizes.n_components + max_steps + 1)
    progress = np.zeros(2 + problem.sizes.n_plates, dtype=np.int64)
    history, log_weights = numbers[: max_steps + 1], numbers[max_steps + 1 :]
    start = (address_of(visit, "visit"), problem, STATISTICS_OF_LABELS, labels, softness, parameters, log_weights, history)
    em_steps(*start, max_steps, 0.0, progress, NO_MATRIX)
    return functools.reduce(operator.or_, progress[2:].tolist())


def available_threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
