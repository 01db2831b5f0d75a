"""Errors and warnings of the package. Each says what was expected, what was found, and where."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning, NotFittedError

__all__ = [
    "ConvergenceWarning",
    "DataError",
    "DataTypeError",
    "DegenerateWarning",
    "FitError",
    "LimitWarning",
    "MixturesError",
    "ModelFormatError",
    "NotFittedError",
    "ParameterError",
    "UndefinedError",
]


class MixturesError(Exception):
    """Base of every error that this package raises on purpose."""


class ParameterError(MixturesError, ValueError):
    """A parameter of a distribution or a model breaks its constraint."""


class UndefinedError(ParameterError, AttributeError):
    """A distribution with these parameters has no such moment: ``hasattr`` answers False."""


class DataError(MixturesError, ValueError):
    """A table or its weights cannot be used; names column, row and value."""


class DataTypeError(DataError, TypeError):
    """A column holds values of a type that the family cannot read."""


class FitError(MixturesError, ValueError):
    """A fit could not go on."""


class ModelFormatError(MixturesError, ValueError):
    """A file holds no model that can be read, or a model something that no file can keep; names the place in it."""


class DegenerateWarning(UserWarning):
    """A fit ended at the edge of what the data can tell: a scale held at its floor, a component without rows."""


class LimitWarning(DegenerateWarning):
    """A family has become a simpler one in a fit, at an end of a parameter's range; the likelihood is as sound as that one's."""
