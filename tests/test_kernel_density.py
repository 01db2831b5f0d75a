"""Kernel densities against scipy's and many digits, and what holds of a mixture of them."""

import mpmath
import numpy as np
import pytest
import scipy.stats

from mixtures import GeneralMixtureModel
from mixtures.distributions import KernelDensity, Normal, Poisson, Product
from mixtures.exceptions import DataError, NotFittedError, ParameterError
from mixtures.testing import check_distribution

POINTS = np.random.default_rng(0).normal(2.0, 1.0, 60)

INSTANCES = [
    KernelDensity(0.3, points=[0.0, 1.0, 5.0]),
    KernelDensity(0.3, points=[0.0, 1.0, 5.0], weights=[1.0, 0.5, 3.0]),
    KernelDensity(points=POINTS),
    KernelDensity(points=1e6 * POINTS, weights=np.linspace(0.1, 2.0, 60)),
]


@pytest.mark.parametrize("distribution", INSTANCES, ids=["three points", "weighted", "Silverman", "large"])
def test_kernel_densities_obey_the_laws(distribution):
    check_distribution(distribution)


def test_densities_are_scipys():
    weights = np.random.default_rng(1).exponential(1.0, 60)
    theirs = scipy.stats.gaussian_kde(POINTS, bw_method=0.4, weights=weights)
    ours = KernelDensity(float(np.sqrt(theirs.covariance[0, 0])), points=POINTS, weights=weights)
    x = np.linspace(-2, 6, 50)
    np.testing.assert_allclose(ours.log_prob(x), theirs.logpdf(x), rtol=1e-12)


@pytest.mark.parametrize("spread", [1.0, 1e-280])
def test_densities_have_all_digits_far_tails_and_tiny_weights_included(spread):
    mpmath.mp.dps = 60
    random = np.random.default_rng(2)
    weights = np.where(random.uniform(size=60) < 0.5, 1.0, spread)
    distribution = KernelDensity(0.25, points=POINTS, weights=weights)
    x = np.array([-1e8, -1000.0, -3.0, 0.0, 1.7, 2.0, 2.31, 5.0, 40.0, 1e5])
    h, total = mpmath.mpf(0.25), mpmath.fsum(map(mpmath.mpf, weights))
    for value, found in zip(x, distribution.log_prob(x), strict=True):
        kernels = [
            mpmath.mpf(w) * mpmath.exp(-(((mpmath.mpf(value) - p) / h) ** 2) / 2) for w, p in zip(weights, POINTS, strict=True)
        ]
        expected = float(mpmath.log(mpmath.fsum(kernels) / (h * mpmath.sqrt(2 * mpmath.pi) * total)))
        assert found == pytest.approx(expected, rel=1e-13, abs=1e-13)


def test_many_points_are_summed_to_all_digits():
    random = np.random.default_rng(5)
    points, weights = random.standard_t(3.0, 5000), random.exponential(1.0, 5000)
    distribution = KernelDensity(0.2, points=points, weights=weights)
    x = np.concatenate([np.linspace(-8, 8, 200), points.max() + np.array([0.1, 1.0, 1.35, 1.39, 1.41, 2.0, 20.0, 1e4])])
    exponents = -0.5 * ((x[:, None].astype(np.longdouble) - points) / np.longdouble(0.2)) ** 2
    top = exponents.max(axis=1, keepdims=True)
    total = (np.exp(exponents - top) * weights).sum(axis=1) / (
        np.longdouble(0.2) * np.sqrt(2 * np.longdouble(np.pi)) * weights.sum()
    )
    np.testing.assert_allclose(distribution.log_prob(x), np.log(total) + top[:, 0], rtol=1e-13, atol=1e-13)


def test_silvermans_rule():
    distribution = KernelDensity().fit(POINTS)
    low, high = np.quantile(POINTS, [0.25, 0.75], method="inverted_cdf")
    assert distribution.kernel_std == pytest.approx(0.9 * min(POINTS.std(), (high - low) / 1.34) * 60**-0.2, rel=1e-12)
    assert KernelDensity().fit(POINTS, np.full(60, 2.0)).kernel_std == pytest.approx(distribution.kernel_std * 2**-0.2)
    assert 0 < KernelDensity().fit([3.0, 3.0]).kernel_std < 1e-13


def test_a_mixture_is_nonparametric_em():
    """One iteration is what Benaglia, Chauveau & Hunter write: weights and kernel densities of the posteriors."""
    random = np.random.default_rng(3)
    x = np.concatenate([random.gamma(2.0, 1.0, 200), random.normal(12.0, 1.0, 300)])
    start = [KernelDensity(0.8, points=x[x < 7]), Normal(11.0, 2.0)]
    model = GeneralMixtureModel(start, weights=[0.5, 0.5], tol=0, max_iter=1).fit(x)
    joint = np.exp(np.column_stack([component.log_prob(x) for component in start]))
    share = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.weights_, share.mean(axis=0), rtol=1e-12)
    kernels = np.exp(-0.5 * ((x[:, None] - x) / 0.8) ** 2) @ share[:, 0] / (0.8 * np.sqrt(2 * np.pi) * share[:, 0].sum())
    np.testing.assert_allclose(model.components_[0].log_prob(x), np.log(kernels), rtol=1e-10, atol=1e-10)
    settled = GeneralMixtureModel([KernelDensity(), Normal()], random_state=0, max_iter=100, tol=1e-5).fit(x)
    assert settled.converged_
    assert settled.components_[1].mean == pytest.approx(12.0, abs=0.5) or settled.components_[1].mean < 7
    with pytest.raises(AttributeError, match="information criteria do not apply"):
        settled.bic(x)


def test_in_a_product():
    random = np.random.default_rng(4)
    table = np.column_stack([random.normal(0, 1, 100), random.poisson(3.0, 100)])
    fitted = Product(KernelDensity(), Poisson()).fit(table)
    assert fitted.factors[0] == KernelDensity().fit(table[:, 0])
    check_distribution(Product(INSTANCES[1], Poisson(3.0)))


def test_what_cannot_be_is_refused():
    with pytest.raises(ParameterError, match="bandwidth must be finite and > 0, or None, found 0"):
        KernelDensity(0)
    with pytest.raises(ParameterError, match="points must be a sequence of finite numbers"):
        KernelDensity(points=[1.0, np.nan])
    with pytest.raises(ParameterError, match="weights must be 2 numbers >= 0"):
        KernelDensity(points=[1.0, 2.0], weights=[1.0, -1.0])
    with pytest.raises(ParameterError, match="no points"):
        KernelDensity(weights=[1.0])
    with pytest.raises(NotFittedError, match="no points"):
        KernelDensity().log_prob([1.0])
    with pytest.raises(DataError, match="row 1 has inf"):
        KernelDensity().fit([1.0, np.inf])
