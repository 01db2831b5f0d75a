"""Tables of words: aligned for a terminal, in as many panels as its width asks for, and as HTML."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape

MAX_WIDTH = 20  # of a name or a category
GAP = "  "

Block = Sequence[Sequence[str]]
"""A row of a table, per cell its lines."""


def short(text: str, width: int = MAX_WIDTH) -> str:
    """The text on one line, cut where it is too long for a column."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    if width_of(text) <= width:
        return text
    while width_of(text) > width - 3:
        text = text[:-1]
    return text + "..."


def short_in_the_middle(text: str, width: int) -> str:
    """As :func:`short`, cut in the middle: names that differ at their ends only can still be told apart."""
    text = short(text, 10 * width)
    if width_of(text) <= width:
        return text
    head, tail = text[: max(1, (width - 1) // 2)], text[-max(1, width // 2 - 1) :]
    return f"{head}…{tail}"


def width_of(text: str) -> int:
    """How many places of a terminal a text takes: letters of East Asia two, accents that join the letter before them none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Cells under a head and a rule; `align` has < or > for every column."""
    widths = [max(map(width_of, column)) for column in zip(head, *rows, strict=True)]

    def padded(cell: str, side: str, width: int) -> str:
        space = " " * (width - width_of(cell))
        return cell + space if side == "<" else space + cell

    def line(cells: Sequence[str]) -> str:
        return GAP.join(padded(*of) for of in zip(cells, align, widths, strict=True)).rstrip()

    rule = line(["-" * width if name else "" for name, width in zip(head, widths, strict=True)])
    return "\n".join([line(head), rule, *map(line, rows)])


def panels_text(left: Sequence[str], heads: Sequence[str], blocks: Sequence[Block], width: int) -> str:
    """Blocks under `left` heads, repeated, and as many of the other heads side by side as fit; the others in panels below.

    Parameters
    ----------
    left, heads : a block has a cell for every one of both.
    width : of a line, in letters; one of the other heads is shown however narrow.
    """
    n_left = len(left)
    used_left = sum(_width(name, blocks, c) + len(GAP) for c, name in enumerate(left))
    panels: list[list[int]] = [[]]
    used = used_left
    for k, head in enumerate(heads):
        needed = _width(head, blocks, n_left + k) + len(GAP)
        if panels[-1] and used + needed - len(GAP) > width:
            panels.append([])
            used = used_left
        panels[-1].append(k)
        used += needed
    return "\n\n".join(_panel(left, heads, blocks, panel) for panel in panels)


def _width(head: str, blocks: Sequence[Block], place: int) -> int:
    return max(width_of(head), *(width_of(line) for block in blocks for line in block[place]))


def _panel(left: Sequence[str], heads: Sequence[str], blocks: Sequence[Block], panel: Sequence[int]) -> str:
    rows = []
    for block in blocks:
        cells = [*block[: len(left)], *[block[len(left) + k] for k in panel]]
        height = max(map(len, cells))
        rows += [[cell[i] if i < len(cell) else "" for cell in cells] for i in range(height)]
    return table_text([*left, *[heads[k] for k in panel]], rows, align="<" * len(left) + ">" * len(panel))


# Colours are the page's, so that the table can be read on light and on dark; rules are of the text's colour, fainter.
_CELL = "padding:0.2em 0.8em;vertical-align:top;white-space:nowrap;color:inherit;background:transparent;border:0;"
_RULE = "border-bottom:1px solid currentColor;"


def table_html(left: Sequence[str], heads: Sequence[str], blocks: Sequence[Block], caption: str = "") -> str:
    """One table of HTML, with every text escaped; wider than the page it scrolls."""

    def cell(tag: str, lines: Sequence[str], side: str, more: str = "") -> str:
        return f'<{tag} style="{_CELL}text-align:{side};{more}">{"<br>".join(map(escape, lines))}</{tag}>'

    sides = ["left"] * len(left) + ["right"] * len(heads)
    head = "".join(cell("th", [name], side, _RULE) for name, side in zip([*left, *heads], sides, strict=True))
    body = []
    for block in blocks:
        tags = ["th", *["td"] * (len(block) - 1)]
        cells = [cell(tag, lines, side) for tag, lines, side in zip(tags, block, sides, strict=True)]
        body.append(f"<tr>{''.join(cells)}</tr>")
    title = f'<caption style="caption-side:top;text-align:left;color:inherit;">{caption}</caption>' if caption else ""
    return (
        '<div style="overflow-x:auto;"><table style="border-collapse:collapse;color:inherit;background:transparent;">'
        f"{title}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )
