"""Kinds of E-step: each is an algorithm with a name, and raises the objective that is its own."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

from mixtures import GeneralMixtureModel
from mixtures.distributions import MultivariateNormal, Normal, Poisson, Product
from mixtures.e_steps import as_e_step, tempered, truncated
from mixtures.engine.kinds import draw
from mixtures.exceptions import ParameterError

from . import naive
from .random_models import KINDS, assert_never_falls, flat, random_mixture, random_table, table_of

TABLES = json.loads((Path(__file__).resolve().parent / "data" / "classics.json").read_text())["tables"]
FAITHFUL = np.column_stack([TABLES["faithful"]["eruptions"], TABLES["faithful"]["waiting"]])
IRIS = load_iris().data


def balls(centres, variance):
    """Isotropic Normals of one variance."""
    return [MultivariateNormal(centre, variance, kind="spherical", tied=True) for centre in centres]


def spread(X, centres):
    """Mean square of a cell's distance to the nearest centre."""
    return ((X[:, None] - centres) ** 2).sum(axis=2).min(axis=1).mean() / X.shape[1]


def means(model):
    return np.array([component.mean for component in model.components_])


def blobs():
    random = np.random.default_rng(20)
    return random.normal(random.normal(0, 3, (5, 3))[random.integers(5, size=400)], 1.0)


# --- one component a row, equal weights, one variance: k-means (Luecke & Forster 2019) ---


@pytest.mark.parametrize("X", [FAITHFUL, IRIS, blobs()], ids=["faithful", "iris", "blobs"])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_hard_em_of_equal_balls_is_k_means_label_by_label(X, k):
    n, d = X.shape
    start = X[np.random.default_rng(k).choice(n, k, replace=False)]
    for steps in range(1, 50):
        theirs = KMeans(k, init=start, n_init=1, algorithm="lloyd", max_iter=steps, tol=0).fit(X)
        model = GeneralMixtureModel(balls(start, spread(X, start)), learn_weights=False, e_step="hard", tol=0, max_iter=steps)
        ours = model.fit(X)
        np.testing.assert_allclose(means(ours), theirs.cluster_centers_, rtol=1e-12)
        assert ours.labels_.tolist() == theirs.labels_.tolist()
        if theirs.n_iter_ < steps:
            break
    assert theirs.n_iter_ < steps
    bound = -n * np.log(k) - n * d / 2 * np.log(2 * np.pi * np.e * theirs.inertia_ / (n * d))
    assert n * ours.lower_bound_ == pytest.approx(bound, rel=1e-12)
    assert ours.components_[0].covariance == pytest.approx(theirs.inertia_ / (n * d), rel=1e-12)


def test_k_means_of_old_faithful():
    # R's kmeans(faithful, 2, algorithm = "Lloyd"): inertia 8901.769.
    model = GeneralMixtureModel(
        MultivariateNormal(kind="spherical", tied=True), 2, learn_weights=False, e_step=truncated(1), random_state=0
    ).fit(FAITHFUL)
    low, high = np.argsort(means(model)[:, 0])
    np.testing.assert_allclose(means(model)[low], [2.09433, 54.75], rtol=1e-12)
    np.testing.assert_allclose(means(model)[high], [4.29793023255814, 80.2848837209302], rtol=1e-12)
    assert np.bincount(model.labels_)[[low, high]].tolist() == [100, 172]
    assert model.components_[0].covariance == pytest.approx(16.3635454429177, rel=1e-12)
    assert 272 * model.lower_bound_ == pytest.approx(-1720.69383310804, abs=1e-9)


# Objectives at the start, after one step and at the end, and the final variance, of a program by the algorithm's authors
# (github.com/variational-sublinear-clustering) and of one written for the purpose in R; all components: mclust's EII.
TRUNCATED_IRIS = {
    1: (7, -597.35051274053, -416.377311081495, -300.624172277705, 0.0651100589225589),
    2: (23, -558.459083128447, -384.987136951658, -290.770070042206, 0.0677276987351831),
    3: (23, -554.824524377634, -379.010790233826, -290.767339961791, 0.0677332009910292),
    6: (23, -553.502523771827, -381.002948953412, -290.767339920343, 0.0677332011835778),
}
FINAL_MEANS = {  # of the first and the last component
    1: ([5.24285714285714, 3.66785714285714, 1.5, 0.282142857142857], [7.475, 3.125, 6.3, 2.05]),
    2: (
        [5.26220309316245, 3.6920407267432, 1.50168828249354, 0.277382073798147],
        [7.48506707402312, 3.12946673727341, 6.31445350346518, 2.05564754063938],
    ),
    3: (
        [5.26220129489791, 3.69203949320333, 1.50168810358134, 0.277381481944025],
        [7.48506010925441, 3.12946545757922, 6.31444598206078, 2.05564707988956],
    ),
    6: (
        [5.2622012981105, 3.69203949663057, 1.50168810366508, 0.277381481969282],
        [7.48506010853393, 3.12946545755362, 6.31444598036519, 2.05564707926935],
    ),
}


