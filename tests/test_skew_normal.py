"""SkewNormal: what its bounds stand on, the number of its steps from near and far, its ends, shapes of the wrong sign."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from mixtures.distributions import HalfNormal, LocationScale, Normal, SkewNormal
from mixtures.distributions import skew_normal as module
from mixtures.engine import skew
from mixtures.engine.plan import UNSETTLED
from mixtures.exceptions import DegenerateWarning


def taylor(y, order):
    """Taylor's coefficients of log Phi at y, by h' = -h (h + y), h the slope."""
    with mpmath.workdps(90):
        y = mpmath.mpf(y)
        phi = mpmath.erfc(-y / mpmath.sqrt(2)) / 2
        h = [mpmath.npdf(y) / phi]
        for n in range(order - 1):
            product = sum(h[i] * h[n - i] for i in range(n + 1))
            h.append(-(product + y * h[n] + (h[n - 1] if n else 0)) / (n + 1))
        return [float(mpmath.log(phi))] + [float(value / (i + 1)) for i, value in enumerate(h)]


def test_what_the_bounds_stand_on():
    y = np.arange(-20.0, 12.0, 0.01)
    coefficients = np.array([taylor(value, 8) for value in y])
    fourth = 24 * coefficients[:, 4]
    least = -module.DEEPEST * np.exp(-0.5 * np.maximum(y - module.PEAK, 0.0) ** 2)
    assert np.all(fourth > least), y[fourth <= least]
    assert np.all(fourth[y < 1.0] > 0.0)
    assert coefficients[:, 8].min() > skew.SERIES[8]
    np.testing.assert_allclose(skew.SERIES[:8], taylor(0.0, 8)[:8], rtol=1e-14)
    # The quartic with m is below log Phi wherever it is claimed to be.
    for at in (-9.0, -2.0, 0.0, 0.7, 1.5, 3.0, 6.0):
        for room in (0.1, 0.5, 2.0, 8.0):
            e = np.linspace(-room, room, 101)
            m = module.DEEPEST * np.exp(-0.5 * max(at - room - module.PEAK, 0.0) ** 2) if at + room > 1.0 else 0.0
            own = taylor(at, 4)
            bound = own[0] + own[1] * e + own[2] * e**2 + own[3] * e**3 - m * e**4 / 24
            exact = np.array([taylor(at + step, 1)[0] for step in e])
            assert np.all(bound <= exact + 1e-12 * (1 + abs(exact)))


def climb(x, start, mask=0.0, weights=None):
    """The family's own steps on rows x, with the parameters of `mask` held: packed parameters, likelihoods."""
    weights = np.ones(len(x)) if weights is None else weights
    parameters = np.zeros((1, module.SIZE))
    parameters[0, :4] = *start, mask
    parameters[0, module.FLOOR], parameters[0, module.REACH] = 1e-300, module.MOST_REACH
    module._prepare(parameters)
    likelihoods = []
    while len(likelihoods) < 300:
        out, statistics = np.zeros((1, len(x))), np.zeros((1, 1 + module.SUMS))
        module._log_prob(parameters, x[None], out)
        likelihoods.append(weights @ out[0] / weights.sum())
        statistics[0, 0] = weights.sum()
        module._accumulate(parameters, x[None], weights[None], statistics)
        outcome = module._maximize(statistics, parameters)
        module._prepare(parameters)
        if not outcome & UNSETTLED:
            break
    return parameters[0, :3], np.array(likelihoods)


SAMPLES = {
    "normal": (lambda random: random.normal(size=5000), 10),
    "normal, many": (lambda random: random.normal(size=200_000), 10),
    "normal, few": (lambda random: random.normal(size=200), 12),
    "uniform": (lambda random: random.uniform(size=1000), 12),
    "heavy tails": (lambda random: random.standard_t(4.0, size=1000), 15),
    "little skewed": (lambda random: SkewNormal(0, 1, 0.5).sample(5000, random)[:, 0], 10),
    "skewed": (lambda random: SkewNormal(0, 1, 3).sample(2000, random)[:, 0], 15),
    "with an outlier": (lambda random: np.append(SkewNormal(0, 1, 3).sample(500, random)[:, 0], -30.0), 20),
    "all but half a bell": (lambda random: SkewNormal(0, 1, 50).sample(2000, random)[:, 0], 40),
    "half a bell": (lambda random: np.abs(random.normal(size=40)), 60),
    "exponential": (lambda random: random.exponential(size=300), 60),
}
STARTS = {
    "middle": (0.5, 3.0, 0.0),
    "wrong sign": (0.0, 1.0, -1000.0),
    "too skewed": (0.0, 1.0, 1000.0),
    "far": (20.0, 0.1, -3.0),
    "wide": (-5.0, 1000.0, 1.0),
    "saddle": (0.0, 1.0, 1e-4),
}


@pytest.mark.parametrize("words", SAMPLES)
def test_steps_are_few_never_fall_and_end_at_one_maximum(words):
    sample, most = SAMPLES[words]
    x = sample(np.random.default_rng(1))
    centred = (x - x.mean()) / x.std()
    ends = []
    for start in STARTS.values():
        found, likelihoods = climb(centred, start)
        assert len(likelihoods) <= most, start
        assert np.diff(likelihoods).min(initial=0.0) > -1e-13 * (1 + abs(likelihoods).max())
        ends.append(likelihoods[-1])
    assert np.ptp(ends) < 1e-13

    def loss(point):
        return -SkewNormal(point[0], np.exp(point[1]), np.clip(point[2], -1e3, 1e3)).log_prob(centred).mean()

    best = min(
        minimize(loss, [found[0] + shift, np.log(found[1]), found[2] * (1 + shift)], method="Nelder-Mead").fun
        for shift in (0.0, 0.03, -0.1)
    )
    assert -best < ends[0] + 1e-12


@pytest.mark.parametrize("mask", range(8))
@pytest.mark.parametrize("start", [(0.5, 2.0, 0.0), (1.5, 0.7, -3.0)])
def test_held_parameters_stay_and_the_likelihood_never_falls(mask, start):
    random = np.random.default_rng(2)
    x, weights = SkewNormal(0.0, 1.0, 3.0).sample(400, random)[:, 0], random.uniform(0.0, 3.0, 400)
    found, likelihoods = climb(x, start, float(mask), weights)
    free = [i for i in range(3) if not mask >> i & 1]
    assert np.array_equal(np.delete(found, free), np.delete(start, free))
    assert np.diff(likelihoods).min(initial=0.0) > -1e-13
    assert len(likelihoods) < 60


def test_shape_0_with_the_scale_held_is_left():
    x = np.random.default_rng(3).normal(size=500)
    found, likelihoods = climb(x, (0.0, 3.0, 0.0), mask=2.0)
    assert abs(found[2]) > 0.5
    assert likelihoods[-1] > likelihoods[0] + 0.01


def test_half_a_bell_is_named():
    x = np.abs(np.random.default_rng(4).normal(size=500))
    with pytest.warns(DegenerateWarning, match="SkewNormal on column 0: the shape is at the end .*use HalfNormal"):
        fitted = SkewNormal().fit(x)
    assert fitted.shape == 1000.0
    half = LocationScale(HalfNormal(), x.min() * (1 - 1e-9)).fit(x)
    assert fitted.log_prob(x).mean() == pytest.approx(half.log_prob(x).mean(), abs=0.02)
    assert fitted.log_prob(x).mean() > Normal().fit(x).log_prob(x).mean()
