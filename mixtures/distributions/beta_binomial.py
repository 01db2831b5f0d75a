"""Beta-binomial distribution: successes among a given number of trials whose probability varies as a Beta does.

    f(x) = trials! / (x! (trials - x)!) B(x + alpha, trials - x + beta) / B(alpha, beta),   support: whole x, 0 to trials.

With n trials, y = n - x, A = alpha + beta and N = A + n, d = alpha y - beta x, p = (alpha + x) / N, q = (beta + y) / N,
C(a) = log Gamma(a) - a log a + a, c(x) = C(x) + log x and the deviance D(a, m) = a log(a / m) + m - a (Loader 2000, "Fast and
accurate computation of binomial probabilities"),

    log f(x) = c(n) - c(x) - c(y) + C(A) - C(N) + C(alpha + x) - C(alpha) + C(beta + y) - C(beta)
               - D(x, n p) - D(y, n q) - D(alpha, A p) - D(beta, A q)

for 0 < x < n: the terms m - a add to 0, and what is left of them doesn't cancel. The four differences a - m are d / N but for
their signs, and d is computed exactly. At both ends, where f may be all but 1, log f(0) = log (beta)_n / (A)_n, with rising
factorials, comes from a form of its own. Log-masses are read from a table of all counts, made once an iteration, where trials are
few for the rows.

Weighted maximum likelihood: counts and what they leave of the trials are two columns of a Dirichlet-multinomial, climbed from
statistics that do not depend on the parameters (:mod:`mixtures.engine.concentrations`). Where beta is held, its derivative in
log alpha, alpha sum w [psi(x + alpha) - psi(alpha) - psi(N) + psi(A)], is followed uphill to where it is zero.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.stats

from mixtures._numba import inline, jit, wide_vectors
from mixtures.constraints import Whole, concentration, counting
from mixtures.distributions.base import Family, Kernels
from mixtures.engine.concentrations import SMALLEST_SHARE, climb_concentrations
from mixtures.engine.coordinates import LOG
from mixtures.engine.counts import factorial_excess
from mixtures.engine.plan import LIMIT, UNSETTLED, is_held
from mixtures.engine.rising_sums import add_counts, add_grouped, evaluate, group_counts, sums_for, tabulate
from mixtures.engine.special import (
    HALF_LOG_2PI,
    deviance,
    deviance_of_ratio,
    leading_half,
    log,
    log_gamma_excess,
    log_one_plus,
    stirling_from_inverse,
    stirling_series,
)
from mixtures.row_supports import LARGEST_COUNT

TRIALS = 0  # shared by all components of a plate, and so is the length of the table
ALPHA = 1
BETA = 2
HELD = 3
LENGTH = 4  # entries of the table, without the last; 0 for none
SUMS = 5  # that keep all counts up to the trials
CONSTANT = 6  # C(A) - C(N) - C(alpha) - C(beta) + c(n); from here on derived
LOG_NONE = 7  # log f(0)
LOG_ALL = 8  # log f(n)
TABLE = 9  # log-mass at 0, 1, ..., trials, or of EDGE at either end, then -inf for what is none of these

LONGEST_SUM = 1e6
"""Trials up to which expected statistics are sums over all counts."""
SHORT_TABLE = 256
"""Fewer trials always have a table ..."""
MAX_TABLE = 4096
ROWS_AN_ENTRY = 8
"""... and up to MAX_TABLE where the column has so many rows for each entry: to make one takes as long as some rows without."""
EDGE = 16
"""Counts nearer than this to an end are always read from a table: asymptotic series serve for others."""
LARGEST_RATIO = 1e8
"""Largest alpha + beta, in trials: the variance is then 1 + 1e-8 times the Binomial's, at most."""
SMALLEST, LARGEST = 1e-99, 1e99
"""Of concentrations that are learned: those declared go a little further, so that products of two are numbers."""
STEPPED = 64
"""Rising factorials are multiplied out up to here; what is left is a matter of asymptotic series."""


