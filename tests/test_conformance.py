"""Every family that the package holds, found by walking it, obeys the laws; so do products and distributions of users."""

import importlib
import pkgutil
from itertools import count

import numpy as np
import pytest
from scipy.stats import rayleigh

import mixtures.distributions
from mixtures import jit, jit_sums
from mixtures.constraints import positive
from mixtures.distributions import (
    Bernoulli,
    Bounded,
    Categorical,
    Exponential,
    Family,
    Gamma,
    Kernels,
    LocationScale,
    Normal,
    Poisson,
    Product,
    Tied,
    ZeroInflated,
)
from mixtures.distributions.wrapped import Wrapped
from mixtures.testing import check_distribution
from mixtures.testing.cases import examples

FAMILY_MODULES = sorted(module.name for module in pkgutil.iter_modules(mixtures.distributions.__path__))


def families():
    """Every class of the package's distributions that derives from Family."""
    found = []
    for name in FAMILY_MODULES:
        module = importlib.import_module(f"mixtures.distributions.{name}")
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Family)
            and value.__module__ == module.__name__
            # what is made of another distribution has instances of its own, below
            and value is not Family
            and not issubclass(value, Wrapped)
        ]
    return found


def instances(family):
    """As many members as the longest list of examples of a parameter's constraint; shorter lists start again."""
    choices = {name: examples(constraint) for name, constraint in (family.arguments | family.parameters).items()}
    for i in range(max(map(len, choices.values()))):
        # Shifted by a place per parameter, so that lists of one length don't always meet at the same places.
        yield family(**{name: values[(i + place) % len(values)] for place, (name, values) in zip(count(), choices.items())})


@pytest.mark.parametrize("distribution", [member for family in families() for member in instances(family)], ids=repr)
def test_every_family_obeys_the_laws(distribution):
    check_distribution(distribution)


def test_all_families_are_found_and_public():
    assert {family.__name__ for family in families()} >= {"Normal", "Exponential", "Poisson", "Bernoulli", "Categorical"}
    assert {family.__name__ for family in families()} < set(mixtures.distributions.__all__)


@pytest.mark.parametrize(
    "distribution",
    [
        Categorical((0.25, 0.5, 0.25), ("a", "b", "c")),
        Categorical((0.2, 0.3, 0.4), ("a", "b", "c"), pseudo_count=1.5),
        Categorical((0.5, 0.5), (("a", 1), frozenset({2}))),
    ],
    ids=repr,
)
def test_categories_of_any_hashable_type_obey_the_laws(distribution):
    check_distribution(distribution)


class Laplace:
    """What a user writes: f(x) = exp(-|x - place| / scale) / (2 scale), with nothing but log_prob and fit."""

    def __init__(self, place=0.0, scale=1.0):
        self.place = place
        self.scale = scale

    def log_prob(self, X):
        return -np.abs(X[:, 0] - self.place) / self.scale - np.log(2 * self.scale)

    def fit(self, X, sample_weight=None):
        x = X[:, 0]
        weight = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight)
        order = np.argsort(x)
        half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
        place = x[order[half]]
        scale = weight @ np.abs(x - place) / weight.sum()
        return Laplace(place, max(scale, 1e-15 * max(1e-285, abs(place))))


class Correlated:
    """A user's distribution of two columns with a sampler: a Gaussian with a full covariance."""

    def __init__(self, mean, covariance):
        self.mean = np.asarray(mean, dtype=float)
        self.covariance = np.asarray(covariance, dtype=float)

    def log_prob(self, X):
        centred = np.asarray(X, dtype=float) - self.mean
        _, log_determinant = np.linalg.slogdet(2 * np.pi * self.covariance)
        return -0.5 * (np.einsum("ij,ij->i", centred @ np.linalg.pinv(self.covariance), centred) + log_determinant)

    def fit(self, X, sample_weight=None):
        X = np.asarray(X, dtype=float)
        mean = np.average(X, axis=0, weights=sample_weight)
        covariance = np.cov(X.T, aweights=sample_weight, bias=True)
        if np.linalg.matrix_rank(covariance) < 2 or not np.isfinite(covariance).all():
            raise ValueError("the rows lie on a line")
        return Correlated(mean, covariance)

    def sample(self, n=1, random_state=None):
        return np.random.default_rng(random_state).multivariate_normal(self.mean, self.covariance, size=n)


@jit
def _rayleigh_prepare(parameters):
    for k in range(parameters.shape[0]):
        parameters[k, 1] = -2.0 * np.log(parameters[k, 0]) - parameters[k, 2]


@jit
def _rayleigh_log_prob(parameters, x, out):
    for k in range(out.shape[0]):
        for i in range(out.shape[1]):
            t = x[0, i] / parameters[k, 0]
            out[k, i] += np.log(x[0, i]) + parameters[k, 1] - 0.5 * t * t if 0.0 < x[0, i] < np.inf else -np.inf


