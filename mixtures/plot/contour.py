"""Two columns: the rows by component, ellipses of the components and contours of the density."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.plot import colours
from mixtures.plot.canvas import axes_for, axis_label, component_label, opacity, put_legend
from mixtures.plot.ellipses import ellipse_of
from mixtures.plot.grids import is_discrete, lattice, range_of
from mixtures.plot.rows import Rows, jittered, read_rows, shown_of, thinned_words

MAX_ROWS = 5000
SHARES = (0.5, 0.9)
N_GRID = 120


class ContourDisplay:
    """Rows in two columns of numbers, coloured by their most probable component, under the density of a mixture.

    A component that is a Normal or a Student t in these columns has an ellipse around each share of its probability. Where one has
    none, lines of equal density of the whole mixture are drawn around the same shares of its mass. Make it with
    :meth:`from_estimator`.

    Parameters
    ----------
    x, y : (n,), the rows shown.
    labels : (n,), their components; -1 for rows that have density zero under all of them.
    sizes : (n,), weights of the rows over their mean.
    weights : (k,), of the components.
    names : of the two columns.
    shares : of probability, between 0 and 1, increasing.
    ellipses : k tuples of outlines (m, 2), one a share; empty ones for components without.
    grid : x (a,), y (b,) and density (b, a) of the mixture, or None.
    n_rows : of which the rows shown are; the legend tells where they are more.
    kinds : "numbers" or "counts" of either column; counts are moved a little in the picture, so that equal rows are told apart.

    Attributes
    ----------
    ax_, figure_ : where it was drawn.
    points_ : per component that has rows shown a PathCollection. ellipses_ : lines. contours_ : contour set, or None. legend_.
    levels_ : densities of the contours.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import MultivariateNormal
    >>> from mixtures.plot import ContourDisplay
    >>> a, b = MultivariateNormal([0, 0], [[1, 0.5], [0.5, 1]]), MultivariateNormal([6, 6], [[1, 0], [0, 1]])
    >>> display = ContourDisplay.from_estimator(GeneralMixtureModel([a, b]), [[0.0, 1.0], [5.0, 6.0], [0.5, 0.0]])
    >>> display.labels.tolist(), len(display.ellipses_)
    ([0, 1, 0], 4)
    """

    def __init__(
        self,
        *,
        x: Floats,
        y: Floats,
        labels: npt.NDArray[np.int64],
        weights: Floats,
        sizes: Floats | None = None,
        names: Sequence[str] = ("x", "y"),
        shares: Sequence[float] = SHARES,
        ellipses: Sequence[Sequence[Floats]] = (),
        grid: tuple[Floats, Floats, Floats] | None = None,
        kinds: Sequence[str] = ("numbers", "numbers"),
        n_rows: int | None = None,
    ) -> None:
        self.x, self.y, self.labels, self.weights = x, y, labels, weights
        self.sizes = np.ones(len(x)) if sizes is None else sizes
        self.names, self.shares, self.ellipses, self.grid, self.kinds = tuple(names), tuple(shares), ellipses, grid, tuple(kinds)
        self.n_rows = len(x) if n_rows is None else n_rows

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        columns: Any = None,
        sample_weight: Any = None,
        shares: Sequence[float] = SHARES,
        contours: bool | None = None,
        max_rows: int = MAX_ROWS,
        units: Mapping[Any, str] | None = None,
        ax: Any = None,
        legend: bool | None = None,
    ) -> Self:
        """Draw a fitted mixture over two columns of X.

        Parameters
        ----------
        estimator : a :class:`~mixtures.GeneralMixtureModel`, fitted or with all parameters given.
        X : rows as it takes them; those that lack one of the two cells, or have no weight, are not shown.
        columns : names or places of the two columns; may be left out where there are no others. Rows are coloured by what all
            columns say.
        sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None; the areas of points show them.
        shares : of probability within ellipses and contours.
        contours : whether to draw contours; None: where a component has no ellipse.
        max_rows : of more, so many are shown, drawn at random but always the same.
        units, ax, legend : as in :meth:`DensityDisplay.from_estimator`.

        Raises
        ------
        NotFittedError : the estimator has not been fitted. ParameterError : an argument is wrong, or a column holds categories.
        DataError : X cannot be used, or a component has no density over these columns alone.
        """
        rows = read_rows(estimator, X, sample_weight, units, "labels")
        display = cls._of(rows, rows.places(columns, 2), shares, contours, max_rows)
        return display.plot(ax, legend=legend)

    @classmethod
    def _of(cls, rows: Rows, places: Sequence[int], shares: Any, contours: bool | None, max_rows: int) -> Self:
        shares = tuple(sorted(float(share) for share in shares))
        if not all(0.0 < share < 1.0 for share in shares):
            raise ParameterError(f"shares must lie between 0 and 1, found {shares}")
        model = rows.over(places)
        kinds = [rows.kind(place) for place in places]
        for place, kind in zip(places, kinds, strict=True):
            if kind == "categories":
                raise ParameterError(
                    f"{rows.table.where(place)} holds categories, which have no place on an axis of numbers: show it with "
                    "DensityDisplay or ProfileDisplay"
                )
        observed = [rows.observed(place)[0] for place in places]
        x, y = (rows.table.numbers(place) for place in places)
        can = ~np.isnan(x) & ~np.isnan(y) & (rows.weights > 0)
        shown = shown_of(can, max_rows)
        ellipses = [tuple(ellipse_of(piece, share) for share in shares) for piece in model.components]
        found = [tuple(outline for outline in own if outline is not None) for own in ellipses]
        grid = None
        if contours or (contours is None and not all(found)):
            axes = [
                cls._axis(values, rows.pieces(place), kind, own)
                for values, place, kind, own in zip(observed, places, kinds, _reach(found), strict=True)
            ]
            points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
            density = np.exp(model._evaluate(points, "density")["density"]).reshape(len(axes[1]), len(axes[0]))
            grid = axes[0], axes[1], np.where(np.isfinite(density), density, 0.0)
        sizes = rows.weights[shown] / rows.weights[shown].mean() if len(shown) else np.empty(0)
        names = [rows.labels[place] for place in places]
        common: dict[str, Any] = {"shares": shares, "ellipses": found, "grid": grid, "kinds": kinds, "n_rows": int(can.sum())}
        return cls(
            x=x[shown], y=y[shown], labels=rows.most_probable()[shown], weights=rows.mixing, sizes=sizes, names=names, **common
        )

    @staticmethod
    def _axis(values: Floats, pieces: Sequence[Any], kind: str, reach: tuple[float, float]) -> Floats:
        if kind == "counts" or (pieces and all(is_discrete(piece) for piece in pieces)):
            found = lattice(values, pieces)
            return found[:: max(1, len(found) // N_GRID)]
        low, high = range_of(values, pieces, 0.15)
        return np.linspace(min(low, max(reach[0], low - (high - low))), max(high, min(reach[1], high + high - low)), N_GRID)

    def plot(self, ax: Any = None, *, legend: bool | None = None) -> Self:
        """Draw it, on new axes or on those given; returns itself."""
        self.figure_, self.ax_, new = axes_for(ax, n_entries=len(self.weights) + 1)
        ax = self.ax_
        ink = colours.ink(ax)
        x, y = (jittered(values, kind, axis) for axis, (values, kind) in enumerate(zip((self.x, self.y), self.kinds, strict=True)))
        area = float(np.clip(6000.0 / max(len(x), 1), 4.0, 28.0))
        style = {"alpha": opacity(ax, len(x)), "linewidths": 0.0, "rasterized": len(x) > 2000}
        self.points_, self.ellipses_, self.contours_, self.levels_ = [], [], None, np.empty(0)
        for k in range(len(self.weights)):
            own = self.labels == k
            if own.any():
                look = {"color": colours.colour(k), "marker": colours.marker(k), "label": component_label(k, self.weights)}
                sizes = np.clip(area * self.sizes[own], 1.5, 400.0)
                self.points_.append(ax.scatter(x[own], y[own], sizes, **look, **style))
        if (self.labels == -1).any():
            own = self.labels == -1
            self.points_.append(ax.scatter(x[own], y[own], area, color=ink, marker="+", label="density zero", linewidths=1.0))
        if self.grid is not None:
            self._plot_contours(ink)
        for k, outlines in enumerate(self.ellipses):
            for outline, width in zip(outlines, np.linspace(2.0, 1.2, max(len(outlines), 1)), strict=False):
                # A rim in the colour of the paper keeps it apart from its own points.
                ax.plot(*outline.T, color=colours.paper(ax), linewidth=width + 1.6, alpha=0.7)
                line = ax.plot(*outline.T, color=colours.colour(k), linestyle=colours.line(k), linewidth=width)[0]
                self.ellipses_.append(line)
        ax.set_xlabel(axis_label(self.names[0]))
        ax.set_ylabel(axis_label(self.names[1]))
        held = " and ".join(f"{100 * share:g}%" for share in self.shares)
        lines = f"lines hold {held}" if self.shares and (self.ellipses_ or self.contours_ is not None) else None
        titles = [words for words in (thinned_words(len(x), self.n_rows), lines) if words]
        self.legend_ = put_legend(ax, new, legend, title="\n".join(titles) or None)
        return self

    def _plot_contours(self, ink: Any) -> None:
        assert self.grid is not None
        self.levels_ = levels_of(*self.grid, self.shares)
        if len(self.levels_):
            style = {"colors": [ink], "linewidths": 1.1, "alpha": 0.8}
            self.contours_ = self.ax_.contour(*self.grid, levels=self.levels_, **style)


def _reach(ellipses: Sequence[Sequence[Floats]]) -> list[tuple[float, float]]:
    """How far ellipses go along both axes."""
    outlines = [outline for own in ellipses for outline in own]
    if not outlines:
        return [(np.inf, -np.inf)] * 2
    points = np.concatenate(outlines)
    return list(zip(points.min(axis=0).tolist(), points.max(axis=0).tolist(), strict=True))


def levels_of(x: Floats, y: Floats, density: Floats, shares: Sequence[float]) -> Floats:
    """Densities whose contours hold shares of the mass on a grid, increasing: the highest regions that do (Hyndman 1996)."""
    cells = density * np.gradient(x)[None, :] * np.gradient(y)[:, None] if min(len(x), len(y)) > 1 else np.zeros_like(density)
    total = cells.sum()
    if not total > 0 or min(density.shape) < 2:
        return np.empty(0)
    order = np.argsort(density, axis=None)[::-1]
    held = np.cumsum(cells.ravel()[order]) / total
    places = np.minimum(np.searchsorted(held, shares), len(order) - 1)
    levels = np.unique(density.ravel()[order][places])
    return levels[(levels > 0) & (levels < density.max())]
