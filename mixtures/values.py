"""Plain values and arrays as trees that JSON can hold, and back, with their types and to the last bit.

None, booleans, strings, integers and finite floats stand for themselves and a JSON array for a tuple. Everything else is an object
whose member "@type" names its :class:`Form`, the other members being its fields.
"""

from __future__ import annotations

import datetime
import math
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from mixtures.documents import LONGEST_NUMBER
from mixtures.exceptions import ModelFormatError

TYPE = "@type"
MOST_COLLISIONS = 50
"""Different keys of one hash, beyond which sets of keys take quadratic time. Floats a power of 2^61 apart are some 30."""
_PLAIN = frozenset([type(None), bool, str, float])


class Form(NamedTuple):
    """How objects of one kind become fields and are made of them again.

    Attributes
    ----------
    name : what documents call it.
    fields : of an object, by name.
    make : the object, of fields by name; whatever it raises means that there is none.
    """

    name: str
    fields: Callable[[Any], Mapping[str, Any]]
    make: Callable[[dict[str, Any]], Any]


def written(value: Any, form_of: Callable[[Any, str], tuple[Form, Any]], where: str = "model") -> Any:
    """A value as a tree.

    Parameters
    ----------
    form_of : (form, object) of what is no plain value, which may be replaced by an object that stands for it.
    where : how errors name it.

    Raises
    ------
    ModelFormatError : it holds something that no file can keep; names the place.
    """
    kind = type(value)
    if _is_itself(value):
        return value
    if kind is int:
        raise ModelFormatError(f"{where}: expected integers of at most {3 * LONGEST_NUMBER} bits, found {value.bit_length()}")
    if kind is tuple:
        return [entry if _is_itself(entry) else written(entry, form_of, f"{where}[{place}]") for place, entry in enumerate(value)]
    form = PLAIN_FORMS.get(kind)
    if form is None:
        form, value = form_of(value, where)
    try:
        fields = form.fields(value)
    except ModelFormatError as error:
        raise ModelFormatError(f"{where}: {error}") from None
    return {TYPE: form.name, **{name: written(own, form_of, f"{where}.{name}") for name, own in fields.items()}}


