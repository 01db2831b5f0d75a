"""Random tables of every kind of column, and mixtures of products that may have made them."""

import numpy as np

from mixtures.distributions import Bernoulli, Categorical, Exponential, Normal, Poisson

KINDS = {
    "real": lambda random, n: random.normal(random.choice([-3, 0, 4], n), 1.0),
    "positive": lambda random, n: random.exponential(random.choice([0.5, 3.0], n)),
    "count": lambda random, n: random.poisson(random.choice([1.0, 9.0], n)).astype(float),
    "bit": lambda random, n: random.integers(0, 2, n).astype(float),
    "word": lambda random, n: random.choice(["ash", "elm", "oak"], n).astype(object),
}
FAMILIES = {
    "real": [Normal],
    "positive": [Normal, Exponential],
    "count": [Poisson],
    "bit": [Bernoulli, Poisson],
    "word": [Categorical],
}


def member(family, random):
    """A member of a family that gives every value of its kind some density."""
    match family.__name__:
        case "Normal":
            return Normal(random.normal(0, 3), random.uniform(1, 4))
        case "Exponential":
            return Exponential(random.uniform(0.2, 2))
        case "Poisson":
            return Poisson(random.uniform(0.5, 8))
        case "Bernoulli":
            return Bernoulli(random.uniform(0.1, 0.9))
        case "Categorical":
            return Categorical(random.dirichlet([2.0, 2.0, 2.0]), ["ash", "elm", "oak"])


def table_of(columns):
    """Columns as the array that the library is given: of objects as soon as one is."""
    return np.column_stack([np.asarray(column, dtype=object) for column in columns])


def random_table(random, kinds, n, missing):
    """A column of every kind, a share of its cells missing but never all."""
    columns = []
    for kind in kinds:
        column = KINDS[kind](random, n)
        holes = random.random(n) < missing
        holes[0] = False
        column[holes] = None if kind == "word" else np.nan
        columns.append(column)
    return columns


def random_mixture(random, kinds, k):
    """Weights and k components, a list of distributions each, families drawn for each component and column."""
    components = [[member(random.choice(FAMILIES[kind]), random) for kind in kinds] for _ in range(k)]
    return random.dirichlet(np.full(k, 5.0)), components


def flat(distribution):
    """Every parameter of a distribution of one column as numbers."""
    return np.hstack([getattr(distribution, name) for name in distribution.parameters])


def assert_never_falls(history):
    # The mean of log-densities of order 10 (1e2 at worst here) carries rounding of some 1e-14.
    assert np.all(np.diff(history) >= -1e-12 * np.maximum(1.0, np.abs(history[1:])))
