"""What is known beforehand of the component that each row belongs to: labels of some rows, or plausibilities."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixtures.engine.plan import NO_LABELS, NO_MATRIX, Floats, Ints
from mixtures.exceptions import DataError, ParameterError
from mixtures.table import is_missing


@dataclass(frozen=True)
class Knowledge:
    """What is known of the rows' components beforehand.

    labels : (n,) a component, or -1 for unknown; size 0: nothing is known.
    beliefs : (n, k) logs of plausibilities; size 0: nothing is believed.
    """

    labels: Ints = field(default_factory=lambda: NO_LABELS)
    beliefs: Floats = field(default_factory=lambda: NO_MATRIX)

    def take(self, rows: Ints) -> Knowledge:
        """What is known of these rows."""
        if not self:
            return self
        return Knowledge(
            self.labels[rows] if self.labels.size else self.labels, self.beliefs[rows] if self.beliefs.size else self.beliefs
        )

    def hints(self) -> Ints:
        """Labels of the rows to start from: the known ones, or those that are believed more than all others together; -1 for the
        others; size 0 where nothing is known."""
        if self.labels.size:
            return self.labels
        if self.beliefs.size:
            beliefs = np.exp(self.beliefs)
            return np.where(beliefs.max(axis=1) > 0.5 * beliefs.sum(axis=1), beliefs.argmax(axis=1), -1)
        return NO_LABELS

    def columns(self) -> Floats:
        """What is known of every row as numbers (n, c); c = 0 where nothing is."""
        return self.labels[:, None].astype(np.float64) if self.labels.size else self.beliefs

    def __bool__(self) -> bool:
        return bool(self.labels.size or self.beliefs.size)


NOTHING = Knowledge()
STARTS = ("clusters", "random")
"""Starts that have names: clusters of k-means, or parameters fitted around rows drawn at random."""


def read_knowledge(labels: Any, responsibilities: Any, n_rows: int, n_components: int) -> Knowledge:
    """What the arguments of a fit say of its rows.

    Parameters
    ----------
    labels : (n,) numbers of components; -1, None or NaN for unknown. None: nothing is known.
    responsibilities : (n, k) plausibilities >= 0 of every component for every row, up to a factor of the row; a row of NaN for
        unknown. None: nothing is believed.

    Raises
    ------
    DataError : a shape is wrong, or a row's entry is none of these; names the row.
    """
    if labels is not None and responsibilities is not None:
        raise DataError("expected labels or responsibilities, found both: a label is a row of responsibilities with a single 1")
    if labels is not None:
        return _of_labels(_read_labels(labels, n_rows, n_components))
    if responsibilities is not None:
        return _of_beliefs(_read_beliefs(responsibilities, n_rows, n_components))
    return NOTHING


def _of_labels(labels: Ints) -> Knowledge:
    return Knowledge(labels=labels) if (labels >= 0).any() else NOTHING


def _of_beliefs(beliefs: Floats) -> Knowledge:
    """Beliefs that say no more than labels are labels."""
    possible = beliefs > -np.inf
    is_label = possible.sum(axis=1) == 1
    if (is_label | (beliefs == 0.0).all(axis=1)).all():
        return _of_labels(np.where(is_label & (beliefs.shape[1] > 1), beliefs.argmax(axis=1), -1))
    return Knowledge(beliefs=beliefs)


def read_start(start: Any, n_rows: int, n_components: int) -> Any:
    """Where EM is to start: a word, or labels (n,) or responsibilities (n, k) of all rows.

    Raises
    ------
    ParameterError : another word. DataError : an array of another shape, or one that leaves a row open.
    """
    if isinstance(start, str):
        if start not in STARTS:
            raise ParameterError(f"start must be one of {STARTS}, labels (n,) or responsibilities (n, k), found {start!r}")
        return start
    if np.ndim(start) != 2:
        labels = _read_labels(start, n_rows, n_components, "start")
        if (labels < 0).any():
            raise DataError(f"start: expected a component for every row, row {int(np.argmin(labels))} has none")
        return Knowledge(labels=labels)
    beliefs = _read_beliefs(start, n_rows, n_components, "start")
    return Knowledge(beliefs=beliefs - np.log(np.exp(beliefs).sum(axis=1, keepdims=True)))


def _read_labels(labels: Any, n_rows: int, n_components: int, what: str = "labels") -> Ints:
    given = np.asarray(labels.to_numpy() if hasattr(labels, "to_numpy") else labels)
    if given.shape != (n_rows,):
        raise DataError(f"{what}: expected shape ({n_rows},), one a row, found {given.shape}")
    numbers = np.empty(n_rows)
    if given.dtype.kind in "fiub":
        numbers[:] = given
    else:
        for row, value in enumerate(given.tolist()):
            if not (is_missing(value) or isinstance(value, (int, float, np.number))):
                raise DataError(f"{what}: expected whole numbers from 0 to {n_components - 1}, row {row} has {value!r}")
            numbers[row] = -1.0 if is_missing(value) else float(value)
    numbers = np.where(np.isnan(numbers), -1.0, numbers)
    bad = np.flatnonzero((numbers != np.floor(numbers)) | (numbers < -1) | (numbers >= n_components))
    if len(bad):
        raise DataError(
            f"{what}: expected a component from 0 to {n_components - 1}, or -1 for unknown, row {bad[0]} has {given[bad[0]]!r}"
        )
    return numbers.astype(np.int64)


def _read_beliefs(responsibilities: Any, n_rows: int, n_components: int, what: str = "responsibilities") -> Floats:
    try:
        given = np.array(responsibilities, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what}: expected numbers, found {error}") from None
    if given.shape != (n_rows, n_components):
        raise DataError(f"{what}: expected shape ({n_rows}, {n_components}), rows by components, found {given.shape}")
    given[np.isnan(given).all(axis=1)] = 1.0
    bad = np.flatnonzero(~(np.isfinite(given) & (given >= 0)).all(axis=1) | ~(given > 0).any(axis=1))
    if len(bad):
        raise DataError(f"{what}: expected finite numbers >= 0, not all 0, row {bad[0]} has {given[bad[0]].tolist()}")
    with np.errstate(divide="ignore"):
        return np.log(given / given.max(axis=1, keepdims=True))
