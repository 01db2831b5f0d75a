"""Mixing weights: learned, kept as they are, or learned under a Dirichlet prior."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import dirichlet

from mixtures import GeneralMixtureModel
from mixtures.distributions import Exponential, Normal, Poisson, Product
from mixtures.e_steps import truncated
from mixtures.exceptions import DataError, ParameterError

from . import naive
from .random_models import KINDS, assert_never_falls, random_mixture, random_table, table_of


def clusters(n=300, k=3):
    random = np.random.default_rng(50)
    return random.normal(4.0 * (random.random(n) ** 2 * k).astype(int), 1.0)


START = [Normal(-1.0, 1.0), Normal(3.0, 2.0), Normal(9.0, 1.0)]
KINDS_OF_COMPONENTS = {
    "given": START,
    "one family": [Normal()] * 3,
    "two families": [Normal(), Normal(), Exponential()],
}


# --- weights that stay ---


@pytest.mark.parametrize("components", KINDS_OF_COMPONENTS)
@pytest.mark.parametrize("weights", [None, [0.1, 0.2, 0.7], (0.05, 0.6, 0.35)], ids=str)
@pytest.mark.parametrize("settings", [{}, {"n_init": 1}, {"e_step": "hard"}, {"start": np.arange(300) % 3}, {"starved": "re-seed"}])
def test_weights_stay_to_the_last_bit(components, weights, settings):
    x = np.abs(clusters())
    model = GeneralMixtureModel(
        KINDS_OF_COMPONENTS[components], weights=weights, learn_weights=False, random_state=0, tol=1e-4, **settings
    ).fit(x)
    assert model.weights_.tolist() == ([1 / 3] * 3 if weights is None else list(weights))
    # ... while EM runs, too: the density of the last iteration is that of these weights.
    if settings.get("e_step") != "hard":
        assert model.lower_bound_ == pytest.approx(model.score(x), rel=1e-13)


@pytest.mark.parametrize("n", [300, 20000])
def test_they_stay_where_components_are_split_and_merged(n):
    # Clusters of unlike sizes: equal weights want others.
    random = np.random.default_rng(51)
    X = random.normal(random.normal(0, 4, (6, 2))[random.choice(6, n, p=[0.5, 0.3, 0.1, 0.05, 0.03, 0.02])], 1.0)
    model = GeneralMixtureModel(Normal(), 6, learn_weights=False, random_state=0).fit(X)
    assert model.weights_.tolist() == [1 / 6] * 6
    assert model.lower_bound_ == pytest.approx(model.score(X), rel=1e-12)
    assert_never_falls(model.history_)


def test_weights_that_stay_are_no_parameters():
    x = clusters()
    learned, kept = [GeneralMixtureModel(START, learn_weights=learns).fit(x) for learns in (True, False)]
    assert learned.n_parameters == 8
    assert kept.n_parameters == 6
    assert kept.bic(x) == pytest.approx(-2 * 300 * kept.score(x) + 6 * np.log(300), rel=1e-13)
    assert kept.aic(x) == pytest.approx(-2 * 300 * kept.score(x) + 12, rel=1e-13)
    assert learned.score(x) > kept.score(x)


structures = st.tuples(
    st.integers(0, 2**32 - 1), st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3), st.integers(1, 4), st.booleans()
)


def some_model(structure):
    seed, kinds, k, is_weighted = structure
    random = np.random.default_rng(seed)
    columns = random_table(random, kinds, 60, 0.1)
    sample_weight = random.exponential(1.0, 60) if is_weighted else np.ones(60)
    weights, components = random_mixture(random, kinds, k)
    return random, columns, sample_weight, weights, components, [Product(*component) for component in components]


@given(structures)
@settings(max_examples=40, derandomize=True, deadline=None)
@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")  # of 60 rows, a Normal may end on one
def test_steps_with_weights_that_stay_equal_the_naive_ones(structure):
    _, columns, sample_weight, weights, components, start = some_model(structure)
    model = GeneralMixtureModel(start, weights=weights, learn_weights=False, tol=0, max_iter=15)
    model.fit(table_of(columns), sample_weight=sample_weight)
    assert_never_falls(model.history_)
    assert model.weights_.tolist() == weights.tolist()
    for objective in model.history_[:4]:
        if naive.is_narrow(components):
            return
        weights, components, before = naive.em_step(weights, components, columns, sample_weight, learn_weights=False)
        assert objective == pytest.approx(before, rel=1e-9)


# --- a prior ---


@given(structures)
@settings(max_examples=40, derandomize=True, deadline=None)
@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")
def test_the_objective_is_likelihood_times_prior_and_never_falls(structure):
    random, columns, sample_weight, weights, _, start = some_model(structure)
    prior = 1.0 + random.exponential(3.0, len(weights))
    X = table_of(columns)
    model = GeneralMixtureModel(start, weights=weights, weights_prior=prior, tol=0, max_iter=15).fit(X, sample_weight=sample_weight)
    assert_never_falls(model.history_)
    total = sample_weight.sum()
    before = GeneralMixtureModel(start, weights=weights).score(X, sample_weight=sample_weight)
    after = model.score(X, sample_weight=sample_weight)
    for objective, score, at in ((model.history_[0], before, weights), (model.lower_bound_, after, model.weights_)):
        assert objective == pytest.approx(score + dirichlet.logpdf(at / at.sum(), prior) / total, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("extra", [1.0, 0.5, 40.0])
@pytest.mark.parametrize("sample_weight", [None, np.linspace(0.0, 3.0, 300)], ids=["unweighted", "weighted"])
def test_concentration_1_plus_c_adds_c_rows_to_every_component(extra, sample_weight):
    x = clusters()
    whole = 300.0 if sample_weight is None else sample_weight.sum()
    learned = GeneralMixtureModel(START, tol=0, max_iter=1).fit(x, sample_weight=sample_weight)
    under = GeneralMixtureModel(START, weights_prior=1.0 + extra, tol=0, max_iter=1).fit(x, sample_weight=sample_weight)
    np.testing.assert_allclose(under.weights_, (learned.weights_ * whole + extra) / (whole + 3 * extra), rtol=1e-13)
    assert under.components_ == learned.components_


def test_a_prior_of_one_is_none():
    x = clusters()
    plain, flat = [GeneralMixtureModel(START, weights_prior=prior, tol=0, max_iter=10).fit(x) for prior in (None, 1.0)]
    assert plain.components_ == flat.components_
    np.testing.assert_allclose(flat.history_, plain.history_ + np.log(2.0) / 300, rtol=1e-13)  # the density of Dirichlet(1, 1, 1)


def test_the_end_is_stationary():
    x, prior = clusters(), np.array([2.0, 5.0, 20.0])
    model = GeneralMixtureModel(START, weights_prior=prior, tol=1e-15, max_iter=100_000).fit(x)
    density = np.exp([component.log_prob(x) for component in model.components_])

    def objective(weights):
        return np.log(weights @ density).sum() + dirichlet.logpdf(weights, prior)

    # Along every direction that keeps the sum, the slope is small against the curvature.
    for i, j in ((0, 1), (0, 2), (1, 2)):
        step = np.zeros(3)
        step[i], step[j] = 1e-5, -1e-5
        up, here, down = [objective(model.weights_ + sign * step) for sign in (1, 0, -1)]
        assert up < here > down
        assert abs(up - down) < 1e-2 * (2 * here - up - down)


def test_a_prior_keeps_a_component_that_would_starve():
    x = np.random.default_rng(52).normal(0, 1, 200)
    start = [Normal(0.0, 1.0), Normal(300.0, 1.0)]
    model = GeneralMixtureModel(start, weights_prior=[1.0, 3.0], tol=0, max_iter=5).fit(x)
    assert model.weights_[1] == pytest.approx(2 / 202, rel=1e-12)
    assert model.components_[1] == start[1]  # without a row there is nothing to learn


@pytest.mark.parametrize("kind", ["hard", truncated(2), "tempered", "stochastic"])
def test_other_kinds_of_e_step_count_the_prior_too(kind):
    x, prior = clusters(), [3.0, 2.0, 10.0]
    model = GeneralMixtureModel(START, weights_prior=prior, e_step=kind, tol=0, max_iter=20, random_state=0).fit(x)
    bound = model.score(x) + dirichlet.logpdf(model.weights_ / model.weights_.sum(), prior) / 300
    if kind in ("tempered", "stochastic"):
        assert model.lower_bound_ == pytest.approx(bound, rel=1e-12)
    else:
        assert model.lower_bound_ < bound
        assert_never_falls(model.history_)


@pytest.mark.parametrize(
    "prior", [0.99, 0.0, -1.0, [1.0, 0.5, 2.0], [2.0, 2.0], np.inf, np.nan, "flat", [[2.0, 2.0, 2.0]]], ids=str
)
def test_a_prior_without_a_bound_is_refused(prior):
    with pytest.raises(ParameterError, match="weights_prior must be a number >= 1, or 3 of them"):
        GeneralMixtureModel(START, weights_prior=prior).fit(clusters())


def test_a_prior_on_weights_that_stay_is_refused():
    with pytest.raises(ParameterError, match="weights_prior says nothing where learn_weights=False"):
        GeneralMixtureModel(START, weights_prior=2.0, learn_weights=False).fit(clusters())


def test_a_prior_that_excludes_the_weights_it_starts_from_is_refused():
    with pytest.raises(ParameterError, match=r"weights\[1\] = 0"):
        GeneralMixtureModel(START, weights=[0.5, 0.0, 0.5], weights_prior=2.0).fit(clusters())


@pytest.mark.parametrize("weight", [1e-120, 1e120])
def test_rows_of_a_prior_cannot_be_counted_beside_weights_of_such_a_size(weight):
    model = GeneralMixtureModel(START, weights_prior=2.0)
    with pytest.raises(DataError, match="weights count rows: expected the largest between"):
        model.fit(clusters(), sample_weight=np.full(300, weight))


def test_poissons_under_a_prior_have_the_textbooks_weights():
    # Complete separation: counts of 0 and of about 1000.
    x = np.concatenate([np.zeros(30), np.full(70, 1000.0)])
    model = GeneralMixtureModel([Poisson(0.1), Poisson(900.0)], weights_prior=[4.0, 2.0]).fit(x)
    np.testing.assert_allclose(model.weights_, [33 / 104, 71 / 104], rtol=1e-13)
