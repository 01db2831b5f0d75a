"""The bootstrap: every replicate is the fit to its sample, in its place; samples are what they should be; intervals, refusals."""

import warnings

import numpy as np
import pytest
import scipy.stats

from mixtures import GeneralMixtureModel
from mixtures.bootstrap import order_of
from mixtures.distributions import (
    Bernoulli,
    Binomial,
    Categorical,
    Exponential,
    Frozen,
    Gamma,
    Geometric,
    LocationScale,
    Multinomial,
    MultivariateNormal,
    Normal,
    Poisson,
    Product,
    StudentT,
    Tied,
    Truncated,
    Uniform,
    VonMises,
    ZeroInflated,
)
from mixtures.exceptions import DataError, DegenerateWarning, FitError, ParameterError
from mixtures.free_numbers import flat_values, form_of
from mixtures.parts import take_apart
from mixtures.priors import NormalInverseGamma
from mixtures.replicates import Refits, side_by_side
from mixtures.resamples import drawn_table
from mixtures.searches import Search, with_a_spare
from mixtures.settings import Settings
from mixtures.table import Table


def two_normals(n=80, seed=0):
    random = np.random.default_rng(seed)
    return np.where(random.random(n) < 0.4, random.normal(0, 1, n), random.normal(5, 1.5, n))


def fitted(x, **arguments):
    return GeneralMixtureModel([Normal(0.0, 1.0), Normal(5.0, 1.5)], n_jobs=1, **arguments).fit(x)


def values_of(model):
    return [*model.weights_, *(value for component in model.components_ for value in flat_values(component))]


# --- replicates ---


def test_a_resample_is_a_fit_to_rows_with_counts():
    x = two_normals()
    model = fitted(x)
    found = model.bootstrap(x, 5, random_state=1)
    random = np.random.default_rng(1)
    for row, likelihood in zip(found.replicates, found.log_likelihoods, strict=True):
        counts = random.multinomial(len(x), np.full(len(x), 1 / len(x)))
        other = GeneralMixtureModel(model.components_, weights=model.weights_).fit(x, sample_weight=counts)
        np.testing.assert_allclose(row, values_of(other), rtol=1e-6)
        assert likelihood == pytest.approx(len(x) * other.score(x, sample_weight=counts))


def test_a_draw_is_a_fit_to_its_rows():
    x = two_normals()
    model = fitted(x)
    found = model.bootstrap(x, 4, kind="parametric", random_state=1)
    rows = np.arange(len(x))
    table = Table.read(x)
    drawn = drawn_table(
        take_apart(model.components_, table), model.weights_, table, 4 * len(x), np.tile(rows, 4), np.random.default_rng(1)
    )
    for row, part in zip(found.replicates, drawn.numbers(0).reshape(4, -1), strict=True):
        other = GeneralMixtureModel(model.components_, weights=model.weights_).fit(part)
        np.testing.assert_allclose(row, values_of(other), rtol=1e-6)


@pytest.mark.parametrize("kind", ["nonparametric", "parametric"])
def test_the_same_bits_for_any_number_of_threads(kind):
    x = two_normals()
    model = fitted(x)
    one, two, three = (model.bootstrap(x, 300, kind=kind, random_state=0, n_jobs=n).replicates for n in (1, 2, 3))
    assert np.array_equal(one, two)
    assert np.array_equal(one, three)
    assert not np.array_equal(one, model.bootstrap(x, 300, kind=kind, random_state=1).replicates)


def test_batches_of_draws(monkeypatch):
    import mixtures.bootstrap

    monkeypatch.setattr(mixtures.bootstrap, "DRAWN_CELLS", 200)
    x = two_normals(50)
    found = fitted(x).bootstrap(x, 9, kind="parametric", random_state=0)
    assert found.replicates.shape == (9, 6)
    assert len(np.unique(found.replicates[:, 2])) == 9


def test_the_errors_of_a_mean_are_known():
    """Of 2000 replicates the standard deviation is right to 1.6%: five of those are allowed."""
    x = np.random.default_rng(0).gamma(2.0, size=100)
    model = GeneralMixtureModel(Normal(), 1).fit(x)
    for kind in ("nonparametric", "parametric"):
        row = model.bootstrap(x, 2000, kind=kind, random_state=0).standard_errors().of(0, "mean")
        assert row.standard_error == pytest.approx(x.std() / 10, rel=0.08)
        assert (row.low, row.high) == pytest.approx((x.mean() - 0.196 * x.std(), x.mean() + 0.196 * x.std()), rel=0.03)


