"""Families of location and scale and their kin at the extremes: far starts, offsets, ties, weights of nothing."""

import warnings

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.assembly import Assembly
from mixtures.distributions import Gumbel, HalfNormal, Laplace, Logistic, LogNormal, Normal, Rayleigh
from mixtures.engine.plan import FAILED, UNSETTLED
from mixtures.exceptions import DegenerateWarning
from mixtures.parts import take_apart
from mixtures.table import Table

FAMILIES = [Gumbel, Logistic, Laplace]
STARTS = [(0, 1e-300), (0, 1e-6), (0, 1e6), (0, 1e300), (1e6, 1), (-1e6, 1), (1e300, 1e-3), (-1e300, 1e-3), (100, 0.1), (-400, 1)]


def steps(start, x, weights=None):
    """M-steps from a start until the family has settled: mean log-likelihoods on the way, and where it ends."""
    table = Table.read(x)
    assembly = Assembly(take_apart([start], table), table, weights)
    shares = np.ones(len(x)) if weights is None else weights
    history = []
    for _ in range(150):
        outcome = assembly.fit_labels(np.zeros(len(x), dtype=np.int64))
        assert not outcome & FAILED
        history.append(shares @ assembly.unpack()[0].log_prob(x) / shares.sum())
        if not outcome & UNSETTLED:
            return np.array(history), assembly.unpack()[0]
    raise AssertionError(f"from {start!r} to {assembly.unpack()[0]!r} in {len(history)} steps, and on")


