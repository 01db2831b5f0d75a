"""Parameters that keep to intervals: the maximum inside them, and never a likelihood that falls."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

from mixtures import GeneralMixtureModel
from mixtures.constraints import Interval, Whole
from mixtures.distributions import (
    Beta,
    Bounded,
    Categorical,
    Degenerate,
    Frozen,
    Gamma,
    LocationScale,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    Product,
    StudentT,
    Tied,
    Uniform,
    VonMises,
    Weibull,
)
from mixtures.exceptions import DegenerateWarning, ParameterError

from .test_any_two_families import member
from .test_conformance import families
from .test_families import bound, free

FAMILIES = [f for f in families() if f is not Degenerate and not f.reads_block and f is not Categorical]


def boundable(family):
    """Names of the parameters that can be bounded."""
    found = []
    for name, constraint in family.parameters.items():
        is_angle = family is VonMises and name == "location"
        if isinstance(constraint, Interval) and not isinstance(constraint, Whole) and name not in family.ends and not is_angle:
            found.append(name)
    return found


def sides(constraint, value):
    """Intervals above and below a value, that the maximum lies outside of."""
    low, high = bound(constraint, free(constraint, value) + 0.3), bound(constraint, free(constraint, value) - 0.3)
    return (low, None), (None, high)


CASES = [(family, name) for family in FAMILIES for name in boundable(family)]


@pytest.mark.parametrize(("family", "name"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_maximum_outside_is_met_at_the_bound_with_the_others_the_best_given_it(family, name):
    random = np.random.default_rng([3, *map(ord, family.__name__)])
    truth = member(family, random)
    x, weights = truth.sample(120, random), random.uniform(0.0, 3.0, 120)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)
        plain = truth.fit(x, sample_weight=weights)
        for interval in sides(family.parameters[name], plain.parameter_values()[name]):
            at = interval[0] if interval[1] is None else interval[1]
            learned = family(**{n: vars(truth)[n] for n in family.arguments})
            fitted = Bounded(learned, **{name: interval}).fit(x, sample_weight=weights)
            assert fitted.parameter_values()[name] == at
            given = learned.replaced(**{name: at})
            expected = Frozen(given, name).fit(x, sample_weight=weights)
            best, found = weights @ expected.log_prob(x), weights @ fitted.log_prob(x)
            assert found == pytest.approx(best, rel=1e-9, abs=1e-7)
            wide = (0.9 * at, None) if interval[1] is None and at > 0 else None
            if wide is not None and plain.parameter_values()[name] > wide[0]:
                inside = Bounded(learned, **{name: wide}).fit(x, sample_weight=weights)
                assert weights @ inside.log_prob(x) == pytest.approx(weights @ plain.log_prob(x), rel=1e-9, abs=1e-7)


@pytest.mark.parametrize(
    ("family", "bounds"),
    [
        (Normal, {"mean": (0.5, None), "std": (1.2, None)}),
        (Normal, {"mean": (0.5, None), "std": (0.3, None)}),
        (Normal, {"mean": (-3.0, -0.5), "std": (None, 0.8)}),
        (Gamma, {"shape": (None, 1.5), "rate": (2.0, 3.0)}),
        (Gamma, {"shape": (4.0, None), "rate": (None, 1.1)}),
        (Beta, {"alpha": (None, 1.5), "beta": (2.0, None)}),
        (Weibull, {"shape": (3.0, None), "scale": (None, 1.5)}),
        (StudentT, {"df": (None, 2.0), "location": (0.2, None), "scale": (1.2, 1.5)}),
        (NegativeBinomial, {"size": (3.0, None), "probability": (None, 0.3)}),
    ],
    ids=str,
)
def test_several_bounds_at_once_are_a_constrained_maximum(family, bounds):
    random = np.random.default_rng(9)
    truth = {Normal: Normal(0.0, 1.0), Gamma: Gamma(2.0, 1.0), Beta: Beta(2.0, 3.0), Weibull: Weibull(1.5, 2.0)}.get(family)
    truth = truth or (StudentT(4.0, 0.0, 1.0) if family is StudentT else NegativeBinomial(2.0, 0.5))
    x, weights = truth.sample(200, random), random.uniform(0.0, 3.0, 200)
    fitted = Bounded(family(), **bounds).fit(x, sample_weight=weights)
    box = []
    for name, constraint in family.parameters.items():
        low, high = bounds.get(name, (None, None))
        ends = [None if end is None else free(constraint, end) for end in (low, high)]
        box.append(ends)
    own = np.array([free(family.parameters[name], value) for name, value in fitted.parameter_values().items()])

    def loss(point):
        values = {name: bound(c, v) for (name, c), v in zip(family.parameters.items(), point, strict=True)}
        return -weights @ family(**values).log_prob(x) / weights.sum()

    for shift in (0.1, -0.1):
        start = np.clip(
            own + shift, [-np.inf if b[0] is None else b[0] for b in box], [np.inf if b[1] is None else b[1] for b in box]
        )
        other = minimize(loss, start, method="L-BFGS-B", bounds=box, options={"ftol": 1e-15, "gtol": 1e-9}).fun
        assert loss(own) - other < 1e-9
        assert other - loss(own) < 1e-6, "the optimiser did not get there"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("family", "name"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_mixture_with_bounds_never_becomes_less_likely(family, name, seed):
    random = np.random.default_rng([seed, *map(ord, family.__name__)])
    members = [member(family, random) for _ in range(2)]
    if family.arguments:
        members[1] = members[0].replaced(**members[1].parameter_values())
    x = np.concatenate([one.sample(60, random) for one in members])
    value = members[0].parameter_values()[name]
    interval = sides(family.parameters[name], value)[seed % 2]
    components = []
    for one in members:
        at = one.parameter_values()[name]
        low, high = interval
        inside = (low is None or at >= low) and (high is None or at <= high)
        end = low if high is None else high
        components.append(Bounded(one if inside else one.replaced(**{name: end}), **{name: interval}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)
        model = GeneralMixtureModel(components, weights=[0.4, 0.6], tol=0, max_iter=25).fit(x)
    assert -np.diff(model.history_).min() < 1e-10 * (1 + np.abs(model.history_).max())
    for component in model.components_:
        found = component.parameter_values()[name]
        assert interval[0] is None or found >= interval[0]
        assert interval[1] is None or found <= interval[1]


def test_rows_that_agree_stop_at_the_bound_without_a_warning():
    x = np.concatenate([np.random.default_rng(0).normal(size=80), np.full(30, 5.0)])
    model = GeneralMixtureModel(Bounded(Normal(), std=(0.1, None)), 2, random_state=0).fit(x)
    narrow = min(model.components_, key=lambda component: component.base.std)
    assert (narrow.base.mean, narrow.base.std) == (pytest.approx(5.0, abs=1e-6), 0.1)
    assert np.diff(model.history_).min() > -1e-12
    assert model.n_parameters == 5
    for value in (3.0, 0.0, 1e12, -1e-9):
        fitted = Bounded(Normal(), std=(0.1, None)).fit([value] * 4)
        assert (fitted.base.mean, fitted.base.std) == (value, 0.1)
    with pytest.warns(DegenerateWarning, match="floor"):
        Bounded(Normal(), std=(1e-200, None)).fit([3.0, 3.0])


def test_factors_and_missing_cells_can_be_bounded():
    random = np.random.default_rng(4)
    X = np.column_stack([random.normal(size=300), random.poisson(4.0, 300)])
    X[random.uniform(size=X.shape) < 0.2] = np.nan
    product = Product(Bounded(Normal(), std=(0.5, 0.9)), Bounded(Poisson(), rate=(None, 3.0)))
    model = GeneralMixtureModel(product, 2, random_state=0, tol=0, max_iter=50).fit(X)
    assert np.diff(model.history_).min() > -1e-12
    for component in model.components_:
        assert 0.5 <= component.factors[0].base.std <= 0.9
        assert component.factors[1].base.rate <= 3.0
    held = Bounded(Frozen(Normal(mean=2.0)), std=(None, 1.0)).fit(X[:, 0])
    assert held.base.base == Normal(2.0, 1.0)


@pytest.mark.parametrize("kind", ["full", "diagonal", "spherical"])
@pytest.mark.parametrize("units", [(1.0, 1.0), (1e-3, 1e4)])
def test_eigenvalues_of_a_covariance_are_cut_off(kind, units):
    random = np.random.default_rng(8)
    X = (random.normal(size=(300, 2)) @ [[1.0, 0.6], [0.0, 0.3]] + [5.0, -1.0]) * units
    weights = random.uniform(0.0, 2.0, 300)
    plain = MultivariateNormal(kind=kind).fit(X, sample_weight=weights)
    values, vectors = np.linalg.eigh(plain._matrix())
    low, high = 1.3 * values[0], None if kind == "spherical" else 0.8 * values[1]
    fitted = Bounded(MultivariateNormal(kind=kind), covariance=(low, high)).fit(X, sample_weight=weights)
    expected = vectors * np.clip(values, low, high or np.inf) @ vectors.T
    np.testing.assert_allclose(fitted.base._matrix(), expected, rtol=1e-9, atol=1e-12 * values[1])
    np.testing.assert_allclose(fitted.base.mean, plain.mean, rtol=1e-12)

    def loss(point):  # over all covariances whose eigenvalues keep to the bounds
        if kind == "full":
            turn = np.array([[np.cos(point[0]), -np.sin(point[0])], [np.sin(point[0]), np.cos(point[0])]])
            covariance = turn * np.clip(np.exp(point[1:]), low, high) @ turn.T
        else:
            covariance = np.clip(np.exp(point[1:]), low, high or np.inf) if kind == "diagonal" else max(np.exp(point[1]), low)
        return -weights @ MultivariateNormal(plain.mean, covariance, kind=kind).log_prob(X)

    best = -weights @ fitted.log_prob(X)
    for _ in range(20):
        point = np.concatenate([random.uniform(-3.0, 3.0, 1), np.log(values) + random.normal(0.0, 0.5, 2)])
        assert loss(point) >= best - 1e-9 * abs(best)


def test_planes_and_missing_cells_stop_at_the_eigenvalues():
    random = np.random.default_rng(6)
    X = random.normal(size=(200, 3))
    X[:60] = [4.0, 4.0, 4.0]
    X[100:, 2][random.uniform(size=100) < 0.3] = np.nan
    model = GeneralMixtureModel(Bounded(MultivariateNormal(), covariance=(0.05, None)), 2, random_state=0, tol=0, max_iter=60).fit(
        X
    )
    assert np.diff(model.history_).min() > -1e-12
    for component in model.components_:
        assert np.linalg.eigvalsh(component.base.covariance)[0] > 0.05 * (1 - 1e-9)
    lone = Bounded(MultivariateNormal(), covariance=(0.05, None)).fit(X[100:])
    assert np.linalg.eigvalsh(lone.base.covariance)[0] > 0.05 * (1 - 1e-9)
    same = Bounded(MultivariateNormal(), covariance=(0.25, None)).fit([[1.0, 2.0]] * 3)
    np.testing.assert_allclose(same.base.covariance, 0.25 * np.eye(2), rtol=1e-12)


def test_it_is_a_value_like_others():
    bounded = Bounded(Normal(0.0, 1.0), std=(0.1, None), mean=(-1.0, 2.5))
    assert pickle.loads(pickle.dumps(bounded)) == bounded
    assert eval(repr(bounded), {"Bounded": Bounded, "Normal": Normal}) == bounded
    assert hash(bounded) == hash(pickle.loads(pickle.dumps(bounded)))
    assert bounded != Bounded(Normal(0.0, 1.0), std=(0.2, None), mean=(-1.0, 2.5))
    assert bounded.replaced(mean=1.0).base.mean == 1.0
    with pytest.raises(ParameterError, match="must start between its bounds"):
        bounded.replaced(std=0.05)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bounded(Normal()), "expected bounds"),
        (lambda: Bounded(Normal(), std=(2.0, 1.0)), "low below high"),
        (lambda: Bounded(Normal(), std=3.0), "low below high"),
        (lambda: Bounded(Normal(), std=(1.0, 1.0)), "low below high"),
        (lambda: Bounded(Normal(), std=(0.0, None)), "nothing, or all"),
        (lambda: Bounded(Normal(), std=(None, -1.0)), "nothing, or all"),
        (lambda: Bounded(Normal(0.0, 0.01), std=(0.1, None)), "must start between"),
        (lambda: Bounded(Normal(), sd=(0.1, None)), r"learns the parameters \['mean', 'std'\]"),
        (lambda: Bounded(VonMises(), location=(0.0, 1.0)), "no parameter that bounds"),
        (lambda: Bounded(Uniform(), low=(0.0, 1.0)), "no parameter that bounds"),
        (lambda: Bounded(Categorical(), probabilities=(0.1, None)), "no parameter that bounds"),
        (lambda: Bounded(LocationScale(Gamma(), 3.0), shape=(1.0, 2.0)), "expected a family"),
        (lambda: Bounded(Bounded(Gamma(), shape=(1.0, 2.0)), rate=(1.0, 2.0)), "expected a family"),
        (lambda: Bounded(Tied(Gamma(), "shape"), rate=(1.0, 2.0)), "ties shape"),
        (lambda: Bounded(MultivariateNormal(), covariance=(-1.0, None)), "nothing, or all"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(ParameterError, match=words):
        make()
