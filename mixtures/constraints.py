"""Constraints: what a parameter or a value may be, declared once.

Validation, error texts, support checks and generated test cases all follow from these objects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = [
    "Angle",
    "Interval",
    "Simplex",
    "UnitVector",
    "Whole",
    "angle",
    "between",
    "concentration",
    "concentrations",
    "counting",
    "degrees_of_freedom",
    "fraction",
    "log_location",
    "log_scale",
    "lower_end",
    "natural",
    "nonnegative",
    "positive",
    "positive_probability",
    "probability",
    "real",
    "shape",
    "simplex",
    "unit_vector",
    "upper_end",
    "whole",
    "whole_high",
    "whole_low",
    "zero_one",
]


@dataclass(frozen=True)
class Interval:
    """Real numbers between `low` and `high`; each end may belong to it or not."""

    low: float
    high: float
    closed_low: bool
    closed_high: bool
    words: str
    members: tuple[float, ...] = (-1e6, -2.5, -1.0, 1e-3, 0.25, 0.5, 0.9, 1.0, 3.0, 1e6)
    """Where generated test cases look for examples, besides the ends."""

    def contains(self, value: Any) -> Any:
        """Whether each finite value lies inside, elementwise."""
        if isinstance(value, float):  # most are checked one at a time, in every fit, and lie well inside
            if self.low < value < self.high:
                return True
            above = value >= self.low if self.closed_low else value > self.low
            below = value <= self.high if self.closed_high else value < self.high
            return above and below and math.isfinite(value)
        value = np.asarray(value, dtype=float)
        above = value >= self.low if self.closed_low else value > self.low
        below = value <= self.high if self.closed_high else value < self.high
        return above & below & np.isfinite(value)

    def convert(self, value: Any) -> Any:
        """A parameter as it is kept."""
        return float(value)

    def holds(self, low: float, high: float, whole: bool) -> bool:
        """Whether it contains all values between `low` and `high`, `whole` numbers or not."""
        return bool(self.low < low <= high < self.high or (self.contains(low) and self.contains(high)))

    def examples(self) -> list[float]:
        """A few members, ends and large values included."""
        return [x for x in [self.low, self.high, *self.members] if bool(self.contains(x))]

    def counterexamples(self) -> list[float]:
        """A few values outside."""
        return [x for x in [-1.0, 0.0, 1.5, np.nan, np.inf, -np.inf] if not bool(self.contains(x))]


@dataclass(frozen=True)
class Whole(Interval):
    """Whole numbers in an interval."""

    def contains(self, value: Any) -> Any:
        value = np.asarray(value, dtype=float)
        return super().contains(value) & (value == np.floor(value))

    def convert(self, value: Any) -> Any:
        """A parameter as it is kept: a whole number, of any type that is one."""
        number = float(value)
        return int(number) if number.is_integer() else number

    def holds(self, low: float, high: float, whole: bool) -> bool:
        return whole and super().holds(low, high, whole)

    def counterexamples(self) -> list[float]:
        return [0.5, *super().counterexamples()]


@dataclass(frozen=True)
class Angle(Interval):
    """Angles in radians: every finite number, of which those a period apart mean the same; from `low` to `high` is one period,
    over which a density integrates to 1."""

    def contains(self, value: Any) -> Any:
        return math.isfinite(value) if isinstance(value, float) else np.isfinite(np.asarray(value, dtype=float))

    def holds(self, low: float, high: float, whole: bool) -> bool:
        return math.isfinite(low) and math.isfinite(high)


@dataclass(frozen=True)
class Simplex:
    """Non-negative vectors that sum to 1 (within 1e-8)."""

    words: str = "non-negative and sum to 1"

    def convert(self, value: Any) -> Any:
        """A parameter as it is kept."""
        return tuple(map(float, value))

    def contains(self, value: Any) -> Any:
        """Whether the vector is one."""
        try:
            value = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            return False
        return value.ndim == 1 and value.size > 0 and bool(value.min() >= 0 and abs(value.sum() - 1) <= 1e-8)


@dataclass(frozen=True)
class Vector:
    """Vectors of any length whose numbers all lie in an interval."""

    words: str = "a sequence of finite numbers"
    cells: Interval = Interval(-np.inf, np.inf, False, False, "finite")
    members: tuple[tuple[float, ...], ...] = ((0.0, 0.0), (1.0, -2.5), (1e6, 3.0))
    least: int = 1
    """How many numbers, at least."""

    def convert(self, value: Any) -> Any:
        """A parameter as it is kept."""
        return tuple(map(float, value))

    def contains(self, value: Any) -> Any:
        """Whether the vector is one."""
        return len(value) >= self.least and all(self.cells.contains(x) for x in value)

    def examples(self) -> list[Any]:
        """A few members."""
        return list(self.members)

    def counterexamples(self) -> list[Any]:
        """A few values that are none."""
        return [(), 1.0, *((x, 1.0) for x in self.cells.counterexamples())]


@dataclass(frozen=True)
class UnitVector:
    """Vectors of at least two numbers, of length 1 (within 1e-8)."""

    words: str = "a sequence of at least two numbers of length 1"

    def convert(self, value: Any) -> Any:
        """A parameter as it is kept."""
        return tuple(map(float, value))

    def contains(self, value: Any) -> Any:
        """Whether the vector is one."""
        return len(value) > 1 and abs(math.fsum(x * x for x in value) - 1.0) <= 2e-8

    def examples(self) -> list[Any]:
        """A few members."""
        return [(1.0, 0.0), (0.6, -0.8), (0.36, 0.48, -0.8), (0.0, 0.0, 1.0), (0.5, -0.5, 0.5, 0.5)]

    def counterexamples(self) -> list[Any]:
        """A few values that are none."""
        return [(), (1.0,), (1.0, 1.0), (0.0, 0.0), (np.nan, 1.0), (np.inf, 0.0), 1.0]


@dataclass(frozen=True)
class Covariance:
    """Covariances of columns: a symmetric positive definite matrix, a vector of variances, or one variance."""

    words: str = "a symmetric positive definite matrix, a sequence of variances > 0, or one variance > 0"

    def convert(self, value: Any) -> Any:
        """A parameter as it is kept."""
        array = np.asarray(value, dtype=float)
        return tuple(map(tuple, array.tolist())) if array.ndim == 2 else tuple(array.tolist()) if array.ndim else float(array)

    def contains(self, value: Any) -> Any:
        """Whether it is one."""
        array = np.asarray(value, dtype=float)
        if array.size == 0 or not np.isfinite(array).all():
            return False
        if array.ndim < 2:
            return bool((array > 0).all())
        scale = np.sqrt(np.abs(np.diagonal(array)))
        if array.shape[0] != array.shape[1] or not (np.diagonal(array) > 0).all():
            return False
        correlation = array / scale / scale[:, None]
        return bool(np.abs(correlation - correlation.T).max() <= 1e-12 and np.linalg.eigvalsh(correlation)[0] > 0)

    def examples(self) -> list[Any]:
        """A few members, all of one size."""
        return [((1.0, 0.0), (0.0, 1.0)), ((4.0, 1.9), (1.9, 1.0)), ((1e-6, -1e-4), (-1e-4, 1.0))]

    def counterexamples(self) -> list[Any]:
        """A few values that are none."""
        return [((1.0, 2.0), (2.0, 1.0)), ((1.0, 0.5), (0.0, 1.0)), (1.0, -1.0), 0.0, np.nan]


def between(low: float, high: float, closed_low: bool, closed_high: bool, whole: bool = False) -> Interval:
    """An interval with words of its own."""
    words = []
    if math.isfinite(low):
        words.append(f"{'>=' if closed_low else '>'} {low:.15g}")
    if math.isfinite(high):
        words.append(f"{'<=' if closed_high else '<'} {high:.15g}")
    text = " and ".join(["whole" if whole else "finite", *words])
    return (Whole if whole else Interval)(low, high, closed_low, closed_high, text)


Constraint = Interval | Simplex | Vector | UnitVector | Covariance
"""What a parameter may be."""

real = Interval(-np.inf, np.inf, False, False, "finite")
angle = Angle(-math.pi, math.pi, True, True, "finite")
positive = Interval(0.0, np.inf, False, False, "finite and > 0")
nonnegative = Interval(0.0, np.inf, True, False, "finite and >= 0")
probability = Interval(0.0, 1.0, True, True, "between 0 and 1")
positive_probability = Interval(0.0, 1.0, False, True, "> 0 and at most 1")
natural = Whole(0.0, np.inf, True, False, "whole and >= 0")
whole = Whole(-np.inf, np.inf, False, False, "whole")
whole_low = replace(whole, members=(-300.0, -7.0, 0.0))  # below every example of the other end
whole_high = replace(whole, members=(0.0, 5.0, 1000.0))
counting = Whole(1.0, np.inf, True, False, "whole and >= 1", (1.0, 2.0, 3.0, 10.0, 60.0, 1000.0))
zero_one = Whole(0.0, 1.0, True, True, "0 or 1")
# Shapes below a tenth put half of all draws below the smallest float64.
shape = Interval(0.0, np.inf, False, False, "finite and > 0", (0.3, 0.5, 0.9, 1.0, 2.0, 3.0, 40.0, 500.0))
# Densities with a pole at 1 cannot be told from their values at float64 numbers, 1e-16 apart there, where it is steeper.
concentration = Interval(0.0, np.inf, False, False, "finite and > 0", (0.5, 0.9, 1.0, 2.0, 3.0, 40.0, 500.0))
fraction = Interval(0.0, 1.0, False, False, "> 0 and < 1")
# Below a half, some draws overflow; at the upper end t and Normal are one but for rounding, which beyond decides what is likelier.
degrees_of_freedom = Interval(0.0, 1e10, False, True, "> 0 and at most 1e10", (0.5, 0.9, 1.0, 2.0, 3.0, 40.0, 500.0, 1e6))
# Of logarithms: the exponentials of all draws are numbers, too, and their moments can be told from samples.
log_location = Interval(-np.inf, np.inf, False, False, "finite", (-40.0, -2.5, 0.0, 1.0, 3.0, 40.0))
log_scale = Interval(0.0, np.inf, False, False, "finite and > 0", (1e-3, 0.25, 0.5, 0.9, 1.0))
# Of an interval: every example of the one is below every example of the other.
lower_end = Interval(-np.inf, np.inf, False, False, "finite", (-1e6, -2.5, 0.0, 0.25))
upper_end = Interval(-np.inf, np.inf, False, False, "finite", (0.5, 1.0, 3.0, 1e6))
simplex = Simplex()
concentrations = Vector(
    "a sequence of at least two finite numbers > 0",
    positive,
    ((0.5, 0.9), (1.0, 1.0, 1.0), (3.0, 0.7, 2.0), (40.0, 500.0, 3.0, 1.0)),
    least=2,
)
unit_vector = UnitVector()
