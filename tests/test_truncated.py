"""Truncated families against scipy's and many digits, and what happens where no maximum exists."""

import mpmath
import numpy as np
import pytest
import scipy.stats

from mixtures import GeneralMixtureModel
from mixtures.distributions import (
    Categorical,
    Exponential,
    Frozen,
    Gamma,
    LocationScale,
    Normal,
    Poisson,
    ScipyDistribution,
    Truncated,
    VonMises,
    ZeroInflated,
)
from mixtures.exceptions import DataError, DegenerateWarning, NotFittedError, ParameterError
from mixtures.testing import check_distribution

INSTANCES = [
    Truncated(Normal(0.0, 1.0), -1.0, 2.0),
    Truncated(Exponential(2.0), 1.0, 3.0),
    Truncated(Gamma(2.0, 1.0), None, 5.0),
    Truncated(Poisson(3.0), 1, None),
    Truncated(Poisson(3.0), None, 4.5),
    Truncated(ScipyDistribution(scipy.stats.gumbel_r, loc=3.0, scale=2.0), 0.0, None),
    Truncated(scipy.stats.nbinom(5, 0.3), 2, 20),
    Truncated(Frozen(Normal(mean=0.0, std=1.0), "mean"), 0.0, None),
    Truncated(LocationScale(Gamma(2.0, 1.0), 30.0, 3.0), 32.0, 50.0),
]


@pytest.mark.parametrize("distribution", INSTANCES, ids=repr)
def test_truncated_families_obey_the_laws(distribution):
    check_distribution(distribution)


@pytest.mark.parametrize(
    ("mean", "std", "low", "high"),
    [
        (0, 1, -1, 2),
        (0, 1, 5, 6),
        (0, 1, 30, None),
        (0, 1, 50, 51),
        (0, 1, None, -45),
        (0, 1e6, -1, 1),
        (3, 1, 3, 3 + 1e-9),
        (0, 1, -9, 1),
    ],
)
def test_a_truncated_normal_against_many_digits(mean, std, low, high):
    mpmath.mp.dps = 60
    a, b = (-mpmath.inf if low is None else mpmath.mpf(low)), (mpmath.inf if high is None else mpmath.mpf(high))
    if a > 0:  # differences of small numbers, in 60 digits of them
        mass = mpmath.erfc((a - mean) / std / mpmath.sqrt(2)) / 2 - mpmath.erfc((b - mean) / std / mpmath.sqrt(2)) / 2
    else:
        mass = mpmath.ncdf((b - mean) / std) - mpmath.ncdf((a - mean) / std)
    truncated = Truncated(Normal(mean, std), low, high)
    x = np.array([low if low is not None else high - 1.0, high if high is not None else low + 1.0])
    expected = [float(mpmath.log(mpmath.npdf(mpmath.mpf(value), mean, std) / mass)) for value in x]
    np.testing.assert_allclose(truncated.log_prob(x), expected, rtol=1e-11, atol=1e-11)


def test_far_tails_of_families_whose_cdf_underflows():
    # A Gamma beyond 1000 is nearly an exponential there.
    truncated = Truncated(Gamma(2.0, 1.0), 1000.0, None)
    np.testing.assert_allclose(truncated.log_prob([1000.0, 1001.0]), np.log([1000 / 1001, 1 / np.e]), atol=1e-12)


def test_draws_and_quantiles_far_out():
    far = Truncated(Normal(0.0, 1.0), 40.0, None)
    assert far.sample(100, random_state=0).min() >= 40.0
    assert far.quantile(0.5) == pytest.approx(40 + np.log(2) / 40, abs=1e-4)
    left = Truncated(Normal(0.0, 1.0), None, -40.0)
    assert left.quantile(0.5) == pytest.approx(-far.quantile(0.5), rel=1e-12)
    np.testing.assert_array_equal(left.quantile([0.0, 1.0]), [-np.inf, -40.0])
    exact = scipy.stats.truncnorm(-1.0, 2.0)
    truncated = Truncated(Normal(0.0, 1.0), -1.0, 2.0)
    np.testing.assert_allclose(truncated.quantile([0.01, 0.5, 0.99]), exact.ppf([0.01, 0.5, 0.99]), rtol=1e-12)
    np.testing.assert_allclose(truncated.cdf([-2.0, 0.0, 1.0, 3.0]), exact.cdf([-2.0, 0.0, 1.0, 3.0]), rtol=1e-12)
    assert truncated.mean == pytest.approx(exact.mean(), rel=1e-9)
    assert truncated.variance == pytest.approx(exact.var(), rel=1e-9)


