"""Marginals and conditionals of mixtures, against densities of the whole and scipy."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mixtures import GeneralMixtureModel
from mixtures.distributions import (
    Bernoulli,
    Beta,
    Bounded,
    Categorical,
    Dirichlet,
    DirichletMultinomial,
    Frozen,
    Gamma,
    Multinomial,
    MultivariateNormal,
    MultivariateStudentT,
    Normal,
    Poisson,
    Product,
    StudentT,
    Tied,
    VonMisesFisher,
)
from mixtures.distributions.splits import conditional, marginal
from mixtures.exceptions import DataError, NotFittedError, ParameterError

COVARIANCE = np.array([[4.0, 1.0, -0.6], [1.0, 2.0, 0.3], [-0.6, 0.3, 1.0]])


def random_covariance(random, d):
    root = random.normal(size=(d, d + 2))
    return root @ root.T


def whole_model():
    """Two components over four columns by name: a block of two, counts and categories."""
    blocks = [MultivariateNormal([0, 1], [[2, 0.9], [0.9, 1]]), MultivariateNormal([4, -2], [[1, -0.4], [-0.4, 3]])]
    return GeneralMixtureModel(
        [
            Product({("a", "b"): block, "visits": Poisson(rate), "pet": Categorical(shares, ("cat", "dog"))})
            for block, rate, shares in zip(blocks, (2.0, 9.0), ((0.8, 0.2), (0.3, 0.7)), strict=True)
        ],
        weights=[0.4, 0.6],
    )


FRAME = pd.DataFrame({"a": [0.5, 3.0, -1.0], "b": [1.0, -1.0, 0.0], "visits": [1, 8, 3], "pet": ["cat", "dog", "dog"]})


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 5), st.integers(0, 2**32 - 1), st.booleans())
def test_blocks_split_as_their_densities_say(d, seed, heavy):
    """f(x) = f(x_seen) f(x_rest | x_seen), for any columns, and the marginal is scipy's."""
    random = np.random.default_rng(seed)
    location, matrix = random.normal(size=d) * 10, random_covariance(random, d)
    df = float(random.uniform(0.5, 20))
    block = MultivariateStudentT(df, location, matrix) if heavy else MultivariateNormal(location, matrix)
    seen = random.permutation(d)[: random.integers(1, d)].tolist()
    rest = [j for j in range(d) if j not in seen]
    x = location + random.normal(size=d) * 3
    own, other = marginal(block, seen, ""), conditional(block, seen, x[seen], "")
    joined = own.log_prob(x[None, seen]) + other.log_prob(x[None, rest])
    np.testing.assert_allclose(joined, block.log_prob(x[None]), rtol=1e-9, atol=1e-9)
    frozen = (
        scipy.stats.multivariate_t(location[seen], matrix[np.ix_(seen, seen)], df)
        if heavy
        else scipy.stats.multivariate_normal(location[seen], matrix[np.ix_(seen, seen)])
    )
    np.testing.assert_allclose(own.log_prob(x[None, seen]), frozen.logpdf(x[seen]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["full", "diagonal", "spherical"])
def test_kinds_of_covariance_stay(kind):
    covariance = {"full": COVARIANCE, "diagonal": [1.0, 2.0, 3.0], "spherical": 2.0}[kind]
    block = MultivariateNormal([1, 2, 3], covariance, kind=kind)
    assert marginal(block, [2, 0], "").kind == kind
    found = conditional(block, [1], [5.0], "")
    assert found.kind == kind
    if kind != "full":
        assert found.mean == (1.0, 3.0)


def test_a_block_in_a_plane_but_for_rounding_splits():
    """The last column is the sum of the others, to 1e-17 of its variance: Cholesky's pivot there is rounding."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 2))
    rows = np.column_stack([rows, rows.sum(axis=1)])
    with pytest.warns(match="floor"):
        block = MultivariateNormal().fit(rows)
    model = GeneralMixtureModel([block])
    np.testing.assert_allclose(model.impute([[0.5, 0.25, np.nan]]), [[0.5, 0.25, 0.75]], rtol=1e-6)


def test_far_from_zero_conditionals_stay_exact():
    block = MultivariateNormal([1e12, -1e12], [[1.0, 0.5], [0.5, 1.0]])
    assert conditional(block, [0], [1e12 + 2.0], "") == Normal(-1e12 + 1.0, np.sqrt(0.75))


def test_scales_far_apart():
    """Pivots are taken of correlations, so units do not matter."""
    scale = np.array([1e-120, 1.0, 1e120])
    block = MultivariateNormal([0, 0, 0], COVARIANCE * np.outer(scale, scale))
    plain = MultivariateNormal([0, 0, 0], COVARIANCE)
    found, expected = conditional(block, [1], [0.7], ""), conditional(plain, [1], [0.7], "")
    np.testing.assert_allclose(np.array(found.mean) / scale[[0, 2]], expected.mean, rtol=1e-12)
    own = np.array(found.covariance) / np.outer(scale[[0, 2]], scale[[0, 2]])
    np.testing.assert_allclose(own, expected.covariance, rtol=1e-10)


def test_one_column_of_a_dirichlet_is_a_beta():
    model = GeneralMixtureModel([Dirichlet([1.0, 2.0, 3.0]), Dirichlet([4.0, 1.0, 1.0])], weights=[0.5, 0.5])
    assert model.marginal(1).components_ == [Beta(2.0, 4.0), Beta(1.0, 5.0)]
    drawn = model.sample(4000, 0)[:, 1]
    assert scipy.stats.kstest(drawn, model.marginal(1).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    "block", [Dirichlet([1, 2, 3]), Multinomial([0.2, 0.3, 0.5]), DirichletMultinomial([1, 2, 3]), VonMisesFisher([0, 0, 1.0], 2.0)]
)
def test_blocks_without_a_closed_form_are_refused_by_name(block):
    model = GeneralMixtureModel([Product({(0, 1, 2): block, 3: Normal(0, 1)})])
    name = type(block).__name__
    with pytest.raises(ParameterError, match=rf"{name} over columns 0, 1, 2: .* no closed form"):
        model.marginal([0, 1])
    with pytest.raises(ParameterError, match=rf"{name} over columns 0, 1, 2"):
        model.condition({0: 0.0 if name != "Dirichlet" else 0.2})
    # whole blocks need no form
    assert model.marginal([0, 1, 2]).components_ == [block]
    assert model.marginal(3).components_ == [Normal(0, 1)]


def test_marginals_agree_with_missing_cells():
    model = whole_model()
    for columns in (["a"], ["b", "pet"], ["pet", "visits", "a"], ["a", "b"], ["b", "a", "visits", "pet"]):
        found = model.marginal(columns)
        holes = FRAME.copy()
        for name in FRAME.columns:
            if name not in columns:
                holes[name] = None if name == "pet" else np.nan
        np.testing.assert_allclose(found.score_samples(FRAME[columns]), model.score_samples(holes), rtol=1e-12)
        np.testing.assert_allclose(found.predict_proba(FRAME[columns]), model.predict_proba(holes), rtol=1e-9, atol=1e-15)
        assert list(found.feature_names_in_) == columns
        assert found.n_features_in_ == len(columns)


def test_of_a_fitted_frame_by_name_and_position():
    random = np.random.default_rng(1)
    frame = pl.DataFrame({"x": random.normal(size=90), "id": np.arange(90.0), "n": random.poisson(3, 90)})
    model = GeneralMixtureModel(Product(n=Poisson(), x=Normal()), 2, random_state=0, max_iter=5, tol=0).fit(frame)
    assert model.marginal(["x"]).components_ == model.marginal([0]).components_ == [c.factors["x"] for c in model.components_]
    with pytest.raises(DataError, match="column 'id': no component describes it"):
        model.marginal("id")
    with pytest.raises(DataError, match="'id': no component describes it"):
        model.condition({"id": 3.0})
    found = model.condition({"n": 2})
    assert list(found.feature_names_in_) == ["x"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["a", "a"], "twice"),
        ([0, "a"], "twice"),
        ("zebra", "zebra"),
        (7, "from 0 to 3, found 7"),
        (-1, "found -1"),
        ([], "at least one"),
        ([True], "True"),
    ],
)
def test_columns_that_are_none(columns, words):
    with pytest.raises(DataError, match=words):
        whole_model().marginal(columns)


@pytest.mark.parametrize(
    ("known", "error", "words"),
    [
        ({"a": np.nan}, DataError, "column 'a': expected a value, found nan"),
        ({"pet": None}, DataError, "found None"),
        ({"pet": "fox"}, DataError, "column 'pet': 'fox' has log-density -inf"),
        ({"visits": 2.5}, DataError, "column 'visits': 2.5 has log-density -inf"),
        ({"a": "much"}, DataError, "expected numbers"),
        ({"a": 1.0, 0: 2.0}, DataError, "given twice"),
        ({"a": 1, "b": 1, "visits": 1, "pet": "cat"}, DataError, "at least one column that is not known"),
        (["a"], ParameterError, "mapping"),
    ],
)
def test_values_that_nothing_follows_from(known, error, words):
    with pytest.raises(error, match=words):
        whole_model().condition(known)


def test_conditionals_are_ratios_of_densities():
    model = whole_model()
    for known in ({"a": 0.3}, {"pet": "dog"}, {"visits": 4, "b": -1.0}, {"a": 1.0, "b": 2.0, "pet": "cat"}, {2: 3}):
        names = [name if isinstance(name, str) else FRAME.columns[name] for name in known]
        row = FRAME.copy()
        for name, value in zip(names, known.values(), strict=True):
            row[name] = value
        found = model.condition(known)
        rest = list(found.feature_names_in_)
        assert rest == [name for name in FRAME.columns if name not in names]
        expected = model.score_samples(row) - model.marginal(names).score_samples(row[names])
        np.testing.assert_allclose(found.score_samples(row[rest]), expected, rtol=1e-9)
    assert model.condition({}).score_samples(FRAME) == pytest.approx(model.score_samples(FRAME))


def test_weights_follow_from_logarithms():
    """Both densities underflow at 100 deviations, and at 1e6 their logarithms are 5e11 apart."""
    model = GeneralMixtureModel([Product(Normal(0, 1), Normal(0, 1)), Product(Normal(1, 1), Normal(9, 1))])
    np.testing.assert_allclose(model.condition({0: 100.0}).weights_, [np.exp(-99.5), 1.0], rtol=1e-11)
    np.testing.assert_array_equal(model.condition({0: 1e6}).weights_, [0.0, 1.0])
    with pytest.raises(DataError, match="log-density -inf"):
        model.condition({0: 1e300})


def inner(*means):
    return GeneralMixtureModel([MultivariateNormal([m, -m], [[1, 0.5], [0.5, 1]]) for m in means])


def test_mixtures_within_mixtures():
    nested = GeneralMixtureModel([inner(0.0, 4.0), inner(9.0)], weights=[0.7, 0.3])
    flat = GeneralMixtureModel([*inner(0.0, 4.0).components, *inner(9.0).components], weights=[0.35, 0.35, 0.3])
    x = np.array([[0.5], [-3.0], [8.0]])
    for column in (0, 1):
        np.testing.assert_allclose(nested.marginal(column).score_samples(x), flat.marginal(column).score_samples(x), rtol=1e-12)
    for value in (0.1, 3.0, -7.0):
        own, other = nested.condition({1: value}), flat.condition({1: value})
        np.testing.assert_allclose(own.score_samples(x), other.score_samples(x), rtol=1e-9)
        assert own.weights_.shape == (2,)
    factor = GeneralMixtureModel([Product({(0, 1): inner(0.0, 4.0), 2: Normal(0, 1)})])
    np.testing.assert_allclose(factor.marginal([2, 0]).marginal(1).score_samples(x), inner(0.0, 4.0).marginal(0).score_samples(x))
    np.testing.assert_allclose(
        factor.condition({0: 1.0}).marginal(0).score_samples(x), inner(0.0, 4.0).condition({0: 1.0}).score_samples(x)
    )


def test_held_tied_and_bounded_parameters():
    block = MultivariateNormal([0, 1, 2], COVARIANCE)
    for wrapped in (Frozen(block), Frozen(block, "mean"), Bounded(block, covariance=(1e-3, None))):
        model = GeneralMixtureModel([wrapped, block])
        assert model.marginal([0, 2]).components_ == [marginal(block, [0, 2], "")] * 2
    tied = GeneralMixtureModel([Product(Tied(Normal(m, 2.0), "std"), Frozen(Poisson(3.0))) for m in (0.0, 5.0)])
    found = tied.marginal([1, 0])
    assert found.components_[0].factors == {0: Frozen(Poisson(3.0)), 1: Tied(Normal(0.0, 2.0), "std")}
    assert found.n_parameters == 4
    np.testing.assert_allclose(found.log_prob([[1.0, 2.0]]), tied.log_prob([[2.0, 1.0]]))
    assert tied.condition({0: 0.0}).components_ == [Frozen(Poisson(3.0))] * 2
    shared = GeneralMixtureModel([MultivariateNormal([m, 0, 0], COVARIANCE, tied=True) for m in (0, 1)])
    assert shared.marginal([0, 1]).components_[1].tied


def test_a_family_of_one_column_stands_for_every_column():
    model = GeneralMixtureModel(Gamma(), 2, random_state=0, max_iter=3, tol=0)
    X = np.random.default_rng(0).gamma(2.0, size=(80, 3))
    model.fit(X)
    found = model.marginal([2, 0])
    holes = X.copy()
    holes[:, 1] = np.nan
    np.testing.assert_allclose(found.score_samples(X[:, [2, 0]]), model.score_samples(holes), rtol=1e-12)


class Pair:
    """A user's class over two columns, which splits into independent columns."""

    n_features = 2

    def log_prob(self, X):
        return scipy.stats.norm.logpdf(X).sum(axis=1)

    def fit(self, X, sample_weight=None):
        return self

    def marginal(self, places):
        return Normal(0.0, 1.0)

    def condition(self, known):
        return Normal(0.0, 1.0)


def test_classes_of_ones_own_are_asked():
    model = GeneralMixtureModel([Pair(), MultivariateNormal([3, 3], [[1, 0], [0, 1]])], weights=[0.5, 0.5])
    assert model.marginal(1).components_ == [Normal(0, 1), Normal(3, 1)]
    assert model.condition({0: 0.0}).components_ == [Normal(0, 1), Normal(3, 1)]


def test_student_blocks_of_one_column_are_students():
    model = GeneralMixtureModel([MultivariateStudentT(5.0, [1, 2], [[4, 1], [1, 9]])])
    assert model.marginal(1).components_ == [StudentT(5.0, 2.0, 3.0)]
    found = model.condition({0: 3.0}).components_[0]
    assert found.df == 6.0
    assert found.location == pytest.approx(2.5)
    assert found.scale == pytest.approx(np.sqrt((9 - 0.25) * (5 + 1.0) / 6.0))


def test_the_new_model_is_a_model():
    model = whole_model()
    found = model.marginal(["visits", "pet"])
    assert found.sample(5, 0).shape == (5, 2)
    assert found.is_complete
    rows = pd.DataFrame({"visits": [1, 2, 9] * 4, "pet": ["cat", "dog", "dog"] * 4})
    assert found.set_params(max_iter=3, tol=0).fit(rows).n_iter_ == 3
    with pytest.raises(NotFittedError):
        GeneralMixtureModel(Normal(), 2).marginal(0)
    with pytest.raises(NotFittedError):
        GeneralMixtureModel(Bernoulli(), 2).condition({0: 1})
