"""Bad input gives one clear error that names column, row and value, and changes nothing."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Bernoulli, Categorical, Exponential, Normal, Poisson, Product
from mixtures.exceptions import DataError, FitError, NotFittedError, ParameterError

GOOD = np.array([[0.5, 1.0], [1.5, 2.0], [2.5, 0.0], [3.5, 4.0], [0.1, 1.0], [9.0, 6.0]])


def with_cell(row, column, value):
    X = GOOD.copy()
    X[row, column] = value
    return X


def frame(**columns):
    return pd.DataFrame(columns)


def state(model):
    """Everything that a fit leaves on a model."""
    return {name: repr(value) for name, value in vars(model).items() if name.endswith("_")}


# --- tables ---

TWO = Product(Normal(), Poisson())
TABLES = {
    # component, table, parts of the message
    "negative count": (TWO, with_cell(2, 1, -1.0), ["Poisson", "column 1", "row 2", "-1", "whole and >= 0"]),
    "fractional count": (TWO, with_cell(3, 1, 2.5), ["Poisson", "column 1", "row 3", "2.5", "whole and >= 0"]),
    "negative waiting time": (Exponential(), with_cell(4, 0, -0.25), ["Exponential", "column 0", "row 4", "-0.25", ">= 0"]),
    "neither 0 nor 1": (Bernoulli(), [[0.0], [1.0], [2.0]], ["Bernoulli", "column 0", "row 2", "has 2", "0 or 1"]),
    "infinite": (TWO, with_cell(1, 0, np.inf), ["column 0", "row 1", "inf"]),
    "minus infinite": (TWO, with_cell(5, 0, -np.inf), ["column 0", "row 5", "-inf"]),
    "infinite count": (TWO, with_cell(5, 1, np.inf), ["column 1", "row 5", "inf"]),
    "text among numbers": (Normal(), [[1.0], ["two"], [3.0]], ["column 0", "row 1", "'two'", "Categorical"]),
    "dates": (Normal(), frame(day=pd.date_range("2020-01-01", periods=4)), ["'day'", "dates"]),
    "polars dates": (
        Normal(),
        pl.DataFrame({"day": pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 4), eager=True)}),
        ["'day'", "dates"],
    ),
    "complex": (Normal(), np.array([[1 + 2j], [1.0], [2.0]]), ["Complex", "complex128"]),
    "unhashable categories": (
        Categorical(),
        frame(kind=pd.Series([["a"], ["b"], ["c"]], dtype=object)),
        ["'kind'", "row 0", "['a']", "hashable"],
    ),
    "unknown category": (
        Categorical(categories=["a", "b"]),
        frame(kind=["a", "b", "fox", "a"]),
        ["Categorical", "'kind'", "row 2", "'fox'", "pseudo_count"],
    ),
    "named column": (
        Product(age=Normal(), visits=Poisson()),
        frame(age=[1.0, 2, 3], visits=[1, 2, -3]),
        ["'visits'", "row 2", "-3"],
    ),
    "missing name": (Product(age=Normal()), frame(height=[1.0, 2, 3]), ["'age'", "height"]),
    "names asked of an array": (Product(age=Normal()), GOOD, ["'age'", "without column names"]),
    "too few columns": (TWO, GOOD[:, :1], ["2 columns", "found 1"]),
    "too many columns": (Product(Normal()), GOOD, ["1 column", "found 2"]),
    "no rows": (TWO, GOOD[:0], ["0 sample(s)", "at least one row"]),
    "no columns": (Normal(), GOOD[:, :0], ["0 feature(s)", "at least one column"]),
    "empty frame": (Normal(), pd.DataFrame({"a": []}), ["0 sample(s)"]),
    "fewer rows than components": (TWO, GOOD[:1], ["n_samples=1", "2 components"]),
    "a column of nothing but missing cells": (TWO, np.column_stack([GOOD[:, 0], np.full(6, np.nan)]), ["column 1", "missing"]),
    "a category column of nothing but missing cells": (Categorical(), frame(kind=[None, None, None]), ["'kind'", "missing"]),
    "three dimensions": (Normal(), np.zeros((3, 2, 2)), ["2D", "3D"]),
    "a single number": (Normal(), 3.0, ["2D", "scalar"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_is_refused_by_name(name):
    component, X, parts = TABLES[name]
    model = GeneralMixtureModel(TWO, n_components=2, random_state=0, tol=0, max_iter=3).fit(GOOD)
    before = state(model)
    model.set_params(components=component)
    with pytest.raises(DataError) as caught:
        model.fit(X)
    for part in parts:
        assert part in str(caught.value)
    assert state(model) == before


@pytest.mark.parametrize("name", [name for name in TABLES if name not in {"fewer rows than components"}])
def test_a_family_refuses_the_same_tables(name):
    component, X, parts = TABLES[name]
    with pytest.raises(DataError) as caught:
        component.fit(X)
    for part in parts:
        assert part in str(caught.value)


def test_the_row_of_an_error_is_the_callers_row():
    # Rows of weight zero are left out before anything is looked at, and still counted.
    x = np.array([-5.0, 1.0, 2.0, -7.0, 3.0])
    with pytest.raises(DataError, match="row 3 has -7"):
        GeneralMixtureModel(Exponential(), n_components=2).fit(x, sample_weight=[0, 1, 1, 1, 1])


def test_nothing_is_changed_in_an_unfitted_model_either():
    model = GeneralMixtureModel(Poisson(), n_components=2)
    with pytest.raises(DataError):
        model.fit([1.0, 2.5, 3.0])
    assert state(model) == {}


def test_a_sparse_table_is_refused():
    from scipy.sparse import csr_matrix

    with pytest.raises(DataError, match="sparse"):
        GeneralMixtureModel(Normal(), n_components=2).fit(csr_matrix(GOOD))


def test_a_table_that_the_start_excludes_names_the_row():
    model = GeneralMixtureModel([Exponential(1.0), Poisson(1.0)]).set_params(components=[Poisson(0.0), Poisson(0.0)])
    with pytest.raises(FitError, match=r"row 2 .*5"):
        model.fit([0.0, 0.0, 5.0])


# --- weights ---

WEIGHTS = {
    "NaN": ([1, 1, np.nan, 1, 1, 1], ["sample_weight", "row 2", "nan"]),
    "negative": ([1, 1, 1, -0.5, 1, 1], ["sample_weight", "row 3", "-0.5"]),
    "infinite": ([1, np.inf, 1, 1, 1, 1], ["sample_weight", "row 1", "inf"]),
    "too few": ([1, 1, 1], ["sample_weight", "(6,)", "(3,)"]),
    "two-dimensional": (np.ones((6, 1)), ["sample_weight", "(6,)", "(6, 1)"]),
    "all zero": (np.zeros(6), ["sample_weight", "all zero"]),
    "text": (["1", "1", "a", "1", "1", "1"], ["sample_weight", "numbers", "a"]),
    "fewer rows left than components": ([0, 0, 1, 0, 0, 0], ["n_samples=1", "2 components"]),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_bad_weights_are_refused(name):
    weights, parts = WEIGHTS[name]
    model = GeneralMixtureModel(TWO, n_components=2, random_state=0, tol=0, max_iter=3).fit(GOOD)
    before = state(model)
    with pytest.raises(DataError) as caught:
        model.fit(GOOD, sample_weight=weights)
    for part in parts:
        assert part in str(caught.value)
    assert state(model) == before


@pytest.mark.parametrize("method", ["score", "bic", "aic", "icl"])
@pytest.mark.parametrize("name", [name for name in WEIGHTS if name != "fewer rows left than components"])
def test_questions_refuse_the_same_weights(method, name):
    weights, parts = WEIGHTS[name]
    model = GeneralMixtureModel(TWO, n_components=2, random_state=0, tol=0, max_iter=3).fit(GOOD)
    with pytest.raises(DataError) as caught:
        getattr(model, method)(GOOD, sample_weight=weights)
    for part in parts:
        assert part in str(caught.value)


# --- questions to a fitted model ---

ANIMALS = pd.DataFrame({"kind": ["cat", "dog", "cat", "dog", "dog", "cat"], "size": GOOD[:, 0]})
MANY_ANIMALS = pd.DataFrame({"kind": ["cat", "dog"] * 30, "size": np.random.default_rng(0).normal(size=60)})


def fitted_on_a_frame():
    component = Product(kind=Categorical(), size=Normal())
    return GeneralMixtureModel(component, n_components=2, random_state=0, tol=1e-3).fit(MANY_ANIMALS)


QUESTIONS = {
    "columns in another order": (ANIMALS[["size", "kind"]], ["feature names", "order"]),
    "another name": (ANIMALS.rename(columns={"size": "length"}), ["feature names", "length", "size"]),
    "a column too few": (ANIMALS[["kind"]], ["size"]),
    "a column too many": (ANIMALS.assign(extra=1.0), ["extra"]),
    "numbers as text": (ANIMALS.assign(size=["a"] * 6), ["'size'", "row 0", "'a'"]),
    "infinite": (ANIMALS.assign(size=[1.0, np.inf, 1, 1, 1, 1]), ["'size'", "row 1", "inf"]),
    "no rows": (ANIMALS[:0], ["0 sample(s)"]),
}


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "score_samples", "log_prob", "score", "bic"])
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_with_another_table_is_refused(method, name):
    X, parts = QUESTIONS[name]
    if (method, name) == ("log_prob", "infinite"):  # where a mixture is a distribution, infinity has a density: none
        assert fitted_on_a_frame().log_prob(X)[1] == -np.inf
        return
    model = fitted_on_a_frame()
    before = state(model)
    with pytest.raises(ValueError, match=r".") as caught:
        getattr(model, method)(X)
    for part in parts:
        assert part in str(caught.value)
    assert state(model) == before


def test_an_unseen_category_has_no_density_and_no_component():
    model = fitted_on_a_frame()
    unseen = ANIMALS.assign(kind=["cat", "fox", "dog", "dog", "dog", "cat"])
    assert np.flatnonzero(model.score_samples(unseen) == -np.inf).tolist() == [1]
    assert model.score(unseen) == -np.inf
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(DataError, match="row 1 has density zero"):
            getattr(model, method)(unseen)


def test_an_unseen_category_is_allowed_for_by_a_pseudo_count():
    component = Product(kind=Categorical(pseudo_count=1.0), size=Normal())
    model = GeneralMixtureModel(component, n_components=2, random_state=0, tol=1e-3).fit(MANY_ANIMALS)
    unseen = ANIMALS.assign(kind=["cat", "fox", "dog", "dog", "dog", "cat"])
    assert np.isfinite(model.score_samples(unseen)).all()
    assert model.predict_proba(unseen).sum(axis=1) == pytest.approx(1.0)


def test_values_outside_every_support_have_no_density():
    model = GeneralMixtureModel([Exponential(1.0), Poisson(2.0)], max_iter=1, tol=0).fit([0.0, 1.0, 2.0])
    density = model.score_samples([-1.0, 0.5, 1.0])
    assert density[0] == -np.inf
    assert np.isfinite(density[1:]).all()
    with pytest.raises(DataError, match="row 0 has density zero"):
        model.predict([-1.0, 0.5, 1.0])


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "score", "sample", "bic"])
def test_an_unfitted_model_answers_nothing(method):
    with pytest.raises(NotFittedError):
        getattr(GeneralMixtureModel(Normal(), n_components=2), method)(*[] if method == "sample" else [GOOD])


# --- arguments ---

ARGUMENTS = {
    "no number of components": ({"n_components": None}, ["n_components", "None"]),
    "no component": ({"n_components": 0}, ["n_components", "0"]),
    "half a component": ({"n_components": 2.5}, ["n_components", "2.5"]),
    "empty list": ({"components": []}, ["components", "[]"]),
    "no distribution": ({"components": [Normal(), "Normal"]}, ["component 1", "'Normal'"]),
    "a class instead of an object": ({"components": [Normal, Normal]}, ["component 0"]),
    "two numbers of components": ({"components": [Normal(), Normal()], "n_components": 3}, ["3", "2"]),
    "negative tol": ({"tol": -1.0}, ["tol", "-1.0"]),
    "tol that is no number": ({"tol": np.nan}, ["tol", "nan"]),
    "tol of text": ({"tol": "small"}, ["tol", "small"]),
    "no iterations": ({"max_iter": 0}, ["max_iter", "0"]),
    "no starts": ({"n_init": 0}, ["n_init", "0"]),
    "no threads": ({"n_jobs": 0}, ["n_jobs", "0"]),
    "weights of another length": ({"weights": [0.2, 0.3, 0.5]}, ["weights", "2 numbers"]),
    "weights beyond 1": ({"weights": [0.7, 0.7]}, ["weights", "sum to 1"]),
    "negative weights": ({"weights": [1.5, -0.5]}, ["weights", "non-negative"]),
    "NaN in weights": ({"weights": [np.nan, 1.0]}, ["weights", "nan"]),
    "weights of text": ({"weights": ["a", "b"]}, ["weights", "'a'"]),
    "one weight that is no sequence": ({"weights": 0.5}, ["weights", "0.5"]),
    "random state of text": ({"random_state": "lucky"}, ["lucky"]),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_bad_arguments_are_refused_at_fit(name):
    changes, parts = ARGUMENTS[name]
    model = GeneralMixtureModel(TWO, n_components=2, random_state=0, tol=0, max_iter=3).fit(GOOD)
    before = state(model)
    model.set_params(**changes)
    with pytest.raises(ValueError, match=r".") as caught:
        model.fit(GOOD)
    if name != "random state of text":  # whose words are scikit-learn's
        assert isinstance(caught.value, ParameterError)
    for part in parts:
        assert part in str(caught.value)
    assert state(model) == before


def test_components_over_different_columns_are_refused():
    components = [Product({0: Normal()}), Product({0: Normal(), 1: Poisson()})]
    with pytest.raises(ValueError, match="column"):
        GeneralMixtureModel(components).fit(GOOD)


def test_a_component_that_returns_the_wrong_shape_is_named():
    class Short:
        def log_prob(self, X):
            return np.zeros(3)

        def fit(self, X, sample_weight=None):
            return self

    with pytest.raises(ValueError, match="one value a row"):
        GeneralMixtureModel([Short(), Normal(0, 1)]).fit(GOOD[:, :1])


class Block:
    """A distribution of two columns that knows nothing of missing cells."""

    def log_prob(self, X):
        return -((X - 1.0) ** 2).sum(axis=1)

    def fit(self, X, sample_weight=None):
        return self


def test_a_missing_cell_in_a_block_of_columns_is_named():
    X = with_cell(4, 1, np.nan)
    model = GeneralMixtureModel([Block(), TWO], random_state=0, tol=1e-2).fit(GOOD)
    before = state(model)
    with pytest.raises(DataError, match=r"Block on column 1: expected no missing cells, row 4 has one"):
        model.fit(X)
    with pytest.raises(DataError, match=r"Block on column 1: expected no missing cells, row 4 has one"):
        model.fit(X, sample_weight=[0, 1, 1, 1, 1, 1])
    with pytest.raises(DataError, match=r"Block on column 1: expected no missing cells, row 4 has one"):
        model.predict(X)
    assert state(model) == before


@pytest.mark.parametrize("others", [1, 2, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_component_that_returns_no_number_is_named(value, others):
    class Broken:
        def log_prob(self, X):
            return np.where(X[:, 0] == 2.5, value, 0.0)

        def fit(self, X, sample_weight=None):
            return self

    for components in ([Broken(), *[Normal(0, 1)] * others], [*[Normal(0, 1)] * others, Broken()]):
        with pytest.raises(FitError, match=r"iteration 0: row 2 .*2\.5"):
            GeneralMixtureModel(components).fit(GOOD[:, :1])
