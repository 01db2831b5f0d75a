"""Laws of mixtures of one column: cdf and quantile undo each other, samples agree, tails and jumps are right."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mixtures import GeneralMixtureModel
from mixtures.constraints import Whole
from mixtures.distributions import (
    Bernoulli,
    Beta,
    BetaBinomial,
    Binomial,
    Categorical,
    Degenerate,
    Dirichlet,
    DiscreteUniform,
    Exponential,
    Gamma,
    Geometric,
    Gumbel,
    HalfNormal,
    InverseGamma,
    InverseGaussian,
    KernelDensity,
    Laplace,
    LocationScale,
    Logistic,
    LogNormal,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Pareto,
    Poisson,
    Product,
    Rayleigh,
    ScipyDistribution,
    SkewNormal,
    StudentT,
    Truncated,
    Uniform,
    VonMises,
    Weibull,
    ZeroInflated,
)
from mixtures.distributions.base import Family
from mixtures.exceptions import NotFittedError, ParameterError
from tests.test_conformance import families

PAIRS = {
    Normal: (Normal(0, 1), Normal(4, 0.5)),
    LogNormal: (LogNormal(0, 0.5), LogNormal(2, 0.2)),
    HalfNormal: (HalfNormal(1), HalfNormal(9)),
    StudentT: (StudentT(5, 0, 1), StudentT(9, 6, 2)),
    SkewNormal: (SkewNormal(0, 1, 3), SkewNormal(5, 2, -4)),
    Laplace: (Laplace(0, 1), Laplace(3, 2)),
    Logistic: (Logistic(0, 1), Logistic(8, 2)),
    Gumbel: (Gumbel(0, 1), Gumbel(5, 3)),
    Exponential: (Exponential(2), Exponential(0.1)),
    Gamma: (Gamma(0.7, 1), Gamma(20, 2)),
    InverseGamma: (InverseGamma(6, 2), InverseGamma(9, 40)),
    InverseGaussian: (InverseGaussian(1, 3), InverseGaussian(9, 40)),
    Weibull: (Weibull(1.5, 1), Weibull(4, 9)),
    Pareto: (Pareto(9, 1), Pareto(12, 4)),
    Rayleigh: (Rayleigh(1), Rayleigh(9)),
    Beta: (Beta(0.6, 2), Beta(9, 3)),
    Uniform: (Uniform(0, 1), Uniform(0.5, 4)),
    VonMises: (VonMises(-1, 2), VonMises(2, 9)),
    ScipyDistribution: (ScipyDistribution(scipy.stats.burr12, c=3.0, d=4.0, loc=0.0, scale=2.0), Normal(9, 1)),
    KernelDensity: (KernelDensity(0.3, points=[0.0, 1.0, 5.0]), Normal(9, 1)),
    Truncated: (Truncated(Normal(0, 1), 0.5, 4), Exponential(1)),
    LocationScale: (LocationScale(Gamma(3, 1), 30, 2), LocationScale(Beta(2, 3), 0, 100)),
}
COUNTS = {
    Poisson: (Poisson(1), Poisson(30)),
    NegativeBinomial: (NegativeBinomial(2, 0.4), NegativeBinomial(9, 0.1)),
    Binomial: (Binomial(5, 0.3), Binomial(40, 0.8)),
    BetaBinomial: (BetaBinomial(20, 0.5, 0.5), BetaBinomial(20, 9, 2)),
    Geometric: (Geometric(0.5), Geometric(0.02)),
    DiscreteUniform: (DiscreteUniform(-3, 5), DiscreteUniform(2, 30)),
    Bernoulli: (Bernoulli(0.2), Bernoulli(0.7)),
    ZeroInflated: (ZeroInflated(Poisson(4), 0.3), Poisson(9)),
}
WITHOUT = {"Categorical", "Degenerate"}


def mixture(*components, weights=(0.3, 0.7)):
    return GeneralMixtureModel(list(components), weights=list(weights))


def rounding(model, x):
    """What the last bits of x are worth in its cdf, and what cdfs that are differences may be off."""
    return np.abs(x) * 1e-15 * np.exp(model.log_prob(x)) + 1e-15


def test_every_family_of_one_column_is_here():
    found = {family.__name__ for family in families() if issubclass(family, Family) and not family.reads_block}
    assert found - {family.__name__ for family in (*PAIRS, *COUNTS)} == WITHOUT


@pytest.mark.parametrize("pair", PAIRS.values(), ids=lambda pair: type(pair[0]).__name__)
def test_quantile_undoes_cdf(pair):
    model = mixture(*pair)
    x = model.sample(300, 0)[:, 0]
    np.testing.assert_allclose(model.quantile(model.cdf(x)), x, rtol=1e-10, atol=1e-12)
    q = np.array([1e-12, 1e-5, 0.01, 0.3, 0.5, 0.9, 1 - 1e-6])
    assert (np.abs(model.cdf(model.quantile(q)) - q) <= 1e-10 * q + rounding(model, model.quantile(q))).all()
    np.testing.assert_allclose(model.cdf(x) + model.sf(x), 1.0, atol=1e-12)


@pytest.mark.parametrize("pair", COUNTS.values(), ids=lambda pair: type(pair[0]).__name__)
def test_counts_have_the_least_whole_number_that_reaches_q(pair):
    model = mixture(*pair)
    values = np.arange(-5.0, 2000.0)
    reached = np.cumsum(np.exp(model.log_prob(values)))
    q = np.concatenate([np.random.default_rng(0).uniform(size=200), [1e-9, 0.5]])
    expected = values[np.searchsorted(reached, q)]
    found = model.quantile(q)
    np.testing.assert_array_equal(found, expected)
    support = values[(reached > 0) & (reached < 1 - 1e-9)]
    again = model.quantile(model.cdf(support))  # the first of some whose cdfs differ by less than rounding
    np.testing.assert_array_equal(model.cdf(again), model.cdf(support))
    assert (again <= support).all()
    np.testing.assert_allclose(model.cdf(values), reached, atol=1e-9)
    possible = values[model.log_prob(values) > -np.inf]
    assert model.quantile(0.0) == possible[0]
    assert model.quantile(1.0) == (np.inf if possible[-1] == values[-1] else possible[-1])


@pytest.mark.parametrize("pair", [*PAIRS.values(), *COUNTS.values()], ids=lambda pair: type(pair[0]).__name__)
def test_samples_agree(pair):
    """Mean and variance within five standard errors of those of 20,000 draws; the cdf within Kolmogorov's bound, at 1e-6."""
    if isinstance(pair[0], VonMises):  # whose moments are those of a direction
        with pytest.raises(ParameterError, match="mean"):
            _ = mixture(*pair).mean
        return
    model = mixture(*pair)
    drawn = model.sample(20_000, 1)[:, 0]
    mean, variance = model.mean, model.variance
    assert isinstance(mean, float)
    assert abs(drawn.mean() - mean) < 5 * np.sqrt(variance / len(drawn))
    spread = np.square(drawn - mean)
    assert abs(spread.mean() - variance) < 5 * spread.std() / np.sqrt(len(drawn))
    at = np.quantile(drawn, np.linspace(0.01, 0.99, 50))
    at = np.rint(at) if isinstance(getattr(pair[0], "support", None), Whole) else at
    empirical = np.searchsorted(np.sort(drawn), at, side="right") / len(drawn)
    assert np.abs(model.cdf(at) - empirical).max() < np.sqrt(np.log(2e6) / 2 / len(drawn))


