"""Calls by address: one compiled loop serves every family, and a function is optimised once, not once in each caller.

A kernel is an ordinary jitted function with one fixed signature. Its machine address travels as an int64 and the caller
jumps to it with numba's own calling convention. So a loop is compiled once and finds itself in the disk cache whatever
families it runs; and it does not link what it calls: numba would optimise that code again inside every caller, which is
where most of the time of a first fit went.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global

from mixtures._numba import DISABLED

MATRIX = types.Array(types.float64, 2, "C")

_signatures: dict[str, Any] = {}
_kernels: dict[int, Callable[..., Any]] = {}  # by address, for callers that are not compiled


@functools.cache
def address_of(kernel: Any, role: str) -> int:
    """Machine address of `kernel` compiled for `role`, a name given to :func:`by_address`; compiles it when needed."""
    address = id(kernel)
    if not DISABLED:
        signature = _signatures[role]
        root = getattr(kernel, "by_address", kernel)
        root.compile(signature)
        compiled = root.overloads[signature.args]
        address = int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
        if not address:
            raise RuntimeError(f"{kernel!r} was compiled as a part of other code and cannot be called by its address")
    _kernels[address] = kernel
    return address


def is_address(values: Any) -> Any:
    """Which of packed parameters, an array of float64, are addresses of kernels, as their bits: those mean nothing elsewhere."""
    return np.isin(np.ascontiguousarray(values).view(np.int64), list(_kernels))


def _lower_call(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    convention = context.call_conv
    function_type = convention.get_function_type(sig.return_type, sig.args[1:])
    pointer = builder.inttoptr(args[0], function_type.as_pointer())
    status, result = convention.call_function(builder, pointer, sig.return_type, sig.args[1:], args[1:])
    with cgutils.if_unlikely(builder, status.is_error):
        convention.return_status_propagate(builder, status)
    return result


def _declare(function: Callable[..., Any], result: Any, *arguments: Any, lower: Callable[..., Any]) -> None:
    """Make `function` callable from jitted code with this one signature, an address before the arguments."""
    signature = result(types.int64, *arguments)
    template = type(f"{function.__name__}_template", (ConcreteTemplate,), {"key": function, "cases": [signature]})
    infer_global(function, types.Function(template))
    lower_builtin(function, types.int64, *arguments)(lower)


def by_address(role: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function for jitted code that calls, by its address, any kernel of this `role` and signature."""

    def call(address: int, *values: Any) -> Any:
        return _kernels[address](*values)

    call.__name__ = f"call_{role}"
    _signatures[role] = result(*arguments)
    _declare(call, result, *arguments, lower=_lower_call)
    return call


call_prepare = by_address("prepare", types.none, MATRIX)
call_log_prob = by_address("log_prob", types.none, MATRIX, MATRIX, MATRIX)
call_accumulate = by_address("accumulate", types.none, MATRIX, MATRIX, MATRIX, MATRIX)
call_maximize = by_address("maximize", types.int64, MATRIX, MATRIX)
call_log_prior = by_address("log_prior", types.float64, MATRIX)

# A component that exists only in Python is reached through one C function of this type: (role, component, columns, rows,
# address of x, address of the other array).
PYTHON_CALL = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)


def call_python(address: int, role: int, component: Any, x: Any, other: Any) -> None:
    """Call the C function at `address` on the matrices `x` and `other`, whose shape it knows from `x`."""
    PYTHON_CALL(address)(role, component, x.shape[0], x.shape[1], x.ctypes.data, other.ctypes.data)


def _lower_call_python(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    int64 = ir.IntType(64)
    x, other = (context.make_array(MATRIX)(context, builder, value) for value in args[3:])
    shape = cgutils.unpack_tuple(builder, x.shape)
    function_type = ir.FunctionType(ir.VoidType(), [int64] * 6)
    pointer = builder.inttoptr(args[0], function_type.as_pointer())
    data = [builder.ptrtoint(matrix.data, int64) for matrix in (x, other)]
    builder.call(pointer, [args[1], args[2], *shape, *data])
    return context.get_dummy_value()


_declare(call_python, types.none, types.int64, types.int64, MATRIX, MATRIX, lower=_lower_call_python)
