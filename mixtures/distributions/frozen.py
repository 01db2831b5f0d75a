"""A distribution some or all of whose parameters, or entries of vectors among them, a fit leaves as they are.

The other parameters are the weighted maximum likelihood given those that are held: a Normal with a known mean learns its
variance about that mean. Of entries, :mod:`mixtures.engine.entries` says how.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from mixtures._numba import bits_to_float, jit
from mixtures._numba_calls import address_of
from mixtures.constraints import Simplex
from mixtures.distributions.base import Kernels
from mixtures.distributions.categorical import PROBABILITIES, Categorical
from mixtures.distributions.multinomial import PROBABILITIES as SHARES
from mixtures.distributions.multinomial import Multinomial
from mixtures.distributions.multivariate_normal import KINDS, MultivariateNormal
from mixtures.distributions.wrapped import Constrained, Transparent, Wrapped, computed, innermost
from mixtures.engine import entries, normal_blocks
from mixtures.engine.coordinates import shifted
from mixtures.exceptions import ParameterError

ENTRY = re.compile(r"(\w+)\[(\d+)\]")
VECTORS: dict[Any, str] = {Categorical: "probabilities", Multinomial: "probabilities", MultivariateNormal: "mean"}
"""Families with a vector of which entries can be held."""


@jit
def _nothing(parameters, x, responsibilities, statistics):
    pass


@jit
def _stay(statistics, parameters):
    return 0


def _is_bare(distribution: Any) -> bool:
    """Whether only masks lie between it and its family, whose kernels run it."""
    return not isinstance(distribution, Wrapped) or (distribution.keeps_plates and _is_bare(distribution.base))


class Frozen(Constrained):
    """A distribution with parameters that are known, and stay as they are in every fit.

    Parameters
    ----------
    base : a distribution of the package.
    *held : names of the parameters to hold; without any, all that `base` has a value for. One entry of the probabilities of a
        Categorical or a Multinomial, or of the mean of a MultivariateNormal, is named like ``"probabilities[2]"``.

    Notes
    -----
    Held parameters and entries are not counted in ``n_parameters``. The entries of a vector that are not held are learned, from
    the values that `base` has for them; ``parameters`` lists what is wholly learned. A probability held at 0 is a structural zero:
    a row of that category comes from other components.

    Examples
    --------
    >>> from mixtures.distributions import Categorical, Normal
    >>> Frozen(Normal(mean=0.0)).fit([3.0, -3.0, 3.0, 3.0])
    Frozen(Normal(mean=0.0, std=3.0), 'mean')
    >>> Frozen(Normal(0.0, 1.0)).fit([5.0, 6.0])
    Frozen(Normal(mean=0.0, std=1.0), 'mean', 'std')
    >>> Frozen(Categorical([0.5, 0.25, 0.25]), "probabilities[0]").fit([0, 1, 1, 1, 2]).base.probabilities
    (0.5, 0.375, 0.125)
    """

    def __init__(self, base: Any, *held: str) -> None:
        super().__init__(base)
        names = list(base.parameters)
        values = base.parameter_values()
        indices: dict[str, list[int]] = {}
        for name in held:
            entry = ENTRY.fullmatch(name)
            if entry:
                indices.setdefault(entry[1], []).append(int(entry[2]))
            elif name not in names:
                raise ParameterError(f"Frozen: {type(base).__name__} has the parameters {names}, found {name!r}")
            elif values[name] is None:
                raise ParameterError(f"Frozen: {name} of {base!r} must have a value to be held at")
        for name, places in indices.items():
            self._check_entries(name, places)
        if any(sorted(set(places)) == list(range(len(values[name]))) for name, places in indices.items()):
            raise ParameterError("Frozen: where all entries are held, hold the parameter by its name")
        chosen = tuple(name for name in names if (name in held if held else values[name] is not None))
        if not chosen and not indices:
            raise ParameterError(f"Frozen: expected a distribution with a parameter to hold, found {base!r}")
        if not (len(chosen) == len(names) or base.held is not None or not chosen):
            raise ParameterError(f"Frozen: {type(base).__name__} can only hold all its parameters {names}, found {chosen}")
        vars(self)["held_names"] = chosen
        vars(self)["entries"] = {name: tuple(sorted(set(places))) for name, places in indices.items() if name not in chosen}
        vars(self)["keeps_plates"] = not self.entries
        if self.entries and base.tied_names:
            raise ParameterError(f"Frozen: {base!r} ties parameters, and cannot hold entries beside them")

    held_names: tuple[str, ...]
    entries: dict[str, tuple[int, ...]]
    keeps_plates = True
    held = computed(lambda self: None if self.is_whole or self.entries else self.base.held)
    ties = computed(lambda self: None if self.is_whole or self.entries else self.base.ties)
    tieable = computed(lambda self: self.base.tieable)
    several_columns = computed(lambda self: self.base.several_columns and not self.entries)

    def _check_entries(self, name: str, places: list[int]) -> None:
        """Refuse entries of what has none that can be held."""
        family = innermost(self.base)
        able = [f"{vector} of {kind.__name__}" for kind, vector in VECTORS.items()]
        if VECTORS.get(type(family)) != name or name not in self.base.parameters or not _is_bare(self.base):
            raise ParameterError(f"Frozen: entries can be held of the {', '.join(able)}; found {name!r} of {self.base!r}")
        value = self.base.parameter_values()[name]
        if value is None or max(places) >= len(value):
            raise ParameterError(
                f"Frozen: {name} of {self.base!r} must have a value of more than {max(places)} entries to hold them at"
            )
        if getattr(family, "pseudo_count", 0.0) or (name == "mean" and getattr(family, "prior", None) is not None):
            raise ParameterError(f"Frozen: entries of {name} cannot be held beside a prior or a pseudo-count, found {self.base!r}")

    @property
    def tied_names(self) -> tuple[str, ...]:
        """Those of the base that are not held."""
        return tuple(name for name in self.base.tied_names if name not in self.held_names)

    @computed
    def parameters(self):
        """Those of the base that are not held, nor are entries of them."""
        held = {*vars(self).get("held_names", ()), *vars(self).get("entries", ())}
        return {name: constraint for name, constraint in self.base.parameters.items() if name not in held}

    def __hash__(self) -> int:
        return hash((Frozen, self.base, self._held()))

    def _values(self) -> dict[str, Any]:
        return {"base": self.base, "held": self._held()}

    def _held(self) -> tuple[str, ...]:
        """What to name for it to be held."""
        return (*self.held_names, *(f"{name}[{place}]" for name, places in self.entries.items() for place in places))

    def __repr__(self) -> str:
        return f"Frozen({self.base!r}, {', '.join(map(repr, self._held()))})"

    def __reduce__(self) -> Any:
        return Frozen, (self.base, *self._held())

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to learn."""
        is_all = isinstance(self.base, Transparent) or not isinstance(self.base, Wrapped)  # that the base learns
        return is_all and len(self.held_names) == len(self.base.parameters)

    def _covering(self, table, columns, held=()):
        return Frozen(self.base._covering(table, columns, self.held_names), *self._held())

    @computed
    def kernels(self):
        own = self.base.kernels
        if self.entries:
            prior = None if own.log_prior is None else entries.log_prior
            return Kernels(entries.prepare, entries.log_prob, entries.accumulate, entries.maximize, prior)
        return Kernels(own.prepare, own.log_prob, _nothing, _stay, own.log_prior) if self.is_whole else own

    carries = computed(lambda self: self.is_whole or self.base.carries)

    def _expected(self, row, column):
        if not self.is_whole:
            return self.base._expected(row, column)
        sums = np.zeros(self._layout(column)[1] - self.n_maxima)
        sums[0] = 1.0
        return np.append(sums, np.full(self.n_maxima, -np.inf))

    def _carried(self, statistics, old, new, before, after):
        if not self.is_whole:
            return self.base._carried(statistics, old, new, before, after)
        return np.append(statistics[0], np.resize(statistics[1:], self._layout(after)[1] - 1))  # to which nothing is added

    @property
    def _plate_kind(self):
        # Where only some are held, a mask says which: the base's own kernels serve both.
        kind = self.base._plate_kind
        return (Frozen, bool(self.entries), kind) if self.is_whole or self.entries else kind

    @property
    def n_parameters(self) -> int:
        """Those of the base that are not held."""
        held = (*self.held_names, *self.entries)
        return int(self.base.n_parameters) - sum(self.base._count(name) - self._count(name) for name in held)

    def _count(self, name: str) -> int:
        if name in self.held_names:
            return 0
        own = int(self.base._count(name))
        return max(own - len(self.entries[name]), 0) if name in self.entries else own

    def _with(self, base: Any) -> Frozen:
        """`base` with this one's values of what is held: to the last bit."""
        values = self.base.parameter_values()
        kept = {name: values[name] for name in self.held_names}
        for name, places in self.entries.items():
            kept[name] = self._kept(
                base.parameter_values()[name], values[name], places, isinstance(self.base.parameters[name], Simplex)
            )
        return self._around(base.replaced(**kept))

    @staticmethod
    def _kept(found: Any, own: Any, places: tuple[int, ...], is_simplex: bool) -> tuple[float, ...]:
        """A vector with held entries; of probabilities the others share what is left."""
        new = list(found)
        free = [j for j in range(len(new)) if j not in places]
        rest, total = max(1.0 - math.fsum(own[j] for j in places), 0.0), math.fsum(new[j] for j in free)
        for j in free if is_simplex else ():
            new[j] = new[j] * (rest / total) if total > 0.0 else rest / len(free)
        for j in places:
            new[j] = own[j]
        return tuple(new)

    def _around(self, base: Any, **arguments: Any) -> Frozen:
        return Frozen(base, *self._held())

    def _completed(self, table, columns):
        return self._with(self.base._completed(table, columns))

    def _start(self, column):
        return self._with(self.base._start(column))

    def _coordinates(self, column):
        if self.is_whole:
            return ()
        return shifted(self.base._coordinates(column), len(self._entries_head(column)) if self.entries else 0)

    def _layout(self, column):
        n_parameters, n_statistics = self.base._layout(column)
        return n_parameters + (len(self._entries_head(column)) if self.entries else 0), n_statistics

    def _pack(self, column):
        packed = np.array(self.base._pack(column), dtype=float)
        if not self.is_whole and self.held_names:
            mask = sum(1 << self._places[name] for name in self.held_names)
            packed[self.base.held] = int(packed[self.base.held]) | mask
            if self.base.ties is not None:  # what is held is not shared
                packed[self.base.ties] = int(packed[self.base.ties]) & ~mask
        return [*(self._entries_head(column) if self.entries else ()), *packed.tolist()]

    def _entries_head(self, column: Any) -> list[float]:
        """What comes before the base's packed parameters where entries are held."""
        own = self.base.kernels.log_prior
        prior = 0.0 if own is None else bits_to_float(address_of(own, "log_prior"))
        ((name, places),) = self.entries.items()
        values = self.base.parameter_values()[name]
        covariance, given, kind, share, incomplete = -1, False, 0, 0, False
        if name == "mean":
            d, size = len(column), len(column)
            place = normal_blocks.HEAD + normal_blocks.MEAN * d
            covariance = normal_blocks.HEAD + 6 * d + normal_blocks.COVARIANCE * d * d
            share = normal_blocks.HEAD + normal_blocks.SHARE * d
            given = "covariance" not in self.parameters
            kind = KINDS.index(innermost(self.base).kind)
            incomplete = any(cell.n_missing for cell in column)
            held = {j: (values[j] - column[j].origin) / column[j].unit for j in places}
        elif isinstance(innermost(self.base), Categorical):
            place, size = PROBABILITIES, len(column.categories)
            held = {column.categories.index(self.base.categories[j]): values[j] for j in places}
        else:
            place, size = SHARES, len(column)
            held = {j: values[j] for j in places}
        mask, at = [float(j in held) for j in range(size)], [held.get(j, 0.0) for j in range(size)]
        start = entries.ENTRIES + 2 * size
        return [*self._addresses(), prior, start, place, size, covariance, given, kind, share, incomplete, *mask, *at]

    def _unpack(self, row, column):
        if self.is_whole:
            return self
        if not self.entries:
            return self._with(self.base._unpack(row, column))
        found = self.base._unpack(row[len(self._entries_head(column)) :], column)
        if not isinstance(innermost(found), Categorical):
            return self._with(found)
        # The column may have more categories, in another order.
        at = dict(zip(self.base.categories, self.base.probabilities, strict=True))
        known = found.replaced(probabilities=[at.get(category, 0.0) for category in found.categories])
        names = [f"probabilities[{found.categories.index(self.base.categories[j])}]" for j in self.entries["probabilities"]]
        return Frozen(known, *names)._with(found)
