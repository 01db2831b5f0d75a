"""Who finds the best known maximum: this library and its peers on the same tables, from their own starts, in the same time.

    pip install . -r tests/benchmarks/requirements.txt
    python tests/benchmarks/optima.py [--only WORD ...] [--quick] [--markdown]
    python tests/benchmarks/optima.py --search SECONDS [--only WORD ...]

A cell is the share of seeds from which a fit comes within 1e-4 a row of the best log-likelihood known; scipy computes that of
every library's parameters, and spurious maxima do not count (`optima_judge.py` says which those are). The budget of time of a row
is that of one default fit of this library or of one default fit of scikit-learn's GaussianMixture, whichever takes longer: a peer
takes the best of as many starts as fit into it ("in 7"), and one fit where that alone takes longer ("at 3.2 x" the budget).
Times are processor times of one thread, which other processes disturb less than the clock on the wall.

`--search` is how the best known maxima in `optima_known.json` were found: everybody fits from new seeds for so many seconds each,
and the highest maximum that is not spurious is followed to its top; `found_in` says how many of how many fits came near it.
Three come from a deeper search by splitting and merging than the library's own. A run that finds a better one than is known says
so and fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import multiprocessing
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from optima_data import Problem, problems
from optima_entrants import ENTRANTS, OURS, SKLEARN, Entrant, default_sklearn_fit, parameters_of, started
from optima_judge import Verdict, judge

KNOWN = Path(__file__).with_name("optima_known.json")
NEAR = 1e-4
"""Log-likelihood of a row by which a fit may miss the best known one."""
ENOUGH = 0.95
FEWEST_SEEDS = 10
"""Seeds that a cell has even where they take longer than a cell may."""
SEARCH_SEEDS = 10_000
"""Where the seeds of the long search begin, apart from those of the table."""


@dataclass(frozen=True)
class Cell:
    """What an entrant has made of a problem."""

    found: int
    seeds: int
    starts: int
    time: float  # of one fit with all its starts, in budgets
    spurious: int
    failed: int
    highest: float  # mean log-likelihood of a row

    @property
    def share(self) -> float:
        """Of the seeds that reached the best known maximum."""
        return self.found / self.seeds

    def __str__(self) -> str:
        how = f"in {self.starts}" if self.starts > 1 else f"at {self.time:.1f} x"
        return f"{100 * self.share:.0f} % {how}"


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    problem: Problem
    known: float
    budget: float  # seconds
    cells: dict[str, Cell]  # by the entrant's name

    @property
    def ours(self) -> float:
        """Our share."""
        return self.cells[OURS.name].share

    @property
    def is_first(self) -> bool:
        """Whether nobody has a larger share."""
        return all(cell.share <= self.ours for cell in self.cells.values())


def seconds(call: Callable[[int], Any], seed: int) -> float:
    """Processor time of a call; of one that fails, the time until then."""
    start = time.process_time()
    with contextlib.suppress(Exception):  # counted when the seed's turn comes
        call(seed)
    return time.process_time() - start


def usual(call: Callable[[int], Any]) -> float:
    """Median time over three seeds, after a call that loads and compiles what is needed."""
    seconds(call, 0)
    return statistics.median(seconds(call, seed) for seed in range(3))


def outcome(problem: Problem, entrant: Entrant, seed: int, starts: int) -> tuple[Verdict, float]:
    """What one fit is worth, NaN where it raised an error, whatever that was: its user has no mixture; and its processor time."""
    begun = time.process_time()
    try:
        parameters = entrant.fit(problem, seed, starts)
    except Exception as error:
        print(f"{problem.title}: {entrant.name}, seed {seed}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return Verdict(np.nan, False), time.process_time() - begun
    taken = time.process_time() - begun
    return judge(problem, parameters), taken


def cell(problem: Problem, entrant: Entrant, known: float, budget: float, seeds: int, patience: float) -> Cell:
    """Fits from all seeds, or from as many as the patience of so many seconds allows."""
    starts = 1
    if entrant is not OURS:  # which searches by itself
        starts = max(1, int(budget / usual(lambda seed: entrant.fit(problem, seed, 1))))
    verdicts: list[Verdict] = []
    times: list[float] = []
    while len(verdicts) < seeds and (len(verdicts) < FEWEST_SEEDS or sum(times) < patience):
        verdict, taken = outcome(problem, entrant, len(verdicts), starts)
        verdicts.append(verdict)
        times.append(taken)
    regular = [verdict.mean_log_likelihood for verdict in verdicts if not verdict.spurious]
    found = sum(value >= known - NEAR for value in regular)
    failed = sum(np.isnan(verdict.mean_log_likelihood) for verdict in verdicts)
    spurious = sum(verdict.spurious for verdict in verdicts)
    time_of_one = statistics.mean(times) / budget
    return Cell(found, len(verdicts), starts, time_of_one, spurious, failed, float(np.nanmax([-np.inf, *regular])))


def row(problem: Problem, known: float, seeds: int, patience: float) -> Row:
    """Everybody on one problem."""
    budget = usual(lambda seed: OURS.fit(problem, seed, 1))
    if SKLEARN.takes(problem):
        budget = max(budget, usual(partial(default_sklearn_fit, problem)))
    able = [entrant for entrant in ENTRANTS if entrant.takes(problem)]
    return Row(problem, known, budget, {e.name: cell(problem, e, known, budget, seeds, patience) for e in able})


def search(problem: Problem, patience: float) -> dict[str, Any]:
    """The best maximum that anybody finds in so many seconds each, this library from twenty starts at a time, too."""
    highest: dict[str, list[float]] = {}
    candidates: list[tuple[float, Any]] = []
    able = [
        (entrant, starts) for entrant in ENTRANTS if entrant.takes(problem) for starts in ((1, 20) if entrant is OURS else (1,))
    ]
    for entrant, starts in able:
        name = entrant.name if starts == 1 else f"{entrant.name}, {starts} starts"
        values = highest[name] = []
        seconds(lambda seed, fit=entrant.fit, starts=starts: fit(problem, seed, starts), 0)  # loads and compiles
        began = time.process_time()
        while time.process_time() - began < patience:
            value = -np.inf
            with contextlib.suppress(Exception):  # another seed will do
                parameters = entrant.fit(problem, SEARCH_SEEDS + len(values), starts)
                verdict = judge(problem, parameters)
                if not verdict.spurious:
                    value = verdict.mean_log_likelihood
            if value > max(values, default=-np.inf):
                candidates.append((value, parameters))
            values.append(value)
    for _, parameters in sorted(candidates, key=lambda candidate: -candidate[0]):
        verdict = top(problem, parameters)
        if not verdict.spurious:
            best = verdict.mean_log_likelihood
            shares = {name: [int(np.sum(np.array(values) > best - NEAR)), len(values)] for name, values in highest.items()}
            return {"mean_log_likelihood": best, "found_in": shares}
    raise RuntimeError(f"{problem.title}: nothing but spurious maxima")


def top(problem: Problem, parameters: Any) -> Verdict:
    """What the maximum above parameters is worth."""
    model = started(problem, parameters).set_params(tol=1e-12, max_iter=50_000)
    return judge(problem, parameters_of(problem, model.fit(problem.X)))


def quiet() -> None:
    """What a worker does first: peers speak of fits that did not converge, and of torch's own deprecations."""
    warnings.simplefilter("ignore")
    logging.disable()


