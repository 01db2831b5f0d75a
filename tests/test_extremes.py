"""Samples and mixtures of extreme parameters; log-densities there are in the grids of ``tests/oracles`` and in
:mod:`test_log_prob`, further equations of fits in :mod:`test_positive_families` and :mod:`test_counts`.

A fit recovers a parameter within sampling error where twice the log-likelihood it gains on the truth is what a chi-square of as
many degrees of freedom can be.
"""

import warnings

import mpmath
import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Beta, Gamma, NegativeBinomial, Poisson, StudentT, VonMises, Weibull
from mixtures.exceptions import DegenerateWarning

CHI_SQUARE = 40.0
"""What a chi-square of 3 degrees of freedom exceeds with probability 1e-8."""
EXTREMES = [
    (Gamma(1e6, 1e3), Gamma(0.05, 1e-3)),
    (Gamma(1e6, 1e-6), Gamma(1e6, 1.01e-6)),
    (Beta(1e6, 1e6), Beta(1e6, 2.0)),
    (Beta(0.05, 1e6), Beta(1e6, 1e6)),
    (NegativeBinomial(1e-3, 1e-3), NegativeBinomial(1e3, 0.9)),
    (NegativeBinomial(50.0, 1e-9), NegativeBinomial(2.0, 0.5)),
    (StudentT(0.5, 0.0, 1.0), StudentT(1e6, 1e6, 1.0)),
    (StudentT(1e6, -3.0, 1e-6), StudentT(0.5, 0.0, 1e6)),
    (VonMises(0.5, 1e-6), VonMises(-2.0, 1e6)),
    (VonMises(3.14159, 1e6), VonMises(3.0, 1e6)),
    (Weibull(0.1, 1.0), Weibull(50.0, 1e3)),
    (Weibull(50.0, 1e-6), Weibull(50.0, 1.5e-6)),
    (Poisson(1e12), Poisson(1.00002e12)),
    (Poisson(1e-3), Poisson(1e12)),
]


@pytest.mark.parametrize("truth", [one for pair in EXTREMES for one in pair], ids=repr)
def test_fits_recover_extreme_parameters(truth):
    x = truth.sample(2000, 1)
    with warnings.catch_warnings():
        # Of a t that is all but a Normal, some samples are a Normal's: a warning then says so.
        near_limit = isinstance(truth, VonMises) or (isinstance(truth, StudentT) and truth.df >= 1e6)
        warnings.simplefilter("ignore" if near_limit else "error")
        fitted = type(truth)().fit(x)
    gained = 2.0 * (fitted.log_prob(x) - truth.log_prob(x)).sum()
    # At its least 0, but for rounding of the sums.
    assert -1e-12 * abs(fitted.log_prob(x)).sum() <= gained < CHI_SQUARE, f"{fitted!r}"


@pytest.mark.parametrize("pair", EXTREMES, ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_mixtures_of_two_extremes_climb(pair, weighted):
    random = np.random.default_rng(2)
    x = np.concatenate([one.sample(400, random) for one in pair])
    weights = random.exponential(1.0, len(x)) if weighted else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)  # the limits of some families are part of this
        given = GeneralMixtureModel(list(pair), weights=[0.5, 0.5], tol=0, max_iter=20).fit(x, sample_weight=weights)
        found = GeneralMixtureModel(type(pair[0])(), 2, random_state=0, tol=0, max_iter=50).fit(x, sample_weight=weights)
    for model in (given, found):
        assert np.isfinite([list(one.parameter_values().values()) for one in model.components_]).all()
        size = np.abs(model.score_samples(x)).mean()
        assert np.isfinite(size)
        assert np.diff(model.history_).min() > -1e-12 * max(1.0, size)
        np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1.0, rtol=1e-12)
    # Five parameters and a weight gain so much on the truth at most.
    share = np.ones(len(x)) if weights is None else weights
    gained = share @ (given.score_samples(x) - np.logaddexp(*[one.log_prob(x) for one in pair]) + np.log(2.0))
    assert 0 <= gained + 1e-9 * len(x) < 2 * CHI_SQUARE


ENDS = {
    "near both ends": [1e-300, 1e-100, 1e-10, 0.3, 0.7, 1 - 1e-10, 1 - 2.0**-53],
    "near 0": [1e-300, 1e-200, 1e-100, 1e-50, 1e-20, 1e-3],
    "near 1": [1 - 2.0**-53, 1 - 2.0**-52, 1 - 2.0**-50, 1 - 2.0**-40, 0.5],
    "at both ends": [1e-300, 1e-299, 1 - 2.0**-53, 1 - 2.0**-52],
    "close beside 0": [1e-300, 2e-300, 3e-300],
    "close beside 1": [1 - 2.0**-53, 1 - 2.0**-52, 1 - 2.0**-51],
}


@pytest.mark.parametrize("x", ENDS.values(), ids=ENDS.keys())
def test_shares_near_the_ends_of_a_beta(x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)
        fitted = Beta().fit(x)
    with mpmath.workdps(350):  # concentrations of 1e300 are told apart by what they differ in
        rows = [mpmath.mpf(float(value)) for value in x]
        low, high = mpmath.fsum(map(mpmath.log, rows)) / len(x), mpmath.fsum(mpmath.log1p(-row) for row in rows) / len(x)
        alpha, beta = mpmath.mpf(fitted.alpha), mpmath.mpf(fitted.beta)
        level = mpmath.digamma(alpha + beta)
        # The likelihood misses its maximum by the square of this.
        assert abs(level - mpmath.digamma(alpha) + low) < 1e-9 * abs(low)
        assert abs(level - mpmath.digamma(beta) + high) < 1e-9 * abs(high)


def test_components_of_counts_that_vary_too_little_are_said_to_be_poissons():
    x = np.repeat([3.0, 4.0, 5.0, 90.0, 91.0, 95.0], 20)
    with pytest.warns(DegenerateWarning, match="NegativeBinomial on column 0.*Poisson limit"):
        model = GeneralMixtureModel(NegativeBinomial(), 2, random_state=0).fit(x)
    poissons = GeneralMixtureModel(Poisson(), 2, random_state=0).fit(x)
    assert np.isfinite(model.history_).all()
    np.testing.assert_allclose(model.score(x), poissons.score(x), rtol=1e-8)
