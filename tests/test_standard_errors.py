"""Standard errors: derivatives against mpmath and naive differences, closed forms, laws, and what there is none for."""

import warnings

import mpmath
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import polygamma

from mixtures import GeneralMixtureModel
from mixtures.differences import Leaf
from mixtures.distributions import (
    Bernoulli,
    Beta,
    BetaBinomial,
    Binomial,
    Bounded,
    Categorical,
    Degenerate,
    Dirichlet,
    DirichletMultinomial,
    DiscreteUniform,
    Exponential,
    Frozen,
    Gamma,
    Geometric,
    Gumbel,
    HalfNormal,
    InverseGamma,
    InverseGaussian,
    KernelDensity,
    Laplace,
    LocationScale,
    Logistic,
    LogNormal,
    Multinomial,
    MultivariateNormal,
    MultivariateStudentT,
    NegativeBinomial,
    Normal,
    Pareto,
    Poisson,
    Product,
    Rayleigh,
    ScipyDistribution,
    SkewNormal,
    StudentT,
    Tied,
    Truncated,
    Uniform,
    VonMises,
    VonMisesFisher,
    Weibull,
    ZeroInflated,
)
from mixtures.exceptions import ConvergenceWarning, DataError, DegenerateWarning, ParameterError
from mixtures.free_groups import Number
from mixtures.free_numbers import flat_values
from mixtures.information import covariance_of, differentiate, root_of
from mixtures.intervals import interval
from mixtures.priors import NormalInverseGamma, NormalInverseWishart
from mixtures.scores import Factors, Nested
from mixtures.table import Table

from .test_conformance import families


def derivatives(model, X, weights=None):
    """Derivatives of a model at its parameters, whatever they are."""
    return model._derivatives(X, weights, None, None)[0]


def mixed_rows(n=120, seed=0):
    random = np.random.default_rng(seed)
    first = random.random(n) < 0.4
    return np.column_stack(
        [
            np.where(first, random.normal(0, 1, n), random.normal(3, 2, n)),
            np.where(first, random.poisson(2, n), random.poisson(6, n)),
            np.where(first, random.integers(0, 3, n), random.integers(1, 3, n)),
        ]
    ).astype(float)


# --- derivatives ---


def test_normal_mixtures_agree_with_mpmath_to_nine_digits():
    """Scores to 1e-10, information to 1e-9 of its diagonal, at parameters that are no maximum."""
    x = np.random.default_rng(0).normal(0, 2, 12)
    means, stds, weights = [-1.0, 0.5], [0.7, 2.5], [0.3, 0.7]
    found = derivatives(GeneralMixtureModel([Normal(m, s) for m, s in zip(means, stds, strict=True)], weights=weights), x)
    mpmath.mp.dps = 40
    try:

        def log_density(value):
            def function(ratio, m0, s0, m1, s1):
                # coordinates: log(w_0 / w_1), the mean and the logarithm of the std of every component
                share = mpmath.exp(ratio) / (1 + mpmath.exp(ratio))
                parts = [(share, m0, mpmath.exp(s0)), (1 - share, m1, mpmath.exp(s1))]
                return mpmath.log(sum(w * mpmath.npdf(mpmath.mpf(value), m, s) for w, m, s in parts))

            return function

        at = tuple(map(mpmath.mpf, (mpmath.log(3) - mpmath.log(7), -1, mpmath.log(mpmath.mpf("0.7")), 0.5, mpmath.log(2.5))))
        orders = np.eye(5, dtype=int)
        scores = np.array([[float(mpmath.diff(log_density(v), at, tuple(o))) for o in orders.tolist()] for v in x])
        hessian = np.array(
            [
                [float(mpmath.fsum(mpmath.diff(log_density(v), at, tuple((a + b).tolist())) for v in x)) for a in orders]
                for b in orders
            ]
        )
    finally:
        mpmath.mp.dps = 15
    units = found.mixture.units
    scores, hessian = scores * units, hessian * units * units[:, None]
    scale = np.sqrt(np.abs(np.diagonal(hessian)))
    np.testing.assert_allclose(found.gradient / scale, scores.sum(axis=0) / scale, atol=1e-10)
    np.testing.assert_allclose(found.outer / scale / scale[:, None], scores.T @ scores / scale / scale[:, None], atol=1e-10)
    np.testing.assert_allclose(found.curvature / scale / scale[:, None], -hessian / scale / scale[:, None], atol=1e-9)


def moved(node, component, u):
    """A component at other coordinates."""
    if isinstance(node, Leaf):
        return node._at(node.start + u * node.units)
    at, new = 0, []
    if isinstance(node, Factors):
        for child, factor in zip(node.nodes, component.factors.values(), strict=True):
            new.append(moved(child, factor, u[at : at + child.size]))
            at += child.size
        return Product(dict(zip(component.factors, new, strict=True)))
    assert isinstance(node, Nested)
    weights = node.group.value_at(node.group.start + u[: node._w])
    at = node._w
    for child, inner in zip(node.nodes, component._state()[0], strict=True):
        new.append(moved(child, inner, u[at : at + child.size]))
        at += child.size
    return GeneralMixtureModel(new, weights=weights)


