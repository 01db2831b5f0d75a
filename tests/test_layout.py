"""The architecture, read from the source: imports point one way, and a family is one file and one import line."""

import ast
from pathlib import Path

import pytest

import mixtures

PACKAGE = Path(mixtures.__file__).parent
FAMILY_FILES = sorted(
    path for path in (PACKAGE / "distributions").glob("*.py") if path.stem not in ("__init__", "base", "splits", "wrapped")
)

# From the bottom up; a module may import its own layer and those below it at the top of its file. Imports inside functions
# are the sanctioned way up: a family's log_prob calls the engine's assembly.
LAYERS = [
    {"_numba", "_numba_calls", "_numba_parts", "_numba_tiles"},
    {"constraints", "exceptions", "extras", "result_tables", "row_supports", "tables", "warn"},
    {"column", "densities", "documents", "engine", "normal_derivatives", "numerical", "quantiles", "table", "tails", "values"},
    {"distributions", "priors"},
    {"door", "parts", "plates", "templates", "assembly", "checks", "columns", "layout", "standalone", "statistics"},
    {"differences", "free_groups", "free_numbers", "information", "intervals", "scores"},
    {
        *("divergences", "draws", "frames", "imputation", "leaves", "marginals"),
        *("modes", "moments", "one_column_law", "outliers", "separation"),
    },
    {"e_steps", "escape", "fitting", "history", "initialise", "knowledge", "runs", "sample", "settings", "spikes"},
    {"bootstrap", "replicates", "resamples", "searches"},
    {"answers", "criteria", "looking", "model", "output", "position", "streaming", "uncertainty", "watching"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
ABOVE = len(LAYERS)  # whatever shows, stores or tests models


def imported_at_the_top(path):
    """First part below `mixtures` of everything a file imports outside functions, with the full name."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


def first_part(module):
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for module in imported_at_the_top(path):
        if module.startswith("mixtures.") and own != "__init__":
            assert LEVEL.get(first_part(module), ABOVE) <= LEVEL.get(own, ABOVE), f"{own} must not import {module}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_only_some_need_is_imported_late(path):
    late = {"dask", "matplotlib", "pandas", "polars", "pyarrow", "tqdm"}
    assert not late & {module.partition(".")[0] for module in imported_at_the_top(path)}


@pytest.mark.parametrize("path", sorted((PACKAGE / "engine").glob("*.py")), ids=lambda path: path.stem)
def test_the_engine_knows_no_family(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not any("distributions" in name for name in names)
    words = path.read_text()
    assert not [family.stem for family in FAMILY_FILES if f"{family.stem.title()}(" in words]


@pytest.mark.parametrize("path", FAMILY_FILES, ids=lambda path: path.stem)
def test_a_family_is_one_file_and_one_import_line(path):
    tree = ast.parse((PACKAGE / "distributions" / "__init__.py").read_text())
    lines = [
        node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == f"mixtures.distributions.{path.stem}"
    ]
    assert len(lines) == 1
    own = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    classes = [name for name in own if not name.startswith("_")]
    assert len(classes) == 1
    assert [alias.name for alias in lines[0].names] == classes


def test_no_file_but_the_import_line_names_a_family():
    """Adding a family edits nothing else; Product, which joins factors of any family, is the protocol's own."""
    families = {path.stem.title() for path in FAMILY_FILES} - {"Product"}
    for path in sorted([*PACKAGE.glob("*.py"), *(PACKAGE / "engine").glob("*.py"), PACKAGE / "distributions" / "base.py"]):
        if path.stem in ("__main__", "family_choice", "inference"):
            continue  # the main job infers a family for every column: it names them on purpose
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not names & families, path