@pytest.mark.parametrize("kept", TRUNCATED_IRIS)
def test_truncated_em_on_iris(kept):
    iterations, first, second, final, variance = TRUNCATED_IRIS[kept]
    start = IRIS[::25]
    model = GeneralMixtureModel(
        balls(start, spread(IRIS, start)), learn_weights=False, e_step=truncated(kept), tol=0, max_iter=iterations
    ).fit(IRIS)
    np.testing.assert_allclose(150 * model.history_[:2], [first, second], rtol=1e-13)
    assert 150 * model.lower_bound_ == pytest.approx(final, abs=1e-9)  # theirs ended where a step gained 1e-10 or so
    assert model.components_[0].covariance == pytest.approx(variance, rel=1e-12)
    np.testing.assert_allclose(means(model)[[0, -1]], FINAL_MEANS[kept], rtol=1e-12)
    assert model.n_parameters == 25
    if kept == 6:
        assert model.bic(IRIS) == pytest.approx(706.800562193092, abs=1e-8)


def test_a_k_means_run_has_a_bound_to_compare():
    # Of one number of parameters, the likelihood that hard assignments bound is at least their bound.
    models = {
        kept: GeneralMixtureModel(balls(IRIS[::25], 0.5), learn_weights=False, e_step=truncated(kept), tol=1e-12).fit(IRIS)
        for kept in (1, 2, 6)
    }
    for model in models.values():
        assert model.lower_bound_ == model.history_[-1] <= model.score(IRIS) + 1e-12
    assert models[6].lower_bound_ == pytest.approx(models[6].score(IRIS), rel=1e-13)
    assert models[1].lower_bound_ < models[2].lower_bound_ < models[6].lower_bound_
    assert models[1].score(IRIS) > models[1].lower_bound_ + 0.01


def test_truncated_to_all_components_is_em_to_the_last_bit():
    start = balls(IRIS[::25], 0.5)
    soft, *others = [
        GeneralMixtureModel(start, e_step=kind, tol=0, max_iter=15).fit(IRIS) for kind in ("soft", truncated(6), truncated(7))
    ]
    for other in others:
        assert other.history_.tolist() == soft.history_.tolist()
        assert other.components_ == soft.components_
        assert other.weights_.tolist() == soft.weights_.tolist()


# --- every kind, for components of any kinds: the naive step, and an objective that never falls ---

structures = st.tuples(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4),
    st.integers(2, 4),
    st.sampled_from([0.0, 0.2]),
    st.booleans(),
    st.sampled_from([truncated(1), truncated(2), tempered(0.3, 1.4), tempered(0.7, 1.1)]),
)


def some_model(structure):
    seed, kinds, k, missing, is_weighted, kind = structure
    random = np.random.default_rng(seed)
    columns = random_table(random, kinds, 60, missing)
    sample_weight = random.exponential(1.0, 60) if is_weighted else np.ones(60)
    return (*random_mixture(random, kinds, k), columns, sample_weight, kind)


def fitted(weights, components, columns, sample_weight, kind, **arguments):
    model = GeneralMixtureModel([Product(*component) for component in components], weights=weights, tol=0, e_step=kind, **arguments)
    return model.fit(table_of(columns), sample_weight=sample_weight)


def naive_steps(weights, components, columns, sample_weight, kind, count):
    """Objectives before each step and after the last, weights and components; None where a Normal is on its way to a single row."""
    objectives, sharpness = [], kind.sharpness
    for _ in range(count + 1):
        state = weights, components
        options = {"keep": kind.components, "sharpness": min(sharpness, 1.0)}
        if naive.is_narrow(components):
            return None
        weights, components, before = naive.em_step(*state, columns, sample_weight, **options)
        objectives.append(before)
        sharpness *= kind.warming
    return objectives, *state


