"""The EM loop: `advance` is written once; one thread runs it wholly in compiled code, several share each pass."""

from __future__ import annotations

import os
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from mixtures._numba import call_maximize, call_prepare, jit, matrix
from mixtures.engine.plan import (
    CHUNK_ROWS,
    COUNT,
    FAILED,
    MAXIMIZE,
    PARAMETER,
    PARAMETERS,
    PREPARE,
    REPEAT,
    STATISTIC,
    STATISTICS,
    Floats,
    Ints,
    Plan,
    Rows,
    n_statistics,
)
from mixtures.engine.special import log
from mixtures.engine.status import CONTINUE, CONVERGED, IMPOSSIBLE, NOT_A_NUMBER, UNFITTED
from mixtures.engine.sweep import evaluate_chunks, sweep, sweep_chunks, sweep_labels

MAX_REPEATS = 3


@jit
def prepare(plan, parameters):
    """Let every family derive what its kernels need from its parameters."""
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        call_prepare(plate[PREPARE], matrix(parameters, plate[PARAMETER], plate[COUNT], plate[PARAMETERS]))


@jit
def maximize(plan, totals, parameters, trial, flags, may_repeat):
    """M-step of every plate. When one asks for the pass again, only such plates change. Returns the union of the flags."""
    k = plan.n_components
    trial[:] = parameters
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
            stop = start + plate[COUNT] * plate[PARAMETERS]
            parameters[start:stop] = trial[start:stop]
    prepare(plan, parameters)
    return union if again else union & ~REPEAT


@jit
def advance(plan, totals, parameters, trial, log_weights, history, iteration, repeats, tolerance, flags):
    """Everything between two passes: stopping rule, then M-step. Returns (status, whether the pass counts)."""
    total_weight = 0.0
    for c in range(plan.n_components):
        total_weight += totals[1 + c]
    history[iteration] = totals[0] / total_weight
    if totals[0] == -np.inf:
        return IMPOSSIBLE, True
    if not np.isfinite(totals[0]):
        return NOT_A_NUMBER, True
    if iteration > 0 and abs(history[iteration] - history[iteration - 1]) < tolerance:
        return CONVERGED, True
    outcome = maximize(plan, totals, parameters, trial, flags, repeats < MAX_REPEATS)
    if outcome & FAILED:
        return UNFITTED, True
    if outcome & REPEAT:
        return CONTINUE, False
    for c in range(plan.n_components):
        log_weights[c] = log(totals[1 + c] / total_weight)
    return CONTINUE, True


@jit
def em_one_thread(plan, rows, parameters, log_weights, history, max_iter, tolerance, flags):
    """A whole fit in compiled code. Returns (status, number of M-steps). History holds the mean log-likelihood before each."""
    k = plan.n_components
    size = 1 + k
    for p in range(plan.plates.shape[0]):
        size += plan.plates[p, COUNT] * plan.plates[p, STATISTICS]
    totals = np.empty(size)
    part = np.empty(size)
    trial = np.empty(parameters.size)
    iteration = 0
    repeats = 0
    while iteration < max_iter:
        totals[:] = 0.0
        for start in range(0, rows.n_rows, CHUNK_ROWS):
            part[:] = 0.0
            sweep(plan, rows, parameters, log_weights, start, min(start + CHUNK_ROWS, rows.n_rows), part)
            totals += part
        status, counts = advance(plan, totals, parameters, trial, log_weights, history, iteration, repeats, tolerance, flags)
        if status != CONTINUE:
            return status, iteration
        if counts:
            iteration += 1
            repeats = 0
        else:
            repeats += 1
    return CONTINUE, iteration