@jit_sums
def _rayleigh_accumulate(parameters, x, responsibilities, statistics):
    for k in range(responsibilities.shape[0]):
        for i in range(x.shape[1]):
            statistics[k, 1] += responsibilities[k, i] * x[0, i] * x[0, i]


@jit
def _rayleigh_maximize(statistics, parameters):
    for k in range(parameters.shape[0]):
        if statistics[k, 0] > 0.0:
            parameters[k, 0] = np.sqrt(statistics[k, 1] / (2.0 * statistics[k, 0]))
    return 0


class Rayleigh(Family):
    """A user's family with kernels of its own: f(x) = x / scale^2 exp(-x^2 / (2 scale^2)), x > 0; scale^2 = sum w x^2 / 2 sum w."""

    parameters = {"scale": positive}
    support = positive
    kernels = Kernels(_rayleigh_prepare, _rayleigh_log_prob, _rayleigh_accumulate, _rayleigh_maximize)
    uses_unit = True

    def __init__(self, scale=None):
        super().__init__(scale=scale)

    def to_scipy(self):
        return rayleigh(scale=self.scale)

    def _layout(self, column):
        return 3, 2

    def _pack(self, column):
        return self.scale / column.unit, 0.0, np.log(column.unit)

    def _unpack(self, row, column):
        return Rayleigh(row[0] * column.unit)

    def _start(self, column):
        return Rayleigh(column.upper)


@pytest.mark.parametrize(
    "distribution", [Laplace(1.0, 2.0), Laplace(-1e6, 1e-2), Laplace(0.0, 1e6)], ids=lambda d: f"{d.place}, {d.scale}"
)
def test_a_users_class_with_nothing_but_log_prob_and_fit_obeys_the_laws(distribution):
    check_distribution(distribution)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_a_users_family_with_kernels_of_its_own_obeys_the_laws(scale):
    check_distribution(Rayleigh(scale))


PRODUCTS = {
    "one factor": Product(Normal(3.0, 0.5)),
    "by position": Product(Normal(1.0, 2.0), Poisson(3.0), Exponential(0.5)),
    "by position, out of order": Product({1: Poisson(3.0), 0: Normal(-1.0, 2.0)}),
    "with an interleaved block": Product({(0, 2): Correlated([1.0, 2.0], [[2.0, 1.2], [1.2, 1.0]]), 1: Normal(9.0, 1.0)}),
    "many columns of one family": Product(*(Normal(10.0 * j, 1.0 + j) for j in range(6))),
    "by name": Product(age=Normal(40.0, 12.0), visits=Poisson(1.5), smoker=Bernoulli(0.3)),
    "with categories": Product(Normal(0.0, 1.0), Categorical((0.2, 0.8), ("x", "y"))),
    "by name, with categories": Product({"bill length": Normal(40.0, 5.0), "island": Categorical((0.2, 0.8), ("Dream", "Biscoe"))}),
    "with a user's class": Product(Normal(0.0, 1.0), Rayleigh(2.0)),
    "with a block": Product({(0, 1): Correlated([1.0, 2.0], [[2.0, 1.2], [1.2, 1.0]]), 2: Poisson(2.0)}),
    "with a named block": Product(
        {("height", "weight"): Correlated([1.0, 2.0], [[2.0, 1.2], [1.2, 1.0]]), "smoker": Bernoulli(0.4)}
    ),
}


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS.keys())
def test_products_obey_the_laws(product):
    check_distribution(product)


WRAPPED = [
    LocationScale(Gamma(2.0, 1.0), 30.0, 3.0),
    LocationScale(Normal(1.0, 2.0), 1e6, 1e-3),
    LocationScale(Poisson(3.0), -1),
    LocationScale(Exponential(2.0), -5, 0.5),
    LocationScale(ZeroInflated(Poisson(3.0), 0.25), 10),
    ZeroInflated(Poisson(2.0), 0.3),
    ZeroInflated(Poisson(9.0), 0.05),
    ZeroInflated(Poisson(0.5), 0.9),
    ZeroInflated(LocationScale(Poisson(1.0), 1), 0.4),
    Tied(Gamma(2.0, 1.0), "shape"),
    Bounded(Normal(1.0, 2.0), std=(0.1, None)),
    Bounded(Gamma(2.0, 1.0), shape=(None, 2.0)),
    Bounded(Poisson(3.0), rate=(3.0, 20.0)),
    Product(ZeroInflated(Poisson(2.0), 0.3), LocationScale(Gamma(2.0, 1.0), 30.0), Normal(0.0, 1.0)),
]


@pytest.mark.parametrize("distribution", WRAPPED, ids=repr)
def test_distributions_made_of_others_obey_the_laws(distribution):
    check_distribution(distribution)


def test_rows_are_asked_for_where_they_cannot_be_drawn():
    class Unsampled(Correlated):
        n_features = 2
        sample = property()  # hides the parent's

    with pytest.raises(ValueError, match="give rows X"):
        check_distribution(Unsampled([0.0, 0.0], np.eye(2)))
    check_distribution(Correlated([0.0, 0.0], np.eye(2)), np.random.default_rng(0).normal(size=(300, 2)))
