"""Warnings in the name of the line that called this package, however many frames lie between."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

_OURS = str(Path(__file__).parent) + os.sep
_WRAPPERS = ("sklearn",)  # its decorators stand between the caller and a method
_collector: ContextVar[list[tuple[str, type[Warning]]] | None] = ContextVar("collector", default=None)


def warn(message: str, category: type[Warning]) -> None:
    """Warn in the name of the first frame outside the package, or tell who collects warnings in this thread."""
    collector = _collector.get()
    if collector is not None:
        collector.append((message, category))
        return
    depth = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_code.co_filename, frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        depth += 1
    warnings.warn(message, category, stacklevel=depth)


@contextlib.contextmanager
def collected() -> Iterator[list[tuple[str, type[Warning]]]]:
    """Keep what is warned of in this thread: a message and its category each. ``warnings.catch_warnings`` acts on all threads."""
    found: list[tuple[str, type[Warning]]] = []
    token = _collector.set(found)
    try:
        yield found
    finally:
        _collector.reset(token)


def _is_inside(path: str, module: str) -> bool:
    return path.startswith(_OURS) or module.partition(".")[0] in _WRAPPERS
