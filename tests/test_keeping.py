"""Models in files: what comes back is the model that was written, to the last bit, or it was refused; files are whole or absent."""

import copy
import datetime
import functools
import inspect
import math
import os
import pickle
import re
import stat
import struct

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from mixtures import GeneralMixtureModel, distributions, documents, priors
from mixtures.datasets import load_penguins
from mixtures.distributions import (
    Bernoulli,
    Beta,
    Bounded,
    Categorical,
    Degenerate,
    Dirichlet,
    Exponential,
    Frozen,
    Gamma,
    KernelDensity,
    Multinomial,
    MultivariateNormal,
    MultivariateStudentT,
    Normal,
    Poisson,
    Product,
    ScipyDistribution,
    Tied,
    Truncated,
)
from mixtures.distributions.base import Value
from mixtures.e_steps import tempered, truncated
from mixtures.exceptions import ModelFormatError, ParameterError
from mixtures.forms import families as kept_families
from mixtures.history import History
from mixtures.keeping import dumps, load, loads
from mixtures.priors import NormalInverseGamma, NormalInverseWishart
from mixtures.values import read, refuse, written

from .test_conformance import PRODUCTS, WRAPPED, Correlated, Laplace, Rayleigh, families, instances

OWN = [Laplace, Correlated, Rayleigh]


def bits(value):
    """Everything that a value holds, its types and the bits of its numbers, from its attributes; no code is shared with files."""
    if isinstance(value, (float, np.floating)):
        return type(value), struct.pack(">d", value)
    if isinstance(value, np.ndarray):
        own = [bits(v) for v in value.tolist()] if value.dtype == object else value.tobytes()
        return type(value), value.dtype, value.shape, own, getattr(value, "moves", None)
    if isinstance(value, (tuple, list)):
        return type(value), [bits(v) for v in value]
    if isinstance(value, frozenset):
        return type(value), sorted(repr(bits(v)) for v in value)
    if isinstance(value, dict):
        return type(value), [(bits(k), bits(v)) for k, v in value.items()]
    if isinstance(value, (scipy.stats.rv_continuous, scipy.stats.rv_discrete)):
        return type(value), value.name
    if hasattr(value, "__dict__") and not isinstance(value, type):
        left_out = ("untold", "prepared", "_past", "_kept_position", "_stream_left_out")
        own = {name: v for name, v in vars(value).items() if name not in left_out and (v is not None or name == "weights_prior")}
        return type(value), bits(dict(sorted(own.items())))
    if hasattr(value, "__slots__"):
        return type(value), [(name, bits(getattr(value, name))) for name in value.__slots__]
    return type(value), repr(value)


def assert_same(found, model):
    assert bits(found) == bits(model)
    without_places = re.compile(" at 0x[0-9a-f]+")  # of objects whose class has no repr of its own
    assert without_places.sub("", repr(found)) == without_places.sub("", repr(model))
    assert dumps(found) == dumps(model)


def kept(model, own=OWN):
    """The model that a document of `model` gives back, the two being equal."""
    found = loads(dumps(model), own)
    assert found is not model
    assert_same(found, model)
    return found


def assert_same_densities(found, model, rows):
    assert np.asarray(found.score_samples(rows)).tobytes() == np.asarray(model.score_samples(rows)).tobytes()


# --- every family ---

