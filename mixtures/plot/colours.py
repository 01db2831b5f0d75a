"""Colours, line styles, markers and hatches of components: told apart in any kind of colour vision, and without colour, too.

The colours are those of Okabe & Ito (2008, "Color universal design") that can be seen on white and on black: without black and
yellow, with a grey as dark as keeps it from purple in all eyes.
"""

from __future__ import annotations

from typing import Any

from mixtures.extras import import_extra

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#707070")
# No two of these numbers have a common divisor, so that 7 x 5 lines and 7 x 12 markers differ.
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (7, 2, 1.5, 2)), (0, (3, 1.2, 1, 1.2, 1, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h")
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "++++")
DARKEST_SHADE, BRIGHTEST_SHADE = "#0072B2", "#56B4E9"
"""Of probability 1, on light and on dark; of 0 the paper's colour, and evenly between them."""


def colour(k: int) -> str:
    """Of component k."""
    return PALETTE[k % len(PALETTE)]


def line(k: int) -> Any:
    """Line style of component k."""
    return LINES[k % len(LINES)]


def marker(k: int) -> str:
    """Marker of component k."""
    return MARKERS[k % len(MARKERS)]


def hatch(k: int) -> str:
    """Hatch of component k: none for those whose colour is theirs alone."""
    return HATCHES[k // len(PALETTE) % len(HATCHES)]


def ink(ax: Any) -> Any:
    """The colour that the axes write in, so that it can be seen on whatever they lie on."""
    return ax.xaxis.label.get_color()


def paper(ax: Any) -> Any:
    """The colour that the axes lie on."""
    face = ax.get_facecolor()
    return face if face[3] > 0 else ax.figure.get_facecolor()


def shades(ax: Any) -> Any:
    """Colour map of probabilities, from the paper to a colour that stands out from it."""
    colors = import_extra("matplotlib.colors", "plot")
    base = colors.to_rgb(paper(ax))
    return colors.LinearSegmentedColormap.from_list("probability", [base, BRIGHTEST_SHADE if is_dark(ax) else DARKEST_SHADE])


def is_dark(ax: Any) -> bool:
    """Whether the axes lie on something dark."""
    return contrast(import_extra("matplotlib.colors", "plot").to_rgb(paper(ax))) == "white"


def contrast(colour_of_cell: Any) -> str:
    """Black or white, whichever can be read on a colour (r, g, b, ...) between 0 and 1: by its luminance (WCAG 2.1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour_of_cell[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if luminance > 0.179 else "white"
