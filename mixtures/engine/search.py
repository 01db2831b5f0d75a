"""Starts of EM tried side by side, in compiled code: labels of clusters, a first M-step, some iterations."""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, jit_entry, next_of
from mixtures.engine.acceleration import restart, settle, state_for
from mixtures.engine.draws import stream
from mixtures.engine.kmeans import improve, seed_centres, seed_rows
from mixtures.engine.loop import climb, follow_labels, prepare_plates
from mixtures.engine.plan import COUNT, FIRST, PARAMETER, PARAMETERS, PROGRESS, unfold
from mixtures.engine.special import log
from mixtures.engine.status import CONTINUE
from mixtures.engine.sweep import scratch_for

THOROUGH = 0
"""Greedy k-means++ centres, moved by Lloyd's iterations."""
SEEDED = 1
"""k-means++ centres as they are."""
RANDOM = 2
"""Rows as centres, drawn by weight alone."""


@jit
def label_rows(z, row_weights, kind, seed, lloyd, hints, centres, sums, mass, labels, nearest, scratch):
    """Labels (m,) of the rows of z (D, m), by a kind of start. `hints` (m,), or none, are labels that some rows have, >= 0: their
    mean is the centre of that label, and they keep it."""
    k = centres.shape[0]
    if kind == RANDOM:
        seed_rows(z, row_weights, seed, centres, scratch)
    else:
        candidates = 2 + np.int64(np.log(k)) if kind == THOROUGH else 1
        seed_centres(z, row_weights, seed, candidates, centres, scratch)
    for i in range(labels.size):
        labels[i] = -1
    if hints.size:
        centre_hints(z, row_weights, hints, sums, mass, centres)
    improve(z, row_weights, centres, labels, lloyd if kind == THOROUGH else 1, sums, mass, nearest, scratch)
    for i in range(hints.size):
        labels[i] = hints[i] if hints[i] >= 0 else labels[i]


@jit
def centre_hints(z, row_weights, hints, sums, mass, centres):
    """Centres of labels that some rows have: the mean of those rows, where they have the column."""
    for j in range(z.shape[0]):
        for c in range(centres.shape[0]):
            sums[c, j] = mass[c, j] = 0.0
        for i in range(hints.size):
            if hints[i] >= 0 and z[j, i] == z[j, i]:
                sums[hints[i], j] += row_weights[i] * z[j, i]
                mass[hints[i], j] += row_weights[i]
        for c in range(centres.shape[0]):
            if mass[c, j] > 0.0:
                centres[c, j] = sums[c, j] / mass[c, j]


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
    visit, problem, task, control, until, given, template, mixing, z, order, row_weights, hints, seed, kinds, softness, lloyd,
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
    lines, centres, sums, mass = np.empty((5, m)), np.empty((k, d)), np.empty((k, d)), np.empty((k, d))
    labels, nearest, every = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64)
    while True:
        number = next_of(counter)
        if number >= kinds.size:
            return
        own, weights = parameters[number], log_weights[number]
        label_rows(z, row_weights, kinds[number], stream(seed, number), lloyd, hints, centres, sums, mass, labels, nearest, lines)
        for i in range(m):
            every[order[i]] = labels[i]
        for i in range(template.size):
            own[i] = template[i]
        first_weights(labels, row_weights, weights)
        if mixing.size:
            for c in range(k):
                weights[c] = mixing[c]
        flags = progress[number, PROGRESS:]
        follow_labels(visit, plan, rows, every, softness, steps, own, weights, flags, scratch, part, totals, trial)
        put_back(plan, given, template, own)
        prepare_plates(plan, own)
        for i in range(progress.shape[1]):
            progress[number, i] = 0
        restart(accelerator)
        statuses[number] = climb(
            visit, plan, rows, task, control, until, own, weights, history[number], progress[number], accelerator, scratch, part,
            totals, trial,
        )  # fmt: skip
        if statuses[number] == CONTINUE:
            settle(plan, accelerator, own, weights)


@jit_entry
def label_starts(z, row_weights, kind, seed, number, lloyd, hints, n_components, labels):
    """Labels (m,) of the clusters of one start."""
    d, m = z.shape
    lines, centres, sums, mass = (
        np.empty((5, m)),
        np.empty((n_components, d)),
        np.empty((n_components, d)),
        np.empty((n_components, d)),
    )
    nearest = np.empty(m, dtype=np.int64)
    label_rows(z, row_weights, kind, stream(seed, number), lloyd, hints, centres, sums, mass, labels, nearest, lines)