MEMBERS = [member for family in families() for member in instances(family)]
MADE_OF_OTHERS = [
    *WRAPPED,
    Frozen(Normal(0.5, 2.0), "std"),
    Frozen(Categorical((0.2, 0.3, 0.5), ("a", "b", "c")), "probabilities[1]"),
    Frozen(MultivariateNormal((0.0, 1.0), ((2.0, 0.5), (0.5, 1.0))), "mean[1]", "covariance"),
    Tied(Frozen(Normal(mean=0.0, std=1.0), "mean"), "std"),
    Bounded(MultivariateNormal((0.0, 1.0), ((2.0, 0.5), (0.5, 1.0))), covariance=(0.1, None)),
    Bounded(Frozen(Gamma(2.0, 3.0), "rate"), shape=(0.5, 4.0)),
    MultivariateNormal((0.0, 1.0), (2.0, 0.5), kind="diagonal", tied=True),
    MultivariateNormal((0.0, 1.0), 2.0, kind="spherical"),
    MultivariateNormal((0.0,), ((1.0,),), prior=NormalInverseWishart((0.0,), 1.0, 3.0, ((1.0,),))),
    MultivariateStudentT(3.0, (0.0, 1.0), ((2.0, 0.5), (0.5, 1.0))),
    Normal(0.0, 1.0, prior=NormalInverseGamma(mean_weight=0.5)),
    Exponential(2.0, prior=Gamma(2.0, 3.0)),
    Bernoulli(0.5, prior=Beta(2.0, 3.0)),
    Categorical((0.2, 0.8), ("x", "y"), prior=Dirichlet((2.0, 3.0))),
    Categorical((0.2, 0.7), (1, "1"), pseudo_count=0.5),
    Truncated(Exponential(1.0), 0.5, None),
    Truncated(ScipyDistribution(scipy.stats.gamma, a=2.0, fixed={"loc": 0.0, "scale": 1.0}), None, 9.0),
    ScipyDistribution(scipy.stats.gamma, a=2.0, loc=-1.0, scale=3.0),
    ScipyDistribution(scipy.stats.norm, loc=-0.0, scale=5e-324),
    ScipyDistribution(scipy.stats.binom, fixed={"n": 9}, p=0.25),
    ScipyDistribution(scipy.stats.poisson, fixed={"loc": 2}, mu=2.5),
    KernelDensity(0.5, points=[1.0, 3.0, -0.0], weights=[1.0, 2.0, 0.1]),
    KernelDensity(points=[1.0, 3.0, 9.0]),
    Degenerate(3.0),
    Multinomial((0.25, 0.75), prior=Dirichlet((2.0, 3.0))),
]


def named(distribution):
    """Its repr, the same in every process: without places in memory."""
    return re.sub(r" at 0x\w+", "", repr(distribution))


@pytest.mark.parametrize("distribution", [*MEMBERS, *MADE_OF_OTHERS, *PRODUCTS.values()], ids=named)
def test_every_family_comes_back(distribution):
    model = GeneralMixtureModel([distribution, distribution], weights=[0.25, 0.75])
    kept(model)


def held_in(value):
    """Types of a distribution and of what it is made of."""
    yield type(value)
    parts = getattr(value, "factors", {}).values()
    for part in [*parts, getattr(value, "base", None), getattr(value, "prior", None)]:
        if isinstance(part, Value):
            yield from held_in(part)


def test_no_family_and_no_prior_was_forgotten():
    named = [getattr(module, name) for module in (distributions, priors) for name in module.__all__]
    all_kinds = {kind for kind in named if issubclass(kind, Value) and not inspect.isabstract(kind)}
    assert set(kept_families()) == all_kinds
    tried = {kind for distribution in [*MEMBERS, *MADE_OF_OTHERS, *PRODUCTS.values()] for kind in held_in(distribution)}
    assert tried >= all_kinds


# One kernel call a family; members of one family differ in numbers alone, which the test above compares to the bit.
ONE_EACH = [*{type(member): member for member in MEMBERS}.values(), *MADE_OF_OTHERS]


@pytest.mark.parametrize("distribution", ONE_EACH, ids=named)
def test_densities_are_the_same_to_the_bit(distribution):
    model = GeneralMixtureModel([distribution], weights=[1.0])
    try:
        rows = distribution.sample(20, random_state=0)
    except ValueError:  # scipy's own sampler, at a scale of 5e-324
        rows = np.zeros((1, 1))
    assert_same_densities(kept(model), model, rows)


# --- models ---


