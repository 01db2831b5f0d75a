"""Hanging rootogram: does a mixture fit counts or categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.plot import colours
from mixtures.plot.canvas import axes_for, axis_label, category_labels, put_categories, put_legend
from mixtures.plot.grids import component_densities, lattice
from mixtures.plot.rows import read_rows, tally
from mixtures.profiles import masses

LIMIT = 1.0
"""Of the square roots, beyond which a bar's end is worth a look: two standard deviations of a count's square root, 1/2 each
(Tukey 1977)."""


class RootogramDisplay:
    """Observed frequencies hanging from those that a mixture expects, both as square roots, whose errors are all alike.

    Bars that do not reach the zero line show values that are too rare in the rows, bars that reach below it such as are too
    frequent; between the two thin lines at +1 and -1 that may be chance (Kleiber & Zeileis 2016). Make it with
    :meth:`from_estimator`.

    Parameters
    ----------
    x : (m,), counts, or categories.
    observed, expected : (m,), frequencies: weights of rows.
    label : of the column.
    left_out : weight of the rows that are no whole numbers, which have no bar; the legend tells.
    is_category : whether `x` are categories. is_flag : whether they are zero and one.

    Attributes
    ----------
    ax_, figure_ : where it was drawn. bars_ : container of the hanging bars. line_ : square roots of what is expected. legend_.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Bernoulli
    >>> from mixtures.plot import RootogramDisplay
    >>> display = RootogramDisplay.from_estimator(GeneralMixtureModel([Bernoulli(0.25)]), [0, 0, 1, 1])
    >>> display.observed.tolist(), display.expected.tolist()
    ([2.0, 2.0], [3.0, 1.0])
    """

    def __init__(
        self,
        *,
        x: Any,
        observed: Floats,
        expected: Floats,
        label: str = "x",
        is_category: bool = False,
        is_flag: bool = False,
        left_out: float = 0.0,
    ) -> None:
        self.x, self.observed, self.expected, self.label = x, observed, expected, label
        self.is_category, self.is_flag, self.left_out = is_category, is_flag, left_out

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        column: Any = None,
        sample_weight: Any = None,
        units: Mapping[Any, str] | None = None,
        ax: Any = None,
        legend: bool | None = None,
    ) -> Self:
        """Draw how a fitted mixture fits a column of counts or categories of X.

        Parameters
        ----------
        estimator : a :class:`~mixtures.GeneralMixtureModel`, fitted or with all parameters given.
        X : rows as it takes them; missing cells are left out.
        column : name or place of the column; may be left out where there is one alone.
        sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None.
        units, ax, legend : as in :meth:`DensityDisplay.from_estimator`.

        Raises
        ------
        NotFittedError : the estimator has not been fitted. ParameterError : an argument is wrong, or the column holds numbers,
            which
        :class:`QQDisplay` is for, or counts from a range of more than 2,000. DataError : X cannot be used.
        """
        rows = read_rows(estimator, X, sample_weight, units)
        place = rows.place(column)
        model = rows.over([place])
        kind = rows.kind(place)
        if kind == "numbers":
            raise ParameterError(f"{rows.table.where(place)} holds numbers that are no counts: show their fit with QQDisplay")
        common: dict[str, Any] = {"label": rows.labels[place], "is_category": kind == "categories"}
        if kind == "categories":
            categories = rows.categories(place, model)
            observed = rows.counts(place, categories)
            equal = rows.over([place])
            equal.weights = None
            expected = rows.mixing @ masses(equal, categories) * observed.sum()
            return cls(x=list(categories), observed=observed, expected=expected, is_flag=categories == (0, 1), **common).plot(
                ax, legend=legend
            )
        values, weights = rows.observed(place)
        x = lattice(values, model.components)
        if len(x) > 1 and x[1] - x[0] > 1:
            raise ParameterError(
                f"{rows.table.where(place)}: counts from {values.min():.0f} to {values.max():.0f} are too many bars to see"
            )
        observed, common["left_out"] = tally(x, values, weights)
        expected = component_densities(model, x).sum(axis=1) * weights.sum()
        return cls(x=x, observed=observed, expected=expected, **common).plot(ax, legend=legend)

    def plot(self, ax: Any = None, *, legend: bool | None = None) -> Self:
        """Draw it, on new axes or on those given; returns itself."""
        self.figure_, self.ax_, new = axes_for(ax)
        ax = self.ax_
        ink = colours.ink(ax)
        x = np.arange(len(self.x), dtype=float) if self.is_category else np.asarray(self.x, dtype=float)
        top, length = np.sqrt(self.expected), np.sqrt(self.observed)
        width = 0.8 if len(x) <= 40 else 1.0
        style = {"color": colours.colour(4), "edgecolor": colours.paper(ax), "linewidth": 0.5 if len(x) <= 40 else 0.0}
        label = "rows, hanging" + (f" ({self.left_out:,.4g} not whole)" if self.left_out else "")
        self.bars_ = ax.bar(x, length, width, bottom=top - length, label=label, **style)
        marker = "o" if len(x) <= 60 else None
        self.line_ = ax.plot(x, top, color=colours.colour(3), marker=marker, markersize=4.5, linewidth=2.0, label="mixture")[0]
        if self.is_category:
            self.line_.set_linestyle("none")
        ax.axhline(0.0, color=ink, linewidth=1.2)
        ax.axhline(-LIMIT, color=ink, linewidth=0.8, linestyle=":", label="± 1")
        ax.axhline(LIMIT, color=ink, linewidth=0.8, linestyle=":")
        ax.set_xlim(x[0] - 0.7, x[-1] + 0.7)
        ax.set_xlabel(axis_label(self.label))
        ax.set_ylabel("square root of frequency")
        if self.is_category:
            put_categories(ax, category_labels(self.x, self.is_flag))
        else:
            ax.xaxis.get_major_locator().set_params(integer=True)
        self.legend_ = put_legend(ax, new, legend)
        return self
