"""``python -m mixtures``: what it prints, what it writes, and the one line it leaves when something is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars
import pytest

from mixtures.__main__ import main
from mixtures.labels import LabelsFile
from mixtures.reading import read_table

ROWS = 200


@pytest.fixture
def table(tmp_path):
    """A table of every kind of column, in two clusters that no column alone gives away for certain."""
    random = np.random.default_rng(11)
    cluster = np.arange(ROWS) % 2
    frame = polars.DataFrame(
        {
            "id": np.arange(ROWS),
            "name": [f"person {i}" for i in range(ROWS)],
            "height": random.normal(160 + 25 * cluster, 6.0),
            "visits": random.poisson(2 + 10 * cluster),
            "smokes": random.random(ROWS) < 0.2 + 0.6 * cluster,
            "colour": np.where(random.random(ROWS) < 0.15, "green", np.where(cluster == 1, "red", "blue")),
            "country": ["NL"] * ROWS,
        }
    ).with_columns(polars.when(polars.col("id") % 10 == 3).then(None).otherwise(polars.col("height")).alias("height"))
    path = tmp_path / "people.csv"
    frame.write_csv(path)
    return path


def sections(text):
    """Paragraphs of the output by their first words."""
    return {paragraph.split("\n")[0]: paragraph for paragraph in text.split("\n\n")}


def refused(capsys, *arguments):
    """The one line on standard error of a command that must be refused."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("mixtures: ")
    return line.removeprefix("mixtures: ")


