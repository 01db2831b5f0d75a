"""Several columns, each against each, and alone on the diagonal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from mixtures.exceptions import ParameterError
from mixtures.pieces import modelled
from mixtures.plot.canvas import axis_label, grid_for, put_legend
from mixtures.plot.contour import MAX_ROWS, SHARES, ContourDisplay
from mixtures.plot.density import DensityDisplay
from mixtures.plot.rows import read_rows

MAX_COLUMNS = 8
SIZE = 2.2  # inches a column


class PairGridDisplay:
    """Columns of numbers of a mixture, each against each, and each alone on the diagonal. Make it with :meth:`from_estimator`.

    Parameters
    ----------
    names : of d columns.
    densities : d :class:`DensityDisplay`, for the diagonal.
    contours : (row, column) -> :class:`ContourDisplay`, for the places below it.

    Attributes
    ----------
    figure_, axes_ : the figure, and a matrix (d, d) of axes, of which those above the diagonal are hidden. legend_.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import MultivariateNormal, Normal, Product
    >>> from mixtures.plot import PairGridDisplay
    >>> a, b = Product(Normal(0, 1), Normal(3, 1), Normal(1, 2)), Product(Normal(4, 1), Normal(0, 1), Normal(1, 2))
    >>> model = GeneralMixtureModel([a, b])
    >>> display = PairGridDisplay.from_estimator(model, model.sample(50, random_state=0))
    >>> display.axes_.shape, display.axes_[2, 0].get_xlabel()
    ((3, 3), 'column 0')
    """

    def __init__(
        self,
        *,
        names: Sequence[str],
        densities: Sequence[DensityDisplay],
        contours: Mapping[tuple[int, int], ContourDisplay],
    ) -> None:
        self.names, self.densities, self.contours = tuple(names), tuple(densities), dict(contours)

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
        max_rows: int = MAX_ROWS // 2,
        units: Mapping[Any, str] | None = None,
        ax: Any = None,
        legend: bool | None = None,
    ) -> Self:
        """Draw a fitted mixture over the columns of X.

        Parameters
        ----------
        columns : names or places of two to eight columns of numbers; None for all of them, those of categories left out.
        ax : a subplot of a figure, whose place the grid takes; None for a new figure.
        estimator, X, sample_weight, shares, contours, max_rows, units, legend : as in :meth:`ContourDisplay.from_estimator`.

        Raises
        ------
        As :meth:`ContourDisplay.from_estimator`; ParameterError : there are fewer than two columns of numbers, or more than eight.
        """
        rows = read_rows(estimator, X, sample_weight, units, "labels")
        if columns is None:
            own = modelled(rows.components, rows.table)
            places = [place for place in own if rows.kind(place) != "categories"]
        elif isinstance(columns, str) or not isinstance(columns, Sequence):
            raise ParameterError(f"columns must be names or places of columns, found {columns!r}")
        else:
            places = rows.places(columns, len(columns))
        if not 2 <= len(places) <= MAX_COLUMNS:
            raise ParameterError(
                f"expected 2 to {MAX_COLUMNS} columns of numbers, found {len(places)}: {rows.named(places)}; "
                "name those to show as columns"
            )
        densities = [DensityDisplay._of(rows, place) for place in places]
        pairs = {
            (r, c): ContourDisplay._of(rows, [places[c], places[r]], shares, contours, max_rows)
            for r in range(len(places))
            for c in range(r)
        }
        names = [rows.labels[place] for place in places]
        return cls(names=names, densities=densities, contours=pairs).plot(ax, legend=legend)

    def plot(self, ax: Any = None, *, legend: bool | None = None) -> Self:
        """Draw it, on a new figure or in the place of a subplot; returns itself."""
        d = len(self.names)
        self.figure_, self.axes_ = grid_for(ax, d, d, (SIZE * d + 0.6, SIZE * d), sharex="col")
        for r in range(d):
            for c in range(d):
                cell = self.axes_[r, c]
                if c > r:
                    cell.set_axis_off()
                    continue
                if c == r:
                    self.densities[r].plot(cell, legend=False)
                    cell.set_yticks([])
                    cell.set_ylabel("")
                else:
                    self.contours[r, c].plot(cell, legend=False)
                cell.set_xlabel(axis_label(self.names[c]) if r == d - 1 else "")
                if c == 0 and r > 0:
                    cell.set_ylabel(axis_label(self.names[r]))
                else:
                    cell.set_ylabel("")
                cell.tick_params(labelbottom=r == d - 1, labelleft=c == 0 and r > 0)
        for r in range(1, d):  # the same column has the same limits
            for c in range(1, r):
                self.axes_[r, c].sharey(self.axes_[r, 0])
        self.figure_.align_ylabels(self.axes_[:, 0])
        self.legend_ = None if legend is False else self._put_legend()
        return self

    def _put_legend(self) -> Any:
        """In the place above the diagonal, which is free."""
        cell = self.axes_[0, 1]
        handles = self.axes_[1, 0].get_legend_handles_labels()[0]
        found = put_legend(cell, True, True, handles)
        if found is not None:
            found.set_bbox_to_anchor((0.05, 1.0), transform=cell.transAxes)
            found.set_in_layout(False)
        return found
