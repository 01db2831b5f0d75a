"""A selection is its fits side by side: every number in its table is that of a model fitted on its own."""

import logging

import numpy as np
import pandas
import polars
import pytest
from sklearn.model_selection import GridSearchCV, KFold

from mixtures import GeneralMixtureModel, select
from mixtures.candidates import SPIKE, Candidate
from mixtures.criteria import FitMeasures
from mixtures.datasets import load_faithful
from mixtures.distributions import (
    Bernoulli,
    Categorical,
    Gamma,
    Laplace,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    Product,
)
from mixtures.exceptions import DataError, FitError, ParameterError
from mixtures.selection import MISSED, _models, _told_of_misses, alternatives, named

RANDOM = np.random.default_rng(0)
TWO = np.concatenate([RANDOM.normal(0, 1, 60), RANDOM.normal(7, 1, 90)])
PLANE = np.concatenate([RANDOM.normal(0, 1, (50, 2)), RANDOM.normal((6, 3), 1, (70, 2))])


def frame(n=120, seed=1):
    random = np.random.default_rng(seed)
    group = random.random(n) < 0.4
    return {
        "height": np.where(group, random.normal(160, 5, n), random.normal(185, 5, n)),
        "visits": np.where(group, random.poisson(1, n), random.poisson(8, n)),
        "eye": np.where(group, "blue", random.choice(["brown", "green"], n)).astype(object),
    }


MIXED = Product(height=Normal(), visits=Poisson(), eye=Categorical())


def values(selection):
    return [[c.criterion(name) for name in selection.criteria] for c in selection]


# --- what a row says ---


@pytest.mark.parametrize("weighted", [False, True])
def test_every_number_is_that_of_the_model_alone(weighted):
    weights = np.random.default_rng(2).integers(0, 3, len(TWO)).astype(float) if weighted else None
    found = select(Normal(), TWO, range(1, 4), sample_weight=weights)
    total = len(TWO) if weights is None else weights.sum()
    for size, candidate in enumerate(found, 1):
        model = GeneralMixtureModel(Normal(), size, random_state=0).fit(TWO, sample_weight=weights)
        assert candidate.n_components == size
        assert candidate.measures.n_parameters == 3 * size - 1
        assert candidate.measures.log_likelihood == pytest.approx(total * model.score(TWO, sample_weight=weights), rel=1e-12)
        for name in ("bic", "aic", "aicc", "sabic", "icl"):
            assert candidate.criterion(name) == pytest.approx(getattr(model, name)(TWO, weights), rel=1e-12)
    assert found.best.n_components == 2
    assert found.best_model is found.models[1]


@pytest.mark.parametrize("criterion", ["bic", "aic", "aicc", "sabic", "icl"])
def test_the_lowest_criterion_is_chosen(criterion):
    found = select([MultivariateNormal(), MultivariateNormal(kind="diagonal")], PLANE, range(1, 4), criterion)
    lowest = min((c for c in found if not c.degenerate), key=lambda c: c.criterion(criterion))
    assert found.best is lowest
    assert sum(row["chosen"] for row in found.table) == 1


def test_cross_validation_is_that_of_its_folds():
    found = select(Normal(), TWO, [1, 2, 3], "cv", cv=4, random_state=3)
    for size, candidate in enumerate(found, 1):
        scores, rows = [], []
        for train, test in KFold(4, shuffle=True, random_state=3).split(TWO):
            model = GeneralMixtureModel(Normal(), size, random_state=3).fit(TWO[train])
            scores.append(model.score(TWO[test]))
            rows.append(len(test))
        assert candidate.cv == pytest.approx(np.average(scores, weights=rows), rel=1e-12)
        assert candidate.cv_error == pytest.approx(np.std(scores, ddof=1) / 2, rel=1e-12)
    assert found.best is max(found, key=lambda candidate: candidate.cv)
    assert found.best.n_components == 2
    assert [row["cv_error"] for row in found.table] == [candidate.cv_error for candidate in found]
    assert "±" in repr(found)
    assert "highest CV, chosen" in repr(found)


def test_cross_validation_takes_splits_and_leaves_rows_of_weight_zero_out():
    weights = np.ones(len(TWO))
    weights[::5] = 0.0
    with_zeros = select(Normal(), TWO, [2], "cv", sample_weight=weights)
    without = select(Normal(), TWO[weights > 0], [2], "cv")
    assert with_zeros[0].cv == pytest.approx(without[0].cv, rel=1e-9)
    halves = [(np.arange(75), np.arange(75, 150)), (np.arange(75, 150), np.arange(75))]
    found = select(Normal(), np.random.default_rng(0).permutation(TWO), [2], "cv", cv=halves)
    assert np.isfinite(found[0].cv)


