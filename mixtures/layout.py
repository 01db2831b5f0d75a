"""The numbers of a model in an order that is the same for every chunk of its data.

Plates are laid as suits the rows at hand: columns that lack no cell share a call and a sum of responsibilities. In the order of
strands every factor of a run of components stands by itself, so that statistics of chunks with and without missing cells add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures._numba_calls import is_address
from mixtures.assembly import Assembly
from mixtures.engine.plan import FIELDS, STATISTIC, Floats, Ints


@dataclass
class Strand:
    """One factor of consecutive components of one family."""

    key: tuple[int, int]  # first component, place among its factors
    members: list[Any]  # a distribution per component
    ground: Any  # what they are told of their column, or columns
    parameters: Ints  # (components, P) places among the packed parameters of the assembly
    statistics: Ints  # (components, S) places among the engine's statistics
    is_maximum: npt.NDArray[np.bool_]  # (components, S)


class Layout:
    """All of them, and the way between an assembly's arrays and arrays in the order of strands."""

    def __init__(self, assembly: Assembly) -> None:
        sizes, whole = assembly.problem.sizes, assembly.problem.whole
        plates = whole[: FIELDS * sizes.n_plates].reshape(-1, FIELDS)
        k = sizes.n_components
        strands = []
        for plate, fields in zip(assembly.plates, plates, strict=True):
            components = np.arange(plate.count)[:, None]
            width = 1 + plate.n_statistics * plate.n_members
            for m, ground in enumerate(plate.grounds):
                start = plate.start + (components * plate.n_members + m) * plate.n_parameters
                own = 1 + m * plate.n_statistics + np.arange(plate.n_statistics)
                statistics = 1 + k + int(fields[STATISTIC]) + components * width + np.concatenate([[0], own])
                is_maximum = np.zeros(statistics.shape, dtype=bool)
                is_maximum[:, statistics.shape[1] - plate.n_maxima :] = True
                members = [member for share in plate.shares for member in [share.members[m]] * share.count]
                key = plate.first, plate.shares[0].factors[m]
                parameters = start + np.arange(plate.n_parameters)
                strands.append(Strand(key, members, ground, parameters, statistics, is_maximum))
        self.strands = sorted(strands, key=lambda strand: strand.key)
        head = np.arange(1 + k)
        self.parameter_places = np.concatenate([strand.parameters.ravel() for strand in self.strands])
        self.statistic_places = np.concatenate([head, *(strand.statistics.ravel() for strand in self.strands)])
        self.is_maximum = np.concatenate([np.zeros(1 + k, dtype=bool), *(strand.is_maximum.ravel() for strand in self.strands)])
        self._k = k

    def parameters(self, packed: Floats) -> Floats:
        """Packed parameters in the order of strands; 0 for what is an address in this process only."""
        values = packed[self.parameter_places]
        values[is_address(values)] = 0.0
        return values

    def put_parameters(self, values: Floats, packed: Floats) -> None:
        """The way back, into the freshly packed parameters of an assembly, which keep their addresses."""
        own = is_address(packed[self.parameter_places])
        packed[self.parameter_places[~own]] = values[~own]

    def rows_of_parameters(self, values: Floats) -> list[Floats]:
        """Of every strand, a matrix (components, P): views."""
        return _matrices(values, [strand.parameters.shape for strand in self.strands])

    def rows_of_statistics(self, values: Floats) -> list[Floats]:
        """Of every strand, a matrix (components, S): views."""
        return _matrices(values[1 + self._k :], [strand.statistics.shape for strand in self.strands])

    def structure(self) -> str:
        """Text that differs where families, layouts or components do."""
        shapes = [(r.key, type(r.members[0]).__qualname__, r.parameters.shape, r.statistics.shape) for r in self.strands]
        return repr(shapes)


def _matrices(values: Floats, shapes: list[tuple[int, ...]]) -> list[Floats]:
    found, start = [], 0
    for rows, columns in shapes:
        found.append(values[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return found