def test_the_fit_of_an_exponential_solves_its_equation():
    x = np.random.default_rng(0).exponential(1.0, 500)
    x = x[x < 2.0]
    rate = Truncated(Exponential(), None, 2.0).fit(x).base.rate
    # The mean of the truncated law is that of the rows.
    assert 1 / rate - 2.0 / np.expm1(2.0 * rate) == pytest.approx(x.mean(), rel=1e-10)
    shifted = Truncated(Exponential(), 1.0, None).fit(1.0 + x)
    assert shifted.base.rate == pytest.approx(1 / x.mean(), rel=1e-9)


def test_a_zero_truncated_poisson():
    counts = np.random.default_rng(1).poisson(1.5, 1000)
    counts = counts[counts > 0]
    rate = Truncated(Poisson(), 1, None).fit(counts).base.rate
    assert rate / -np.expm1(-rate) == pytest.approx(counts.mean(), rel=1e-10)


def test_where_the_likelihood_has_no_maximum_a_warning_names_the_parameter():
    with pytest.warns(DegenerateWarning, match="no maximum in rate"):
        fitted = Truncated(Exponential(), 0.0, 1.0).fit(np.linspace(0.2, 1.0, 100))
    assert 0 < fitted.base.rate < 1e-3
    np.testing.assert_allclose(fitted.log_prob([0.5]), 0.0, atol=1e-3)


def test_a_mixture_of_truncated_families():
    random = np.random.default_rng(3)
    x = np.concatenate([random.exponential(2.0, 400), random.normal(6.0, 1.0, 400)])
    x = x[(x > 0.5) & (x < 8.0)]
    model = GeneralMixtureModel(
        [Truncated(Exponential(0.3), 0.5, 8.0), Truncated(Normal(5.0, 2.0), 0.5, 8.0)], tol=0, max_iter=60
    ).fit(x)
    assert np.diff(model.history_).min() > -1e-12
    assert model.components_[1].base.mean == pytest.approx(6.0, abs=0.3)
    # Rows that one component cannot have made are the other's.
    whole = np.concatenate([x, [-3.0, 12.0]])
    mixed = GeneralMixtureModel([Truncated(Exponential(), 0.5, 8.0), Normal()], random_state=0, max_iter=5, tol=0).fit(whole)
    assert np.diff(mixed.history_).min() > -1e-12
    assert mixed.predict([-3.0])[0] == 1


def test_what_cannot_be_is_refused():
    with pytest.raises(DataError, match=r"Truncated on column 0: values must be finite and >= 1 and <= 3, row 2 has 4"):
        Truncated(Normal(), 1.0, 3.0).fit([1.0, 2.0, 4.0])
    with pytest.raises(ParameterError, match="low and high must leave"):
        Truncated(Exponential(1.0), -3.0, -1.0)
    with pytest.raises(ParameterError, match="low and high must leave"):
        Truncated(Normal(0.0, 1.0), 2.0, 2.0)
    with pytest.raises(ParameterError, match="low must be a number or None, found nan"):
        Truncated(Normal(0.0, 1.0), np.nan, 2.0)
    with pytest.raises(ParameterError, match="one column of numbers"):
        Truncated(Categorical((0.5, 0.5), (0, 1)), 0, 1)
    with pytest.raises(NotFittedError):
        Truncated(Normal(), 0.0, 1.0).log_prob([0.5])
    np.testing.assert_array_equal(Truncated(Normal(0, 1), 0, 1).log_prob([np.nan, np.inf, -1.0, 2.0]), [0.0, *[-np.inf] * 3])
    held = Truncated(ScipyDistribution(scipy.stats.norm, scale=1.0, fixed={"loc": 0.0}), -1.0, None)
    assert held.fit([0.1, 0.5, -0.9, 3.0]).base.loc == 0.0
    assert held.n_parameters == 1


