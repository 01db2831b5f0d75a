"""Weighted maximum likelihood by numerical optimisation over declared constraints.

The parameters move on a scale without constraints: the logarithm of the distance to a finite end, the logit between two, the
value itself, in the data's own spread, where there is none. There a Newton method climbs from where it is told to start:
derivatives by differences of fourth order, the step of |H|^-1 (Dauphin et al. 2014), within a radius that grows, halved until
the likelihood rises. It ends quadratically; where the likelihood has a kink or a jump, scipy's simplex method (Nelder & Mead
1965) takes over.

What is returned is never less likely than the start: the start itself is kept, to the bit, unless something better was found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from mixtures.constraints import Interval
from mixtures.exceptions import FitError

Floats = npt.NDArray[np.float64]
Values = dict[str, float]

MAX_STEPS = 100
MOST_EVALUATIONS = 1500
"""Of the likelihood in one climb: Newton's method needs a hundred, a simplex at a kink some hundreds."""
MOST_CLIMBS = 2
"""Starts that are climbed, of those that are possible."""
SETTLED = 1e-12
"""A step that promises less, of the mean log-likelihood and relative to 1 + its size, is the last: it squares what is left."""
LIMIT = 1e-6
"""Promise, as of `SETTLED`, of a step along a ridge to a limit at which an exhausted climb has as good as arrived."""
FLAT = 1e-9
"""Curvature of the mean log-likelihood that counts as none: one row would tell the parameter to within 3e4 of its scale."""
EDGE = 690.0
"""Logarithms of parameters stay within this: between 1e-300 and 1e300."""


@dataclass(frozen=True)
class Coordinate:
    """One parameter on its way between its interval and the real line.

    `centre` and `unit` scale a parameter without ends; `least` is the smallest distance from a finite end that makes sense.
    """

    name: str
    interval: Interval
    centre: float = 0.0
    unit: float = 1.0
    least: float = 0.0

    def bounds(self) -> tuple[float, float]:
        """Where the coordinate may lie."""
        low, high = math.isfinite(self.interval.low), math.isfinite(self.interval.high)
        if low and high:
            return -EDGE, 36.0
        if low or high:
            return max(-EDGE, math.log(self.least) if self.least > 0 else -EDGE), EDGE
        return -1e15, 1e15

    def value(self, u: float) -> float:
        """The parameter at a coordinate, always inside its interval."""
        low, high = self.interval.low, self.interval.high
        if math.isfinite(low) and math.isfinite(high):
            return float(np.clip(low + (high - low) * float(expit(u)), np.nextafter(low, high), np.nextafter(high, low)))
        if math.isfinite(low):
            return max(low + math.exp(u), float(np.nextafter(low, math.inf)))
        if math.isfinite(high):
            return min(high - math.exp(u), float(np.nextafter(high, -math.inf)))
        return self.centre + self.unit * u

    def place(self, value: float) -> float:
        """The coordinate of a parameter, within its bounds."""
        low, high = self.interval.low, self.interval.high
        if math.isfinite(low) and math.isfinite(high):
            share = min(max((value - low) / (high - low), 1e-300), 1.0 - 1e-16)
            u = math.log(share) - math.log1p(-share)
        elif math.isfinite(low):
            u = math.log(max(value - low, 1e-300))
        elif math.isfinite(high):
            u = math.log(max(high - value, 1e-300))
        else:
            u = (value - self.centre) / self.unit
        least, most = self.bounds()
        return min(max(u, least), most)


@dataclass
class Found:
    """Where a climb ended: the parameters, their mean log-likelihood, and which of them the data do not tell."""

    values: Values
    value: float
    at_bound: list[str] = field(default_factory=list)
    flat: list[str] = field(default_factory=list)

    @property
    def untold(self) -> tuple[str, ...]:
        """Those parameters."""
        return tuple(sorted({*self.at_bound, *self.flat}))


def weighted_sum(weights: Floats, values: Floats) -> float:
    """Sum of weights times values, the same on any machine and to the last digits: BLAS would split a long one over threads, which
    where cores are busy takes a hundred times as long (measured)."""
    return float((weights * values).sum())


def maximise(
    objective: Callable[[Values], float], starts: Iterable[Mapping[str, float]], coordinates: Sequence[Coordinate], words: str
) -> Found:
    """Climb `objective`, a mean log-likelihood of parameters by name, from the first of `starts` under which it is finite.

    Parameters
    ----------
    objective : -inf, NaN and +inf all count as impossible.
    starts : tried in their order; a later one is also climbed from where an earlier one leads nowhere, or to a limit.
    coordinates : the parameters that move; others stay as a start has them.
    words : names the family in errors.

    Raises
    ------
    FitError : no start is possible, or the likelihood still rises where methods give up.
    """
    told = ""
    best: Found | None = None
    possible = 0
    tried = []
    with np.errstate(all="ignore"):
        for start in starts:
            climb = _Climb(objective, dict(start), coordinates)
            tried.append(", ".join(f"{name}={value:.6g}" for name, value in start.items()))
            if not math.isfinite(climb.best):
                continue
            possible += 1
            told = climb.run()
            if not told:
                found = climb.found()
                if best is None or found.value > best.value + 1e-9 * (1 + abs(best.value)):
                    best = found
                if not found.untold:  # else a ridge may have led away from a maximum elsewhere
                    return best
            if possible == MOST_CLIMBS:
                break
    if best is not None:
        return best
    if not possible:
        raise FitError(f"{words}: no parameters give every row a finite log-density; tried {'; '.join(tried[:4]) or 'none'}")
    raise FitError(
        f"{words}: the likelihood has no maximum that could be found by Newton's method and by Nelder and Mead's, from "
        f"{possible} start(s). {told} Hold a parameter, a location say, or start elsewhere."
    )


