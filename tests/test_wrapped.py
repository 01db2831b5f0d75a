"""Distributions made of another one: what is held, moved, stretched or has zeros added."""

import pickle

import numpy as np
import pytest
import scipy.stats
from scipy.optimize import minimize

from mixtures import GeneralMixtureModel
from mixtures.distributions import (
    Categorical,
    Exponential,
    Frozen,
    Gamma,
    LocationScale,
    MultivariateNormal,
    Normal,
    Poisson,
    Product,
    ZeroInflated,
)
from mixtures.exceptions import DataError, ParameterError


def two_hills(n=1000):
    random = np.random.default_rng(0)
    return np.concatenate([random.normal(0.0, 1.0, n // 2), random.normal(6.0, 2.0, n // 2)])


def test_a_normal_of_known_mean_learns_its_spread_about_that_mean():
    x = np.array([1.0, 2.0, 4.0, 9.0])
    fitted = Frozen(Normal(mean=3.0)).fit(x, sample_weight=[1.0, 2.0, 0.0, 1.0])
    assert fitted.base.mean == 3.0
    assert fitted.base.std == pytest.approx(np.sqrt((4.0 + 2.0 + 36.0) / 4.0), rel=1e-15)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e9, -1e12])
def test_what_is_held_stays_to_the_last_bit_and_costs_no_digits_far_from_zero(offset):
    x = offset + np.random.default_rng(1).normal(size=500)
    mean = offset + 0.1
    fitted = Frozen(Normal(mean=mean)).fit(x).base
    assert fitted.mean == mean
    assert fitted.std == pytest.approx(np.sqrt(np.mean((x - mean) ** 2)), rel=1e-12)
    assert Frozen(Normal(std=0.7)).fit(x).base.std == 0.7


def test_components_with_and_without_held_parameters_share_a_model():
    x = two_hills()
    model = GeneralMixtureModel([Frozen(Normal(mean=0.0)), Normal(), Frozen(Normal(6.0, 2.0))], random_state=0).fit(x)
    held, free, known = model.components_
    assert held.base.mean == 0.0
    assert known == Frozen(Normal(6.0, 2.0))
    assert isinstance(free, Normal)
    assert model.n_parameters == 1 + 2 + 0 + 2
    assert np.diff(model.history_).min() > -1e-12


def test_a_model_of_known_components_learns_their_shares():
    x = two_hills()
    model = GeneralMixtureModel([Frozen(Normal(0.0, 1.0)), Frozen(Normal(6.0, 2.0))], tol=1e-15).fit(x)
    densities = np.exp([c.log_prob(x) for c in model.components_])
    assert model.components_ == [Frozen(Normal(0.0, 1.0)), Frozen(Normal(6.0, 2.0))]
    shares = model.weights_[:, None] * densities / (model.weights_ @ densities)
    np.testing.assert_allclose(shares.mean(axis=1), model.weights_, atol=1e-6)


def test_several_columns_and_matrices_can_be_held():
    random = np.random.default_rng(2)
    X = random.normal(size=(400, 2)) @ [[1.0, 0.5], [0.0, 1.0]] + [1.0, -1.0]
    fitted = Frozen(MultivariateNormal(mean=[0.0, 0.0])).fit(X)
    np.testing.assert_allclose(fitted.base.covariance, X.T @ X / len(X), rtol=1e-12)
    fitted = Frozen(MultivariateNormal(covariance=[[2.0, 0.0], [0.0, 2.0]])).fit(X)
    np.testing.assert_allclose(fitted.base.mean, X.mean(axis=0), rtol=1e-12)
    product = Product(Frozen(Normal(std=1.0)), Normal(), Frozen(Categorical([0.5, 0.5], ["a", "b"])))
    rows = np.empty((400, 3), dtype=object)
    rows[:, :2], rows[:, 2] = X, "a"
    model = GeneralMixtureModel(product, 2, random_state=0).fit(rows)
    for component in model.components_:
        spread, _, letters = component.factors.values()
        assert spread.base.std == 1.0
        assert letters.base.probabilities == (0.5, 0.5)


def test_kinds_of_covariances_do_not_share_memory():
    X = np.random.default_rng(3).normal(size=(300, 3))
    components = [MultivariateNormal(kind=kind) for kind in ("spherical", "full", "diagonal")]
    model = GeneralMixtureModel(components, random_state=0, max_iter=50, tol=0).fit(X)
    assert [component.kind for component in model.components_] == ["spherical", "full", "diagonal"]
    assert np.diff(model.history_).min() > -1e-12


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Frozen(Normal()), "a parameter to hold"),
        (lambda: Frozen(Normal(mean=1.0), "std"), "must have a value"),
        (lambda: Frozen(Normal(1.0, 1.0), "rate"), r"has the parameters \['mean', 'std'\]"),
        (lambda: Frozen("normal"), "with kernels"),
        (lambda: LocationScale(Poisson(), 0.5), "must be whole"),
        (lambda: LocationScale(Poisson(), 1, 2.0), "must be whole"),
        (lambda: LocationScale(Gamma(), 0.0, -1.0), "scale must be finite and > 0"),
        (lambda: LocationScale(Gamma(), None), "not learned"),
        (lambda: LocationScale(Categorical()), "one column of numbers"),
        (lambda: ZeroInflated(Normal()), "whole numbers >= 0"),
        (lambda: ZeroInflated(LocationScale(Poisson(), -1)), "whole numbers >= 0"),
        (lambda: ZeroInflated(Poisson(), 1.5), "between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(ParameterError, match=words):
        make()


def test_values_below_the_location_are_named():
    with pytest.raises(DataError, match=r"LocationScale on column 0: values must be finite and > 30, row 1 has 29\.5"):
        LocationScale(Gamma(), 30.0).fit([31.0, 29.5, 33.0])


@pytest.mark.parametrize("location", [0.0, -7.5, 1e9])
def test_a_moved_distribution_is_scipys(location):
    random = np.random.default_rng(4)
    moved = LocationScale(Gamma(3.0, 2.0), location, 4.0)
    expected = scipy.stats.gamma(3.0, loc=location, scale=2.0)
    x = location + random.gamma(3.0, 2.0, 50)
    np.testing.assert_allclose(moved.log_prob(x), expected.logpdf(x), rtol=1e-12)
    np.testing.assert_allclose(moved.cdf(x), expected.cdf(x), rtol=1e-12)
    np.testing.assert_allclose(moved.quantile([0.1, 0.9]), expected.ppf([0.1, 0.9]), rtol=1e-12)
    assert (moved.mean, moved.variance) == pytest.approx((expected.mean(), expected.var()))
    again = pickle.loads(pickle.dumps(moved))
    assert again == moved
    assert eval(repr(moved), {"LocationScale": LocationScale, "Gamma": Gamma}) == moved


def test_a_zero_inflated_fit_is_the_maximum():
    random = np.random.default_rng(5)
    x = np.where(random.uniform(size=500) < 0.4, 0, random.poisson(1.5, 500)).astype(float)
    weights = random.uniform(0.0, 2.0, 500)
    fitted = ZeroInflated(Poisson()).fit(x, sample_weight=weights)

    def loss(point):
        rate, chance = np.exp(point[0]), 1 / (1 + np.exp(-point[1]))
        mass = np.where(x == 0, chance + (1 - chance) * np.exp(-rate), (1 - chance) * scipy.stats.poisson.pmf(x, rate))
        return -weights @ np.log(mass) / weights.sum()

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-15, "maxiter": 2000})
    assert fitted.base.rate == pytest.approx(np.exp(best.x[0]), rel=1e-6)
    assert fitted.probability == pytest.approx(1 / (1 + np.exp(-best.x[1])), rel=1e-6)
    held = Frozen(ZeroInflated(Poisson(), 0.1)).fit(x, sample_weight=weights)
    assert held.base.probability == 0.1
    assert ZeroInflated(Frozen(Poisson(1.5))).fit(x).base.base.rate == 1.5


