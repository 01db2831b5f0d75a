"""The numbers of one declared parameter, and the coordinates that a likelihood is differentiated by, kind by kind of constraint.

Itself is the coordinate of what may be any number, the logarithm of its distance from an only end, the log-odds between two
ends, log-ratios those of probabilities, steps in the tangent plane those of a direction, and the entries themselves those of a
covariance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy.linalg

from mixtures.constraints import Angle, Interval, Whole
from mixtures.engine.plan import Floats

FREE, HELD, EDGE = "", "held", "edge"
"""Standings of a number: estimated by an ordinary maximum; known beforehand; estimated at an end, where there is none."""
AT_END = "at the end of its range"
ALL_BUT_AT_END = "all but at the end of its range"
FAR = 1e9
"""Ends beyond it are as good as none: 1e10 degrees of freedom."""
ON_BOUND = 1e-9
"""Distance from a bound, as a share of its size, below which a number lies on it."""


@dataclass(frozen=True)
class Number:
    """One number among the parameters.

    Attributes
    ----------
    name : of the parameter, with an index where it has several numbers.
    low, high : ends of its range, which an interval respects.
    bounds : what a fit keeps it within, besides.
    period : by which angles that mean the same differ; 0 for what is none.
    standing : ``FREE``, ``HELD`` or ``EDGE``; `reason` says why.
    """

    name: str
    value: float
    low: float = -math.inf
    high: float = math.inf
    bounds: tuple[float, float] = (-math.inf, math.inf)
    standing: str = FREE
    reason: str = ""
    period: float = 0.0


@dataclass(frozen=True)
class Group:
    """The numbers of one declared parameter and its coordinates.

    Attributes
    ----------
    path : attribute path of the parameter, ``base.rate``.
    start : (q,) coordinates of the value at hand.
    value_at : the parameter's value at coordinates (q,).
    jacobian : (m, q) derivatives of the m numbers by the coordinates.
    capped : whether derivatives of a likelihood change within a step of 1 in these coordinates, whatever the rows: so it is with
        logarithms, and not with locations, whose unit is the column's.
    corner : why the likelihood has no second derivative; "" if it has one.
    owners : of a group whose coordinates belong to one number each, which one; None for others.
    remade : this group with some of its numbers, by place and reason, taken for estimates at an edge; where there are owners.
    tie : what the same parameter of other components, one and the same number, has in common with it; None if it is not tied.
    """

    path: str
    numbers: list[Number]
    start: Floats
    value_at: Callable[[Floats], Any]
    jacobian: Floats
    capped: bool
    corner: str = ""
    owners: list[int] | None = None
    remade: Callable[[dict[int, str]], Group] | None = None
    tie: Any = None

    def without(self, coordinates: Mapping[int, str]) -> Group:
        """This group with the numbers of these coordinates taken for estimates at an edge, for these reasons: all of them, where
        they cannot be parted."""
        if self.owners is None or self.remade is None:
            return self.without_coordinates(next(iter(coordinates.values())))
        new = self.remade({self.owners[place]: reason for place, reason in coordinates.items()})
        numbers = [replace(n, name=old.name, period=old.period) for n, old in zip(new.numbers, self.numbers, strict=True)]
        return replace(new, path=self.path, numbers=numbers, tie=self.tie, corner=self.corner)

    def without_coordinates(self, reason: str) -> Group:
        """This group, its free numbers taken for estimates at an edge."""
        numbers = [replace(n, standing=EDGE, reason=reason) if n.standing == FREE else n for n in self.numbers]
        own = self.value_at(self.start)
        return replace(self, numbers=numbers, start=np.empty(0), value_at=lambda u: own, jacobian=np.empty((len(numbers), 0)))


def held_group(path: str, numbers: list[Number], value: Any) -> Group:
    return Group(path, numbers, np.empty(0), lambda u: value, np.empty((len(numbers), 0)), False)


class Scale:
    """The way between a number and its coordinate: itself, a logarithm or log-odds."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low if low > -FAR else -math.inf
        self.high = high if high < FAR else math.inf

    @property
    def is_free(self) -> bool:
        """Whether the number is its own coordinate."""
        return math.isinf(self.low) and math.isinf(self.high)

    def to_free(self, value: float) -> float:
        """The coordinate of a number inside the range."""
        if self.is_free:
            return value
        if math.isinf(self.high):
            return math.log(value - self.low)
        if math.isinf(self.low):
            return -math.log(self.high - value)
        return math.log(value - self.low) - math.log(self.high - value)

    def from_free(self, u: float) -> float:
        """The number of a coordinate."""
        if self.is_free:
            return u
        with np.errstate(over="ignore"):
            if math.isinf(self.high):
                return float(self.low + np.exp(u))
            if math.isinf(self.low):
                return float(self.high - np.exp(-u))
            return float(self.low + (self.high - self.low) / (1.0 + np.exp(-u)))

    def slope(self, value: float) -> float:
        """Derivative of the number by its coordinate."""
        if self.is_free:
            return 1.0
        if math.isinf(self.high):
            return value - self.low
        if math.isinf(self.low):
            return self.high - value
        return (value - self.low) * ((self.high - value) / (self.high - self.low))


