"""Derivatives of the log-density of a family by its free numbers: central differences of sixth order, or the family's own.

The differences are taken in coordinates without ends (:mod:`mixtures.free_groups`), so that any family whatever has them: a family
over some columns and its neighbours at the distances of a stencil are laid side by side as so many components, and one pass
evaluates all. The step is chosen, for every coordinate, where two of them agree best. Rounding leaves some ten digits of both
derivatives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mixtures.assembly import Assembly
from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError, ParameterError
from mixtures.free_groups import ALL_BUT_AT_END, Group, Number
from mixtures.free_numbers import groups_of, rebuilt
from mixtures.parts import Parts, block_of
from mixtures.table import Table

OFFSETS = np.array([1.0, 2.0, 3.0])
FIRST = np.array([45.0, -9.0, 1.0]) / 60.0
SECOND = np.array([270.0, -27.0, 2.0]) / 180.0
CENTRE = -490.0 / 180.0
STEP = 0.05
"""Of a coordinate, over the root mean square of the score in it: what a typical row's log-density moves by."""
LADDER = 2.0 ** -np.arange(-1.0, 5.0)
"""Steps that are tried, times the first guess."""
SMOOTH = 1e-3
"""By how much the two steps that agree best may differ in the curvature, over the mean square of the score."""
LEAST_INFORMATION = 0.1
"""About a logarithm or log-odds, below which a standard error is above 3 and the number as good as at an end of its range: with
probabilities, the number of rows that are expected to have it."""
ROUNDS = 24
SAMPLE = 2048
"""Rows that a step is chosen on: those that belong to the component most."""
CELLS = 2**22
"""Rows times neighbours that are evaluated at a time."""


class Node(ABC):
    """A distribution over some columns, or a mixture or product of others, and where its numbers stand among all.

    Attributes
    ----------
    numbers : its numbers, in the order of the rows of `jacobian`.
    places : columns, by place in the table, of every number.
    jacobian : (m, q) of the numbers by the coordinates.
    ties : (q,) what each coordinate has in common with those it is tied to; None for none.
    units : (q,) what a unit is worth of the coordinates that all derivatives are by: what has no scale of its own, a mean, say, is
        measured by how far the rows tell it, so that squares of derivatives are in range whatever the column's unit is.
    unknown : distributions of which nothing is known but their density, whose parameters are taken as they are.
    """

    numbers: list[Number]
    places: list[tuple[int, ...]]
    jacobian: Floats
    ties: list[Any]
    units: Floats
    unknown: list[Any]

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.ties)

    @abstractmethod
    def prepare(self, table: Table, share: Floats) -> None:
        """Choose steps on rows that belong to this one with weights `share` (n,)."""

    @abstractmethod
    def differentiate(self, table: Table, share: Floats) -> tuple[Floats, Floats]:
        """Scores (n, q) of the rows, and the sum (q, q) of the second derivatives of their log-densities, times `share` (n,)."""

    @abstractmethod
    def prior(self) -> tuple[Floats, Floats]:
        """First (q,) and second (q, q) derivatives of the log-density of the priors."""