def test_weights_say_how_often_rows_are_drawn():
    x = np.array([0.0, 1.0, 5.0])
    weights = [50.0, 0.0, 150.0]
    model = GeneralMixtureModel(Normal(), 1).fit(x, sample_weight=weights)
    for kind in ("nonparametric", "parametric"):
        found = model.bootstrap(x, 800, kind=kind, sample_weight=weights, random_state=0)
        assert found.standard_errors().of(0, "mean").standard_error == pytest.approx(5 * (0.25 * 0.75 / 200) ** 0.5, rel=0.15)
        if kind == "nonparametric":  # of 200 rows, zeros and fives
            assert found.replicates[:, 1] * 40 == pytest.approx(np.rint(found.replicates[:, 1] * 40))


def mixed_model(n=150, seed=0):
    random = np.random.default_rng(seed)
    first = random.random(n) < 0.4
    columns = {
        "height": np.where(first, random.normal(0, 1, n), random.normal(6, 2, n)),
        "weight": np.where(first, random.normal(0, 1, n), random.normal(3, 1, n)),
        "visits": np.where(first, random.poisson(1, n), random.poisson(6, n)).astype(float),
        "tree": np.where(first, random.choice(["ash", "elm"], n), random.choice(["elm", "oak"], n)).astype(object),
    }
    columns["height"][::7] = np.nan
    columns["tree"][3::11] = None
    import pandas

    frame = pandas.DataFrame(columns)
    factors = {("height", "weight"): MultivariateNormal(), "visits": ZeroInflated(Poisson()), "tree": Categorical()}
    return GeneralMixtureModel(Product(factors), 2, random_state=0, n_jobs=1).fit(frame), frame


@pytest.mark.parametrize("kind", ["nonparametric", "parametric"])
def test_tables_of_mixed_columns_with_missing_cells(kind):
    model, frame = mixed_model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of probabilities that are at an end
        analytic = model.standard_errors(frame)
    found = model.bootstrap(frame, 300, kind=kind, random_state=0)
    rows = found.standard_errors()
    assert [(r.component, r.column, r.parameter) for r in rows] == [(r.component, r.column, r.parameter) for r in analytic]
    np.testing.assert_allclose(rows.estimate, analytic.estimate, rtol=1e-9)
    for row, other in zip(rows, analytic, strict=True):
        if row.parameter in ("weight", "mean[height]", "mean[weight]", "base.rate"):
            assert row.standard_error == pytest.approx(other.standard_error, rel=0.35)
    assert type(rows.to_frame()).__module__.startswith("pandas")
    assert found.n_failed == 0


def test_draws_lack_the_cells_that_the_rows_lack():
    model, frame = mixed_model()
    table = Table.read(frame)
    parts = take_apart(model.components_, table)
    drawn = drawn_table(parts, model.weights_, table, 300, np.tile(np.arange(150), 2), np.random.default_rng(0))
    height = np.isnan(frame["height"].to_numpy())
    np.testing.assert_array_equal(np.isnan(drawn.numbers(0)), np.tile(height, 2))
    tree = np.tile(frame["tree"].isna().to_numpy(), 2)
    np.testing.assert_array_equal([drawn.value(3, i) is None for i in range(300)], tree)
    assert {drawn.value(3, int(i)) for i in np.flatnonzero(~tree)} == {"ash", "elm", "oak"}


class Bell:
    """A user's Normal without a prior notion of parameters."""

    def __init__(self, mean=0.0, std=1.0):
        self.mean, self.std = mean, std

    def log_prob(self, X):
        return scipy.stats.norm.logpdf(X[:, 0], self.mean, self.std)

    def fit(self, X, sample_weight=None):
        mean = np.average(X[:, 0], weights=sample_weight)
        return Bell(mean, np.average((X[:, 0] - mean) ** 2, weights=sample_weight) ** 0.5)


MODELS = {
    "nested": ([GeneralMixtureModel([Normal(-1.0, 0.5), Normal(1.0, 0.5)], weights=[0.5, 0.5]), Normal(5.0, 1.5)], two_normals()),
    "scipy": ([scipy.stats.norm(0.0, 1.0), Normal(5.0, 1.5)], two_normals()),
    "tied": ([Tied(Normal(0.0, 1.0), "std"), Tied(Normal(5.0, 1.0), "std")], two_normals()),
    "held": ([Frozen(Normal(0.0, 1.0), "mean"), Frozen(Normal(5.0, 1.5), "std")], two_normals()),
    "wrapped": ([LocationScale(Gamma(4.0, 1.0), -5.0), Normal(5.0, 1.5)], two_normals()),
    "ends": ([Uniform(-4.0, 12.0), Normal(5.0, 1.5)], two_normals()),
    "a user's": ([Bell(0.0, 1.0), Normal(5.0, 1.5)], two_normals()),
}