def scalars_group(
    name: str,
    values: list[Any],
    keys: Sequence[str],
    constraint: Interval,
    held: set[int],
    bounds: tuple[float, float],
    joined: Callable[[list[Any]], Any],
    edges: Mapping[int, str] = MappingProxyType({}),
) -> Group:
    """Numbers that each have an interval of their own."""
    is_free = isinstance(constraint, Angle)
    scale = Scale(-math.inf, math.inf) if is_free else Scale(constraint.low, constraint.high)
    numbers, free = [], []
    for j, (value, key) in enumerate(zip(values, keys, strict=True)):
        number = Number(name + key, float(value), scale.low, scale.high, bounds)
        if j in held:
            number = replace(number, standing=HELD, reason="held")
        elif isinstance(constraint, Whole):
            number = replace(number, standing=EDGE, reason="a whole number")
        elif not is_free and not constraint.low < value < constraint.high:
            number = replace(number, standing=EDGE, reason=AT_END)
        elif any(math.isfinite(bound) and abs(value - bound) <= ON_BOUND * abs(bound) for bound in bounds):
            number = replace(number, standing=EDGE, reason="at its bound")
        elif j in edges:
            number = replace(number, standing=EDGE, reason=edges[j])
        else:
            free.append(j)
        numbers.append(number)
    start = np.array([scale.to_free(values[j]) for j in free])
    jacobian = np.zeros((len(values), len(free)))
    for place, j in enumerate(free):
        jacobian[j, place] = scale.slope(values[j])

    def value_at(u: Floats) -> Any:
        moved = list(values)
        for place, j in enumerate(free):
            if u[place] != start[place]:
                moved[j] = scale.from_free(float(u[place]))
        return joined(moved)

    def remade(more: dict[int, str]) -> Group:
        return scalars_group(name, values, keys, constraint, held, bounds, joined, {**edges, **more})

    return Group(name, numbers, start, value_at, jacobian, not scale.is_free, owners=free, remade=remade)


