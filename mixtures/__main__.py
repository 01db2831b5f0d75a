"""``python -m mixtures``: read a table, choose a family for every column, fit mixtures of it, choose one, show it."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from mixtures.exceptions import MixturesError

PENGUINS_LABEL = "species"
FEW_ROWS = 16384
"""In tables of so few rows a fit takes milliseconds: try many starts, so that the choice does not hang on luck."""


class CommandError(Exception):
    """What the user asked for cannot be done."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(message)


def _sizes(text: str) -> range:
    low, colon, high = text.partition(":")
    try:
        sizes = range(int(low), int(high if colon else low) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of components, 3, or a range of them, 1:6, found {text!r}") from None
    if len(sizes) == 0 or sizes[0] < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1 component, and the smaller number first, found {text!r}")
    return sizes


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {2**32 - 1}, found {text!r}")
    return int(text)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m mixtures",
        description="Cluster the rows of a table of mixed columns: fits mixture models of several sizes and shows the one with the "
        "lowest BIC. Without a table, it takes the penguins that come with the package.",
    )
    parser.add_argument("table", nargs="?", type=Path, metavar="TABLE", help="a .csv or .parquet file; names of columns come first")
    parser.add_argument("-k", type=_sizes, default=range(1, 7), metavar="1:6", help="numbers of components to try (default 1:6)")
    parser.add_argument("--seed", type=_seed, default=0, metavar="S", help="seed of the random starts (default 0)")
    parser.add_argument("--labels", type=Path, metavar="OUT.csv", help="write the cluster of every row to this file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, or 2 after one line on standard error."""
    try:
        with _notices():
            _run(_arguments(arguments))
    except (CommandError, MixturesError, ModuleNotFoundError) as error:
        print("mixtures: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    # Imported here so that a mistyped option or --help answers at once.
    from mixtures.labels import LabelsFile

    path, labels = options.table, options.labels
    frame, choices, modelled, known = _table(path)
    if options.k[0] > frame.height:
        raise CommandError(f"-k asks for {_components(options.k[0])}, but the table has only {frame.height} rows")
    if labels is not None and path is not None and labels.exists() and labels.samefile(path):
        raise CommandError(f"--labels {labels}: would overwrite the table")
    with contextlib.nullcontext() if labels is None else LabelsFile(labels) as labels_file:
        _print_columns(path, frame, choices)
        chosen = _choose(frame.select(list(modelled.factors)), modelled, options.k, options.seed)
        _print_mixture(chosen, known)
        if labels_file is not None:
            labels_file.write(chosen.labels)
            print(f"\nWrote the cluster of every row to {labels}; row 0 is the first.")


def _table(path: Path | None) -> tuple[Any, Sequence[Any], Any, Sequence[str] | None]:
    """The frame, a choice for each of its columns, the product to fit, and known labels if there are any."""
    from mixtures.inference import ColumnChoice, infer_families

    if path is not None:
        from mixtures.reading import read_table

        frame = read_table(path)
        inference = infer_families(frame)
        return frame, inference.choices, inference.product, None
    from mixtures.datasets import load_penguins

    frame = load_penguins()
    inference = infer_families(frame.drop(PENGUINS_LABEL))
    kept = ColumnChoice(PENGUINS_LABEL, None, "kept from the model, to compare the clusters with")
    return frame, (kept, *inference.choices), inference.product, frame[PENGUINS_LABEL].to_list()


def _print_columns(path: Path | None, frame: Any, choices: Sequence[Any]) -> None:
    from mixtures.report import columns_text

    missing = int(sum(frame.null_count().row(0)))
    columns = "columns" if frame.width > 1 else "column"
    name = "The Palmer penguins (no table was given)" if path is None else str(path)
    print(f"{name}: {frame.height:,} rows, {frame.width} {columns}, {missing:,} missing cells\n")
    print(columns_text(choices), flush=True)


def _choose(columns: Any, modelled: Any, sizes: range, seed: int) -> Any:
    """Fit the sizes that the table has rows for, print the comparison, and return the chosen candidate."""
    from mixtures.report import bic_text
    from mixtures.selection import select

    possible = range(sizes[0], min(sizes[-1], columns.height) + 1)
    n_init = 20 if columns.height <= FEW_ROWS else 5
    candidates = select(modelled, columns, possible, n_init=n_init, random_state=seed)
    chosen = candidates.best
    print("\nMixtures by number of components\n")
    print(bic_text(candidates, chosen))
    for candidate in candidates:
        for note in candidate.notes:
            print(f"note: {_components(candidate.n_components)}: {' '.join(note.split())}")
    if len(possible) < len(sizes):
        print(f"note: stopped at {_components(possible[-1])}: the table has no more rows.")
    if chosen.n_components == possible[-1] == sizes[-1] and len(sizes) > 1:
        print(f"note: the largest number tried has the lowest BIC; -k {sizes[0]}:{2 * sizes[-1]} tries more.")
    return chosen


def _print_mixture(chosen: Any, known: Sequence[str] | None) -> None:
    from mixtures.report import cross_text, model_text, sizes_text

    print(f"\nThe chosen mixture of {_components(chosen.n_components)}, the largest first\n")
    print(model_text(chosen.components, chosen.weights, width=shutil.get_terminal_size((120, 24)).columns))
    print("\nRows by most probable component\n")
    print(sizes_text(chosen.labels, chosen.n_components))
    if known is not None:
        print(f"\nClusters against {PENGUINS_LABEL}, which the model did not see\n")
        print(cross_text(chosen.labels, known, chosen.n_components, PENGUINS_LABEL))


def _components(k: int) -> str:
    return f"{k} component{'s' if k > 1 else ''}"


@contextlib.contextmanager
def _notices() -> Iterator[None]:
    """Show the package's notices on standard error: that kernels are being compiled, above all."""
    logger = logging.getLogger("mixtures")
    handler, level = logging.StreamHandler(sys.stderr), logger.level
    handler.setFormatter(logging.Formatter("mixtures: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ± shows ?
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
