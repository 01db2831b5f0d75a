"""Von Mises distribution: the circular Normal.

    log f(x) = concentration (cos(x - location) - 1) - log(2 pi exp(-concentration) I0(concentration)),   x an angle in radians.

Support: the real line, on which angles a period of 2 pi apart mean the same; the density integrates to 1 over any one period.
cos d - 1 is computed as -2 sin(d / 2)^2, which keeps its digits however concentrated the law is; angles are reduced to
[-pi, pi] exactly up to 2^20 periods, beyond by the sine and cosine of the C library.

Weighted maximum likelihood (Mardia & Jupp 2000, "Directional Statistics", section 5.3.1): location is the direction of
(sum w cos x, sum w sin x); concentration solves I1 / I0 = R, the length of that sum over the sum of weights. With the location
held, R is the mean of cos(x - location), and the concentration 0 where that is negative. Whatever the concentration, these are the
best locations: components that tie it have the weighted mean of their R.

Sums are of sin(x - c) and of 1 - cos(x - c), about the centre c = 0, or, where the concentration is large, about the location,
so that 1 - R, half its inverse, keeps its digits; where a pass about a far centre lost four of them, it is asked for again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.stats

from mixtures._numba import jit, wide_vectors
from mixtures.constraints import angle, nonnegative, real
from mixtures.distributions.base import Family, Kernels, generator_of
from mixtures.engine.coordinates import ANGLE, LOG
from mixtures.engine.plan import FLOORED, REPEAT, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import (
    LARGEST_ANGLE,
    angle_between,
    bessel_ratio,
    bessel_ratio_gap,
    cos_quarter,
    log_scaled_bessel_i0,
    reduced_angle,
    sin_quarter,
)
from mixtures.engine.ties import is_tied
from mixtures.tails import from_cdf

LOCATION = 0  # in [-pi, pi], and what it lacks
REST = 1
CONCENTRATION = 2
HELD = 3
LARGEST = 4  # concentration that a fit may reach
CENTRE = 5
CONSTANT = 6
TIES = 7
SIZE = 8

LOG_2PI = 1.8378770664093453
SPREAD_OUT = 1e3
"""Largest concentration for which sums about 0 serve."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        parameters[k, CONSTANT] = -LOG_2PI - log_scaled_bessel_i0(parameters[k, CONCENTRATION])


@jit
def _reduce(cells, angles, rests):
    """Cells as reduced angles; NaN where a cell is infinite."""
    wide_vectors()
    largest = 0.0
    for i in range(cells.size):
        angles[i], rests[i] = reduced_angle(cells[i])
        largest = max(largest, abs(cells[i]))
    if not largest <= LARGEST_ANGLE:
        for i in range(cells.size):
            if not abs(cells[i]) <= LARGEST_ANGLE:
                angles[i], rests[i] = np.arctan2(np.sin(cells[i]), np.cos(cells[i])), 0.0


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    lines = np.empty((2, x.shape[1]))
    angles, rests = lines[0], lines[1]
    _reduce(x[0], angles, rests)
    for k in range(out.shape[0]):
        row = out[k]
        location, rest, constant = parameters[k, LOCATION], parameters[k, REST], parameters[k, CONSTANT]
        twice = 2.0 * parameters[k, CONCENTRATION]
        for i in range(row.size):
            s = sin_quarter(0.5 * angle_between(angles[i], rests[i], location, rest))
            value = constant - twice * (s * s)
            row[i] += value if value == value else -np.inf


@jit
def _turn(angles, rests, centre, sines, gaps):
    """sin(x - centre) and 1 - cos(x - centre)."""
    wide_vectors()
    for i in range(angles.size):
        half = 0.5 * angle_between(angles[i], rests[i], centre, 0.0)
        s = sin_quarter(half)
        sines[i] = 2.0 * s * cos_quarter(half)
        gaps[i] = 2.0 * s * s


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    lines = np.empty((4, x.shape[1]))
    angles, rests, sines, gaps = lines[0], lines[1], lines[2], lines[3]
    _reduce(x[0], angles, rests)
    centre = np.nan
    for k in range(responsibilities.shape[0]):
        if parameters[k, CENTRE] != centre:
            centre = parameters[k, CENTRE]
            _turn(angles, rests, centre, sines, gaps)
        statistics[k, 1] += weighted_total(sines, responsibilities[k])
        statistics[k, 2] += weighted_total(gaps, responsibilities[k])


