"""Plates: the factors of all components grouped by family and columns, in runs of consecutive components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from mixtures.column import Column
from mixtures.constraints import Whole
from mixtures.door import SIZE as DOOR_SIZE
from mixtures.engine.plan import ATOMS, ROW_NUMBER, YIELDS
from mixtures.exceptions import DataError, ParameterError
from mixtures.parts import Parts
from mixtures.table import Table


@dataclass(slots=True)
class Share:
    """What a run of equal components gives to a plate."""

    count: int  # of those components
    members: list[Any]  # a distribution per column of the plate
    factors: list[int]  # its place among the component's factors


@dataclass(slots=True)
class Plate:
    """Factors of one family that one call of its kernels serves: a run of components by one column or several."""

    first: int
    columns: list[int]
    family: Any  # one of its distributions, for what its kernels are; None: a component that only Python knows
    n_parameters: int  # per component and column
    n_statistics: int  # of its own, per component and column
    masked: bool
    places: list[Column]
    shares: list[Share]
    count: int = 0  # of components
    start: int = 0
    measure: int = 0  # ATOMS or YIELDS where point masses share a column with densities

    @property
    def n_maxima(self) -> int:
        """How many of a component's last statistics are maxima over rows."""
        return 0 if self.family is None else self.family.n_maxima

    @property
    def is_penalised(self) -> bool:
        """Whether a fit maximises more than the likelihood of some of its distributions."""
        if self.family is None or self.family.kernels.log_prior is None:
            return False
        return any([distribution._is_penalised for share in self.shares for distribution in share.members])

    @property
    def n_members(self) -> int:
        """Distributions per component."""
        return len(self.shares[0].members)

    @property
    def grounds(self) -> Sequence[Any]:
        """What every member of a component is told of its columns: one of them, or all together."""
        return [self.places] if self.family is not None and self.family.reads_block else self.places

    def shares_a_call(self) -> Any:
        """Plates that give equal answers are one for the kernels, where those take several columns; None: on its own."""
        if self.family is None or not self.family.several_columns or self.masked:
            return None
        return self.family._plate_kind, self.first, self.count, self.n_parameters, self.n_statistics

    def add_columns(self, other: Plate) -> None:
        """Take in a plate that shares a call."""
        self.columns += other.columns
        self.places += other.places
        for own, added in zip(self.shares, other.shares, strict=True):
            own.members += added.members
            own.factors += added.factors


def lay(components: Sequence[Parts], known: dict[int, Column], table: Table) -> list[Plate]:
    """Group the factors of complete `components`; `known` describes the columns that they stand on."""
    runs: list[Plate] = []
    last: dict[Any, Plate] = {}
    k = 0
    for _, equal in groupby(components, key=id):  # the same parts several times are laid once
        component, *more = equal
        count = 1 + len(more)
        for f, (columns, distribution) in enumerate(zip(component.columns, component.factors, strict=True)):
            key = columns, distribution._plate_kind if hasattr(distribution, "kernels") else None
            plate = last.get(key)
            if plate is None or plate.first + plate.count != k:
                plate = last[key] = _plate(k, distribution, columns, known, table)
                runs.append(plate)
            plate.shares.append(Share(count, [distribution], [f]))
            plate.count += count
        k += count
    _check_ties(runs, components, table)
    plates: list[Plate] = []
    shared: dict[Any, Plate] = {}
    for plate in runs:
        call = plate.shares_a_call()
        if call is not None and call in shared:
            shared[call].add_columns(plate)
        else:
            shared[call] = plate
            plates.append(plate)
    _give_way(plates)
    return plates


def _give_way(plates: Sequence[Plate]) -> None:
    """Tell point masses from the densities that share their columns, if there are any: the two have different measures."""
    atomic = [plate for plate in plates if getattr(plate.family, "atoms", None) is not None]
    for atoms in atomic:
        for plate in plates:
            if plate not in atomic and atoms.columns[0] in plate.columns and _is_continuous(plate.shares[0].members[0]):
                atoms.measure, plate.measure = ATOMS, YIELDS


