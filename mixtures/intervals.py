"""Tables of parameters with their standard errors and confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from mixtures.engine.plan import Floats
from mixtures.exceptions import DegenerateWarning, ParameterError
from mixtures.free_groups import Number, Scale
from mixtures.result_tables import frame_of
from mixtures.tables import short, table_text
from mixtures.warn import warn


@dataclass(frozen=True)
class Estimate:
    """One number among the parameters of a fitted mixture.

    Attributes
    ----------
    component : place of the component in the mixture.
    column : name of the column, or of several, joined by commas; "" for the weight of a component.
    parameter : its name, as the distribution has it, ``rate``, with an index where it is one of several, ``mean[height]``.
    estimate : its value.
    standard_error : of the estimate; 0 where it was held, NaN where there is none.
    low, high : ends of its confidence interval; NaN where there is none.
    note : why there is none, or that it is held or shared; "" otherwise.
    """

    component: int
    column: str
    parameter: str
    estimate: float
    standard_error: float
    low: float
    high: float
    note: str = ""


NOT_DETERMINED = "not determined by the rows"
MOST_NAMED = 8
FIELDS = ("component", "column", "parameter", "estimate", "standard_error", "low", "high", "note")


class Estimates(Sequence[Estimate]):
    """Parameters of a fitted mixture, with standard errors and confidence intervals: a sequence of :class:`Estimate`.

    Attributes
    ----------
    level : of the intervals.
    method : what the standard errors come from, in words.
    covariance : (m, m) of the estimates, in the order of the rows.
    component, column, parameter, estimate, standard_error, low, high, note : arrays (m,), a column of the table each.
    """

    def __init__(self, rows: Sequence[Estimate], level: float, method: str, covariance: Floats, implementation: Any = None) -> None:
        self._rows = tuple(rows)
        self.level, self.method, self.covariance = level, method, covariance
        self._implementation = implementation

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]

    def __iter__(self) -> Iterator[Estimate]:
        return iter(self._rows)

    def __getattr__(self, name: str) -> Any:
        if name in FIELDS:
            values = [getattr(row, name) for row in self._rows]
            return np.array(values, dtype=object if name in ("column", "parameter", "note") else None)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def of(self, component: int, parameter: str, column: str | int | None = None) -> Estimate:
        """The row of one number; columns without names go by place.

        Raises
        ------
        ParameterError : there is no such row, or the parameter stands on several columns and none is named.
        """
        found = [
            row for row in self._rows if row.component == component and row.parameter == parameter and column in (None, row.column)
        ]
        if len(found) != 1:
            own = sorted({(row.column, row.parameter) for row in self._rows if row.component == component})
            raise ParameterError(
                f"expected one parameter {parameter!r} of component {component}, found {len(found)}; it has, by column: {own}"
            )
        return found[0]

    def to_frame(self, backend: str | None = None) -> Any:
        """The table as a frame of `backend`, "pandas", "polars" or another that narwhals knows; None: of the library that the rows
        came in, and where they came in an array of pandas, or else polars."""
        columns = {name: [getattr(row, name) for row in self._rows] for name in FIELDS}
        return frame_of(columns, backend, self._implementation)

    def __repr__(self) -> str:
        ends = [f"{100 * self.level:g}% low", "high"]
        rows = [
            [str(r.component), short(r.column), r.parameter, *map(_shown, (r.estimate, r.standard_error, r.low, r.high)), r.note]
            for r in self._rows
        ]
        heads = ["component", "column", "parameter", "estimate", "std. error", *ends, ""]
        return f"{table_text(heads, rows, '><<>>>><')}\n{self.method}"


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.6g}"


def check_level(level: Any) -> None:
    """Refuse a level that is no probability."""
    if not isinstance(level, (int, float, np.number)) or not 0.0 < level < 1.0:
        raise ParameterError(f"level must be a number > 0 and < 1, found {level!r}")


def interval(number: Number, error: float, level: float) -> tuple[float, float]:
    """Ends of a number's confidence interval, by the normal distribution in the coordinate in which it has no ends: a number
    itself, its logarithm, or its log-odds, so that the interval stays within the number's range."""
    if error == 0.0:
        return number.value, number.value
    scale = Scale(number.low, number.high)
    slope = scale.slope(number.value)
    if math.isnan(error) or not slope > 0.0:
        return math.nan, math.nan
    reach = float(ndtri(0.5 + 0.5 * level)) * error / slope
    middle = scale.to_free(number.value)
    low, high = (scale.from_free(middle + sign * reach) for sign in (-1.0, 1.0))
    return max(low, number.bounds[0]), min(high, number.bounds[1])


def name_of(component: int, column: str, parameter: str) -> str:
    """How warnings name a number."""
    where = f" on {column}" if column else ""
    return f"{parameter}{where} of component {component}"


def listed(names: Sequence[str]) -> str:
    """Names, or the first of very many."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def warn_undetermined(names: Sequence[str]) -> None:
    """Warn of numbers that the rows do not determine."""
    warn(
        f"the rows do not determine {listed(names)}: the log-likelihood is flat in them, or no maximum. Fit fewer components, hold "
        "some of them or give them a prior.",
        DegenerateWarning,
    )