def fitted_penguins():
    columns = Product(
        {
            "island": Categorical(),
            ("bill_length_mm", "bill_depth_mm"): MultivariateNormal(prior=NormalInverseWishart()),
            "body_mass_g": Tied(Normal(), "std"),
        }
    )
    return GeneralMixtureModel(columns, 3, random_state=0, weights_prior=1.5, n_init=2).fit(load_penguins())


def fitted_nested():
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(-9, 1, 60), random.normal(0, 1, 60), random.normal(5, 1, 60)])
    inner = GeneralMixtureModel([Normal(-1.0, 1.0), Normal(4.0, 1.0)])
    return GeneralMixtureModel([Normal(-9.0, 1.0), inner], max_iter=5, tol=0).fit(x), x[:, None]


def test_a_fitted_model_comes_back_with_all_that_it_knows():
    table = load_penguins()
    model = fitted_penguins().set_output(transform="pandas")
    found = kept(model)
    for name in vars(model):
        assert hasattr(found, name), name
    assert found.feature_names_in_.dtype == object
    assert isinstance(found.history_, History)
    assert_same_densities(found, model, table)
    pd.testing.assert_frame_equal(found.predict_proba(table), model.predict_proba(table))
    assert found.bic(table) == model.bic(table)
    np.testing.assert_array_equal(found.sample(5, random_state=0), model.sample(5, random_state=0))
    # And a further fit goes as that of the model would have gone.
    assert_same(found.fit(table), model.fit(table))


def test_a_mixture_of_mixtures_comes_back():
    model, x = fitted_nested()
    assert_same_densities(kept(model), model, x)


ARGUMENTS = [
    {"e_step": "hard"},
    {"e_step": truncated(2)},
    {"e_step": tempered(0.3, 1.5)},
    {"weights": [0.3, 0.7], "learn_weights": False},
    {"weights": np.array([0.3, 0.7])},
    {"weights_prior": (1.0, 2.5)},
    {"start": np.arange(6) % 2},
    {"start": np.full((6, 2), 0.5)},
    {"start": [0, 1, 0, 1, 0, 1]},
    {"random_state": 7, "n_jobs": -1, "verbose": 0, "tol": 0.0, "max_iter": 3},
    {"random_state": np.int64(7), "max_iter": np.int32(5), "n_init": 3},
    {"starved": "drop", "accelerate": False},
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda arguments: ", ".join(arguments))
def test_every_argument_is_kept(arguments):
    kept(GeneralMixtureModel(Normal(), 2, **arguments))


def test_a_model_without_parameters_is_kept_as_one():
    found = kept(GeneralMixtureModel(Product(age=Normal(), visits=Poisson()), 2))
    with pytest.raises(NotFittedError):
        found.predict([[1.0, 2.0]])


def test_callbacks_are_left_out():
    model = GeneralMixtureModel(Normal(), 2, random_state=0, callbacks=lambda progress: None).fit([0.0, 1.0, 5.0, 6.0])
    assert loads(dumps(model)).callbacks is None


def test_a_frozen_distribution_of_scipy_becomes_what_it_stands_for():
    model = GeneralMixtureModel([scipy.stats.norm(0.0, 1.0), scipy.stats.gamma(2.0)], max_iter=2, tol=0)
    found = loads(dumps(model))
    assert found.components == model._listed_components()
    assert_same_densities(found, model, [[0.5], [2.0]])


class Shifted(scipy.stats.rv_continuous):
    def _pdf(self, x, c):
        return np.exp(-(x - c)) * (x >= c)


def test_families_of_ones_own_are_given_by_the_caller():
    shifted = Shifted(name="shifted", shapes="c", a=0.0)
    model = GeneralMixtureModel(
        [Laplace(1.0, 2.0), Rayleigh(2.0), ScipyDistribution(shifted, c=1.0, scale=1.0, fixed={"loc": 0.0})]
    )
    found = kept(model, [Laplace, Rayleigh, shifted])
    assert_same_densities(found, model, [[0.5], [2.0]])
    for own in ([], [Laplace, Rayleigh], [Rayleigh, shifted]):
        with pytest.raises(ModelFormatError, match=r"families=\[\.\.\.\]"):
            loads(dumps(model), own)


