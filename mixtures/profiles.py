"""Profiles of the components of a mixture: what each of them expects of every column, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import i0e, i1e

from mixtures.constraints import Interval, Whole
from mixtures.contents import family_of, labels_of
from mixtures.describing import mean_and_std, percent, top_categories
from mixtures.distributions.splits import unconstrained
from mixtures.engine.plan import Floats
from mixtures.exceptions import DataError
from mixtures.extras import import_extra
from mixtures.parts import take_apart
from mixtures.pieces import header_of, label_of, mixture_over, modelled, part_over, state_of
from mixtures.table import Table
from mixtures.tables import panels_text, short, table_html


@dataclass(frozen=True, eq=False)
class Profile:
    """What k components expect of one column.

    Attributes
    ----------
    column : its name, or "column 3".
    place : in the table.
    label : that with its unit.
    families : k names.
    means, stds : (k,), in the column's unit; NaN where a component knows none, and of a column of categories.
    categories : of a column of categories or of zeros and ones, else empty.
    probabilities : (k, number of categories).
    """

    column: str
    place: int
    label: str
    families: tuple[str, ...]
    means: Floats
    stds: Floats
    categories: tuple[Any, ...]
    probabilities: Floats

    @property
    def is_flag(self) -> bool:
        """Whether the column holds zeros and ones only."""
        return self.categories == (0, 1)


class Profiles(Sequence[Profile]):
    """A :class:`Profile` for every column of a mixture, in the table's order; prints, and becomes a frame.

    Examples
    --------
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Categorical, Normal, Product
    >>> a = Product(height=Normal(170.0, 7.0), eye=Categorical([0.9, 0.1], ["blue", "brown"]))
    >>> b = Product(height=Normal(180.0, 8.0), eye=Categorical([0.2, 0.8], ["blue", "brown"]))
    >>> profiles = GeneralMixtureModel([a, b], weights=[0.4, 0.6]).profiles()
    >>> profiles["eye"].probabilities
    array([[0.9, 0.1],
           [0.2, 0.8]])
    >>> print(profiles)
    component                         0            1
    ---------               -----------  -----------
    weight                        40.0%        60.0%
    height     mean ± std   170.0 ± 7.0  180.0 ± 8.0
    eye        probability     blue 90%    brown 80%
                              brown 10%     blue 20%
    """

    def __init__(self, profiles: Sequence[Profile], weights: Floats) -> None:
        self._profiles = tuple(profiles)
        self.weights = weights

    def __len__(self) -> int:
        return len(self._profiles)

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles)

    def __getitem__(self, key: Any) -> Any:
        """The profile of a column, by its name or its place among them."""
        if isinstance(key, str):
            for profile in self._profiles:
                if key == profile.column:
                    return profile
            raise KeyError(f"{key!r} is none of the columns {[profile.column for profile in self._profiles]}")
        return self._profiles[key]

    def to_dict(self) -> dict[str, list[Any]]:
        """A long table by columns: column, component, family, statistic ("mean", "std" or "probability"), category, value.

        A row stands for one number: of a column of numbers mean and standard deviation of every component, of categories the
        probability of each. What any library of frames makes a frame of.
        """
        rows = []
        for profile in self._profiles:
            for k, family in enumerate(profile.families):
                head = (profile.column, k, family)
                if profile.categories:
                    pairs = zip(profile.categories, profile.probabilities[k], strict=True)
                    rows += [(*head, "probability", category, float(value)) for category, value in pairs]
                else:
                    rows.append((*head, "mean", None, float(profile.means[k])))
                    rows.append((*head, "std", None, float(profile.stds[k])))
        names = ("column", "component", "family", "statistic", "category", "value")
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}

    def to_pandas(self) -> Any:
        """:meth:`to_dict` as a frame of pandas."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def to_polars(self) -> Any:
        """:meth:`to_dict` as a frame of polars, categories as strings, since columns may have them of several types."""
        found = self.to_dict()
        found["category"] = [None if category is None else str(category) for category in found["category"]]
        polars = import_extra("polars", "tables")
        return polars.DataFrame(found, schema_overrides={"category": polars.String})

    def _blocks(self) -> list[list[list[str]]]:
        rows = [[["weight"], [""], *[[f"{100 * weight:.1f}%"] for weight in self.weights]]]
        for profile in self._profiles:
            if profile.is_flag:
                what, cells = "probability", [[f"true {percent(p[1])}"] for p in profile.probabilities]
            elif profile.categories:
                what, cells = "probability", [top_categories(p, profile.categories) for p in profile.probabilities]
            else:
                stds = [float(std) for std in profile.stds]
                what = "mean ± std"
                cells = [[mean_and_std(float(m), s, stds)] for m, s in zip(profile.means, stds, strict=True)]
            rows.append([[short(profile.label, 40)], [what], *cells])
        return rows

    def to_text(self, width: int = 100) -> str:
        """A row per column, a column per component, in lines of at most `width` letters."""
        return panels_text(["component", ""], list(map(str, range(len(self.weights)))), self._blocks(), width)

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return table_html(["component", ""], list(map(str, range(len(self.weights)))), self._blocks())


def profiles_of(model: Any, units: Mapping[Any, str] | None = None, header: Table | None = None) -> Profiles:
    """Profiles of the components of a mixture over every column, of `header` where it does not know them itself; see
    ``GeneralMixtureModel.profiles``."""
    components, weights = state_of(model)
    table = header_of(model) if header is None else header
    labels = labels_of(table, units)
    return Profiles([_profile(components, table, j, labels[j]) for j in modelled(components, table)], weights)


