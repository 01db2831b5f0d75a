"""The protocol that every component obeys, and the two abstract classes that built-in families derive from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from mixtures.column import Column
from mixtures.constraints import Constraint, Interval
from mixtures.exceptions import DataError, NotFittedError, ParameterError
from mixtures.quantiles import without_wrong_ends
from mixtures.row_supports import RowSupport
from mixtures.table import Table

Floats = npt.NDArray[np.float64]


def generator_of(random_state: Any) -> Any:
    """The source of draws that a random state stands for: a seed, None, a Generator, or a RandomState, which stays itself."""
    return random_state if isinstance(random_state, np.random.RandomState) else np.random.default_rng(random_state)


class Distribution(ABC):
    """A probability distribution over the rows of a table: an immutable value.

    Whatever has these two methods can be a component of a mixture; deriving from this class is optional.

    Missing cells are NaN and carry no information: they add 0 to a log-density and nothing to a fit.
    ``sample_weight`` means repetition: weight 2 gives what a repeated row gives, weight 0 what an absent row gives.
    """

    is_maximum_likelihood: ClassVar[bool] = True
    """Whether a fit maximises the weighted likelihood, so that a mixture's never falls; False for a nonparametric estimate."""

    @abstractmethod
    def log_prob(self, X: Any) -> Floats:
        """Log-density (or log-mass) of every row of X, shape (n,); -inf outside the support."""

    @abstractmethod
    def fit(self, X: Any, sample_weight: Any = None) -> Self:
        """The distribution of this family that maximises the weighted likelihood of X: a new object."""


@dataclass(frozen=True)
class Kernels:
    """The compiled half of a family: plain functions decorated with :func:`mixtures.jit`, over C-contiguous float64 matrices.

    k components, b rows, d columns, P parameters and S statistics per component:

    - ``prepare(parameters (k, P))``: derive from the parameters what the other kernels need.
    - ``log_prob(parameters (k, P), x (d, b), out (k, b))``: add log-densities to `out`; -inf outside the support.
    - ``accumulate(parameters, x, responsibilities (k, b), statistics (k, S))``: add to the statistics. ``statistics[:, 0]``
      is the engine's: the sum of responsibilities.
    - ``maximize(statistics, parameters) -> int``: turn statistics into new parameters, in place; keep the old ones where
      ``statistics[:, 0]`` is 0. Returns a union of the bits ``REPEAT``, ``FLOORED``, ``LIMIT``, ``FAILED`` and ``UNSETTLED`` of
      :mod:`mixtures.kernels`, 0 for none. A maximum that takes several steps is climbed by one of them a call, which never
      lowers the likelihood, with ``UNSETTLED`` until the step is below some rounding errors.
    - ``log_prior(parameters) -> float``, of a family that takes priors: the sum over components of the log-density of their
      parameters under the priors packed beside them, 0 for those without one. ``maximize`` then finds the maximum of
      likelihood times prior.
    """

    prepare: Callable[..., Any]
    log_prob: Callable[..., Any]
    accumulate: Callable[..., Any]
    maximize: Callable[..., Any]
    log_prior: Callable[..., Any] | None = None


