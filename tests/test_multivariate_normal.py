"""Multivariate Normal components: the same EM as scikit-learn's in every kind, and what that one cannot do."""

import warnings

import mpmath
import numpy as np
import pytest
import scipy.stats
from sklearn.mixture import GaussianMixture

from mixtures import GeneralMixtureModel
from mixtures.distributions import Bernoulli, MultivariateNormal, Product
from mixtures.exceptions import DataError, DegenerateWarning, FitError, ParameterError

KINDS = [
    ("full", False, "full", lambda d: np.eye(d) * 4.0, lambda d, k: np.tile(np.eye(d) / 4.0, (k, 1, 1))),
    ("full", True, "tied", lambda d: np.eye(d) * 4.0, lambda d, k: np.eye(d) / 4.0),
    ("diagonal", False, "diag", lambda d: np.full(d, 4.0), lambda d, k: np.full((k, d), 0.25)),
    ("spherical", False, "spherical", lambda d: 4.0, lambda d, k: np.full(k, 0.25)),
]


def clusters(n, d, k, offset=0.0, apart=3.0, seed=0):
    """Rows of k clusters of random covariances."""
    random = np.random.default_rng(seed)
    shapes, middles = random.normal(size=(k, d, d)), apart * random.normal(size=(k, d))
    group = random.integers(k, size=n)
    return offset + middles[group] + np.einsum("nij,nj->ni", shapes[group], random.normal(size=(n, d)))


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8, 11])
@pytest.mark.parametrize(("kind", "tied", "theirs", "covariance", "precision"), KINDS, ids=lambda value: str(value)[:9])
def test_twenty_iterations_equal_those_of_scikit_learn(kind, tied, theirs, covariance, precision, d):
    k = 3
    X = clusters(2000, d, k)
    start = [MultivariateNormal(X[i], covariance(d), kind=kind, tied=tied) for i in range(k)]
    ours = GeneralMixtureModel(start, weights=np.full(k, 1 / k), tol=0, max_iter=20).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that twenty iterations are not enough
        other = GaussianMixture(
            k, covariance_type=theirs, weights_init=np.full(k, 1 / k), means_init=X[:k], precisions_init=precision(d, k),
            tol=0, reg_covar=0, max_iter=20,
        ).fit(X)  # fmt: skip
    expected = np.broadcast_to(other.covariances_, (k, d, d)) if tied else other.covariances_
    np.testing.assert_allclose(ours.weights_, other.weights_, rtol=1e-8)
    np.testing.assert_allclose([c.mean for c in ours.components_], other.means_, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose([c.covariance for c in ours.components_], expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ours.score_samples(X), other.score_samples(X), rtol=1e-8, atol=1e-8)
    assert ours.n_parameters == other._n_parameters()
    assert (np.diff(ours.history_) > -1e-12).all()


@pytest.mark.parametrize("offset", [1e12, -1e9])
def test_clusters_of_unit_spread_stay_right_far_from_zero_and_from_each_other(offset):
    near = clusters(600, 3, 1, seed=1)
    X = np.concatenate([near, offset + near])
    start = [MultivariateNormal(np.zeros(3), np.eye(3)), MultivariateNormal(np.full(3, offset), np.eye(3))]
    model = GeneralMixtureModel(start, tol=0, max_iter=5).fit(X)
    for component, rows in zip(model.components_, (X[:600], X[600:]), strict=True):
        middle = rows[0]  # differences of neighbours are exact
        exact = np.cov((rows - middle).T, bias=True)
        np.testing.assert_allclose(component.covariance, exact, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(component.mean, middle + (rows - middle).mean(axis=0), rtol=1e-15)


def test_columns_of_very_different_size_are_no_trouble():
    random = np.random.default_rng(2)
    sizes = np.array([1e-200, 1.0, 1e250])
    X = random.normal(size=(500, 3)) @ np.linalg.cholesky([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]]).T
    fitted = MultivariateNormal().fit(X)
    scaled = GeneralMixtureModel(MultivariateNormal(), 1).fit(X * np.array([1e-100, 1.0, 1e100])).components_[0]
    expected = np.asarray(fitted.covariance) * np.outer([1e-100, 1.0, 1e100], [1e-100, 1.0, 1e100])
    np.testing.assert_allclose(scaled.covariance, expected, rtol=1e-10)
    with pytest.raises((ParameterError, DataError)):  # a variance of 1e500 is no float64
        MultivariateNormal().fit(X * sizes)


@pytest.mark.parametrize("kind", ["full", "diagonal", "spherical"])
def test_rows_that_agree_and_columns_that_copy_each_other_give_finite_parameters(kind):
    random = np.random.default_rng(3)
    column = random.normal(size=100)
    for X in (np.full((20, 2), 7.0), np.column_stack([column, column]), np.column_stack([column, np.full(100, 5.0)]), [[1.0, 2.0]]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateWarning)
            fitted = MultivariateNormal(kind=kind).fit(X)
        assert np.isfinite(np.concatenate([np.ravel(fitted.mean), np.ravel(fitted.covariance)])).all()
        assert np.isfinite(fitted.log_prob(X)).all()
    with pytest.warns(DegenerateWarning):
        MultivariateNormal().fit(np.column_stack([column, column]))


def test_a_block_of_columns_beside_others():
    random = np.random.default_rng(4)
    group = random.random(800) < 0.4
    block = np.where(group[:, None], clusters(800, 2, 1, seed=5), 8 + clusters(800, 2, 1, seed=6))
    X = np.column_stack([block[:, 0], random.random(800) < np.where(group, 0.9, 0.1), block[:, 1]])
    model = GeneralMixtureModel(Product({(0, 2): MultivariateNormal(), 1: Bernoulli()}), 2, random_state=0).fit(X)
    order = np.argsort([component.factors[1].probability for component in model.components_])
    assert [len(model.components_[i].factors[(0, 2)].mean) for i in order] == [2, 2]
    labels = model.predict(X) == order[1]
    assert (labels == group).mean() > 0.97
    assert model.n_parameters == 2 * (5 + 1) + 1


def test_starts_are_found_without_parameters():
    X = clusters(900, 3, 3, apart=6.0, seed=7)
    found = GeneralMixtureModel(MultivariateNormal(), 3, n_init=5, random_state=0).fit(X)
    other = GaussianMixture(3, n_init=20, random_state=0, tol=1e-9, max_iter=2000, reg_covar=0).fit(X)
    assert found.score(X) >= other.score(X) - 1e-6


def test_what_cannot_be_is_refused_by_name():
    with pytest.raises(ParameterError, match="kind must be one of"):
        MultivariateNormal(kind="diag")
    with pytest.raises(ParameterError, match=r"covariance of kind 'full' must have shape \(2, 2\)"):
        MultivariateNormal([0, 0], 1.0)
    with pytest.raises(ParameterError, match="symmetric positive definite"):
        MultivariateNormal([0, 0], [[1, 2], [2, 1]])
    with pytest.raises(DataError, match="expected 2 columns, as its mean has, found 3"):
        MultivariateNormal([0, 0], [[1, 0], [0, 1]]).log_prob(np.zeros((4, 3)))


def with_holes(X, share, seed=0):
    """Rows that lack a share of their cells; some lack all."""
    X = X.copy()
    X[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    X[7] = np.nan
    return X


def test_the_density_of_a_row_is_that_of_its_observed_cells():
    random = np.random.default_rng(5)
    shape = random.normal(size=(4, 4))
    distribution = MultivariateNormal(random.normal(size=4), shape @ shape.T)
    X = with_holes(distribution.sample(700, 1), 0.3)
    expected = np.zeros(700)
    for i, row in enumerate(X):
        seen = ~np.isnan(row)
        if seen.any():
            mean, covariance = np.asarray(distribution.mean)[seen], np.asarray(distribution.covariance)[np.ix_(seen, seen)]
            expected[i] = scipy.stats.multivariate_normal(mean, covariance).logpdf(row[seen])
    np.testing.assert_allclose(distribution.log_prob(X), expected, rtol=1e-12, atol=1e-12)
    assert expected[7] == 0.0


@pytest.mark.parametrize("kind", ["full", "diagonal", "spherical"])
def test_a_fit_with_missing_cells_equals_an_em_of_conditional_moments(kind):
    X = with_holes(clusters(300, 3, 1, offset=5.0, seed=8), 0.25)
    mean, covariance = np.nanmean(X, axis=0), np.diag(np.nanvar(X, axis=0))
    for _ in range(3000):
        rows, extra = np.empty_like(X), np.zeros((3, 3))
        for i, row in enumerate(X):
            m, o = np.isnan(row), ~np.isnan(row)
            slopes = covariance[np.ix_(m, o)] @ np.linalg.pinv(covariance[np.ix_(o, o)])
            rows[i] = row
            rows[i, m] = mean[m] + slopes @ (row[o] - mean[o])
            extra[np.ix_(m, m)] += covariance[np.ix_(m, m)] - slopes @ covariance[np.ix_(o, m)]
        new = rows.mean(axis=0)
        found = ((rows - new).T @ (rows - new) + extra) / len(X)
        if kind != "full":
            found = np.diag(np.diag(found) if kind == "diagonal" else np.full(3, np.trace(found) / 3))
        moved = abs(found - covariance).max() + abs(new - mean).max()
        mean, covariance = new, found
        if moved < 1e-13:
            break
    fitted = MultivariateNormal(kind=kind).fit(X)
    np.testing.assert_allclose(fitted.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(fitted._matrix(), covariance, rtol=1e-8, atol=1e-9)


def test_mixtures_with_missing_cells_climb_and_find_their_clusters():
    whole = clusters(1500, 3, 2, apart=5.0, seed=9)
    X = with_holes(whole, 0.2)
    model = GeneralMixtureModel(MultivariateNormal(), 2, random_state=0).fit(X)
    assert (np.diff(model.history_) > -1e-12).all()
    other = GeneralMixtureModel(MultivariateNormal(), 2, random_state=0).fit(whole)
    order = np.argsort([c.mean[0] for c in model.components_])
    theirs = np.argsort([c.mean[0] for c in other.components_])
    for mine, full in zip(order, theirs, strict=True):
        np.testing.assert_allclose(model.components_[mine].mean, other.components_[full].mean, atol=0.3)
    weights = np.random.default_rng(10).integers(0, 3, len(X)).astype(float)
    start = model.components_
    weighted = GeneralMixtureModel(start, weights=model.weights_, tol=0, max_iter=3).fit(X, sample_weight=weights)
    repeated = GeneralMixtureModel(start, weights=model.weights_, tol=0, max_iter=3).fit(np.repeat(X, weights.astype(int), axis=0))
    np.testing.assert_allclose(weighted.components_[0].covariance, repeated.components_[0].covariance, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_conditional_moments_are_right_next_to_a_plane(seed):
    """Slopes on columns that nearly lie in a plane are large and cancel; what is left was noise, and no covariance."""
    random = np.random.default_rng(seed)
    plane = random.normal(size=(4, 2))
    covariance = plane @ plane.T + 1e-8 * np.eye(4)
    X = random.multivariate_normal(np.zeros(4), covariance, 40)
    X[random.random(X.shape) < 0.3] = np.nan
    fitted = GeneralMixtureModel([MultivariateNormal(np.zeros(4), covariance)], max_iter=1, tol=0).fit(X).components_[0]
    with mpmath.workdps(60):
        exact, first, second = mpmath.matrix(covariance.tolist()), mpmath.zeros(4, 1), mpmath.zeros(4, 4)
        for row in X:
            o, m = np.flatnonzero(~np.isnan(row)).tolist(), np.flatnonzero(np.isnan(row)).tolist()
            t, extra = mpmath.zeros(4, 1), mpmath.zeros(4, 4)
            for j in o:
                t[j] = mpmath.mpf(row[j])
            inverse = mpmath.matrix([[exact[a, b] for b in o] for a in o]) ** -1 if o else None
            for a in m:
                slopes = mpmath.matrix([[exact[a, c] for c in o]]) * inverse if o else []
                t[a] = mpmath.fsum(slopes[i] * t[c] for i, c in enumerate(o))
                for b in m:
                    extra[a, b] = exact[a, b] - mpmath.fsum(slopes[i] * exact[c, b] for i, c in enumerate(o))
            first, second = first + t, second + t * t.T + extra
        mean = first / len(X)
        found = second / len(X) - mean * mean.T
        expected = np.array(found.tolist(), dtype=float)
        least = float(min(mpmath.eigsy(found, eigvals_only=True)))
    np.testing.assert_allclose(fitted.covariance, expected, rtol=0, atol=1e-11)
    np.testing.assert_allclose(np.linalg.eigvalsh(fitted.covariance)[0], least, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::mixtures.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(6))
def test_a_component_of_few_rows_that_lack_cells_ends_at_the_floor(seed):
    """It nears a plane by small steps: its likelihood fell there by rounding, or its variances ran to 1e146."""
    random = np.random.default_rng(seed)
    X = np.concatenate([random.normal(size=(9, 8)) * 0.3 + 4.0, random.normal(size=(40, 8))])
    X[random.random(X.shape) < 0.2] = np.nan
    with pytest.warns(DegenerateWarning, match="held at its floor"):
        model = GeneralMixtureModel(MultivariateNormal(), 3, n_init=2, random_state=seed, max_iter=400).fit(X)
    assert np.isfinite(model.history_).all()
    for component in model.components_:
        assert np.abs(component.covariance).max() < 1e3
        deviations = np.sqrt(np.diag(component.covariance))
        assert np.linalg.eigvalsh(component.covariance / np.outer(deviations, deviations))[0] > 1e-12
    assert np.isfinite(model.score(X))


def test_constant_columns_and_columns_that_copy_each_other_may_lack_cells():
    random = np.random.default_rng(1)
    column = random.normal(size=60)
    X = np.column_stack([column, column, np.full(60, 3.0), random.normal(size=60)])
    X[random.random(X.shape) < 0.2] = np.nan
    with pytest.warns(DegenerateWarning):
        fitted = MultivariateNormal().fit(X)
    assert np.isfinite(fitted.covariance).all()
    assert np.isfinite(fitted.log_prob(X)).all()
    # What the copy lacks is the other's cell.
    np.testing.assert_allclose(fitted.mean[0], fitted.mean[1], atol=1e-4)


def test_a_fit_that_left_the_parameters_of_its_family_says_where(monkeypatch):
    monkeypatch.setattr(MultivariateNormal, "_unpack", lambda self, row, columns: MultivariateNormal([0, 0], [[1, 2], [2, 1]]))
    words = "component 0: the fit of MultivariateNormal on columns 0, 1 ended at .*fewer components, or give a prior"
    with pytest.raises(FitError, match=words):
        GeneralMixtureModel(MultivariateNormal(), 1).fit(np.random.default_rng(0).normal(size=(20, 2)))
