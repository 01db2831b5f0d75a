"""Families of scipy.stats as components: their face, their fits against scipy's own, and what is refused."""

import copy
import pickle

import numpy as np
import pytest
import scipy.stats
from scipy.stats import burr12, rv_continuous

from mixtures import GeneralMixtureModel
from mixtures.distributions import Exponential, Gamma, Normal, Poisson, Product, ScipyDistribution
from mixtures.exceptions import DataError, DegenerateWarning, FitError, NotFittedError, ParameterError
from mixtures.testing import check_distribution


class Bump(rv_continuous):
    """A user's family, which declares neither the domain of its shape nor a start: f(x) = (1 + c) x^c on (0, 1)."""

    def _pdf(self, x, c):
        return (1.0 + c) * x**c

    def _cdf(self, x, c):
        return x ** (1.0 + c)

    def _argcheck(self, c):
        return c > -1


bump = Bump(a=0.0, b=1.0, name="bump", shapes="c")

INSTANCES = [
    ScipyDistribution(scipy.stats.norm, loc=1.0, scale=2.0),
    ScipyDistribution(burr12, c=2.0, d=1.5, scale=3.0, fixed={"loc": 0.0}),
    ScipyDistribution(scipy.stats.gamma, a=2.0, scale=1000.0, fixed={"loc": 0.0}),
    ScipyDistribution(scipy.stats.t, df=5.0, loc=-3.0, scale=0.1),
    ScipyDistribution(scipy.stats.skewnorm, a=3.0, loc=1.0, scale=2.0),
    ScipyDistribution(scipy.stats.invgauss, mu=0.5, scale=1.0, loc=2.0, fixed=["loc"]),
    ScipyDistribution(scipy.stats.beta, a=2.0, b=3.0, fixed={"loc": 0.0, "scale": 1.0}),
    ScipyDistribution(scipy.stats.nbinom, p=0.3, fixed={"n": 5}),
    ScipyDistribution(scipy.stats.geom, p=0.3, loc=-2),
    ScipyDistribution(scipy.stats.hypergeom, fixed={"M": 30, "n": 12, "N": 10}),
]


@pytest.mark.parametrize("distribution", INSTANCES, ids=repr)
def test_families_of_scipy_obey_the_laws(distribution):
    check_distribution(distribution)


