"""Starts of EM, and moves away from where it ended, tried side by side in compiled code: labels, an M-step, some iterations."""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, jit_entry, next_of
from mixtures.engine.acceleration import restart, settle, state_for
from mixtures.engine.draws import stream
from mixtures.engine.kmeans import improve, seed_centres, seed_rows
from mixtures.engine.loop import call_climb, call_follow_labels, prepare_plates
from mixtures.engine.plan import CHUNK_ROWS, COUNT, FIRST, OUTPUTS, PARAMETER, PARAMETERS, PROGRESS, Task, unfold
from mixtures.engine.special import log
from mixtures.engine.status import CONTINUE
from mixtures.engine.sweep import call_visit, scratch_for

THOROUGH = 0
"""Greedy k-means++ centres, moved by Lloyd's iterations."""
SEEDED = 1
"""k-means++ centres as they are."""
RANDOM = 2
"""Rows as centres, drawn by weight alone."""


@jit
def label_rows(z, row_weights, kind, seed, lloyd, hints, centres, sums, mass, placed, labels, nearest, scratch):
    """Labels (m,) of the rows of z (D, m), by a kind of start. `hints` (m,), or none, are labels that some rows have, >= 0, and
    keep: their mean is the centre of that label, and the other centres are sought among the other rows (Basu, Banerjee & Mooney
    2002, ICML 19). `scratch` is (6, m), `placed` (k,)."""
    k = centres.shape[0]
    for c in range(k):
        placed[c] = False
    weights = row_weights
    if hints.size:
        weights = scratch[5]
        centre_hints(z, row_weights, hints, sums, mass, placed, centres, weights)
    if kind == RANDOM:
        seed_rows(z, weights, seed, placed, centres, scratch)
    else:
        candidates = 2 + np.int64(np.log(k)) if kind == THOROUGH else 1
        seed_centres(z, weights, seed, candidates, placed, centres, scratch)
    for i in range(labels.size):
        labels[i] = -1
    improve(z, row_weights, hints, centres, labels, lloyd if kind == THOROUGH else 1, sums, mass, nearest, scratch)


@jit
def centre_hints(z, row_weights, hints, sums, mass, placed, centres, others):
    """Centres of labels that some rows have, then `placed` (k,): the mean of those rows, where they have the column. `others` (m,)
    are the weights of the rows without a label; of all rows, if none is without."""
    for c in range(centres.shape[0]):
        for j in range(z.shape[0]):
            sums[c, j] = mass[c, j] = centres[c, j] = 0.0
    total = 0.0
    for i in range(hints.size):
        others[i] = row_weights[i] if hints[i] < 0 else 0.0
        total += others[i]
        if hints[i] >= 0:
            placed[hints[i]] = True
    for j in range(z.shape[0]):
        for i in range(hints.size):
            if hints[i] >= 0 and z[j, i] == z[j, i]:
                sums[hints[i], j] += row_weights[i] * z[j, i]
                mass[hints[i], j] += row_weights[i]
        for c in range(centres.shape[0]):
            if mass[c, j] > 0.0:
                centres[c, j] = sums[c, j] / mass[c, j]
    if total == 0.0:
        for i in range(hints.size):
            others[i] = row_weights[i]


@jit
def first_weights(labels, row_weights, log_weights):
    """Logs of the clusters' shares, none less than a tenth of an equal one."""
    k = log_weights.size
    total = 0.0
    for c in range(k):
        log_weights[c] = 0.0
    for i in range(labels.size):
        log_weights[labels[i]] += row_weights[i]
        total += row_weights[i]
    whole = 0.0
    for c in range(k):
        log_weights[c] = max(log_weights[c], total / (10 * k))
        whole += log_weights[c]
    for c in range(k):
        log_weights[c] = log(log_weights[c] / whole)


