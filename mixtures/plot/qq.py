"""Quantiles of the rows against those of the mixture: does it fit a column of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from scipy import special

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.plot import colours
from mixtures.plot.canvas import axes_for, axis_label, put_legend
from mixtures.plot.laws import quantiles_of
from mixtures.plot.rows import read_rows

MAX_POINTS = 1000


class QQDisplay:
    """Quantiles of a column of numbers against those of a mixture; on the diagonal where it fits. Make it with
    :meth:`from_estimator`.

    Parameters
    ----------
    levels : (m,), increasing between 0 and 1.
    observed, expected : (m,), quantiles of the rows and of the mixture at these.
    low, high : (m,), where `coverage` of the observed quantiles lie if the mixture is right, each by itself; or None.
    coverage : of the band.
    label : of the column.

    Attributes
    ----------
    ax_, figure_ : where it was drawn. points_ : line of the points. diagonal_ : line. band_ : filled area, or None. legend_.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Normal
    >>> from mixtures.plot import QQDisplay
    >>> display = QQDisplay.from_estimator(GeneralMixtureModel([Normal(5.0, 1.0)]), [4.0, 5.0, 6.0])
    >>> display.expected.round(3).tolist(), display.observed.tolist()
    ([4.033, 5.0, 5.967], [4.0, 5.0, 6.0])
    """

    def __init__(
        self,
        *,
        levels: Floats,
        observed: Floats,
        expected: Floats,
        low: Floats | None = None,
        high: Floats | None = None,
        coverage: float = 0.95,
        label: str = "x",
    ) -> None:
        self.levels, self.observed, self.expected = levels, observed, expected
        self.low, self.high, self.coverage, self.label = low, high, coverage, label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        column: Any = None,
        sample_weight: Any = None,
        coverage: float | None = 0.95,
        units: Mapping[Any, str] | None = None,
        ax: Any = None,
        legend: bool | None = None,
    ) -> Self:
        """Draw how a fitted mixture fits a column of X.

        Parameters
        ----------
        estimator : a :class:`~mixtures.GeneralMixtureModel`, fitted or with all parameters given.
        X : rows as it takes them; missing cells are left out. Of many rows 1,000 quantiles are drawn.
        column : name or place of a column of numbers; may be left out where there is one alone.
        sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None.
        coverage : of the band around the diagonal, which is exact for parameters that were not fitted to these rows, and else a
            little wide; None for no band. Order statistics of n uniforms are Beta(i, n - i + 1).
        units, ax, legend : as in :meth:`DensityDisplay.from_estimator`.

        Raises
        ------
        NotFittedError : the estimator has not been fitted. ParameterError : an argument is wrong, or the column holds counts or
            categories,
        which :class:`RootogramDisplay` is for. DataError : X cannot be used, or a component has no cdf.
        """
        if coverage is not None and not (isinstance(coverage, (int, float)) and 0.0 < coverage < 1.0):
            raise ParameterError(f"coverage must lie between 0 and 1, or be None, found {coverage!r}")
        rows = read_rows(estimator, X, sample_weight, units)
        place = rows.place(column)
        model = rows.over([place])
        if rows.kind(place) != "numbers":
            raise ParameterError(f"{rows.table.where(place)} holds {rows.kind(place)}: show their fit with RootogramDisplay")
        values, weights = rows.observed(place)
        order = np.argsort(values, kind="stable")
        values, reached = values[order], np.cumsum(weights[order])
        total = float(reached[-1])
        # A row of weight w stands for w equal rows, and is drawn at the middle of theirs.
        levels = (reached - weights[order] / 2) / total
        if len(values) > MAX_POINTS:
            wanted = (np.arange(MAX_POINTS) + 0.5) / MAX_POINTS
            places = np.unique(np.concatenate([[0], np.searchsorted(levels, wanted).clip(0, len(values) - 1), [len(values) - 1]]))
            values, levels = values[places], levels[places]
        ends = float(values[0]), float(values[-1])
        expected = quantiles_of(model, levels, *ends)
        low = high = None
        if coverage is not None:
            rank = levels * total
            tail = (1.0 - coverage) / 2.0
            beta = [special.betaincinv(rank + 0.5, total - rank + 0.5, p) for p in (tail, 1.0 - tail)]
            low, high = (quantiles_of(model, np.clip(p, 1e-12, 1.0 - 1e-12), *ends) for p in beta)
        label = rows.labels[place]
        display = cls(levels=levels, observed=values, expected=expected, low=low, high=high, coverage=coverage or 0.95, label=label)
        return display.plot(ax, legend=legend)

    def plot(self, ax: Any = None, *, legend: bool | None = None) -> Self:
        """Draw it, on new axes or on those given; returns itself."""
        self.figure_, self.ax_, new = axes_for(ax, (6.4, 4.8))
        ax = self.ax_
        ink = colours.ink(ax)
        ends = np.array([min(self.expected[0], self.observed[0]), max(self.expected[-1], self.observed[-1])])
        self.band_ = None
        if self.low is not None and self.high is not None:
            label = f"{100 * self.coverage:g}% of each quantile"
            style = {"color": colours.colour(4), "alpha": 0.35, "linewidth": 0.0}
            self.band_ = ax.fill_between(self.expected, self.low, self.high, label=label, **style)
        self.diagonal_ = ax.plot(ends, ends, color=ink, linewidth=1.2, linestyle="--", label="perfect fit")[0]
        size = 4.5 if len(self.observed) < 300 else 3.0
        self.points_ = ax.plot(self.expected, self.observed, "o", color=colours.colour(3), markersize=size, label="rows")[0]
        pad = 0.04 * float(ends[1] - ends[0]) or 0.5
        ax.set_xlim(ends[0] - pad, ends[1] + pad)
        ax.set_ylim(ends[0] - pad, ends[1] + pad)
        ax.set_xlabel(axis_label(f"{self.label}, quantiles of the mixture"))
        ax.set_ylabel(axis_label(f"{self.label}, quantiles of the rows"))
        self.legend_ = put_legend(ax, new, legend)
        return self
