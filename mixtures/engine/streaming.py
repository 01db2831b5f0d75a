"""The two halves of an EM iteration as calls of their own: statistics of some rows, and the M-step from statistics."""

from __future__ import annotations

import ctypes

import numpy as np

from mixtures._numba import jit_entry
from mixtures._numba_calls import address_of
from mixtures.engine.loop import Counter, Team, maximize
from mixtures.engine.plan import CHUNK_ROWS, E_STEP, FAILED, REPEAT, Floats, Ints, Problem, unfold
from mixtures.engine.special import log
from mixtures.engine.sweep import merge, reset, visit, visit_chunks


@jit_entry
def merge_chunks(problem, chunks, totals):
    """totals = the statistics of all chunks (n, statistics), merged in their order."""
    plan, _ = unfold(problem)
    reset(plan, totals)
    for chunk in range(chunks.shape[0]):
        merge(plan, totals, chunks[chunk])


@jit_entry
def maximize_once(problem, totals, parameters, log_weights, flags, may_repeat):
    """The M-step from `totals`, parameters and log_weights (k,) in place; `flags` of every plate. Returns their union.

    Where a plate asks for the pass again, only its centre moves.
    """
    plan, _ = unfold(problem)
    outcome = maximize(plan, totals, parameters, np.empty(parameters.size), flags, may_repeat)
    if not outcome & (FAILED | REPEAT):
        total_weight = 0.0
        for c in range(plan.n_components):
            total_weight += totals[1 + c]
        for c in range(plan.n_components):
            log_weights[c] = log(totals[1 + c] / total_weight)
    return outcome


def statistics_of(problem: Problem, parameters: Floats, log_weights: Floats, n_threads: int) -> Floats:
    """Statistics of all rows of a problem: log-likelihood, k weights, then those of the plates. The same bits for any number of
    threads."""
    n_chunks = -(-problem.sizes.n_rows // CHUNK_ROWS)
    chunks, totals = np.empty((n_chunks, problem.sizes.n_statistics)), np.empty(problem.sizes.n_statistics)
    work = (address_of(visit, "visit"), problem, E_STEP, parameters, log_weights)
    n_threads = min(n_threads, n_chunks)
    if n_threads <= 1:
        counter = ctypes.c_int64(0)
        visit_chunks(*work, ctypes.addressof(counter), chunks)
    else:
        with Team(n_threads) as team:
            team.run(visit_chunks, *work, Counter, chunks)
    merge_chunks(problem, chunks, totals)
    return totals


def maximum_of(problem: Problem, totals: Floats, parameters: Floats, log_weights: Floats, may_repeat: bool) -> tuple[int, Ints]:
    """As :func:`maximize_once`; returns the union of the flags, and those of every plate."""
    flags = np.zeros(problem.sizes.n_plates, dtype=np.int64)
    return int(maximize_once(problem, totals, parameters, log_weights, flags, may_repeat)), flags
