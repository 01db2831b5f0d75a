"""Missing cells filled in: against conditional laws row by row, in every kind of table, observed cells bit for bit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mixtures import GeneralMixtureModel
from mixtures.datasets import load_penguins
from mixtures.distributions import (
    Bernoulli,
    Beta,
    Categorical,
    Degenerate,
    Dirichlet,
    Exponential,
    Gamma,
    KernelDensity,
    Multinomial,
    MultivariateNormal,
    MultivariateStudentT,
    NegativeBinomial,
    Normal,
    Poisson,
    Product,
    StudentT,
    VonMises,
    VonMisesFisher,
    ZeroInflated,
)
from mixtures.exceptions import DataError, ParameterError

METHODS = ("mean", "mode", "draw")


def mixed():
    """Three components over a block of three, counts, a positive column, categories and a yes-or-no column."""
    random = np.random.default_rng(5)
    parts = []
    for k in range(3):
        root = random.normal(size=(3, 5))
        shares = random.dirichlet(np.ones(3))
        block = MultivariateNormal(random.normal(size=3) * 3, root @ root.T)
        parts.append(
            Product(
                {
                    (0, 2, 4): block,
                    1: Poisson(3.0 + 5 * k),
                    3: Gamma(2.0 + k, 1.0),
                    5: Categorical(shares),
                    6: Bernoulli(0.2 + k / 4),
                }
            )
        )
    return GeneralMixtureModel(parts, weights=[0.5, 0.3, 0.2])


def holes(X, seed, share=0.3):
    X = np.array(X, dtype=float)
    X[np.random.default_rng(seed).uniform(size=X.shape) < share] = np.nan
    return X


def test_means_are_those_of_the_conditional_mixture_of_each_row():
    model = mixed()
    X = holes(model.sample(30, 1), 2)
    found = model.impute(X)
    for row, filled in zip(X, found, strict=True):
        gone = np.flatnonzero(np.isnan(row))
        if not len(gone):
            continue
        rest = model.condition({int(j): row[j] for j in np.flatnonzero(~np.isnan(row))}) if len(gone) < len(row) else model
        for place, j in enumerate(gone):
            law = rest.marginal(place)
            if j == 5:
                shares = np.exp(law.log_prob(np.arange(3.0)))
                assert filled[j] == np.argmax(shares)
            else:
                expected = law.mean
                assert filled[j] == pytest.approx(np.rint(expected) if j in (1, 6) else expected, rel=1e-9, abs=1e-12)


def test_modes_are_the_highest_points_of_the_conditional_mixture_of_each_row():
    model = mixed()
    X = holes(model.sample(20, 3), 4)
    found = model.impute(X, "mode")
    for row, filled in zip(X, found, strict=True):
        gone = np.flatnonzero(np.isnan(row))
        if not 0 < len(gone) < len(row):
            continue
        rest = model.condition({int(j): row[j] for j in np.flatnonzero(~np.isnan(row))})
        for place, j in enumerate(gone):
            law = rest.marginal(place)
            whole = j in (1, 5, 6)
            others = np.arange(60.0) if whole else law.quantile(np.linspace(1e-4, 1 - 1e-4, 400))
            best = law.log_prob(others).max()
            assert law.log_prob([filled[j]])[0] >= best - (0.0 if whole else 1e-12 * (1 + abs(best)))


def test_draws_follow_the_conditional_law():
    """Of one row, 4,000 times: every missing cell by Kolmogorov's or the chi-squared test, and what a block has in common."""
    model = mixed()
    row = np.array([1.0, np.nan, np.nan, np.nan, np.nan, np.nan, 1.0])
    drawn = model.impute(np.tile(row, (4000, 1)), "draw", random_state=0)
    rest = model.condition({0: 1.0, 6: 1})  # columns 1, 2, 3, 4, 5
    for place, j in ((1, 2), (2, 3), (3, 4)):
        assert scipy.stats.kstest(drawn[:, j], rest.marginal(place).cdf).pvalue > 1e-4
    for place, j in ((0, 1), (4, 5)):
        values, counts = np.unique(drawn[:, j], return_counts=True)
        shares = np.exp(rest.marginal(place).log_prob(values))
        common = shares * 4000 > 5
        assert scipy.stats.chisquare(counts[common], shares[common] * counts[common].sum() / shares[common].sum()).pvalue > 1e-4
    np.testing.assert_allclose(np.cov(drawn[:, [2, 4, 1]].T), rest.marginal([1, 3, 0]).covariance, rtol=0.15, atol=0.4)
    again = model.impute(np.tile(row, (4000, 1)), "draw", random_state=0)
    np.testing.assert_array_equal(drawn, again)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(METHODS), st.floats(0.0, 1.0))
