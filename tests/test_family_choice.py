"""The family that a column was drawn from is the one proposed, and every number of the reason is that of a mixture fitted alone."""

import math

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from mixtures import GeneralMixtureModel, infer, select
from mixtures.distributions import (
    Beta,
    Categorical,
    Exponential,
    Gamma,
    Laplace,
    LocationScale,
    LogNormal,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    Product,
    SkewNormal,
    StudentT,
    VonMises,
    Weibull,
    ZeroInflated,
)
from mixtures.exceptions import DataError, DataTypeError, ParameterError
from mixtures.family_choice import MAX_ITER, MOST_STARTS, STRONG, TOL, VERY_STRONG, name_of
from mixtures.inference import infer_families

N = 500
random = np.random.default_rng(11)
GROUP = random.random(N) < 0.5
COLUMNS = {
    "Normal": random.normal(170, 7, N),
    "two normals": np.where(GROUP, random.normal(0, 1, N), random.normal(6, 1, N)),
    "SkewNormal": 3 * np.abs(random.normal(size=N)) - 0.3 * random.normal(size=N) - 2,
    "Laplace": random.laplace(size=N),
    "Gamma": random.gamma(2, 3, N),
    "LogNormal": random.lognormal(4, 1, N),
    "Weibull": 5 * random.weibull(8, N),
    "InverseGaussian": random.wald(1, 1, N),
    "Exponential": random.exponential(2, N),
    "Beta": random.beta(2, 5, N),
    "Poisson": random.poisson(3, N),
    "two Poissons": np.where(GROUP, random.poisson(2, N), random.poisson(20, N)),
    "NegativeBinomial": random.negative_binomial(2, 0.2, N),
    "ZeroInflated(Poisson)": np.where(random.random(N) < 0.4, 0, random.poisson(6, N)),
    "Geometric": random.geometric(0.3, N),
    "whole LogNormal": random.lognormal(4, 1.5, N).astype(int) + 1,
    "bursts": np.where(random.random(N) < 0.9, 0, random.integers(1, 300, N)),
    "floats of counts": random.poisson(3, N).astype(float),
    "steps": random.normal(4200, 800, N).round(-1).astype(int),
    "far away": random.normal(1e12, 1, N),
    "tiny": random.gamma(2, 1e-30, N),
}
EXPECTED = {
    "two normals": Normal(),
    "two Poissons": Poisson(),
    "ZeroInflated(Poisson)": ZeroInflated(Poisson()),
    "whole LogNormal": LogNormal(),
    "bursts": ZeroInflated(NegativeBinomial()),
    "floats of counts": Poisson(),
    "steps": Normal(),
    "far away": Normal(),
    "tiny": Gamma(),
}


@pytest.fixture(scope="module")
def found():
    return infer(polars.DataFrame(COLUMNS))


@pytest.mark.parametrize("column", COLUMNS)
def test_the_family_that_a_column_was_drawn_from(found, column):
    expected = EXPECTED.get(column)
    assert name_of(found[column].family) == (column if expected is None else name_of(expected))


def test_heavy_tails_are_seen():
    choice = infer(polars.DataFrame({"x": np.random.default_rng(1).standard_t(2.5, 1500)}))["x"]
    assert choice.family == StudentT()
    assert min(choice.bics, key=choice.bics.get) == "StudentT"


@pytest.mark.parametrize("column", ["Gamma", "Poisson", "two normals"])
def test_criteria_are_those_of_mixtures_of_the_column_alone(found, column):
    choice, values = found[column], np.asarray(COLUMNS[column], dtype=float)
    family = {"Gamma": Gamma(), "Poisson": Poisson(), "two normals": Normal()}[column]
    size = choice.sizes[name_of(family)]
    model = GeneralMixtureModel(family, size, random_state=0, n_init=MOST_STARTS, tol=TOL, max_iter=MAX_ITER).fit(values)
    assert choice.bics[name_of(family)] == pytest.approx(model.bic(values), rel=1e-12)


def test_the_simple_family_stays_unless_another_is_clearly_better(found):
    for choice in found.choices:
        own, base = name_of(choice.family), "Poisson" if "Poisson" in choice.bics else "Normal"
        lowest = min(choice.bics, key=choice.bics.get)
        if base not in choice.bics:
            assert own == lowest
            continue
        gain = choice.bics[base] - choice.bics[lowest]
        fewer = choice.sizes[lowest] < choice.sizes[base]
        assert own == (lowest if gain > (STRONG if fewer else VERY_STRONG) else base)


# --- kinds of columns ---


