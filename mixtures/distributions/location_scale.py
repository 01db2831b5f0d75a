"""A distribution moved and stretched: of location + scale y, where y has the base distribution.

    log f(x) = log f_base((x - location) / scale) - log scale,   without the last term for masses,

so the weighted maximum likelihood is that of the base on (x - location) / scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixtures._numba import float_to_bits, jit, wide_vectors
from mixtures._numba_calls import call_accumulate, call_log_prob, call_maximize, call_prepare
from mixtures.column import Column
from mixtures.constraints import Whole, between, positive, real
from mixtures.distributions.base import Kernels
from mixtures.distributions.wrapped import (
    ACCUMULATE,
    LOG_PROB,
    MAXIMIZE,
    PREPARE,
    Transparent,
    computed,
    log_prior_of_bases,
    part_from,
)
from mixtures.engine.coordinates import shifted
from mixtures.exceptions import ParameterError
from mixtures.tails import Tails

# Packed parameters: addresses of the base's kernels, the way from a cell to the base's, and the base's own.
LOCATION = 4
SLOPE = 5  # 1 / scale
ORIGIN = 6  # of the base's column, and its unit
UNIT = 7
CONSTANT = 8  # -log scale
PRIOR = 9  # address of the kernel of the base's prior
HEAD = 10


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        call_prepare(float_to_bits(parameters[k, PREPARE]), part_from(parameters, k, HEAD))


@jit
def _move(parameters, k, x, out):
    """Cells as the base's kernels see them."""
    wide_vectors()
    location, slope, origin, unit = parameters[k, LOCATION], parameters[k, SLOPE], parameters[k, ORIGIN], parameters[k, UNIT]
    cells, row = x[0], out[0]
    for i in range(cells.size):
        row[i] = ((cells[i] - location) * slope - origin) / unit


@jit
def _add(constant, values, row):
    wide_vectors()
    for i in range(row.size):
        row[i] += constant + values[i]


@jit
def _log_prob(parameters, x, out):
    moved, values = np.empty(x.shape), np.empty(x.shape)
    for k in range(out.shape[0]):
        _move(parameters, k, x, moved)
        values[:] = 0.0
        call_log_prob(float_to_bits(parameters[k, LOG_PROB]), part_from(parameters, k, HEAD), moved, values)
        _add(parameters[k, CONSTANT], values[0], out[k])


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    moved = np.empty(x.shape)
    for k in range(responsibilities.shape[0]):
        _move(parameters, k, x, moved)
        share, sums = part_from(responsibilities, k, 0), part_from(statistics, k, 0)
        call_accumulate(float_to_bits(parameters[k, ACCUMULATE]), part_from(parameters, k, HEAD), moved, share, sums)


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        sums = part_from(statistics, k, 0)
        outcome |= call_maximize(float_to_bits(parameters[k, MAXIMIZE]), sums, part_from(parameters, k, HEAD))
    return outcome


@jit
def _log_prior(parameters):
    return log_prior_of_bases(parameters, PRIOR, HEAD)