def test_moments_by_hand():
    model = mixture(Normal(1.0, 2.0), Normal(5.0, 1.0), weights=(0.25, 0.75))
    assert model.mean == pytest.approx(4.0)
    assert model.variance == pytest.approx(0.25 * 4 + 0.75 * 1 + 0.25 * 9 + 0.75 * 1)
    far = mixture(Normal(1e12, 1.0), Normal(1e12 + 2.0, 1.0), weights=(0.5, 0.5))
    assert far.variance == 2.0
    assert mixture(StudentT(1.5, 0, 1), Normal(0, 1)).variance == np.inf
    with pytest.raises(ParameterError, match="no finite mean"):
        _ = mixture(StudentT(0.9, 0, 1), Normal(0, 1)).mean
    assert not hasattr(mixture(StudentT(0.9, 0, 1), Normal(0, 1)), "mean")
    assert not hasattr(GeneralMixtureModel(Normal(), 2), "variance")
    with pytest.raises(ParameterError, match="no finite mean"):
        _ = GeneralMixtureModel([Categorical([0.5, 0.5])]).mean
    assert mixture(StudentT(0.9, 0, 1), Normal(0, 1), weights=(0.0, 1.0)).mean == 0.0


def test_covariances_of_several_columns():
    blocks = [MultivariateNormal([0, 1], [[2, 0.9], [0.9, 1]]), MultivariateNormal([4, -2], [[1, -0.4], [-0.4, 3]])]
    parts = [Product({(0, 1): block, 2: Poisson(3.0), (3, 4): Dirichlet([2.0, 3.0])}) for block in blocks]
    nested = GeneralMixtureModel([GeneralMixtureModel(parts, weights=[0.5, 0.5]), parts[0]], weights=[0.6, 0.4])
    drawn = nested.sample(60_000, 0)
    np.testing.assert_allclose(nested.mean, drawn.mean(axis=0), atol=0.06)
    np.testing.assert_allclose(nested.covariance, np.cov(drawn.T), atol=0.12)
    np.testing.assert_array_equal(nested.variance, np.diagonal(nested.covariance))


