"""Information criteria, entropies, overlap, outliers and divergences against their definitions by naive code and closed forms."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mixtures import GeneralMixtureModel
from mixtures.distributions import (
    Bernoulli,
    Categorical,
    Degenerate,
    Exponential,
    MultivariateNormal,
    Normal,
    Poisson,
    Product,
    Uniform,
)
from mixtures.divergences import Estimate, jensen_shannon, kullback_leibler
from mixtures.exceptions import DataError, ParameterError


def naive(weights, members, x, sample_weight):
    """Log-likelihood, entropy of posteriors and number of rows of a mixture of (mean, std), one row at a time."""
    total = entropy = 0.0
    for value, repeat in zip(x, sample_weight, strict=True):
        terms = [w * scipy.stats.norm.pdf(value, m, s) for w, (m, s) in zip(weights, members, strict=True)]
        total += repeat * math.log(sum(terms))
        shares = [term / sum(terms) for term in terms]
        entropy -= repeat * sum(share * math.log(share) for share in shares if share > 0)
    return total, entropy, float(sum(sample_weight))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_criteria_and_entropies_are_their_definitions(k, seed, weighted):
    random = np.random.default_rng(seed)
    weights = random.dirichlet(np.full(k, 3.0))
    members = [(float(m), float(s)) for m, s in zip(random.normal(0, 2, k), random.uniform(0.5, 2, k), strict=True)]
    x = random.normal(0, 2, 60)
    repeats = random.integers(0, 4, 60).astype(float) if weighted else np.ones(60)
    given_weights = repeats if weighted else None
    model = GeneralMixtureModel([Normal(m, s) for m, s in members], weights=weights)
    total, entropy, n = naive(weights, members, x, repeats)
    p = 2 * k + k - 1
    assert model.bic(x, given_weights) == pytest.approx(-2 * total + p * math.log(n), rel=1e-10)
    assert model.aic(x, given_weights) == pytest.approx(-2 * total + 2 * p, rel=1e-10)
    assert model.aicc(x, given_weights) == pytest.approx(-2 * total + 2 * p * n / (n - p - 1), rel=1e-10)
    assert model.sabic(x, given_weights) == pytest.approx(-2 * total + p * math.log((n + 2) / 24), rel=1e-10)
    assert model.icl(x, given_weights) == pytest.approx(-2 * total + p * math.log(n) + 2 * entropy, rel=1e-10)
    own = -sum(w * math.log(w) for w in weights)
    expected = 1 - entropy / n / math.log(k) if k > 1 else 1.0
    assert model.relative_entropy(x, given_weights) == pytest.approx(expected, abs=1e-10)
    assert model.entropy_r_squared(x, given_weights) == pytest.approx(1 - entropy / n / own if k > 1 else 1.0, abs=1e-10)
    assert repeats @ model.assignment_entropy(x) == pytest.approx(entropy, rel=1e-9, abs=1e-12)


def test_criteria_of_few_rows():
    model = GeneralMixtureModel([Normal(0, 1), Normal(1, 1)])
    assert model.aicc([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) == math.inf
    assert math.isfinite(model.aicc(np.arange(7.0)))


def test_criteria_repeat_rows_as_weights_do():
    model = GeneralMixtureModel([Normal(0, 1), Normal(1, 1)])
    x = np.arange(20.0) / 5
    for name in ("aicc", "sabic", "icl", "relative_entropy", "entropy_r_squared"):
        method = getattr(model, name)
        assert method(x, np.full(20, 2.0)) == pytest.approx(method(np.repeat(x, 2)), rel=1e-12)


def test_entropies_of_frames_follow_set_output():
    model = GeneralMixtureModel([Product(x=Normal(0, 1)), Product(x=Normal(1, 1))]).set_output(transform="pandas")
    frame = pd.DataFrame({"x": [0.5, 9.0]}, index=["a", "b"])
    found = model.assignment_entropy(frame)
    assert found["a"] == pytest.approx(math.log(2))
    assert found.index.tolist() == model.outlier_p_values(frame, 10, 0).index.tolist() == ["a", "b"]


# --- overlap ---


def test_overlap_of_two_normals_has_a_closed_form():
    """Equal variances: a row of component 1 is more probable as one of 2 beyond the point where both are as probable."""
    gap, (w1, w2) = 1.5, (0.3, 0.7)
    model = GeneralMixtureModel([Normal(0, 1), Normal(gap, 1)], weights=[w1, w2])
    edge = gap / 2 + math.log(w1 / w2) / gap
    expected = np.array([[1.0, scipy.stats.norm.sf(edge)], [scipy.stats.norm.cdf(edge - gap), 1.0]])
    found = model.overlap(40_000, random_state=0)
    assert (np.abs(found.probabilities - expected) <= 4 * found.standard_errors).all()
    np.testing.assert_allclose(found.standard_errors**2 * 40_000, expected * (1 - expected), rtol=0.05, atol=1e-12)
    both = expected[0, 1] + expected[1, 0]
    assert found.pairs[0, 1] == found.mean == found.largest == pytest.approx(both, abs=0.02)
    error = w1 * expected[0, 1] + w2 * expected[1, 0]
    assert abs(found.error.value - error) < 4 * found.error.standard_error < 0.02


def test_overlap_shares_ties():
    same = GeneralMixtureModel([Poisson(3.0)] * 3)
    found = same.overlap(100, random_state=0)
    np.testing.assert_array_equal(found.probabilities, [[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]])
    assert found.largest == found.mean == 1.0
    assert found.error.value == pytest.approx(2 / 3)
    assert GeneralMixtureModel([Normal(0, 1)]).overlap(10, 0).mean == 0.0
    apart = GeneralMixtureModel([Uniform(0, 1), Uniform(2, 3)]).overlap(100, 0)
    np.testing.assert_array_equal(apart.probabilities, np.eye(2))
    assert apart.error == Estimate(0.0, 0.0)


def test_overlap_of_categories_by_enumeration():
    shares = np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])
    model = GeneralMixtureModel([Product(pet=Categorical(p, ("a", "b", "c")), n=Bernoulli(0.5)) for p in shares])
    found = model.overlap(40_000, 0)
    expected = np.array([[1.0, 0.2 + 0.3 / 2], [0.1 + 0.3 / 2, 1.0]])
    assert (np.abs(found.probabilities - expected) <= 4.5 * found.standard_errors).all()


def test_overlap_of_nested_and_weightless_components():
    inner = GeneralMixtureModel([Normal(0, 1), Normal(9, 1)], weights=[0.5, 0.5])
    model = GeneralMixtureModel([inner, Normal(4.5, 1), Normal(0, 1)], weights=[0.5, 0.5, 0.0])
    found = model.overlap(5_000, 0)
    assert 0 < found.probabilities[0, 1] < 0.05
    np.testing.assert_array_equal(found.probabilities[2], [0.0, 0.0, 1.0])
    assert found.probabilities[0, 2] == 0.0
    with pytest.raises(ParameterError, match="n_draws"):
        model.overlap(0)


# --- outliers ---


def test_p_values_are_uniform_under_the_model():
    model = GeneralMixtureModel([Product(Normal(0, 1), Poisson(4.0)), Product(Normal(5, 2), Poisson(9.0))], weights=[0.4, 0.6])
    X = model.sample(2000, 1)
    p = model.outlier_p_values(X, 4000, random_state=2)
    assert scipy.stats.kstest(p, "uniform").pvalue > 1e-3
    lacking = X.copy()
    lacking[::2, 0] = np.nan
    lacking[1::4, 1] = np.nan
    own = model.outlier_p_values(lacking, 4000, random_state=2)
    assert scipy.stats.kstest(own[1::4], "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(own[3::4], p[3::4])
    # without column 0 only the counts speak
    alone = model.marginal(1)
    probabilities = np.exp(alone.log_prob(np.arange(60.0)))
    at = np.exp(alone.log_prob(X[::2, 1]))
    exact = np.array([probabilities[probabilities <= value * (1 + 1e-9)].sum() for value in at])
    np.testing.assert_allclose(own[::2], exact, atol=5 * 0.5 / math.sqrt(4000))


def test_p_values_of_a_normal():
    model = GeneralMixtureModel([Normal(3.0, 2.0)])
    x = np.array([3.0, 4.0, 7.0, -3.0, 1e200, 50.0])
    p = model.outlier_p_values(x, 50_000, random_state=0)
    np.testing.assert_allclose(p[:4], 2 * scipy.stats.norm.sf(np.abs(x[:4] - 3) / 2), atol=0.011)
    np.testing.assert_array_equal(p[4:], 1 / 50_001)
    assert GeneralMixtureModel([Exponential(1.0)]).outlier_p_values([-1.0], 9, 0)[0] == 0.1
    np.testing.assert_array_equal(p, model.outlier_p_values(x, 50_000, random_state=0))


def test_p_values_of_equal_rows_are_equal():
    """Half of all rows are as this one, whatever rounding does to their sums."""
    model = GeneralMixtureModel([Product({j: Bernoulli(0.5) for j in range(9)})])
    rows = np.random.default_rng(0).integers(0, 2, (200, 9)).astype(float)
    np.testing.assert_array_equal(model.outlier_p_values(rows, 300, 0), 1.0)


def test_p_values_of_named_columns():
    components = [Product(b=Categorical([0.9, 0.1], ("x", "y")), a=Normal(m, 1)) for m in (0.0, 5.0)]
    frame = pd.DataFrame({"a": [0.0, 5.0, 2.5, np.nan], "b": ["x", None, "y", None]})
    p = GeneralMixtureModel(components).outlier_p_values(frame[["b", "a"]], 1000, 0)
    assert p[2] < 0.02 < p[0]
    assert p[3] == 1.0


# --- divergences ---


def test_divergences_of_normals_have_a_closed_form():
    m, s = np.array([1.0, -1.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
    p = GeneralMixtureModel([MultivariateNormal([0, 0], np.eye(2))])
    q = GeneralMixtureModel([MultivariateNormal(m, s)])
    inverse = np.linalg.inv(s)
    exact = 0.5 * (np.trace(inverse) + m @ inverse @ m - 2 + math.log(np.linalg.det(s)))
    found = kullback_leibler(p, q, 20_000, random_state=0)
    assert abs(found.value - exact) < 4 * found.standard_error < 0.1
    again = kullback_leibler(p, q, 20_000, random_state=0)
    assert found == again


def test_divergences_of_counts_by_enumeration():
    p = GeneralMixtureModel([Poisson(2.0), Poisson(8.0)], weights=[0.3, 0.7])
    q = GeneralMixtureModel([Poisson(3.0), Poisson(9.0)], weights=[0.5, 0.5])
    x = np.arange(100.0)
    a, b = np.exp(p.log_prob(x)), np.exp(q.log_prob(x))
    middle = (a + b) / 2
    kl, js = a @ np.log(a / b), (a @ np.log(a / middle) + b @ np.log(b / middle)) / 2
    for estimate, exact in ((kullback_leibler(p, q, 20_000, 0), kl), (jensen_shannon(p, q, 20_000, 0), js)):
        assert abs(estimate.value - exact) < 4 * estimate.standard_error < 0.02
    assert kullback_leibler(p, p, 100, 0) == jensen_shannon(p, p, 100, 0) == Estimate(0.0, 0.0)


def test_standard_errors_are_those_of_repetition():
    p, q = GeneralMixtureModel([Normal(0, 1)]), GeneralMixtureModel([Normal(0.5, 1.3)])
    for divergence in (kullback_leibler, jensen_shannon):
        found = np.array([divergence(p, q, 400, seed) for seed in range(100)])
        assert found[:, 0].std() == pytest.approx(found[:, 1].mean(), rel=0.3)


def test_supports_that_differ():
    p, q = GeneralMixtureModel([Uniform(0, 2)]), GeneralMixtureModel([Uniform(0, 1)])
    assert kullback_leibler(p, q, 100, 0) == Estimate(math.inf, 0.0)
    assert kullback_leibler(q, p, 100, 0).value == pytest.approx(math.log(2))
    apart = GeneralMixtureModel([Uniform(5, 6)])
    assert jensen_shannon(p, apart, 100, 0) == pytest.approx((math.log(2), 0.0))


def test_columns_are_found_by_name():
    p = GeneralMixtureModel([Product(a=Normal(0, 1), b=Categorical([0.5, 0.5], ("x", "y")))])
    q = GeneralMixtureModel([Product(b=Categorical([0.25, 0.75], ("y", "x")), a=Normal(0, 1))])
    exact = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    found = kullback_leibler(p, q, 4000, 0)
    assert abs(found.value - exact) < 4 * found.standard_error
    with pytest.raises(DataError, match="same columns"):
        kullback_leibler(p, GeneralMixtureModel([Normal(0, 1)]), 10, 0)
    with pytest.raises(ParameterError, match="n_draws must be a whole number >= 2"):
        jensen_shannon(p, q, 1)


def test_a_mass_is_nothing_to_a_density():
    """Log-probabilities and log-densities are numbers of different kinds, though both are finite."""
    normal = GeneralMixtureModel([Normal(0, 1)])
    spike = GeneralMixtureModel([Degenerate(0.0), Normal(0, 1)], weights=[0.3, 0.7])
    counts = GeneralMixtureModel([Poisson(3.0)])
    assert kullback_leibler(spike, normal, 100, 0).value == math.inf
    assert kullback_leibler(counts, normal, 100, 0).value == math.inf
    assert kullback_leibler(normal, counts, 100, 0).value == math.inf
    assert jensen_shannon(counts, normal, 100, 0).value == pytest.approx(math.log(2))
    other = GeneralMixtureModel([Degenerate(0.0), Normal(0, 1)], weights=[0.6, 0.4])
    exact = 0.3 * math.log(0.3 / 0.6) + 0.7 * math.log(0.7 / 0.4)
    found = kullback_leibler(spike, other, 4000, 0)
    assert abs(found.value - exact) < 4 * found.standard_error
    found = kullback_leibler(normal, spike, 1000, 0)
    assert found.value == pytest.approx(-math.log(0.7))
    found = jensen_shannon(spike, normal, 20_000, 0)  # the mass apart, the densities 0.7 and 1 of one Normal
    parts = 0.3 * math.log(2) + 0.7 * math.log(0.7 / 0.85) + math.log(1 / 0.85)
    assert abs(found.value - parts / 2) < 4 * found.standard_error
