"""Laplace distribution.

    log f(x) = -|x - location| / scale - log(2 scale),   support: the real line.

Weighted maximum likelihood: location is a weighted median, scale = sum w |x - location| / sum w (Johnson, Kotz & Balakrishnan
1995, "Continuous univariate distributions", chapter 24). Where half of the weight lies on either side of a gap, the location is
the middle of the gap.

A median has no sufficient statistics, but D(c) = sum w |x - c| is known exactly wherever c is an edge of cells whose weights and
sums of x are known; the location itself is always such an edge. Every pass collects 16 cells, and the nearest values on both
sides of the location, between which D is linear. An M-step moves to the mean of the cell that holds the median, at which D is
at most what its chord over the cell says, as D is convex; or, where the chord lies above the present D, to the best edge or
nearest value; the scale follows from that D or bound. So the likelihood never falls. Next time half of the cells divide the one
that held the median, until it holds one value: that is the median, and the weights on its two sides prove it.

Components that tie the scale have the sum of their D, or bounds, over the sum of their weights: the maximum whatever the locations.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import positive, real
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.coordinates import LOG
from mixtures.engine.plan import FLOORED, UNSETTLED, is_held
from mixtures.engine.special import log
from mixtures.engine.ties import is_tied

# Parameters, about the column's origin and in its unit.
LOCATION = 0
SCALE = 1
HELD = 2
FLOOR = 3
LOW = 4  # ends of where the median is looked for more closely
HIGH = 5
LOG_UNIT = 6
INVERSE = 7  # 1 / scale
CONSTANT = 8
EDGES = 9  # sorted
N_EDGES = 15
TIES = EDGES + N_EDGES
SIZE = TIES + 1

# Statistics: of every cell the weight and the sum of x - location, then two maxima. Cell j ends before edge j.
N_CELLS = N_EDGES + 1
WEIGHTS = 1
SUMS = WEIGHTS + N_CELLS
BELOW = SUMS + N_CELLS  # the largest value below the location
ABOVE = BELOW + 1  # minus the smallest one above it
N_STATISTICS = ABOVE + 1

N_INNER = 9
"""Edges in a row from LOW to HIGH. Two more hold the location alone; the last four lie an eighth of a scale and a scale from it,
should a new E-step have moved the median far."""
ROUNDING = 1e-14
"""Of sums of weights, relative to their total: halves that differ by less are equal."""
LANES = 64


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        p = parameters[k]
        location, scale = p[LOCATION], p[SCALE]
        p[INVERSE] = 1.0 / scale
        p[CONSTANT] = -log(2.0 * scale) - p[LOG_UNIT]
        edges = p[EDGES:TIES]
        for i in range(N_INNER):
            share = i / (N_INNER - 1)
            edges[i] = (1.0 - share) * p[LOW] + share * p[HIGH]
        edges[N_INNER], edges[N_INNER + 1] = location, np.nextafter(location, np.inf)
        edges[N_INNER + 2], edges[N_INNER + 3] = location - scale, location - 0.125 * scale
        edges[N_INNER + 4], edges[N_INNER + 5] = location + 0.125 * scale, location + scale
        edges.sort()


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    for k in range(out.shape[0]):
        row = out[k]
        location, inverse, constant = parameters[k, LOCATION], parameters[k, INVERSE], parameters[k, CONSTANT]
        for i in range(row.size):
            row[i] += constant - abs(cells[i] - location) * inverse


@jit_sums
def _add_cells(values, location, ends, share, weights, sums):
    """Add to the weights and sums of four neighbouring cells between five `ends`."""
    wide_vectors()
    e0, e1, e2, e3, e4 = ends[0], ends[1], ends[2], ends[3], ends[4]
    n0 = n1 = n2 = n3 = s0 = s1 = s2 = s3 = 0.0
    for i in range(share.size):
        value, r = values[i], share[i]
        product = r * (value - location)
        n0 += r if e0 <= value < e1 else 0.0
        n1 += r if e1 <= value < e2 else 0.0
        n2 += r if e2 <= value < e3 else 0.0
        n3 += r if e3 <= value < e4 else 0.0
        s0 += product if e0 <= value < e1 else 0.0
        s1 += product if e1 <= value < e2 else 0.0
        s2 += product if e2 <= value < e3 else 0.0
        s3 += product if e3 <= value < e4 else 0.0
    weights[0] += n0
    weights[1] += n1
    weights[2] += n2
    weights[3] += n3
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2
    sums[3] += s3


@jit
def _neighbours(values, location, share, below, above):
    """The largest value below the location and minus the smallest above it, in lanes, since a maximum does not vectorise."""
    wide_vectors()
    for i in range(LANES):
        below[i] = above[i] = -np.inf
    for first in range(0, share.size, LANES):
        part, weights = values[first : first + LANES], share[first : first + LANES]
        for i in range(part.size):
            value = part[i]
            seen = weights[i] > 0.0
            low = value if seen and value < location else -np.inf
            high = -value if seen and value > location else -np.inf
            below[i] = low if low > below[i] else below[i]
            above[i] = high if high > above[i] else above[i]


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    values = x[0]
    below, above = np.empty(LANES), np.empty(LANES)
    ends = np.empty(N_CELLS + 1)
    ends[0], ends[N_CELLS] = -np.inf, np.inf
    for k in range(responsibilities.shape[0]):
        location, share, row = parameters[k, LOCATION], responsibilities[k], statistics[k]
        for j in range(N_EDGES):
            ends[j + 1] = parameters[k, EDGES + j]
        for j in range(0, N_CELLS, 4):
            _add_cells(values, location, ends[j : j + 5], share, row[WEIGHTS + j :], row[SUMS + j :])
        _neighbours(values, location, share, below, above)
        for i in range(LANES):
            row[BELOW] = max(row[BELOW], below[i])
            row[ABOVE] = max(row[ABOVE], above[i])


@jit
def _distance(edge, location, edges, weights, sums):
    """D at one of the edges."""
    total = 0.0
    move = edge - location
    for j in range(N_CELLS):
        if j < N_EDGES and edges[j] <= edge:
            total += move * weights[j] - sums[j]
        else:
            total += sums[j] - move * weights[j]
    return total


@jit
def _sides(location, edges, weights):
    """Weight below the location, at it and above it."""
    below = at = above = 0.0
    for j in range(N_CELLS):
        if j < N_EDGES and edges[j] <= location:
            below += weights[j]
        elif j > 0 and edges[j - 1] > location:
            above += weights[j]
        else:
            at += weights[j]
    return below, at, above


@jit
def _search(p, total, weights, sums, nearest_below, nearest_above):
    """Move the location, which is no median, and set the ends of the next search. Returns D there, or a bound of it."""
    location, edges = p[LOCATION], p[EDGES:TIES]
    present = _distance(location, location, edges, weights, sums)
    below, at, above = _sides(location, edges, weights)
    upwards = above > below
    # No row lies between the location and the nearest value: D is linear there.
    nearest = nearest_above if upwards else nearest_below
    slope = (above - (below + at)) if upwards else (below - (above + at))
    best, place = present - slope * abs(nearest - location), nearest
    cell = 0
    reached = weights[0]
    while cell < N_EDGES and reached < 0.5 * total:
        cell += 1
        reached += weights[cell]
    for j in (cell - 1, cell):
        if 0 <= j < N_EDGES:
            found = _distance(edges[j], location, edges, weights, sums)
            if found < best:
                best, place = found, edges[j]
    if 0 < cell < N_EDGES:
        p[LOW], p[HIGH] = edges[cell - 1], edges[cell]
        mean = location + sums[cell] / weights[cell]
        share = (mean - p[LOW]) / (p[HIGH] - p[LOW])
        chord = (1.0 - share) * _distance(p[LOW], location, edges, weights, sums)
        chord += share * _distance(p[HIGH], location, edges, weights, sums)
        # Where no row lies between the location and the mean, the mean is the nearest value but for rounding.
        if 0.0 < share < 1.0 and chord <= present and abs(mean - location) > abs(nearest - location):
            best, place = chord, mean
    else:
        # At least half of the weight lies beyond: so far can the median be.
        p[LOW] = place if cell else place - 2.0 * best / total
        p[HIGH] = place if not cell else place + 2.0 * best / total
    p[LOCATION] = place
    return best


@jit
def _maximize(statistics, parameters):
    outcome = 0
    shared_total = shared_distance = 0.0
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        p = parameters[k]
        if not total > 0.0:
            continue
        weights, sums = statistics[k, WEIGHTS:SUMS], statistics[k, SUMS:BELOW]
        location = p[LOCATION]
        below, at, above = _sides(location, p[EDGES:TIES], weights)
        half = (0.5 + ROUNDING) * total
        distance = _distance(location, location, p[EDGES:TIES], weights, sums)
        if not is_held(p[HELD], LOCATION):
            if below <= half and above <= half:
                # Every point of a gap between two halves is a median; its middle is the one that needs no order.
                high = -statistics[k, ABOVE] if below + at <= half else location
                low = statistics[k, BELOW] if above + at <= half else location
                p[LOCATION] = 0.5 * low + 0.5 * high
            else:
                distance = _search(p, total, weights, sums, statistics[k, BELOW], -statistics[k, ABOVE])
            if p[LOCATION] != location:
                outcome |= UNSETTLED
        if is_tied(p[TIES], p[HELD], SCALE):
            shared_total += total
            shared_distance += distance
        elif not is_held(p[HELD], SCALE):
            outcome |= _set_scale(p, distance / total)
        if p[LOCATION] == location:
            p[LOW], p[HIGH] = location - p[SCALE] / 64.0, location + p[SCALE] / 64.0
    for k in range(parameters.shape[0]):
        if shared_total > 0.0 and is_tied(parameters[k, TIES], parameters[k, HELD], SCALE):
            outcome |= _set_scale(parameters[k], shared_distance / shared_total)
    return outcome


@jit
def _set_scale(p, scale):
    p[SCALE] = max(scale, p[FLOOR])
    return 0 if scale > p[FLOOR] else FLOORED


class Laplace(Family):
    """Laplace (double exponential) distribution of one real column: errors with sharp middle and long tails.

    Parameters
    ----------
    location : float, mean, median and mode, or None to be learned.
    scale : float > 0, mean absolute deviation from the location, or None to be learned.

    Notes
    -----
    ``scipy.stats.laplace(loc=location, scale=scale)``. The location is a weighted median of the rows: one of the values, or the
    middle between two with half of the weight on either side. Where all values agree the scale is held at 16 rounding errors of
    the column's largest value, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Laplace(0.0, 0.5).log_prob([0.0, 1.0])
    array([ 0., -2.])
    >>> Laplace().fit([1.0, 2.0, 9.0, 4.0])
    Laplace(location=3.0, scale=2.5)
    """

    parameters = {"location": real, "scale": positive}
    support = real
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    coordinates = ((LOG, SCALE, 1, 1),)
    unmoved = {"location": "the likelihood has a corner at every row"}
    uses_unit = True
    uses_origin = True
    held = HELD
    ties = TIES
    tieable = ("scale",)
    n_maxima = 2

    def __init__(self, location: float | None = None, scale: float | None = None) -> None:
        super().__init__(location=location, scale=scale)

    location: float
    scale: float

    @property
    def mean(self) -> float:
        """The location."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """2 scale^2."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.laplace, (self.location, self.scale), {}

    def _layout(self, column):
        return SIZE, N_STATISTICS

    def _pack(self, column):
        known = (end if np.isfinite(end) else self.location for end in (column.lower, column.upper))
        ends = ((end - column.origin) / column.unit for end in known)
        derived = [0.0] * (SIZE - INVERSE)
        return *self._in_units(column), 0.0, column.floor / column.unit, *ends, np.log(column.unit), *derived

    def _unpack(self, row, column):
        location, scale = row[LOCATION], row[SCALE]
        old_location, old_scale = self._in_units(column)
        # A parameter that no row has moved keeps its last digit, too.
        location = self.location if location == old_location else location * column.unit + column.origin
        return Laplace(location, self.scale if scale == old_scale else scale * column.unit)

    def _in_units(self, column):
        return (self.location - column.origin) / column.unit, self.scale / column.unit

    def _start(self, column):
        # Halves first: the difference of two values near the largest float overflows.
        location = column.lower / 2 + column.upper / 2
        return Laplace(location, max(column.upper / 2 - column.lower / 2, column.floor))
