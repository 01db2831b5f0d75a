"""MultivariateStudentT against mpmath, scipy and an optimiser; its steps, its ends, what it refuses."""

import warnings

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from mixtures import GeneralMixtureModel
from mixtures.distributions import Frozen, MultivariateNormal, MultivariateStudentT, StudentT
from mixtures.exceptions import ConvergenceWarning, DataError, DegenerateWarning, MixturesError, ParameterError


def example(df, d, seed=0):
    random = np.random.default_rng(seed)
    shape = random.normal(size=(d, d))
    return MultivariateStudentT(df, random.normal(size=d), shape @ shape.T + np.eye(d) / 10)


@pytest.mark.parametrize("df", [0.1, 0.5, 3.0, 15.0, 300.0, 1e6, 1e10])
@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_log_densities_agree_with_many_digits(df, d):
    distribution = example(df, d)
    factors = np.concatenate([[0.0], 10.0 ** np.arange(-3.0, 9.0)])
    rows = np.asarray(distribution.location) + factors[:, None] * np.random.default_rng(1).normal(size=(13, d))
    with mpmath.workdps(60):
        scale, n = mpmath.matrix(distribution.scale_matrix), mpmath.mpf(df)
        constant = mpmath.loggamma((n + d) / 2) - mpmath.loggamma(n / 2) - d * mpmath.log(n * mpmath.pi) / 2
        for row, found in zip(rows, distribution.log_prob(rows), strict=True):
            gap = mpmath.matrix([mpmath.mpf(x) - mpmath.mpf(m) for x, m in zip(row, distribution.location, strict=True)])
            form = (gap.T * mpmath.lu_solve(scale, gap))[0]
            exact = constant - mpmath.log(mpmath.det(scale)) / 2 - (n + d) / 2 * mpmath.log1p(form / n)
            assert abs(found - exact) < 1e-13 * (1 + abs(exact))


@pytest.mark.parametrize("df", [1.0, 3.0, 20.0])
def test_log_densities_agree_with_scipy_and_with_one_column(df):
    distribution = example(df, 3)
    rows = distribution.sample(200, 2)
    np.testing.assert_allclose(distribution.log_prob(rows), distribution.to_scipy().logpdf(rows), rtol=1e-12, atol=1e-12)
    one = MultivariateStudentT(df, [2.0], [[9.0]])
    np.testing.assert_allclose(one.log_prob(rows[:, :1]), StudentT(df, 2.0, 3.0).log_prob(rows[:, 0]), rtol=1e-13)


@pytest.mark.parametrize("df", [0.5, 3.0, 20.0])
def test_weighted_fits_are_maxima(df):
    rows, weights = example(df, 2).sample(300, 3), np.random.default_rng(4).uniform(0.0, 3.0, 300)
    fitted = MultivariateStudentT().fit(rows, weights)

    def loss(point):
        lower = np.array([[np.exp(point[3]), 0.0], [point[4], np.exp(point[5])]])
        other = MultivariateStudentT(np.exp(point[0]), point[1:3], lower @ lower.T)
        return -(weights @ other.log_prob(rows)) / weights.sum()

    lower = np.linalg.cholesky(fitted.scale_matrix)
    start = np.array([np.log(fitted.df), *fitted.location, np.log(lower[0, 0]), lower[1, 0], np.log(lower[1, 1])])
    best = minimize(loss, start, method="BFGS", options={"gtol": 1e-9})
    assert loss(start) <= best.fun + 1e-12
    # Central differences: 1e-5 squared times a third derivative.
    gradient = [(loss(start + h) - loss(start - h)) / 2e-5 for h in 1e-5 * np.eye(6)]
    assert np.abs(gradient).max() < 1e-7


def test_one_column_equals_student_t():
    rows = np.random.default_rng(5).standard_t(3.0, 500) + 4.0
    block, one = MultivariateStudentT().fit(rows[:, None]), StudentT().fit(rows)
    assert block.df == pytest.approx(one.df, rel=1e-6)
    assert block.location[0] == pytest.approx(one.location, rel=1e-8)
    assert block.scale_matrix[0][0] == pytest.approx(one.scale**2, rel=1e-7)