def test_a_category_that_only_the_held_out_rows_have_is_told():
    data = polars.DataFrame({"eye": ["blue"] * 10 + ["brown"] * 9 + ["green"]})
    found = select(Product(eye=Categorical()), data, [1], "cv")
    assert found[0].cv == -np.inf
    assert "density zero" in found[0].notes[0]
    assert np.isfinite(
        select(Product(eye=Categorical(pseudo_count=1.0, categories=["blue", "brown", "green"])), data, [1], "cv")[0].cv
    )


# --- properties ---


@pytest.mark.parametrize("criterion", ["bic", "cv"])
def test_results_have_the_same_bits_for_any_number_of_threads(criterion):
    data = polars.DataFrame(frame())
    one, two = (select(MIXED, data, range(1, 4), criterion, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert values(one) == values(two)
    assert one.table.drop("notes").equals(two.table.drop("notes"))


def test_the_order_of_rows_does_not_matter():
    order = np.random.default_rng(5).permutation(len(PLANE))
    one, other = (select(MultivariateNormal(), X, range(1, 4)) for X in (PLANE, PLANE[order]))
    np.testing.assert_allclose(values(one), values(other), rtol=1e-6)
    assert one.best.n_components == other.best.n_components == 2


def test_models_keep_the_threads_that_they_were_asked_for():
    assert {model.n_jobs for model in select(Normal(), TWO, [1, 2]).models} == {None}
    assert {model.n_jobs for model in select(Normal(), TWO, [1, 2], n_jobs=2).models} == {2}


def test_random_states_of_every_kind():
    seeds = [np.random.default_rng(4), np.random.RandomState(4), None, 4]
    assert [select(Normal(), TWO, [1, 2], random_state=seed).best.n_components for seed in seeds] == [2] * 4


# --- what may be chosen from ---


def test_specifications_by_name_by_sequence_and_as_models():
    found = select({"full": MultivariateNormal(), "round": MultivariateNormal(kind="spherical")}, PLANE, [1, 2])
    assert [(c.name, c.n_components) for c in found] == [("full", 1), ("full", 2), ("round", 1), ("round", 2)]
    assert found.best.name == "round"
    found = select([Normal(), Laplace(), [Normal(), Laplace()]], TWO, [2])
    assert [(c.name, c.n_components) for c in found] == [("Normal()", 2), ("Laplace()", 2), ("[Normal(), Laplace()]", 2)]
    assert [type(c).__name__ for c in found[2].model.components_] == ["Normal", "Laplace"]
    hard = GeneralMixtureModel(Normal(), e_step="hard")
    found = select({"soft": Normal(), "hard": hard}, TWO, [2], max_iter=50)
    assert [c.model.e_step for c in found] == ["soft", "hard"]
    assert {c.model.max_iter for c in found} == {50}
    assert not hasattr(hard, "components_")
    assert [c.name for c in select([Normal(), Normal()], TWO, 1)] == ["Normal()", "Normal() (2)"]


def test_alternatives_of_columns():
    choices = alternatives(MIXED, visits=[Poisson(), NegativeBinomial()], height=[Normal(), Gamma()])
    assert len(choices) == 4
    assert all(list(product.factors) == ["height", "visits", "eye"] for product in choices.values())
    found = select(choices, polars.DataFrame(frame()), 2)
    assert found.best.name == "visits=Poisson(), height=Normal()" or found.best.name == "visits=Poisson(), height=Gamma()"
    with pytest.raises(ParameterError, match="'weight'"):
        alternatives(MIXED, weight=[Normal()])
    with pytest.raises(ParameterError, match="'height'"):
        alternatives(MIXED, height=Normal())


def test_old_faithful_is_as_mclust_finds_it():
    """The vignette "A quick tour of mclust": of all its models EEE of 3 components is best, with a log-likelihood of -1126.326 and
    11 parameters, BIC -2314.316 in its sign. (Older versions stop at -1126.361.)"""
    x = load_faithful().to_numpy()
    found = select({"EEE": MultivariateNormal(tied=True), "VVV": MultivariateNormal()}, x, range(1, 5))
    assert (found.best.name, found.best.n_components, found.best.measures.n_parameters) == ("EEE", 3, 11)
    assert -1126.326 < found.best.measures.log_likelihood < -1126.3
    assert found.best.measures.bic == pytest.approx(2314.316, abs=0.05)


def test_a_fit_below_that_of_fewer_components_is_told():
    assert not any(candidate.notes for candidate in select({"same": Normal()}, TWO, [1, 2, 3]))
    soft, hard, prior = Normal(), GeneralMixtureModel(Normal(), e_step="hard"), GeneralMixtureModel(Normal(), weights_prior=2.0)
    for spec, is_told in ((soft, True), (hard, False), (prior, False)):
        models = [model for _, model in named(spec) for model in _models(model, [1, 2], {})]
        values = (-100.0, -101.0)
        candidates = [Candidate("", k, m, FitMeasures(v, 9.0, 2)) for k, m, v in zip((1, 2), models, values, strict=True)]
        told = _told_of_misses(candidates)
        assert told[0].notes == ()
        assert (told[1].notes == (MISSED.format(fewer=1),)) == is_told


def test_constraints_are_specifications():
    from mixtures.distributions import Tied

    found = select({"own": Normal(), "one": Tied(Normal(), "std")}, TWO, [2])
    assert [c.measures.n_parameters for c in found] == [5, 4]


# --- frames ---


@pytest.mark.parametrize("library", [pandas.DataFrame, polars.DataFrame])
def test_the_table_is_a_frame_of_the_callers_library(library):
    data = frame()
    data["height"][::7] = np.nan
    found = select(MIXED, library(data), [1, 2])
    assert isinstance(found.table, library)
    assert list(found.table["n_components"]) == [1, 2]
    assert list(found.table["chosen"]) == [False, True]
    assert isinstance(found.to_pandas(), pandas.DataFrame)
    assert isinstance(found.to_polars(), polars.DataFrame)


@pytest.mark.parametrize("form", [list, np.array, lambda x: np.array(x, dtype=np.float32), pandas.Series, polars.Series])
def test_one_column_in_every_form(form):
    found = select(Normal(), form(TWO.tolist()), [1, 2])
    assert found.best.n_components == 2
    if form in (list, np.array):
        assert isinstance(found.table, list)
        assert found.to_frame().shape[0] == 2


def test_read_only_rows():
    x = TWO.copy()
    x.flags.writeable = False
    assert select(Normal(), x, [1, 2], "cv").best.n_components == 2


def test_the_text_and_the_html_name_the_chosen_one():
    found = select({"<b>": Normal(), "other": Laplace()}, TWO, [1, 2])
    assert "<- lowest BIC, chosen" in repr(found).splitlines()[3]
    assert len(repr(found).splitlines()) == 6
    html = found._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    single = repr(select(Normal(), TWO, [1, 2])).splitlines()
    assert single[0].split()[:3] == ["K", "parameters", "log-likelihood"]


# --- what cannot be chosen ---


def test_degenerate_fits_are_marked_and_not_chosen():
    x = np.array([0.0] * 50 + [1.0] * 50)
    found = select(Normal(), x, [1, 2], n_init=1)
    assert [c.degenerate for c in found] == [False, True]
    assert found.best.n_components == 1
    assert "held at its floor" in found[1].notes[0]
    assert "degenerate, not chosen" in repr(found)
    alone = select(Normal(), x, [2], n_init=1)
    assert alone.best.degenerate
    assert "chosen, though degenerate" in repr(alone)


def test_a_spike_about_two_rows_is_degenerate():
    x = np.append(np.linspace(-1, 1, 40), [30.0, 30.001])
    model = GeneralMixtureModel([Normal(0.0, 1.0), Normal(30.0005, 0.0005)])
    found = select(model, x)
    assert found[0].degenerate
    assert SPIKE in found[0].notes


def test_more_components_than_rows_are_no_candidate():
    found = select(Normal(), [1.0, 2.0, 4.0], [1, 4])
    assert not found[1].is_fitted
    assert found[1].degenerate
    assert found.best.n_components == 1
    assert "more components than rows" in found.table[1]["notes"]
    assert repr(found).splitlines()[3].split() == ["4", "failed"]
    with pytest.raises(FitError, match="no mixture could be fitted: more components"):
        _ = select(Normal(), [1.0, 2.0], [3]).best
    assert select(Normal(), [1.0, 2.0], [3]).table[0]["chosen"] is False


def test_a_constant_column_and_a_single_row():
    assert select(Normal(), [3.0] * 20, [1, 2]).best.degenerate
    assert select(Poisson(), [3.0], 1).best.components[0].rate == 3.0


def test_offsets_and_missing_cells():
    x = TWO + 1e12
    x[::11] = np.nan
    found = select(Normal(), x, [1, 2, 3])
    assert found.best.n_components == 2
    assert not found.best.degenerate


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"criterion": "BIC"}, "criterion must be one of"),
        ({"n_components": 0}, "whole numbers >= 1, found 0"),
        ({"n_components": []}, "at least one number"),
        ({"n_components": [1.5]}, "found 1.5"),
        ({"components": []}, "at least one distribution"),
        ({"components": 3}, "must be a distribution"),
        ({"components": "normal"}, "must be a distribution"),
        ({"components": {"a": Normal}}, "found a class"),
        ({"criterion": "cv", "cv": 1}, "cv must be"),
        ({"criterion": "cv", "cv": 1000}, "cv must be"),
        ({"n_jobs": 0}, "n_jobs must be"),
        ({"tol": -1.0}, "tol must be"),
        ({"sample_weight": [1.0]}, "sample_weight: expected shape"),
        ({"X": [1.0, np.inf]}, "expected finite values"),
        ({"X": np.empty((0, 1))}, "at least one row"),
        ({"X": [-1.0, 2.0], "components": Poisson()}, "Poisson"),
    ],
    ids=str,
)
def test_errors(arguments, words):
    with pytest.raises((ParameterError, DataError), match=words):
        select(**{"components": Normal(), "X": TWO, "n_components": [1, 2], **arguments})