class Favourite(GeneralMixtureModel):
    """A model of one's own."""


def test_a_model_of_ones_own_is_a_family_too():
    model = Favourite(Normal(), 2, random_state=0).fit([0.0, 1.0, 5.0, 6.0])
    kept(model, [Favourite])
    with pytest.raises(ModelFormatError, match="expected a model"):
        loads(dumps(model))


@pytest.mark.parametrize(
    "own",
    [["Laplace"], [int], [lambda: None], [type("Laplace", (Laplace,), {}), Laplace]],
)
def test_families_that_are_none_are_refused(own):
    with pytest.raises(ParameterError, match="families"):
        loads(b"", own)


# --- values ---

DAY = datetime.timedelta(hours=23)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.integers(0, 2**64 - 1).map(lambda n: struct.unpack(">d", struct.pack(">Q", n))[0]),
    st.text(st.characters()),
    st.binary(max_size=9),
    st.dates(),
    st.datetimes(timezones=st.none() | st.timedeltas(-DAY, DAY).map(datetime.timezone)).map(lambda moment: moment.replace(fold=0)),
    st.timedeltas(),
    st.floats(width=32).map(np.float32),
    st.floats().map(np.float64),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.integers(0, 255).map(np.uint8),
    st.booleans().map(np.bool_),
    st.text(st.characters(exclude_characters="\0")).map(np.str_),
    st.binary(max_size=9).map(lambda word: np.bytes_(word.rstrip(b"\0"))),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.lists(inner, max_size=3)
        | st.frozensets(PLAIN, max_size=3)
        | st.dictionaries(PLAIN, inner, max_size=3)
    ),
    max_leaves=9,
)


@given(VALUES)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_any_value_comes_back(value):
    tree = written(value, lambda value, where: refuse("nothing else", value))
    found = read(documents.read_document(documents.write_document(tree, "0.1.0")), {})
    assert repr(bits(found)) == repr(bits(value))


ARRAYS = [
    np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.7976931348623157e308]),
    np.arange(6, dtype=np.int8).reshape(2, 3),
    np.array([2**64 - 1], dtype=np.uint64),
    np.array([True, False]),
    np.array([0.1, 65504.0], dtype=np.float16),
    np.empty((0, 3)),
    np.array(7.0),
    np.array(["a", None, 2.5, 1], dtype=object),
]


@pytest.mark.parametrize("array", ARRAYS, ids=repr)
def test_any_array_comes_back(array):
    tree = written(array, lambda value, where: refuse("nothing else", value))
    assert bits(read(documents.read_document(documents.write_document(tree, "0.1.0")), {})) == bits(array)


CATEGORIES = [
    ("a", "b"),
    (1, 1.5, "1"),
    (True, False),
    (None, ""),
    (b"a", "a"),
    (("a", 1), frozenset({2})),
    (datetime.date(2020, 2, 29), datetime.datetime(2020, 2, 29, 12, 30, 0, 1)),
    (datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.timedelta(days=-1, microseconds=3)),
    (np.int64(3), np.float32(0.1), np.str_("x"), np.bool_(True)),
    (10**300, -(2**70)),
    (-0.0, math.inf, -math.inf),
    ("\ud800", "\0", "é\U0001f600", "\u2028"),
]


@pytest.mark.parametrize("categories", CATEGORIES, ids=repr)
def test_categories_keep_their_types(categories):
    model = GeneralMixtureModel([Categorical([1.0 / len(categories)] * len(categories), categories)])
    (found,) = kept(model).components
    assert list(map(type, found.categories)) == list(map(type, categories))


# --- what no file can keep ---


class Unpaired(Laplace):
    """Does not keep what its constructor is given."""

    def __init__(self, start=0.0):
        super().__init__(start)


class Drifting(Laplace):
    """Makes something else of it."""

    def __init__(self, place=0.0):
        super().__init__(place + 1.0)


