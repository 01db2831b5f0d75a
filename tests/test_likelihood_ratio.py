"""The bootstrap likelihood-ratio test: statistics are those of the model's own fits, samples are draws of the smaller mixture."""

import numpy as np
import pandas
import polars
import pytest
import scipy.stats

from mixtures import GeneralMixtureModel
from mixtures.candidates import Candidate
from mixtures.datasets import load_faithful
from mixtures.distributions import Categorical, Exponential, Gamma, MultivariateNormal, Normal, Poisson, Product, Tied
from mixtures.exceptions import DataError, ParameterError
from mixtures.likelihood_ratio import LikelihoodRatioTest, LikelihoodRatioTests, Null, Pair
from mixtures.selection import bootstrap_lrt
from mixtures.table import Table

RANDOM = np.random.default_rng(0)
TWO = np.concatenate([RANDOM.normal(0, 1, 60), RANDOM.normal(7, 1, 90)])


class Bell:
    """A normal distribution that only Python knows."""

    def __init__(self, mean=0.0, std=1.0):
        self.mean, self.std = mean, std

    def log_prob(self, X):
        return scipy.stats.norm.logpdf(np.asarray(X)[:, 0], self.mean, self.std)

    def fit(self, X, sample_weight=None):
        x = np.asarray(X)[:, 0]
        mean = np.average(x, weights=sample_weight)
        return Bell(mean, np.sqrt(np.average((x - mean) ** 2, weights=sample_weight)))

    def sample(self, n, random_state=None):
        return np.random.default_rng(random_state).normal(self.mean, self.std, (n, 1))

    n_parameters = 2


def pair_of(model, table):
    return Pair(model.components_, model.weights_, model.components, table, model._checked()[1])


def test_two_clusters_are_two():
    tests = bootstrap_lrt(Normal(), TWO, range(1, 4), n_replicates=39)
    assert [test.n_components for test in tests] == [1, 2, 3]
    assert tests[0].p_value == 1 / 40
    assert tests[1].p_value > 0.05
    assert tests.chosen() == 2
    assert tests[:1][0] is tests[0]
    for test in tests:
        low, high = (len(TWO) * model.score(TWO) for model in (test.smaller, test.larger))
        assert test.statistic == pytest.approx(2 * (high - low), rel=1e-9)
        assert len(test.larger.components_) == test.n_components + 1
        assert test.p_value == (1 + np.sum(test.null >= test.statistic)) / 40


def test_statistics_are_never_negative_and_nested():
    """K + 1 components fit no sample worse than K."""
    model = GeneralMixtureModel(Normal(), 2, random_state=0).fit(TWO)
    null = Null(model, Table.read(TWO), None, 0)
    drawn = null.samples(30)
    pair = pair_of(model, drawn)
    for n in range(30):
        low, high = pair.log_likelihoods(n * 150, (n + 1) * 150, n)
        assert high > low - 1e-3
    assert min(null.statistics(50, 1)) >= 0.0


@pytest.mark.parametrize("family", [Normal(), Gamma(), Exponential()], ids=repr)
def test_fits_of_samples_are_as_good_as_those_of_the_model(family):
    x = np.abs(TWO) + 0.1
    model = GeneralMixtureModel(family, 1, random_state=0).fit(x)
    null = Null(model, Table.read(x), None, 0)
    drawn = null.samples(10)
    rows, pair = drawn.numbers(0), pair_of(model, drawn)
    for n in range(10):
        own = rows[n * 150 : (n + 1) * 150]
        found = pair.log_likelihoods(n * 150, (n + 1) * 150, n)
        for size, value in zip((1, 2), found, strict=True):
            best = GeneralMixtureModel(family, size, random_state=1).fit(own)
            assert value > 150 * best.score(own) - 0.5


def test_a_true_hypothesis_is_rejected_as_often_as_the_level_says():
    """One exponential, 40 samples of it: with 19 draws each, a p-value is at most m / 20 with probability m / 20, as far as
    statistics are not 0, which about half of them are. Binomial tests at level 1e-3, seeds fixed."""
    random = np.random.default_rng(3)
    x = random.exponential(1, (40, 60))
    found = np.array([bootstrap_lrt(Exponential(), row, 1, n_replicates=19, random_state=n).p_value for n, row in enumerate(x)])
    for level in (0.1, 0.25, 0.4):
        assert scipy.stats.binomtest(int(np.sum(found < level + 1e-9)), 40, level).pvalue > 1e-3