@pytest.mark.parametrize("library", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_kinds_are_found_by_the_rules(library):
    data = {
        "id": np.arange(N),
        "name": [f"name {i * 7919 % N}" for i in range(N)],
        "smokes": GROUP,
        "eye": np.where(GROUP, "blue", "brown"),
        "scale": random.integers(1, 6, N),
        "one": np.ones(N),
        "height": COLUMNS["Normal"],
    }
    frame = library(data)
    proposed, rules = infer(frame), infer_families(frame)
    assert repr(proposed.product) == repr(rules.product)
    assert [choice.column for choice in proposed.left_out] == ["id", "name", "one"]
    assert proposed["eye"].reason == "text, 2 categories"
    assert isinstance(proposed.table, library if library is not pyarrow.table else pyarrow.Table)


def test_missing_cells_say_nothing():
    x = COLUMNS["Gamma"].copy()
    x[::5] = np.nan
    one = infer(pandas.DataFrame({"x": x}))["x"]
    other = infer(pandas.DataFrame({"x": x[~np.isnan(x)]}))["x"]
    assert one.bics == other.bics
    assert one.family == Gamma()
    assert infer(pandas.DataFrame({"x": [np.nan] * 5, "y": range(5)})).left_out[0].column == "x"


def test_the_order_of_rows_does_not_matter():
    order = np.random.default_rng(2).permutation(N)
    one, other = infer(polars.DataFrame({"x": COLUMNS["Gamma"]})), infer(polars.DataFrame({"x": COLUMNS["Gamma"][order]}))
    assert one.product == other.product
    assert one["x"].bics == pytest.approx(other["x"].bics, rel=1e-4)


def test_few_rows_are_no_contest():
    choice = infer(polars.DataFrame({"x": [1.5, 2.5, 9.5]}))["x"]
    assert choice.family == Normal()
    assert "too few rows" in choice.reason
    assert not choice.bics


def test_of_a_long_column_some_rows_are_looked_at():
    x = np.random.default_rng(3).gamma(2, 3, 100_000)
    assert infer(polars.DataFrame({"x": x}))["x"].family == Gamma()


def test_many_zeros_among_measurements_are_told():
    rng = np.random.default_rng(4)
    choice = infer(polars.DataFrame({"rain": np.where(rng.random(N) < 0.3, 0.0, rng.gamma(2, 3, N))}))["rain"]
    assert "Degenerate(0)" in choice.reason
    assert choice.family in (Exponential(), Normal())


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_extreme_sizes(scale):
    choice = infer(polars.DataFrame({"x": COLUMNS["Gamma"] * scale}))["x"]
    GeneralMixtureModel(choice.family, 2, random_state=0, n_init=1).fit(COLUMNS["Gamma"] * scale)


def test_half_bells_do_not_describe_edges():
    """Two skew normals of infinite shape are the likeliest for evenly spread numbers, and say nothing but where these end."""
    for x in (np.arange(150) * 2.0 - 1.0, np.random.default_rng(0).integers(-5, 5, 150), np.linspace(1e15, 1e15 + 50, 150)):
        assert infer(polars.DataFrame({"x": x}))["x"].family == Normal()


def test_subnormal_numbers_and_ties():
    rng = np.random.default_rng(1)
    data = {"tiny": rng.random(N) * 5e-320, "ties": np.where(rng.random(N) < 0.4, 5.0, rng.normal(5, 2, N))}
    choices = infer(polars.DataFrame(data))
    assert len(choices.product.factors) == 2
    assert choices["ties"].family == Laplace()


def test_float32_and_a_constant():
    choices = infer(pandas.DataFrame({"x": COLUMNS["Normal"].astype(np.float32), "y": np.full(N, 2.5, dtype=np.float32)}))
    assert choices.product == Product(x=Normal())


# --- angles ---


def test_units_make_angles():
    turn = np.random.default_rng(5).vonmises(0.0, 3.0, N)
    data = polars.DataFrame(
        {"wind": np.degrees(turn) % 360, "phase": turn, "bearing": np.degrees(turn), "time": (turn / (2 * np.pi) * 24) % 24}
    )
    units = {"wind": "degrees", "phase": "radians", "bearing": "deg", "time": "hour of day"}
    choices = infer(data, units=units)
    assert choices["phase"].family == VonMises()
    assert choices["wind"].family == LocationScale(VonMises(), 180.0, 180 / math.pi)
    assert choices["bearing"].family == LocationScale(VonMises(), 0.0, 180 / math.pi)
    assert choices["wind"].reason == "angles in degrees, whose ends meet"
    model = GeneralMixtureModel(choices.product, 1).fit(data)
    near = data[:2].with_columns(wind=polars.Series([359.5, 0.5]))
    assert abs(np.subtract(*model.log_prob(near.with_columns(phase=0.0, bearing=0.0, time=12.0)))) < 0.1
    assert not isinstance(infer(data)["wind"].family, LocationScale)
    assert infer(polars.DataFrame({"x": [90, 180, 90, 180, 270] * 20}), units={"x": "degrees"})["x"].family.base == VonMises()
    with pytest.raises(DataError, match="expected degrees from 0 to 360 or from -180 to 180, found"):
        infer(polars.DataFrame({"x": np.linspace(-90, 300, 50)}), units={"x": "degrees"})


# --- the caller's word ---


def test_the_caller_overrides_any_column():
    data = pandas.DataFrame(
        {"id": range(N), "visits": COLUMNS["Poisson"], "height": COLUMNS["Normal"], "my weight": COLUMNS["Gamma"]}
    )
    choices = infer(data, {"my weight": Weibull()}, visits=NegativeBinomial(), height=None)
    assert repr(choices.product) == "Product({'visits': NegativeBinomial(), 'my weight': Weibull()})"
    assert [choice.reason for choice in choices.choices[1:]] == [
        "given by the caller",
        "left out by the caller",
        "given by the caller",
    ]
    block = infer(data, {("height", "my weight"): MultivariateNormal()}, id=None)
    assert list(block.product.factors) == ["visits", ("height", "my weight")]
    assert "height, my weight" in repr(block)
    assert infer(data, {("height", "my weight"): None}).product == Product(visits=Poisson())


def test_what_the_caller_speaks_for_is_not_looked_at():
    data = polars.DataFrame({"x": [[1], [2]], "y": [np.inf, 1.0], "z": ["a", "a"]})
    choices = infer(data, x=None, y=Normal(), z=Categorical())
    assert list(choices.product.factors) == ["y", "z"]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"families": {"nothing": Normal()}}, ParameterError, "column 'nothing'"),
        ({"units": {"nothing": "degrees"}}, ParameterError, "a unit is given for column 'nothing'"),
        ({"x": 3}, ParameterError, "expected a distribution or None"),
        ({"x": Normal}, ParameterError, "expected a distribution or None"),
        ({"families": {("x", "y"): Normal()}, "x": None}, ParameterError, "two families"),
        ({"frame": np.zeros((3, 2))}, DataTypeError, "expected a frame"),
        ({"frame": [1, 2]}, DataTypeError, "expected a frame"),
        ({"frame": polars.DataFrame({"x": [1.0, np.inf], "y": [1, 2]})}, DataError, "finite"),
    ],
    ids=str,
)
def test_errors(arguments, error, words):
    frame = polars.DataFrame({"x": COLUMNS["Normal"], "y": COLUMNS["Poisson"]})
    with pytest.raises(error, match=words):
        infer(**{"frame": frame, **arguments})