def test_observed_cells_stay_and_no_cell_is_missing(seed, method, share):
    model = mixed()
    X = holes(model.sample(30, seed), seed, share)
    before = X.copy()
    found = model.impute(X, method, random_state=seed)
    np.testing.assert_array_equal(X, before)
    assert not np.isnan(found).any()
    seen = ~np.isnan(X)
    assert found[seen].tobytes() == X[seen].tobytes()
    assert np.isfinite(model.log_prob(found)).all()  # every new value is possible


def penguin_model(frame):
    columns = Product(
        {
            ("bill_length_mm", "bill_depth_mm"): MultivariateNormal(),
            "body_mass_g": Normal(),
            "island": Categorical(),
            "sex": Categorical(),
        }
    )
    return GeneralMixtureModel(columns, 2, random_state=0, n_init=1, max_iter=10, tol=0).fit(frame)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["pandas", "pandas with its own types", "polars", "pyarrow"])
def test_frames_stay_what_they_are(kind, method):
    frame = pl.DataFrame(load_penguins())
    frame = frame.with_columns(pl.when(pl.int_range(len(frame)) % 9 > 0).then(pl.col("island")).alias("island"))
    made = {
        "pandas": lambda: frame.to_pandas().set_index(np.arange(len(frame)) * 2 + 7),
        "pandas with its own types": lambda: frame.to_pandas().convert_dtypes().astype({"sex": "category"}),
        "polars": lambda: frame.with_columns(pl.col("sex").cast(pl.Categorical)),
        "pyarrow": frame.to_arrow,
    }[kind]()
    model = penguin_model(made)
    found = model.impute(made, method, random_state=0)
    assert type(found) is type(made)
    back = pl.DataFrame(pl.from_arrow(found) if kind == "pyarrow" else found)
    old = pl.DataFrame(pl.from_arrow(made) if kind == "pyarrow" else made)
    assert back.schema == old.schema
    if kind.startswith("pandas"):
        assert found.dtypes.equals(made.dtypes)
        assert found.index.equals(made.index)
    for name in old.columns:
        seen = old[name].is_not_null() & (old[name].is_not_nan() if old[name].dtype.is_float() else True)
        assert back.filter(seen)[name].equals(old.filter(seen)[name])
        left_out = name not in ("bill_length_mm", "bill_depth_mm", "body_mass_g", "island", "sex")
        assert back[name].null_count() == (old[name].null_count() if left_out else 0)
        assert left_out or back[name].dtype not in (pl.Float32, pl.Float64) or not back[name].is_nan().any()
    assert set(back["sex"].cast(pl.String).unique()) == {"female", "male"}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_types_of_columns(make):
    random = np.random.default_rng(0)
    n = 40
    data = {
        "whole": [None if i % 5 == 0 else int(v) for i, v in enumerate(random.poisson(4, n))],
        "rounded": [None if i % 6 == 0 else int(v) for i, v in enumerate(random.normal(50, 9, n))],
        "flag": [None if i % 7 == 0 else bool(v) for i, v in enumerate(random.integers(0, 2, n))],
        "code": [None if i % 8 == 0 else bool(v) for i, v in enumerate(random.integers(0, 2, n))],
    }
    frame = make(data)
    if make is pd.DataFrame:
        frame = frame.astype({"whole": "Int64", "rounded": "Int16", "flag": "boolean"})  # code: objects
    model = GeneralMixtureModel(Product(whole=Poisson(), rounded=Normal(), flag=Bernoulli(), code=Categorical()), 1).fit(frame)
    for method in METHODS:
        found = model.impute(frame, method, random_state=0)
        if make is pd.DataFrame:
            assert found.dtypes.equals(frame.dtypes)
        else:
            assert found.schema == frame.schema
        for name in data:
            values = list(found[name])
            assert [a for a, b in zip(values, data[name], strict=True) if b is not None] == [b for b in data[name] if b is not None]
            kind = bool if name in ("flag", "code") else int
            assert all(isinstance(value, (kind, np.bool_ if kind is bool else np.integer)) for value in values)


