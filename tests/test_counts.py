"""Counts at their extremes: limits, large counts, held parameters, supports that depend on an argument."""

import warnings

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import BetaBinomial, Binomial, DiscreteUniform, Frozen, Geometric, NegativeBinomial, Poisson
from mixtures.exceptions import DataError, DegenerateWarning, ParameterError


def mean_log_prob(distribution, x):
    return float(np.mean(distribution.log_prob(x)))


@pytest.mark.parametrize("x", [[3, 3, 3], [0, 1, 1], [0.0, 1, 2, 1], [1e9 - 1, 1e9, 1e9 + 1], np.arange(9990.0, 10011.0)], ids=str)
def test_counts_that_vary_less_than_a_poissons_give_the_poisson_limit_and_say_so(x):
    with pytest.warns(DegenerateWarning, match="NegativeBinomial on column 0.*Poisson limit"):
        fitted = NegativeBinomial().fit(x)
    poisson = Poisson().fit(x)
    assert fitted.mean == pytest.approx(poisson.rate, rel=1e-13)
    np.testing.assert_allclose(fitted.log_prob(x), poisson.log_prob(x), rtol=1e-11)


@pytest.mark.parametrize("rate", [1e-3, 3.0, 1e6, 1e12])
def test_negative_binomial_masses_go_over_into_poissons(rate):
    x = np.unique(np.rint(rate + np.sqrt(rate) * np.array([-5.0, -1, 0, 1, 5])).clip(0))
    size = rate * 1e12
    found = NegativeBinomial(size, size / (size + rate)).log_prob(x)
    # Of the probability only 1 - p is told, with four digits: the mean is what it says.
    probability = size / (size + rate)
    np.testing.assert_allclose(found, Poisson(size * (1 - probability) / probability).log_prob(x), rtol=1e-10)


@pytest.mark.parametrize(("size", "mean"), [(0.05, 50.0), (3.0, 4.0), (100.0, 1e4), (10.0, 1e6), (1e3, 1e12), (0.5, 1e12)])
def test_negative_binomial_fits_are_stationary_whatever_the_counts(size, mean):
    from scipy.special import digamma

    random = np.random.default_rng(4)
    x = random.poisson(random.gamma(size, mean / size, 2000)).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = NegativeBinomial().fit(x)
    assert fitted.mean == pytest.approx(x.mean(), rel=1e-12)
    # The derivative in log size, against what a row's deviates from it by.
    terms = fitted.size * (digamma(x + fitted.size) - digamma(fitted.size) - np.log1p(x.mean() / fitted.size))
    terms = terms - fitted.size * (x - x.mean()) / (x.mean() + fitted.size)
    assert abs(terms.mean()) < 1e-8 * terms.std()


@pytest.mark.parametrize("scale", [1, 1000])
def test_a_mixture_of_negative_binomials_never_falls(scale):
    random = np.random.default_rng(5)
    rates = np.concatenate([random.gamma(2.0, 1.0, 700), random.gamma(30.0, 1.0, 300)])
    x = random.poisson(scale * rates).astype(float)
    start = [NegativeBinomial(0.1, 0.1 / (0.1 + scale)), NegativeBinomial(1e3, 1e3 / (1e3 + 40 * scale))]
    model = GeneralMixtureModel(start, max_iter=200, tol=0).fit(x)
    assert np.diff(model.history_).min() > -1e-13 * abs(model.history_).max()
    assert sorted(round(c.size / 10) for c in model.components_) == [0, 3]


def test_negative_binomial_with_a_parameter_held():
    x = NegativeBinomial(3.0, 0.2).sample(500, 0)
    sized = Frozen(NegativeBinomial(size=2.0), "size").fit(x).base
    assert sized.size == 2.0
    assert sized.mean == pytest.approx(x.mean(), rel=1e-12)
    likely = Frozen(NegativeBinomial(probability=0.25), "probability").fit(x).base
    assert likely.probability == 0.25
    best = mean_log_prob(likely, x)
    for factor in (0.999, 1.001):
        assert mean_log_prob(NegativeBinomial(likely.size * factor, 0.25), x) < best
    near, far = (mean_log_prob(NegativeBinomial(likely.size * (1 + h), 0.25), x) for h in (1e-4, -1e-4))
    assert near - far == pytest.approx(0.0, abs=1e-10)