@given(structures)
@settings(max_examples=60, derandomize=True, deadline=None)
@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")  # a hard step may leave a component without rows
def test_every_kind_of_step_equals_the_naive_one(structure):
    model = some_model(structure)
    expected = naive_steps(*model, 4)
    if expected is None:
        return
    objectives, weights, components = expected
    found = fitted(*model, max_iter=4)
    # Four steps of the same sums in another order.
    np.testing.assert_allclose(found.history_, objectives, rtol=1e-9)
    np.testing.assert_allclose(found.weights_, weights, rtol=1e-8, atol=1e-14)
    for ours, theirs in zip(found.components_, components, strict=True):
        for mine, other in zip(ours.factors.values(), theirs, strict=True):
            np.testing.assert_allclose(flat(mine), flat(other), rtol=1e-8, atol=1e-12)


@given(structures)
@settings(max_examples=100, derandomize=True, deadline=None)
@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")
def test_its_objective_never_falls(structure):
    model = some_model(structure)
    kind = model[-1]
    history = fitted(*model, max_iter=25).history_
    cold = 0
    while kind.sharpness * kind.warming**cold < 1.0:  # from one temperature to the next, objectives cannot be compared
        cold += 1
    assert len(history) == 26
    assert_never_falls(history[cold:])


# --- a temperature ---


def test_a_temperature_finds_the_better_optimum_of_old_faithful():
    # Three Normals: -1114.44 is the best known; from this start EM ends at -1119.21.
    model = GeneralMixtureModel(MultivariateNormal(), 3, n_init=1, tol=1e-10, random_state=0)
    assert 272 * model.fit(FAITHFUL).lower_bound_ == pytest.approx(-1119.214, abs=1e-3)
    model.set_params(e_step="tempered").fit(FAITHFUL)
    assert 272 * model.lower_bound_ == pytest.approx(-1114.440, abs=1e-3)
    assert model.converged_
    assert model.score(FAITHFUL) == pytest.approx(model.lower_bound_, rel=1e-13)


@pytest.mark.parametrize("kind", ["tempered", tempered(0.05, 1.1)])
def test_components_that_melt_are_not_the_end(kind):
    # Two clusters four standard deviations apart become one at such temperatures, and EM cannot part equal components.
    x = np.random.default_rng(21).normal(np.repeat([0.0, 4.0], 200), 1.0)
    soft = GeneralMixtureModel(Normal(), 2, n_init=1, random_state=0).fit(x)
    model = GeneralMixtureModel(Normal(), 2, n_init=1, e_step=kind, random_state=0).fit(x)
    assert model.lower_bound_ == pytest.approx(soft.lower_bound_, abs=1e-7)


def test_a_fit_that_has_not_cooled_down_says_so():
    model = GeneralMixtureModel(Normal(), 2, e_step=tempered(0.2, 1.01), max_iter=5, random_state=0)
    with pytest.warns(match="max_iter=5"):
        model.fit(FAITHFUL[:, 1])
    assert not model.converged_


def test_a_temperature_has_the_same_bits_in_threads():
    # 1e200 squared is beyond float64: the power of the warming is not to be computed as such.
    x = np.random.default_rng(22).normal(np.arange(9000) % 2 * 3.0, 1.0)
    for kind in (tempered(0.3, 1.3), tempered(0.9, 1e200)):
        one, two = [
            GeneralMixtureModel([Normal(0, 2), Normal(2, 2)], e_step=kind, tol=0, max_iter=4, n_jobs=n).fit(x) for n in (1, 2)
        ]
        assert one.components_ == two.components_
        assert one.history_.tolist() == two.history_.tolist()


# --- draws ---


def test_draws_follow_the_shares():
    # Pearson's statistic of 20,000 rows for each of four vectors of shares, at a level of 1e-6 each: fails by chance once in
    # 250,000 seeds.
    shares = np.array([[0.5, 0.3, 0.2, 0.0], [0.9, 0.05, 0.0, 0.05], [0.25, 0.25, 0.25, 0.25], [0.01, 0.0, 0.0, 0.99]])
    n = 20000
    for seed, expected in enumerate(shares):
        drawn = np.tile(expected[:, None], n)
        for first in range(0, n, 500):
            block = drawn[:, first : first + 500].copy()
            draw(seed, first, block)
            drawn[:, first : first + 500] = block
        assert np.isin(drawn, [0.0, 1.0]).all()
        assert (drawn.sum(axis=0) == 1.0).all()
        counts = drawn.sum(axis=1)
        possible = expected > 0
        assert (counts[~possible] == 0).all()
        statistic = ((counts - n * expected)[possible] ** 2 / (n * expected[possible])).sum()
        assert statistic < chi2.isf(1e-6, possible.sum() - 1)
        # Neighbours are drawn independently: of pairs of rows, the share that agree is the sum of squares.
        agree = (drawn[:, 1:] * drawn[:, :-1]).sum(axis=0).mean()
        chance = (expected**2).sum()
        assert abs(agree - chance) < 5.0 * np.sqrt(3 * chance * (1 - chance) / n) + 1e-12