def _profile(components: Sequence[Any], table: Table, j: int, label: str) -> Profile:
    k = len(components)
    pieces = [_piece(component, table, j) for component in components]
    parts = take_apart(components, table)
    families = [next((family_of(f) for own, f in zip(part.columns, part.factors, strict=True) if j in own), "") for part in parts]
    nothing = np.full(k, np.nan)
    kinds = kind_of([piece for piece in pieces if not isinstance(piece, _Moments)]) if None not in pieces else "numbers"
    categories = categories_of(pieces) if kinds == "categories" else ()
    if categories and not any(isinstance(piece, _Moments) for piece in pieces):
        own = mixture_over(components, np.ones(k), table, [j])
        return Profile(label_of(table, j), j, label, tuple(families), nothing, nothing, categories, masses(own, categories))
    moments = np.array([(np.nan, np.nan) if piece is None else moments_of(piece) for piece in pieces], dtype=float)
    return Profile(label_of(table, j), j, label, tuple(families), moments[:, 0], moments[:, 1], (), np.empty((k, 0)))


@dataclass(frozen=True)
class _Moments:
    """Mean and standard deviation of a column of a joint family that has no margin in the package."""

    mean: float
    std: float


def _piece(component: Any, table: Table, j: int) -> Any:
    """What a component says of a column alone: a distribution, its moments, or None."""
    try:
        return part_over(component, table, [j], "")
    except DataError:
        part = take_apart([component], table)[0]
        for own, factor in zip(part.columns, part.factors, strict=True):
            if j in own:
                return _moments_at(unconstrained(factor), own.index(j))
        return None


def _moments_at(factor: Any, place: int) -> Any:
    mean: Any = getattr(factor, "mean", None)
    if mean is None and hasattr(factor, "probabilities"):  # of counts whose total differs from row to row: their share
        mean = factor.probabilities
    if mean is None and hasattr(factor, "concentration"):
        mean = np.asarray(factor.concentration) / np.sum(factor.concentration)
    if np.ndim(mean) != 1 or callable(mean):
        return None
    variance: Any = getattr(factor, "variance", None)
    std = float(np.sqrt(variance[place])) if np.ndim(variance) == 1 else np.nan
    return _Moments(float(np.asarray(mean)[place]), std)


def leaves(piece: Any) -> list[Any]:
    """A distribution, or those that a mixture is made of."""
    if hasattr(piece, "_state"):
        return [leaf for component in piece._state()[0] for leaf in leaves(component)]
    return [unconstrained(piece)]


def kind_of(pieces: Sequence[Any]) -> str:
    """What a column holds by what its distributions allow: "categories" (zeros and ones, too), "counts" or "numbers"."""
    found = [leaf for piece in pieces for leaf in leaves(piece)]
    if found and all(getattr(leaf, "encoding", "numbers") == "categories" for leaf in found):
        return "categories"
    supports: list[Any] = [getattr(leaf, "support", None) for leaf in found]
    if not found or not all(isinstance(support, Whole) for support in supports):
        return "numbers"
    return "categories" if all(support.low == 0.0 and support.high == 1.0 for support in supports) else "counts"


def categories_of(pieces: Sequence[Any]) -> tuple[Any, ...]:
    """Categories of all of them, each once; 0 and 1 where a column holds nothing else."""
    found = [leaf for piece in pieces if not isinstance(piece, _Moments) for leaf in leaves(piece)]
    if any(getattr(leaf, "encoding", "numbers") != "categories" for leaf in found):
        return 0, 1
    return tuple(dict.fromkeys(category for leaf in found for category in leaf.categories))


def masses(model: Any, categories: Sequence[Any]) -> Floats:
    """Probability of every category under every component of a mixture over that column, shape (k, number of categories).

    No weight of the mixture may be 0.
    """
    rows = np.empty((len(categories), 1), dtype=object)
    rows[:, 0] = categories
    joint = model._evaluate(rows, "log_joint")["log_joint"]
    shares: Floats = np.exp(joint - np.log(model._state()[1])).T
    return shares


def moments_of(piece: Any) -> tuple[float, float]:
    """Mean and standard deviation of a distribution of one column, NaN where it knows none; of an angle those of the circle."""
    piece = unconstrained(piece)
    if isinstance(piece, _Moments):
        return piece.mean, piece.std
    if hasattr(piece, "_state"):
        components, weights = piece._state()
        means, stds = np.array([moments_of(component) for component in components]).T
        mean = float(weights @ means)
        return mean, float(np.sqrt(weights @ (stds**2 + (means - mean) ** 2)))
    if set(getattr(piece, "parameters", ())) == {"location", "concentration"}:
        # Mardia & Jupp 2000, eq. 3.4.9: std = sqrt(-2 log of the mean resultant length)
        with np.errstate(divide="ignore"):
            return float(piece.location), float(np.sqrt(-2.0 * np.log(i1e(piece.concentration) / i0e(piece.concentration))))
    mean = _number(piece, "mean")
    std = _number(piece, "std")
    return mean, std if std == std else float(np.sqrt(_number(piece, "variance")))


def _number(piece: Any, name: str) -> float:
    try:
        value = getattr(piece, name, np.nan)
        return float(value() if callable(value) else value)
    except (TypeError, ValueError, NotImplementedError, ArithmeticError):
        return np.nan


def support_of(pieces: Sequence[Any]) -> tuple[float, float]:
    """The ends of what some of them allow."""
    supports: list[Any] = [getattr(leaf, "support", None) for piece in pieces for leaf in leaves(piece)]
    if not supports or not all(isinstance(support, Interval) for support in supports):
        return -np.inf, np.inf
    return min(support.low for support in supports), max(support.high for support in supports)