def test_arrays_of_every_kind():
    model = GeneralMixtureModel([Product(Normal(1, 1), Poisson(3.0)), Product(Normal(5, 1), Poisson(9.0))], weights=[0.5, 0.5])
    X = np.array([[1.0, np.nan], [np.nan, 9.0], [np.nan, np.nan], [2.0, 2.0]])
    expected = model.impute(X)
    read_only = X.copy()
    read_only.setflags(write=False)
    for other in (read_only, np.asfortranarray(X), X[::-1][::-1], X.tolist()):
        np.testing.assert_array_equal(model.impute(other), expected)
    small = model.impute(X.astype(np.float32))
    assert small.dtype == np.float32
    np.testing.assert_allclose(small, expected, rtol=1e-6)
    objects = X.astype(object)
    objects[np.isnan(X)] = None
    found = model.impute(objects)
    assert found.dtype == object
    np.testing.assert_allclose(found.astype(float), expected)
    whole = np.array([[1, 2], [3, 4]])
    copy = model.impute(whole)
    assert copy.dtype == whole.dtype
    assert copy is not whole
    names = np.array([(1.0, np.nan)], dtype=[("x", float), ("n", float)])
    named = GeneralMixtureModel([Product(x=Normal(1, 1), n=Poisson(3.0))])
    assert named.impute(names)["n"] == [3.0]
    flat = GeneralMixtureModel([Normal(4.0, 1.0)])
    np.testing.assert_array_equal(flat.impute([1.0, np.nan]), [1.0, 4.0])
    series = flat.impute(pd.Series([np.nan, 2.0], name="x"))
    assert isinstance(series, pd.Series)
    assert series.tolist() == [4.0, 2.0]
    assert flat.impute(pl.Series("x", [None, 2.0])).to_list() == [4.0, 2.0]
    assert flat.impute(pl.Series("x", [1.0, 2.0])).to_list() == [1.0, 2.0]


def test_many_rows_and_patterns_are_not_gone_through_one_by_one(monkeypatch):
    """20,000 rows with all 2^7 patterns: every block is split once a component and pattern of its own."""
    from mixtures import imputation

    calls = []
    original = imputation.given
    monkeypatch.setattr(imputation, "given", lambda *arguments: calls.append(1) or original(*arguments))
    model = mixed()
    X = holes(model.sample(20_000, 0), 1)
    for method in METHODS:
        calls.clear()
        model.impute(X, method, 0)
        assert 0 < len(calls) <= 3 * 2**3


def test_angles_are_averaged_on_the_circle():
    model = GeneralMixtureModel([Product(VonMises(3.0, 900.0), Normal(0, 1)), Product(VonMises(-3.0, 900.0), Normal(0, 1))])
    found = model.impute([[np.nan, 0.0]])
    assert abs(found[0, 0]) == pytest.approx(np.pi)
    assert abs(model.impute([[np.nan, 0.0]], "mode")[0, 0]) == pytest.approx(3.0, abs=0.05)
    mixed_column = GeneralMixtureModel([VonMises(0.0, 1.0), Normal(0.0, 1.0)])
    with pytest.raises(ParameterError, match=r"VonMises.*no finite mean"):
        mixed_column.impute([np.nan, 1.0])


def test_heavy_tails_have_modes_and_draws_but_no_means():
    model = GeneralMixtureModel([Product(StudentT(0.8, 5.0, 1.0), Normal(0, 1))])
    with pytest.raises(ParameterError, match=r"column 0: StudentT.* no finite mean"):
        model.impute([[np.nan, 0.0]])
    assert model.impute([[np.nan, 0.0]], "mode")[0, 0] == pytest.approx(5.0, abs=1e-6)
    assert np.isfinite(model.impute([[np.nan, 0.0]], "draw", 0)).all()


