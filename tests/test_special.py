"""The special functions of the kernels against mpmath at 50 digits, over the whole range that they promise."""

import mpmath
import numpy as np
import pytest

from mixtures._numba import jit
from mixtures.engine.special import (
    bessel_ratio,
    digamma,
    exp,
    exp_nonpositive,
    log,
    log_bessel_i0,
    log_gamma,
    log_normal,
    log_normal_cdf,
    log_one_plus,
    poisson_deviance,
    stirling_error,
    trigamma,
)

EPS = np.finfo(float).eps


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mpmath.workdps(50):
        yield


def largest_error(found, exact):
    """Largest relative error, in 50 digits."""
    errors = [abs((mpmath.mpf(float(f)) - e) / e) for f, e in zip(found, exact, strict=True)]
    return float(max(errors))


@jit
def each(function, x):
    """function of every element: in a loop, as kernels call it."""
    out = np.empty(x.size)
    for i in range(x.size):
        out[i] = function(x[i])
    return out


@jit
def each_pair(function, x, y):
    out = np.empty(x.size)
    for i in range(x.size):
        out[i] = function(x[i], y[i])
    return out


def over_magnitudes(low, high, n, seed=0):
    """n numbers whose logarithms are uniform, and the ends."""
    random = np.random.default_rng(seed)
    return np.concatenate([[low, high], 10.0 ** random.uniform(np.log10(low), np.log10(high), n)])


def test_exp_of_what_is_not_positive():
    x = -np.concatenate([[0.0], over_magnitudes(1e-18, 708.0, 4000), np.linspace(0, 3, 1000)])
    # Cody-Waite's reduction loses nothing, so the error is that of the polynomial and its last three roundings.
    assert largest_error(each(exp_nonpositive, x), [mpmath.exp(mpmath.mpf(v)) for v in x]) < 3e-16


def test_exp_is_zero_where_it_would_be_subnormal_and_keeps_nan():
    assert each(exp_nonpositive, np.array([-708.8, -745.0, -1e300, -np.inf])).tolist() == [0.0] * 4
    subnormal = each(exp_nonpositive, np.linspace(-709.2, -708.3, 1000))
    np.testing.assert_allclose(subnormal, np.exp(np.linspace(-709.2, -708.3, 1000)), rtol=0, atol=1.6e-308)
    assert np.isnan(exp_nonpositive(np.nan))
    assert exp_nonpositive(0.0) == 1.0


def test_exp_of_any_sign():
    x = np.concatenate([over_magnitudes(1e-18, 709.0, 2000), -over_magnitudes(1e-18, 708.0, 2000), [709.0]])
    assert largest_error(each(exp, x), [mpmath.exp(mpmath.mpf(v)) for v in x]) < 3e-16
    assert each(exp, np.array([709.1, 1e300, np.inf, -800.0, -np.inf, 0.0])).tolist() == [np.inf, np.inf, np.inf, 0.0, 0.0, 1.0]
    assert np.isnan(exp(np.nan))


@pytest.mark.parametrize("function", [log, log_normal], ids=["log", "log_normal"])
def test_log(function):
    random = np.random.default_rng(1)
    far = np.concatenate(
        [over_magnitudes(2.3e-308, 1.79e308, 4000), random.uniform(1.1, 4.0, 1000), random.uniform(0.2, 0.9, 1000)]
    )
    assert largest_error(each(function, far), [mpmath.log(mpmath.mpf(v)) for v in far]) < 3e-16
    # Next to its root, too: f = m - 1 is exact there.
    near = np.concatenate(
        [random.uniform(0.9, 1.1, 2000), 1 + over_magnitudes(1e-15, 0.1, 1000), 1 - over_magnitudes(1e-15, 0.1, 1000)]
    )
    near = near[near != 1.0]
    assert largest_error(each(function, near), [mpmath.log(mpmath.mpf(v)) for v in near]) < 3e-16


def test_log_of_subnormal_and_special_values():
    tiny = np.array([5e-324, 1e-320, 3.3e-310, 2.2250738585072009e-308])
    assert largest_error(each(log, tiny), [mpmath.log(mpmath.mpf(v)) for v in tiny]) < 3e-16
    assert log(1.0) == 0.0
    assert log(0.0) == log(-0.0) == -np.inf
    assert log(np.inf) == np.inf
    assert np.isnan(each(log, np.array([np.nan, -1.0, -np.inf, -5e-324]))).all()


def test_stirling_error():
    n = np.concatenate([np.arange(1.0, 2000.0), np.floor(over_magnitudes(2e3, 1e15, 1000))])

    def exact(v):
        v = mpmath.mpf(v)
        return mpmath.loggamma(v + 1) - ((v + 0.5) * mpmath.log(v) - v + mpmath.log(2 * mpmath.pi) / 2)

    with mpmath.workdps(80):  # log n! of 1e15 spends 17 digits on its integer part
        expected = [exact(v) for v in n]
    # Six terms at n = 16 leave 1e-15 of the value; log f takes in its absolute error, 1e-2 of which is 6e-18.
    found = each(stirling_error, n)
    assert largest_error(found, expected) < 4e-15
    assert max(abs(float(mpmath.mpf(float(f)) - e)) for f, e in zip(found, expected, strict=True)) < 2e-17


