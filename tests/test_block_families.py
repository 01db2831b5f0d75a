"""Families over several columns against oracles of their own, as :mod:`test_families` has it for those of one column.

An oracle is a file in ``tests/oracles/blocks`` with FAMILY, GRID, FITTED, MIXED and STARTED as there;
``rows(distribution, random)`` over the whole support, ``log_density(row, *parameters)`` in mpmath and ``size``, what its error is
relative to; ``point``, free coordinates of a distribution's parameters for an optimiser, and ``at``, the distribution at such a
point.
"""

import importlib.util
import time
import warnings
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import digamma

from mixtures import GeneralMixtureModel
from mixtures.assembly import Assembly
from mixtures.distributions import Dirichlet, DirichletMultinomial, Multinomial, Normal, Poisson, Product, VonMisesFisher
from mixtures.engine.bessel import bessel_i_ratio
from mixtures.exceptions import DataError, DegenerateWarning
from mixtures.parts import take_apart
from mixtures.table import Table
from mixtures.testing import check_distribution

TOLERANCE = 1e-13
ORACLES = sorted((Path(__file__).parent / "oracles" / "blocks").glob("*.py"))


def load(path):
    """The oracle in a file."""
    spec = importlib.util.spec_from_file_location(f"oracle_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exact(value):
    """A parameter in mpmath."""
    return [mpmath.mpf(float(x)) for x in value] if np.ndim(value) else mpmath.mpf(float(value))


def draw(oracle, distribution, n, random):
    """Rows to fit: those of the oracle where a sample leaves something open, a row's total, say."""
    return oracle.draw(distribution, n, random) if hasattr(oracle, "draw") else distribution.sample(n, random)


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_log_densities_agree_with_many_digits(path, family_table):
    oracle = load(path)
    worst, where = 0.0, None
    with mpmath.workdps(60):
        for parameters in oracle.GRID:
            distribution = oracle.FAMILY(*parameters)
            exactly = [exact(value) for value in parameters]
            rows = np.asarray(oracle.rows(distribution, np.random.default_rng(3)), dtype=float)
            for row, found in zip(rows, distribution.log_prob(rows), strict=True):
                expected = oracle.log_density(exact(row), *exactly)
                if expected == -mpmath.inf:
                    assert found == -np.inf
                    continue
                error = float(abs(mpmath.mpf(float(found)) - expected) / (oracle.size(exact(row), *exactly) or 1))
                if not error <= worst:
                    worst, where = error, f"{distribution!r} at {row!r}: found {found!r}, expected {mpmath.nstr(expected, 20)}"
    family_table[path.stem]["log_prob"] = worst
    assert worst < TOLERANCE, where


def missed(oracle, fitted, x, weights):
    """By how much an optimiser, from beside a fit, finds a larger mean log-likelihood, relative to its size."""

    def loss(point):
        try:
            found = weights @ oracle.at(point, fitted).log_prob(x) / weights.sum()
        except ValueError:  # beyond what a parameter can be
            return 1e300
        return -found if np.isfinite(found) else 1e300

    start = oracle.point(fitted)
    best = loss(start)
    options = {"xatol": 1e-9, "fatol": 1e-15, "maxiter": 3000}
    found = [
        minimize(loss, start + shift * (1 + abs(start) / 100), method="Nelder-Mead", options=options).fun
        for shift in (0.0, 0.03, -0.1)
    ]
    return float((best - min(found)) / (1 + abs(best)))


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_weighted_fits_are_maxima(path, family_table):
    oracle = load(path)
    worst = 0.0
    for parameters in oracle.FITTED:
        truth = oracle.FAMILY(*parameters)
        random = np.random.default_rng(5)
        x, weights = draw(oracle, truth, 300, random), random.uniform(0.0, 3.0, 300)
        worst = max(worst, missed(oracle, oracle.FAMILY().fit(x, sample_weight=weights), x, weights))
    family_table[path.stem]["fit"] = worst
    # The mean log-likelihood is flat to rounding about its maximum.
    assert worst < 1e-11


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_a_mixture_of_the_family_climbs(path, family_table):
    oracle = load(path)
    one, other = (oracle.FAMILY(*parameters) for parameters in oracle.MIXED)
    random = np.random.default_rng(6)
    x = np.concatenate([draw(oracle, one, 12_000, random), draw(oracle, other, 8_000, random)])
    # From the truth of neither: both start half-way to the other.
    start = [oracle.FAMILY(*parameters) for parameters in oracle.STARTED]
    model = GeneralMixtureModel(start, tol=0, max_iter=30, n_jobs=1)
    model.fit(x)
    before = time.perf_counter()
    model.fit(x)
    family_table[path.stem]["time"] = (time.perf_counter() - before) / (30 * len(x) * 2)
    gains = np.diff(model.history_)
    assert gains.min() > -1e-13 * (1 + abs(model.history_).max())
    assert model.history_[-1] > model.history_[0]


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_a_mixture_finds_its_start(path):
    oracle = load(path)
    one, other = (oracle.FAMILY(*parameters) for parameters in oracle.MIXED)
    random = np.random.default_rng(7)
    x = np.concatenate([draw(oracle, one, 1200, random), draw(oracle, other, 800, random)])
    best = GeneralMixtureModel([one, other], weights=[0.6, 0.4]).fit(x)
    found = GeneralMixtureModel(oracle.FAMILY(), 2, random_state=0).fit(x)
    assert found.score(x) > best.score(x) - 1e-6
    beside = np.column_stack([x, np.concatenate([random.poisson(2.0, 1200), random.poisson(9.0, 800)])])
    block = tuple(range(x.shape[1]))
    model = GeneralMixtureModel(Product({block: oracle.FAMILY(), x.shape[1]: Poisson()}), 2, random_state=0).fit(beside)
    rates = sorted(component.factors[x.shape[1]].rate for component in model.components_)
    np.testing.assert_allclose(rates, [2.0, 9.0], atol=0.5)


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_a_block_beside_other_columns_obeys_the_laws(path):
    oracle = load(path)
    block = oracle.FAMILY(*oracle.MIXED[0])
    names = tuple("abcdefg"[: block.n_features])
    check_distribution(Product({names: block, "n": Poisson(3.0)}))
    places = tuple(range(1, 1 + block.n_features))
    check_distribution(Product({places[::-1]: block, 0: Normal(1.0, 2.0)}))


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_rows_outside_and_missing_cells_are_refused_by_name(path):
    oracle = load(path)
    family = oracle.FAMILY
    x = draw(oracle, family(*oracle.MIXED[0]), 30, np.random.default_rng(8))
    beside = x.copy()
    beside[17] = family.support.outside(x[17])[0]
    with pytest.raises(DataError, match=rf"{family.__name__} on column.*row 17 has"):
        family().fit(beside)
    weights = np.ones(30)
    weights[17] = 0.0
    assert family().fit(beside, weights) == family().fit(np.delete(x, 17, axis=0))
    beside[17] = np.nan
    with pytest.raises(DataError, match=rf"{family.__name__} on column 0: expected no missing cells, row 17"):
        family().fit(beside)
    with pytest.raises(DataError, match=r"expected \d columns"):
        family(*oracle.MIXED[0]).log_prob(x[:, 1:])


# --- Dirichlet ---


@pytest.mark.parametrize("concentration", [(1e6, 3e6, 5e5), (0.02, 0.05, 0.01), (1e-3, 50.0, 1e4), (5.0,) * 12])
def test_dirichlets_of_extreme_concentrations_are_found(concentration):
    x = Dirichlet(concentration).sample(4000, 1)
    fitted = Dirichlet().fit(x)
    found = np.array(fitted.concentration)
    with mpmath.workdps(40):
        for a, expected in zip(found, np.log(x / x.sum(axis=1, keepdims=True)).mean(axis=0), strict=True):
            gradient = float(mpmath.digamma(a) - mpmath.digamma(found.sum())) - expected
            assert abs(gradient) < 1e-12 * (1 + abs(expected))
    if min(concentration) > 0.01:  # of others many cells lie below the smallest float64
        np.testing.assert_allclose(found, concentration, rtol=0.15)


def test_shares_that_agree_hold_the_dirichlets_total():
    for rows in ([[0.2, 0.3, 0.5]] * 5, [[0.25, 0.75]], [[1e-300, 1.0]] * 3):
        with pytest.warns(DegenerateWarning):
            fitted = Dirichlet().fit(rows)
        np.testing.assert_allclose(fitted.mean, rows[0], rtol=1e-6, atol=1e-11)
        assert np.isfinite(fitted.log_prob(rows)).all()


def test_rows_that_do_not_sum_to_one_are_refused_with_their_sum():
    with pytest.raises(
        DataError,
        match=r"on columns 0, 1: rows must be > 0 and sum to 1 within 1e-06, row 1 has \(0.4, 0.4\), a sum of 0.8; divide",
    ):
        Dirichlet().fit([[0.5, 0.5], [0.4, 0.4]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = Dirichlet([2.0, 3.0])
        np.testing.assert_array_equal(given.log_prob([[0.4, 0.4], [0.0, 1.0], [np.inf, 0.5], [-0.5, 1.5]]), -np.inf)


# --- Multinomial and Dirichlet-multinomial ---


def test_a_multinomial_of_columns_without_counts_has_probabilities_of_zero():
    fitted = Multinomial().fit([[3, 0, 2], [1, 0, 4]])
    assert fitted.probabilities == (0.4, 0.0, 0.6)
    np.testing.assert_array_equal(fitted.log_prob([[1, 1, 0], [0, 0, 0]]), [-np.inf, 0.0])
    assert Multinomial().fit(np.zeros((5, 4))).probabilities == (0.25,) * 4


@pytest.mark.parametrize(
    ("concentration", "trials"),
    [
        ((0.5, 0.9), 20),
        ((1e-3, 2e-3), 50),
        ((1e3, 2e3), 1000),
        ((2.0, 3.0, 4.0), 100_000),
        ((1e5, 2e5, 1e4), 10**6),
        ((0.4,) * 30, 300),
    ],
)
def test_dirichlet_multinomials_of_any_counts_are_fitted_to_a_gradient_of_zero(concentration, trials):
    random = np.random.default_rng(9)
    x = DirichletMultinomial(concentration).sample(1000, random, trials=random.poisson(trials, 1000))
    weights = random.uniform(0, 2, 1000)
    fitted = np.array(DirichletMultinomial().fit(x, weights).concentration)
    of_total = weights @ (digamma(fitted.sum() + x.sum(axis=1)) - digamma(fitted.sum()))
    of_columns = weights @ (digamma(fitted + x) - digamma(fitted))
    assert abs(fitted * (of_columns - of_total)).max() < 1e-11 * (fitted * of_columns).sum()
    if min(concentration) > 0.01:  # of others all but a few rows have their counts in one column
        np.testing.assert_allclose(fitted, concentration, rtol=0.5)


def test_counts_that_scatter_no_more_than_a_multinomials_are_said_to():
    x = np.tile([[3.0, 2.0, 0.0], [2.0, 3.0, 0.0]], (40, 1))
    with pytest.warns(DegenerateWarning, match="DirichletMultinomial on column 0, column 1, column 2: .*use Multinomial"):
        fitted = DirichletMultinomial().fit(x)
    assert sum(fitted.concentration) == pytest.approx(1e8 * 6)
    np.testing.assert_allclose(np.array(fitted.concentration) / sum(fitted.concentration), [0.5, 0.5, 0.0], atol=1e-12)
    np.testing.assert_allclose(fitted.log_prob(x), Multinomial([0.5, 0.5, 0.0]).log_prob(x), rtol=1e-6)
    with pytest.warns(DegenerateWarning):  # each row in one column: nothing but a share of rows
        fitted = DirichletMultinomial().fit([[3, 0], [0, 5], [0, 3]])
    np.testing.assert_allclose(np.array(fitted.concentration) / sum(fitted.concentration), [1 / 3, 2 / 3])
    fitted = DirichletMultinomial().fit([[1, 0], [0, 1], [0, 1]])  # single trials
    np.testing.assert_allclose(fitted.concentration, [2 / 3, 4 / 3])


def test_counts_beyond_the_whole_numbers_of_float64_are_refused():
    for family in (Multinomial, DirichletMultinomial):
        with pytest.raises(DataError, match=r"2\^53, row 1 has 1e\+300"):
            family().fit([[1.0, 2.0], [1e300, 3.0]])
        assert family([0.5, 0.5]).log_prob([[1e300, 3.0]]) == -np.inf


def test_samples_and_scipy_take_the_number_of_trials():
    for distribution in (Multinomial([0.2, 0.3, 0.5]), DirichletMultinomial([2.0, 1.0, 4.0])):
        x = distribution.sample(50, 3, trials=7)
        assert (x.sum(axis=1) == 7).all()
        np.testing.assert_allclose(distribution.log_prob(x), distribution.to_scipy(7).logpmf(x), rtol=1e-12)
        trials = np.arange(50)
        assert (distribution.sample(50, np.random.RandomState(0), trials=trials).sum(axis=1) == trials).all()


# --- von Mises-Fisher ---

POLE = np.array([0.36, 0.48, -0.8])


@pytest.mark.parametrize("concentration", [1e-3, 0.5, 30.0, 1e6, 1e12, 1e20])
@pytest.mark.parametrize("d", [2, 3, 5, 40])
def test_concentrations_of_any_size_are_found(concentration, d):
    direction = np.append(POLE, np.zeros(37))[:d]
    direction = direction / np.linalg.norm(direction)
    x = VonMisesFisher(direction, concentration).sample(3000, 1)
    fitted = VonMisesFisher().fit(x)
    with mpmath.workdps(50):
        s = [mpmath.fsum(column) / 3000 for column in (x / np.linalg.norm(x, axis=1)[:, None]).T.tolist()]
        length = mpmath.sqrt(mpmath.fdot(s, s))
        cosine = mpmath.fdot(s, exact(fitted.direction)) / length / mpmath.sqrt(mpmath.fdot(*[exact(fitted.direction)] * 2))
        assert 1 - cosine < 1e-30 / length**2
    if concentration >= 30:
        assert fitted.concentration == pytest.approx(concentration, rel=0.2)
    if concentration <= 1e6:  # beyond, the rows' own rounding tells
        left, right = bessel_i_ratio(d / 2 - 1, fitted.concentration)
        assert left == pytest.approx(float(length), rel=1e-12, abs=1e-12)
        assert right == pytest.approx(float(1 - length), rel=1e-8)


def test_far_apart_and_sharp_clusters_stay_right():
    random = np.random.default_rng(2)
    x = np.concatenate([VonMisesFisher(POLE, 1e10).sample(500, random), VonMisesFisher(-POLE, 1e8).sample(700, random)])
    start = [VonMisesFisher(POLE[[1, 0, 2]], 3.0), VonMisesFisher([0.0, -1.0, 0.0], 3.0)]
    model = GeneralMixtureModel(start, tol=0, max_iter=20).fit(x)
    assert (np.diff(model.history_) > -1e-12).all()
    for component, rows in zip(model.components_, (x[:500], x[500:]), strict=True):
        alone = VonMisesFisher().fit(rows)
        assert component.concentration == pytest.approx(alone.concentration, rel=1e-9)
        np.testing.assert_allclose(component.direction, alone.direction, rtol=1e-12)


def test_rows_that_agree_or_cancel():
    with pytest.warns(DegenerateWarning):
        fitted = VonMisesFisher().fit(np.tile(POLE, (9, 1)))
    np.testing.assert_allclose(fitted.direction, POLE, rtol=1e-15)
    assert fitted.concentration == pytest.approx(7.9e28, rel=0.01)
    assert np.isfinite(fitted.log_prob([POLE, -POLE])).all()
    assert VonMisesFisher().fit(np.concatenate([np.eye(3), -np.eye(3)])).concentration == pytest.approx(0.0, abs=1e-12)
    # Rows that cancel wholly point nowhere, though rounding may leave them a length.
    for row in ([0.6, 0.8], [0.36, 0.48, -0.8], [0.5, -0.5, 0.5, 0.5]):
        assert VonMisesFisher().fit(np.array([row, np.negative(row)])).concentration == pytest.approx(0.0, abs=1e-7)


def test_densities_and_samples_are_those_of_scipy():
    for d, concentration in ((2, 0.3), (3, 7.0), (6, 200.0)):
        distribution = VonMisesFisher(np.full(d, d**-0.5), concentration)
        x = distribution.sample(200, 4)
        np.testing.assert_allclose(distribution.log_prob(x), distribution.to_scipy().logpdf(x), rtol=1e-9)
        theirs = distribution.to_scipy().rvs(200, random_state=5)
        np.testing.assert_allclose(distribution.mean, distribution.sample(40_000, 6).mean(axis=0), atol=0.02)
        assert np.isfinite(distribution.log_prob(theirs)).all()


# --- held parameters ---


def test_held_parameters_stay_and_the_others_are_the_maximum_given_them():
    random = np.random.default_rng(3)
    x, weights = VonMisesFisher(POLE, 4.0).sample(200, random), random.uniform(0, 2, 200)
    place = {"direction": 0, "concentration": 1}
    away = np.array([0.6, 0.0, -0.8])
    for held, other in (("direction", VonMisesFisher(away, 2.0)), ("concentration", VonMisesFisher(away, 9.0))):
        fitted = fit_holding(other, place[held], x, weights)
        assert getattr(fitted, held) == pytest.approx(getattr(other, held), rel=1e-15)
        free = VonMisesFisher().fit(x, weights)
        if held == "concentration":
            assert fitted.direction == pytest.approx(free.direction, rel=1e-14)
        else:
            values = [weights @ VonMisesFisher(away, fitted.concentration * f).log_prob(x) for f in (0.99, 1.0, 1.01)]
            assert values[1] == max(values)
    assert fit_holding(VonMisesFisher(-POLE, 2.0), 0, x, weights).concentration == 0.0
    rows = Dirichlet([2.0, 3.0]).sample(50, random)
    assert fit_holding(Dirichlet([1.0, 4.0]), 0, rows, np.ones(50)) == Dirichlet([1.0, 4.0])


def fit_holding(distribution, parameter, x, weights):
    """M-steps with one parameter held, by the bit in the packed parameters."""
    table = Table.read(x)
    assembly = Assembly(take_apart([distribution], table), table, weights)
    assembly.parameters[distribution.held] = 2.0**parameter
    assembly.fit_labels(np.zeros(len(x), dtype=np.int64), max_steps=20)
    return assembly.unpack()[0]
