"""How often confidence intervals hold the truth: simulated tables of columns of mixed types, a mixture of two components.

    python tests/benchmarks/interval_coverage.py [--tables 500] [--rows 1000] [--bootstrap 0]

Every table is drawn from one mixture and fitted from its parameters, so that the components keep their places. Printed are, for
each kind of parameter, the shares of intervals at a nominal 95% that hold the true value, over all tables and parameters of the
kind, and the Monte Carlo error of such a share, from the spread between tables. The outcome is the same in every run.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from mixtures import GeneralMixtureModel
from mixtures.distributions import (
    Bernoulli,
    Categorical,
    Exponential,
    Gamma,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    Product,
)
from mixtures.free_numbers import flat_values

LEVEL = 0.95
INFORMATION = ("observed", "opg", "sandwich")
WEIGHTS = (0.4, 0.6)
COMPONENTS = (
    {
        0: Normal(0.0, 1.0),
        1: Poisson(2.0),
        2: Exponential(0.5),
        3: Gamma(3.0, 1.0),
        4: Bernoulli(0.2),
        5: Categorical([0.6, 0.3, 0.1]),
        6: NegativeBinomial(3.0, 0.5),
        (7, 8): MultivariateNormal([0.0, 0.0], [[1.0, 0.5], [0.5, 2.0]]),
    },
    {
        0: Normal(2.0, 1.5),
        1: Poisson(5.0),
        2: Exponential(1.5),
        3: Gamma(2.0, 0.4),
        4: Bernoulli(0.6),
        5: Categorical([0.2, 0.3, 0.5]),
        6: NegativeBinomial(4.0, 0.3),
        (7, 8): MultivariateNormal([1.0, -1.0], [[2.0, -0.6], [-0.6, 1.0]]),
    },
)


def start() -> GeneralMixtureModel:
    """The mixture that tables are drawn from, and where fits start."""
    return GeneralMixtureModel([Product(factors) for factors in COMPONENTS], weights=WEIGHTS, n_jobs=1)


def kind_of(column: str, parameter: str) -> str:
    """What figures of a parameter are pooled under."""
    name, _, index = parameter.partition("[")
    if column == "6":
        return f"negative binomial {name}"
    if name != "covariance":
        return "probability of a category" if name == "probabilities" else name
    first, second = index.rstrip("]").split(", ")
    return "variance" if first == second else name


def simulated(n_tables: int, n_rows: int, n_replicates: int) -> tuple[list[str], dict[str, Any]]:
    """The kind of every number, and by method whether each interval held the truth (tables, numbers)."""
    truth = start()
    values = np.array([*WEIGHTS, *(value for component in truth.components for value in flat_values(component))])
    held: dict[str, list[Any]] = {}
    kinds: list[str] = []
    for seed in range(n_tables):
        X = truth.sample(n_rows, random_state=seed)
        model = start().fit(X)
        found = {kind: model.confidence_intervals(X, LEVEL, kind=kind) for kind in INFORMATION}
        if n_replicates:
            fits = model.bootstrap(X, n_replicates, random_state=seed)
            found |= {kind: fits.confidence_intervals(LEVEL, kind) for kind in ("percentile", "basic")}
        for kind, rows in found.items():
            kinds = [kind_of(row.column, row.parameter) for row in rows]
            held.setdefault(kind, []).append((rows.low <= values) & (values <= rows.high))
    return kinds, {kind: np.array(rows) for kind, rows in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--bootstrap", type=int, default=0, help="replicates of each table; 0 for none")
    arguments = parser.parse_args()
    begun = time.perf_counter()
    kinds, held = simulated(arguments.tables, arguments.rows, arguments.bootstrap)
    print(
        f"{arguments.tables} tables of {arguments.rows} rows, nominal {LEVEL:.0%}; shares that hold the truth, ± Monte Carlo error"
    )
    print(f"{'kind':28}{'numbers':>8}" + "".join(f"{method:>18}" for method in held))
    for kind in dict.fromkeys(kinds):
        places = [place for place, other in enumerate(kinds) if other == kind]
        cells = []
        for rows in held.values():
            shares = rows[:, places].mean(axis=1)
            cells.append(f"{shares.mean():10.2%} ± {shares.std() / len(shares) ** 0.5:.2%}")
        print(f"{kind:28}{len(places):8}" + "".join(f"{cell:>18}" for cell in cells))
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
