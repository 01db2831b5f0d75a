"""From components and a table to the best EM run: starts, runs, and what a run's status means to the caller."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mixtures.assembly import Assembly
from mixtures.engine.loop import em
from mixtures.engine.plan import CHUNK_ROWS, FLOORED, Floats, Ints
from mixtures.engine.status import CONTINUE, CONVERGED, IMPOSSIBLE, MESSAGES, NOT_A_NUMBER
from mixtures.exceptions import ConvergenceWarning, DegenerateWarning, FitError
from mixtures.initialise import Starter
from mixtures.parts import Parts, distinct
from mixtures.standalone import complete, is_given, warn_floored
from mixtures.table import Table

logger = logging.getLogger("mixtures")


class Settings(NamedTuple):
    """How to run EM; the arguments of the same names of the model."""

    tol: float
    max_iter: int
    n_init: int
    random_state: Any
    n_threads: int
    verbose: int = 0


@dataclass
class Run:
    """One EM run: where it ended and how."""

    assembly: Assembly
    log_weights: Floats
    status: int
    n_iter: int
    history: list[float]
    flags: Ints

    @property
    def weights(self) -> Floats:
        """Mixing proportions (k,)."""
        return np.exp(self.log_weights)

    @property
    def floored(self) -> bool:
        """Whether the last M-step held a scale at its floor."""
        return any(flag & FLOORED for flag in self.flags.tolist())


@dataclass
class Fit:
    """The best of several runs, with its log-likelihood and labels at the final parameters."""

    components: list[Any]
    weights: Floats
    converged: bool
    n_iter: int
    history: Floats
    labels: Ints


def fit_mixture(
    components: Sequence[Parts], table: Table, weights: Floats | None, mixing: Floats | None, settings: Settings
) -> Fit:
    """Fit k `components` to the rows of `table`; `mixing` (k,) are the weights that EM starts from.

    EM starts at the parameters of a component that brings them. Equal components would stay equal for ever: they are taken
    for one family several times, whose start is to be found.
    """
    k = len(components)
    if k > 1 and len(distinct(components)) == 1:
        given = [False] * k
    else:
        given = [is_given(c, table) and not _is_repeated(place, components) for place, c in enumerate(components)]
    if all(given) or k == 1:
        assembly = Assembly([complete(c, table, g) for c, g in zip(components, given, strict=True)], table, weights)
        runs = [run_em(assembly, np.full(k, 1.0 / k) if mixing is None else mixing, table, settings, settings.n_threads)]
    else:
        starter = Starter(components, given, table, weights, settings.random_state)

        def run(number: int, n_threads: int = settings.n_threads) -> Run:
            assembly, found = starter.start(number)
            return run_em(assembly, found if mixing is None else mixing, table, settings, n_threads)

        if settings.n_init > 1 and settings.n_threads > 1 and table.n_rows <= 2 * CHUNK_ROWS:
            with ThreadPoolExecutor(min(settings.n_threads, settings.n_init)) as pool:
                runs = list(pool.map(run, range(settings.n_init), [1] * settings.n_init))
        else:
            runs = [run(number) for number in range(settings.n_init)]
    best = runs[0]
    for other in runs[1:]:
        # A run that ended on a floor has a likelihood without bound: it counts only where every run did. Starts that meet on
        # one hill differ by rounding, which must not choose the order of the components: the first one wins.
        gain = other.history[-1] - best.history[-1]
        if best.floored > other.floored or (best.floored == other.floored and gain > 1e-10):
            best = other
    return _finish(best, table, settings)


def _is_repeated(place: int, components: Sequence[Parts]) -> bool:
    """Whether another component is equal to the one at `place`."""
    own = components[place].component
    return any(
        other.component is own or (type(other.component) is type(own) and _is_equal(other.component, own))
        for k, other in enumerate(components)
        if k != place
    )


def _is_equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (TypeError, ValueError):  # a user's dataclass that holds arrays has no single answer
        return False


def run_em(assembly: Assembly, mixing: Floats, table: Table, settings: Settings, n_threads: int) -> Run:
    """One EM run from packed components."""
    log_weights = safe_log(mixing)
    status, n_iter, history, flags = em(
        assembly.problem, assembly.parameters, log_weights, settings.max_iter, settings.tol, n_threads
    )
    assembly.door.raise_error()
    run = Run(assembly, log_weights, status, n_iter, history.tolist(), flags)
    if status not in (CONTINUE, CONVERGED):
        raise FitError(MESSAGES[status].format(iteration=n_iter, where=_blame(run, table)))
    if settings.verbose:
        logger.info("EM run: %d iterations, mean log-likelihood %.9g", n_iter, history[-1])
    return run


def _blame(run: Run, table: Table) -> str:
    """The first row that stopped a run, in words."""
    if run.status not in (IMPOSSIBLE, NOT_A_NUMBER):
        return ""
    density = np.empty(table.n_rows)
    run.assembly.evaluate(run.log_weights, density=density)
    bad = np.flatnonzero(~np.isfinite(density))
    if not len(bad):
        return "the sum over rows is not finite"
    cells = ", ".join(f"{table.where(j)}: {table.value(j, int(bad[0]))}" for j in range(min(8, table.n_columns)))
    return f"row {table.row(bad[0])} ({cells}) has log-density {density[bad[0]]} under the current components"


def _finish(run: Run, table: Table, settings: Settings) -> Fit:
    density, labels = np.empty(table.n_rows), np.empty(table.n_rows, dtype=np.int64)
    run.assembly.evaluate(run.log_weights, settings.n_threads, density=density, labels=labels)
    row_weights = run.assembly.problem.weights
    final = float(row_weights @ density / row_weights.sum() if row_weights.size else density.sum() / len(density))
    history = run.history[:-1] if run.status == CONVERGED else run.history
    history.append(final)
    settled = len(history) > 1 and abs(history[-1] - history[-2]) < settings.tol
    converged = run.status == CONVERGED or settled
    if not converged and settings.tol > 0:
        advice = MESSAGES[CONTINUE].format(max_iter=settings.max_iter, tol=settings.tol)
        warnings.warn(advice, ConvergenceWarning, stacklevel=4)
    if run.floored:
        warn_floored(run.assembly.columns_with(run.flags, FLOORED), depth=4)
    for sentence in dict.fromkeys(run.assembly.limits(run.flags)):
        warnings.warn(sentence, DegenerateWarning, stacklevel=4)
    for component in run.assembly.door.components:
        if getattr(component, "untold", ()):
            component.warn_untold(depth=4)
    weights = run.weights
    empty = [k for k, weight in enumerate(weights.tolist()) if weight == 0]
    if empty:
        warnings.warn(f"components {empty} have no rows left. Fit fewer components.", DegenerateWarning, stacklevel=4)
    return Fit(run.assembly.unpack(), weights, converged, run.n_iter, np.array(history), labels)


def safe_log(weights: Floats) -> Floats:
    """Logarithm of weights; -inf for 0, without a warning."""
    if 0.0 not in weights.tolist():
        return np.log(weights)
    with np.errstate(divide="ignore"):
        return np.log(weights)