def objective(model, found, X, weights, free):
    """Total log-likelihood and log-prior at coordinates so far from the model's, by the model itself."""
    mixture, u = found.mixture, found.tied @ free
    shares = np.array(mixture.group.value_at(mixture.group.start + u[: mixture._w]))
    at, components = mixture._w, []
    for node, component in zip(mixture.nodes, model._state()[0], strict=True):
        components.append(moved(node, component, u[at : at + node.size]))
        at += node.size
    other = GeneralMixtureModel(components, weights=shares)
    total = len(X) if weights is None else np.sum(weights)
    value = total * other.score(X, sample_weight=weights)
    value += sum(component.log_prior() for component in components if hasattr(component, "log_prior"))
    if model.weights_prior is not None:
        value += float(np.broadcast_to(np.asarray(model.weights_prior) - 1.0, shares.shape) @ np.log(shares))
    return value


def require_naive(model, X, weights=None):
    """Gradient and curvature equal plain differences of the objective, of which rounding leaves five digits."""
    found = derivatives(model, X, weights)
    information = found.curvature + found.prior
    p = len(information)
    steps = 3e-4 / np.sqrt(np.abs(np.diagonal(information)) / len(X))
    axes = np.diag(steps)

    def value(free):
        return objective(model, found, X, weights, free)

    centre = value(np.zeros(p))
    scale = np.sqrt(np.abs(np.diagonal(information)))
    for i in range(p):
        slope = (value(axes[i]) - value(-axes[i])) / (2 * steps[i])
        assert slope == pytest.approx(found.gradient[i], abs=1e-4 * scale[i])
        for j in range(i + 1):
            ends = [value(a * axes[i] + b * axes[j]) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
            second = (ends[0] - ends[1] - ends[2] + ends[3]) / (4 * steps[i] * steps[j])
            if i == j:
                second = (value(axes[i]) - 2 * centre + value(-axes[i])) / steps[i] ** 2
            assert -second == pytest.approx(information[i, j], abs=3e-4 * scale[i] * scale[j]), (i, j)


def with_holes(X):
    X = X.copy()
    X[::5, 0] = np.nan
    X[1::7, 1] = np.nan
    return X


def components_of(*factors):
    return [Product(*own) for own in factors]


MIXED = components_of(
    (Normal(0.0, 1.0), Poisson(2.0), Categorical([0.3, 0.3, 0.4])), (Normal(3.0, 2.0), Poisson(6.0), Categorical([0.1, 0.4, 0.5]))
)
BLOCKS = [MultivariateNormal([0.0, 2.0], [[1.5, 0.5], [0.5, 2.0]]), MultivariateNormal([3.0, 6.0], [[4.0, -1.0], [-1.0, 6.0]])]
WISHART = NormalInverseWishart([0.0, 0.0], 1.0, 4.0, [[1.0, 0.0], [0.0, 2.0]])
INNER = GeneralMixtureModel([Normal(0.0, 1.0), Normal(2.0, 1.5)], weights=[0.4, 0.6])
CASES = {
    "mixed": (GeneralMixtureModel(MIXED, weights=[0.4, 0.6]), mixed_rows()),
    "missing": (GeneralMixtureModel(MIXED, weights=[0.4, 0.6]), with_holes(mixed_rows())),
    "three": (GeneralMixtureModel([*MIXED, MIXED[0]], weights=[0.3, 0.5, 0.2]), mixed_rows(60)),
    "held weights": (GeneralMixtureModel(MIXED, weights=[0.4, 0.6], learn_weights=False), mixed_rows()),
    "prior of weights": (GeneralMixtureModel(MIXED, weights=[0.4, 0.6], weights_prior=[3.0, 2.0]), mixed_rows()),
    "priors": (
        GeneralMixtureModel(
            [
                Normal(0.0, 1.0, prior=NormalInverseGamma(0.0, 1.0, 3.0, 2.0)),
                Normal(3.0, 2.0, prior=NormalInverseGamma(1.0, 2.0, 4.0, 2.0)),
            ],
            weights=[0.4, 0.6],
        ),
        mixed_rows()[:, :1],
    ),
    "priors of blocks": (
        GeneralMixtureModel(
            [
                MultivariateNormal(
                    m, [[2.0, 0.5], [0.5, 3.0]], prior=NormalInverseWishart([0.0, 0.0], 1.0, 4.0, [[1.0, 0.0], [0.0, 2.0]])
                )
                for m in ([0.0, 2.0], [3.0, 6.0])
            ],
            weights=[0.4, 0.6],
        ),
        mixed_rows()[:, :2],
    ),
    "pseudo-counts": (
        GeneralMixtureModel(
            [Categorical([0.3, 0.3, 0.3], [0, 1, 2], pseudo_count=2.0), Categorical([0.1, 0.4, 0.4], [0, 1, 2], pseudo_count=1.0)],
            weights=[0.4, 0.6],
        ),
        mixed_rows()[:, 2:],
    ),
    "tied": (
        GeneralMixtureModel([Tied(Normal(0.0, 1.5), "std"), Tied(Normal(3.0, 1.5), "std")], weights=[0.4, 0.6]),
        mixed_rows()[:, :1],
    ),
    "held": (
        GeneralMixtureModel([Frozen(Normal(0.0, 1.0), "mean"), Frozen(Gamma(2.0, 0.5), "rate")], weights=[0.4, 0.6]),
        np.abs(mixed_rows()[:, :1]),
    ),
    "held entries": (
        GeneralMixtureModel(
            [Frozen(Categorical([0.3, 0.3, 0.4]), "probabilities[0]"), Categorical([0.1, 0.4, 0.5])], weights=[0.4, 0.6]
        ),
        mixed_rows()[:, 2:],
    ),
    "blocks": (GeneralMixtureModel(BLOCKS, weights=[0.4, 0.6]), mixed_rows()[:, :2]),
    "blocks, missing": (GeneralMixtureModel(BLOCKS, weights=[0.4, 0.6]), with_holes(mixed_rows())[:, :2]),
    "tied blocks": (
        GeneralMixtureModel(
            [MultivariateNormal(m, [[2.0, 0.5], [0.5, 3.0]], tied=True) for m in ([0.0, 2.0], [3.0, 6.0])], weights=[0.4, 0.6]
        ),
        mixed_rows()[:, :2],
    ),
    "diagonal and spherical": (
        GeneralMixtureModel(
            [MultivariateNormal([0.0, 2.0], [1.0, 2.0], kind="diagonal"), MultivariateNormal([3.0, 6.0], 4.0, kind="spherical")],
            weights=[0.4, 0.6],
        ),
        mixed_rows()[:, :2],
    ),
    "nested": (GeneralMixtureModel([INNER, StudentT(4.0, 3.0, 2.0)], weights=[0.4, 0.6]), mixed_rows()[:, :1]),
    "nested factor": (
        GeneralMixtureModel([Product(INNER, Poisson(2.0)), Product(Normal(3.0, 2.0), Poisson(6.0))], weights=[0.4, 0.6]),
        mixed_rows()[:, :2],
    ),
    "wrapped": (
        GeneralMixtureModel(
            [LocationScale(Gamma(2.0, 1.0), -10.0, 2.0), Truncated(Normal(2.0, 3.0), -9.0, 20.0)], weights=[0.4, 0.6]
        ),
        mixed_rows()[:, :1],
    ),
    "inflated": (
        GeneralMixtureModel([ZeroInflated(Poisson(2.0), 0.2), Poisson(6.0)], weights=[0.4, 0.6]),
        mixed_rows()[:, 1:2],
    ),
    "scipy": (GeneralMixtureModel([scipy.stats.t(4.0, 0.0, 1.0), Normal(3.0, 2.0)], weights=[0.4, 0.6]), mixed_rows()[:, :1]),
    "directions": (
        GeneralMixtureModel([VonMisesFisher([0.6, 0.8], 3.0), VonMisesFisher([-1.0, 0.0], 1.0)], weights=[0.4, 0.6]),
        VonMisesFisher([0.6, 0.8], 2.0).sample(50, random_state=0),
    ),
    "angles": (GeneralMixtureModel([VonMises(3.0, 2.0), VonMises(0.0, 1.0)], weights=[0.4, 0.6]), mixed_rows()[:, :1]),
    "compositions": (
        GeneralMixtureModel([Dirichlet([1.0, 2.0, 3.0]), Dirichlet([4.0, 2.0, 3.0])], weights=[0.4, 0.6]),
        Dirichlet([2.0, 2.0, 3.0]).sample(50, random_state=0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_the_objective(name):
    model, X = CASES[name]
    require_naive(model, X)


@pytest.mark.parametrize("name", ["mixed", "blocks, missing", "nested", "priors"])
def test_weights_of_rows_enter_the_derivatives(name):
    model, X = CASES[name]
    require_naive(model, X, np.random.default_rng(1).uniform(0.5, 2.0, len(X)))


def test_a_wide_block_of_many_rows_is_taken_in_pieces(monkeypatch):
    import mixtures.differences
    import mixtures.information

    model, X = CASES["mixed"]
    whole = derivatives(model, np.tile(X, (20, 1)))
    monkeypatch.setattr(mixtures.information, "CHUNK_CELLS", 1)
    monkeypatch.setattr(mixtures.differences, "CELLS", 2**13)
    parts = derivatives(model, np.tile(X, (20, 1)))
    np.testing.assert_allclose(parts.curvature, whole.curvature, rtol=1e-7, atol=1e-5)
    np.testing.assert_allclose(parts.outer, whole.outer, rtol=1e-7, atol=1e-5)


# --- standard errors ---


def errors_of(distribution, x, **arguments):
    model = GeneralMixtureModel(distribution, 1).fit(x)
    found = model.standard_errors(x, **arguments)
    return model.components_[0], {row.parameter: row.standard_error for row in found if row.parameter != "weight"}


def test_closed_forms():
    random = np.random.default_rng(0)
    n = 80
    x = random.normal(3, 2, n)
    one, errors = errors_of(Normal(), x)
    assert errors == pytest.approx({"mean": one.std / n**0.5, "std": one.std / (2 * n) ** 0.5}, rel=1e-8)
    one, errors = errors_of(Poisson(), random.poisson(4, n).astype(float))
    assert errors["rate"] == pytest.approx((one.rate / n) ** 0.5, rel=1e-8)
    one, errors = errors_of(Exponential(), random.exponential(4, n))
    assert errors["rate"] == pytest.approx(one.rate / n**0.5, rel=1e-8)
    one, errors = errors_of(Bernoulli(), (random.random(n) < 0.1).astype(float))
    assert errors["probability"] == pytest.approx((one.probability * (1 - one.probability) / n) ** 0.5, rel=1e-8)
    one, errors = errors_of(Categorical(), random.choice(3, n, p=[0.2, 0.3, 0.5]).astype(float))
    expected = np.sqrt(np.multiply(one.probabilities, np.subtract(1, one.probabilities)) / n)
    np.testing.assert_allclose(list(errors.values()), expected, rtol=1e-8)
    one, errors = errors_of(Gamma(), random.gamma(3.0, 2.0, n))
    information = n * np.array([[polygamma(1, one.shape), -1 / one.rate], [-1 / one.rate, one.shape / one.rate**2]])
    expected = np.sqrt(np.diagonal(np.linalg.inv(information)))
    np.testing.assert_allclose(list(errors.values()), expected, rtol=1e-7)
    one, errors = errors_of(Laplace(), random.laplace(1, 2, n), kind="opg")
    assert errors["location"] == pytest.approx(one.scale / n**0.5, rel=0.05)  # scores of both parameters are all but uncorrelated


MEMBERS = [
    Bernoulli(0.3),
    Beta(2.0, 3.0),
    BetaBinomial(10, 2.0, 3.0),
    Binomial(10, 0.3),
    Categorical([0.2, 0.3, 0.5], ["a", "b", "c"]),
    Degenerate(2.0),
    Dirichlet([1.0, 2.0, 3.0]),
    DirichletMultinomial([1.0, 2.0, 3.0]),
    DiscreteUniform(1, 6),
    Exponential(2.0),
    Gamma(2.0, 1.0),
    Geometric(0.3),
    Gumbel(1.0, 2.0),
    HalfNormal(2.0),
    InverseGamma(3.0, 2.0),
    InverseGaussian(1.0, 2.0),
    Laplace(1.0, 2.0),
    LogNormal(0.0, 1.0),
    Logistic(1.0, 2.0),
    Multinomial([0.2, 0.3, 0.5]),
    MultivariateNormal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]]),
    MultivariateStudentT(5.0, [0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]]),
    NegativeBinomial(3.0, 0.4),
    Normal(1.0, 2.0),
    Pareto(2.0, 1.0),
    Poisson(3.0),
    Rayleigh(2.0),
    SkewNormal(0.0, 1.0, 4.0),
    StudentT(5.0, 0.0, 2.0),
    Uniform(0.0, 1.0),
    VonMises(1.0, 2.0),
    VonMisesFisher([0.6, 0.8], 3.0),
    Weibull(2.0, 1.0),
]


