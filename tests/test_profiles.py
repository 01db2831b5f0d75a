"""Profiles of components as data, and the mixture over a few columns that pictures are made of."""

import numpy as np
import pandas
import polars
import pytest
import scipy.stats

from mixtures import GeneralMixtureModel
from mixtures.distributions import (
    Bernoulli,
    Categorical,
    Degenerate,
    Dirichlet,
    Exponential,
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
    VonMises,
    VonMisesFisher,
)
from mixtures.exceptions import DataError, NotFittedError, ParameterError
from mixtures.pieces import header_of, label_of, mixture_over, place_of
from mixtures.profiles import kind_of, moments_of


def mixed():
    a = Product(
        height=Normal(170.0, 7.0), visits=Poisson(2.0), eye=Categorical([0.9, 0.1], ["blue", "brown"]), smokes=Bernoulli(0.25)
    )
    b = Product(height=Gamma(180.0, 1.0), visits=Poisson(5.0), eye=Categorical([1.0], ["green"]), smokes=Bernoulli(0.5))
    return GeneralMixtureModel([a, b], weights=[0.4, 0.6])


def test_numbers_have_moments_and_categories_probabilities():
    profiles = mixed().profiles(units={"height": "cm"})
    assert [profile.label for profile in profiles] == ["height [cm]", "visits", "eye", "smokes"]
    height = profiles["height"]
    assert height.families == ("Normal", "Gamma")
    np.testing.assert_allclose(height.means, [170.0, 180.0])
    np.testing.assert_allclose(height.stds, [7.0, np.sqrt(180.0)])
    np.testing.assert_allclose(profiles[1].stds, np.sqrt([2.0, 5.0]))
    assert profiles["eye"].categories == ("blue", "brown", "green")  # of all components
    np.testing.assert_allclose(profiles["eye"].probabilities, [[0.9, 0.1, 0.0], [0.0, 0.0, 1.0]])
    assert np.isnan(profiles["eye"].means).all()
    assert profiles["smokes"].is_flag
    np.testing.assert_allclose(profiles["smokes"].probabilities, [[0.75, 0.25], [0.5, 0.5]])
    with pytest.raises(KeyError, match="'weight' is none of the columns"):
        profiles["weight"]


def test_profiles_become_frames():
    profiles = mixed().profiles()
    found = profiles.to_pandas()
    assert list(found) == ["column", "component", "family", "statistic", "category", "value"]
    assert len(found) == 2 * (2 + 2 + 3 + 2)
    eye = found[(found["column"] == "eye") & (found["component"] == 0)]
    assert dict(zip(eye["category"], eye["value"], strict=True)) == pytest.approx({"blue": 0.9, "brown": 0.1, "green": 0.0})
    frame = profiles.to_polars()
    assert frame["category"].dtype == polars.String
    assert frame["value"].to_list() == found["value"].to_list()
    assert len(pandas.DataFrame(profiles.to_dict())) == len(found)


def test_columns_of_joint_families():
    blocks = [MultivariateNormal([1.0, 2.0], [[4.0, 1.0], [1.0, 9.0]]), MultivariateStudentT(4.0, [1.0, 2.0], np.eye(2))]
    profiles = GeneralMixtureModel(blocks).profiles()
    np.testing.assert_allclose(profiles[1].means, [2.0, 2.0])
    np.testing.assert_allclose(profiles[1].stds, [3.0, np.sqrt(2.0)])
    (shares, _) = GeneralMixtureModel([Multinomial([0.25, 0.75])]).profiles()
    assert shares.means.tolist() == [0.25]
    assert np.isnan(shares.stds).all()
    np.testing.assert_allclose(GeneralMixtureModel([Dirichlet([2.0, 3.0])]).profiles()[0].stds, [scipy.stats.beta(2, 3).std()])
    fisher = VonMisesFisher([0.6, 0.8], 5.0)
    assert GeneralMixtureModel([fisher]).profiles()[1].means == pytest.approx([fisher.mean[1]])


def test_moments_of_a_mixture_within_a_mixture_and_of_angles():
    inner = GeneralMixtureModel([Normal(0.0, 1.0), Normal(4.0, 2.0)], weights=[0.5, 0.5])
    assert moments_of(inner) == pytest.approx((2.0, np.sqrt((1.0 + 4.0) / 2 + 4.0)))
    x = VonMises(1.0, 2.0).sample(200_000, random_state=0)
    assert moments_of(VonMises(1.0, 2.0))[1] == pytest.approx(scipy.stats.circstd(x), rel=0.01)
    assert np.isinf(moments_of(StudentT(1.5, 0.0, 1.0))[1])


def test_what_a_component_of_the_user_does_not_know_is_missing():
    class Mine:
        def log_prob(self, X):
            return np.zeros(len(X))

        def fit(self, X, sample_weight=None):
            return self

    model = GeneralMixtureModel([Mine()]).fit([0.0, 1.0])
    (profile,) = model.profiles()
    assert np.isnan(profile.means).all()
    assert "nan" in str(model.profiles())


def test_a_model_that_has_learned_nothing():
    with pytest.raises(NotFittedError):
        GeneralMixtureModel(Normal(), 2).profiles()


