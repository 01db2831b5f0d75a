"""Negative binomial distribution: a Poisson count whose rate varies as a Gamma does.

    f(x) = Gamma(x + size) / (Gamma(size) x!) probability^size (1 - probability)^x,   support: whole x >= 0.

Its mean is m = size (1 - probability) / probability, its variance m + m^2 / size. With n = x + size and q = 1 - probability,

    log f(x) = -D(x, n q) - D(size, n probability) + log(size / n) / 2 + e(n) - e(size) - e(x) - log(2 pi x) / 2,

D the deviance a log(a / b) + b - a and e the error of Stirling's formula (Loader 2000, "Fast and accurate computation of
binomial probabilities"): nothing cancels, and the Poisson mass is the limit of large sizes. Both deviances have the difference
d = x probability - size q, which is computed exactly. Small counts are read from tables made once an iteration.

Weighted maximum likelihood: m is the weighted mean, whatever the size, and size the root of

    mean(psi(x + size) - psi(size)) = log(1 + m / size),

one step of :func:`mixtures.engine.rising.step_of_size` a pass. The likelihood has one maximum in the size, which is finite if
the weighted variance exceeds the mean (Levin & Reeds 1977, "Compound multinomial likelihood functions are unimodal"), and no
step passes it: the likelihood never falls. Rows are summed about the current mean c, by psi(n) - psi(size) - log(1 + c / size)
- t = e'(size) - e'(n) - (t - log(1 + t)), t = (x - c) / (c + size), e' = log - psi: small terms that don't cancel.

Components that tie the size climb the sum of their likelihoods, each with the mean of its own rows
(:mod:`mixtures.engine.rising_ties`).
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import inline, jit, jit_sums, wide_vectors
from mixtures.constraints import natural, positive_probability
from mixtures.constraints import shape as positive_shape
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.coordinates import FRACTION, LOG
from mixtures.engine.plan import FAILED, LIMIT, UNSETTLED, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.rising import (
    digamma_error,
    fall_of_trigamma,
    log_minus_digamma_far,
    rise_of_digamma_error,
    step_of_size,
    trigamma_at,
    trigamma_far,
)
from mixtures.engine.rising_ties import step_of_shared_size
from mixtures.engine.special import (
    HALF_LOG_2PI,
    deviance,
    leading_half,
    log,
    log_gamma,
    log_one_plus,
    stirling_error,
    stirling_series,
)
from mixtures.engine.ties import has_ties, is_tied

SIZE = 0
PROBABILITY = 1
HELD = 2
WIDTH = 3  # largest count of the column, less 1
CENTRE = 4  # the mean; what follows is derived, too
REST = 5  # 1 - probability
PRODUCT = 6  # size (1 - probability), exactly the sum of two numbers
PRODUCT_LOW = 7
STIRLING = 8  # error of Stirling's formula at the size
DIGAMMA = 9  # log - psi at the size
TRIGAMMA = 10
TIES = 11
TABLES = 12  # log-masses, slopes, curvatures of counts 0, 1, 2, ..., each with a last entry for what is no such count

SHORTEST = 16
"""Counts below are always read from tables: from here on asymptotic series serve."""
SHORT_TABLE = 256
"""Counts up to this many are read from tables; ..."""
MAX_TABLE = 4096
ROWS_AN_ENTRY = 8
"""... and up to MAX_TABLE where the column has so many rows for each entry: to make one takes as long as some rows without."""
MOST_POISSON = 1e12
"""Largest size, in means: log f differs there from the Poisson's by 5e-13 ((x - m)^2 - x) / m."""
MOST_POISSON_TIED = 1e7
"""The same of a size that components share: a probability nearer 1 would round their means by more than a billionth."""
SMALLEST_SIZE = 1e-100
SMALLEST_PROBABILITY = 1e-307
LARGEST_PROBABILITY = 1.0 - 2.0**-53
SETTLED = 1e-18
"""What the next step may still gain a row: a parameter is then right to a billionth of its standard error for one row."""


@jit
def _length(parameters):
    """Entries of a table, without the last."""
    return (parameters.shape[1] - TABLES) // 3 - 1


@jit
def _base(x):
    """The part of log f that no component enters, for x > 0."""
    inline()
    return -HALF_LOG_2PI - 0.5 * log(x) - stirling_error(x)


