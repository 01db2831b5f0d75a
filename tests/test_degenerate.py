"""Degenerate data, extreme offsets and scales: finite, right answers, and a warning where a scale had to be floored."""

import warnings

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Exponential, Normal, Poisson, Product
from mixtures.exceptions import ConvergenceWarning, DegenerateWarning, MixturesError

from .test_any_two_families import member, numbers
from .test_conformance import families


def all_finite(model, X):
    factors = [f for c in model.components_ for f in (c.factors.values() if isinstance(c, Product) else [c])]
    parameters = np.hstack([np.asarray(getattr(f, name), dtype=float) for f in factors for name in f.parameters])
    outputs = [model.score_samples(X), model.predict_proba(X), model.weights_, model.history_]
    return np.isfinite(parameters).all() and all(np.isfinite(output).all() for output in outputs)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.7, 1e9, 1e300, 1e-290])
@pytest.mark.parametrize("k", [1, 2])
def test_a_constant_column_is_floored_and_said_so(value, k):
    X = np.full((20, 1), value)
    with pytest.warns(DegenerateWarning, match="column 0"):
        model = GeneralMixtureModel(Normal(), n_components=k, random_state=0).fit(X)
    assert all_finite(model, X)
    for component in model.components_:
        assert component.mean == pytest.approx(value, rel=1e-12, abs=1e-12)
        # Relative to the column's size, never an absolute constant; of 1 for a column of zeros.
        assert component.std <= 1e-14 * (abs(value) or 1.0)


def test_a_constant_column_beside_a_varying_one():
    random = np.random.default_rng(0)
    X = np.column_stack([np.full(200, 5.0), np.concatenate([random.normal(-10, 1, 100), random.normal(10, 1, 100)])])
    with pytest.warns(DegenerateWarning, match="column 0"):
        model = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(X)
    assert all_finite(model, X)
    assert sorted(round(component.factors[1].mean) for component in model.components_) == [-10, 10]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_identical_rows(k):
    X = np.tile([2.5, 7.0], (30, 1))
    with pytest.warns(DegenerateWarning):
        model = GeneralMixtureModel(Product(Normal(), Poisson()), n_components=k, random_state=0).fit(X)
    assert all_finite(model, X)
    for component in model.components_:
        assert component.factors[0].mean == pytest.approx(2.5, rel=1e-12)
        assert component.factors[1].rate == pytest.approx(7.0, rel=1e-12)


@pytest.mark.parametrize("k", [1, 2])
def test_counts_of_nothing_but_zeros_are_a_point_mass(k):
    X = np.zeros((20, 1))
    model = GeneralMixtureModel(Poisson(), n_components=k, random_state=0).fit(X)
    assert all_finite(model, X)
    assert [component.rate for component in model.components_] == [0.0] * k
    assert model.score(X) == pytest.approx(0.0, abs=1e-12)


def test_waiting_times_of_zero_are_floored_and_said_so():
    X = np.zeros((20, 1))
    with pytest.warns(DegenerateWarning, match="column 0"):
        model = GeneralMixtureModel(Exponential(), n_components=1).fit(X)
    assert all_finite(model, X)


def two_clusters(offset, unit):
    """Clusters of 400 and 600 rows, 20 apart with spread 1, in units of `unit` from `offset`."""
    random = np.random.default_rng(1)
    z = np.concatenate([random.normal(-10, 1, 400), random.normal(10, 1, 600)])
    return z, offset + unit * z