@pytest.mark.parametrize("name", MODELS)
def test_components_of_every_form(name):
    components, x = MODELS[name]
    model = GeneralMixtureModel(components, weights=[0.4, 0.6], n_jobs=2).fit(x)
    found = model.bootstrap(x, 3, random_state=0)
    random = np.random.default_rng(0)
    counts = random.multinomial(len(x), np.full(len(x), 1 / len(x)))
    other = GeneralMixtureModel(model.components_, weights=model.weights_).fit(x, sample_weight=counts)
    np.testing.assert_allclose(found.replicates[0], values_of(other), rtol=1e-4)
    assert np.array_equal(found.replicates, model.bootstrap(x, 3, random_state=0, n_jobs=1).replicates)
    if name != "a user's":
        assert np.isfinite(model.bootstrap(x, 2, kind="parametric", random_state=0).replicates).all()
    held = [row for row in found.confidence_intervals() if row.note == "held"]
    assert all(row.low == row.high == row.estimate and row.standard_error == 0.0 for row in held)
    assert len(held) == 2 * (name == "held")


# --- order of the components ---


def refits_of(model, x):
    table = Table.read(x)
    return Refits(take_apart(model.components_, table), table, np.log(model.weights_), Settings(1e-8, 200))


def test_components_that_changed_places_are_put_back():
    x = two_normals()
    refits = refits_of(fitted(x), x)
    refit = refits.of_rows(0, len(x))
    assert order_of(refit, refits, ["same", "same"]).tolist() == [0, 1]
    half = len(refit.parameters) // 2
    refit.parameters = np.concatenate([refit.parameters[half:], refit.parameters[:half]])
    refit.log_weights = refit.log_weights[::-1].copy()
    assert order_of(refit, refits, ["same", "same"]).tolist() == [1, 0]
    assert order_of(refit, refits, ["one", "other"]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Normal(0.0, 1.0), Normal(5.0, 2.0), True),
        (Frozen(Normal(0.0, 1.0), "std"), Frozen(Normal(5.0, 2.0), "std"), True),
        (Frozen(Normal(0.0, 1.0), "std"), Normal(5.0, 2.0), False),
        (Normal(0.0, 1.0), StudentT(3.0, 0.0, 1.0), False),
        (Binomial(3, 0.5), Binomial(4, 0.5), False),
        (LocationScale(Gamma(2.0, 1.0), 0.0), LocationScale(Gamma(3.0, 1.0), 0.0), True),
        (LocationScale(Gamma(2.0, 1.0), 0.0), LocationScale(Gamma(2.0, 1.0), 1.0), False),
        (Truncated(Normal(0.0, 1.0), -1.0), Truncated(Normal(0.0, 1.0), -2.0), False),
        (Product(Normal(0.0, 1.0), Poisson(1.0)), Product(Normal(2.0, 1.0), Poisson(3.0)), True),
        (Product(Normal(0.0, 1.0), Poisson(1.0)), Product(Normal(0.0, 1.0), Geometric(0.5)), False),
        (Normal(0.0, 1.0), Normal(0.0, 1.0, prior=NormalInverseGamma(0.0, 1.0, 3.0, 2.0)), False),
    ],
)
def test_only_components_of_one_form_may_change_places(one, other, same):
    assert (form_of(one) == form_of(other)) is same


def test_components_that_hold_other_values_do_not_change_places():
    x = two_normals()
    components = [Frozen(Normal(0.0, 1.0), "mean"), Frozen(Normal(5.0, 1.5), "mean")]
    model = GeneralMixtureModel(components, weights=[0.5, 0.5], n_jobs=1).fit(x)
    found = model.bootstrap(x, 40, random_state=0)
    held = [row.note == "held" for row in found.standard_errors()]
    assert found.n_swapped == 0
    assert (found.replicates[:, held] == [0.0, 5.0]).all()


def test_angles_do_not_jump():
    x = VonMises(np.pi - 0.02, 2.0).sample(60, random_state=0)
    model = GeneralMixtureModel(VonMises(), 1).fit(x)
    found = model.bootstrap(x, 200, random_state=0)
    row = found.standard_errors().of(0, "location")
    assert row.standard_error == pytest.approx(model.standard_errors(x).of(0, "location").standard_error, rel=0.3)


