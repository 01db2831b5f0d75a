"""The free numbers of a distribution: what its likelihood is differentiated by, and how its parameters follow from them.

Every declared parameter makes a group of numbers with a few coordinates in which it has no ends (:mod:`mixtures.free_groups`). What
a fit holds makes none, nor does what stands at an end of its range, where a likelihood has no maximum in the ordinary sense.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mixtures.constraints import Angle, Covariance, Simplex, UnitVector, Vector
from mixtures.distributions.wrapped import Constrained, Transparent, Wrapped
from mixtures.free_groups import (
    HELD,
    Group,
    Number,
    covariance_group,
    direction_group,
    held_group,
    scalars_group,
    simplex_group,
)


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
        yield held_group(prefix + name, [Number(prefix + name, float(value), standing=HELD, reason="held")], value)


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


def form_of(distribution: Any) -> Any:
    """What is given of a distribution, and not learned: its family, wrappers, arguments and priors; equal for those of one form."""
    if hasattr(distribution, "_state") and hasattr(distribution, "_evaluate"):
        return type(distribution), [form_of(component) for component in distribution._state()[0]]
    factors = getattr(distribution, "factors", None)
    if isinstance(factors, dict):
        return type(distribution), [(key, form_of(factor)) for key, factor in factors.items()]
    values = distribution._values() if hasattr(distribution, "_values") else {}
    learned = {"base", *getattr(distribution, "parameters", {})}
    base = values.get("base")
    given = {name: repr(value) for name, value in values.items() if name not in learned}
    return type(distribution), given, None if base is None else form_of(base)


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
            group = held_group(group.path, [replace(n, standing=HELD, reason="held") for n in group.numbers], values[name])
        elif name in ends:
            group = group.without_coordinates("an end of the support, which the outermost row decides")
        elif name in unmoved:
            group = replace(group, corner=unmoved[name])
        yield replace(group, tie=held.tied.get(name)) if group.start.size else group


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
        return direction_group(name, value, labels)
    if isinstance(constraint, Covariance):
        return covariance_group(name, value, labels, bounds)
    if isinstance(constraint, Vector):
        keys = labels if len(labels) == len(value) else [str(j) for j in range(len(value))]
        return scalars_group(name, list(value), [f"[{key}]" for key in keys], constraint.cells, entries, bounds, tuple)
    group = scalars_group(name, [value], [""], constraint, set(), bounds, lambda numbers: numbers[0])
    if isinstance(getattr(distribution, "support", None), Angle) and math.isinf(constraint.low):
        group = replace(group, numbers=[replace(number, period=2.0 * math.pi) for number in group.numbers])
    return group
