"""Parameters that are held stay, to the last digit, and the others are the maximum given them: every subset of every family."""

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from mixtures import GeneralMixtureModel
from mixtures.assembly import Assembly
from mixtures.constraints import Whole
from mixtures.distributions import Categorical, Dirichlet, Frozen, Gamma, Multinomial, MultivariateNormal, Normal, Tied
from mixtures.engine.plan import FAILED, UNSETTLED
from mixtures.exceptions import ParameterError
from mixtures.parts import take_apart
from mixtures.table import Table

from .test_families import bound, free, load

ORACLES = sorted((Path(__file__).parent / "oracles").glob("*.py"))


def fit_with_held(distribution, names, x, weights):
    """A weighted fit from a complete distribution that leaves its parameters of these `names` as they are."""
    table = Table.read(x)
    assembly = Assembly(take_apart([distribution], table), table, weights)
    mask = sum(1 << place for place, name in enumerate(distribution.parameters) if name in names)
    assembly.parameters[type(distribution).held] = mask
    outcome = assembly.fit_labels(np.zeros(len(x), dtype=np.int64), max_steps=300)
    assert not outcome & (UNSETTLED | FAILED)
    return assembly.unpack()[0]


def check(truth, start, x, weights):
    """Every subset of the parameters held at the values of `start`."""
    family, names = type(truth), list(truth.parameters)
    for held in itertools.chain.from_iterable(itertools.combinations(names, size) for size in range(1, len(names) + 1)):
        fitted = fit_with_held(start, held, x, weights)
        for name in held:
            assert getattr(fitted, name) == getattr(start, name)
        # Whole parameters have no slope to follow, ends of a support jumps: both are for the laws.
        fixed = {name for name in names if isinstance(truth.parameters[name], Whole)} | set(family.ends)
        others = [name for name in names if name not in held and name not in fixed]
        if not others:
            continue

        def loss(point, others=others):
            moved = {name: bound(truth.parameters[name], value) for name, value in zip(others, point, strict=True)}
            found = weights @ family(**{**start._values(), **moved}).log_prob(x) / weights.sum()
            return -found if np.isfinite(found) else 1e300

        best = weights @ fitted.log_prob(x) / weights.sum()
        own = np.array([free(truth.parameters[name], getattr(fitted, name)) for name in others])
        options = {"xatol": 1e-10, "fatol": 1e-15}
        found = max(-minimize(loss, own + shift, method="Nelder-Mead", options=options).fun for shift in (0.0, 0.03, -0.1))
        assert found - best < 1e-11 * (1 + abs(best)), f"{held} of {start!r} held: {fitted!r}"


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_the_others_are_the_maximum_given_those_held(path):
    oracle = load(path)
    if oracle.FAMILY.held is None:
        assert len(oracle.FAMILY.parameters) == 1  # which is held by not being fitted
        return
    for here, there in (oracle.MIXED, oracle.STARTED[::-1]):
        random = np.random.default_rng(5)
        truth = oracle.FAMILY(*here)
        x, weights = truth.sample(200, random), random.uniform(0.0, 3.0, 200)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check(truth, oracle.FAMILY(*there), x, weights)


def test_a_normal_far_from_the_origin_holds_either():
    random = np.random.default_rng(5)
    x, weights = 1e6 + random.normal(size=(200, 1)), random.uniform(0.0, 3.0, 200)
    check(Normal(1e6, 1.0), Normal(1e6 + 0.5, 2.0), x, weights)
    fitted = fit_with_held(Normal(1e6 + 3.0, 1.0), ["mean"], x, weights)
    assert fitted.std == pytest.approx(np.sqrt(weights @ (x[:, 0] - 1e6 - 3.0) ** 2 / weights.sum()), rel=1e-12)


def test_probabilities_that_are_not_held_share_the_rest_in_proportion():
    frozen = Frozen(Categorical([0.2, 0.5, 0.1, 0.2]), "probabilities[0]", "probabilities[2]")
    assert frozen.n_parameters == 1
    fitted = frozen.fit([0, 1, 1, 1, 3, 2, 2], sample_weight=[1.0, 1.0, 1.0, 1.0, 2.0, 5.0, 1.0])
    assert fitted.base.probabilities == pytest.approx((0.2, 0.7 * 3 / 5, 0.1, 0.7 * 2 / 5), rel=1e-15)
    assert fitted.base.probabilities[0] == 0.2
    unseen = frozen.fit([0, 0, 2])
    assert unseen.base.probabilities == pytest.approx((0.2, 0.5, 0.1, 0.2))
    counts = np.array([[3, 1, 0, 2], [5, 0, 0, 9]])
    fitted = Frozen(Multinomial([0.25, 0.25, 0.0, 0.5]), "probabilities[0]", "probabilities[2]").fit(counts)
    assert fitted.base.probabilities == pytest.approx((0.25, 0.75 / 12, 0.0, 0.75 * 11 / 12))
    assert fitted.n_parameters == 1