# --- many fits ---


def test_a_search_finds_what_the_model_finds():
    """Three clear clusters, from a component that is split and from clusters."""
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(m, 0.5, 40) for m in (-5.0, 0.0, 5.0)])
    table = Table.read(x)
    start = [Normal(-5.0, 0.5), Normal(2.5, 3.0), Normal(0.0, 1.0)]
    refits = Refits(take_apart(start, table), table, np.log([0.33, 0.67, 1e-300]), Settings(1e-8, 500))
    best = GeneralMixtureModel(Normal(), 3, random_state=0).fit(x)
    for moves, starts in ((np.array([(2, 0), (2, 1)]), 0), (np.empty((0, 2), dtype=np.int64), 6)):
        refit = Search(refits, 0, len(x), seed=0).best(moves, starts)
        assert refit.converged
        assert refit.log_likelihood == pytest.approx(len(x) * best.score(x), abs=1e-3)
        means = sorted(component.mean for component in refit.components())
        np.testing.assert_allclose(means, sorted(component.mean for component in best.components_), atol=1e-3)


def test_one_component_more_never_fits_worse():
    x = two_normals()
    table, model = Table.read(x), GeneralMixtureModel(Normal(), 1).fit(two_normals())
    one = Refits(take_apart(model.components_, table), table, np.zeros(1), Settings(1e-8, 500)).of_rows(0, len(x))
    components, log_weights, moves = with_a_spare(model.components_, np.zeros(1))
    refits = Refits(take_apart(components, table), table, log_weights, Settings(1e-8, 500))
    two = Search(refits, 0, len(x), seed=0).best(moves, 3)
    best = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x)
    assert two.log_likelihood > one.log_likelihood
    assert two.log_likelihood == pytest.approx(len(x) * best.score(x), abs=1e-3)


def test_what_only_python_knows_is_not_searched():
    x = two_normals()
    table = Table.read(x)
    refits = Refits(take_apart([Bell(0.0, 1.0)], table), table, np.zeros(1), Settings(1e-8, 50))
    with pytest.raises(ParameterError, match="from one start alone"):
        Search(refits, 0, len(x), seed=0)


def test_a_run_of_rows_is_a_table_of_its_own():
    x = two_normals(200)
    model = fitted(x)
    refits = refits_of(model, x)
    refit = refits.of_rows(40, 140)
    other = GeneralMixtureModel(model.components_, weights=model.weights_, max_iter=200).fit(x[40:140])
    assert refit.log_likelihood == pytest.approx(100 * other.score(x[40:140]))
    assert [c.mean for c in refit.components()] == pytest.approx([c.mean for c in other.components_], rel=1e-6)


def test_items_keep_their_order():
    assert list(side_by_side(lambda n: n * n, range(1000), 3, batch=7)) == [n * n for n in range(1000)]


# --- intervals, refusals ---


def test_intervals_are_quantiles():
    x = two_normals()
    found = fitted(x).bootstrap(x, 400, random_state=0)
    rows = found.confidence_intervals(0.9)
    np.testing.assert_allclose(rows.low, np.quantile(found.replicates, 0.05, axis=0))
    np.testing.assert_allclose(rows.standard_error, found.replicates.std(axis=0, ddof=1))
    basic = found.confidence_intervals(0.9, "basic")
    place = [row.parameter for row in rows].index("mean")
    assert basic.low[place] == pytest.approx(2 * rows.estimate[place] - rows.high[place])
    place = [row.parameter for row in rows].index("std")
    assert basic.low[place] == pytest.approx(rows.estimate[place] ** 2 / rows.high[place])
    assert ((basic.low > -np.inf) & (basic.low < basic.high)).all()
    np.testing.assert_allclose(found.bias, found.replicates.mean(axis=0) - rows.estimate)
    assert "nonparametric bootstrap, 400 fits" in repr(found)


def test_basic_intervals_at_an_end_stay_in_range():
    x = np.repeat(["ash", "elm", "oak"], [1, 10, 10]).astype(object)
    found = GeneralMixtureModel(Categorical(), 1).fit(x).bootstrap(x, 100, random_state=0)
    assert (found.replicates == 0.0).any()
    rows = found.confidence_intervals(kind="basic")
    assert ((rows.low >= 0.0) & (rows.high <= 1.0)).all()


