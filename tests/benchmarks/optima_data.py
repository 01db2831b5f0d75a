"""The problems of the table of optima: data of known origin, a model, a number of components.

Real tables come with scikit-learn, with this package or stand beside this script; columns of different units are standardised,
so that nobody's k-means is led by one column. Simulated ones are drawn from the mixture that is fitted to them; `separation`
is c of Dasgupta (1999): no two means are nearer than c standard deviations times the root of the number of columns.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.decomposition import PCA

HERE = Path(__file__).resolve().parent
REAL, CATEGORICAL, COUNT = "real", "categorical", "count"


@dataclass(frozen=True)
class Problem:
    """One row of the table."""

    name: str
    form: str  # of the covariances: "full", "diag", "tied", "spherical"; or "product": columns independent, each of its own kind
    k: int
    X: Any  # (n, d), categories as codes 0, 1, ...
    kinds: tuple[str, ...]  # of the columns
    separated: bool  # clusters that anybody would see: 95 % of the fits have to find them

    @property
    def title(self) -> str:
        """Name, form and number of components: what its best known optimum is filed under."""
        return f"{self.name}, {self.form}, {self.k}"


def _standardised(X: Any) -> Any:
    X = np.asarray(X, dtype=float)
    return (X - X.mean(axis=0)) / X.std(axis=0)


@cache
def _sklearn_table(name: str) -> Any:
    return np.asarray(getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {})).data)


def _penguins() -> tuple[Any, Any]:
    """Measurements (342, 4) in mm and kg, and sex and island as codes (342, 2), NaN where unknown; the two birds without
    measurements are left out."""
    lines = files("mixtures.datasets").joinpath("penguins.csv").read_text().splitlines()
    birds = [bird for bird in csv.DictReader(lines) if bird["bill_length_mm"] != "NA"]
    names = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    sizes = np.array([[float(bird[name]) for name in names] for bird in birds]) / [1.0, 1.0, 1.0, 1000.0]
    sexes, islands = ("female", "male"), ("Biscoe", "Dream", "Torgersen")
    codes = [[sexes.index(bird["sex"]) if bird["sex"] in sexes else np.nan, islands.index(bird["island"])] for bird in birds]
    return sizes, np.array(codes, dtype=float)


@cache
def _classics() -> Any:
    return json.loads((HERE.parent / "data" / "classics.json").read_text())["tables"]


def _classic(name: str) -> Any:
    table = _classics()[name]
    return np.repeat(table["x"], table.get("weight", 1)).astype(float)[:, None]


def _means(random: Any, k: int, d: int, separation: float) -> Any:
    """Centres (k, d) in a box just large enough, none nearer to another than `separation` * sqrt(d)."""
    side = separation * np.sqrt(d)
    while True:
        means = np.empty((0, d))
        for _ in range(2000):
            new = side * random.uniform(size=d)
            if not len(means) or np.linalg.norm(means - new, axis=1).min() >= separation * np.sqrt(d):
                means = np.vstack([means, new])
            if len(means) == k:
                return means
        side *= 1.1


def _normals(random: Any, form: str, k: int, d: int, n: int, separation: float, unequal: bool = False) -> tuple[Any, Any]:
    """Rows of a mixture of k Normals whose variances lie between 1/4 and 1, of weights within a factor of three, and their labels;
    `unequal`: of variances and weights within factors of a hundred and of ten."""
    means = _means(random, k, d, separation)
    weights = random.uniform(1, 10 if unequal else 3, size=k)
    common = np.linalg.qr(random.normal(size=(d, d)))[0] * np.sqrt(random.uniform(0.25, 1, size=d))
    labels = random.choice(k, size=n, p=weights / weights.sum())
    X = np.empty((n, d))
    for c in range(k):
        scales = np.sqrt(random.uniform(0.25, 1, size=d))
        turn = np.linalg.qr(random.normal(size=(d, d)))[0]
        root = {"full": turn * scales, "diag": np.diag(scales), "tied": common, "spherical": np.eye(d) * scales[0]}[form]
        if unequal:
            root = root * np.exp(random.uniform(-np.log(10), 0))
        mine = labels == c
        X[mine] = means[c] + random.normal(size=(mine.sum(), d)) @ root.T
    return X, labels


def _simulated(seed: int, form: str, k: int, d: int, n: int, separation: float, unequal: bool = False) -> Any:
    return _normals(np.random.default_rng(seed), form, k, d, n, separation, unequal)[0]


def _mixed(seed: int, k: int, n: int, separation: float) -> Any:
    """Three real columns, and three of four categories whose probabilities a component draws from a Dirichlet(1/2)."""
    random = np.random.default_rng(seed)
    reals, labels = _normals(random, "diag", k, 3, n, separation)
    tables = random.dirichlet(np.full(4, 0.5), size=(k, 3)).cumsum(axis=2)
    codes = (random.uniform(size=(n, 3, 1)) > tables[labels]).sum(axis=2)
    return np.hstack([reals, codes])


def _counts(seed: int, k: int, d: int, n: int, low: float, high: float) -> Any:
    """Counts whose rates lie between `low` and `high`, evenly in their roots."""
    random = np.random.default_rng(seed)
    rates = random.uniform(np.sqrt(low), np.sqrt(high), size=(k, d)) ** 2
    labels = random.choice(k, size=n, p=random.dirichlet(np.full(k, 5.0)))
    return random.poisson(rates[labels]).astype(float)


def _reals(name: str, form: str, k: int, X: Any, separated: bool = False) -> Problem:
    X = np.ascontiguousarray(X, dtype=float)
    return Problem(name, form, k, X, (REAL,) * X.shape[1], separated)


def _product(name: str, k: int, X: Any, kinds: str, separated: bool = False) -> Problem:
    words = {"r": REAL, "c": CATEGORICAL, "n": COUNT}
    return Problem(name, "product", k, np.ascontiguousarray(X, dtype=float), tuple(words[kind] for kind in kinds), separated)


def problems() -> Iterator[Problem]:
    """All of them."""
    yield from _real_tables()
    yield from _simulated_tables()


def _real_tables() -> Iterator[Problem]:
    table = str(files("mixtures.datasets").joinpath("faithful.csv"))
    faithful, galaxies = np.loadtxt(table, delimiter=",", skiprows=1), _classic("galaxies")
    iris, wine, cancer = (
        _sklearn_table("iris"),
        _standardised(_sklearn_table("wine")),
        _standardised(_sklearn_table("breast_cancer")),
    )
    sizes, codes = _penguins()
    known = ~np.isnan(codes).any(axis=1)
    birds = np.hstack([_standardised(sizes[known]), codes[known]])
    patients = _sklearn_table("diabetes")
    # Column 7 takes few values, most of them whole, on which variances would shrink to nothing.
    patients = np.hstack([_standardised(patients[:, [0, 2, 3, 4, 5, 6, 8, 9]]), patients[:, [1]] - 1])
    digits = PCA(10, svd_solver="full").fit_transform(_sklearn_table("digits"))
    yield _reals("Old Faithful", "full", 2, faithful, True)
    yield _reals("Old Faithful", "full", 3, faithful)
    yield _reals("Old Faithful", "tied", 2, faithful, True)
    yield _reals("galaxies", "full", 3, galaxies)
    yield _reals("galaxies", "tied", 3, galaxies)
    yield _reals("iris", "full", 3, iris, True)
    yield _reals("iris", "tied", 3, iris, True)
    yield _reals("iris", "spherical", 4, iris)
    yield _reals("wine", "diag", 3, wine, True)
    yield _reals("wine", "tied", 3, wine, True)
    yield _reals("penguins", "full", 3, _standardised(sizes), True)
    yield _reals("penguins", "diag", 4, _standardised(sizes))
    yield _product("penguins, sex, island", 3, birds, "rrrrcc", True)
    yield _product("penguins, sex, island", 6, birds, "rrrrcc")
    yield _reals("breast cancer", "diag", 2, cancer, True)
    yield _reals("breast cancer, 10 means", "full", 3, cancer[:, :10])
    yield _product("diabetes, sex", 3, patients, "rrrrrrrrc")
    yield _reals("digits, 10 axes", "diag", 10, digits)
    yield _reals("digits, 10 axes", "full", 10, digits)
    yield _product("death notices", 2, _classic("death notices"), "n")
    yield _product("earthquakes", 3, _classic("earthquakes"), "n")


def _simulated_tables() -> Iterator[Problem]:
    yield _product("counts, 5 columns", 5, _counts(1, 5, 5, 2000, 1, 60), "nnnnn", True)
    yield _product("counts, 3 columns", 4, _counts(2, 4, 3, 2000, 1, 25), "nnn")
    yield _product("mixed, c = 1.5", 4, _mixed(3, 4, 1500, 1.5), "rrrccc", True)
    yield _product("mixed, c = 0.8", 8, _mixed(4, 8, 3000, 0.8), "rrrccc")
    yield _reals("c = 2", "full", 5, _simulated(5, "full", 5, 4, 2000, 2.0), True)
    yield _reals("c = 1", "full", 5, _simulated(6, "full", 5, 4, 2000, 1.0))
    yield _reals("c = 0.8", "full", 4, _simulated(7, "full", 4, 4, 3000, 0.8))
    yield _reals("unequal sizes", "full", 6, _simulated(8, "full", 6, 2, 2000, 1.5, True))
    yield _reals("c = 1", "spherical", 10, _simulated(9, "spherical", 10, 8, 3000, 1.0), True)
    yield _reals("c = 3", "diag", 20, _simulated(10, "diag", 20, 2, 3000, 3.0), True)
    yield _reals("c = 1.5", "tied", 20, _simulated(11, "tied", 20, 5, 3000, 1.5), True)
    yield _reals("c = 1.5", "full", 20, _simulated(12, "full", 20, 3, 3000, 1.5))
