"""A distribution some or all of whose parameters a fit leaves as they are.

The other parameters are the weighted maximum likelihood given those that are held: a Normal with a known mean learns its
variance about that mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixtures._numba import jit
from mixtures.distributions.base import Kernels
from mixtures.distributions.wrapped import Transparent, Wrapped, computed
from mixtures.exceptions import ParameterError


@jit
def _nothing(parameters, x, responsibilities, statistics):
    pass


@jit
def _stay(statistics, parameters):
    return 0


class Frozen(Transparent):
    """A distribution with parameters that are known, and stay as they are in every fit.

    Parameters
    ----------
    base : a distribution of the package.
    *held : names of the parameters to hold; without any, all that `base` has a value for.

    Notes
    -----
    Held parameters are not counted in ``n_parameters``. Entries of a vector or a matrix are held together.

    Examples
    --------
    >>> from mixtures.distributions import Normal
    >>> Frozen(Normal(mean=0.0)).fit([3.0, -3.0, 3.0, 3.0])
    Frozen(Normal(mean=0.0, std=3.0), 'mean')
    >>> Frozen(Normal(0.0, 1.0)).fit([5.0, 6.0])
    Frozen(Normal(mean=0.0, std=1.0), 'mean', 'std')
    """

    def __init__(self, base: Any, *held: str) -> None:
        super().__init__(base)
        names = list(base.parameters)
        values = base.parameter_values()
        for name in held:
            if name not in names:
                raise ParameterError(f"Frozen: {type(base).__name__} has the parameters {names}, found {name!r}")
            if values[name] is None:
                raise ParameterError(f"Frozen: {name} of {base!r} must have a value to be held at")
        chosen = tuple(name for name in names if (name in held if held else values[name] is not None))
        if not chosen:
            raise ParameterError(f"Frozen: expected a distribution with a parameter to hold, found {base!r}")
        if not (len(chosen) == len(names) or base.held is not None):
            raise ParameterError(f"Frozen: {type(base).__name__} can only hold all its parameters {names}, found {chosen}")
        vars(self)["held_names"] = chosen

    held_names: tuple[str, ...]

    @computed
    def parameters(self):
        """Those of the base that are not held."""
        return {name: constraint for name, constraint in self.base.parameters.items() if name not in self.held_names}

    @property
    def atoms(self) -> tuple[float, ...]:
        """Those of a base that is a point mass; no attribute of others."""
        found: tuple[float, ...] = self.base.atoms
        return found

    def __repr__(self) -> str:
        return f"Frozen({self.base!r}, {', '.join(map(repr, self.held_names))})"

    def __reduce__(self) -> Any:
        return Frozen, (self.base, *self.held_names)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to learn."""
        is_all = isinstance(self.base, Transparent) or not isinstance(self.base, Wrapped)  # that the base learns
        return is_all and len(self.held_names) == len(self.base.parameters)

    def _covering(self, table, columns, held=()):
        return Frozen(self.base._covering(table, columns, self.held_names), *self.held_names)

    @computed
    def kernels(self):
        own = self.base.kernels
        return Kernels(own.prepare, own.log_prob, _nothing, _stay) if self.is_whole else own

    @property
    def _plate_kind(self):
        # Where only some are held, a mask says which: the base's own kernels serve both.
        return (Frozen, self.base._plate_kind) if self.is_whole else self.base._plate_kind

    @property
    def n_parameters(self) -> int:
        """Those of the base that are not held."""
        return int(self.base.n_parameters) - sum(self.base._count(name) for name in self.held_names)

    def _with(self, base: Any) -> Frozen:
        """`base` with this one's values of what is held: to the last bit."""
        values = self.base.parameter_values()
        return self._around(base.replaced(**{name: values[name] for name in self.held_names}))

    def _around(self, base: Any, **arguments: Any) -> Frozen:
        return Frozen(base, *self.held_names)

    def _completed(self, table, columns):
        return self._with(self.base._completed(table, columns))

    def _start(self, column):
        return self._with(self.base._start(column))

    def _coordinates(self, column):
        return () if self.is_whole else self.base._coordinates(column)

    def _pack(self, column):
        packed = np.array(self.base._pack(column), dtype=float)
        if not self.is_whole:
            packed[self.base.held] = sum(1 << place for place, name in enumerate(self.base.parameters) if name in self.held_names)
        return packed.tolist()

    def _unpack(self, row, column):
        return self if self.is_whole else self._with(self.base._unpack(row, column))

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
