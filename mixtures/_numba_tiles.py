"""Tiles of a row-major table turned into columns in vector registers: an instruction sequence that numba cannot spell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.extending import type_callable

from mixtures._numba import load_float

ROWS = 8
"""Rows of a tile: one 512-bit vector of each of its columns."""


def _tile(width: int) -> Callable[..., None]:
    """A function for jitted code that turns a tile of 8 rows and `width` (4 or 8) adjacent columns."""

    def turn(start: int, stride: int, x: Any, j: int, i: int) -> None:
        for column in range(width):
            for row in range(ROWS):
                x[j + column, i + row] = load_float(start + row * stride + 8 * column)

    turn.__name__ = f"turn_{width}"
    turn.__doc__ = f"""x[j + c, i + r] = the float64 at start + r * stride + 8 c, for {width} columns c and 8 rows r."""

    @type_callable(turn)
    def _type(context: Any) -> Any:
        return lambda start, stride, x, j, i: types.none

    @lower_builtin(turn, types.Integer, types.Integer, types.Array, types.Integer, types.Integer)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        int64, double = ir.IntType(64), ir.DoubleType()
        start, stride, x, j, i = args
        target = context.make_array(sig.args[2])(context, builder, x)
        columns = cgutils.unpack_tuple(builder, target.shape)[1]
        pointer = ir.VectorType(double, width).as_pointer()
        rows = [
            builder.load(builder.inttoptr(builder.add(start, builder.mul(stride, int64(row))), pointer), align=1)
            for row in range(ROWS)
        ]
        if width == 4:  # rows r and r + 4 side by side: the two halves of a vector are turned alike
            rows = [_shuffle(builder, rows[row], rows[row + 4], range(8)) for row in range(4)]
        step = 1
        while step < width:
            rows = _exchange(builder, rows, step)
            step *= 2
        place = builder.add(builder.mul(j, columns), i)
        for column, values in enumerate(rows):
            address = builder.gep(target.data, [builder.add(place, builder.mul(columns, int64(column)))])
            builder.store(values, builder.bitcast(address, values.type.as_pointer()), align=8)
        return context.get_dummy_value()

    return turn


def _shuffle(builder: Any, a: Any, b: Any, places: Any) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), 8), list(places))
    return builder.shuffle_vector(a, b, mask)


def _exchange(builder: Any, rows: list[Any], step: int) -> list[Any]:
    """One stage of the usual transposition: off-diagonal squares of `step` by `step` entries change places."""
    out = list(rows)
    for first in range(0, len(rows), 2 * step):
        for r in range(first, first + step):
            a, b = rows[r], rows[r + step]
            low = [(p // step % 2) * 8 + p - p // step % 2 * step for p in range(8)]
            out[r] = _shuffle(builder, a, b, low)
            out[r + step] = _shuffle(builder, a, b, [p + step for p in low])
    return out


turn_4 = _tile(4)
turn_8 = _tile(8)
