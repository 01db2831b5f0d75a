"""The numbers of a model in an order that is the same for every chunk of its data.

Plates are laid as suits the rows at hand: columns that lack no cell share a call and a sum of responsibilities. In the order of
runs every factor of a run of components stands by itself, so that statistics of chunks with and without missing cells add up.
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
class Run:
    """One factor of consecutive components of one family."""

    key: tuple[int, int]  # first component, place among its factors
    members: list[Any]  # a distribution per component
    ground: Any  # what they are told of their column, or columns
    parameters: Ints  # (components, P) places among the packed parameters of the assembly
    statistics: Ints  # (components, S) places among the engine's statistics
    is_maximum: npt.NDArray[np.bool_]  # (components, S)


class Runs:
    """All of them, and the way between an assembly's arrays and arrays in the order of runs."""

    def __init__(self, assembly: Assembly) -> None:
        sizes, whole = assembly.problem.sizes, assembly.problem.whole
        plates = whole[: FIELDS * sizes.n_plates].reshape(-1, FIELDS)
        k = sizes.n_components
        runs = []
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
                runs.append(Run(key, members, ground, parameters, statistics, is_maximum))
        self.runs = sorted(runs, key=lambda run: run.key)
        head = np.arange(1 + k)
        self.parameter_places = np.concatenate([run.parameters.ravel() for run in self.runs])
        self.statistic_places = np.concatenate([head, *(run.statistics.ravel() for run in self.runs)])
        self.is_maximum = np.concatenate([np.zeros(1 + k, dtype=bool), *(run.is_maximum.ravel() for run in self.runs)])
        self._k = k

    def parameters(self, packed: Floats) -> Floats:
        """Packed parameters in the order of runs; 0 for what is an address in this process only."""
        values = packed[self.parameter_places]
        values[is_address(values)] = 0.0
        return values

    def put_parameters(self, values: Floats, packed: Floats) -> None:
        """The way back, into the freshly packed parameters of an assembly, which keep their addresses."""
        own = is_address(packed[self.parameter_places])
        packed[self.parameter_places[~own]] = values[~own]

    def rows_of_parameters(self, values: Floats) -> list[Floats]:
        """Of every run, a matrix (components, P): views."""
        return _matrices(values, [run.parameters.shape for run in self.runs])

    def rows_of_statistics(self, values: Floats) -> list[Floats]:
        """Of every run, a matrix (components, S): views."""
        return _matrices(values[1 + self._k :], [run.statistics.shape for run in self.runs])

    def structure(self) -> str:
        """Text that differs where families, layouts or components do."""
        shapes = [(r.key, type(r.members[0]).__qualname__, r.parameters.shape, r.statistics.shape) for r in self.runs]
        return repr(shapes)


def _matrices(values: Floats, shapes: list[tuple[int, ...]]) -> list[Floats]:
    found, start = [], 0
    for rows, columns in shapes:
        found.append(values[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return found
