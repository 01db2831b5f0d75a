"""EM's laws: the likelihood never falls, and every step is the one that the textbook asks for."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from mixtures import GeneralMixtureModel
from mixtures.distributions import Bernoulli, Categorical, Exponential, Normal, Poisson, Product

from . import naive

# --- random models and tables ---

KINDS = {
    "real": lambda random, n: random.normal(random.choice([-3, 0, 4], n), 1.0),
    "positive": lambda random, n: random.exponential(random.choice([0.5, 3.0], n)),
    "count": lambda random, n: random.poisson(random.choice([1.0, 9.0], n)).astype(float),
    "bit": lambda random, n: random.integers(0, 2, n).astype(float),
    "word": lambda random, n: random.choice(["ash", "elm", "oak"], n).astype(object),
}
FAMILIES = {
    "real": [Normal],
    "positive": [Normal, Exponential],
    "count": [Poisson],
    "bit": [Bernoulli, Poisson],
    "word": [Categorical],
}


def member(family, random):
    """A member of a family that gives every value of its kind some density."""
    match family.__name__:
        case "Normal":
            return Normal(random.normal(0, 3), random.uniform(1, 4))
        case "Exponential":
            return Exponential(random.uniform(0.2, 2))
        case "Poisson":
            return Poisson(random.uniform(0.5, 8))
        case "Bernoulli":
            return Bernoulli(random.uniform(0.1, 0.9))
        case "Categorical":
            return Categorical(random.dirichlet([2.0, 2.0, 2.0]), ["ash", "elm", "oak"])


def table_of(columns):
    """Columns as the array that the library is given: of objects as soon as one is."""
    return np.column_stack([np.asarray(column, dtype=object) for column in columns])


def random_table(random, kinds, n, missing):
    """A column of every kind, a share of its cells missing but never all."""
    columns = []
    for kind in kinds:
        column = KINDS[kind](random, n)
        holes = random.random(n) < missing
        holes[0] = False
        column[holes] = None if kind == "word" else np.nan
        columns.append(column)
    return columns


def random_mixture(random, kinds, k):
    """Weights and k components, a list of distributions each, families drawn for each component and column."""
    components = [[member(random.choice(FAMILIES[kind]), random) for kind in kinds] for _ in range(k)]
    return random.dirichlet(np.full(k, 5.0)), components


def model_of(weights, components, **settings):
    return GeneralMixtureModel([Product(*component) for component in components], weights=weights, tol=0, **settings)


def flat(distribution):
    """Every parameter of a distribution of one column as numbers."""
    return np.hstack([getattr(distribution, name) for name in distribution.parameters])


def assert_never_falls(history):
    # The mean of log-densities of order 10 (1e2 at worst here) carries rounding of some 1e-14.
    assert np.all(np.diff(history) >= -1e-12 * np.maximum(1.0, np.abs(history[1:])))


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


# --- weights are repetition ---


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize(
    "components",
    [
        [Product(Normal(), Poisson(), Categorical()) for _ in range(3)],
        [Product(Normal(), Exponential(), Categorical()), Product(Normal(), Poisson(), Categorical())],
    ],
    ids=["of one form", "of two forms"],
)
def test_weights_equal_repetition(components, missing):
    random = np.random.default_rng(10)
    columns = random_table(random, ["real", "count", "word"], 150, missing)
    X = table_of(columns)
    times = random.integers(0, 5, 150)
    repeated = X.repeat(times, axis=0)[random.permutation(times.sum())]
    settings = {"tol": 1e-9, "random_state": 3, "n_init": 3}
    by_weight = GeneralMixtureModel(components, **settings).fit(X, sample_weight=times)
    by_rows = GeneralMixtureModel(components, **settings).fit(repeated)
    # Sums of the same terms in another order: rounding of 1e-16 a term, and EM does not amplify it near its end.
    assert by_weight.n_iter_ == by_rows.n_iter_
    np.testing.assert_allclose(by_weight.history_, by_rows.history_, rtol=1e-10)
    np.testing.assert_allclose(by_weight.weights_, by_rows.weights_, rtol=1e-7)
    for one, other in zip(by_weight.components_, by_rows.components_, strict=True):
        for mine, theirs in zip(one.factors.values(), other.factors.values(), strict=True):
            np.testing.assert_allclose(flat(mine), flat(theirs), rtol=1e-6, atol=1e-9)
    assert by_weight.score(X, sample_weight=times) == pytest.approx(by_rows.score(repeated), rel=1e-10)
    for criterion in ("bic", "aic", "icl"):
        weighted = getattr(by_weight, criterion)(X, sample_weight=times)
        assert weighted == pytest.approx(getattr(by_rows, criterion)(repeated), rel=1e-9)
    assert (by_weight.labels_[times == 0] == -1).all()
    assert (by_weight.labels_[times > 0] == by_weight.predict(X)[times > 0]).all()


@pytest.mark.parametrize("form", [[Normal, Normal, Normal], [Normal, Exponential, Poisson]], ids=["one form", "several forms"])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_neither_order_nor_repetition_moves_a_start(missing, form):
    # More rows than a start looks at: those that it looks at must be the same ones.
    random = np.random.default_rng(14)
    group = random.integers(3, size=9000)
    X = np.column_stack([random.normal(np.array([-4.0, 0.0, 4.0])[group], 1), random.poisson(np.array([1, 5, 9])[group])])
    X[random.random(X.shape) < missing] = np.nan
    times = random.integers(1, 4, len(X))
    components = [Product(Normal(), family()) for family in form]

    def fit(rows, weights=None):
        model = GeneralMixtureModel(components, random_state=1).fit(rows, sample_weight=weights)
        return np.hstack([flat(factor) for component in model.components_ for factor in component.factors.values()])

    by_weight = fit(X, times)
    # Rounding of sums taken in another order, a few iterations long.
    np.testing.assert_allclose(fit(X[::-1], times[::-1]), by_weight, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(fit(X.repeat(times, axis=0)[random.permutation(times.sum())]), by_weight, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-10, 1e10, 1e300])
def test_the_unit_of_weights_changes_no_parameter(scale):
    x = np.random.default_rng(15).normal(np.arange(1000) % 2 * 6, 1)
    plain = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(x)
    scaled = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(x, sample_weight=np.full(1000, scale))
    np.testing.assert_allclose(list(map(flat, scaled.components_)), list(map(flat, plain.components_)), rtol=1e-12)
    np.testing.assert_allclose(scaled.history_, plain.history_, rtol=1e-12)


def test_rows_of_weight_zero_are_not_looked_at():
    x = np.array([1.0, 2.0, 8.0, 9.0])
    junk = np.array([np.inf, -1e300, 7.0])
    start = [Exponential(0.5), Exponential(0.1)]
    plain = GeneralMixtureModel(start, tol=0, max_iter=5).fit(x)
    padded = GeneralMixtureModel(start, tol=0, max_iter=5).fit(np.append(x, junk), sample_weight=[1, 1, 1, 1, 0, 0, 0])
    # The one run has weights to multiply by and the other has none: rounding.
    np.testing.assert_allclose(padded.history_, plain.history_, rtol=1e-14)
    np.testing.assert_allclose([c.rate for c in padded.components_], [c.rate for c in plain.components_], rtol=1e-14)
    assert padded.labels_.tolist() == [*plain.labels_, -1, -1, -1]


# --- components that exist in Python only ---


class PlainNormal:
    """A Normal as a user would write it."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def log_prob(self, X):
        return -0.5 * ((X[:, 0] - self.mean) / self.std) ** 2 - np.log(self.std) - 0.5 * np.log(2 * np.pi)

    def fit(self, X, sample_weight=None):
        mean = np.average(X[:, 0], weights=sample_weight)
        return PlainNormal(mean, np.sqrt(np.average((X[:, 0] - mean) ** 2, weights=sample_weight)))


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("n", [100, 40000])
def test_a_component_in_python_takes_the_steps_of_the_built_in_one(n, n_jobs):
    random = np.random.default_rng(11)
    x = random.normal(random.choice([-2.0, 3.0], n), 1)
    x[::7] = np.nan
    weights = random.exponential(1.0, n)
    settings = {"weights": [0.3, 0.7], "tol": 0, "max_iter": 10, "n_jobs": n_jobs}
    python = GeneralMixtureModel([PlainNormal(-1, 2), Normal(1, 2)], **settings).fit(x, sample_weight=weights)
    compiled = GeneralMixtureModel([Normal(-1, 2), Normal(1, 2)], **settings).fit(x, sample_weight=weights)
    np.testing.assert_allclose(python.history_, compiled.history_, rtol=1e-12)
    for one, other in zip(python.components_, compiled.components_, strict=True):
        assert one.mean == pytest.approx(other.mean, abs=1e-10)
        assert one.std == pytest.approx(other.std, abs=1e-10)


