"""Warnings in the name of the line that called this package, however many frames lie between."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

_OURS = str(Path(__file__).parent) + os.sep
_WRAPPERS = ("sklearn",)  # its decorators stand between the caller and a method


def warn(message: str, category: type[Warning]) -> None:
    """Warn in the name of the first frame outside the package."""
    depth = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_code.co_filename, frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        depth += 1
    warnings.warn(message, category, stacklevel=depth)


def _is_inside(path: str, module: str) -> bool:
    return path.startswith(_OURS) or module.partition(".")[0] in _WRAPPERS
