"""EM's laws: the likelihood never falls, and every step is the one that the textbook asks for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from mixtures import GeneralMixtureModel
from mixtures.distributions import Bernoulli, Categorical, Exponential, Normal, Poisson, Product

from . import naive
from .random_models import FAMILIES, KINDS, assert_never_falls, flat, random_mixture, random_table, table_of


def model_of(weights, components, **settings):
    return GeneralMixtureModel([Product(*component) for component in components], weights=weights, tol=0, **settings)


structures = st.tuples(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(30, 80),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from(["none", "whole", "real"]),
)


def draw_weights(random, kind, n):
    match kind:
        case "none":
            return None
        case "whole":
            return np.append(np.ones(4), random.integers(0, 4, n - 4)).astype(float)
        case "real":
            return random.exponential(1.0, n)


@given(structures)
@settings(max_examples=400, derandomize=True, deadline=None)
@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")  # a Normal may end on a single row
def test_likelihood_never_falls_from_a_given_start(structure):
    seed, kinds, k, n, missing, weighted = structure
    random = np.random.default_rng(seed)
    columns = random_table(random, kinds, n, missing)
    weights, components = random_mixture(random, kinds, k)
    model = model_of(weights, components, max_iter=25)
    model.fit(table_of(columns), sample_weight=draw_weights(random, weighted, n))
    assert len(model.history_) == model.n_iter_ + 1 == 26
    assert_never_falls(model.history_)


@given(structures, st.booleans())
@settings(max_examples=400, derandomize=True, deadline=None)
@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")
def test_likelihood_never_falls_from_the_librarys_start(structure, heterogeneous):
    seed, kinds, k, n, missing, weighted = structure
    random = np.random.default_rng(seed)
    columns = random_table(random, kinds, n, missing)
    components = [
        Product(*[(random.choice(FAMILIES[kind]) if heterogeneous else FAMILIES[kind][-1])() for kind in kinds]) for _ in range(k)
    ]
    model = GeneralMixtureModel(components, tol=0, max_iter=25, random_state=seed)
    model.fit(table_of(columns), sample_weight=draw_weights(random, weighted, n))
    assert_never_falls(model.history_)


# --- against programs written by others, or by nobody in a hurry ---


@pytest.mark.parametrize(
    ("n", "d", "k"),
    [
        (30, 1, 1),
        (50, 1, 2),
        (272, 2, 2),
        (500, 3, 3),
        (700, 4, 5),
        (1000, 5, 4),
        (513, 7, 2),
        (300, 8, 5),
        (400, 9, 3),
        (40000, 3, 3),
    ],
)
def test_twenty_iterations_equal_scikit_learns(n, d, k):
    random = np.random.default_rng([n, d, k])
    x = random.normal(random.normal(0, 3, (k, d))[random.integers(k, size=n)], random.uniform(0.5, 2, d))
    means, stds, weights = random.normal(0, 3, (k, d)), random.uniform(1, 3, (k, d)), random.dirichlet(np.full(k, 5.0))
    theirs = GaussianMixture(
        k, covariance_type="diag", reg_covar=0, tol=0, max_iter=20, weights_init=weights, means_init=means, precisions_init=stds**-2
    )
    with pytest.warns(match="did not converge"):
        theirs.fit(x)
    ours = model_of(weights, [list(map(Normal, means[c], stds[c])) for c in range(k)], max_iter=20).fit(x)
    found = [[(factor.mean, factor.variance) for factor in component.factors.values()] for component in ours.components_]
    np.testing.assert_allclose(ours.weights_, theirs.weights_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(np.array(found)[:, :, 0], theirs.means_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(np.array(found)[:, :, 1], theirs.covariances_, rtol=0, atol=1e-8)
    assert ours.score(x) == pytest.approx(theirs.score(x), abs=1e-8)


@pytest.mark.filterwarnings("ignore:components .* have no rows left")  # some starts lead there
@given(structures)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_every_step_equals_the_naive_one(structure):
    seed, kinds, k, n, missing, weighted = structure
    random = np.random.default_rng(seed)
    columns = random_table(random, kinds, n, missing)
    sample_weight = draw_weights(random, weighted, n)
    weights, components = random_mixture(random, kinds, k)
    X = table_of(columns)
    for _ in range(4):
        plain = np.ones(n) if sample_weight is None else sample_weight
        new_weights, new_components, before = naive.em_step(weights, components, columns, plain)
        if any(isinstance(factor, Normal) and factor.std < 0.01 for component in new_components for factor in component):
            return  # on its way to a single row, where each step multiplies rounding without bound
        model = model_of(weights, components, max_iter=1).fit(X, sample_weight=sample_weight)
        weights, components = new_weights, new_components
        # One step from the same place differs by rounding only: sums of at most 80 terms.
        assert model.history_[0] == pytest.approx(before, rel=1e-11)
        np.testing.assert_allclose(model.weights_, weights, rtol=1e-9, atol=1e-15)
        for ours, theirs in zip(model.components_, components, strict=True):
            for mine, other in zip(ours.factors.values(), theirs, strict=True):
                np.testing.assert_allclose(flat(mine), flat(other), rtol=1e-9, atol=1e-12)


def test_posteriors_equal_the_naive_ones():
    random = np.random.default_rng(5)
    kinds = ["real", "positive", "count", "bit", "word"]
    columns = random_table(random, kinds, 300, 0.2)
    weights, components = random_mixture(random, kinds, 4)
    X = table_of(columns)
    model = model_of(weights, components, max_iter=1).fit(X)
    joint = naive.log_joint(model.weights_, [list(component.factors.values()) for component in model.components_], columns)
    density = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(model.score_samples(X), density, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.predict_log_proba(X), joint - density[:, None], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X), np.exp(joint - density[:, None]), rtol=1e-10, atol=1e-15)
    assert (model.predict(X) == joint.argmax(axis=1)).all()
    assert (model.labels_ == model.predict(X)).all()


def test_death_notices():
    # Hasselblad 1969: deaths of women over 80 announced in The Times, 1910 to 1912, and the days with so many. EM gains half
    # a percent of what is left in an iteration here: 20000 iterations leave nothing.
    deaths = np.arange(10.0)
    days = [162, 267, 271, 185, 111, 61, 27, 8, 3, 1]
    model = GeneralMixtureModel(Poisson(), n_components=2, tol=0, max_iter=20000, random_state=0).fit(deaths, sample_weight=days)
    low, high = np.argsort([component.rate for component in model.components_])
    assert model.components_[low].rate == pytest.approx(1.256, abs=5e-4)
    assert model.components_[high].rate == pytest.approx(2.663, abs=5e-4)
    assert model.weights_[low] == pytest.approx(0.3599, abs=5e-5)


# --- small models ---


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "component",
    [
        Normal(),
        Exponential(),
        Poisson(),
        Bernoulli(),
        Categorical(),
        Product(Normal(), Exponential(), Poisson(), Bernoulli(), Categorical()),
    ],
    ids=repr,
)
def test_a_mixture_of_one_component_is_its_component(component, weighted):
    random = np.random.default_rng(6)
    kinds = dict(zip(["Normal", "Exponential", "Poisson", "Bernoulli", "Categorical"], KINDS, strict=True))
    chosen = list(kinds.values()) if isinstance(component, Product) else [kinds[type(component).__name__]]
    X = table_of(random_table(random, chosen, 200, 0.1))
    weights = random.exponential(1.0, 200) if weighted else None
    model = GeneralMixtureModel(component, n_components=1).fit(X, sample_weight=weights)
    alone = component.fit(X, sample_weight=weights)
    pairs = [(model.components_[0], alone)]
    if isinstance(component, Product):
        pairs = list(zip(model.components_[0].factors.values(), alone.factors.values(), strict=True))
    for mixed, single in pairs:
        np.testing.assert_allclose(flat(mixed), flat(single), rtol=1e-12)
    np.testing.assert_allclose(model.score_samples(X), alone.log_prob(X), rtol=1e-12, atol=1e-14)
    assert model.weights_.tolist() == [1.0]
    assert model.n_parameters == alone.n_parameters
    assert model.converged_


def test_a_mixture_of_mixtures_is_a_mixture():
    random = np.random.default_rng(7)
    x = np.concatenate([random.normal(-9, 1, 400), random.normal(-5, 0.5, 300), random.normal(6, 2, 300)])
    inner = GeneralMixtureModel([Normal(-10, 2), Normal(-4, 2)], weights=[0.5, 0.5])
    nested = GeneralMixtureModel([inner.fit(x[:700]), Normal(5, 1)], weights=[0.6, 0.4], tol=0, max_iter=300).fit(x)
    plain = GeneralMixtureModel([Normal(-10, 2), Normal(-4, 2), Normal(5, 1)], tol=0, max_iter=300).fit(x)
    assert_never_falls(nested.history_)
    # Both climb the same hill, and far enough to reach its top.
    assert nested.score(x) == pytest.approx(plain.score(x), abs=1e-9)
    np.testing.assert_allclose(nested.weights_[0] * nested.components_[0].weights_, plain.weights_[:2], atol=1e-6)
    np.testing.assert_allclose(nested.score_samples(x), plain.score_samples(x), atol=1e-6)
    assert nested.n_parameters == plain.n_parameters
    assert set(nested.predict(x)) == {0, 1}


def test_an_unfitted_mixture_is_a_component():
    random = np.random.default_rng(8)
    x = np.concatenate([random.normal(-9, 1, 400), random.normal(-5, 0.5, 300), random.normal(6, 2, 300)])
    inner = GeneralMixtureModel(Normal(), n_components=2, random_state=0)
    nested = GeneralMixtureModel([inner, Normal()], random_state=0, tol=0, max_iter=50).fit(x)
    assert_never_falls(nested.history_)
    assert not hasattr(inner, "components_")
    assert nested.score(x) > GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(x).score(x) - 1e-6


def test_a_mixture_stands_on_a_block_of_a_product():
    random = np.random.default_rng(9)
    X = np.column_stack([random.normal(random.choice([-4, 4], 500), 1), random.normal(0, 1, 500), random.poisson(3, 500)])
    block = GeneralMixtureModel([Product(Normal(-3, 1), Normal(0, 2)), Product(Normal(3, 1), Normal(0, 2))])
    components = [Product({(0, 1): block.fit(X[:, :2]), 2: Poisson(rate)}) for rate in (2.0, 5.0)]
    model = GeneralMixtureModel(components, tol=0, max_iter=20).fit(X)
    assert_never_falls(model.history_)
