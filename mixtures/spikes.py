"""Spurious maxima: runs that owe their likelihood to a component that has shrunk upon a few rows.

Where scales are free the likelihood has no upper bound, and on the way to infinity there are local maxima about a few rows that
happen to lie close (Day 1969; McLachlan & Peel 2000, section 3.10). A search for the highest likelihood finds them first. Such a
run counts only where no other is left. A component is a spike where it has fewer rows than its scales need, or where it is, in
some direction, less than a hundredth as wide as the table and has few rows (Hathaway 1985 bounds that ratio for all).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.parts import Parts
from mixtures.runs import Run
from mixtures.table import Table

NARROW = 1e-4
"""Ratio of variances."""
FEW = 10
"""Times the number of rows that the scales need: with more, a narrow component is taken for what it is."""


def is_doubtful(run: Run) -> bool:
    """Whether a run met a floor, or one of its components is a spike."""
    if run.floored:
        return True
    table = run.assembly.table
    return has_spike(run.assembly.unpack_parts(run.course.parameters), run.weights * table.n_rows, table)


def has_spike(components: Sequence[Parts], rows: Floats, table: Table) -> bool:
    """Whether one of k components, of so many `rows` (k,) each, is a spike among the rows of the table."""
    for parts, count in zip(components, rows.tolist(), strict=True):
        for columns, factor in zip(parts.columns, parts.factors, strict=True):
            if getattr(factor, "encoding", "numbers") == "categories":
                continue
            narrowest = _narrowest(factor, [table.column(j) for j in columns])
            if narrowest is not None and count < (1 if narrowest >= NARROW else FEW) * (len(columns) + 1):
                return True
    return False


def _narrowest(factor: Any, columns: Any) -> float | None:
    """Smallest ratio, over directions, of a component's variance to the table's, a ninth of the square of half its range; None for
    a family without a scale of its own."""
    reach = np.array([(column.upper - column.lower) / 6 for column in columns])
    if not (np.isfinite(reach) & (reach > 0)).all():
        return None
    covariance = getattr(factor, "covariance", None)
    if covariance is not None:
        if getattr(factor, "tied", False):
            return None
        matrix = np.asarray(covariance)
        if matrix.ndim < 2:
            return float((matrix / reach**2).min())
        return float(np.linalg.eigvalsh(matrix / reach / reach[:, None])[0])
    scale = getattr(factor, "std", None) or getattr(factor, "scale", None)
    return None if scale is None or isinstance(scale, tuple) else float((scale / reach[0]) ** 2)
