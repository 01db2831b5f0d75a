"""Components taken apart over a table: which distribution stands on which columns. Found once in a fit, then handed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.table import Table


@dataclass(eq=False)
class Parts:
    """A component over a table: factors independent of each other, and the columns, by place, that each one stands on."""

    component: Any
    columns: list[tuple[int, ...]]
    factors: list[Any]

    def join(self, factors: list[Any], table: Table) -> Any:
        """The component made of new factors, in the order of the old ones."""
        rejoin = getattr(self.component, "_rejoin", None)
        return factors[0] if rejoin is None else rejoin(factors, table)


def take_apart(components: Sequence[Any], table: Table) -> list[Parts]:
    """The parts of every component; one that only Python knows stands on all columns. The same object gives the same parts."""
    found: dict[int, Parts] = {}
    for component in components:
        if id(component) not in found:
            if hasattr(component, "_factors"):
                pairs = component._factors(table)
                found[id(component)] = Parts(component, [columns for columns, _ in pairs], [factor for _, factor in pairs])
            else:
                found[id(component)] = Parts(component, [tuple(range(table.n_columns))], [component])
    return [found[id(component)] for component in components]


def distinct(parts: Sequence[Parts]) -> list[Parts]:
    """Each of several parts once, in order of their first places."""
    return list({id(part): part for part in parts}.values())


def resolve_priors(parts: Sequence[Parts], table: Table, weights: Floats | None, n_components: int) -> Sequence[Parts]:
    """Parts whose priors leave nothing open: what they do is taken from the rows, (n,) weights, and the number of components of the
    mixture that is to be fitted.

    The same parts give the same parts, and distributions without such a prior stay the objects that they are.
    """
    for part in parts:
        for factor in part.factors:
            prior = getattr(factor, "prior", None)
            if prior is not None and not getattr(prior, "is_complete", True):
                return _with_priors(parts, table, weights, n_components)
    return parts


def _with_priors(parts: Sequence[Parts], table: Table, weights: Floats | None, n_components: int) -> list[Parts]:
    factors: dict[Any, Any] = {}
    found: dict[int, Parts] = {}
    for part in distinct(parts):
        for columns, factor in zip(part.columns, part.factors, strict=True):
            is_open = not getattr(getattr(factor, "prior", None), "is_complete", True)
            if (id(factor), columns) not in factors:
                new = factor._resolved(table, columns, weights, n_components) if is_open else factor
                factors[id(factor), columns] = new
        own = [factors[id(factor), columns] for columns, factor in zip(part.columns, part.factors, strict=True)]
        found[id(part)] = Parts(part.component, part.columns, own)
    return [found[id(part)] for part in parts]


def block_of(columns: Sequence[int], table: Table) -> Floats:
    """Columns of numbers as a matrix (n, d)."""
    return np.column_stack([table.numbers(j) for j in columns])