def over(work: Callable[[int], Any], count: int, jobs: int) -> Iterator[Any]:
    """Work on problems by their numbers, in processes of one thread each."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read where numpy, scipy and torch are loaded
        os.environ[name] = "1"
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), quiet) as pool:
        yield from pool.map(work, range(count))


def chosen(words: list[str] | None, quick: bool) -> list[Problem]:
    """Problems in whose title one of the words stands; a quick run takes small ones."""
    every = [problem for problem in problems() if not quick or len(problem.X) < 400]
    return [problem for problem in every if not words or any(word.lower() in problem.title.lower() for word in words)]


def _row(number: int, words: list[str] | None, quick: bool, seeds: int, patience: float) -> Row:
    problem = chosen(words, quick)[number]
    known = json.loads(KNOWN.read_text())[problem.title]["mean_log_likelihood"]
    return row(problem, known, seeds, patience)


def _search(number: int, words: list[str] | None, quick: bool, patience: float) -> tuple[str, dict[str, Any]]:
    problem = chosen(words, quick)[number]
    return problem.title, search(problem, patience)


def note(title: str, fact: dict[str, Any]) -> None:
    """Write down what is better than what was known, or as good, with how many of how many fits found it."""
    known = json.loads(KNOWN.read_text()) if KNOWN.exists() else {}
    gain = fact["mean_log_likelihood"] - known.get(title, {"mean_log_likelihood": -np.inf})["mean_log_likelihood"]
    print(f"{title}: gain {gain:.3g} a row, {fact}", file=sys.stderr, flush=True)
    if gain > -1e-9:
        KNOWN.write_text(json.dumps(known | {title: fact}, indent=1) + "\n")


def lines(rows: list[Row]) -> list[list[str]]:
    """The table's lines."""
    every = []
    for one in rows:
        p = one.problem
        n, d = p.X.shape
        model = f"{'product' if p.form == 'product' else p.form}, K = {p.k}"
        cells = [str(one.cells.get(entrant.name, "")) for entrant in ENTRANTS]
        every.append(
            [
                p.name,
                model,
                f"{n} x {d}",
                "yes" if p.separated else "",
                f"{one.known * n:.2f}",
                f"{1e3 * one.budget:.1f} ms",
                *cells,
            ]
        )
    return every


