"""Fitted distributions in a few short lines each, as tables of a mixture show them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mixtures.tables import short

TOP_CATEGORIES = 3
SMALLEST_SHOWN = 0.0005
"""Less likely categories are not shown: 0.0% says nothing."""


def describe(distribution: Any, column: Sequence[Any] = ()) -> list[str]:
    """A fitted distribution in a few short lines, told by the parameters it declares: by name, unless there is a better form.

    `column` holds the distributions of the same column in all components, which are to be shown alike.
    """
    parts = getattr(distribution, "components", None)
    if parts is not None and hasattr(distribution, "_state"):
        return _mixture(distribution)
    if getattr(distribution, "base", None) is not None:
        return _wrapped(distribution, column)
    values = _values(distribution)
    if set(values) == {"mean", "std"}:
        return [mean_and_std(values["mean"], values["std"], [peer.std for peer in column if hasattr(peer, "std")])]
    if set(values) == {"probability"} and not getattr(distribution, "arguments", {}) and _is_flag(distribution):
        return [f"true {percent(values['probability'])}"]
    if getattr(distribution, "categories", None) is not None:
        return top_categories(distribution.probabilities, distribution.categories)
    if not values:
        mean, variance = getattr(distribution, "mean", None), getattr(distribution, "variance", None)
        if isinstance(mean, (int, float)) and isinstance(variance, (int, float)) and not callable(mean):
            return [mean_and_std(float(mean), float(np.sqrt(variance)))]
        return [short(repr(distribution))]
    values |= {name: getattr(distribution, name) for name in getattr(distribution, "arguments", {})}
    return [f"{name} {parameter(value)}" for name, value in values.items()]


def _is_flag(distribution: Any) -> bool:
    support = getattr(distribution, "support", None)
    return getattr(support, "high", None) == 1.0 and getattr(support, "low", None) == 0.0


def _values(distribution: Any) -> dict[str, Any]:
    """Parameters by name: those declared, or the fields of a dataclass."""
    if hasattr(distribution, "parameter_values"):
        return dict(distribution.parameter_values())
    declared = getattr(distribution, "parameters", None)
    if isinstance(declared, Mapping):
        return {name: getattr(distribution, name) for name in declared if hasattr(distribution, name)}
    if dataclasses.is_dataclass(distribution):
        found = {field.name: getattr(distribution, field.name) for field in dataclasses.fields(distribution)}
        return found if all(isinstance(value, (int, float, np.number)) for value in found.values()) else {}
    return {}


def _mixture(model: Any) -> list[str]:
    """A mixture within a mixture: a line or two for each of its components."""
    components, weights = model._state()
    lines = []
    for component, weight in zip(components, weights, strict=True):
        first, *others = describe(component, components)
        lines += [f"{percent(float(weight))}: {first}", *others]
    return lines


def _wrapped(distribution: Any, column: Sequence[Any]) -> list[str]:
    """What a wrapper adds to what its base says."""
    base = distribution.base
    inner = [peer.base for peer in column if type(peer) is type(distribution)]
    lines = describe(base, inner)
    learned = {name for name in getattr(distribution, "parameters", {}) if not hasattr(base, name)}
    own = {name: value for name, value in vars(distribution).items() if name in learned}
    own |= {name: getattr(distribution, name) for name in getattr(type(distribution), "arguments", {})}
    if "probability" in own:  # of a cell that is zero whatever the base says
        lines = [f"extra zeros {percent(own.pop('probability'))}", *lines]
    low, high = vars(distribution).get("low"), vars(distribution).get("high")
    if low is not None or high is not None:
        lines = [*lines, f"from {'-inf' if low is None else f'{low:.6g}'} to {'inf' if high is None else f'{high:.6g}'}"]
    return [*lines, *[f"{name} {parameter(value)}" for name, value in own.items()]]


def mean_and_std(mean: float, std: float, stds: Sequence[float] = ()) -> str:
    """Mean ± standard deviation; `stds` are those of its peers, which say how many digits all of them show."""
    # Two digits of the smallest standard deviation say how exact the means need be.
    sizes = [value for value in (std, *stds) if 0.0 < value < np.inf]
    decimals = max(0, 1 - int(np.floor(np.log10(min(sizes))))) if sizes else 2
    if not np.isfinite([mean, std]).all() or decimals > 6 or abs(mean) >= 1e9 or std >= 1e9:
        return f"{mean:.6g} ± {std:.2g}"
    return f"{mean:,.{decimals}f} ± {std:,.{decimals}f}"


def top_categories(probabilities: Sequence[float], categories: Sequence[Any]) -> list[str]:
    """The most probable categories, and how many others share the rest."""
    pairs = sorted(zip(probabilities, categories, strict=True), key=lambda pair: -pair[0])
    seen = [(probability, str(category)) for probability, category in pairs if probability >= SMALLEST_SHOWN]
    # One category beyond the top is shown itself rather than as "1 other".
    shown = seen if len(seen) <= TOP_CATEGORIES + 1 else seen[:TOP_CATEGORIES]
    lines = [f"{short(category)} {percent(probability)}" for probability, category in shown]
    if len(shown) < len(seen):
        lines.append(f"{len(seen) - len(shown)} others {percent(sum(probability for probability, _ in seen[len(shown) :]))}")
    return lines


def parameter(value: Any) -> str:
    """A number with three digits, anything else as it is."""
    if not isinstance(value, (float, np.floating)):
        return short(str(value))
    number = float(value)
    if number == 0 or 1000 <= abs(number) < 1e9:
        return f"{number:,.0f}"
    return f"{number:#.3g}".rstrip(".")  # three digits, zeros at the end too, so that components can be compared


def percent(probability: float) -> str:
    """A probability as a percentage, with a decimal near 0 and 1."""
    if SMALLEST_SHOWN <= probability < 0.01 or 0.99 < probability <= 1 - SMALLEST_SHOWN:
        return f"{100 * probability:.1f}%"
    return f"{100 * probability:.0f}%"
