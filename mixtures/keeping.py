"""Models in files: what a mixture holds, given and fitted, as a document, and back.

A distribution becomes the arguments of the constructor that makes it again, so that what comes out of a file has passed the checks
that any caller's arguments pass. A document names families, among those of the package and those that the caller gives; it never
names a module, and nothing in it is evaluated, imported or opened.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import mixtures
from mixtures.column import Column
from mixtures.columns import Columns
from mixtures.constraints import simplex
from mixtures.distributions.scipy_distribution import as_distribution
from mixtures.documents import read_document, read_file, write_document, write_file
from mixtures.e_steps import EStep
from mixtures.exceptions import ModelFormatError, ParameterError
from mixtures.forms import OWN, SCIPY, Own, families, is_of_scipy, named, own_form, scipy_families
from mixtures.history import History, Move
from mixtures.model import GeneralMixtureModel
from mixtures.values import TYPE, Form, read, refuse, written

MODEL = "GeneralMixtureModel"
MOST_COMPONENTS = 10**6
"""Of a model in a document that tells their number rather than lists them."""


def save(model: GeneralMixtureModel, path: Any) -> None:
    """As :meth:`mixtures.GeneralMixtureModel.save`."""
    write_file(path, dumps(model))


def load(path: Any, families: Iterable[Any] = ()) -> GeneralMixtureModel:
    """The model that :meth:`~mixtures.GeneralMixtureModel.save` has written to a file.

    Only data are read: nothing in a file is evaluated, imported, unpickled or opened, whoever wrote it. Parameters pass the checks
    of the families' constructors. The file's checksum tells damage; it does not tell who wrote it.

    Parameters
    ----------
    path : str or path-like, the file.
    families : classes of your own of which the model holds objects, and families of ``scipy.stats`` of your own: whatever did not
        come with mixtures or scipy. A file knows them by name.

    Raises
    ------
    ModelFormatError : the file holds no model, is damaged, was made by a later version, holds what a constructor refuses, or names
        a family that is not among those known; says where.
    ParameterError : `families` are none.
    OSError : the file cannot be read.

    Notes
    -----
    Before any of it is parsed, a file is refused that has more than 32 MiB, 2^20 objects and arrays, 2^21 strings or 32 levels. The
    costliest of those that are not take some 2 GB of memory and a minute of one processor, a model of a million rows half a second.

    Examples
    --------
    >>> import os, tempfile
    >>> from mixtures import GeneralMixtureModel, load
    >>> from mixtures.distributions import Normal
    >>> model = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit([0.0, 1.0, 2.0, 10.0, 11.0, 12.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "model.json"))
    ...     again = load(os.path.join(folder, "model.json"))
    >>> again.components_ == model.components_
    True
    """
    return loads(read_file(path), families)


def dumps(model: GeneralMixtureModel) -> bytes:
    """A model as a document, the content of the file that :meth:`mixtures.GeneralMixtureModel.save` writes."""
    if not isinstance(model, GeneralMixtureModel):
        raise ParameterError(f"expected a GeneralMixtureModel to keep, found {model!r}")
    own: Own = {}
    tree = _tree_of(model, own)
    document = write_document(tree, mixtures.__version__)
    # What is written can be read, and is what it was: a constructor may refuse what a fit has found, or change it.
    again = _tree_of(_model_in(document, own), {})
    if document != write_document(again, mixtures.__version__):
        raise ModelFormatError(f"what a file would give back differs from the model: {_difference(tree, again)}")
    return document


def loads(data: bytes, families: Iterable[Any] = ()) -> GeneralMixtureModel:
    """The model of a document, as :func:`load` reads it from a file."""
    return _model_in(data, named(families))


def _model_in(data: bytes, own: Own) -> GeneralMixtureModel:
    tree = read_document(data)
    forms = {**_forms_by_name(), **{form.name: form for form in (_form_of_own(value, {}, "families") for value in own.values())}}
    name = tree.get(TYPE) if isinstance(tree, dict) else None
    if name not in [MODEL, *(OWN + name for name, value in own.items() if _is_model(value))]:
        refuse("a model in the file", name)
    model: GeneralMixtureModel = read(tree, forms)
    return model


def _tree_of(model: GeneralMixtureModel, own: Own) -> Any:
    """A model as a tree; families of the user's own are put in `own`."""

    def form_of(value: Any, where: str) -> tuple[Form, Any]:
        value = as_distribution(value)
        if is_of_scipy(value):
            return SCIPY if scipy_families().get(value.name) is value else own_form(value, own, where), value
        return _forms().get(type(value)) or _form_of_own(type(value), own, where), value

    return written(model, form_of)


