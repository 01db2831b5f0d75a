"""The numba policy: every compiler option, cache rule and code-generation trick of the package but calls by address.

Nothing is compiled at import: functions carry no signatures and compile on first use. What the options mean:

- ``nogil``: threads live outside compiled code; ``parallel=True`` is never used, because its work-queue layer aborts when
  two threads enter at once, its OpenMP layer kills forked children, and its sums depend on the number of threads.
- ``error_model="numpy"``: division by zero gives inf or NaN, so row loops hold no branch to an exception.
- ``fastmath={"contract", "nsz"}``: multiply-adds fuse, the sign of zero is free. ``nnan`` and ``ninf`` stay off since -inf
  and NaN carry meaning here. ``reassoc`` lets a sum vectorise and is switched on only in :func:`jit_sums`: inlined into
  code that contains ``exp`` it would cancel that function's rounding step.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import hashlib
import logging
import struct
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import caching
from numba.core.compiler import Compiler
from numba.core.imputils import lower_builtin
from numba.core.registry import CPUDispatcher
from numba.extending import type_callable

from mixtures._numba_parts import PartCompiler, SeldomCompiler

logger = logging.getLogger("mixtures")

_PACKAGE = Path(__file__).parent
DISABLED = bool(numba.config.DISABLE_JIT)


@functools.cache
def _package_stamp() -> str:
    """Digest of every source file of the package that takes part in compiled code: this module and its helpers, the engine, and
    what names this module.

    numba's own stamp covers only the file of the cached function, so that an edit of an inlined helper in another file
    would leave stale machine code in the cache (numba issue 9483).
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        # the engine's constants are compiled in, too
        if b"_numba" in source or path.stem.startswith("_numba") or path.parent.name == "engine":
            digest.update(source)
    return digest.hexdigest()


def _is_ours(code: CodeType) -> bool:
    return Path(code.co_filename).is_relative_to(_PACKAGE)


def _stamp_of_names(function: Callable[..., Any]) -> str:
    """Digest of what a function outside the package names: constants, and jitted functions with all that those name.

    numba's own stamp is that of the function's file, in a notebook of its own lines: an edit of a helper in another file or
    cell, or of a constant, would leave stale machine code in the cache as above.
    """
    digest = hashlib.sha256()
    functions, codes = [function], []
    while functions:
        own = functions.pop()
        inside = [own.__code__]
        for code in inside:  # which grows: lambdas and comprehensions are code of their own
            codes.append(code)
            inside += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
            constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
            digest.update(repr((code.co_code, code.co_names, constants)).encode())
            for name in code.co_names:
                value = own.__globals__.get(name)
                called = getattr(value, "py_func", None)
                if isinstance(called, FunctionType):
                    if not _is_ours(called.__code__) and called.__code__ not in codes:
                        functions.append(called)
                elif isinstance(value, np.ndarray):
                    digest.update(repr((name, value.dtype, value.shape, value.tobytes())).encode())
                elif isinstance(value, (bool, int, float, complex, str, tuple, np.generic)):
                    digest.update(repr((name, value)).encode())
    return digest.hexdigest()


class _PackageCache(caching.FunctionCache):
    """numba's disk cache, keyed by the whole package's source and never the reason why a fit fails."""

    _announced = False
    kind = ""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        stamp = _package_stamp() + ("" if _is_ours(self._py_func.__code__) else _stamp_of_names(self._py_func))
        return (*super()._index_key(sig, codegen), stamp, self.kind)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(sig, target_context)
        except Exception as error:  # a torn or foreign file: whatever it holds, compiling again is right
            logger.debug("unreadable compilation cache entry %s: %r", self, error)
            found = None
            with contextlib.suppress(Exception):
                self.flush()  # an empty index, so that what is compiled now can be saved
        if found is None and not _PackageCache._announced:
            _PackageCache._announced = True
            logger.info(
                "compiling kernels for this machine, a matter of seconds; later processes load them from %s", self.cache_path
            )
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:  # full disk, directory removed meanwhile, an index torn by another program
            logger.debug("compilation cache not written: %r", error)


class _Cached(CPUDispatcher):
    """A jitted function with a place in the disk cache, which is looked for when it is first asked for: to find one takes longer
    than all else that a decorator does at import."""

    _place: Any = None

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """As numba's, which would compile a function anew for every literal that it is called with."""
        return super().get_call_template(tuple(map(types.unliteral, args)), kws)

    def compile(self, sig: Any) -> Any:
        """As numba's, without a break for Python's garbage collector: it would search all that numba is just making, again and
        again, for 8% of the time of a first fit (measured)."""
        pauses = gc.isenabled()
        gc.disable()
        try:
            return super().compile(sig)
        finally:
            if pauses:
                gc.enable()

    @property
    def _cache(self) -> Any:
        if self._place is None:
            self._place = _place_in_cache(self.py_func, type(self).__name__)
        return self._place

    @_cache.setter
    def _cache(self, nothing: Any) -> None:
        """numba's constructor starts without one."""