def test_members_are_of_all_families():
    assert {type(member) for member in MEMBERS} == set(families())


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: type(member).__name__)
def test_information_is_the_variance_of_scores_in_every_family(member):
    """Of 1500 rows of its own, curvature and outer products give errors that agree to a fifth; with those parameters that have no
    ordinary maximum left out."""
    X = member.sample(1500, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)
        model = GeneralMixtureModel(member, 1, tol=1e-12).fit(X)
        curved, outer = (model.standard_errors(X, kind=kind) for kind in ("observed", "opg"))
    without = member.ends.keys() | {name for name, why in member.unmoved.items() if "corner" not in why}
    for row, other in zip(curved, outer, strict=True):
        if row.parameter in without:
            assert np.isnan(row.standard_error)
        elif row.parameter != "weight":
            assert other.standard_error == pytest.approx(row.standard_error, rel=0.2)


def test_a_block_has_the_errors_of_wishart():
    """Var(S_ij) = (S_ij^2 + S_ii S_jj) / n."""
    X = np.random.default_rng(0).normal(size=(100, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 100.0]])
    one, errors = errors_of(MultivariateNormal(), X)
    S = np.array(one.covariance)
    for i in range(3):
        assert errors[f"mean[{i}]"] == pytest.approx((S[i, i] / 100) ** 0.5, rel=1e-7)
        for j in range(i + 1):
            assert errors[f"covariance[{i}, {j}]"] == pytest.approx(((S[i, j] ** 2 + S[i, i] * S[j, j]) / 100) ** 0.5, rel=1e-6)


