"""Writing a file of cluster labels: wholly or not at all, and refused before the work rather than after it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Self

from mixtures.exceptions import DataError


class LabelsFile:
    """A CSV file of row numbers and clusters, written under a name of its own and then renamed.

    Entering opens it, so that a path that cannot be written is known at once; leaving without :meth:`write` leaves no trace.

    Raises
    ------
    DataError : the path cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.exists() and not path.is_file():  # a pipe or a terminal cannot be replaced by a file
            self._target, self._partial = path, None
        else:
            self._target = path.resolve()
            self._partial = self._target.with_name(f".{self._target.name}.{os.getpid()}.part")
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        if self._target.is_dir():
            raise self._refusal("it is a folder")
        if self._target.exists() and not os.access(self._target, os.W_OK):
            raise self._refusal("permission denied")
        try:
            self._file = (self._partial or self._target).open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._refusal((error.strerror or str(error)).lower()) from None
        return self

    def write(self, labels: Iterable[int]) -> None:
        """Write a line per row: its number, counted from 0, and its cluster."""
        assert self._file is not None
        try:
            self._file.write("row,cluster\n")
            self._file.writelines(f"{row},{label}\n" for row, label in enumerate(labels))
            self._file.close()
            if self._partial is not None:
                self._partial.replace(self._target)
        except OSError as error:
            raise self._refusal((error.strerror or str(error)).lower()) from None

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        if self._partial is not None:
            self._partial.unlink(missing_ok=True)

    def _refusal(self, reason: str) -> DataError:
        return DataError(f"{self._path}: cannot be written: {reason}")
