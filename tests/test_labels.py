"""Rows whose component is known: discriminant analysis where all are, EM about them where some are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB

from mixtures import GeneralMixtureModel
from mixtures.distributions import Categorical, Exponential, MultivariateNormal, Normal, Poisson, Product
from mixtures.exceptions import DataError, FitError

from . import naive
from .random_models import KINDS, assert_never_falls, flat, random_mixture, random_table, table_of

IRIS, SPECIES = load_iris(return_X_y=True)


def numbers(model):
    """Every parameter of a fitted model of products or of single columns."""
    factors = [f for c in model.components_ for f in getattr(c, "factors", {"": c}).values()]
    return np.hstack([model.weights_, *[flat(factor) for factor in factors]])


def same_bits(one, other):
    return numbers(one).tolist() == numbers(other).tolist() and one.history_.tolist() == other.history_.tolist()


# --- every row known: the classifiers that the model contains ---


def test_all_known_is_naive_bayes():
    theirs = GaussianNB(var_smoothing=0.0).fit(IRIS, SPECIES)
    ours = GeneralMixtureModel(Normal(), 3).fit(IRIS, labels=SPECIES)
    found = np.array([[(f.mean, f.variance) for f in c.factors.values()] for c in ours.components_])
    np.testing.assert_allclose(found[:, :, 0], theirs.theta_, rtol=1e-13)
    np.testing.assert_allclose(found[:, :, 1], theirs.var_, rtol=1e-12)
    np.testing.assert_allclose(ours.weights_, theirs.class_prior_, rtol=1e-14)
    np.testing.assert_allclose(ours.predict_proba(IRIS), theirs.predict_proba(IRIS), rtol=1e-9, atol=1e-15)
    assert (ours.predict(IRIS) == theirs.predict(IRIS)).all()
    assert (ours.labels_ == SPECIES).all()  # what is known, where prediction errs
    assert (ours.labels_ != ours.predict(IRIS)).any()


def test_all_known_is_quadratic_discriminant_analysis():
    theirs = QuadraticDiscriminantAnalysis().fit(IRIS, SPECIES)
    ours = GeneralMixtureModel(MultivariateNormal(), 3).fit(IRIS, labels=SPECIES)
    assert (ours.predict(IRIS) == theirs.predict(IRIS)).all()
    np.testing.assert_allclose([c.mean for c in ours.components_], theirs.means_, rtol=1e-12)
    for place, component in enumerate(ours.components_):
        # Its own covariances are divided by n or by n - 1, as its version will have it.
        np.testing.assert_allclose(component.covariance, np.cov(IRIS[SPECIES == place].T, ddof=0), rtol=1e-10)


def test_all_known_is_linear_discriminant_analysis():
    theirs = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True).fit(IRIS, SPECIES)
    ours = GeneralMixtureModel(MultivariateNormal(tied=True), 3).fit(IRIS, labels=SPECIES)
    np.testing.assert_allclose([c.mean for c in ours.components_], theirs.means_, rtol=1e-12)
    np.testing.assert_allclose(ours.components_[0].covariance, theirs.covariance_, rtol=1e-10)
    np.testing.assert_allclose(ours.predict_log_proba(IRIS), theirs.predict_log_proba(IRIS), rtol=1e-8, atol=1e-9)
    assert (ours.predict(IRIS) == theirs.predict(IRIS)).all()


# --- some known ---

structures = st.tuples(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3),
    st.integers(2, 3),
    st.sampled_from([0.0, 0.2]),
    st.booleans(),
)


@given(structures)
@settings(max_examples=50, derandomize=True, deadline=None)
@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")  # of 60 rows, a Normal may end on one
def test_every_step_equals_the_naive_one_and_the_objective_never_falls(structure):
    seed, kinds, k, missing, is_weighted = structure
    random = np.random.default_rng(seed)
    columns = random_table(random, kinds, 60, missing)
    sample_weight = random.exponential(1.0, 60) if is_weighted else np.ones(60)
    weights, components = random_mixture(random, kinds, k)
    known = np.where(random.random(60) < 0.4, random.integers(k, size=60), -1)
    start = [Product(*component) for component in components]
    model = GeneralMixtureModel(start, weights=weights, tol=0, max_iter=20)
    model.fit(table_of(columns), sample_weight=sample_weight, labels=known)
    assert_never_falls(model.history_)
    assert (model.labels_[known >= 0] == known[known >= 0]).all()
    for objective in model.history_[:4]:
        if naive.is_narrow(components):
            return
        weights, components, before = naive.em_step(weights, components, columns, sample_weight, known=known)
        assert objective == pytest.approx(before, rel=1e-9)


def overlapping(n=600, seed=31):
    """Two clusters that overlap, rows (n,) and their clusters."""
    random = np.random.default_rng(seed)
    group = random.integers(2, size=n)
    return random.normal(2.0 * group, 1.0), group


def test_known_rows_name_the_components_and_improve_them():
    x, group = overlapping()
    some = np.where(np.arange(600) % 3 == 0, 1 - group, -1)  # the second cluster is to be component 0
    model = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x, labels=some)
    assert model.components_[0].mean > model.components_[1].mean
    assert (model.labels_[::3] == some[::3]).all()
    everything = GeneralMixtureModel(Normal(), 2).fit(x, labels=1 - group)
    nothing = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x)

    def miss(found):
        means = sorted(component.mean for component in found.components_)
        return np.abs(np.array(means) - sorted(c.mean for c in everything.components_)).max()

    assert miss(model) < miss(nothing)


UNKNOWN = {
    "minus one": lambda labels: labels,
    "list with None": lambda labels: [None if v < 0 else int(v) for v in labels],
    "NaN": lambda labels: np.where(labels < 0, np.nan, labels),
    "Series": lambda labels: pd.Series(labels, index=np.arange(len(labels))[::-1]),
    "Series of Int64 with NA": lambda labels: pd.Series(labels, dtype="Int64").mask(labels < 0),
    "objects": lambda labels: np.array([None if v < 0 else np.int64(v) for v in labels], dtype=object),
    "int8": lambda labels: labels.astype(np.int8),
    "responsibilities": lambda labels: np.where(labels[:, None] < 0, 0.5, labels[:, None] == np.arange(2)),
    "responsibilities with rows of NaN": lambda labels: np.where(labels[:, None] < 0, np.nan, 7.0 * (labels[:, None] == [0, 1])),
}


@pytest.mark.parametrize("form", UNKNOWN)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_way_to_say_the_same_gives_the_same_bits(form, weighted):
    x, group = overlapping(200)
    known = np.where(np.arange(200) % 4 == 0, group, -1)
    weights = np.random.default_rng(32).integers(0, 3, 200) if weighted else None
    model = GeneralMixtureModel(Normal(), 2, random_state=0)
    plain = model.fit(x, sample_weight=weights, labels=known)
    name = "responsibilities" if "responsibilities" in form else "labels"
    other = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x, sample_weight=weights, **{name: UNKNOWN[form](known)})
    assert same_bits(plain, other)


@pytest.mark.parametrize(
    "nothing",
    [{"labels": np.full(200, -1)}, {"labels": [None] * 200}, {"responsibilities": np.ones((200, 2))}],
    ids=["labels", "None", "responsibilities"],
)
@pytest.mark.parametrize("components", [[Normal(), Normal()], [Normal(), Exponential()]], ids=["one family", "two families"])
def test_to_know_nothing_changes_no_bit(nothing, components):
    x = np.abs(overlapping(200)[0])
    model = GeneralMixtureModel(components, random_state=0)
    assert same_bits(model.fit(x), GeneralMixtureModel(components, random_state=0).fit(x, **nothing))


def test_plausibilities_multiply_densities():
    # Come et al. 2009: the likelihood of sum_k pl_nk w_k f_k(x_n).
    x, _ = overlapping(300)
    plausible = np.random.default_rng(33).uniform(0.1, 1.0, (300, 2))
    plausible /= plausible.max(axis=1, keepdims=True)
    start, weights = [Normal(-1, 1), Normal(3, 1.5)], np.array([0.3, 0.7])
    model = GeneralMixtureModel(start, weights=weights, tol=0, max_iter=30).fit(x, responsibilities=3.0 * plausible)
    assert_never_falls(model.history_)

    def objective(components, weights):
        density = np.exp([component.log_prob(x) for component in components]).T
        return np.log((plausible * density * weights).sum(axis=1)).mean()

    assert model.history_[0] == pytest.approx(objective(start, weights), rel=1e-12)
    assert model.history_[-1] == pytest.approx(objective(model.components_, model.weights_), rel=1e-12)


def test_weights_mean_repetition_of_known_rows_too():
    x, group = overlapping(300)
    known = np.where(np.arange(300) % 3 == 0, group, -1)
    times = np.random.default_rng(34).integers(0, 4, 300)
    one = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x, sample_weight=times, labels=known)
    other = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x.repeat(times), labels=known.repeat(times))
    np.testing.assert_allclose(numbers(one), numbers(other), rtol=1e-7)
    assert (one.labels_[times == 0] == -1).all()
    assert (one.labels_[(times > 0) & (known >= 0)] == known[(times > 0) & (known >= 0)]).all()


def test_the_label_of_a_row_of_weight_zero_says_nothing():
    x, group = overlapping(100)
    known = np.where(np.arange(100) % 3 == 0, group, -1)
    junk, wrong = np.array([-50.0, 70.0]), np.array([1, 0])
    plain = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x, sample_weight=np.ones(100), labels=known)
    padded = GeneralMixtureModel(Normal(), 2, random_state=0)
    padded.fit(np.append(x, junk), sample_weight=np.append(np.ones(100), [0, 0]), labels=np.append(known, wrong))
    np.testing.assert_allclose(numbers(padded), numbers(plain), rtol=1e-12)


# --- where a start looks ---


@pytest.mark.parametrize("seed", range(5))
def test_a_class_without_known_rows_is_found_among_the_others(seed):
    # The known rows are all of one cluster, the others' clusters have none.
    random = np.random.default_rng(35)
    group = np.repeat([0, 1, 2, 3], 100)
    X = random.normal(np.array([[0, 0], [9, 0], [0, 9], [9, 9]])[group], 1.0)
    known = np.where((group == 2) & (np.arange(400) % 5 == 0), 1, -1)
    model = GeneralMixtureModel(Normal(), 4, n_init=1, random_state=seed).fit(X, labels=known)
    assert (model.labels_[group == 2] == 1).all()
    found = [set(model.labels_[group == g]) for g in range(4)]
    assert sorted(map(len, found)) == [1, 1, 1, 1]
    assert len(set.union(*found)) == 4


@pytest.mark.parametrize("seed", range(3))
def test_components_of_several_families_keep_their_known_rows(seed):
    # Of two Poissons, labels say which one has the cluster of mean 30; the others find the clusters that suit them.
    random = np.random.default_rng(36)
    x = np.concatenate([random.poisson(30.0, 200), random.poisson(1.0, 200), np.round(random.normal(80.0, 5.0, 200))]).astype(float)
    known = np.full(600, -1)
    known[:20] = 1
    components = [Poisson(), Poisson(), Normal()]
    model = GeneralMixtureModel(components, n_init=1, random_state=seed).fit(x, labels=known)
    assert model.components_[1].rate == pytest.approx(30.0, rel=0.05)
    assert model.components_[0].rate == pytest.approx(1.0, rel=0.2)
    assert model.components_[2].mean == pytest.approx(80.0, rel=0.02)


def test_known_rows_are_seen_in_a_table_larger_than_a_start_looks_at():
    # EM from a start that gives the clusters the wrong numbers would stay there: six rows among 60,000 do not turn it round.
    random = np.random.default_rng(37)
    n = 60000
    X = np.column_stack([random.normal(0, 1, n), random.normal(np.repeat([-5.0, 5.0], n // 2), 1.0)])
    known = np.full(n, -1)
    known[[7, 11, 13]], known[[-7, -11, -13]] = 1, 0  # of 60,000 rows a start looks at 4,224
    for order in (np.arange(n), random.permutation(n)):
        model = GeneralMixtureModel(Normal(), 2, random_state=0).fit(X[order], labels=known[order])
        sides = [list(component.factors.values())[1].mean for component in model.components_]
        np.testing.assert_allclose(sides, [5.0, -5.0], atol=0.05)


def test_neither_order_nor_repetition_moves_a_start_with_labels():
    # Few distinct rows, of which some are known to be of one component, some of another, and most unknown.
    random = np.random.default_rng(38)
    group = random.integers(2, size=9000)
    X = np.column_stack([random.normal(4.0 * group, 1.0).round(2), random.poisson(1.0 + 4.0 * group)])
    known = np.where(random.random(9000) < 0.02, group, -1)
    times = random.integers(1, 4, 9000)

    def fit(rows, labels, weights=None):
        model = GeneralMixtureModel([Product(Normal(), Poisson()), Product(Normal(), Poisson())], random_state=1)
        return numbers(model.fit(rows, labels=labels, sample_weight=weights))

    by_weight = fit(X, known, times)
    np.testing.assert_allclose(fit(X[::-1], known[::-1], times[::-1]), by_weight, rtol=1e-9, atol=1e-9)
    order = random.permutation(times.sum())
    repeated = fit(X.repeat(times, axis=0)[order], known.repeat(times)[order])
    np.testing.assert_allclose(repeated, by_weight, rtol=1e-9, atol=1e-9)


def test_equal_rows_with_different_labels_stay_apart():
    # Four patterns in 20,000 rows: a row is its cells and its label.
    random = np.random.default_rng(39)
    X = random.integers(0, 2, (20000, 2)).astype(float)
    known = np.full(20000, -1)
    known[(X[:, 0] == 0).nonzero()[0][:400]] = 0
    known[(X[:, 0] == 1).nonzero()[0][:400]] = 1
    model = GeneralMixtureModel(Product(Categorical(), Categorical()), 2, random_state=0, tol=1e-6).fit(X, labels=known)
    zeros = [next(iter(component.factors.values())).probabilities[0] for component in model.components_]
    assert zeros[0] > 0.5 > zeros[1]


# --- what cannot be ---


@pytest.mark.parametrize("components", [[Normal(), Exponential()], [Normal(0, 1), Exponential(1.0)]], ids=["learned", "given"])
def test_a_label_that_its_family_cannot_have_made_names_the_row(components):
    x = np.array([0.5, 1.0, -2.0, 3.0, 4.0, 0.1])
    with pytest.raises(FitError, match=r"row 2 .*-2\.0.* log-density -inf under component 1, which its label names"):
        GeneralMixtureModel(components, random_state=0).fit(x, labels=[-1, -1, 1, -1, -1, -1])


BAD = {
    "shape": ({"labels": [0, 1]}, r"labels: expected shape \(6,\), one a row, found \(2,\)"),
    "one a column": ({"labels": np.zeros((6, 1))}, r"labels: expected shape \(6,\)"),
    "fraction": ({"labels": [0, 1, 0.5, 0, 1, 0]}, r"labels: .* from 0 to 1.*row 2 has .*0\.5"),
    "too large": ({"labels": [0, 1, 1, 2, 1, 0]}, r"labels: .* from 0 to 1.*row 3 has .*2"),
    "negative": ({"labels": [0, 1, 1, -2, 1, 0]}, r"row 3 has .*-2"),
    "infinite": ({"labels": [0, np.inf, 1, 0, 1, 0]}, r"row 1 has .*inf"),
    "strings": ({"labels": ["a", "b", "a", "b", "a", "b"]}, r"labels: .*row 0 has 'a'"),
    "digits": ({"labels": ["0", "1", "0", "1", "0", "1"]}, r"labels: .*row 0 has '0'"),
    "strings among others": ({"labels": [0, 1, None, "b", 1, 0]}, r"labels: .*row 3 has 'b'"),
    "dates": ({"labels": np.arange(6).astype("M8[D]")}, r"labels: .*row 0 has"),
    "complex": ({"labels": np.zeros(6, dtype=complex)}, r"labels: .*row 0 has 0j"),
    "both": ({"labels": [0] * 6, "responsibilities": np.ones((6, 2))}, "labels or responsibilities, found both"),
    "responsibilities' shape": (
        {"responsibilities": np.ones((6, 3))},
        r"responsibilities: expected shape \(6, 2\).*found \(6, 3\)",
    ),
    "negative responsibility": ({"responsibilities": [[1, 1]] * 4 + [[1, -1], [1, 1]]}, r"row 4 has \[1\.0, -1\.0\]"),
    "no responsibility": ({"responsibilities": [[1, 1]] * 5 + [[0, 0]]}, r"not all 0, row 5 has \[0\.0, 0\.0\]"),
    "half unknown": ({"responsibilities": [[1, np.nan]] + [[1, 1]] * 5}, r"finite numbers >= 0.*row 0 has \[1\.0, nan\]"),
    "infinite responsibility": ({"responsibilities": [[1, np.inf]] + [[1, 1]] * 5}, r"finite.*row 0 has"),
    "words": ({"responsibilities": [["a", "b"]] * 6}, "responsibilities: expected numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_knowledge_is_one_error_and_changes_nothing(case):
    arguments, message = BAD[case]
    x = np.array([0.5, 1.0, 2.0, 3.0, 4.0, 0.1])
    model = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x)
    before = dict(vars(model))
    with pytest.raises(DataError, match=message):
        model.fit(x[::-1], **arguments)
    assert vars(model) == before