class Value:
    """An object with declared parameters: validation, repr, equality, immutability and pickling follow."""

    parameters: ClassVar[Mapping[str, Constraint]] = {}
    arguments: ClassVar[Mapping[str, Constraint]] = {}
    """What must be given and is never learned, such as a number of trials: no free parameter."""

    def __init__(self, **values: Any) -> None:
        own = vars(self)
        for name, value in values.items():
            constraint = self.parameters.get(name) or self.arguments.get(name)
            # A fit makes many, of numbers well inside their intervals: that is seen at a third of the cost of a whole check.
            inside = type(value) is float and type(constraint) is Interval and constraint.low < value < constraint.high
            own[name] = value if inside or value is None or constraint is None else self._checked(name, value)

    @classmethod
    def _trusted(cls, **values: Any) -> Self:
        """A distribution of these values, all of them, as they are: for values that another one has proved."""
        new = object.__new__(cls)
        vars(new).update(values)
        return new

    def _checked(self, name: str, value: Any) -> Any:
        constraint = self.parameters[name] if name in self.parameters else self.arguments[name]
        try:
            found: Any = constraint.convert(value)
            if constraint.contains(found):
                return found
        except (TypeError, ValueError):
            pass
        raise ParameterError(f"{type(self).__name__}: {name} must be {constraint.words}, found {value!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; build a new one instead of setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; {name!r} cannot be deleted")

    def _values(self) -> dict[str, Any]:
        return dict(vars(self))

    def parameter_values(self) -> dict[str, Any]:
        """Values of the declared parameters by name; None for those to be learned."""
        return {name: vars(self)[name] for name in self.parameters}

    def replaced(self, **parameters: Any) -> Self:
        """This distribution with other values for some of its declared parameters."""
        return type(self)(**{**self._values(), **parameters})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._values().items() if v is not None)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), tuple(self._values().items())))

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self._values())

    @property
    def is_complete(self) -> bool:
        """Whether every parameter has a value."""
        values = vars(self)
        return all([values[name] is not None for name in self.parameters])  # a list: a fit asks often, a generator is slower

    def _require_complete(self) -> None:
        if not self.is_complete:
            missing = [name for name in self.parameters if vars(self)[name] is None]
            raise NotFittedError(f"{type(self).__name__} has no value for {', '.join(missing)}; give it one or fit it")


def _rebuild(family: Any, values: dict[str, Any]) -> Any:
    return family(**values)


class Declared(Value, Distribution):
    """A distribution with declared parameters: validation, repr, equality, immutability and pickling follow."""


