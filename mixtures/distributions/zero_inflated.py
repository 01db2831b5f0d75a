"""Zero-inflated distribution of counts: with some probability a zero of its own kind, else a count of the base distribution.

    f(0) = probability + (1 - probability) f_base(0),   f(x) = (1 - probability) f_base(x) for x > 0.

Weighted maximum likelihood: of the zeros, the share (1 - probability) f_base(0) / f(0) is the base's, which is fitted to those
and to the other counts (the EM of Lambert 1992, Technometrics 34). Given the base, the probability is then that of the largest
likelihood itself, (z - f_base(0)) / (1 - f_base(0)) with z the weighted share of zeros, or 0 (Liu & Rubin 1994 call it ECME).
Neither step lowers the likelihood; a mixture's EM takes one of each an iteration, a fit of its own goes on until nothing moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixtures._numba import float_to_bits, jit, jit_sums, wide_vectors
from mixtures._numba_calls import call_accumulate, call_log_prob, call_maximize, call_prepare
from mixtures.constraints import Whole, probability
from mixtures.distributions.base import Kernels, generator_of
from mixtures.distributions.wrapped import (
    ACCUMULATE,
    LOG_PROB,
    MAXIMIZE,
    PREPARE,
    Wrapped,
    computed,
    log_prior_of_bases,
    part_from,
)
from mixtures.engine.coordinates import FRACTION, shifted
from mixtures.engine.plan import UNSETTLED, is_held
from mixtures.exceptions import ParameterError

# Packed parameters after the addresses of the base's kernels; the base's own come last.
PROBABILITY = 4
HELD = 5
LOG_ZERO = 6  # log f(0)
LOG_BASE = 7  # log(1 - probability)
BASE_SHARE = 8  # of a zero
PRIOR = 9  # address of the kernel of the base's prior
HEAD = 10
ZEROS = 1  # statistics: sum of responsibilities of zeros; the base's own
OWN = 2
STILL = 1e-14
"""How far the mass of zero moves in a step of a fit that has settled."""


@jit
def _mass_of_zero(parameters, k):
    """log f_base(0)."""
    zero, found = np.zeros((1, 1)), np.zeros((1, 1))
    base = part_from(parameters, k, HEAD)
    call_prepare(float_to_bits(parameters[k, PREPARE]), base)
    call_log_prob(float_to_bits(parameters[k, LOG_PROB]), base, zero, found)
    return found[0, 0]


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        log_mass = _mass_of_zero(parameters, k)
        chance = parameters[k, PROBABILITY]
        own = (1.0 - chance) * np.exp(log_mass)
        parameters[k, LOG_BASE] = np.log1p(-chance)
        # Without extra zeros the logarithm is the base's, which may be far below that of the smallest float.
        parameters[k, LOG_ZERO] = np.log(chance + own) if chance > 0.0 else log_mass
        parameters[k, BASE_SHARE] = own / (chance + own) if chance > 0.0 else 1.0


@jit
def _add(cells, values, log_zero, log_base, row):
    wide_vectors()
    for i in range(row.size):
        row[i] += log_zero if cells[i] == 0.0 else log_base + values[i]


@jit
def _log_prob(parameters, x, out):
    values = np.empty(x.shape)
    for k in range(out.shape[0]):
        values[:] = 0.0
        call_log_prob(float_to_bits(parameters[k, LOG_PROB]), part_from(parameters, k, HEAD), x, values)
        _add(x[0], values[0], parameters[k, LOG_ZERO], parameters[k, LOG_BASE], out[k])


@jit_sums
def _split(cells, share, base_share, out):
    """out = the base's part of the responsibilities; returns the sum of those of zeros, and of `out`."""
    wide_vectors()
    zeros = 0.0
    own = 0.0
    for i in range(share.size):
        is_zero = cells[i] == 0.0
        out[i] = share[i] * base_share if is_zero else share[i]
        zeros += share[i] if is_zero else 0.0
        own += out[i]
    return zeros, own


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    part = np.empty(x.shape)
    for k in range(responsibilities.shape[0]):
        zeros, own = _split(x[0], responsibilities[k], parameters[k, BASE_SHARE], part[0])
        statistics[k, ZEROS] += zeros
        statistics[k, OWN] += own
        sums = part_from(statistics, k, OWN)
        call_accumulate(float_to_bits(parameters[k, ACCUMULATE]), part_from(parameters, k, HEAD), x, part, sums)


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        if not statistics[k, 0] > 0.0:
            continue
        before = np.exp(_mass_of_zero(parameters, k))
        base = part_from(parameters, k, HEAD)
        outcome |= call_maximize(float_to_bits(parameters[k, MAXIMIZE]), part_from(statistics, k, OWN), base)
        mass = np.exp(_mass_of_zero(parameters, k))
        moved = abs(mass - before)
        if not is_held(parameters[k, HELD], 0):
            zeros = min(1.0, statistics[k, ZEROS] / statistics[k, 0])
            # A base that is a point mass at 0 leaves the probability as it is: nothing tells it.
            new = max(0.0, (zeros - mass) / (1.0 - mass)) if mass < 1.0 else parameters[k, PROBABILITY]
            moved = max(moved, abs(new - parameters[k, PROBABILITY]))
            parameters[k, PROBABILITY] = new
        if moved > STILL:
            outcome |= UNSETTLED
    return outcome


