"""Accelerated EM: the optimum of plain EM in fewer passes, an objective that never falls, the same bits for any threads."""

import warnings

import numpy as np
import pytest

from mixtures import GeneralMixtureModel, jit
from mixtures._numba_calls import address_of
from mixtures.assembly import Assembly
from mixtures.distributions import (
    Bernoulli,
    Bounded,
    Exponential,
    Frozen,
    Gamma,
    Laplace,
    MultivariateNormal,
    Normal,
    Poisson,
    Product,
    StudentT,
    Tied,
    VonMises,
    ZeroInflated,
)
from mixtures.engine.acceleration import FREE, LOST, PENDING
from mixtures.engine.loop import Course
from mixtures.engine.plan import CHUNK_ROWS
from mixtures.exceptions import ConvergenceWarning, DegenerateWarning
from mixtures.parts import take_apart
from mixtures.priors import NormalInverseGamma
from mixtures.runs import begin
from mixtures.settings import Settings
from mixtures.table import Table

from .random_models import assert_never_falls, random_mixture, random_table, table_of

DEATHS = np.repeat(np.arange(10.0), [162, 267, 271, 185, 111, 61, 27, 8, 3, 1])
"""Notices of deaths of women of 80 and more in The Times, 1910 to 1912, by day (Titterington, Smith & Makov 1985, table 4.3.1)."""