def test_student_blocks_take_rows_of_any_pattern():
    """Fits refuse them there; posteriors are those of marginals, and means those of the conditional Student's t."""
    matrix = np.array([[2.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 3.0]])
    blocks = [MultivariateStudentT(4.0, [0, 0, 0], matrix), MultivariateStudentT(7.0, [5, 5, 5], matrix)]
    model = GeneralMixtureModel(blocks, weights=[0.4, 0.6])
    X = holes(model.sample(20, 0), 1, 0.4)
    X[0] = np.nan
    found, modes, drawn = (model.impute(X, method, 0) for method in METHODS)
    for row, filled, mode in zip(X, found, modes, strict=True):
        seen = np.flatnonzero(~np.isnan(row))
        if len(seen) == 3:
            continue
        rest = model.condition({int(j): row[j] for j in seen}) if len(seen) else model
        gone = np.flatnonzero(np.isnan(row))
        np.testing.assert_allclose(filled[gone], np.atleast_1d(rest.mean), rtol=1e-9)
        for place, j in enumerate(gone):
            law = rest.marginal(place)
            assert law.log_prob([mode[j]])[0] >= law.log_prob(law.quantile(np.linspace(0.001, 0.999, 300))).max() - 1e-9
    assert np.isfinite(drawn).all()
    p = model.outlier_p_values(X, 500, 0)
    assert p[0] == 1.0


def test_modes_of_columns_with_point_masses():
    amounts = [Product(Degenerate(0.0), Normal(0, 1)), Product(Gamma(9.0, 1.0), Normal(6, 1))]
    model = GeneralMixtureModel(amounts, weights=[0.5, 0.5])
    found = model.impute([[np.nan, -1.0], [np.nan, 7.0]], "mode")
    np.testing.assert_allclose(found[:, 0], [0.0, 8.0], atol=1e-6)
    counts = GeneralMixtureModel([ZeroInflated(Poisson(6.0), 0.6), Poisson(20.0)], weights=[0.9, 0.1])
    np.testing.assert_array_equal(counts.impute([np.nan, 1.0], "mode"), [0.0, 1.0])


def test_modes_at_ends_and_far_counts():
    np.testing.assert_array_equal(GeneralMixtureModel([Exponential(2.0)]).impute([np.nan, 1.0], "mode"), [0.0, 1.0])
    assert 0 < GeneralMixtureModel([Beta(0.5, 3.0)]).impute([np.nan, 0.5], "mode")[0] < 1e-3  # a pole that is no value
    far = GeneralMixtureModel([Poisson(1e9), NegativeBinomial(40.0, 1e-5)], weights=[0.9, 0.1])
    found = far.impute([np.nan, 1.0], "mode")[0]
    assert far.log_prob([found])[0] >= far.log_prob(found + np.arange(-50.0, 51.0)).max()
    assert abs(found - 1e9) < 1e5


def test_blocks_of_shares_and_counts():
    model = GeneralMixtureModel([Product({(0, 1): Dirichlet([1.0, 3.0]), 2: Normal(0, 1)})])
    np.testing.assert_allclose(model.impute([[np.nan, np.nan, 1.0]])[0, :2], [0.25, 0.75])
    assert model.impute([[np.nan, np.nan, 1.0]], "draw", 0)[0, :2].sum() == pytest.approx(1.0)
    with pytest.raises(ParameterError, match="Dirichlet over columns 0, 1: the mode"):
        model.impute([[np.nan, np.nan, 1.0]], "mode")
    three = GeneralMixtureModel([Dirichlet([1.0, 2.0, 3.0])])
    with pytest.raises(ParameterError, match=r"Dirichlet over columns 0, 1, 2.*no closed form"):
        three.impute([[np.nan, np.nan, 0.3], [0.2, 0.5, 0.3]], "draw")
    counts = GeneralMixtureModel([Product({(0, 1): Multinomial([0.5, 0.5]), 2: Normal(0, 1)})])
    for method in METHODS:
        with pytest.raises(ParameterError, match="Multinomial"):
            counts.impute([[np.nan, np.nan, 1.0]], method)


