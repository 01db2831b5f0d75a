"""Data that do not come at once: statistics of chunks add up to a fit of all rows, and a stream ends near it."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from mixtures import GeneralMixtureModel
from mixtures.column import Column
from mixtures.columns import Columns
from mixtures.distributions import (
    Bernoulli,
    BetaBinomial,
    Bounded,
    Categorical,
    Dirichlet,
    DirichletMultinomial,
    Exponential,
    Frozen,
    Gamma,
    InverseGamma,
    KernelDensity,
    Laplace,
    LocationScale,
    LogNormal,
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
    Weibull,
    ZeroInflated,
)
from mixtures.engine.plan import CHUNK_ROWS
from mixtures.exceptions import DataError, DegenerateWarning, FitError, NotFittedError, ParameterError
from mixtures.parts import take_apart
from mixtures.position import Position
from mixtures.priors import NormalInverseGamma
from mixtures.settings import Settings
from mixtures.streaming import step_size
from mixtures.table import Table
from mixtures.testing.cases import make_case

from .test_conformance import families, instances

N_ROWS = CHUNK_ROWS + 500
"""Two of the engine's chunks."""


def members():
    """Of every family a first and a middle example; and distributions made of others."""
    for family in families():
        every = list(instances(family))
        yield from every[:: max(1, len(every) // 2)][:2]
    yield Frozen(Normal(1.0, 2.0), "mean")
    yield Frozen(Gamma(1.0, 2.0), "rate")
    yield Frozen(Uniform(-1.0, 2.0))
    yield LocationScale(Gamma(2.0, 1.0), 3.0, 2.0)
    yield Tied(Normal(1.0, 2.0), "std")
    yield Bounded(Normal(1.0, 1.0), std=(0.5, 1.5))
    yield Bounded(MultivariateNormal((0.0, 1.0), ((2.0, 1.0), (1.0, 2.0))), covariance=(0.5, 5.0))
    yield Poisson(3.0, prior=Gamma(2.0, 1.0))
    yield Normal(1.0, 2.0, prior=NormalInverseGamma(0.0, 1.0, 2.0, 1.0))
    yield ZeroInflated(Poisson(2.0), 0.3)
    yield ZeroInflated(Poisson(7.0), 0.1)
    yield LocationScale(ZeroInflated(Poisson(2.0), 0.3), -1.0, 1.0)


def case_of(member, n=N_ROWS):
    """n rows of a member, and a mixture of two of its kind that starts near them."""
    rows = make_case(member, None, None, 3).rows
    rows = np.ascontiguousarray(np.resize(member.sample(n, random_state=4), (n, rows.shape[1])))
    other = member.fit(rows[: max(3, min(40, len(rows)))])
    if isinstance(member, Tied):
        other = other.replaced(std=member.base.std)  # they share it from the start
    components = [member] if other == member else [member, other]
    return rows, components


def model_of(components, **settings):
    return GeneralMixtureModel(components, n_init=1, **{"tol": 0, "max_iter": 3} | settings)


def rounds(model, chunks, n, weights=None, order=None):
    """The model after n M-steps from statistics of chunks, passes done again where it asks for them."""
    weights = [None] * len(chunks) if weights is None else weights
    for _ in range(5 * n):
        found = [model.summarize(chunk, sample_weight=weight) for chunk, weight in zip(chunks, weights, strict=True)]
        model = model.from_statistics(sum(found if order is None else [found[place] for place in order]))
        assert len(model.history_) == model.n_iter_
        if model.n_iter_ == n:
            return model
    raise AssertionError("the passes never end")


def with_holes(rows, member, random):
    """Rows some cells of which are missing, where that is allowed."""
    if getattr(member, "reads_block", False) and not member.takes_missing:
        return rows
    rows = rows.astype(object if rows.dtype == object else float)
    holes = random.random(rows.shape) < 0.1
    holes[:3] = False
    rows[holes] = None if rows.dtype == object else np.nan
    return rows


# A fit of so few or so extreme rows may well end on a floor or a limit: so does the other one.
degenerate = pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")


@degenerate
@pytest.mark.parametrize("member", list(members()), ids=repr)
def test_passes_over_the_engines_own_chunks_equal_a_fit_to_the_last_bit(member):
    rows, components = case_of(member)
    random = np.random.default_rng(5)
    rows = with_holes(rows, member, random)
    weights = random.exponential(1.0, N_ROWS)
    whole = model_of(components).fit(rows, sample_weight=weights)
    chunks, shares = np.split(rows, [CHUNK_ROWS]), np.split(weights, [CHUNK_ROWS])
    found = rounds(model_of(components).survey(*chunks), chunks, 3, shares)
    assert found.components_ == whole.components_
    np.testing.assert_array_equal(found.weights_, whole.weights_)
    np.testing.assert_array_equal(found.history_, whole.history_[:-1])
    assert not found.needs_pass_


@degenerate
@pytest.mark.parametrize("member", list(members()), ids=repr)
def test_passes_over_any_chunks_equal_a_fit(member):
    rows, components = case_of(member, 1000)
    whole = model_of(components).fit(rows)
    chunks = np.split(rows, [100, 170, 400, 401, 900])
    # Nobody has looked at all chunks beforehand: values beyond those of the first one cost a pass.
    found = rounds(model_of(components), chunks, 3, order=[3, 5, 0, 1, 4, 2])
    # Sums are taken in another order, and statistics in tables of other lengths.
    np.testing.assert_allclose(found.history_, whole.history_[:-1], rtol=1e-10, atol=1e-10)
    for one, other in zip(found.components_, whole.components_, strict=True):
        np.testing.assert_allclose(one.log_prob(rows), other.log_prob(rows), rtol=1e-8, atol=1e-8)


# --- what a Statistics object is ---


def mixed_table(n, seed=0, missing=0.0):
    """Rows of two clusters in columns of five kinds."""
    random = np.random.default_rng(seed)
    group = random.random(n) < 0.3
    table = np.empty((n, 5), dtype=object)
    table[:, 0] = random.normal(np.where(group, 6.0, 0.0), np.where(group, 1.0, 2.0))
    table[:, 1] = random.poisson(np.where(group, 9.0, 2.0))
    table[:, 2] = random.exponential(np.where(group, 3.0, 0.5))
    table[:, 3] = random.random(n) < np.where(group, 0.8, 0.1)
    table[:, 4] = np.where(random.random(n) < np.where(group, 0.9, 0.3), "oak", "ash")
    table[random.random(table.shape) < missing] = None
    return pd.DataFrame(table, columns=list("abcde")).astype({"a": float, "b": float, "c": float, "d": float})


def mixed_model(**settings):
    """Components of several families; one of them allows no count of 0."""
    named = {"a": Normal(1.0, 3.0), "b": Poisson(4.0), "c": Exponential(1.0), "d": Bernoulli(0.5)}
    one = Product({**named, "e": Categorical((0.5, 0.5), ("ash", "oak"))})
    other = Product({**named, "a": Normal(3.0, 3.0), "b": Gamma(2.0, 0.5), "e": Categorical((0.4, 0.6), ("ash", "oak"))})
    return model_of([one, other], **settings)


def pieces(table, size):
    return [table[start : start + size] for start in range(0, len(table), size)]


def test_statistics_are_small_immutable_and_say_what_they_are():
    table = mixed_table(300)
    model = mixed_model().survey(table)
    found = model.summarize(table[:100])
    assert repr(found).startswith("<Statistics of 100 rows of weight 100, log-likelihood -")
    assert (found.n_rows, found.weight) == (100, 100.0)
    assert found.log_likelihood == pytest.approx(100 * model.score(table[:100]), rel=1e-12)
    with pytest.raises(AttributeError, match="immutable"):
        found.weight = 3.0
    with pytest.raises(AttributeError, match="immutable"):
        del found.columns
    with pytest.raises(ValueError, match="read-only"):
        found._values[0] = 1.0
    assert len(pickle.dumps(found)) < 3000
    assert repr(pickle.loads(pickle.dumps(found))) == repr(found)
    with pytest.raises(TypeError):
        found + 1
    with pytest.raises(TypeError):
        1 + found


def test_statistics_add_in_any_order_and_by_any_number_of_threads():
    whole = mixed_table(2 * N_ROWS, 1, missing=0.1)
    model = mixed_model().survey(whole)
    parts = [model.summarize(part) for part in pieces(whole, 3000)]
    forwards, backwards, at_once = sum(parts), sum(parts[::-1]), model.summarize(whole)
    assert forwards.n_rows == backwards.n_rows == len(whole)
    np.testing.assert_allclose(forwards._values, backwards._values, rtol=1e-12)
    np.testing.assert_allclose(forwards._values, at_once._values, rtol=1e-12)
    for n_jobs in (1, 3):
        same = pickle.loads(pickle.dumps(model)).set_params(n_jobs=n_jobs).summarize(whole)
        np.testing.assert_array_equal(same._values, at_once._values)
    with ThreadPoolExecutor(3) as pool:
        again = sum(pool.map(model.summarize, pieces(whole, 3000)))
    np.testing.assert_array_equal(again._values, forwards._values)


def test_weights_mean_repetition():
    table = mixed_table(400, 2, missing=0.1)
    counts = np.random.default_rng(0).integers(0, 4, 400)
    model = mixed_model().survey(table)
    weighted = model.summarize(table, sample_weight=counts)
    repeated = model.summarize(table.loc[np.repeat(table.index, counts)])
    assert weighted.weight == repeated.weight == counts.sum()
    assert weighted.n_rows == np.count_nonzero(counts)
    np.testing.assert_allclose(weighted._values, repeated._values, rtol=1e-12)
    streams = [pickle.loads(pickle.dumps(model)) for _ in range(2)]
    streams[0].partial_fit(table, sample_weight=counts).partial_fit(table[:50])
    streams[1].partial_fit(table.loc[np.repeat(table.index, counts)]).partial_fit(table[:50])
    np.testing.assert_allclose(streams[0].weights_, streams[1].weights_, rtol=1e-10)


@pytest.mark.parametrize("surveyed", ["whole rows", "rows with holes", "all rows"])
@pytest.mark.parametrize("joint", [False, True])
def test_chunks_with_and_without_missing_cells_add_up(joint, surveyed):
    """Columns of one family share a call where they lack no cell, and stand alone where they do."""
    random = np.random.default_rng(3)
    X = random.normal(size=(600, 4)) * [1.0, 2.0, 3.0, 4.0]
    X[0] = X[300] = -20.0
    X[1] = X[301] = 20.0
    X[2:300][random.random((298, 4)) < 0.3] = np.nan
    first, second = [Normal(-1.0, 2.0), Normal(1.0, 3.0)]
    if joint:
        first, second = [MultivariateNormal(np.full(4, mean), np.eye(4) * 9.0) for mean in (-1.0, 1.0)]
    looked_at = {"whole rows": X[300:], "rows with holes": X[:300], "all rows": X}[surveyed]
    model = model_of([first, second]).survey(looked_at)
    found = model.summarize(X[300:]) + model.summarize(X[:300])
    at_once = model_of([first, second]).fit(X)
    np.testing.assert_allclose(found.log_likelihood / 600, at_once.history_[0], rtol=1e-12)
    found = rounds(model, [X[:300], X[300:]], 3)
    np.testing.assert_allclose(found.score_samples(X), at_once.score_samples(X), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.weights_, at_once.weights_, rtol=1e-10)


def test_workers_in_other_processes_send_statistics_back():
    """Kernels lie at other addresses there: distributions that call others by address find them anew."""
    random = np.random.default_rng(4)
    X = np.column_stack([3.0 + random.gamma(2.0, 1.0, 500), random.poisson(2.0, 500) * (random.random(500) < 0.7)])
    parts = [
        Product(LocationScale(Gamma(shape, 1.0), 3.0, 2.0), ZeroInflated(Poisson(rate), 0.3))
        for shape, rate in [(1.0, 2.0), (3.0, 4.0)]
    ]
    model = model_of(parts).survey(X[:300], X[300:])
    model = model.from_statistics(model.summarize(X))
    work = (
        "import pickle, sys; model, chunk = pickle.load(sys.stdin.buffer); "
        "sys.stdout.buffer.write(pickle.dumps(model.summarize(chunk)))"
    )
    # Whatever that process has compiled before, its addresses are its own.
    done = subprocess.run([sys.executable, "-c", work], input=pickle.dumps((model, X[:300])), stdout=subprocess.PIPE, check=True)
    found = pickle.loads(done.stdout) + model.summarize(X[300:])
    expected = model.summarize(X[:300]) + model.summarize(X[300:])
    np.testing.assert_array_equal(found._values, expected._values)
    assert model.from_statistics(found).components_ == model.from_statistics(expected).components_


def test_statistics_of_other_parameters_frames_or_rounds_are_refused():
    x = np.random.default_rng(5).normal(size=300)
    model = model_of([Normal(-1.0, 1.0), Normal(1.0, 1.0)]).survey(x)
    found = model.summarize(x)
    for other in (
        model_of([Normal(-1.0, 1.0), Normal(1.0, 1.5)]).survey(x),
        model_of([Normal(-1.0, 1.0), Normal(1.0, 1.0)], weights=[0.4, 0.6]).survey(x),
        model_of([Normal(-1.0, 1.0), Normal(1.0, 1.0)]).survey(x, [30.0]),
        model_of([Normal(-1.0, 1.0), Frozen(Normal(1.0, 1.0))]).survey(x),
        model.from_statistics(found),
    ):
        with pytest.raises(ParameterError, match="same parameters and in the same frame"):
            found + other.summarize(x)
        with pytest.raises(ParameterError, match="another model or of an earlier round"):
            other.from_statistics(found)
    with pytest.raises(ParameterError, match="another model"):
        model_of([Normal(-1.0, 1.0), Normal(1.0, 1.0)]).from_statistics(found)
    with pytest.raises(ParameterError, match=r"found 3"):
        model.from_statistics(3)
    model.fit(x)
    with pytest.raises(ParameterError, match="another model"):
        model.from_statistics(found)
    model_of([Normal(-1.0, 1.0), Normal(1.0, 1.0)]).survey(x).from_statistics(found)  # an equal model may


@pytest.mark.parametrize(
    "component",
    [
        Truncated(Normal(0.0, 1.0), 0.0, 9.0),
        KernelDensity(0.5).fit(np.arange(9.0)),
        GeneralMixtureModel([Normal(0.0, 1.0), Normal(1.0, 1.0)]),
        scipy.stats.norm(0.0, 1.0),
    ],
    ids=lambda component: type(component).__name__,
)
def test_components_that_only_python_knows_are_refused(component):
    x = np.random.default_rng(6).uniform(0.0, 9.0, size=30)
    for model in (model_of([Normal(0.0, 1.0), component]), model_of([Product(Normal(0.0, 1.0)), Product(component)])):
        with pytest.raises(ParameterError, match=r"component 1.*expected a family with kernels"):
            model.summarize(x)
        with pytest.raises(ParameterError, match=r"component 1.*expected a family with kernels"):
            model.partial_fit(x)


def test_what_cannot_be_summarized_is_refused():
    model = model_of([Exponential(1.0), Exponential(2.0)])
    with pytest.raises(DataError, match="row 1 has -1"):
        model.summarize([1.0, -1.0])
    with pytest.raises(DataError, match="row 0 has inf"):
        model.summarize([np.inf, 1.0])
    with pytest.raises(DataError, match="at least one row"):
        model.summarize([])
    with pytest.raises(DataError, match="between 1e-100 and 1e100"):
        model.summarize([1.0, 2.0], sample_weight=[1e150, 1.0])
    with pytest.raises(NotFittedError):
        GeneralMixtureModel(Normal(), 2).summarize([1.0, 2.0])
    with pytest.raises(FitError, match=r"row 1 \(column 0: 9.0\) has log-density -inf"):
        model_of([Uniform(0.0, 1.0), Uniform(0.0, 2.0)]).survey([0.0, 10.0]).summarize([0.5, 9.0])
    with pytest.raises(ParameterError, match="soft"):
        model_of([Normal(0.0, 1.0)], e_step="stochastic").summarize([1.0])
    with pytest.raises(ParameterError, match="soft"):
        model_of([Normal(0.0, 1.0)], e_step="tempered").partial_fit([1.0, 2.0])
    model = model_of([Normal(-1.0, 1.0), Normal(1.0, 1.0)]).fit(np.random.default_rng(0).normal(size=(30, 2)))
    with pytest.raises(ValueError, match="expecting 2 features"):
        model.summarize(np.arange(9.0).reshape(3, 3))


def test_unseen_categories_are_refused_unless_a_pseudo_count_allows_them():
    first, later = pd.DataFrame({"tree": ["oak", "ash", "ash"]}), pd.DataFrame({"tree": ["elm", "oak"]})
    for used in ("partial_fit", "summarize"):
        model = GeneralMixtureModel(Categorical(), 1).partial_fit(first)
        with pytest.raises(DataError, match="row 0 has 'elm'; set a pseudo_count"):
            getattr(model, used)(later)
    model = GeneralMixtureModel(Categorical(pseudo_count=1.0), 1).partial_fit(first).partial_fit(later)
    assert model.components_[0].categories == ("ash", "oak")
    assert sum(model.components_[0].probabilities) < 0.9
    model = GeneralMixtureModel(Categorical((0.3, 0.3, 0.4), ("ash", "elm", "oak")), 1).partial_fit(first)
    # What was given counts for as much as the first step leaves of it.
    assert model.components_[0].probabilities[1] == pytest.approx(0.3 * (1.0 - 2.0**-0.7), rel=1e-12)
    assert model.partial_fit(later).components_[0].probabilities[1] > 0.2


def test_priors_that_leave_something_open_take_it_from_the_first_rows_or_are_refused():
    x = np.random.default_rng(25).normal(np.repeat([-5.0, 5.0], 200), 1.0)
    components = [Normal(-4.0, 1.0, prior=NormalInverseGamma()), Normal(4.0, 1.0, prior=NormalInverseGamma())]
    with pytest.raises(ParameterError, match="component 0: its prior leaves open"):
        model_of(components).survey(x).summarize(x)
    model = model_of(components).partial_fit(x)
    assert model.components_[0].prior.is_complete
    assert not model.summarize(x).is_beyond


def test_equal_components_are_given_a_start_or_refused():
    x = np.random.default_rng(24).normal(np.repeat([-5.0, 5.0], 200), 1.0)
    model = GeneralMixtureModel(Normal(0.0, 1.0), 2, random_state=0)
    with pytest.raises(ParameterError, match=r"components \[0, 1\] are equal"):
        model.summarize(x)
    assert abs(model.partial_fit(x).components_[0].mean) > 4.0


# --- frames ---


def test_columns_of_chunks_add_up_to_those_of_the_table():
    table = mixed_table(500, 7, missing=0.2)
    whole, parts = mixed_model().survey(table).columns_, mixed_model().survey(*pieces(table, 77)).columns_
    assert whole.key() == parts.key()
    merged = [mixed_model().survey(part).columns_ for part in pieces(table, 77)]
    assert mixed_model().survey(*merged).columns_.key() == whole.key()
    assert repr(whole).startswith("<Columns of 500 rows; a: ")
    assert "e: categories" in repr(whole)
    assert whole.covers(merged[0])
    assert not merged[0].covers(whole)
    with pytest.raises(DataError, match=r"expected columns \['a', 'b', 'c', 'd', 'e'\], as surveyed, found"):
        mixed_model().survey(table).summarize(table[["a", "b", "c", "e", "d"]])
    with pytest.raises(DataError, match="no chunks of one table"):
        mixed_model().survey(table, model_of([Normal()]).survey([1.0]).columns_)


def test_a_column_that_the_first_chunk_lacks_wholly():
    X = np.random.default_rng(8).normal(size=(200, 2))
    X[:50, 1] = np.nan
    components = [Normal(-1.0, 1.0), Normal(1.0, 1.0)]
    found = rounds(model_of(components), [X[:50], X[50:]], 3)
    np.testing.assert_allclose(found.score_samples(X), model_of(components).fit(X).score_samples(X), rtol=1e-10)


def test_values_beyond_those_known_cost_a_pass_and_say_so():
    x = np.random.default_rng(9).normal(size=400)
    model = model_of([Normal(-1.0, 1.0), Normal(1.0, 1.0)])
    first = model.summarize(x[:10])
    beyond = model.summarize(x[10:])
    assert beyond.is_beyond
    assert not first.is_beyond
    assert np.isnan(beyond.log_likelihood)
    assert "beyond what the model knew" in repr(first + beyond)
    again = model.from_statistics(beyond + first)
    assert again.needs_pass_
    assert again.n_iter_ == 0
    assert again.components_ == model.components
    assert (again.columns_.known[0].lower, again.columns_.known[0].upper) == (x.min(), x.max())
    assert not again.from_statistics(again.summarize(x)).needs_pass_


def test_sums_that_lost_their_digits_cost_a_pass_and_say_so():
    """A mean that moves by more than 100 standard deviations: a fit repeats the pass, too."""
    x = 1e9 + np.random.default_rng(10).normal(size=1000)
    components = [Normal(0.0, 1e9)]
    model = model_of(components).survey(x)
    again = model.from_statistics(model.summarize(x))
    whole = model_of(components, max_iter=1).fit(x)
    passes = 1
    while again.needs_pass_:
        assert again.components_ == components
        again = again.from_statistics(again.summarize(x))
        passes += 1
    assert again.components_ == whole.components_
    assert passes == 1 or again.n_iter_ == 1


def test_offsets_leave_the_digits_of_a_spread():
    random = np.random.default_rng(11)
    x = 1e9 + random.normal(np.repeat([0.0, 50.0], 2000), np.repeat([1.0, 3.0], 2000))
    random.shuffle(x)
    plain = x - 1e9
    components = [Normal(1e9 - 10.0, 5.0), Normal(1e9 + 30.0, 5.0)]
    found = rounds(model_of(components), pieces(x, 500), 20)
    moved = rounds(model_of([Normal(-10.0, 5.0), Normal(30.0, 5.0)]), pieces(plain, 500), 20)
    stream, plain_stream = model_of(components), model_of([Normal(-10.0, 5.0), Normal(30.0, 5.0)])
    for part in pieces(x, 100):
        stream.partial_fit(part)
        plain_stream.partial_fit(part - 1e9)
    for one, other in ((found, moved), (stream, plain_stream)):
        for c in range(2):
            assert one.components_[c].mean - 1e9 == pytest.approx(other.components_[c].mean, abs=1e-6)
            assert one.components_[c].std == pytest.approx(other.components_[c].std, rel=1e-6)


def test_a_stream_that_comes_near_zero_from_far_away():
    """The first chunk's origin lies far from later values, whose digits would be lost about it."""
    random = np.random.default_rng(12)
    far, near = 1e9 + random.normal(size=500), 1e-3 * random.normal(size=500)
    model = model_of([Normal(1e9, 1.0), Normal(0.0, 2e-3)])
    for place in range(0, 500, 100):
        model.partial_fit(far[place : place + 100]).partial_fit(near[place : place + 100])
    assert model.components_[1].std == pytest.approx(1e-3, rel=0.1)
    assert model.components_[0].std == pytest.approx(1.0, rel=0.1)
    assert abs(model.components_[1].mean) < 1e-3


def test_a_stream_that_needs_another_unit_is_refused():
    model = model_of([Normal(0.0, 1.0), Normal(1.0, 1e150)]).partial_fit([0.0, 1.0, 2.0])
    before = pickle.dumps(model.weights_)
    with pytest.raises(DataError, match="another unit"):
        model.partial_fit([1e160, 1.0])
    assert pickle.dumps(model.weights_) == before
    model.partial_fit([1.0])


# --- statistics under other parameters ---

CARRIERS = [member for member in members() if member.carries]


def columns_of(member, rows):
    table = Table.read(rows)
    return Columns.of(take_apart([member], table), table)


def test_what_carries_is_known():
    names = {type(member).__name__ for member in members()}
    others = {"Degenerate", "DiscreteUniform", "Gumbel", "Laplace", "Logistic", "MultivariateStudentT", "NegativeBinomial"}
    others |= {"Pareto", "SkewNormal", "StudentT", "Uniform", "Weibull"}
    assert names - {type(member).__name__ for member in CARRIERS} == others
    assert not Laplace().carries
    assert not LocationScale(Weibull(), 1.0, 2.0).carries
    assert Frozen(StudentT(3.0, 0.0, 1.0)).carries


@degenerate
@pytest.mark.parametrize("member", CARRIERS, ids=repr)
def test_statistics_are_carried_to_other_parameters_and_frames(member):
    """They equal those that the kernels gather there, with the same responsibilities."""
    rows, components = case_of(member, 300)
    # Whether a zero is one of its base's is what is expected under the parameters.
    is_latent = isinstance(member, ZeroInflated) or isinstance(getattr(member, "base", None), ZeroInflated)
    other = member if is_latent else components[-1]
    narrow, wide = columns_of(member, rows[:40]), columns_of(member, rows)
    wide = narrow.widened(wide, keep_rows=True)
    before, old_row, old = gathered(member, narrow, rows[:40])
    after, new_row, sums = gathered(other, wide, rows[:40])
    carried = np.asarray(member._carried(old, old_row, new_row, before, after), dtype=float)
    scale = np.abs(sums).max(where=np.isfinite(sums), initial=1e-300)
    np.testing.assert_allclose(carried, sums, rtol=1e-9, atol=1e-12 * scale)


def gathered(member, columns, rows):
    """Place, packed parameters, and statistics of rows under random responsibilities."""
    places = list(columns.known.values())
    if member.encoding == "categories":
        places = [Column("0", len(rows), 0, categories=member.categories)]
        x = Table.read(rows).codes(0, member.categories)[None, :]
    else:
        x = np.array(
            [
                (rows[:, j].astype(float) - (p.origin if member.uses_origin else 0.0)) / (p.unit if member.uses_unit else 1.0)
                for j, p in enumerate(places)
            ]
        )
    place = places if member.reads_block else places[0]
    packed = np.array([member._pack(place)], dtype=float)
    member.kernels.prepare(packed)
    share = np.random.default_rng(1).uniform(size=(1, len(rows)))
    size = member._layout(place)[1]
    statistics = np.zeros((1, size))
    statistics[:, size - member.n_maxima :] = -np.inf
    statistics[0, 0] = share.sum()
    member.kernels.accumulate(packed, np.ascontiguousarray(x), share, statistics)
    return place, packed[0], statistics[0]


@degenerate
@pytest.mark.parametrize("member", CARRIERS, ids=repr)
def test_parameters_are_the_maximum_of_the_statistics_that_they_expect(member):
    rows, components = case_of(member, 300)
    columns, settings = columns_of(member, rows), Settings(0.0, 1)
    here, there = (Position.at([component], np.ones(1), columns) for component in (member, components[-1]))
    values = here.expected()
    if isinstance(values, str):
        assert values in ("Multinomial", "DirichletMultinomial")
        return
    values = here.carried(values, there)
    # They are the maximum of the likelihood: of so many rows that a prior is nothing beside them.
    weight = 1e12 if getattr(member, "prior", None) is not None else 1000.0
    for _ in range(100):
        found = there.maximized(values * weight, settings).position
        values, there = there.carried(values, found), found
    expected, reached = member.log_prob(rows), there.components[0].log_prob(rows)
    np.testing.assert_allclose(reached, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("family", [Gamma, InverseGamma])
@pytest.mark.parametrize("centres", [(0.0, 3.1), (3.1, 0.0), (3.0, 3.1), (3.1, 3.1000001)])
def test_centres_of_narrow_families_are_carried(family, centres):
    """Their sums are about nothing, or about a mean; in mpmath there would be no difference."""
    random = np.random.default_rng(13)
    x = 3.0 * np.exp(1e-3 * random.normal(size=200))
    share = random.uniform(size=(1, 200))
    column = Table.read(x).column(0)
    rows, sums = [], []
    for centre in centres:
        packed = np.array([family(2.0, 1.0)._pack(column)])
        packed[0, 4] = centre if family is Gamma else centre and 1.0 / centre
        statistics = np.zeros((1, 3))
        statistics[0, 0] = share.sum()
        packed[0, 3] *= 1.0 + centre  # another reference, too
        family.kernels.accumulate(packed, x[None, :].copy(), share, statistics)
        rows.append(packed[0])
        sums.append(statistics[0])
    carried = family(2.0, 1.0)._carried(sums[0], *rows, column, column)
    np.testing.assert_allclose(carried, sums[1], rtol=1e-9, atol=1e-12)


def test_larger_counts_have_sums_of_their_own():
    """A stream whose counts outgrow the octaves of its first chunk, whose sums are fewer."""
    random = np.random.default_rng(14)
    shares = random.dirichlet([3.0, 7.0], 200)
    small, large = random.multinomial(20, shares), random.multinomial(3000, shares)
    model = GeneralMixtureModel(DirichletMultinomial((3.0, 7.0)), 1).partial_fit(small.astype(float))
    for _ in range(3):
        model.partial_fit(large.astype(float)).partial_fit(small.astype(float))
    np.testing.assert_allclose(model.components_[0].concentration, [3.0, 7.0], rtol=0.3)


# --- streams ---


def test_steps_shrink_as_they_must_and_chunks_count_by_weight():
    assert step_size(0.0, 1.0) == pytest.approx(2.0**-0.7, rel=1e-14)
    assert step_size(198.0, 1.0) == pytest.approx(200.0**-0.7, rel=1e-14)
    # Two halves of a chunk replace as much as the chunk does.
    assert 1.0 - (1.0 - step_size(5.0, 0.5)) ** 2 == pytest.approx(step_size(5.0, 1.0), rel=1e-14)
    assert step_size(5.0, 1e-9) == pytest.approx(-1e-9 * np.log1p(-(7.0**-0.7)), rel=1e-9)


def flat_table(n, seed):
    """Rows of three clusters in real, positive, whole and binary columns and a correlated pair."""
    random = np.random.default_rng(seed)
    group = random.choice(3, n, p=[0.5, 0.3, 0.2])
    pair = random.normal(size=(n, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]]) + np.array([[0.0, 0.0], [4.0, -4.0], [-5.0, 2.0]])[group]
    others = [
        random.gamma(np.array([2.0, 5.0, 9.0])[group], 1.0),
        random.poisson(np.array([1.0, 6.0, 14.0])[group]),
        random.random(n) < np.array([0.1, 0.5, 0.8])[group],
    ]
    return np.column_stack([pair, *others])


def by_weight(model):
    order = np.argsort(-model.weights_)
    return model.weights_[order], [model.components_[c] for c in order]


def test_a_stream_ends_near_the_fit_of_all_rows():
    X = flat_table(200 * 500, 15)
    component = Product({(0, 1): MultivariateNormal(), 2: Gamma(), 3: Poisson(), 4: Bernoulli()})
    whole = GeneralMixtureModel(component, 3, random_state=0).fit(X)
    stream = GeneralMixtureModel(component, 3, random_state=0)
    for part in pieces(X, 500):
        stream.partial_fit(part)
    assert stream.n_steps_ == 200
    # The last step, 0.024, leaves the weight of some 80 chunks, 40000 rows of 100000: each estimate differs from that of all rows
    # by about 0.8 of its standard error. Four of those, for the smallest component's 20000 rows and the widest column.
    (weights, found), (all_weights, best) = by_weight(stream), by_weight(whole)
    np.testing.assert_allclose(weights, all_weights, atol=4 * np.sqrt(0.25 / 1e5))
    for one, other in zip(found, best, strict=True):
        one, other = one.factors, other.factors
        np.testing.assert_allclose(one[0, 1].mean, other[0, 1].mean, atol=4 / np.sqrt(2e4))
        np.testing.assert_allclose(one[0, 1].covariance, other[0, 1].covariance, atol=4 * np.sqrt(2 / 2e4))
        assert one[2].shape == pytest.approx(other[2].shape, rel=4 * np.sqrt(2 / 2e4))
        assert one[3].rate == pytest.approx(other[3].rate, rel=4 / np.sqrt(2e4))
        assert one[4].probability == pytest.approx(other[4].probability, abs=4 * np.sqrt(0.25 / 2e4))
    # Twice the log-likelihood ratio would be some chi-squared of 32 degrees of freedom, halved, for a random 40000 of the rows.
    assert 0.0 <= (whole.score(X) - stream.score(X)) * len(X) < 60.0


@pytest.mark.parametrize(
    ("component", "other"),
    [
        (Normal(-3.0, 1.0), Normal(3.0, 2.0)),
        (Gamma(20.0, 10.0), Gamma(20.0, 1.0)),
        (InverseGamma(9.0, 9.0), InverseGamma(9.0, 90.0)),
        (LogNormal(0.0, 0.5), LogNormal(3.0, 0.5)),
        (VonMises(-2.0, 9.0), VonMises(1.0, 5.0)),
        (BetaBinomial(20, 2.0, 20.0), BetaBinomial(20, 30.0, 10.0)),
        (Dirichlet((2.0, 9.0, 3.0)), Dirichlet((9.0, 3.0, 12.0))),
        (Multinomial((0.1, 0.2, 0.7)), Multinomial((0.5, 0.4, 0.1))),
        (
            MultivariateNormal((-3.0, 0.0), ((1.0, 0.5), (0.5, 1.0)), tied=True),
            MultivariateNormal((3.0, 0.0), ((1.0, 0.5), (0.5, 1.0)), tied=True),
        ),
        (MultivariateNormal((-3.0, 0.0), (1.0, 4.0), kind="diagonal"), MultivariateNormal((3.0, 0.0), (2.0, 1.0), kind="diagonal")),
        (ZeroInflated(Poisson(3.0), 0.4), ZeroInflated(Poisson(20.0), 0.1)),
        (LocationScale(Gamma(9.0, 3.0), -20.0, 2.0), LocationScale(Gamma(9.0, 0.3), -20.0, 2.0)),
        (Frozen(Normal(-3.0, 1.0), "mean"), Frozen(Normal(3.0, 1.0))),
    ],
    ids=repr,
)
def test_families_follow_a_stream(component, other):
    """Components found again from a start beside them, from rows that are seen once."""
    random = np.random.default_rng(16)
    X = np.concatenate([member.sample(n, random_state=n) for member, n in ((component, 12000), (other, 8000))]).astype(float)
    X = X[random.permutation(len(X))]
    stream, whole = model_of([component, other]), model_of([component, other], tol=1e-9, max_iter=500).fit(X)
    for part in pieces(X, 500):
        stream.partial_fit(part)
    assert stream.n_steps_ == 40
    # As above, of 40 chunks of which the last 25 or so count: the gap is at most some units of log-likelihood.
    assert (whole.score(X) - stream.score(X)) * len(X) < 15.0
    np.testing.assert_allclose(stream.weights_, whole.weights_, atol=0.02)


def test_a_stream_with_missing_cells_and_chunks_of_any_size():
    table = mixed_table(20000, 17, missing=0.2)
    sizes = np.random.default_rng(0).permutation(np.repeat([50, 200, 1000], [40, 40, 10]))
    stream, start = mixed_model(tol=1e-8, max_iter=1000), 0
    for size in sizes:
        stream.partial_fit(table[start : start + size])
        start += size
    assert start == len(table)
    whole = mixed_model(tol=1e-8, max_iter=1000).fit(table)
    assert (whole.score(table) - stream.score(table)) * len(table) < 60.0


def test_a_fitted_model_goes_on_from_its_fit():
    X = flat_table(20000, 18)
    component = Product({(0, 1): MultivariateNormal(), 2: Gamma(), 3: Poisson(), 4: Bernoulli()})
    model = GeneralMixtureModel(component, 3, random_state=0).fit(X[:19900])
    before, components = model.score(X), list(model.components_)
    model.partial_fit(X[19900:])
    # A step of (199 + 2)^-0.7 towards 100 rows.
    assert model.n_steps_ == 1
    assert model.components_ != components
    assert abs(model.score(X) - before) < 2e-3
    assert not {"labels_", "converged_", "history_", "n_iter_"} & vars(model).keys()
    # Rows that the fit stands for change nothing, whatever the step.
    fitted = GeneralMixtureModel(component, 3, random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(fitted)).partial_fit(X)
    np.testing.assert_allclose(again.weights_, fitted.weights_, atol=1e-4)
    np.testing.assert_allclose(again.score_samples(X[:100]), fitted.score_samples(X[:100]), atol=1e-3)
    with pytest.raises(ParameterError, match="Multinomial cannot tell"):
        GeneralMixtureModel(Multinomial((0.5, 0.5)), 1).fit([[1.0, 2.0], [3.0, 4.0]]).partial_fit([[1.0, 2.0]])


def test_a_stream_goes_on_after_passes_and_passes_after_a_stream():
    X = flat_table(4000, 19)
    component = Product({(0, 1): MultivariateNormal(), 2: Gamma(), 3: Poisson(), 4: Bernoulli()})
    model = GeneralMixtureModel(component, 3, random_state=0)
    for part in pieces(X, 500):
        model.partial_fit(part)
    before = model.score(X)
    model.survey(X)
    for _ in range(5):
        model = model.from_statistics(sum(model.summarize(part) for part in pieces(X, 500)))
    assert model.n_iter_ == 5
    assert np.all(np.diff(model.history_) > -1e-12)
    after = model.score(X)
    assert after > before
    model.partial_fit(X[:500])
    assert not hasattr(model, "needs_pass_")
    assert abs(model.score(X) - after) < 0.01


def test_a_pickled_stream_goes_on_as_if_nothing_had_happened():
    X = flat_table(4000, 20)
    component = Product({(0, 1): MultivariateNormal(), 2: Gamma(), 3: Poisson(), 4: Bernoulli()})
    streams = [GeneralMixtureModel(component, 3, random_state=0) for _ in range(2)]
    for part in pieces(X, 500):
        streams[0].partial_fit(part)
        streams[1] = pickle.loads(pickle.dumps(streams[1])).partial_fit(part)
    assert streams[0].components_ == streams[1].components_
    np.testing.assert_array_equal(streams[0].weights_, streams[1].weights_)


@pytest.mark.parametrize(
    "component", [StudentT(3.0, 0.0, 1.0), Laplace(), Weibull(), Uniform(), Product(Frozen(Normal(0.0, 1.0)), Uniform())]
)
def test_families_that_cannot_follow_a_stream_say_so(component):
    x = np.random.default_rng(21).uniform(1.0, 2.0, size=(90, component.n_features))
    with pytest.raises(ParameterError, match=r"partial_fit: component 0.*Use summarize and from_statistics"):
        GeneralMixtureModel(component, 2).partial_fit(x)
    with pytest.raises(ParameterError, match="partial_fit"):
        GeneralMixtureModel(component, 1).fit(x).partial_fit(x)


def test_a_refused_chunk_changes_nothing():
    model = GeneralMixtureModel(Exponential(), 2, random_state=0).partial_fit(np.random.default_rng(22).exponential(size=300))
    before = pickle.dumps(model)
    for wrong in ([-1.0, 2.0], [np.inf], [], [[1.0, 2.0]], ["word"]):
        with pytest.raises(ValueError, match=r"expect|must be|convert"):
            model.partial_fit(wrong)
        assert pickle.dumps(model) == before
    with pytest.raises(DataError, match="at least as many rows as components"):
        GeneralMixtureModel(Exponential(), 2).partial_fit([1.0])


def test_hard_steps_priors_of_weights_and_weights_that_stay():
    x = np.random.default_rng(23).normal(np.repeat([-3.0, 3.0], 500), 1.0)
    components = [Normal(-2.0, 1.0), Normal(2.0, 1.0)]
    for settings in ({"e_step": "hard"}, {"weights_prior": 50.0}, {"learn_weights": False, "weights": [0.3, 0.7]}):
        whole = model_of(components, **settings).fit(x)
        found = rounds(model_of(components, **settings).survey(x), pieces(x, 100), 3)
        np.testing.assert_allclose(found.weights_, whole.weights_, rtol=1e-12)
        np.testing.assert_allclose(found.history_, whole.history_[:-1], rtol=1e-12)
        np.testing.assert_allclose(found.score_samples(x), whole.score_samples(x), rtol=1e-10)
    assert found.weights_.tolist() == [0.3, 0.7]
    stream = model_of(components, **settings)
    for part in pieces(x, 250):
        stream.partial_fit(part)
    assert stream.weights_.tolist() == [0.3, 0.7]


def test_a_floor_and_an_empty_component_are_told():
    with pytest.warns(DegenerateWarning, match="held at its floor"):
        rounds(model_of([Normal(2.0, 1.0)]), [[3.0, 3.0, 3.0]], 1)
    model = model_of([Bernoulli(0.0), Bernoulli(1.0)]).survey([0.0, 1.0])
    with pytest.warns(DegenerateWarning, match=r"components \[1\] have no rows left"):
        model.from_statistics(model.summarize([0.0, 0.0]))
