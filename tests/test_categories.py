"""Categorical for few and many categories, an even and an odd number of components: each has its own loops."""

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Categorical

SIZES = [2, 3, 4, 5, 8, 9, 30]
N_ROWS = 1500


def chances(n_components, size):
    return np.random.default_rng(size).dirichlet(np.ones(size), n_components)


def codes(size, rest=0):
    """Codes 0 .. size - 1 in no order, and those of `rest` more categories."""
    return np.random.default_rng(rest).integers(size + rest, size=N_ROWS).astype(float)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_components", [1, 2, 3, 4])
def test_one_step_is_the_table_looked_up_and_summed(n_components, size):
    p, x = chances(n_components, size), codes(size)
    weights = np.arange(1.0, n_components + 1) / np.arange(1.0, n_components + 1).sum()
    start = [Categorical(row, range(size)) for row in p]
    model = GeneralMixtureModel(start, weights=weights, max_iter=1, tol=0).fit(x)
    joint = weights[:, None] * p[:, x.astype(int)]
    responsibilities = joint / joint.sum(axis=0)
    expected = [np.bincount(x.astype(int), share, size) / share.sum() for share in responsibilities]
    np.testing.assert_allclose([c.probabilities for c in model.components_], expected, rtol=1e-12)
    np.testing.assert_allclose(model.weights_, responsibilities.mean(axis=1), rtol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_components", [1, 2, 3])
@pytest.mark.parametrize("pseudo_count", [0.0, 2.0])
def test_values_outside_the_categories(pseudo_count, n_components, size):
    seen, new = codes(size), codes(size, rest=2)
    start = [Categorical(0.9 * row / row.sum(), range(size), pseudo_count=1.0) for row in chances(n_components, size)]
    if not pseudo_count:
        start = [Categorical(row, range(size)) for row in chances(n_components, size)]
    weights = np.full(n_components, 1.0 / n_components)
    model = GeneralMixtureModel(start, weights=weights, max_iter=1, tol=0).fit(seen)
    p = np.array([component.probabilities for component in model.components_])
    rest = 1.0 - p.sum(axis=1, keepdims=True) if pseudo_count else np.zeros((n_components, 1))
    with np.errstate(divide="ignore"):
        expected = np.log(model.weights_ @ np.hstack([p, rest, rest])[:, new.astype(int)])
    np.testing.assert_allclose(model.score_samples(new), expected, rtol=1e-12)
