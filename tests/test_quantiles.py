"""Quantiles where scipy's search ends at an infinity, often the wrong one."""

import mpmath
import numpy as np
import pytest
import scipy.stats

from mixtures.distributions import Normal, Poisson, ScipyDistribution, StudentT
from mixtures.quantiles import without_wrong_ends


@pytest.mark.parametrize("df", [1.0, 3.0, 7.5])
@pytest.mark.parametrize("level", [1e-300, 1e-250, 1e-100])
def test_far_quantiles_of_student_t_are_those_of_its_tail(df, level):
    with mpmath.workdps(40):
        # Of the density c (1 + x^2 / v)^(-(v + 1) / 2) the first term of the tail is all that a float64 sees here.
        v, q = mpmath.mpf(df), mpmath.mpf(level)
        constant = mpmath.gamma((v + 1) / 2) / (mpmath.sqrt(v * mpmath.pi) * mpmath.gamma(v / 2)) * v ** ((v + 1) / 2)
        expected = float(1 - 2 * (constant / (v * q)) ** (1 / v))
    assert StudentT(df, 1, 2).quantile(level) == pytest.approx(expected, rel=1e-10)
    found = ScipyDistribution(scipy.stats.t, df=df, loc=1, scale=2).quantile([level, 0.5])
    np.testing.assert_allclose(found, [expected, 1.0], rtol=1e-10)


def test_levels_of_any_shape_keep_it_and_ends_stay_ends():
    found = StudentT(3, 1, 2).quantile([[0.0, 1e-300], [0.5, 1.0]])
    assert found.shape == (2, 2)
    assert found.ravel()[[0, 2, 3]].tolist() == [-np.inf, 1.0, np.inf]
    assert np.isfinite(found[0, 1])
    assert np.isnan(StudentT(3, 1, 2).quantile(np.nan))
    assert np.isnan(Normal(0, 1).quantile(1.5))


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize(
    ("distribution", "level", "expected"),
    [
        (Normal(0, 1), 1e-10, -6.361340902404056),
        (Normal(-3, 2), 0.75, -1.651020499607837),
        (Poisson(3.0), 0.5, 3.0),
        (Normal(0, 1), 0.5, 0.0),
    ],
)
def test_any_wrong_end_is_sought_anew(distribution, level, expected, wrong):
    assert without_wrong_ends(distribution, level, wrong) == pytest.approx(expected, rel=1e-14, abs=1e-15)


class Heavy:
    """A distribution whose tails fall as the fourth root of one over x."""

    def _tails(self):
        tail = lambda x: np.log(0.5) - 0.25 * np.log1p(np.abs(x))  # noqa: E731
        inner = lambda x: np.log1p(-np.exp(tail(x)))  # noqa: E731
        return (lambda x: np.where(x < 0, tail(x), inner(x))), (lambda x: np.where(x < 0, inner(x), tail(x))), None


def test_what_lies_beyond_every_float_is_the_infinity_of_its_side():
    found = without_wrong_ends(Heavy(), [1e-200, 1e-20, 1.0 - 2.0**-52], [np.inf, np.inf, np.nan])
    assert found[0] == -np.inf
    assert found[1] == pytest.approx(-0.0625 * 1e80, rel=1e-12)
    assert found[2] == pytest.approx(0.0625 * 2.0**208, rel=1e-12)
