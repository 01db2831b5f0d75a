"""Families of positive numbers and of intervals at their extremes: shapes near 0 and huge, rows close together for their size,
starts from far away, rows that agree."""

import warnings

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mixtures import GeneralMixtureModel
from mixtures.distributions import Beta, Frozen, Gamma, InverseGamma, InverseGaussian, Normal, Pareto, Uniform, Weibull
from mixtures.exceptions import DataError, DegenerateWarning, FitError


@pytest.fixture(autouse=True)
def _sixty_digits():
    with mpmath.workdps(60):
        yield


def draws(distribution, n=2000, seed=3):
    """Rows of a distribution without those that float64 rounds to an end of the support."""
    x = distribution.sample(n, random_state=seed)[:, 0]
    return x[np.asarray(distribution.support.contains(x), dtype=bool)]


STARTS = [(None, None), (1.0, 1.0), (50.0, 1e-6), (50.0, 1e6), (0.1, 1e-6), (0.1, 1e6)]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("truth", [(0.1, 2.0), (1.0, 1.0), (50.0, 5.0), (1e4, 1e3), (1e8, 1e9)])
def test_weibull_finds_every_shape_from_anywhere(truth, start):
    x = draws(Weibull(*truth))
    fitted = Weibull(*start).fit(x)
    t = np.log1p((x - fitted.scale) / fitted.scale) if truth[0] > 1e3 else np.log(x / fitted.scale)
    powers = np.exp(fitted.shape * t)
    # Both equations of the maximum, in units of one row's score; the scale is rounded.
    assert abs(powers.mean() - 1) < 1e-9 + 2.2e-16 * fitted.shape
    assert abs(1 / fitted.shape + t.mean() - (t * powers).mean()) * fitted.shape < 1e-8
    assert fitted.shape == pytest.approx(truth[0], rel=0.1)


@pytest.mark.parametrize("start", [(0.2, 30.0), (60.0, 0.1), (3.0, 3.0)])
def test_a_mixture_of_weibulls_climbs_from_afar(start):
    x = np.concatenate([draws(Weibull(0.7, 1.0)), draws(Weibull(30.0, 8.0)), [1e-12, 1e6]])
    model = GeneralMixtureModel([Weibull(*start), Weibull(1.0, 5.0)], tol=0, max_iter=60).fit(x)
    assert np.diff(model.history_).min() > -1e-12 * (1 + abs(model.history_).max())


def gamma_equations(x, shape, mean_log, log_mean):
    """log(shape) - digamma(shape) against its target, relative to it."""
    gap = log_mean - mean_log
    return float((mpmath.log(shape) - mpmath.psi(0, shape) - gap) / gap)


@pytest.mark.parametrize("shape", [1e-3, 0.1, 1.0, 1e3, 1e6, 1e10, 1e18])
@pytest.mark.parametrize("family", [Gamma, InverseGamma])
def test_gamma_and_its_inverse_find_every_shape(family, shape):
    random = np.random.default_rng(4)
    # Below a tenth, powers of a uniform variable, which is what a Gamma variable is like there.
    y = random.standard_gamma(shape, 300) if shape > 0.05 else random.uniform(size=300) ** (1 / shape)
    y = 1e3 * y[y > 1e-290]
    x = y if family is Gamma else 1 / y
    exact = [mpmath.mpf(float(v)) if family is Gamma else 1 / mpmath.mpf(float(v)) for v in x]
    mean = sum(exact) / len(exact)
    for start in (family(), family(1e6, 1.0), family(1e-3, 1e10), family(1e20, 1e-10)):
        fitted = start.fit(x)
        shape_error = gamma_equations(exact, fitted.shape, sum(map(mpmath.log, exact)) / len(exact), mpmath.log(mean))
        assert abs(shape_error) < (1e-6 if shape > 1e15 else 1e-9)
        rate = fitted.rate if family is Gamma else fitted.scale
        assert abs(float(rate * mean / fitted.shape - 1)) < 1e-12