@jit
def _log_prior(parameters):
    return log_prior_of_bases(parameters, PRIOR, HEAD)


class ZeroInflated(Wrapped):
    """Counts with more zeros than their distribution has: visits of which some could never happen, goods some never buy.

    Parameters
    ----------
    base : a distribution of the package over whole numbers >= 0: Poisson, NegativeBinomial, Binomial, ... One whose support
        leaves 0 out, such as Geometric, makes a hurdle model.
    probability : float in [0, 1], of an extra zero, or None to be learned.

    Notes
    -----
    scipy.stats has no equivalent. A column of zeros is the base's own limit: which part is extra cannot be told.

    Examples
    --------
    >>> from mixtures.distributions import Poisson
    >>> ZeroInflated(Poisson(2.0), 0.5).log_prob([0, 1]).round(6)
    array([-0.566219, -2.      ])
    >>> ZeroInflated(Poisson()).fit([0, 0, 0, 0, 3, 5, 2]).n_parameters
    2
    """

    parameters = {"probability": probability}
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    held = HELD
    several_columns = False
    uses_unit = False
    uses_origin = False

    def __init__(self, base: Any, probability: float | None = None) -> None:
        super().__init__(base, probability=probability)
        if not isinstance(base.support, Whole) or base.support.low < 0 or base.uses_unit or base.uses_origin:
            raise ParameterError(f"ZeroInflated: expected a distribution over whole numbers >= 0, found {base!r}")

    probability: float

    @property
    def _plate_kind(self):
        return ZeroInflated, self.base._plate_kind

    @computed
    def support(self):
        """That of the base, and 0."""
        own = self.base.support
        if own.low == 0.0 and own.closed_low:
            return own
        end = f" and <= {own.high:.9g}" if own.high < np.inf else ""
        return Whole(0.0, own.high, True, own.closed_high, f"whole and >= 0{end}", own.members)

    @property
    def n_parameters(self) -> int:
        """Those of the base and the probability."""
        return 1 + int(self.base.n_parameters)

    def _start(self, column):
        return ZeroInflated(self._started(column), 0.5 if self.probability is None else self.probability)

    def _layout(self, column):
        n_parameters, n_statistics = self.base._layout(column)
        return HEAD + n_parameters, OWN + n_statistics

    def _coordinates(self, column):
        return (FRACTION, PROBABILITY, 1, 0), *shifted(self.base._coordinates(column), HEAD)

    def _pack(self, column):
        return [*self._addresses(), self.probability, 0.0, 0.0, 0.0, 0.0, self._prior_address(), *self.base._pack(column)]

    carries = computed(lambda self: self.base.carries)

    def _expected(self, row, column):
        own = self.base._expected(row[HEAD:], column)
        if own is None:
            return None
        zeros = float(np.exp(self.log_prob([0.0])[0]))
        return np.concatenate([[1.0, zeros], (1.0 - row[PROBABILITY]) * np.asarray(own)])

    def _carried(self, statistics, old, new, before, after):
        own = self.base._carried(statistics[OWN:], old[HEAD:], new[HEAD:], before, after)
        return np.concatenate([statistics[:OWN], own])

    def _unpack(self, row, column):
        return ZeroInflated(self.base._unpack(row[HEAD:], column), row[PROBABILITY])

    def to_scipy(self):
        raise NotImplementedError("ZeroInflated has no equivalent in scipy.stats")

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, 1)."""
        self._require_complete()
        random = generator_of(random_state)
        drawn = self.base.sample(n, random)
        return np.where(random.uniform(size=(n, 1)) < self.probability, 0.0, drawn)

    def cdf(self, x: Any) -> Any:
        """Probability of a value <= x, elementwise."""
        self._require_complete()
        x = np.asarray(x, dtype=float)
        return np.where(x >= 0.0, self.probability + (1.0 - self.probability) * self.base.cdf(x), 0.0)

    def quantile(self, probability: Any) -> Any:
        """Smallest value whose cdf reaches `probability`, elementwise."""
        self._require_complete()
        levels = np.asarray(probability, dtype=float)
        rest = np.clip((levels - self.probability) / max(1.0 - self.probability, 1e-300), 0.0, 1.0)
        found = np.where(levels <= self.probability, 0.0, self.base.quantile(rest))
        return np.where((levels >= 0.0) & (levels <= 1.0), found, np.nan)

    @property
    def mean(self) -> float:
        """(1 - probability) times the base's."""
        return (1.0 - self.probability) * float(self.base.mean)

    @property
    def variance(self) -> float:
        """(1 - probability) (v + probability m^2), with the base's mean m and variance v."""
        return (1.0 - self.probability) * (float(self.base.variance) + self.probability * float(self.base.mean) ** 2)