class LocationScale(Transparent):
    """A distribution of one column moved by a known location and stretched by a known scale: a Gamma of waiting times that
    begin at 30, a Geometric that counts from 0, a Beta on percentages.

    Parameters
    ----------
    base : a distribution of the package, of one column of numbers.
    location : float, where the base's 0 lies; given, not learned (0).
    scale : float > 0, what the base's 1 is worth; given, not learned (1). Over whole numbers the location is whole, the scale 1.

    Notes
    -----
    What ``loc`` and ``scale`` do to a distribution of `scipy.stats`. A location that is to be learned belongs to a family that
    has one, or to :class:`~mixtures.distributions.ScipyDistribution`: an end of the support has no ordinary maximum likelihood.

    Examples
    --------
    >>> from mixtures.distributions import Exponential
    >>> LocationScale(Exponential(), location=30.0).fit([30.0, 32.0, 34.0])
    LocationScale(base=Exponential(rate=0.5), location=30.0, scale=1.0)
    """

    arguments = {"location": real, "scale": positive}

    def __init__(self, base: Any, location: float = 0.0, scale: float = 1.0) -> None:
        super().__init__(base, location=location, scale=scale)
        if location is None or scale is None:
            raise ParameterError("LocationScale: location and scale are not learned, give them values")
        if base.encoding == "categories" or base.reads_block:
            raise ParameterError(f"LocationScale: expected a distribution of one column of numbers, found {base!r}")
        if isinstance(base.support, Whole) and (self.scale != 1.0 or not self.location.is_integer()):
            raise ParameterError(
                f"LocationScale: over whole numbers location must be whole and scale 1, found {location!r} and {scale!r}"
            )

    location: float
    scale: float

    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    several_columns = False
    uses_unit = False
    uses_origin = False

    @property
    def _plate_kind(self):
        return LocationScale, self.base._plate_kind

    @computed
    def support(self):
        """That of the base, moved."""
        own = self.base.support
        low, high = self.location + self.scale * own.low, self.location + self.scale * own.high
        return between(low, high, own.closed_low, own.closed_high, isinstance(own, Whole))

    @property
    def atoms(self) -> tuple[float, ...]:
        """Those of a base that is a point mass, moved; no attribute of others."""
        return tuple(self.location + self.scale * value for value in self.base.atoms)

    def _moved(self, column: Column) -> Column:
        """The base's column."""
        lower, upper = ((end - self.location) / self.scale for end in (column.lower, column.upper))
        whole = column.whole and self.scale == 1.0 and self.location.is_integer()
        moved = Column(column.name, column.n_rows, 0, lower, upper, None, whole)
        moved.n_missing = column.n_missing  # which says nothing of the ends: a frame may take a column for one that lacks cells
        return moved

    def _around(self, base: Any, **arguments: Any) -> LocationScale:
        return LocationScale(base, **{"location": self.location, "scale": self.scale, **arguments})

    def _start(self, column):
        return self._around(self._started(self._moved(column)))

    def _layout(self, column):
        n_parameters, n_statistics = self.base._layout(self._moved(column))
        return HEAD + n_parameters, n_statistics

    def _coordinates(self, column):
        return shifted(self.base._coordinates(self._moved(column)), HEAD)

    def _pack(self, column):
        moved = self._moved(column)
        origin = moved.origin if self.base.uses_origin else 0.0
        unit = moved.unit if self.base.uses_unit else 1.0
        is_mass = isinstance(self.base.support, Whole) or hasattr(self, "atoms")
        constant = 0.0 if is_mass else -np.log(self.scale)
        way = self.location, 1.0 / self.scale, origin, unit, constant
        return [*self._addresses(), *way, self._prior_address(), *self.base._pack(moved)]

    carries = computed(lambda self: self.base.carries)

    def _expected(self, row, column):
        return self.base._expected(row[HEAD:], self._moved(column))

    def _carried(self, statistics, old, new, before, after):
        return self.base._carried(statistics, old[HEAD:], new[HEAD:], self._moved(before), self._moved(after))

    def _unpack(self, row, column):
        return self._around(self.base._unpack(row[HEAD:], self._moved(column)))

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, 1)."""
        return self.location + self.scale * self.base.sample(n, random_state)

    def to_scipy(self):
        raise NotImplementedError("LocationScale: freeze the base's scipy.stats family with loc and scale")

    def cdf(self, x: Any) -> Any:
        """Probability of a value <= x, elementwise."""
        return self.base.cdf((np.asarray(x, dtype=float) - self.location) / self.scale)

    def quantile(self, probability: Any) -> Any:
        """Smallest value whose cdf reaches `probability`, elementwise."""
        return self.location + self.scale * self.base.quantile(probability)

    def _tails(self) -> Any:
        tails = Tails(self.base)

        inverse = tails.isf

        def moved(tail: Any) -> Any:
            return lambda x: tail((x - self.location) / self.scale)

        isf = None if inverse is None else lambda p: self.location + self.scale * inverse(p)
        return moved(tails.log_cdf), moved(tails.log_sf), isf

    @property
    def mean(self) -> float:
        """location + scale times the base's."""
        return self.location + self.scale * float(self.base.mean)

    @property
    def variance(self) -> float:
        """scale^2 times the base's."""
        return self.scale**2 * float(self.base.variance)
