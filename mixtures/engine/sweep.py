"""The pass over rows: log-joint, responsibilities, statistics, block by block. Nothing larger than a block is stored."""

from __future__ import annotations

import numpy as np

from mixtures._numba import (
    call_accumulate,
    call_log_prob,
    jit,
    jit_sums,
    load_float,
    next_of,
    wide_vectors,
)
from mixtures.engine.plan import (
    ACCUMULATE,
    CHUNK_ROWS,
    COLUMN,
    COUNT,
    FIRST,
    LOG_PROB,
    MASKED,
    PARAMETER,
    PARAMETERS,
    ROW_NUMBER,
    STATISTIC,
    STATISTICS,
    WIDTH,
)
from mixtures.engine.special import exp_nonpositive, log_normal


@jit
def matrix(buffer, start, rows, columns):
    """The (rows, columns) matrix that lies at `start` in a flat buffer."""
    return buffer[start : start + rows * columns].reshape(rows, columns)


@jit
def workspace(plan):
    """Scratch for one block: (x, mask, joint, spare, row), each flat and cut to size per block."""
    b = plan.block_rows
    k = plan.n_components
    x = np.empty(plan.columns.size * b)
    mask = np.empty(plan.columns.size * b)
    return x, mask, np.empty(k * b), np.empty(k * b), np.empty((3, b))


@jit
def gather(plan, rows, first, b, x, mask):
    """Copy rows first..first+b of every plate column into contiguous scratch; missing cells become the filler."""
    wide_vectors()
    for p in range(plan.plates.shape[0]):
        column = plan.plates[p, COLUMN]
        for j in range(column, column + plan.plates[p, WIDTH]):
            source = plan.columns[j]
            target = x[j * b : (j + 1) * b]
            if source == ROW_NUMBER:
                for i in range(b):
                    target[i] = float(first + i)
                continue
            stride = rows.strides[source]
            start = rows.addresses[source] + first * stride
            scale = 1.0 / plan.units[j]
            if stride == 8:
                for i in range(b):
                    target[i] = load_float(start + i * 8) * scale
            else:
                for i in range(b):
                    target[i] = load_float(start + i * stride) * scale
            if plan.plates[p, MASKED]:
                seen = mask[j * b : (j + 1) * b]
                filler = plan.fillers[j] * scale
                for i in range(b):
                    value = target[i]
                    present = value == value
                    seen[i] = 1.0 if present else 0.0
                    target[i] = value if present else filler


@jit
def add_observed(joint, seen, log_prob):
    """joint += log_prob where a cell was seen: an unseen cell says nothing."""
    wide_vectors()
    for k in range(joint.shape[0]):
        for i in range(joint.shape[1]):
            joint[k, i] += log_prob[k, i] if seen[i] == 1.0 else 0.0


@jit
def log_joint(plan, parameters, log_weights, b, x, mask, joint, spare):
    """joint[k] = log weight of component k + its log-density of each row."""
    for k in range(plan.n_components):
        joint[k * b : (k + 1) * b] = log_weights[k]
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        count = plate[COUNT]
        values = matrix(parameters, plate[PARAMETER], count, plate[PARAMETERS])
        cells = matrix(x, plate[COLUMN] * b, plate[WIDTH], b)
        out = matrix(joint, plate[FIRST] * b, count, b)
        if plate[MASKED]:
            part = matrix(spare, 0, count, b)
            part[:] = 0.0
            call_log_prob(plate[LOG_PROB], values, cells, part)
            add_observed(out, mask[plate[COLUMN] * b : (plate[COLUMN] + 1) * b], part)
        else:
            call_log_prob(plate[LOG_PROB], values, cells, out)


@jit
def normalise_two(joint, density):
    """As :func:`normalise` for two components, whose larger share needs no exponential."""
    wide_vectors()
    for i in range(joint.shape[1]):
        a = joint[0, i]
        c = joint[1, i]
        first = a >= c
        top = a if first else c
        gap = c - a if first else a - c
        gap = gap if top > -np.inf else 0.0
        e = exp_nonpositive(gap)
        total = 1.0 + e
        larger = 1.0 / total
        smaller = e / total
        density[i] = top + log_normal(total)
        joint[0, i] = larger if first else smaller
        joint[1, i] = smaller if first else larger


@jit
def normalise_many(joint, density, top, total):
    """As :func:`normalise` for any number of components."""
    wide_vectors()
    count, b = joint.shape
    for i in range(b):
        top[i] = joint[0, i]
    for k in range(1, count):
        for i in range(b):
            top[i] = joint[k, i] if joint[k, i] > top[i] else top[i]
    for i in range(b):
        # A row that no component can have made: keep -inf - -inf from becoming NaN.
        density[i] = top[i]
        top[i] = -1.7976931348623157e308 if top[i] == -np.inf else top[i]
        total[i] = 0.0
    for k in range(count):
        for i in range(b):
            e = exp_nonpositive(joint[k, i] - top[i])
            joint[k, i] = e
            total[i] += e
    for i in range(b):
        impossible = density[i] == -np.inf
        s = 1.0 if impossible else total[i]
        density[i] += log_normal(s)
        total[i] = 1.0 / s
    for k in range(count):
        for i in range(b):
            joint[k, i] *= total[i]


@jit
def normalise(joint, row):
    """Log-joint (k, b) becomes responsibilities; returns the log-densities (b,) of the rows, NaN wherever joint has one."""
    b = joint.shape[1]
    density = row[0, :b]
    if joint.shape[0] == 1:
        density[:] = joint[0]
        joint[0] = 1.0
    elif joint.shape[0] == 2:
        normalise_two(joint, density)
    else:
        normalise_many(joint, density, row[1, :b], row[2, :b])
    return density


