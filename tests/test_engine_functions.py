"""Modified Bessel functions of any order, and sums of rising factorials, against mpmath at 60 digits."""

import mpmath
import numpy as np
import pytest

from mixtures.engine.bessel import bessel_i_ratio, inverse_bessel_i_ratio, log_bessel_i, log_bessel_i_reduced
from mixtures.engine.rising_sums import add_counts, add_grouped, evaluate, group_counts, sums_for, tabulate

ORDERS = [0.0, 0.5, 1.0, 1.5, 3.5, 19.5, 39.0, 40.0, 50.0, 499.0]
ARGUMENTS = [1e-300, 1e-8, 0.5, 3.0, 20.0, 39.9, 40.0, 59.0, 60.1, 300.0, 1999.0, 1e4, 1e6, 1e9]


@pytest.fixture(autouse=True)
def _sixty_digits():
    with mpmath.workdps(60):
        yield


def scaled(order, x):
    """I(x) exp(-x), by the series for large arguments (Abramowitz & Stegun 9.7.1) where that is exact to many digits."""
    x = mpmath.mpf(x)
    if x > 1000 and x > 4 * order**2:
        return mpmath.hyp2f0(0.5 - order, 0.5 + order, 1 / (2 * x)) / mpmath.sqrt(2 * mpmath.pi * x)
    return mpmath.besseli(order, x) * mpmath.exp(-x)


@pytest.mark.parametrize("order", ORDERS)
def test_logarithms_of_bessel_functions(order):
    for x in ARGUMENTS:
        exact = mpmath.log(scaled(order, x)) - order * mpmath.log(mpmath.mpf(x))
        grown = order * abs(np.log(order + x))
        assert abs(log_bessel_i_reduced(order, x) - exact) < 3e-15 * (1 + grown)
        whole = exact + order * mpmath.log(mpmath.mpf(x)) + x
        assert abs(log_bessel_i(order, x) - whole) < 3e-15 * max(1, x, grown, abs(whole))
    at_zero = -order * mpmath.log(2) - mpmath.loggamma(order + 1)
    assert abs(log_bessel_i_reduced(order, 0.0) - at_zero) < 3e-15 * (1 + abs(at_zero))


@pytest.mark.parametrize("order", ORDERS)
def test_ratios_of_bessel_functions_and_their_inverse(order):
    for x in ARGUMENTS:
        exact = scaled(order + 1, x) / scaled(order, x)
        ratio, rest = bessel_i_ratio(order, x)
        assert abs(ratio - exact) < 1e-13 * exact
        assert abs(rest - (1 - exact)) < 1e-13 * (1 - exact)
        assert inverse_bessel_i_ratio(order, float(exact), float(1 - exact)) == pytest.approx(x, rel=1e-12)
    assert inverse_bessel_i_ratio(order, 0.0, 1.0) == 0.0
    for rest in (1e-10, 1e-20, 1e-28):  # far out 1 - ratio = (2 order + 1) / 2 x
        assert inverse_bessel_i_ratio(order, 1.0, rest) == pytest.approx((order + 0.5) / rest, rel=1e-6)


@pytest.mark.parametrize("largest", [5, 63, 64, 1000, 10**7, 2**53])
@pytest.mark.parametrize("a", [1e-8, 0.3, 7.0, 1e4, 1e9])
def test_sums_of_rising_factorials_from_statistics_that_do_not_depend_on_a(largest, a):
    random = np.random.default_rng(0)
    counts = np.floor(np.exp(random.uniform(0, np.log(largest + 1.0), 60)))
    counts = np.minimum(np.append(counts, [0.0, largest]), largest)
    weights = random.uniform(0, 2, counts.size)
    sums, table = np.zeros(sums_for(float(largest))), np.zeros(sums_for(float(largest)))
    add_counts(weights, counts, sums)
    total, first = tabulate(sums, table)
    assert total == pytest.approx(weights.sum(), rel=1e-12)
    assert first == pytest.approx(weights @ counts, rel=1e-12)
    value, slope, curvature = evaluate(a, 3.0 * a, table, True)
    pairs = [(mpmath.mpf(w), mpmath.mpf(x)) for w, x in zip(weights, counts, strict=True)]
    at = mpmath.mpf(a)
    exact = sum(w * (mpmath.loggamma(at + x) - mpmath.loggamma(at) - x * mpmath.log(3 * at)) for w, x in pairs)
    size = sum(w * x * (1 + abs(mpmath.log((at + x) / (3 * at)))) for w, x in pairs)
    assert abs(value - exact) < 2e-14 * size
    exact = sum(w * (mpmath.digamma(at + x) - mpmath.digamma(at)) for w, x in pairs)
    assert abs(slope - exact) < 2e-14 * exact
    exact = sum(w * (mpmath.polygamma(1, at + x) - mpmath.polygamma(1, at)) for w, x in pairs)
    assert abs(curvature - exact) < 1e-11 * abs(exact)


def test_counts_added_in_groups_are_added_alike():
    random = np.random.default_rng(3)
    counts = np.concatenate([random.integers(0, 200, 300), random.integers(0, 10**7, 100), [63, 64, 2**53 - 1]]).astype(float)
    share = random.uniform(size=counts.size)
    one, other = np.zeros(sums_for(counts.max())), np.zeros(sums_for(counts.max()))
    add_counts(share, counts, one)
    with_none = np.concatenate([counts, [-1.0]])
    order, ends, polynomials = group_counts(with_none)
    shares = np.concatenate([share, [1.0]])
    add_grouped(shares[order.astype(int)], with_none, order, ends, polynomials, other)
    np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12)
