"""Product of distributions over the columns of a table, independent of each other.

    log f(x) = sum over factors of log f_j(x_j),

so the weighted maximum likelihood of the product is that of each factor on its own columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mixtures.distributions.base import Declared, generator_of
from mixtures.distributions.scipy_distribution import as_distribution
from mixtures.exceptions import DataError, ParameterError
from mixtures.table import Table


class Product(Declared):
    """Distribution of a table whose columns are independent, each (or each block) of its own family.

    Parameters
    ----------
    *factors : distributions, by position: factor j is for column j.
    **named : distributions by column name. Names that are no identifiers, and blocks of columns, go in one mapping:
        ``Product({("height", "weight"): block, "smoker": Bernoulli()})``; its keys are names or positions.

    Notes
    -----
    Columns of a frame that no factor names are left out. A factor over a block receives its columns in the key's order.

    Examples
    --------
    >>> from mixtures.distributions import Normal, Poisson
    >>> Product(Normal(0, 1), Poisson(2)).log_prob([[0.0, 0.0]]).round(6)
    array([-2.918939])
    >>> Product(age=Normal(), visits=Poisson())
    Product(age=Normal(), visits=Poisson())
    """

    def __init__(self, *factors: Any, **named: Any) -> None:
        if len(factors) == 1 and isinstance(factors[0], Mapping):
            if named:
                raise ParameterError("Product: give factors by position, by name or in one mapping, not in two ways")
            items = list(factors[0].items())
        elif factors and named:
            raise ParameterError("Product: give factors by position, by name or in one mapping, not in two ways")
        else:
            items = list(named.items()) if named else list(enumerate(factors))
        if not items:
            raise ParameterError("Product: expected at least one factor, found none")
        seen: set[Any] = set()
        items = [(key, as_distribution(factor)) for key, factor in items]
        for key, factor in items:
            if isinstance(factor, type):
                raise ParameterError(f"Product: factor {key!r} must be a distribution, found a class: write {factor.__name__}()")
            if not (hasattr(factor, "log_prob") and hasattr(factor, "fit")):
                raise ParameterError(f"Product: factor {key!r} must have log_prob and fit, found {factor!r}")
            for column in key if isinstance(key, tuple) else (key,):
                if column in seen:
                    raise ParameterError(f"Product: column {column!r} has two factors")
                seen.add(column)
        object.__setattr__(self, "factors", dict(items))

    factors: dict[Any, Any]

    def __reduce__(self) -> Any:
        return Product, (self.factors,)

    def __hash__(self) -> int:
        return hash(tuple(self.factors.items()))

    def __repr__(self) -> str:
        keys = list(self.factors)
        values = [repr(factor) for factor in self.factors.values()]
        if keys == list(range(len(keys))):
            return f"Product({', '.join(values)})"
        if all(isinstance(key, str) and key.isidentifier() for key in keys):
            return f"Product({', '.join(f'{key}={value}' for key, value in zip(keys, values, strict=True))})"
        return f"Product({{{', '.join(f'{key!r}: {value}' for key, value in zip(keys, values, strict=True))}}})"

    @property
    def is_complete(self) -> bool:
        """Whether every factor is."""
        return all(getattr(factor, "is_complete", True) for factor in self.factors.values())

    def _require_complete(self) -> None:
        for factor in self.factors.values():
            if hasattr(factor, "_require_complete"):
                factor._require_complete()

    @property
    def n_parameters(self) -> int:
        """Sum over factors."""
        return sum(factor.n_parameters for factor in self.factors.values())

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return sum(len(key) if isinstance(key, tuple) else 1 for key in self.factors)

    def _factors(self, table: Table) -> list[tuple[tuple[int, ...], Any]]:
        keys = [key if isinstance(key, tuple) else (key,) for key in self.factors]
        width = sum(map(len, keys))
        if table.n_columns != width and all(isinstance(column, int) for key in keys for column in key):
            raise DataError(f"Product: expected {width} columns, which its factors name by position, found {table.n_columns}")
        places = [tuple([_position(column, table) for column in key]) for key in keys]
        return list(zip(places, self.factors.values(), strict=True))

    def _rejoin(self, factors: Any, table: Table) -> Product:
        return self._trusted(factors=dict(zip(self.factors, factors, strict=True)))

    def log_prob(self, X: Any) -> Any:
        """Log-density of every row of X, shape (n, d) or a frame: the sum over factors; a missing cell adds 0."""
        from mixtures.standalone import log_prob

        self._require_complete()
        return log_prob(self, X)

    def log_prior(self) -> float:
        """Log-density of the factors' parameters under their priors: the sum over factors."""
        return float(sum(factor.log_prior() for factor in self.factors.values() if hasattr(factor, "log_prior")))

    def fit(self, X: Any, sample_weight: Any = None) -> Product:
        """The product of this form that maximises the weighted likelihood of X, as a new object."""
        from mixtures.standalone import fit

        return fit(self, X, sample_weight)

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, d), columns by position, or in the order of the factors where they have names."""
        self._require_complete()
        random = generator_of(random_state)
        drawn = np.hstack([factor.sample(n, random) for factor in self.factors.values()])
        columns = [column for key in self.factors for column in (key if isinstance(key, tuple) else (key,))]
        return drawn[:, np.argsort(columns)] if all(isinstance(column, int) for column in columns) else drawn


def _position(column: Any, table: Table) -> int:
    if isinstance(column, int) and not isinstance(column, bool):
        if not -1 < column < table.n_columns:
            raise DataError(f"Product: expected a column {column}, found a table of {table.n_columns} columns")
        return column
    if not table.named or column not in table.names:
        found = f"columns {table.names}" if table.named else "a table without column names"
        raise DataError(f"Product: expected a column named {column!r}, found {found}")
    return table.names.index(column)
