"""What pomegranate 1.1.2 cannot do, and its users ask for."""

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Categorical, Exponential, Normal, Poisson, Product


def test_one_table_of_floats_holds_real_count_and_category_columns():
    # There, a float table fails where a categorical column needs whole numbers, and a table of whole numbers where a real one does.
    random = np.random.default_rng(0)
    group = random.integers(2, size=2000)
    X = np.column_stack(
        [
            random.normal(np.array([-2.0, 2.0])[group], 1.0),
            random.poisson(np.array([2.0, 9.0])[group]),
            random.random(2000) < np.array([0.2, 0.9])[group],
        ]
    )
    assert X.dtype == np.float64
    model = GeneralMixtureModel(Product(Normal(), Poisson(), Categorical()), n_components=2, random_state=0).fit(X)
    low, high = sorted(model.components_, key=lambda component: component.factors[0].mean)
    for component, mean, rate, share in ((low, -2.0, 2.0, 0.2), (high, 2.0, 9.0, 0.9)):
        # About 1000 rows a group: five standard errors of each parameter.
        assert component.factors[0].mean == pytest.approx(mean, abs=5 / np.sqrt(1000))
        assert component.factors[1].rate == pytest.approx(rate, abs=5 * np.sqrt(rate / 1000))
        assert component.factors[2].probabilities[1] == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 1000))
    assert np.mean(model.labels_ == group) > 0.95 or np.mean(model.labels_ != group) > 0.95


def test_an_unfitted_normal_and_exponential_take_data_with_negative_values():
    # There, the initialiser fits an Exponential to a cluster of negative values and raises.
    random = np.random.default_rng(1)
    x = np.concatenate([random.normal(-3, 1, 1500), random.exponential(2.0, 500)])
    model = GeneralMixtureModel([Normal(), Exponential()], random_state=0).fit(x)
    normal, exponential = model.components_
    assert normal.mean == pytest.approx(-3, abs=0.2)
    assert normal.std == pytest.approx(1, abs=0.2)
    assert exponential.mean == pytest.approx(2, abs=0.4)
    assert model.weights_ == pytest.approx([0.75, 0.25], abs=0.05)
    assert model.predict([-1.0]).tolist() == [0]
    assert np.all(np.diff(model.history_) >= -1e-12)


def test_a_large_mean_leaves_the_variance_alone():
    # There, sums of squares in 32 bits make 32 of a variance of 1.
    x = np.random.default_rng(2).normal(1e4, 1.0, 100_000)
    for data in (x, x.astype(np.float32)):
        model = GeneralMixtureModel(Normal(), n_components=1).fit(data)
        assert model.components_[0].variance == pytest.approx(np.var(data.astype(np.float64)), rel=1e-12)
        assert model.components_[0].variance == pytest.approx(1.0, abs=0.05)


def test_the_mean_log_likelihood_honours_weights():
    random = np.random.default_rng(3)
    x = np.concatenate([random.normal(-3, 1, 300), random.normal(3, 1, 300)])
    times = random.integers(1, 5, 600)
    settings = {"tol": 0, "max_iter": 30}
    start = [Normal(-1, 2), Normal(1, 2)]
    by_weight = GeneralMixtureModel(start, **settings).fit(x, sample_weight=times)
    by_rows = GeneralMixtureModel(start, **settings).fit(x.repeat(times))
    assert by_weight.history_ == pytest.approx(by_rows.history_, rel=1e-12)
    assert by_weight.score(x, sample_weight=times) == pytest.approx(by_rows.score(x.repeat(times)), rel=1e-12)
    assert by_weight.score(x, sample_weight=times) == pytest.approx(by_weight.history_[-1], rel=1e-12)
    assert by_weight.score(x, sample_weight=times) != pytest.approx(by_weight.score(x), rel=1e-6)


def test_a_mixture_may_have_one_component():
    x = np.random.default_rng(4).normal(5, 2, 500)
    for model in (GeneralMixtureModel([Normal()]), GeneralMixtureModel(Normal(), n_components=1)):
        model.fit(x)
        assert model.components_ == [Normal(model.components_[0].mean, model.components_[0].std)]
        assert model.components_[0].mean == pytest.approx(x.mean(), rel=1e-13)
        assert model.components_[0].variance == pytest.approx(x.var(), rel=1e-12)
        assert model.weights_.tolist() == [1.0]
        assert model.predict_proba(x).tolist() == [[1.0]] * 500
        assert set(model.predict(x)) == {0}
