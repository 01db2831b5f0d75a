"""The arrays that describe a model and its data to compiled code.

One `Plan` says which kernels read which columns for which components. Its types never change, so the loop is compiled once
whatever the families.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mixtures._numba import jit, matrix, segment

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CHUNK_ROWS = 8192
"""Rows of a chunk, the unit of threading and merging: fixed, so that sums do not depend on the number of threads."""

# Columns of Plan.plates, a row per plate.
FIRST = 0  # first component
COUNT = 1  # number of components
COLUMN = 2  # first of its columns in Plan.columns
WIDTH = 3  # number of columns
PARAMETER = 4  # where its parameters start
PARAMETERS = 5  # per component
STATISTIC = 6  # where its statistics start, counted after the engine's own
STATISTICS = 7  # per component
MASKED = 8  # whether its (only) column has missing cells
PREPARE = 9  # addresses of kernels
LOG_PROB = 10
ACCUMULATE = 11
MAXIMIZE = 12
MAXIMA = 13  # how many of a component's last statistics are maxima over rows, not sums
MEASURE = 14  # one of the two below, where point masses share a column with densities
LOG_PRIOR = 15  # address of the kernel that adds priors to what a fit maximises; 0 for none
MEMBERS = 16  # distributions of a component that share a call, one a column; 1 for a family over several columns jointly
HELD = 17  # place of the mask of held parameters among those of a member; -1 for none
COORDINATE = 18  # first row of Plan.coordinates
COORDINATES = 19  # how many rows a member has there
FIELDS = 20

ATOMS = 1
"""Point masses: where one of them stands, densities over the same column count for nothing."""
YIELDS = 2
"""Densities that yield to the point masses on their column."""

ROW_NUMBER = -1
"""A source that stands for the row's own number."""

# Bits that a maximize kernel may return.
REPEAT = 1
"""Do this pass again: the statistics lost too many digits, their centre has been moved."""
FLOORED = 2
"""A scale was held at the smallest value that the column's rounding allows."""
FAILED = 4
"""No parameters could be found."""
LIMIT = 16
"""A parameter was held at the end of its range, where the family has become a simpler one; :attr:`Family.limit` says which."""
UNSETTLED = 8
"""The step moved parameters whose maximum takes several: a fit to fixed responsibilities goes on until none asks for more."""


class Plan(NamedTuple):
    """A model laid over columns. `sources` indexes the table's columns; k is the number of components."""

    n_components: int
    block_rows: int
    plates: Ints  # (plates, FIELDS), the fields above
    columns: Ints  # (plate columns,) index into Rows.addresses, or ROW_NUMBER
    origins: Floats  # (plate columns,) what zero of the kernel's column is in the table's column
    units: Floats  # (plate columns,) what one unit of the kernel's column is worth in the table's units
    fillers: Floats  # (plate columns,) stands in for missing cells, whose results are then discarded
    coordinates: Ints  # (coordinates, 4): what a step of an accelerator may move, see Family.coordinates


class Rows(NamedTuple):
    """The rows of a table, read where they lie."""

    n_rows: int
    addresses: Ints  # (sources,) address of row 0
    strides: Ints  # (sources,) bytes from row to row
    weights: Floats  # (n_rows,) or empty for weight 1


# Task.kind: what a pass does with each row's log-joint.
STATISTICS_OF_DENSITIES = 0  # the E-step
STATISTICS_OF_LABELS = 1
OUTPUTS = 2


class Task(NamedTuple):
    """What a pass is for. An array of size 0 is not given, or not wanted."""

    kind: int
    softness: float  # of labels
    keep: int  # of each row's components only so many, the most probable, take part; 0: all of them
    sharpness: float  # power of every posterior, 1 / temperature
    seed: int  # of the draws that give every row to one component; -1: no draws
    known: Ints  # (n_rows,) given: the component that a row is known to belong to; -1: unknown
    beliefs: Floats  # (n_rows, k) given: logs of factors that the row's densities are multiplied by
    labels: Ints  # (n_rows,) given, or an output: the most probable component, the first on a tie
    density: Floats  # (n_rows,) output: log-density of each row
    posterior: Floats  # (n_rows, k) output: responsibilities
    log_joint: Floats  # (n_rows, k) output


NO_FLOATS = np.empty(0)
NO_LABELS = np.empty(0, dtype=np.int64)
NO_MATRIX = np.empty((0, 0))
E_STEP = Task(STATISTICS_OF_DENSITIES, 0.0, 0, 1.0, -1, NO_LABELS, NO_MATRIX, NO_LABELS, NO_FLOATS, NO_MATRIX, NO_MATRIX)


class Control(NamedTuple):
    """How EM goes on from one pass to the next."""

    max_iter: int  # M-steps
    tolerance: float  # on the mean log-likelihood of a row; 0: exactly max_iter M-steps
    moves_weights: bool  # whether mixing weights are learned
    watches: bool  # whether a fall of the objective is an error
    warming: float  # factor of the sharpness from one iteration to the next, until it is 1
    pseudo_counts: Floats  # (k,) that the prior of the weights adds, concentrations - 1
    constant: float  # of that prior: logarithm of its normalisation
    accelerates: bool  # whether iterations are extrapolated, see mixtures.engine.acceleration


# Entries of a run's progress; flags of each plate's last M-step follow.
ITERATION = 0  # M-steps so far
REPEATS = 1  # how often the present pass was repeated
UNWATCHED = 2  # whether a floor was met: from there on the likelihood may fall
PROGRESS = 3


@jit
def is_held(mask, parameter):
    """Whether a packed mask of held parameters, a sum of powers of two, has this one, counted from 0 as declared."""
    return (np.int64(mask) >> parameter) & 1 == 1


class Problem(NamedTuple):
    """A `Plan` and its `Rows` on their way from Python to compiled code, in few arrays, since each costs every call."""

    sizes: Sizes
    whole: Ints  # the plates, a row after the other; coordinates, the same; columns; addresses; strides
    scales: Floats  # origins, units, fillers
    weights: Floats  # of rows


class Sizes(NamedTuple):
    """The numbers of a `Problem`."""

    n_components: int
    block_rows: int
    n_plates: int
    n_coordinates: int
    n_columns: int
    n_rows: int
    n_sources: int
    n_statistics: int  # log-likelihood, k sums of responsibilities, then each plate's (count, S)


@jit
def unfold(problem):
    """The plan and the rows of a problem: views, which must not outlive it."""
    sizes, whole, scales = problem.sizes, problem.whole, problem.scales
    p, c, d, s = sizes.n_plates, sizes.n_coordinates, sizes.n_columns, sizes.n_sources
    plates = matrix(whole, 0, p, FIELDS)
    coordinates = matrix(whole, FIELDS * p, c, 4)
    start = FIELDS * p + 4 * c
    columns = segment(whole, start, d)
    per_column = matrix(scales, 0, 3, d)
    places = matrix(whole, start + d, 2, s)
    plan = Plan(sizes.n_components, sizes.block_rows, plates, columns, per_column[0], per_column[1], per_column[2], coordinates)
    return plan, Rows(sizes.n_rows, places[0], places[1], problem.weights)
