"""One mixture fitted to very many samples: those of a bootstrap, or draws of a model under which a statistic is to be judged.

All samples are laid out once. Drawn ones are one long table, of which each is a run of rows; resampled ones are counts of the rows
of one table, of which those that were drawn at all are gathered. What changes from fit to fit is where the rows begin and
what they weigh, so that little of a fit happens in Python, and the rest of it, with the interpreter's lock released, on several
threads. Every sample has its own draws and its own result: neither depends on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from mixtures.assembly import Assembly
from mixtures.engine import loop
from mixtures.engine.loop import Course
from mixtures.engine.plan import FLOORED, NO_FLOATS, Floats, Ints, Problem
from mixtures.engine.status import CONVERGED, EXHAUSTED
from mixtures.exceptions import MixturesError
from mixtures.knowledge import NOTHING
from mixtures.parts import Parts
from mixtures.runs import begin
from mixtures.settings import Settings
from mixtures.spikes import has_spike
from mixtures.table import Table, address_of_row_0


@dataclass
class Refit:
    """One fit.

    Attributes
    ----------
    parameters, log_weights : packed, as the assembly of the fits knows them.
    log_likelihood : total, with log-priors; NaN where the fit failed.
    converged : whether it ended because nothing was left to gain.
    failed : whether it ended where no parameters could be found, or the likelihood was not finite.
    floored : whether a scale was held at its floor.
    assembly : what these parameters are packed for.
    """

    parameters: Floats
    log_weights: Floats
    log_likelihood: float
    converged: bool
    failed: bool
    floored: bool
    assembly: Assembly
    problem: Problem
    rows: Any = None  # what the problem's addresses point to
    before: Floats | None = None  # responsibilities by the parameters that it began with, where those cannot be asked for later

    def components(self) -> list[Any]:
        """The fitted components."""
        return self.assembly.unpack(self.parameters)

    def parts(self) -> list[Parts]:
        """The fitted components, in parts."""
        return self.assembly.unpack_parts(self.parameters)

    def is_doubtful(self) -> bool:
        """Whether it met a floor, or one of its components is a spike."""
        rows = np.exp(self.log_weights) * self.problem.sizes.n_rows
        return self.floored or has_spike(self.parts(), rows, self.assembly.table)

    def posterior(self, parameters: Floats | None = None, log_weights: Floats | None = None) -> Floats:
        """Responsibilities (rows, k) of its rows, by its own parameters or others."""
        out = np.empty((self.problem.sizes.n_rows, len(self.log_weights)))
        own = self.parameters if parameters is None else parameters
        shares = self.log_weights if log_weights is None else log_weights
        loop.evaluate(self.problem, own, shares, posterior=out)
        return out


class Refits:
    """Fits of one mixture to samples of a table, by EM from the parameters that its components bring.

    Parameters
    ----------
    components : the parts of k complete distributions.
    table : the rows of all samples, none of weight zero.
    log_weights : (k,) of the mixture.
    settings : how EM is run; without draws or a watch.

    Notes
    -----
    Samples are given as runs of rows (:meth:`of_rows`) or as counts of all rows (:meth:`of_counts`). Components that only Python
    knows are fitted as well, at Python's pace.
    """

    def __init__(self, components: Sequence[Parts], table: Table, log_weights: Floats, settings: Settings) -> None:
        self.table, self.settings = table, settings._replace(n_threads=1, watch=None)
        self._components = components
        self.assembly = Assembly(components, table)
        self.start = self.assembly.parameters.copy()
        self.log_weights = np.asarray(log_weights, dtype=float)
        self.task = self.settings.task(NOTHING, 0)
        k = len(self.log_weights)
        self.control = self.settings.control(k, self.assembly.is_maximum_likelihood, self.is_compiled)
        self.columns = self._sources() if self.is_compiled else np.empty((0, 0))

    @property
    def is_compiled(self) -> bool:
        """Whether no component lives in Python only."""
        return not self.assembly.door.components

    def _sources(self) -> Floats:
        """The columns that the plan reads (sources, n), as it reads them."""
        assembly = self.assembly
        columns = []
        for j in assembly.source_columns:
            categories = assembly._columns[j].categories
            columns.append(self.table.numbers(j) if categories is None else self.table.codes(j, categories))
        return np.array(columns, dtype=np.float64)

    def problem(self, rows: Floats, first: int, stop: int, weights: Floats) -> Problem:
        """The problem over columns first to stop of `rows` (sources, m)."""
        old, s = self.assembly.problem, len(rows)
        whole = old.whole.copy()
        whole[-2 * s : -s] = address_of_row_0(rows) + rows.strides[0] * np.arange(s) + first * rows.strides[1]
        whole[-s:] = rows.strides[1]
        return Problem(old.sizes._replace(n_rows=stop - first), whole, old.scales, weights)

    def of_rows(self, first: int, stop: int) -> Refit:
        """The fit to a run of rows."""
        if self.is_compiled:
            return self._refit(self.problem(self.columns, first, stop, NO_FLOATS), self.columns)
        return self._in_python(np.arange(first, stop), None)

    def of_counts(self, counts: Ints) -> Refit:
        """The fit to all rows, each so many times (n,)."""
        (drawn,) = np.nonzero(counts)
        weights = counts[drawn].astype(np.float64)
        if self.is_compiled:
            rows = np.ascontiguousarray(self.columns[:, drawn])
            return self._refit(self.problem(rows, 0, len(drawn), weights), rows)
        return self._in_python(drawn, weights)

    def _refit(self, problem: Problem, rows: Floats) -> Refit:
        course = Course(problem, self.start.copy(), self.log_weights.copy(), None, None, self.task, self.control)
        return self.ended(course, rows)

    def ended(self, course: Course, rows: Any, assembly: Assembly | None = None) -> Refit:
        """What a course ends with."""
        course.run(1)
        assembly = self.assembly if assembly is None else assembly
        failed = course.status not in (CONVERGED, EXHAUSTED)
        problem, weights = course.problem, course.problem.weights
        total = float(weights.sum()) if weights.size else float(problem.sizes.n_rows)
        value = np.nan if failed else total * float(course.history[course.iteration])
        floored = any(flag & FLOORED for flag in course.flags.tolist())
        ended = course.status == CONVERGED
        return Refit(course.parameters, course.log_weights, value, ended, failed, floored, assembly, problem, rows)

    def _in_python(self, rows: Ints, weights: Floats | None) -> Refit:
        """The fit of components some of which only Python knows."""
        part = self.table.take(rows)
        assembly = Assembly(self._components, part, weights)
        before = np.empty((len(rows), len(self.log_weights)))
        assembly.evaluate(self.log_weights, posterior=before)
        run = begin(assembly, self.log_weights.copy(), self.settings)
        refit = self.ended(run.course, part, assembly)
        refit.before = before
        try:
            assembly.door.raise_error()
        except MixturesError:
            refit.failed, refit.log_likelihood = True, np.nan
        return refit


def side_by_side(function: Callable[[Any], Any], items: Iterable[Any], n_threads: int, batch: int = 256) -> Iterator[Any]:
    """``function(item)`` of every item, in their order, on so many threads; the calling thread makes the items, some at a time."""
    items = iter(items)
    if n_threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        while chosen := list(islice(items, batch)):
            yield from pool.map(function, chosen)