@pytest.mark.parametrize("d", [2, 5])
def test_rows_of_a_normal_give_a_normal(d):
    rows = np.random.default_rng(6).uniform(size=(1000, d))
    with pytest.warns(DegenerateWarning, match="MultivariateStudentT on column 0, .*use MultivariateNormal"):
        fitted = MultivariateStudentT().fit(rows)
    normal = MultivariateNormal().fit(rows)
    assert fitted.df == 1e10
    np.testing.assert_allclose(fitted.location, normal.mean, rtol=1e-8)
    np.testing.assert_allclose(fitted.scale_matrix, normal.covariance, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("held", [("df",), ("location",), ("scale_matrix",), ("df", "scale_matrix"), ("df", "location")])
def test_held_parameters_stay_and_the_likelihood_climbs(held):
    rows = example(3.0, 2).sample(300, 7)
    start = MultivariateStudentT(5.0, [0.5, 0.5], [[2.0, 0.3], [0.3, 1.0]])
    fitted = Frozen(start, *held).fit(rows)
    found = fitted.base
    for name in held:
        np.testing.assert_allclose(getattr(found, name), getattr(start, name), rtol=1e-12)
    best = found.log_prob(rows).mean()
    for factor in (0.999, 1.001):
        for name in {"df", "location", "scale_matrix"} - set(held):
            value = np.asarray(getattr(found, name))
            moved = value + (factor - 1) if name == "location" else value * factor
            assert found.replaced(**{name: moved}).log_prob(rows).mean() <= best + 1e-12


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_mixtures_climb_and_find_their_clusters(offset):
    rows = np.concatenate([example(3.0, 2).sample(600, 9), np.array([20.0, -20.0]) + example(10.0, 2, 1).sample(400, 10)])
    model = GeneralMixtureModel(MultivariateStudentT(), 2, random_state=0, tol=1e-9, max_iter=500).fit(offset + rows)
    assert np.diff(model.history_).min() > -1e-12 * (1 + abs(model.history_[-1]))
    np.testing.assert_allclose(sorted(model.weights_), [0.4, 0.6], atol=0.01)
    low, high = sorted(model.components_, key=lambda component: component.location[0])
    np.testing.assert_allclose(
        np.asarray(high.location) - offset, np.array([20.0, -20.0]) + np.asarray(example(10.0, 2, 1).location), atol=0.5
    )
    assert low.df < 6


def test_what_cannot_be_is_refused_by_name():
    with pytest.raises(ParameterError, match=r"scale_matrix must have shape \(2, 2\)"):
        MultivariateStudentT(3.0, [0, 0], 1.0)
    with pytest.raises(DataError, match="expected no missing cells"):
        MultivariateStudentT().fit([[0.0, 1.0], [np.nan, 2.0]])
    with pytest.raises(DataError, match="scale the column"):
        MultivariateStudentT().fit([[0.0, 1e200], [1.0, 2e200]])
    with pytest.raises(DataError, match=r"MultivariateStudentT on column 0: .*start nearer"):
        MultivariateStudentT(3.0, [1e6, 0.0], np.eye(2)).fit([[1e-300, 0.0], [2e-300, 1.0], [3e-300, 5.0]])


PLANE = np.random.default_rng(11).normal(size=(60, 2)) @ np.array([[1.0, 2.0, -1.0], [0.5, -1.0, 3.0]])
DEGENERATE = {
    "in a plane": PLANE,
    "in a plane, far away": 1e6 + PLANE,
    "on a line": np.outer(np.random.default_rng(12).standard_t(3.0, 60), [1.0, 2.0, -0.5]),
    "two places": np.repeat([[0.0, 1.0, 2.0], [3.0, 1.0, 5.0]], 30, axis=0),
    "tiny": 1e-140 * np.random.default_rng(13).normal(size=(60, 3)),
    "one column tiny": np.random.default_rng(14).normal(size=(60, 3)) * [1.0, 1e-120, 1e6],
    "too tiny": 1e-200 * np.random.default_rng(13).normal(size=(60, 3)),
    "tiny beside large": np.random.default_rng(15).normal(size=(60, 3)) * [1.0, 1e-13, 1.0] + [0.0, 1.0, 0.0],
}
FLAT = {"in a plane", "in a plane, far away", "on a line", "two places", "tiny beside large"}


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("words", DEGENERATE)
def test_degenerate_rows_are_survived_and_the_likelihood_never_falls(words, k):
    rows, flat = DEGENERATE[words], words in FLAT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model = GeneralMixtureModel(MultivariateStudentT(), k, random_state=0, tol=0, max_iter=60).fit(rows)
        except MixturesError as error:
            words = str(error)
            model = None
    if model is None:
        assert "MultivariateStudentT" in words
        return
    for component in model.components_:
        assert np.isfinite([component.df, *component.location, *np.ravel(component.scale_matrix)]).all()
    assert np.isfinite(model.score_samples(rows)).all()
    # The pivots that are held are known to some digits only, and with them the densities.
    slack = 1e-9 if flat else 1e-12
    assert np.diff(model.history_).min() > -slack * (1 + abs(model.history_).max())


def test_a_start_far_from_rows_on_a_line_finds_them():
    rows = 1e9 + np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])
    with pytest.warns(DegenerateWarning, match="column 0, column 1"):
        fitted = MultivariateStudentT(500.0, [1e6, 3.0], np.eye(2)).fit(rows)
    np.testing.assert_allclose(fitted.location, [1e9, 1e9], rtol=1e-12)
