"""One distribution over one table, on the engine that fits mixtures: density, weighted fit, and where a fit starts."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from mixtures.assembly import Assembly, block_of, factors_of, rejoin
from mixtures.checks import check_support, read_weights, without_zeros
from mixtures.engine.plan import FAILED, FLOORED, Floats
from mixtures.exceptions import DataError, DegenerateWarning, FitError
from mixtures.table import Column, Table


def is_given(component: Any, table: Table) -> bool:
    """Whether a component brings all its parameters, so that EM can start there.

    A user's class may say so by an attribute ``is_complete``; without one, it is asked for the density of the first row.
    """
    for columns, distribution in factors_of(component, table):
        if hasattr(distribution, "is_complete"):
            complete = bool(distribution.is_complete)
        else:
            try:
                distribution.log_prob(block_of(columns, table)[:1])
                complete = True
            except Exception:  # whatever an unfitted class raises; a broken one raises it again in the fit
                complete = False
        if not complete:
            return False
    return True


def complete(component: Any, table: Table, given: bool = True) -> Any:
    """`component` with every factor given some parameters, learned categories included.

    A Python-only part of a component that is not `given` is fitted to all rows.
    """
    parts = []
    for columns, distribution in factors_of(component, table):
        if hasattr(distribution, "kernels"):
            distribution = distribution._bind(table, columns[0])
            if not distribution.is_complete:
                if distribution.encoding == "categories":
                    place = Column(table.names[columns[0]], table.n_rows, categories=distribution.categories)
                else:
                    place = table.column(columns[0])
                    if place.n_missing == place.n_rows:
                        raise DataError(
                            f"{table.where(columns[0])}: expected at least one observed value, found only missing cells"
                        )
                start = distribution._start(place)
                known = {name: value for name, value in distribution._values().items() if value is not None}
                distribution = type(distribution)(**{**start._values(), **known})
        elif not given:
            block = block_of(columns, table)
            distribution = copy.deepcopy(distribution).fit(block[~np.isnan(block).any(axis=1)])
        parts.append(distribution)
    return rejoin(component, parts, table)


def warn_floored(places: Iterable[str], depth: int) -> None:
    """Warn of scales held at their floor on the named columns, in the name of the caller `depth` calls up."""
    warnings.warn(
        f"a scale was held at its floor, 16 rounding errors of the column's largest value, on {', '.join(places)}: the rows of a "
        "component agree, or all but agree beside that value. Leave the column or the outlier out, or fit fewer components.",
        DegenerateWarning,
        stacklevel=depth + 1,
    )


def log_prob(distribution: Any, X: Any) -> Floats:
    """Log-density of every row under one complete distribution."""
    table = Table.read(X)
    density = np.empty(table.n_rows)
    if table.n_rows:
        assembly = Assembly([distribution], table)
        assembly.prepare()
        assembly.evaluate(np.zeros(1), density=density)
    return density


def fit(distribution: Any, X: Any, sample_weight: Any = None) -> Any:
    """Weighted maximum likelihood of one distribution: M-steps with every row wholly its own, until they change nothing."""
    table = Table.read(X)
    table, weights = without_zeros(table, read_weights(sample_weight, table.n_rows))
    check_support([distribution], table)
    start = complete(distribution, table, given=False)
    assembly = Assembly([start], table, weights)
    assembly.prepare()
    outcome = assembly.fit_labels(np.zeros(table.n_rows, dtype=np.int64))
    if outcome & FAILED:
        raise FitError(f"{type(distribution).__name__}: no parameters could be found for these rows")
    if outcome & FLOORED:
        warn_floored((table.where(j) for j in range(table.n_columns)), depth=3)
    return assembly.unpack()[0]
