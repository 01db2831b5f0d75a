"""The free numbers of a distribution: what its likelihood is differentiated by, and how its parameters follow from them.

Every declared parameter makes a few coordinates in which it has no ends: itself for what may be any number, the logarithm of its
distance from an only end, the log-odds between two ends, log-ratios of probabilities, the tangent plane of a direction, and the
entries of a covariance themselves. What a fit holds makes none, nor does what stands at an end of its range, where a likelihood
has no maximum in the ordinary sense.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy.linalg

from mixtures.constraints import Angle, Covariance, Interval, Simplex, UnitVector, Vector, Whole
from mixtures.distributions.wrapped import Constrained, Transparent, Wrapped
from mixtures.engine.plan import Floats

FREE, HELD, EDGE = "", "held", "edge"
"""Standings of a number: estimated by an ordinary maximum; known beforehand; estimated at an end, where there is no such maximum."""
AT_END = "at the end of its range"
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


@dataclass(frozen=True)
class Held:
    """What wrappers around a distribution say of its parameters."""

    names: frozenset[str] = frozenset()
    entries: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tied: Mapping[str, Any] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def within(self, wrapper: Any) -> Held:
        """With what one more wrapper says."""
        kind = getattr(wrapper, "_tie_kind", None)
        return Held(
            self.names | set(getattr(wrapper, "held_names", ())),
            {**self.entries, **getattr(wrapper, "entries", {})},
            {**self.tied, **{name: (kind, name) for name in getattr(wrapper, "tied_names", ())}},
            {**self.bounds, **getattr(wrapper, "bounds", {})},
        )


def groups_of(distribution: Any, labels: Sequence[str], prefix: str = "", held: Held | None = None) -> Iterator[Group]:
    """The groups of a complete distribution over columns of these names; none for what declares no parameters."""
    held = (held or Held()).within(distribution)
    base = getattr(distribution, "base", None)
    if base is not None and hasattr(base, "parameters"):
        if _takes_over(distribution):
            yield from groups_of(base, labels, prefix, held)
            return
        yield from _own_groups(distribution, type(distribution).parameters, labels, prefix, held)
        yield from groups_of(base, labels, prefix + "base.")
        return
    yield from _own_groups(distribution, getattr(distribution, "parameters", {}), labels, prefix, held)
    for name, value in getattr(distribution, "fixed", {}).items():
        yield _held_group(prefix + name, [Number(prefix + name, float(value), standing=HELD, reason="held")], value)


def rebuilt(distribution: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
    """The distribution with other values of parameters, by path, free of what only holds, bounds or ties them."""
    base = getattr(distribution, "base", None)
    own = {path[len(prefix) :]: value for path, value in values.items() if path.startswith(prefix)}
    if base is None or not hasattr(base, "parameters"):
        if getattr(distribution, "tied", False):
            own["tied"] = False
        return distribution.replaced(**own) if own else distribution
    if isinstance(distribution, Constrained):
        return rebuilt(base, values, prefix)
    if _takes_over(distribution):
        return type(distribution)(**{**distribution._values(), "base": rebuilt(base, values, prefix)})
    own = {name: value for name, value in own.items() if "." not in name}
    return type(distribution)(**{**distribution._values(), **own, "base": rebuilt(base, values, prefix + "base.")})


def flat_values(distribution: Any) -> Iterator[float]:
    """The values of the numbers of :func:`groups_of`, or of the node of a mixture, in their order."""
    if hasattr(distribution, "_state") and hasattr(distribution, "_evaluate"):
        components, weights = distribution._state()
        yield from weights
        for component in components:
            yield from flat_values(component)
        return
    factors = getattr(distribution, "factors", None)
    if isinstance(factors, dict):
        for factor in factors.values():
            yield from flat_values(factor)
        return
    if not getattr(distribution, "is_maximum_likelihood", True):
        return
    base = getattr(distribution, "base", None)
    if base is not None and hasattr(base, "parameters"):
        if not _takes_over(distribution):
            yield from (vars(distribution)[name] for name in type(distribution).parameters)
        yield from flat_values(base)
        return
    for name in getattr(distribution, "parameters", {}):
        value = vars(distribution)[name]
        if not isinstance(value, tuple):
            yield value
        elif value and isinstance(value[0], tuple):
            for i, row in enumerate(value):
                yield from row[: i + 1]
        else:
            yield from value
    yield from getattr(distribution, "fixed", {}).values()


def _takes_over(wrapper: Any) -> bool:
    """Whether its parameters are its base's, and no others."""
    return isinstance(wrapper, Transparent) or not isinstance(wrapper, Wrapped)


