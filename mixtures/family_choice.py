"""Families for the columns of a frame, chosen by their values and explained: :func:`infer`.

What kind of column it is, an identifier, flags, codes, counts or a measurement, is found by the rules of :mod:`mixtures.inference`.
Within a kind, families compete by the BIC of small mixtures of this column alone, at their best number of components:

- Real numbers: Normal; StudentT and Laplace, whose tails are heavier; SkewNormal, which leans to one side.
- Positive numbers: Normal; Gamma, LogNormal, Weibull and InverseGaussian, which differ in how their right tails fall off;
  Exponential, the Gamma of one parameter that is highest at zero.
- Fractions between 0 and 1: as positive numbers, and Beta, unless all are so near zero that it is hardly bounded above.
- Counts: Poisson; NegativeBinomial, where they spread more than a Poisson; ZeroInflated, where zeros are too many for one;
  Geometric, where each further one is as likely as the last.
- Whole numbers far from zero: as real or positive numbers, and NegativeBinomial where they go in steps of one. A density counts for
  the mass within half a unit there, which can be compared as long as a component is wider than that.
- Angles, where their units say so: von Mises. Nothing about the values tells that 359 is near 1.

The family with fewer surprises, Normal or Poisson, stays unless another one is better by more than 10, which Kass & Raftery (1995,
Journal of the American Statistical Association 90) call very strong evidence; or by more than 6, strong evidence, with fewer
components: where several normals would only imitate the shape of one log-normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from textwrap import wrap
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.distributions import (
    Bernoulli,
    Beta,
    Categorical,
    Exponential,
    Gamma,
    Geometric,
    InverseGaussian,
    Laplace,
    LocationScale,
    LogNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    SkewNormal,
    StudentT,
    VonMises,
    Weibull,
    ZeroInflated,
)
from mixtures.distributions.scipy_distribution import as_distribution
from mixtures.exceptions import DataError, MixturesError, ParameterError
from mixtures.inference import Choices, ColumnChoice, infer_families, whole_numbers
from mixtures.result_tables import implementation_of, table_of
from mixtures.selection import best_of, select

MOST_ROWS = 2000
"""Rows of a column that families compete on, drawn with a fixed seed."""
LARGEST_WHOLE = 2.0**53
FEW_ROWS = 20
"""With fewer rows no family is told from another."""
SIZES = range(1, 4)
STRONG, VERY_STRONG = 6.0, 10.0
"""Differences of BIC for which a family of fewer components, or of as many, takes the place of the simple one."""
LEAST_FRACTION = 0.1
"""Below it a Beta is a Gamma but for a tenth of a component's width."""
MANY_ZEROS = 0.05
"""Share of zeros from which on they are a point mass among measurements."""
MOST_STARTS, TOL, MAX_ITER = 3, 1e-6, 500
DEGREES = ("degrees", "degree", "deg", "\N{DEGREE SIGN}")
RADIANS = ("radians", "radian", "rad")
HOURS = ("hour of day", "hours of day", "hour of the day")
TURN = dict.fromkeys(DEGREES, 360.0) | dict.fromkeys(RADIANS, 2 * math.pi) | dict.fromkeys(HOURS, 24.0)
"""Units of angles, and how much of each is one turn. Hours alone may be a duration."""
Made = Callable[[], Any]


@dataclass(frozen=True)
class FamilyChoice(ColumnChoice):
    """The family chosen for a column, None where the column is left out, and why.

    Attributes
    ----------
    column : str, or for a block that the caller gave a tuple of them.
    family : a distribution without parameters, or None.
    reason : in words.
    bics : name of a candidate -> BIC of its best mixture of this column alone; empty where there was no contest.
    sizes : name of a candidate -> number of components of that mixture.
    """

    bics: Mapping[str, float] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def contest(self) -> str:
        """Candidates, the best first: its BIC, and by how much those of the others are higher."""
        ranked = sorted(self.bics.items(), key=lambda pair: pair[1])
        others = [f"{name} {bic - ranked[0][1]:+,.1f}" for name, bic in ranked[1:]]
        return ", ".join([f"{name} {bic:,.1f}" for name, bic in ranked[:1]] + others)


