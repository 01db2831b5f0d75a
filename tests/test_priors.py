"""Under a prior a fit is the most probable value of the parameters: the maximum of likelihood times prior, by scipy's densities."""

import itertools
import math
import pickle
import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from mixtures import GeneralMixtureModel
from mixtures.assembly import Assembly
from mixtures.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Dirichlet,
    Exponential,
    Frozen,
    Gamma,
    Geometric,
    HalfNormal,
    InverseGamma,
    LocationScale,
    LogNormal,
    Multinomial,
    MultivariateNormal,
    Normal,
    Poisson,
    Product,
    Rayleigh,
    Tied,
    Truncated,
    ZeroInflated,
)
from mixtures.engine.plan import FAILED, UNSETTLED
from mixtures.exceptions import DataError, DegenerateWarning, NotFittedError, ParameterError
from mixtures.parts import resolve_priors, take_apart
from mixtures.priors import NormalInverseGamma, NormalInverseWishart
from mixtures.table import Table
from mixtures.testing import check_distribution

from .random_models import assert_never_falls
from .test_families import bound, free

# --- what a prior's density is, in scipy's words ---


def normal_inverse_gamma(prior, mean, variance):
    scale = math.sqrt(variance / prior.mean_weight)
    return stats.norm.logpdf(mean, prior.mean, scale) + stats.invgamma.logpdf(variance, prior.shape, scale=prior.scale)


def normal_inverse_wishart(prior, mean, covariance, kind):
    d, degrees = len(mean), prior.degrees_of_freedom
    if kind == "full":
        value = stats.invwishart.logpdf(np.asarray(covariance), degrees, np.asarray(prior.scale))
        spread = np.asarray(covariance)
    else:
        value = np.sum(stats.invgamma.logpdf(covariance, degrees / 2, scale=np.asarray(prior.scale) / 2))
        spread = np.diag(np.broadcast_to(covariance, (d,)))
    return value + stats.multivariate_normal.logpdf(mean, prior.mean, spread / prior.mean_weight)


def log_density_of_prior(distribution):
    """scipy's, of the parameters of a distribution under its prior."""
    prior = distribution.prior
    match distribution:
        case Normal():
            return normal_inverse_gamma(prior, distribution.mean, distribution.std**2)
        case LogNormal():
            return normal_inverse_gamma(prior, distribution.mean_log, distribution.std_log**2)
        case MultivariateNormal():
            return normal_inverse_wishart(prior, distribution.mean, distribution.covariance, distribution.kind)
        case Poisson() | Exponential() | Gamma():
            return stats.gamma.logpdf(distribution.rate, prior.shape, scale=1 / prior.rate)
        case InverseGamma():
            return stats.gamma.logpdf(distribution.scale, prior.shape, scale=1 / prior.rate)
        case Bernoulli() | Geometric() | Binomial():
            return stats.beta.logpdf(distribution.probability, prior.alpha, prior.beta)
        case Rayleigh() | HalfNormal():
            return stats.invgamma.logpdf(distribution.scale**2, prior.shape, scale=prior.scale)
        case Categorical(prior=None):
            size = len(distribution.probabilities) + 1
            chances = [*distribution.probabilities, 1 - sum(distribution.probabilities)]
            return stats.dirichlet.logpdf(chances, [distribution.pseudo_count + 1] * size)
        case Categorical() | Multinomial():
            return stats.dirichlet.logpdf(distribution.probabilities, prior.concentration)


WORDS = ("a", "b", "c")
MEMBERS = [
    Normal(1.0, 2.0, prior=NormalInverseGamma(3.0, 2.5, 4.0, 7.0)),
    Normal(-1e6, 2.0, prior=NormalInverseGamma(-1e6, 40.0, 0.1, 1e-3)),
    LogNormal(1.0, 0.5, prior=NormalInverseGamma(0.0, 3.0, 2.0, 0.5)),
    Poisson(3.0, prior=Gamma(2.5, 0.5)),
    Poisson(0.5, prior=Gamma(1.0, 30.0)),
    Exponential(0.2, prior=Gamma(2.5, 4.0)),
    Gamma(2.0, 3.0, prior=Gamma(4.0, 9.0)),
    Gamma(0.4, 3.0, prior=Gamma(300.0, 20.0)),
    Gamma(80.0, 1.0, prior=Gamma(1.0, 200.0)),
    InverseGamma(3.0, 2.0, prior=Gamma(4.0, 9.0)),
    Bernoulli(0.3, prior=Beta(4.0, 1.0)),
    Geometric(0.3, prior=Beta(1.0, 9.0)),
    Binomial(7, 0.3, prior=Beta(4.0, 2.5)),
    Rayleigh(2.0, prior=InverseGamma(3.0, 60.0)),
    HalfNormal(2.0, prior=InverseGamma(0.5, 60.0)),
    Categorical((0.2, 0.3, 0.5), WORDS, prior=Dirichlet((1.0, 20.0, 3.5))),
    Categorical((0.2, 0.3, 0.4), WORDS, pseudo_count=3.5),
    Multinomial((0.2, 0.3, 0.5), prior=Dirichlet((1.0, 200.0, 30.5))),
    MultivariateNormal(
        (1.0, -2.0), ((2.0, 0.9), (0.9, 1.0)), prior=NormalInverseWishart((0.0, 0.0), 3.0, 7.0, ((9.0, -2.0), (-2.0, 5.0)))
    ),
    MultivariateNormal((1.0, -2.0), (2.0, 3.0), kind="diagonal", prior=NormalInverseWishart((0.0, 0.0), 3.0, 7.0, (9.0, 1.0))),
    MultivariateNormal((1.0, -2.0), (2.0, 3.0), kind="diagonal", prior=NormalInverseWishart((0.0, 0.0), 3.0, 0.5, 9.0)),
    MultivariateNormal((1.0, -2.0), 2.0, kind="spherical", prior=NormalInverseWishart((0.0, 0.0), 3.0, 7.0, 9.0)),
]
each_member = pytest.mark.parametrize(
    "member", MEMBERS, ids=lambda member: f"{type(member).__name__} {getattr(member, 'kind', '')}"
)


