"""The pass over rows: log-joint, responsibilities, statistics, block by block. Nothing larger than a block is stored."""

from __future__ import annotations

import numpy as np

from mixtures._numba import (
    call_accumulate,
    call_log_prob,
    jit,
    jit_sums,
    matrix,
    next_of,
    wide_vectors,
)
from mixtures.engine.gather import gather
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
    STATISTIC,
    STATISTICS,
    WIDTH,
)
from mixtures.engine.posterior import densities, most_probable, normalise, sum_of_logs, total_of, weighted_total


@jit
def aligned(size):
    """Memory for `size` float64 from a multiple of 64 bytes on, so that no vector lies across two cache lines: arrays begin
    at multiples of 32, which costs a loop over short vectors a fifth of its time."""
    buffer = np.empty(size + 8)
    start = -(buffer.ctypes.data // 8) % 8
    return buffer[start : start + size]


@jit
def workspace(plan):
    """Scratch for one block: (x, mask, joint, spare, row), each flat and cut to size per block."""
    b = plan.block_rows
    k = plan.n_components
    columns = plan.columns.size
    return aligned(columns * b), aligned(columns * b), aligned(k * b), aligned(k * b), aligned(3 * b).reshape(3, b)


@jit
def add_observed(joint, first, mask, column, log_prob):
    """joint[first + k] += log_prob[k] where a cell was seen: an unseen cell says nothing."""
    wide_vectors()
    for k in range(log_prob.shape[0]):
        for i in range(joint.shape[1]):
            joint[first + k, i] += log_prob[k, i] if mask[column, i] == 1.0 else 0.0


@jit
def rows_of(values, first, count):
    """Rows first..first+count of a matrix, themselves a contiguous matrix."""
    return matrix(values, first * values.shape[1], count, values.shape[1])


@jit
def log_joint(plan, parameters, log_weights, x, mask, joint, spare):
    """joint[k] = log weight of component k + its log-density of each row."""
    wide_vectors()
    b = joint.shape[1]
    for k in range(joint.shape[0]):
        level = log_weights[k]
        for i in range(b):
            joint[k, i] = level
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        first, count, column = plate[FIRST], plate[COUNT], plate[COLUMN]
        values = matrix(parameters, plate[PARAMETER], count, plate[PARAMETERS])
        cells = rows_of(x, column, plate[WIDTH])
        if plate[MASKED]:
            part = matrix(spare, 0, count, b)
            part[:] = 0.0
            call_log_prob(plate[LOG_PROB], values, cells, part)
            add_observed(joint, first, mask, column, part)
        else:
            call_log_prob(plate[LOG_PROB], values, cells, rows_of(joint, first, count))


@jit
def apply_weights(responsibilities, weights):
    """responsibilities *= weights, row by row."""
    wide_vectors()
    for k in range(responsibilities.shape[0]):
        for i in range(weights.size):
            responsibilities[k, i] *= weights[i]


@jit
def observed_part(responsibilities, first, mask, column, out):
    """out = responsibilities[first:] where the cell was seen, zero elsewhere."""
    wide_vectors()
    for k in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[k, i] = responsibilities[first + k, i] * mask[column, i]


@jit_sums
def row_totals(values, totals):
    """Sum of every row of a matrix."""
    wide_vectors()
    for k in range(values.shape[0]):
        total = 0.0
        for i in range(values.shape[1]):
            total += values[k, i]
        totals[k] = total


@jit
def accumulate(plan, parameters, x, mask, responsibilities, spare, statistics):
    """Add a block's statistics, given its weighted responsibilities (k, b).

    The first statistic of every component of a plate is the engine's: the sum of responsibilities of the observed rows.
    """
    k, b = responsibilities.shape
    totals = np.empty(k)
    row_totals(responsibilities, totals)
    for c in range(k):
        statistics[1 + c] += totals[c]
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        first, count, column = plate[FIRST], plate[COUNT], plate[COLUMN]
        values = matrix(parameters, plate[PARAMETER], count, plate[PARAMETERS])
        cells = rows_of(x, column, plate[WIDTH])
        sums = matrix(statistics, 1 + k + plate[STATISTIC], count, plate[STATISTICS])
        if plate[MASKED]:
            part = matrix(spare, 0, count, b)
            observed_part(responsibilities, first, mask, column, part)
            observed = np.empty(count)
            row_totals(part, observed)
            for c in range(count):
                sums[c, 0] += observed[c]
            call_accumulate(plate[ACCUMULATE], values, cells, part, sums)
        else:
            for c in range(count):
                sums[c, 0] += totals[first + c]
            call_accumulate(plate[ACCUMULATE], values, cells, rows_of(responsibilities, first, count), sums)


@jit
def cut(plan, b, scratch):
    """Scratch cut to a block of b rows: (x, mask, joint)."""
    x, mask, joint, _, _ = scratch
    columns = plan.columns.size
    return matrix(x, 0, columns, b), matrix(mask, 0, columns, b), matrix(joint, 0, plan.n_components, b)


@jit
def sweep(plan, rows, parameters, log_weights, start, stop, statistics):
    """E-step over rows start..stop: adds their log-likelihood and statistics to `statistics`."""
    scratch = workspace(plan)
    spare = scratch[3]
    for first in range(start, stop, plan.block_rows):
        b = min(plan.block_rows, stop - first)
        x, mask, joint = cut(plan, b, scratch)
        gather(plan, rows, first, x, mask)
        log_joint(plan, parameters, log_weights, x, mask, joint, spare)
        top, total, inverse = scratch[4][0, :b], scratch[4][1, :b], scratch[4][2, :b]
        normalise(joint, top, total, inverse)
        if rows.weights.size:
            weights = rows.weights[first : first + b]
            densities(top, total, top)
            statistics[0] += weighted_total(top, weights)
            apply_weights(joint, weights)
        else:
            statistics[0] += total_of(top) + sum_of_logs(total)
        accumulate(plan, parameters, x, mask, joint, spare, statistics)


@jit
def sweep_labels(plan, rows, parameters, labels, softness, statistics):
    """As :func:`sweep` over all rows, with responsibilities from `labels` (n,) instead of densities.

    A component gets 1 - softness of the rows labelled with it and softness / k of every row, but nothing of a row that lies
    outside its support.
    """
    scratch = workspace(plan)
    k = plan.n_components
    level = np.zeros(k)
    for first in range(0, rows.n_rows, plan.block_rows):
        b = min(plan.block_rows, rows.n_rows - first)
        x, mask, joint = cut(plan, b, scratch)
        gather(plan, rows, first, x, mask)
        if k > 1:
            log_joint(plan, parameters, level, x, mask, joint, scratch[3])
        else:
            joint[:] = 0.0  # no other could take a row: a fit must leave parameters that exclude it, such as rate 0
        for c in range(k):
            for i in range(b):
                share = softness / k + (1.0 - softness if labels[first + i] == c else 0.0)
                weight = rows.weights[first + i] if rows.weights.size else 1.0
                joint[c, i] = share * weight if joint[c, i] > -np.inf else 0.0
        accumulate(plan, parameters, x, mask, joint, scratch[3], statistics)


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
    scratch = workspace(plan)
    k = plan.n_components
    while True:
        start = next_of(counter) * CHUNK_ROWS
        if start >= rows.n_rows:
            return
        for first in range(start, min(start + CHUNK_ROWS, rows.n_rows), plan.block_rows):
            b = min(plan.block_rows, min(start + CHUNK_ROWS, rows.n_rows) - first)
            x, mask, joint = cut(plan, b, scratch)
            gather(plan, rows, first, x, mask)
            log_joint(plan, parameters, log_weights, x, mask, joint, scratch[3])
            if labels.size:
                most_probable(joint, scratch[4][0, :b], labels[first : first + b])
            if want_log and posterior.size:
                for i in range(b):
                    for c in range(k):
                        posterior[first + i, c] = joint[c, i]
            if density.size or (posterior.size and not want_log):
                top, total, inverse = scratch[4][0, :b], scratch[4][1, :b], scratch[4][2, :b]
                normalise(joint, top, total, inverse)
                if density.size:
                    densities(top, total, density[first : first + b])
                if posterior.size and not want_log:
                    for i in range(b):
                        for c in range(k):
                            posterior[first + i, c] = joint[c, i]
