"""Every family against an oracle of its own: log-densities in mpmath, weighted fits by an optimiser that knows nothing of them.

An oracle is a file in ``tests/oracles`` with FAMILY, GRID (parameters of log-densities), FITTED (of samples to fit), MIXED and
STARTED (two of a mixture's sample, two where EM starts) and ``log_density(x, *parameters)`` in mpmath; where terms cancel beyond
what float64 can keep, ``size(x, *parameters)``, what the error is relative to; and ``points(distribution)`` where quantiles are
no grid. What is found is printed after the tests, a line a family.
"""

import importlib.util
import time
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from mixtures import GeneralMixtureModel
from mixtures.constraints import Interval, Whole

TOLERANCE = 1e-13
ORACLES = sorted((Path(__file__).parent / "oracles").glob("*.py"))
LEVELS = np.concatenate([10.0 ** -np.array([300, 100, 16, 6]), np.linspace(0.01, 0.99, 9), 1 - 10.0 ** -np.array([4, 9, 15])])


def load(path):
    """The oracle in a file."""
    spec = importlib.util.spec_from_file_location(f"oracle_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def points(oracle, distribution):
    """Values over the whole support, far tails included."""
    if hasattr(oracle, "points"):
        return np.asarray(oracle.points(distribution), dtype=float)
    x = np.asarray(distribution.quantile(LEVELS))
    x = np.concatenate([x, 3 * x[np.isfinite(x)][-1:]])
    return np.unique(x[np.isfinite(x) & np.asarray(distribution.support.contains(x), dtype=bool)])


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_log_densities_agree_with_many_digits(path, family_table):
    oracle = load(path)
    worst, where = 0.0, None
    with mpmath.workdps(60):
        for parameters in oracle.GRID:
            distribution = oracle.FAMILY(*parameters)
            exact_parameters = [mpmath.mpf(value) for value in parameters]
            x = points(oracle, distribution)
            for value, found in zip(x, distribution.log_prob(x), strict=True):
                expected = oracle.log_density(mpmath.mpf(float(value)), *exact_parameters)
                size = oracle.size(mpmath.mpf(float(value)), *exact_parameters) if hasattr(oracle, "size") else abs(expected)
                error = float(abs(mpmath.mpf(float(found)) - expected) / (size or 1))
                if not error <= worst:
                    worst, where = error, f"{distribution!r} at {value!r}: found {found!r}, expected {mpmath.nstr(expected, 20)}"
    family_table[path.stem]["log_prob"] = worst
    assert worst < TOLERANCE, where


def free(constraint, value):
    """A parameter on the whole real line, where an optimiser may go anywhere; from an end it starts just beside."""
    if np.isfinite(constraint.low) and np.isfinite(constraint.high):
        share = (value - constraint.low) / (constraint.high - constraint.low)
        share = 1e-15 if share <= 0 else 1 - 1e-15 if share >= 1 else share
        return np.log(share / (1 - share))
    return np.log(value - constraint.low or 1e-15) if np.isfinite(constraint.low) else value


def bound(constraint, value):
    """The inverse of :func:`free`."""
    if np.isfinite(constraint.low) and np.isfinite(constraint.high):
        return constraint.low + (constraint.high - constraint.low) / (1 + np.exp(-value))
    return constraint.low + np.exp(value) if np.isfinite(constraint.low) else value


def missed(family, fitted, x, weights):
    """By how much Nelder and Mead's simplex, from beside a fit, finds a larger mean log-likelihood, relative to its size."""
    own = fitted._values()
    # An end of the support, which must not move by the rounding of a transformation, is left to the laws.
    free_names = [name for name in fitted.parameters if name not in fitted.ends]
    names = [n for n in free_names if isinstance(fitted.parameters[n], Interval) and not isinstance(fitted.parameters[n], Whole)]
    if not names:
        return 0.0
    constraints = [fitted.parameters[name] for name in names]

    def loss(point):
        moved = {name: bound(c, value) for name, c, value in zip(names, constraints, point, strict=True)}
        try:
            found = weights @ family(**{**own, **moved}).log_prob(x) / weights.sum()
        except ValueError:  # beyond what a parameter can be
            return 1e300
        return -found if np.isfinite(found) else 1e300

    start = np.array([free(c, own[name]) for name, c in zip(names, constraints, strict=True)])
    best = loss(start)
    options = {"xatol": 1e-9, "fatol": 1e-15, "maxiter": 2000}
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
        x, weights = truth.sample(300, random), random.uniform(0.0, 3.0, 300)
        given = {name: value for name, value in truth._values().items() if name not in truth.parameters}
        worst = max(worst, missed(oracle.FAMILY, oracle.FAMILY(**given).fit(x, sample_weight=weights), x, weights))
    family_table[path.stem]["fit"] = worst
    # The mean log-likelihood is flat to rounding about its maximum.
    assert worst < 1e-11


def score(oracle, own, name, value, x, weights):
    """Weighted sum of the oracle's score in one parameter, and of its absolute values, where that has this value."""
    exact = {key: mpmath.mpf(float(other)) for key, other in own.items()}
    centre, unit = mpmath.mpf(float(value)), mpmath.mpf(float(value) or 1.0)

    def log_density(step, row):
        return oracle.log_density(mpmath.mpf(float(row)), *{**exact, name: centre + step * unit}.values())

    found = [mpmath.diff(lambda step, row=row: log_density(step, row), 0) for row in x]
    return sum(map(mpmath.fmul, weights, found)), sum(map(mpmath.fmul, weights, map(abs, found)))


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_fits_are_stationary(path):
    oracle = load(path)
    for parameters in oracle.FITTED[:2]:
        truth = oracle.FAMILY(*parameters)
        random = np.random.default_rng(8)
        x, weights = truth.sample(50, random)[:, 0], random.uniform(0.0, 3.0, 50)
        given = {name: value for name, value in truth._values().items() if name not in truth.parameters}
        fitted = oracle.FAMILY(**given).fit(x, sample_weight=weights)
        own = {name: fitted._values()[name] for name in truth._values()}
        for name, constraint in fitted.parameters.items():
            value = own[name]
            if isinstance(constraint, Whole) or name in fitted.ends or value in (constraint.low, constraint.high):
                continue
            with mpmath.workdps(50):
                total, size = score(oracle, own, name, value, x, weights)
                if abs(total) < 1e-8 * size:
                    continue
                # Not zero for want of digits: it changes sign within some roundings of the parameter.
                beside = [score(oracle, own, name, value * (1 + sign * 2.0**-50), x, weights)[0] for sign in (-1, 1)]
            assert beside[0] * beside[1] < 0, f"{fitted!r}: the score in {name} is {float(total / size)} of its size"


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_a_mixture_of_the_family_climbs(path, family_table):
    oracle = load(path)
    one, other = (oracle.FAMILY(*parameters) for parameters in oracle.MIXED)
    random = np.random.default_rng(6)
    x = np.concatenate([one.sample(12_000, random), other.sample(8_000, random)])
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