@jit_sums
def total_of(values):
    """Sum of a vector."""
    wide_vectors()
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


@jit_sums
def weighted_total(values, weights):
    """Sum of values times weights."""
    wide_vectors()
    total = 0.0
    for i in range(values.size):
        total += values[i] * weights[i]
    return total


@jit
def apply_weights(responsibilities, weights):
    """responsibilities *= weights, row by row."""
    wide_vectors()
    for k in range(responsibilities.shape[0]):
        for i in range(weights.size):
            responsibilities[k, i] *= weights[i]


@jit
def observed_part(responsibilities, seen, out):
    """Responsibilities where the cell was seen, zero elsewhere."""
    wide_vectors()
    for k in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[k, i] = responsibilities[k, i] * seen[i]


@jit
def accumulate(plan, parameters, b, x, mask, joint, spare, statistics):
    """Add a block's statistics, given its weighted responsibilities in `joint`.

    The first statistic of every component of a plate is the engine's: the sum of responsibilities of the observed rows.
    """
    k = plan.n_components
    for c in range(k):
        statistics[1 + c] += total_of(joint[c * b : (c + 1) * b])
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        count = plate[COUNT]
        values = matrix(parameters, plate[PARAMETER], count, plate[PARAMETERS])
        cells = matrix(x, plate[COLUMN] * b, plate[WIDTH], b)
        share = matrix(joint, plate[FIRST] * b, count, b)
        if plate[MASKED]:
            part = matrix(spare, 0, count, b)
            observed_part(share, mask[plate[COLUMN] * b : (plate[COLUMN] + 1) * b], part)
            share = part
        sums = matrix(statistics, 1 + k + plate[STATISTIC], count, plate[STATISTICS])
        for c in range(count):
            sums[c, 0] += total_of(share[c])
        call_accumulate(plate[ACCUMULATE], values, cells, share, sums)


@jit
def sweep(plan, rows, parameters, log_weights, start, stop, statistics):
    """E-step over rows start..stop: adds their log-likelihood and statistics to `statistics`."""
    x, mask, joint, spare, row = workspace(plan)
    k = plan.n_components
    for first in range(start, stop, plan.block_rows):
        b = min(plan.block_rows, stop - first)
        gather(plan, rows, first, b, x, mask)
        log_joint(plan, parameters, log_weights, b, x, mask, joint, spare)
        responsibilities = matrix(joint, 0, k, b)
        density = normalise(responsibilities, row)
        if rows.weights.size:
            weights = rows.weights[first : first + b]
            statistics[0] += weighted_total(density, weights)
            apply_weights(responsibilities, weights)
        else:
            statistics[0] += total_of(density)
        accumulate(plan, parameters, b, x, mask, joint, spare, statistics)


@jit
def sweep_labels(plan, rows, parameters, labels, softness, statistics):
    """As :func:`sweep` over all rows, with responsibilities from `labels` (n,) instead of densities.

    A component gets 1 - softness of the rows labelled with it and softness / k of every row, but nothing of a row that lies
    outside its support.
    """
    x, mask, joint, spare, _ = workspace(plan)
    k = plan.n_components
    level = np.zeros(k)
    for first in range(0, rows.n_rows, plan.block_rows):
        b = min(plan.block_rows, rows.n_rows - first)
        gather(plan, rows, first, b, x, mask)
        log_joint(plan, parameters, level, b, x, mask, joint, spare)
        for c in range(k):
            for i in range(b):
                share = softness / k + (1.0 - softness if labels[first + i] == c else 0.0)
                weight = rows.weights[first + i] if rows.weights.size else 1.0
                joint[c * b + i] = share * weight if joint[c * b + i] > -np.inf else 0.0
        accumulate(plan, parameters, b, x, mask, joint, spare, statistics)


@jit
def sweep_chunks(plan, rows, parameters, log_weights, counter, statistics):
    """Sweep chunk after chunk, taking the next from the shared counter at this address; a row of `statistics` a chunk."""
    while True:
        chunk = next_of(counter)
        start = chunk * CHUNK_ROWS
        if start >= rows.n_rows:
            return
        statistics[chunk] = 0.0
        sweep(plan, rows, parameters, log_weights, start, min(start + CHUNK_ROWS, rows.n_rows), statistics[chunk])


@jit
def evaluate_chunks(plan, rows, parameters, log_weights, counter, want_log, density, posterior, labels):
    """Write what is asked for, chunk after chunk: an output of size 0 is not wanted.

    density (n,): log-density of each row; posterior (n, k): responsibilities, or log-joint when `want_log`;
    labels (n,): the most probable component, the first one on a tie.
    """
    x, mask, joint, spare, row = workspace(plan)
    k = plan.n_components
    while True:
        start = next_of(counter) * CHUNK_ROWS
        if start >= rows.n_rows:
            return
        for first in range(start, min(start + CHUNK_ROWS, rows.n_rows), plan.block_rows):
            b = min(plan.block_rows, min(start + CHUNK_ROWS, rows.n_rows) - first)
            gather(plan, rows, first, b, x, mask)
            log_joint(plan, parameters, log_weights, b, x, mask, joint, spare)
            block = matrix(joint, 0, k, b)
            if labels.size:
                for i in range(b):
                    best = 0
                    for c in range(1, k):
                        if block[c, i] > block[best, i]:
                            best = c
                    labels[first + i] = best
            if want_log and posterior.size:
                for i in range(b):
                    for c in range(k):
                        posterior[first + i, c] = block[c, i]
            if density.size or (posterior.size and not want_log):
                values = normalise(block, row)
                if density.size:
                    density[first : first + b] = values
                if posterior.size and not want_log:
                    for i in range(b):
                        for c in range(k):
                            posterior[first + i, c] = block[c, i]