@jit
def _log_mass(x, base, size, probability, rest, product, product_low, stirling):
    """log f(x) for whole x >= 16, given base = _base(x)."""
    inline()
    n = x + size
    leading, chance = leading_half(x), leading_half(probability)
    other, small = x - leading, probability - chance
    d = (leading * chance - product) + ((leading * small + other * chance + other * small) - product_low)
    value = base + 0.5 * log(size / n) + stirling_series(n) - stirling
    return value - deviance(x, n * rest, d) - deviance(size, n * probability, -d)


@jit
def _slope(x, p, digamma_error_at_n):
    """psi(n) - psi(size) - log(1 + c / size) - t."""
    inline()
    size, centre = p[SIZE], p[CENTRE]
    n, middle = x + size, centre + size
    return rise_of_digamma_error(x, size, p[DIGAMMA], digamma_error_at_n) - deviance(middle, n, centre - x) / middle


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        _prepare_one(parameters[k], _length(parameters))


@jit
def _prepare_one(p, length):
    size, probability = p[SIZE], p[PROBABILITY]
    rest = 1.0 - probability
    p[REST] = rest
    p[CENTRE] = min(size * rest / probability, 1e305)
    leading, half = leading_half(size), leading_half(rest)
    other, small = size - leading, rest - half
    p[PRODUCT] = leading * half
    p[PRODUCT_LOW] = leading * small + other * half + (other * small + size * ((1.0 - rest) - probability))
    p[STIRLING] = log_gamma(size) - ((size - 0.5) * log(size) - size + HALF_LOG_2PI) if size < 8.0 else stirling_series(size)
    p[DIGAMMA] = digamma_error(size)
    p[TRIGAMMA] = trigamma_at(size)
    masses, slopes, curvatures = p[TABLES:], p[TABLES + length + 1 :], p[TABLES + 2 * (length + 1) :]
    masses[0] = size * (log(probability) if probability < 0.5 else log_one_plus(-rest))
    for i in range(1, SHORTEST):
        masses[i] = masses[i - 1] + log((size + (i - 1.0)) * rest / i)
    product, product_low, stirling = p[PRODUCT], p[PRODUCT_LOW], p[STIRLING]
    for i in range(SHORTEST, length):
        masses[i] = _log_mass(float(i), _base(float(i)), size, probability, rest, product, product_low, stirling)
    for i in range(length):
        slopes[i] = _slope(float(i), p, digamma_error(float(i) + size))
        curvatures[i] = fall_of_trigamma(float(i), size, p[TRIGAMMA], trigamma_at(float(i) + size))
    masses[length], slopes[length], curvatures[length] = -np.inf, 0.0, 0.0


@jit
def _places(cells, length, place, large):
    """Where each count is in a table, `length` where it is in none; `large` has the counts beyond, 0 for others. Returns whether
    there are any."""
    beyond = 0.0
    for i in range(cells.size):
        x = cells[i]
        inside = 0.0 <= x < length and x == np.floor(x)
        place[i] = np.uint64(np.int64(x if inside else float(length)))
        large[i] = x if length <= x < np.inf and x == np.floor(x) else 0.0
        beyond += large[i]
    return beyond > 0.0


@jit
def _far_masses(large, base, p, out):
    """Log-masses of the counts beyond the tables, of no meaning for others."""
    wide_vectors()
    size, probability, rest = p[SIZE], p[PROBABILITY], p[REST]
    product, product_low, stirling = p[PRODUCT], p[PRODUCT_LOW], p[STIRLING]
    for i in range(large.size):
        x = max(large[i], float(SHORTEST))
        out[i] = _log_mass(x, base[i], size, probability, rest, product, product_low, stirling)


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    length = _length(parameters)
    place, large = np.empty(cells.size, dtype=np.uint64), np.empty(cells.size)
    beyond = _places(cells, length, place, large)
    base, far = np.empty(cells.size if beyond else 0), np.empty(cells.size if beyond else 0)
    for i in range(base.size):
        base[i] = _base(max(large[i], float(SHORTEST)))
    for k in range(out.shape[0]):
        row = out[k]
        table = parameters[k, TABLES:]
        if beyond:
            _far_masses(large, base, parameters[k], far)
            for i in range(row.size):
                row[i] += far[i] if large[i] > 0.0 else table[place[i]]
        else:
            for i in range(row.size):
                row[i] += table[place[i]]


@jit_sums
def _table_sums(place, share, slopes, curvatures):
    """Sums of share * slopes[place] and of share * curvatures[place]."""
    wide_vectors()
    slope = curvature = 0.0
    for i in range(share.size):
        slope += share[i] * slopes[place[i]]
        curvature += share[i] * curvatures[place[i]]
    return slope, curvature


