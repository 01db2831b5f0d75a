"""Starts of EM, and moves away from where it ended, tried side by side in compiled code: labels, an M-step, some iterations."""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, jit_entry, matrix, next_of, segment
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
def split(z, row_weights, order, target, moved, seed, labels, centres, sums, mass, halves, nearest, own, placed, lines):
    """Of the rows labelled `target`, those nearer to the second of two centres get the label `moved`; `order` (m,) are the places
    in `labels` of the rows of z (D, m). Two-means from greedy k-means++ seeds; the last eight are scratch, for two components
    or more."""
    placed[0] = placed[1] = False
    for i in range(own.size):
        own[i] = row_weights[i] if labels[order[i]] == target else 0.0
        halves[i] = -1
    two, sums, mass = matrix(centres, 0, 2, z.shape[0]), matrix(sums, 0, 2, z.shape[0]), matrix(mass, 0, 2, z.shape[0])
    seed_centres(z, own, seed, 3, placed, two, lines)
    improve(z, own, segment(nearest, 0, 0), two, halves, 10, sums, mass, nearest, lines)
    for i in range(own.size):
        if own[i] > 0.0 and halves[i] == 1:
            labels[order[i]] = moved


@jit
def move_labels(z, row_weights, order, hints, moved, target, seed, weights, labels, centres, sums, mass, halves, nearest,
                own, placed, lines):  # fmt: skip
    """Component `moved` gives up its rows, and half of those of component `target` get its label: `labels` (n_rows,) change, and
    so do `weights` (k,), logs, in which the share of `target` is parted between the two."""
    k = weights.size
    split(z, row_weights, order, target, moved, seed, labels, centres, sums, mass, halves, nearest, own, placed, lines)
    for i in range(hints.size):
        labels[order[i]] = hints[i] if hints[i] >= 0 else labels[order[i]]
    share = log(0.5) + weights[target]
    weights[moved] = weights[target] = share
    total = 0.0
    for c in range(k):
        total += np.exp(weights[c])
    for c in range(k):
        weights[c] -= log(total)


@jit_entry
def try_runs(
    calls, problem, task, control, until, given, template, mixing, z, order, row_weights, hints, seed, kinds, moves, softness,
    lloyd, steps, parameters, log_weights, history, progress, statuses, counter,
):  # fmt: skip
    """Start or move number `counter`, and the next, until all have been made, and run for `until` M-steps each.

    Rows of `order` (m,), all rows of the problem, are those of z (D, m), with their weights; `hints` (m,), or none, are labels that
    some of them have. Outputs, a row a run: parameters, log_weights, history, progress, statuses.

    Starts are of `kinds` (starts,), and there are no `moves`. `given` (k,) says which components keep the parameters of the
    `template`; `mixing` (k,) are logs of weights to start from, or empty.

    A move (j, l) of `moves` (moves, 2) takes component j away from where it is, for others to take its rows, and gives it one half
    of the rows of component l: split and merge (Ueda, Nakano, Ghahramani & Hinton 2000, Neural Computation 12). All others keep
    their parameters of the `template` and weights of `mixing` (k,); there are no `kinds`.
    """
    plan, rows = unfold(problem)
    k, m, d = plan.n_components, z.shape[1], z.shape[0]
    width, p = template.size, problem.sizes.n_plates
    part, totals = np.empty(problem.sizes.n_statistics), np.empty(problem.sizes.n_statistics)
    scratch, trial, accelerator = scratch_for(plan), np.empty(width), state_for(plan, control, width)
    lines, centres, sums, mass = np.empty((6, m)), np.empty((k, d)), np.empty((k, d)), np.empty((k, d))
    labels, nearest, own = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64), np.empty(m)
    every, placed, stays = np.empty(rows.n_rows, dtype=np.int64), np.empty(k, dtype=np.bool_), np.empty(k, dtype=np.bool_)
    while True:
        number = next_of(counter)
        if number >= statuses.size:
            return
        values, weights = segment(parameters, number * width, width), segment(log_weights, number * k, k)
        past, state = (
            segment(history, number * history.shape[1], history.shape[1]),
            segment(progress, number * (PROGRESS + p), PROGRESS + p),
        )
        flags, beliefs, own_seed = segment(state, PROGRESS, p), task.posterior, stream(seed, number)  # no beliefs
        for i in range(template.size):
            values[i] = template[i]
        if moves.shape[0]:
            moved, target = moves[number, 0], moves[number, 1]
            for c in range(k):
                stays[c] = c != moved and c != target
                weights[c] = mixing[c] if c != moved else -np.inf
            label_all(calls.visit, plan, rows, task, values, weights, every, scratch)
            move_labels(z, row_weights, order, hints, moved, target, own_seed, weights, every, centres, sums, mass, labels, nearest,
                        own, placed, lines)  # fmt: skip
        else:
            kind = kinds[number]
            label_rows(z, row_weights, kind, own_seed, lloyd, hints, centres, sums, mass, placed, labels, nearest, lines)
            for i in range(m):
                every[order[i]] = labels[i]
            for c in range(k):
                stays[c] = given[c]
            first_weights(labels, row_weights, weights)
            for c in range(mixing.size):
                weights[c] = mixing[c]
        call_follow_labels(
            calls.follow_labels, calls.visit, plan, rows, every, beliefs, softness, steps, values, weights, flags, scratch, part,
            totals, trial,
        )  # fmt: skip
        put_back(plan, stays, template, values)
        if moves.shape[0] and not control.moves_weights:
            for c in range(k):
                weights[c] = mixing[c]
        prepare_plates(plan, values)
        for i in range(state.size):
            state[i] = 0
        restart(accelerator)
        statuses[number] = call_climb(
            calls.climb, calls, plan, rows, task, control, until, beliefs, values, weights, past, state, accelerator,
            scratch, part, totals, trial,
        )  # fmt: skip
        if statuses[number] == CONTINUE:
            settle(plan, accelerator, values, weights)