def main() -> None:
    """Run the problems asked for and print the table, or search for better maxima."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="WORD", help="problems in whose title one of these words stands")
    parser.add_argument("--quick", action="store_true", help="tables of less than 400 rows, ten seeds")
    parser.add_argument("--seeds", type=int, help="seeds of a cell (50; quick 10)")
    parser.add_argument("--patience", type=float, default=8.0, help="seconds after which a cell takes no further seed (8)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="problems at a time (2)")
    parser.add_argument("--markdown", action="store_true", help="table for the README")
    parser.add_argument("--search", type=float, metavar="SECONDS", help="for everybody to look for better maxima in")
    options = parser.parse_args()
    count = len(chosen(options.only, options.quick))
    if options.search:
        work = partial(_search, words=options.only, quick=options.quick, patience=options.search)
        for title, fact in over(work, count, options.jobs):
            note(title, fact)
        return
    seeds = options.seeds or (10 if options.quick else 50)
    work = partial(_row, words=options.only, quick=options.quick, seeds=seeds, patience=options.patience)
    rows: list[Row] = []
    for one in over(work, count, options.jobs):
        rows.append(one)
        print(f"{one.problem.title}: " + ", ".join(f"{name} {c}" for name, c in one.cells.items()), file=sys.stderr, flush=True)
    report(rows, options.markdown)


def report(rows: list[Row], markdown: bool) -> None:
    """Print the table and what it comes to; fails where somebody has found what was not known."""
    from run import table

    names = ", ".join(f"{name} {version(name)}" for name in ("scikit-learn", "stepmix", "pomegranate"))
    print(f"Python {platform.python_version()}, {names}, one thread each.\n")
    header = ["data", "model", "rows", "separated", "best known", "budget", *(entrant.name for entrant in ENTRANTS)]
    print(table(header, lines(rows), markdown), end="\n\n")
    separated = [one for one in rows if one.problem.separated]
    print(f"First, alone or with others, on {sum(one.is_first for one in rows)} of {len(rows)} rows; ", end="")
    print(f"{100 * ENOUGH:.0f} % or more on {sum(one.ours >= ENOUGH for one in rows)}, ", end="")
    print(f"on {sum(one.ours >= ENOUGH for one in separated)} of {len(separated)} separated ones.")
    for name in (entrant.name for entrant in ENTRANTS):
        cells = [one.cells[name] for one in rows if name in one.cells]
        if cells:
            total, most = sum(c.seeds for c in cells), max(c.seeds for c in cells)
            print(f"{name}: {sum(c.found for c in cells)} of {total} fits, {sum(c.spurious for c in cells)} spurious, ", end="")
            print(
                f"{sum(c.failed for c in cells)} failed, fewer seeds on {sum(c.seeds < most for c in cells)} of {len(cells)} rows"
            )
    better = [
        f"{one.problem.title}: {name} found {c.highest:.9f} a row, known is {one.known:.9f}"
        for one in rows
        for name, c in one.cells.items()
        if c.highest > one.known + NEAR / 10
    ]
    if better:
        sys.exit("Better maxima than were known; --search takes them down:\n" + "\n".join(better))


if __name__ == "__main__":
    main()