@pytest.mark.parametrize("shape", [1e-3, 1e6, 1e12])
def test_gamma_and_its_inverse_are_right_at_extreme_shapes(shape):
    for rate in (1e-200, 1.0, 1e200):
        mean = shape / rate
        values = mean * np.array([1e-60, 0.5, 1 - 3 / np.sqrt(shape) if shape > 10 else 0.9, 1.0, 1.5, 30.0])
        values = values[(values > 1e-300) & (values < 1e300)]
        found = Gamma(shape, rate).log_prob(values)
        other = InverseGamma(shape, rate).log_prob(1 / values)
        for value, a, b in zip(values, found, other, strict=True):
            v, inverse = mpmath.mpf(float(value)), mpmath.mpf(float(1 / value))
            terms = shape * mpmath.log(rate) - mpmath.loggamma(shape)
            expected = terms + (shape - 1) * mpmath.log(v) - rate * v
            # The product rate * x is rounded, and the density passes that on by its distance from the shape.
            size = abs(expected) + abs(shape - rate * v) / 100
            assert abs(a - expected) < 1e-13 * size
            expected = terms - (shape + 1) * mpmath.log(inverse) - rate / inverse
            assert abs(b - expected) < 1e-13 * (abs(expected) + abs(shape - rate / inverse) / 100)


def test_gamma_is_never_nan_where_products_leave_float64():
    assert Gamma(60.0, 1e200).log_prob([1e150]).tolist() == [-np.inf]
    assert Gamma(6.0, 1e200).log_prob([1e150]).tolist() == [-np.inf]
    assert Gamma(60.0, 1e-200).log_prob([1e-150])[0] == pytest.approx(60 * np.log(1e-200) + 59 * np.log(1e-150) - 184.5, rel=1e-3)


@pytest.mark.parametrize("family", [Weibull, Gamma, InverseGamma, InverseGaussian])
def test_rows_of_unit_spread_at_a_thousand_million(family):
    x = 1e9 + np.random.default_rng(5).normal(size=2000)
    fitted = family().fit(x)
    if family is Weibull:
        best = minimize_scalar(
            lambda log_shape: -Frozen(Weibull(np.exp(log_shape)), "shape").fit(x).log_prob(x).mean(),
            bracket=(np.log(fitted.shape) - 0.1, np.log(fitted.shape) + 0.1),
        )
        assert np.log(fitted.shape) == pytest.approx(best.x, abs=1e-5)
    elif family is InverseGaussian:
        assert fitted.mean == pytest.approx(x.mean(), rel=1e-15)
        assert np.sqrt(fitted.mean**3 / fitted.shape) == pytest.approx(x.std(), rel=1e-6)
    else:
        assert 1e9 / np.sqrt(fitted.shape) == pytest.approx(x.std(), rel=1e-6)


@pytest.mark.parametrize("family", [Weibull, Gamma, InverseGamma, InverseGaussian, Pareto, Beta, Uniform])
@pytest.mark.parametrize("n", [1, 5])
def test_rows_that_agree_are_floored_and_said_so(family, n):
    x = np.full(n, 0.3)
    with pytest.warns(DegenerateWarning):
        fitted = family().fit(x)
    assert np.isfinite([getattr(fitted, name) for name in fitted.parameters]).all()
    assert np.isfinite(fitted.log_prob(x)).all()
    assert fitted.mean == pytest.approx(0.3, rel=1e-12)


BETAS = [(1e-3, 1.0), (0.1, 0.2), (3.0, 40.0), (0.5, 1e6), (1e6, 1e6), (2.0, 1e10), (1e6, 2.0), (1e-2, 1e6)]


