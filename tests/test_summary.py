"""A fitted mixture's summary: its numbers against naive code, its words aligned, its HTML escaped."""

import html.parser
import math

import numpy as np
import pandas
import polars
import pytest
import scipy.stats

from mixtures import GeneralMixtureModel
from mixtures.contents import contents_of, family_of
from mixtures.datasets import load_penguins
from mixtures.describing import describe
from mixtures.distributions import (
    Bernoulli,
    Binomial,
    Bounded,
    Categorical,
    Degenerate,
    Dirichlet,
    Exponential,
    Frozen,
    Gamma,
    KernelDensity,
    LocationScale,
    Multinomial,
    MultivariateNormal,
    MultivariateStudentT,
    Normal,
    Poisson,
    Product,
    ScipyDistribution,
    Tied,
    Truncated,
    VonMisesFisher,
    ZeroInflated,
)
from mixtures.exceptions import DataError, NotFittedError, ParameterError
from mixtures.pieces import header_of
from mixtures.tables import panels_text, short, short_in_the_middle, table_html, table_text, width_of


def two_normals():
    x = np.random.default_rng(0).normal(np.repeat([0.0, 3.0], [60, 40]), 1.0)
    model = GeneralMixtureModel([Normal(0.0, 1.0), Normal(3.0, 1.0)], weights=[0.6, 0.4]).fit(x)
    return model, x


