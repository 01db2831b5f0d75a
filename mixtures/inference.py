"""A family for every column of a frame, chosen from the column's type and values, with the reason in words.

The rules, in the order in which they are asked:

- Dates, columns without a value or with a single one, and identifiers are left out. Identifiers are strings of which hardly
  one repeats, and whole numbers that run by one or never repeat although they lie so close that measurements would.
- Booleans, and whole numbers that are all 0 or 1: Bernoulli.
- Strings and categories: Categorical.
- Floats: Normal.
- Whole numbers are counts (Poisson), codes (Categorical) or measurements (Normal). A count starts at zero and goes up by
  one, and a Poisson's variance equals its mean. So values with a common step are measurements that someone rounded. So are
  values far from zero: there a Poisson is as good as a Normal whose variance may not move, and a Normal loses nothing. A few
  values that all repeat, but don't start at zero, are the codes of a scale; a Normal would shrink to a point on one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.distributions import Bernoulli, Categorical, Distribution, Normal, Poisson, Product
from mixtures.exceptions import DataError, DataTypeError

MAX_CODES = 10
"""Whole numbers with more distinct values than this are no codes."""
ROWS_PER_CODE = 10
"""A code repeats: on average each of them stands in so many rows."""
LARGEST_COUNT_MEAN = 100.0
"""Larger whole numbers go to the Normal: a Poisson of this mean has a skewness of 0.1, the Normal's is 0."""
DISPERSION = (0.5, 2.0)
"""Variance over mean of counts that need not come near zero; 1 for a Poisson."""
WIDEST_DISPERSION = 30.0
"""Beyond this variance over mean not even half a dozen Poissons together spread as widely."""
LEAST_REPEATS = 7.0
"""Of n numbers drawn alike from r, none repeats with a chance of exp(-n^2 / 2r) at most: e^-7 is 1 in 1,000."""
MANY_ROWS = 20
"""From so many rows on, strings of which more than half are distinct are identifiers; in fewer rows, if none repeats."""


@dataclass(frozen=True)
class ColumnChoice:
    """The family chosen for a column, None where the column is left out, and why."""

    column: str
    family: Distribution | None
    reason: str


class Choices:
    """A family for every column of a frame, in its order, with the reason of each."""

    choices: tuple[Any, ...]

    @property
    def product(self) -> Product:
        """The chosen families over the columns that are not left out.

        Raises
        ------
        DataError : every column is left out.
        """
        factors = {choice.column: choice.family for choice in self.choices if choice.family is not None}
        if not factors:
            why = "; ".join(f"'{choice.column}': {choice.reason}" for choice in self.choices[:8])
            raise DataError(f"no column is left to model: {why or 'the table has none'}")
        return Product(factors)

    @property
    def left_out(self) -> tuple[Any, ...]:
        """Choices without a family."""
        return tuple(choice for choice in self.choices if choice.family is None)


@dataclass(frozen=True)
class Inference(Choices):
    """A choice for every column of a frame, in its order."""

    choices: tuple[ColumnChoice, ...]


def infer_families(frame: Any) -> Inference:
    """Choose a family for every column of a frame of any library that narwhals knows (pandas, polars, pyarrow).

    Raises
    ------
    DataError : a column holds an infinity. DataTypeError : a column holds lists, structures or bytes, or X is no frame.

    Examples
    --------
    >>> import polars
    >>> frame = polars.DataFrame({"height": [1.6, 1.8, 1.7], "visits": [0, 2, 1], "smokes": [True, False, False]})
    >>> infer_families(frame).product
    Product(height=Normal(), visits=Poisson(), smokes=Bernoulli())
    """
    import narwhals as nw

    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise DataTypeError(f"expected a frame with named columns, found {type(frame).__name__}") from None
    return Inference(tuple(ColumnChoice(str(series.name), *_choose(series)) for series in table.iter_columns()))


def _choose(series: Any) -> tuple[Distribution | None, str]:
    dtype = series.dtype
    if dtype.is_temporal():
        return None, f"dates and times are not modelled ({dtype})"
    observed = series.drop_nulls()
    if not len(observed):
        return None, "no value at all, all cells are missing"
    if dtype.is_nested() or str(dtype) == "Binary":
        raise DataTypeError(f"column '{series.name}': expected numbers, booleans or strings, found {dtype}")
    if str(dtype) == "Boolean":
        return _choose_flags(_numbers(observed))
    if not dtype.is_numeric():
        return _choose_objects(series, observed.to_list())
    if dtype.is_integer():
        return whole_numbers(str(series.name), _numbers(observed))
    numbers = _finite(series)
    missing = len(numbers) < len(series)
    if not len(numbers):
        return None, "no value at all, all cells are missing"
    if missing and series.implementation.is_pandas_like() and np.array_equal(numbers, np.floor(numbers)):
        # pandas makes floats of whole numbers as soon as one is missing
        return whole_numbers(str(series.name), numbers)
    if numbers.min() == numbers.max():
        return None, f"constant: {numbers[0]:.6g}"
    return Normal(), "real numbers"


