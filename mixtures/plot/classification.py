"""How certain the assignment of rows to components is: along one column, in the plane of two, or row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.extras import import_extra
from mixtures.pieces import modelled
from mixtures.plot import colours
from mixtures.plot.canvas import axes_for, axis_label, component_label, opacity, put_categories, put_legend
from mixtures.plot.canvas import category_labels as names_of
from mixtures.plot.contour import MAX_ROWS
from mixtures.plot.grids import component_densities, lattice, points_between, range_of
from mixtures.plot.rows import Rows, jittered, read_rows, shown_of, thinned_words

N_GRID = 200
MAX_STEPS = 1000


class ClassificationDisplay:
    """The component that every row most probably comes from, and how uncertain that is.

    The uncertainty of a row is 1 less the probability of its most probable component (Fraley & Raftery 2002). Three kinds of
    pictures, made by :meth:`from_estimator`:

    - "curves", of a model of one column: the probability of every component along it, above the rows;
    - "plane", of two columns: rows coloured by component, the larger the more uncertain, with rings around the most uncertain
      ones; where the model has no other columns, over the regions of the components;
    - "rows", of more columns: the rows of every component in order of the probability of that component.

    Parameters
    ----------
    kind : "curves", "plane" or "rows".
    labels : (n,), component of every row shown; -1 where all have density zero.
    uncertainties : (n,).
    weights : (k,), of the components.
    points : (n, 1) or (n, 2), where rows are drawn; (n, 0) for "rows".
    names : of the columns.
    grid : of "curves" values (m,) and probabilities (m, k); of "plane" x (a,), y (b,) and components (b, a); or None.
    categories : of a column of categories, whose numbers are the places in it; or ().
    kinds : "numbers", "counts" or "categories", one a column.
    row_weights : (n,), of the rows shown.
    n_rows : of which these are; the legend tells where they are more.

    Attributes
    ----------
    ax_, figure_ : where it was drawn. artists_ : per component what shows it: a line, points or a filled area. rings_ : of
        "plane" the rings around uncertain rows, or None. regions_ : of "plane" the image of the regions, or None. legend_.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Normal
    >>> from mixtures.plot import ClassificationDisplay
    >>> model = GeneralMixtureModel([Normal(0.0, 1.0), Normal(6.0, 1.0)])
    >>> display = ClassificationDisplay.from_estimator(model, [0.0, 3.0, 6.0])
    >>> display.kind, display.uncertainties.round(2).tolist()
    ('curves', [0.0, 0.5, 0.0])
    """

    def __init__(
        self,
        *,
        kind: str,
        labels: npt.NDArray[np.int64],
        uncertainties: Floats,
        weights: Floats,
        points: Floats,
        names: Sequence[str] = (),
        grid: Any = None,
        categories: Sequence[Any] = (),
        kinds: Sequence[str] = (),
        row_weights: Floats | None = None,
        n_rows: int | None = None,
    ) -> None:
        self.kind, self.labels, self.uncertainties, self.weights = kind, labels, uncertainties, weights
        self.points, self.names, self.grid, self.categories = points, tuple(names), grid, tuple(categories)
        self.kinds = tuple(kinds) or ("numbers",) * points.shape[1]
        self.row_weights = np.ones(len(labels)) if row_weights is None else row_weights
        self.n_rows = len(labels) if n_rows is None else n_rows

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        columns: Any = None,
        sample_weight: Any = None,
        max_rows: int = MAX_ROWS,
        units: Mapping[Any, str] | None = None,
        ax: Any = None,
        legend: bool | None = None,
    ) -> Self:
        """Draw how a fitted mixture assigns the rows of X.

        Parameters
        ----------
        estimator : a :class:`~mixtures.GeneralMixtureModel`, fitted or with all parameters given.
        X : rows as it takes them; those of weight 0 are left out.
        columns : names or places of two columns of numbers to draw the rows in; None: what suits the number of columns, see above.
        sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None.
        max_rows : of "curves" and "plane": of more rows, so many are shown, drawn at random but always the same.
        units, ax, legend : as in :meth:`DensityDisplay.from_estimator`.

        Raises
        ------
        NotFittedError : the estimator has not been fitted. ParameterError : an argument is wrong. DataError : X cannot be used.
        """
        rows = read_rows(estimator, X, sample_weight, units, "labels", "posterior")
        own = modelled(rows.components, rows.table)
        if columns is None and len(own) > 2:
            return cls._of_rows(rows).plot(ax, legend=legend)
        if columns is None and len(own) == 1:
            return cls._of_curves(rows, own[0], max_rows).plot(ax, legend=legend)
        if columns is None and any(rows.kind(place) == "categories" for place in own):
            return cls._of_rows(rows).plot(ax, legend=legend)
        return cls._of_plane(rows, rows.places(columns, 2), max_rows).plot(ax, legend=legend)

    @classmethod
    def _common(cls, rows: Rows, shown: npt.NDArray[np.int64]) -> dict[str, Any]:
        labels = rows.most_probable()[shown]
        with np.errstate(invalid="ignore"):
            uncertainties = 1.0 - rows.outputs["posterior"][shown].max(axis=1)
        uncertainties = np.where(labels == -1, 1.0, np.clip(uncertainties, 0.0, 1.0))
        weights = rows.weights[shown]
        return {"labels": labels, "uncertainties": uncertainties, "weights": rows.mixing, "row_weights": weights}

    @classmethod
    def _of_rows(cls, rows: Rows) -> Self:
        shown = np.flatnonzero(rows.weights > 0)
        return cls(kind="rows", points=np.empty((len(shown), 0)), **cls._common(rows, shown))

    @classmethod
    def _of_curves(cls, rows: Rows, place: int, max_rows: int) -> Self:
        model = rows.over([place])
        kind = rows.kind(place)
        categories: tuple[Any, ...] = ()
        if kind == "categories":
            categories = rows.categories(place, model)
            values = rows.table.codes(place, categories)
            x: Any = np.empty((len(categories), 1), dtype=object)
            x[:, 0] = categories
        else:
            values = rows.table.numbers(place)
            observed = rows.observed(place)[0]
            pieces = model.components
            x = lattice(observed, pieces) if kind == "counts" else points_between(*range_of(observed, pieces), pieces, 512)
        densities = component_densities(model, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            probabilities = densities / densities.sum(axis=1, keepdims=True)
        where = np.arange(len(categories), dtype=float) if categories else np.asarray(x, dtype=float)
        can = ~np.isnan(values) & (rows.weights > 0)
        shown = shown_of(can, max_rows)
        common = (
            cls._common(rows, shown)
            | {"n_rows": int(can.sum())}
            | {"categories": categories, "kinds": (kind,), "names": (rows.labels[place],)}
        )
        return cls(kind="curves", points=values[shown, None], grid=(where, probabilities), **common)

    @classmethod
    def _of_plane(cls, rows: Rows, places: Sequence[int], max_rows: int) -> Self:
        kinds = [rows.kind(place) for place in places]
        for place, kind in zip(places, kinds, strict=True):
            if kind == "categories":
                raise ParameterError(f"{rows.table.where(place)} holds categories, which have no place on an axis of numbers")
        x, y = (rows.table.numbers(place) for place in places)
        can = ~np.isnan(x) & ~np.isnan(y) & (rows.weights > 0)
        shown = shown_of(can, max_rows)
        grid = None
        if len(modelled(rows.components, rows.table)) == 2:
            ranges = [range_of(rows.observed(place)[0], rows.pieces(place), 0.1) for place in places]
            axes = [_cells(low, high, kind) for (low, high), kind in zip(ranges, kinds, strict=True)]
            model = rows.over(places)
            found = model._evaluate(np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2), "density", "labels")
            regions = np.where(found["density"] == -np.inf, -1, found["labels"]).reshape(len(axes[1]), len(axes[0]))
            grid = axes[0], axes[1], regions
        common = cls._common(rows, shown) | {
            "n_rows": int(can.sum()),
            "kinds": kinds,
            "names": [rows.labels[place] for place in places],
        }
        return cls(kind="plane", points=np.column_stack([x[shown], y[shown]]), grid=grid, **common)

    def plot(self, ax: Any = None, *, legend: bool | None = None) -> Self:
        """Draw it, on new axes or on those given; returns itself."""
        n_entries = 0 if self.kind == "rows" else len(self.weights) + 2
        self.figure_, self.ax_, new = axes_for(ax, n_entries=n_entries)
        self.artists_: list[Any] = []
        self.rings_ = self.regions_ = None
        words = {"curves": self._plot_curves, "plane": self._plot_plane, "rows": self._plot_rows}[self.kind]()
        titles = [title for title in (thinned_words(len(self.labels), self.n_rows), words) if title]
        self.legend_ = put_legend(self.ax_, new, legend, title="\n".join(titles) or None)
        return self

    def _plot_curves(self) -> None:
        ax = self.ax_
        x, probabilities = self.grid
        drawstyle = "default" if self.kinds[0] == "numbers" else "steps-mid"
        for k in range(len(self.weights)):
            style = {"color": colours.colour(k), "linestyle": colours.line(k), "linewidth": 2.0, "drawstyle": drawstyle}
            if self.categories:
                style |= {"drawstyle": "default", "linestyle": "none", "marker": colours.marker(k), "markersize": 7.5}
            self.artists_ += ax.plot(x, probabilities[:, k], label=component_label(k, self.weights), **style)
        moved = jittered(self.points[:, 0], self.kinds[0])
        for k in np.unique(self.labels):
            own = self.labels == k
            tint = colours.ink(ax) if k == -1 else colours.colour(k)
            ax.plot(moved[own], np.full(own.sum(), -0.05), "|", color=tint, alpha=0.6, markersize=9)
        ax.set_ylim(-0.1, 1.03)
        ax.set_xlabel(axis_label(self.names[0]))
        ax.set_ylabel("probability of the component")
        if self.categories:
            put_categories(ax, names_of(self.categories, self.categories == (0, 1)))
            ax.set_xlim(-0.5, len(self.categories) - 0.5)

    def _plot_plane(self) -> str:
        ax = self.ax_
        ink = colours.ink(ax)
        x, y = (jittered(self.points[:, j], kind, j) for j, kind in enumerate(self.kinds))
        if self.grid is not None:
            self._plot_regions()
        base = float(np.clip(5000.0 / max(len(x), 1), 4.0, 24.0))
        worst = max(1.0 - 1.0 / len(self.weights), 1e-9)
        areas = base * (1.0 + 6.0 * np.clip(self.uncertainties / worst, 0.0, 1.0))
        for k in range(len(self.weights)):
            own = self.labels == k
            look = {"color": colours.colour(k), "marker": colours.marker(k), "label": component_label(k, self.weights)}
            style = {"linewidths": 0.0, "alpha": opacity(ax, len(x)), "rasterized": len(x) > 2000}
            self.artists_.append(ax.scatter(x[own], y[own], areas[own], **look, **style))
        if (self.labels == -1).any():
            own = self.labels == -1
            self.artists_.append(ax.scatter(x[own], y[own], 30.0, color=ink, marker="+", label="density zero"))
        doubtful = (self.uncertainties > 0.5 * worst) & (self.labels >= 0)
        if doubtful.any():
            label = f"uncertainty > {0.5 * worst:.2f}"
            rings = {"facecolors": "none", "edgecolors": [ink], "linewidths": 1.0, "label": label}
            self.rings_ = ax.scatter(x[doubtful], y[doubtful], 1.8 * areas[doubtful], **rings)
        ax.set_xlabel(axis_label(self.names[0]))
        ax.set_ylabel(axis_label(self.names[1]))
        return "larger: less certain"

    def _plot_regions(self) -> None:
        ax = self.ax_
        x, y, regions = self.grid
        maps = import_extra("matplotlib.colors", "plot")
        k = len(self.weights)
        tints = maps.ListedColormap([(0.0, 0.0, 0.0, 0.0), *[maps.to_rgba(colours.colour(c), 0.16) for c in range(k)]])
        edges = [_edges(axis) for axis in (x, y)]
        self.regions_ = ax.pcolormesh(*edges, regions, cmap=tints, vmin=-1.5, vmax=k - 0.5, rasterized=True, zorder=0)
        ax.set_xlim(edges[0][0], edges[0][-1])
        ax.set_ylim(edges[1][0], edges[1][-1])

    def _plot_rows(self) -> None:
        """For every component its rows, the most certain on the left, as wide as its share of the rows."""
        ax = self.ax_
        start, ticks, names = 0.0, [], []
        total = self.row_weights.sum()
        for k in range(len(self.weights)):
            own = self.labels == k
            order = np.argsort(self.uncertainties[own], kind="stable")
            widths = self.row_weights[own][order] / total
            heights = 1.0 - self.uncertainties[own][order]
            heights, widths = _thinned(heights, widths)
            edges = start + np.concatenate([[0.0], np.cumsum(widths)])
            style = {"color": colours.colour(k), "hatch": colours.hatch(k), "linewidth": 0.0}
            self.artists_.append(ax.stairs(heights, edges, fill=True, **style))
            if own.any():
                ticks.append(float(edges[0] + edges[-1]) / 2)
                names.append(str(k))
            start = float(edges[-1]) + 0.012
        ax.axhline(1.0 / len(self.weights), color=colours.ink(ax), linestyle=":", linewidth=1.0, label="even odds")
        ax.set_xticks(ticks, names, fontsize="small" if len(names) > 12 else "medium")
        ax.set_xlim(0.0, max(start - 0.012, 0.01))
        ax.set_ylim(0.0, 1.02)
        left_out = np.sum(self.labels == -1)
        ax.set_xlabel("rows, by most probable component" + (f" ({left_out:,} of density zero left out)" if left_out else ""))
        ax.set_ylabel("probability of the component")


def _thinned(heights: Floats, widths: Floats) -> tuple[Floats, Floats]:
    """At most MAX_STEPS steps: neighbours together, at their mean height."""
    if len(heights) <= MAX_STEPS:
        return heights, widths
    starts = np.arange(0, len(heights), -(-len(heights) // MAX_STEPS))
    sums = np.add.reduceat(widths, starts)
    return np.add.reduceat(widths * heights, starts) / sums, sums


def _cells(low: float, high: float, kind: str) -> Floats:
    if kind == "counts" and high - low <= 2 * N_GRID:
        return np.arange(np.ceil(low), np.floor(high) + 1.0)
    found: Floats = np.linspace(low, high, N_GRID)
    return np.unique(np.round(found)) if kind == "counts" else found


def _edges(centres: Floats) -> Floats:
    """Borders (m + 1,) between values (m,)."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = centres[:-1] + np.diff(centres) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