def test_a_component_of_weight_zero_still_has_a_profile():
    eye = [Product(eye=Categorical(p, ["a", "b"])) for p in ([0.9, 0.1], [0.2, 0.8])]
    profiles = GeneralMixtureModel(eye, weights=[1.0, 0.0]).profiles()
    np.testing.assert_allclose(profiles[0].probabilities, [[0.9, 0.1], [0.2, 0.8]])


# --- the mixture over a few columns ---


def over(components, columns, weights=None):
    model = GeneralMixtureModel(components, weights=weights)
    mixing = np.full(len(components), 1 / len(components)) if weights is None else weights
    return mixture_over(components, mixing, header_of(model), columns)


def test_factors_of_products_by_place_name_and_block():
    block = MultivariateNormal([1.0, 2.0, 3.0], [[4.0, 1.0, 0.5], [1.0, 9.0, 0.2], [0.5, 0.2, 1.0]])
    product = Product({("a", "b", "c"): block, "d": Poisson(2.0)})
    one = over([product], [1])
    assert one.components == [Normal(2.0, 3.0)]
    two = over([product], [2, 0])  # in the order asked for
    assert two.components == [MultivariateNormal([3.0, 1.0], [[1.0, 0.5], [0.5, 4.0]])]
    rows = np.array([[2.0, 0.5], [1.0, 3.0]])
    both = over([product], [3, 1])
    np.testing.assert_allclose(both.log_prob(rows), Poisson(2.0).log_prob(rows[:, 0]) + Normal(2.0, 3.0).log_prob(rows[:, 1]))


def test_a_margin_is_the_integral_over_the_other_columns():
    block = MultivariateStudentT(3.0, [0.0, 1.0], [[2.0, 0.6], [0.6, 1.0]])
    x = np.array([-1.0, 0.5])
    y = np.tan(np.linspace(-np.pi / 2, np.pi / 2, 4003)[1:-1])
    for place in (0, 1):
        margin = over([block], [place]).components[0]
        for value in x:
            rows = np.column_stack([np.full(len(y), value), y] if place == 0 else [y, np.full(len(y), value)])
            assert np.trapezoid(np.exp(block.log_prob(rows)), y) == pytest.approx(np.exp(margin.log_prob([value])[0]), rel=1e-4)
    assert over([Dirichlet([2.0, 3.0, 4.0])], [0]).components[0].mean == pytest.approx(2 / 9)


def test_wrappers_and_mixtures_fall_away_or_are_taken_along():
    normal = Normal(1.0, 2.0)
    assert over([Tied(normal, "std"), Frozen(normal)], [0]).components == [normal, normal]
    tied = [MultivariateNormal([j, j], [[1.0, 0.5], [0.5, 1.0]], tied=True) for j in (0.0, 5.0)]
    assert not any(component.tied for component in over(tied, [0, 1]).components)
    inner = GeneralMixtureModel(
        [Product(Normal(0.0, 1.0), Poisson(1.0)), Product(Normal(4.0, 1.0), Poisson(5.0))], weights=[0.3, 0.7]
    )
    found = over([inner, Product(Normal(9.0, 1.0), Poisson(9.0))], [1], [0.5, 0.5])
    x = np.arange(12.0)
    expected = np.log(
        0.15 * np.exp(Poisson(1.0).log_prob(x)) + 0.35 * np.exp(Poisson(5.0).log_prob(x)) + 0.5 * np.exp(Poisson(9.0).log_prob(x))
    )
    np.testing.assert_allclose(found.log_prob(x), expected)


def test_what_has_no_margin_says_so():
    with pytest.raises(DataError, match="component 1: Multinomial has no density of column 0 alone"):
        over([Product(Poisson(1.0), Poisson(1.0)), Multinomial([0.5, 0.5])], [0])


def test_columns_by_name_and_place():
    named = header_of(mixed())
    assert [label_of(named, place_of(column, named)) for column in ("eye", 0)] == ["eye", "height"]
    unnamed = header_of(GeneralMixtureModel([Product(Normal(0, 1), Normal(0, 1))]))
    assert label_of(unnamed, place_of(1, unnamed)) == "column 1"
    assert label_of(header_of(GeneralMixtureModel([Normal(0, 1)])), 0) == "x"
    for header, column in ((named, "weight"), (named, 4), (named, -1), (named, True), (unnamed, "x"), (unnamed, 1.0)):
        with pytest.raises(ParameterError, match="expected a column"):
            place_of(column, header)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([Normal(0, 1), Poisson(1)], "numbers"),
        ([Poisson(1), Bernoulli(0.5)], "counts"),
        ([Bernoulli(0.5), Frozen(Bernoulli(0.5))], "categories"),
        ([Categorical([1.0], ["a"])], "categories"),
        ([Degenerate(0.0), Exponential(1.0)], "numbers"),
        ([GeneralMixtureModel([Poisson(1.0), Poisson(2.0)])], "counts"),
        ([object()], "numbers"),
    ],
    ids=str,
)
def test_kinds_of_columns(pieces, kind):
    assert kind_of(pieces) == kind