def test_the_sandwich_holds_where_the_family_is_wrong():
    """The variance of a mean is that of the rows, whatever distribution they have."""
    x = np.random.default_rng(0).poisson(3, 200) * 2.0
    _, plain = errors_of(Poisson(), x)
    _, robust = errors_of(Poisson(), x, kind="sandwich")
    assert robust["rate"] == pytest.approx(x.std() / 200**0.5, rel=1e-8)
    assert plain["rate"] < 0.8 * robust["rate"]


@pytest.mark.parametrize("kind", ["observed", "opg", "sandwich"])
def test_weights_mean_repetition(kind):
    X = mixed_rows(90)
    counts = np.random.default_rng(1).integers(0, 4, len(X))
    repeated = np.repeat(X, counts, axis=0)
    model = GeneralMixtureModel(MIXED, weights=[0.4, 0.6], tol=1e-12).fit(X, sample_weight=counts)
    found = model.standard_errors(X, counts, kind=kind)
    np.testing.assert_allclose(found.standard_error, model.standard_errors(repeated, kind=kind).standard_error, rtol=1e-7)


def test_rows_of_weight_zero_are_not_looked_at():
    x = np.array([1.0, 2.0, 4.0, np.inf])
    model = GeneralMixtureModel(Normal(), 1).fit(x, sample_weight=[1, 1, 1, 0])
    assert model.standard_errors(x, [1, 1, 1, 0]).of(0, "mean").standard_error == pytest.approx(np.std(x[:3]) / 3**0.5)


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e-8, 0.0), (1e12, 0.0), (1.0, 1e6), (1e12, 1e6), (2.0**1000, 0.0), (2.0**-1000, 0.0)]
)
def test_units_and_origins_change_errors_alike(factor, offset):
    x = np.random.default_rng(0).normal([0, 5], [1, 2], (100, 2)).ravel()
    start = [Normal(0.0, 1.0), Normal(5.0, 2.0)]
    model = GeneralMixtureModel(start, weights=[0.5, 0.5], tol=1e-12).fit(x)
    moved = [Normal((c.mean + offset) * factor, c.std * factor) for c in model.components_]
    other = GeneralMixtureModel(moved, weights=model.weights_)
    scale = np.array([1.0, 1.0] + [factor] * 4)
    found = other.standard_errors((x + offset) * factor).standard_error / scale
    np.testing.assert_allclose(found, model.standard_errors(x).standard_error, rtol=1e-5)


