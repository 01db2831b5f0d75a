"""The door through which compiled loops call components that exist only in Python.

Such a component is any object with ``log_prob(X)`` and ``fit(X, sample_weight=...)``. Its kernels are jitted like every
family's and pass each block on to one ctypes function, which takes the GIL and calls the object. Blocks are whole chunks,
because Python's cost is per call. The first exception is kept, the loop stops, and the caller sees that exception.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures._numba import bits_to_float, float_to_bits, jit
from mixtures._numba_calls import PYTHON_CALL, call_python
from mixtures.distributions.base import Kernels
from mixtures.engine.plan import FAILED

LOG_PROB = 0
ACCUMULATE = 1
MAXIMIZE = 2

# Packed parameters: bits of the C function's address, the component's place behind the door, the outcome of its last fit.
ADDRESS = 0
PLACE = 1
OUTCOME = 2
SIZE = 3


@jit
def _prepare(parameters):
    pass


@jit
def _log_prob(parameters, x, out):
    for k in range(out.shape[0]):
        call_python(float_to_bits(parameters[k, ADDRESS]), LOG_PROB, np.int64(parameters[k, PLACE]), x, out[k : k + 1])


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    for k in range(responsibilities.shape[0]):
        call_python(
            float_to_bits(parameters[k, ADDRESS]), ACCUMULATE, np.int64(parameters[k, PLACE]), x, responsibilities[k : k + 1]
        )


@jit
def _maximize(statistics, parameters):
    for k in range(parameters.shape[0]):
        if statistics[k, 0] > 0.0:
            row = parameters[k : k + 1]
            call_python(float_to_bits(parameters[k, ADDRESS]), MAXIMIZE, np.int64(parameters[k, PLACE]), row, row)
            if parameters[k, OUTCOME] != 0.0:
                return FAILED
    return 0


KERNELS = Kernels(_prepare, _log_prob, _accumulate, _maximize)


class Door:
    """Python components of one model over one table, their current state and the weights of their next fit.

    Those weights, one number a row and component, are the one thing of the size of the data that a fit holds.
    """

    def __init__(self) -> None:
        self.components: list[Any] = []
        self._data: list[npt.NDArray[np.float64]] = []
        self._observed: list[npt.NDArray[np.bool_]] = []
        self._weights: list[npt.NDArray[np.float64]] = []
        self.error: BaseException | None = None
        self._function: Any = None
        self._address = 0

    def add(self, component: Any, data: npt.NDArray[np.float64]) -> tuple[float, float, float]:
        """Take in a component over `data` (n, d) and return its packed parameters."""
        if self._function is None:
            self._function = PYTHON_CALL(self._call)
            self._address = ctypes.cast(self._function, ctypes.c_void_p).value or 0
        self.components.append(component)
        self._data.append(data)
        self._observed.append(np.logical_not(np.isnan(data).any(axis=1)))
        self._weights.append(np.zeros(len(data)))  # before threads share it; memory that is not written to costs nothing
        return bits_to_float(self._address), float(len(self.components) - 1), 0.0

    def raise_error(self) -> None:
        """Raise the first exception of a component, if there was one."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def raise_interrupt(self) -> None:
        """Raise the KeyboardInterrupt that ended a call, or was kept from one."""
        if isinstance(self.error, KeyboardInterrupt):
            self.raise_error()

    @contextlib.contextmanager
    def keeping_interrupts(self) -> Iterator[None]:
        """While compiled code may call components, Ctrl-C is kept for the next call to fail with; a second one is raised at once.

        What Python raises where compiled code enters it, before the function's first line, would be lost.
        """
        is_main = threading.current_thread() is threading.main_thread()
        if not (self.components and is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
            yield
            return

        def keep(number: int, frame: Any) -> None:
            if self.error is not None:
                signal.default_int_handler(number, frame)
            self.error = KeyboardInterrupt()

        signal.signal(signal.SIGINT, keep)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _call(self, role: int, place: int, columns: int, rows: int, x_address: int, other_address: int) -> None:
        other = _matrix(other_address, 1, SIZE if role == MAXIMIZE else rows)[0]
        try:
            if self.error is not None:
                raise RuntimeError("an earlier call failed")
            if role == LOG_PROB:
                x = _matrix(x_address, columns, rows)[:-1].T.copy()
                values = np.asarray(self.components[place].log_prob(x), dtype=float)
                if values.size != rows:
                    raise ValueError(f"log_prob must return one value a row: expected {rows}, found shape {values.shape}")
                other += values.reshape(rows)
            elif role == ACCUMULATE:
                numbers = _matrix(x_address, columns, rows)[-1]
                self._weights[place][int(numbers[0]) : int(numbers[0]) + rows] = other
            else:
                self._fit(place)
                other[OUTCOME] = 0.0
        except BaseException as error:  # whatever it is, it must not cross compiled code
            if self.error is None:
                self.error = error
            other[OUTCOME if role == MAXIMIZE else slice(None)] = np.nan

    def _fit(self, place: int) -> None:
        component, data, seen, weights = self.components[place], self._data[place], self._observed[place], self._weights[place]
        # A mixture within a mixture climbs by one EM step from where it is, rather than starting anew.
        fit = getattr(component, "_em_step", component.fit)
        if seen.all():
            self.components[place] = fit(data, sample_weight=weights)
        else:
            self.components[place] = fit(data[seen], sample_weight=weights[seen])


def _matrix(address: int, rows: int, columns: int) -> npt.NDArray[np.float64]:
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_double)), (rows, columns))
