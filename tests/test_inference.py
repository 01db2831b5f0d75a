"""The family inferred for a column is the one that a person would choose, for frames of every library, and the reason is said."""

import datetime

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from mixtures import GeneralMixtureModel
from mixtures.datasets import load_penguins
from mixtures.distributions import Bernoulli, Categorical, Normal, Poisson, Product
from mixtures.exceptions import DataError, DataTypeError
from mixtures.inference import infer_families

N = 300
random = np.random.default_rng(20)
TWO_RATES = np.where(random.random(N) < 0.5, random.poisson(2, N), random.poisson(20, N))
AGES = random.integers(18, 90, N)
UNIQUE_WORDS = [f"name {i * 7919 % N}" for i in range(N)]

COLUMNS = [
    ("floats", random.normal(size=N), Normal, "real numbers"),
    ("whole floats", random.poisson(3, N).astype(float), Normal, "real numbers"),
    ("booleans", random.random(N) < 0.3, Bernoulli, "true or false"),
    ("zeros and ones", (random.random(N) < 0.3).astype(int), Bernoulli, "0 or 1"),
    ("strings", random.choice(["red", "green"], N).tolist(), Categorical, "text, 2 categories"),
    ("counts, rate 0.1", random.poisson(0.1, N), Poisson, "counts"),
    ("counts, rate 3", random.poisson(3, N), Poisson, "counts"),
    ("counts, rate 30", random.poisson(30, N), Poisson, "variance is near their mean"),
    ("counts of two rates", TWO_RATES, Poisson, "counts"),
    ("counts, unsigned", random.poisson(3, N).astype(np.uint8), Poisson, "counts"),
    ("ages of adults", AGES, Normal, "stay away from zero"),
    ("grams, rounded", random.normal(4200, 800, N).round(-1).astype(int), Normal, "steps of 10"),
    ("millimetres", random.normal(200, 14, N).astype(int), Normal, "large whole numbers"),
    ("money", random.lognormal(4, 1.5, N).astype(int).clip(0, 10**6), Normal, "large whole numbers"),
    ("bursts", np.where(random.random(N) < 0.9, 0, random.integers(1, 300, N)), Normal, "spread too widely"),
    ("temperatures", random.normal(2, 6, N).astype(int), Normal, "some negative"),
    ("a scale from 1 to 5", random.integers(1, 6, N), Categorical, "codes"),
    ("years as codes", random.integers(2007, 2010, N), Categorical, "codes"),
    ("huge", random.integers(0, 2**62, N), Normal, "large"),
    ("Year", random.integers(1950, 2020, N), None, "years 1950 to"),
    ("row", np.arange(N), None, "runs by one"),
    ("shuffled row", random.permutation(N) + 1000, None, "none twice"),
    ("row with gaps", np.sort(random.permutation(2 * N)[:N]), None, "none twice"),
    ("a name", UNIQUE_WORDS, None, "all 300 values differ"),
    ("free text", [*UNIQUE_WORDS[:200], *["nothing to say"] * 100], None, "free text"),
    ("constant float", np.full(N, 1.5), None, "constant: 1.5"),
    ("constant int", np.full(N, 7), None, "constant: always 7"),
    ("constant text", ["x"] * N, None, "constant: always 'x'"),
    ("constant boolean", np.full(N, True), None, "constant: always true"),
    ("date", [datetime.date(2020, 1, 1) + datetime.timedelta(int(i)) for i in AGES], None, "dates"),
    ("moment", [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=int(i)) for i in AGES], None, "dates"),
]
FRAMES = {"polars": polars.DataFrame, "pandas": pandas.DataFrame, "pyarrow": pyarrow.table}


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize(("name", "values", "family", "reason"), COLUMNS, ids=[column[0] for column in COLUMNS])
def test_family_and_reason(library, name, values, family, reason):
    (choice,) = infer_families(FRAMES[library]({name: values})).choices
    assert choice.column == name
    assert reason in choice.reason
    assert choice.family == (None if family is None else family())


def test_penguins():
    inference = infer_families(load_penguins())
    expected = {
        "species": Categorical(),
        "island": Categorical(),
        "bill_length_mm": Normal(),
        "bill_depth_mm": Normal(),
        "flipper_length_mm": Normal(),
        "body_mass_g": Normal(),
        "sex": Categorical(),
    }
    assert inference.product == Product(expected)
    assert [choice.column for choice in inference.left_out] == ["year"]