@pytest.mark.parametrize(
    ("family", "start", "fixed"),
    [
        (scipy.stats.norm, {}, {}),
        (scipy.stats.gamma, {}, {"loc": 0.0}),
        (scipy.stats.lognorm, {}, {"loc": 0.0}),
        (scipy.stats.weibull_min, {}, {"loc": 0.0}),
        (scipy.stats.genextreme, {}, {}),
        (scipy.stats.expon, {}, {"loc": 0.0}),
        (scipy.stats.nakagami, {}, {"loc": 0.0}),
        (scipy.stats.johnsonsu, {}, {}),
        (scipy.stats.vonmises, {}, {"loc": 0.0, "scale": 1.0}),
        (scipy.stats.powerlaw, {}, {"loc": 0.0, "scale": 1.0}),
        (scipy.stats.pareto, {}, {"loc": 0.0, "scale": 1.0}),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_fit_without_a_start_is_at_least_as_likely_as_the_truth_and_as_scipys_own(family, start, fixed):
    truth = {"a": 2.5, "c": 0.8, "s": 0.7, "nu": 1.5, "b": 1.7, "kappa": 2.0}
    shapes = [truth[name.strip()] for name in family.shapes.split(",")] if family.shapes else []
    x = family.rvs(*shapes, size=400, random_state=np.random.default_rng(8))
    fitted = ScipyDistribution(family, fixed=fixed).fit(x)
    found = fitted.log_prob(x).sum()
    assert found > family.logpdf(x, *shapes).sum()
    theirs = family.fit(x, *shapes, **{f"f{name}": value for name, value in fixed.items()})
    assert found > family.logpdf(x, *theirs).sum() - 1e-6


def test_discrete_families_are_fitted():
    x = scipy.stats.zipf.rvs(2.5, size=500, random_state=3)
    fitted = ScipyDistribution(scipy.stats.zipf).fit(x)
    assert fitted.fixed == {"loc": 0}
    # The score of Zipf's law: the mean logarithm is that of the family.
    h = 1e-6
    slope = scipy.stats.zipf.logpmf(x, fitted.a + h).sum() - scipy.stats.zipf.logpmf(x, fitted.a - h).sum()
    assert abs(slope / (2 * h)) < 1e-4
    assert ScipyDistribution(scipy.stats.poisson).fit(x).mu == pytest.approx(x.mean(), rel=1e-9)
    assert ScipyDistribution(scipy.stats.binom, fixed={"n": 3}).fit([0, 1, 3, 2]).p == pytest.approx(0.5, rel=1e-9)


def test_a_mixture_of_scipys_families_takes_the_steps_of_the_built_in_ones():
    random = np.random.default_rng(2)
    x = np.concatenate([random.gamma(2.0, 1.0, 300), random.normal(12.0, 1.5, 200)])
    weights = random.exponential(1.0, 500)
    x[::9] = np.nan
    settings = {"weights": [0.5, 0.5], "tol": 0, "max_iter": 15}
    scipys = GeneralMixtureModel(
        [
            ScipyDistribution(scipy.stats.gamma, a=1.0, scale=2.0, fixed={"loc": 0.0}),
            ScipyDistribution(scipy.stats.norm, loc=10.0, scale=3.0),
        ],
        **settings,
    ).fit(x, sample_weight=weights)
    ours = GeneralMixtureModel([Gamma(1.0, 0.5), Normal(10.0, 3.0)], **settings).fit(x, sample_weight=weights)
    np.testing.assert_allclose(scipys.history_, ours.history_, rtol=1e-10)
    assert scipys.components_[0].a == pytest.approx(ours.components_[0].shape, rel=1e-6)
    assert scipys.components_[1].loc == pytest.approx(ours.components_[1].mean, rel=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_likelihood_of_a_mixture_never_falls(seed):
    random = np.random.default_rng(seed)
    x = np.concatenate([scipy.stats.burr12.rvs(3.0, 1.2, scale=2.0, size=300, random_state=random), random.normal(15.0, 2.0, 300)])
    start = [ScipyDistribution(burr12, c=2.0, d=1.0, scale=1.0, fixed={"loc": 0.0}), Normal(12.0, 4.0)]
    model = GeneralMixtureModel(start, tol=0, max_iter=25)
    history = model.fit(np.abs(x)).history_
    assert np.diff(history).min() > -1e-13
    assert history[-1] > history[0]


def test_a_frozen_distribution_is_a_component():
    x = np.random.default_rng(4).normal(3.0, 2.0, 300)
    model = GeneralMixtureModel([scipy.stats.norm(1.0, 1.0)]).fit(x)
    assert isinstance(model.components_[0], ScipyDistribution)
    assert model.components_[0].loc == pytest.approx(x.mean(), rel=1e-8)
    factors = Product(
        scipy.stats.gamma(2.0), scipy.stats.beta(2.0, 3.0), scipy.stats.binom(7, 0.4), scipy.stats.genpareto(0.2)
    ).factors
    assert factors[0] == ScipyDistribution(scipy.stats.gamma, a=2.0, scale=1.0, fixed={"loc": 0.0})
    assert factors[1] == ScipyDistribution(scipy.stats.beta, a=2.0, b=3.0, fixed={"loc": 0.0, "scale": 1.0})
    assert factors[2] == ScipyDistribution(scipy.stats.binom, p=0.4, fixed={"n": 7})
    assert factors[3] == ScipyDistribution(scipy.stats.genpareto, c=0.2, scale=1.0, fixed={"loc": 0.0})
    several = GeneralMixtureModel(scipy.stats.norm(0.0, 1.0), n_components=2, random_state=0).fit(np.concatenate([x, x + 30]))
    assert abs(several.components_[0].loc - several.components_[1].loc) == pytest.approx(30, rel=1e-6)


def test_a_product_with_scipys_factors():
    random = np.random.default_rng(5)
    table = np.column_stack([random.gumbel(2.0, 1.0, 200), random.poisson(3.0, 200)])
    fitted = GeneralMixtureModel(Product(scipy.stats.gumbel_r(0.0, 1.0), Poisson()), n_components=1).fit(table).components_[0]
    loc, scale = scipy.stats.gumbel_r.fit(table[:, 0])
    assert fitted.factors[0].loc == pytest.approx(loc, abs=1e-4)
    assert fitted.factors[0].scale == pytest.approx(scale, abs=1e-4)


def test_a_users_family_of_scipys_kind():
    distribution = ScipyDistribution(bump, c=2.0, fixed={"loc": 0.0, "scale": 1.0})
    assert distribution.parameters["c"].low == -1.0
    x = distribution.sample(300, random_state=0)[:, 0]
    assert distribution.fit(x).c == pytest.approx(-1.0 - 1.0 / np.log(x).mean(), rel=1e-8)
    assert copy.deepcopy(distribution) == distribution


@pytest.mark.parametrize("distribution", INSTANCES, ids=repr)
def test_a_fit_from_what_was_found_stays(distribution):
    x = distribution.sample(200, random_state=1)
    once = distribution.fit(x)
    again = once.fit(x)
    np.testing.assert_allclose(again.log_prob(x), once.log_prob(x), rtol=1e-8)
    assert again.log_prob(x).sum() >= once.log_prob(x).sum()


def test_the_object():
    distribution = ScipyDistribution(burr12, c=2.0, fixed={"loc": 0.0})
    assert repr(distribution) == "ScipyDistribution(scipy.stats.burr12, c=2.0, fixed={'loc': 0.0})"
    assert not distribution.is_complete
    assert distribution.n_parameters == 3
    with pytest.raises(NotFittedError, match="no value for d, scale"):
        distribution.log_prob([1.0])
    assert pickle.loads(pickle.dumps(distribution)) == distribution
    assert distribution != ScipyDistribution(burr12, c=2.0)
    assert distribution != ScipyDistribution(scipy.stats.burr, c=2.0, fixed={"loc": 0.0})
    complete = ScipyDistribution(scipy.stats.uniform, loc=1.0, scale=2.0)
    assert (complete.support.low, complete.support.high) == (1.0, 3.0)
    assert complete.mean == 2.0
    assert complete.variance == pytest.approx(1 / 3)
    np.testing.assert_array_equal(complete.log_prob([0.5, 2.0, np.nan, np.inf]), [-np.inf, -np.log(2.0), 0.0, -np.inf])
    np.testing.assert_allclose(complete.cdf(complete.quantile([0.1, 0.9])), [0.1, 0.9])
    assert complete.to_scipy().interval(1.0) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ScipyDistribution(scipy.stats.norm(0, 1)), "found one with parameters"),
        (lambda: ScipyDistribution("norm"), "expected a family of scipy.stats"),
        (lambda: ScipyDistribution(scipy.stats.norm, mean=1.0), "expected parameters among loc, scale, found 'mean'"),
        (lambda: ScipyDistribution(scipy.stats.norm, scale=-1.0), "scale must be finite and > 0, found -1.0"),
        (lambda: ScipyDistribution(scipy.stats.binom, p=0.5), r"n is a whole number, .* hold it, fixed=\{'n'"),
        (lambda: ScipyDistribution(scipy.stats.binom, p=0.5, fixed={"n": 2.5}), "n must be whole"),
        (lambda: ScipyDistribution(scipy.stats.norm, fixed=["loc"]), "loc is held and must have one value"),
        (lambda: ScipyDistribution(scipy.stats.norm, loc=1.0, fixed={"loc": 2.0}), "loc is held and must have one value"),
        (lambda: ScipyDistribution(scipy.stats.truncnorm, a=2.0, b=1.0), "refuses these shapes together"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(ParameterError, match=words):
        make()


def test_values_that_no_fit_could_reach_are_named():
    gamma = ScipyDistribution(scipy.stats.gamma, fixed={"loc": 0.0})
    with pytest.raises(DataError, match=r"ScipyDistribution on column 0: values must be finite and >= 0, row 1 has -2"):
        gamma.fit([1.0, -2.0])
    with pytest.raises(DataError, match=r"row 1 has 2\.5"):
        ScipyDistribution(scipy.stats.poisson).fit([1.0, 2.5])
    with pytest.raises(DataError, match="only missing cells"):
        gamma.fit([np.nan, np.nan])
    # Another component may allow them.
    x = np.concatenate([np.random.default_rng(0).normal(-20, 1, 100), np.random.default_rng(1).gamma(2, 1, 100)])
    model = GeneralMixtureModel([gamma, Normal()], random_state=0).fit(x)
    assert model.components_[1].mean == pytest.approx(-20, abs=1)


def test_ends_of_what_the_data_tell():
    with pytest.warns(DegenerateWarning, match="no maximum in scale"):
        fitted = ScipyDistribution(scipy.stats.norm).fit([3.0, 3.0, 3.0])
    assert 0 < fitted.scale < 1e-13
    with pytest.raises(FitError, match=r"scipy.stats.gamma\): the likelihood has no maximum"):
        # Below 1 the shape puts a pole at loc, and loc on the first row.
        ScipyDistribution(scipy.stats.gamma).fit(np.random.default_rng(1).gamma(0.3, 1.0, 50))
    uniform = ScipyDistribution(scipy.stats.uniform).fit([1.0, 4.0, 2.0])
    assert uniform.loc == pytest.approx(1.0, abs=1e-6)
    assert uniform.loc + uniform.scale == pytest.approx(4.0, abs=1e-6)
    shifted = ScipyDistribution(scipy.stats.expon).fit([1.0, 4.0, 2.0])
    assert shifted.loc == pytest.approx(1.0, abs=1e-6)
    assert Exponential().fit([1.0, 4.0, 2.0]).mean > shifted.scale