@jit
def _log_none(trials, alpha, beta):
    """log f(0) = log[(beta)_n / (alpha + beta)_n], to its own last digits."""
    value = 0.0
    steps = min(trials, float(STEPPED))
    for j in range(int(steps)):
        value -= log_one_plus(alpha / (beta + j))
    if trials <= STEPPED:
        return value
    # What is left: log Gamma(z + s + t) Gamma(z) / [Gamma(z + s) Gamma(z + t)], alike in s and t. Its terms cancel least if s is
    # the smaller.
    z, rest = beta + STEPPED, trials - STEPPED
    s, t = min(alpha, rest), max(alpha, rest)
    far = z + t
    gap = s * log_one_plus(t / z) + deviance(far + s, far, s) - deviance(z + s, z, s)
    # (1 + s / z) / (1 + s / far) is 1 + s t / [z (far + s)].
    gap += 0.5 * log_one_plus(s / z * (t / (far + s)))
    return value - (gap + _series_step(far, s) - _series_step(z, s))


@jit
def _series_step(z, s):
    """Stirling's series at z + s less that at z, for z >= 64, factored by s."""
    u, v = 1.0 / z, 1.0 / (z + s)
    square, product, other = u * u, u * v, v * v
    cubes = square + product + other
    fifths = square * square + square * product + product * product + product * other + other * other
    return -(s * u * v) * (1.0 / 12.0 - cubes / 360.0 + fifths / 1260.0)


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        p = parameters[k]
        n, alpha, beta = p[TRIALS], p[ALPHA], p[BETA]
        excesses = log_gamma_excess(alpha + beta) - log_gamma_excess(alpha + beta + n)
        p[CONSTANT] = excesses - log_gamma_excess(alpha) - log_gamma_excess(beta) + factorial_excess(n)
        p[LOG_NONE], p[LOG_ALL] = _log_none(n, alpha, beta), _log_none(n, beta, alpha)
        length = p.size - TABLE - 1
        cells = np.arange(float(length))
        if not p[LENGTH] > 0.0:
            for i in range(EDGE):
                cells[EDGE + i] = n - (EDGE - 1.0 - i)
        _masses(cells, p, p[TABLE : TABLE + length])
        p[TABLE + length] = -np.inf


@jit
def _difference(x, y, alpha, beta):
    """alpha y - beta x."""
    inline()
    leading_alpha, leading_beta = leading_half(alpha), leading_half(beta)
    some, other = leading_half(x), leading_half(y)
    # Products of halves are exact: d has all digits however close both products are.
    small_alpha, small_beta = alpha - leading_alpha, beta - leading_beta
    middle = leading_alpha * (y - other) + small_alpha * other - leading_beta * (x - some) - small_beta * some
    last = small_alpha * (y - other) - small_beta * (x - some)
    return (leading_alpha * other - leading_beta * some) + (middle + last)


@jit
def _masses(cells, p, out):
    """Log-masses of counts 0 <= x <= n."""
    wide_vectors()
    trials, alpha, beta = p[TRIALS], p[ALPHA], p[BETA]
    constant, none, all_of_them = p[CONSTANT], p[LOG_NONE], p[LOG_ALL]
    total = alpha + beta
    scale = 1.0 / (total + trials)
    for i in range(out.size):  # apart from what follows, or neither vectorises
        inside = 0.0 < cells[i] < trials
        x, y = (cells[i] if inside else 1.0), (trials - cells[i] if inside else 1.0)
        out[i] = factorial_excess(x) + factorial_excess(y)
    for i in range(out.size):
        inside = 0.0 < cells[i] < trials
        x, y = (cells[i] if inside else 1.0), (trials - cells[i] if inside else 1.0)
        at_x, at_y = alpha + x, beta + y
        chance, rest = at_x * scale, at_y * scale
        d = _difference(x, y, alpha, beta) * scale
        value = constant + log_gamma_excess(at_x) + log_gamma_excess(at_y) - out[i]
        value -= deviance(x, trials * chance, -d) + deviance(y, trials * rest, d)
        value -= deviance(alpha, total * chance, d) + deviance(beta, total * rest, -d)
        value = value if inside else all_of_them
        out[i] = none if cells[i] == 0.0 else value


@jit
def _bases(cells, trials, out):
    """-c(x) - c(n - x) for whole x from EDGE to n - EDGE; of no meaning for others."""
    wide_vectors()
    for i in range(out.size):
        x = min(max(cells[i], float(EDGE)), trials - EDGE)
        y = trials - x
        out[i] = -2.0 * HALF_LOG_2PI - 0.5 * log(x * y) - stirling_series(x) - stirling_series(y)