class Leaf(Node):
    """A family over some columns."""

    def __init__(self, distribution: Any, columns: tuple[int, ...], table: Table) -> None:
        self.distribution, self.columns = distribution, columns
        self._labels = [table.names[j] for j in columns]
        self.unknown = []
        if not hasattr(distribution, "parameters") or not getattr(distribution, "is_maximum_likelihood", True):
            self.unknown = [distribution]
            self.groups: list[Group] = []
        else:
            self.groups = list(groups_of(distribution, self._labels))
        # A family may know its derivatives by its numbers itself, which take long to find where it has very many.
        self._derive = getattr(rebuilt(distribution, {}), "_derivatives", None) if self.groups else None
        self._arrange()

    def _arrange(self) -> None:
        groups = self.groups
        self.numbers = [number for group in groups for number in group.numbers]
        self.places = [self.columns] * len(self.numbers)
        self.start = np.concatenate([np.empty(0), *[group.start for group in groups]])
        self._slopes = np.zeros((len(self.numbers), len(self.start)))
        self.ties, row = [], 0
        for group in groups:
            at, rows = len(self.ties), len(group.numbers)
            self._slopes[row : row + rows, at : at + len(group.start)] = group.jacobian
            self.ties += [None if group.tie is None else (self.columns, group.tie, j) for j in range(len(group.start))]
            row += rows
        self.capped = np.array([group.capped for group in groups for _ in group.start], dtype=bool)
        self.corner = np.array([bool(group.corner) for group in groups for _ in group.start], dtype=bool)
        self._step_by(np.ones(len(self.start)))

    def _step_by(self, steps: Floats) -> None:
        """Take differences at these distances, and measure by them what has no scale of its own."""
        self.steps, self.units = steps, np.where(self.capped, 1.0, steps)
        self.jacobian = self._slopes * self.units

    def _at(self, u: Floats) -> Any:
        """The distribution at coordinates (q,)."""
        values, at = {}, 0
        for group in self.groups:
            own = u[at : at + len(group.start)]
            if not np.array_equal(own, group.start):
                values[group.path] = group.value_at(own)
            at += len(group.start)
        return rebuilt(self.distribution, values)

    def _evaluate(self, table: Table, places: Sequence[Floats]) -> Floats:
        """Log-densities (n, places) at several coordinates; NaN at those that are no parameters."""
        parts, known = [], []
        for number, place in enumerate(places):
            try:
                factor = self._at(place)
            except (ParameterError, OverflowError, ValueError):
                continue
            parts.append(Parts(factor, [self.columns], [factor]))
            known.append(number)
        found = np.empty((table.n_rows, len(parts)))
        if parts:
            with np.errstate(all="ignore"):
                Assembly(parts, table).evaluate(np.zeros(len(parts)), log_joint=found)
        if len(parts) == len(places):
            return found
        out = np.full((table.n_rows, len(places)), np.nan)
        out[:, known] = found
        return out

    def _stencil(self, direction: Floats) -> list[Floats]:
        return [self.start + sign * offset * direction for offset in OFFSETS for sign in (1.0, -1.0)]

    def prepare(self, table: Table, share: Floats) -> None:
        if not self.size:
            return
        rows = np.arange(table.n_rows)
        if table.n_rows > SAMPLE:
            rows = np.sort(np.argpartition(-share, SAMPLE)[:SAMPLE])
        sample, weights = table.take(rows), share[rows]
        weights = weights / weights.sum() if weights.sum() > 0 else weights
        if self._derive is not None:
            by_numbers, _, worth = self._derive(block_of(self.columns, sample), weights)
            # Of as many numbers as coordinates, each its own: by a number's size, then by that of the score.
            sizes = np.sqrt(weights @ (by_numbers @ (self._slopes / worth[:, None] * (own := worth[self._first_number]))) ** 2)
            self._step_by(_power_of_two(STEP * own / np.where(sizes > 0, sizes, 1.0)))
            return
        self.steps = np.where(self.capped, 1e-3, 1e-3 * _spread(table, self.columns))
        self.steps = _power_of_two(np.maximum(self.steps, 64.0 * np.spacing(np.abs(self.start))))
        reasons = self._choose_steps(sample, weights, float(share.sum()))
        if reasons:
            self._give_up(reasons)
        self._step_by(self.steps)

    @property
    def _first_number(self) -> Any:
        """The number that each coordinate moves, the first of several."""
        return np.argmax(self._slopes != 0.0, axis=0)

    def _give_up(self, bad: Mapping[int, str]) -> None:
        """Take numbers in which there is no ordinary maximum, by coordinate, with the reasons, for estimates at an edge."""
        groups, steps, at = [], [], 0
        for group in self.groups:
            size = len(group.start)
            own = {q - at: reason for q, reason in bad.items() if at <= q < at + size}
            new = group.without(own) if own else group
            kept = [place for place in range(size) if place not in own] if len(new.start) else []
            steps += [self.steps[at + place] for place in kept]
            groups.append(new)
            at += size
        self.groups = groups
        self._arrange()
        self.steps = np.array(steps)

    def _axis(self, q: int, step: float) -> Floats:
        direction = np.zeros(self.size)
        direction[q] = step
        return direction

    def _choose_steps(self, table: Table, weights: Floats, total: float) -> dict[int, str]:
        """Choose the steps of all coordinates. Returns why there is no ordinary maximum in those in which there is none; `total` is
        the weight of all rows."""
        rough = [group.corner or "the likelihood is not smooth in it" for group in self.groups for _ in group.start]
        seen = weights > 0
        if not seen.any():
            return {}
        reasons: dict[int, str] = {}
        sizes = np.zeros(self.size)  # of scores by a step
        moving = list(range(self.size))
        for _ in range(ROUNDS):  # until a step moves the log-density of a typical row by about STEP
            f = self._differences(table, moving)[seen]
            later = []
            for place, q in enumerate(moving):
                step, (up, down) = self.steps[q], f[:, place].T
                if not (np.isfinite(up).all() and np.isfinite(down).all()):
                    self.steps[q] = step / 8.0
                    if self.start[q] + self.steps[q] == self.start[q]:
                        reasons[q] = rough[q]
                    else:
                        later.append(q)
                    continue
                sizes[q] = np.sqrt(weights[seen] @ (0.5 * (up - down)) ** 2)
                goal = step * (STEP / sizes[q]) if sizes[q] > 0 else STEP if self.capped[q] else step
                if self.capped[q]:
                    goal = min(goal, STEP)
                if np.isfinite(goal) and not 0.5 < goal / step < 2.0:
                    self.steps[q] = _power_of_two(goal)
                    sizes[q] *= self.steps[q] / step
                    later.append(q)
            moving = later
            if not moving:
                break
        reasons |= {q: rough[q] for q in moving if not sizes[q] > 0}
        smooth = []
        for q in range(self.size):
            if q in reasons:
                continue
            if self.corner[q]:
                self.steps[q] *= 2.0**-17
            else:
                smooth.append(q)
        return reasons | self._climb_down(table, weights, smooth, sizes, rough, total)

    def _differences(self, table: Table, moving: Sequence[int]) -> Floats:
        """Log-densities (n, coordinates, 2) one step up and one down."""
        directions = [self._axis(q, self.steps[q]) for q in moving]
        f = self._evaluate(table, [self.start + sign * d for d in directions for sign in (1.0, -1.0)])
        return f.reshape(table.n_rows, len(directions), 2)

    def _climb_down(
        self, table: Table, weights: Floats, smooth: Sequence[int], sizes: Floats, rough: Sequence[str], total: float
    ) -> dict[int, str]:
        """Of the steps of a ladder take those where second derivatives agree best. Returns the coordinates in which none do, or in
        which there is no curvature, and why."""
        seen = weights > 0
        reasons: dict[int, str] = {}
        for q in smooth:
            rungs = [self._axis(q, rung * self.steps[q]) for rung in LADDER]
            f = self._evaluate(table, [self.start, *[place for rung in rungs for place in self._stencil(rung)]])[seen]
            curvatures = []
            width = 2 * len(OFFSETS)
            for number, rung in enumerate(LADDER):
                values = np.column_stack([f[:, 0], f[:, 1 + width * number : 1 + width * (number + 1)]])
                known = np.isfinite(values).all()
                curvatures.append(float(weights[seen] @ _second(values)) / rung**2 if known else np.nan)
            differences = np.abs(np.diff(curvatures))
            if not np.isfinite(differences).any():
                reasons[q] = rough[q]
                continue
            best = int(np.nanargmin(differences))
            size = max(sizes[q] ** 2, abs(curvatures[best + 1]))
            if self.capped[q] and total * size / self.steps[q] ** 2 < LEAST_INFORMATION:
                reasons[q] = ALL_BUT_AT_END
            elif not differences[best] <= SMOOTH * size:
                reasons[q] = rough[q]
            self.steps[q] *= LADDER[best + 1]
        return reasons

    def differentiate(self, table: Table, share: Floats) -> tuple[Floats, Floats]:
        n, q = table.n_rows, self.size
        scores, hessian = np.zeros((n, q)), np.zeros((q, q))
        if not q:
            return scores, hessian
        if self._derive is not None:
            by_numbers, curved, worth = self._derive(block_of(self.columns, table), share)
            slopes = self.jacobian / worth[:, None]
            # A coordinate that is a logarithm has a number of which both derivatives by it are the number itself.
            bent = np.diag(np.where(self.capped, share @ by_numbers @ slopes, 0.0))
            return by_numbers @ slopes, slopes.T @ curved @ slopes + bent
        seen = share > 0
        if not seen.any():
            return scores, hessian
        steps = self.steps / self.units
        part = table if seen.all() else table.take(np.flatnonzero(seen))
        weights = share[seen]
        centre = self._evaluate(part, [self.start])
        smooth = np.flatnonzero(~self.corner).tolist()
        directions = [self._axis(i, self.steps[i]) for i in range(q)]
        pairs = [(i, j) for place, i in enumerate(smooth) for j in smooth[:place]]
        along = [*directions, *[directions[i] + directions[j] for i, j in pairs]]
        width = 2 * len(OFFSETS)
        batch = max(1, CELLS // (part.n_rows * width))
        curvature = np.zeros(len(along))
        own = np.zeros((part.n_rows, q))
        for first in range(0, len(along), batch):
            chosen = along[first : first + batch]
            f = self._evaluate(part, [place for direction in chosen for place in self._stencil(direction)])
            f -= centre  # before anything is added up, which loses the fewest digits
            sums = (weights @ f).reshape(len(chosen), -1)
            curvature[first : first + len(chosen)] = (sums[:, 0::2] + sums[:, 1::2]) @ SECOND
            for number in range(first, min(first + len(chosen), q)):
                at = width * (number - first)
                own[:, number] = (f[:, at : at + width : 2] - f[:, at + 1 : at + width : 2]) @ FIRST / steps[number]
        scores[seen] = own
        for i in smooth:
            hessian[i, i] = curvature[i] / steps[i] ** 2
        for number, (i, j) in enumerate(pairs):
            mixed = 0.5 * (curvature[q + number] - curvature[i] - curvature[j])
            hessian[i, j] = hessian[j, i] = mixed / (steps[i] * steps[j])
        for i in np.flatnonzero(self.corner).tolist():  # by the identity of information and variance of the score
            hessian[i] = hessian[:, i] = -(own * weights[:, None]).T @ own[:, i]
        if not (np.isfinite(hessian).all() and np.isfinite(own).all()):
            raise DataError(
                f"{self.distribution!r}: its log-density cannot be differentiated by its parameters at some of the rows; use "
                "bootstrap"
            )
        return scores, hessian

    def prior(self) -> tuple[Floats, Floats]:
        q = self.size
        gradient, hessian = np.zeros(q), np.zeros((q, q))
        if not q or not getattr(self.distribution, "_is_penalised", False):
            return gradient, hessian
        if any(tie is not None for tie in self.ties):
            raise ParameterError(
                f"{self.distribution!r}: standard errors of parameters that are tied and have a prior are not known here; use "
                "bootstrap"
            )
        absolute = np.where(self.capped, np.minimum(0.02, 1e3 * self.steps), self.steps)
        steps = absolute / self.units
        directions = [self._axis(i, absolute[i]) for i in range(q)]
        pairs = [(i, j) for i in range(q) for j in range(i)]
        along = [*directions, *[directions[i] + directions[j] for i, j in pairs]]
        centre = self._at(self.start).log_prior()
        curvature = np.zeros(len(along))
        for number, direction in enumerate(along):
            values = np.array([[centre, *[self._at(place).log_prior() for place in self._stencil(direction)]]])
            curvature[number] = _second(values)[0]
            if number < q:
                gradient[number] = _first(values)[0] / steps[number]
        for i in range(q):
            hessian[i, i] = curvature[i] / steps[i] ** 2
        for number, (i, j) in enumerate(pairs):
            mixed = 0.5 * (curvature[q + number] - curvature[i] - curvature[j])
            hessian[i, j] = hessian[j, i] = mixed / (steps[i] * steps[j])
        return gradient, hessian


def _power_of_two(steps: Any) -> Any:
    """The powers of two that are nearest: added to a number that is far larger they lose nothing."""
    return 2.0 ** np.rint(np.log2(steps))


def _first(f: Floats) -> Floats:
    """First differences (n,) of values (n, 7): at the centre, then at plus and minus every offset."""
    return (f[:, 1::2] - f[:, 2::2]) @ FIRST


def _second(f: Floats) -> Floats:
    """Second differences (n,); differences of the centre first, which loses the fewest digits."""
    return (f[:, 1::2] - f[:, :1] + (f[:, 2::2] - f[:, :1])) @ SECOND


def _spread(table: Table, columns: Sequence[int]) -> float:
    """The widest column's range, as a first unit of steps."""
    widest = 0.0
    for j in columns:
        if table.is_numeric(j):
            column = table.column(j)
            if column.n_missing < column.n_rows:
                widest = max(widest, column.upper / 4 - column.lower / 4, column.floor)
    return widest if 0.0 < widest < np.inf else 1.0