def with_attribute(model):
    model.note = "mine"
    return model


def category(value):
    return lambda: GeneralMixtureModel([Categorical([0.5, 0.5], [value, "b"])])


REFUSED = {
    "a random generator": (lambda: GeneralMixtureModel(Normal(), 2, random_state=np.random.default_rng(0)), "random_state"),
    "a random state": (lambda: GeneralMixtureModel(Normal(), 2, random_state=np.random.RandomState(0)), "random_state"),
    "a pandas timestamp": (category(pd.Timestamp("2020-01-01")), r"categories\[0\].*Timestamp"),
    "an object": (category(stat), "module"),
    "a function": (category(len), "builtin"),
    "a complex number": (category(1j), "complex"),
    "a huge integer": (category(10**2000), "bits"),
    "a folded time": (category(datetime.datetime(2020, 1, 1, fold=1)), "date or time"),
    "a series": (lambda: GeneralMixtureModel(Normal(), 2, start=pd.Series([0, 1])), "start.*Series"),
    "an array of words": (lambda: GeneralMixtureModel(Normal(), 2, start=np.array(["a", "b"])), "array"),
    "wrong arguments": (lambda: GeneralMixtureModel(Normal(), 0), "n_components"),
    "an unknown e-step": (lambda: GeneralMixtureModel(Normal(), 2, e_step="warm"), "e_step"),
    "an attribute": (lambda: with_attribute(GeneralMixtureModel(Normal(), 2)), "'note'"),
    "a class that hides its arguments": (lambda: GeneralMixtureModel(Unpaired(), 2), "no start"),
    "a class that changes its arguments": (lambda: GeneralMixtureModel(Drifting(), 2), r"place was 1\.0 and becomes 2\.0"),
    "two classes of one name": (
        lambda: GeneralMixtureModel([Laplace(), type("Laplace", (Laplace,), {})()]),
        "'Laplace' is another one's",
    ),
    "too many levels": (
        lambda: GeneralMixtureModel([Categorical([1.0], [functools.reduce(lambda value, _: (value,), range(40), 1)])]),
        "within each other",
    ),
}


@pytest.mark.parametrize(("model", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_file_can_keep_is_refused_before_one_is_written(model, words, tmp_path):
    with pytest.raises(ModelFormatError, match=words):
        model().save(tmp_path / "model.json")
    assert not list(tmp_path.iterdir())


def test_only_models_are_kept():
    with pytest.raises(ParameterError, match="GeneralMixtureModel"):
        dumps(Normal(0.0, 1.0))


# --- files ---


def test_a_file_is_one_json_document(tmp_path):
    import json

    path = tmp_path / "model.json"
    model = fitted_penguins()
    model.save(path)
    document = json.loads(path.read_text(encoding="ascii"))
    assert list(document) == ["format", "schema", "library", "sha256", "model"]
    assert document["schema"] == 1
    assert_same(load(str(path)), model)
    # White space between values means nothing, everything else does.
    path.write_text(json.dumps(document, indent=2), encoding="ascii")
    assert_same(load(path), model)


@pytest.fixture
def present(tmp_path):
    """A folder with a model in a file, and that file."""
    path = tmp_path / "model.json"
    GeneralMixtureModel([Poisson(1.0)]).save(path)
    return path


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()], ids=repr)
def test_a_failed_save_changes_nothing(present, monkeypatch, step, error):
    before = present.read_bytes()

    def fails(*arguments):
        raise error

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(type(error)):
        GeneralMixtureModel([Poisson(2.0)]).save(present)
    assert present.read_bytes() == before
    assert [path.name for path in present.parent.iterdir()] == ["model.json"]


def test_a_file_is_replaced_in_one_step(present, monkeypatch):
    seen = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append((load(a), load(b))), replace(a, b)))
    GeneralMixtureModel([Poisson(2.0)]).save(present)
    assert [(a.components[0].rate, b.components[0].rate) for a, b in seen] == [(2.0, 1.0)]
    assert load(present).components[0].rate == 2.0