def _is_itself(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    return kind in _PLAIN or (kind is int and value.bit_length() <= 3 * LONGEST_NUMBER)


def read(tree: Any, forms: Mapping[str, Form], where: str = "model") -> Any:
    """The value that a tree stands for.

    Parameters
    ----------
    forms : by name, besides those of plain values.
    where : how errors name it.

    Raises
    ------
    ModelFormatError : it stands for none; names the place.
    """
    if isinstance(tree, list):
        if all(type(entry) is int or type(entry) in _PLAIN for entry in tree):
            return tuple(tree)
        return tuple([read(entry, forms, f"{where}[{place}]") for place, entry in enumerate(tree)])
    if not isinstance(tree, dict):
        return tree
    name = tree.get(TYPE)
    form = (_FORM_OF_NAME.get(name) or forms.get(name)) if isinstance(name, str) else None
    if form is None:
        known = "of a family of your own? Give it to load: families=[...]" if isinstance(name, str) else "expected its type"
        raise ModelFormatError(f"{where}: found an object of type {_short(name)}, {known}")
    fields = {key: read(value, forms, f"{where}.{key}") for key, value in tree.items() if key != TYPE}
    try:
        with np.errstate(all="ignore"):
            return form.make(fields)
    except ModelFormatError as error:
        raise ModelFormatError(f"{where}: {error}") from error
    except Exception as error:  # what constructors do with values that nobody ever gave them
        raise ModelFormatError(f"{where}: no {form.name} can be made of this: {_short(error, '{}')}") from error


def refuse(what: str, value: Any) -> NoReturn:
    """Raise the error of a value that is not what it should be."""
    raise ModelFormatError(f"expected {what}, found {_short(value)}")


def _short(value: Any, form: str = "{!r}") -> str:
    text = form.format(value)
    return text if len(text) <= 300 else text[:300] + "..."


def check_keys(keys: Iterable[Any]) -> None:
    """Refuse keys of a set or a dict so many of which have one hash that it would take quadratic time."""
    counts = Counter([hash(key) for key in keys])
    if counts and max(counts.values()) > MOST_COLLISIONS:
        raise ModelFormatError(f"expected keys that differ, found {max(counts.values())} of one hash")


# --- the forms of plain values ---


def _read_float(fields: dict[str, Any]) -> float:
    text = fields["value"]
    if text in ("nan", "inf", "-inf"):
        return float(text)
    found: float = struct.unpack(">d", bytes.fromhex(text))[0]
    return found if math.isnan(found) else refuse("inf, -inf, nan or the bits of a NaN", text)


def _float_fields(value: float) -> dict[str, Any]:
    bits = struct.pack(">d", value)
    is_named = not math.isnan(value) or bits == struct.pack(">d", math.nan)
    return {"value": repr(value) if is_named else bits.hex()}  # other NaN have other bits


def _set_of(fields: dict[str, Any]) -> frozenset[Any]:
    check_keys(fields["values"])
    return frozenset(fields["values"])


def _dict_of(fields: dict[str, Any]) -> dict[Any, Any]:
    check_keys(key for key, _ in fields["items"])
    found = dict(fields["items"])
    return found if len(found) == len(fields["items"]) else refuse("keys that differ", fields["items"])


def _moment_fields(value: Any) -> dict[str, Any]:
    text = value.isoformat()
    if repr(type(value).fromisoformat(text)) != repr(value):
        refuse("a date or time that its ISO form tells wholly, with no time zone or a fixed offset", value)
    return {"value": text}


def _duration_fields(value: datetime.timedelta) -> dict[str, Any]:
    return {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}


def _set_fields(value: frozenset[Any]) -> dict[str, Any]:
    return {"values": tuple(sorted(value, key=_sorted_repr))}  # sets have no order, documents have


def _sorted_repr(value: Any) -> str:
    inner = f"({', '.join(map(_sorted_repr, value))})" if type(value) is tuple else repr(value)
    return f"{type(value).__name__} {sorted(map(_sorted_repr, value)) if type(value) is frozenset else inner}"


_DTYPES = [np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
_DTYPES += [np.float16, np.float32, np.float64]
_OF_DTYPE = {np.dtype(kind).name: (kind, {"b": bool, "f": float}.get(np.dtype(kind).kind, int)) for kind in _DTYPES}


def _array_fields(array: Any) -> dict[str, Any]:
    name = "object" if array.dtype == object else array.dtype.name
    if name != "object" and name not in _OF_DTYPE:
        refuse(f"an array of objects or of one of {', '.join(_OF_DTYPE)}", array.dtype)
    return {"dtype": name, "shape": tuple(array.shape), "values": tuple(array.ravel().tolist())}


def _array_of(fields: dict[str, Any]) -> Any:
    dtype, shape, values = fields["dtype"], fields["shape"], fields["values"]
    if not (isinstance(shape, tuple) and len(shape) <= 32 and all(type(size) is int and size >= 0 for size in shape)):
        refuse("a shape of whole numbers", shape)
    if math.prod(shape) != len(values):
        refuse(f"as many values as shape {shape} has", len(values))
    if dtype == "object":
        found = np.empty(len(values), dtype=object)
        for place, value in enumerate(values):  # at once, sequences among them would become rows
            found[place] = value
        return found.reshape(shape)
    return _numbers(values, *_OF_DTYPE[dtype]).reshape(shape)


def _numbers(values: Any, kind: Any, plain: type) -> Any:
    """An array (n,) of plain values, none of which is changed by its type."""
    if not all(type(value) is plain for value in values):
        refuse(f"values of type {plain.__name__}", values)
    if plain is int and values and not np.iinfo(kind).min <= min(values) <= max(values) <= np.iinfo(kind).max:
        refuse(f"values of type {kind.__name__}", (min(values), max(values)))
    return np.array(values, dtype=kind)


def _form_of_scalar(kind: Any) -> Form:
    name = np.dtype(kind).name
    plain = _OF_DTYPE[name][1]
    return Form(f"numpy.{name}", lambda value: {"value": plain(value)}, lambda fields: _numbers([fields["value"]], kind, plain)[0])


PLAIN_FORMS: dict[type, Form] = {
    float: Form("float", _float_fields, _read_float),
    list: Form("list", lambda value: {"values": tuple(value)}, lambda fields: list(fields["values"])),
    dict: Form("dict", lambda value: {"items": tuple(value.items())}, _dict_of),
    frozenset: Form("frozenset", _set_fields, _set_of),
    bytes: Form("bytes", lambda value: {"hex": value.hex()}, lambda fields: bytes.fromhex(fields["hex"])),
    datetime.date: Form("date", _moment_fields, lambda fields: datetime.date.fromisoformat(fields["value"])),
    datetime.datetime: Form("datetime", _moment_fields, lambda fields: datetime.datetime.fromisoformat(fields["value"])),
    datetime.timedelta: Form("timedelta", _duration_fields, lambda fields: datetime.timedelta(**fields)),
    np.ndarray: Form("array", _array_fields, _array_of),
    np.str_: Form("numpy.str", lambda value: {"value": str(value)}, lambda fields: np.str_(fields["value"])),
    np.bytes_: Form("numpy.bytes", lambda value: {"hex": value.hex()}, lambda fields: np.bytes_(bytes.fromhex(fields["hex"]))),
    **{kind: _form_of_scalar(kind) for kind in _DTYPES},
}
"""Types of values that a document keeps, besides those that stand for themselves."""
_FORM_OF_NAME = {form.name: form for form in PLAIN_FORMS.values()}
