"""M-steps in which some entries of a vector are held: of probabilities, and of the mean of a multivariate normal law.

The M-step without held entries comes first, by the kernel of that family; what it finds is then led to the maximum with them.

Probabilities: the others' likelihood, sum n_c log p_c, is largest, their sum being what the held ones leave, where they share it
in proportion to n_c, as they do without held ones. That holds for a Dirichlet prior, too.

Mean: let m and S be mean and covariance of the rows, of parts H (held at u) and F (free). The rows' likelihood is that of their
part H times that of F given H, a linear regression with coefficients B = S_FH S_HH^-1, whatever u. With d_H = m_H - u and d_F = B
d_H the maximum is mean = m - d, covariance = S + d d' (Anderson 1957, "Maximum likelihood estimates for a multivariate normal
distribution when some observations are missing", has the factors); of a diagonal or spherical covariance, whose columns are
independent, d_F = 0; and with a covariance that is given the same with B from that."""

from __future__ import annotations

import numpy as np

from mixtures._numba import float_to_bits, jit, matrix
from mixtures._numba_calls import call_accumulate, call_log_prior, call_log_prob, call_maximize, call_prepare
from mixtures.engine.linear import cholesky
from mixtures.engine.plan import FAILED, REPEAT, UNSETTLED

# Packed parameters: addresses of the base's kernels, then
PRIOR = 4  # that of its prior's, 0 for none
START = 5  # where the base's own parameters start
PLACE = 6  # of the vector among those
SIZE = 7  # of the vector
COVARIANCE = 8  # its place; -1 for probabilities, which have none
COVARIANCE_HELD = 9  # whether it is given
KIND = 10  # 0: full, 1: diagonal, 2: spherical
SHARE = 11  # place of the columns' units over the largest
INCOMPLETE = 12  # whether rows may lack cells
ENTRIES = 13  # of every entry whether it is held; then what at
STILL = 1e-11
"""Standard deviations, or correlations, by which a step may move the parameters of a fit with missing cells that has settled."""
PREPARE, LOG_PROB, ACCUMULATE, MAXIMIZE = range(4)


@jit
def _row(values, k, start):
    width = values.shape[1]
    return matrix(values, k * width + start, 1, width - start)


@jit
def _base(parameters, k):
    return _row(parameters, k, np.int64(parameters[k, START]))


@jit
def prepare(parameters):
    for k in range(parameters.shape[0]):
        call_prepare(float_to_bits(parameters[k, PREPARE]), _base(parameters, k))


@jit
def log_prob(parameters, x, out):
    for k in range(out.shape[0]):
        call_log_prob(float_to_bits(parameters[k, LOG_PROB]), _base(parameters, k), x, _row(out, k, 0))


@jit
def accumulate(parameters, x, responsibilities, statistics):
    for k in range(responsibilities.shape[0]):
        share, sums = _row(responsibilities, k, 0), _row(statistics, k, 0)
        call_accumulate(float_to_bits(parameters[k, ACCUMULATE]), _base(parameters, k), x, share, sums)


@jit
def log_prior(parameters):
    value = 0.0
    for k in range(parameters.shape[0]):
        if parameters[k, PRIOR] != 0.0:
            value += call_log_prior(float_to_bits(parameters[k, PRIOR]), _base(parameters, k))
    return value


@jit
def maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        p, base = parameters[k], _base(parameters, k)
        if not statistics[k, 0] > 0.0:
            continue
        old = base[0].copy()
        own = call_maximize(float_to_bits(p[MAXIMIZE]), _row(statistics, k, 0), base)
        if not own & (REPEAT | FAILED):
            if p[COVARIANCE] < 0.0:
                _share_rest(p, base[0], old)
            else:
                moved = _lead_mean(p, base[0], old)
                own = own & ~UNSETTLED | (UNSETTLED if moved and p[INCOMPLETE] == 1.0 else 0)
        outcome |= own
    return outcome


@jit
def _share_rest(p, row, old):
    """Let the probabilities that are free share what the held ones leave."""
    place, size = np.int64(p[PLACE]), np.int64(p[SIZE])
    rest, found = 1.0, 0.0
    for c in range(size):
        if p[ENTRIES + c] == 1.0:
            rest -= p[ENTRIES + size + c]
        else:
            found += row[place + c]
    for c in range(size):
        if p[ENTRIES + c] == 1.0:
            row[place + c] = p[ENTRIES + size + c]
        elif found > 0.0:
            row[place + c] *= max(rest, 0.0) / found
        else:  # no row of theirs
            row[place + c] = old[place + c]


@jit
def _lead_mean(p, row, old):
    """Move mean and covariance to where the held entries allow; whether they have moved from the old ones."""
    place, d, square = np.int64(p[PLACE]), np.int64(p[SIZE]), np.int64(p[COVARIANCE])
    covariance = row[square : square + d * d].reshape(d, d)
    away = np.zeros(d)
    places = np.empty(d, dtype=np.int64)
    count = 0
    for i in range(d):
        if p[ENTRIES + i] == 1.0:
            away[i] = row[place + i] - p[ENTRIES + d + i]
            places[count] = i
            count += 1
    if p[KIND] == 0.0:
        # Of the held ones' covariance, L L', solve for L'^-1 L^-1 away.
        lower, solved = np.empty((count, count)), np.empty(count)
        for a in range(count):
            solved[a] = away[places[a]]
            for b in range(count):
                lower[a, b] = covariance[places[a], places[b]]
        cholesky(lower, np.zeros(count))
        for a in range(count):
            for b in range(a):
                solved[a] -= lower[a, b] * solved[b]
            solved[a] /= lower[a, a]
        for a in range(count - 1, -1, -1):
            for b in range(a + 1, count):
                solved[a] -= lower[b, a] * solved[b]
            solved[a] /= lower[a, a]
        for i in range(d):
            if p[ENTRIES + i] == 0.0:
                for a in range(count):
                    away[i] += covariance[i, places[a]] * solved[a]
    for i in range(d):
        row[place + i] = p[ENTRIES + d + i] if p[ENTRIES + i] == 1.0 else row[place + i] - away[i]
    if p[COVARIANCE_HELD] == 0.0:
        share = np.int64(p[SHARE])
        total = 0.0
        for i in range(d):
            total += (away[i] * row[share + i]) ** 2 / d
        for i in range(d):
            for j in range(d):
                if p[KIND] == 0.0 or (p[KIND] == 1.0 and i == j):
                    covariance[i, j] += away[i] * away[j]
                elif i == j:
                    covariance[i, j] += total / (row[share + i] * row[share + i])
    moved = False
    for i in range(d):
        moved |= abs(row[place + i] - old[place + i]) > STILL * np.sqrt(covariance[i, i])
        for j in range(d):
            size = np.sqrt(covariance[i, i] * covariance[j, j])
            moved |= abs(covariance[i, j] - old[square + i * d + j]) > STILL * size
    return moved