def stochastic(**arguments):
    return GeneralMixtureModel(Product(Normal(), Poisson()), 3, e_step="stochastic", **arguments)


def mixed_rows(n):
    random = np.random.default_rng(23)
    group = random.integers(3, size=n)
    return np.column_stack([random.normal(2.0 * group, 1.0), random.poisson(2.0 + 3.0 * group)])


def test_a_chain_runs_to_its_end_and_keeps_the_best():
    X = mixed_rows(500)
    model = stochastic(max_iter=60, random_state=0).fit(X)  # warnings are errors: none about convergence
    assert model.n_iter_ == 60
    assert len(model.history_) == 61
    assert not model.converged_
    assert model.lower_bound_ == model.history_.max()
    assert model.score(X) == pytest.approx(model.lower_bound_, rel=1e-13)
    assert model.history_[-1] < model.history_.max()
    soft = GeneralMixtureModel(Product(Normal(), Poisson()), 3, random_state=0).fit(X)
    assert soft.lower_bound_ - 0.02 < model.lower_bound_ < soft.lower_bound_ + 1e-9
    assert (model.labels_ == model.predict(X)).all()


def test_a_chain_is_its_seeds_alone():
    X = mixed_rows(20000)  # three chunks
    one, two, again, other = [
        stochastic(max_iter=8, random_state=seed, n_jobs=n).fit(X) for seed, n in ((0, 1), (0, 2), (0, 1), (1, 1))
    ]
    assert one.history_.tolist() == two.history_.tolist() == again.history_.tolist()
    assert one.components_ == two.components_ == again.components_
    assert other.history_.tolist() != one.history_.tolist()


def test_a_chain_from_given_parameters_is_its_seeds_too():
    x = mixed_rows(500)[:, 0]
    start = [Normal(0, 1), Normal(3, 1)]
    first, same, other = [
        GeneralMixtureModel(start, e_step="stochastic", max_iter=20, random_state=seed).fit(x).history_.tolist()
        for seed in (0, 0, 1)
    ]
    assert first == same != other


def test_the_best_of_several_chains_is_kept():
    X = mixed_rows(300)
    model = stochastic(max_iter=15, n_init=4, random_state=0).fit(X)
    assert model.lower_bound_ == model.history_.max()
    assert model.score(X) == pytest.approx(model.lower_bound_, rel=1e-13)
    assert model.lower_bound_ >= stochastic(max_iter=15, n_init=1, random_state=0).fit(X).lower_bound_


# --- within another mixture, and words that mean nothing ---


def test_a_mixture_within_a_mixture_keeps_its_kind_and_its_weights():
    x = np.random.default_rng(24).normal(np.repeat([-8.0, -4.0, 5.0], 200), 1.0)
    inner = GeneralMixtureModel([Normal(-9, 1), Normal(-3, 1)], weights=[0.25, 0.75], learn_weights=False)
    model = GeneralMixtureModel([inner, Normal(5, 1)], tol=0, max_iter=10).fit(x)
    assert model.components_[0].weights_.tolist() == [0.25, 0.75]
    assert_never_falls(model.history_)
    inner.set_params(e_step="hard", learn_weights=True)
    hard = GeneralMixtureModel([inner, Normal(5, 1)], tol=0, max_iter=10).fit(x)  # its likelihood may fall
    assert not np.array_equal(hard.history_, model.history_)
    assert not inner.is_maximum_likelihood


@pytest.mark.parametrize("given", ["hart", 1, None, truncated])
def test_an_unknown_kind_is_refused(given):
    with pytest.raises(ParameterError, match=r"e_step must be one of .*'hard'"):
        GeneralMixtureModel(Normal(), 2, e_step=given).fit(FAITHFUL[:, 0])


@pytest.mark.parametrize("count", [0, -1, 1.0, True, "2"])
def test_truncated_wants_a_whole_number(count):
    with pytest.raises(ParameterError, match="whole number >= 1"):
        truncated(count)


@pytest.mark.parametrize("arguments", [(0.0,), (1.0,), (-0.5,), (0.5, 1.0), (0.5, np.inf), (np.nan,), (0.5, np.nan)])
def test_tempered_wants_a_temperature_that_falls(arguments):
    with pytest.raises(ParameterError, match="must be >"):
        tempered(*arguments)


def test_names_stand_for_kinds():
    assert as_e_step("hard") == truncated(1)
    assert as_e_step("tempered") == tempered()
    assert as_e_step(truncated(3)).components == 3