@pytest.mark.parametrize("family", [Normal(), Tied(Normal(), "std")], ids=repr)
def test_results_have_the_same_bits_for_any_number_of_threads(family):
    one, two = (bootstrap_lrt(family, TWO, 2, n_replicates=20, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert np.array_equal(one.null, two.null)
    assert one.statistic == two.statistic


def test_large_samples_have_the_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr("mixtures.likelihood_ratio.DRAWN_CELLS", 1)
    nulls = [bootstrap_lrt(Normal(), TWO, 1, n_replicates=10, n_jobs=n_jobs).null for n_jobs in (1, 2, 7)]
    assert np.array_equal(nulls[0], nulls[1])
    assert np.array_equal(nulls[0], nulls[2])


def test_a_test_does_not_depend_on_the_others():
    alone, among = bootstrap_lrt(Normal(), TWO, 2, n_replicates=20), bootstrap_lrt(Normal(), TWO, [3, 2, 1, 2], n_replicates=20)
    assert [test.n_components for test in among] == [1, 2, 3]
    assert np.array_equal(alone.null, among[1].null)


def test_the_order_of_rows_does_not_matter():
    order = np.random.default_rng(1).permutation(len(TWO))
    one, other = (bootstrap_lrt(Normal(), x, 1, n_replicates=20) for x in (TWO, TWO[order]))
    np.testing.assert_allclose(one.null, other.null, rtol=1e-5, atol=1e-5)
    assert one.statistic == pytest.approx(other.statistic, rel=1e-6)


def test_weights_are_repetitions():
    weights = np.random.default_rng(2).integers(0, 3, len(TWO))
    repeated = np.repeat(TWO, weights)
    one, other = (
        bootstrap_lrt(Normal(), TWO, 1, n_replicates=20, sample_weight=weights),
        bootstrap_lrt(Normal(), repeated, 1, n_replicates=20),
    )
    assert one.statistic == pytest.approx(other.statistic, rel=1e-6)
    assert len(one.null) == len(other.null) == 20
    model = one.smaller
    assert Null(model, Table.read(TWO[weights > 0]), weights[weights > 0].astype(float), 0).n_rows == len(repeated)


def test_old_faithful():
    """Of one full normal the log-likelihood has a closed form; of two it is -1130.26396 (two independent programs agree)."""
    x = load_faithful().to_numpy()
    test = bootstrap_lrt(MultivariateNormal(), x, 1, n_replicates=19)
    n, d = x.shape
    one = -n / 2 * (np.linalg.slogdet(np.cov(x.T, bias=True))[1] + d * np.log(2 * np.pi) + d)
    assert test.statistic == pytest.approx(2 * (-1130.26396 - one), abs=1e-3)
    assert test.p_value == 0.05


def test_it_stops_at_the_first_that_is_not_rejected():
    tests = bootstrap_lrt(Normal(), TWO, range(1, 6), n_replicates=39, level=0.05)
    assert [test.n_components for test in tests] == [1, 2]
    assert tests.chosen(0.05) == 2


@pytest.mark.parametrize("library", [pandas.DataFrame, polars.DataFrame])
def test_a_table_of_mixed_columns_with_missing_cells(library):
    random = np.random.default_rng(4)
    group = random.random(150) < 0.4
    data = {
        "height": np.where(group, random.normal(160, 5, 150), random.normal(185, 5, 150)),
        "visits": np.where(group, random.poisson(1, 150), random.poisson(8, 150)).astype(float),
        "eye": np.where(random.random(150) < 0.8, np.where(group, "blue", "brown"), "green").astype(object),
    }
    data["visits"][::6] = np.nan
    data["eye"][::9] = None
    tests = bootstrap_lrt(Product(height=Normal(), visits=Poisson(), eye=Categorical()), library(data), [1, 2], n_replicates=19)
    assert tests[0].p_value == 1 / 20
    assert tests[1].p_value > 0.05
    assert isinstance(tests.table, library)
    assert list(tests.table["n_components"]) == [1, 2]


def test_survey_items():
    random = np.random.default_rng(5)
    group = random.random(300) < 0.5
    data = polars.DataFrame({name: np.where(random.random(300) < np.where(group, 0.9, 0.2), "yes", "no") for name in "abcd"})
    tests = bootstrap_lrt(Product({name: Categorical() for name in "abcd"}), data, [1, 2], n_replicates=19, level=0.05)
    assert tests.chosen(0.05) == 2


def test_blocks_and_models_with_arguments():
    x = np.column_stack([TWO, np.roll(TWO, 3)])
    model = GeneralMixtureModel(MultivariateNormal(kind="diagonal"), max_iter=50)
    test = bootstrap_lrt(model, x, 1, n_replicates=9)
    assert test.smaller.max_iter == 50
    assert test.p_value == 0.1
    assert not hasattr(model, "components_")


def test_what_only_python_knows():
    test = bootstrap_lrt(Bell(), TWO, 1, n_replicates=4, max_iter=30, n_init=1)
    assert test.p_value == 0.2
    assert np.all(test.null >= 0)


def test_an_offset_changes_nothing():
    one, other = bootstrap_lrt(Normal(), TWO, 1, n_replicates=10), bootstrap_lrt(Normal(), TWO + 2.0**30, 1, n_replicates=10)
    assert one.statistic == pytest.approx(other.statistic, rel=1e-6)


def test_equal_counts_cannot_be_told_apart():
    """All samples of a point mass are the same: a statistic of 0 is no evidence."""
    test = bootstrap_lrt(Poisson(), np.zeros(20), 1, n_replicates=9)
    assert test.statistic == 0.0
    assert test.p_value == 1.0


def test_ties_count():
    model = GeneralMixtureModel(Normal(0.0, 1.0), 1).fit(TWO)
    test = LikelihoodRatioTest(model, None, 3.0, np.array([1.0, 3.0, 4.0]), 0)
    assert test.p_value == 0.75
    assert LikelihoodRatioTests([test]).chosen(0.8) == 2


def test_text_and_html():
    test = bootstrap_lrt(Normal(), TWO, 1, n_replicates=9)
    assert repr(test).splitlines()[-1].split()[:3] == ["1", "against", "2"]
    assert LikelihoodRatioTests([test]).table[0]["p_value"] == 0.1
    assert "0.1000" in LikelihoodRatioTests([test])._repr_html_()


def test_random_states_of_every_kind():
    for state in (np.random.default_rng(1), np.random.RandomState(1), None):
        assert bootstrap_lrt(Normal(), TWO, 1, n_replicates=9, random_state=state).p_value == 0.1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_components": 0}, "whole numbers >= 1"),
        ({"n_components": []}, "at least one number"),
        ({"n_replicates": 0}, "n_replicates must be"),
        ({"level": 1.5}, "level must be"),
        ({"components": [Normal(), Gamma()]}, "expected one distribution"),
        ({"weights_prior": 2.0}, "weights_prior cannot be used"),
        ({"learn_weights": False}, "no special case"),
        ({"e_step": "hard"}, "a soft E-step"),
        ({"weights": [1.0]}, "weights cannot be used"),
        ({"X": [1.0, np.nan, np.inf]}, "expected finite"),
        ({"X": [1.0, 2.0], "n_components": 3}, "at least as many rows"),
    ],
    ids=str,
)
def test_errors(arguments, words):
    with pytest.raises((ParameterError, DataError), match=words):
        bootstrap_lrt(**{"components": Normal(), "X": TWO, "n_components": 1, "n_replicates": 2, **arguments})


def test_a_prior_is_refused():
    from mixtures.priors import NormalInverseGamma

    with pytest.raises(ParameterError, match="no prior"):
        bootstrap_lrt(Normal(prior=NormalInverseGamma()), TWO, 1, n_replicates=2)


def test_a_candidate_without_a_model_has_no_criteria():
    assert np.isnan(Candidate("", 2).criterion("bic"))
