"""The pass over rows: log-joint, responsibilities, statistics, block by block. Nothing larger than a block is stored."""

from __future__ import annotations

import numpy as np
from numba import types

from mixtures._numba import jit, jit_entry, matrix, next_of, segment, wide_vectors
from mixtures._numba_calls import MATRIX, by_address, call_accumulate, call_log_prob
from mixtures.engine.gather import gather
from mixtures.engine.kinds import believe, draw, keep_best, restrict, sharpen
from mixtures.engine.plan import (
    ACCUMULATE,
    ATOMS,
    CHUNK_ROWS,
    COLUMN,
    COUNT,
    FIRST,
    LOG_PROB,
    MASKED,
    MAXIMA,
    MEASURE,
    OUTPUTS,
    PARAMETER,
    PARAMETERS,
    STATISTIC,
    STATISTICS,
    STATISTICS_OF_DENSITIES,
    STATISTICS_OF_LABELS,
    WIDTH,
    YIELDS,
    Plan,
    Rows,
    Task,
    unfold,
)
from mixtures.engine.posterior import (
    densities,
    most_probable,
    normalise,
    row_totals,
    scale_rows,
    sum_of_logs,
    total_of,
    weighted_total,
)


@jit
def aligned(size):
    """Memory for `size` float64 from a multiple of 64 bytes on, so that no vector lies across two cache lines: arrays begin
    at multiples of 32, which costs a loop over short vectors a fifth of its time."""
    buffer = np.empty(size + 8)
    start = -(buffer.ctypes.data // 8) % 8
    return buffer[start : start + size]


@jit
def scratch_for(plan):
    """The scratch that :func:`visit` needs."""
    return aligned((2 * plan.columns.size + 2 * plan.n_components + 3) * plan.block_rows + 2 * plan.n_components)


@jit
def add_observed(joint, first, mask, column, log_prob):
    """joint[first + k] += log_prob[k] where a cell was seen: an unseen cell says nothing."""
    wide_vectors()
    for k in range(log_prob.shape[0]):
        for i in range(joint.shape[1]):
            joint[first + k, i] += log_prob[k, i] if mask[column, i] == 1.0 else 0.0


@jit
def clear(values):
    """values = 0."""
    for k in range(values.shape[0]):
        for i in range(values.shape[1]):
            values[k, i] = 0.0


@jit
def rows_of(values, first, count):
    """Rows first..first+count of a matrix, themselves a contiguous matrix."""
    return matrix(values, first * values.shape[1], count, values.shape[1])


@jit
def stands_on(plan, plate, source):
    """Whether one of a plate's columns is this one of the table."""
    found = False
    for j in range(plate[COLUMN], plate[COLUMN] + plate[WIDTH]):
        found = found or plan.columns[j] == source
    return found


@jit
def yield_to_atoms(plan, parameters, x, mask, joint, spare):
    """joint = -inf for densities where a point mass on their column stands: with respect to the sum of the two measures, a
    density is 0 at the atoms."""
    b = joint.shape[1]
    for p in range(plan.plates.shape[0]):
        atoms = plan.plates[p]
        if atoms[MEASURE] != ATOMS:
            continue
        column = atoms[COLUMN]
        part = matrix(spare, 0, atoms[COUNT], b)
        clear(part)
        values = matrix(parameters, atoms[PARAMETER], atoms[COUNT], atoms[PARAMETERS])
        call_log_prob(atoms[LOG_PROB], values, rows_of(x, column, 1), part)
        for q in range(plan.plates.shape[0]):
            plate = plan.plates[q]
            if plate[MEASURE] != YIELDS or not stands_on(plan, plate, plan.columns[column]):
                continue
            for a in range(part.shape[0]):
                for k in range(plate[FIRST], plate[FIRST] + plate[COUNT]):
                    for i in range(b):
                        met = part[a, i] > -np.inf and (not atoms[MASKED] or mask[column, i] == 1.0)
                        joint[k, i] = -np.inf if met else joint[k, i]


@jit
def log_joint(plan, parameters, log_weights, x, mask, joint, spare):
    """joint[k] = log weight of component k + its log-density of each row."""
    wide_vectors()
    b = joint.shape[1]
    for k in range(joint.shape[0]):
        level = log_weights[k]
        for i in range(b):
            joint[k, i] = level
    has_atoms = False
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        has_atoms = has_atoms or plate[MEASURE] == ATOMS
        first, count, column = plate[FIRST], plate[COUNT], plate[COLUMN]
        values = matrix(parameters, plate[PARAMETER], count, plate[PARAMETERS])
        cells = rows_of(x, column, plate[WIDTH])
        if plate[MASKED]:
            part = matrix(spare, 0, count, b)
            clear(part)
            call_log_prob(plate[LOG_PROB], values, cells, part)
            add_observed(joint, first, mask, column, part)
        else:
            call_log_prob(plate[LOG_PROB], values, cells, rows_of(joint, first, count))
    if has_atoms:
        yield_to_atoms(plan, parameters, x, mask, joint, spare)


@jit
def observed_part(responsibilities, first, mask, column, out):
    """out = responsibilities[first:] where the cell was seen, zero elsewhere."""
    wide_vectors()
    for k in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[k, i] = responsibilities[first + k, i] * mask[column, i]


@jit
def accumulate(plan, parameters, x, mask, responsibilities, spare, totals, statistics):
    """Add a block's statistics, given its weighted responsibilities (k, b) and their sums totals[0].

    The first statistic of every component of a plate is the engine's: the sum of responsibilities of the observed rows.
    totals[1] is scratch.
    """
    k, b = responsibilities.shape
    for c in range(k):
        statistics[1 + c] += totals[0, c]
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        first, count, column = plate[FIRST], plate[COUNT], plate[COLUMN]
        values = matrix(parameters, plate[PARAMETER], count, plate[PARAMETERS])
        cells = rows_of(x, column, plate[WIDTH])
        sums = matrix(statistics, 1 + k + plate[STATISTIC], count, plate[STATISTICS])
        if plate[MASKED]:
            part = matrix(spare, 0, count, b)
            observed_part(responsibilities, first, mask, column, part)
            row_totals(part, totals[1])
            for c in range(count):
                sums[c, 0] += totals[1, c]
            call_accumulate(plate[ACCUMULATE], values, cells, part, sums)
        else:
            for c in range(count):
                sums[c, 0] += totals[0, first + c]
            call_accumulate(plate[ACCUMULATE], values, cells, rows_of(responsibilities, first, count), sums)


@jit
def reset(plan, statistics):
    """Statistics of no rows: sums are 0, maxima -inf. Of size 0 they are not wanted, only outputs."""
    if statistics.size == 0:
        return
    for i in range(statistics.size):
        statistics[i] = 0.0
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        if plate[MAXIMA]:
            own = matrix(statistics, 1 + plan.n_components + plate[STATISTIC], plate[COUNT], plate[STATISTICS])
            for c in range(plate[COUNT]):
                for s in range(plate[STATISTICS] - plate[MAXIMA], plate[STATISTICS]):
                    own[c, s] = -np.inf


@jit
def merge(plan, totals, part):
    """Statistics of more rows: sums are added, of two maxima the larger stays."""
    for i in range(1 + plan.n_components):
        totals[i] += part[i]
    for p in range(plan.plates.shape[0]):
        plate = plan.plates[p]
        first, n_sums = 1 + plan.n_components + plate[STATISTIC], plate[STATISTICS] - plate[MAXIMA]
        for _ in range(plate[COUNT]):
            for i in range(first, first + n_sums):
                totals[i] += part[i]
            for i in range(first + n_sums, first + plate[STATISTICS]):
                totals[i] = max(totals[i], part[i])
            first += plate[STATISTICS]


@jit
def soften(labels, softness, joint):
    """Log-joint (k, b) becomes responsibilities: 1 - softness of the rows labelled with a component and softness / k of every
    row, but nothing of a row that lies outside its support."""
    count = joint.shape[0]
    for k in range(count):
        for i in range(labels.size):
            share = softness / count + (1.0 - softness if labels[i] == k else 0.0)
            joint[k, i] = share if joint[k, i] > -np.inf else 0.0


@jit
def prescribe(beliefs, first, joint):
    """Log-joint (k, b) becomes responsibilities: those whose logs are `beliefs` (n, k) of rows first.., 0 outside the support."""
    for i in range(joint.shape[1]):
        for k in range(joint.shape[0]):
            joint[k, i] = np.exp(beliefs[first + i, k]) if joint[k, i] > -np.inf else 0.0


@jit
def transpose(joint, first, out):
    """out[first + i, k] = joint[k, i]."""
    for i in range(joint.shape[1]):
        for k in range(joint.shape[0]):
            out[first + i, k] = joint[k, i]


@jit
def visit(plan, rows, task, parameters, log_weights, start, stop, scratch, statistics):
    """The task done for rows start..stop: their log-likelihood and statistics added to `statistics`, or outputs written.

    The only function that contains the work on rows. It is called by its address, so that it is optimised once.
    """
    width = plan.columns.size
    k = plan.n_components
    for first in range(start, stop, plan.block_rows):
        b = min(plan.block_rows, stop - first)
        x = matrix(scratch, 0, width, b)
        mask = matrix(scratch, width * b, width, b)
        joint = matrix(scratch, 2 * width * b, k, b)
        spare = matrix(scratch, (2 * width + k) * b, k, b)
        lines = matrix(scratch, (2 * width + 2 * k) * b, 3, b)
        totals = matrix(scratch, (2 * width + 2 * k + 3) * b, 2, k)
        top, total, inverse = lines[0], lines[1], lines[2]
        gather(plan, rows, first, x, mask)
        if task.kind == STATISTICS_OF_LABELS and k == 1:
            clear(joint)  # no other could take a row: a fit must leave parameters that exclude it, such as rate 0
        else:
            log_joint(plan, parameters, log_weights, x, mask, joint, spare)
        if task.known.size:
            restrict(segment(task.known, first, b), joint)
        if task.beliefs.size and task.kind != STATISTICS_OF_LABELS:
            believe(task.beliefs, first, joint)
        if 0 < task.keep < k:
            keep_best(task.keep, joint, spare, top, total)
        if task.sharpness != 1.0:
            sharpen(joint, task.sharpness)
        if task.kind == OUTPUTS:
            if task.labels.size:
                most_probable(joint, top, segment(task.labels, first, b))
            if task.log_joint.size:
                transpose(joint, first, task.log_joint)
            if task.density.size or task.posterior.size:
                normalise(joint, top, total, inverse, totals[0])
            if task.density.size:
                densities(top, total, segment(task.density, first, b))
            if task.posterior.size:
                transpose(joint, first, task.posterior)
            continue
        if task.kind == STATISTICS_OF_LABELS:
            if task.labels.size:
                soften(segment(task.labels, first, b), task.softness, joint)
            else:
                prescribe(task.beliefs, first, joint)
            row_totals(joint, totals[0])
        else:
            normalise(joint, top, total, inverse, totals[0])
            if task.seed >= 0:
                draw(task.seed, first, joint)
                row_totals(joint, totals[0])
        if rows.weights.size:
            weights = segment(rows.weights, first, b)
            scale_rows(joint, weights, totals[0])
        if task.kind == STATISTICS_OF_DENSITIES:
            if rows.weights.size:
                densities(top, total, top)
                value = weighted_total(top, weights)
            else:
                value = total_of(top) + sum_of_logs(total)
            statistics[0] += value / task.sharpness
        accumulate(plan, parameters, x, mask, joint, spare, totals, statistics)


FLOATS = types.Array(types.float64, 1, "C")
INTS = types.Array(types.int64, 1, "C")
TABLE = types.Array(types.int64, 2, "C")
PLAN = types.NamedTuple((types.int64, types.int64, TABLE, INTS, FLOATS, FLOATS, FLOATS, TABLE), Plan)
ROWS = types.NamedTuple((types.int64, INTS, INTS, FLOATS), Rows)
TASK = types.NamedTuple(
    (types.int64, types.float64, types.int64, types.float64, types.int64, INTS, MATRIX, INTS, FLOATS, MATRIX, MATRIX), Task
)
call_visit = by_address("visit", types.none, PLAN, ROWS, TASK, FLOATS, FLOATS, types.int64, types.int64, FLOATS, FLOATS)


@jit_entry
def visit_chunks(address, problem, task, parameters, log_weights, statistics, counter):
    """Visit chunk after chunk, taking the next from the shared counter at this address; a row of `statistics` a chunk."""
    plan, rows = unfold(problem)
    scratch = scratch_for(plan)
    while True:
        chunk = next_of(counter)
        start = chunk * CHUNK_ROWS
        if start >= rows.n_rows:
            return
        part = segment(statistics, chunk * statistics.shape[1], statistics.shape[1])
        reset(plan, part)
        stop = min(start + CHUNK_ROWS, rows.n_rows)
        call_visit(address, plan, rows, task, parameters, log_weights, start, stop, scratch, part)
