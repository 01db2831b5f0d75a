"""Point masses: alone, beside densities, which yield to them, and beside distributions of whole numbers, which don't."""

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import (
    Bernoulli,
    Degenerate,
    Exponential,
    Frozen,
    Gamma,
    LocationScale,
    MultivariateNormal,
    Normal,
    Poisson,
    Product,
    ZeroInflated,
)
from mixtures.exceptions import DataError, FitError
from mixtures.testing import check_distribution


@pytest.mark.parametrize("value", [0.0, 2.5, -1e6, 7.0])
def test_a_point_mass_obeys_the_laws(value):
    check_distribution(Degenerate(value))


def spike_and_slab(n=1000, seed=0):
    random = np.random.default_rng(seed)
    return random.permutation(np.concatenate([np.zeros(3 * n // 10), random.gamma(2.0, 1.0, 7 * n // 10)]))


@pytest.mark.parametrize(
    "slab", [Gamma(), Normal(), Exponential(), LocationScale(Gamma(), -1e-9)], ids=lambda family: type(family).__name__
)
@pytest.mark.parametrize("spike", [Degenerate(0.0), Degenerate()], ids=["given", "found"])
def test_a_spike_takes_its_rows_and_no_others(spike, slab):
    x = spike_and_slab()
    model = GeneralMixtureModel([spike, slab], random_state=0).fit(x)
    point, rest = model.components_
    assert point == Degenerate(0.0)
    np.testing.assert_allclose(model.weights_, [0.3, 0.7], rtol=1e-14)
    alone = slab.fit(x[x != 0])
    np.testing.assert_allclose(rest.log_prob([0.5, 3.0]), alone.log_prob([0.5, 3.0]), rtol=1e-9)
    assert (model.predict([0.0, 1e-300, 2.0]) == [0, 1, 1]).all() or isinstance(slab, LocationScale)
    assert model.score_samples([0.0])[0] == pytest.approx(np.log(0.3))


@pytest.mark.parametrize("spike", [Frozen(Degenerate(0.0)), LocationScale(Degenerate(1.0), -2.0, 2.0)], ids=repr)
def test_a_wrapped_spike_takes_its_rows_too(spike):
    x = spike_and_slab()
    assert spike.log_prob([0.0])[0] == 0.0
    model = GeneralMixtureModel([spike, Normal(0.0, 0.1)], weights=[0.5, 0.5], max_iter=20, tol=0).fit(x)
    np.testing.assert_allclose(model.weights_, [0.3, 0.7], rtol=1e-14)
    assert model.components_[1].mean == pytest.approx(x[x != 0].mean(), rel=1e-12)


def test_threads_and_chunks_do_not_change_a_bit():
    x = np.tile(spike_and_slab(), 40)
    fits = [GeneralMixtureModel([Degenerate(0.0), Gamma()], random_state=0, n_jobs=jobs).fit(x) for jobs in (1, 2, 4)]
    assert len({(str(fit.components_), fit.weights_.tobytes(), fit.history_.tobytes()) for fit in fits}) == 1


def test_beside_counts_it_is_a_mass_like_theirs():
    random = np.random.default_rng(1)
    x = np.concatenate([np.zeros(300), random.poisson(2.0, 700)])
    model = GeneralMixtureModel([Degenerate(0.0), Poisson()], random_state=0, tol=1e-15, max_iter=5000).fit(x)
    same = ZeroInflated(Poisson()).fit(x)
    assert model.weights_[0] == pytest.approx(same.probability, abs=1e-6)
    assert model.components_[1].rate == pytest.approx(same.base.rate, rel=1e-6)


def test_two_atoms_and_a_density_within_a_product():
    random = np.random.default_rng(2)
    group = random.integers(3, size=3000)
    amount = np.select([group == 0, group == 1], [0.0, 100.0], random.normal(50.0, 20.0, 3000))
    flag = random.random(3000) < np.array([0.1, 0.9, 0.5])[group]
    X = np.column_stack([amount, flag, random.normal(size=3000)])
    X[::7, 0] = np.nan
    components = [Product(column, Bernoulli(), Normal()) for column in (Degenerate(0.0), Frozen(Degenerate(100.0)), Normal())]
    model = GeneralMixtureModel(components, random_state=0).fit(X)
    seen = X[:, 0] == X[:, 0]
    labels = model.predict(X)
    np.testing.assert_array_equal(labels[seen], group[seen])
    assert [component.factors[1].probability for component in model.components_] == pytest.approx([0.1, 0.9, 0.5], abs=0.05)
    assert np.diff(model.history_).min() > -1e-12


def test_a_block_of_columns_yields_as_a_single_one_does():
    random = np.random.default_rng(3)
    X = random.normal(size=(1000, 2))
    X[:400, 0] = 0.0
    spike = Product(Degenerate(0.0), Normal())
    model = GeneralMixtureModel([spike, Product({(0, 1): MultivariateNormal()})], random_state=0).fit(X)
    np.testing.assert_allclose(model.weights_, [0.4, 0.6], rtol=1e-12)


def test_rows_that_differ_have_no_point_mass():
    with pytest.raises(FitError, match="Degenerate: no parameters"):
        Degenerate(1.0).fit([1.0, 2.0])
    assert Degenerate(1.0).fit([2.0, 2.0, 5.0], sample_weight=[1.0, 2.0, 0.0]) == Degenerate(2.0)
    with pytest.raises(DataError, match="only missing cells"):
        Degenerate().fit([np.nan, np.nan])
    with pytest.raises(FitError, match="row 1"):
        GeneralMixtureModel([Degenerate(0.0), Degenerate(1.0)]).fit([0.0, 0.5, 1.0])