def test_held_probabilities_stay():
    assert Frozen(Geometric(0.3)).fit([1, 2, 9]).base.probability == 0.3
    assert Frozen(Binomial(9, 0.3)).fit([1, 2, 9]).base.probability == 0.3


@pytest.mark.parametrize(("held", "expected"), [("low", (0, 5)), ("high", (2, 9))])
def test_a_held_end_stays(held, expected):
    fitted = Frozen(DiscreteUniform(0, 9), held).fit([2, 5, 3]).base
    assert (fitted.low, fitted.high) == expected


def test_counts_beyond_the_trials_are_named():
    with pytest.raises(DataError, match=r"Binomial on column 0: values must be whole and between 0 and 5, row 2 has 6"):
        Binomial(5).fit([1, 5, 6])
    # What one component allows, another need not.
    model = GeneralMixtureModel([Binomial(5, 0.5), Binomial(8, 0.5)], max_iter=5, tol=0).fit([1, 5, 6, 2.0])
    assert [c.trials for c in model.components_] == [5, 8]
    with pytest.raises(ParameterError, match=r"Binomial: trials must be whole and >= 1, found 2\.5"):
        Binomial(2.5)


def test_binomial_ends_are_point_masses():
    assert Binomial(7).fit([7, 7]) == Binomial(7, 1.0)
    assert Binomial(7).fit([0, 0]) == Binomial(7, 0.0)
    assert Binomial(7, 1.0).log_prob([7, 6, 0]).tolist() == [0.0, -np.inf, -np.inf]
    assert Binomial(7, 0.0).log_prob([7, 6, 0]).tolist() == [-np.inf, -np.inf, 0.0]


def test_geometric_of_ones_and_of_large_counts():
    assert Geometric().fit([1, 1, 1]) == Geometric(1.0)
    assert Geometric().fit([1e12, 1e12 + 2]).mean == pytest.approx(1e12 + 1, rel=1e-15)


def test_discrete_uniform_ends_in_a_mixture_shrink_to_the_rows_they_keep():
    x = np.concatenate([np.arange(0.0, 10), np.arange(100.0, 120)])
    model = GeneralMixtureModel([DiscreteUniform(-5, 50), DiscreteUniform(60, 200)], max_iter=3, tol=0).fit(x)
    assert model.components_ == [DiscreteUniform(0, 9), DiscreteUniform(100, 119)]
    with pytest.raises(ParameterError, match="low must be at most high, found low=3, high=2"):
        DiscreteUniform(3, 2)


@pytest.mark.parametrize(
    ("trials", "alpha", "beta"),
    [
        (10, 0.4, 1.1),
        (200, 1e-3, 2e-3),
        (1000, 40.0, 3.0),
        (3000, 1e-2, 5.0),
        (10**6, 2.0, 5.0),
        (10**6, 1e6, 1e6),
        (10**12, 0.5, 3.0),
    ],
)
@pytest.mark.parametrize("rows", [300, 30_000])
def test_beta_binomial_fits_are_stationary_whatever_the_trials(trials, alpha, beta, rows):
    from scipy.special import digamma

    random = np.random.default_rng(4)
    x = random.binomial(trials, random.beta(alpha, beta, rows)).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = BetaBinomial(trials).fit(x)
    of_total = digamma(fitted.alpha + fitted.beta + trials) - digamma(fitted.alpha + fitted.beta)
    for a, counts in ((fitted.alpha, x), (fitted.beta, trials - x)):
        terms = a * (digamma(counts + a) - digamma(a))
        assert abs(terms.mean() - a * of_total) < 1e-11 * terms.mean()


def test_counts_that_vary_less_than_a_binomials_give_the_binomial_limit_and_say_so():
    for trials, x in ((5, [3, 3, 3]), (10, [2, 3, 3, 4]), (1000, [500, 510, 505]), (10**9, [5e8, 5e8 + 1])):
        with pytest.warns(DegenerateWarning, match="BetaBinomial on column 0.*use Binomial"):
            fitted = BetaBinomial(trials).fit(x)
        binomial = Binomial(trials).fit(x)
        assert fitted.alpha + fitted.beta == pytest.approx(1e8 * trials)
        assert fitted.alpha / (fitted.alpha + fitted.beta) == pytest.approx(binomial.probability, rel=1e-12)
        np.testing.assert_allclose(fitted.log_prob(x), binomial.log_prob(x), atol=1e-7)


