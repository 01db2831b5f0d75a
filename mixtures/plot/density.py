"""One column: its rows, the density of the mixture, and what each component adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.plot import colours
from mixtures.plot.canvas import axes_for, axis_label, category_labels, component_label, put_categories, put_legend
from mixtures.plot.grids import atoms_of, component_densities, is_discrete, lattice, points_between, range_of
from mixtures.plot.rows import LARGEST_LATTICE, Rows, bin_edges, read_rows, shown_of, tally, thinned_words
from mixtures.profiles import masses as masses_of

DATA = ("histogram", "rug", "none")
GREY = "0.5"
MAX_RUG = 2000


class DensityDisplay:
    """Density of a mixture over one column, with its components and the rows.

    Numbers are drawn as curves over a histogram or a rug; counts and categories as bars, the probability of a value under the
    mixture, stacked from what each component adds, with the share of the rows as points. Point masses among densities are drawn
    as stems. Make it with :meth:`from_estimator`.

    Parameters
    ----------
    x : (m,), where the density was evaluated; of categories these.
    components : (m, k), weight times density of each component there.
    weights : (k,).
    label : of the column.
    kind : "numbers", "counts" or "categories".
    heights : of numbers (and of counts that span much) the histogram's, (number of bins,), else the share of the rows at each x;
        or None.
    edges : of the histogram, or None.
    rug : values to mark on the axis, or None. rug_rows : of how many they are drawn.
    atoms, masses : (a,) and (a, k), point masses among densities; rows at them are left out of the histogram.
    atom_shares : (a,), the share of the rows at each, or None.
    is_flag : whether the categories are zero and one.
    left_out : weight of the rows that are no whole numbers in a column of counts, which have no point; the legend tells.
    total_weight : of the rows shown.

    Attributes
    ----------
    ax_, figure_ : where it was drawn.
    density : (m,), the mixture's: the sum over components.
    total_ : line of the mixture's density; None where bars show it.
    lines_ : lines of the components. bars_ : per component the container of its bars.
    data_ : what shows the rows: the histogram's outline and filling, the points, or the rug's lines.
    stems_ : lines of the point masses. legend_ : the legend or None.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Normal
    >>> from mixtures.plot import DensityDisplay
    >>> model = GeneralMixtureModel([Normal(0.0, 1.0), Normal(6.0, 2.0)])
    >>> display = DensityDisplay.from_estimator(model, np.array([-1.0, 0.5, 5.0, 8.0]))
    >>> bool(np.allclose(display.density, np.exp(model.score_samples(display.x))))
    True
    """

    def __init__(
        self,
        *,
        x: Any,
        components: Floats,
        weights: Floats,
        label: str = "x",
        kind: str = "numbers",
        heights: Floats | None = None,
        edges: Floats | None = None,
        rug: Floats | None = None,
        rug_rows: int | None = None,
        atoms: Floats | None = None,
        masses: Floats | None = None,
        atom_shares: Floats | None = None,
        is_flag: bool = False,
        left_out: float = 0.0,
        total_weight: float = np.nan,
    ) -> None:
        self.x = x
        self.components = components
        self.density = components.sum(axis=1)
        self.weights = weights
        self.label = label
        self.kind = kind
        self.heights = heights
        self.edges = edges
        self.rug, self.rug_rows = rug, rug_rows
        self.atoms = np.empty(0) if atoms is None else atoms
        self.masses = np.empty((0, len(weights))) if masses is None else masses
        self.atom_shares = atom_shares
        self.is_flag = is_flag
        self.left_out = left_out
        self.total_weight = total_weight

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        column: Any = None,
        sample_weight: Any = None,
        data: str = "histogram",
        bins: Any = None,
        n_points: int = 512,
        units: Mapping[Any, str] | None = None,
        ax: Any = None,
        legend: bool | None = None,
    ) -> Self:
        """Draw a fitted mixture over one column of X.

        Parameters
        ----------
        estimator : a :class:`~mixtures.GeneralMixtureModel`, fitted or with all parameters given.
        X : rows as it takes them, all its columns; missing cells are left out.
        column : name or place of the column; may be left out where there is one alone.
        sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None.
        data : "histogram", "rug" (one line a value) or "none".
        bins : number of bins or their edges; None: as many as the rows ask for.
        n_points : number of points of a curve, at least 2; more are added where components are narrow.
        units : units of columns, as in ``GeneralMixtureModel.summary``.
        ax : matplotlib axes; None for a new figure.
        legend : whether to draw one; None: on new axes, and on those given where it is short.

        Raises
        ------
        NotFittedError : the estimator has not been fitted. ParameterError : an argument is wrong, or `column` is none of the
            model's.
        DataError : X cannot be used, or no component has a density of that column alone.
        """
        if data not in DATA:
            raise ParameterError(f"data must be one of {DATA}, found {data!r}")
        if not isinstance(n_points, (int, np.integer)) or n_points < 2:
            raise ParameterError(f"n_points must be a whole number >= 2, found {n_points!r}")
        rows = read_rows(estimator, X, sample_weight, units)
        return cls._of(rows, rows.place(column), data, bins, n_points).plot(ax, legend=legend)

    @classmethod
    def _of(cls, rows: Rows, place: int, data: str = "histogram", bins: Any = None, n_points: int = 512) -> Self:
        model = rows.over([place])
        kind = rows.kind(place)
        if kind == "categories":
            return cls._of_categories(rows, place, model, data)
        values, weights = rows.observed(place)
        common: dict[str, Any] = {"weights": rows.mixing, "label": rows.labels[place], "kind": kind}
        common["total_weight"] = float(weights.sum())
        if data == "rug":
            common["rug"], common["rug_rows"] = values[shown_of(np.ones(len(values), dtype=bool), MAX_RUG)], len(values)
        if kind == "counts":
            x = lattice(values, model.components)
            found = component_densities(model, x)
            if data == "histogram" and x[-1] - x[0] <= LARGEST_LATTICE and bins is None:
                counts, common["left_out"] = tally(x, values, weights)
                common["heights"] = counts / weights.sum()
            elif data == "histogram":
                common |= cls._histogram(values, weights, bins, whole=True)
            return cls(x=x, components=found, **common)
        low, high = range_of(values, model.components)
        x = points_between(low, high, model.components, n_points)
        discrete = np.array([is_discrete(component) for component in model.components])
        if discrete.any():
            common |= cls._masses(model, values, discrete)
            x = x[~np.isin(x, common["atoms"])]
        if data == "histogram":
            beside = ~np.isin(values, common.get("atoms", ()))
            if beside.any():
                common |= cls._histogram(values[beside], weights[beside], bins, total=float(weights.sum()))
            if len(common.get("atoms", ())):
                common["atom_shares"] = np.array([weights[values == atom].sum() for atom in common["atoms"]]) / weights.sum()
        return cls(x=x, components=component_densities(model, x) * ~discrete, **common)

    @staticmethod
    def _histogram(values: Floats, weights: Floats, bins: Any, whole: bool = False, total: float | None = None) -> dict[str, Any]:
        edges = bin_edges(values, weights, bins, whole)
        counts = np.histogram(values, edges, weights=weights)[0]
        return {"edges": edges, "heights": counts / (weights.sum() if total is None else total) / np.diff(edges)}

    @staticmethod
    def _masses(model: Any, values: Floats, discrete: Any) -> dict[str, Any]:
        """Point masses: of components that have nothing else, among densities."""
        pieces = [piece for piece, is_one in zip(model.components, discrete, strict=True) if is_one]
        atoms = atoms_of(pieces)
        if any(getattr(piece, "atoms", None) is None for piece in pieces):
            whole = np.floor(values[values == np.floor(values)])
            atoms = np.union1d(atoms, np.unique(whole) if len(whole) else atoms)
        masses = component_densities(model, atoms) * discrete if len(atoms) else np.empty((0, len(discrete)))
        kept = masses.sum(axis=1) > 0
        return {"atoms": atoms[kept], "masses": masses[kept]}

    @classmethod
    def _of_categories(cls, rows: Rows, place: int, model: Any, data: str) -> Self:
        categories = rows.categories(place, model)
        weights = np.where(rows.mixing > 0, rows.mixing, 0.0)
        equal = rows.over([place])
        equal.weights = None
        found = masses_of(equal, categories).T * weights
        counts = rows.counts(place, categories)
        return cls(
            x=list(categories),
            components=found,
            weights=rows.mixing,
            label=rows.labels[place],
            kind="categories",
            heights=None if data == "none" else counts / counts.sum(),
            is_flag=categories == (0, 1),
            total_weight=float(counts.sum()),
        )

    def plot(self, ax: Any = None, *, legend: bool | None = None) -> Self:
        """Draw it, on new axes or on those given; returns itself."""
        self.figure_, self.ax_, new = axes_for(ax, n_entries=len(self.weights) + 2)
        ax, self._is_new = self.ax_, new
        self.total_: Any = None
        self.lines_: list[Any] = []
        self.bars_: list[Any] = []
        self.data_: list[Any] = []
        self.stems_: list[Any] = []
        in_bars = self.kind == "categories" or (self.kind == "counts" and self.x[-1] - self.x[0] <= LARGEST_LATTICE)
        if in_bars:
            self._plot_bars()
        else:
            self._plot_curves()
        if self.rug is not None and self.kind != "categories":
            low = np.full(len(self.rug), 0.02)  # of the height of the axes
            style = {"color": colours.ink(ax), "alpha": 0.4, "markersize": 9, "transform": ax.get_xaxis_transform()}
            label = "data" if self.rug_rows is None else f"data ({thinned_words(len(self.rug), self.rug_rows) or self._rows()})"
            self.data_ += ax.plot(self.rug, low, "|", label=label, **style)
        self._plot_masses()
        ax.set_xlabel(axis_label(self.label))
        words = "probability" if in_bars else "density, mass" if len(self.atoms) else "density"
        ax.set_ylabel("probability" if self.kind != "numbers" else words)
        self.legend_ = put_legend(ax, new, legend)
        return self

    def _plot_curves(self) -> None:
        ax = self.ax_
        ink = colours.ink(ax)
        if self.heights is not None and self.edges is not None:
            label = f"data ({self._rows()})"
            self.data_.append(ax.stairs(self.heights, self.edges, fill=True, color=GREY, alpha=0.35, label=label))
            self.data_.append(ax.stairs(self.heights, self.edges, color=GREY, linewidth=0.6))
        with np.errstate(invalid="ignore"):
            total, parts = (np.where(np.isfinite(y), y, np.nan) for y in (self.density, self.components))
        self.total_ = ax.plot(self.x, total, color=ink, linewidth=3.2 if self._is_new else 2.2, alpha=0.8, label="mixture")[0]
        if len(self.weights) > 1:
            for k in range(len(self.weights)):
                style = {"color": colours.colour(k), "linestyle": colours.line(k), "linewidth": 1.6}
                self.lines_ += ax.plot(self.x, parts[:, k], label=component_label(k, self.weights), **style)
        # A spike of the density, or a pole, would flatten everything else.
        top = np.nanmax(total) if np.isfinite(total).any() else 1.0
        if self.heights is not None and len(self.heights) and self.heights.max() > 0:
            top = min(max(top, self.heights.max()), 4.0 * self.heights.max())
        elif np.isfinite(total).any():
            top = min(top, 8.0 * float(np.nanquantile(total, 0.9)) or top)
        highest = max(
            self.masses.sum(axis=1).max(initial=0.0), 0.0 if self.atom_shares is None else self.atom_shares.max(initial=0.0)
        )
        ax.set_ylim(0.0, 1.05 * max(float(top), float(highest)) or 1.0)
        ax.set_xlim(self.x[0], self.x[-1])

    def _plot_bars(self) -> None:
        ax = self.ax_
        is_named = self.kind == "categories"
        x = np.arange(len(self.x), dtype=float) if is_named else np.asarray(self.x, dtype=float)
        bottom = np.zeros(len(x))
        many = len(x) > 40
        for k in range(len(self.weights)):
            style = {"color": colours.colour(k), "hatch": colours.hatch(k), "linewidth": 0.0 if many else 0.8}
            label = component_label(k, self.weights) if len(self.weights) > 1 else "mixture"
            bars = ax.bar(
                x, self.components[:, k], 1.0 if many else 0.8, bottom=bottom, edgecolor=colours.paper(ax), label=label, **style
            )
            self.bars_.append(bars)
            bottom = bottom + self.components[:, k]
        if self.heights is not None:
            self.data_.append(self._points(x, self.heights, f"data ({self._rows()})", 4.5 if many else 6.5))
        if is_named:
            put_categories(ax, category_labels(self.x, self.is_flag))
        else:
            ax.set_xlim(x[0] - 0.7, x[-1] + 0.7)
            ax.xaxis.get_major_locator().set_params(integer=True)
        top = max(bottom.max(), 0.0 if self.heights is None else self.heights.max())
        ax.set_ylim(0.0, 1.06 * top if top > 0 else 1.0)

    def _plot_masses(self) -> None:
        """A stem for every point mass, of the colour of the component that has most of it."""
        for atom, own in zip(self.atoms, self.masses, strict=True):
            k = int(np.argmax(own))
            style = {"color": colours.colour(k), "linewidth": 2.5}
            label = None if self.stems_ else "point mass"
            self.stems_ += self.ax_.plot([atom, atom], [0.0, own.sum()], label=label, **style)
        if self.atom_shares is not None:
            self.data_.append(self._points(self.atoms, self.atom_shares, "data at point masses"))

    def _points(self, x: Any, y: Any, label: str, size: float = 6.5) -> Any:
        """Shares of the rows."""
        ax = self.ax_
        style = {"markerfacecolor": colours.paper(ax), "markeredgecolor": colours.ink(ax), "markeredgewidth": 1.3}
        return ax.plot(x, y, "o", color=colours.ink(ax), markersize=size, label=label, zorder=3, **style)[0]

    def _rows(self) -> str:
        total = self.total_weight
        text = f"n = {total:,.0f}" if float(total).is_integer() else f"total weight {total:,.4g}"
        return f"{text}, {self.left_out:,.4g} not whole" if self.left_out else text