@pytest.mark.parametrize("factor", [2.0**480, 2.0**-480])
def test_blocks_of_any_unit(factor):
    X = np.random.default_rng(0).normal(size=(50, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]])
    expected = GeneralMixtureModel(MultivariateNormal(), 1).fit(X).standard_errors(X).standard_error
    found = GeneralMixtureModel(MultivariateNormal(), 1).fit(X * factor).standard_errors(X * factor).standard_error
    np.testing.assert_allclose(found, expected * np.array([1.0, factor, factor, *[factor**2] * 3]), rtol=1e-8)


def test_clusters_far_from_zero_keep_their_errors():
    x = np.round(np.random.default_rng(0).normal([0, 5], [1, 2], (100, 2)).ravel(), 3)
    near = GeneralMixtureModel([Normal(0.0, 1.0), Normal(5.0, 2.0)], weights=[0.5, 0.5], tol=1e-12).fit(x)
    there = [Normal(c.mean + 2.0**40, c.std) for c in near.components_]
    found = GeneralMixtureModel(there, weights=near.weights_).standard_errors(x + 2.0**40).standard_error
    np.testing.assert_allclose(found, near.standard_errors(x).standard_error, rtol=1e-2)  # rows are rounded to 2^-12


def test_tied_parameters_are_one():
    x = mixed_rows()[:, :1]
    model = GeneralMixtureModel(Tied(Normal(), "std"), 2, random_state=0, tol=1e-12).fit(x)
    found = model.standard_errors(x)
    first, second = found.of(0, "std"), found.of(1, "std")
    assert (first.estimate, first.standard_error, first.note) == (second.estimate, second.standard_error, "tied")
    x, labels = np.concatenate([np.arange(10.0), np.arange(5.0, 25.0)]), np.repeat([0, 1], [10, 20])
    model = GeneralMixtureModel([Tied(Normal(5.0, 3.0), "std"), Tied(Normal(15.0, 3.0), "std")], tol=1e-12).fit(x, labels=labels)
    row = model.standard_errors(x, labels=labels).of(1, "std")
    assert row.standard_error == pytest.approx(row.estimate / 60**0.5, rel=1e-8)


def test_what_is_held_has_no_error():
    x = mixed_rows()[:, :1]
    model = GeneralMixtureModel([Frozen(Normal(0.0), "mean"), Normal(3.0, 2.0)], random_state=0, tol=1e-12).fit(x)
    row = model.standard_errors(x).of(0, "mean")
    assert (row.estimate, row.standard_error, row.low, row.high, row.note) == (0.0, 0.0, 0.0, 0.0, "held")
    model = GeneralMixtureModel([Normal(0.0, 1.0), Normal(3.0, 2.0)], weights=[0.5, 0.5], learn_weights=False, tol=1e-12).fit(x)
    assert [row.standard_error for row in model.standard_errors(x)][:2] == [0.0, 0.0]
    model = GeneralMixtureModel(Frozen(Poisson(2.0)), 1).fit(mixed_rows()[:, 1])
    assert (model.standard_errors(mixed_rows()[:, 1]).standard_error == 0.0).all()


def test_labels_tell_as_much_as_separate_fits():
    x, labels = np.concatenate([np.arange(10.0), np.arange(5.0, 25.0)]), np.repeat([0, 1], [10, 20])
    model = GeneralMixtureModel([Normal(5.0, 2.0), Normal(15.0, 5.0)], tol=1e-12).fit(x, labels=labels)
    found = model.standard_errors(x, labels=labels)
    assert found.of(0, "mean").standard_error == pytest.approx(x[:10].std() / 10**0.5, rel=1e-8)
    assert found.of(1, "std").standard_error == pytest.approx(x[10:].std() / 40**0.5, rel=1e-8)
    assert found.of(0, "weight").standard_error == pytest.approx((1 / 3 * 2 / 3 / 30) ** 0.5, rel=1e-8)


