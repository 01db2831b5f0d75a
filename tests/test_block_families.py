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

from mixtures import GeneralMixtureModel
from mixtures.distributions import Dirichlet, Normal, Poisson, Product
from mixtures.exceptions import DataError, DegenerateWarning
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
