"""What distributions made of one other distribution, and run by its kernels, have in common.

A wrapper with kernels of its own calls those of its base by address: they come first among its packed parameters, the base's
own packed parameters last, so that these are, for every component, a matrix of one row in the same memory.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from mixtures._numba import bits_to_float, float_to_bits, jit, matrix
from mixtures._numba_calls import address_of, call_log_prior
from mixtures.distributions.base import Family
from mixtures.exceptions import ParameterError
from mixtures.tails import Tails

PREPARE, LOG_PROB, ACCUMULATE, MAXIMIZE = range(4)
"""Places of the addresses of the base's kernels, as the bits of floats."""


@jit
def part_from(values, k, start):
    """Entries start.. of row k, as a matrix of one row."""
    width = values.shape[1]
    return matrix(values, k * width + start, 1, width - start)


@jit
def log_prior_of_bases(parameters, address, start):
    """What the bases' priors add: the address of each one's kernel, 0 for none, and its packed parameters are at these places."""
    value = 0.0
    for k in range(parameters.shape[0]):
        if parameters[k, address] != 0.0:
            value += call_log_prior(float_to_bits(parameters[k, address]), part_from(parameters, k, start))
    return value


def innermost(distribution: Any) -> Any:
    """What is inside all wrappers."""
    return innermost(distribution.base) if isinstance(distribution, Wrapped) else distribution


def computed(function: Callable[[Any], Any]) -> Any:
    """A property in the place of what a family declares for its class; its type says no more than the class's does."""
    return property(function)


class Wrapped(Family):
    """A distribution made of another one, its ``base``, whose kernels it uses or calls.

    What a family declares once for all its members, a wrapper takes from its base. A subclass says how it differs.
    """

    def __init__(self, base: Any, **values: Any) -> None:
        if not hasattr(base, "kernels"):
            raise ParameterError(f"{type(self).__name__}: expected a distribution with kernels of its own, found {base!r}")
        if base.tied_names and not self.keeps_plates:
            raise ParameterError(
                f"{type(self).__name__}: {base!r} ties {', '.join(base.tied_names)} to other components, not to be parted from them"
            )
        super().__init__(**values)
        vars(self)["base"] = base

    base: Any
    keeps_plates: ClassVar[bool] = False
    """Whether the base's kernels serve it as they are, together with its base's likes: what ties them stays whole."""

    kernels = computed(lambda self: self.base.kernels)
    support = computed(lambda self: self.base.support)
    several_columns = computed(lambda self: self.base.several_columns)
    encoding = computed(lambda self: self.base.encoding)
    uses_unit = computed(lambda self: self.base.uses_unit)
    uses_origin = computed(lambda self: self.base.uses_origin)
    reads_block = computed(lambda self: self.base.reads_block)
    takes_missing = computed(lambda self: self.base.takes_missing)
    limit = computed(lambda self: self.base.limit)
    n_maxima = computed(lambda self: self.base.n_maxima)
    prior = computed(lambda self: self.base.prior)
    _is_penalised = computed(lambda self: self.base._is_penalised)
    # Statistics of kernels of its own are for a subclass to speak of.
    carries = computed(lambda self: self.kernels is self.base.kernels and self.base.carries)

    def _values(self) -> dict[str, Any]:
        own = dict(vars(self))
        return {"base": own.pop("base"), **own}

    @property
    def is_complete(self) -> bool:
        """Whether every parameter has a value, those of the base included."""
        return super().is_complete and self.base.is_complete

    def _require_complete(self) -> None:
        super()._require_complete()
        self.base._require_complete()

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return int(self.base.n_features)

    @property
    def categories(self) -> Any:
        """Those of the base, where it has some."""
        return self.base.categories

    @property
    def pseudo_count(self) -> float:
        """That of the base, where it has one."""
        return float(self.base.pseudo_count)

    def _completed(self, table: Any, columns: Sequence[int]) -> Any:
        return self if self.is_complete else self._start(self._place(table, columns[0]))

    def _started(self, column: Any) -> Any:
        """The base with what it lacks taken from a start on `column`."""
        if self.base.is_complete:
            return self.base
        start = self.base._start(column)
        known = {name: value for name, value in self.base._values().items() if value is not None}
        return type(start)(**{**start._values(), **known})

    def _addresses(self) -> list[float]:
        """What a wrapper's packed parameters begin with."""
        own = self.base.kernels
        kernels = {"prepare": own.prepare, "log_prob": own.log_prob, "accumulate": own.accumulate, "maximize": own.maximize}
        return [bits_to_float(address_of(kernel, role)) for role, kernel in kernels.items()]

    def _prior_address(self) -> float:
        """Address of the base's kernel of the prior, as :meth:`_addresses` has those of the others; 0.0 where there is no prior."""
        own = self.base.kernels.log_prior
        return bits_to_float(address_of(own, "log_prior")) if own is not None and self._is_penalised else 0.0

    def _expected(self, row: Any, column: Any) -> Any:
        return self.base._expected(row, column)

    def _carried(self, statistics: Any, old: Any, new: Any, before: Any, after: Any) -> Any:
        return self.base._carried(statistics, old, new, before, after)

    def _layout(self, column: Any) -> tuple[int, int]:
        layout: tuple[int, int] = self.base._layout(column)
        return layout

    def _coordinates(self, column: Any) -> Sequence[tuple[int, int, int, int]]:
        rows: Sequence[tuple[int, int, int, int]] = self.base._coordinates(column)
        return rows

    def _pack(self, column: Any) -> Sequence[float]:
        packed: Sequence[float] = self.base._pack(column)
        return packed


