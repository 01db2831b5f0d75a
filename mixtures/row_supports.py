"""Supports of rows: what the cells of several columns may be together, declared once.

Checks of tables, error texts and generated tests follow from these objects, as from those of :mod:`mixtures.constraints` for
one column.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from mixtures.constraints import Interval, Whole

Floats = npt.NDArray[np.float64]
TOLERANCE = 1e-6
"""By how much the sum of a row on the simplex, or the length of a unit vector, may differ from 1: what seven digits leave."""


LARGEST_COUNT = 2.0**53
"""Larger float64 are whole whatever they stand for."""


class RowSupport(ABC):
    """Rows that a family over several columns allows.

    Attributes
    ----------
    words : what a row must be, for errors.
    cells : what each cell of such a row lies in, whatever the others are.
    advice : how other rows are commonly mended, for errors.
    """

    words: str
    cells: Interval
    advice: str = ""

    def __repr__(self) -> str:
        return f"<rows: {self.words}>"

    @property
    def low(self) -> float:
        """Lower end of the cells."""
        return self.cells.low

    @property
    def high(self) -> float:
        """Upper end of the cells."""
        return self.cells.high

    @abstractmethod
    def contains(self, rows: Floats) -> npt.NDArray[np.bool_]:
        """Whether each of the rows (n, d) lies inside, shape (n,)."""

    @abstractmethod
    def found(self, row: Floats) -> str:
        """What is wrong with a row (d,) outside whose cells each are allowed, in words."""

    # For tests: a reference measure, extremes, neighbours.

    @abstractmethod
    def uniform(self, like: Floats, n: int, random: np.random.Generator) -> Floats:
        """`n` rows from the uniform distribution on the support; where that has parts, those of the rows `like` (m, d)."""

    @abstractmethod
    def log_uniform(self, rows: Floats) -> Floats:
        """Log-density of the uniform distribution at rows (n, d), shape (n,)."""

    def chart(self, rows: Floats) -> Chart | None:
        """Coordinates of the support in which `rows` (n, d) are spread like a Normal sample, roughly; None for whole numbers."""
        return None

    @abstractmethod
    def outside(self, row: Floats) -> list[Floats]:
        """Rows beside `row` that do not belong to the support."""

    @abstractmethod
    def degenerate(self, d: int) -> dict[str, Floats]:
        """Tables (3, d) inside the support, by what is degenerate about them."""


class Chart(ABC):
    """A map between a support of rows (n, d) and coordinates (n, m), one to one up to a set of measure 0."""

    @abstractmethod
    def coordinates(self, rows: Floats) -> Floats:
        """Coordinates of rows."""

    @abstractmethod
    def rows(self, coordinates: Floats) -> Floats:
        """Rows that have these coordinates."""

    @abstractmethod
    def log_stretch(self, coordinates: Floats) -> Floats:
        """Log of the volume of coordinates per measure of rows, shape (n,)."""


class OpenSimplex(RowSupport):
    """Rows > 0 that sum to 1, within :data:`TOLERANCE`; measured by all columns but the last."""

    words = f"> 0 and sum to 1 within {TOLERANCE:g}"
    cells = Interval(0.0, 1.0 + TOLERANCE, False, True, "> 0 and at most 1")
    advice = "divide the columns by the sums of rows"

    def contains(self, rows: Floats) -> npt.NDArray[np.bool_]:
        return (rows > 0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1.0) <= TOLERANCE)

    def found(self, row: Floats) -> str:
        return f"a sum of {row.sum():.9g}"

    def uniform(self, like: Floats, n: int, random: np.random.Generator) -> Floats:
        return random.dirichlet(np.ones(like.shape[1]), n)

    def log_uniform(self, rows: Floats) -> Floats:
        return np.full(len(rows), gammaln(rows.shape[1]))

    def chart(self, rows: Floats) -> Chart:
        return _LogRatios()

    def outside(self, row: Floats) -> list[Floats]:
        return [row * (1 + 1e-5), row * 0.9, np.concatenate([[0.0, row[0] + row[1]], row[2:]])]

    def degenerate(self, d: int) -> dict[str, Floats]:
        middle = np.full((3, d), 1.0 / d)
        corner = np.full((3, d), 1e-300)
        corner[:, 0] = 1.0
        corners = np.full((3, d), 1e-12)
        corners[:, 0] = 1.0 - (d - 1) * 1e-12
        corners[1:] = corners[1:, ::-1]
        return {"constant": middle, "constant in a corner": corner, "two values": corners}


class _LogRatios(Chart):
    """z_j = log(x_j / x_d) (Aitchison 1986, chapter 6)."""

    def coordinates(self, rows: Floats) -> Floats:
        logs = np.log(rows)
        return logs[:, :-1] - logs[:, -1:]

    def _logs(self, coordinates: Floats) -> Floats:
        whole = np.column_stack([coordinates, np.zeros(len(coordinates))])
        return whole - np.logaddexp.reduce(whole, axis=1)[:, None]

    def rows(self, coordinates: Floats) -> Floats:
        return np.exp(self._logs(coordinates))

    def log_stretch(self, coordinates: Floats) -> Floats:
        return -self._logs(coordinates).sum(axis=1)


class Counts(RowSupport):
    """Rows of whole numbers >= 0. Each total has a distribution of its own: the density is that of the row given its sum."""

    words = "whole, >= 0 and at most 2^53"
    cells = Whole(0.0, LARGEST_COUNT, True, True, words)

    def contains(self, rows: Floats) -> npt.NDArray[np.bool_]:
        return ((rows >= 0) & (rows <= LARGEST_COUNT) & (rows == np.floor(rows))).all(axis=1)

    def found(self, row: Floats) -> str:
        return "no counts"

    def uniform(self, like: Floats, n: int, random: np.random.Generator) -> Floats:
        totals = random.choice(like.sum(axis=1), size=n).astype(np.int64)
        # Every division of a total is as likely as any other where probabilities are uniform on the simplex.
        return random.multinomial(totals, random.dirichlet(np.ones(like.shape[1]), n)).astype(float)

    def log_uniform(self, rows: Floats) -> Floats:
        total, d = rows.sum(axis=1), rows.shape[1]
        return gammaln(total + 1) + gammaln(d) - gammaln(total + d)

    def outside(self, row: Floats) -> list[Floats]:
        return [row + 0.5, row - row.max() - 1]

    def degenerate(self, d: int) -> dict[str, Floats]:
        first = np.zeros((3, d))
        first[:, 0] = 3.0
        corners = first.copy()
        corners[1:] = corners[1:, ::-1]
        return {
            "all zero": np.zeros((3, d)),
            "all in one column": first,
            "each in one column": corners,
            "single": corners / 3.0,
            "constant": np.full((3, d), 3.0),
            "huge": np.outer([1.0, 0.5, 0.25], np.full(d, LARGEST_COUNT)),
        }


class Sphere(RowSupport):
    """Unit vectors, within :data:`TOLERANCE` of length 1; measured by the sphere's surface."""

    words = f"vectors of length 1 within {TOLERANCE:g}"
    cells = Interval(-1.0 - TOLERANCE, 1.0 + TOLERANCE, True, True, "between -1 and 1")
    advice = "divide rows by their lengths"

    def contains(self, rows: Floats) -> npt.NDArray[np.bool_]:
        return np.abs(np.einsum("ij,ij->i", rows, rows) - 1.0) <= 2 * TOLERANCE

    def found(self, row: Floats) -> str:
        return f"a length of {np.sqrt(row @ row):.9g}"

    def uniform(self, like: Floats, n: int, random: np.random.Generator) -> Floats:
        rows = random.standard_normal((n, like.shape[1]))
        return rows / np.linalg.norm(rows, axis=1)[:, None]

    def log_uniform(self, rows: Floats) -> Floats:
        half = rows.shape[1] / 2
        return np.full(len(rows), gammaln(half) - np.log(2.0) - half * np.log(np.pi))

    def chart(self, rows: Floats) -> Chart:
        return _Stereographic(rows.sum(axis=0))

    def outside(self, row: Floats) -> list[Floats]:
        return [row * (1 + 1e-5), row * 0.5, row * 0.0]

    def degenerate(self, d: int) -> dict[str, Floats]:
        constant = np.full((3, d), np.sqrt(1.0 / d))
        axis = np.zeros((3, d))
        axis[:, 0] = 1.0
        poles = axis * np.array([[1.0], [-1.0], [-1.0]])
        tiny = axis.copy()
        tiny[:, -1] = 1e-300
        return {"constant": constant, "on an axis": axis, "opposite": poles, "tiny": tiny}


class _Stereographic(Chart):
    """Projection from the pole opposite to a direction onto the plane through the centre: it keeps angles, so that the surface
    is stretched alike in all directions."""

    def __init__(self, direction: Floats) -> None:
        self._pole = direction / np.linalg.norm(direction)
        # Rows of the last d - 1 right singular vectors span what is orthogonal to the pole.
        self._plane = np.linalg.svd(self._pole[None, :])[2][1:]

    def coordinates(self, rows: Floats) -> Floats:
        return rows @ self._plane.T / (1.0 + rows @ self._pole)[:, None]

    def rows(self, coordinates: Floats) -> Floats:
        square = np.einsum("ij,ij->i", coordinates, coordinates)[:, None]
        return ((1.0 - square) * self._pole + 2.0 * coordinates @ self._plane) / (1.0 + square)

    def log_stretch(self, coordinates: Floats) -> Floats:
        square = np.einsum("ij,ij->i", coordinates, coordinates)
        return coordinates.shape[1] * np.log((1.0 + square) / 2)


open_simplex = OpenSimplex()
counts = Counts()
sphere = Sphere()
