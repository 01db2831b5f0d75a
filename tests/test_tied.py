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


def test_every_family_that_ties_is_tested_here():
    able = {family for family in families() if family.ties is not None}
    assert able - {Normal, MultivariateNormal, Categorical, Multinomial} - {f for f in able if f.__name__ == "LogNormal"} == set(
        MEMBERS
    )


def falls(history):
    return -np.diff(history).min(initial=0.0) / (1 + np.abs(history).max())


@pytest.mark.parametrize("family", MEMBERS, ids=lambda family: family.__name__)
def test_a_mixture_with_ties_never_becomes_less_likely(family):
    random = np.random.default_rng(11)
    members = [family(*values) for values in MEMBERS[family]]
    x = np.concatenate([member.sample(n, random) for member, n in zip(members, (60, 30, 40), strict=True)])[:, 0]
    x, weights = np.minimum(x, 3) if family is Binomial else x, random.uniform(0.0, 2.0, len(x))
    for ties in subsets(tieable(family)):
        starts = [member.replaced(**{name: members[0].parameter_values()[name] for name in ties}) for member in members]
        if family is Pareto:
            starts = [start.replaced(scale=0.5) for start in starts]
        components = [Tied(starts[0], *ties), Tied(starts[1], *ties), Frozen(starts[2])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateWarning)
            model = GeneralMixtureModel(components, tol=0, max_iter=60).fit(x, sample_weight=weights)
        assert falls(model.history_) < 1e-12
        values = [component.base.parameter_values() for component in model.components_]
        assert all(values[0][name] == values[1][name] for name in ties)
        assert values[2] == starts[2].parameter_values()
        assert model.n_parameters == 2 * len(family.parameters) - len(ties) + 2


@pytest.mark.parametrize("family", MEMBERS, ids=lambda family: family.__name__)
def test_a_tied_distribution_alone_is_as_its_base(family):
    random = np.random.default_rng(3)
    member = family(*MEMBERS[family][0])
    x = member.sample(100, random)
    tied = Tied(member, *tieable(family))
    fitted, expected = tied.fit(x), member.fit(x)
    assert [*fitted.base.parameter_values().values()] == pytest.approx([*expected.parameter_values().values()], rel=1e-6)
    assert fitted.n_parameters == expected.n_parameters
    assert pickle.loads(pickle.dumps(tied)) == tied
    assert eval(repr(tied), {"Tied": Tied, family.__name__: family}) == tied
    np.testing.assert_array_equal(tied.log_prob(x), member.log_prob(x))


def test_ties_hold_column_by_column_with_missing_cells_and_in_any_start():
    random = np.random.default_rng(5)
    group = random.integers(2, size=400)
    X = np.column_stack(
        [random.exponential(2.0, 400), random.poisson(np.array([2.0, 20.0])[group]), random.laplace(9.0 * group, 1.0)]
    )
    X[random.uniform(size=X.shape) < 0.1] = np.nan
    product = Product(Tied(Exponential(), "rate"), Poisson(), Tied(Laplace(), "scale"))
    model = GeneralMixtureModel(product, 2, random_state=0, tol=0, max_iter=40).fit(X)
    one, two = (list(component.factors.values()) for component in model.components_)
    assert one[0].base == two[0].base
    assert one[2].base.scale == two[2].base.scale
    assert one[1].rate != two[1].rate
    assert one[0].base.rate == pytest.approx(1.0 / np.nanmean(X[:, 0]), rel=1e-12)
    assert model.n_parameters == 1 + 2 + 3 + 1
    assert falls(model.history_) < 1e-12
    plain = GeneralMixtureModel(Product(Exponential(), Poisson(), Laplace()), 2, random_state=0).fit(X)
    assert plain.n_parameters == 2 + 2 + 4 + 1
    mixed = [Tied(Frozen(Laplace(location=0.0)), "scale"), Tied(Laplace(), "scale"), Laplace()]
    found = GeneralMixtureModel(mixed, random_state=0).fit(X[:, 2]).components_
    assert found[0].base.base.location == 0.0
    assert found[0].base.base.scale == found[1].base.scale


def test_several_columns_of_one_family_share_each_its_own():
    X = np.random.default_rng(1).exponential([1.0, 5.0], size=(300, 2))
    model = GeneralMixtureModel(Product(Tied(Exponential(), "rate"), Exponential()), 2, random_state=0, max_iter=30, tol=0).fit(X)
    one, two = (list(component.factors.values()) for component in model.components_)
    assert one[0].base.rate == two[0].base.rate == pytest.approx(1.0 / X[:, 0].mean(), rel=1e-12)
    assert one[1].rate != two[1].rate


