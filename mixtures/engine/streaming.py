"""The two halves of an EM iteration as calls of their own: statistics of some rows, and the M-step from statistics."""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit_entry
from mixtures._numba_calls import address_of
from mixtures.engine.loop import log_prior, maximize, update_weights
from mixtures.engine.plan import CHUNK_ROWS, FAILED, REPEAT, Control, Floats, Ints, Problem, Task, unfold
from mixtures.engine.sweep import merge, reset, visit, visit_chunks
from mixtures.engine.team import run_together


@jit_entry
def merge_chunks(problem, chunks, totals):
    """totals = the statistics of all chunks (n, statistics), merged in their order."""
    plan, _ = unfold(problem)
    reset(plan, totals)
    for chunk in range(chunks.shape[0]):
        merge(plan, totals, chunks[chunk])


@jit_entry
def maximize_once(problem, control, totals, parameters, log_weights, flags, may_repeat, objective):
    """The M-step from `totals`, parameters and log_weights (k,) in place; `flags` of every plate. Returns their union.

    Where a plate asks for the pass again, only its centre moves. objective (1,) is that of the parameters before.
    """
    plan, _ = unfold(problem)
    total_weight = 0.0
    for c in range(plan.n_components):
        total_weight += totals[1 + c]
    objective[0] = (totals[0] + log_prior(plan, control, parameters, log_weights)) / total_weight
    outcome = maximize(plan, totals, parameters, np.empty(parameters.size), flags, may_repeat)
    if control.moves_weights and not outcome & (FAILED | REPEAT):
        update_weights(plan, control, totals, total_weight, log_weights)
    return outcome


def statistics_of(problem: Problem, task: Task, parameters: Floats, log_weights: Floats, n_threads: int) -> Floats:
    """Statistics of all rows of a problem: log-likelihood, k weights, then those of the plates. The same bits for any number of
    threads."""
    n_chunks = -(-problem.sizes.n_rows // CHUNK_ROWS)
    chunks, totals = np.empty((n_chunks, problem.sizes.n_statistics)), np.empty(problem.sizes.n_statistics)
    work = (address_of(visit, "visit"), problem, task, parameters, log_weights)
    run_together(min(n_threads, n_chunks), visit_chunks, *work, chunks)
    merge_chunks(problem, chunks, totals)
    return totals


def maximum_of(
    problem: Problem, control: Control, totals: Floats, parameters: Floats, log_weights: Floats, may_repeat: bool
) -> tuple[int, Ints, float]:
    """As :func:`maximize_once`; returns the union of the flags, those of every plate, and the objective."""
    flags, objective = np.zeros(problem.sizes.n_plates, dtype=np.int64), np.empty(1)
    outcome = maximize_once(problem, control, totals, parameters, log_weights, flags, may_repeat, objective)
    return int(outcome), flags, float(objective[0])
