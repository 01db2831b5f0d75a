"""What a person reads: tables are aligned, right, and fit the width that they were given."""

import numpy as np
import polars
import pytest

from mixtures import GeneralMixtureModel
from mixtures.criteria import FitMeasures
from mixtures.describing import describe, percent
from mixtures.distributions import Bernoulli, Categorical, Exponential, Normal, Poisson, Product
from mixtures.exceptions import FitError
from mixtures.inference import ColumnChoice
from mixtures.report import bic_text, columns_text, cross_text, model_text, sizes_text
from mixtures.selection import Candidate, best_of, select
from mixtures.tables import table_text


def products(k):
    eye = Categorical([0.9, 0.1], ["blue", "brown"])
    return [Product(height=Normal(170 + i, 7.25), visits=Poisson(2.5), smokes=Bernoulli(0.25), eye=eye) for i in range(k)]


def candidate(k, bic, degenerate=False):
    model = GeneralMixtureModel(Normal(0, 1), k)
    # of n = e^0 rows, so that the criterion is the likelihood alone
    return Candidate("", k, model, FitMeasures(-bic / 2, 1.0, 2 * k), degenerate=degenerate)


def test_table_text():
    text = table_text(["name", "n", ""], [["a", "1,000", ""], ["bcd", "2", "<- this"]], align="<><")
    assert text == "name      n\n----  -----\na     1,000\nbcd       2  <- this"


def test_columns_text():
    text = columns_text([ColumnChoice("age", Normal(), "real numbers"), ColumnChoice("id", None, "an identifier")])
    assert text.splitlines() == [
        "column  family    why",
        "------  --------  -------------",
        "age     Normal    real numbers",
        "id      left out  an identifier",
    ]


def test_bic_text_marks_the_chosen_one():
    candidates = [candidate(1, 2000.04), candidate(2, 1000.0), candidate(3, 900.0, degenerate=True), Candidate("", 4)]
    chosen = best_of(candidates)
    assert chosen is candidates[1]
    lines = bic_text(candidates, chosen).splitlines()
    assert lines[0].split() == ["components", "parameters", "log-likelihood", "BIC"]
    assert lines[2].split() == ["1", "2", "-1,000.0", "2,000.0"]
    assert lines[3].split(maxsplit=4) == ["2", "4", "-500.0", "1,000.0", "<- lowest BIC, chosen"]
    assert lines[4].endswith("degenerate, not chosen")
    assert lines[5].split() == ["4", "failed"]


def test_a_degenerate_mixture_is_chosen_only_alone():
    alone = [candidate(1, 100.0, degenerate=True)]
    assert best_of(alone) is alone[0]
    assert "chosen, though degenerate" in bic_text(alone, alone[0])
    with pytest.raises(FitError, match="no mixture could be fitted: why"):
        best_of([Candidate("", 1, notes=("why",))])


@pytest.mark.parametrize(
    ("distribution", "lines"),
    [
        (Normal(39.123, 2.718), ["39.1 ± 2.7"]),
        (Normal(-0.00123, 0.000456), ["-0.00123 ± 0.00046"]),
        (Normal(5480.78, 313.49), ["5,481 ± 313"]),
        (Normal(1e12, 1.0), ["1e+12 ± 1"]),
        (Normal(3.0, 1e-14), ["3 ± 1e-14"]),
        (Poisson(2.3456), ["rate 2.35"]),
        (Poisson(0), ["rate 0"]),
        (Poisson(6.0), ["rate 6.00"]),
        (Poisson(123.4), ["rate 123"]),
        (Poisson(12345.6), ["rate 12,346"]),
        (Exponential(0.000123456), ["rate 0.000123"]),
        (Bernoulli(0.25), ["true 25%"]),
        (Bernoulli(1), ["true 100%"]),
        (Categorical([0.2, 0.8], ["a", "b"]), ["b 80%", "a 20%"]),
        (Categorical([0.25] * 4, "abcd"), ["a 25%", "b 25%", "c 25%", "d 25%"]),
        (Categorical([0.3, 0.1, 0.2, 0.15, 0.25], "abcde"), ["a 30%", "e 25%", "c 20%", "2 others 25%"]),
        (Categorical([1 - 1e-9, 1e-9], [1, 2]), ["1 100%"]),
        (Categorical([0.5, 0.5], ["word " * 20, "b\nc"]), ["word word word wo... 50%", "b c 50%"]),
    ],
    ids=repr,
)
def test_describe(distribution, lines):
    assert describe(distribution) == lines


