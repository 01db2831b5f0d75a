"""Laws of a distribution as a Python object and of its declarations: text, copies, immutability, constraints, kernels."""

from __future__ import annotations

import copy
import pickle
import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

from mixtures import distributions
from mixtures.column import Column
from mixtures.constraints import Simplex
from mixtures.exceptions import ParameterError
from mixtures.table import Table
from mixtures.testing.cases import Case, counterexamples, parts, require


def _require_equal(case: Case, found: Any, what: str) -> None:
    own_equality = all(type(part).__eq__ is not object.__eq__ for part in [case.distribution, *parts(case.distribution)])
    require(type(found) is type(case.distribution), f"{what} must give a {type(case.distribution).__name__}, found {found!r}")
    if own_equality:
        require(found == case.distribution, f"{what} must give an equal object, found {found!r}")
    same = np.array_equal(case.log_prob(case.rows, found), case.log_prob(case.rows))
    require(same, f"{what} must give the same log_prob, found another for {found!r}")


def repr_rebuilds(case: Case) -> None:
    """Where a class (and those of its parts) defines ``__repr__``, evaluating it gives the distribution again."""
    if any(type(part).__repr__ is object.__repr__ for part in [case.distribution, *parts(case.distribution)]):
        return
    names: dict[str, Any] = dict(vars(np)) | {"np": np, "scipy": scipy} | vars(distributions)
    for part in [case.distribution, *parts(case.distribution)]:
        names |= vars(sys.modules[type(part).__module__])
    text = repr(case.distribution)
    try:
        found = eval(text, names)
    except Exception as error:
        raise AssertionError(f"repr must be an expression that rebuilds the distribution: {text} raises {error!r}") from error
    _require_equal(case, found, "evaluating repr")


def copies_are_equal(case: Case) -> None:
    """Pickling, copying and deep-copying give an equal distribution with an equal hash."""
    copied = {
        "pickling": pickle.loads(pickle.dumps(case.distribution)),
        "copy.copy": copy.copy(case.distribution),
        "copy.deepcopy": copy.deepcopy(case.distribution),
    }
    for what, found in copied.items():
        _require_equal(case, found, what)
        if case.ours:
            require(hash(found) == hash(case.distribution), f"{what} must keep the hash of a distribution")


def is_immutable(case: Case) -> None:
    """A distribution that derives from ``Distribution`` refuses to set or delete attributes; its fit differs from it."""
    if not case.promises:
        return
    for name in [*vars(case.distribution), "another"]:
        for act in (lambda name=name: setattr(case.distribution, name, 1.0), lambda name=name: delattr(case.distribution, name)):
            try:
                act()
            except AttributeError:
                continue
            raise AssertionError(f"{name} could be set or deleted, but distributions are immutable")


def counts_are_right(case: Case) -> None:
    """``n_features``, where present, is the number of columns; ``n_parameters`` a whole number >= 0."""
    width = getattr(case.distribution, "n_features", len(case.domains))
    require(width == len(case.domains), f"n_features must be {len(case.domains)}, found {width}")
    count = getattr(case.distribution, "n_parameters", 0)
    require(isinstance(count, int) and count >= 0, f"n_parameters must be a whole number >= 0, found {count!r}")


def constraints_are_enforced(case: Case) -> None:
    """Every declared constraint's counterexamples are refused with a ParameterError that names family, parameter and value."""
    for part in parts(case.distribution):
        declared = {**getattr(part, "parameters", {}), **getattr(part, "arguments", {})}
        for name, constraint in declared.items():
            own = part.parameter_values()[name] if name in part.parameters else vars(part)[name]
            for wrong in counterexamples(constraint):
                if isinstance(constraint, Simplex) and isinstance(own, tuple) and isinstance(wrong, tuple):
                    wrong = (wrong + (0.0,) * len(own))[: max(len(own), 2)]
                    if len(wrong) != len(own):
                        continue
                try:
                    found = part.replaced(**{name: wrong})
                except ParameterError as error:
                    told = type(part).__name__ in str(error) and name in str(error) and repr(wrong) in str(error)
                    require(told, f"the error for {name}={wrong!r} must name family, parameter and value, found: {error}")
                else:
                    raise AssertionError(f"{name}={wrong!r} must be refused with ParameterError, found {found!r}")