def test_what_a_frozen_base_holds_stays():
    x = np.abs(np.random.default_rng(0).normal(0.0, 2.0, 500))
    fitted = Truncated(Frozen(Normal(mean=0.0)), 0, None).fit(x)
    assert fitted.n_parameters == 1
    assert fitted.base.base.mean == 0.0
    assert fitted.base.held_names == ("mean",)
    assert fitted.base.base.std == pytest.approx(np.sqrt(np.mean(x * x)), rel=1e-8)  # a half-normal
    whole = Truncated(Frozen(Normal(1.0, 2.0)), 0, None)
    assert whole.fit(x) == whole
    with pytest.raises(ParameterError, match=r"Truncated: Frozen: Normal: std must be finite and > 0, found -1\.0"):
        fitted.replaced(std=-1.0)


def test_a_base_that_is_moved_and_stretched():
    x = np.random.default_rng(0).gamma(2.0, 1.0, 500)
    x = x[(x > 0.5) & (x < 4.0)]
    plain = Truncated(Gamma(), 0.5, 4.0).fit(x)
    moved = Truncated(LocationScale(Gamma(), 30.0, 2.0), 31.0, 38.0).fit(30.0 + 2.0 * x)
    assert moved.base.base.shape == pytest.approx(plain.base.shape, rel=1e-6)
    assert moved.n_parameters == 2
    levels = [0.1, 0.5, 0.9]
    np.testing.assert_allclose(moved.quantile(levels), 30.0 + 2.0 * plain.quantile(levels), rtol=1e-6)
    far = Truncated(LocationScale(Normal(0.0, 1.0), 5.0, 2.0), 65.0, None)
    np.testing.assert_allclose(far.log_prob([65.0]), Truncated(Normal(5.0, 2.0), 65.0, None).log_prob([65.0]), rtol=1e-12)
    right = Truncated(LocationScale(Exponential(1.0), 1.0), 3.0, None)
    np.testing.assert_allclose(right.quantile(levels), 3.0 - np.log1p(-np.array(levels)), rtol=1e-12)


def test_angles_between_two_ends():
    truncated = Truncated(VonMises(3.0, 0.5), -1.0, 3.0)
    x = np.linspace(-1.0, 3.0, 20001)
    assert np.trapezoid(np.exp(truncated.log_prob(x)), x) == pytest.approx(1.0, abs=1e-8)


def test_a_base_that_learns_what_it_does_not_declare_is_refused():
    with pytest.raises(ParameterError, match="base must declare all that it learns"):
        Truncated(ZeroInflated(Poisson(2.0), 0.3), 1, None)


@pytest.mark.parametrize("base", [Normal(), Normal(0.5, 1.0), Gamma(), ScipyDistribution(scipy.stats.norm)], ids=repr)
def test_rows_that_agree_end_at_the_floor_at_once(base, monkeypatch):
    monkeypatch.setattr("mixtures.numerical.MOST_EVALUATIONS", 0)
    with pytest.warns(DegenerateWarning, match="no maximum in"):
        fitted = Truncated(base, 0.0, 4.0).fit([1.0, 1.0, 1.0])
    assert 20 < fitted.log_prob([1.0])[0] < 40
    with pytest.warns(DegenerateWarning, match="no maximum in"):
        again = fitted.fit([1.0, 1.0])
    assert again.log_prob([1.0])[0] >= fitted.log_prob([1.0])[0]


@pytest.mark.parametrize(
    "start", [Normal(0.0, 1.0), Normal(-3.0, 0.5), Normal(1e3, 1e2), Gamma(30.0, 0.1), Gamma(0.1, 5.0)], ids=repr
)
@pytest.mark.parametrize("seed", range(3))
def test_a_fit_never_ends_below_where_it_began(start, seed):
    random = np.random.default_rng(seed)
    x, weights = random.beta(2.0, 3.0, 60) + 0.01, random.exponential(1.0, 60)
    begun = Truncated(start, 0.0, 1.2)
    assert weights @ begun.fit(x, sample_weight=weights).log_prob(x) >= weights @ begun.log_prob(x)


@pytest.mark.parametrize(("base", "most"), [(Normal(), 90), (Exponential(), 40), (Gamma(), 90)], ids=repr)
def test_a_fit_takes_few_evaluations(base, most, monkeypatch):
    x = np.random.default_rng(0).gamma(2.0, 1.0, 300)
    monkeypatch.setattr("mixtures.numerical.MOST_EVALUATIONS", most)
    Truncated(base, None, 5.0).fit(x[x < 5.0])