def test_a_structural_zero_leaves_a_category_to_other_classes():
    random = np.random.default_rng(0)
    letters = np.array(["a", "b", "c"])
    x = np.concatenate([letters[random.integers(0, 2, 200)], letters[random.integers(1, 3, 200)]])
    never_c = Frozen(Categorical([0.6, 0.4, 0.0], ["a", "b", "c"]), "probabilities[2]")
    never_a = Frozen(Categorical([0.4, 0.6, 0.0], ["c", "b", "a"]), "probabilities[2]")
    model = GeneralMixtureModel([never_c, never_a], tol=0, max_iter=50).fit(x)
    found = [dict(zip(c.base.categories, c.base.probabilities, strict=True)) for c in model.components_]
    assert found[0]["c"] == found[1]["a"] == 0.0
    assert np.diff(model.history_).min() > -1e-12
    assert model.n_parameters == 1 + 1 + 1
    for component in model.components_:
        (name,) = component._held()
        assert component.base.probabilities[int(name[-2])] == 0.0


@pytest.mark.parametrize("kind", ["full", "diagonal", "spherical"])
@pytest.mark.parametrize("held_covariance", [False, True])
@pytest.mark.parametrize("units", [(1.0, 1.0, 1.0), (1e-4, 1.0, 1e5)])
def test_entries_of_a_mean_are_held_and_all_else_is_the_maximum(kind, held_covariance, units):
    random = np.random.default_rng(4)
    X = (random.normal(size=(200, 3)) @ [[1.0, 0.7, -0.2], [0.0, 0.8, 0.5], [0.0, 0.0, 1.5]] + [3.0, -1.0, 0.0]) * units
    weights = random.uniform(0.0, 3.0, 200)
    plain = MultivariateNormal(kind=kind).fit(X, sample_weight=weights)
    mean = tuple(np.array([9.0, -1.3, 0.4]) * units)
    given = MultivariateNormal(mean, plain.covariance if held_covariance else None, kind=kind)
    names = ("mean[1]", "mean[2]", *(["covariance"] if held_covariance else []))
    fitted = Frozen(given, *names).fit(X, sample_weight=weights)
    assert fitted.base.mean[1:] == mean[1:]
    assert fitted.n_parameters == plain.n_parameters - 2 - held_covariance * plain._count("covariance")
    own, covariance = np.array(fitted.base.mean), fitted.base._matrix()
    scores = np.linalg.solve(covariance, weights @ (X - own))
    assert abs(scores[0]) * np.sqrt(covariance[0, 0]) < 1e-9 * weights.sum()
    if held_covariance:
        assert fitted.base.covariance == plain.covariance
    else:  # given the mean, the covariance is that about it
        about = (X - own).T @ (weights[:, None] * (X - own)) / weights.sum()
        if kind == "spherical":
            about = np.eye(3) * np.trace(about) / 3
        elif kind == "diagonal":
            about = np.diag(np.diag(about))
        scale = np.sqrt(np.diag(about))
        np.testing.assert_allclose(covariance / scale / scale[:, None], about / scale / scale[:, None], atol=1e-10)


def test_entries_of_a_mean_are_held_where_cells_are_missing_and_in_mixtures():
    random = np.random.default_rng(5)
    X = np.concatenate([random.normal(size=(150, 2)), random.normal(size=(150, 2)) @ [[1.0, 0.9], [0.0, 0.5]] + [6.0, 3.0]])
    X[random.uniform(size=X.shape) < 0.15] = np.nan
    X = X[~np.isnan(X).all(axis=1)]
    start = MultivariateNormal([0.0, 0.0], np.eye(2)), MultivariateNormal([5.0, 2.0], np.eye(2))
    model = GeneralMixtureModel([Frozen(start[0], "mean[1]"), Frozen(start[1], "mean[0]")], tol=0, max_iter=60).fit(X)
    assert np.diff(model.history_).min() > -1e-12
    assert model.components_[0].base.mean[1] == 0.0
    assert model.components_[1].base.mean[0] == 5.0
    fitted = Frozen(MultivariateNormal([0.0, 0.2]), "mean[1]").fit(X[:120])
    best = fitted.log_prob(X[:120]).sum()
    for step in (1e-3, -1e-3):
        moved = fitted.base.replaced(mean=(fitted.base.mean[0] + step, 0.2))
        assert moved.log_prob(X[:120]).sum() < best
        for i, j in ((0, 0), (0, 1), (1, 1)):
            other = np.array(fitted.base.covariance)
            other[i, j] += step
            other[j, i] = other[i, j]
            assert fitted.base.replaced(covariance=other).log_prob(X[:120]).sum() < best


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Frozen(Dirichlet((1.0, 2.0)), "concentration[0]"), "entries can be held of the probabilities of Categorical"),
        (lambda: Frozen(Normal(1.0, 2.0), "mean[0]"), "entries can be held of"),
        (lambda: Frozen(Categorical([0.5, 0.5]), "probabilities[2]"), "more than 2 entries"),
        (lambda: Frozen(Categorical(), "probabilities[0]"), "must have a value"),
        (lambda: Frozen(Categorical([0.5, 0.5]), "probabilities[0]", "probabilities[1]"), "hold the parameter by its name"),
        (lambda: Frozen(Categorical([0.4, 0.4], pseudo_count=1.0), "probabilities[0]"), "beside a prior or a pseudo-count"),
        (lambda: Tied(Frozen(Categorical([0.5, 0.3, 0.2]), "probabilities[0]"), "probabilities"), "learns the parameters"),
        (lambda: Frozen(MultivariateNormal([0.0, 1.0], tied=True), "mean[0]"), "ties"),
        (lambda: Frozen(Gamma(1.0, 2.0), "scale"), "has the parameters"),
    ],
)
def test_entries_that_cannot_be_held_are_refused(make, words):
    with pytest.raises(ParameterError, match=words):
        make()