def test_every_column_left_out():
    choices = infer(polars.DataFrame({"x": [1.0, 1.0]}))
    with pytest.raises(DataError, match="no column is left"):
        _ = choices.product
    with pytest.raises(KeyError):
        choices["y"]


# --- shown and used ---


def test_the_table_explains(found):
    lines = repr(found).splitlines()
    assert lines[0].split() == ["column", "family", "why", "BIC"]
    assert max(map(len, lines)) < 150
    text = " ".join(repr(found).split())
    assert "Gamma has a lower BIC" in text
    assert found["Gamma"].contest.startswith("Gamma ")
    assert "<td" in found._repr_html_()
    assert isinstance(found.table, polars.DataFrame)
    assert found.table["column"].to_list() == list(COLUMNS)


def test_a_selection_takes_it():
    data = pandas.DataFrame({"id": range(N), "x": COLUMNS["two normals"], "eye": np.where(GROUP, "blue", "brown")})
    chosen = select(infer(data), data, [1, 2, 3])
    assert chosen.best.n_components == 2
    assert isinstance(chosen.table, pandas.DataFrame)


def test_families_allow_what_they_were_chosen_for(found):
    model = GeneralMixtureModel(found.product, 2, random_state=0, n_init=1, max_iter=3, tol=0.0)
    model.fit(polars.DataFrame(COLUMNS))
    assert np.isfinite(model.score(polars.DataFrame(COLUMNS)))
    assert {type(choice.family) for choice in found.choices} >= {Beta, Laplace, SkewNormal}