@pytest.mark.parametrize("trials", [1, 7, 300, 10**6])
def test_beta_binomial_of_nothing_but_zeros_or_trials(trials):
    for x in (0.0, float(trials)):
        with pytest.warns(DegenerateWarning, match="BetaBinomial"):
            fitted = BetaBinomial(trials).fit([x, x, x])
        share = fitted.alpha / (fitted.alpha + fitted.beta)
        assert (share if x == 0.0 else fitted.beta / (fitted.alpha + fitted.beta)) == pytest.approx(1e-15)
        np.testing.assert_allclose(fitted.log_prob([x]), 0.0, atol=1e-13)
    if trials > 1:
        with pytest.warns(DegenerateWarning, match="BetaBinomial"):
            fitted = BetaBinomial(trials).fit([0.0, trials, trials])
        assert fitted.alpha + fitted.beta == pytest.approx(1e-8)
        assert fitted.alpha / (fitted.alpha + fitted.beta) == pytest.approx(2 / 3)


def test_a_single_trial_says_nothing_of_the_scatter():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = BetaBinomial(1).fit([0, 1, 1, 1])
    assert (fitted.alpha, fitted.beta) == pytest.approx((1.5, 0.5))


@pytest.mark.parametrize("trials", [1, 12, 400, 10**6])
def test_beta_binomial_with_a_parameter_held(trials):
    x = BetaBinomial(trials, 3.0, 1.0).sample(300, 0)
    alpha = Frozen(BetaBinomial(trials, alpha=2.0), "alpha").fit(x).base
    beta = Frozen(BetaBinomial(trials, beta=2.0), "beta").fit(x).base
    assert (alpha.alpha, beta.beta) == (2.0, 2.0)
    for factor in (0.99, 1.01):
        assert mean_log_prob(BetaBinomial(trials, 2.0, alpha.beta * factor), x) < mean_log_prob(alpha, x)
        assert mean_log_prob(BetaBinomial(trials, beta.alpha * factor, 2.0), x) < mean_log_prob(beta, x)
    for held, x in ((("alpha", 2.0), 0.0), (("beta", 0.5), 0.0), (("alpha", 1e-3), trials), (("beta", 1e6), trials)):
        with pytest.warns(DegenerateWarning, match="alpha or beta is held at a bound"):
            fitted = Frozen(BetaBinomial(trials, **dict([held])), held[0]).fit([x, x]).base
        assert getattr(fitted, held[0]) == held[1]
        np.testing.assert_allclose(fitted.log_prob([x]), 0.0, atol=1e-8)


def test_beta_binomial_counts_outside_and_trials_that_are_none():
    with pytest.raises(DataError, match=r"BetaBinomial on column 0: values must be whole and between 0 and 5, row 2 has 6"):
        BetaBinomial(5).fit([1, 5, 6])
    with pytest.raises(ParameterError, match=r"BetaBinomial: trials must be whole, >= 1 and below 2\^53, found 0"):
        BetaBinomial(0)
    for trials in (5, 1000):
        outside = [-1.0, 0.5, trials + 1, 1e300, -1e300, np.inf, -np.inf]
        np.testing.assert_array_equal(BetaBinomial(trials, 1e-3, 1e6).log_prob(outside), -np.inf)
    x = np.concatenate([np.arange(6.0), np.arange(300.0)])
    model = GeneralMixtureModel([BetaBinomial(5, 1.0, 2.0), BetaBinomial(300, 1.0, 2.0)], max_iter=20, tol=0).fit(x)
    assert [c.trials for c in model.components_] == [5, 300]
    assert np.diff(model.history_).min() > -1e-13 * abs(model.history_).max()


@pytest.mark.parametrize("trials", [30, 500])
def test_a_mixture_of_beta_binomials_never_falls(trials):
    random = np.random.default_rng(5)
    shares = np.concatenate([random.beta(0.5, 2.0, 700), random.beta(9.0, 3.0, 300)])
    x = random.binomial(trials, shares).astype(float)
    start = [BetaBinomial(trials, 1e-3, 1e-3), BetaBinomial(trials, 1e4, 2e4)]
    model = GeneralMixtureModel(start, max_iter=300, tol=0).fit(x)
    assert np.diff(model.history_).min() > -1e-13 * abs(model.history_).max()
    assert sorted(c.mean / trials for c in model.components_) == pytest.approx([0.2, 0.75], abs=0.1)
