"""How components lay over an earlier table: what a fit of the same ones on the next table of that form need not find out again.

Fits of a few hundred rows are made by the thousand, on samples of one table or for many numbers of components, and half of their
time went into taking the same components apart. What is kept depends on components, columns and sizes alone, never on values.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from mixtures.column import Column
from mixtures.constraints import Interval
from mixtures.distributions.base import Family
from mixtures.engine.plan import Ints, Sizes
from mixtures.parts import Parts, distinct
from mixtures.plates import Plate, Share
from mixtures.table import Table

MOST = 32
"""Templates that are kept; the oldest goes first."""


class Laid(NamedTuple):
    """One plate: as it was, and the distributions, with what they lack, that stood in each of its shares."""

    plate: Plate
    members: list[list[Any]]


class Template(NamedTuple):
    """A layout of components over arrays of some number of columns in which no cell is missing."""

    parts: list[Parts]
    supports: list[tuple[Interval, ...]]  # of every column, those that the families on it allow
    laid: list[Laid]
    sizes: Sizes
    described: Ints  # Problem.whole up to the places of the columns
    sources: list[int]  # columns of the table

    def fits(self, columns: Sequence[Column]) -> bool:
        """Whether these columns can be laid like that: every value finite and allowed, and sizes that depend on values the same."""
        for column, supports in zip(columns, self.supports, strict=True):
            if column.n_missing or not column.magnitude < np.inf:
                return False
            for support in supports:
                if support.holds(column.lower, column.upper, column.whole):
                    break
            else:
                return False
        for plate, members in self.laid:
            places = [columns[j] for j in plate.columns]
            sizes = (plate.n_parameters, plate.n_statistics + 1)
            grounds = [places] if plate.family.reads_block else places
            for own in members:
                for distribution, ground in zip(own, grounds, strict=True):
                    if distribution._layout(ground) != sizes:
                        return False
        return True

    def plates(self, columns: Sequence[Column]) -> list[Plate]:
        """The plates over these columns, their distributions with what they lack taken from a start."""
        found = []
        for old, members in self.laid:
            places = [columns[j] for j in old.columns]
            grounds = [places] if old.family.reads_block else places
            shares = [
                Share(share.count, [d._completed_on(g) for d, g in zip(own, grounds, strict=True)], share.factors)
                for share, own in zip(old.shares, members, strict=True)
            ]
            plate = Plate(old.first, old.columns, old.family, old.n_parameters, old.n_statistics, False, places, shares)
            plate.count, plate.start = old.count, old.start
            found.append(plate)
        return found


_kept: dict[Any, Template] = {}


def find(components: Sequence[Any], table: Table) -> Template | None:
    """The template for these components over a table; None where there is none."""
    key = _key(components, table)
    template = None if key is None else _kept.get(key)
    return template if template is not None and template.fits([table.column(j) for j in range(table.n_columns)]) else None


def keep(components: Sequence[Any], table: Table, parts: list[Parts], assembly: Any) -> None:
    """Keep how components were laid over a table, where that is all there is to say of them."""
    key = _key(components, table)
    if key is None or any([table.column(j).n_missing for j in range(table.n_columns)]):
        return
    plates, different = assembly.plates, distinct(parts)
    factors = [pair for part in different for pair in zip(part.columns, part.factors, strict=True)]
    if not all([_is_simple(factor) for _, factor in factors]) or any([plate.measure or plate.masked for plate in plates]):
        return
    supports: list[tuple[Interval, ...]] = [()] * table.n_columns
    for columns, factor in factors:
        for j in columns:
            supports[j] = (*supports[j], factor.support)
    laid = []
    for plate in plates:
        firsts = accumulate([share.count for share in plate.shares], initial=plate.first)
        members = [[parts[k].factors[f] for f in share.factors] for k, share in zip(firsts, plate.shares, strict=False)]
        laid.append(Laid(plate, members))
    sizes, whole = assembly.problem.sizes, assembly.problem.whole
    described = whole[: len(whole) - 2 * sizes.n_sources].copy()
    if len(_kept) >= MOST:
        oldest, *_ = list(_kept)  # a list is made at once: other threads may keep templates, too
        _kept.pop(oldest, None)
    _kept[key] = Template(parts, supports, laid, sizes, described, assembly.source_columns)


def _key(components: Sequence[Any], table: Table) -> Any:
    """What templates are found by: components and tables that are equal in it are laid alike."""
    if not table.is_plain_array:
        return None
    first = components[0]
    forms = (first, len(components)) if all([component is first for component in components]) else tuple(components)
    try:
        hash(forms)
    except TypeError:
        return None
    return forms, table.n_columns


def _is_simple(factor: Any) -> bool:
    """Whether a factor's layout depends on nothing but the sizes that it names itself."""
    return (
        isinstance(factor, Family)
        and type(factor)._completed is Family._completed
        and type(factor)._bind is Family._bind
        and factor.prior is None
        and factor.encoding == "numbers"
        and isinstance(factor.support, Interval)
    )
