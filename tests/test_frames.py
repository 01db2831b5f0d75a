"""Frames of pandas and polars: every column type that can mean numbers or categories goes in, the caller's frame comes out."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn

from mixtures import GeneralMixtureModel
from mixtures.distributions import Bernoulli, Categorical, Normal, Poisson, Product
from mixtures.exceptions import DataError

N = 120
RANDOM = np.random.default_rng(0)
GROUP = RANDOM.integers(2, size=N)
REAL = RANDOM.normal(4.0 * GROUP, 1.0)
COUNT = RANDOM.poisson(np.array([2.0, 8.0])[GROUP])
BIT = RANDOM.random(N) < np.array([0.2, 0.7])[GROUP]
WORD = np.array(["ash", "elm", "oak"], dtype=object)[RANDOM.integers(3, size=N)]
HOLES = np.arange(N) % 10 == 3

MODEL = GeneralMixtureModel(
    Product(real=Normal(), count=Poisson(), bit=Bernoulli(), word=Categorical()), n_components=2, random_state=0
)


def with_holes(values):
    return [None if hole else value for value, hole in zip(values, HOLES, strict=True)]


def pandas_frame(missing=False, **changes):
    columns = {"real": REAL, "count": COUNT, "bit": BIT, "word": WORD}
    if missing:
        columns = {
            "real": np.where(HOLES, np.nan, REAL),
            "count": pd.array(with_holes(COUNT), dtype="Int64"),
            "bit": pd.array(with_holes(BIT), dtype="boolean"),
            "word": with_holes(WORD),
        }
    return pd.DataFrame({**columns, **changes})


def polars_frame(missing=False, **changes):
    columns = {"real": REAL, "count": COUNT, "bit": BIT, "word": WORD.tolist()}
    if missing:
        columns = {name: with_holes(column) for name, column in columns.items()}
    return pl.DataFrame({**columns, **changes})


def parameters(model):
    return [(model.weights_.tolist(), [list(component.factors.values()) for component in model.components_])]


COLUMN_TYPES = {
    "pandas string": lambda: pandas_frame(word=pd.array(WORD, dtype="string")),
    "pandas string, missing": lambda: pandas_frame(True, word=pd.array(with_holes(WORD), dtype="string")),
    "pandas str": lambda: pandas_frame(word=pd.Series(WORD, dtype="str")),
    "pandas str, missing": lambda: pandas_frame(True, word=pd.Series(with_holes(WORD), dtype="str")),
    "pandas object": lambda: pandas_frame(word=pd.Series(WORD, dtype=object)),
    "pandas object with NaN": lambda: pandas_frame(True, word=pd.Series(np.where(HOLES, np.nan, WORD), dtype=object)),
    "pandas category": lambda: pandas_frame(word=pd.Categorical(WORD)),
    "pandas category, missing": lambda: pandas_frame(True, word=pd.Categorical(with_holes(WORD))),
    "pandas ordered category, other order, one unused": lambda: pandas_frame(
        word=pd.Categorical(WORD, categories=["oak", "yew", "elm", "ash"], ordered=True)
    ),
    "pandas Int64": lambda: pandas_frame(count=pd.array(COUNT, dtype="Int64")),
    "pandas UInt8": lambda: pandas_frame(count=pd.array(COUNT, dtype="UInt8")),
    "pandas int8": lambda: pandas_frame(count=COUNT.astype(np.int8)),
    "pandas float of counts, missing": lambda: pandas_frame(True, count=np.where(HOLES, np.nan, COUNT)),
    "pandas Float64": lambda: pandas_frame(real=pd.array(REAL, dtype="Float64")),
    "pandas Float64, missing": lambda: pandas_frame(True, real=pd.array(with_holes(REAL), dtype="Float64")),
    "pandas boolean": lambda: pandas_frame(bit=pd.array(BIT, dtype="boolean")),
    "pandas bool as 0 and 1": lambda: pandas_frame(bit=BIT.astype(int)),
    "pandas object of bools, missing": lambda: pandas_frame(True, bit=pd.Series(with_holes(BIT), dtype=object)),
    "pandas pyarrow": lambda: pandas_frame().convert_dtypes(dtype_backend="pyarrow"),
    "pandas pyarrow, missing": lambda: pandas_frame(True).convert_dtypes(dtype_backend="pyarrow"),
    "pandas pyarrow dictionary": lambda: pandas_frame(word=pd.Series(WORD).astype("string[pyarrow]").astype("category")),
    "pandas with an index": lambda: pandas_frame().set_index(pd.Index(np.arange(N)[::-1] * 7)),
    "polars": polars_frame,
    "polars, missing": lambda: polars_frame(True),
    "polars NaN and null": lambda: polars_frame(True, real=np.where(HOLES, np.nan, REAL)),
    "polars Categorical": lambda: polars_frame(word=pl.Series(WORD.tolist(), dtype=pl.Categorical)),
    "polars Categorical, missing": lambda: polars_frame(True, word=pl.Series(with_holes(WORD), dtype=pl.Categorical)),
    "polars Enum": lambda: polars_frame(word=pl.Series(WORD.tolist(), dtype=pl.Enum(["oak", "yew", "elm", "ash"]))),
    "polars Enum, missing": lambda: polars_frame(True, word=pl.Series(with_holes(WORD), dtype=pl.Enum(["oak", "elm", "ash"]))),
    "polars UInt8": lambda: polars_frame(count=pl.Series(COUNT, dtype=pl.UInt8)),
    "polars Int64, missing": lambda: polars_frame(True, count=pl.Series(with_holes(COUNT), dtype=pl.Int64)),
    "polars Decimal": lambda: polars_frame(count=pl.Series(COUNT).cast(pl.Decimal(10, 2))),
    "polars sliced": lambda: pl.concat([polars_frame(), polars_frame()]).slice(N, N),
    "pyarrow": lambda: polars_frame().to_arrow(),
    "pyarrow, missing": lambda: polars_frame(True).to_arrow(),
}


@pytest.mark.parametrize("name", COLUMN_TYPES)
def test_every_column_type_gives_the_same_model(name):
    frame = COLUMN_TYPES[name]()
    plain = pandas_frame("missing" in name or "NaN" in name)
    expected = parameters(sklearn.clone(MODEL).fit(plain))
    model = sklearn.clone(MODEL).fit(frame)
    assert parameters(model) == expected
    assert model.feature_names_in_.tolist() == ["real", "count", "bit", "word"]
    assert model.predict(frame).tolist() == model.labels_.tolist()
    assert model.score_samples(frame).tobytes() == sklearn.clone(MODEL).fit(plain).score_samples(plain).tobytes()


def test_the_frames_are_left_as_they_were():
    for frame in (pandas_frame(True), polars_frame(True)):
        kept = frame.clone() if isinstance(frame, pl.DataFrame) else frame.copy(deep=True)
        sklearn.clone(MODEL).fit(frame).predict_proba(frame)
        assert frame.equals(kept)


def test_a_model_fitted_on_one_kind_of_frame_answers_another():
    model = sklearn.clone(MODEL).fit(pandas_frame())
    assert model.predict(polars_frame()).tolist() == model.labels_.tolist()
    other = sklearn.clone(MODEL).fit(polars_frame(word=pl.Series(WORD.tolist(), dtype=pl.Categorical)))
    assert other.predict(pandas_frame(word=pd.Categorical(WORD))).tolist() == model.labels_.tolist()


def test_a_category_that_training_never_saw_is_impossible_whatever_the_types_say():
    words = pl.Series(["ash"] * (N - 1) + ["yew"], dtype=pl.Enum(["oak", "yew", "elm", "ash"]))
    model = sklearn.clone(MODEL).fit(polars_frame())
    density = model.score_samples(polars_frame(word=words))
    assert np.isfinite(density[:-1]).all()
    assert density[-1] == -np.inf


def test_categories_are_the_values_themselves():
    model = sklearn.clone(MODEL).fit(pandas_frame(word=pd.Categorical(WORD, categories=["oak", "yew", "elm", "ash"])))
    assert {component.factors["word"].categories for component in model.components_} == {("ash", "elm", "oak")}


# --- outputs ---

OUTPUTS = {"score_samples": None, "predict": None, "predict_proba": 2, "predict_log_proba": 2}


@pytest.mark.parametrize("method", OUTPUTS)
def test_outputs_are_arrays_unless_asked_otherwise(method):
    for frame in (pandas_frame(), polars_frame()):
        assert type(getattr(sklearn.clone(MODEL).fit(frame), method)(frame)) is np.ndarray


@pytest.mark.parametrize("method", OUTPUTS)
def test_pandas_outputs_keep_the_index(method):
    frame = pandas_frame().set_index(pd.Index([f"row {i}" for i in range(N)][::-1]))
    model = sklearn.clone(MODEL).fit(frame)
    plain = getattr(model, method)(frame)
    found = getattr(model.set_output(transform="pandas"), method)(frame)
    assert isinstance(found, pd.Series if OUTPUTS[method] is None else pd.DataFrame)
    assert found.index.equals(frame.index)
    np.testing.assert_array_equal(found.to_numpy(), plain)
    if OUTPUTS[method]:
        assert found.columns.tolist() == ["component_0", "component_1"]


@pytest.mark.parametrize("method", OUTPUTS)
def test_polars_outputs(method):
    frame = polars_frame()
    model = sklearn.clone(MODEL).fit(frame)
    plain = getattr(model, method)(frame)
    found = getattr(model.set_output(transform="polars"), method)(frame)
    assert isinstance(found, pl.Series if OUTPUTS[method] is None else pl.DataFrame)
    np.testing.assert_array_equal(found.to_numpy(), plain)
    if OUTPUTS[method]:
        assert found.columns == ["component_0", "component_1"]


def test_the_frame_of_the_output_need_not_be_that_of_the_input():
    model = sklearn.clone(MODEL).fit(pandas_frame())
    assert isinstance(model.set_output(transform="pandas").predict_proba(polars_frame()), pd.DataFrame)
    assert isinstance(model.set_output(transform="polars").predict_proba(pandas_frame()), pl.DataFrame)
    assert isinstance(model.set_output(transform="default").predict_proba(pandas_frame()), np.ndarray)


def test_scikit_learns_own_setting_is_honoured():
    model = sklearn.clone(MODEL).fit(pandas_frame())
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(model.predict(pandas_frame()), pd.Series)
    assert isinstance(model.predict(pandas_frame()), np.ndarray)


def test_outputs_outlive_a_clone_and_a_pickle():
    import pickle

    model = sklearn.clone(MODEL).set_output(transform="pandas").fit(pandas_frame())
    assert isinstance(pickle.loads(pickle.dumps(model)).predict(pandas_frame()), pd.Series)
    assert isinstance(sklearn.clone(model).fit(pandas_frame()).predict(pandas_frame()), pd.Series)


# --- names ---


@pytest.mark.parametrize("frame", [pandas_frame(), polars_frame()], ids=["pandas", "polars"])
def test_names_are_checked(frame):
    model = sklearn.clone(MODEL).fit(frame)
    with pytest.raises(ValueError, match="order"):
        model.predict(frame[["count", "real", "bit", "word"]])
    renamed = frame.rename({"real": "length"}) if isinstance(frame, pl.DataFrame) else frame.rename(columns={"real": "length"})
    with pytest.raises(ValueError, match="length"):
        model.predict(renamed)


def test_an_array_has_no_names_to_find_factors_by():
    model = sklearn.clone(MODEL).fit(pandas_frame())
    with pytest.warns(UserWarning, match="feature names"), pytest.raises(DataError, match="without column names"):
        model.predict(pandas_frame().to_numpy())


def test_factors_by_position_read_arrays_and_frames_alike():
    model = GeneralMixtureModel(Product(Normal(), Poisson()), n_components=2, random_state=0)
    array = np.column_stack([REAL, COUNT])
    by_array = sklearn.clone(model).fit(array)
    by_frame = sklearn.clone(model).fit(pandas_frame()[["real", "count"]])
    assert by_array.components_ == by_frame.components_
    assert not hasattr(by_array, "feature_names_in_")
    with pytest.warns(UserWarning, match="feature names"):
        assert by_frame.predict(array).tolist() == by_array.labels_.tolist()
    with pytest.warns(UserWarning, match="feature names"):
        assert by_array.predict(pandas_frame()[["real", "count"]]).tolist() == by_array.labels_.tolist()


def test_a_frame_whose_names_are_numbers_is_an_array():
    array = np.column_stack([REAL, 2 * REAL])
    by_frame = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(pd.DataFrame(array))
    by_array = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(array)
    assert by_frame.components_ == by_array.components_
    assert by_frame.predict(array).tolist() == by_array.predict(pd.DataFrame(array)).tolist()
    assert not hasattr(by_frame, "feature_names_in_")


def test_a_frame_whose_names_are_of_two_kinds_is_refused():
    with pytest.raises(TypeError, match="string"):
        GeneralMixtureModel(Normal(), n_components=2).fit(pd.DataFrame({"a": REAL, 1: REAL}))


def test_columns_that_no_factor_names_are_left_out():
    model = GeneralMixtureModel(Product(real=Normal()), n_components=2, random_state=0).fit(pandas_frame())
    alone = GeneralMixtureModel(Product(real=Normal()), n_components=2, random_state=0).fit(pandas_frame()[["real"]])
    assert model.components_ == alone.components_


@pytest.mark.parametrize(
    "series", [pd.Series(REAL, name="real"), pd.Series(REAL), pl.Series("real", REAL)], ids=["pandas", "unnamed", "polars"]
)
def test_a_series_is_a_column(series):
    expected = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(REAL)
    model = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(series)
    assert model.components_ == expected.components_
    assert model.predict(series).tolist() == expected.labels_.tolist()


def test_one_component_of_strings_without_a_product():
    model = GeneralMixtureModel(Categorical(), n_components=1).fit(pd.DataFrame({"word": WORD}))
    assert sum(model.components_[0].probabilities) == pytest.approx(1.0)
    assert model.components_[0].categories == ("ash", "elm", "oak")