class Family(Declared):
    """A parametric family over one column, run by compiled kernels.

    A subclass is final. It declares ``parameters``, ``support`` and ``kernels``, and says how parameters become a row of
    numbers for the kernels (``_pack``, ``_layout``) and back (``_unpack``).
    """

    kernels: ClassVar[Kernels]
    several_columns: ClassVar[bool] = False
    """Whether the kernels take any number of columns at once, column j's P/d parameters and (S-1)/d statistics at place j."""
    encoding: ClassVar[str] = "numbers"
    """"numbers", or "categories" for a family that reads codes of categories."""
    uses_unit: ClassVar[bool] = False
    """Whether the kernels see the column in its own unit, a power of two that keeps squares in range."""
    uses_origin: ClassVar[bool] = False
    """Whether the kernels see the column about its own origin, which keeps squares small."""

    reads_block: ClassVar[bool] = False
    """Whether it stands on several columns jointly. Its ``_layout``, ``_pack``, ``_unpack`` and ``_start`` are then told of all of
    them, a sequence, where others are told of one."""
    takes_missing: ClassVar[bool] = False
    """Whether the kernels of a block see missing cells, as NaN, and know what to do; those of one column never see any."""
    held: ClassVar[int | None] = None
    """Place, among the packed parameters of a column, of the mask that says which parameters an M-step leaves as they are: bit
    p for parameter p as declared (:func:`mixtures.kernels.is_held`); None for a family that cannot hold some of them."""

    ties: ClassVar[int | None] = None
    """Place, as of ``held``, of the mask of parameters that the components of a plate share: ``maximize`` then gives them one
    common value, the best for all together; None for a family that cannot."""
    tieable: ClassVar[Sequence[str] | None] = None
    """Which of its parameters can be tied, where ``ties`` is a place; None for all."""

    prior: Any = None
    """The distribution of its parameters that a fit maximises the likelihood times; None for maximum likelihood. Kept among the
    values of those that have one."""

    ends: ClassVar[Mapping[str, float]] = {}
    """Parameters that are an end of the support, -1.0 the lower and 1.0 the upper one. Their maximum lies at the outermost row,
    where the likelihood has no gradient: further in, that row is impossible."""

    coordinates: ClassVar[Sequence[tuple[int, int, int, int]]] = ()
    """What a step of an accelerator may move among the packed parameters of a column (or of all, of a block), a row each: its kind,
    one of :mod:`mixtures.engine.coordinates`, its place, how many numbers it is, and the number of the declared parameter that it
    belongs to. None for parameters in which the likelihood is not smooth."""

    unmoved: ClassVar[Mapping[str, str]] = {}
    """Parameters that have no coordinates, and why; besides the ``ends`` of a support."""

    limit: ClassVar[str] = ""
    """What it means that a fit returned ``LIMIT``, in words: a warning follows the name of family and column with them."""

    n_maxima: ClassVar[int] = 0
    """How many of a component's last statistics are maxima over rows instead of sums. They begin at -inf; ``accumulate`` leaves
    the larger of what is there and what it sees, and only rows with a responsibility > 0 count. A minimum is a maximum of
    negatives. Not together with ``several_columns``."""

    carries: ClassVar[bool] = False
    """Whether statistics taken under some parameters tell what those of the same rows and responsibilities would be under others
    (:meth:`_carried`), so that a stream may go on from them. So it is with sums of functions of a row, and of what is expected of
    it, wherever their centre is; not with derivatives at the present parameters, nor with ends of a support."""

    @property
    def _plate_kind(self) -> Any:
        """What the distributions that one call of kernels serves have in common; they have one layout, too."""
        return type(self)

    @property
    def tied_names(self) -> tuple[str, ...]:
        """Parameters that are one and the same for all components of a mixture that tie them on the same columns."""
        return ()

    @property
    def _tie_kind(self) -> Any:
        """What distributions that tie parameters must have in common; those that do share a plate, or are refused."""
        return self._plate_kind

    def _prior_of(self, name: str) -> Any:
        """The part of the prior that a parameter has, if components tie it, in common with theirs."""
        return self.prior

    @property
    def _places(self) -> Mapping[str, int]:
        """The bit of each parameter in the masks at ``held`` and ``ties``."""
        return {name: place for place, name in enumerate(self.parameters)}

    @property
    def support(self) -> Interval | tuple[Interval, ...] | RowSupport | None:
        """What a value may be, or of a family over several columns every cell, each column's cells (a tuple) or a whole row; None
        for categories: an attribute of the class, or a property where arguments enter."""
        raise NotImplementedError(f"{type(self).__name__} declares no support")

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return 1

    @abstractmethod
    def _layout(self, column: Column) -> tuple[int, int]:
        """(P, S): parameters and statistics per component, for one column."""

    def _coordinates(self, column: Column) -> Sequence[tuple[int, int, int, int]]:
        """The ``coordinates`` of distributions over such a column (over all of them, of a block), where these are no constant of
        the class."""
        return self.coordinates

    @abstractmethod
    def _pack(self, column: Column) -> Sequence[float]:
        """The P numbers that the kernels work with; what ``prepare`` derives may be left 0."""

    @abstractmethod
    def _unpack(self, row: Floats, column: Column) -> Self:
        """The distribution whose packed parameters these are."""

    @abstractmethod
    def _start(self, column: Column) -> Self:
        """Any complete distribution of this family fit to stand at a start: the scale of the column, roughly."""

    def _carried(self, statistics: Floats, old: Floats, new: Floats, before: Column, after: Column) -> Any:
        """Statistics (S,) of one component taken under packed parameters `old` (P,), as they would be under `new`: of a family that
        ``carries``. The column (or all, of a block) was known as `before`, and is as `after`, in the same unit."""
        return statistics

    def _expected(self, row: Floats, column: Column) -> Any:
        """What statistics (S,) of one row of weight 1 are expected to be under packed parameters `row` (P,): of a family that
        ``carries``, those of which the parameters are the maximum. None where parameters don't tell."""
        return None

    _derivatives: ClassVar[Callable[..., Any] | None] = None
    """A method that takes rows (n, d), NaN where missing, and shares (n,), and gives the first derivatives (n, m) of log-densities
    by the m numbers of the declared parameters, the sum (m, m) of the second ones times the shares, and the units (m,) in which
    those numbers are meant; of a matrix the entries on and below the diagonal. None: they are found by differences."""

    def _bind(self, table: Table, column: int) -> Self:
        """This distribution with whatever is learned from a column before any fit; categories, say."""
        return self

    def _completed(self, table: Table, columns: Sequence[int]) -> Self:
        """This distribution with what it lacks taken from a start on its columns; what it has stays."""
        bound = self._bind(table, columns[0])
        if bound.is_complete:
            return bound
        places = [bound._place(table, column) for column in columns]
        return bound._completed_on(places if self.reads_block else places[0])

    def _completed_on(self, ground: Any) -> Self:
        """As :meth:`_completed`, told of its column, or of all of a block, for a distribution with all that columns teach."""
        if self.is_complete:
            return self
        start = self._start(ground)
        known = {name: value for name, value in self._values().items() if value is not None}
        return start if not known and type(start) is type(self) else type(self)(**{**start._values(), **known})

    def _covering(self, table: Table, columns: Sequence[int], held: Sequence[str] = ()) -> Self:
        """This distribution with the ends of its support, but for those held, moved out to hold every row of its columns."""
        values, moved = self.parameter_values(), {}
        for name, sign in self.ends.items():
            column = table.column(columns[0])
            if name not in held:
                moved[name] = min(values[name], column.lower) if sign < 0 else max(values[name], column.upper)
        return self.replaced(**moved) if moved else self

    def _take_prior(self, prior: Any, family: Any, **least: float) -> None:
        """Keep a prior of this family that has no argument below its `least`: for those the density has no largest value."""
        if prior is None:
            return
        name = type(self).__name__
        is_one = isinstance(prior, family)
        if not is_one or (issubclass(family, Distribution) and not prior.is_complete):
            of = "" if not is_one else " with all its parameters"
            raise ParameterError(f"{name}: prior must be a {family.__name__}{of}, found {prior!r}")
        for argument, bound in least.items():
            if np.min(getattr(prior, argument)) < bound:
                raise ParameterError(
                    f"{name}: {argument} of the prior must be >= {bound:g}, since the density of the others grows without bound at "
                    f"an end, so that there is no most probable value; found {prior!r}"
                )
        vars(self)["prior"] = prior

    def _under(self, prior: Any) -> Self:
        """This distribution, which nobody has seen yet, under a prior that another one has proved."""
        if prior is not None:
            vars(self)["prior"] = prior
        return self

    @property
    def _is_penalised(self) -> bool:
        """Whether a fit maximises more than the likelihood."""
        return self.prior is not None

    def _resolved(self, table: Table, columns: Sequence[int], weights: Floats | None, n_components: int) -> Self:
        """This distribution with what its prior leaves open taken from the rows of its columns."""
        raise ParameterError(f"{type(self).__name__}: {self.prior!r} must have values for all its arguments here")

    def _place(self, table: Table, column: int) -> Column:
        """What :meth:`_start` is told of a column."""
        if self.encoding == "categories":
            return Column(table.names[column], table.n_rows, categories=vars(self)["categories"])
        place = table.column(column)
        if place.n_missing == place.n_rows:
            raise DataError(f"{table.where(column)}: expected at least one observed value, found only missing cells")
        return place

    def _check_width(self, n_columns: int) -> None:
        """Refuse another number of columns than a family over several has for ever: a whole number ``n_features`` of its class."""
        if not self.reads_block:
            return
        width = getattr(type(self), "n_features", None)
        if isinstance(width, int) and width != n_columns:
            raise DataError(f"{type(self).__name__}: expected {width} columns, found {n_columns}")

    def _factors(self, table: Table) -> list[tuple[tuple[int, ...], Any]]:
        """(columns, distribution) pairs, independent of each other: a one-column family stands for each column alone."""
        if self.reads_block:
            return [(tuple(range(table.n_columns)), self)]
        return [((j,), self) for j in range(table.n_columns)]

    def _rejoin(self, factors: Sequence[Any], table: Table) -> Any:
        """The distribution made of new `factors`, in the order of :meth:`_factors`."""
        if len(factors) == 1:
            return factors[0]
        from mixtures.distributions.product import Product

        return Product(dict(zip(table.names, factors, strict=True))) if table.named else Product(*factors)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return sum([self._count(name) for name in self.parameters])

    def _count(self, name: str) -> int:
        """How many free numbers a parameter stands for."""
        return 1

    # What users call; written once on the engine. Imported late: the assembly of plates stands above the families.

    def log_prob(self, X: Any) -> Floats:
        """Log-density (or log-mass) of every row of X.

        Parameters
        ----------
        X : array (n,) or (n, 1), or frame of one column. NaN is a missing cell and gives 0.

        Returns
        -------
        array (n,), -inf outside the support.
        """
        from mixtures.standalone import log_prob

        self._require_complete()
        return log_prob(self, X)

    def fit(self, X: Any, sample_weight: Any = None) -> Self:
        """The member of this family that maximises the weighted likelihood of X, as a new object.

        Parameters
        ----------
        X : array (n,) or (n, 1), or frame of one column; missing cells are left out.
        sample_weight : array (n,) of finite weights >= 0, which mean repetition; None for 1.

        Raises
        ------
        DataError : X is empty, or holds a value outside the support; the message names column, row and value.
        """
        from mixtures.standalone import fit

        return fit(self, X, sample_weight)

    def log_prior(self) -> float:
        """Log-density of the parameters under the prior, 0 without one.

        A fit maximises the sum of the weighted log-densities of the rows and this; of a Normal, of mean and variance.
        """
        from mixtures.standalone import log_prior

        self._require_complete()
        return log_prior(self)

    def _scipy(self) -> tuple[Any, tuple[Any, ...], dict[str, Any]] | None:
        """Family of `scipy.stats` and its arguments, by place and by name, of the distribution that equals this one.

        A family gives these or overrides :meth:`to_scipy`. To freeze them takes 0.6 ms, some twenty times what a cdf takes.
        """
        return None

    def to_scipy(self) -> Any:
        """The frozen `scipy.stats` distribution that equals this one; source of samples, cdf, quantiles and moments."""
        named = self._scipy()
        if named is None:
            raise NotImplementedError(f"{type(self).__name__} has no equivalent in scipy.stats")
        family, places, names = named
        return family(*places, **names)

    def _asked(self, method: str, *values: Any) -> Any:
        """What a method of that distribution answers."""
        self._require_complete()
        named = self._scipy()
        with np.errstate(all="ignore"):  # scipy's formulas may pass through infinity with a warning and still be right
            if named is None:
                return getattr(self.to_scipy(), method)(*values)
            family, places, names = named
            return getattr(family, method)(*values, *places, **names)

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, 1)."""
        self._require_complete()
        random = generator_of(random_state)
        return np.asarray(self.to_scipy().rvs(size=n, random_state=random), dtype=float).reshape(n, 1)

    def cdf(self, x: Any) -> Floats:
        """Probability of a value <= x, elementwise."""
        return np.asarray(self._asked("cdf", x))

    def quantile(self, probability: Any) -> Floats:
        """Smallest value whose cdf reaches `probability`, elementwise."""
        return without_wrong_ends(self, probability, self._asked("ppf", probability))

    def _moment(self, which: str) -> float:
        return float(self._asked(which))
