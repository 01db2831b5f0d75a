"""Components side by side, a small picture for every column of a mixed table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.pieces import header_of, header_of_rows, place_of, state_of
from mixtures.plot import colours
from mixtures.plot.canvas import category_labels, dollars, grid_for
from mixtures.profiles import Profile, profiles_of
from mixtures.tables import short

MAX_CATEGORIES = 8
WIDTH, ROW, HEAD = 3.1, 0.26, 0.8  # inches of a picture, of a component in it, and of its title and axis


class ProfileDisplay:
    """What every component expects of every column: mean and standard deviation of numbers, probabilities of categories.

    Make it with :meth:`from_estimator`; it needs no rows.

    Parameters
    ----------
    profiles : a :class:`~mixtures.profiles.Profile` for every column shown.
    weights : (k,), of the components.

    Attributes
    ----------
    figure_, axes_ : the figure, and an array of axes, one a column shown.
    artists_ : of every column of numbers (and of zeros and ones) the lines of its points, one a component; of every column of
        categories the image of its probabilities, (k, number of categories shown), whose last column is "others" where there are
        many.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Categorical, Normal, Product
    >>> from mixtures.plot import ProfileDisplay
    >>> a = Product(height=Normal(170.0, 7.0), eye=Categorical([0.9, 0.1], ["blue", "brown"]))
    >>> b = Product(height=Normal(180.0, 8.0), eye=Categorical([0.2, 0.8], ["blue", "brown"]))
    >>> display = ProfileDisplay.from_estimator(GeneralMixtureModel([a, b]), units={"height": "cm"})
    >>> [ax.get_title() for ax in display.axes_]
    ['height [cm]', 'eye']
    """

    def __init__(self, *, profiles: Sequence[Profile], weights: Floats) -> None:
        self.profiles, self.weights = tuple(profiles), weights

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        columns: Any = None,
        units: Mapping[Any, str] | None = None,
        n_across: int | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the profiles of a fitted mixture.

        Parameters
        ----------
        estimator : a :class:`~mixtures.GeneralMixtureModel`, fitted or with all parameters given.
        X : not needed, profiles are the model's; of rows only the columns are looked at, where the model has not seen any.
        columns : names or places of columns to show, in this order; None for all.
        units : units of columns, as in ``GeneralMixtureModel.summary``.
        n_across : pictures side by side; None: up to four.
        ax : a subplot of a figure, whose place the pictures take; None for a new figure.

        Raises
        ------
        NotFittedError : the estimator has not been fitted. ParameterError : an argument is wrong.
        """
        state_of(estimator)
        header = header_of(estimator) if X is None else header_of_rows(estimator, X)
        found = profiles_of(estimator, units, header)
        chosen: Sequence[Profile] = list(found)
        if columns is not None:
            if isinstance(columns, str) or not isinstance(columns, Sequence) or not len(columns):
                raise ParameterError(f"columns must be names or places of columns, found {columns!r}")
            by_place = {place_of(column, header): column for column in columns}
            own = {profile.place: profile for profile in found}
            for place, column in by_place.items():
                if place not in own:
                    raise ParameterError(f"the model says nothing of column {column!r}")
            chosen = [own[place] for place in by_place]
        if n_across is not None and (not isinstance(n_across, (int, np.integer)) or n_across < 1):
            raise ParameterError(f"n_across must be a whole number >= 1 or None, found {n_across!r}")
        return cls(profiles=chosen, weights=found.weights).plot(ax, n_across=n_across)

    def plot(self, ax: Any = None, *, n_across: int | None = None) -> Self:
        """Draw it, on a new figure or in the place of a subplot; returns itself."""
        count, k = len(self.profiles), len(self.weights)
        across = min(count, n_across or 4)
        down = -(-count // across)
        size = (WIDTH * across + 0.5, (HEAD + ROW * max(k, 3)) * down)
        self.figure_, grid = grid_for(ax, down, across, size)
        self.axes_ = np.array(grid.ravel()[:count])
        for cell in grid.ravel()[count:]:
            cell.set_axis_off()
        self.artists_: list[Any] = []
        for place, (cell, profile) in enumerate(zip(self.axes_, self.profiles, strict=True)):
            if profile.categories and not profile.is_flag:
                self.artists_.append(self._plot_categories(cell, profile))
            else:
                self.artists_.append(self._plot_points(cell, profile))
            cell.set_title(dollars(short(profile.label, 34)), fontsize="medium")
            cell.set_yticks(np.arange(k), list(map(str, range(k))))
            cell.set_ylim(k - 0.5, -0.5)  # the first component on top, as in tables
            if place % across == 0:
                cell.set_ylabel("component")
        return self

    def _plot_points(self, ax: Any, profile: Profile) -> list[Any]:
        """Points at means, with lines of one standard deviation to both sides; of zeros and ones at the share of ones."""
        ink = colours.ink(ax)
        if profile.is_flag:
            values, spreads = profile.probabilities[:, 1], np.zeros(len(self.weights))
        else:
            values, spreads = profile.means, profile.stds
        artists = []
        known = np.isfinite(values)
        if known.all():
            ax.axvline(float(self.weights @ values), color=ink, linewidth=0.9, linestyle=":", alpha=0.7)
        for k, (value, spread) in enumerate(zip(values, spreads, strict=True)):
            style = {"color": colours.colour(k), "marker": colours.marker(k), "markersize": 6.5}
            if np.isfinite(value) and np.isfinite(spread) and spread > 0:
                ax.plot([value - spread, value + spread], [k, k], color=colours.colour(k), linewidth=2.0)
            artists += ax.plot([value], [k], linestyle="none", **style)
        if profile.is_flag:
            ax.set_xlim(-0.04, 1.04)
            ax.set_xticks([0.0, 0.5, 1.0], ["0%", "50%", "100%"])
        elif not known.any():
            ax.set_xticks([])
            ax.text(0.5, 0.5, "no mean", transform=ax.transAxes, ha="center", va="center", color=ink)
        else:
            ax.locator_params(axis="x", nbins=5)
        ax.set_xlabel("probability of true" if profile.is_flag else "mean ± std", fontsize="small")
        ax.grid(axis="y", alpha=0.2)
        return artists

    def _plot_categories(self, ax: Any, profile: Profile) -> Any:
        """A cell for every component and category, as dark or bright as it is probable, with the percentage in it."""
        shown, names = profile.probabilities, category_labels(profile.categories, longest=12)
        if len(names) > MAX_CATEGORIES:
            order = np.argsort(-(self.weights @ shown), kind="stable")
            kept = np.sort(order[: MAX_CATEGORIES - 1])
            others = np.delete(shown, kept, axis=1).sum(axis=1)
            shown = np.column_stack([shown[:, kept], others])
            names = [*[names[c] for c in kept], f"{len(names) - len(kept)} others"]
        shades = colours.shades(ax)
        image = ax.imshow(shown, cmap=shades, vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
        for k, c in np.ndindex(*shown.shape):
            text = f"{100 * shown[k, c]:.0f}"
            ax.text(c, k, text, ha="center", va="center", fontsize="small", color=colours.contrast(shades(shown[k, c])))
        ax.set_xticks(np.arange(len(names)), names, fontsize="small")
        if sum(map(len, names)) > 26:
            ax.tick_params(axis="x", labelrotation=35)
            for label in ax.get_xticklabels():
                label.set_horizontalalignment("right")
                label.set_rotation_mode("anchor")
        ax.set_xlabel("probability [%]", fontsize="small")
        return image
