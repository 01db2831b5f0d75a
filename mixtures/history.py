"""What happened in a fit: the objective of every iteration, and the moves that are no EM steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class Move:
    """Something other than an EM step that changed a fit.

    Attributes
    ----------
    kind : "split and merge", "re-seeded", "dropped", "stopped" or "interrupted".
    components : places of the components that it concerned.
    gain : what the mean objective of a row gained by it and by the steps that followed; 0.0 where that is not the point.
    """

    kind: str
    components: tuple[int, ...] = ()
    gain: float = 0.0


class History(np.ndarray[tuple[int], np.dtype[np.float64]]):
    """Mean objective of a row at the start and after each iteration, an array (n_iter + 1,).

    Attributes
    ----------
    moves : tuple of :class:`Move`, in the order in which they were made, before or after the iterations shown.
    """

    moves: tuple[Move, ...]

    def __new__(cls, values: Any, moves: Sequence[Move] = ()) -> Self:
        new = np.array(values, dtype=np.float64).view(cls)
        new.moves = tuple(moves)
        return new

    def __array_finalize__(self, other: Any) -> None:
        self.moves = getattr(other, "moves", ())

    def __reduce__(self) -> Any:
        return History, (np.asarray(self), self.moves)