def test_a_prior_sharpens():
    x = np.array([1.0, 2.0, 4.0])
    prior = NormalInverseGamma(2.0, 1e6, 3.0, 2.0)
    _, errors = errors_of(Normal(prior=prior), x)
    assert errors["mean"] < 0.01


def test_tied_parameters_with_priors_are_refused():
    prior = NormalInverseGamma(2.0, 1.0, 3.0, 2.0)
    x = mixed_rows()[:, :1]
    model = GeneralMixtureModel(Tied(Normal(prior=prior), "std"), 2, random_state=0).fit(x)
    with pytest.raises(ParameterError, match="tied and have a prior"):
        model.standard_errors(x)


# --- what there is no standard error for ---

EDGES = [
    (Uniform(), [1.0, 2.0, 5.0], ["low", "high"], "end of the support"),
    (DiscreteUniform(), [1.0, 2.0, 5.0], ["low", "high"], "whole number"),
    (Pareto(), [1.0, 2.0, 5.0], ["scale"], "end of the support"),
    (Degenerate(), [3.0, 3.0], ["value"], "point mass"),
    (Bernoulli(), [0.0, 0.0, 0.0], ["probability"], "end of its range"),
    (Poisson(), [0.0, 0.0, 0.0], ["rate"], "end of its range"),
    (Categorical([0.5, 0.5, 0.0], ["a", "b", "c"]), ["a", "b", "a"], ["probabilities[c]"], "end of its range"),
    (Bounded(Normal(), std=(9.0, None)), [1.0, 2.0, 5.0], ["std"], "at its bound"),
    (
        Bounded(MultivariateNormal(), covariance=(9.0, None)),
        [[1.0, 2.0], [2.0, 1.0], [5.0, 3.0]],
        ["covariance[0, 0]", "covariance[1, 0]", "covariance[1, 1]"],
        "at its bound",
    ),
    (ScipyDistribution(scipy.stats.expon, loc=1.0, scale=2.0), [1.0, 1.5, 5.0], ["loc"], "not smooth"),
]


@pytest.mark.parametrize(("distribution", "x", "names", "words"), EDGES, ids=lambda value: repr(value)[:30])
def test_estimates_at_an_edge_have_none_and_are_named(distribution, x, names, words):
    x = np.array(x, dtype=object if isinstance(x[0], str) else float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GeneralMixtureModel(distribution, 1).fit(x)
    with pytest.warns(DegenerateWarning, match=words) as caught:
        found = model.standard_errors(x)
    told = " ".join(str(warning.message) for warning in caught)
    for row in found:
        assert np.isnan(row.standard_error) == np.isnan(row.low) == np.isnan(row.high) == (row.parameter in names), row
        assert row.parameter not in names or f"{row.parameter} on" in told


def test_probabilities_that_vanish_count_as_zero():
    model = GeneralMixtureModel(Categorical([1e-9, 0.5, 0.5 - 1e-9]), 1)
    x = np.array([1.0, 2.0, 1.0, 2.0])
    with pytest.warns(DegenerateWarning, match=r"probabilities\[0\]"):
        found = model.standard_errors(x)
    assert found.of(0, "probabilities[1]").standard_error == pytest.approx(0.25, rel=1e-6)


def test_parameters_that_the_rows_do_not_determine_are_named():
    """Two Bernoulli components of one column: only the share of ones is determined."""
    x = np.repeat([0.0, 1.0], [30, 20])
    model = GeneralMixtureModel([Bernoulli(0.2), Bernoulli(0.6)], weights=[0.5, 0.5])
    with pytest.warns(DegenerateWarning, match=r"do not determine weight of component 0, .*probability on 0 of component 1"):
        found = model.standard_errors(x)
    assert np.isnan(found.standard_error).all()


def test_others_keep_their_errors_beside_what_is_not_determined():
    random = np.random.default_rng(0)
    X = np.column_stack([random.integers(0, 2, 50), np.repeat(random.normal(size=25), 2)]).astype(float)
    X[:, 0] = np.repeat([0.0, 1.0], 25)
    inner = GeneralMixtureModel([Bernoulli(0.2), Bernoulli(0.8)], weights=[0.5, 0.5])
    model = GeneralMixtureModel([Product(inner, Normal(X[:, 1].mean(), X[:, 1].std()))], weights=[1.0])
    with pytest.warns(DegenerateWarning, match="do not determine"):
        found = model.standard_errors(X)
    assert np.isnan(found.of(0, "weights[0]").standard_error)
    assert found.of(0, "mean").standard_error == pytest.approx(X[:, 1].std() / 50**0.5)


def test_a_component_without_rows_has_no_errors():
    x = np.concatenate([np.arange(-3.0, 4.0), np.arange(7.0, 14.0)])
    model = GeneralMixtureModel([Normal(0.0, 2.0), Normal(10.0, 2.0), Normal(1e4, 1.0)], weights=[0.5, 0.5, 0.0])
    with pytest.warns(DegenerateWarning) as caught:
        found = model.standard_errors(x)
    told = " ".join(str(warning.message) for warning in caught)
    assert "weight of component 2" in told
    assert "mean on 0 of component 2" in told
    assert [np.isnan(row.standard_error) for row in found] == [row.component == 2 for row in found]


def test_a_constant_column_determines_no_spread():
    x = np.full(10, 3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GeneralMixtureModel(Normal(), 1).fit(x)
    with pytest.warns(ConvergenceWarning), pytest.warns(DegenerateWarning, match="std on 0"):
        assert np.isnan(model.standard_errors(x).of(0, "std").standard_error)


def test_one_row():
    model = GeneralMixtureModel(Poisson(), 1).fit([4.0])
    assert model.standard_errors([4.0]).of(0, "rate").standard_error == pytest.approx(2.0, rel=1e-8)


def test_other_rows_than_the_fit_are_told():
    model = GeneralMixtureModel(Poisson(), 1).fit([1.0, 2.0, 3.0])
    with pytest.warns(ConvergenceWarning, match="no maximum for these rows"):
        model.standard_errors([5.0, 6.0, 7.0])


def test_components_of_unknown_form_are_taken_as_known():
    class Bare:
        def log_prob(self, X):
            return scipy.stats.norm.logpdf(X[:, 0], 5.0)

        def fit(self, X, sample_weight=None):
            return self

    x = np.concatenate([np.arange(-3.0, 4.0), [4.0, 5.0, 6.0]])
    model = GeneralMixtureModel([Normal(0.0, 1.0), Bare()], tol=1e-12).fit(x)
    with pytest.warns(DegenerateWarning, match="Bare: declares no parameters"):
        found = model.standard_errors(x)
    assert [row.parameter for row in found] == ["weight", "weight", "mean", "std"]
    model = GeneralMixtureModel([Normal(0.0, 1.0), KernelDensity(1.0, points=[5.0])], weights=[0.7, 0.3])
    with pytest.warns(ConvergenceWarning), pytest.warns(DegenerateWarning, match="KernelDensity: declares no parameters"):
        model.standard_errors(x)


def test_rows_that_are_impossible_are_refused():
    model = GeneralMixtureModel([Exponential(1.0), Beta(2.0, 2.0)], weights=[0.5, 0.5])
    with pytest.raises(DataError, match="row 1 has density zero"):
        model.standard_errors([0.5, -1.0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"kind": "fisher"}, "kind must be one of"), ({"level": 1.0}, "level must be"), ({"level": "high"}, "level must be")],
)
def test_wrong_arguments_are_refused(arguments, words):
    model = GeneralMixtureModel(Poisson(), 1).fit([1.0, 2.0, 3.0])
    with pytest.raises(ParameterError, match=words):
        model.confidence_intervals([1.0, 2.0, 3.0], **arguments)