def _check_ties(plates: Sequence[Plate], components: Sequence[Parts], table: Table) -> None:
    """Refuse ties that would not hold, and let what is tied start at one value; the plates are of one member each."""
    groups: dict[Any, list[Plate]] = {}
    for plate in plates:
        names = {name for share in plate.shares for name in getattr(share.members[0], "tied_names", ())}
        for name in names:
            groups.setdefault((tuple(plate.columns), plate.family._tie_kind, name), []).append(plate)
    for (columns, _, name), found in groups.items():
        placed = [pair for plate in found for pair in _placed(plate)]
        tying = [(share, components[k]) for share, k in placed if name in getattr(share.members[0], "tied_names", ())]
        where = f"{type(tying[0][0].members[0]).__name__} on {', '.join(table.where(j) for j in columns)}"
        if len(components) > 1 and sum(share.count for share, _ in tying) == 1:
            raise ParameterError(
                f"{where}: {name} is tied, but by no other component of this family; tie it in two or more, or none"
            )
        if len(found) > 1:
            firsts = [plate.first for plate in found]
            raise ParameterError(
                f"{where}: components that tie {name} must stand next to each other; those from {firsts} on are parted by others "
                "of another family, or wholly held, or of which only some have a prior: change the order of the components"
            )
        priors = [share.members[0]._prior_of(name) for share, _ in tying]
        if any(prior != priors[0] for prior in priors[1:]):
            raise ParameterError(f"{where}: components tie {name}, but their priors of it differ: {priors}; give them one")
        _start_together(name, where, tying)


def _placed(plate: Plate) -> list[tuple[Share, int]]:
    """The shares of a plate and the first component of each."""
    firsts = plate.first + np.cumsum([0, *(share.count for share in plate.shares[:-1])])
    return list(zip(plate.shares, firsts.tolist(), strict=True))


def _start_together(name: str, where: str, tying: Sequence[tuple[Share, Parts]]) -> None:
    """Let components that tie a parameter start at the value that one of them was given, else at the mean of their starts."""
    values = [share.members[0].parameter_values()[name] for share, _ in tying]
    if all(value == values[0] for value in values[1:]):
        return
    given = []
    for share, parts in tying:
        factors = getattr(parts.component, "factors", None)
        original = list(factors.values())[share.factors[0]] if factors else parts.component
        value = original.parameter_values()[name]
        if value is not None and value not in given:
            given.append(value)
    if len(given) > 1:
        raise ParameterError(f"{where}: components tie {name}, but start at {', '.join(map(repr, given))}: give them one value")
    counts = [share.count for share, _ in tying]
    common = given[0] if given else np.average(np.array(values, dtype=float), axis=0, weights=counts)
    for share, _ in tying:
        share.members[0] = share.members[0].replaced(**{name: common})


def _is_continuous(distribution: Any) -> bool:
    """Whether it has a density; what only Python knows, and does not say otherwise, has one."""
    support = getattr(distribution, "support", None) or getattr(distribution, "domain", None)
    return getattr(distribution, "encoding", "numbers") == "numbers" and not isinstance(support, Whole)


def _plate(first: int, distribution: Any, columns: tuple[int, ...], known: dict[int, Column], table: Table) -> Plate:
    family = distribution if hasattr(distribution, "kernels") else None
    places = [known[j] for j in columns]
    masked = any([place.n_missing for place in places])
    if family is None:
        if masked and len(columns) > 1:
            raise _refusal(distribution, columns, table)
        return Plate(first, [*columns, ROW_NUMBER], None, DOOR_SIZE, 0, masked, places, [])
    if family.reads_block and masked:
        # In a frame of more rows than these, the rows that lack cells may lie elsewhere.
        if not family.takes_missing and any(np.isnan(table.numbers(j)).any() for j in columns):
            raise _refusal(distribution, columns, table)
        masked = False
    if not family.reads_block and len(columns) > 1:
        raise ParameterError(
            f"{type(family).__name__} describes one column, but stands on {[table.names[j] for j in columns]}: give each its own"
        )
    distribution._check_width(len(columns))
    n_parameters, n_statistics = distribution._layout(places if family.reads_block else places[0])
    return Plate(first, list(columns), family, n_parameters, n_statistics - 1, masked, places, [])


def _refusal(distribution: Any, columns: Sequence[int], table: Table) -> DataError:
    where = next(j for j in columns if np.isnan(table.numbers(j)).any())
    row = table.row(np.flatnonzero(np.isnan(table.numbers(where)))[0])
    return DataError(
        f"{type(distribution).__name__} on {table.where(where)}: expected no missing cells, row {row} has one; "
        "only factors of one column can leave them out"
    )