# --- looking on, drawing, scikit-learn ---


def test_verbose_logs_and_shows_a_bar(caplog, capsys):
    with caplog.at_level(logging.INFO, logger="mixtures"):
        select(Normal(), TWO, [1, 2], verbose=1)
    assert sorted(record.getMessage().partition(":")[0] for record in caplog.records) == ["select"] * 2
    select(Normal(), TWO, [1, 2], "cv", verbose=2)
    assert "12/12" in capsys.readouterr().err


def test_nothing_is_printed_or_warned(capsys, recwarn):
    select(Normal(), np.array([0.0] * 50 + [1.0] * 50), [1, 2, 3], n_init=1, max_iter=2)
    assert not capsys.readouterr().out
    assert not recwarn.list


def test_the_plot_marks_the_best():
    import matplotlib

    matplotlib.use("Agg")
    display = select(Normal(), TWO, range(1, 5)).plot()
    assert display.best_["bic"] == 2
    display = select({"a": Normal(), "b": Laplace()}, TWO, range(1, 4), "cv").plot()
    assert list(display.best_) == ["a", "b"]
    assert display.higher_is_better == {"a", "b"}
    with pytest.raises(ParameterError, match="expected one criterion"):
        select([Normal(), Laplace()], TWO, [1]).plot(criteria=["bic", "aic"])
    with pytest.raises(ParameterError, match="criteria must be"):
        select(Normal(), TWO, [1]).plot(criteria=["cv"])
    matplotlib.pyplot.close("all")


