"""Log-densities against mpmath at 50 digits and against scipy, tails and extreme parameters included.

Relative error 1e-13, and where a log-density is the sum of terms of opposite signs, relative to their sizes: near the root of
log f the terms cancel, each of them rounded once, and no formula in float64 keeps more. For Normal, whose logarithm and square
have one sign except for narrow densities near their mean, and Exponential the terms are named in `terms`; Poisson, Bernoulli
and Categorical have none: there the bound is plainly relative.
"""

import itertools

import mpmath
import numpy as np
import pytest
import scipy.stats

from mixtures.distributions import Bernoulli, Categorical, Exponential, Normal, Poisson

TOLERANCE = 1e-13


@pytest.fixture(autouse=True)
def _many_digits():
    with mpmath.workdps(80):  # counts of 1e12 spend 14 digits on terms that cancel; 50 and more are left
        yield


def normal(x, mean, std):
    x, mean, std = map(mpmath.mpf, (x, mean, std))
    square, logarithm = ((x - mean) / std) ** 2 / 2, mpmath.log(std) + mpmath.log(2 * mpmath.pi) / 2
    return -square - logarithm, square + abs(mpmath.log(std)) + 1


def exponential(x, rate):
    x, rate = map(mpmath.mpf, (x, rate))
    return mpmath.log(rate) - rate * x, abs(mpmath.log(rate)) + rate * x


def poisson(x, rate):
    x, rate = map(mpmath.mpf, (x, rate))
    value = x * mpmath.log(rate) - rate - mpmath.loggamma(x + 1)
    return value, abs(value)