def rows_of(member, n=60):
    """Some rows of a distribution, of words where it has categories, and weights."""
    random = np.random.default_rng(3)
    return member.sample(n, random), random.uniform(0.0, 3.0, n)


def numbers_of(distribution):
    """Parameters as a vector without bounds."""
    found = []
    for name in distribution.parameters:
        value = distribution.parameter_values()[name]
        if name == "covariance" and np.ndim(value) == 2:
            lower = np.linalg.cholesky(np.asarray(value))
            found += [*np.log(np.diagonal(lower)), *lower[np.tril_indices(len(lower), -1)]]
        elif name == "covariance":
            found += np.log(np.atleast_1d(value)).tolist()
        elif name == "probabilities":
            found += np.log(np.maximum(value, 1e-300)).tolist()
        elif name == "mean" and isinstance(value, tuple):
            found += value
        else:
            found.append(float(free(distribution.parameters[name], value)))
    return np.array(found)


def rebuilt(distribution, vector):
    """The inverse of :func:`numbers_of`."""
    vector = list(vector)
    moved = {}
    for name, value in distribution.parameter_values().items():
        if name == "covariance" and np.ndim(value) == 2:
            d = len(value)
            lower = np.diag(np.exp(vector[:d]))
            lower[np.tril_indices(d, -1)] = vector[d : d + d * (d - 1) // 2]
            moved[name], vector = lower @ lower.T, []
        elif name == "covariance":
            part = np.exp(vector)
            moved[name], vector = (part if np.ndim(value) else part[0]), []
        elif name == "probabilities":
            part = np.exp(vector - np.max(vector))
            rest = 1.0 - sum(value) if getattr(distribution, "pseudo_count", 0.0) else 0.0
            moved[name], vector = part / part.sum() * (1.0 - rest), []
        elif name == "mean" and isinstance(value, tuple):
            moved[name], vector = vector[: len(value)], vector[len(value) :]
        else:
            moved[name], vector = bound(distribution.parameters[name], vector[0]), vector[1:]
    return distribution.replaced(**moved)


def penalised(distribution, x, weights):
    """Weighted log-likelihood and log-prior."""
    return float(weights @ distribution.log_prob(x)) + log_density_of_prior(distribution)


@each_member
def test_the_log_prior_is_scipys_density(member):
    assert member.log_prior() == pytest.approx(log_density_of_prior(member), rel=1e-12, abs=1e-11)


@each_member
def test_a_fit_is_the_most_probable_value(member):
    x, weights = rows_of(member)
    fitted = member.fit(x, sample_weight=weights)
    best = penalised(fitted, x, weights)
    start = numbers_of(fitted)

    def loss(point):
        return -penalised(rebuilt(fitted, point), x, weights)

    assert loss(start) == pytest.approx(-best, rel=1e-12)
    for shift in (0.0, 0.05, -0.1):
        found = minimize(loss, start + shift, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 600})
        assert -found.fun <= best + 1e-9 * (1 + abs(best)), rebuilt(fitted, found.x)
    # Flat to both sides alike: a slope would show in their difference.
    for i, step in itertools.product(range(len(start)), (1e-3, 1e-4)):
        beside = start + step * (np.arange(len(start)) == i), start - step * (np.arange(len(start)) == i)
        rise, fall = (loss(point) - loss(start) for point in beside)
        assert abs(rise - fall) <= 2e-2 * (rise + fall) + 1e-11 * (1 + abs(best)), (i, rise, fall)


@each_member
def test_a_prior_travels_with_its_distribution(member):
    assert pickle.loads(pickle.dumps(member)) == member
    fitted = member.fit(rows_of(member)[0])
    assert fitted.prior == member.prior
    assert type(fitted) is type(member)
    names = {name: value for name, value in fitted._values().items() if name not in member.parameters}
    assert type(member)(**names).fit(rows_of(member)[0]).prior == member.prior
    assert member.n_parameters == member.replaced(prior=None).n_parameters
    if member.prior is not None:
        assert member != member.replaced(prior=None)
        assert "prior=" in repr(member)
        assert member.replaced(prior=None).log_prior() == 0.0


@each_member
def test_families_under_a_prior_obey_the_laws(member):
    check_distribution(member)