def test_inside_a_grid_search_of_scikit_learn():
    grid = {"n_components": [1, 2, 3], "components": [Normal(), Laplace()]}
    search = GridSearchCV(
        GeneralMixtureModel(Normal(), 1, random_state=0, n_jobs=1), grid, cv=KFold(3, shuffle=True, random_state=0)
    )
    search.fit(TWO[:, None])
    found = select([Normal(), Laplace()], TWO, [1, 2, 3], "cv", cv=3)
    assert search.best_params_ == {"components": Normal(), "n_components": 2}
    assert (found.best.name, found.best.n_components) == ("Normal()", 2)
    means = dict(zip(map(str, search.cv_results_["params"]), search.cv_results_["mean_test_score"], strict=True))
    for candidate in found:
        key = {"components": Normal() if candidate.name == "Normal()" else Laplace(), "n_components": candidate.n_components}
        # a fit that is watched, by scikit-learn's callbacks too, ends within the tolerance of one that is not
        assert candidate.cv == pytest.approx(means[str(key)], rel=1e-6)


def test_flags_and_strings():
    random = np.random.default_rng(8)
    group = random.random(200) < 0.5
    data = pandas.DataFrame({"a": group, "b": np.where(random.random(200) < 0.9, group, ~group), "c": np.where(group, "x", "y")})
    found = select(Product(a=Bernoulli(), b=Bernoulli(), c=Categorical()), data, range(1, 4))
    assert found.best.n_components == 2