def _form_of_own(value: Any, own: Own, where: str) -> Form:
    form = own_form(value, own, where)
    return form._replace(fields=_fields, make=functools.partial(_model, value)) if _is_model(value) else form


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, GeneralMixtureModel)


def _difference(one: Any, other: Any, where: str = "model") -> str:
    """Where two trees differ first."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs: Iterable[Any] = ((f"{where}.{key}", one[key], other[key]) for key in one)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = ((f"{where}[{place}]", *entries) for place, entries in enumerate(zip(one, other, strict=True)))
    else:
        return "" if repr(one) == repr(other) else f"{where} was {one!r:.200} and becomes {other!r:.200}"
    return next((found for place, a, b in pairs if (found := _difference(a, b, place))), "")


# --- the model ---


def _number(value: Any, low: float = -np.inf) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= low)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _are_components(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(callable(getattr(c, "log_prob", None)) and callable(getattr(c, "fit", None)) for c in value)
        and all(getattr(component, "is_complete", True) for component in value)
    )


def _are_weights(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64 and bool(simplex.contains(value))


def _are_labels(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.int64 and value.ndim == 1 and value.min(initial=-1) >= -1


_FITTED: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "components_": ("a list of distributions with all their parameters", _are_components),
    "weights_": ("an array of weights >= 0 with sum 1", _are_weights),
    "converged_": ("a boolean", _is_boolean),
    "n_iter_": ("a whole number >= 0", functools.partial(_number, low=0)),
    "history_": ("a history", lambda value: isinstance(value, History) and value.ndim == 1),
    "lower_bound_": ("a number", lambda value: isinstance(value, float)),
    "labels_": ("an array of places of components, or -1", _are_labels),
    "n_features_in_": ("a whole number >= 1", functools.partial(_number, low=1)),
    "feature_names_in_": ("names", lambda value: isinstance(value, tuple) and all(isinstance(name, str) for name in value)),
    "n_steps_": ("a whole number >= 1", functools.partial(_number, low=1)),
    "needs_pass_": ("a boolean", _is_boolean),
    "columns_": ("what is known of columns", lambda value: isinstance(value, Columns)),
    "_is_of_passes": ("a boolean", _is_boolean),
    "output": ("a form of output", lambda value: isinstance(value, str)),
    "follows_stream": ("a boolean", _is_boolean),
}
"""Fields beside the arguments: attributes of fits, what ``set_output`` was told, and whether running statistics were left out."""
_LEFT_OUT = ("_past", "_kept_position", "_stream_left_out", "_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx")


def _fields(model: Any) -> dict[str, Any]:
    """What a document holds of a model."""
    fields = {**model.get_params(deep=False), "callbacks": None}
    if not (fields["random_state"] is None or _number(fields["random_state"])):
        raise ModelFormatError(
            f"random_state must be a whole number or None in a file, found {fields['random_state']!r}: "
            "set_params(random_state=...) first"
        )
    found = {name: value for name, value in vars(model).items() if name not in fields and name not in _LEFT_OUT}
    if found.get("_sklearn_output_config", {}).keys() == {"transform"}:
        found["output"] = found.pop("_sklearn_output_config")["transform"]
    if "feature_names_in_" in found:
        found["feature_names_in_"] = tuple(found["feature_names_in_"].tolist())
    if model._follows_stream():
        found["follows_stream"] = True
    for name in found.keys() - _FITTED.keys():
        raise ModelFormatError(f"a file does not keep the attribute {name!r} of a model; delete it, or pickle the model")
    return fields | {name: found[name] for name in _FITTED if name in found}


def _model(cls: Any, fields: dict[str, Any]) -> Any:
    """The model of what a document holds of it."""
    arguments = {name: fields.pop(name) for name in cls._get_param_names() if name in fields}
    if arguments.get("callbacks") is not None:
        refuse("no callbacks", arguments["callbacks"])
    if not (arguments.get("random_state") is None or _number(arguments["random_state"])):
        refuse("a whole number or None for random_state", arguments["random_state"])
    n_components = arguments.get("n_components")
    if n_components is not None and _number(n_components) and n_components > MOST_COMPONENTS:
        refuse(f"at most {MOST_COMPONENTS} components", n_components)
    model = cls(**arguments)
    model._checked()
    for name, value in fields.items():
        if name not in _FITTED:
            refuse("an attribute of a model", name)
        words, is_one = _FITTED[name]
        if not is_one(value):
            refuse(f"{words} for {name}", value)
    if ("components_" in fields) != ("weights_" in fields):
        refuse("components_ and weights_ together", sorted(fields))
    k = len(fields.get("components_", ()))
    if len(fields.get("weights_", ())) != k or fields.get("labels_", np.zeros(0)).max(initial=-1) >= k:
        refuse(f"weights and labels of {k} components", (fields.get("weights_"), fields.get("labels_")))
    if "feature_names_in_" in fields:
        if len(fields["feature_names_in_"]) != fields.get("n_features_in_"):
            refuse(f"names of {fields.get('n_features_in_')} columns", fields["feature_names_in_"])
        fields["feature_names_in_"] = np.array([*fields["feature_names_in_"], None], dtype=object)[:-1]
    if "output" in fields:
        model.set_output(transform=fields.pop("output"))
    follows_stream = fields.pop("follows_stream", False)
    vars(model).update(fields)
    if follows_stream:
        model._stream_left_out = model.components_
    return model


# --- what else a model holds ---


def _e_step(fields: dict[str, Any]) -> EStep:
    found = EStep(**fields)
    if not (_number(found.components, 0) and 0.0 < found.sharpness <= 1.0 <= found.warming < np.inf and _is_boolean(found.draws)):
        refuse("a kind of E-step", found)
    return found


def _history_fields(history: History) -> dict[str, Any]:
    return {"values": np.asarray(history), "moves": history.moves}


def _history(fields: dict[str, Any]) -> History:
    if not all(isinstance(move, Move) for move in fields["moves"]):
        refuse("moves", fields["moves"])
    return History(fields["values"], fields["moves"])


def _columns_fields(columns: Columns) -> dict[str, Any]:
    known = ((j, c.name, c.n_rows, c.n_missing, c.lower, c.upper, c.whole) for j, c in columns.known.items())
    return {"names": columns.names, "named": columns.named, "known": tuple(known)}


def _columns(fields: dict[str, Any]) -> Columns:
    names, known = fields["names"], {}
    if not (isinstance(names, tuple) and all(isinstance(name, str) for name in names) and _is_boolean(fields["named"])):
        refuse("names of columns", names)
    for j, name, n_rows, n_missing, lower, upper, whole in fields["known"]:
        if not (
            _number(j, 0)
            and name == names[j]
            and _number(n_missing, 0)
            and _number(n_rows, n_missing)
            and n_rows < 2**53
            and _is_boolean(whole)
        ):
            refuse("what is known of a column", (j, n_rows, n_missing, whole))
        known[j] = Column(name, n_rows, n_missing, float(lower), float(upper), None, whole)
    return Columns(names, fields["named"], known)


@functools.cache
def _forms() -> dict[type, Form]:
    """Forms of all that a model may hold, but for families of the user's own."""
    return {
        **families(),
        GeneralMixtureModel: Form(MODEL, _fields, functools.partial(_model, GeneralMixtureModel)),
        EStep: Form("EStep", vars, _e_step),
        History: Form("History", _history_fields, _history),
        Move: Form("Move", vars, lambda fields: Move(**fields)),
        Columns: Form("Columns", _columns_fields, _columns),
    }


@functools.cache
def _forms_by_name() -> dict[str, Form]:
    return {form.name: form for form in (*_forms().values(), SCIPY)}
