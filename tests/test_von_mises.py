"""VonMises at its extremes, and the special functions under it."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from mixtures import GeneralMixtureModel
from mixtures._numba import jit
from mixtures.distributions import VonMises
from mixtures.distributions import von_mises as module
from mixtures.engine.special import (
    LARGEST_ANGLE,
    bessel_ratio_gap,
    cos_quarter,
    log_scaled_bessel_i0,
    reduced_angle,
    sin_quarter,
)
from mixtures.exceptions import DegenerateWarning


@jit
def each(function, x):
    out = np.empty(x.size)
    for i in range(x.size):
        out[i] = function(x[i])
    return out


@jit
def reduced(x):
    out = np.empty((2, x.size))
    for i in range(x.size):
        out[0, i], out[1, i] = reduced_angle(x[i])
    return out


def test_angles_are_reduced_exactly_up_to_a_million_periods():
    random = np.random.default_rng(0)
    x = np.concatenate([random.uniform(-1, 1, 500) * LARGEST_ANGLE, random.uniform(-7, 7, 500), 2 * np.pi * np.arange(1, 1000)])
    angle, rest = reduced(x)
    assert abs(angle).max() <= np.pi * (1 + 1e-9)
    with mpmath.workdps(60):
        period = 2 * mpmath.pi
        for value, high, low in zip(x.tolist(), angle.tolist(), rest.tolist(), strict=True):
            exact = mpmath.mpf(value) - period * mpmath.nint(mpmath.mpf(value) / period)
            error = abs(mpmath.mpf(high) + mpmath.mpf(low) - exact)
            assert min(error, abs(error - period)) < 1e-29


def test_special_functions():
    x = np.concatenate([np.linspace(-np.pi / 2, np.pi / 2, 501), 10.0 ** -np.arange(1, 300, 7)])
    x = x[x != 0.0]
    k = np.concatenate([10.0 ** np.arange(-10.0, 12.0), np.linspace(0.1, 60, 200), [8.0, 31.9999, 32.0]])
    with mpmath.workdps(60):
        exact = [mpmath.sin(mpmath.mpf(v)) for v in x]
        assert max(abs((f - e) / e) for f, e in zip(each(sin_quarter, x), exact, strict=True)) < 4e-16
        assert max(abs(f - mpmath.cos(mpmath.mpf(v))) for f, v in zip(each(cos_quarter, x), x, strict=True)) < 3e-16
        ratios = [1 - mpmath.besseli(1, mpmath.mpf(v)) / mpmath.besseli(0, mpmath.mpf(v)) for v in k]
        assert max(abs((f - e) / e) for f, e in zip(each(bessel_ratio_gap, k), ratios, strict=True)) < 2e-14
        scaled = [mpmath.log(mpmath.besseli(0, mpmath.mpf(v))) - mpmath.mpf(v) for v in k]
        assert max(abs((f - e) / e) for f, e in zip(each(log_scaled_bessel_i0, k), scaled, strict=True)) < 1e-14


@pytest.mark.parametrize("concentration", [1e-6, 0.1, 1.0, 8.0, 31.0, 33.0, 1e3, 1e6, 1e12, 1e25])
def test_the_concentration_of_a_mean_length_is_found(concentration):
    gap = bessel_ratio_gap(concentration)
    # The length itself, 1 - gap, is right to a rounding error of 1.
    assert module.concentration_of(gap) == pytest.approx(concentration, rel=3e-14 + 5e-16 / concentration)


@pytest.mark.parametrize("location", [0.0, 3.1415, -3.0, 1.0])
@pytest.mark.parametrize("concentration", [1e-6, 1e6, 1e14])
def test_fits_to_both_extremes(location, concentration):
    x = VonMises(location, concentration).sample(1000, 0)[:, 0]
    fitted = VonMises().fit(x)
    if concentration < 1:
        assert 0 <= fitted.concentration < 0.2
        return
    gap = np.remainder(x - location + np.pi, 2 * np.pi) - np.pi
    # That concentrated, the law is a Normal; its spread against the rounding of angles of about 3 is 1e-9 at worst here.
    assert fitted.concentration == pytest.approx(1 / gap.var(), rel=1e-5)
    turn = np.remainder(fitted.location - location + np.pi, 2 * np.pi) - np.pi
    assert turn == pytest.approx(gap.mean(), abs=1e-3 * gap.std() + 1e-15)


@pytest.mark.parametrize("held", range(4))
@pytest.mark.parametrize("start", [(0.5, 2.0), (-2.9, 2e4)])
def test_the_rest_is_at_its_maximum_given_held_parameters(held, start):
    x = VonMises(0.8, 3.0).sample(300, 1)[:, 0]
    centre = 0.0 if start[1] <= module.SPREAD_OUT else start[0]
    parameters = np.array([[start[0], 0.0, start[1], float(held), 1e25, centre, 0.0]])
    for _ in range(3):
        statistics = np.array([[300.0, 0.0, 0.0]])
        module._accumulate(parameters, x[None], np.ones((1, 300)), statistics)
        module._maximize(statistics, parameters)
    found = parameters[0, [0, 2]]
    free = [i for i in range(2) if not held >> i & 1]
    assert np.array_equal(np.delete(found, free), np.delete(start, free))

    def loss(point):
        values = np.array(start)
        values[free] = point
        return -VonMises(*values).log_prob(x).mean() if values[1] >= 0 else 1e9

    if free:
        best = minimize(loss, np.array([0.8, 3.0])[free], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
        assert loss(found[free]) <= best.fun + 1e-12


def test_angles_that_agree_are_said_to():
    with pytest.warns(DegenerateWarning, match="column 0"):
        fitted = VonMises().fit(np.full(20, 2.5))
    assert fitted.location == pytest.approx(2.5, rel=1e-15)
    assert 1e25 < fitted.concentration < 1e30


def test_periods_do_not_matter():
    x = np.concatenate([VonMises(3.0, 9.0).sample(300, 2)[:, 0], VonMises(-1.0, 40.0).sample(200, 3)[:, 0]])
    turned = x + 2 * np.pi * np.random.default_rng(4).integers(-1000, 1000, x.size)
    start = [VonMises(2.0, 2.0), VonMises(0.0, 2.0)]
    plain, other = (GeneralMixtureModel(start, tol=0, max_iter=50).fit(y) for y in (x, turned))
    for a, b in zip(plain.components_, other.components_, strict=True):
        assert a.location == pytest.approx(b.location, abs=1e-9)
        assert a.concentration == pytest.approx(b.concentration, rel=1e-8)


def test_infinite_cells_are_impossible():
    assert VonMises(0.0, 1.0).log_prob([np.inf, -np.inf]).tolist() == [-np.inf] * 2