@each_member
def test_one_row_and_rows_that_agree_have_a_most_probable_value(member):
    rows = np.array([[3.0, 0.0, 1.0]]) if isinstance(member, Multinomial) else rows_of(member)[0][:1]
    for x in (rows, np.repeat(rows, 7, axis=0)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted = member.fit(x)
        assert np.isfinite(numbers_of(fitted)).all()
        assert np.isfinite(fitted.log_prob(x)).all()
        ones = np.ones(len(x))
        best = penalised(fitted, x, ones)
        for place in range(len(numbers_of(fitted))):
            for step in (1e-4, -1e-4):
                point = numbers_of(fitted)
                point[place] += step
                assert penalised(rebuilt(fitted, point), x, ones) <= best + 1e-10 * (1 + abs(best))


# --- extremes ---


@pytest.mark.parametrize("offset", [1e9, -1e12])
def test_offsets_change_nothing_but_the_mean(offset):
    random = np.random.default_rng(0)
    z, weights = np.round(random.normal(0.0, 1.0, (50, 2)) * 1024) / 1024, random.uniform(0.0, 3.0, 50)
    prior = NormalInverseGamma(0.5, 2.0, 3.0, 2.0)
    plain, moved = (Normal(prior=prior.replaced(mean=0.5 + a)).fit(z[:, 0] + a, weights) for a in (0.0, offset))
    assert moved.mean - offset == pytest.approx(plain.mean, abs=4 * np.spacing(abs(offset)))
    assert moved.std == pytest.approx(plain.std, rel=1e-12)
    open_one, open_other = (Normal(prior=NormalInverseGamma()).fit(z[:, 0] + a, weights) for a in (0.0, offset))
    assert open_other.std == pytest.approx(open_one.std, rel=1e-12)
    joint = NormalInverseWishart((0.5, 0.0), 2.0, 5.0, ((2.0, 0.3), (0.3, 1.0)))
    plain, moved = (MultivariateNormal(prior=joint.replaced(mean=(0.5 + a, a))).fit(z + a, weights) for a in (0.0, offset))
    np.testing.assert_allclose(moved.covariance, plain.covariance, rtol=1e-11)
    np.testing.assert_allclose(np.array(moved.mean) - offset, plain.mean, atol=4 * np.spacing(abs(offset)))


@pytest.mark.parametrize("unit", [1e-200, 1e-120, 1e130, 1e200])
def test_units_change_nothing_but_the_scale(unit):
    random = np.random.default_rng(1)
    x = random.gamma(2.0, 3.0, 50)
    for member in (Exponential(prior=Gamma(2.5, 4.0)), Gamma(prior=Gamma(2.5, 4.0))):
        plain, scaled = member.fit(x), member.replaced(prior=Gamma(2.5, 4.0 * unit)).fit(x * unit)
        assert scaled.rate * unit == pytest.approx(plain.rate, rel=1e-12)
        assert scaled.log_prior() == pytest.approx(plain.log_prior() + np.log(unit), rel=1e-12)
    if 1e-150 < unit < 1e150:  # whose squares are numbers
        for member in (HalfNormal(), Rayleigh()):
            plain = type(member)(prior=InverseGamma(2.5, 4.0)).fit(x)
            scaled = type(member)(prior=InverseGamma(2.5, 4.0 * unit**2)).fit(x * unit)
            assert scaled.scale / unit == pytest.approx(plain.scale, rel=1e-12)
            assert scaled.log_prior() == pytest.approx(plain.log_prior() - 2 * np.log(unit), rel=1e-12)
        plain = Normal(prior=NormalInverseGamma(5.0, 2.0, 3.0, 2.0)).fit(x)
        scaled = Normal(prior=NormalInverseGamma(5.0 * unit, 2.0, 3.0, 2.0 * unit**2)).fit(x * unit)
        assert (scaled.mean / unit, scaled.std / unit) == pytest.approx((plain.mean, plain.std), rel=1e-12)
        assert scaled.log_prior() == pytest.approx(plain.log_prior() - 3 * np.log(unit), rel=1e-12)


def test_a_full_covariance_needs_no_more_rows_than_columns():
    random = np.random.default_rng(2)
    d = 6
    prior = NormalInverseWishart(np.zeros(d), 0.5, d + 2.0, np.eye(d))
    for n in (1, 3):
        x = random.normal(size=(n, d))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted = MultivariateNormal(prior=prior).fit(x)
        away = x - x.mean(axis=0)
        scatter = np.eye(d) + away.T @ away + 0.5 * n / (0.5 + n) * np.outer(x.mean(axis=0), x.mean(axis=0))
        np.testing.assert_allclose(fitted.covariance, scatter / (d + 2 + n + d + 2), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(fitted.mean, n / (n + 0.5) * x.mean(axis=0), rtol=1e-12)


def test_weights_too_large_to_count_rows_are_refused():
    for weight in (1e-200, 1e200):
        with pytest.raises(DataError, match="Poisson: under a prior, weights count rows"):
            Poisson(prior=Gamma(2.0, 1.0)).fit([1.0, 2.0], [weight, weight])


# --- held and shared parameters ---


def test_held_parameters_stay_and_the_rest_is_most_probable():
    random = np.random.default_rng(4)
    x, weights = random.normal(1.0, 2.0, 40), random.uniform(0.0, 3.0, 40)
    prior = NormalInverseGamma(3.0, 2.5, 4.0, 7.0)
    for start, name in ((Normal(0.5, 1.0, prior=prior), "mean"), (Normal(0.5, 1.0, prior=prior), "std")):
        fitted = Frozen(start, name).fit(x, weights)
        assert getattr(fitted.base, name) == getattr(start, name)
        assert fitted.base.prior == prior
        other = "std" if name == "mean" else "mean"
        found = minimize(
            lambda point, other=other, base=fitted.base: -penalised(base.replaced(**{other: point[0]}), x, weights),
            [getattr(fitted.base, other)],
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-13},
        )
        assert getattr(fitted.base, other) == pytest.approx(found.x[0], rel=1e-6)
    y = np.column_stack([x, x + random.normal(size=40)])
    joint = NormalInverseWishart((0.5, 0.0), 2.0, 5.0, ((2.0, 0.3), (0.3, 1.0)))
    fitted = Frozen(MultivariateNormal(mean=(0.0, 1.0), prior=joint), "mean").fit(y, weights).base
    best = penalised(fitted, y, weights)
    for factor in (0.999, 1.001):
        assert penalised(fitted.replaced(covariance=np.array(fitted.covariance) * factor), y, weights) < best
    for shape, rate in ((3.0, None), (None, 2.0)):
        held = Frozen(Gamma(shape, rate, prior=Gamma(4.0, 9.0))).fit(np.abs(x), weights).base
        for name in ("shape", "rate"):
            if (shape, rate)[name == "rate"] is None:
                beside = [held.replaced(**{name: getattr(held, name) * factor}) for factor in (0.999, 1.001)]
                assert max(penalised(one, np.abs(x), weights) for one in beside) < penalised(held, np.abs(x), weights)


def base_of(distribution):
    """What is inside wrappers."""
    return base_of(distribution.base) if hasattr(distribution, "base") else distribution


def settled(components, x, responsibilities):
    """Packed components after M-steps on given responsibilities (k, n), until they change nothing."""
    table = Table.read(x)
    assembly = Assembly(take_apart(components, table), table)
    plate = assembly._plates[0]
    family, columns = plate.family, plate.places
    origins = np.array([c.origin if family.uses_origin else 0.0 for c in columns])
    units = np.array([c.unit if family.uses_unit else 1.0 for c in columns])
    cells = np.ascontiguousarray(((np.asarray(x).reshape(len(x), -1) - origins) / units).T)
    values = assembly.parameters.reshape(len(components), -1)
    kernels = family.kernels
    before = -np.inf
    for _ in range(500):
        kernels.prepare(values)
        out = np.zeros(responsibilities.shape)
        kernels.log_prob(values, cells, out)
        objective = float((responsibilities * out).sum()) + kernels.log_prior(values)
        assert objective >= before - 1e-11 * (1 + abs(objective))
        statistics = np.zeros((len(components), 1 + plate.n_statistics * plate.n_members))
        statistics[:, 0] = responsibilities.sum(axis=1)
        kernels.accumulate(values, cells, responsibilities, statistics)
        outcome = kernels.maximize(statistics, values)
        assert not outcome & FAILED
        if not outcome & UNSETTLED and objective - before <= 1e-13 * (1 + abs(objective)):
            break
        before = objective
    return [base_of(one) for one in assembly.unpack()], objective


SHARED_PRIORS = [None, NormalInverseGamma(1.0, 2.5, 4.0, 7.0)]


@pytest.mark.parametrize("prior", SHARED_PRIORS, ids=["likelihood", "posterior"])
@pytest.mark.parametrize("ties", [("mean",), ("std",), ("mean", "std")], ids=" ".join)
@pytest.mark.parametrize("held", ["", "mean", "std"])
@pytest.mark.parametrize("family", [Normal, LogNormal])
def test_what_normals_share_is_the_best_for_all_of_them(family, ties, held, prior):
    random = np.random.default_rng(6)
    x = np.concatenate([random.normal(0.0, 1.0, 30), random.normal(1.0, 3.0, 40), random.normal(2.0, 0.4, 20)])
    share = random.dirichlet(np.ones(4) / 2, len(x)).T.copy()
    share[3] = 0.0  # no rows at all
    names = dict(zip(("mean", "std"), family.parameters, strict=True))
    start = [family(0.3, 1.5, prior=prior) for _ in range(4)]
    components = [Tied(one, *[names[name] for name in ties]) for one in start]
    if held:
        components[1] = Frozen(components[1], names[held])
    components[2] = start[2] if len(ties) == 2 else components[2]
    fitted, best = settled(components, np.exp(x) if family is LogNormal else x, share)
    shared = [0, 3] if len(ties) == 2 else [0, 2, 3]
    shared += [1] if held not in ties else []

    def values(one):
        return np.array([getattr(one, names["mean"]), getattr(one, names["std"])])

    for place, name in enumerate(("mean", "std")):
        group = [k for k in ({0, 1, 3} if len(ties) == 2 else {0, 1, 2, 3}) if not (k == 1 and held == name)]
        if name in ties:
            assert len({values(fitted[k])[place] for k in group}) == 1
    if held:
        assert values(fitted[1])[("mean", "std").index(held)] == (0.3, 1.5)[("mean", "std").index(held)]

    def objective(point):
        means, stds = point[:4], np.exp(point[4:])
        total = sum(share[k] @ stats.norm.logpdf(x, means[k], stds[k]) for k in range(3))
        jacobian = -float(share.sum(axis=0) @ x) if family is LogNormal else 0.0
        if prior is None:
            return total + jacobian
        met = set()
        for k in range(4):
            for name, part in (
                ("mean", stats.norm.logpdf(means[k], prior.mean, stds[k] / math.sqrt(prior.mean_weight))),
                ("std", stats.invgamma.logpdf(stds[k] ** 2, prior.shape, scale=prior.scale)),
            ):
                is_shared = name in ties and not (k == 1 and held == name) and not (k == 2 and len(ties) == 2)
                total += 0.0 if is_shared and name in met else part
                met |= {name} if is_shared else set()
        return total + jacobian

    point = np.concatenate([[values(one)[0] for one in fitted], [np.log(values(one)[1]) for one in fitted]])
    assert objective(point) == pytest.approx(best, rel=1e-11)
    # Directions in which the components may move together or alone.
    for place, name in enumerate(("mean", "std")):
        group = [k for k in range(4) if name in ties and not (k == 1 and held == name) and not (k == 2 and len(ties) == 2)]
        alone = [[k] for k in range(3) if k not in group and not (k == 1 and held == name)]
        for members in ([group] if group else []) + alone:
            for step in (1e-4, -1e-4):
                moved = point.copy()
                moved[[4 * place + k for k in members]] += step
                assert objective(moved) <= objective(point) + 1e-10 * abs(best), (name, members)


@pytest.mark.parametrize("prior", [None, NormalInverseWishart((0.5, 0.0), 2.0, 5.0, ((2.0, 0.3), (0.3, 1.0)))], ids=["ml", "map"])
@pytest.mark.parametrize("ties", [("mean",), ("covariance",), ("mean", "covariance")], ids=" ".join)
def test_what_multivariate_normals_share_is_the_best_for_all_of_them(ties, prior):
    random = np.random.default_rng(7)
    mixing = random.normal(size=(3, 2, 2))
    x = np.concatenate([random.normal(size=(40, 2)) @ mixing[k] + k for k in range(3)])
    share = random.dirichlet(np.ones(3) / 2, len(x)).T.copy()
    start = MultivariateNormal((0.3, 0.2), ((2.0, 0.1), (0.1, 1.0)), prior=prior)
    fitted, best = settled([Tied(start, *ties) for _ in range(3)], x, share)
    for name in ties:
        assert len({getattr(one, name) for one in fitted}) == 1

    def objective(means, covariances):
        total = sum(share[k] @ stats.multivariate_normal.logpdf(x, means[k], covariances[k]) for k in range(3))
        for k in range(3 if prior is not None else 0):
            if not (k and "mean" in ties):
                total += stats.multivariate_normal.logpdf(means[k], prior.mean, covariances[k] / prior.mean_weight)
            if not (k and "covariance" in ties):
                total += stats.invwishart.logpdf(covariances[k], prior.degrees_of_freedom, np.asarray(prior.scale))
        return total

    means, covariances = np.array([one.mean for one in fitted]), np.array([one.covariance for one in fitted])
    assert objective(means, covariances) == pytest.approx(best, rel=1e-11)
    slack = 1e-9 * abs(best)
    for step in (1e-4, -1e-4):
        for k, i in itertools.product(range(3), range(2)):
            moved = means.copy()
            moved[slice(None) if "mean" in ties else k, i] += step
            assert objective(moved, covariances) <= best + slack
            for j in range(i + 1):
                moved = covariances.copy()
                unit = np.zeros((2, 2))
                unit[i, j] = unit[j, i] = step
                moved[slice(None) if "covariance" in ties else k] += unit
                assert objective(means, moved) <= best + slack


def test_priors_of_what_components_tie_must_agree():
    x = np.array([0.0, 1.0, 5.0, 6.0])
    one, other = NormalInverseGamma(0.0, 1.0, 2.0, 3.0), NormalInverseGamma(5.0, 1.0, 2.0, 3.0)
    model = GeneralMixtureModel([Tied(Normal(0.0, 1.0, prior=one), "std"), Tied(Normal(5.0, 1.0, prior=other), "std")])
    assert [c.base.prior for c in model.fit(x).components_] == [one, other]  # priors of means are each one's own
    wrong = other.replaced(scale=4.0)
    with pytest.raises(ParameterError, match="components tie std, but their priors of it differ"):
        GeneralMixtureModel([Tied(Normal(0.0, 1.0, prior=one), "std"), Tied(Normal(5.0, 1.0, prior=wrong), "std")]).fit(x)
    blocks = [MultivariateNormal((k, k), np.eye(2), tied=True) for k in (0.0, 5.0)]
    blocks[1] = blocks[1].replaced(prior=NormalInverseWishart((0.0, 0.0), 1.0, 4.0, np.eye(2)))
    with pytest.raises(ParameterError, match="of which only some have a prior"):
        GeneralMixtureModel([*blocks, *blocks]).fit(np.column_stack([x, x[::-1]]))
    with pytest.raises(ParameterError, match="Gamma: parameters that components tie can have no prior"):
        GeneralMixtureModel([Tied(Gamma(1.0, 1.0, prior=Gamma(2.0, 1.0)), "rate")] * 2).fit(x + 1)


# --- what is left open ---


def resolved(components, x, weights=None):
    table = Table.read(x)
    return resolve_priors(take_apart(components, table), table, weights, len(components))


def test_open_priors_are_filled_in_as_fraley_and_raftery_do():
    random = np.random.default_rng(8)
    x, weights = random.normal(size=(40, 3)) * [1.0, 20.0, 0.1] + [5.0, 0.0, 1e9], random.integers(1, 4, 40).astype(float)
    repeated = np.repeat(x, weights.astype(int), axis=0)
    covariance = np.cov(repeated.T, bias=True)
    k = 4
    for kind, scale in (
        ("full", covariance),
        ("diagonal", np.diagonal(covariance)),
        ("spherical", np.diagonal(covariance).mean()),
    ):
        prior = resolved([MultivariateNormal(kind=kind, prior=NormalInverseWishart())] * k, x, weights)[0].factors[0].prior
        np.testing.assert_allclose(prior.mean, repeated.mean(axis=0), rtol=1e-13)
        # At 1e9 rows have 1e-7, and their spread is a tenth.
        np.testing.assert_allclose(prior.scale, scale / k ** (2 / 3), rtol=1e-5, atol=1e-9)
        assert (prior.mean_weight, prior.degrees_of_freedom) == (0.01, 5.0)
    prior = resolved([Normal(prior=NormalInverseGamma(mean=3.0))] * k, x[:, 1], weights)[0].factors[0].prior
    assert prior == NormalInverseGamma(3.0, 0.01, 1.5, prior.scale)
    assert prior.scale == pytest.approx(0.5 * covariance[1, 1] / k**2, rel=1e-12)
    prior = resolved([LogNormal(prior=NormalInverseGamma())], np.exp(x[:, 0]), weights)[0].factors[0].prior
    assert (prior.mean, prior.scale) == pytest.approx((repeated[:, 0].mean(), 0.5 * covariance[0, 0]), rel=1e-12)


def test_one_dimension_is_one_column_of_several():
    random = np.random.default_rng(9)
    x, weights = random.normal(3.0, 2.0, (30, 1)), random.uniform(0.0, 2.0, 30)
    alone = Normal(prior=NormalInverseGamma()).fit(x, weights)
    for kind in ("full", "diagonal", "spherical"):
        block = MultivariateNormal(kind=kind, prior=NormalInverseWishart()).fit(x, weights)
        assert block.mean[0] == pytest.approx(alone.mean, rel=1e-12)
        assert np.ravel(block.covariance)[0] == pytest.approx(alone.std**2, rel=1e-12)
        assert block.log_prior() == pytest.approx(alone.log_prior(), rel=1e-11)


def test_missing_cells_leave_the_moments_of_what_is_there():
    random = np.random.default_rng(10)
    x = random.normal(size=(60, 2)) @ [[1.0, 0.8], [0.0, 1.0]] + 1e9
    x[random.uniform(size=x.shape) < 0.2] = np.nan
    prior = resolved([MultivariateNormal(prior=NormalInverseWishart())], x)[0].factors[0].prior
    np.testing.assert_allclose(np.array(prior.mean) - 1e9, np.nanmean(x - 1e9, axis=0), atol=1e-6)
    np.testing.assert_allclose(np.diagonal(prior.scale), np.nanvar(x - 1e9, axis=0), rtol=1e-6)
    both = ~np.isnan(x).any(axis=1)
    away = x - np.array(prior.mean)
    assert prior.scale[0][1] == pytest.approx((away[both, 0] * away[both, 1]).mean(), rel=1e-6)
    fitted = MultivariateNormal(prior=NormalInverseWishart()).fit(x)
    best = fitted.log_prob(x).sum() + fitted.log_prior()
    covariance = np.array(fitted.covariance)
    for step in (1e-3, -1e-3):
        for i, j in itertools.combinations_with_replacement(range(2), 2):
            unit = np.zeros((2, 2))
            unit[i, j] = unit[j, i] = step
            moved = fitted.replaced(covariance=covariance + unit)
            assert moved.log_prob(x).sum() + moved.log_prior() < best
        for i in range(2):
            moved = fitted.replaced(mean=np.array(fitted.mean) + step * np.eye(2)[i])
            assert moved.log_prob(x).sum() + moved.log_prior() < best


def test_only_what_is_open_is_replaced():
    x = np.column_stack([np.arange(6.0), np.arange(6.0) ** 2])
    table = Table.read(x)
    closed, plain = Poisson(prior=Gamma(2.0, 1.0)), Normal()
    same = take_apart([Product(plain, closed)] * 2, table)
    assert resolve_priors(same, table, None, 2) is same
    held = Frozen(Normal(mean=1.0, prior=NormalInverseGamma()), "mean")
    component = Product(held, closed)
    one, other, third = resolve_priors(take_apart([component, component, Product(plain, closed)], table), table, None, 3)
    assert one is other
    assert one.factors[1] is third.factors[1] is closed
    assert third.factors[0] is plain
    assert one.factors[0].held_names == ("mean",)
    assert one.factors[0].base.prior.is_complete


def test_rows_that_tell_no_scale():
    with pytest.warns(DegenerateWarning):
        fitted = Normal(prior=NormalInverseGamma()).fit([3.0, 3.0])
    assert 0.0 < fitted.std < 1e-13
    random = np.random.default_rng(11)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = random.normal(size=(3, 5))
        fitted = MultivariateNormal(prior=NormalInverseWishart()).fit(x)
        x[:, 1] = 2 * x[:, 0]
        plane = MultivariateNormal(prior=NormalInverseWishart()).fit(x)
    for one in (fitted, plane):
        scale = np.array(one.prior.scale)
        assert (scale == np.diag(np.diagonal(scale))).all()
        assert np.linalg.eigvalsh(one.covariance)[0] > 0
    for X, family in (([1e200, 2e200], Normal), ([[1e-200], [2e-200]], MultivariateNormal)):
        prior = NormalInverseGamma() if family is Normal else NormalInverseWishart()
        with pytest.raises(DataError, match=r"column 0: values to 2e.200 have (co)?variances that are no float64"):
            family(prior=prior).fit(X)


def test_an_open_prior_says_nothing_of_rows_and_stops_what_would_not_fill_it_in():
    open_one = Normal(0.0, 1.0, prior=NormalInverseGamma())
    assert open_one.log_prob([0.0]) == Normal(0.0, 1.0).log_prob([0.0])
    with pytest.raises(NotFittedError, match="the prior is known once a fit"):
        open_one.log_prior()
    block = MultivariateNormal([0.0], [[1.0]], prior=NormalInverseWishart())
    assert block.log_prob([[0.0]]) == Normal(0.0, 1.0).log_prob([0.0])
    with pytest.raises(ParameterError, match="must have values for all its arguments here"):
        LocationScale(open_one, 1.0).fit([1.0, 2.0])


# --- mixtures ---


def objective(model, x, weights):
    """What EM raises, of a fitted model: the mean log-likelihood with the log-priors over the sum of weights."""
    prior = sum(component.log_prior() for component in model.components_)
    return (weights @ model.score_samples(x) + prior) / weights.sum()


COMPONENTS = {
    "Normal": [Normal(k, 1.0, prior=NormalInverseGamma(0.0, 0.1, 2.0, 0.5)) for k in (0.0, 3.0)],
    "tied": [Tied(Normal(k, 1.0, prior=NormalInverseGamma(0.0, 0.1, 2.0, 0.5)), "std") for k in (0.0, 3.0)],
    "one mean": [Tied(Normal(1.0, k, prior=NormalInverseGamma(0.0, 0.1, 2.0, 0.5)), "mean") for k in (0.3, 3.0)],
    "one of two": [Normal(0.0, 1.0), Normal(3.0, 1.0, prior=NormalInverseGamma(0.0, 0.1, 2.0, 0.5))],
    "LogNormal": [LogNormal(k, 1.0, prior=NormalInverseGamma(0.0, 0.1, 2.0, 0.5)) for k in (0.0, 1.0)],
    "Gamma": [Gamma(1.0, k, prior=Gamma(3.0, 1.0)) for k in (0.2, 3.0)],
    "InverseGamma": [InverseGamma(1.0, k, prior=Gamma(3.0, 1.0)) for k in (0.2, 3.0)],
    "Exponential": [Exponential(k, prior=Gamma(3.0, 1.0)) for k in (0.2, 3.0)],
    "Poisson": [Poisson(k, prior=Gamma(3.0, 1.0)) for k in (0.2, 3.0)],
    "tied Poisson": [
        Product(Tied(Poisson(2.0, prior=Gamma(3.0, 1.0)), "rate")),
        Product(Tied(Poisson(2.0, prior=Gamma(3.0, 1.0)), "rate")),
    ],
    "Geometric": [LocationScale(Geometric(k, prior=Beta(3.0, 2.0)), -1) for k in (0.2, 0.8)],
    "Binomial": [Binomial(9, k, prior=Beta(3.0, 2.0)) for k in (0.1, 0.6)],
    "Rayleigh": [Rayleigh(k, prior=InverseGamma(3.0, 2.0)) for k in (0.5, 2.0)],
    "HalfNormal": [HalfNormal(k, prior=InverseGamma(3.0, 2.0)) for k in (0.5, 2.0)],
    "Categorical": [Categorical(p, range(3), prior=Dirichlet((2.0, 3.0, 1.5))) for p in ((0.2, 0.3, 0.5), (0.5, 0.4, 0.1))],
    "pseudo-count": [Categorical(p, range(3), pseudo_count=2.5) for p in ((0.2, 0.3, 0.4), (0.5, 0.3, 0.1))],
    "zero-inflated": [ZeroInflated(Poisson(k, prior=Gamma(3.0, 1.0)), 0.2) for k in (0.2, 3.0)],
    "moved": [LocationScale(Exponential(k, prior=Gamma(3.0, 1.0)), -1.0, 2.0) for k in (0.2, 3.0)],
    "frozen": [Frozen(Normal(k, 1.0, prior=NormalInverseGamma(0.0, 0.1, 2.0, 0.5)), "mean") for k in (0.0, 3.0)],
}
COUNTS = ("Poisson", "tied Poisson", "Geometric", "Binomial", "zero-inflated", "Categorical", "pseudo-count")


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_objective_of_a_mixture_never_falls(name):
    random = np.random.default_rng(12)
    x = np.abs(np.concatenate([random.normal(0.0, 1.0, 60), random.normal(4.0, 1.0, 40)])) + 0.01
    if name in COUNTS:
        x = np.floor(x) if name not in ("Categorical", "pseudo-count") else np.floor(x) % 3
    weights = random.uniform(0.2, 3.0, 100)
    found = []
    for n_iter in (1, 2, 3, 10, 40):
        model = GeneralMixtureModel(COMPONENTS[name], tol=0, max_iter=n_iter).fit(x[:, None], sample_weight=weights)
        found.append(
            objective(model, x[:, None], weights) if not name.startswith("tied") and name != "one mean" else model.history_[-1]
        )
        assert model.history_[-1] == pytest.approx(found[-1], rel=1e-11)
    assert_never_falls(np.array(found))
    assert_never_falls(model.history_)


@pytest.mark.filterwarnings("ignore:components .* have no rows left:mixtures.exceptions.DegenerateWarning")
@pytest.mark.parametrize("kind", ["full", "diagonal", "spherical"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_objective_of_a_mixture_of_blocks_never_falls(kind, tied, missing):
    random = np.random.default_rng(13)
    x = np.concatenate([random.normal(0.0, 1.0, (12, 3)), random.normal(3.0, 1.0, (9, 3))])
    x[random.uniform(size=x.shape) < missing] = np.nan
    scale = {"full": np.eye(3), "diagonal": (1.0, 2.0, 0.5), "spherical": 1.0}[kind]
    prior = NormalInverseWishart((0.0, 1.0, 0.0), 0.1, 5.0, scale)
    start = [MultivariateNormal([k] * 3, scale, kind=kind, tied=tied, prior=prior) for k in (0.0, 1.0, 3.0, 4.0)]
    model = GeneralMixtureModel(start, tol=0, max_iter=60).fit(x)
    assert_never_falls(model.history_)
    if not tied:
        assert model.history_[-1] == pytest.approx(objective(model, x, np.ones(len(x))), rel=1e-11)


def test_a_prior_keeps_components_from_single_rows():
    random = np.random.default_rng(14)
    x = np.concatenate([random.normal(size=40), [9.0]])
    start = [(-1.0, 1.0), (1.0, 1.0), (9.0, 1.0)]
    with pytest.warns(DegenerateWarning):
        GeneralMixtureModel([Normal(*one) for one in start], max_iter=300, tol=1e-3).fit(x)
    prior = NormalInverseGamma()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="components .* have no rows left")
        model = GeneralMixtureModel([Normal(*one, prior=prior) for one in start], max_iter=3000).fit(x)
    assert min(component.std for component in model.components_) > 0.05
    assert {component.prior.shape for component in model.components_} == {1.5}
    assert model.components_[0].prior.scale == pytest.approx(0.5 * x.var() / 9, rel=1e-12)


def test_starts_are_found_under_open_priors():
    random = np.random.default_rng(15)
    x = np.concatenate([random.normal(-4.0, 1.0, (60, 2)), random.normal(4.0, 1.0, (40, 2))])
    for component in (MultivariateNormal(prior=NormalInverseWishart()), Product(*[Normal(prior=NormalInverseGamma())] * 2)):
        model = GeneralMixtureModel(component, 2, random_state=0).fit(x)
        assert sorted(np.bincount(model.labels_)) == [40, 60]
        assert model.history_[-1] == pytest.approx(objective(model, x, np.ones(len(x))), rel=1e-9)
        assert_never_falls(model.history_)


# --- refusals ---


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bernoulli(prior=Beta(0.5, 2.0)), "Bernoulli: alpha of the prior must be >= 1"),
        (lambda: Geometric(prior=Beta(2.0, 0.5)), "Geometric: beta of the prior must be >= 1"),
        (lambda: Poisson(prior=Gamma(0.5, 2.0)), "Poisson: shape of the prior must be >= 1"),
        (lambda: Categorical(prior=Dirichlet((0.5, 2.0))), "Categorical: concentration of the prior must be >= 1"),
        (lambda: Poisson(prior=Gamma(2.0)), "Poisson: prior must be a Gamma with all its parameters"),
        (lambda: Poisson(prior=Beta(2.0, 2.0)), "Poisson: prior must be a Gamma, found Beta"),
        (lambda: Normal(prior=2.0), "Normal: prior must be a NormalInverseGamma, found 2.0"),
        (lambda: Categorical(prior=Dirichlet((2.0, 2.0)), pseudo_count=1.0), "found both"),
        (lambda: Categorical(categories="abc", prior=Dirichlet((2.0, 2.0))), "one concentration a category"),
        (lambda: Categorical(prior=Dirichlet((2.0, 2.0))).fit(["a", "b", "c"]), "one concentration a category"),
        (lambda: Multinomial(prior=Dirichlet((2.0, 2.0))).fit(np.eye(3)), "expected a prior of 3 concentrations"),
        (lambda: NormalInverseGamma(mean_weight=0.0), "mean_weight must be finite and > 0"),
        (lambda: NormalInverseGamma(scale=-1.0), "scale must be finite and > 0"),
        (lambda: NormalInverseWishart(scale=((1.0, 2.0), (2.0, 1.0))), "positive definite"),
        (lambda: MultivariateNormal(prior=NormalInverseWishart(scale=1.0)), "scale must be a matrix"),
        (lambda: MultivariateNormal(kind="spherical", prior=NormalInverseWishart(scale=(1.0, 1.0))), "scale must be one number"),
        (
            lambda: MultivariateNormal(prior=NormalInverseWishart(degrees_of_freedom=0.5)).fit(np.eye(2)),
            "degrees_of_freedom must be > 1",
        ),
        (lambda: MultivariateNormal(prior=NormalInverseWishart(mean=(0.0,))).fit(np.eye(2)), "must be of 2 columns"),
        (lambda: Truncated(Normal(prior=NormalInverseGamma()), 0.0), "base must have no prior"),
    ],
)
def test_what_is_no_prior_is_refused(make, words):
    with pytest.raises(ParameterError, match=words):
        make()