@jit
def _middle_masses(cells, base, p, out):
    """Log-masses of whole x from EDGE to n - EDGE, given their base; of no meaning for others. As :func:`_masses`, but for what
    sixteen counts save: Gamma functions are asymptotic, and of nine quotients three are left."""
    wide_vectors()
    n, alpha, beta = p[TRIALS], p[ALPHA], p[BETA]
    total = alpha + beta
    scale, inverse, inverse_total = 1.0 / (total + n), 1.0 / n, 1.0 / total
    share_alpha, share_beta = alpha * inverse_total, beta * inverse_total
    # C(alpha + x) + C(beta + y) has two logarithms of 2 pi, and one half of log p q in the place of log (alpha + x) (beta + y).
    constant = p[CONSTANT] + 2.0 * HALF_LOG_2PI - log(total + n)
    for i in range(out.size):
        x = min(max(cells[i], float(EDGE)), n - EDGE)
        y = n - x
        chance, rest = (alpha + x) * scale, (beta + y) * scale
        share_x, share_y = x * inverse, y * inverse
        both = chance * rest
        over = 1.0 / both
        over_chance, over_rest = rest * over, chance * over
        d = _difference(x, y, alpha, beta) * scale
        sum_x, sum_y = share_x + chance, share_y + rest
        sum_alpha, sum_beta = share_alpha + chance, share_beta + rest
        over_sums, over_totals = d * inverse / (sum_x * sum_y), d * inverse_total / (sum_alpha * sum_beta)
        value = base[i] + constant - 0.5 * log(both)
        value += stirling_from_inverse(over_chance * scale) + stirling_from_inverse(over_rest * scale)
        value -= deviance_of_ratio(x, share_x * over_chance, -d, -over_sums * sum_y)
        value -= deviance_of_ratio(y, share_y * over_rest, d, over_sums * sum_x)
        value -= deviance_of_ratio(alpha, share_alpha * over_chance, d, over_totals * sum_beta)
        out[i] = value - deviance_of_ratio(beta, share_beta * over_rest, -d, -over_totals * sum_alpha)


@jit
def _places(cells, length, place):
    """Where each count is in a table, `length` for what is in none."""
    for i in range(cells.size):
        x = cells[i]
        place[i] = np.uint64(np.int64(x if 0.0 <= x < length and x == np.floor(x) else float(length)))


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    length = int(parameters[0, LENGTH])
    if length > 0:
        place = np.empty(cells.size, dtype=np.uint64)
        _places(cells, length, place)
        for k in range(out.shape[0]):
            row, table = out[k], parameters[k, TABLE:]
            for i in range(row.size):
                row[i] += table[place[i]]
        return
    trials = parameters[0, TRIALS]
    base, masses, place = np.empty(cells.size), np.empty(cells.size), np.empty(cells.size, dtype=np.int64)
    for i in range(cells.size):
        count = cells[i]
        whole = 0.0 <= count <= trials and count == np.floor(count)
        near = count if count < EDGE else 2.0 * EDGE - 1.0 - (trials - count)
        near = near if whole and (count < EDGE or count > trials - EDGE) else 2.0 * EDGE
        place[i] = -1 if whole and near == 2.0 * EDGE else np.int64(near)
    _bases(cells, trials, base)
    for k in range(out.shape[0]):
        _middle_masses(cells, base, parameters[k], masses)
        row, table = out[k], parameters[k, TABLE:]
        for i in range(row.size):
            row[i] += masses[i] if place[i] < 0 else table[np.uint64(max(place[i], 0))]


@jit
def _add_to_histogram(place, share, sums):
    for i in range(share.size):
        sums[place[i]] += share[i]


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    wide_vectors()
    cells = x[0]
    length = int(parameters[0, LENGTH])
    if length > 0:
        place = np.empty(cells.size, dtype=np.uint64)
        _places(cells, length, place)
        for k in range(responsibilities.shape[0]):
            _add_to_histogram(place, responsibilities[k], statistics[k, 1:])
        return
    size = (statistics.shape[1] - 1) // 2
    trials = parameters[0, TRIALS]
    counts = np.empty(cells.size)
    for i in range(cells.size):
        counts[i] = cells[i] if 0.0 <= cells[i] <= trials and cells[i] == np.floor(cells[i]) else -1.0
    order, ends, polynomials = group_counts(counts)
    _add_groups(counts, order, ends, polynomials, responsibilities, statistics[:, 1 : 1 + size])
    for i in range(cells.size):
        counts[i] = trials - counts[i] if counts[i] >= 0.0 else -1.0
    order, ends, polynomials = group_counts(counts)
    _add_groups(counts, order, ends, polynomials, responsibilities, statistics[:, 1 + size :])