def test_poisson_deviance():
    random = np.random.default_rng(2)
    rate = over_magnitudes(1e-10, 1e12, 3000, seed=3)
    x = np.maximum(1.0, np.floor(rate * 10.0 ** np.concatenate([random.uniform(-6, 6, 1000), random.uniform(-0.1, 0.1, 2002)])))
    # Neighbours of the rate: the deviance is the square of a small difference there.
    rate = np.concatenate([rate, np.floor(rate[rate > 10]) + 0.5, x])
    x = np.concatenate([x, np.floor(rate[: len(x)][rate[: len(x)] > 10]), x])

    def exact(v, r):
        v, r = mpmath.mpf(v), mpmath.mpf(r)
        return v * mpmath.log(v / r) + r - v

    found, expected = each_pair(poisson_deviance, x, rate), [exact(v, r) for v, r in zip(x, rate, strict=True)]
    same = x == rate
    assert np.all(found[same] == 0)
    # The form for far rates subtracts terms up to fifty times the result at |v| = 0.1, where it takes over.
    errors = [f for f, s in zip(found, same, strict=True) if not s], [e for e, s in zip(expected, same, strict=True) if not s]
    assert largest_error(*errors) < 50 * EPS


def test_log_gamma():
    random = np.random.default_rng(4)
    x = np.concatenate([over_magnitudes(1e-300, 1e305, 1500), random.uniform(0, 20, 3000), [0.5, 1.5, 2.5, 8.0, 7.9999999999]])
    # The roots are no exception: both forms vanish there with the function.
    beside = np.concatenate([1 + over_magnitudes(1e-15, 0.2, 300), 2 - over_magnitudes(1e-15, 0.2, 300)])
    x = np.concatenate([x, beside[(beside != 1.0) & (beside != 2.0)]])
    assert largest_error(each(log_gamma, x), [mpmath.loggamma(mpmath.mpf(v)) for v in x]) < 2e-15
    assert log_gamma(1.0) == log_gamma(2.0) == 0.0
    assert log_gamma(0.0) == log_gamma(np.inf) == np.inf
    assert np.isnan(log_gamma(np.nan))


def test_digamma_and_trigamma():
    random = np.random.default_rng(5)
    x = np.concatenate([over_magnitudes(1e-150, 1e300, 1500), random.uniform(0, 20, 3000), [9.9999999999, 10.0]])
    far = x[abs(x - 1.4616321449683622) > 0.1]
    assert largest_error(each(digamma, far), [mpmath.psi(0, mpmath.mpf(v)) for v in far]) < 1e-14
    beside = random.uniform(1.36, 1.56, 500)
    difference = [abs(float(f - mpmath.psi(0, mpmath.mpf(v)))) for f, v in zip(each(digamma, beside), beside, strict=True)]
    assert max(difference) < 2e-15
    assert largest_error(each(trigamma, x), [mpmath.psi(1, mpmath.mpf(v)) for v in x]) < 2e-15


def test_bessel_functions():
    random = np.random.default_rng(6)
    x = np.concatenate([over_magnitudes(1e-6, 1e4, 800), random.uniform(0, 30, 1000), [8.0, 8.0000000001]])

    def log_i0(v):
        return mpmath.log(mpmath.besseli(0, mpmath.mpf(v)))

    assert largest_error(each(log_bessel_i0, x), [log_i0(v) for v in x]) < 2e-15
    ratios = [mpmath.besseli(1, mpmath.mpf(v)) / mpmath.besseli(0, mpmath.mpf(v)) for v in x]
    assert largest_error(each(bessel_ratio, x), ratios) < 2e-15
    assert log_bessel_i0(0.0) == bessel_ratio(0.0) == 0.0


def test_log_one_plus():
    random = np.random.default_rng(7)
    small = over_magnitudes(1e-300, 0.5, 1000)
    x = np.concatenate([small, -small, random.uniform(-0.9999, 5, 1000), over_magnitudes(1.0, 1e300, 500)])
    assert largest_error(each(log_one_plus, x), [mpmath.log1p(mpmath.mpf(v)) for v in x]) < 4e-16


def test_log_normal_cdf():
    def exact(v):
        with mpmath.workdps(500):
            return mpmath.log(mpmath.erfc(-mpmath.mpf(v) / mpmath.sqrt(2)) / 2)

    below = -np.concatenate([over_magnitudes(1e-10, 1e3, 1000), np.linspace(0, 8, 500)])
    assert largest_error(each(log_normal_cdf, below), [exact(v) for v in below]) < 2e-15
    above = np.linspace(1e-3, 30, 1000)
    found = each(log_normal_cdf, above)
    # Where Phi is all but 1 its logarithm is the tail, and x^2 / 2 = 450 takes its rounding into the exponent.
    assert largest_error(found, [exact(v) for v in above]) < 1e-13
    assert max(abs(float(f - exact(v))) for f, v in zip(found, above, strict=True)) < 3e-16
    assert log_normal_cdf(np.inf) == 0.0
    assert log_normal_cdf(-np.inf) == -np.inf
    assert np.isnan(log_normal_cdf(np.nan))
