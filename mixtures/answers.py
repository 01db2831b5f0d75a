"""What a fitted mixture is asked about the columns and rows it describes, as methods of the model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from mixtures.checks import read_weights
from mixtures.distributions.base import generator_of
from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError, ParameterError
from mixtures.frames import filled
from mixtures.imputation import impute_cells
from mixtures.leaves import Leaves
from mixtures.marginals import (
    conditional_components,
    find_column,
    find_columns,
    known_columns,
    marginal_components,
    one_row,
    updated_weights,
)
from mixtures.moments import moments
from mixtures.one_column_law import OneColumnLaw
from mixtures.outliers import p_values
from mixtures.output import in_callers_frame
from mixtures.separation import Overlap, entropies, overlap
from mixtures.table import Table


class Answers:
    """Marginals and conditionals, missing cells, laws of one column, outliers and separation of a model that has parameters."""

    @abstractmethod
    def _state(self) -> tuple[list[Any], Floats]:
        """Components and weights."""

    @abstractmethod
    def _table_of(self, X: Any) -> Table:
        """X as a table of the model's columns."""

    @abstractmethod
    def _n_threads(self) -> int:
        """How many threads a pass may use."""

    @abstractmethod
    def predict_proba(self, X: Any) -> Any:
        """Responsibilities (n, k)."""

    def _leaves(self, table: Table | None = None) -> Leaves:
        """What the components are made of, over the columns of a table or those that the model knows."""
        components, weights = self._state()
        names, named = known_columns(components, self) if table is None else (table.names, table.named)
        return Leaves.of(components, weights, names, named)

    # --- columns ---

    def marginal(self, columns: Any) -> Self:
        """The mixture of some columns, whatever the others are.

        Parameters
        ----------
        columns : name or position of a column, or a sequence of them; the new model's columns, in this order.

        Returns
        -------
        a fitted model of the same weights. Blocks of several columns are split exactly; of what a fit holds or ties, a split block
        remembers nothing.

        Raises
        ------
        DataError : there is no such column. ParameterError : a block's family has no closed form for a part of its columns.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import MultivariateNormal
        >>> model = GeneralMixtureModel([MultivariateNormal([0, 5], [[1, 0.5], [0.5, 4]])])
        >>> model.marginal(1).components_
        [Normal(mean=5.0, std=2.0)]
        """
        components, weights = self._state()
        names, named = known_columns(components, self)
        places = find_columns(columns, names, named)
        return self._over(marginal_components(components, names, named, places), weights, places, names, named)

    def condition(self, known: Mapping[Any, Any]) -> Self:
        """The mixture of the other columns in rows where some are known.

        Parameters
        ----------
        known : values of columns by name or position.

        Returns
        -------
        a fitted model over the other columns that the components describe, in their order. Component k is the old one given the
        values, and its weight the probability of that component given them.

        Raises
        ------
        DataError : a column is none of the model's, or its value is missing or of density zero under every component; or no column
            is left. ParameterError : a block's family has no closed form for a part of its columns.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Bernoulli, Normal, Product
        >>> model = GeneralMixtureModel([Product(x=Normal(0, 1), b=Bernoulli(0.9)), Product(x=Normal(5, 1), b=Bernoulli(0.1))])
        >>> model.condition({"b": 1}).weights_.round(6)
        array([0.9, 0.1])
        """
        components, weights = self._state()
        names, named = known_columns(components, self)
        if not isinstance(known, Mapping):
            raise ParameterError(f"known must be a mapping from columns to values, found {known!r}")
        listed = list(known)
        values: dict[int, Any] = {}
        for column in listed:
            place = find_column(column, names, named)
            if place in values:
                raise DataError(f"column {column!r} is given twice, by name and by position")
            values[place] = known[column]
        leaves = Leaves.of(components, weights, names, named)
        described = leaves.columns
        for column, place in zip(listed, values, strict=True):
            if place not in described:
                raise DataError(f"column {column!r}: no component describes it")
        places = [j for j in described if j not in values]
        if not places:
            raise DataError("expected at least one column that is not known, found values for all of them")
        row = one_row(values, names, named)
        new = updated_weights(leaves, row, values, len(components), self._n_threads()) if values else weights
        numbers = {j: float(row.numbers(j)[0]) if row.is_numeric(j) else value for j, value in values.items()}
        return self._over(conditional_components(components, names, named, numbers, places), new, places, names, named)

    def _over(self, components: list[Any], weights: Floats, places: list[int], names: list[str], named: bool) -> Self:
        """A fitted model of these components over some of the columns."""
        family: Any = type(self)
        model = family(components, weights=np.array(weights), n_jobs=getattr(self, "n_jobs", None))
        model.components_, model.weights_ = list(components), np.array(weights)
        model.n_features_in_ = len(places)
        if named:
            model.feature_names_in_ = np.array([names[j] for j in places], dtype=object)
        return model

    # --- missing cells ---

    def impute(self, X: Any, method: str = "mean", random_state: Any = None) -> Any:
        """X with its missing cells filled in from what the row's other cells say.

        Parameters
        ----------
        X : array (n, d) or (n,), or a frame, of the model's columns.
        method : "mean", "mode" or "draw".

            - "mean": of a real column the expected value given the row's observed cells; of whole numbers that value rounded, of
              angles the mean direction, of categories the most probable one.
            - "mode": the value of highest probability or density given the observed cells, cell by cell. Of a column with point
              masses the most probable of those, where one of them is at least as likely as not.
            - "draw": a row drawn from the mixture given the observed cells: its component first, then all missing cells
              together, so that what columns have in common stays.
        random_state : int, generator or None, for "draw".

        Returns
        -------
        X's kind of table, a copy: observed cells are X's own bits, types of columns stay. In columns of whole-number type numbers
        are rounded. Columns that no component describes stay as they are.

        Raises
        ------
        DataError : a row with missing cells has density zero under every component. ParameterError : a family has no mean, or its
            block no closed form for a part of its columns.

        Examples
        --------
        >>> import numpy as np
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import MultivariateNormal
        >>> model = GeneralMixtureModel([MultivariateNormal([0, 0], [[1, 0.5], [0.5, 1]])])
        >>> model.impute([[2.0, np.nan], [np.nan, np.nan]])
        array([[2., 1.],
               [0., 0.]])
        """
        if method not in ("mean", "mode", "draw"):
            raise ParameterError(f"method must be 'mean', 'mode' or 'draw', found {method!r}")
        table = self._table_of(X)
        cells = impute_cells(self._leaves(table), table, method, generator_of(random_state), self._n_threads())
        return filled(X, cells)

    # --- laws of one column ---

    def _law(self, method: str) -> OneColumnLaw:
        leaves = self._leaves()
        if len(leaves.names) != 1:
            raise ParameterError(
                f"{method}: expected a mixture of one column, found {len(leaves.names)}; ask that of a marginal(column)"
            )
        return OneColumnLaw([factors[0][1] for factors in leaves.factors], leaves.weights)

    def cdf(self, x: Any) -> Any:
        """Probability of a value <= x, elementwise, of a mixture of one column.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> GeneralMixtureModel([Normal(0, 1), Normal(4, 1)]).cdf([2.0]).round(6)
        array([0.5])
        """
        return self._law("cdf").cdf(x)[()]

    def sf(self, x: Any) -> Any:
        """Probability of a value > x, elementwise, of a mixture of one column: 1 - cdf, right in the upper tail."""
        return np.exp(self._law("sf").log_sf(x))[()]

    def quantile(self, q: Any) -> Any:
        """Smallest value with a cdf of at least q, elementwise, of a mixture of one column; for q = 0 the lower end of the support.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> GeneralMixtureModel([Normal(0, 1), Normal(4, 1)]).quantile([0.5]).round(6)
        array([2.])
        """
        return self._law("quantile").quantile(q)[()]

    @property
    def mean(self) -> Any:
        """Expected value, of several columns an array (d,) in the order of those that the components describe.

        Raises
        ------
        UndefinedError : a column holds categories, or a component has no finite mean.
        """
        leaves = self._leaves()
        found, _ = moments(leaves, leaves.columns, second=False)
        return float(found[0]) if len(leaves.columns) == 1 else found

    @property
    def variance(self) -> Any:
        """Variance, of several columns an array (d,)."""
        found = np.diagonal(np.atleast_2d(self.covariance)).copy()
        return float(found[0]) if len(found) == 1 else found

    @property
    def covariance(self) -> Any:
        """Covariance of the columns that the components describe, (d, d)."""
        leaves = self._leaves()
        return moments(leaves, leaves.columns)[1]

    # --- rows ---

    def outlier_p_values(self, X: Any, n_draws: int = 10_000, random_state: Any = None) -> Any:
        """Of every row, the probability that a row of the model is no more probable than it, by simulation.

            p = (1 + number of simulated rows of at most the row's log-density) / (n_draws + 1)

        A row with missing cells is compared with simulated rows that lack the same cells.

        Parameters
        ----------
        X : array (n, d), or a frame.
        n_draws : int >= 1, simulated rows; the least p-value is 1 / (n_draws + 1).
        random_state : int, generator or None.

        Returns
        -------
        array (n,), or as ``set_output`` says.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> p = GeneralMixtureModel([Normal(0, 1)]).outlier_p_values([0.0, 1.96, 9.0], random_state=0)
        >>> p.round(2)
        array([1.  , 0.05, 0.  ])
        """
        table = self._table_of(X)
        found = p_values(self._leaves(table), table, n_draws, generator_of(random_state), self._n_threads())
        return in_callers_frame(self, X, found, "p_value")

    def assignment_entropy(self, X: Any) -> Any:
        """Entropy of every row's assignment to the components, in nats, (n,): 0 where it is certain, at most log k.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> GeneralMixtureModel([Normal(0, 1), Normal(4, 1)]).assignment_entropy([2.0, 40.0]).round(6)
        array([0.693147, 0.      ])
        """
        return in_callers_frame(self, X, entropies(self._responsibilities(X)), "entropy")

    def relative_entropy(self, X: Any, sample_weight: Any = None) -> float:
        """1 - mean entropy of assignments / log k: 1 where all are certain, 0 where nothing is told (StepMix, Mplus)."""
        k = len(self._state()[1])
        return 1.0 - self._mean_entropy(X, sample_weight) / float(np.log(k)) if k > 1 else 1.0

    def entropy_r_squared(self, X: Any, sample_weight: Any = None) -> float:
        """1 - mean entropy of assignments / entropy of the weights: the part of what is not known of a row's component that its
        cells tell (Latent GOLD's entropy R-squared)."""
        _, weights = self._state()
        own = float(entropies(np.asarray(weights)[None, :])[0])
        return 1.0 - self._mean_entropy(X, sample_weight) / own if own > 0.0 else 1.0

    def _responsibilities(self, X: Any) -> Floats:
        return np.asarray(self.predict_proba(X), dtype=float)

    def _mean_entropy(self, X: Any, sample_weight: Any) -> float:
        found = entropies(self._responsibilities(X))
        weights = read_weights(sample_weight, len(found))
        return float(np.average(found, weights=weights))

    def overlap(self, n_draws: int = 10_000, random_state: Any = None) -> Overlap:
        """How often rows of one component are taken for those of another, by simulation from the model.

        Parameters
        ----------
        n_draws : int >= 1, rows drawn from each component.
        random_state : int, generator or None.

        Returns
        -------
        :class:`~mixtures.separation.Overlap`, with the definition of MixSim (Maitra & Melnykov 2010).

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> found = GeneralMixtureModel([Normal(0, 1), Normal(2, 1)]).overlap(random_state=0)
        >>> abs(found.probabilities[0, 1] - 0.158655) < 4 * found.standard_errors[0, 1]
        np.True_
        """
        _, weights = self._state()
        return overlap(self._leaves(), np.asarray(weights), n_draws, random_state, self._n_threads())