def test_links_are_followed_and_permissions_kept(present):
    os.chmod(present, 0o640)
    link = present.parent / "link.json"
    link.symlink_to(present)
    GeneralMixtureModel([Poisson(2.0)]).save(link)
    assert link.is_symlink()
    assert load(present).components[0].rate == 2.0
    assert stat.S_IMODE(present.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_that_any_has(tmp_path):
    (tmp_path / "plain").write_text("")
    GeneralMixtureModel([Poisson(2.0)]).save(tmp_path / "model.json")
    assert (tmp_path / "model.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_errors_of_files_are_those_of_python(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError):
        GeneralMixtureModel([Poisson(2.0)]).save(tmp_path / "none" / "model.json")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
    with pytest.raises(OSError, match="directory"):
        GeneralMixtureModel([Poisson(2.0)]).save(tmp_path)
    assert not list(tmp_path.iterdir())


# --- streams ---


def test_a_stream_does_not_go_on_from_a_file_as_if_nothing_had_been_seen():
    random = np.random.default_rng(0)
    chunks = [random.normal(random.choice([-4.0, 4.0], 200), 1.0) for _ in range(3)]
    model = GeneralMixtureModel(Normal(), 2, random_state=0)
    for chunk in chunks[:2]:
        model.partial_fit(chunk)
    found = kept(model)
    assert_same_densities(found, model, chunks[2])
    again = kept(found)
    for read_from_file in (found, again, pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        with pytest.raises(ParameterError, match="no running statistics"):
            read_from_file.partial_fit(chunks[2])
    # A fit begins anew, and a stream may go on from it.
    fresh = GeneralMixtureModel(Normal(), 2, random_state=0).fit(chunks[0])
    assert found.fit(chunks[0]).partial_fit(chunks[1]).weights_.tobytes() == fresh.partial_fit(chunks[1]).weights_.tobytes()


def test_passes_go_on_from_a_file():
    random = np.random.default_rng(0)
    chunks = [random.normal(random.choice([-4.0, 4.0], 200), 1.0) for _ in range(3)]
    model = GeneralMixtureModel([Normal(-1.0, 1.0), Normal(1.0, 1.0)]).survey(*chunks)

    def passed(model):
        return model.from_statistics(sum((model.summarize(chunk) for chunk in chunks[1:]), model.summarize(chunks[0])))

    model = passed(model)
    found = passed(kept(model))
    model = passed(model)
    np.testing.assert_allclose(found.history_, model.history_, rtol=1e-14)
    np.testing.assert_allclose([c.mean for c in found.components_], [c.mean for c in model.components_], rtol=1e-13)


def test_a_fit_that_was_kept_begins_a_stream_as_the_fit_does():
    x = np.random.default_rng(0).normal(size=200)
    model = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x)
    assert kept(model).partial_fit(x + 1.0).weights_.tobytes() == model.partial_fit(x + 1.0).weights_.tobytes()


# --- other ways to keep a model ---

KEPT_IN_MEMORY = [
    GeneralMixtureModel([distribution, distribution], weights=[0.25, 0.75])
    for distribution in [*MADE_OF_OTHERS, *PRODUCTS.values()]
]


@pytest.mark.parametrize("model", KEPT_IN_MEMORY, ids=lambda model: named(model.components[0]))
def test_pickle_joblib_and_clone_keep_a_model_too(model, tmp_path):
    joblib.dump(model, tmp_path / "model.joblib")
    for found in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib"), clone(model), copy.deepcopy(model)):
        assert_same(found, model)


def test_pickle_and_joblib_keep_fits_and_clone_does_not(tmp_path):
    for model in (fitted_penguins(), fitted_nested()[0]):
        joblib.dump(model, tmp_path / "model.joblib")
        for found in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib"), copy.deepcopy(model)):
            assert_same(found, model)
        assert_same(clone(model), type(model)(**model.get_params(deep=False)))