@jit
def _far_terms(large, p, slopes, curvatures):
    """Slopes and curvatures of the counts beyond the tables, 0 for others."""
    wide_vectors()
    size = p[SIZE]
    for i in range(large.size):
        x = max(large[i], float(SHORTEST))
        slope = _slope(x, p, log_minus_digamma_far(x + size))
        curvature = fall_of_trigamma(x, size, p[TRIGAMMA], trigamma_far(x + size))
        slopes[i] = slope if large[i] > 0.0 else 0.0
        curvatures[i] = curvature if large[i] > 0.0 else 0.0


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    cells = x[0]
    length = _length(parameters)
    place, large = np.empty(cells.size, dtype=np.uint64), np.empty(cells.size)
    beyond = _places(cells, length, place, large)
    far_slopes, far_curvatures = np.empty(cells.size if beyond else 0), np.empty(cells.size if beyond else 0)
    for k in range(responsibilities.shape[0]):
        p, share = parameters[k], responsibilities[k]
        slope, curvature = _table_sums(place, share, p[TABLES + length + 1 :], p[TABLES + 2 * (length + 1) :])
        if beyond:
            _far_terms(large, p, far_slopes, far_curvatures)
            slope += weighted_total(far_slopes, share)
            curvature += weighted_total(far_curvatures, share)
        statistics[k, 1] += weighted_total(cells, share)
        statistics[k, 2] += slope
        statistics[k, 3] += curvature


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        if statistics[k, 0] > 0.0 and not is_tied(parameters[k, TIES], parameters[k, HELD], SIZE):
            outcome |= _maximize_one(statistics[k], parameters[k])
    return outcome | _maximize_tied(statistics, parameters) if has_ties(parameters, TIES) else outcome


@jit
def _gradient(sums, p):
    """Of the likelihood in the size, the mean being free: the sums were taken about another one."""
    moved = (sums[1] / sums[0] - p[CENTRE]) / (p[CENTRE] + p[SIZE])
    return sums[2] / sums[0] + (moved - log_one_plus(moved))


@jit
def _log_probability(p):
    return log(p[PROBABILITY]) if p[PROBABILITY] < 0.5 else log_one_plus(-p[REST])


@jit
def _maximize_tied(statistics, parameters):
    count = parameters.shape[0]
    terms = np.zeros((count, 6))
    total = start = largest = gradient = width = 0.0
    bounded = True
    for k in range(count):
        p = parameters[k]
        if not is_tied(p[TIES], p[HELD], SIZE):
            continue
        start, width = p[SIZE], p[WIDTH]
        if not statistics[k, 0] > 0.0:
            continue
        mean, free = statistics[k, 1] / statistics[k, 0], not is_held(p[HELD], PROBABILITY)
        if not np.isfinite(mean):
            return FAILED
        if mean == 0.0 and free:
            continue  # zeros of probability 1 say nothing of the size
        own = _gradient(statistics[k], p)
        slope = own + log_one_plus(mean / start)
        own = own if free else slope + _log_probability(p)
        bounded &= free
        largest = max(largest, min(MOST_POISSON_TIED * mean, 1e300))
        terms[k] = (statistics[k, 0], own, slope, statistics[k, 3] / statistics[k, 0], mean, 1.0 if free else 0.0)
        total += statistics[k, 0]
        gradient += statistics[k, 0] * own
    outcome = 0
    size = start
    if total > 0.0:
        largest = max(largest, start) if bounded else 1e300
        size = step_of_shared_size(start, terms, width, SMALLEST_SIZE, largest)
        if size >= largest or size <= SMALLEST_SIZE:
            outcome |= LIMIT | (UNSETTLED if abs(size - start) > 0.5 * size else 0)
        elif abs(gradient / total * (size - start)) > SETTLED or abs(size - start) > 1e-3 * start:
            outcome |= UNSETTLED
    for k in range(count):
        p = parameters[k]
        if not is_tied(p[TIES], p[HELD], SIZE):
            continue
        p[SIZE] = size
        if statistics[k, 0] > 0.0 and not is_held(p[HELD], PROBABILITY):
            mean = statistics[k, 1] / statistics[k, 0]
            p[PROBABILITY] = min(max(size / (size + mean), SMALLEST_PROBABILITY), LARGEST_PROBABILITY) if mean > 0.0 else 1.0
    return outcome