class _Exhausted(Exception):
    """A climb has asked for the likelihood too often."""


class _Climb:
    """One climb from one start: the best point so far, and the methods that move it. Minimises minus the objective."""

    def __init__(self, objective: Callable[[Values], float], start: Values, coordinates: Sequence[Coordinate]) -> None:
        self._objective = objective
        self._coordinates = coordinates
        self._start = start
        self._values = start  # of the best point; the start itself until there is a better one
        self._low, self._high = np.array([c.bounds() for c in coordinates]).reshape(-1, 2).T
        self._u = np.array([c.place(start[c.name]) for c in coordinates])
        self._steps = np.full(len(coordinates), 1e-3)  # of differences
        self._hessian: Floats | None = None
        self._asked = 0
        self._promised = math.inf
        self.best = self._at(start)

    def _at(self, values: Values) -> float:
        self._asked += 1
        if self._asked > MOST_EVALUATIONS:
            raise _Exhausted
        value = -float(self._objective(values))
        return value if math.isfinite(value) else math.inf

    def _read(self, u: Floats) -> Values:
        return {**self._start, **{c.name: c.value(x) for c, x in zip(self._coordinates, u.tolist(), strict=True)}}

    def _f(self, u: Floats) -> float:
        return self._at(self._read(u))

    def _keep(self, u: Floats, value: float) -> None:
        self._u = u
        if value < self.best:
            self.best, self._values = value, self._read(u)

    def run(self) -> str:
        """Climb to a maximum; what went wrong, in words, or nothing."""
        if not self._coordinates:
            return ""
        try:
            return self._climbed()
        except _Exhausted:
            # Along a ridge towards a limit every step promises less than the one before.
            if self._hessian is not None and self._promised <= LIMIT * (1 + abs(self.best)):
                return ""
            return f"It was still rising at {self._describe()} after {MOST_EVALUATIONS} evaluations."

    def _climbed(self) -> str:
        if self._newton():
            return ""
        before = math.inf
        message = ""
        for _ in range(5):
            message = self._simplex()
            if before - self.best < 1e-10 * (1 + abs(self.best)):
                # A kink or a jump, where no derivative ends at zero; where there is none, Newton's steps end it.
                if not self._newton():
                    self._hessian = None
                return f"It has a pole near {self._describe()}." if self._has_pole() else ""
            before = self.best
            if self._newton():
                return ""
        return f"It was still rising at {self._describe()} ({message})."

    def _has_pole(self) -> bool:
        """Whether the likelihood rises to the best point without bound: by as much in each thousandth of the way that is left."""
        if not math.isfinite(self._f(self._u)):
            return True
        for i, sign in np.ndindex(len(self._u), 2):
            shift = np.zeros(len(self._u))
            shift[i] = 1.0 - 2.0 * sign
            far, near, close = (self._f(self._u + d * shift) for d in (1e-3, 1e-6, 1e-9))
            if far < math.inf and near - close > max(0.3 * (far - near), 1e-9):
                return True
        return False

    def _describe(self) -> str:
        return ", ".join(f"{name}={value:.6g}" for name, value in self._values.items())

    def found(self) -> Found:
        """Where the climb ended, closed ends of intervals tried."""
        self._asked = 0
        for coordinate in self._coordinates:
            interval, value = coordinate.interval, self._values[coordinate.name]
            for end, closed in ((interval.low, interval.closed_low), (interval.high, interval.closed_high)):
                if closed and math.isfinite(end) and abs(value - end) < 1e-3 * (1 + abs(end)):
                    there = {**self._values, coordinate.name: end}
                    other = self._at(there)
                    # Towards an end the slope of the logarithm vanishes: what is as good there is the end.
                    if other <= self.best + 1e-12 * (1 + abs(self.best)) and (other < self.best or self._values is not self._start):
                        self._values, self.best = there, min(other, self.best)
        at_bound = [
            c.name
            for c, u, low, high in zip(self._coordinates, self._u, self._low, self._high, strict=True)
            if u - low < 1e-6 or high - u < 1e-6
        ]
        return Found(self._values, -self.best, at_bound, self._flat(at_bound))

    def _flat(self, at_bound: list[str]) -> list[str]:
        """Parameters that the likelihood does not depend on where the climb ended, an infinite one of a limit, say."""
        if self._hessian is None:
            return []
        scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(self._hessian)), FLAT))
        curvature, vectors = np.linalg.eigh(self._hessian * scale * scale[:, None])
        along = np.abs(vectors[:, np.abs(curvature) < 1e-6]).max(axis=1, initial=0.0)
        is_flat = (np.abs(np.diagonal(self._hessian)) < FLAT) | (along > 0.5)
        return [c.name for c, flat in zip(self._coordinates, is_flat, strict=True) if flat and c.name not in at_bound]

    def _newton(self) -> bool:
        """Newton's method from the best point; whether it ended at a maximum."""
        u = np.clip(self._u, self._low, self._high)
        value = self._f(u)
        if not math.isfinite(value):
            return False
        radius = 2.0
        for _ in range(MAX_STEPS):
            derivatives = self._derivatives(u, value)
            if derivatives is None:
                return False
            gradient, hessian = derivatives
            free = ~(((u <= self._low) & (gradient > 0)) | ((u >= self._high) & (gradient < 0)))
            self._hessian = hessian
            if not free.any():
                return True
            step = np.zeros(len(u))
            step[free], gain = _newton_step(gradient[free], hessian[np.ix_(free, free)])
            longest = float(np.max(np.abs(step)))
            self._promised = gain
            is_last = gain <= SETTLED * (1 + abs(value))
            share = min(1.0, radius / longest) if longest > 0 else 1.0
            for _ in range(50):
                trial = np.clip(u + share * step, self._low, self._high)
                found = self._f(trial)
                if found < value or (is_last and found <= value + 1e-14 * (1 + abs(value))):
                    break
                share /= 2.0
                if is_last:
                    return True
            else:
                # No step rises, though one promised to: a kink, unless all that is left is rounding.
                return gain <= 1e-9 * (1 + abs(value))
            radius = max(2.0 * share * longest, 0.5 * radius)
            u, value = trial, found
            self._keep(u, value)
            if is_last:
                return True
        return False

    def _derivatives(self, u: Floats, value: float) -> tuple[Floats, Floats] | None:
        """Gradient and Hessian by differences; None where the likelihood ends too close by."""
        p = len(u)
        gradient, hessian = np.empty(p), np.empty((p, p))
        near = np.empty((p, 2))
        for i in range(p):
            h = self._steps[i]
            is_bounded = math.isfinite(self._coordinates[i].interval.low) or math.isfinite(self._coordinates[i].interval.high)
            for _ in range(60):
                at = self._along(u, i, h)
                moved = float(np.max(np.abs(at - value)))
                if not moved < 3e-3 * (1 + abs(value)):
                    if h < 1e-9:
                        return None
                    h /= 5.0
                elif moved < 1e-9 and (not is_bounded or h < 1e-2) and h < 1e12:
                    h *= 4.0
                else:
                    break
            self._steps[i] = h
            outer_low, low, high, outer_high = at
            gradient[i] = (8.0 * (high - low) - (outer_high - outer_low)) / (12.0 * h)
            hessian[i, i] = (16.0 * (high + low - 2 * value) - (outer_high + outer_low - 2 * value)) / (12.0 * h * h)
            near[i] = low, high
        for i in range(p):
            for j in range(i):
                shift = np.zeros(p)
                shift[i], shift[j] = self._steps[i], self._steps[j]
                both = self._f(u + shift) + self._f(u - shift) - near[i].sum() - near[j].sum() + 2 * value
                hessian[i, j] = hessian[j, i] = both / (2.0 * self._steps[i] * self._steps[j])
        if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
            return None
        return gradient, hessian

    def _along(self, u: Floats, i: int, h: float) -> Floats:
        values = np.empty(4)
        for place, shift in enumerate((-2.0, -1.0, 1.0, 2.0)):
            moved = u.copy()
            moved[i] += shift * h
            values[place] = self._f(moved)
        return values

    def _simplex(self) -> str:
        """Nelder and Mead's method from the best point; scipy's words about its end."""
        u = np.clip(self._u, self._low, self._high)
        p = len(u)
        corners = np.vstack([u, u + 0.05 * np.eye(p)])
        options = {"initial_simplex": corners, "xatol": 1e-12, "fatol": 1e-15, "maxiter": 200 * p, "maxfev": 400 * p}
        found = minimize(lambda at: self._f(np.clip(at, self._low, self._high)), u, method="Nelder-Mead", options=options)
        self._keep(np.clip(found.x, self._low, self._high), float(found.fun))
        return str(found.message)


def _newton_step(gradient: Floats, hessian: Floats) -> tuple[Floats, float]:
    """Step down by |H|^-1 and half the fall it promises; every coordinate first measured in its own curvature."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-12))
    curvature, vectors = np.linalg.eigh(hessian * scale * scale[:, None])
    slope = vectors.T @ (gradient * scale)
    curvature = np.maximum(np.abs(curvature), 1e-7)
    return -scale * (vectors @ (slope / curvature)), 0.5 * float(np.sum(slope * slope / curvature))