def simplex_group(
    name: str,
    values: Sequence[float],
    keys: Sequence[str],
    held: set[int],
    rest: float = 0.0,
    edges: Mapping[int, str] = MappingProxyType({}),
) -> Group:
    """Probabilities, of which those held stay and zeros are at an edge: log-ratios of the others to the largest of them, or to a
    cell of probability `rest` that has no number of its own."""
    shares = np.array([*values, rest])
    free = [j for j in range(len(values)) if j not in held and j not in edges and values[j] > 0.0]
    pool = [*free, len(values)] if rest > 0.0 else free
    numbers = []
    for j, (value, key) in enumerate(zip(values, keys, strict=True)):
        number = Number(name + key, float(value), 0.0, 1.0)
        if j in held:
            number = replace(number, standing=HELD, reason="held")
        elif len(values) == 1:
            number = replace(number, standing=HELD, reason="the only one")
        elif j not in free:
            number = replace(number, standing=EDGE, reason=edges.get(j, AT_END))
        elif len(pool) < 2:
            standing, reason = (HELD, "what the others leave") if len(held) == len(values) - 1 else (EDGE, ALL_BUT_AT_END)
            number = replace(number, standing=standing, reason=reason)
        numbers.append(number)
    if len(pool) < 2:
        return held_group(name, numbers, tuple(values))
    reference = len(values) if rest > 0.0 else max(pool, key=lambda j: shares[j])
    moving = [j for j in pool if j != reference]
    total = math.fsum(shares[pool])
    start = np.log(shares[moving] / shares[reference])
    jacobian = np.zeros((len(values), len(moving)))
    for place, j in enumerate(moving):
        jacobian[:, place] -= [shares[i] * shares[j] / total if i in pool else 0.0 for i in range(len(values))]
        jacobian[j, place] += shares[j]

    def value_at(u: Floats) -> tuple[float, ...]:
        ratios = np.exp(u)
        found = shares.copy()
        found[reference] = total / (1.0 + ratios.sum())
        found[moving] = ratios * found[reference]
        return tuple(found[: len(values)].tolist())

    def remade(more: dict[int, str]) -> Group:
        return simplex_group(name, values, keys, held, rest, {**edges, **more})

    return Group(name, numbers, start, value_at, jacobian, True, owners=moving, remade=remade)


def direction_group(name: str, value: Sequence[float], labels: Sequence[str]) -> Group:
    """A vector of length 1: steps in its tangent plane."""
    vector = np.array(value)
    plane = scipy.linalg.null_space(vector[None, :] / np.linalg.norm(vector))
    keys = labels if len(labels) == len(value) else [str(j) for j in range(len(value))]
    numbers = [Number(f"{name}[{key}]", float(x), -1.0, 1.0) for key, x in zip(keys, value, strict=True)]

    def value_at(u: Floats) -> tuple[float, ...]:
        moved = vector + plane @ u
        return tuple((moved / np.linalg.norm(moved)).tolist())

    return Group(name, numbers, np.zeros(plane.shape[1]), value_at, plane, False)


def covariance_group(name: str, value: Any, labels: Sequence[str], bounds: tuple[float, float]) -> Group:
    """Variances by their logarithms; of a matrix the entries on and below its diagonal."""
    array = np.array(value, dtype=float)
    at_bound = False
    if np.isfinite(bounds).any():  # of the eigenvalues
        ends = np.linalg.eigvalsh(array) if array.ndim == 2 else np.atleast_1d(array)
        at_bound = any(bool((abs(ends - end) <= 1e-6 * abs(end)).any()) for end in bounds if math.isfinite(end))
    if array.ndim < 2:
        keys = [f"[{label}]" for label in labels] if array.ndim else [""]
        if array.ndim and len(keys) != array.size:
            keys = [f"[{j}]" for j in range(array.size)]
        values = np.atleast_1d(array).tolist()
        joined: Callable[[list[Any]], Any] = tuple if array.ndim else lambda numbers: numbers[0]
        clip = bounds if array.ndim < 2 else (-math.inf, math.inf)
        group = scalars_group(name, values, keys, Interval(0.0, math.inf, False, False, "> 0"), set(), clip, joined)
        return group.without_coordinates("at its bound") if at_bound else group
    d = len(array)
    keys = list(labels) if len(labels) == d else [str(j) for j in range(d)]
    lower = [(i, j) for i in range(d) for j in range(i + 1)]
    numbers = [Number(f"{name}[{keys[i]}, {keys[j]}]", float(array[i, j]), 0.0 if i == j else -math.inf) for i, j in lower]

    def value_at(u: Floats) -> tuple[tuple[float, ...], ...]:
        moved = np.empty((d, d))
        for (i, j), entry in zip(lower, u, strict=True):
            moved[i, j] = moved[j, i] = entry
        return tuple(map(tuple, moved.tolist()))

    start = np.array([array[i, j] for i, j in lower])
    group = Group(name, numbers, start, value_at, np.eye(len(lower)), False)
    return group.without_coordinates("an eigenvalue is at its bound") if at_bound else group