@pytest.mark.parametrize("truth", BETAS, ids=repr)
def test_beta_solves_its_equations_at_the_extremes(truth):
    x = draws(Beta(*truth), n=300)
    fitted = Beta().fit(x)
    low = sum(mpmath.log(mpmath.mpf(float(v))) for v in x) / len(x)
    high = sum(mpmath.log1p(-mpmath.mpf(float(v))) for v in x) / len(x)
    alpha, beta = mpmath.mpf(fitted.alpha), mpmath.mpf(fitted.beta)
    whole = mpmath.psi(0, alpha + beta)
    assert abs(float((whole - mpmath.psi(0, alpha) + low) / low)) < 1e-12
    assert abs(float((whole - mpmath.psi(0, beta) + high) / high)) < 1e-12


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_beta_refuses_its_ends_and_says_where(value):
    with pytest.raises(DataError, match=rf"Beta on column 0: values must be > 0 and < 1, row 1 has {value:.0f}"):
        Beta().fit([0.2, value, 0.5])
    assert Beta(2.0, 3.0).log_prob([value]).tolist() == [-np.inf]


def test_quantiles_of_the_inverse_gaussian_far_out():
    for distribution in (InverseGaussian(1.0, 1e-9), InverseGaussian(0.25, 0.9), InverseGaussian(1.0, 1e6)):
        levels = np.array([1e-300, 1e-16, 1e-3, 0.5, 0.999])
        found = distribution.to_scipy().logcdf(distribution.quantile(levels))
        # Relative to the logarithm; x itself is rounded.
        np.testing.assert_allclose(found, np.log(levels), rtol=1e-8)


def test_a_uniform_background_narrows_to_its_rows():
    random = np.random.default_rng(6)
    x = np.concatenate([random.normal(0.0, 0.1, 2000), random.uniform(-5.0, 5.0, 1000)])
    model = GeneralMixtureModel([Normal(), Uniform()], random_state=0, tol=1e-10, max_iter=1000).fit(x)
    noise = next(component for component in model.components_ if isinstance(component, Uniform))
    assert (noise.low, noise.high) == (x.min(), x.max())
    assert model.weights_[model.components_.index(noise)] == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize("component", [Pareto(), Uniform(), Frozen(Uniform(-50.0, None), "low")], ids=repr)
def test_a_start_from_a_sample_holds_every_row(component):
    """More rows than the initialiser looks at: the outermost ones are not in its sample."""
    x = np.concatenate([draws(Pareto(3.0, 1.0), n=10_000), draws(Pareto(9.0, 4.0), n=10_000), [100.0]])
    for components in ([component, component], [component, Gamma()]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two Uniforms stay the same
            model = GeneralMixtureModel(components, random_state=0, max_iter=5).fit(x)
        assert np.isfinite(model.history_).all()
        assert np.diff(model.history_).min() > -1e-12


def test_ends_that_are_held_must_leave_every_row_possible():
    assert Frozen(Uniform(0.0, None), "low").fit([1.0, 2.0]) == Frozen(Uniform(0.0, 2.0), "low")
    for distribution in (Frozen(Uniform(1.5, None), "low"), Frozen(Pareto(None, 1.5), "scale")):
        with pytest.raises(FitError):
            distribution.fit([1.0, 2.0, 3.0])


def test_a_pareto_of_many_chunks_finds_the_smallest_row():
    x = draws(Pareto(3.0, 2.0), n=30_000)
    fitted = Pareto().fit(x)
    assert fitted.scale == x.min()
    assert fitted.shape == pytest.approx(1 / np.log(x / x.min()).mean(), rel=1e-12)


@pytest.mark.parametrize("family", [Weibull, Gamma, InverseGamma, InverseGaussian, Pareto, Beta, Uniform])
def test_hardly_any_weight_and_one_row_with_all_of_it(family):
    x = np.array([0.2, 0.35, 0.4, 0.7])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)
        same, light = family().fit(x), family().fit(x, sample_weight=np.full(4, 1e-300))
        single = family().fit(x, sample_weight=[1e-300, 1.0, 0.0, 1e-300])
    for name in same.parameters:
        assert getattr(light, name) == pytest.approx(getattr(same, name), rel=1e-7)
        assert np.isfinite(getattr(single, name))
