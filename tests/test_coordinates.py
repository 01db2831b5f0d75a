"""Coordinates of every family: parameters become one vector without constraints, and that vector parameters again."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixtures._numba import jit_entry
from mixtures.assembly import Assembly
from mixtures.distributions import (
    Bernoulli,
    Categorical,
    Frozen,
    Gamma,
    LocationScale,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    Product,
    StudentT,
    VonMises,
    ZeroInflated,
)
from mixtures.distributions.wrapped import Wrapped
from mixtures.engine.coordinates import (
    ANGLE,
    BOUNDED,
    CAP,
    COVARIANCE,
    DIRECTION,
    FACTOR,
    MULTIPLE,
    SIMPLEX,
    from_free,
    n_free,
    to_free,
)
from mixtures.engine.plan import FLOORED, unfold
from mixtures.parts import take_apart
from mixtures.table import Table
from mixtures.testing.cases import make_case

from .test_conformance import families, instances


@jit_entry
def count(problem, moves_weights):
    plan, _ = unfold(problem)
    return n_free(plan, moves_weights)


@jit_entry
def read(problem, parameters, log_weights, moves_weights, flags, out):
    plan, _ = unfold(problem)
    to_free(plan, parameters, log_weights, moves_weights, flags, out)


@jit_entry
def write(problem, free, base, parameters, log_weights, moves_weights):
    plan, _ = unfold(problem)
    return from_free(plan, free, base, parameters, log_weights, moves_weights)


class Model:
    """Components over rows, and their free numbers."""

    def __init__(self, components, rows, weights=None, moves_weights=False):
        self.assembly = Assembly(take_apart(components, table := Table.read(rows)), table)
        k = len(components)
        with np.errstate(divide="ignore"):
            self.log_weights = np.log(np.full(k, 1.0 / k) if weights is None else np.array(weights))
        self.moves_weights = moves_weights
        self.flags = np.zeros(self.assembly.problem.sizes.n_plates, dtype=np.int64)
        self.last = np.zeros(count(self.assembly.problem, moves_weights))

    @property
    def parameters(self):
        return self.assembly.parameters

    def free(self):
        out = self.last.copy()
        read(self.assembly.problem, self.parameters, self.log_weights, self.moves_weights, self.flags, out)
        self.last = out.copy()
        return out

    def move(self, free):
        """Whether they could be moved there; where not, they are as before."""
        before = self.parameters.copy(), self.log_weights.copy()
        done = write(self.assembly.problem, free, self.free(), self.parameters, self.log_weights, self.moves_weights)
        if not done:
            self.parameters[:], self.log_weights[:] = before
        return done


@functools.cache
def rows_of(distribution):
    return make_case(distribution, None, None, 0).rows


def moved_families():
    return [family for family in families() if family.parameters.keys() - family.unmoved.keys() - family.ends.keys()]


def spheres(coordinates, values):
    """Free numbers, those of a point on a sphere divided by their length."""
    values, at = values.copy(), 0
    for _ in range(2):
        for kind, _, size, _ in coordinates:
            triangle, one = kind in (COVARIANCE, FACTOR), kind in (MULTIPLE, ANGLE, BOUNDED)
            end = at + (size * (size + 1) // 2 if triangle else 1 if one else size)
            if kind in (SIMPLEX, DIRECTION):
                values[at:end] /= np.linalg.norm(values[at:end])
            at = end
    return values


@pytest.mark.parametrize("family", families(), ids=lambda family: family.__name__)
def test_every_parameter_has_coordinates_or_a_reason_why_not(family):
    names = list(family.parameters)
    distribution = next(iter(instances(family)))
    model = Model([distribution], rows_of(distribution))
    moved = {names[row[3]] for row in model.assembly._plates[0].family._coordinates(model.assembly._plates[0].grounds[0])}
    assert moved | family.unmoved.keys() | family.ends.keys() == set(names)
    assert not moved & (family.unmoved.keys() | family.ends.keys())
    assert all(family.unmoved.values())


@pytest.mark.parametrize("family", moved_families(), ids=lambda family: family.__name__)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_the_way_there_and_back(family, data):
    distribution = data.draw(st.sampled_from(list(instances(family))))
    model = Model([distribution] * 2, rows_of(distribution))
    plate = model.assembly._plates[0]
    coordinates = plate.family._coordinates(plate.grounds[0])
    start, parameters = model.free(), model.parameters.copy()
    assert np.isfinite(start).all()
    assert model.move(start)
    assert (model.parameters == parameters).all()
    seed, size = data.draw(st.integers(0, 2**31)), data.draw(st.floats(0.01, 0.5))
    step = size * np.random.default_rng(seed).uniform(-1, 1, start.size)
    # What is at an end of its range stays there: impossible categories, probabilities of 0 and 1, a shape of 1000, a cap.
    step[np.isin(start, [0.0, np.pi, -1000.0, 1000.0, np.log(CAP)])] = 0.0
    while not model.move(start + step):
        step /= 2  # towards an end that is near
        assert np.abs(step).max() > 1e-9
    found = model.free()
    np.testing.assert_allclose(spheres(coordinates, found), spheres(coordinates, start + step), rtol=1e-9, atol=1e-9)
    assert not np.isnan(model.parameters).any()
    assert model.move(start)
    np.testing.assert_allclose(model.parameters, parameters, rtol=1e-9, atol=1e-9)


def test_what_would_go_beyond_a_cap_goes_there():
    model = Model([StudentT(1e9, 0.0, 1.0)] * 2, rows_of(StudentT(1e9, 0.0, 1.0)))
    step = np.zeros(model.free().size)
    step[0] = 10.0
    assert model.move(model.free() + step)
    assert model.free()[0] == np.log(CAP)
    assert model.assembly.unpack(model.parameters)[0].df == CAP


WRAPPED = [
    Frozen(Gamma(2.0, 1.0), "shape"),
    LocationScale(Frozen(Gamma(2.0, 1.0), "shape"), -1.0),
    LocationScale(Normal(0.0, 1.0), 1.0, 2.0),
    ZeroInflated(NegativeBinomial(2.0, 0.5), 0.25),
    ZeroInflated(Frozen(Poisson(2.0)), 0.25),
]


@pytest.mark.parametrize("distribution", WRAPPED, ids=repr)
def test_wrappers_move_what_their_bases_do(distribution):
    rows = np.arange(1.0, 9.0)
    model = Model([distribution] * 2, rows)
    base = distribution.base.base if isinstance(distribution.base, Wrapped) else distribution.base
    own = 2 * isinstance(distribution, ZeroInflated)
    whole = isinstance(distribution.base, Frozen) and distribution.base.is_whole
    assert model.last.size == own + 2 * (0 if whole else len(base.parameters))
    start = model.free()
    assert model.move(start + 0.1)
    np.testing.assert_allclose(model.free(), start + 0.1, rtol=1e-12)
    assert model.move(start)
    np.testing.assert_allclose(model.free(), start, rtol=1e-12)


@pytest.mark.parametrize("kind", ["full", "diagonal", "spherical"])
def test_covariances_stay_of_their_kind(kind):
    rows = np.random.default_rng(0).normal(0, [1.0, 3.0], (50, 2))
    covariance = {"full": [[2.0, 0.5], [0.5, 1.0]], "diagonal": [2.0, 1.0], "spherical": 2.0}[kind]
    model = Model([MultivariateNormal([0.0, 1.0], covariance, kind=kind)] * 2, rows)
    assert model.last.size == 2 * (2 + {"full": 3, "diagonal": 2, "spherical": 1}[kind])
    assert model.move(model.free() + 0.25)
    component, other = model.assembly.unpack()
    assert component == other
    assert np.shape(component.covariance) == np.shape(covariance)
    assert np.linalg.eigvalsh(component._matrix())[0] > 0


def test_covariances_of_equal_bits_move_to_equal_bits():
    rows = np.random.default_rng(0).normal(0, 1.0, (50, 3))
    covariance = np.cov(rows.T)
    model = Model([MultivariateNormal(rows[i], covariance, tied=True) for i in range(5)], rows, moves_weights=True)
    random = np.random.default_rng(1)
    step = np.concatenate([np.tile(random.normal(0, 0.1, 9), 5), np.zeros(5)])
    assert model.move(model.free() + step)
    assert len({component.covariance for component in model.assembly.unpack()}) == 1


def test_weights_of_zero_stay_and_others_sum_to_one():
    model = Model([Normal(0.0, 1.0), Normal(1.0, 1.0), Normal(2.0, 1.0)], [0.0, 1.0, 2.0], [0.25, 0.0, 0.75], True)
    free = model.free()
    assert free.size == 9
    moved = free.copy()
    moved[[6, 8]] += [0.2, -0.1]
    assert model.move(moved)
    weights = np.exp(model.log_weights)
    assert weights[1] == 0.0
    np.testing.assert_allclose(weights, moved[6:] ** 2 / np.sum(moved[6:] ** 2), rtol=1e-14)


def test_ends_of_ranges_stay():
    components = [
        Product(Bernoulli(0.0), Poisson(0.0), Categorical([0.0, 1.0])),
        Product(Bernoulli(1.0), Poisson(1.0), Categorical([0.5, 0.5])),
    ]
    model = Model(components, [[0.0, 0.0, 1.0], [1.0, 2.0, 0.0]])
    before = model.assembly.unpack()
    free = model.free()
    assert np.isfinite(free).all()
    assert model.move(free)
    assert model.assembly.unpack() == before


def test_out_of_range_is_told():
    model = Model([Bernoulli(0.5)], [0.0, 1.0])
    assert not model.move(model.free() + 2.0)
    assert not model.move(model.free() + np.nan)
    for distribution in (Normal(0.0, 1.0), Gamma(1.0, 1.0)):
        model = Model([distribution], [1.0, 2.0])
        assert not model.move(model.free() + np.inf)
        assert not model.move(model.free() + 1e4) or distribution == Normal(0.0, 1.0)
        assert model.assembly.unpack() == [distribution]


def test_plates_at_an_end_of_their_range_are_not_moved():
    model = Model([Product(Normal(0.0, 1.0), Poisson(1.0))] * 2, [[0.0, 1.0], [1.0, 2.0]])
    model.flags[0] = FLOORED
    free = model.free()
    assert (free[:4] == 0.0).all()
    assert (free[4:] == 0.0).all()  # the logarithm of 1
    model.parameters[:] = np.where(model.parameters == 1.0, 2.0, model.parameters)
    assert (model.free()[:4] == 0.0).all()


def test_an_angle_is_the_one_next_to_the_last():
    model = Model([VonMises(3.1, 1.0)], [3.0, -3.0])
    first = model.free()[0]
    assert model.move(model.last + np.array([0.1, 0.0]))
    assert model.assembly.unpack()[0].location == pytest.approx(3.2 - 2 * np.pi)
    assert model.free()[0] == pytest.approx(first + 0.1)
