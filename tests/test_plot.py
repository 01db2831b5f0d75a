"""Pictures: what they draw is what the model says, from any kind of table, on any axes, and the same every time."""

import functools
import io
import itertools
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas
import polars
import pytest
import scipy.stats
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mixtures import GeneralMixtureModel
from mixtures.distributions import (
    Bernoulli,
    Categorical,
    Degenerate,
    Exponential,
    Gamma,
    Multinomial,
    MultivariateNormal,
    MultivariateStudentT,
    Normal,
    Poisson,
    Product,
    VonMisesFisher,
    ZeroInflated,
)
from mixtures.exceptions import DataError, NotFittedError, ParameterError
from mixtures.plot import (
    ClassificationDisplay,
    ContourDisplay,
    ConvergenceDisplay,
    CriteriaDisplay,
    DensityDisplay,
    PairGridDisplay,
    ProfileDisplay,
    QQDisplay,
    RootogramDisplay,
    colours,
)
from mixtures.plot.classification import _thinned
from mixtures.plot.contour import levels_of
from mixtures.plot.ellipses import ellipse_of
from mixtures.plot.laws import quantiles_of
from mixtures.plot.rows import bin_edges, jittered, shown_of

from .random_models import KINDS, random_mixture, random_table, table_of

matplotlib.use("Agg")

N = 90


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def mixed_model():
    a = Product(
        length=Normal(40.0, 3.0),
        mass=Gamma(40.0, 0.01),
        visits=Poisson(2.0),
        island=Categorical([0.7, 0.3, 0.0], ["Biscoe", "Dream", "Torgersen"]),
        female=Bernoulli(0.4),
    )
    b = Product(
        length=Normal(48.0, 2.0),
        mass=Gamma(90.0, 0.018),
        visits=ZeroInflated(Poisson(8.0), 0.1),
        island=Categorical([0.1, 0.1, 0.8], ["Biscoe", "Dream", "Torgersen"]),
        female=Bernoulli(0.9),
    )
    return GeneralMixtureModel([a, b], weights=[0.6, 0.4])


def mixed_table(library="polars", missing=True):
    model = mixed_model()
    rows = model.sample(N, random_state=0)
    columns = {name: list(rows[:, j]) for j, name in enumerate(["length", "mass", "visits", "island", "female"])}
    if missing:
        columns["length"][3] = columns["visits"][5] = columns["island"][7] = None
    if library == "polars":
        return polars.DataFrame(columns, strict=False)
    return pandas.DataFrame(
        {name: pandas.Series(cells, dtype=object if name == "island" else float) for name, cells in columns.items()}
    )


def two_normals():
    x = np.random.default_rng(0).normal(np.repeat([0.0, 4.0], [60, 40]), 1.0)
    return GeneralMixtureModel([Normal(0.0, 1.0), Normal(4.0, 1.0)], weights=[0.6, 0.4]), x


def plane():
    components = [
        MultivariateNormal([0.0, 0.0], [[1.0, 0.6], [0.6, 2.0]]),
        MultivariateNormal([5.0, 4.0], [[2.0, 0.0], [0.0, 1.0]]),
    ]
    model = GeneralMixtureModel(components, weights=[0.7, 0.3])
    return model, model.sample(N, random_state=1)


@functools.cache
def everything():
    """Every display, of models that suit it."""
    return list(_everything())


def _everything():
    normals, x = two_normals()
    both, rows = plane()
    mixed, table = mixed_model(), mixed_table()
    fitted = GeneralMixtureModel(Normal(), 2, random_state=0).fit(x)
    yield lambda ax: DensityDisplay.from_estimator(normals, x, ax=ax)
    yield lambda ax: DensityDisplay.from_estimator(mixed, table, column="visits", ax=ax)
    yield lambda ax: DensityDisplay.from_estimator(mixed, table, column="island", ax=ax)
    yield lambda ax: ContourDisplay.from_estimator(both, rows, contours=True, ax=ax)
    yield lambda ax: PairGridDisplay.from_estimator(mixed, table, ax=ax)
    yield lambda ax: ProfileDisplay.from_estimator(mixed, table, ax=ax)
    yield lambda ax: ClassificationDisplay.from_estimator(normals, x, ax=ax)
    yield lambda ax: ClassificationDisplay.from_estimator(both, rows, ax=ax)
    yield lambda ax: ClassificationDisplay.from_estimator(mixed, table, ax=ax)
    yield lambda ax: CriteriaDisplay.from_criteria(
        [1, 2, 3], {"bic": [9.0, 5.0, 4.0], "icl": [9, 6, 7]}, degenerate=[0, 0, 1], ax=ax
    )
    yield lambda ax: ConvergenceDisplay.from_estimator(fitted, ax=ax)
    yield lambda ax: QQDisplay.from_estimator(mixed, table, column="mass", ax=ax)
    yield lambda ax: RootogramDisplay.from_estimator(mixed, table, column="visits", ax=ax)


EVERY = range(13)


def drawn(place, ax=None):
    return everything()[place](ax)


# --- all displays ---


@pytest.mark.parametrize("place", EVERY)
def test_it_draws_where_it_is_told_to_and_opens_no_figure(place):
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    display = drawn(place, ax)
    assert display.figure_ is figure
    assert plt.get_fignums() == []
    own = display.ax_ if hasattr(display, "ax_") else display.axes_.ravel()[0]
    assert own.figure is figure
    display.plot()  # again, elsewhere
    assert len(plt.get_fignums()) == 1
    assert display.figure_ is plt.gcf()