def test_probabilities_of_categories_are_shared():
    random = np.random.default_rng(2)
    rows = np.column_stack([random.integers(3, size=200), random.poisson(np.where(random.uniform(size=200) < 0.5, 1.0, 9.0))])
    model = GeneralMixtureModel(Product(Tied(Categorical(), "probabilities"), Poisson()), 2, random_state=0).fit(rows)
    one, two = (component.factors[0].base for component in model.components_)
    expected = {category: np.mean(rows[:, 0] == category) for category in one.categories}
    assert one == two
    assert dict(zip(one.categories, one.probabilities, strict=True)) == pytest.approx(expected)
    assert model.n_parameters == 2 + 2 + 1
    counts = random.multinomial(20, [0.2, 0.3, 0.5], size=100)
    rows = np.column_stack([counts, random.exponential(np.where(random.uniform(size=100) < 0.5, 1.0, 50.0))])
    product = Product({(0, 1, 2): Tied(Multinomial(), "probabilities"), 3: Exponential()})
    model = GeneralMixtureModel(product, 2, random_state=0).fit(rows)
    for component in model.components_:
        assert component.factors[0, 1, 2].base.probabilities == pytest.approx(counts.sum(axis=0) / counts.sum())


def test_a_component_without_rows_follows_the_others():
    labels, x = np.repeat([0, 1], 50), np.random.default_rng(1).gamma(3.0, 1.0, 100)
    found = settled([Tied(Gamma(2.0, rate), "shape") for rate in (1.0, 2.0, 3.0)], x, labels, None, 0.0)
    assert len({component.base.shape for component in found}) == 1
    assert found[2].base.rate == 3.0


@pytest.mark.parametrize("family", [f for f in MEMBERS if len(f.parameters) > 1 and f not in (VonMises, Beta, NegativeBinomial)])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e12])
def test_ties_survive_rows_that_agree_and_any_unit(family, scale):
    x, labels = scale * np.array([1.0, 1.0, 1.0, 3.0, 3.0, 3.0]), np.repeat([0, 1], 3)
    start = family(*MEMBERS[family][0])._start(Table.read(x).column(0))
    table = Table.read(x)
    assembly = Assembly(take_apart([Tied(start, *tieable(family))] * 2, table), table)
    assert not assembly.fit_labels(labels, max_steps=300) & FAILED
    for component, value in zip(assembly.unpack(), scale * np.array([1.0, 3.0]), strict=True):
        assert np.isfinite(component.log_prob([value])).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Tied(Poisson()), "expected names"),
        (lambda: Tied(Poisson(), "mean"), r"learns the parameters \['rate'\], found 'mean'"),
        (lambda: Tied(SkewNormal(), "scale"), "SkewNormal can share no parameter"),
        (lambda: Tied(Weibull(), "scale"), "Weibull can share only shape"),
        (lambda: Tied(Frozen(Gamma(shape=2.0)), "shape"), "learns the parameters"),
        (lambda: Tied(LocationScale(Poisson(), 1), "rate"), "LocationScale can share no parameter"),
        (lambda: LocationScale(Tied(Gamma(), "shape"), 30.0), "ties shape to other components"),
        (lambda: ZeroInflated(Tied(Poisson(), "rate")), "ties rate to other components"),
        (lambda: Tied("normal", "std"), "with kernels"),
    ],
)
def test_what_cannot_be_tied_is_refused(make, words):
    with pytest.raises(ParameterError, match=words):
        make()


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ([Tied(Poisson(), "rate"), Poisson()], "rate is tied, but by no other component"),
        ([Tied(Poisson(), "rate"), Geometric(), Tied(Poisson(), "rate")], r"must stand next to each other; those from \[0, 2\]"),
        ([Tied(Poisson(), "rate"), Tied(Geometric(), "probability")], "by no other component of this family"),
        ([Tied(Poisson(1.0), "rate"), Tied(Poisson(2.0), "rate")], r"start at 1\.0, 2\.0: give them one value"),
        ([Product(Tied(Poisson(), "rate")), Product(Poisson())], "by no other component"),
        ([MultivariateNormal(tied=True), MultivariateNormal()], "covariance is tied, but by no other"),
    ],
)
def test_ties_that_would_not_hold_are_refused(components, words):
    with pytest.raises(ParameterError, match=words):
        GeneralMixtureModel(components).fit([[1.0], [2.0], [4.0], [9.0]])


def test_what_is_held_beside_a_tie_is_not_shared():
    frozen = Frozen(Tied(Gamma(shape=2.0), "shape"), "shape")
    assert frozen.tied_names == ()
    x = np.random.default_rng(0).gamma(4.0, 1.0, 200)
    model = GeneralMixtureModel([frozen, Tied(Gamma(), "shape"), Tied(Gamma(), "shape")], random_state=0, max_iter=20, tol=0).fit(x)
    held, one, two = model.components_
    assert held.base.base.shape == 2.0
    assert one.base.shape == two.base.shape != 2.0
    assert model.n_parameters == 1 + 2 + 1 + 2
    known = [Frozen(component) for component in model.components_]
    assert [component.tied_names for component in known] == [(), (), ()]
    assert GeneralMixtureModel(known).fit(x).n_parameters == 2