@pytest.mark.parametrize("library", FRAMES)
def test_missing_cells_change_nothing(library):
    columns = {
        "real": ([0.5, None, 1.5, 2.5], Normal()),
        "counts": ([0, 3, None, 1, 1, 2], Poisson()),
        "flags": ([True, None, False, True], Bernoulli()),
        "words": (["a", None, "b", "a"], Categorical()),
        "one value": ([None, 3, 3, None], None),
        "nothing": ([None, None], None),
    }
    for name, (values, family) in columns.items():
        (choice,) = infer_families(FRAMES[library]({name: values})).choices
        assert choice.family == family, name


def test_floats_with_missing_cells_stay_floats_where_whole_numbers_can_be_missing():
    values = [0.0, 3.0, None, 1.0, 1.0]
    assert infer_families(polars.DataFrame({"x": values})).choices[0].family == Normal()
    assert infer_families(pandas.DataFrame({"x": values})).choices[0].family == Poisson()


def test_types_of_pandas_and_polars():
    words = ["a", "b", "a", "b", "a"]
    frame = pandas.DataFrame(
        {
            "category": pandas.Categorical(words),
            "string": pandas.Series(words, dtype="string"),
            "object": pandas.Series(words, dtype=object),
            "boolean": pandas.Series([True, None, False, True, True], dtype="boolean"),
            "Int64": pandas.Series([0, None, 2, 1, 1], dtype="Int64"),
            "mixed": pandas.Series([1, None, "a", 1, 1], dtype=object),
        }
    )
    families = [choice.family for choice in infer_families(frame).choices]
    assert families == [Categorical(), Categorical(), Categorical(), Bernoulli(), Poisson(), Categorical()]
    frame = polars.DataFrame(
        {"enum": words, "category": words, "decimal": ["1.50", "2.00", "2.50", "1.00", "3.00"]},
        schema={"enum": polars.Enum(["a", "b"]), "category": polars.Categorical, "decimal": polars.String},
    ).with_columns(polars.col("decimal").cast(polars.Decimal(10, 2)))
    assert [choice.family for choice in infer_families(frame).choices] == [Categorical(), Categorical(), Normal()]


def test_the_product_fits():
    frame = polars.DataFrame({"x": COLUMNS[0][1], "counts": TWO_RATES, "colour": COLUMNS[4][1], "id": np.arange(N)})
    product = infer_families(frame).product
    model = GeneralMixtureModel(product, n_components=2, random_state=0).fit(frame)
    rates = sorted(component.factors["counts"].rate for component in model.components_)
    # 150 counts of each rate: standard errors 0.12 and 0.37, four of them allowed
    assert rates == pytest.approx([2, 20], abs=1.5)
    assert abs(rates[0] - 2) < 0.5


def test_nothing_to_model():
    with pytest.raises(DataError, match="no column is left to model: 'id': an identifier"):
        _ = infer_families(polars.DataFrame({"id": ["a", "b", "c"]})).product


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.inf, 2.0], "column 'x': expected finite numbers, row 1 has inf"),
        ([1.0, None, -np.inf], "column 'x': expected finite numbers, row 2 has -inf"),
        ([[1], [2, 3]], "column 'x': expected numbers, booleans or strings, found List"),
        ([{"a": 1}, {"a": 2}], "column 'x': expected numbers, booleans or strings, found Struct"),
        ([b"a", b"b"], "column 'x': expected numbers, booleans or strings, found Binary"),
    ],
)
def test_unreadable_columns_are_named(values, message):
    with pytest.raises(DataError, match=message):
        infer_families(polars.DataFrame({"x": values}))


def test_unhashable_objects_are_named():
    with pytest.raises(DataTypeError, match=r"column 'x': .* row 1 has \[2\] \(list\)"):
        infer_families(pandas.DataFrame({"x": pandas.Series(["a", [2]], dtype=object)}))


def test_an_array_is_no_frame():
    with pytest.raises(DataTypeError, match="expected a frame with named columns, found ndarray"):
        infer_families(np.zeros((3, 2)))
