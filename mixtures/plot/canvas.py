"""Axes to draw on, the caller's or new ones, and what all displays do to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtures.exceptions import ParameterError
from mixtures.extras import import_extra
from mixtures.plot import colours
from mixtures.tables import short, short_in_the_middle

LONGEST_LABEL = 24
LONGEST_LEGEND = 7
LEGEND_HEIGHT = 15  # entries below each other
LEGEND_WIDTH = 1.9  # inches


def axes_for(ax: Any, size: tuple[float, float] = (6.4, 4.4), n_entries: int = 0) -> tuple[Any, Any, bool]:
    """Figure, axes, and whether they are new; no figure is opened where axes are given.

    A new figure is wide enough for a legend of `n_entries` beside the axes.
    """
    if ax is not None:
        _check_axes(ax)
        return ax.figure, ax, False
    pyplot = import_extra("matplotlib.pyplot", "plot")
    size = size[0] + LEGEND_WIDTH * ((n_entries - 1) // LEGEND_HEIGHT if n_entries else 0), size[1]
    figure, ax = pyplot.subplots(figsize=size, layout="constrained")
    return figure, ax, True


def grid_for(ax: Any, n_rows: int, n_columns: int, size: tuple[float, float], **shared: Any) -> tuple[Any, Any]:
    """Figure and a matrix of axes, which take the place of those given; these are hidden."""
    if ax is None:
        pyplot = import_extra("matplotlib.pyplot", "plot")
        figure = pyplot.figure(figsize=size, layout="constrained")
        return figure, figure.subplots(n_rows, n_columns, squeeze=False, **shared)
    _check_axes(ax)
    place = ax.get_subplotspec()
    if place is None:
        raise ParameterError("ax must be a subplot of its figure, which can be divided; found axes that were placed by hand")
    ax.set_axis_off()
    return ax.figure, place.subgridspec(n_rows, n_columns).subplots(squeeze=False, **shared)


def _check_axes(ax: Any) -> None:
    if not hasattr(ax, "plot") or not hasattr(ax, "figure"):
        raise ParameterError(f"ax must be one matplotlib Axes or None, found {type(ax).__name__}")


def component_label(k: int, weights: Any = None) -> str:
    """How legends call a component."""
    return f"component {k}" if weights is None else f"component {k} ({100 * weights[k]:.0f}%)"


def put_legend(ax: Any, new: bool, wanted: bool | None, handles: Sequence[Any] | None = None, title: str | None = None) -> Any:
    """A legend beside new axes, where it hides nothing; within the caller's axes, where these are all that may be used.

    `wanted` None leaves one that is long out of the caller's axes.
    """
    found = ax.get_legend_handles_labels()[0] if handles is None else handles
    if not found or wanted is False or (wanted is None and not new and len(found) > LONGEST_LEGEND):
        return None
    ink = colours.ink(ax)
    style = {"labelcolor": ink, "facecolor": colours.paper(ax), "title": title}
    if new:
        style |= {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0, "frameon": False}
        style["ncols"] = 1 + (len(found) - 1) // LEGEND_HEIGHT
    else:
        style |= {"loc": "best", "fontsize": "small", "framealpha": 0.7, "ncols": 1 + len(found) // 8}
    legend = ax.legend(**style) if handles is None else ax.legend(handles=handles, **style)
    legend.get_title().set_color(ink)
    for handle in legend.legend_handles:
        if hasattr(handle, "set_sizes"):  # whatever the sizes of the points are
            handle.set_sizes([36.0])
            handle.set_alpha(1.0)
    return legend


def opacity(ax: Any, n_points: int) -> float:
    """Of n points that may lie on each other; on dark paper more, since thin colours are lost there."""
    return (0.75 if n_points < 1000 else 0.5) + (0.2 if colours.is_dark(ax) else 0.0)


def dollars(text: str) -> str:
    """A name as matplotlib writes it down, whose dollars begin no formula."""
    return text.replace("$", r"\$")


def axis_label(text: str) -> str:
    """The name of a column beside an axis."""
    return dollars(short(text, 48))


def category_labels(categories: Sequence[Any], is_flag: bool = False, longest: int = LONGEST_LABEL) -> list[str]:
    """Names of categories beside an axis."""
    if is_flag:
        return ["false", "true"]
    return [dollars(short_in_the_middle(str(category), longest)) for category in categories]


def put_categories(ax: Any, labels: Sequence[str]) -> None:
    """Categories below an axis, turned where they would overlap."""
    ax.set_xticks(np.arange(len(labels)), labels)
    width = ax.figure.get_size_inches()[0] * ax.get_position().width
    if sum(map(len, labels)) * 0.11 + 0.1 * len(labels) > width:
        ax.tick_params(axis="x", labelrotation=90 if len(labels) > 25 else 45)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("center" if len(labels) > 25 else "right")
            label.set_rotation_mode("default" if len(labels) > 25 else "anchor")
