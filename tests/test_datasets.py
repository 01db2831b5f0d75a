"""The tables that come with the package are the published ones."""

import sys

import polars
import pytest

from mixtures.datasets import load_faithful, load_penguins
from mixtures.extras import import_extra


def test_penguins_are_the_published_table():
    frame = load_penguins()
    assert frame.shape == (344, 8)
    assert frame.schema == {
        "species": polars.String,
        "island": polars.String,
        "bill_length_mm": polars.Float64,
        "bill_depth_mm": polars.Float64,
        "flipper_length_mm": polars.Int64,
        "body_mass_g": polars.Int64,
        "sex": polars.String,
        "year": polars.Int64,
    }
    # 2 penguins without any measurement (4 cells each), 11 of unknown sex
    assert frame.null_count().row(0) == (0, 0, 2, 2, 2, 2, 11, 0)
    assert sorted(frame["species"].value_counts().rows()) == [("Adelie", 152), ("Chinstrap", 68), ("Gentoo", 124)]
    assert sorted(frame["island"].value_counts().rows()) == [("Biscoe", 168), ("Dream", 124), ("Torgersen", 52)]
    # sums of the published table: exact, they are whole tenths and whole numbers
    assert round(frame["bill_length_mm"].sum(), 1) == 15021.3
    assert round(frame["bill_depth_mm"].sum(), 1) == 5865.7
    assert frame["flipper_length_mm"].sum() == 68713
    assert frame["body_mass_g"].sum() == 1437000


def test_old_faithful_is_the_published_table():
    frame = load_faithful()
    assert frame.shape == (272, 2)
    assert frame.schema == {"eruptions": polars.Float64, "waiting": polars.Int64}
    # R's colSums(faithful), and its first and last rows
    assert round(frame["eruptions"].sum(), 3) == 948.677
    assert frame["waiting"].sum() == 19284
    assert frame.row(0) == (3.6, 79)
    assert frame.row(-1) == (4.467, 74)


def test_without_polars_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ModuleNotFoundError, match=r'polars.*pip install "general-mixtures\[tables\]"'):
        load_penguins()


def test_an_error_inside_the_extra_is_not_hidden(monkeypatch, tmp_path):
    (tmp_path / "broken_extra.py").write_text("import a_module_that_does_not_exist\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="a_module_that_does_not_exist"):
        import_extra("broken_extra", "tables")
