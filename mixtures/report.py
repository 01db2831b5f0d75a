"""Fitted mixtures as text: tables for a terminal, made by functions that only return strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mixtures.candidates import Candidate
from mixtures.describing import describe
from mixtures.inference import ColumnChoice
from mixtures.tables import panels_text, short, table_html, table_text

if TYPE_CHECKING:
    from mixtures.selection import Selection

NAME_WIDTH = 40
LEGEND = "m ± s: mean and standard deviation"


def columns_text(choices: Sequence[ColumnChoice]) -> str:
    """A row per column: its family, or that it is left out, and why."""
    rows = [[short(c.column), type(c.family).__name__ if c.family is not None else "left out", c.reason] for c in choices]
    return table_text(["column", "family", "why"], rows, align="<<<")


def bic_text(candidates: Sequence[Candidate], chosen: Candidate) -> str:
    """A row per number of components; the chosen one is marked, and so are those that could not be chosen."""
    rows = []
    for candidate in candidates:
        cells = [_number(candidate.criterion("bic"))]
        rows.append([str(candidate.n_components), *_likelihood(candidate), *cells, _mark(candidate, chosen, "BIC")])
    return table_text(["components", "parameters", "log-likelihood", "BIC", ""], rows, align=">>>><")


def selection_text(selection: Selection) -> str:
    """A row per candidate, with all criteria, the chosen one marked; and notes."""
    heads, rows = _selection(selection)
    align = "<" * (heads[0] == "components") + ">" * (len(heads) - 1 - (heads[0] == "components")) + "<"
    notes = [
        f"note: {c.name if heads[0] == 'components' else ''}{': ' if heads[0] == 'components' else ''}{c.n_components}: {note}"
        for c in selection
        for note in c.notes
    ]
    return "\n".join([table_text(heads, rows, align), *notes])


def selection_html(selection: Selection) -> str:
    """As :func:`selection_text`, without notes."""
    heads, rows = _selection(selection)
    return table_html(heads[:1], heads[1:], [[[cell] for cell in row] for row in rows])


def _selection(selection: Selection) -> tuple[list[str], list[list[str]]]:
    several = len({candidate.name for candidate in selection}) > 1
    names = list(selection.criteria)
    heads = ["K", "parameters", "log-likelihood", *[name.upper() for name in names], ""]
    chosen = selection.best if any(candidate.is_fitted for candidate in selection) else None
    rows = []
    for candidate in selection:
        cells = [_number(candidate.criterion(name)) for name in names]
        if "cv" in names:
            cells[names.index("cv")] = "" if np.isnan(candidate.cv) else f"{candidate.cv:.4f} ± {candidate.cv_error:.4f}"
        mark = _mark(candidate, chosen, selection.criterion.upper())
        rows.append([str(candidate.n_components), *_likelihood(candidate), *cells, mark])
    if several:
        heads = ["components", *heads]
        rows = [[short(candidate.name, NAME_WIDTH), *row] for candidate, row in zip(selection, rows, strict=True)]
    return heads, rows


def _likelihood(candidate: Candidate) -> list[str]:
    """Cells for the number of parameters and the log-likelihood."""
    measures = candidate.measures
    return ["", ""] if measures is None else [str(measures.n_parameters), f"{measures.log_likelihood:,.1f}"]


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:,.1f}"


def _mark(candidate: Candidate, chosen: Candidate | None, criterion: str) -> str:
    """What is to be said of a candidate besides its numbers."""
    if not candidate.is_fitted:
        return "failed"
    if candidate is chosen:
        best = f"{'highest' if criterion == 'CV' else 'lowest'} {criterion}, chosen"
        return "<- chosen, though degenerate" if candidate.degenerate else f"<- {best}"
    return "degenerate, not chosen" if candidate.degenerate else ""


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
    text = panels_text(["component", ""], heads, blocks, width)
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
