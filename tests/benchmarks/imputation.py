"""Missing cells: a mixture's imputations beside scikit-learn's IterativeImputer and filling with means and modes.

``python tests/benchmarks/imputation.py [--seeds 5]`` removes a fifth of the cells of mixed tables at random, fits mixtures of 1 to
6 components, of full, shared and diagonal covariances, to what is left, keeps the one with the lowest BIC on the incomplete table,
fills the cells in and compares them with those removed. Numeric columns: root mean square error in units of the column's standard
deviation. Categorical columns: share of cells that are right. The IterativeImputer reads categories as indicators, columns
standardised, in two ways: of all of them, where those of a missing cell tell each other, or of all but the first, which is then
what the others leave; the largest is its category.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import polars as pl
from sklearn.datasets import load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from mixtures import GeneralMixtureModel
from mixtures.datasets import load_penguins
from mixtures.distributions import Categorical, Gamma, MultivariateNormal, Poisson, Product
from mixtures.exceptions import DegenerateWarning, MixturesError

SHARE = 0.2
SIZES = range(1, 7)
KINDS = [("full", False), ("full", True), ("diagonal", False)]
"""Covariances of the mixtures that are tried: kind, and whether components share one."""


def penguins(seed):
    """The 333 penguins without a missing cell: four measures, species, island and sex."""
    frame = load_penguins()
    frame = pl.DataFrame(frame).drop("year").drop_nulls()
    measures = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    others = {"species": Categorical(), "island": Categorical(), "sex": Categorical()}
    return frame.with_columns(pl.col(pl.Int64).cast(pl.Float64)), measures, others


def wine(seed):
    """The 178 wines: thirteen measures and the cultivar."""
    data = load_wine()
    names = [f"x{j}" for j in range(data.data.shape[1])]
    frame = pl.DataFrame(data.data, schema=names).with_columns(pl.Series("cultivar", [f"c{label}" for label in data.target]))
    return frame, tuple(names), {"cultivar": Categorical()}


def diabetes(seed):
    """The 442 patients: nine measures and the sex."""
    data = load_diabetes(scaled=False)
    names = [name for name in data.feature_names if name != "sex"]
    columns = {name: data.data[:, j] for j, name in enumerate(data.feature_names) if name != "sex"}
    frame = pl.DataFrame(columns).with_columns(pl.Series("sex", [f"s{int(value)}" for value in data.data[:, 1]]))
    return frame, tuple(names), {"sex": Categorical()}


def simulated(seed):
    """2,000 rows of four clusters: a correlated pair, a positive column, counts and two categorical columns."""
    random = np.random.default_rng(1000 + seed)
    k = random.choice(4, size=2000, p=[0.4, 0.3, 0.2, 0.1])
    noise = random.normal(size=(2000, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    centre = np.array([[0.0, 0.0], [4.0, -3.0], [-4.0, -3.0], [2.0, 5.0]])[k]
    letters = np.array([[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3]])
    frame = pl.DataFrame(
        {
            "a": centre[:, 0] + noise[:, 0],
            "b": centre[:, 1] + noise[:, 1],
            "amount": random.gamma(np.array([2.0, 8.0, 4.0, 20.0])[k]),
            "visits": random.poisson(np.array([1.0, 6.0, 15.0, 3.0])[k]).astype(float),
            "letter": ["xyz"[random.choice(3, p=letters[i])] for i in k],
            "flag": [["no", "yes"][int(random.uniform() < share)] for share in np.array([0.9, 0.2, 0.5, 0.1])[k]],
        }
    )
    others = {"amount": Gamma(), "visits": Poisson(), "letter": Categorical(), "flag": Categorical()}
    return frame, ("a", "b"), others


TABLES = {"penguins": penguins, "wine": wine, "diabetes": diabetes, "simulated": simulated}


def holes(frame, seed):
    """Which cells to remove, (n, d): a fifth of them, never a whole row."""
    random = np.random.default_rng(seed)
    missing = random.uniform(size=frame.shape) < SHARE
    missing[missing.all(axis=1), 0] = False
    return missing


def with_holes(frame, missing):
    gone = [
        pl.when(pl.Series(missing[:, j])).then(None).otherwise(pl.col(name)).alias(name) for j, name in enumerate(frame.columns)
    ]
    return frame.with_columns(*gone)


def by_mixture(frame, block, others, seed):
    """The table filled in by the mixture with the lowest BIC, and what it is."""
    models = []
    for kind, tied in KINDS:
        for size in SIZES:
            normal = MultivariateNormal(kind=kind, tied=tied and size > 1)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", DegenerateWarning)  # what such a fit says of its likelihood means nothing
                try:
                    columns = Product({block: normal, **others})
                    mixture = GeneralMixtureModel(columns, size, random_state=seed, n_init=3, max_iter=200).fit(frame)
                except (DegenerateWarning, MixturesError):
                    break  # nor will larger ones do better
            models.append((mixture.bic(frame), f"{size} {'tied' if tied else kind}", mixture))
    _, words, mixture = min(models, key=lambda found: found[:2])
    return mixture.impute(frame), words


def by_chained_equations(frame, seed, first):
    """The table filled in by IterativeImputer, categories as indicators from the category of number `first` on."""
    blocks, names = [], []
    for name in frame.columns:
        column = frame[name]
        if column.dtype == pl.String:
            categories = sorted(column.drop_nulls().unique())
            block = np.column_stack([(column == c).cast(pl.Float64).to_numpy() for c in categories[first:]])
            block[column.is_null().to_numpy()] = np.nan
        else:
            categories, block = None, column.cast(pl.Float64).to_numpy()[:, None]
        blocks.append(np.array(block, dtype=float))
        names.append((name, categories, block.shape[1]))
    whole = np.hstack(blocks)
    scale, centre = np.nanstd(whole, axis=0), np.nanmean(whole, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = IterativeImputer(random_state=seed, max_iter=20).fit_transform((whole - centre) / scale) * scale + centre
    out, start = {}, 0
    for name, categories, width in names:
        block = found[:, start : start + width]
        if categories is None:
            out[name] = block[:, 0]
        else:
            shares = np.column_stack([1.0 - block.sum(axis=1), block]) if first else block
            out[name] = [categories[c] for c in shares.argmax(axis=1)]
        start += width
    return pl.DataFrame(out)


def by_columns(frame):
    """The table filled in with means and modes."""
    return frame.with_columns(
        *(
            frame[c].fill_null(frame[c].drop_nulls().mode().sort()[0] if frame[c].dtype == pl.String else frame[c].mean())
            for c in frame.columns
        )
    )


def errors(frame, found, missing):
    """(root mean square of standardised errors over numeric cells, share of right categorical cells)."""
    squares, right = [], []
    for j, name in enumerate(frame.columns):
        gone = missing[:, j]
        true, made = frame[name].to_numpy()[gone], found[name].to_numpy()[gone]
        if frame[name].dtype == pl.String:
            right.append(true == made)
        else:
            squares.append(((true - made) / frame[name].std()) ** 2)
    return float(np.sqrt(np.concatenate(squares).mean())), float(np.concatenate(right).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    methods = ["ours", "IterativeImputer, all indicators", "IterativeImputer, all but one", "means and modes"]
    head = ["table", "rows", "chosen by BIC", *(f"RMSE {method}" for method in methods), "seeds at or below both"]
    head += [*(f"right {method}" for method in methods), "seconds ours", "seconds of one IterativeImputer"]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for name, make in TABLES.items():
        rows, chosen, times = [], [], []
        for seed in range(arguments.seeds):
            frame, *model = make(seed)
            missing = holes(frame, seed)
            incomplete = with_holes(frame, missing)
            start = time.perf_counter()
            ours, words = by_mixture(incomplete, *model, seed)
            middle = time.perf_counter()
            theirs = by_chained_equations(incomplete, seed, 0)
            times.append((middle - start, time.perf_counter() - middle))
            chosen.append(words)
            found = (ours, theirs, by_chained_equations(incomplete, seed, 1), by_columns(incomplete))
            rows.append([errors(frame, table, missing) for table in found])
        found = np.array(rows)  # (seeds, methods, measures)
        mean, (took, their) = found.mean(axis=0), np.mean(times, axis=0)
        won = int((found[:, 0, 0] <= found[:, 1:3, 0].min(axis=1)).sum())
        cells = [name, len(frame), ", ".join(chosen), *(f"{value:.3f}" for value in mean[:, 0]), f"{won} of {len(found)}"]
        cells += [*(f"{value:.3f}" for value in mean[:, 1]), f"{took:.1f}", f"{their:.1f}"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