def test_samples_that_cannot_be_fitted_are_left_out(monkeypatch):
    x = two_normals(30)
    model = fitted(x)
    whole = Refits.of_counts
    seen = []

    def failing(self, counts):
        refit = whole(self, counts)
        seen.append(refit)
        refit.failed = len(seen) % 3 == 0
        return refit

    monkeypatch.setattr(Refits, "of_counts", failing)
    with pytest.warns(DegenerateWarning, match="3 of 9 samples could not be fitted"):
        found = model.bootstrap(x, 9, random_state=0, n_jobs=1)
    assert found.n_failed == 3
    assert np.isfinite(found.standard_errors().standard_error).all()
    seen[:] = [None, None]
    monkeypatch.setattr(Refits, "of_counts", lambda self, counts: setattr(r := whole(self, counts), "failed", True) or r)
    with pytest.raises(FitError, match="no sample could be fitted"):
        model.bootstrap(x, 3, random_state=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_replicates": 1}, "n_replicates must be a whole number >= 2"),
        ({"n_replicates": 10.5}, "n_replicates must be"),
        ({"kind": "wild"}, "kind must be one of"),
        ({"n_jobs": 0}, "n_jobs must be"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    x = two_normals(20)
    with pytest.raises(ParameterError, match=words):
        fitted(x).bootstrap(x, **arguments)


def test_counts_keep_the_sums_of_their_rows():
    random = np.random.default_rng(0)
    sums = random.integers(0, 30, 80)
    X = np.vstack([random.multinomial(n, [0.7, 0.2, 0.1] if i < 40 else [0.1, 0.2, 0.7]) for i, n in enumerate(sums)]).astype(float)
    start = [Multinomial([0.6, 0.2, 0.2]), Frozen(Multinomial([0.2, 0.2, 0.6]), "probabilities[1]")]
    model = GeneralMixtureModel(start, n_jobs=1).fit(X)
    table = Table.read(X)
    parts = take_apart(model.components_, table)
    drawn = drawn_table(parts, model.weights_, table, 160, np.tile(np.arange(80), 2), np.random.default_rng(0))
    np.testing.assert_array_equal(sum(drawn.numbers(j) for j in range(3)), np.tile(sums, 2))
    found = model.bootstrap(X, 200, kind="parametric", random_state=0).standard_errors()
    analytic = model.standard_errors(X)
    np.testing.assert_allclose(found.standard_error, analytic.standard_error, rtol=0.3)


@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")
def test_what_cannot_be_drawn_is_refused():
    X = np.array([[1.0, 2.0], [3.0, 0.0], [4.0, 4.0]])
    inner = GeneralMixtureModel([Frozen(Multinomial([0.5, 0.5])), Multinomial([0.1, 0.9])], weights=[0.5, 0.5])
    model = GeneralMixtureModel([inner, Multinomial([0.8, 0.2])], weights=[0.5, 0.5])
    with pytest.raises(ParameterError, match="cannot be told the numbers of trials"):
        model.bootstrap(X, 10, kind="parametric")
    model = GeneralMixtureModel([Bell(0.0, 1.0), Normal(5.0, 1.0)]).fit(two_normals())
    with pytest.raises(ParameterError, match="Bell has no method sample"):
        model.bootstrap(two_normals(), 10, kind="parametric")


def test_a_stochastic_fit_and_impossible_rows_are_refused():
    x = two_normals(40)
    model = fitted(x, e_step="stochastic", max_iter=5, random_state=0)
    with pytest.raises(ParameterError, match="stochastic E-step has no end"):
        model.bootstrap(x, 10)
    model = GeneralMixtureModel(Exponential(1.0), 1).fit(np.abs(x))
    with pytest.raises(DataError, match="row 0 has density zero"):
        model.bootstrap(-np.abs(x) - 1.0, 10)
    with pytest.raises(ParameterError, match="kind must be one of"):
        model.bootstrap(np.abs(x), 10).confidence_intervals(kind="studentized")


def test_what_the_rows_do_not_determine_has_no_spread():
    """On a ridge of the likelihood fits stay where they begin: the spread of the fits would be far too small."""
    x = np.repeat([0.0, 1.0], [30, 20])
    model = GeneralMixtureModel([Bernoulli(0.2), Bernoulli(0.6)], weights=[0.5, 0.5], n_jobs=1).fit(x)
    with pytest.warns(DegenerateWarning, match="do not determine weight of component 0"):
        found = model.bootstrap(x, 20, random_state=0)
    rows = found.standard_errors()
    assert np.isnan(rows.standard_error).all()
    assert np.isnan(rows.low).all()
    assert set(rows.note) == {"not determined by the rows"}
