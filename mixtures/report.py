"""Fitted mixtures as text: tables for a terminal, made by functions that only return strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.inference import ColumnChoice
from mixtures.selection import Candidate

TOP_CATEGORIES = 3
SMALLEST_SHOWN = 0.0005
"""Less likely categories are not shown: 0.0% says nothing."""
MAX_WIDTH = 20  # of a name or a category
GAP = "  "
LEFT_HEADS = ("component", "")
LEGEND = "m ± s: mean and standard deviation"


def columns_text(choices: Sequence[ColumnChoice]) -> str:
    """A row per column: its family, or that it is left out, and why."""
    rows = [[short(c.column), type(c.family).__name__ if c.family is not None else "left out", c.reason] for c in choices]
    return table_text(["column", "family", "why"], rows, align="<<<")


def bic_text(candidates: Sequence[Candidate], chosen: Candidate) -> str:
    """A row per number of components; the chosen one is marked, and so are those that could not be chosen."""
    rows = []
    for candidate in candidates:
        mark = "<- lowest BIC, chosen" if candidate is chosen else "degenerate, not chosen" if candidate.degenerate else ""
        if not candidate.components:
            rows.append([str(candidate.n_components), "", "", "", "failed"])
            continue
        if candidate is chosen and candidate.degenerate:
            mark = "<- chosen, though degenerate"
        scores = [f"{candidate.log_likelihood:,.1f}", f"{candidate.bic:,.1f}"]
        rows.append([str(candidate.n_components), str(candidate.n_parameters), *scores, mark])
    return table_text(["components", "parameters", "log-likelihood", "BIC", ""], rows, align=">>>><")


def model_text(components: Sequence[Any], weights: npt.ArrayLike, width: int = 100) -> str:
    """A row per column of the table, a column per component, in as many panels side by side as `width` asks for.

    Parameters
    ----------
    components : k fitted products over named columns.
    weights : (k,).
    """
    heads = [str(k) for k in range(len(components))]
    blocks: list[list[list[str]]] = []  # per row of the table, per cell, lines
    names = list(components[0].factors)
    for name in names:
        column = [component.factors[name] for component in components]
        cells = [describe(distribution, column) for distribution in column]
        family = type(column[0]).__name__
        blocks.append([[short(str(name))], [family], *cells])
    blocks.insert(0, [["weight"], [""], *[[f"{100 * weight:.1f}%"] for weight in np.asarray(weights, dtype=float)]])
    panels = _panels(heads, blocks, width)
    text = "\n\n".join(_panel_text(heads, blocks, panel) for panel in panels)
    return f"{text}\n{LEGEND}" if " ± " in text else text


def sizes_text(labels: npt.NDArray[np.int64], n_components: int) -> str:
    """Rows whose most probable component each is."""
    counts = np.bincount(labels, minlength=n_components)
    rows = [[str(k), f"{count:,}", f"{100 * count / len(labels):.1f}%"] for k, count in enumerate(counts)]
    return table_text(["cluster", "rows", "share"], [*rows, ["all", f"{len(labels):,}", "100.0%"]], align=">>>")


def cross_text(labels: npt.NDArray[np.int64], known: Sequence[Any], n_components: int, name: str) -> str:
    """Clusters (rows) against known labels (columns), in numbers of rows; `name` says what the labels are."""
    kinds = sorted({str(value) for value in known})
    place = {kind: column for column, kind in enumerate(kinds)}
    counts = np.zeros((n_components, len(kinds)), dtype=np.int64)
    np.add.at(counts, (labels, np.array([place[str(value)] for value in known])), 1)
    rows = [[str(k), *[f"{count:,}" if count else "." for count in row]] for k, row in enumerate(counts)]
    agreeing = counts.max(axis=1).sum()
    table = table_text(["cluster", *map(short, kinds)], rows, align=">" * (1 + len(kinds)))
    return f"{table}\n{agreeing:,} of {len(labels):,} rows are of the most common {name} of their cluster."


def describe(distribution: Any, column: Sequence[Any] = ()) -> list[str]:
    """A fitted distribution in a few short lines, told by the parameters it declares: by name, unless there is a better form.

    `column` holds the distributions of the same column in all components, which are to be shown alike.
    """
    declared = set(getattr(distribution, "parameters", ()))
    if declared == {"mean", "std"}:
        return [_mean_and_std(distribution, column)]
    if declared == {"probability"}:
        return [f"true {percent(distribution.probability)}"]
    if hasattr(distribution, "categories"):
        return _top_categories(distribution)
    if not declared:
        return [short(repr(distribution))]
    return [f"{name} {_parameter(getattr(distribution, name))}" for name in getattr(distribution, "parameters", ())]


def _mean_and_std(distribution: Any, column: Sequence[Any]) -> str:
    mean, std = distribution.mean, distribution.std
    # Two digits of the smallest standard deviation say how exact the means need be.
    least = min([std, *[peer.std for peer in column if hasattr(peer, "std")]])
    decimals = max(0, 1 - int(np.floor(np.log10(least))))
    if decimals > 6 or abs(mean) >= 1e9 or std >= 1e9:
        return f"{mean:.6g} ± {std:.2g}"
    return f"{mean:,.{decimals}f} ± {std:,.{decimals}f}"


def _top_categories(distribution: Any) -> list[str]:
    pairs = sorted(zip(distribution.probabilities, distribution.categories, strict=True), key=lambda pair: -pair[0])
    seen = [(probability, str(category)) for probability, category in pairs if probability >= SMALLEST_SHOWN]
    # One category beyond the top is shown itself rather than as "1 other".
    shown = seen if len(seen) <= TOP_CATEGORIES + 1 else seen[:TOP_CATEGORIES]
    lines = [f"{short(category)} {percent(probability)}" for probability, category in shown]
    if len(shown) < len(seen):
        lines.append(f"{len(seen) - len(shown)} others {percent(sum(probability for probability, _ in seen[len(shown) :]))}")
    return lines


def _parameter(value: Any) -> str:
    if not isinstance(value, (float, np.floating)):
        return short(str(value))
    number = float(value)
    if number == 0 or 1000 <= abs(number) < 1e9:
        return f"{number:,.0f}"
    return f"{number:#.3g}".rstrip(".")  # three digits, zeros at the end too, so that components can be compared


def percent(probability: float) -> str:
    """A probability as a percentage, with a decimal near 0 and 1."""
    if SMALLEST_SHOWN <= probability < 0.01 or 0.99 < probability <= 1 - SMALLEST_SHOWN:
        return f"{100 * probability:.1f}%"
    return f"{100 * probability:.0f}%"


def short(text: str) -> str:
    """The text on one line, cut where it is too long for a column."""
    text = " ".join(text.split())
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 3] + "..."


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Cells under a head and a rule; `align` has < or > for every column."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return GAP.join(f"{cell:{side}{width}}" for cell, side, width in zip(cells, align, widths, strict=True)).rstrip()

    rule = line(["-" * width if name else "" for name, width in zip(head, widths, strict=True)])
    return "\n".join([line(head), rule, *map(line, rows)])


def _width(heads: Sequence[str], blocks: Sequence[Sequence[Sequence[str]]], k: int) -> int:
    return max(len(heads[k]), *(len(line) for block in blocks for line in block[2 + k]))


def _panels(heads: Sequence[str], blocks: Sequence[Sequence[Sequence[str]]], width: int) -> list[list[int]]:
    """Components side by side as far as they fit, the others in panels below."""
    left = sum(
        max(len(head), *(len(line) for block in blocks for line in block[c])) + len(GAP) for c, head in enumerate(LEFT_HEADS)
    )
    panels: list[list[int]] = [[]]
    used = left
    for k in range(len(heads)):
        needed = _width(heads, blocks, k) + len(GAP)
        if panels[-1] and used + needed - len(GAP) > width:
            panels.append([])
            used = left
        panels[-1].append(k)
        used += needed
    return panels


def _panel_text(heads: Sequence[str], blocks: Sequence[Sequence[Sequence[str]]], panel: Sequence[int]) -> str:
    rows = []
    for block in blocks:
        cells = [block[0], block[1], *[block[2 + k] for k in panel]]
        height = max(map(len, cells))
        rows += [[cell[i] if i < len(cell) else "" for cell in cells] for i in range(height)]
    return table_text([*LEFT_HEADS, *[heads[k] for k in panel]], rows, align="<<" + ">" * len(panel))