@jit
def _add_groups(counts, order, ends, polynomials, responsibilities, statistics):
    share = np.empty(counts.size)
    for k in range(responsibilities.shape[0]):
        row = responsibilities[k]
        for i in range(share.size):
            share[i] = row[order[i]]
        add_grouped(share, counts, order, ends, polynomials, statistics[k])


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        p = parameters[k]
        if not statistics[k, 0] > 0.0 or (is_held(p[HELD], 0) and is_held(p[HELD], 1)):
            continue
        trials = p[TRIALS]
        size = int(p[SUMS])
        sums, totals = np.zeros(2 * size), np.zeros(size)
        if p[LENGTH] > 0.0:
            histogram, counts = statistics[k, 1 : 2 + int(trials)], np.arange(trials + 1.0)
            add_counts(histogram, counts, sums[:size])
            add_counts(histogram, trials - counts, sums[size:])
        else:
            for i in range(2 * size):
                sums[i] = statistics[k, 1 + i]
        # Rows that no component allows have a weight, but tell nothing.
        weight = tabulate(sums[:size], np.empty(size))[0]
        if not weight > 0.0:
            continue
        add_counts(np.full(1, weight), np.full(1, trials), totals)
        if is_held(p[HELD], 0):
            outcome |= _climb_one(p[BETA:], p[ALPHA], sums[size:], totals)
        elif is_held(p[HELD], 1):
            outcome |= _climb_one(p[ALPHA:], p[BETA], sums[:size], totals)
        else:
            outcome |= climb_concentrations(p[ALPHA : BETA + 1], sums, totals, LARGEST_RATIO * trials)
        for place in (ALPHA, BETA):
            if not is_held(p[HELD], place - ALPHA):
                p[place] = min(max(p[place], SMALLEST), LARGEST)
    return outcome


@jit
def _slope(a, other, column, totals):
    """First and second derivative of the log-likelihood in log a, and the size of the terms of the first."""
    _, first, second = evaluate(a, 1.0, column, False)
    _, all_first, all_second = evaluate(a + other, 1.0, totals, False)
    slope = a * (first - all_first)
    return slope, slope + a * a * (second - all_second), a * first


@jit
def _gain(a, start, other, column, totals):
    """Log-likelihood at `a`, up to a constant."""
    scale = start + other
    return evaluate(a, scale, column, True)[0] - evaluate(a + other, scale, totals, True)[0]


@jit
def _climb_one(places, other, sums, sums_of_totals):
    """Move a = places[0] uphill to a maximum of the likelihood, the other concentration being held. Returns LIMIT at a bound of
    a / (a + other), UNSETTLED where the maximum was not reached."""
    column, totals = np.empty(sums.size), np.empty(sums_of_totals.size)
    tabulate(sums, column)
    tabulate(sums_of_totals, totals)
    lowest, highest = SMALLEST_SHARE * other, other / SMALLEST_SHARE
    start = here = min(max(places[0], lowest), highest)
    slope, curvature, scale = _slope(here, other, column, totals)
    if abs(slope) <= 1e-16 * scale:
        return 0
    upwards = slope > 0.0
    there = here
    while True:
        here, there = there, min(max(there * (4.0 if upwards else 0.25), lowest), highest)
        if here == there:
            places[0] = here
            return LIMIT
        if (_slope(there, other, column, totals)[0] > 0.0) != upwards:
            break
    a = here
    for _ in range(100):
        slope, curvature, scale = _slope(a, other, column, totals)
        if (slope > 0.0) == upwards:
            here = a
        else:
            there = a
        step = -slope / curvature
        new = a * np.exp(step) if curvature < 0.0 and abs(step) < 2.0 else np.sqrt(here * there)
        if not min(here, there) <= new <= max(here, there):
            new = np.sqrt(here * there)
        settled = abs(new - a) <= 1e-9 * a  # what is left is its square, or lost in rounding
        a = new
        if settled:
            break
    if abs(a - start) <= 1e-7 * start or _gain(a, start, other, column, totals) >= _gain(start, start, other, column, totals):
        places[0] = a
        return 0
    # A later maximum that is lower: Minka's fixed point climbs, slowly, to the one before it.
    first, of_totals = evaluate(start, 1.0, column, False)[1], evaluate(start + other, 1.0, totals, False)[1]
    places[0] = start * (first / of_totals)
    return UNSETTLED