class FamilyChoices(Choices):
    """A family for every column of a frame, and why.

    Attributes
    ----------
    choices : tuple of :class:`FamilyChoice`, in the order of the columns.
    """

    def __init__(self, choices: tuple[FamilyChoice, ...], implementation: Any = None) -> None:
        self.choices, self._implementation = choices, implementation

    def __getitem__(self, column: Any) -> FamilyChoice:
        for choice in self.choices:
            if choice.column == column:
                return choice
        raise KeyError(column)

    @property
    def table(self) -> Any:
        """A row a column, as a frame of the library that the frame came in."""
        rows = self._rows()
        return table_of({name: [row[place] for row in rows] for place, name in enumerate(HEADS)}, self._implementation)

    def _rows(self) -> list[list[str]]:
        return [
            [_label(c.column), "left out" if c.family is None else name_of(c.family), c.reason, c.contest] for c in self.choices
        ]

    def __repr__(self) -> str:
        from mixtures.tables import short, table_text

        rows: list[list[str]] = []
        for row in self._rows():
            cells = [[short(row[0])], [row[1]], wrap(row[2], WHY_WIDTH) or [""], wrap(row[3], BIC_WIDTH)]
            rows += [list(line) for line in zip_longest(*cells, fillvalue="")]
        return table_text(HEADS, rows, "<<<<")

    def _repr_html_(self) -> str:
        from mixtures.tables import table_html

        rows = [[[row[0]], [row[1]], [row[2]], row[3].split(", ") if row[3] else [""]] for row in self._rows()]
        return table_html(HEADS, [], rows)


WHY_WIDTH, BIC_WIDTH = 48, 44
HEADS = ["column", "family", "why", "BIC"]


def infer(
    frame: Any, families: Mapping[Any, Any] | None = None, *, units: Mapping[str, str] | None = None, **named_families: Any
) -> FamilyChoices:
    """Propose a family for every column of a frame, from its type and its values, and say why.

    Parameters
    ----------
    frame : a frame of any library that narwhals knows (pandas, polars, pyarrow).
    families, named_families : distributions for columns that need no proposal, by name; None leaves a column out. In the mapping,
        a tuple of names stands for a block: ``{("height", "weight"): MultivariateNormal()}``.
    units : units of columns by name. "degrees", "radians" and "hour of day" make an angle of a column, others are not looked at.

    Returns
    -------
    :class:`FamilyChoices`: prints as a table; its ``product`` is for a model, or for :func:`mixtures.selection.select`.

    Raises
    ------
    DataError : a column holds an infinity. DataTypeError : a column holds lists, structures or bytes, or `frame` is none.
    ParameterError : a family or a unit is for a column that is not there.

    Notes
    -----
    See :mod:`mixtures.family_choice` for what is compared. Of a long column 2,000 rows are looked at. The first call in an
    environment compiles the families that compete, which takes a while.

    Examples
    --------
    >>> import numpy as np, polars
    >>> from mixtures import infer
    >>> random = np.random.default_rng(0)
    >>> frame = polars.DataFrame({"id": range(200), "height": random.normal(1.7, 0.1, 200), "visits": random.poisson(2.0, 200)})
    >>> found = infer(frame)
    >>> found.product
    Product(height=Normal(), visits=Poisson())
    >>> infer(frame, visits=None).left_out[1].reason
    'left out by the caller'
    """
    given = {**(families or {}), **named_families}
    blocks = {key: family for key, family in given.items() if isinstance(key, tuple)}
    rules = {choice.column: choice for choice in infer_families(_without(frame, given)).choices}
    names = _names(frame)
    units = dict(units or {})
    told = [column for key in given for column in (key if isinstance(key, tuple) else (key,))]
    for what, columns in (("a family is given for", told), ("a unit is given for", list(units))):
        unknown = [column for column in columns if column not in names]
        if unknown:
            raise ParameterError(f"infer: {what} column {unknown[0]!r}; expected one of {names}")
    if len(set(told)) < len(told):
        raise ParameterError(f"infer: a column has two families among {list(given)}")
    choices: list[FamilyChoice] = []
    for name in names:
        block = next((key for key in blocks if name in key), None)
        if block is not None:
            if name == block[0]:
                choices.append(_given(block, blocks[block]))
        elif name in given:
            choices.append(_given(name, given[name]))
        else:
            choices.append(_refined(rules[name], frame, units.get(name)))
    return FamilyChoices(tuple(choices), implementation_of(frame))


