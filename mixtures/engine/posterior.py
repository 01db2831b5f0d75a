"""From log-joint to responsibilities, log-densities and labels, for one block of rows."""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.engine.special import exp_nonpositive, log_normal


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


@jit_sums
def scale_rows(values, factors, totals):
    """Every row of `values` (k, b) times `factors` (b,), and the sum of it in `totals` (k,)."""
    wide_vectors()
    for k in range(values.shape[0]):
        total = 0.0
        for i in range(factors.size):
            values[k, i] *= factors[i]
            total += values[k, i]
        totals[k] = total


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
def largest_of(joint, top):
    """top (b,) = the largest of every column of joint (k, b), four rows of it a time."""
    wide_vectors()
    count, b = joint.shape
    for i in range(b):
        top[i] = joint[0, i]
    k = 1
    while k + 4 <= count:
        j0, j1, j2, j3 = joint[k], joint[k + 1], joint[k + 2], joint[k + 3]
        for i in range(b):
            a = j0[i] if j0[i] > top[i] else top[i]
            c = j1[i] if j1[i] > j2[i] else j2[i]
            c = j3[i] if j3[i] > c else c
            top[i] = c if c > a else a
        k += 4
    while k < count:
        for i in range(b):
            top[i] = joint[k, i] if joint[k, i] > top[i] else top[i]
        k += 1


@jit
def normalise_many(joint, top, total, inverse):
    """As :func:`normalise` for any number of components, except that shares are still to be multiplied by `inverse`."""
    wide_vectors()
    count, b = joint.shape
    largest_of(joint, top)
    for i in range(b):
        total[i] = 0.0
    for k in range(count):
        for i in range(b):
            # For a row that no component can have made, -inf - -inf must not become NaN.
            gap = joint[k, i] - top[i] if top[i] != -np.inf else 0.0
            e = exp_nonpositive(gap)
            joint[k, i] = e
            total[i] += e
    for i in range(b):
        inverse[i] = 1.0 / total[i]


@jit
def normalise(joint, top, total, inverse, totals):
    """Log-joint (k, b) becomes responsibilities, whose sums are `totals` (k,); top + log(total), both (b,), are the
    log-densities of the rows; `inverse` (b,) is scratch.

    NaN in a row's log-joint makes its total NaN. Where every entry is -inf, top is, and responsibilities are equal.
    """
    if joint.shape[0] == 1:
        for i in range(joint.shape[1]):
            top[i] = joint[0, i]
            total[i] = 1.0
            joint[0, i] = 1.0
        totals[0] = joint.shape[1]
    elif joint.shape[0] == 2:
        normalise_two(joint, top, total)
        row_totals(joint, totals)
    else:
        normalise_many(joint, top, total, inverse)
        scale_rows(joint, inverse, totals)


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
