"""Distributions of one column that exist in Python only: what those have in common, around two methods of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from mixtures.constraints import Interval
from mixtures.distributions.base import Declared, Floats, generator_of
from mixtures.exceptions import DataError, DegenerateWarning
from mixtures.table import Table
from mixtures.warn import warn


class OneColumn(Declared):
    """A distribution of one column whose density and fit are plain NumPy over arrays of observed values.

    A subclass writes ``_log_density`` and ``_fitted``; tables, frames, missing cells, weights of 0 and refusals of values that
    no fit could reach happen here. In a mixture the compiled loop calls it once a chunk of rows.
    """

    encoding: ClassVar[str] = "numbers"
    untold: tuple[str, ...] = ()
    """Parameters of a fitted distribution that ended at a bound, or where the likelihood does not depend on them."""

    @abstractmethod
    def _log_density(self, x: Floats) -> Floats:
        """Log-density of observed values (n,); -inf outside the support, infinities included."""

    @abstractmethod
    def _fitted(self, x: Floats, weights: Floats) -> Self:
        """A new distribution fitted to n >= 1 observed values of weights > 0."""

    @property
    def domain(self) -> Interval | None:
        """Values that a fit can make possible, whatever is learned; None where that is not known."""
        return None

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return 1

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return len(self.parameters)

    def _factors(self, table: Table) -> list[tuple[tuple[int, ...], Any]]:
        return [((j,), self) for j in range(table.n_columns)]

    def _rejoin(self, factors: Sequence[Any], table: Table) -> Any:
        if len(factors) == 1:
            return factors[0]
        from mixtures.distributions.product import Product

        return Product(dict(zip(table.names, factors, strict=True))) if table.named else Product(*factors)

    def log_prob(self, X: Any) -> Floats:
        """Log-density (or log-mass) of every row of X, shape (n,); a missing cell adds 0, a value outside the support is -inf."""
        self._require_complete()
        table = Table.read(X)
        out = np.zeros(table.n_rows)
        with np.errstate(all="ignore"):
            for j in range(table.n_columns):
                x = table.numbers(j)
                seen = ~np.isnan(x)
                out[seen] += self._log_density(x[seen])
        return out

    def fit(self, X: Any, sample_weight: Any = None) -> Any:
        """A new distribution of this form, fitted to X; over several columns, a product of one for each.

        Parameters
        ----------
        X : array (n,) or (n, d), or frame; missing cells are left out.
        sample_weight : array (n,) of finite weights >= 0, which mean repetition; None for 1.

        Raises
        ------
        DataError : X is empty, or holds a value that no parameters allow; the message names column, row and value.
        FitError : no parameters could be found; the message says what was tried.
        """
        from mixtures.checks import check_support, read_weights, without_zeros
        from mixtures.parts import take_apart

        table = Table.read(X)
        table, weights = without_zeros(table, read_weights(sample_weight, table.n_rows))
        parts = take_apart([self], table)
        check_support(parts, table)
        fitted = []
        for j in range(table.n_columns):
            x = table.numbers(j)
            seen = ~np.isnan(x)
            if not seen.any():
                raise DataError(f"{table.where(j)}: expected at least one observed value, found only missing cells")
            fitted.append(self._fitted(x[seen], np.ones(int(seen.sum())) if weights is None else weights[seen]))
            fitted[-1].warn_untold()
        return parts[0].join(fitted, table)

    def warn_untold(self) -> None:
        """Warn of parameters that the rows did not tell: at the end of a fit."""
        if self.untold:
            warn(
                f"{type(self).__name__}: the likelihood has no maximum in {', '.join(self.untold)}, but keeps rising towards a "
                "limit: held where rounding ends the climb. Hold that parameter, or use the family of the limit.",
                DegenerateWarning,
            )

    def _em_step(self, X: Any, sample_weight: Any = None) -> Any:
        """What a mixture does in its M-step: a fit to the rows that this distribution can have made.

        Only a start gives it others some weight; there they are left to the components that allow them.
        """
        x = Table.read(X).numbers(0)
        weights = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        with np.errstate(invalid="ignore"):
            seen = (weights > 0) & ~np.isnan(x)
            if self.domain is not None:
                seen &= np.asarray(self.domain.contains(x), dtype=bool)
        if not seen.any():
            self._require_complete()
            return self
        return self._fitted(x[seen], weights[seen])

    def cdf(self, x: Any) -> Floats:
        """Probability of a value <= x, elementwise."""
        raise NotImplementedError(f"{type(self).__name__} has no cdf")

    def quantile(self, probability: Any) -> Floats:
        """Smallest value whose cdf reaches `probability`, elementwise."""
        raise NotImplementedError(f"{type(self).__name__} has no quantile")

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, 1)."""
        self._require_complete()
        random = generator_of(random_state)
        return self._drawn(n, random).reshape(n, 1)

    def _drawn(self, n: int, random: Any) -> Floats:
        return self.quantile(random.uniform(size=n))


def weighted_quantiles(x: Floats, weights: Floats, levels: Any) -> Floats:
    """Values (m,) at which the weighted share of `x` reaches each level: the inverse of the empirical cdf."""
    order = np.argsort(x, kind="stable")
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, np.asarray(levels) * reached[-1] * (1 - 1e-15))
    return x[order][np.minimum(places, len(x) - 1)]