def _names(frame: Any) -> list[str]:
    import narwhals as nw

    return [str(name) for name in nw.from_native(frame, eager_only=True).columns]


def _without(frame: Any, given: Mapping[Any, Any]) -> Any:
    """The frame without the columns that the caller speaks for: whatever they hold is not looked at."""
    import narwhals as nw

    told = {column for key in given for column in (key if isinstance(key, tuple) else (key,))}
    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        return frame  # refused by those who read it next
    return table.select([name for name in table.columns if str(name) not in told]).to_native() if told else frame


def _given(column: Any, family: Any) -> FamilyChoice:
    if family is None:
        return FamilyChoice(column, None, "left out by the caller")
    family = as_distribution(family)
    if isinstance(family, type) or not (hasattr(family, "log_prob") and hasattr(family, "fit")):
        raise ParameterError(f"infer: column {column!r}: expected a distribution or None, found {family!r}")
    return FamilyChoice(column, family, "given by the caller")


def _refined(rule: ColumnChoice, frame: Any, unit: str | None) -> FamilyChoice:
    """What the rules chose, or a family that suits a column of that kind better."""
    column, family = rule.column, rule.family
    if family is None or isinstance(family, (Bernoulli, Categorical)):
        if unit in TURN and isinstance(family, Categorical):
            return _angle(column, _values(frame, column), unit)
        return FamilyChoice(column, family, rule.reason)
    values = _values(frame, column)
    if unit in TURN:
        return _angle(column, values, unit)
    if isinstance(family, Normal) and rule.reason == "real numbers" and _are_whole(values):
        # whole numbers that came as floats; what the rules would leave out as identifiers may be measurements here
        whole, reason = whole_numbers(column, values)
        if whole is not None:
            return (
                _refined(ColumnChoice(column, whole, reason), frame, None)
                if not isinstance(whole, Normal)
                else _contest(column, values, whole, reason, _kinds_of_numbers(values))
            )
    candidates = _kinds_of_counts(values) if isinstance(family, Poisson) else _kinds_of_numbers(values)
    return _contest(column, values, family, rule.reason, candidates)


def _are_whole(values: npt.NDArray[np.float64]) -> bool:
    """Whether all are whole, and so small that others near them would not be."""
    return bool(np.abs(values).max() < LARGEST_WHOLE and np.all(values == np.floor(values)))


def _values(frame: Any, column: str) -> npt.NDArray[np.float64]:
    """The observed numbers of a column."""
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    series = next(series for series in table.iter_columns() if str(series.name) == column)
    values = np.array([math.nan if value is None else float(value) for value in series.drop_nulls().to_list()])
    return values[~np.isnan(values)]


def _angle(column: str, values: npt.NDArray[np.float64], unit: str) -> FamilyChoice:
    turn, low, high = TURN[unit], float(values.min()), float(values.max())
    reason = f"angles in {unit}, whose ends meet"
    if unit in RADIANS:
        return FamilyChoice(column, VonMises(), reason)
    for middle in (turn / 2, 0.0):
        if middle - turn / 2 <= low and high <= middle + turn / 2:
            return FamilyChoice(column, LocationScale(VonMises(), middle, turn / (2 * math.pi)), reason)
    raise DataError(
        f"column '{column}': expected {unit} from 0 to {turn:g} or from {-turn / 2:g} to {turn / 2:g}, found {low:.6g} to "
        f"{high:.6g}"
    )


# --- who competes ---


def _kinds_of_counts(values: npt.NDArray[np.float64]) -> list[Made]:
    """Families for counts; Poisson is the one to beat."""
    found: list[Made] = [Poisson]
    if values.var() > values.mean():
        found.append(NegativeBinomial)
    if np.mean(values == 0) > math.exp(-values.mean()):
        found.append(partial(ZeroInflated, Poisson()))
    found.append(Geometric if values.min() >= 1 else partial(LocationScale, Geometric(), -1.0))
    return found


