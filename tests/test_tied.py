"""Parameters that components share: one value, the maximum of the sum of their likelihoods, and never a likelihood that falls."""

import itertools
import pickle
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

from mixtures import GeneralMixtureModel
from mixtures.assembly import Assembly
from mixtures.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Exponential,
    Frozen,
    Gamma,
    Geometric,
    Gumbel,
    HalfNormal,
    InverseGamma,
    InverseGaussian,
    Laplace,
    LocationScale,
    Logistic,
    Multinomial,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Pareto,
    Poisson,
    Product,
    Rayleigh,
    SkewNormal,
    StudentT,
    Tied,
    VonMises,
    Weibull,
    ZeroInflated,
)
from mixtures.engine.plan import FAILED, UNSETTLED
from mixtures.exceptions import DegenerateWarning, ParameterError
from mixtures.parts import take_apart
from mixtures.table import Table

from .test_conformance import families
from .test_families import bound, free

# Three members of every family that can tie parameters; more than one parameter first.
MEMBERS = {
    Gamma: [(2.0, 1.0), (3.0, 0.2), (9.0, 1.5)],
    InverseGamma: [(2.0, 1.0), (4.0, 8.0), (9.0, 30.0)],
    Weibull: [(1.5, 1.0), (0.8, 5.0), (3.0, 9.0)],
    NegativeBinomial: [(1.0, 0.5), (4.0, 0.2), (10.0, 0.6)],
    Laplace: [(0.0, 1.0), (5.0, 2.0), (-9.0, 0.3)],
    Logistic: [(0.0, 1.0), (5.0, 2.0), (-9.0, 0.3)],
    Gumbel: [(0.0, 1.0), (5.0, 2.0), (-9.0, 0.3)],
    InverseGaussian: [(1.0, 1.0), (5.0, 20.0), (9.0, 3.0)],
    StudentT: [(3.0, 0.0, 1.0), (6.0, 5.0, 2.0), (2.0, -9.0, 0.5)],
    VonMises: [(0.0, 1.0), (2.0, 5.0), (-2.0, 0.5)],
    Pareto: [(1.5, 1.0), (3.0, 5.0), (2.0, 2.0)],
    Beta: [(2.0, 1.0), (3.0, 9.0), (0.7, 0.6)],
    Poisson: [(1.0,), (5.0,), (9.0,)],
    Exponential: [(1.0,), (5.0,), (0.2,)],
    Bernoulli: [(0.1,), (0.5,), (0.8,)],
    Binomial: [(3, 0.1), (9, 0.5), (5, 0.8)],
    Geometric: [(0.1,), (0.5,), (0.8,)],
    HalfNormal: [(0.1,), (0.5,), (0.8,)],
    Rayleigh: [(0.1,), (0.5,), (0.8,)],
}


def tieable(family):
    """Names of the parameters that a family can tie."""
    return [name for name in family.parameters if family.tieable is None or name in family.tieable]


def subsets(names):
    """All but the empty one."""
    return itertools.chain.from_iterable(itertools.combinations(names, size) for size in range(1, len(names) + 1))


def wrapped(member, ties, held):
    """A member that holds and ties parameters of these names."""
    held_one = Frozen(member, *held) if held else member
    return Tied(held_one, *ties) if ties else held_one


def base_of(distribution):
    """What a wrapper's parameters are those of."""
    return base_of(distribution.base) if hasattr(distribution, "base") else distribution


def plans():
    """(family, for each of three components what it ties and what it holds)."""
    for family in MEMBERS:
        names = tieable(family)
        for ties in subsets(names):
            yield family, [(ties, ())] * 3
            others = [name for name in family.parameters if name not in ties]
            if others:
                yield family, [(ties, ()), (ties, tuple(others[:1])), ((), ())]
        if len(names) > 1:
            yield family, [(tuple(names), ()), (tuple(names), ()), (tuple(names[:1]), ())]
            yield family, [(tuple(names[:1]), ()), (tuple(names), ()), (tuple(names[1:]), ())]


def settled(components, x, labels, weights, softness):
    """M-steps to the labels until they change nothing: the components found."""
    table = Table.read(x)
    assembly = Assembly(take_apart(components, table), table, weights)
    outcome = assembly.fit_labels(labels, softness=softness, max_steps=1000)
    assert not outcome & (UNSETTLED | FAILED)
    return assembly.unpack()


def words(value):
    return value.__name__ if isinstance(value, type) else "-".join(f"{''.join(t)}|{''.join(h)}" for t, h in value)


@pytest.mark.parametrize(("family", "plan"), list(plans()), ids=words)
def test_shared_parameters_are_the_maximum_over_all_components(family, plan):
    random = np.random.default_rng(7)
    members = [family(*values) for values in MEMBERS[family]]
    x = np.concatenate([member.sample(80, random) for member in members])[:, 0]
    labels, weights, softness = np.repeat(np.arange(3), 80), random.uniform(0.0, 3.0, 240), 0.0
    if family is Binomial:
        x = np.minimum(x, 3)
    shares = weights * (np.arange(3)[:, None] == labels)
    common = {
        name: next(m.parameter_values()[name] for m, (ties, _) in zip(members, plan, strict=True) if name in ties)
        for name in {name for ties, _ in plan for name in ties}
    }
    if family is Pareto:
        common |= {"scale": 0.5} if "scale" in common else {}
        members = [member.replaced(scale=0.5) if held else member for member, (_, held) in zip(members, plan, strict=True)]
    members = [m.replaced(**{n: common[n] for n in ties}) for m, (ties, _) in zip(members, plan, strict=True)]
    found = settled([wrapped(m, *p) for m, p in zip(members, plan, strict=True)], x, labels, weights, softness)
    bases = [base_of(component) for component in found]
    for name in common:
        assert len({base.parameter_values()[name] for base, (ties, _) in zip(bases, plan, strict=True) if name in ties}) == 1
    for member, base, (_, held) in zip(members, bases, plan, strict=True):
        assert all(base.parameter_values()[name] == member.parameter_values()[name] for name in held)
    # Coordinates: every free number once.
    places = []
    for k, (ties, held) in enumerate(plan):
        for name in family.parameters:
            first = next(j for j, (other, _) in enumerate(plan) if name in other) if name in ties else k
            if name not in held and first == k and name not in family.ends:
                places.append((k, name))
    own = np.array([free(family.parameters[name], bases[k].parameter_values()[name]) for k, name in places])

    def loss(point):
        values = [dict(base.parameter_values()) for base in bases]
        for (k, name), number in zip(places, point, strict=True):
            for j, (ties, _) in enumerate(plan):
                if j == k or (name in ties and name in plan[k][0]):
                    values[j][name] = bound(family.parameters[name], number)
        try:
            total = sum(
                share[share > 0] @ base.replaced(**v).log_prob(x[share > 0])
                for base, v, share in zip(bases, values, shares, strict=True)
            )
        except ParameterError:
            return 1e300
        return -total / weights.sum() if np.isfinite(total) else 1e300

    best = loss(own)
    smooth = family is not Laplace
    for shift in (0.05, -0.1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            method, options = (
                ("BFGS", {"gtol": 1e-9}) if smooth else ("Nelder-Mead", {"xatol": 1e-9, "fatol": 1e-14, "maxfev": 3000})
            )
            other = minimize(loss, own + shift, method=method, options=options).fun
        assert best - other < 1e-11 * (1 + abs(best)), f"{found}: {best - other}"
        assert other - best < 1e-6, "the optimiser did not get there"