@pytest.mark.parametrize(
    ("offset", "unit"),
    [(0, 1), (1e9, 1), (-1e9, 1), (0, 1e300 / 20), (0, 1e-10), (0, 1e-300), (1e-10, 1e-12), (0, 1e150), (0, 1e-200)],
)
def test_clusters_are_found_whatever_the_offset_and_the_scale(offset, unit):
    z, x = two_clusters(offset, unit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(x)
    assert all_finite(model, x[:, None])
    plain = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(z)
    # An offset of 1e9 leaves 7 digits of the data themselves.
    tolerance = 1e-6
    low, high = sorted(model.components_, key=lambda component: component.mean)
    for found, right in zip([low, high], sorted(plain.components_, key=lambda component: component.mean), strict=True):
        assert (found.mean - offset) / unit == pytest.approx(right.mean, abs=tolerance)
        assert found.std / unit == pytest.approx(right.std, rel=tolerance)
    assert model.score(x) == pytest.approx(plain.score(z) - np.log(unit), abs=1e-5)


@pytest.mark.parametrize("place", [1e6, 1e12])
def test_clusters_far_apart_keep_their_unit_spread(place):
    random = np.random.default_rng(2)
    x = np.concatenate([random.normal(-place, 1, 500), random.normal(place, 1, 500)])
    model = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(x)
    low, high = sorted(model.components_, key=lambda component: component.mean)
    # At 1e12 a float64 resolves 1.2e-4: that, averaged over 500 rows, is what a spread of 1 can be known to.
    for component, part in ((low, x[:500]), (high, x[500:])):
        assert component.mean == pytest.approx(part.mean(), rel=1e-12)
        assert component.std == pytest.approx((part - part.mean()).std(), rel=1e-6)


def test_one_row_and_two_rows():
    with pytest.warns(DegenerateWarning):
        one = GeneralMixtureModel(Normal(), n_components=1).fit([[3.0]])
    assert one.components_[0].mean == 3.0
    with pytest.warns(DegenerateWarning):
        two = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit([[3.0], [5.0]])
    assert all_finite(two, np.array([[3.0], [5.0]]))


def test_a_fit_that_is_cut_short_says_so():
    _, x = two_clusters(0, 1)
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        GeneralMixtureModel([Normal(-1, 5), Normal(1, 5)], max_iter=1).fit(x)


COLUMNS = {
    "constant": [3.0] * 12,
    "ones": [1.0] * 12,
    "zeros": [0.0] * 12,
    "below 1": [0.3] * 12,
    "below 0": [-2.5] * 12,
    "huge": [1e300] * 12,
    "tiny": [1e-300] * 12,
    "two values": [0.0, 1.0] * 6,
    "two counts": [1.0] * 3 + [2.0] * 9,
    "two values below 1": [0.25] * 5 + [0.75] * 7,
    "one row": [3.0],
    "one row at 0": [0.0],
    "one row below 1": [0.3],
    "two rows": [2.0, 5.0],
    "two rows below 1": [0.2, 0.5],
    "three rows": [1.0, 2.0, 4.0],
    "huge numbers": [1e300, 2e300, 3e300] * 4,
    "tiny numbers": [1e-300, 2e-300, 3e-300] * 4,
    "the largest numbers": [1.7e308, 1.6e308, 1.0],
    "the whole line": [1.7e308, 1.6e308, -1.7e308],
    "the smallest numbers": [5e-324, 1e-323, 1e-323],
    "far and close": [1e9 - 1, 1e9, 1e9 + 1] * 4,
    "close to 1": [1 - 2.0**-53, 1 - 2.0**-52, 1 - 2.0**-51] * 4,
    "of two scales": [1e-10, 1.0, 1e10],
    "with an outlier": [0.0, 1.0, 2.0, 3.0, 1e300],
    "above 0 with an outlier": [1.0, 1.5, 2.0, 3.0, 1e300],
}


def degenerate_tables(distribution):
    """Tables (n, d) for a distribution, by what is degenerate about them: alike in all columns, or beside a column that is not."""
    width = distribution.n_features if distribution.reads_block else 1
    if hasattr(distribution.support, "degenerate"):
        for words, rows in distribution.support.degenerate(width).items():
            yield words, rows
            yield f"one row of {words}", rows[:1]
    for words, column in COLUMNS.items():
        column = np.array(column)
        yield words, np.tile(column[:, None], width)
        if width > 1:
            varying = np.random.default_rng(0).normal(size=(len(column), width - 1))
            yield f"{words}, beside others", np.column_stack([column, varying])


@pytest.mark.parametrize("family", families(), ids=lambda family: family.__name__)
@pytest.mark.parametrize("k", [0, 2], ids=["alone", "a mixture of two"])
def test_every_family_survives_degenerate_columns_or_says_that_it_does_not(family, k):
    """Finite parameters under which the rows are possible, or an error that names the family."""
    given = member(family, np.random.default_rng(0))
    empty = family(**{name: value for name, value in given._values().items() if name not in family.parameters})
    survived = 0
    for words, X in degenerate_tables(given):
        if len(X) < k:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DegenerateWarning)
                fitted = GeneralMixtureModel(empty, k, random_state=0, tol=0, max_iter=30).fit(X) if k else empty.fit(X)
            density = fitted.log_prob(X)
        except MixturesError as error:
            if family.__name__ not in str(error):
                raise AssertionError(f"{words}: the error does not name the family") from error
            continue
        survived += 1
        for one in fitted.components_ if k else [fitted]:
            assert np.isfinite(numbers(one)).all(), f"{words}: {one!r}"
        assert np.isfinite(density).all(), f"{words}: {fitted!r}"
    assert survived
