"""A distribution some of whose parameters all components of a mixture share.

Of components that tie a parameter, an M-step gives all of them the one value that is the maximum of the sum of their weighted
log-likelihoods, or a step of it that does not lower that sum; each family's file says how. The mixture's likelihood never falls,
and its `n_parameters` counts the value once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixtures.distributions.wrapped import Constrained, computed
from mixtures.exceptions import ParameterError


class Tied(Constrained):
    """A distribution with parameters that it shares with the other components of a mixture that tie them.

    Parameters
    ----------
    base : a distribution of the package.
    *names : names of the parameters to share.

    Notes
    -----
    A parameter is shared by the components of one family that tie it on the same columns, as themselves or as factors of a
    :class:`~mixtures.distributions.Product`. They must stand next to each other among the mixture's components, and be two at
    least; a mixture in which they do not is refused. Others of that family among them, which do not tie, go their own way.
    Where components bring different values for what they share there is no start: that is refused, too.
    ``Tied(Frozen(Normal(mean=0.0)), "std")`` holds its own mean and shares its std. On its own it is as its base.

    Examples
    --------
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Laplace
    >>> model = GeneralMixtureModel(Tied(Laplace(), "scale"), 2, random_state=0).fit([0.0, 1.0, 2.0, 90.0, 94.0, 95.0])
    >>> sorted((component.base.location, component.base.scale) for component in model.components_)
    [(1.0, 1.1666666666666667), (94.0, 1.1666666666666667)]
    >>> model.n_parameters
    4
    """

    def __init__(self, base: Any, *names: str) -> None:
        super().__init__(base)
        if not names:
            raise ParameterError(f"Tied: expected names of parameters of {base!r} to share, found none")
        able = base.parameters if base.ties is not None else ()
        able = [name for name in able if base.tieable is None or name in base.tieable]
        for name in names:
            if name not in base.parameters:
                raise ParameterError(f"Tied: {base!r} learns the parameters {list(base.parameters)}, found {name!r}")
            if name not in able:
                known = f"only {', '.join(able)}" if able else "no parameter"
                raise ParameterError(f"Tied: {type(base).__name__} can share {known} between components, found {name!r}")
        shared = {*names, *base.tied_names}
        vars(self)["tied_names"] = tuple(name for name in base.parameters if name in shared)

    tied_names: tuple[str, ...] = ()  # hides the property of the protocol: here it is a value of every instance
    keeps_plates = True
    held = computed(lambda self: self.base.held)
    ties = computed(lambda self: self.base.ties)
    tieable = computed(lambda self: self.base.tieable)

    @property
    def _plate_kind(self):
        return self.base._plate_kind

    def __repr__(self) -> str:
        return f"Tied({self.base!r}, {', '.join(map(repr, self.tied_names))})"

    def __reduce__(self) -> Any:
        return Tied, (self.base, *self.tied_names)

    def _around(self, base: Any, **arguments: Any) -> Tied:
        return Tied(base, *self.tied_names)

    def _covering(self, table, columns, held=()):
        return self._around(self.base._covering(table, columns, held))

    def _bind(self, table, column):
        return self._around(self.base._bind(table, column))

    def _completed(self, table, columns):
        return self._around(self.base._completed(table, columns))

    def _start(self, column):
        return self._around(self.base._start(column))

    def _pack(self, column):
        packed = np.array(self.base._pack(column), dtype=float)
        packed[self.base.ties] = sum(1 << self._places[name] for name in self.tied_names)
        return packed.tolist()

    def _unpack(self, row, column):
        return self._around(self.base._unpack(row, column))