class Checked(html.parser.HTMLParser):
    """HTML whose tags are closed in the order in which they were opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.texts = [], 0, []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag != "br":
            self.open.append(tag)
        self.cells += tag in ("td", "th")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


# --- numbers ---


@pytest.mark.parametrize("weighted", [False, True])
def test_measures_are_those_of_the_model_and_of_naive_sums(weighted):
    model, x = two_normals()
    weights = np.random.default_rng(1).integers(0, 4, len(x)) if weighted else None
    summary = model.summary(x, weights)
    w = np.ones(len(x)) if weights is None else weights.astype(float)
    measures = summary.measures
    for name in ("bic", "aic", "icl"):
        assert measures[name] == pytest.approx(getattr(model, name)(x, weights), rel=1e-12)
    densities = [p * scipy.stats.norm(c.mean, c.std).pdf(x) for p, c in zip(model.weights_, model.components_, strict=True)]
    posterior = np.array(densities).T / np.sum(densities, axis=0)[:, None]
    assert measures["log_likelihood"] == pytest.approx(sum(w * np.log(np.sum(densities, axis=0))), rel=1e-12)
    row_entropy = np.array([-sum(p * math.log(p) for p in row if p > 0) for row in posterior])
    assert measures["entropy"] == pytest.approx(sum(w * row_entropy), rel=1e-10)
    assert measures["n_rows"] == np.count_nonzero(w)
    assert ("total_weight" in measures) == weighted
    for k in range(2):
        own = posterior.argmax(axis=1) == k
        assert summary.sizes[k] == sum(w[own])
        assert summary.certainties[k] == pytest.approx(sum(w[own] * posterior[own, k]) / sum(w[own]), rel=1e-12)
        assert summary.entropies[k] == pytest.approx(sum(w * posterior[:, k] * row_entropy) / sum(w * posterior[:, k]), rel=1e-10)
    assert summary.expected @ summary.entropies == pytest.approx(measures["entropy"], rel=1e-12)


def test_a_weight_is_a_repetition_of_the_row():
    model, x = two_normals()
    weights = np.random.default_rng(2).integers(0, 3, len(x))
    weighted, repeated = model.summary(x, weights), model.summary(np.repeat(x, weights))
    np.testing.assert_allclose(weighted.sizes, repeated.sizes)
    np.testing.assert_allclose(weighted.entropies, repeated.entropies, rtol=1e-12)
    assert weighted.measures["bic"] == pytest.approx(repeated.measures["bic"], rel=1e-12)


def test_without_rows_it_shows_what_the_model_kept():
    model, x = two_normals()
    summary = model.summary()
    assert list(summary.measures) == ["n_parameters", "n_rows", "n_iter", "converged"]
    assert summary.measures["n_parameters"] == 5
    assert summary.measures["n_rows"] == len(x)
    assert summary.measures["n_iter"] == model.n_iter_
    assert summary.sizes.tolist() == np.bincount(model.labels_).tolist()
    assert summary.entropies is None
    assert "need the rows: summary(X)" in str(summary)
    assert "need the rows" not in str(model.summary(x))


def test_rows_of_weight_zero_are_no_rows_of_a_cluster():
    x = np.array([0.0, 1.0, 2.0, 10.0, 11.0, 12.0, 500.0])
    model = GeneralMixtureModel([Normal(1.0, 1.0), Normal(11.0, 1.0)]).fit(x, sample_weight=[1, 1, 1, 1, 1, 1, 0])
    assert model.summary().sizes.tolist() == [3.0, 3.0]


def test_a_component_without_rows_has_no_certainty():
    summary = GeneralMixtureModel([Normal(0.0, 1.0), Normal(1e6, 1.0)], weights=[0.5, 0.5]).summary([0.0, 1.0])
    assert summary.sizes.tolist() == [2.0, 0.0]
    assert np.isnan(summary.certainties[1])
    assert "nan" not in str(summary)


def test_a_model_whose_parameters_were_given_and_one_component():
    text = str(GeneralMixtureModel([Exponential(0.5)]).summary([1.0, 2.0]))
    assert text.startswith("Mixture of 1 component\n")
    assert "rate 0.500" in text
    assert "iterations" not in text


def test_errors():
    with pytest.raises(NotFittedError):
        GeneralMixtureModel(Normal(), 2).summary()
    with pytest.raises(DataError, match="density zero"):
        GeneralMixtureModel([Exponential(1.0)]).summary([-1.0])
    model, x = two_normals()
    with pytest.raises(DataError, match="weights"):
        model.summary(x, [-1.0] * len(x))
    with pytest.raises(ParameterError, match="units: expected places of columns from 0 to 0, found 'height'"):
        model.summary(units={"height": "cm"})


def test_components_that_cannot_be_counted_have_no_criteria():
    model = GeneralMixtureModel([KernelDensity(0.5, points=[0.0, 1.0, 5.0])])
    summary = model.summary([0.0, 1.0])
    assert "bic" not in summary.measures
    assert summary.measures["log_likelihood"] == pytest.approx(model.score_samples([0.0, 1.0]).sum())
    assert "no criteria" in str(summary)


# --- words ---


def penguins():
    frame = load_penguins()
    product = Product({("bill_length_mm", "bill_depth_mm"): MultivariateNormal(), "body_mass_g": Normal(), "sex": Categorical()})
    return GeneralMixtureModel(product, 3, random_state=0).fit(frame), frame


def test_a_mixed_table_has_a_row_for_every_column_and_one_for_a_correlation():
    model, frame = penguins()
    summary = model.summary(frame, units={"body_mass_g": "g"})
    heads = [line[:30].strip() for line in str(summary).splitlines() if line[:1].isalpha()]
    for name in ("bill_length_mm", "bill_depth_mm", "body_mass_g [g]", "sex", "bill_length_mm, bill_depth_mm"):
        assert name in heads
    assert "species" not in str(summary)  # no factor names it
    contents = {content.column: content for content in summary.contents}
    block = model.components_[0].factors["bill_length_mm", "bill_depth_mm"]
    r = block.covariance[0][1] / math.sqrt(block.covariance[0][0] * block.covariance[1][1])
    assert contents["bill_length_mm, bill_depth_mm"].cells[0] == (f"{r:.2f}",)
    assert contents["bill_length_mm"].cells[0][0].startswith(f"{block.mean[0]:.1f} ±")


@pytest.mark.parametrize("width", [60, 100])
def test_lines_keep_to_the_width_for_many_components(width):
    k = 20
    components = [Product(a=Normal(j, 1.0), b=Poisson(j + 1.0)) for j in range(k)]
    frame = polars.DataFrame({"a": np.arange(k, dtype=float), "b": np.arange(k)})
    summary = GeneralMixtureModel(components).summary(frame)
    text = summary.to_text(width)
    assert max(map(len, text.splitlines())) <= width
    heads = [line.split()[1:] for line in text.splitlines() if line.startswith("component ")]
    assert [head for line in heads for head in line] == [str(j) for j in range(k)]


def test_components_of_different_families_name_them():
    model = GeneralMixtureModel([Normal(0.0, 1.0), Exponential(1.0), KernelDensity(0.5, points=[0.0, 1.0])])
    (content,) = model.summary().contents
    assert content.family == "of each"
    assert [cell[0] for cell in content.cells] == ["Normal", "Exponential", "KernelDensity"]


@pytest.mark.parametrize(
    ("distribution", "lines", "family"),
    [
        (Frozen(Normal(1.0, 2.0)), ["1.0 ± 2.0"], "Normal"),
        (Tied(Normal(1.0, 2.0), "std"), ["1.0 ± 2.0"], "Normal"),
        (Bounded(Normal(1.0, 2.0), mean=(0, 2)), ["1.0 ± 2.0"], "Normal"),
        (Frozen(Categorical([0.5, 0.5], ["a", "b"])), ["a 50%", "b 50%"], "Categorical"),
        (ZeroInflated(Poisson(2.0), 0.3), ["extra zeros 30%", "rate 2.00"], "ZeroInflated(Poisson)"),
        (
            LocationScale(Gamma(2.0, 1.0), 3.0, 2.0),
            ["shape 2.00", "rate 1.00", "location 3.00", "scale 2.00"],
            "LocationScale(Gamma)",
        ),
        (Truncated(Normal(0.0, 1.0), 0.0, None), ["0.0 ± 1.0", "from 0 to inf"], "Truncated(Normal)"),
        (ScipyDistribution(scipy.stats.gumbel_r, loc=1.0, scale=2.0), ["loc 1.00", "scale 2.00"], "scipy gumbel_r"),
        (Binomial(10, 0.3), ["probability 0.300", "trials 10"], "Binomial"),
        (Bernoulli(0.25), ["true 25%"], "Bernoulli"),
        (Degenerate(0.0), ["value 0"], "Degenerate"),
        (
            GeneralMixtureModel([Normal(0.0, 1.0), Normal(5.0, 1.0)], weights=[0.4, 0.6]),
            ["40%: 0.0 ± 1.0", "60%: 5.0 ± 1.0"],
            "mixture of 2",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrappers_and_mixtures_are_told_by_what_is_in_them(distribution, lines, family):
    assert describe(distribution) == lines
    assert family_of(distribution) == family


@pytest.mark.parametrize(
    ("block", "column", "joint"),
    [
        (MultivariateStudentT(4.0, [1.0, 2.0], [[4.0, 1.0], [1.0, 9.0]]), ("location 2.00", "scale 3.00"), ("df 4.00",)),
        (Multinomial([0.25, 0.75]), ("probability 0.750",), None),
        (Dirichlet([2.0, 3.0]), ("concentration 3.00",), None),
        (VonMisesFisher([0.6, 0.8], 5.0), ("direction 0.800",), ("concentration 5.00",)),
        (MultivariateNormal([0.0, 1.0], [1.0, 4.0], kind="diagonal"), ("1.0 ± 2.0",), None),
        (MultivariateNormal([0.0, 1.0], 4.0, kind="spherical"), ("1.0 ± 2.0",), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_joint_families_are_told_column_by_column(block, column, joint):
    model = GeneralMixtureModel([block])
    contents = contents_of([block], header_of(model))
    assert [content.column for content in contents[:2]] == ["column 0", "column 1"]
    assert contents[1].cells == (column,)
    whole = [content.cells[0] for content in contents[2:] if content.family != "correlation"]
    assert whole == ([] if joint is None else [joint])


def test_many_correlations_are_one_row():
    matrix = np.eye(5)
    matrix[1, 3] = matrix[3, 1] = -0.7
    model = GeneralMixtureModel([MultivariateNormal(np.zeros(5), matrix)])
    *_, last = model.summary().contents
    assert last.family == "strongest correlation"
    assert last.cells[0] == ("column 1", "column 3", "-0.70")


def test_a_mixture_over_several_columns_within_a_mixture():
    inner = GeneralMixtureModel([Product(Normal(0.0, 1.0), Poisson(1.0)), Product(Normal(4.0, 1.0), Poisson(5.0))])
    model = GeneralMixtureModel([inner, Product(Normal(9.0, 1.0), Poisson(9.0))])
    first, second = model.summary().contents
    assert first.cells == (("mixture of 2", "50%: 0.0 ± 1.0", "50%: 4.0 ± 1.0"), ("Normal", "9.0 ± 1.0"))
    assert second.cells[1] == ("Poisson", "rate 9.00")


def test_a_class_of_the_users_own():
    class Mine:
        def log_prob(self, X):
            return np.zeros(len(X))

        def fit(self, X, sample_weight=None):
            return self

        def __repr__(self):
            return "Mine(3)"

    summary = GeneralMixtureModel([Mine(), Mine()]).summary(np.zeros((4, 2)))
    assert [content.cells for content in summary.contents] == [(("Mine(3)",), ("Mine(3)",))]


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_numbers_of_any_size(scale):
    text = str(GeneralMixtureModel([Normal(scale, scale), Normal(1e12, 1.0)]).summary())
    assert f"{scale:.6g}" in text
    assert "1e+12 ± 1" in text


# --- HTML and tables ---


def test_html_is_well_formed_escaped_and_has_no_colours_of_its_own():
    nasty = '<b>"height" & co</b>'
    frame = pandas.DataFrame({nasty: [0.0, 1.0, 5.0, 6.0], "eye": ["<i>", "b", "<i>", "b"]})
    product = Product({nasty: Normal(), "eye": Categorical()})
    model = GeneralMixtureModel(product, 2, random_state=0).fit(frame)
    text = model.summary(frame, units={nasty: "<cm>"})._repr_html_()
    page = Checked(text)
    assert "<i>" not in text
    assert "<cm>" not in text
    assert nasty not in text
    assert any(nasty[:10] in data for data in page.texts)
    assert "#" not in text.replace("&#x27;", "")
    assert "color:inherit" in text
    assert page.cells % 4 == 0
    Checked(model.profiles()._repr_html_())


def test_a_model_keeps_scikit_learns_own_html():
    model, _ = two_normals()
    assert "sk-container" in model._repr_html_()


def test_wide_letters_are_aligned():
    text = table_text(["name", "n"], [["変数", "1"], ["e\u0301", "22"]], align="<>")
    assert text.splitlines() == ["name   n", "----  --", "変数   1", "e\u0301     22"]
    assert width_of("変数") == 4


def test_short_names_keep_to_one_line_and_its_width():
    assert short("a\nb\tc") == "a b c"
    assert short("x" * 30) == "x" * 17 + "..."
    assert width_of(short("変" * 30)) <= 20
    assert short_in_the_middle("a long name 12", 9) == "a lo… 12"
    assert short_in_the_middle("short", 9) == "short"


def test_one_column_is_shown_however_narrow():
    assert panels_text(["a"], ["0", "1"], [[["x"], ["1"], ["2"]]], 1).count("x") == 2


def test_table_html_has_every_cell():
    assert Checked(table_html(["a", ""], ["0"], [[["x"], ["y"], ["1", "2"]]])).cells == 6