@dataclass
class Full:
    """A Gaussian over several columns, whose equality, made of arrays, has no truth value."""

    mean: np.ndarray
    covariance: np.ndarray

    def log_prob(self, X):
        return scipy.stats.multivariate_normal(self.mean, self.covariance).logpdf(X)

    def fit(self, X, sample_weight=None):
        return Full(np.average(X, axis=0, weights=sample_weight), np.cov(X.T, aweights=sample_weight, bias=True))


def test_components_of_arrays_take_the_steps_of_scikit_learns():
    random = np.random.default_rng(13)
    x = np.concatenate([random.normal([-2, 0], [1, 2], (150, 2)), random.normal([2, 1], [1, 1], (250, 2))])
    means = np.array([[-1.0, 0.0], [1.0, 0.0]])
    theirs = GaussianMixture(
        2, reg_covar=0, tol=0, max_iter=10, weights_init=[0.5, 0.5], means_init=means, precisions_init=[np.eye(2)] * 2
    )
    with pytest.warns(match="did not converge"):
        theirs.fit(x)
    ours = GeneralMixtureModel([Full(mean, np.eye(2)) for mean in means], weights=[0.5, 0.5], tol=0, max_iter=10).fit(x)
    np.testing.assert_allclose([component.mean for component in ours.components_], theirs.means_, atol=1e-8)
    np.testing.assert_allclose([component.covariance for component in ours.components_], theirs.covariances_, atol=1e-8)
    np.testing.assert_allclose(ours.weights_, theirs.weights_, atol=1e-8)


