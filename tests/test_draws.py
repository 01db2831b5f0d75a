"""Rows drawn from a mixture: whatever order its components name their columns in, each value stands in its own column."""

import numpy as np
import pandas
import pytest

from mixtures import GeneralMixtureModel, exceptions
from mixtures.distributions import Categorical, MultivariateNormal, Normal, Poisson, Product

FAR = {"a": 0.0, "b": 1000.0, "c": -1000.0}
"""Where every column lies, in all components: a value in another column is seen at once."""


def normal(name):
    return Normal(FAR[name], 1.0)


def assert_in_place(rows, names):
    assert rows.shape[1] == len(names)
    for values, name in zip(rows.T, names, strict=True):
        assert np.abs(values.astype(float) - FAR[name]).max() < 10.0


def table(names, n=60):
    random = np.random.default_rng(5)
    return pandas.DataFrame({name: random.normal(FAR[name], 1.0, n) for name in names})


def block(*names):
    return MultivariateNormal([FAR[name] for name in names], np.eye(len(names)))


ORDERS = {
    "names": [Product(b=normal("b"), a=normal("a")), Product(a=normal("a"), b=normal("b"))],
    "names and places": [Product(b=normal("b"), a=normal("a")), Product({0: normal("b"), 1: normal("a")})],
    "names and all columns": [Product(b=normal("b"), a=normal("a")), block("b", "a")],
    "blocks": [
        Product({("c", "a"): block("c", "a"), "b": normal("b")}),
        Product({"a": normal("a"), ("b", "c"): block("b", "c")}),
    ],
    "a mixture inside": [
        Product(a=normal("a"), b=normal("b")),
        GeneralMixtureModel([Product(b=normal("b"), a=normal("a")), Product(a=normal("a"), b=normal("b"))]),
    ],
    "a mixture in a factor": [
        Product(a=normal("a"), b=GeneralMixtureModel([normal("b"), normal("b")])),
        Product(b=normal("b"), a=normal("a")),
    ],
}
FIRST = {"blocks": "cab", "a mixture inside": "ab", "a mixture in a factor": "ab"}


@pytest.mark.parametrize("kind", ORDERS)
def test_without_a_fit_columns_are_those_of_the_first_component(kind):
    rows = GeneralMixtureModel(ORDERS[kind]).sample(200, 0)
    assert_in_place(rows, FIRST.get(kind, "ba"))


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
@pytest.mark.parametrize("kind", ["names", "blocks", "a mixture in a factor"])
def test_after_a_fit_columns_are_those_of_the_table(kind, order):
    names = order if kind == "blocks" else order.replace("c", "")
    model = GeneralMixtureModel(ORDERS[kind], max_iter=2, tol=0).fit(table(names))
    rows = model.sample(200, 0)
    assert_in_place(rows, names)
    assert np.isfinite(model.score_samples(pandas.DataFrame(rows, columns=list(names)))).all()


def test_columns_that_no_component_describes_are_left_out():
    model = GeneralMixtureModel(ORDERS["names"], max_iter=2, tol=0).fit(table("cab"))
    assert_in_place(model.sample(50, 0), "ab")


def test_what_only_other_components_describe_is_missing():
    model = GeneralMixtureModel([Product(a=normal("a"), b=normal("b")), Product(b=normal("b"))])
    rows = model.sample(200, 0)
    assert 0 < np.isnan(rows[:, 0]).sum() < 200
    assert_in_place(rows[~np.isnan(rows[:, 0])], "ab")
    assert np.abs(rows[:, 1] - FAR["b"]).max() < 10.0


def test_categories_keep_their_column():
    kinds = Categorical([0.5, 0.5], ["u", "v"])
    model = GeneralMixtureModel([Product(a=normal("a"), kind=kinds), Product(kind=kinds, a=normal("a"))])
    rows = model.sample(100, 0)
    assert set(rows[:, 1]) == {"u", "v"}
    assert_in_place(rows[:, :1], "a")


def test_by_position_rows_are_as_the_components_draw_them():
    first, second = Product({1: normal("b"), 0: normal("a")}), Product(normal("a"), normal("b"))
    assert_in_place(GeneralMixtureModel([first, second]).sample(100, 0), "ab")
    model = GeneralMixtureModel([Poisson(3.0)])
    random = np.random.default_rng(0)
    random.multinomial(20, [1.0])
    assert np.array_equal(model.sample(20, np.random.default_rng(0)), Poisson(3.0).sample(20, random)[random.permutation(20)])


class Unsampled:
    """A distribution without a method sample."""

    def log_prob(self, X):
        return np.zeros(len(X))

    def fit(self, X, sample_weight=None):
        return self


class Narrow(Unsampled):
    """One that draws too few columns."""

    def sample(self, n, random_state):
        return np.zeros((n, 1))


@pytest.mark.parametrize("other", [Unsampled(), Narrow()])
def test_a_component_that_cannot_be_drawn_from_is_named(other):
    model = GeneralMixtureModel([Product(b=normal("b"), a=normal("a")), other])
    with pytest.raises(exceptions.ParameterError, match=f"component 1 on columns 'b', 'a': expected .*{type(other).__name__}"):
        model.sample(10, 0)
