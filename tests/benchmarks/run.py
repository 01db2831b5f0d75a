"""Speed of this library beside its peers: same data, same start, same number of iterations, one process, results compared first.

    pip install . -r tests/benchmarks/requirements.txt
    python tests/benchmarks/run.py [--only NAME ...] [--quick] [--markdown]

Times are medians of readings taken in turn, ratios medians of the pairs' ratios. `floor` is what the machine's own rates of
exponentials, multiply-adds and memory allow, measured between the pairs; `others` is the share of the cores that other
processes had meanwhile: where it is more than a few percent, times are too long and ratios uncertain.
"""

from __future__ import annotations

import argparse
import platform
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version

from families import covariances, families
from floor import Machine
from processes import costs
from sklearn.exceptions import ConvergenceWarning
from timing import take
from works import WORKS, Work

from mixtures.engine.team import available_threads

HEADER = ["work", "peer", "target", "measured", "ours", "peer's", "floor", "ours / floor", "others"]


def measure(work: Work, count: int) -> list[str]:
    """A row of the first table."""
    machine = Machine(work.threads, work.load)
    machine.floor()  # compiles
    found = take(work.ours, work.theirs, machine.floor, count)
    times = [f"{1e3 * value:.3g} ms" for value in (found.ours, found.theirs, found.floor)]
    ratios = [f"{work.target:g} x", f"{found.ratio:.1f} x"]
    return [work.title, work.peer, *ratios, *times, f"{found.above_floor:.1f}", f"{100 * found.others:.0f} %"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], markdown: bool) -> str:
    """Columns of one width, as text or as markdown."""
    lines = [list(header), *map(list, rows)]
    if markdown:
        lines.insert(1, ["---"] * len(header))
    widths = [max(len(line[j]) for line in lines) for j in range(len(header))]
    gap = " | " if markdown else "  "
    joined = [gap.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(f"| {line} |" if markdown else line.rstrip() for line in joined)


def main() -> None:
    """Run the works asked for and print the tables; a disagreement ends the run before its times are taken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*WORKS, "families", "processes"]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, three pairs")
    parser.add_argument("--markdown", action="store_true", help="tables for the README")
    parser.add_argument("--pairs", type=int, help="pairs of readings for each line (5; quick 3)")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # so many iterations, converged or not
    count = options.pairs or (3 if options.quick else 5)
    rows = []
    for name, builder in WORKS.items():
        if name in options.only:
            for work in builder(0.1 if options.quick else 1.0, min(2, available_threads())):
                print(f"{work.title}, {work.peer}: largest differences: {work.agree()}", file=sys.stderr, flush=True)
                rows.append(measure(work, count))
                print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    if rows:
        peers = ", ".join(f"{name} {version(name)}" for name in ("scikit-learn", "pomegranate", "stepmix", "torch", "numba"))
        print(f"Per EM iteration (whole fit where said), {min(2, available_threads())} threads unless said otherwise, "
              f"Python {platform.python_version()}, {peers}.\n")  # fmt: skip
        print(table(HEADER, rows, options.markdown), end="\n\n")
    if "families" in options.only:
        share = 0.1 if options.quick else 1.0
        speeds = [*families(int(2e5 * share), count), *covariances(int(2e5 * share), count)]
        print(table(["one iteration", "target", "measured"], speeds, options.markdown), end="\n\n")
    if "processes" in options.only:
        print(table(["cost", "target", "measured"], list(costs(3 if options.quick else 5)), options.markdown))


if __name__ == "__main__":
    main()