def test_categories_under_a_prior_keep_their_concentrations_in_any_order():
    prior = Dirichlet((1.0, 2.0, 30.0))
    fitted = Categorical(categories=("c", "a", "b"), prior=prior).fit(["a", "a", "b"])
    assert dict(zip(fitted.categories, fitted.probabilities, strict=True)) == pytest.approx({"c": 0.0, "a": 3 / 33, "b": 30 / 33})
    together = [
        Categorical((0.2, 0.3, 0.5), ("c", "a", "b"), prior=prior),
        Categorical((0.3, 0.3, 0.4), ("a", "b", "c")),
    ]
    model = GeneralMixtureModel(together, max_iter=3, tol=0).fit(np.array(list("abcaabbcabca"), dtype=object)[:, None])
    first = model.components_[0]
    assert dict(zip(first.categories, first.prior.concentration, strict=True)) == {"c": 1.0, "a": 2.0, "b": 30.0}
    others = [Categorical((0.5, 0.5), "ab", prior=Dirichlet((2.0, 2.0))), Categorical((0.5, 0.5), "bc")]
    with pytest.raises(ParameterError, match="give every component all of them"):
        GeneralMixtureModel(others).fit(np.array(["a", "b", "c"], dtype=object)[:, None])


def test_a_pseudo_count_gives_categories_of_other_components_their_cells():
    one, other = Categorical((0.3, 0.3), "ab", pseudo_count=1.0), Categorical((0.3, 0.3), "bc", pseudo_count=1.0)
    model = GeneralMixtureModel([one, other], tol=0, max_iter=5).fit(np.array(list("aabccb"), dtype=object)[:, None])
    assert np.isfinite(model.history_).all()
    assert_never_falls(model.history_)