@jit
def put_back(plan, given, template, parameters):
    """The parameters of components that came with some are as they came."""
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        for c in range(plate[COUNT]):
            if given[plate[FIRST] + c]:
                start = plate[PARAMETER] + c * plate[PARAMETERS]
                for i in range(start, start + plate[PARAMETERS]):
                    parameters[i] = template[i]


@jit_entry
def try_starts(
    calls, problem, task, control, until, given, template, mixing, z, order, row_weights, hints, seed, kinds, softness, lloyd,
    steps, parameters, log_weights, history, progress, statuses, counter,
):  # fmt: skip
    """Start number `counter`, and the next, until all have been made, and run for `until` M-steps each.

    Rows of `order` (m,), all rows of the problem, are those of z (D, m), with their weights. `given` (k,) says which components
    keep the parameters of the `template` in the start; `mixing` (k,) are logs of weights to start from, or empty; `hints` (m,)
    labels of some rows of z, or empty. `kinds` (starts,) is what each start is. Outputs, a row a start: parameters, log_weights,
    history, progress, statuses.
    """
    plan, rows = unfold(problem)
    k, m, d = plan.n_components, z.shape[1], z.shape[0]
    part, totals = np.empty(problem.sizes.n_statistics), np.empty(problem.sizes.n_statistics)
    scratch, trial, accelerator = scratch_for(plan), np.empty(template.size), state_for(plan, control, template.size)
    lines, centres, sums, mass = np.empty((6, m)), np.empty((k, d)), np.empty((k, d)), np.empty((k, d))
    labels, nearest, every = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64)
    placed = np.empty(k, dtype=np.bool_)
    while True:
        number = next_of(counter)
        if number >= kinds.size:
            return
        own, weights = parameters[number], log_weights[number]
        own_seed = stream(seed, number)
        label_rows(z, row_weights, kinds[number], own_seed, lloyd, hints, centres, sums, mass, placed, labels, nearest, lines)
        for i in range(m):
            every[order[i]] = labels[i]
        for i in range(template.size):
            own[i] = template[i]
        first_weights(labels, row_weights, weights)
        if mixing.size:
            for c in range(k):
                weights[c] = mixing[c]
        flags = progress[number, PROGRESS:]
        beliefs = task.posterior  # none
        call_follow_labels(
            calls.follow_labels, calls.visit, plan, rows, every, beliefs, softness, steps, own, weights, flags, scratch, part,
            totals, trial,
        )  # fmt: skip
        put_back(plan, given, template, own)
        prepare_plates(plan, own)
        for i in range(progress.shape[1]):
            progress[number, i] = 0
        restart(accelerator)
        statuses[number] = call_climb(
            calls.climb, calls.visit, plan, rows, task, control, until, task.posterior, own, weights, history[number],
            progress[number], accelerator, scratch, part, totals, trial,
        )  # fmt: skip
        if statuses[number] == CONTINUE:
            settle(plan, accelerator, own, weights)


@jit_entry
def label_starts(z, row_weights, kind, seed, number, lloyd, hints, n_components, labels):
    """Labels (m,) of the clusters of one start."""
    d, m = z.shape
    lines, centres = np.empty((6, m)), np.empty((n_components, d))
    sums, mass = np.empty((n_components, d)), np.empty((n_components, d))
    nearest, placed = np.empty(m, dtype=np.int64), np.empty(n_components, dtype=np.bool_)
    label_rows(z, row_weights, kind, stream(seed, number), lloyd, hints, centres, sums, mass, placed, labels, nearest, lines)


@jit
def label_all(visit, plan, rows, task, parameters, log_weights, labels, scratch):
    """labels (n_rows,) = the most probable component of every row."""
    empty, nothing = task.density, task.posterior
    kind = Task(OUTPUTS, 0.0, 0, 1.0, -1, task.known, task.beliefs, labels, empty, nothing, nothing)
    for start in range(0, rows.n_rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, rows.n_rows)
        call_visit(visit, plan, rows, kind, parameters, log_weights, start, stop, scratch, empty)