@pytest.mark.parametrize("place", [1, 3, 6, 7, 8, 12])
def test_pictures_are_the_same_every_time(place):
    pictures = []
    for _ in range(2):
        buffer = io.BytesIO()
        display = drawn(place)
        display.figure_.set_layout_engine("none")  # which is matplotlib's, and takes most of the time
        display.figure_.savefig(buffer, format="raw", dpi=30)
        pictures.append(buffer.getvalue())
    assert pictures[0] == pictures[1]


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast_of(a, b):
    high, low = sorted([luminance(a), luminance(b)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def texts_of(ax):
    found = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
    legend = ax.get_legend()
    found += [] if legend is None else [*legend.get_texts(), legend.get_title()]
    return [text for text in found if text.get_text() and text.get_visible()]


@pytest.mark.parametrize("place", EVERY)
def test_words_can_be_read_on_dark(place):
    with plt.style.context("dark_background"):
        figure = drawn(place).figure_
    for ax in figure.axes:
        if ax.axison:
            for text in texts_of(ax):
                assert contrast_of(text.get_color(), "black") >= 4.5, text


@pytest.mark.parametrize("place", [0, 2, 6, 9, 12])
def test_dark_axes_of_the_caller_are_enough(place):
    with plt.style.context("dark_background"):
        figure = Figure(layout="constrained")
        ax = figure.subplots()
    drawn(place, ax)
    for text in texts_of(ax):
        assert contrast_of(text.get_color(), figure.get_facecolor()) >= 4.5, text


@pytest.mark.parametrize("place", EVERY)
def test_nothing_lies_on_anything_else(place):
    figure = drawn(place).figure_
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    for ax in figure.axes:
        if not ax.axison:
            continue
        for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
            boxes = [label.get_window_extent(renderer) for label in labels if label.get_text() and label.get_visible()]
            inside = [box for box in boxes if ax.bbox.x0 - 3 <= (box.x0 + box.x1) / 2 <= ax.bbox.x1 + 3 or box.x1 <= ax.bbox.x0]
            for one, other in itertools.pairwise(inside):
                assert not one.padded(-1).overlaps(other), place
        legend = ax.get_legend()
        if legend is not None:
            box = legend.get_window_extent(renderer)
            assert not any(box.padded(-1).overlaps(other.bbox) for other in figure.axes if other.axison)
            assert box.x1 <= figure.bbox.x1 + 1


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    model, x = two_normals()
    for draw in (lambda: DensityDisplay.from_estimator(model, x), lambda: ProfileDisplay.from_estimator(model)):
        with pytest.raises(ModuleNotFoundError, match=r'the extra "plot" brings: pip install "general-mixtures\[plot\]"'):
            draw()


def test_components_can_be_told_apart_without_colour_and_on_any_paper():
    assert len({(colours.colour(k), str(colours.line(k))) for k in range(35)}) == 35
    assert len({(colours.colour(k), colours.marker(k)) for k in range(84)}) == 84
    assert len({(colours.colour(k), colours.hatch(k)) for k in range(42)}) == 42
    for tint in colours.PALETTE:
        assert contrast_of(tint, "white") > 2
        assert contrast_of(tint, "black") > 3
    # as a person sees them who lacks green cones (Vienot, Brettel & Mollon 1999), no two are alike
    from_rgb = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    seen = [np.array([c**2.2 for c in to_rgb(tint)]) @ from_rgb.T for tint in colours.PALETTE]
    gaps = [np.abs(a - b).sum() for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) > 0.08


@pytest.mark.parametrize("make", [
    lambda m, x: DensityDisplay.from_estimator(m, x),
    lambda m, x: ContourDisplay.from_estimator(m, x),
    lambda m, x: PairGridDisplay.from_estimator(m, x),
    lambda m, x: ProfileDisplay.from_estimator(m, x),
    lambda m, x: ClassificationDisplay.from_estimator(m, x),
    lambda m, x: CriteriaDisplay.from_estimators([m], x),
    lambda m, x: ConvergenceDisplay.from_estimator(m, x),
    lambda m, x: QQDisplay.from_estimator(m, x),
    lambda m, x: RootogramDisplay.from_estimator(m, x),
])  # fmt: skip
def test_models_that_cannot_be_shown(make):
    x = np.zeros((4, 1))
    with pytest.raises(NotFittedError):
        make(GeneralMixtureModel(Normal(), 2), x)
    with pytest.raises(ParameterError, match="expected a GeneralMixtureModel, found Normal"):
        make(Normal(0.0, 1.0), x)
    assert plt.get_fignums() == []


def test_axes_that_are_none():
    model, x = two_normals()
    with pytest.raises(ParameterError, match="ax must be one matplotlib Axes or None, found ndarray"):
        DensityDisplay.from_estimator(model, x, ax=Figure().subplots(2))
    with pytest.raises(ParameterError, match="placed by hand"):
        ProfileDisplay.from_estimator(model, ax=Figure().add_axes((0, 0, 1, 1)))


# --- one column ---


@pytest.mark.parametrize("read", [np.asarray, lambda x: x.astype(np.float32), pandas.Series, lambda x: polars.DataFrame({"x": x})])
def test_a_density_is_that_of_the_model(read):
    _, x = two_normals()
    rows = read(x)
    model = GeneralMixtureModel(Normal(), 2, random_state=0).fit(rows)
    display = DensityDisplay.from_estimator(model, rows)
    np.testing.assert_allclose(
        display.density,
        np.exp(np.asarray(model.log_prob(display.x if not hasattr(rows, "columns") else polars.DataFrame({"x": display.x})))),
        rtol=1e-12,
    )
    np.testing.assert_array_equal(display.total_.get_ydata(), display.density)
    for k, line in enumerate(display.lines_):
        component = model.components_[k]
        np.testing.assert_allclose(
            line.get_ydata(),
            model.weights_[k] * scipy.stats.norm(component.mean, component.std).pdf(display.x),
            rtol=1e-10,
            atol=1e-300,
        )
    assert np.trapezoid(display.density, display.x) == pytest.approx(1.0, abs=0.02)
    assert display.heights @ np.diff(display.edges) == pytest.approx(1.0)


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_bars_are_the_probabilities_of_counts_and_categories(library):
    model, table = mixed_model(), mixed_table(library)
    display = DensityDisplay.from_estimator(model, table, column="visits")
    assert display.kind == "counts"
    total = np.sum([[bar.get_height() for bar in bars] for bars in display.bars_], axis=0)
    expected = 0.6 * scipy.stats.poisson(2).pmf(display.x) + 0.4 * (
        0.1 * (display.x == 0) + 0.9 * scipy.stats.poisson(8).pmf(display.x)
    )
    np.testing.assert_allclose(total, expected, rtol=1e-10)
    observed = np.array([v for v in table["visits"] if v is not None and v == v])
    np.testing.assert_allclose(display.data_[0].get_ydata(), [np.mean(observed == v) for v in display.x])
    display = DensityDisplay.from_estimator(model, table, column="island")
    heights = [[bar.get_height() for bar in bars] for bars in display.bars_]
    np.testing.assert_allclose(heights, [[0.42, 0.18, 0.0], [0.04, 0.04, 0.32]])
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["Biscoe", "Dream", "Torgersen"]
    display = DensityDisplay.from_estimator(model, table, column="female")
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["false", "true"]
    np.testing.assert_allclose(display.density, [0.36 + 0.04, 0.24 + 0.36])


def test_a_category_that_only_the_rows_have():
    model = GeneralMixtureModel([Categorical([0.5, 0.5], ["a", "b"], pseudo_count=1.0)])
    display = DensityDisplay.from_estimator(model, np.array(["a", "b", "z"], dtype=object))
    assert display.x == ["a", "b", "z"]
    np.testing.assert_allclose(display.heights, 1 / 3)


def test_a_rug_has_a_line_for_every_value_of_few():
    model, x = two_normals()
    display = DensityDisplay.from_estimator(model, x, data="rug")
    assert np.array_equal(display.data_[0].get_xdata(), x)
    assert "data (n = 100)" in [text.get_text() for text in display.legend_.get_texts()]
    display = DensityDisplay.from_estimator(model, np.tile(x, 30), data="rug")
    assert "data (2,000 of 3,000 rows)" in [text.get_text() for text in display.legend_.get_texts()]


def test_weights_mean_repetition():
    model, x = two_normals()
    weights = np.random.default_rng(3).integers(0, 4, len(x))
    one, other = (
        DensityDisplay.from_estimator(model, x, sample_weight=weights),
        DensityDisplay.from_estimator(model, np.repeat(x, weights)),
    )
    np.testing.assert_allclose(one.edges, other.edges)
    np.testing.assert_allclose(one.heights, other.heights)
    np.testing.assert_allclose(one.x, other.x)
    mixed, table = mixed_model(), mixed_table()
    weights = np.random.default_rng(3).integers(0, 4, N)
    repeated = table[np.repeat(np.arange(N), weights)]
    for column in ("visits", "island"):
        one = DensityDisplay.from_estimator(mixed, table, column=column, sample_weight=weights)
        np.testing.assert_allclose(one.heights, DensityDisplay.from_estimator(mixed, repeated, column=column).heights)
        one = RootogramDisplay.from_estimator(mixed, table, column=column, sample_weight=weights)
        other = RootogramDisplay.from_estimator(mixed, repeated, column=column)
        np.testing.assert_allclose([one.observed, one.expected], [other.observed, other.expected])


def test_point_masses_among_densities():
    x = np.concatenate([np.zeros(30), np.random.default_rng(0).gamma(3.0, 1.0, 70)])
    model = GeneralMixtureModel([Degenerate(0.0), Gamma(3.0, 1.0)], weights=[0.25, 0.75])
    display = DensityDisplay.from_estimator(model, x)
    assert display.atoms.tolist() == [0.0]
    np.testing.assert_allclose(display.masses, [[0.25, 0.0]])
    assert display.atom_shares.tolist() == [0.3]
    assert display.stems_[0].get_ydata().tolist() == [0.0, 0.25]
    np.testing.assert_allclose(display.density, 0.75 * scipy.stats.gamma(3).pdf(display.x), rtol=1e-10)
    assert display.heights @ np.diff(display.edges) == pytest.approx(0.7)


def test_counts_beside_densities_are_masses():
    model = GeneralMixtureModel([Poisson(2.0), Normal(20.0, 1.0)], weights=[0.5, 0.5])
    display = DensityDisplay.from_estimator(model, np.array([0.0, 2.0, 3.0, 19.5, 20.3]))
    assert display.atoms.tolist() == [0.0, 2.0, 3.0]
    np.testing.assert_allclose(display.masses[:, 0], 0.5 * scipy.stats.poisson(2).pmf([0, 2, 3]))
    np.testing.assert_allclose(display.density, 0.5 * scipy.stats.norm(20, 1).pdf(display.x), atol=1e-300)


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (GeneralMixtureModel([Normal(3.0, 1e-14)]), [3.0, 3.0]),
        (GeneralMixtureModel([Normal(3.0, 1.0)]), [7.0]),
        (GeneralMixtureModel([Normal(1e12, 1.0), Normal(1e12 + 9, 1.0)]), [1e12, 1e12 + 1, 1e12 + 9]),
        (GeneralMixtureModel([Normal(0.0, 1e150)]), [-1e150, 2e150]),
        (GeneralMixtureModel([Gamma(0.3, 1.0)]), [0.001, 0.5, 2.0]),
        (GeneralMixtureModel([Exponential(1.0), Normal(1e5, 1e-3)]), [0.5, 1.0, 1e5]),
        (GeneralMixtureModel([Poisson(1e6)]), [999_000.0, 1_001_000.0]),
        (GeneralMixtureModel([Poisson(0.0)]), [0.0]),
        (GeneralMixtureModel([Bernoulli(1.0)]), [True, True]),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_columns_at_the_edge(model, x):
    for data in ("rug", "none", "histogram"):
        display = DensityDisplay.from_estimator(model, x, data=data, ax=Figure().subplots())
        low, high = display.ax_.get_ylim()
        assert 0.0 == low < high < np.inf
    display.figure_.savefig(io.BytesIO(), format="raw", dpi=30)
    if display.kind == "numbers":
        QQDisplay.from_estimator(model, x, ax=Figure().subplots())
    elif np.max(x) < 1e5:
        RootogramDisplay.from_estimator(model, x, ax=Figure().subplots())
    ClassificationDisplay.from_estimator(model, x, ax=Figure().subplots())


@pytest.mark.parametrize("seed", range(3))
def test_every_column_of_random_models_of_random_tables(seed):
    random = np.random.default_rng(seed)
    kinds = random.permutation(list(KINDS))
    rows = table_of(random_table(random, kinds, 80, 0.1))
    weights, components = random_mixture(random, kinds, 3)
    model = GeneralMixtureModel([Product(*component) for component in components], weights=weights)
    counts = random.integers(0, 3, 80)
    for j in range(len(kinds)):
        display = DensityDisplay.from_estimator(model, rows, column=j, sample_weight=counts, ax=Figure().subplots())
        x = np.array(display.x, dtype=object if display.kind == "categories" else float)
        for k, component in enumerate(components):
            expected = weights[k] * np.exp(component[j].log_prob(x))
            shown = display.components[:, k]
            if display.kind == "numbers" and isinstance(component[j], Poisson):
                expected = np.zeros(len(x))  # its masses are not densities
            np.testing.assert_allclose(shown, expected, rtol=1e-10, atol=1e-300)
        assert display.total_weight == sum(
            w for w, cell in zip(counts, rows[:, j], strict=True) if cell is not None and cell == cell
        )


def test_narrow_components_are_not_missed():
    model = GeneralMixtureModel([Normal(0.0, 1.0), Normal(0.5001234, 1e-6)], weights=[0.99, 0.01])
    display = DensityDisplay.from_estimator(model, [-2.0, 0.0, 2.0])
    assert np.trapezoid(display.components[:, 1], display.x) == pytest.approx(0.01, rel=0.02)


def test_columns_that_cannot_be_shown():
    model, table = mixed_model(), mixed_table()
    with pytest.raises(ParameterError, match="expected a column to show, since the model has 5: 'length', 'mass'"):
        DensityDisplay.from_estimator(model, table)
    with pytest.raises(ParameterError, match="expected a column named 'weight'"):
        DensityDisplay.from_estimator(model, table, column="weight")
    with pytest.raises(ParameterError, match="says nothing of column 'id'"):
        DensityDisplay.from_estimator(model, table.with_columns(id=polars.lit(1)), column="id")
    with pytest.raises(ParameterError, match="data must be one of"):
        DensityDisplay.from_estimator(model, table, column="mass", data="bars")
    with pytest.raises(DataError, match="column 'length': expected at least one observed value"):
        DensityDisplay.from_estimator(model, table[:1].with_columns(length=polars.lit(None, dtype=polars.Float64)), column="length")
    fitted = GeneralMixtureModel(Normal(), 1).fit(np.arange(6.0).reshape(3, 2))
    with pytest.raises(ValueError, match="features"):
        DensityDisplay.from_estimator(fitted, np.zeros((3, 3)), column=0)
    with pytest.raises(DataError, match="Multinomial has no density of column 0 alone"):
        DensityDisplay.from_estimator(GeneralMixtureModel([Multinomial([0.5, 0.5])]), [[1.0, 2.0]], column=0)
    with pytest.raises(ParameterError, match="holds counts: show their fit with RootogramDisplay"):
        QQDisplay.from_estimator(model, table, column="visits")
    with pytest.raises(ParameterError, match="holds numbers that are no counts: show their fit with QQDisplay"):
        RootogramDisplay.from_estimator(model, table, column="mass")
    assert plt.get_fignums() == []


# --- two columns and more ---


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize(
    "piece",
    [
        MultivariateNormal([1.0, 2.0], [[2.0, 0.7], [0.7, 1.0]]),
        MultivariateNormal([1.0, 2.0], [2.0, 1.0], kind="diagonal"),
        Product(Normal(1.0, 2.0), Normal(0.0, 3.0)),
        MultivariateStudentT(3.0, [1.0, 2.0], [[2.0, 0.7], [0.7, 1.0]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_ellipses_hold_their_share(piece, share):
    outline = ellipse_of(piece, share)
    densities = piece.log_prob(outline)
    np.testing.assert_allclose(densities, densities[0])
    rows = piece.sample(40_000, random_state=0)
    # five standard errors of a share
    assert np.mean(piece.log_prob(rows) > densities[0]) == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 40_000))


def test_contours_hold_their_share():
    x = np.linspace(-6.0, 6.0, 241)
    density = np.exp(-(x[None, :] ** 2 + x[:, None] ** 2) / 2) / (2 * np.pi)
    low, high = levels_of(x, x, density, (0.5, 0.9))
    np.testing.assert_allclose([low, high], np.array([0.1, 0.5]) / (2 * np.pi), rtol=0.01)  # 1 - share, for two Normals
    assert len(levels_of(x, x, np.zeros_like(density), (0.5,))) == 0


def test_points_are_the_rows_by_component():
    model, rows = plane()
    rows = rows.copy()
    rows[4, 0] = np.nan
    weights = np.ones(N)
    weights[5] = 0.0
    display = ContourDisplay.from_estimator(model, rows, sample_weight=weights)
    kept = [i for i in range(N) if i not in (4, 5)]
    labels = model.predict(rows)[kept]
    np.testing.assert_array_equal(display.labels, labels)
    for k, points in enumerate(display.points_):
        np.testing.assert_array_equal(points.get_offsets(), rows[kept][labels == k])
        assert to_rgb(points.get_facecolor()[0]) == to_rgb(colours.colour(k))
    assert len(display.ellipses_) == 4
    assert display.contours_ is None
    np.testing.assert_allclose(display.ellipses_[1].get_xydata(), ellipse_of(model.components[0], 0.9))


def test_contours_are_of_the_models_density():
    model, rows = plane()
    display = ContourDisplay.from_estimator(model, rows, contours=True)
    x, y, density = display.grid
    points = np.column_stack([np.tile(x, len(y)), np.repeat(y, len(x))])
    np.testing.assert_allclose(density.ravel(), np.exp(model.score_samples(points)), rtol=1e-12)
    assert display.contours_.levels.tolist() == display.levels_.tolist()


def test_two_columns_of_many_are_the_models_margin_and_coloured_by_all():
    model, table = mixed_model(), mixed_table(missing=False)
    display = ContourDisplay.from_estimator(model, table, columns=("mass", "length"))
    assert display.ax_.get_xlabel() == "mass"
    np.testing.assert_array_equal(display.labels, model.predict(table))
    x, y, density = display.grid
    expected = sum(
        w * scipy.stats.gamma(a, scale=1 / r).pdf(x)[None, :] * scipy.stats.norm(m, s).pdf(y)[:, None]
        for w, a, r, m, s in ((0.6, 40, 0.01, 40, 3), (0.4, 90, 0.018, 48, 2))
    )
    np.testing.assert_allclose(density, expected, rtol=1e-8, atol=1e-300)


def test_a_row_that_no_component_can_have_made_is_marked():
    model = GeneralMixtureModel([Product(Exponential(1.0), Exponential(1.0))])
    for display in (ContourDisplay, ClassificationDisplay):
        shown = display.from_estimator(model, [[1.0, 2.0], [-1.0, 2.0], [0.5, 0.5]])
        assert shown.labels.tolist() == [0, -1, 0]
        assert "density zero" in [text.get_text() for text in shown.legend_.get_texts()]


def test_many_rows_are_thinned_always_alike():
    assert shown_of(np.ones(10, dtype=bool), 10).tolist() == list(range(10))
    first, second = (shown_of(np.ones(10_000, dtype=bool), 50) for _ in range(2))
    assert first.tolist() == second.tolist() == sorted(set(first.tolist()))
    assert len(first) == 50
    model, rows = plane()
    for display in (ContourDisplay, ClassificationDisplay):
        shown = display.from_estimator(model, rows, max_rows=20)
        assert len(shown.labels) == 20
        assert shown.legend_.get_title().get_text().startswith(f"20 of {N} rows")
    with pytest.raises(ParameterError, match="max_rows"):
        ContourDisplay.from_estimator(model, rows, max_rows=0)


def test_columns_for_a_plane():
    model, table = mixed_model(), mixed_table()
    for columns, words in (
        (None, "expected 2 columns to show, since the model has 5"),
        (("mass",), "columns must be 2"),
        ("mass", "columns must be 2"),
        (("mass", "mass"), "columns must differ"),
        (("mass", "island"), "column 'island' holds categories"),
    ):
        with pytest.raises(ParameterError, match=words):
            ContourDisplay.from_estimator(model, table, columns=columns)
    with pytest.raises(ParameterError, match="shares must lie between 0 and 1"):
        ContourDisplay.from_estimator(model, table, columns=("mass", "length"), shares=(0.5, 1.0))
    with pytest.raises(ParameterError, match="expected 2 to 8 columns of numbers, found 1: 'mass'"):
        PairGridDisplay.from_estimator(model, table, columns=["mass"])


def test_a_grid_has_every_pair_once_and_shares_axes():
    display = PairGridDisplay.from_estimator(mixed_model(), mixed_table())
    assert display.names == ("length", "mass", "visits")  # no categories, no zeros and ones
    assert sorted(display.contours) == [(1, 0), (2, 0), (2, 1)]
    assert [ax.get_xlabel() for ax in display.axes_[2]] == ["length", "mass", "visits"]
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == ["", "mass", "visits"]
    for c in range(3):
        assert len({display.axes_[r, c].get_xlim() for r in range(c, 3)}) == 1
    assert display.axes_[2, 0].get_ylim() == display.axes_[2, 1].get_ylim()
    assert len(display.legend_.get_texts()) == 2


@pytest.mark.parametrize(
    "model",
    [GeneralMixtureModel([VonMisesFisher([1.0, 0.0], 2.0)]), GeneralMixtureModel([Multinomial([0.5, 0.5])])],
    ids=["sphere", "counts"],
)
def test_joint_families_without_margins_still_have_a_plane(model):
    rows = model.sample(30, random_state=0)
    assert ContourDisplay.from_estimator(model, rows).labels.tolist() == [0] * 30
    assert ClassificationDisplay.from_estimator(model, rows).kind == "plane"


# --- profiles, classification ---


def test_profiles_are_drawn_in_the_tables_order_and_as_asked_for():
    model = mixed_model()
    display = ProfileDisplay.from_estimator(model, units={"mass": "g"})
    assert [ax.get_title() for ax in display.axes_] == ["length", "mass [g]", "visits", "island", "female"]
    assert [float(line.get_xdata()[0]) for line in display.artists_[0]] == [40.0, 48.0]
    np.testing.assert_allclose(display.artists_[3].get_array(), [[0.7, 0.3, 0.0], [0.1, 0.1, 0.8]])
    assert [float(line.get_xdata()[0]) for line in display.artists_[4]] == pytest.approx([0.4, 0.9])
    display = ProfileDisplay.from_estimator(model, columns=["female", 0], n_across=1)
    assert [ax.get_title() for ax in display.axes_] == ["female", "length"]
    for arguments, words in (
        ({"columns": "mass"}, "columns must be names"),
        ({"columns": ["weight"]}, "expected a column named 'weight'"),
        ({"n_across": 0}, "n_across must be"),
        ({"units": {"weight": "g"}}, "units: expected one of"),
    ):
        with pytest.raises(ParameterError, match=words):
            ProfileDisplay.from_estimator(model, **arguments)


def test_many_categories_are_gathered():
    categories = [f"a category whose name is long {j}" for j in range(20)]
    model = GeneralMixtureModel([Product(c=Categorical(np.full(20, 0.05), categories))] * 2)
    display = ProfileDisplay.from_estimator(model)
    np.testing.assert_allclose(display.artists_[0].get_array().sum(axis=1), 1.0)
    labels = [label.get_text() for label in display.axes_[0].get_xticklabels()]
    assert len(labels) == len(set(labels)) == 8
    assert labels[-1] == "13 others"


def test_probabilities_along_a_column():
    model, x = two_normals()
    display = ClassificationDisplay.from_estimator(model, x)
    assert display.kind == "curves"
    where, probabilities = display.grid
    np.testing.assert_allclose(probabilities, model.predict_proba(where), atol=1e-12)
    np.testing.assert_array_equal(display.artists_[1].get_ydata(), probabilities[:, 1])
    np.testing.assert_allclose(display.uncertainties, 1 - model.predict_proba(x).max(axis=1), atol=1e-15)


def test_regions_and_uncertain_rows_of_a_plane():
    model, rows = plane()
    between = np.linspace(*(component.mean for component in model.components), 201)
    rows = np.vstack([rows, between[[model.predict_proba(between).max(axis=1).argmin()]]])
    display = ClassificationDisplay.from_estimator(model, rows)
    x, y, regions = display.grid
    points = np.column_stack([np.tile(x, len(y)), np.repeat(y, len(x))])
    np.testing.assert_array_equal(regions.ravel(), model.predict(points))
    order = np.argsort(display.uncertainties[display.labels == 0])
    assert np.all(np.diff(display.artists_[0].get_sizes()[order]) >= 0)
    assert len(display.rings_.get_offsets()) == np.sum(display.uncertainties > 0.25)
    mixed = ClassificationDisplay.from_estimator(mixed_model(), mixed_table(), columns=("length", "mass"))
    assert mixed.grid is None  # other columns have their say, too


def test_rows_of_every_component_by_certainty():
    model, table = mixed_model(), mixed_table()
    display = ClassificationDisplay.from_estimator(model, table)
    assert display.kind == "rows"
    posterior = model.predict_proba(table)
    for k, area in enumerate(display.artists_):
        values, edges, _ = area.get_data()
        own = posterior.argmax(axis=1) == k
        np.testing.assert_allclose(values, np.sort(posterior[own, k])[::-1])
        assert edges[-1] - edges[0] == pytest.approx(own.mean())


def test_rows_without_a_component_are_told():
    model = GeneralMixtureModel([Product(Exponential(1.0), Exponential(1.0), Exponential(1.0))] * 2)
    display = ClassificationDisplay.from_estimator(model, [[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])
    assert "1 of density zero left out" in display.ax_.get_xlabel()


def test_steps_of_many_rows_are_taken_together():
    heights, widths = np.linspace(1.0, 0.5, 2500), np.random.default_rng(0).uniform(size=2500)
    few, wide = _thinned(heights, widths)
    assert len(few) == len(wide) <= 1000
    assert few @ wide == pytest.approx(heights @ widths)
    assert wide.sum() == pytest.approx(widths.sum())
    assert _thinned(heights[:5], widths[:5])[0].tolist() == heights[:5].tolist()


# --- criteria, convergence ---


def test_criteria_mark_the_best_that_is_not_degenerate():
    values = {"bic": [10.0, 8.0, 7.0, 3.0], "icl": [10.0, np.nan, 12.0, 9.0], "log_likelihood": [-9.0, -7.0, -6.0, -5.0]}
    display = CriteriaDisplay.from_criteria([2, 1, 3, 4], values, degenerate=[0, 0, 0, 1], higher_is_better=["log_likelihood"])
    assert display.best_ == {"bic": 3, "icl": 2, "log_likelihood": 3}
    assert display.n_components.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(display.lines_["bic"].get_ydata(), [8.0, 10.0, 7.0, 3.0])
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["BIC (best: 3)", "ICL (best: 2)", "log likelihood (best: 3)", "degenerate, not compared"]
    assert CriteriaDisplay.from_criteria([1], {"bic": [np.inf]}).best_ == {"bic": None}


def test_criteria_of_models():
    _, x = two_normals()
    models = [GeneralMixtureModel(Normal(), k, random_state=0).fit(x) for k in (1, 2)]
    display = CriteriaDisplay.from_estimators(models, x, criteria=("bic", "icl"))
    np.testing.assert_array_equal(display.criteria["icl"], [model.icl(x) for model in models])
    with pytest.raises(ParameterError, match="criteria must be some of"):
        CriteriaDisplay.from_estimators(models, x, criteria=["gain"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], {"bic": []}), "n_components must be different whole numbers"),
        (([1, 1], {"bic": [1, 2]}), "n_components must be different"),
        (([0], {"bic": [1]}), "n_components must be different"),
        (([1.5], {"bic": [1]}), "n_components must be different"),
        (([1], {}), "criteria must map"),
        (([1], [1.0]), "criteria must map"),
        (([1, 2], {"bic": [1]}), "expected 2 values of 'bic'"),
    ],
)
def test_criteria_that_cannot_be_drawn(arguments, words):
    with pytest.raises(ParameterError, match=words):
        CriteriaDisplay.from_criteria(*arguments)
    with pytest.raises(ParameterError, match="degenerate: expected 1 flags"):
        CriteriaDisplay.from_criteria([1], {"bic": [1]}, degenerate=[0, 1])
    with pytest.raises(ParameterError, match="higher_is_better"):
        CriteriaDisplay.from_criteria([1], {"bic": [1]}, higher_is_better=["gain"])


def test_a_history_and_its_gap():
    _, x = two_normals()
    model = GeneralMixtureModel(Normal(), 2, random_state=0, accelerate=False).fit(x)
    display = ConvergenceDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.line_.get_ydata(), np.asarray(model.history_))
    assert f"converged after {model.n_iter_} iteration" in display.ax_.get_title()
    for move in model.history_.moves:
        assert move.kind in display.ax_.get_title()
    display = ConvergenceDisplay.from_estimator(model, scale="gap")
    gap = np.max(model.history_) - np.asarray(model.history_)
    seen = display.line_.get_ydata()
    np.testing.assert_array_equal(seen[np.isfinite(seen)], gap[gap > 0])
    assert display.ax_.get_yscale() == "log"
    with pytest.raises(ParameterError, match="scale must be one of"):
        ConvergenceDisplay.from_estimator(model, scale="log")
    with pytest.raises(NotFittedError, match="has no history"):
        ConvergenceDisplay.from_estimator(GeneralMixtureModel([Normal(0, 1)]))
    ConvergenceDisplay(history=[-np.inf, -2.0]).plot().figure_.canvas.draw()


# --- fit ---


def test_quantiles_of_the_mixture_invert_its_cdf():
    model = GeneralMixtureModel([Normal(0.0, 1.0), Gamma(2.0, 0.1), Normal(500.0, 1e-3)], weights=[0.3, 0.3, 0.4])
    levels = np.array([1e-9, 0.01, 0.299, 0.5, 0.6, 0.75, 1 - 1e-9])
    found = quantiles_of(model, levels, 0.0, 1.0)
    parts = [scipy.stats.norm(0, 1), scipy.stats.gamma(2, scale=10), scipy.stats.norm(500, 1e-3)]
    reached = sum(w * part.cdf(found) for w, part in zip(model.weights, parts, strict=True))
    np.testing.assert_allclose(reached, levels, rtol=1e-9, atol=1e-12)
    inner = GeneralMixtureModel([GeneralMixtureModel([Normal(0.0, 1.0), Normal(4.0, 1.0)], weights=[0.5, 0.5]), Normal(9.0, 1.0)])
    assert quantiles_of(inner, np.array([0.25]), -5.0, 15.0)[0] == pytest.approx(2.0, abs=0.1)


def test_quantiles_of_components_that_have_a_cdf_alone():
    class Known(Normal):
        def quantile(self, probability):
            raise NotImplementedError

    levels = np.array([1e-9, 0.01, 0.5, 0.75, 1 - 1e-9])
    for start in (0.0, 5.0, 1e4):
        found = quantiles_of(GeneralMixtureModel([Known(5.0, 2.0), Normal(5.0, 2.0)]), levels, start, start + 1.0)
        np.testing.assert_allclose(found, scipy.stats.norm(5.0, 2.0).ppf(levels), rtol=1e-9)


def test_points_of_a_qq_plot():
    model, x = two_normals()
    display = QQDisplay.from_estimator(model, x)
    np.testing.assert_array_equal(display.observed, np.sort(x))
    np.testing.assert_array_equal(display.points_.get_xydata(), np.column_stack([display.expected, np.sort(x)]))
    np.testing.assert_allclose(display.levels, (np.arange(len(x)) + 0.5) / len(x))
    assert np.all((display.low < display.expected) & (display.expected < display.high))
    # a right model keeps to the band, a wrong one doesn't
    inside = np.mean((display.low < display.observed) & (display.observed < display.high))
    assert inside > 0.9
    wrong = QQDisplay.from_estimator(GeneralMixtureModel([Normal(x.mean(), x.std())]), x)
    assert np.mean((wrong.low < wrong.observed) & (wrong.observed < wrong.high)) < inside
    assert QQDisplay.from_estimator(model, x, coverage=None).band_ is None
    with pytest.raises(ParameterError, match="coverage"):
        QQDisplay.from_estimator(model, x, coverage=1.0)
    many = QQDisplay.from_estimator(model, np.random.default_rng(0).normal(size=5000))
    assert len(many.observed) <= 1002
    assert np.all(np.diff(many.expected) > 0)


def test_a_component_without_a_cdf_is_named():
    class Mine:
        def log_prob(self, X):
            return np.zeros(len(X))

        def fit(self, X, sample_weight=None):
            return self

    with pytest.raises(DataError, match="Mine has no cdf"):
        QQDisplay.from_estimator(GeneralMixtureModel([Mine()]), [0.0, 1.0])


def test_bars_hang_from_what_is_expected():
    model, table = mixed_model(), mixed_table()
    display = RootogramDisplay.from_estimator(model, table, column="visits")
    np.testing.assert_allclose(display.line_.get_ydata(), np.sqrt(display.expected))
    for bar, observed, expected in zip(display.bars_, display.observed, display.expected, strict=True):
        assert bar.get_height() == pytest.approx(np.sqrt(observed))
        assert bar.get_y() + bar.get_height() == pytest.approx(np.sqrt(expected))
    assert display.observed.sum() == N - 1  # a cell is missing
    expected = 0.6 * scipy.stats.poisson(2).pmf(display.x) + 0.4 * (
        0.1 * (display.x == 0) + 0.9 * scipy.stats.poisson(8).pmf(display.x)
    )
    np.testing.assert_allclose(display.expected, (N - 1) * expected, rtol=1e-10)
    display = RootogramDisplay.from_estimator(model, table, column="island")
    np.testing.assert_allclose(display.expected, (N - 1) * np.array([0.46, 0.22, 0.32]))


def test_rows_outside_the_support_are_shown_or_told():
    model = GeneralMixtureModel([Poisson(2.0)])
    rows = [-1.0, 0.0, 2.0, 2.5]
    display = DensityDisplay.from_estimator(model, rows)
    assert display.x[0] == -1.0
    assert display.heights[:2].tolist() == [0.25, 0.25]
    assert display.heights.sum() == 0.75
    assert any("1 not whole" in text.get_text() for text in display.legend_.get_texts())
    display = RootogramDisplay.from_estimator(model, rows)
    assert display.observed[display.x == -1.0] == 1.0
    assert display.observed.sum() == 3.0
    assert display.expected[0] == 0.0
    assert any("1 not whole" in text.get_text() for text in display.legend_.get_texts())


def test_bins_of_rows():
    values = np.array([0.0, 1.0, 1.0, 2.0, 10.0])
    assert bin_edges(values, np.ones(5), bins=2).tolist() == [0.0, 5.0, 10.0]
    assert bin_edges(values, np.ones(5), bins=[0, 3, 12]).tolist() == [0.0, 3.0, 12.0]
    assert bin_edges(np.array([5.0, 5.0]), np.ones(2)).tolist() == [4.5, 5.5]
    edges = bin_edges(np.arange(300.0), np.ones(300), whole=True)
    assert np.all((edges % 1) == 0.5)
    assert edges[0] < 0 < 299 < edges[-1]
    with pytest.raises(ParameterError, match="bins"):
        bin_edges(values, np.ones(5), bins=0)
    counts = np.repeat([1.0, 2.0], 5)
    assert np.abs(jittered(counts, "counts") - counts).max() < 0.5
    assert jittered(counts, "numbers") is counts
    moves = [jittered(counts, "counts", axis) - counts for axis in (0, 1)]
    assert abs(np.corrcoef(moves)[0, 1]) < 0.9  # no streaks
