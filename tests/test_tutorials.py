"""Every tutorial runs from a clean kernel and says what its stored outputs say; pictures are there, paths and warnings are not.

Where an output has changed for a good reason, ``jupyter execute --inplace tutorials/*.ipynb`` stores the new ones.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TUTORIALS = sorted((Path(__file__).parents[1] / "tutorials").glob("*.ipynb"))
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
WORD = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|\w+")
ABSOLUTE_PATH = re.compile(r"(?<![\w/:.<])/(?:\w[\w.+-]*/)+[\w.+-]*|\b[A-Za-z]:\\\w")
PICTURE_BYTES = 2000
"""A picture of nothing but white is smaller than this, and every figure larger."""


def read(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: nbformat.NotebookNode) -> list[str]:
    """What a reader of a cell's outputs sees in words; pictures and the error stream left out."""
    found: list[str] = []
    in_stream = False
    for output in cell.outputs:
        if output.get("name") == "stderr":
            continue
        if output.output_type == "stream" and in_stream:
            found[-1] += output.text  # where a kernel cuts a stream into pieces is chance
        elif output.output_type == "stream":
            found.append(output.text)
        elif "data" in output and "image/png" not in output.data:
            found.append(output.data["text/plain"])
        in_stream = output.output_type == "stream"
    return found


def everything_stored(cell: nbformat.NotebookNode) -> str:
    """All the text of a cell's outputs, whatever its form, without the bytes of pictures."""
    parts = texts(cell)
    for output in cell.outputs:
        parts += [str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/")]
    return "\n".join(parts)


def differences(stored: str, fresh: str) -> list[tuple[str, str]]:
    """Pairs of words that disagree.

    Numbers may differ by one unit of their last printed digit: exp and log of another machine or library version round
    differently, and a value near a half then prints one up or down. Rules and padding, which are the table library's, are not
    compared; every word and number is.
    """
    old, new = WORD.findall(stored), WORD.findall(fresh)
    if len(old) != len(new):
        return [(stored, fresh)]
    return [pair for pair in zip(old, new, strict=True) if not agree(*pair)]


def agree(old: str, new: str) -> bool:
    if old == new:
        return True
    if not (NUMBER.fullmatch(old) and NUMBER.fullmatch(new)) or "e" in old + new:
        return False
    decimals = [len(number.partition(".")[2]) for number in (old, new)]
    # Whole numbers are counts: they agree or they don't. The share of a unit more is for the subtraction's own rounding.
    return decimals[0] == decimals[1] > 0 and abs(float(old) - float(new)) <= 1.001 * 10.0 ** -decimals[0]


@pytest.fixture
def clean_jupyter(tmp_path, monkeypatch):
    """No kernel, start-up file or setting of the user's own."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("MPLBACKEND", raising=False)


def test_there_are_tutorials():
    assert TUTORIALS


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_outputs_are_stored_and_clean(path):
    cells = code_cells(read(path))
    assert all(cell.execution_count == place for place, cell in enumerate(cells, 1)), "run from top to bottom, then save"
    for cell in cells:
        assert all(output.output_type in ("stream", "display_data", "execute_result") for output in cell.outputs)
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.source
        stored = everything_stored(cell)
        assert "Warning" not in stored, stored
        assert not ABSOLUTE_PATH.search(stored.replace("</", "<")), stored
        if "plt.show()" in cell.source:
            pictures = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
            assert pictures, cell.source
            assert all(len(picture) > PICTURE_BYTES for picture in pictures)
    assert any(texts(cell) for cell in cells)


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_runs_and_says_what_is_stored(path, clean_jupyter):
    notebook = read(path)
    stored = [texts(cell) for cell in code_cells(notebook)]
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell, old in zip(code_cells(notebook), stored, strict=True):
        # Not the whole error stream: matplotlib tells there that it builds its font cache, once a machine.
        assert not any("Warning" in output.get("text", "") for output in cell.outputs), cell.outputs
        new = texts(cell)
        assert len(old) == len(new), (cell.source, old, new)
        for before, after in zip(old, new, strict=True):
            assert not differences(before, after), f"{cell.source}\n--- stored\n{before}\n--- now\n{after}"


@pytest.mark.parametrize(
    ("stored", "fresh", "same"),
    [
        ("│ 0.50 ┆ men │", "| 0.50 | men |", True),
        ("BIC 73774.6", "BIC 73774.7", True),
        ("BIC 73774.6", "BIC 73774.8", False),
        ("76 of 344", "77 of 344", False),
        ("1.00", "1.0", False),
        ("-0.00", "0.00", True),
        ("a man", "a woman", False),
        ("a b", "a", False),
    ],
)
def test_comparison_notices(stored, fresh, same):
    assert (not differences(stored, fresh)) == same


@pytest.mark.parametrize(
    ("text", "found"),
    [("/home/someone/mixtures/x.py", True), ("C:\\Users\\x", True), ("n/a", False), ("0.5 and/or 1", False), ("cm / s", False)],
)
def test_paths_are_noticed(text, found):
    assert bool(ABSOLUTE_PATH.search(text)) == found