def test_counts_without_extra_zeros_need_none():
    x = np.array([0.0] + [3.0, 4.0, 5.0] * 30)
    fitted = ZeroInflated(Poisson()).fit(x)
    assert fitted.probability == pytest.approx(1 / 91, abs=0.02)
    assert ZeroInflated(Poisson()).fit([2.0, 3.0, 4.0]).probability == 0.0
    assert np.isfinite(ZeroInflated(Poisson()).fit([0.0, 0.0]).log_prob([0.0])).all()


def test_a_hurdle_is_a_zero_and_a_distribution_without_one():
    x = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0])
    fitted = ZeroInflated(LocationScale(Poisson(), 1)).fit(x)
    assert fitted.probability == pytest.approx(0.5)
    assert fitted.base.base.rate == pytest.approx(1.0)


def test_zero_inflation_within_a_mixture_of_columns_never_lowers_the_likelihood():
    random = np.random.default_rng(6)
    group = random.integers(2, size=2000)
    visits = np.where(random.uniform(size=2000) < 0.3, 0, random.poisson(np.array([2.0, 8.0])[group]))
    X = np.column_stack([visits, 20 + random.exponential(np.array([1.0, 4.0])[group])])
    product = Product(ZeroInflated(Poisson()), LocationScale(Exponential(), 20.0))
    model = GeneralMixtureModel(product, 2, random_state=0, tol=0, max_iter=100).fit(X)
    assert np.diff(model.history_).min() > -1e-12
    rates = sorted(component.factors[0].base.rate for component in model.components_)
    assert rates == pytest.approx([2.0, 8.0], rel=0.2)


def test_what_the_base_of_a_moved_one_learns_counts():
    moved = LocationScale(Gamma(2.0, 1.0), 30.0, 3.0)
    assert moved.n_parameters == 2
    assert moved.parameter_values() == {"shape": 2.0, "rate": 1.0}
    assert moved.replaced(rate=2.0, location=1.0) == LocationScale(Gamma(2.0, 2.0), 1.0, 3.0)