def test_normals_of_one_column_are_shown_alike():
    column = [Normal(17.567, 0.87), Normal(19.123, 1.02)]
    assert [describe(normal, column) for normal in column] == [["17.57 ± 0.87"], ["19.12 ± 1.02"]]


def test_a_component_of_the_users_own_is_described_by_its_repr():
    class Mine:
        def __repr__(self):
            return "Mine(3)"

    assert describe(Mine()) == ["Mine(3)"]


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "0%"), (1e-5, "0%"), (0.004, "0.4%"), (0.01, "1%"), (0.5, "50%"), (0.996, "99.6%"), (0.99999, "100%"), (1.0, "100%")],
)
def test_percent(probability, text):
    assert percent(probability) == text


def test_model_text_has_a_row_per_column_and_a_column_per_component():
    lines = model_text(products(2), [0.75, 0.25]).splitlines()
    assert [line.split() for line in lines] == [
        ["component", "0", "1"],
        ["---------", "-----------", "-----------"],
        ["weight", "75.0%", "25.0%"],
        ["height", "Normal", "170.0", "±", "7.2", "171.0", "±", "7.2"],
        ["visits", "Poisson", "rate", "2.50", "rate", "2.50"],
        ["smokes", "Bernoulli", "true", "25%", "true", "25%"],
        ["eye", "Categorical", "blue", "90%", "blue", "90%"],
        ["brown", "10%", "brown", "10%"],
        ["m", "±", "s:", "mean", "and", "standard", "deviation"],
    ]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_model_text_keeps_to_the_width(width):
    text = model_text(products(12), np.full(12, 1 / 12), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("height") > 1
    heads = [line.split()[1:] for line in text.splitlines() if line.startswith("component ")]
    assert [head for line in heads for head in line] == [str(k) for k in range(12)]


def test_one_component_is_shown_however_narrow():
    assert model_text(products(1), [1.0], width=1).count("component") == 1


def test_sizes_text_counts_every_row():
    lines = sizes_text(np.array([0, 0, 2, 0]), 4).splitlines()
    assert [line.split() for line in lines[2:]] == [
        ["0", "3", "75.0%"],
        ["1", "0", "0.0%"],
        ["2", "1", "25.0%"],
        ["3", "0", "0.0%"],
        ["all", "4", "100.0%"],
    ]


def test_cross_text():
    *lines, last = cross_text(np.array([0, 1, 1, 0, 1]), ["cat", "dog", "dog", "cat", "cat"], 2, "animal").splitlines()
    assert last == "4 of 5 rows are of the most common animal of their cluster."
    assert [line.split() for line in lines] == [
        ["cluster", "cat", "dog"],
        ["-------", "---", "---"],
        ["0", "2", "."],
        ["1", "1", "2"],
    ]


def test_candidates_are_in_order_of_weight_and_agree_with_the_model():
    random = np.random.default_rng(3)
    x = polars.DataFrame({"x": np.concatenate([random.normal(-15, 1, 30), random.normal(5, 2, 100)])})
    one, two = select(Product(x=Normal()), x, [1, 2], random_state=0)
    assert (one.measures.n_parameters, two.measures.n_parameters) == (2, 5)
    assert two.measures.bic < one.measures.bic
    assert two.measures.bic == pytest.approx(-2 * two.measures.log_likelihood + 5 * np.log(130), rel=1e-14)
    assert two.weights[0] > two.weights[1]
    assert [component.factors["x"].mean > 0 for component in two.components] == [True, False]
    assert np.array_equal(two.labels, np.repeat([1, 0], [30, 100]))
    assert not two.notes


def test_a_fit_that_shrinks_to_a_point_is_degenerate_and_says_so():
    x = polars.DataFrame({"x": [0.0] * 50 + [1.0] * 50})
    (two,) = select(Product(x=Normal()), x, [2], random_state=0, n_init=1)
    assert two.degenerate
    assert any("held at its floor" in note for note in two.notes)


def test_a_fit_that_stops_early_is_noted():
    random = np.random.default_rng(4)
    x = polars.DataFrame({"x": random.normal(size=500)})
    (three,) = select(Product(x=Normal()), x, [3], random_state=0, max_iter=1)
    assert not three.degenerate
    assert any("max_iter" in note for note in three.notes)