def test_tails_to_1e_300():
    model = mixture(Normal(0, 1), Normal(500, 3))
    q = np.array([1e-300, 1e-200, 1e-50])
    np.testing.assert_allclose(model.quantile(q), scipy.stats.norm.ppf(q / 0.3), rtol=1e-12)
    waits = mixture(Exponential(1.0), LocationScale(Exponential(1.0), 5.0))
    np.testing.assert_allclose(waits.quantile(q), q / 0.3, rtol=1e-10)
    np.testing.assert_allclose(waits.sf(600.0), 0.3 * np.exp(-600) + 0.7 * np.exp(-595), rtol=1e-12)
    many = mixture(Poisson(1e6), NegativeBinomial(300.0, 1e-4))
    found = many.quantile(1e-300)
    assert many.cdf(found) >= 1e-300 > many.cdf(found - 1.0)
    heavy = mixture(StudentT(3, 0, 1), Normal(0, 1), weights=(1.0, 0.0))  # scipy's own quantile is infinite there
    np.testing.assert_allclose(heavy._law("cdf").log_cdf(heavy.quantile(1e-300)), np.log(1e-300), rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3)), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_normals_of_any_place_and_width(members, seed):
    random = np.random.default_rng(seed)
    weights = random.dirichlet(np.ones(len(members)))
    model = GeneralMixtureModel([Normal(m, s) for m, s in members], weights=weights)
    q = random.uniform(size=20)
    x = model.quantile(q)
    expected = sum(w * scipy.stats.norm.cdf(x, m, s) for w, (m, s) in zip(weights, members, strict=True))
    assert (np.abs(expected - q) <= 1e-10 * q + rounding(model, x)).all()


def test_point_masses():
    model = GeneralMixtureModel([Degenerate(0.0), Gamma(2.0, 1.0), Degenerate(1.5)], weights=[0.3, 0.5, 0.2])
    np.testing.assert_allclose(model.cdf([-1e-9, 0.0]), [0.0, 0.3])
    below = 0.3 + 0.5 * scipy.stats.gamma.cdf(1.5, 2.0)
    np.testing.assert_array_equal(model.quantile([0.0, 0.1, 0.3, below + 0.01, below + 0.19]), [0.0, 0.0, 0.0, 1.5, 1.5])
    q = np.array([0.35, below - 1e-3, below + 0.21, 0.999])
    np.testing.assert_allclose(model.cdf(model.quantile(q)), q, rtol=1e-12)
    np.testing.assert_array_equal(GeneralMixtureModel([Degenerate(2.5)]).quantile([0.0, 0.5, 1.0]), 2.5)
    mixed = mixture(Poisson(3.0), Normal(2.2, 1.0))
    at = np.arange(0.0, 8.0)
    np.testing.assert_array_equal(mixed.quantile(mixed.cdf(at) - 1e-3), at)
    x = np.array([-1.3, 0.4, 2.5, 3.1])
    np.testing.assert_allclose(mixed.quantile(mixed.cdf(x)), x, rtol=1e-10)


def test_gaps_between_supports():
    """Between 1 and 3 the cdf is level at 0.25: its quantile there is where that is reached."""
    model = mixture(Uniform(0.0, 1.0), Uniform(3.0, 4.0), weights=(0.25, 0.75))
    np.testing.assert_allclose(model.quantile([0.25 - 1e-9, 0.25, 0.25 + 1e-9]), [1.0, 1.0, 3.0], atol=1e-8)
    far = mixture(Uniform(1e12, 1e12 + 1), Uniform(0.0, 1.0), weights=(0.5, 0.5))
    np.testing.assert_allclose(far.quantile([0.25, 0.5, 0.75]), [0.5, 1.0, 1e12 + 0.5], rtol=1e-12)
    assert model.quantile(0.0) == 0.0
    assert model.quantile(1.0) == 4.0


def test_shapes_and_levels_outside():
    model = mixture(Normal(0, 1), Normal(1, 1))
    assert model.quantile([[0.1, 0.2], [0.3, 0.4]]).shape == (2, 2)
    assert np.ndim(model.cdf(0.0)) == np.ndim(model.quantile(0.5)) == 0
    assert model.quantile(np.empty(0)).shape == (0,)
    np.testing.assert_array_equal(model.quantile([0.0, 1.0, -0.1, 1.1, np.nan]), [-np.inf, np.inf, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(model.cdf([-np.inf, np.inf, np.nan]), [0.0, 1.0, np.nan])


def test_mixtures_within_mixtures():
    nested = GeneralMixtureModel([mixture(Normal(0, 1), Normal(5, 1)), Normal(9, 1)], weights=[0.6, 0.4])
    flat = GeneralMixtureModel([Normal(0, 1), Normal(5, 1), Normal(9, 1)], weights=[0.18, 0.42, 0.4])
    q = np.linspace(0.01, 0.99, 9)
    np.testing.assert_allclose(nested.quantile(q), flat.quantile(q), rtol=1e-12)
    assert nested.variance == pytest.approx(flat.variance)


def test_of_a_fitted_frame():
    import pandas as pd

    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=50)})
    model = GeneralMixtureModel(Product(x=Normal()), 1).fit(frame)
    assert model.quantile(0.5) == pytest.approx(frame["x"].mean())


def test_what_has_no_order_is_refused():
    with pytest.raises(ParameterError, match="one column, found 2"):
        GeneralMixtureModel([MultivariateNormal([0, 0], [[1, 0], [0, 1]])]).cdf(0.0)
    with pytest.raises(ParameterError, match="ordered values"):
        GeneralMixtureModel([Categorical([0.5, 0.5])]).quantile(0.5)
    with pytest.raises(NotFittedError):
        GeneralMixtureModel(Normal(), 2).cdf(0.0)
