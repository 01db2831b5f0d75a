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


def block_of(columns: Sequence[int], table: Table) -> Floats:
    """Columns of numbers as a matrix (n, d)."""
    return np.column_stack([table.numbers(j) for j in columns])
