"""A weight is a repetition: in starts, steps, history, criteria and labels."""

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Categorical, Exponential, Normal, Poisson, Product

from .random_models import flat, random_table, table_of


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize(
    "components",
    [
        [Product(Normal(), Poisson(), Categorical()) for _ in range(3)],
        [Product(Normal(), Exponential(), Categorical()), Product(Normal(), Poisson(), Categorical())],
    ],
    ids=["of one form", "of two forms"],
)
def test_weights_equal_repetition(components, missing):
    random = np.random.default_rng(10)
    columns = random_table(random, ["real", "count", "word"], 150, missing)
    X = table_of(columns)
    times = random.integers(0, 5, 150)
    repeated = X.repeat(times, axis=0)[random.permutation(times.sum())]
    settings = {"tol": 1e-9, "random_state": 3, "n_init": 3}
    by_weight = GeneralMixtureModel(components, **settings).fit(X, sample_weight=times)
    by_rows = GeneralMixtureModel(components, **settings).fit(repeated)
    # Sums of the same terms in another order: rounding of 1e-16 a term, and EM does not amplify it near its end.
    assert by_weight.n_iter_ == by_rows.n_iter_
    np.testing.assert_allclose(by_weight.history_, by_rows.history_, rtol=1e-10)
    np.testing.assert_allclose(by_weight.weights_, by_rows.weights_, rtol=1e-7)
    for one, other in zip(by_weight.components_, by_rows.components_, strict=True):
        for mine, theirs in zip(one.factors.values(), other.factors.values(), strict=True):
            np.testing.assert_allclose(flat(mine), flat(theirs), rtol=1e-6, atol=1e-9)
    assert by_weight.score(X, sample_weight=times) == pytest.approx(by_rows.score(repeated), rel=1e-10)
    for criterion in ("bic", "aic", "icl"):
        weighted = getattr(by_weight, criterion)(X, sample_weight=times)
        assert weighted == pytest.approx(getattr(by_rows, criterion)(repeated), rel=1e-9)
    assert (by_weight.labels_[times == 0] == -1).all()
    assert (by_weight.labels_[times > 0] == by_weight.predict(X)[times > 0]).all()


@pytest.mark.parametrize("form", [[Normal, Normal, Normal], [Normal, Exponential, Poisson]], ids=["one form", "several forms"])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_neither_order_nor_repetition_moves_a_start(missing, form):
    # More rows than a start looks at: those that it looks at must be the same ones.
    random = np.random.default_rng(14)
    group = random.integers(3, size=9000)
    X = np.column_stack([random.normal(np.array([-4.0, 0.0, 4.0])[group], 1), random.poisson(np.array([1, 5, 9])[group])])
    X[random.random(X.shape) < missing] = np.nan
    times = random.integers(1, 4, len(X))
    components = [Product(Normal(), family()) for family in form]

    def fit(rows, weights=None):
        model = GeneralMixtureModel(components, random_state=1).fit(rows, sample_weight=weights)
        return np.hstack([flat(factor) for component in model.components_ for factor in component.factors.values()])

    by_weight = fit(X, times)
    # Rounding of sums taken in another order, a few iterations long.
    np.testing.assert_allclose(fit(X[::-1], times[::-1]), by_weight, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(fit(X.repeat(times, axis=0)[random.permutation(times.sum())]), by_weight, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-10, 1e10, 1e300])
def test_the_unit_of_weights_changes_no_parameter(scale):
    x = np.random.default_rng(15).normal(np.arange(1000) % 2 * 6, 1)
    plain = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(x)
    scaled = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(x, sample_weight=np.full(1000, scale))
    np.testing.assert_allclose(list(map(flat, scaled.components_)), list(map(flat, plain.components_)), rtol=1e-12)
    np.testing.assert_allclose(scaled.history_, plain.history_, rtol=1e-12)


def test_rows_of_weight_zero_are_not_looked_at():
    x = np.array([1.0, 2.0, 8.0, 9.0])
    junk = np.array([np.inf, -1e300, 7.0])
    start = [Exponential(0.5), Exponential(0.1)]
    plain = GeneralMixtureModel(start, tol=0, max_iter=5).fit(x)
    padded = GeneralMixtureModel(start, tol=0, max_iter=5).fit(np.append(x, junk), sample_weight=[1, 1, 1, 1, 0, 0, 0])
    # The one run has weights to multiply by and the other has none: rounding.
    np.testing.assert_allclose(padded.history_, plain.history_, rtol=1e-14)
    np.testing.assert_allclose([c.rate for c in padded.components_], [c.rate for c in plain.components_], rtol=1e-14)
    assert padded.labels_.tolist() == [*plain.labels_, -1, -1, -1]
