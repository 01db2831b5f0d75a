"""The Normal kernels take shortcuts where components lie near a column's origin: every path against 64-bit-mantissa arithmetic."""

import itertools

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Normal, Product


def _table(offset, apart, n_components, n_columns):
    """Rows about `n_components` centres that lie `apart` standard deviations from each other, far from 0 by `offset`."""
    random = np.random.default_rng(7)
    places = np.arange(n_components)[:, None] * apart + random.normal(size=(n_components, n_columns))
    group = random.integers(n_components, size=700)
    return offset + places[group] + random.normal(size=(700, n_columns)), offset + places


@pytest.mark.parametrize(
    ("offset", "apart", "n_components", "n_columns"),
    list(itertools.product([0.0, 1e3, -1e9], [2.0, 500.0, 1e5], [2, 4, 5], [1, 3, 6])),
)
def test_one_iteration_equals_arithmetic_of_more_digits(offset, apart, n_components, n_columns):
    X, means = _table(offset, apart, n_components, n_columns)
    std = 1.25
    components = [Product(*(Normal(mean, std) for mean in row)) for row in means]
    model = GeneralMixtureModel(components, weights=np.full(n_components, 1 / n_components), tol=0, max_iter=1).fit(X)

    x, m = X.astype(np.longdouble), means.astype(np.longdouble)
    t = (x[:, None, :] - m) / np.longdouble(std)
    constant = n_columns * (np.log(np.longdouble(std)) + np.log(2 * np.longdouble(np.pi)) / 2) + np.log(np.longdouble(n_components))
    joint = -(t**2).sum(axis=2) / 2 - constant
    top = joint.max(axis=1, keepdims=True)
    share = np.exp(joint - top)
    likelihood = (top[:, 0] + np.log(share.sum(axis=1))).mean()
    share /= share.sum(axis=1, keepdims=True)
    total = share.sum(axis=0)
    mean = np.einsum("nk,nj->kj", share, x) / total[:, None]
    variance = np.einsum("nk,nkj->kj", share, (x[:, None, :] - mean) ** 2) / total[:, None]

    # Rounding of the data itself enters the mean: a few last digits of its size.
    rounding = 4 * np.finfo(float).eps * abs(X).max()
    found = [component.factors.values() for component in model.components_]
    assert model.history_[0] == pytest.approx(float(likelihood), rel=1e-12)
    np.testing.assert_allclose(model.weights_, (total / total.sum()).astype(float), rtol=1e-11)
    np.testing.assert_allclose([[f.mean for f in row] for row in found], mean.astype(float), rtol=1e-12, atol=rounding)
    # Sums about the origin lose the digits of (mean / std)^2, at most 256; about a centre 100 away, at most 1e4.
    found = [component.factors.values() for component in model.components_]
    np.testing.assert_allclose([[f.std for f in row] for row in found], np.sqrt(variance).astype(float), rtol=1e-11)


def test_densities_of_many_columns_are_right_near_and_far_from_the_origin():
    random = np.random.default_rng(8)
    for offset, spread, std in itertools.product([0.0, 1e4, 1e12], [1.0, 100.0, 1e6], [0.5, 3.0]):
        x = offset + spread * random.normal(size=(200, 9))
        means = offset + spread * random.normal(size=9)
        found = Product(*(Normal(mean, std) for mean in means)).log_prob(x)
        t = (x.astype(np.longdouble) - means.astype(np.longdouble)) / np.longdouble(std)
        terms = -(t**2) / 2 - np.log(np.longdouble(std)) - np.log(2 * np.longdouble(np.pi)) / 2
        size = (t**2 / 2 + 1).sum(axis=1)
        assert float((abs(found - terms.sum(axis=1)) / size).max()) < 1e-13


def test_a_component_that_no_row_moves_keeps_its_last_digit():
    x = 1e9 + np.random.default_rng(9).normal(size=300)
    model = GeneralMixtureModel([Normal(1e9, 1.0), Normal(0.1, 0.3)], weights=[0.5, 0.5], tol=0, max_iter=2)
    with pytest.warns(UserWarning, match="no rows left"):
        model.fit(x)
    assert model.components_[1] == Normal(0.1, 0.3)