class _Compiled(_Cached):
    """A jitted function as other compiled code sees it; a call from Python goes to a second one, made when it comes.

    numba wraps every function for Python: a sixth of the time of a first fit, in which Python calls few of them (measured).
    """

    def __call__(self, *arguments: Any) -> Any:
        return self._from_python(*arguments)

    @functools.cached_property
    def _from_python(self) -> Any:
        return _Cached(self.py_func, targetoptions=self.targetoptions | {"no_cpython_wrapper": False})

    @functools.cached_property
    def by_address(self) -> Any:
        """The same function, compiled to be called by its address."""
        return _Addressed(self.py_func, targetoptions=self.targetoptions)


class _Addressed(_Cached):
    """A jitted function that compiled code reaches by its address."""


class _Entry:
    """A jitted function that only Python calls, and always with arguments of the types of the first call.

    So it goes straight to the compiled code. numba would find out the types anew, which takes three times as long as to hand
    the arguments over: 2 to 3 microseconds a call (measured). What reaches the compiled code is checked for its number of
    dimensions and size of items only: every argument must be the package's own, never one of a caller's array.
    """

    def __init__(self, dispatcher: Any) -> None:
        functools.update_wrapper(self, dispatcher.py_func)
        self._dispatcher = dispatcher
        self._compiled: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return self._first(arguments) if self._compiled is None else self._compiled(*arguments)

    def _first(self, arguments: tuple[Any, ...]) -> Any:
        result = self._dispatcher(*arguments)
        (overload,) = self._dispatcher.overloads.values()
        self._compiled = overload.entry_point
        return result


def _compile(kind: Any, function: Callable[..., Any], fastmath: set[str], part: Any = PartCompiler) -> Any:
    if DISABLED:
        return function
    options = {"nopython": True, "nogil": True, "error_model": "numpy", "fastmath": fastmath, "no_cfunc_wrapper": True}
    pipeline = part if kind is _Compiled and _is_ours(function.__code__) else Compiler
    return kind(function, targetoptions=options | {"no_cpython_wrapper": kind is _Compiled}, pipeline_class=pipeline)