def test_penguins(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main([]) == 0
    text = capsys.readouterr().out
    assert text.startswith("The Palmer penguins (no table was given): 344 rows, 8 columns, 19 missing cells\n")
    assert "species            left out     kept from the model, to compare the clusters with" in text
    assert "year               left out     a date: the years 2007 to 2009" in text
    # Species and sexes differ in size, so that six components, a sex of a species each, describe the penguins best of 1 to 6.
    (chosen,) = [line for line in text.splitlines() if "lowest BIC, chosen" in line]
    assert chosen.split()[:4] == ["6", "71", "-5,419.4", "11,253.4"]
    assert "the largest number tried has the lowest BIC; -k 1:12 tries more" in text
    for line in ("body_mass_g        Normal", "island             Categorical", "sex                Categorical"):
        assert f"\n{line}" in text
    parts = text.split("\n\n")
    cross = [line.split() for line in parts[parts.index("Clusters against species, which the model did not see") + 1].splitlines()]
    assert cross[0] == ["cluster", "Adelie", "Chinstrap", "Gentoo"]
    counts = np.array([[int(cell.replace(".", "0")) for cell in row[1:]] for row in cross[2:8]])
    assert counts.sum(axis=0).tolist() == [152, 68, 124]
    assert " ".join(cross[8]) == "342 of 344 rows are of the most common species of their cluster."


def test_a_table_of_every_kind_of_column(table, tmp_path, capsys):
    labels = tmp_path / "labels.csv"
    assert main([str(table), "-k", "1:3", "--labels", str(labels)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{table}: 200 rows, 7 columns, 20 missing cells\n")
    families = {line.split()[0]: line.split(maxsplit=2)[1:] for line in text.split("\n\n")[1].splitlines()[2:]}
    assert {name: words[0] for name, words in families.items()} == {
        "id": "left",
        "name": "left",
        "height": "Normal",
        "visits": "Poisson",
        "smokes": "Bernoulli",
        "colour": "Categorical",
        "country": "left",
    }
    assert "The chosen mixture of 2 components" in text
    found = polars.read_csv(labels)
    assert found.columns == ["row", "cluster"]
    assert found["row"].to_list() == list(range(ROWS))
    agreement = np.mean(found["cluster"].to_numpy() == np.arange(ROWS) % 2)
    assert max(agreement, 1 - agreement) > 0.98  # the clusters overlap: a row or two may fall on the wrong side
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "people.csv"]


def test_parquet_says_what_csv_says(table, tmp_path, capsys):
    parquet = tmp_path / "people.parquet"
    polars.read_csv(table).write_parquet(parquet)
    assert main([str(table), "-k", "2"]) == 0
    from_csv = capsys.readouterr().out
    assert main([str(parquet), "-k", "2"]) == 0
    assert capsys.readouterr().out == from_csv.replace("people.csv", "people.parquet")


def test_the_same_seed_gives_the_same_output(table, capsys):
    outputs = []
    for seed in ("5", "5"):
        assert main([str(table), "-k", "2:3", "--seed", seed]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_no_more_components_than_rows(tmp_path, capsys):
    path = tmp_path / "small.csv"
    path.write_text("x,colour\n1.5,red\n2.5,red\n-1.5,blue\n")
    assert main([str(path)]) == 0
    assert "note: stopped at 3 components: the table has no more rows." in capsys.readouterr().out
    assert refused(capsys, path, "-k", "4:5") == "-k asks for 4 components, but the table has only 3 rows"


def test_warnings_are_lines_of_the_report(tmp_path, capsys):
    path = tmp_path / "points.csv"
    path.write_text("x\n0.5\n1.5\n2.5\n9.5\n")  # of three components on four rows one or two must stand on a single row
    assert main([str(path), "-k", "1:3"]) == 0
    captured = capsys.readouterr()
    (note,) = [line for line in captured.out.splitlines() if line.startswith("note: 3 components: a scale was held at its floor")]
    assert "on column 'x'" in note
    assert "degenerate, not chosen" in captured.out
    assert "The chosen mixture of 1 component," in captured.out
    assert "Warning" not in captured.out + captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_file.csv"], "no_such_file.csv: no such file"),
        (["no_such_folder/no_such_file.parquet"], "no_such_folder/no_such_file.parquet: no such file"),
        (["."], ".: expected a file, found a folder"),
        (["-k", "a"], "argument -k: expected a number of components, 3, or a range of them, 1:6, found 'a'"),
        (["-k", "1:2:3"], "argument -k: expected a number of components, 3, or a range of them, 1:6, found '1:2:3'"),
        (["-k", "0:3"], "argument -k: expected at least 1 component, and the smaller number first, found '0:3'"),
        (["-k", "3:2"], "argument -k: expected at least 1 component, and the smaller number first, found '3:2'"),
        (["--seed", "-1"], "argument --seed: expected a whole number from 0 to 4294967295, found '-1'"),
        (["--seed", "x"], "argument --seed: expected a whole number from 0 to 4294967295, found 'x'"),
        (["--sed=1"], "unrecognized arguments: --sed=1"),
        (["--labels", "no_such_folder/labels.csv"], "no_such_folder/labels.csv: cannot be written: no such file or directory"),
        (["--labels", "."], ".: cannot be written: it is a folder"),
    ],
)
def test_wrong_arguments(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, *arguments) == message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv: the file is empty"),
        ("a.csv", b"\n\n", "a.csv: the file is empty"),
        ("a.csv", b"x,y\n", "a.csv: the table is empty: expected at least one row below the names of the columns"),
        ("a.csv", b"x,y\n1,2\n3,4,5\n", "a.csv: cannot be read as a csv table: found more fields"),
        ("a.csv", b"\x89PNG\x00\xff\n\x01", "a.csv: cannot be read as a csv table: expected text in UTF-8, found a binary file"),
        ("a.csv", b"x,y\n1,caf\xe9\n", "a.csv: cannot be read as a csv table: invalid utf-8"),
        ("a.csv", b"x;y\n1;2\n3;4\n", "a.csv: columns seem to be separated by semicolons: expected commas"),
        ("a.csv", b"x,y\n1.5,a\n2.5,b\nfoo,a\n", "column 'x': 2 of 3 cells are numbers, but row 2 has 'foo'"),
        ("a.csv", b"x,y\n1.5,a\n2.5,b\ninf,a\n", "column 'x': expected finite numbers, row 2 has inf"),
        (
            "a.csv",
            b"x,y\n1,a\n2,b\n3,c\n",
            "no column is left to model: 'x': an identifier: runs by one, 1 to 3; 'y': an identifier",
        ),
        ("a.parquet", b"nonsense", "a.parquet: cannot be read as a parquet table: "),
        ("a.parquet", b"", "a.parquet: "),
        ("a.txt", b"x,y\n1,2\n", "a.txt: expected a file named .csv or .parquet"),
    ],
)
def test_unreadable_tables(name, content, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    assert refused(capsys, name).startswith(message)


def test_an_unreadable_column_of_a_parquet_file(capsys, tmp_path):
    path = tmp_path / "lists.parquet"
    polars.DataFrame({"x": [1.0, 2.5, 0.5], "words": [["a"], ["b", "c"], []]}).write_parquet(path)
    assert refused(capsys, path) == "column 'words': expected numbers, booleans or strings, found List(String)"


def test_a_column_of_dates_is_left_out(capsys, tmp_path):
    path = tmp_path / "dates.csv"
    path.write_text("x,day\n1.5,2020-01-01\n0.5,2020-01-02\n2.5,2020-01-03\n")
    assert main([str(path), "-k", "1"]) == 0
    assert "left out  dates and times are not modelled" in capsys.readouterr().out


def test_without_polars(capsys, monkeypatch, table):
    monkeypatch.setitem(sys.modules, "polars", None)
    for arguments in ([], [table]):
        assert (
            refused(capsys, *arguments)
            == 'this needs polars, which the extra "tables" brings: pip install "general-mixtures[tables]"'
        )


def test_labels_do_not_overwrite_the_table(table, capsys):
    before = table.read_bytes()
    assert refused(capsys, table, "--labels", table) == f"--labels {table}: would overwrite the table"
    assert table.read_bytes() == before


def test_a_refused_command_leaves_old_labels_alone(tmp_path, capsys):
    labels, path = tmp_path / "labels.csv", tmp_path / "bad.csv"
    labels.write_text("precious")
    path.write_text("x\n1.5\ninf\n")
    assert "expected finite numbers" in refused(capsys, path, "--labels", labels)
    assert labels.read_text() == "precious"


def test_a_labels_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("old")
    with LabelsFile(path):
        assert path.read_text() == "old"
    assert path.read_text() == "old"
    with LabelsFile(path) as file:
        file.write([1, 0])
    assert path.read_text() == "row,cluster\n0,1\n1,0\n"
    assert list(tmp_path.iterdir()) == [path]


def test_blanks_quotes_and_spellings_of_missing(tmp_path):
    path = tmp_path / "untidy.csv"
    path.write_text('\ufeffa, b ,c,d\n1, 1.5,"x, y", NA\n2, nan, x ,true\n, 2.5,NULL,false\n', encoding="utf-8")
    frame = read_table(path)
    assert frame.columns == ["a", "b", "c", "d"]
    assert frame["a"].to_list() == [1, 2, None]
    assert frame["b"].to_list() == [1.5, None, 2.5]
    assert frame["c"].to_list() == ["x, y", "x", None]
    assert frame["d"].to_list() in ([None, True, False], [None, "true", "false"])


def test_nan_in_parquet_is_missing(tmp_path, capsys):
    path = tmp_path / "nan.parquet"
    polars.DataFrame({"x": [0.5, float("nan"), None, 1.5, 2.0]}).write_parquet(path)
    assert main([str(path), "-k", "1"]) == 0
    assert "5 rows, 1 column, 2 missing cells" in capsys.readouterr().out


def test_categories_that_are_partly_numbers_stay_text(tmp_path):
    path = tmp_path / "flats.csv"
    path.write_text("x,flat\n" + "0.5,1\n1.5,2\n2.5,3\n" * 10 + "3.5,3A\n")
    assert read_table(path)["flat"].dtype == polars.String


def test_a_name_is_not_a_pattern(tmp_path):
    (tmp_path / "a1.csv").write_text("x\n1.5\n")
    (tmp_path / "a[1].csv").write_text("y\n2.5\n")
    assert read_table(tmp_path / "a[1].csv").columns == ["y"]


def run_module(*arguments, folder, **environment):
    return subprocess.run(
        [sys.executable, "-m", "mixtures", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, **environment},
        timeout=600,
        check=False,
    )


def test_as_a_process(table, tmp_path):
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONIOENCODING": "ascii"}
    good = run_module(table.name, "-k", "2", "--labels", "labels.csv", folder=tmp_path, **environment)
    assert good.returncode == 0, good.stderr
    assert "The chosen mixture of 2 components" in good.stdout
    assert (tmp_path / "labels.csv").read_text().count("\n") == ROWS + 1
    bad = run_module("missing.csv", folder=tmp_path, **environment)
    assert (bad.returncode, bad.stdout, bad.stderr) == (2, "", "mixtures: missing.csv: no such file\n")
    help_text = run_module("--help", folder=tmp_path, **environment)
    assert help_text.returncode == 0
    assert "[-k 1:6] [--seed S] [--labels OUT.csv] [TABLE]" in help_text.stdout
