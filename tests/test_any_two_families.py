"""Any families share a mixture: pairs and triples of those that the package holds, drawn by seed, climb together.

Every family meets others several times: shuffled lists of all families are cut into pairs and triples. Rows are drawn from a
mixture of moderate members, EM starts beside their parameters. A likelihood is that of masses and densities alike, which is
formal where both stand on one column: its rise is not.
"""

import itertools
import warnings

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.constraints import Angle, Covariance, Interval, Simplex, UnitVector, Vector, Whole
from mixtures.distributions import Degenerate, Product, Tied
from mixtures.exceptions import DegenerateWarning, ParameterError
from mixtures.testing.cases import as_numbers, examples, parts

from .test_conformance import WRAPPED, families

ROWS = 150
ITERATIONS = 20
SMALLEST, LARGEST = 0.2, 10.0
"""Moderate parameters are between these in size."""


def moderate(constraint):
    """Examples of a parameter's constraint away from its ends, neither large nor small; all where there is none such."""
    found = examples(constraint)
    ends = (constraint.low, constraint.high) if isinstance(constraint, Interval) and not isinstance(constraint, Whole) else ()
    inside = [x for x in found if x not in ends and all(SMALLEST <= abs(cell) <= LARGEST for cell in np.ravel(x))]
    return inside or found


def member(family, random):
    """A random member of moderate parameters."""
    choices = {name: moderate(constraint) for name, constraint in (family.arguments | family.parameters).items()}
    for _ in range(100):
        try:
            return family(**{name: values[random.integers(len(values))] for name, values in choices.items()})
        except ParameterError:  # of parameters that do not go together
            continue
    raise AssertionError(f"no member of {family.__name__} was found")


def moved(constraint, value, random, spread):
    """A parameter beside another, by `spread` of its size, roughly."""
    x = np.asarray(value, dtype=float)
    shift = random.normal(0.0, spread, x.shape)
    match constraint:
        case Whole():
            return value
        case Angle():
            return value + shift
        case Interval(low, high) if np.isfinite(low) and np.isfinite(high):
            odds = (x - low) / (high - x) * np.exp(shift)
            return (low + high * odds) / (1 + odds)
        case Interval(low, high) if np.isfinite(low):
            return low + (x - low) * np.exp(shift)
        case Interval(low, high) if np.isfinite(high):
            return high - (high - x) * np.exp(shift)
        case Interval():
            return x + shift * max(1.0, abs(x))
        case Simplex():
            return tuple(x * np.exp(shift) / np.sum(x * np.exp(shift)))
        case UnitVector():
            return tuple((x + shift) / np.linalg.norm(x + shift))
        case Covariance() if x.ndim == 2:
            scale = np.exp(np.diagonal(shift))
            return x * scale * scale[:, None]
        case Covariance():
            return x * np.exp(shift)
        case Vector():
            return tuple(float(moved(constraint.cells, cell, random, spread)) for cell in x)
    raise AssertionError(f"how is a parameter moved that must be {constraint.words}?")


def perturbed(distribution, random, spread):
    """A distribution beside another: all its parameters are moved but the places of its atoms."""
    if isinstance(distribution, Product):
        return Product({key: perturbed(factor, random, spread) for key, factor in distribution.factors.items()})
    if getattr(distribution, "atoms", None) is not None or spread == 0:
        return distribution
    values = distribution._values()
    if "base" in values:
        values["base"] = perturbed(values["base"], random, spread)
    for name, constraint in distribution.parameters.items():
        if values.get(name) is not None:
            values[name] = moved(constraint, values[name], random, spread)
    try:
        return type(distribution)(**values)
    except ParameterError:  # moved across another parameter
        return perturbed(distribution, random, spread / 2 if spread > 0.01 else 0)


def start_beside(components, X, random):
    """Components beside these under which every row is possible: with supports that are learned, not all are."""
    for spread in (0.4, 0.2, 0.1, 0.05, 0.0):
        for _ in range(4):
            found = [perturbed(component, random, spread) for component in components]
            if np.all(np.max([component.log_prob(X) for component in found], axis=0) > -np.inf):
                return found
    raise AssertionError(f"rows that {components!r} have drawn are impossible under all of them")