def samples():
    random = np.random.default_rng(3)
    normal = random.normal(size=500)
    return {
        "normal": normal,
        "skewed": random.exponential(size=500),
        "skewed to the left": -random.exponential(size=500),
        "long tails": random.standard_cauchy(size=500),
        "many scales": random.lognormal(0.0, 5.0, size=500),
        "outlier above": np.append(normal, 1e6),
        "outlier below": np.append(normal, -1e12),
        "ties": random.integers(0, 4, size=500).astype(float),
        "two values": np.array([0.0, 1.0, 1.0]),
        "two rows": np.array([2.0, 7.0]),
    }


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", samples())
def test_every_step_climbs_and_few_are_needed(family, kind):
    x = samples()[kind]
    history, fitted = steps(family(np.mean(x), np.ptp(x)), x)
    assert np.all(np.diff(history) > -1e-13 * (1 + abs(history[1:])))
    assert len(history) <= 25
    found = family().fit(x)
    assert found.location == pytest.approx(fitted.location, rel=1e-9, abs=1e-9 * fitted.scale)
    assert found.scale == pytest.approx(fitted.scale, rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("start", STARTS)
def test_fits_do_not_depend_on_where_they_start(family, start):
    x = samples()["normal"]
    expected = family().fit(x)
    history, fitted = steps(family(*start), x)
    # The first step may have to leave a scale below the column's rounding.
    rises = np.diff(history)[1:]
    assert np.all((rises > -1e-13 * (1 + abs(history[2:]))) | ~np.isfinite(history[1:-1]))
    assert fitted.location == pytest.approx(expected.location, abs=1e-10)
    assert fitted.scale == pytest.approx(expected.scale, rel=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("offset", "unit"), [(1e9, 1.0), (-1e6, 1e-3), (0.0, 1e290), (0.0, 1e-290), (0.0, 1e150)])
def test_offset_and_unit_carry_over(family, offset, unit):
    x = np.round(samples()["normal"] * 2.0**20) / 2.0**20
    plain, moved = family().fit(x), family().fit(offset + unit * x)
    # An offset of 1e9 leaves seven digits of the data themselves.
    tolerance = 1e-6 if offset else 1e-10
    assert (moved.location - offset) / unit == pytest.approx(plain.location, abs=tolerance)
    assert moved.scale / unit == pytest.approx(plain.scale, rel=tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_clusters_far_apart_and_far_from_zero_are_told_apart(family):
    random = np.random.default_rng(4)
    z = np.concatenate([family(0, 1).sample(4000, random), family(1000, 3).sample(6000, random)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GeneralMixtureModel(family(), n_components=2, tol=1e-13, random_state=0).fit(1e9 + z)
    low, high = sorted(model.components_, key=lambda component: component.location)
    for found, part in ((low, z[:4000]), (high, z[4000:])):
        expected = family().fit(part)
        assert found.location - 1e9 == pytest.approx(expected.location, abs=1e-5)
        assert found.scale == pytest.approx(expected.scale, rel=1e-5)


@pytest.mark.parametrize("family", [*FAMILIES, LogNormal])
@pytest.mark.parametrize("value", [1.0, 3.7, 1e9, 1e300, 1e-290])
def test_a_constant_column_is_floored_and_said_so(family, value):
    for rows in (1, 20):
        with pytest.warns(DegenerateWarning, match="column 0"):
            fitted = family().fit(np.full(rows, value))
        place, scale = fitted._values().values()
        assert place == pytest.approx(np.log(value) if family is LogNormal else value, rel=1e-12)
        assert 0 < scale <= 1e-11 * (1.0 if family is LogNormal else value)
        assert np.isfinite(fitted.log_prob([value])).all()


@pytest.mark.parametrize("family", [*FAMILIES, LogNormal, HalfNormal, Rayleigh])
def test_weights_of_nothing_and_one_row_with_all_of_it(family):
    x = np.array([1.0, 2.0, 4.0, 4.5])
    fitted, tiny = family().fit(x), family().fit(x, sample_weight=np.full(4, 1e-300))
    for name in family.parameters:
        assert getattr(tiny, name) == pytest.approx(getattr(fitted, name), rel=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)
        lonely = family().fit(x, sample_weight=[1e-300, 1.0, 1e-300, 1e-300])
    assert np.isfinite(list(lonely._values().values())).all()
    assert np.isfinite(lonely.log_prob([2.0])).all()


def test_medians_are_those_of_numpy():
    random = np.random.default_rng(6)
    for n in (1, 2, 3, 4, 5, 10, 99, 100, 2000):
        for x in (
            random.normal(size=n),
            random.lognormal(0, 5, size=n),
            random.integers(0, 9, size=n) * 1.0,
            1e9 + random.normal(size=n),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DegenerateWarning)
                fitted = Laplace().fit(x)
            assert fitted.location == pytest.approx(np.median(x), rel=1e-15, abs=1e-15)
            if np.ptp(x) > 0:
                assert fitted.scale == pytest.approx(np.abs(x - np.median(x)).mean(), rel=1e-12)


def test_a_weighted_median_splits_the_weight():
    random = np.random.default_rng(7)
    x, weights = random.normal(size=1001), random.exponential(size=1001) ** 4
    location = Laplace().fit(x, sample_weight=weights).location
    assert location in x
    assert weights[x < location].sum() < weights.sum() / 2 < weights[x <= location].sum()


def test_log_normal_keeps_values_close_together_far_from_one_apart():
    x = 1e9 + np.random.default_rng(8).normal(size=500)
    fitted = LogNormal().fit(x)
    relative = (x - 1e9) / 1e9
    logs = np.log1p(relative)
    assert fitted.mean_log - np.log(1e9) == pytest.approx(logs.mean(), abs=1e-14)
    assert fitted.std_log == pytest.approx(logs.std(), rel=1e-6)


def test_log_normal_beside_a_normal_with_negative_values():
    random = np.random.default_rng(9)
    x = np.concatenate([random.normal(-20.0, 1.0, 500), random.lognormal(1.0, 0.5, 500)])
    model = GeneralMixtureModel([Normal(-15.0, 5.0), LogNormal(0.0, 1.0)]).fit(x)
    expected = np.log(x[500:])
    assert model.components_[1].mean_log == pytest.approx(expected.mean(), abs=1e-6)
    assert model.components_[1].std_log == pytest.approx(expected.std(), rel=1e-6)