def _kinds_of_numbers(values: npt.NDArray[np.float64]) -> list[Made]:
    """Families for measurements; Normal is the one to beat."""
    found: list[Made] = [Normal]
    low, high = values.min(), values.max()
    positive = [Gamma, LogNormal, Weibull, InverseGaussian, Exponential]
    if low > 0:
        found += positive
        found += [Beta] if LEAST_FRACTION < high < 1 else []
    elif low == 0:
        found += [Exponential]
    if low <= 0 or low > values.mean() / 3:  # a measurement near zero leans by itself
        found += [StudentT, SkewNormal, Laplace]
    steps = np.diff(np.unique(values))
    if low >= 0 and _are_whole(values) and steps.min() == 1.0 and values.var() > values.mean():
        found.append(NegativeBinomial)
        if np.mean(values == 0) > MANY_ZEROS:
            found.append(partial(ZeroInflated, NegativeBinomial()))
    return found


def _contest(column: str, values: npt.NDArray[np.float64], base: Any, reason: str, candidates: list[Made]) -> FamilyChoice:
    """The family of the lowest BIC, or the base where none is better by enough."""
    reason = f"{reason}{_looks(values, base)}"
    if len(values) < FEW_ROWS:
        return FamilyChoice(column, base, f"{reason}; too few rows to compare families")
    if len(values) > MOST_ROWS:
        values = np.random.default_rng(0).choice(values, MOST_ROWS, replace=False)
    families, bics, sizes = {}, {}, {}
    for made in candidates:
        family = made()
        name = name_of(family)
        try:
            # where a family has become a simpler one, that one, which competes itself, is the better description
            tried = [c for c in select(family, values, SIZES, n_init=MOST_STARTS, tol=TOL, max_iter=MAX_ITER) if not c.simplified]
            best = best_of(tried)
        except MixturesError:  # it was fitted with no number of components, or cannot read these numbers
            continue
        if not best.degenerate and best.measures is not None:
            families[name], bics[name], sizes[name] = family, best.measures.bic, best.n_components
    own = name_of(base)
    if not bics:
        return FamilyChoice(column, base, f"{reason}; no family could be fitted without degenerating")
    winner = min(bics, key=lambda name: bics[name])
    gain = bics[own] - bics[winner] if own in bics else math.inf
    if winner == own:
        words = "no other family has a lower BIC"
    elif own in bics and gain <= (STRONG if sizes[winner] < sizes[own] else VERY_STRONG):
        winner, words = own, "no other family has a clearly lower BIC"
    elif own in bics:
        words = f"{winner} has a lower BIC than {own}, by {gain:,.0f}"
        if sizes[winner] < sizes[own]:
            words += f", with {sizes[winner]} instead of {sizes[own]} components"
    else:
        words = f"{winner} has the lowest BIC, {own} degenerates"
    return FamilyChoice(column, base if winner == own else families[winner], f"{reason}; {words}", bics, sizes)


def _looks(values: npt.NDArray[np.float64], base: Any) -> str:
    """What the values look like, in words."""
    zeros = float(np.mean(values == 0))
    largest = float(np.abs(values).max()) or 1.0
    unit = values / largest  # squares of large ones overflow
    mean, spread = float(unit.mean()), float(unit.std())
    if isinstance(base, Poisson):
        words = f", variance {largest * spread**2 / mean:.1f} times the mean"
    else:
        skewness = float(np.mean(((unit - mean) / spread) ** 3)) if spread > 0 else 0.0
        signs = ", between 0 and 1" if values.min() > 0 and values.max() < 1 else ", all positive" if values.min() > 0 else ""
        words = f"{signs}, skewness {skewness:.1f}"
    words += f", {100 * zeros:.0f}% zeros" if zeros > 0.005 else ""
    if zeros > MANY_ZEROS and isinstance(base, Normal) and not _are_whole(values):
        words += " that no density describes: a component Degenerate(0) would"
    return words


def name_of(family: Any) -> str:
    """A family's name, with that of what it is made of."""
    name = type(family).__name__
    base = getattr(family, "base", None)
    return f"{name}({name_of(base)})" if base is not None else name


def _label(column: Any) -> str:
    return ", ".join(map(str, column)) if isinstance(column, tuple) else str(column)
