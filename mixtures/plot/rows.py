"""Rows as displays see them: columns of a table, weights, and which of many rows are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.checks import read_weights
from mixtures.contents import labels_of
from mixtures.distributions.one_column import weighted_quantiles
from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError, ParameterError
from mixtures.model import GeneralMixtureModel
from mixtures.pieces import header_of, mixture_over, modelled, place_of, state_of
from mixtures.profiles import categories_of, kind_of
from mixtures.table import Table

SEED = 0  # of which rows are shown, and of jitter: the same picture every time
LARGEST_LATTICE = 100
"""Counts that span more than this are drawn as numbers are."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A mixture and rows under it.

    Attributes
    ----------
    components, mixing : the mixture's, k each.
    table : the rows.
    labels : what its columns are called, with their units.
    weights : (n,), 1 where none were given.
    outputs : what was asked of the mixture about every row.
    """

    components: list[Any]
    mixing: Floats
    table: Table
    labels: list[str]
    weights: Floats
    outputs: dict[str, Any]

    def place(self, column: Any) -> int:
        """The place of one column, which may be left out where there is one alone."""
        own = modelled(self.components, self.table)
        if column is None:
            if len(own) != 1:
                raise ParameterError(f"expected a column to show, since the model has {len(own)}: {self.named(own)}")
            return own[0]
        place = place_of(column, self.table)
        if place not in own:
            raise ParameterError(f"the model says nothing of {self.table.where(place)}; it has {self.named(own)}")
        return place

    def places(self, columns: Any, n: int) -> list[int]:
        """The places of n columns, which may be left out where there are no others."""
        own = modelled(self.components, self.table)
        if columns is None:
            if len(own) != n:
                raise ParameterError(f"expected {n} columns to show, since the model has {len(own)}: {self.named(own)}")
            return own
        if isinstance(columns, str) or not isinstance(columns, Sequence) or len(columns) != n:
            raise ParameterError(f"columns must be {n} names or places of columns, found {columns!r}")
        found = [self.place(column) for column in columns]
        if len(set(found)) != n:
            raise ParameterError(f"columns must differ, found {columns!r}")
        return found

    def named(self, places: Sequence[int]) -> str:
        """Some columns, in an error."""
        shown = ", ".join(repr(self.table.names[j]) if self.table.named else str(j) for j in places[:12])
        return f"{shown} ..." if len(places) > 12 else shown

    def over(self, places: Sequence[int]) -> GeneralMixtureModel:
        """The mixture over some columns alone."""
        return mixture_over(self.components, self.mixing, self.table, places)

    def pieces(self, place: int) -> Sequence[Any]:
        """What the components say of one column alone; nothing where a joint family has no such density."""
        try:
            found: Sequence[Any] = self.over([place]).components
        except DataError:
            return ()
        return found

    def kind(self, place: int) -> str:
        """What one column holds, by what the components say of it: "categories", "counts" or "numbers"."""
        return kind_of(self.pieces(place))

    def observed(self, place: int) -> tuple[Floats, Floats]:
        """Cells of a column of numbers that are not missing, of rows of weight > 0, and these weights."""
        cells = self.table.numbers(place)
        seen = ~np.isnan(cells) & (self.weights > 0)
        if not seen.any():
            raise DataError(f"{self.table.where(place)}: expected at least one observed value to show, found none")
        return cells[seen], self.weights[seen]

    def categories(self, place: int, model: GeneralMixtureModel) -> tuple[Any, ...]:
        """The categories of the mixture over a column, then those of the rows that it does not know."""
        known = categories_of(model.components)
        return (*known, *[category for category in self.table.categories(place) if category not in known])

    def counts(self, place: int, categories: Sequence[Any]) -> Floats:
        """Weight of the rows of every category, shape (number of categories,)."""
        codes = self.table.codes(place, tuple(categories))
        seen = ~np.isnan(codes) & (self.weights > 0)
        if not seen.any():
            raise DataError(f"{self.table.where(place)}: expected at least one observed value to show, found none")
        return np.asarray(np.bincount(codes[seen].astype(np.int64), self.weights[seen], minlength=len(categories)), dtype=float)

    def most_probable(self) -> npt.NDArray[np.int64]:
        """Component of every row, -1 where all have density zero."""
        labels: npt.NDArray[np.int64] = np.where(self.outputs["density"] == -np.inf, -1, self.outputs["labels"])
        return labels


def read_rows(model: Any, X: Any, sample_weight: Any, units: Mapping[Any, str] | None, *wanted: str) -> Rows:
    """Rows under a mixture, checked as the mixture checks them.

    Raises
    ------
    NotFittedError : the mixture has not been fitted. ParameterError : it is none. DataError : X or its weights cannot be used.
    """
    components, mixing = state_of(model)
    outputs = model._evaluate(X, *dict.fromkeys(("density", *wanted)))
    table = Table.read(X)
    weights = read_weights(sample_weight, table.n_rows)
    if not table.named and hasattr(model, "feature_names_in_"):
        table.names, table.named = header_of(model).names, True  # an array for a model that was fitted to a frame
    weights = np.ones(table.n_rows) if weights is None else weights
    return Rows(components, mixing, table, labels_of(table, units), weights, outputs)


def shown_of(candidates: npt.NDArray[np.bool_], max_rows: int) -> npt.NDArray[np.int64]:
    """At most `max_rows` of the rows that can be shown, drawn without favour where there are more, in their order."""
    if not isinstance(max_rows, (int, np.integer)) or max_rows < 1:
        raise ParameterError(f"max_rows must be a whole number >= 1, found {max_rows!r}")
    rows = np.flatnonzero(candidates)
    if len(rows) <= max_rows:
        return rows
    return np.sort(np.random.default_rng(SEED).choice(rows, max_rows, replace=False))


def thinned_words(n_shown: int, n_rows: int) -> str | None:
    """That not all rows are shown, in words for a legend; None where all are."""
    return None if n_shown >= n_rows else f"{n_shown:,} of {n_rows:,} rows"


def jittered(values: Floats, kind: str, axis: int = 0) -> Floats:
    """Counts moved sideways by less than half, so that equal ones can be told from one; other numbers as they are.

    Along another axis equal rows move differently.
    """
    if kind == "numbers" or not len(values) or np.ptp(values) > LARGEST_LATTICE:
        return values
    return values + np.random.default_rng(SEED + 1 + axis).uniform(-0.25, 0.25, len(values))


def tally(x: Floats, values: Floats, weights: Floats) -> tuple[Floats, float]:
    """Weight of the values at each of x (m,), increasing, and of those at none of them."""
    places = np.minimum(np.searchsorted(x, values), len(x) - 1)
    found = x[places] == values
    counts = np.asarray(np.bincount(places[found], weights[found], minlength=len(x)), dtype=float)
    return counts, float(weights[~found].sum())


def bin_edges(values: Floats, weights: Floats, bins: Any = None, whole: bool = False) -> Floats:
    """Edges of a histogram: as many as asked for, or of the width of Freedman & Diaconis (1981)
    or less, rows counted by their weights."""
    if bins is not None and not isinstance(bins, (int, np.integer)):
        return np.asarray(np.histogram_bin_edges(values, bins), dtype=float)
    low, high = float(values.min()), float(values.max())
    span = high - low
    if bins is not None:
        if bins < 1:
            raise ParameterError(f"bins must be a whole number >= 1 or edges, found {bins!r}")
        count = int(bins)
    else:
        total = float(weights.sum())
        lower, upper = weighted_quantiles(values, weights, [0.25, 0.75])
        width = 2.0 * (upper - lower) / max(total, 1.0) ** (1 / 3)
        # Of several clusters the quartiles lie far apart, and the rule would hide them.
        least = min(np.sqrt(total), 30.0)
        count = int(np.clip(max(np.ceil(span / width) if width > span / 1000 else 5.0, least), 5, 80))
    if not span > 16 * np.spacing(max(abs(low), abs(high))):  # one value
        half = max(0.5, 1e-3 * abs(low))
        return np.array([low - half, low + half])
    if whole:
        step = max(1, round(span / count))
        return np.arange(low - 0.5, high + step + 0.5, step)
    return np.linspace(low, high, count + 1)