class Stumbling(PlainNormal):
    """A Normal whose methods raise one and the same exception from the third call on."""

    def __init__(self, mean, std, method, error, calls=None):
        super().__init__(mean, std)
        self.method, self.error = method, error
        self.calls = [] if calls is None else calls

    def _stumble(self, method):
        if method == self.method:
            self.calls.append(method)
            if len(self.calls) >= 3:
                raise self.error

    def log_prob(self, X):
        self._stumble("log_prob")
        return super().log_prob(X)

    def fit(self, X, sample_weight=None):
        self._stumble("fit")
        new = super().fit(X, sample_weight)
        return Stumbling(new.mean, new.std, self.method, self.error, self.calls)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("error", [RuntimeError("out of breath"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("method", ["log_prob", "fit"])
def test_the_exception_of_a_component_reaches_the_caller(method, error, n_jobs):
    x = np.random.default_rng(12).normal(size=40000)
    model = GeneralMixtureModel([Normal(1, 1), Normal(-1, 1)], max_iter=2, tol=0, n_jobs=n_jobs).fit(x)
    before = model.components_
    model.components = [Stumbling(1, 1, method, error), Normal(-1, 1)]
    model.max_iter = 20
    with pytest.raises(type(error)) as caught:
        model.fit(x)
    assert caught.value is error
    assert model.components_ is before


def test_the_exception_of_a_component_reaches_who_asks():
    x = np.random.default_rng(12).normal(size=100)
    error = RuntimeError("out of breath")
    model = GeneralMixtureModel([Normal(1, 1), Normal(-1, 1)], max_iter=1, tol=0).fit(x)
    model.components_[0] = Stumbling(1, 1, "log_prob", error, calls=["log_prob"] * 2)
    for _ in range(2):
        with pytest.raises(RuntimeError) as caught:
            model.predict_proba(x)
        assert caught.value is error