# --- intervals and tables ---


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    ones=st.integers(1, 19),
    counts=st.lists(st.integers(0, 10**6), min_size=2, max_size=20).filter(any),
    level=st.floats(0.01, 0.9999),
)
def test_intervals_stay_in_range_and_hold_the_estimate(ones, counts, level):
    x = np.repeat([0.0, 1.0], [20 - ones, ones])
    row = GeneralMixtureModel(Bernoulli(), 1).fit(x).confidence_intervals(x, level).of(0, "probability")
    assert 0.0 < row.low < row.estimate < row.high < 1.0
    x = np.array(counts, dtype=float)
    row = GeneralMixtureModel(Poisson(), 1).fit(x).confidence_intervals(x, level).of(0, "rate")
    assert 0.0 < row.low < row.estimate < row.high


def test_intervals_are_symmetric_on_their_scales():
    model, X = CASES["mixed"]
    model = GeneralMixtureModel(model.components, weights=model.weights, tol=1e-12).fit(X)
    found = model.confidence_intervals(X, 0.9)
    z = scipy.stats.norm.ppf(0.95)
    row = found.of(0, "mean")
    assert (row.low, row.high) == pytest.approx((row.estimate - z * row.standard_error, row.estimate + z * row.standard_error))
    row = found.of(0, "rate")
    assert row.low * row.high == pytest.approx(row.estimate**2)
    assert np.log(row.high / row.estimate) == pytest.approx(z * row.standard_error / row.estimate)
    row = found.of(1, "weight")
    odds = [value / (1 - value) for value in (row.low, row.estimate, row.high)]
    assert odds[0] * odds[2] == pytest.approx(odds[1] ** 2)


def test_intervals_end_at_bounds():
    x = np.random.default_rng(0).normal(0, 1, 20)
    model = GeneralMixtureModel(Bounded(Normal(), std=(0.7, 1.0)), 1).fit(x)
    row = model.confidence_intervals(x).of(0, "std")
    assert 0.7 <= row.low < row.estimate < row.high <= 1.0


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_are_frames_of_the_callers_library(library):
    frames = pytest.importorskip(library)
    random = np.random.default_rng(0)
    words = np.array(["ash", "elm"], dtype=object)
    frame = frames.DataFrame({"height": random.normal(size=60), "tree": words[random.integers(0, 2, 60)]})
    model = GeneralMixtureModel(Product(height=Normal(), tree=Categorical()), 1).fit(frame)
    found = model.standard_errors(frame)
    table = found.to_frame()
    assert isinstance(table, frames.DataFrame)
    assert list(table.columns) == ["component", "column", "parameter", "estimate", "standard_error", "low", "high", "note"]
    assert list(table["parameter"]) == ["weight", "mean", "std", "probabilities[ash]", "probabilities[elm]"]
    assert list(table["column"]) == ["", "height", "height", "tree", "tree"]
    assert found.of(0, "mean", "height").estimate == model.components_[0].factors["height"].mean