def kernels_equal_their_source(case: Case) -> None:
    """Compiled kernels give what the same Python code gives uncompiled, on a small block of two components."""
    if not hasattr(case.distribution, "kernels"):
        return
    n = min(len(case.rows), 40)
    table = Table.read(case.table(case.rows[:n]))
    column, x = _column(case.distribution, table)
    other = case.fit(case.rows[:n])
    width, n_statistics = case.distribution._layout(column)
    copies = 5 if case.distribution.several_columns else 1
    start = np.array([np.tile(d._pack(column), copies) for d in (case.distribution, other)], dtype=float)
    require(start.shape == (2, width * copies), f"_pack must give {width} numbers, found {start.shape[1] // copies}")
    x = np.ascontiguousarray(np.tile(x, (copies, 1)))
    share = case.random().uniform(size=(2, n))
    size, n_maxima = 1 + (n_statistics - 1) * copies, case.distribution.n_maxima
    compiled = _run(case.distribution.kernels, start, x, share, size, n_maxima, lambda kernel: kernel)
    source = _run(case.distribution.kernels, start, x, share, size, n_maxima, uncompiled)
    for name in compiled:
        # Sums may be taken in another order and multiply-adds are fused: rounding differs, nothing else.
        scale = np.max(np.abs(source[name]), initial=0.0, where=np.isfinite(source[name]))
        same = np.allclose(compiled[name], source[name], rtol=1e-11, atol=1e-13 * scale, equal_nan=True)
        require(same, f"{name} differs: compiled {compiled[name]}, uncompiled {source[name]}")


@cache
def uncompiled(function: Any) -> Any:
    """A jitted function as Python runs it, and everything jitted that it calls: those would be compiled by themselves, else."""
    source = getattr(function, "py_func", None)
    if source is None:
        return function
    names = dict(source.__globals__)
    found = types.FunctionType(source.__code__, names, source.__name__, source.__defaults__, source.__closure__)
    for name in source.__code__.co_names:
        if hasattr(names.get(name), "py_func"):
            names[name] = uncompiled(names[name])
    return found


def _column(distribution: Any, table: Table) -> tuple[Any, npt.NDArray[np.float64]]:
    """What the engine tells a family of its column or columns, and those as the family's kernels see them."""
    if distribution.encoding == "categories":
        column = Column("0", table.n_rows, 0, categories=distribution.categories)
        return column, table.codes(0, distribution.categories)
    columns = [table.column(j) for j in range(table.n_columns)]
    seen = []
    for j, column in enumerate(columns):
        origin, unit = column.origin if distribution.uses_origin else 0.0, column.unit if distribution.uses_unit else 1.0
        seen.append((table.numbers(j) - origin) / unit)
    return columns if distribution.reads_block else columns[0], np.array(seen)


def _run(
    kernels: Any, start: Any, x: Any, share: Any, n_statistics: int, n_maxima: int, form: Callable[[Any], Any]
) -> dict[str, Any]:
    """Every kernel once, in the engine's order, from the same start."""
    parameters, out, statistics = start.copy(), np.zeros(share.shape), np.zeros((2, n_statistics))
    statistics[:, n_statistics - n_maxima :] = -np.inf
    with np.errstate(all="ignore"):  # compiled code divides by 0 without a word
        form(kernels.prepare)(parameters)
        prepared = parameters.copy()
        form(kernels.log_prob)(parameters, x, out)
        statistics[:, 0] = share.sum(axis=1)
        form(kernels.accumulate)(parameters, x, share, statistics)
        summed = statistics.copy()
        prior = 0.0 if kernels.log_prior is None else form(kernels.log_prior)(prepared)
        outcome = form(kernels.maximize)(statistics, parameters)
    return {
        "log_prior": np.array([prior]),
        "prepare": prepared,
        "log_prob": out,
        "accumulate": summed,
        "maximize": parameters,
        "maximize's status": np.array([outcome]),
    }