@jit
def concentration_of(gap):
    """The concentration at which I1 / I0 = 1 - gap, 0 < gap, by Newton's method; 0 where gap >= 1.

    It starts within a twentieth (Banerjee et al. 2005, "Clustering on the unit hypersphere using von Mises-Fisher
    distributions", eq. 4.4), from where it converges: I1 / I0 is concave.
    """
    length = 1.0 - gap
    if not length > 0.0:
        return 0.0
    square = gap * (2.0 - gap)  # 1 - length^2
    k = length * (1.0 + square) / square
    for _ in range(20):
        ratio = bessel_ratio(k)
        missed = bessel_ratio_gap(k) - gap if k > 1.0 else length - ratio
        # The derivative of I1 / I0, and the start of its series where that cancels.
        slope = 1.0 - ratio / k - ratio * ratio if k < 32.0 else 0.5 / (k * k) * (1.0 + 0.5 / k + 0.75 / (k * k))
        new = min(max(k + missed / slope, 0.5 * k), 2.0 * k)
        settled = abs(new - k) <= 4e-16 * k
        k = new
        if settled:
            break
    return k


@jit
def _maximize(statistics, parameters):
    outcome = 0
    shared_total = shared_gap = 0.0
    for k in range(parameters.shape[0]):
        total = statistics[k, 0]
        if not total > 0.0:
            continue
        p = parameters[k]
        centre, held = p[CENTRE], p[HELD]
        sine, gap = statistics[k, 1] / total, statistics[k, 2] / total
        turn = np.arctan2(sine, 1.0 - gap)
        size = 2.0 * gap + gap * gap + sine * sine
        if is_held(held, LOCATION):
            turn = angle_between(p[LOCATION], p[REST], centre, 0.0)
            half = np.sin(0.5 * turn)
            lost = 2.0 * half * half * (1.0 - gap) + gap - np.sin(turn) * sine
        else:
            square = gap * (2.0 - gap) - sine * sine  # 1 - R^2
            lost = square / (1.0 + np.sqrt(max(1.0 - square, 0.0)))
        moved, _ = reduced_angle(centre + turn)
        if lost < 1e-4 * size and abs(turn) > 8 * 2.2e-16 * abs(centre):
            # Four digits have cancelled, and not for a turn that is itself rounding.
            outcome |= REPEAT
            p[CENTRE] = moved
            continue
        if not is_held(held, LOCATION):
            p[LOCATION], p[REST] = moved, 0.0
        if is_tied(p[TIES], held, 1):
            shared_total += total
            shared_gap += total * lost
        elif not is_held(held, 1):
            outcome |= _set_concentration(p, lost)
        p[CENTRE] = 0.0 if p[CONCENTRATION] <= SPREAD_OUT else p[LOCATION]
    if shared_total > 0.0 and not outcome & REPEAT:
        for k in range(parameters.shape[0]):
            p = parameters[k]
            if is_tied(p[TIES], p[HELD], 1):
                outcome |= _set_concentration(p, shared_gap / shared_total)
                p[CENTRE] = 0.0 if p[CONCENTRATION] <= SPREAD_OUT else p[LOCATION]
    return outcome


@jit
def _set_concentration(p, gap):
    """The concentration at which I1 / I0 = 1 - gap, as large as it may be."""
    if not gap > 0.5 / p[LARGEST]:
        p[CONCENTRATION] = p[LARGEST]
        return FLOORED
    p[CONCENTRATION] = min(concentration_of(gap), p[LARGEST])
    return 0


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(80)


def _mass(x: Any, concentration: float) -> Any:
    """Integral of the density of location 0 from 0 to x, by Gauss and Legendre's rule: over s = sin(x / 2), as far as
    exp(-2 concentration s^2) is not nothing, where the density is narrow, else over x."""
    turns = np.rint(x / (2 * np.pi))
    x = x - 2 * np.pi * turns
    constant = -LOG_2PI - log_scaled_bessel_i0(concentration)
    if concentration > 50.0:
        end = np.clip(np.sin(x / 2), -6.5 / concentration**0.5, 6.5 / concentration**0.5)
        s = end[..., None] * (_NODES + 1) / 2
        values = np.exp(constant - 2 * concentration * s * s) * 2 / np.sqrt((1 - s) * (1 + s))
    else:
        end = x
        values = np.exp(constant - 2 * concentration * np.sin(end[..., None] * (_NODES + 1) / 4) ** 2)
    return turns + end / 2 * (values @ _WEIGHTS)