@jit
def split(z, row_weights, order, target, moved, seed, labels, centres, sums, mass, halves, nearest, own, lines):
    """Of the rows labelled `target`, those nearer to the second of two centres get the label `moved`; `order` (m,) are the places
    in `labels` of the rows of z (D, m). Two-means from greedy k-means++ seeds; the last five are scratch, `centres` (2, D)."""
    placed = np.zeros(2, dtype=np.bool_)
    for i in range(own.size):
        own[i] = row_weights[i] if labels[order[i]] == target else 0.0
        halves[i] = -1
    seed_centres(z, own, seed, 3, placed, centres, lines)
    improve(z, own, nearest[:0], centres, halves, 10, sums, mass, nearest, lines)
    for i in range(own.size):
        if own[i] > 0.0 and halves[i] == 1:
            labels[order[i]] = moved


@jit_entry
def try_moves(
    calls, problem, task, control, until, template, mixing, z, order, row_weights, hints, seed, moves, softness, steps,
    parameters, log_weights, history, progress, statuses, counter,
):  # fmt: skip
    """Move number `counter` of `moves` (moves, 2), and the next, until all have been made, and run for `until` M-steps each.

    A move (j, l) takes component j away from where it is, for others to take its rows, and gives it one half of the rows of
    component l: split and merge (Ueda, Nakano, Ghahramani & Hinton 2000, Neural Computation 12). All others keep their parameters
    of the `template` and weights of `mixing` (k,), logs. Everything else is as for :func:`try_starts`.
    """
    plan, rows = unfold(problem)
    k, m, d = plan.n_components, z.shape[1], z.shape[0]
    part, totals = np.empty(problem.sizes.n_statistics), np.empty(problem.sizes.n_statistics)
    scratch, trial, accelerator = scratch_for(plan), np.empty(template.size), state_for(plan, control, template.size)
    lines, centres, sums, mass = np.empty((5, m)), np.empty((2, d)), np.empty((2, d)), np.empty((2, d))
    halves, nearest, own = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64), np.empty(m)
    labels, stays = np.empty(rows.n_rows, dtype=np.int64), np.empty(k, dtype=np.bool_)
    while True:
        number = next_of(counter)
        if number >= moves.shape[0]:
            return
        moved, target = moves[number, 0], moves[number, 1]
        values, weights = parameters[number], log_weights[number]
        for i in range(template.size):
            values[i] = template[i]
        for c in range(k):
            stays[c] = c != moved and c != target
            weights[c] = mixing[c] if c != moved else -np.inf
        label_all(calls.visit, plan, rows, task, values, weights, labels, scratch)
        split(z, row_weights, order, target, moved, stream(seed, number), labels, centres, sums, mass, halves, nearest, own, lines)
        for i in range(hints.size):
            labels[order[i]] = hints[i] if hints[i] >= 0 else labels[order[i]]
        share = log(0.5) + weights[target]
        weights[moved] = weights[target] = share
        total = 0.0
        for c in range(k):
            total += np.exp(weights[c])
        for c in range(k):
            weights[c] -= log(total)
        flags = progress[number, PROGRESS:]
        call_follow_labels(
            calls.follow_labels, calls.visit, plan, rows, labels, task.posterior, softness, steps, values, weights, flags, scratch,
            part, totals, trial,
        )  # fmt: skip
        put_back(plan, stays, template, values)
        if not control.moves_weights:
            for c in range(k):
                weights[c] = mixing[c]
        prepare_plates(plan, values)
        for i in range(progress.shape[1]):
            progress[number, i] = 0
        past, state = history[number], progress[number]
        restart(accelerator)
        statuses[number] = call_climb(
            calls.climb, calls.visit, plan, rows, task, control, until, task.posterior, values, weights, past, state, accelerator,
            scratch, part, totals, trial,
        )  # fmt: skip
        if statuses[number] == CONTINUE:
            settle(plan, accelerator, values, weights)
