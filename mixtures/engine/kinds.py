"""Kinds of E-step: what a pass does to a block's log-joint (k, b) before it becomes responsibilities, or to them.

With K_n the components that row n keeps and b the sharpness, responsibilities are r_nc ~ (w_c p_c(x_n))^b over c in K_n, the
maximum over r of

    sum_n sum_{c in K_n} r_nc log(w_c p_c(x_n)) - r_nc log(r_nc) / b,   which is then   sum_n log(sum_{c in K_n} (w_c p_c)^b) / b.

Alternating it with M-steps never lowers that sum (Neal & Hinton 1998). b = 1 and all components: EM. Of each row only the most
probable component: classification EM (Celeux & Govaert 1992). Some of them: truncated EM (Luecke & Forster 2019, Pattern
Recognition Letters 125). b < 1, rising to 1: deterministic annealing (Ueda & Nakano 1998). One component drawn from r for each
row: stochastic EM (Celeux & Diebolt 1985).
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, wide_vectors
from mixtures.engine.draws import uniform


@jit
def restrict(known, joint):
    """joint = -inf for all components but the one that a row is known to belong to; -1: unknown."""
    for k in range(joint.shape[0]):
        for i in range(known.size):
            joint[k, i] = joint[k, i] if known[i] < 0 or known[i] == k else -np.inf


@jit
def believe(beliefs, first, joint):
    """joint += the beliefs of rows first.. (n, k)."""
    for i in range(joint.shape[1]):
        for k in range(joint.shape[0]):
            joint[k, i] += beliefs[first + i, k]


@jit
def keep_best(count, joint, rest, best, place):
    """joint = -inf for all but the `count` largest entries of every column, the first of equal ones. The others are scratch:
    `rest` (k, b), `best` and `place` (b,)."""
    wide_vectors()
    k, b = joint.shape
    for c in range(k):
        for i in range(b):
            rest[c, i] = joint[c, i]
    for _ in range(count):
        for i in range(b):
            best[i] = -np.inf
            place[i] = -1.0
        for c in range(k):
            for i in range(b):
                larger = rest[c, i] > best[i]
                best[i] = rest[c, i] if larger else best[i]
                place[i] = float(c) if larger else place[i]
        for i in range(b):
            taken = np.int64(place[i])
            if taken >= 0:
                rest[taken, i] = -np.inf  # what was -inf before stays so on either side
    for c in range(k):
        for i in range(b):
            joint[c, i] = joint[c, i] if rest[c, i] == -np.inf else -np.inf


@jit
def sharpen(joint, sharpness):
    """joint *= sharpness."""
    wide_vectors()
    for k in range(joint.shape[0]):
        for i in range(joint.shape[1]):
            joint[k, i] *= sharpness


@jit
def draw(seed, first, shares):
    """Responsibilities (k, b) of rows first.. become 1 for a component drawn by them and 0 for the others."""
    k, b = shares.shape
    for i in range(b):
        level = uniform(seed, first + i)
        chosen = 0
        total = 0.0
        for c in range(k):
            # By rounding the shares may sum to less than the level: the last one that is possible takes such a row.
            chosen = c if shares[c, i] > 0.0 and total <= level else chosen
            total += shares[c, i]
        for c in range(k):
            shares[c, i] = 1.0 if c == chosen else 0.0