class VonMises(Family):
    """Von Mises distribution of one column of angles in radians: directions, hours of the day, phases.

    Parameters
    ----------
    location : float, the mean direction, or None to be learned; a fit finds it in [-pi, pi].
    concentration : float >= 0, 0 for the uniform distribution, near 1 / variance where it is large, or None to be learned.

    Notes
    -----
    ``scipy.stats.vonmises(concentration, location)``. Any finite x is an angle. ``cdf`` and ``quantile`` count from -pi, and the
    cdf grows by 1 a period; they are right to 1e-12, where scipy's lose six digits beyond a concentration of 50. Draws lie in
    [-pi, pi]. Where all angles agree, the concentration is held at the square of the inverse of 16 rounding errors of the
    column's largest value, 1e30 at most, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> VonMises(0, 1).log_prob([0.0, 6.283185307179586]).round(6)
    array([-1.073791, -1.073791])
    >>> fitted = VonMises().fit([3.0, -3.1, 2.9])
    >>> round(fitted.location, 3), round(fitted.concentration, 1)
    (3.028, 73.1)
    """

    parameters = {"location": real, "concentration": nonnegative}
    support = angle
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    carries = True
    coordinates = ((ANGLE, LOCATION, 1, 0), (LOG, CONCENTRATION, 1, 1))
    held = HELD
    ties = TIES
    tieable = ("concentration",)

    def __init__(self, location: float | None = None, concentration: float | None = None) -> None:
        super().__init__(location=location, concentration=concentration)

    location: float
    concentration: float

    @property
    def circular_variance(self) -> float:
        """1 - I1 / I0 of the concentration: 0 where all angles agree, 1 where they are uniform."""
        self._require_complete()
        return float(bessel_ratio_gap(self.concentration))

    def to_scipy(self):
        return scipy.stats.vonmises(self.concentration, self.location)

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n angles in [-pi, pi], shape (n, 1)."""
        self._require_complete()
        random = generator_of(random_state)
        drawn = random.vonmises(0.0, self.concentration, (n, 1)) + math.remainder(self.location, 2 * np.pi)
        return drawn - 2 * np.pi * np.rint(drawn / (2 * np.pi))

    def cdf(self, x: Any) -> Any:
        """Probability of an angle from -pi to x, elementwise; beyond pi, of more than a period."""
        self._require_complete()
        x, location = np.asarray(x, dtype=float), math.remainder(self.location, 2 * np.pi)
        return _mass(x - location, self.concentration) - _mass(-np.pi - location, self.concentration)

    def _tails(self) -> Any:
        return from_cdf(self)  # scipy's begins half a turn before the location

    def quantile(self, probability: Any) -> Any:
        """The angle in [-pi, pi] whose cdf is `probability`, elementwise."""
        probability = np.asarray(probability, dtype=float)
        low, high = np.full(probability.shape, -np.pi), np.full(probability.shape, np.pi)
        for _ in range(60):
            middle = low / 2 + high / 2
            below = self.cdf(middle) < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.where((probability >= 0) & (probability <= 1), high, np.nan)

    def _layout(self, column):
        return SIZE, 3

    def _pack(self, column):
        location, rest = self._reduced()
        centre = 0.0 if self.concentration <= SPREAD_OUT else location
        largest = max(min(column.floor, 1.0), 1e-15) ** -2.0
        return location, rest, self.concentration, 0.0, largest, centre, 0.0, 0.0

    def _reduced(self):
        if abs(self.location) <= LARGEST_ANGLE:
            return reduced_angle(self.location)
        return math.atan2(math.sin(self.location), math.cos(self.location)), 0.0

    def _unpack(self, row, column):
        # A location that is held may lie periods away.
        location = self.location if (row[LOCATION], row[REST]) == self._reduced() else row[LOCATION]
        return VonMises(location, row[CONCENTRATION])

    def _expected(self, row, column):
        turn = row[LOCATION] - row[CENTRE]
        half, length = np.sin(0.5 * turn), bessel_ratio(row[CONCENTRATION])
        return 1.0, length * np.sin(turn), bessel_ratio_gap(row[CONCENTRATION]) + 2.0 * length * half * half

    def _carried(self, statistics, old, new, before, after):
        total, sines, gaps = statistics
        turn = old[CENTRE] - new[CENTRE]
        half = np.sin(0.5 * turn)
        bend = 2.0 * half * half  # 1 - cos(turn)
        return total, sines + (total - gaps) * np.sin(turn) - sines * bend, gaps + (total - gaps) * bend + sines * np.sin(turn)

    def _start(self, column):
        return VonMises(0.0, 1.0)
