"""Packages that only some parts need, imported when they are needed, with an error that names the extra that brings them."""

from __future__ import annotations

import importlib
from types import ModuleType


def import_extra(module: str, extra: str) -> ModuleType:
    """The module of this name.

    Raises
    ------
    ModuleNotFoundError : it is not installed; the message names the extra of this package that brings it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # the module is there; what it needs itself is not
        raise ModuleNotFoundError(
            f'this needs {module}, which the extra "{extra}" brings: pip install "general-mixtures[{extra}]"', name=error.name
        ) from None