def two_normals(n, distance=1.5):
    random = np.random.default_rng(0)
    return np.concatenate([random.normal(0.0, 1.0, n // 2), random.normal(distance, 1.0, n // 2)])


def fitted(components, rows, accelerate=True, **arguments):
    arguments = {"tol": 1e-8, "max_iter": 20_000, "n_init": 1, "random_state": 0, **arguments}
    return GeneralMixtureModel(components, accelerate=accelerate, **arguments).fit(rows)


def course_of(components, rows, **arguments):
    """A run of EM from these components, at its end, for what a model does not show."""
    table = Table.read(rows)
    settings = Settings(arguments.pop("tol", 1e-8), arguments.pop("max_iter", 20_000), 1, **arguments)
    run = begin(Assembly(take_apart(components, table), table), np.full(len(components), -np.log(len(components))), settings)
    run.course.run(1)
    return run.course


def parameters_of(model):
    factors = [getattr(c, "factors", {0: c}).values() for c in model.components_]
    values = [np.ravel(value) for own in factors for f in own for value in getattr(f, "base", f).parameter_values().values()]
    return np.concatenate([model.weights_, *values])


def heavy_tails():
    random = np.random.default_rng(3)
    return np.concatenate([random.standard_t(3.0, 500), 3.0 + random.standard_t(4.0, 500)])


def counts_with_zeros():
    random = np.random.default_rng(4)
    return np.concatenate([random.poisson(1.5, 400), random.poisson(6.0, 400), np.zeros(200)]).astype(float)


def rows_of_mixed_kinds(n=600):
    random = np.random.default_rng(1)
    group = random.integers(0, 2, n)
    return np.column_stack(
        [random.normal(1.5 * group, 1.0), random.poisson(2.0 + 2.0 * group), random.random(n) < 0.3 + 0.3 * group]
    )


CASES = {
    "Normal": ([Normal(-1.0, 1.0), Normal(2.0, 1.0)], two_normals(1000, 2.5)),
    "Poisson": ([Poisson(1.0), Poisson(3.0)], DEATHS),
    "StudentT": ([StudentT(5.0, -1.0, 1.0), StudentT(5.0, 2.0, 1.0)], heavy_tails()),
    "Gamma": ([Gamma(2.0, 2.0), Gamma(5.0, 1.0)], np.exp(two_normals(1000, 2.0))),
    "Normal and Exponential": ([Normal(2.0, 1.0), Exponential(1.0)], np.abs(two_normals(1000, 2.5))),
    "VonMises": ([VonMises(-3.0, 1.0), VonMises(2.0, 1.0)], np.remainder(two_normals(1000, 2.0), 2 * np.pi)),
    "ZeroInflated": ([ZeroInflated(Poisson(1.0), 0.1), Poisson(5.0)], counts_with_zeros()),
    "Product": ([Product(Normal(m, 1.0), Poisson(2.0 + m), Bernoulli(0.4)) for m in (0.0, 1.0)], rows_of_mixed_kinds()),
    "MultivariateNormal": (
        [MultivariateNormal([m, m], [[1.0, 0.2], [0.2, 1.0]]) for m in (-1.0, 2.0)],
        two_normals(1200, 2.5).reshape(-1, 2),
    ),
    "tied": (
        [MultivariateNormal([m, m], [[1.0, 0.2], [0.2, 1.0]], tied=True) for m in (-1.0, 2.0)],
        two_normals(1200, 2.5).reshape(-1, 2),
    ),
    "tied shapes": ([Tied(Gamma(3.0, 2.0), "shape"), Tied(Gamma(3.0, 1.0), "shape")], np.exp(two_normals(1000, 2.0))),
    "prior": ([Normal(m, 1.0, prior=NormalInverseGamma(0.0, 1.0, 2.0, 1.0)) for m in (-1.0, 2.0)], two_normals(1000, 2.5)),
    "bounded": ([Bounded(Normal(m, 1.0), std=(0.9, 1.1)) for m in (-1.0, 2.0)], two_normals(1000, 2.0)),
    "held": ([Frozen(Normal(0.0, 1.0), "std"), Frozen(Normal(2.0, 1.0), "std")], two_normals(1000, 2.0)),
    "Laplace": ([Laplace(-1.0, 1.0), Laplace(3.0, 1.0)], two_normals(301, 3.0)),
}


def polished(model, rows):
    """Parameters after so many more of EM's own steps that nothing moves."""
    components, weights = model.components_, model.weights_
    return parameters_of(GeneralMixtureModel(components, weights=weights, tol=0.0, max_iter=3000).fit(rows))


@pytest.mark.parametrize("name", CASES)
def test_the_optimum_is_that_of_plain_em(name):
    components, rows = CASES[name]
    plain, accelerated = (fitted(components, rows, accelerate, tol=1e-13) for accelerate in (False, True))
    np.testing.assert_allclose(parameters_of(accelerated), polished(accelerated, rows), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(polished(accelerated, rows), polished(plain, rows), rtol=1e-8, atol=1e-8)
    assert accelerated.history_[-1] >= plain.history_[-1] - 1e-12
    assert_never_falls(accelerated.history_)
    assert accelerated.n_iter_ < plain.n_iter_


def test_the_slow_case_takes_far_fewer_passes():
    rows = two_normals(20_000)
    components = [Normal(-0.5, 1.0), Normal(2.0, 1.0)]
    plain = course_of(components, rows, accelerate=False)
    accelerated = course_of(components, rows)
    assert accelerated.iteration + accelerated.accelerator[LOST] < 0.1 * plain.iteration
    best = course_of(components, rows, tol=1e-13)
    assert accelerated.history[accelerated.iteration] > best.history[best.iteration] - 1e-8


@pytest.mark.filterwarnings("ignore")  # some of these models have no maximum, or take long to get there
@pytest.mark.parametrize("seed", range(40))
def test_never_falls(seed):
    random = np.random.default_rng(seed)
    kinds = random.choice(["real", "positive", "count", "bit", "word"], random.integers(1, 4))
    k = int(random.integers(2, 5))
    rows = table_of(random_table(random, kinds, 80, 0.1 * (seed % 2)))
    weights, components = random_mixture(random, kinds, k)
    start = [Product(*own) for own in components] if len(kinds) > 1 else [own[0] for own in components]
    arguments = {"weights": weights, "max_iter": 200, "tol": 1e-12}
    model = GeneralMixtureModel(start, **arguments)
    with np.errstate(all="raise", under="ignore"):
        model.fit(rows)
    assert_never_falls(model.history_)


@pytest.mark.parametrize("name", ["Gamma", "tied", "tied shapes"])
def test_copies_that_are_tied_or_held_keep_their_bits(name):
    components, rows = CASES[name]
    model = fitted(components, rows)
    if name == "tied":
        assert model.components_[0].covariance == model.components_[1].covariance
    if name == "tied shapes":
        assert model.components_[0].base.shape == model.components_[1].base.shape
    held = (
        fitted([Frozen(component, next(iter(component.parameters))) for component in components], rows) if name == "Gamma" else None
    )
    if held is not None:
        assert [c.base.shape for c in held.components_] == [c.shape for c in components]


def test_weights_are_repetition():
    rows = two_normals(400, 3.0)
    counts = np.random.default_rng(2).integers(0, 4, rows.size)
    components = [Normal(-1.0, 1.0), Normal(2.0, 1.0)]
    weighted = GeneralMixtureModel(components, max_iter=5000, tol=1e-13).fit(rows, sample_weight=counts)
    repeated = GeneralMixtureModel(components, max_iter=5000, tol=1e-13).fit(np.repeat(rows, counts))
    np.testing.assert_allclose(parameters_of(weighted), parameters_of(repeated), rtol=1e-5)
    assert weighted.history_[-1] == pytest.approx(repeated.history_[-1], rel=1e-12)


def test_bits_are_the_same_for_any_number_of_threads():
    rows = two_normals(5 * CHUNK_ROWS)
    models = [fitted([Normal(-1.0, 1.0), Normal(2.0, 1.0)], rows, n_jobs=n) for n in (1, 2, 3)]
    for model in models[1:]:
        assert (model.history_ == models[0].history_).all()
        assert model.components_ == models[0].components_
        assert (model.weights_ == models[0].weights_).all()


def test_a_run_in_pieces_goes_on_from_em_s_own_steps():
    components, rows = CASES["Normal"]
    table = Table.read(rows)
    run = begin(Assembly(take_apart(components, table), table), np.log([0.5, 0.5]), Settings(1e-10, 5000))
    for until in range(1, 60):
        run.course.run(1, until=until)
        if run.course.status:
            break
        assert run.course.accelerator[PENDING] == 0.0
    run.course.run(1)
    assert run.converged
    assert_never_falls(run.history)


@pytest.mark.parametrize(
    "arguments",
    [{"tol": 0.0, "max_iter": 30}, {"e_step": "hard"}, {"e_step": "stochastic", "max_iter": 30}, {"accelerate": False}],
    ids=repr,
)
def test_where_nothing_is_accelerated(arguments):
    components, rows = CASES["Normal"]
    own, plain = (
        fitted(components, rows, **{"accelerate": True, **arguments}),
        fitted(components, rows, **{**arguments, "accelerate": False}),
    )
    assert (own.history_ == plain.history_).all()
    assert own.components_ == plain.components_


class Plain:
    """A component that lives in Python only."""

    def __init__(self, mean=0.0):
        self.mean = mean

    def log_prob(self, X):
        return -0.5 * (np.asarray(X)[:, 0] - self.mean) ** 2 - 0.9189385332046727

    def fit(self, X, sample_weight=None):
        return Plain(float(np.average(np.asarray(X)[:, 0], weights=sample_weight)))


def test_components_that_live_in_python_are_not_moved():
    course = course_of([Plain(-1.0), Normal(2.0, 1.0)], two_normals(200), max_iter=30, tol=1e-3)
    assert course.accelerator.size == 0


@pytest.mark.parametrize(
    "arguments", [{"weights_prior": 3.0}, {"learn_weights": False, "weights": [0.3, 0.7]}, {"e_step": "tempered"}], ids=repr
)
def test_priors_and_held_weights_have_their_own_optimum(arguments):
    components, rows = CASES["Normal"]
    plain, accelerated = (fitted(components, rows, accelerate, tol=1e-14, **arguments) for accelerate in (False, True))
    np.testing.assert_allclose(parameters_of(accelerated), parameters_of(plain), rtol=1e-4, atol=1e-4)
    assert accelerated.n_iter_ < plain.n_iter_


def test_known_labels_are_kept():
    components, rows = CASES["Normal"]
    labels = np.where(np.arange(rows.size) % 10 == 0, (np.arange(rows.size) >= rows.size // 2).astype(int), -1)
    models = [
        GeneralMixtureModel(components, tol=1e-14, max_iter=20_000, accelerate=accelerate).fit(rows, labels=labels)
        for accelerate in (False, True)
    ]
    np.testing.assert_allclose(parameters_of(models[0]), parameters_of(models[1]), rtol=1e-5)
    assert (models[1].labels_[labels >= 0] == labels[labels >= 0]).all()


def test_a_collapsing_component_stays_at_its_floor():
    rows = np.concatenate([two_normals(300), np.full(30, 7.0)])
    with pytest.warns(match="a scale was held"):
        model = fitted([Normal(0.0, 1.0), Normal(1.0, 1.0), Normal(7.0, 0.1)], rows)
    assert model.components_[2].mean == 7.0
    assert_never_falls(model.history_)


def test_the_way_from_a_saddle_is_not_the_way_back():
    """Components that hardly differ: EM's steps grow for long, and least squares point back to where they are equal."""
    rows = two_normals(1000, 4.0)
    components = [Normal(2.0, 2.2), Normal(2.0 + 1e-4, 2.2)]
    plain, accelerated = (course_of(components, rows, accelerate=accelerate, tol=1e-10) for accelerate in (False, True))
    assert accelerated.history[accelerated.iteration] == pytest.approx(plain.history[plain.iteration], abs=1e-8)
    assert accelerated.iteration + accelerated.accelerator[LOST] <= plain.iteration


@jit
def _falling(statistics, parameters):
    """An M-step that is wrong, and the worse the farther the mean has moved."""
    for k in range(parameters.shape[0]):
        mean = statistics[k, 1] / statistics[k, 0] + parameters[k, 2]
        parameters[k, 0] = mean if abs(mean - parameters[k, 0]) < 0.2 else parameters[k, 0] - 1.0
    return 0


def test_an_extrapolation_whose_image_falls_is_undone(monkeypatch):
    components, rows = CASES["Normal"]
    undone = course_of(components, rows)
    plates = undone.problem.whole
    assert plates.size  # the M-step below replaces Normal's where its address stands
    original = address_of(Normal.kernels.maximize, "maximize")
    table = Table.read(rows)
    run = begin(Assembly(take_apart(components, table), table), np.log([0.5, 0.5]), Settings(1e-10, 5000))
    whole = run.course.problem.whole
    whole[whole == original] = address_of(_falling, "maximize")
    run.course.run(1)
    assert_never_falls(run.history[:-1])


def test_every_number_of_a_model_is_moved():
    course = course_of(*CASES["Product"])
    assert isinstance(course, Course)
    assert course.accelerator[FREE] == 2 * (2 + 1 + 1) + 2


def test_degrees_of_freedom_are_not_taken_beyond_their_range():
    x = np.random.default_rng(0).standard_t(2.5, 1500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)  # of components that have become Normals
        warnings.simplefilter("ignore", ConvergenceWarning)  # plain EM takes more than a thousand steps
        model = GeneralMixtureModel(StudentT(), n_components=3, n_init=3, random_state=0).fit(x)
        plain = GeneralMixtureModel(StudentT(), n_components=3, n_init=3, random_state=0, accelerate=False).fit(x)
    assert all(0 < component.df <= 1e10 for component in model.components_)
    assert model.score(x) > plain.score(x) - 1e-3