def _own_groups(
    distribution: Any, parameters: Mapping[str, Any], labels: Sequence[str], prefix: str, held: Held
) -> Iterator[Group]:
    values = distribution.parameter_values()
    ends, unmoved = getattr(distribution, "ends", {}), getattr(distribution, "unmoved", {})
    for name, constraint in parameters.items():
        group = _group(distribution, name, constraint, values[name], labels, held)
        group = replace(group, path=prefix + name, numbers=[replace(n, name=prefix + n.name) for n in group.numbers])
        if name in held.names:
            group = _held_group(group.path, [replace(n, standing=HELD, reason="held") for n in group.numbers], values[name])
        elif name in ends:
            group = group.without_coordinates("an end of the support, which the outermost row decides")
        elif name in unmoved:
            group = replace(group, corner=unmoved[name])
        yield replace(group, tie=held.tied.get(name)) if group.start.size else group


def _held_group(path: str, numbers: list[Number], value: Any) -> Group:
    return Group(path, numbers, np.empty(0), lambda u: value, np.empty((len(numbers), 0)), False)


def _group(distribution: Any, name: str, constraint: Any, value: Any, labels: Sequence[str], held: Held) -> Group:
    entries = set(held.entries.get(name, ()))
    low, high = held.bounds.get(name, (None, None))
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    if isinstance(constraint, Simplex):
        keys = getattr(distribution, "categories", None) or labels
        if len(keys) != len(value):
            keys = range(len(value))
        rest = max(1.0 - math.fsum(value), 0.0) if getattr(distribution, "pseudo_count", 0.0) else 0.0
        return simplex_group(name, value, [f"[{key}]" for key in keys], entries, rest)
    if isinstance(constraint, UnitVector):
        return _direction_group(name, value, labels)
    if isinstance(constraint, Covariance):
        return _covariance_group(name, value, labels, bounds)
    if isinstance(constraint, Vector):
        keys = labels if len(labels) == len(value) else [str(j) for j in range(len(value))]
        return _scalars_group(name, list(value), [f"[{key}]" for key in keys], constraint.cells, entries, bounds, tuple)
    group = _scalars_group(name, [value], [""], constraint, set(), bounds, lambda numbers: numbers[0])
    if isinstance(getattr(distribution, "support", None), Angle) and math.isinf(constraint.low):
        group = replace(group, numbers=[replace(number, period=2.0 * math.pi) for number in group.numbers])
    return group


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


def _scalars_group(
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
        return _scalars_group(name, values, keys, constraint, held, bounds, joined, {**edges, **more})

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
            standing, reason = (HELD, "what the others leave") if len(held) == len(values) - 1 else (EDGE, AT_END)
            number = replace(number, standing=standing, reason=reason)
        numbers.append(number)
    if len(pool) < 2:
        return _held_group(name, numbers, tuple(values))
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


def _direction_group(name: str, value: Sequence[float], labels: Sequence[str]) -> Group:
    """A vector of length 1: steps in its tangent plane."""
    vector = np.array(value)
    plane = scipy.linalg.null_space(vector[None, :] / np.linalg.norm(vector))
    keys = labels if len(labels) == len(value) else [str(j) for j in range(len(value))]
    numbers = [Number(f"{name}[{key}]", float(x), -1.0, 1.0) for key, x in zip(keys, value, strict=True)]

    def value_at(u: Floats) -> tuple[float, ...]:
        moved = vector + plane @ u
        return tuple((moved / np.linalg.norm(moved)).tolist())

    return Group(name, numbers, np.zeros(plane.shape[1]), value_at, plane, False)


def _covariance_group(name: str, value: Any, labels: Sequence[str], bounds: tuple[float, float]) -> Group:
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
        group = _scalars_group(name, values, keys, Interval(0.0, math.inf, False, False, "> 0"), set(), clip, joined)
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
