"""StudentT at its extremes: both ends of df, clusters far from zero, some parameters held, the number of steps."""

import numpy as np
import pytest
import scipy.stats
from scipy.optimize import minimize

from mixtures import GeneralMixtureModel
from mixtures.distributions import StudentT
from mixtures.distributions import student_t as module
from mixtures.engine.plan import UNSETTLED
from mixtures.exceptions import DegenerateWarning


def climb(x, start, mask=0.0, weights=None):
    """The family's own steps on rows x, with the parameters of `mask` held: packed parameters, likelihoods, number of steps."""
    weights = np.ones(len(x)) if weights is None else weights
    parameters = np.array([[*start, mask, 1e-300, 0.0, 0.0, 0.0]])
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
    return parameters[0, :3], likelihoods, len(likelihoods)


@pytest.mark.parametrize("df", [0.5, 1.0, 3.0, 30.0, 1000.0, 1e6])
@pytest.mark.parametrize("start", [(4.0, 0.5, 2.0), (1e8, -3.0, 0.1), (0.1, 10.0, 1e-3), (2.0, 0.0, 1e5)])
def test_steps_are_few_and_never_fall(df, start):
    x = np.random.default_rng(int(df * 10)).standard_t(df, 2000)
    found, likelihoods, steps = climb(x, start)
    assert steps < 40
    assert np.diff(likelihoods).min(initial=0.0) > -1e-13 * (1 + abs(likelihoods[-1]))
    own = scipy.stats.t(*found).logpdf(x).mean()
    for factor in (0.999, 1.001):  # no neighbour is better
        for i in range(3):
            other = found.copy()
            other[i] = found[i] * factor if i != 1 else found[1] + (factor - 1) * found[2]
            assert scipy.stats.t(*other).logpdf(x).mean() <= own + 1e-13 or (i == 0 and found[0] == 1e10)


def test_df_of_what_is_no_heavier_than_a_normal_goes_to_its_end():
    x = np.random.default_rng(0).uniform(size=500)
    with pytest.warns(DegenerateWarning, match="StudentT on column 0: .*use Normal"):
        fitted = StudentT().fit(x)
    assert fitted.df == 1e10
    assert fitted.location == pytest.approx(x.mean(), rel=1e-8)
    assert fitted.scale == pytest.approx(x.std(), rel=1e-8)


@pytest.mark.parametrize("mask", range(8))
def test_the_rest_is_at_its_maximum_given_held_parameters(mask):
    random = np.random.default_rng(1)
    x, weights = 3.0 + 2.0 * random.standard_t(3.0, 400), random.uniform(0.0, 3.0, 400)
    start = np.array([5.0, 2.0, 3.0])
    found, likelihoods, _ = climb(x, start, float(mask), weights)
    free = [i for i in range(3) if not mask >> i & 1]
    assert np.array_equal(np.delete(found, free), np.delete(start, free))
    assert np.diff(likelihoods).min(initial=0.0) > -1e-13

    def loss(point):
        values = start.copy()
        values[free] = point
        if min(values[0], values[2]) <= 0:
            return 1e9
        return -(weights @ scipy.stats.t(*values).logpdf(x)) / weights.sum()

    if free:
        best = minimize(loss, start[free], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 4000})
        np.testing.assert_allclose(found[free], best.x, rtol=1e-5)
        assert loss(found[free]) <= best.fun + 1e-13


@pytest.mark.parametrize(("offset", "unit"), [(1e9, 1.0), (-1e9, 1.0), (0.0, 1e-300), (0.0, 1e300 / 100)])
def test_two_clusters_are_found_whatever_the_offset_and_the_scale(offset, unit):
    random = np.random.default_rng(2)
    z = np.concatenate([random.standard_t(4.0, 600) - 10, random.standard_t(4.0, 400) + 10])
    models = [GeneralMixtureModel(StudentT(), 2, random_state=0, tol=1e-12, max_iter=500).fit(y) for y in (z, offset + unit * z)]
    near, far = (sorted(model.components_, key=lambda component: component.location) for model in models)
    for right, found in zip(near, far, strict=True):
        assert found.df == pytest.approx(right.df, rel=1e-4)
        assert (found.location - offset) / unit == pytest.approx(right.location, abs=1e-5)
        assert found.scale / unit == pytest.approx(right.scale, rel=1e-5)


def test_weights_next_to_nothing_and_one_heavy_row_leave_everything_finite():
    x = np.random.default_rng(3).standard_t(3.0, 50)
    for weights in (np.full(50, 1e-300), np.concatenate([[1.0], np.full(49, 1e-300)])):
        found, *_ = climb(x, (3.0, 0.0, 1.0), 0.0, weights)
        assert np.isfinite(found).all()
