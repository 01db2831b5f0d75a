"""Scores and information criteria equal those of scikit-learn's GaussianMixture on equal parameters."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture

from mixtures import GeneralMixtureModel
from mixtures.distributions import MultivariateNormal, Normal, Product

X = load_iris().data


def components_of(peer):
    """Those of this library with the parameters of a fitted GaussianMixture."""
    if peer.covariance_type == "full":
        return [MultivariateNormal(mean, matrix) for mean, matrix in zip(peer.means_, peer.covariances_, strict=True)]
    if peer.covariance_type == "tied":
        return [MultivariateNormal(mean, peer.covariances_, tied=True) for mean in peer.means_]
    kind = {"diag": "diagonal", "spherical": "spherical"}[peer.covariance_type]
    return [MultivariateNormal(mean, own, kind=kind) for mean, own in zip(peer.means_, peer.covariances_, strict=True)]


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_score_and_criteria_are_those_of_scikit_learn(covariance_type, k):
    peer = GaussianMixture(k, covariance_type=covariance_type, random_state=0).fit(X)
    model = GeneralMixtureModel(components_of(peer), weights=peer.weights_ / peer.weights_.sum())
    assert model.n_parameters == peer._n_parameters()
    assert model.score(X) == pytest.approx(peer.score(X), rel=1e-10)
    np.testing.assert_allclose(model.score_samples(X), peer.score_samples(X), rtol=1e-10, atol=1e-10)
    assert model.bic(X) == pytest.approx(peer.bic(X), rel=1e-10)
    assert model.aic(X) == pytest.approx(peer.aic(X), rel=1e-10)


def test_a_product_of_normals_is_a_diagonal_covariance():
    peer = GaussianMixture(3, covariance_type="diag", random_state=0).fit(X)
    pairs = zip(peer.means_, np.sqrt(peer.covariances_), strict=True)
    products = [Product(*map(Normal, mean, std)) for mean, std in pairs]
    model = GeneralMixtureModel(products, weights=peer.weights_ / peer.weights_.sum())
    assert model.n_parameters == peer._n_parameters()
    assert model.bic(X) == pytest.approx(peer.bic(X), rel=1e-10)
    assert model.aic(X) == pytest.approx(peer.aic(X), rel=1e-10)