def _choose_flags(flags: npt.NDArray[np.float64]) -> tuple[Distribution | None, str]:
    if flags.min() == flags.max():
        return None, f"constant: always {'true' if flags[0] else 'false'}"
    return Bernoulli(), "true or false"


def _choose_objects(series: Any, values: Sequence[Any]) -> tuple[Distribution | None, str]:
    """Strings, categories, and whatever else a column of objects holds."""
    if all(isinstance(value, bool) for value in values):
        return _choose_flags(np.array(values, dtype=float))
    if all(isinstance(value, (int, float, np.number)) for value in values) and str(series.dtype) == "Object":
        numbers = np.array(values, dtype=float)
        if np.array_equal(numbers, np.floor(numbers)):
            return whole_numbers(str(series.name), numbers)
        return Normal(), "real numbers"
    if any(hasattr(value, "isoformat") for value in values):
        return None, "dates and times are not modelled"
    try:
        distinct = len(set(values))
    except TypeError:
        row, value = next((row, value) for row, value in enumerate(series.to_list()) if not _is_hashable(value))
        raise DataTypeError(
            f"column '{series.name}': expected numbers, booleans or strings, row {row} has {value!r} ({type(value).__name__})"
        ) from None
    if distinct == 1:
        return None, f"constant: always {_quoted(values[0])}"
    if distinct == len(values):
        return None, f"an identifier: all {distinct:,} values differ"
    if len(values) >= MANY_ROWS and distinct > len(values) / 2:
        return None, f"an identifier or free text: {distinct:,} different values in {len(values):,} rows"
    return Categorical(), f"text, {distinct:,} categories" if isinstance(values[0], str) else f"{distinct:,} categories"


def whole_numbers(name: str, numbers: npt.NDArray[np.float64]) -> tuple[Distribution | None, str]:
    """Whole numbers: identifiers, flags, codes, counts or measurements."""
    low, high = numbers.min(), numbers.max()
    span = f"{low:,.0f} to {high:,.0f}"
    if low == high:
        return None, f"constant: always {low:.0f}"
    if low == 0.0 and high == 1.0:
        return Bernoulli(), "whole numbers, all 0 or 1"
    distinct = np.unique(numbers)
    if len(distinct) == len(numbers):
        if len(numbers) > 2 and bool(np.all(np.diff(numbers) == 1.0)):
            return None, f"an identifier: runs by one, {span}"
        if len(numbers) ** 2 / (2.0 * (high - low + 1.0)) > LEAST_REPEATS:
            return None, f"an identifier: {len(numbers):,} whole numbers within {span}, none twice"
    if name.strip().lower() in ("year", "yr") and low >= 1000 and high < 3000:
        return None, f"a date: the years {low:.0f} to {high:.0f}"
    if low < 0:
        return Normal(), f"whole numbers, some negative ({span}): a measurement, not a count"
    if low > 0 and len(distinct) <= MAX_CODES and len(numbers) >= ROWS_PER_CODE * len(distinct):
        return Categorical(), f"{len(distinct)} whole numbers that all repeat and don't start at 0 ({span}): codes, not counts"
    step = np.gcd.reduce(np.diff(distinct).astype(np.int64)) if high - low < 2.0**53 else 1
    if step > 1:
        return Normal(), f"whole numbers in steps of {step:,}: a measurement, not a count"
    return _choose_count(numbers, span)


def _choose_count(numbers: npt.NDArray[np.float64], span: str) -> tuple[Distribution | None, str]:
    mean, dispersion = numbers.mean(), numbers.var() / numbers.mean()
    if mean > LARGEST_COUNT_MEAN:
        return Normal(), f"large whole numbers ({span}): a measurement, or counts so large that a Normal suits them"
    if dispersion > WIDEST_DISPERSION:
        return Normal(), f"whole numbers that spread too widely for counts (variance {dispersion:.0f} times the mean)"
    if np.quantile(numbers, 0.05) <= mean / 3:
        return Poisson(), f"whole numbers that go down to {numbers.min():.0f}: counts"
    if DISPERSION[0] <= dispersion <= DISPERSION[1]:
        return Poisson(), f"whole numbers whose variance is near their mean ({dispersion:.2f} times it): counts"
    return Normal(), f"whole numbers that stay away from zero ({span}): a measurement, not a count"


def _numbers(series: Any) -> npt.NDArray[np.float64]:
    array = series.to_numpy()
    return np.asarray(array if array.dtype.kind in "fiub" else series.to_list(), dtype=np.float64)


def _finite(series: Any) -> npt.NDArray[np.float64]:
    """The observed numbers of a float column; NaN counts as missing."""
    numbers = _numbers(series.drop_nulls())
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        row = next(row for row, value in enumerate(series.to_list()) if value is not None and abs(float(value)) == np.inf)
        raise DataError(f"column '{series.name}': expected finite numbers, row {row} has {numbers[infinite[0]]}")
    return numbers[~np.isnan(numbers)]


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 30 else text[:27] + "..."