def check(found, pairs):
    """Every value within TOLERANCE of the exact one, relative to the size of the terms that it is made of."""
    errors = [float(abs(mpmath.mpf(float(f)) - exact) / (size or 1)) for f, (exact, size) in zip(found, pairs, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] < TOLERANCE, f"value {worst}: found {found[worst]}, expected {pairs[worst]}: error {errors[worst]}"


OFFSETS = [0.0, 1.0, -1e-3, 1e9, -1e9, 1e150, 1e300]
STEPS = [0.0, 1e-300, 1e-8, 0.1, 1.0, -3.0, 38.5, -1e3, 1e8, -1e100]


STDS = [1e-300, 1e-170, 1e-150, 1e-10, 0.3, 1.0, 1e3, 1e9, 1e150, 1e300]
NORMALS = [(mean, std) for mean in OFFSETS for std in STDS if abs(mean) / 1e302 < std]  # the quotient is a float64


@pytest.mark.parametrize(("mean", "std"), NORMALS)
def test_normal_agrees_with_mpmath(mean, std):
    with np.errstate(over="ignore"):
        x = mean + std * np.array(STEPS)
        # The square stays in range, and so does the largest value over std, which decides how the column is scaled.
        x = x[np.isfinite(x) & (np.abs(x - mean) < 1e150 * std) & (np.abs(x) / std < 1e302)]
    far = min(1e302 * std, 1e302)
    expected = [normal(v, mean, std) for v in x]
    for company in (x, np.append(x, far)):  # a column's largest value sets its unit: the others must not notice
        check(Normal(mean, std).log_prob(company)[: len(x)], expected)
    for value, pair in zip(x, expected, strict=True):
        check(Normal(mean, std).log_prob([value]), [pair])


def test_normal_is_impossible_only_where_float64_ends():
    assert Normal(0.0, 1e-200).log_prob([1.0, -1e200, np.inf, -np.inf]).tolist() == [-np.inf] * 4
    assert np.isfinite(Normal(0.0, 1e-150).log_prob([1.0])).all()


@pytest.mark.parametrize("rate", [1e-300, 1e-150, 1e-9, 0.5, 1.0, np.e, 1e9, 1e150, 1e300])
def test_exponential_agrees_with_mpmath(rate):
    x = np.array([0.0, 1e-300, 1e-12, 0.1, 1.0, 2.0, 40.0, 1e3, 1e8]) / rate
    x = x[np.isfinite(x)]
    for values in [x, *x[:, None]]:
        check(Exponential(rate).log_prob(values), [exponential(v, rate) for v in values])


def test_exponential_at_the_edge_and_beyond_the_range():
    assert Exponential(1e-3).log_prob([0.0, -0.0]).tolist() == [np.log(1e-3)] * 2
    assert Exponential(2.0).log_prob([-5e-324, -1.0, np.inf]).tolist() == [-np.inf] * 3
    assert Exponential(1e300).log_prob([1e10]).tolist() == [-np.inf]


COUNTS = [0, 1, 2, 3, 7, 15, 16, 17, 100, 255, 256, 257, 1000, 12345, 10**6, 10**9, 10**12, 10**12 + 1]
RATES = [1e-300, 1e-10, 1e-3, 0.1, 1.0, 2.5, 15.9, 16.0, 100.0, 256.5, 1e4, 1e6, 1e9, 999999999999.5, 1e12]


@pytest.mark.parametrize("rate", RATES)
def test_poisson_agrees_with_mpmath(rate):
    near = [int(rate) + step for step in (-1, 0, 1)] + [int(rate + k * np.sqrt(rate)) for k in (-5, -1, 1, 5, 40)]
    x = np.array(sorted({*COUNTS, *(value for value in near if value >= 0)}), dtype=float)
    pairs = [poisson(v, rate) for v in x]
    check(Poisson(rate).log_prob(x), pairs)
    # Short columns are served from a table of log-masses, long ones by the formula: both are right.
    check(np.concatenate([Poisson(rate).log_prob([v]) for v in x]), pairs)
    many = np.tile(x[x < 200], 200)
    check(Poisson(rate).log_prob(many)[: (x < 200).sum()], [pair for v, pair in zip(x, pairs, strict=True) if v < 200])


def test_poisson_of_rate_zero_is_a_point_mass():
    assert Poisson(0.0).log_prob([0, 1, 300]).tolist() == [0.0, -np.inf, -np.inf]


@pytest.mark.parametrize("p", [0.0, 5e-324, 1e-300, 1e-16, 1e-9, 0.3, 0.5, 1 - 1e-9, 1 - 2**-53, 1.0])
def test_bernoulli_agrees_with_mpmath(p):
    zero, one = Bernoulli(p).log_prob([0, 1])
    with mpmath.workdps(400):  # 1 - 5e-324
        for found, exact in ((one, mpmath.mpf(p)), (zero, 1 - mpmath.mpf(p))):
            if exact == 0:
                assert found == -np.inf
            else:
                logarithm = mpmath.log(exact)
                check([found], [(logarithm, abs(logarithm))])


@pytest.mark.parametrize("first", [5e-324, 1e-300, 1e-16, 1e-3, 1 / 3, 0.5])
def test_categorical_agrees_with_mpmath(first):
    probabilities = (first, 0.25, 0.75 - first)
    found = Categorical(probabilities, ("a", "b", "c")).log_prob(["a", "b", "c"])
    logarithms = [mpmath.log(mpmath.mpf(p)) for p in probabilities]
    check(found, [(value, abs(value)) for value in logarithms])


def test_categorical_of_a_category_that_cannot_be():
    assert Categorical((0.0, 1.0), ("a", "b")).log_prob(["a", "b", "c"]).tolist() == [-np.inf, 0.0, -np.inf]


def families():
    """Distributions with points from the far tails inwards."""
    tails = 10.0 ** -np.array([250.0, 100, 16, 8, 3, 1])
    for mean, std in itertools.product([0.0, -40.0, 1e9], [1e-8, 1.0, 1e5]):
        yield Normal(mean, std), tails
    for rate in (1e-12, 0.7, 1e12):
        yield Exponential(rate), tails
    for rate in (1e-10, 0.5, 3.0, 100.0):  # beyond, scipy's own error passes the tolerance: mpmath judges there
        yield Poisson(rate), tails
    for p in (1e-300, 0.25, 1 - 2**-53):
        yield Bernoulli(p), tails


@pytest.mark.parametrize(("distribution", "tails"), [pytest.param(d, t, id=repr(d)) for d, t in families()])
def test_all_agree_with_scipy(distribution, tails):
    other = distribution.to_scipy()
    x = np.concatenate([other.ppf(tails), other.ppf(np.linspace(0.05, 0.95, 19)), other.isf(tails)])
    x = x[np.isfinite(x)]
    exact = (other.logpmf if hasattr(other.dist, "logpmf") else other.logpdf)(x)
    # scipy, too, adds terms that cancel: log std and the square for Normal, x log rate and log x! for Poisson.
    size = np.abs(x) * np.log(2 + np.abs(x))
    terms = {Normal: 40.0, Exponential: 60.0, Poisson: 2 * size + 60, Bernoulli: 0.0}[type(distribution)]
    np.testing.assert_array_less(np.abs(distribution.log_prob(x) - exact), TOLERANCE * (np.abs(exact) + terms) + 5e-324)


def test_categorical_agrees_with_scipy():
    probabilities = (1e-12, 0.3, 0.7 - 1e-12)
    other = scipy.stats.rv_discrete(values=(range(3), probabilities))
    np.testing.assert_allclose(Categorical(probabilities).log_prob([0, 1, 2]), other.logpmf([0, 1, 2]), rtol=TOLERANCE)