def test_mixtures_within_mixtures():
    inner = GeneralMixtureModel([MultivariateNormal([m, -m], [[1, 0.5], [0.5, 1]]) for m in (0.0, 4.0)])
    nested = GeneralMixtureModel(
        [Product({(0, 1): inner, 2: Poisson(2.0)}), Product({(0, 1): inner.components[0], 2: Poisson(9.0)})]
    )
    flat = GeneralMixtureModel(
        [
            Product({(0, 1): c, 2: Poisson(r)})
            for c, r in zip([*inner.components, inner.components[0]], (2.0, 2.0, 9.0), strict=True)
        ],
        weights=[0.25, 0.25, 0.5],
    )
    X = holes(flat.sample(40, 0), 1, 0.4)
    for method in ("mean", "mode"):
        np.testing.assert_allclose(nested.impute(X, method), flat.impute(X, method), rtol=1e-9)
    assert not np.isnan(nested.impute(X, "draw", 0)).any()


def test_what_nothing_follows_from_is_refused():
    model = GeneralMixtureModel([Product(Exponential(1.0), Normal(0, 1))])
    with pytest.raises(DataError, match=r"row 1 has log-density -inf under every component \(1 such rows\)"):
        model.impute([[1.0, 2.0], [-1.0, np.nan], [-3.0, 0.0]])
    with pytest.raises(DataError, match="inf"):
        model.impute([[np.inf, np.nan]])
    with pytest.raises(ParameterError, match="method must be 'mean', 'mode' or 'draw', found 'median'"):
        model.impute([[1.0, np.nan]], "median")
    named = GeneralMixtureModel(Product(x=Normal()), 1).fit(pd.DataFrame({"x": [1.0, 2.0, 4.0]}))
    with pytest.raises(ValueError, match="feature names"):
        named.impute(pd.DataFrame({"y": [np.nan]}))


def test_categories_that_a_frame_does_not_know_join_it():
    frame = pd.DataFrame({"pet": pd.Categorical(["cat", "cat", None], categories=["cat"])})
    model = GeneralMixtureModel([Product(pet=Categorical([0.1, 0.9], ("cat", "dog")))])
    found = model.impute(frame)
    assert found["pet"].tolist() == ["cat", "cat", "dog"]
    assert list(found["pet"].cat.categories) == ["cat", "dog"]


def test_the_mean_of_directions_is_none():
    model = GeneralMixtureModel([Product({(0, 1): VonMisesFisher([0.6, 0.8], 3.0), 2: Normal(0, 1)})])
    with pytest.raises(ParameterError, match=r"columns 0, 1: the mean of VonMisesFisher.* is no row that it allows"):
        model.impute([[np.nan, np.nan, 1.0]])
    assert np.linalg.norm(model.impute([[np.nan, np.nan, 1.0]], "draw", 0)[0, :2]) == pytest.approx(1.0)


def test_narrow_bumps_are_seen():
    bumps = KernelDensity(1e-3, points=[0.0, 1.0, 1.0, *np.linspace(2, 9, 300)])
    assert GeneralMixtureModel([bumps]).impute([np.nan, 0.0], "mode")[0] == pytest.approx(1.0, abs=1e-6)


def test_tied_components_may_be_asked_one_by_one():
    tied = MultivariateNormal([0, 0], [[1, 0.5], [0.5, 1]], tied=True)
    apart = MultivariateNormal([9, 9], [[1, 0], [0, 1]])
    nested, plain = (
        GeneralMixtureModel([GeneralMixtureModel([one, one.replaced(mean=(3, 3))]), apart])
        for one in (tied, tied.replaced(tied=False))
    )
    np.testing.assert_array_equal(nested.impute([[0.0, np.nan]]), plain.impute([[0.0, np.nan]]))


class Triangle:
    """A user's class: a triangle from 0 to 2 around 1."""

    mean = 1.0

    def log_prob(self, X):
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(1.0 - np.abs(X[:, 0] - 1.0), 0.0))

    def fit(self, X, sample_weight=None):
        return self

    def sample(self, n=1, random_state=None):
        return np.random.default_rng(random_state).triangular(0, 1, 2, (n, 1))