class Transparent(Wrapped):
    """A wrapper that learns nothing of its own: its parameters are those of its base that are learned."""

    # While a wrapper's own arguments are checked there is no base yet.
    parameters = computed(lambda self: dict(getattr(vars(self).get("base"), "parameters", {})))

    @abstractmethod
    def _around(self, base: Any, **arguments: Any) -> Self:
        """This wrapper around another base, with other values for some of its own arguments."""

    def parameter_values(self) -> dict[str, Any]:
        """Values of the parameters by name, as the base has them; None for those to be learned."""
        own = self.base.parameter_values()
        return {name: own[name] for name in self.parameters}

    def replaced(self, **parameters: Any) -> Self:
        """This distribution with other values for some of its parameters and arguments."""
        own = {name: parameters.pop(name) for name in self.parameters if name in parameters}
        try:
            base = self.base.replaced(**own)
        except ParameterError as error:
            raise ParameterError(f"{type(self).__name__}: {error}") from None
        return self._around(base, **parameters)

    @property
    def is_complete(self) -> bool:
        """Whether every parameter of the base has a value."""
        return bool(self.base.is_complete)

    def _require_complete(self) -> None:
        self.base._require_complete()

    @property
    def n_parameters(self) -> int:
        """Number of free parameters of the base."""
        return int(self.base.n_parameters)

    def _count(self, name: str) -> int:
        return int(self.base._count(name))

    def _tails(self) -> Any:
        tails = Tails(self.base)
        return tails.log_cdf, tails.log_sf, tails.isf


class Constrained(Transparent):
    """A wrapper that is the same distribution as its base: only what a fit may find differs."""

    @property
    def _tie_kind(self) -> Any:
        return self.base._tie_kind

    def _prior_of(self, name: str) -> Any:
        return self.base._prior_of(name)

    def log_prior(self) -> float:
        """That of the base."""
        return float(self.base.log_prior())

    def _resolved(self, table: Any, columns: Any, weights: Any, n_components: int) -> Any:
        return self._around(self.base._resolved(table, columns, weights, n_components))

    @property
    def _places(self) -> Mapping[str, int]:
        places: Mapping[str, int] = self.base._places
        return places

    @property
    def atoms(self) -> tuple[float, ...]:
        """Those of a base that is a point mass; no attribute of others."""
        found: tuple[float, ...] = self.base.atoms
        return found

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, as the base does."""
        return self.base.sample(n, random_state)

    def to_scipy(self):
        return self.base.to_scipy()

    def cdf(self, x: Any) -> Any:
        """That of the base."""
        return self.base.cdf(x)

    def quantile(self, probability: Any) -> Any:
        """That of the base."""
        return self.base.quantile(probability)

    @property
    def mean(self) -> Any:
        """That of the base."""
        return self.base.mean

    @property
    def variance(self) -> Any:
        """That of the base."""
        return self.base.variance