def numbers(distribution):
    """Every parameter in a distribution."""
    found = []
    for part in parts(distribution):
        found += [np.ravel(np.asarray(value, dtype=float)) for value in part.parameter_values().values()]
        found += [numbers(part.base)] if hasattr(part, "base") else []
    return np.hstack(found)


def drawn(components, random, n=ROWS):
    """Rows from all components in equal shares, as far as they go, in random order."""
    rows = np.concatenate([np.asarray(component.sample(1 + n // len(components), random), object) for component in components])
    return as_numbers(rows[random.permutation(len(rows))])


def climbed(start, weights, X, sample_weight):
    """A model after EM from this start, up to where a scale is at its floor: from there on rounding decides."""
    for max_iter in (ITERATIONS, ITERATIONS // 2, ITERATIONS // 4, 1):
        model = GeneralMixtureModel(start, weights=weights, tol=0, max_iter=max_iter)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DegenerateWarning)
            model.fit(X, sample_weight=sample_weight)
        if not any("floor" in str(warning.message) for warning in caught):
            break
    return model


def check_climb(components, X, random, weighted):
    """EM from beside the truth: the likelihood never falls, and everything is a number to its end."""
    sample_weight = random.exponential(1.0, len(X)) if weighted else None
    start = start_beside(components, X, random)
    model = climbed(start, random.dirichlet([5.0] * len(start)), X, sample_weight)
    density = model.score_samples(X)
    assert np.isfinite(model.history_).all()
    if all(getattr(part, "is_maximum_likelihood", True) for component in start for part in parts(component)):
        # Each log-density carries some rounding errors of its own size, which their mean does not exceed: 1e-12 is 4500 of them.
        slack = 1e-12 * max(1.0, np.abs(density).mean())
        gains = np.diff(model.history_)
        assert gains.min() >= -slack, f"the likelihood fell by {-gains.min()} at step {gains.argmin()} from {start!r}"
    for component in model.components_:
        assert np.isfinite(numbers(component)).all(), f"{component!r}, from {start!r}"
    assert np.isfinite(density).all()
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0, rtol=1e-12)
    assert model.weights_.sum() == pytest.approx(1.0, rel=1e-12)


def groups(makers, size, rounds, seed):
    """All makers of distributions in `rounds` random orders, cut into groups; the last ones of an order are filled up."""
    random = np.random.default_rng(seed)
    for _ in range(rounds):
        order = random.permutation(len(makers))
        order = np.concatenate([order, order[: -len(order) % size]]).reshape(-1, size)
        yield from ([makers[i] for i in row] for row in order.tolist())


def kinds():
    """Members by family, by what families that stand together have in common: encoding, columns of a block (0: no block)."""
    random = np.random.default_rng(0)
    found = {}
    for family in families():
        for some in [member(family, random) for _ in range(6)]:
            place = some.encoding, some.n_features if some.reads_block else 0
            found.setdefault(place, {}).setdefault(family, []).append(some)
    return found


KINDS = kinds()
NUMBERS = KINDS["numbers", 0]
CATEGORIES = KINDS["categories", 0]
BLOCKS = {width: members for (_, width), members in KINDS.items() if width > 1}


def one_of(family, random, kind=NUMBERS):
    """One of the members of a family."""
    return kind[family][random.integers(len(kind[family]))]


def named(cases):
    """Cases as parameters of a test, with a name and a number that seeds it each."""
    return [
        pytest.param(number, case, id=f"{number} " + " ".join(family.__name__ for family in case))
        for number, case in enumerate(cases)
    ]


@pytest.mark.parametrize("place", range(len(NUMBERS)), ids=[family.__name__ for family in NUMBERS])
def test_any_two_families_share_a_mixture(place):
    """This family with itself and with every one after it."""
    for number, other in enumerate(list(NUMBERS)[place:]):
        random = np.random.default_rng([1, place, number])
        components = [one_of(list(NUMBERS)[place], random), one_of(other, random)]
        random.shuffle(components)
        check_climb(components, drawn(components, random), random, weighted=number % 2)


@pytest.mark.parametrize("family", [family for family in NUMBERS if family is not Degenerate], ids=lambda family: family.__name__)
def test_rows_that_another_component_takes_are_as_if_absent(family):
    """Whatever they hold: a point mass takes all rows at its value, inside the family's support or outside."""
    random = np.random.default_rng(6)
    for distribution, value in itertools.product(NUMBERS[family][:3], (-1.0, 0.0, 0.5, 1.0, 7.0)):
        if isinstance(distribution.support, Whole) and distribution.support.contains(value):
            continue  # a mass beside another mass
        x = distribution.sample(100, random)
        x = x[x != value]
        start = perturbed(distribution, random, 0.1)
        start = start if np.isfinite(start.log_prob(x)).all() else distribution
        alone = GeneralMixtureModel([start], tol=0, max_iter=5)
        beside = GeneralMixtureModel([start, Degenerate(value)], tol=0, max_iter=5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateWarning)
            alone.fit(x)
            beside.fit(np.insert(x, random.integers(0, len(x), 30), value))
        expected, found = (model.components_[0].log_prob(x) for model in (alone, beside))
        # Steps of the same rows; only the column's range differs, and with it the unit, and where a solver's bounds are.
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=f"{start!r} beside {value}")
        assert beside.weights_[0] == pytest.approx(len(x) / (len(x) + 30), rel=1e-12)


@pytest.mark.parametrize(("number", "triple"), named(groups(list(NUMBERS), 3, rounds=2, seed=2)))
def test_any_three_families_share_a_mixture(number, triple):
    random = np.random.default_rng([2, number])
    components = [one_of(family, random) for family in triple]
    check_climb(components, drawn(components, random), random, weighted=number % 2)


@pytest.mark.parametrize("made", [made for made in WRAPPED[:-1] if not isinstance(made, Tied)], ids=repr)  # a tie needs two
def test_any_family_and_one_made_of_another_share_a_mixture(made):
    random = np.random.default_rng(3 + len(repr(made)))
    components = [made, one_of(list(NUMBERS)[random.integers(len(NUMBERS))], random)]
    check_climb(components, drawn(components, random), random, weighted=True)


@pytest.mark.parametrize(
    ("number", "pair"),
    named([pair for width in sorted(BLOCKS) for pair in groups(list(BLOCKS[width]), 2, rounds=2, seed=width)]),
)
def test_any_two_families_over_several_columns_share_a_mixture(number, pair):
    random = np.random.default_rng([4, number])
    width = next(width for width in sorted(BLOCKS, reverse=True) if all(family in BLOCKS[width] for family in pair))
    components = [one_of(family, random, BLOCKS[width]) for family in pair]
    components.append(Product(*[one_of(family, random) for family in random.choice(list(NUMBERS), width)]))
    check_climb(components, drawn(components, random), random, weighted=number % 2)


@pytest.mark.parametrize(("number", "triple"), named(groups([*NUMBERS], 3, rounds=2, seed=5)))
def test_any_families_share_the_columns_of_a_table(number, triple):
    """Three products over columns of numbers, of categories and of a block, each column of another family in each component."""
    random = np.random.default_rng([5, number])
    width = list(BLOCKS)[random.integers(len(BLOCKS))]
    block = tuple(range(3, 3 + width))
    components = []
    for c in range(3):
        # the families of the case, each once in each component, in other places
        factors = {j: one_of(triple[(c + j) % 3], random) for j in range(2)}
        factors[2] = one_of(list(CATEGORIES)[random.integers(len(CATEGORIES))], random, CATEGORIES)
        factors[block] = one_of(list(BLOCKS[width])[random.integers(len(BLOCKS[width]))], random, BLOCKS[width])
        components.append(Product(factors))
    X = drawn(components, random)
    missing = random.random(X.shape) < 0.1
    missing[:, 3:] &= all(component.factors[block].takes_missing for component in components)
    X[missing] = np.nan if X.dtype == float else None
    check_climb(components, X, random, weighted=number % 2)