class TriangleWithQuantiles(Triangle):
    def quantile(self, p):
        return scipy.stats.triang.ppf(p, 0.5, 0, 2)

    def cdf(self, x):
        return scipy.stats.triang.cdf(x, 0.5, 0, 2)


def test_classes_of_ones_own():
    model = GeneralMixtureModel([Product(Triangle(), Normal(0, 1)), Product(Normal(3, 1), Normal(0, 1))], weights=[0.5, 0.5])
    assert model.impute([[np.nan, 0.0]])[0, 0] == 2.0
    assert np.isfinite(model.impute([[np.nan, 0.0]] * 9, "draw", 0)).all()
    with pytest.raises(ParameterError, match="Triangle: expected a method quantile"):
        model.impute([[np.nan, 0.0]], "mode")
    better = GeneralMixtureModel(
        [Product(TriangleWithQuantiles(), Normal(0, 1)), Product(Normal(3, 1), Normal(0, 1))], weights=[0.9, 0.1]
    )
    assert better.impute([[np.nan, 0.0]], "mode")[0, 0] == pytest.approx(1.0, abs=1e-6)
    law = better.marginal(0)
    np.testing.assert_allclose(law.cdf(law.quantile([0.1, 0.5, 0.99])), [0.1, 0.5, 0.99], rtol=1e-12)
    with pytest.raises(ParameterError, match=r"Triangle.* has no cdf"):
        model.marginal(0).quantile(0.5)
    with pytest.raises(ParameterError, match=r"Pair on columns 0, 1: expected a method sample"):
        GeneralMixtureModel([Pair()]).overlap(10)
    with pytest.raises(ParameterError, match=r"Pair over columns 0, 1.*no closed form"):
        GeneralMixtureModel([Pair()]).impute([[1.0, np.nan]])


class Pair:
    """A user's class over two columns that nothing is known of."""

    n_features = 2

    def log_prob(self, X):
        return -np.square(X).sum(axis=1)

    def fit(self, X, sample_weight=None):
        return self


def test_penguins_are_filled_in_better_than_by_regressions_and_modes():
    """A fifth of the cells removed, three times; the benchmark ``tests/benchmarks/imputation.py`` does more tables and seeds."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    measures = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    groups = ["species", "island", "sex"]
    whole = pl.DataFrame(load_penguins()).select(*(pl.col(name).cast(pl.Float64) for name in measures), *groups).drop_nulls()
    numbers = whole.select(measures).to_numpy()
    scale = numbers.std(axis=0)
    factors = {tuple(measures): MultivariateNormal(tied=True), **{name: Categorical() for name in groups}}
    ours, theirs, right, common = [], [], [], []
    for seed in range(3):
        gone = np.random.default_rng(seed).uniform(size=whole.shape) < 0.2
        frame = whole.with_columns(
            pl.when(pl.Series(gone[:, j])).then(None).otherwise(pl.col(name)).alias(name) for j, name in enumerate(whole.columns)
        )
        models = [GeneralMixtureModel(Product(factors), k, random_state=0, n_init=2).fit(frame) for k in range(3, 8)]
        found = min(models, key=lambda model: model.bic(frame)).impute(frame)
        indicators = [  # of all but the first category, which the others tell
            (frame[name] == value).cast(pl.Float64).to_numpy()[:, None]
            for name in groups
            for value in sorted(frame[name].drop_nulls().unique())[1:]
        ]
        told = np.hstack([frame.select(measures).to_numpy() / scale, *indicators])
        regressions = IterativeImputer(random_state=0, max_iter=50, tol=1e-2).fit_transform(told)[:, :4] * scale
        for errors, table in ((ours, found.select(measures).to_numpy()), (theirs, regressions)):
            errors.append(np.sqrt(np.mean(((table - numbers) / scale)[gone[:, :4]] ** 2)))
        for j, name in enumerate(groups, 4):
            lost = whole[name].to_numpy()[gone[:, j]]
            right.append(np.mean(found[name].to_numpy()[gone[:, j]] == lost))
            common.append(np.mean(lost == frame[name].drop_nulls().mode().sort()[0]))
    assert np.mean(ours) < np.mean(theirs)
    assert (np.array(right) > common).all()