def test_a_number_that_is_asked_for_must_be_one():
    model, X = CASES["nested factor"]
    with pytest.warns(ConvergenceWarning), pytest.warns(DegenerateWarning):
        found = model.standard_errors(X)
    assert found.of(0, "components[1].mean", "0").estimate == 2.0
    assert found.of(0, "weights[0]").estimate == 0.4
    with pytest.raises(ParameterError, match="expected one parameter 'median' of component 0, found 0"):
        found.of(0, "median")
    with pytest.raises(AttributeError):
        found.median  # noqa: B018


def test_numbers_are_the_values_of_the_components():
    for model, X in CASES.values():
        components, weights = model._state()
        table = Table.read(X)
        root = root_of(components, weights, table, True, ())
        values = [*weights, *(value for component in components for value in flat_values(component))]
        assert [number.value for number in root.numbers] == values


def test_read_only_and_float32_and_columns_out_of_order():
    X = mixed_rows()
    model = GeneralMixtureModel(MIXED, weights=[0.4, 0.6], tol=1e-12).fit(X)
    expected = model.standard_errors(X).standard_error
    fortran = np.asfortranarray(X)
    fortran.setflags(write=False)
    np.testing.assert_allclose(model.standard_errors(fortran).standard_error, expected, rtol=1e-9)
    found = model.standard_errors(X.astype(np.float32)).standard_error
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_covariance_belongs_to_the_rows():
    model, X = CASES["mixed"]
    fitted = GeneralMixtureModel(model.components, weights=model.weights, tol=1e-12).fit(X)
    found = fitted.standard_errors(X)
    np.testing.assert_allclose(np.sqrt(np.diagonal(found.covariance)), found.standard_error)
    assert found.covariance[0, 1] == pytest.approx(-found.covariance[0, 0])
    assert len(found) == 14
    assert found[2:4][0] is found[2]


def test_coverage_is_nominal():
    """Of 60 tables of 200 rows the intervals of all parameters hold the truth in 95%: between 92% and 98%, four standard errors of
    the tables' shares."""
    truth = GeneralMixtureModel(
        components_of((Normal(0.0, 1.0), Poisson(2.0)), (Normal(4.0, 1.5), Poisson(6.0))), weights=[0.4, 0.6]
    )
    values = np.array([0.4, 0.6, 0.0, 1.0, 2.0, 4.0, 1.5, 6.0])
    held = []
    for seed in range(60):
        X = truth.sample(200, random_state=seed)
        model = GeneralMixtureModel(truth.components, weights=truth.weights, n_jobs=1).fit(X)
        found = model.confidence_intervals(X)
        held.append((found.low <= values) & (values <= found.high))
    assert 0.92 < np.mean(held) < 0.98


def test_interval_of_a_number_at_an_end_is_none():
    assert np.isnan(interval(Number("rate", 0.0, 0.0), 0.1, 0.95)).all()


def test_covariance_refuses_other_kinds():
    model, X = CASES["mixed"]
    found = derivatives(model, X)
    with pytest.raises(ParameterError, match="kind must be one of"):
        covariance_of(found, "expected")
    assert differentiate(found.mixture, Table.read(X), None, np.full((len(X), 2), 0.5)).gradient.shape == found.gradient.shape


@pytest.mark.parametrize("kind", ["full", "diagonal", "spherical"])
@pytest.mark.parametrize("missing", [False, True])
def test_blocks_agree_with_differences(kind, missing, monkeypatch):
    """Closed forms and differences of the engine's own log-densities share no line."""
    random = np.random.default_rng(0)
    X = random.normal(size=(40, 3))
    if missing:
        X[random.random(X.shape) < 0.3] = np.nan
    covariance = {"full": np.diag([1.0, 2.0, 3.0]) + 0.4, "diagonal": [1.0, 2.0, 3.0], "spherical": 2.0}[kind]
    model = GeneralMixtureModel([MultivariateNormal([0.1, 0.2, 0.3], covariance, kind=kind), BLOCK], weights=[0.4, 0.6])
    closed = derivatives(model, X)
    monkeypatch.setattr(MultivariateNormal, "_derivatives", None)
    naive = derivatives(model, X)
    for name in ("gradient", "outer", "curvature"):
        # in their own units, powers of two
        units = [
            one.mixture.units if name == "gradient" else np.outer(one.mixture.units, one.mixture.units) for one in (closed, naive)
        ]
        found, expected = getattr(closed, name) / units[0], getattr(naive, name) / units[1]
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-7 * np.abs(expected).max())


BLOCK = MultivariateNormal([0.0, 1.0, 0.0], np.eye(3) + 0.5)
