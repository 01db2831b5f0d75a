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


# Loops run from 0 over the last axis of a matrix: an offset inside the loop would bring back Python's test for negative
# indices, and with it the end of vectorisation.


@jit
def read_contiguous(start, scale, x, j):
    """x[j] = adjacent float64 from address `start`, times `scale`."""
    wide_vectors()
    for i in range(x.shape[1]):
        x[j, i] = load_float(start + i * 8) * scale


@jit
def read_strided(start, stride, scale, x, j):
    """As :func:`read_contiguous`, `stride` bytes apart."""
    for i in range(x.shape[1]):
        x[j, i] = load_float(start + i * stride) * scale


@jit
def fill_missing(x, mask, j, filler):
    """Note in mask[j] which cells of x[j] are there; put `filler` in the others."""
    wide_vectors()
    for i in range(x.shape[1]):
        value = x[j, i]
        present = value == value
        mask[j, i] = 1.0 if present else 0.0
        x[j, i] = value if present else filler


@jit
def gather(plan, rows, first, x, mask):
    """Copy rows first..first+b of every plate column into scratch (columns, b); missing cells become the filler."""
    for p in range(plan.plates.shape[0]):
        column = plan.plates[p, COLUMN]
        for j in range(column, column + plan.plates[p, WIDTH]):
            source = plan.columns[j]
            if source == ROW_NUMBER:
                for i in range(x.shape[1]):
                    x[j, i] = float(first + i)
                continue
            stride = rows.strides[source]
            start = rows.addresses[source] + first * stride
            scale = 1.0 / plan.units[j]
            if stride == 8:
                read_contiguous(start, scale, x, j)
            else:
                read_strided(start, stride, scale, x, j)
            if plan.plates[p, MASKED]:
                fill_missing(x, mask, j, plan.fillers[j] * scale)


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
    return values[first : first + count]


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


@jit_sums
def total_of(values):
    """Sum of a vector."""
    wide_vectors()
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


@jit
def normalise_two(joint, top, total):
    """As :func:`normalise` for two components, whose larger share needs no exponential."""
    wide_vectors()
    for i in range(joint.shape[1]):
        a = joint[0, i]
        c = joint[1, i]
        first = a >= c
        larger = a if first else c
        gap = c - a if first else a - c
        gap = gap if larger > -np.inf else 0.0
        e = exp_nonpositive(gap)
        inverse = 1.0 / (1.0 + e)
        top[i] = larger
        total[i] = 1.0 + e
        joint[0, i] = inverse if first else e * inverse
        joint[1, i] = e * inverse if first else inverse


@jit
def normalise_many(joint, top, total, inverse):
    """As :func:`normalise` for any number of components."""
    wide_vectors()
    count, b = joint.shape
    for i in range(b):
        top[i] = joint[0, i]
        total[i] = 0.0
    for k in range(1, count):
        for i in range(b):
            top[i] = joint[k, i] if joint[k, i] > top[i] else top[i]
    for k in range(count):
        for i in range(b):
            # For a row that no component can have made, -inf - -inf must not become NaN.
            gap = joint[k, i] - top[i] if top[i] != -np.inf else 0.0
            e = exp_nonpositive(gap)
            joint[k, i] = e
            total[i] += e
    for i in range(b):
        inverse[i] = 1.0 / total[i]
    for k in range(count):
        for i in range(b):
            joint[k, i] *= inverse[i]


@jit
def normalise(joint, top, total, inverse):
    """Log-joint (k, b) becomes responsibilities; top + log(total), both (b,), are the log-densities of the rows;
    `inverse` (b,) is scratch.

    NaN in a row's log-joint makes its total NaN. Where every entry is -inf, top is, and responsibilities are equal.
    """
    if joint.shape[0] == 1:
        for i in range(joint.shape[1]):
            top[i] = joint[0, i]
            total[i] = 1.0
            joint[0, i] = 1.0
    elif joint.shape[0] == 2:
        normalise_two(joint, top, total)
    else:
        normalise_many(joint, top, total, inverse)


@jit
def densities(top, total, out):
    """out = top + log(total)."""
    wide_vectors()
    for i in range(out.size):
        out[i] = top[i] + log_normal(total[i])


@jit
def sum_of_logs(total):
    """Sum of log(total), eight factors of every lane multiplied before one logarithm: each is between 1 and k."""
    wide_vectors()
    lanes = total.size // 8
    value = 0.0
    for i in range(lanes):
        product = (total[i] * total[lanes + i]) * (total[2 * lanes + i] * total[3 * lanes + i])
        product *= (total[4 * lanes + i] * total[5 * lanes + i]) * (total[6 * lanes + i] * total[7 * lanes + i])
        total[i] = log_normal(product)
    value = total_of(total[:lanes])
    for i in range(8 * lanes, total.size):
        value += log_normal(total[i])
    return value


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
def most_probable(joint, best, labels):
    """Place of the largest entry of every column of joint (k, b), the first on a tie; `best` (b,) is scratch."""
    wide_vectors()
    for i in range(labels.size):
        best[i] = joint[0, i]
        labels[i] = 0
    for k in range(1, joint.shape[0]):
        for i in range(labels.size):
            larger = joint[k, i] > best[i]
            best[i] = joint[k, i] if larger else best[i]
            labels[i] = k if larger else labels[i]


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