@jit
def _maximize_one(sums, p):
    mean, curvature = sums[1] / sums[0], sums[3] / sums[0]
    if not np.isfinite(mean):
        return FAILED
    held = p[HELD]
    if mean == 0.0:
        # Nothing is said of the size but where it alone can make zeros likely.
        if not is_held(held, 1):
            p[PROBABILITY] = 1.0
        elif not is_held(held, 0) and p[PROBABILITY] < 1.0:
            p[SIZE] = SMALLEST_SIZE
            return LIMIT
        return 0
    outcome = 0
    if not is_held(held, 0):
        start = p[SIZE]
        gradient = _gradient(sums, p)
        slope = gradient + log_one_plus(mean / start)
        if not is_held(held, 1):
            largest = min(MOST_POISSON * mean, 1e300)
            size = step_of_size(start, gradient, slope, curvature, p[WIDTH], mean, True, SMALLEST_SIZE, largest)
        else:
            largest = 1e300
            gradient = slope + _log_probability(p)
            size = step_of_size(start, gradient, slope, curvature, p[WIDTH], mean, False, SMALLEST_SIZE, largest)
        size = min(size, largest)  # a mean that falls takes the limit with it, below where the size was
        p[SIZE] = size
        if size == largest:
            outcome |= LIMIT | (UNSETTLED if start < 0.5 * largest else 0)
        elif abs(gradient * (size - start)) > SETTLED or abs(size - start) > 1e-3 * start:
            outcome |= UNSETTLED
    if not is_held(held, 1):
        # Below 1, under which no count but 0 were possible, also where a large size is held and the mean falls.
        p[PROBABILITY] = min(max(p[SIZE] / (p[SIZE] + mean), SMALLEST_PROBABILITY), LARGEST_PROBABILITY)
        rest = 1.0 - p[PROBABILITY]
        if p[PROBABILITY] >= 0.5 and not is_held(held, 0):
            # The probability was rounded: the size, of which the likelihood knows less, gives the mean its last digits back.
            p[SIZE] = mean * p[PROBABILITY] / rest
    return outcome


class NegativeBinomial(Family):
    """Negative binomial distribution of one column of counts that vary more than a Poisson's: failures before successes.

    Parameters
    ----------
    size : float > 0, number of successes waited for, whole or not, or None to be learned. Large sizes make a Poisson.
    probability : float in (0, 1], of a success, or None to be learned. The mean is size (1 - probability) / probability, the
        variance mean + mean^2 / size; probability 1 is the point mass at 0.

    Notes
    -----
    ``scipy.stats.nbinom(n=size, p=probability)``. Where the weighted variance is not above the mean, the likelihood rises with
    the size for ever, towards the Poisson's: the size is held at 1e12 means, where both agree to rounding, with a
    :class:`~mixtures.exceptions.DegenerateWarning`. A column of zeros gives probability 1, and says nothing of the size.

    Examples
    --------
    >>> NegativeBinomial(1.0, 0.5).log_prob([0, 1, 0.5]).round(6)
    array([-0.693147, -1.386294,      -inf])
    >>> NegativeBinomial().fit([0, 1, 5, 10]).mean
    4.0
    """

    parameters = {"size": positive_shape, "probability": positive_probability}
    support = natural
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    coordinates = ((LOG, SIZE, 1, 0), (FRACTION, PROBABILITY, 1, 1))
    held = HELD
    ties = TIES
    tieable = ("size",)
    limit = "the size is held at its largest, the Poisson limit: the counts of a component vary no more than a Poisson's"

    def __init__(self, size: float | None = None, probability: float | None = None) -> None:
        super().__init__(size=size, probability=probability)

    size: float
    probability: float

    @property
    def mean(self) -> float:
        """size (1 - probability) / probability."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """size (1 - probability) / probability^2."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.nbinom, (self.size, self.probability), {}

    def _layout(self, column):
        # Tables no longer than the data, as for a Poisson.
        largest = column.upper if np.isfinite(column.upper) and column.upper >= 0 else -1.0
        longest = max(SHORT_TABLE, min(MAX_TABLE, column.n_rows // ROWS_AN_ENTRY))
        return TABLES + 3 * (int(max(min(largest + 1, longest, column.n_rows), SHORTEST)) + 1), 4

    def _pack(self, column):
        width = max(column.upper - 1.0, 0.0) if column.upper > 0 else 0.0
        return (self.size, self.probability, 0.0, width, *[0.0] * (self._layout(column)[0] - CENTRE))

    def _unpack(self, row, column):
        return NegativeBinomial(row[SIZE], row[PROBABILITY])

    def _start(self, column):
        return NegativeBinomial(1.0, 1.0 / (1.0 + max(column.upper / 2, 0.5)))
