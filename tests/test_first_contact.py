"""What a newcomer hands over first: frames without names, series, rows of mixed lists, numbers kept as text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy

from mixtures import GeneralMixtureModel
from mixtures.distributions import Categorical, Normal, Product

TWO_GROUPS = np.concatenate([np.linspace(-1, 1, 40), np.linspace(5, 8, 60)])


@pytest.mark.parametrize(
    "make",
    [
        lambda x: pd.Series(x),
        lambda x: pd.Series(x, name="x"),
        lambda x: pd.DataFrame(x),
        lambda x: x.tolist(),
        lambda x: x[:, None].tolist(),
        lambda x: x.astype(str).tolist(),
        lambda x: pd.DataFrame({"x": x.astype(str)}),
    ],
    ids=["series", "named series", "frame without names", "list", "list of rows", "numbers as text", "column of text"],
)
def test_one_column_in_any_dress(make):
    # repr of a float is read back exactly, so even the column of text gives the same bits
    expected = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(TWO_GROUPS)
    found = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(make(TWO_GROUPS))
    assert found.components_ == expected.components_
    assert np.array_equal(found.labels_, expected.labels_)


def test_frame_with_default_column_names():
    table = np.column_stack([TWO_GROUPS, TWO_GROUPS[::-1]])
    expected = GeneralMixtureModel(Product(Normal(), Normal()), n_components=2, random_state=0).fit(table)
    found = GeneralMixtureModel(Product(Normal(), Normal()), n_components=2, random_state=0).fit(pd.DataFrame(table))
    assert found.components_ == expected.components_
    assert np.array_equal(found.predict(pd.DataFrame(table)), expected.predict(table))


def test_rows_that_mix_numbers_and_categories():
    rows = [[1.5, "a"], [2.5, "b"], [3, "a"], [None, None]]
    assert Product(Normal(), Categorical()).fit(rows) == Product(Normal().fit([1.5, 2.5, 3.0]), Categorical().fit(["a", "b", "a"]))


def test_icl_of_certain_rows_is_bic():
    # Posteriors of exactly 0 and 1 have entropy 0: no 0 * log 0 on the way.
    model = GeneralMixtureModel([Normal(0, 1), Normal(1000, 1)], random_state=0, max_iter=1, tol=0).fit([-1.0, 1.0, 999.0, 1001.0])
    x = [-1.0, 1.0, 999.0, 1001.0]
    assert model.icl(x) == model.bic(x)


def test_icl_adds_twice_the_entropy():
    model = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(TWO_GROUPS)
    doubt = sum(entropy(row) for row in model.predict_proba(TWO_GROUPS))
    # two sums of a hundred terms near 1: rounding at 1e-12 of the total at most
    assert model.icl(TWO_GROUPS) == pytest.approx(model.bic(TWO_GROUPS) + 2 * doubt, rel=1e-12)