def em(
    plan: Plan, rows: Rows, parameters: Floats, log_weights: Floats, max_iter: int, tolerance: float, n_threads: int
) -> tuple[int, int, Floats, Ints]:
    """Run EM from `parameters` and `log_weights`, which change in place.

    Returns status, number of M-steps, mean log-likelihood before each of them (and at the stop, when it was reached by
    convergence), flags of each plate's last M-step. Bits do not depend on `n_threads`.
    """
    history = np.empty(max_iter + 1)
    flags = np.zeros(len(plan.plates), dtype=np.int64)
    n_chunks = -(-rows.n_rows // CHUNK_ROWS)
    n_threads = min(n_threads, n_chunks)
    if n_threads == 1:
        status, iteration = em_one_thread(plan, rows, parameters, log_weights, history, max_iter, tolerance, flags)
    else:
        status, iteration = _em_threads(plan, rows, parameters, log_weights, history, max_iter, tolerance, flags, n_threads)
    return status, iteration, history[: iteration + (status != CONTINUE)], flags


def _em_threads(
    plan: Plan,
    rows: Rows,
    parameters: Floats,
    log_weights: Floats,
    history: Floats,
    max_iter: int,
    tolerance: float,
    flags: Ints,
    n_threads: int,
) -> tuple[int, int]:
    statistics = np.empty((-(-rows.n_rows // CHUNK_ROWS), n_statistics(plan)))
    totals = np.empty(statistics.shape[1])
    trial = np.empty_like(parameters)
    iteration = repeats = 0
    with Team(n_threads) as team:
        while iteration < max_iter:
            team.run(sweep_chunks, plan, rows, parameters, log_weights, Counter, statistics)
            totals[:] = 0.0
            for part in statistics:  # in chunk order, as one thread adds them
                totals += part
            status, counts = advance(plan, totals, parameters, trial, log_weights, history, iteration, repeats, tolerance, flags)
            if status != CONTINUE:
                return status, iteration
            iteration, repeats = (iteration + 1, 0) if counts else (iteration, repeats + 1)
    return CONTINUE, iteration


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
        counter = np.zeros(1, dtype=np.int64)
        address = counter.ctypes.data
        arguments = tuple(address if argument is Counter else argument for argument in arguments)
        for _ in self._others:
            self._work.put((function, arguments))
        function(*arguments)
        for end in [self._ends.get() for _ in self._others]:
            if end is not None:
                raise end


def evaluate(
    plan: Plan,
    rows: Rows,
    parameters: Floats,
    log_weights: Floats,
    n_threads: int = 1,
    *,
    density: Floats | None = None,
    posterior: Floats | None = None,
    log_joint: Floats | None = None,
    labels: Ints | None = None,
) -> None:
    """Fill the given outputs, described at :func:`mixtures.engine.sweep.evaluate_chunks`."""
    matrix_out = posterior if log_joint is None else log_joint
    arguments = (
        np.empty(0) if density is None else density,
        np.empty((0, 0)) if matrix_out is None else matrix_out,
        np.empty(0, dtype=np.int64) if labels is None else labels,
    )
    with Team(max(1, min(n_threads, -(-rows.n_rows // CHUNK_ROWS)))) as team:
        team.run(evaluate_chunks, plan, rows, parameters, log_weights, Counter, log_joint is not None, *arguments)


@jit
def fit_labels(plan, rows, parameters, labels, softness, max_iter, flags):
    """M-steps from fixed labels (n,), softened as :func:`sweep_labels` says. Returns the union of the last flags."""
    k = plan.n_components
    size = 1 + k
    for p in range(plan.plates.shape[0]):
        size += plan.plates[p, COUNT] * plan.plates[p, STATISTICS]
    totals = np.empty(size)
    trial = np.empty(parameters.size)
    outcome = 0
    for repeat in range(max_iter + MAX_REPEATS):
        totals[:] = 0.0
        sweep_labels(plan, rows, parameters, labels, softness, totals)
        outcome = maximize(plan, totals, parameters, trial, flags, repeat < MAX_REPEATS)
        if outcome & FAILED:
            break
        if repeat + 1 >= max_iter and not outcome & REPEAT:
            break
    return outcome


def available_threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