def _place_in_cache(function: Callable[..., Any], kind: str) -> Any:
    try:
        place = _PackageCache(function)
        place.kind = kind
        return place
    except RuntimeError:  # numba's word for "no writable location"; compile in memory then
        if not _PackageCache._announced:
            _PackageCache._announced = True
            logger.info("no writable place for compiled kernels: every process takes seconds to compile; set NUMBA_CACHE_DIR")
        return caching.NullCache()


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` on first use, under the package's options."""
    return _compile(_Compiled, function, {"contract", "nsz"})


def jit_entry(function: Callable[..., Any]) -> Any:
    """As :func:`jit`, for a function that only Python calls, with arguments of the same types in every call: it is called at a
    third of the cost, which tells in a fit of a few hundred rows."""
    return function if DISABLED else _Entry(_compile(_Cached, function, {"contract", "nsz"}))


def jit_seldom(function: Callable[..., Any]) -> Any:
    """As :func:`jit`, for what runs once in an iteration or less, of the package's own: it is optimised in its caller alone."""
    return _compile(_Compiled, function, {"contract", "nsz"}, SeldomCompiler)


def jit_sums(function: Callable[..., Any]) -> Any:
    """As :func:`jit`, and sums may be reordered: only for functions that add and multiply."""
    return _compile(_Compiled, function, {"contract", "nsz", "reassoc"})


# --- code generation that numba has no Python spelling for -----------------------------------------------------------


def wide_vectors() -> None:
    """Let LLVM use the widest vectors in the calling function.

    On AVX-512 machines LLVM prefers 256-bit vectors, a choice made for chips whose clock fell under wide ones. Measured on
    a Sapphire Rapids core: a vectorised ``exp`` takes 0.55 ns in 512 bits and 1.07 ns in 256. Elsewhere it has no effect.
    """


@type_callable(wide_vectors)
def _type_wide_vectors(context: Any) -> Any:
    return lambda: types.none


@lower_builtin(wide_vectors)
def _lower_wide_vectors(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    # llvmlite checks attribute names against a list that has no string attributes; its set is a plain set.
    set.add(builder.function.attributes, '"prefer-vector-width"="512"')
    return context.get_dummy_value()


def inline() -> None:
    """Make the calling function a part of every loop that calls it: long ones would be called row by row, not vectorised."""


@type_callable(inline)
def _type_inline(context: Any) -> Any:
    return lambda: types.none


@lower_builtin(inline)
def _lower_inline(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    builder.function.attributes.add("alwaysinline")
    return context.get_dummy_value()


def float_to_bits(x: float) -> int:
    """The 64 bits of a float64 as a signed integer."""
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def bits_to_float(bits: Any) -> float:
    """The float64 that has these 64 bits."""
    return float(struct.unpack("<d", struct.pack("<q", int(bits)))[0])


@type_callable(float_to_bits)
def _type_float_to_bits(context: Any) -> Any:
    return lambda x: types.int64 if x == types.float64 else None


@lower_builtin(float_to_bits, types.float64)
def _lower_float_to_bits(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.bitcast(args[0], ir.IntType(64))


@type_callable(bits_to_float)
def _type_bits_to_float(context: Any) -> Any:
    return lambda bits: types.float64 if bits == types.int64 else None


@lower_builtin(bits_to_float, types.int64)
def _lower_bits_to_float(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.bitcast(args[0], ir.DoubleType())


def load_float(address: int) -> float:
    """The float64 at a memory address: columns of any memory layout are read where they lie."""
    return ctypes.c_double.from_address(int(address)).value


@type_callable(load_float)
def _type_load_float(context: Any) -> Any:
    return lambda address: types.float64 if isinstance(address, types.Integer) else None


@lower_builtin(load_float, types.Integer)
def _lower_load_float(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    pointer = builder.inttoptr(args[0], ir.DoubleType().as_pointer())
    return builder.load(pointer, align=1)  # a field of a packed record may start at any byte


def load_nth(address: int, i: int) -> float:
    """The float64 number `i` of those that lie side by side from a memory address on.

    As ``load_float(address + 8 * i)``, but LLVM sees what all the addresses of a loop start from, and vectorises it.
    """
    return load_float(address + 8 * i)


@type_callable(load_nth)
def _type_load_nth(context: Any) -> Any:
    return lambda address, i: types.float64 if isinstance(address, types.Integer) and isinstance(i, types.Integer) else None


@lower_builtin(load_nth, types.Integer, types.Integer)
def _lower_load_nth(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    pointer = builder.gep(builder.inttoptr(args[0], ir.DoubleType().as_pointer()), [args[1]])
    return builder.load(pointer, align=1)


def next_of(address: int) -> int:
    """Fetch the int64 at `address` and add one to it, atomically: how threads take the next chunk."""
    cell = ctypes.c_int64.from_address(int(address))
    value = cell.value
    cell.value = value + 1
    return value


@type_callable(next_of)
def _type_next_of(context: Any) -> Any:
    return lambda address: types.int64 if isinstance(address, types.Integer) else None


@lower_builtin(next_of, types.Integer)
def _lower_next_of(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    int64 = ir.IntType(64)
    return builder.atomic_rmw("add", builder.inttoptr(args[0], int64.as_pointer()), int64(1), "monotonic")


def matrix(buffer: Any, start: int, rows: int, columns: int) -> Any:
    """The C-contiguous (rows, columns) matrix at place `start` of a C-contiguous array of eight-byte numbers of any shape.

    What a slice and a reshape give, at a fiftieth of their 80 ns: no reference is counted, so the view must not outlive the buffer.
    A function that makes an array may hand it over, but take no such view of it: numba frees it after the last line that names it.
    """
    return buffer.reshape(-1)[start : start + rows * columns].reshape(rows, columns)


def segment(buffer: Any, start: Any, size: Any) -> Any:
    """As :func:`matrix`: the `size` numbers from place `start` on, side by side."""
    return buffer.reshape(-1)[start : start + size]


def _is_viewable(buffer: Any) -> bool:
    return isinstance(buffer, types.Array) and buffer.layout == "C" and buffer.dtype in (types.float64, types.int64)


@type_callable(segment)
def _type_segment(context: Any) -> Any:
    return lambda buffer, start, size: buffer.copy(ndim=1) if _is_viewable(buffer) else None


@lower_builtin(segment, types.Array, types.Integer, types.Integer)
def _lower_segment(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    start, size = (context.cast(builder, args[i], sig.args[i], types.int64) for i in (1, 2))
    return _view(context, builder, sig, args[0], start, (size,))


@type_callable(matrix)
def _type_matrix(context: Any) -> Any:
    return lambda buffer, start, rows, columns: buffer.copy(ndim=2) if _is_viewable(buffer) else None


@lower_builtin(matrix, types.Array, types.Integer, types.Integer, types.Integer)
def _lower_matrix(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    places = zip(args[1:], sig.args[1:], strict=True)
    start, rows, columns = (context.cast(builder, value, given, types.int64) for value, given in places)
    return _view(context, builder, sig, args[0], start, (rows, columns))


def _view(context: Any, builder: Any, sig: Any, buffer: Any, start: Any, shape: tuple[Any, ...]) -> Any:
    from numba.np.arrayobj import populate_array  # numba itself loads it when it first compiles

    size = ir.IntType(64)(8)
    data = builder.gep(context.make_array(sig.args[0])(context, builder, buffer).data, [start])
    strides = (size,) if len(shape) == 1 else (builder.mul(shape[1], size), size)
    view = context.make_array(sig.return_type)(context, builder)
    populate_array(view, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return view._getvalue()
