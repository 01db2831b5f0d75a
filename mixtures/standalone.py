"""One distribution over one table, on the engine that fits mixtures: density, weighted fit, and where a fit starts."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from mixtures.assembly import Assembly
from mixtures.checks import check_support, read_weights, without_zeros
from mixtures.column import Column
from mixtures.engine.plan import FAILED, FLOORED, LIMIT, UNSETTLED, Floats
from mixtures.exceptions import ConvergenceWarning, DegenerateWarning, FitError, LimitWarning, NotFittedError, ParameterError
from mixtures.parts import Parts, block_of, resolve_priors, take_apart
from mixtures.table import Table
from mixtures.warn import warn

MAX_STEPS = 2000
"""M-steps of a distribution's own fit, where its family's maximum takes several: most need ten, the slowest some hundreds."""


def is_given(component: Parts, table: Table) -> bool:
    """Whether a component brings all its parameters, so that EM can start there.

    A user's class may say so by an attribute ``is_complete``; without one, it is asked for the density of the first row.
    """
    for columns, distribution in zip(component.columns, component.factors, strict=True):
        complete = getattr(distribution, "is_complete", None)
        if complete is None:
            try:
                distribution.log_prob(block_of(columns, table)[:1])
                complete = True
            except Exception:  # whatever an unfitted class raises; a broken one raises it again in the fit
                complete = False
        if not complete:
            return False
    return True


def complete(component: Parts, table: Table, given: bool = True) -> Parts:
    """`component` with every factor given some parameters, learned categories included.

    A Python-only part of a component that is not `given` is fitted to all rows.
    """
    factors = []
    for columns, distribution in zip(component.columns, component.factors, strict=True):
        if hasattr(distribution, "kernels"):
            factors.append(distribution._completed(table, columns))
        else:
            factors.append(distribution if given else _fitted(distribution, block_of(columns, table)))
    return Parts(component.component, component.columns, factors)


def _fitted(distribution: Any, block: Floats) -> Any:
    """A Python-only distribution fitted to the rows of `block` (n, d) that lack no cell."""
    # One of several components leaves rows that it cannot have made to the others.
    fit = getattr(distribution, "_em_step", None) if hasattr(distribution, "domain") else None
    fitted = (fit or copy.deepcopy(distribution).fit)(block[~np.isnan(block).any(axis=1)])
    if not (hasattr(fitted, "log_prob") and hasattr(fitted, "fit")):
        raise ParameterError(
            f"{type(distribution).__name__}: fit must return a distribution with log_prob and fit, found {fitted!r}"
        )
    return fitted


def warn_floored(places: Iterable[str]) -> None:
    """Warn of scales held at their floor on the named columns."""
    warn(
        f"a scale was held at its floor, 16 rounding errors of the column's largest value, on {', '.join(places)}: the rows of a "
        "component agree, or all but agree beside that value, or nearly lie in a plane. Leave the column or the outlier out, or "
        "fit fewer components, or give a prior.",
        DegenerateWarning,
    )


def log_prob(distribution: Any, X: Any) -> Floats:
    """Log-density of every row under one complete distribution."""
    table = Table.read(X)
    density = np.empty(table.n_rows)
    if table.n_rows:
        assembly = Assembly(take_apart([distribution], table), table)
        assembly.evaluate(np.zeros(1), density=density)
    return density


def log_prior(distribution: Any) -> float:
    """Log-density of the parameters of one complete distribution under its prior, by the kernel that fits add."""
    kernel = distribution.kernels.log_prior
    if not distribution._is_penalised or kernel is None:
        return 0.0
    if distribution.prior is not None and not distribution.prior.is_complete:
        raise NotFittedError(f"{distribution!r}: the prior is known once a fit has taken the rest from the rows")
    place = Column("", categories=distribution.categories if distribution.encoding == "categories" else None)
    ground = [place] * distribution.n_features if distribution.reads_block else place
    parameters = np.array([distribution._pack(ground)], dtype=float)
    distribution.kernels.prepare(parameters)
    return float(kernel(parameters))


def settled(distribution: Any, table: Table, weights: Floats | None) -> tuple[Assembly, int]:
    """M-steps of one distribution, with every row of a table wholly its own, until they change nothing; and their outcome."""
    parts = take_apart([distribution], table)
    check_support(parts, table)
    (part,) = resolve_priors(parts, table, weights, 1)
    assembly = Assembly([complete(part, table, given=False)], table, weights)
    outcome = assembly.fit_labels(np.zeros(table.n_rows, dtype=np.int64), max_steps=MAX_STEPS)
    if outcome & FAILED:
        raise FitError(f"{type(distribution).__name__}: no parameters could be found for these rows")
    return assembly, outcome


def fit(distribution: Any, X: Any, sample_weight: Any = None) -> Any:
    """Weighted maximum likelihood of one distribution: M-steps with every row wholly its own, until they change nothing."""
    table = Table.read(X)
    table, weights = without_zeros(table, read_weights(sample_weight, table.n_rows))
    assembly, outcome = settled(distribution, table, weights)
    if outcome & UNSETTLED:
        warn(
            f"{type(distribution).__name__}: the parameters still move after {MAX_STEPS} M-steps; fit again from what was found",
            ConvergenceWarning,
        )
    if outcome & FLOORED:
        warn_floored(table.where(j) for j in range(table.n_columns))
    if outcome & LIMIT:
        for sentence in assembly.limits(outcome):
            warn(sentence, LimitWarning)
    return assembly.unpack()[0]
