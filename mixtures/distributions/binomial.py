"""Binomial distribution: successes among a given number of trials.

    f(x) = trials! / (x! (trials - x)!) p^x (1 - p)^(trials - x),   support: whole x, 0 to trials.

With n trials and q = 1 - p,

    log f(x) = -D(x, n p) - D(n - x, n q) + e(n) - e(x) - e(n - x) - log(2 pi x (n - x) / n) / 2

for 0 < x < n, D the deviance a log(a / b) + b - a and e the error of Stirling's formula (Loader 2000, "Fast and accurate
computation of binomial probabilities"): nothing cancels. Both deviances have the difference x - n p, which is computed exactly.
Small counts are read from a table of each component's log-masses, made once an iteration.

Weighted maximum likelihood: p = sum w x / sum w n; the ends 0 and 1 are allowed. Of components that tie p, whose numbers of trials
may differ, both sums over all of them. Under a Beta(a, b) prior of p, p = (sum w x + a - 1) / (sum w n + a + b - 2).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import inline, jit, wide_vectors
from mixtures.constraints import Whole, counting, probability
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.beta import Beta
from mixtures.engine.conjugate import log_beta_density
from mixtures.engine.coordinates import FRACTION
from mixtures.engine.plan import is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import HALF_LOG_2PI, deviance, leading_half, log, log_one_plus, stirling_error

TRIALS = 0
PROBABILITY = 1
HELD = 2
REST = 3  # 1 - p; from here on derived
PRODUCT = 4  # n p, exactly the sum of two numbers
PRODUCT_LOW = 5
LOG_ALL = 6  # log f(n)
LOG_NONE = 7  # log f(0)
TIES = 8
ALPHA = 9  # of the prior; both are 1 without one
BETA = 10
TABLE = 11  # log-mass at 0, 1, 2, ... up to the largest count or MAX_TABLE, then -inf for what is no count
MAX_TABLE = 256


@jit
def _base(x, trials):
    """The part of log f that the probability does not enter, for 0 < x < n."""
    inline()
    rest = trials - x
    errors = stirling_error(x) + stirling_error(rest) - stirling_error(trials)
    return -HALF_LOG_2PI - 0.5 * (log(x) + log(rest / trials)) - errors


@jit
def _log_mass(x, base, trials, p, q, product, product_low):
    """Branch-free log f(x) for 0 < x < n given base = _base(x, n)."""
    inline()
    d = (x - product) - product_low
    return base - deviance(x, trials * p, d) - deviance(trials - x, trials * q, -d)


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        row = parameters[k]
        trials, p = row[TRIALS], row[PROBABILITY]
        leading, half = leading_half(trials), leading_half(p)
        row[REST] = 1.0 - p
        row[PRODUCT] = leading * half
        row[PRODUCT_LOW] = leading * (p - half) + (trials - leading) * half + (trials - leading) * (p - half)
        row[LOG_ALL] = trials * (log(p) if p < 0.5 else log_one_plus(p - 1.0))
        row[LOG_NONE] = trials * log_one_plus(-p) if p < 1.0 else -np.inf
        size = parameters.shape[1] - TABLE - 1
        cells = np.arange(float(size))
        _masses(cells, np.empty(0), row, row[TABLE : TABLE + size])
        row[TABLE + size] = -np.inf


@jit
def _masses(cells, base, row, out):
    """Log-masses of any values; `base` has what _base says of those inside, or is empty."""
    wide_vectors()
    trials, p, q = row[TRIALS], row[PROBABILITY], row[REST]
    product, product_low, all_of_them, none = row[PRODUCT], row[PRODUCT_LOW], row[LOG_ALL], row[LOG_NONE]
    if base.size == 0:
        base = np.empty(cells.size)
        _bases(cells, trials, base)
    for i in range(out.size):
        x = cells[i]
        inside = 0.0 < x < trials and x == np.floor(x)
        value = _log_mass(x if inside else 0.5 * trials, base[i], trials, p, q, product, product_low)
        value = value if inside else -np.inf
        value = all_of_them if x == trials else value
        out[i] = none if x == 0.0 else value


@jit
def _bases(cells, trials, out):
    """_base of the values inside, of no meaning for others."""
    wide_vectors()
    for i in range(out.size):
        x = cells[i]
        inside = 0.0 < x < trials and x == np.floor(x)
        out[i] = _base(x if inside else 1.0, max(trials, 2.0))


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    size = parameters.shape[1] - TABLE - 1
    beyond = 0
    for i in range(cells.size):
        beyond += 0 if cells[i] < size else 1
    if beyond == 0:
        place = np.empty(cells.size, dtype=np.uint64)
        for i in range(cells.size):
            count = np.int64(cells[i])
            place[i] = np.uint64(count if float(count) == cells[i] and count >= 0 else size)
        for k in range(out.shape[0]):
            row = out[k]
            table = parameters[k, TABLE:]
            for i in range(row.size):
                row[i] += table[place[i]]
        return
    base, masses = np.empty(cells.size), np.empty(cells.size)
    trials = -1.0
    for k in range(out.shape[0]):
        if parameters[k, TRIALS] != trials:  # components most often share it, and what depends on nothing else
            trials = parameters[k, TRIALS]
            _bases(cells, trials, base)
        _masses(cells, base, parameters[k], masses)
        row = out[k]
        for i in range(row.size):
            row[i] += masses[i]


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    for k in range(responsibilities.shape[0]):
        statistics[k, 1] += weighted_total(x[0], responsibilities[k])


@jit
def _maximize(statistics, parameters):
    successes = trials = 0.0
    for k in range(parameters.shape[0]):
        if parameters[k, TIES] != 0.0:
            successes += statistics[k, 1]
            trials += statistics[k, 0] * parameters[k, TRIALS]
    for k in range(parameters.shape[0]):
        p = parameters[k]
        own, most = (successes, trials) if p[TIES] != 0.0 else (statistics[k, 1], statistics[k, 0] * p[TRIALS])
        if most > 0.0 and not is_held(p[HELD], 0):
            # Both sums round differently: their quotient may pass 1 by a last digit.
            more, fewer = p[ALPHA] - 1.0, p[BETA] - 1.0
            p[PROBABILITY] = min(1.0, max(0.0, (own + more) / (most + (more + fewer))))
    return 0


@jit
def _log_prior(parameters):
    value, met = 0.0, False
    for k in range(parameters.shape[0]):
        p = parameters[k]
        if p[TIES] == 0.0 or not met:
            value += log_beta_density(p[PROBABILITY], p[ALPHA], p[BETA])
        met = met or p[TIES] != 0.0
    return value


class Binomial(Family):
    """Binomial distribution of one column of counts: successes among a given number of independent trials.

    Parameters
    ----------
    trials : whole number >= 1, given, never learned.
    probability : float in [0, 1], of a success, or None to be learned. The mean is trials * probability.
    prior : :class:`~mixtures.distributions.Beta` of the probability, both arguments >= 1, or None: a fit is then its most probable
        value.

    Notes
    -----
    ``scipy.stats.binom(n=trials, p=probability)``. Probabilities 0 and 1 are the point masses at 0 and at `trials`.

    Examples
    --------
    >>> Binomial(2, 0.5).log_prob([0, 1, 3]).round(6)
    array([-1.386294, -0.693147,      -inf])
    >>> Binomial(10).fit([1, 2, 6])
    Binomial(trials=10, probability=0.3)
    """

    arguments = {"trials": counting}
    parameters = {"probability": probability}
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize, _log_prior)
    carries = True
    coordinates = ((FRACTION, PROBABILITY, 1, 0),)
    held = HELD
    ties = TIES

    def __init__(self, trials: int, probability: float | None = None, *, prior: Beta | None = None) -> None:
        super().__init__(trials=trials, probability=probability)
        self._take_prior(prior, Beta, alpha=1.0, beta=1.0)

    trials: int
    probability: float

    @property
    def support(self):
        """Whole numbers from 0 to `trials`."""
        return Whole(0.0, float(self.trials), True, True, f"whole and between 0 and {self.trials}")

    @property
    def mean(self) -> float:
        """trials * probability."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """trials * probability * (1 - probability)."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.binom, (self.trials, self.probability), {}

    def _layout(self, column):
        # A table no longer than the data: a fit of a few rows should not pay for a long one.
        largest = column.upper if np.isfinite(column.upper) and column.upper >= 0 else -1.0
        return TABLE + int(min(largest + 1, MAX_TABLE, column.n_rows)) + 1, 2

    def _pack(self, column):
        alpha, beta = (1.0, 1.0) if self.prior is None else (self.prior.alpha, self.prior.beta)
        derived = [0.0] * (ALPHA - HELD)
        return (self.trials, self.probability, *derived, alpha, beta, *[0.0] * (self._layout(column)[0] - TABLE))

    def _unpack(self, row, column):
        return Binomial(self.trials, row[PROBABILITY])._under(self.prior)

    def _expected(self, row, column):
        return 1.0, row[TRIALS] * row[PROBABILITY]

    def _start(self, column):
        return Binomial(self.trials, 0.5, prior=self.prior)
