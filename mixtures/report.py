"""Fitted mixtures as text: tables for a terminal, made by functions that only return strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.describing import describe
from mixtures.inference import ColumnChoice
from mixtures.selection import Candidate
from mixtures.tables import panels_text, short, table_text

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
