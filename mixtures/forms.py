"""How distributions and priors become fields of a document: the arguments of the constructor that makes each of them again.

Families are found by name in two fixed tables, those of the package and those of ``scipy.stats``, and among those that the caller
gives; what a document says is never a module's name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import scipy.stats

from mixtures import distributions, priors
from mixtures.distributions.base import Value
from mixtures.exceptions import ModelFormatError, ParameterError
from mixtures.values import Form, check_keys, refuse

OWN = "own:"
"""Begins the names of the caller's own, so that they differ from all others, those of later versions too."""
Own = dict[str, Any]
"""Classes and families of `scipy.stats` of the caller's own, by name."""


def _given(value: Any) -> dict[str, Any]:
    return {name: own for name, own in value._values().items() if own is not None}


def _made(cls: Any, fields: dict[str, Any]) -> Any:
    if "categories" in fields:
        check_keys(fields["categories"])
    return cls(**fields)


def _factors(cls: Any, fields: dict[str, Any]) -> Any:
    check_keys(key for key, _ in fields["factors"])
    found = dict(fields["factors"])
    return cls(found) if len(found) == len(fields["factors"]) else refuse("one factor a column", fields["factors"])


def _bounds(distribution: Any) -> dict[str, Any]:
    return {"base": distribution.base, "bounds": tuple((name, *pair) for name, pair in distribution.bounds.items())}


def _of_scipy(distribution: Any) -> dict[str, Any]:
    values = _given(distribution)
    family, fixed = values.pop("family"), values.pop("fixed", {})
    return {"family": family, "parameters": values, "fixed": fixed}


_BY_NAME: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any, dict[str, Any]], Any]]] = {
    "Product": (lambda d: {"factors": tuple(d.factors.items())}, _factors),
    "Frozen": (lambda d: {"base": d.base, "held": d._held()}, lambda cls, fields: cls(fields["base"], *fields["held"])),
    "Tied": (lambda d: {"base": d.base, "tied": d.tied_names}, lambda cls, fields: cls(fields["base"], *fields["tied"])),
    "Bounded": (
        _bounds,
        lambda cls, fields: cls(fields["base"], **{name: (low, high) for name, low, high in fields["bounds"]}),
    ),
    "ScipyDistribution": (
        _of_scipy,
        lambda cls, fields: cls(fields["family"], fixed=fields["fixed"], **fields["parameters"]),
    ),
}
"""Those whose constructors take other arguments than their values by name: fields, and what makes an object of them."""


@functools.cache
def families() -> dict[type, Form]:
    """Forms of all families and priors of the package."""
    found: dict[type, Form] = {}
    for module in (distributions, priors):
        for name in module.__all__:
            cls = getattr(module, name)
            if isinstance(cls, type) and issubclass(cls, Value) and not inspect.isabstract(cls):
                fields, make = _BY_NAME.get(name, (_given, _made))
                found[cls] = Form(name, fields, functools.partial(make, cls))
    return found


@functools.cache
def scipy_families() -> dict[str, Any]:
    """Families of one variable in ``scipy.stats``, by name."""
    found: dict[str, Any] = {}
    for name in dir(scipy.stats):
        family: Any = getattr(scipy.stats, name)
        if is_of_scipy(family) and family.name == name:
            found[name] = family
    return found


def is_of_scipy(value: Any) -> bool:
    """Whether it is a family of one variable of ``scipy.stats``, or one made as those are."""
    return isinstance(value, (scipy.stats.rv_continuous, scipy.stats.rv_discrete))


def _scipy_family(fields: dict[str, Any]) -> Any:
    return scipy_families().get(fields["name"]) or refuse("the name of a family of scipy.stats", fields["name"])


SCIPY = Form("scipy.stats", lambda family: {"name": family.name}, _scipy_family)
"""The form of a family of ``scipy.stats`` itself, which is its name."""


def own_form(value: Any, own: Own, where: str) -> Form:
    """The form of a class of the caller's own, the arguments of its constructor, or of a family of scipy.stats of the caller's own,
    which is its name; either is remembered.

    Raises
    ------
    ModelFormatError : another one has that name; or it is no family.
    """
    if not (_is_family(value) or is_of_scipy(value)):
        raise ModelFormatError(f"{where}: objects of type {value.__module__}.{value.__qualname__} cannot be kept in a file")
    name = value.__name__ if isinstance(value, type) else value.name
    if own.setdefault(name, value) is not value:
        raise ModelFormatError(f"{where}: a file knows families by name, and {name!r} is another one's: rename {value!r}")
    if is_of_scipy(value):
        return Form(OWN + name, lambda family: {}, lambda fields: value)
    return Form(OWN + name, _given if issubclass(value, Value) else _attributes, functools.partial(_made, value))


def _is_family(value: Any) -> bool:
    """Whether a class is one of distributions, or of priors."""
    if not isinstance(value, type):
        return False
    return issubclass(value, Value) or all(callable(getattr(value, method, None)) for method in ("log_prob", "fit"))


def _attributes(value: Any) -> dict[str, Any]:
    """What a constructor takes, from attributes of the same names."""
    cls = type(value)
    found = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) or not hasattr(value, name):
            raise ModelFormatError(
                f"{cls.__name__}: expected an attribute for every argument of its constructor, under the same name, found no {name}"
            )
        found[name] = getattr(value, name)
    return found


def named(given: Iterable[Any]) -> Own:
    """The caller's own families by name.

    Raises
    ------
    ParameterError : one is neither a class nor a family of scipy.stats, or has the name of another.
    """
    own: Own = {}
    listed: Iterable[Any] = (given,) if isinstance(given, type) or is_of_scipy(given) else given
    for family in listed:
        if not (_is_family(family) or is_of_scipy(family)):
            raise ParameterError(
                f"families must be classes of distributions, or families as scipy.stats has them, found {family!r}"
            )
        try:
            own_form(family, own, "families")
        except ModelFormatError as error:
            raise ParameterError(str(error)) from None
    return own
