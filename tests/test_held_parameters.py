"""Parameters that are held stay, to the last digit, and the others are the maximum given them: every subset of every family."""

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from mixtures.assembly import Assembly
from mixtures.constraints import Whole
from mixtures.distributions import Normal
from mixtures.engine.plan import FAILED, UNSETTLED
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