class BetaBinomial(Family):
    """Beta-binomial distribution of one column of counts: successes among a given number of trials that are alike within a row.

    Parameters
    ----------
    trials : whole number >= 1, at most 2^53, given, never learned.
    alpha : float > 0, between 1e-100 and 1e100, or None to be learned. The mean is trials * alpha / (alpha + beta).
    beta : float > 0, as alpha, or None. The larger alpha + beta, the nearer to a Binomial; 1 and 1 give all counts alike.

    Notes
    -----
    ``scipy.stats.betabinom(n=trials, a=alpha, b=beta)``, whose log-masses lose digits where alpha + beta or trials are large.

    Held at a bound, with a :class:`~mixtures.exceptions.DegenerateWarning`: alpha + beta at 1e8 trials, where counts scatter no
    more than a Binomial's; at 1e-8, where all counts are 0 or `trials`, of both; and alpha or beta at 1e-15 times their sum, in
    columns of nothing but zeros or of nothing but `trials`. A single trial says nothing of alpha + beta, which then stays where
    it was: at 2 in a fit of its own.

    Examples
    --------
    >>> BetaBinomial(2, 1.0, 1.0).log_prob([0, 1, 3]).round(6)
    array([-1.098612, -1.098612,      -inf])
    >>> fitted = BetaBinomial(10).fit([1, 2, 6, 9])
    >>> round(fitted.alpha, 6), round(fitted.beta, 6)
    (1.104691, 1.309631)
    """

    arguments = {"trials": replace(counting, high=LARGEST_COUNT, closed_high=False, words="whole, >= 1 and below 2^53")}
    parameters = dict.fromkeys(
        ("alpha", "beta"), replace(concentration, low=1e-100, high=1e100, words="finite and > 0, between 1e-100 and 1e100")
    )
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    carries = True
    coordinates = ((LOG, ALPHA, 1, 0), (LOG, BETA, 1, 1))
    held = HELD
    limit = (
        "alpha or beta is held at a bound: counts scatter no more than a Binomial's (use Binomial there), or all of them are 0 or "
        "the number of trials."
    )

    def __init__(self, trials: int, alpha: float | None = None, beta: float | None = None) -> None:
        super().__init__(trials=trials, alpha=alpha, beta=beta)

    trials: int
    alpha: float
    beta: float

    @property
    def support(self):
        """Whole numbers from 0 to `trials`."""
        return Whole(0.0, float(self.trials), True, True, f"whole and between 0 and {self.trials}")

    @property
    def mean(self) -> float:
        """trials * alpha / (alpha + beta)."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """n alpha beta (A + n) / (A^2 (A + 1)), A = alpha + beta, n = trials."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.betabinom, (self.trials, self.alpha, self.beta), {}

    @property
    def _plate_kind(self):
        return BetaBinomial, self.trials  # tables and sums are as long as the trials ask

    def _length(self, column):
        longest = max(SHORT_TABLE, min(MAX_TABLE, column.n_rows // ROWS_AN_ENTRY))
        return self.trials + 1 if self.trials < longest else 0

    def _layout(self, column):
        length = self._length(column)
        return TABLE + (length or 2 * EDGE) + 1, (2 + length if length else 1 + 2 * sums_for(self.trials))

    def _pack(self, column):
        length = self._length(column)
        derived = self._layout(column)[0] - CONSTANT
        return (self.trials, self.alpha, self.beta, 0.0, length, sums_for(self.trials), *[0.0] * derived)

    def _unpack(self, row, column):
        return BetaBinomial(self.trials, row[ALPHA], row[BETA])

    def _expected(self, row, column):
        if self.trials > LONGEST_SUM:
            return None
        counts = np.arange(self.trials + 1.0)
        shares = np.exp(self.log_prob(counts))
        length, size = self._length(column), sums_for(self.trials)
        if length:
            return np.concatenate([[1.0], shares, [0.0]])
        sums = np.zeros(2 * size)
        add_counts(shares, counts, sums[:size])
        add_counts(shares, self.trials - counts, sums[size:])
        return np.append(1.0, sums)

    def _start(self, column):
        return BetaBinomial(self.trials, 1.0, 1.0)
