"""The bootstrap likelihood-ratio test on Old Faithful, full covariances: p-values, the time, and how good its searches are.

    python tests/benchmarks/bootstrap_lrt.py [replicates [checked]]

Of `checked` samples of each number of components the search of the bootstrap is set against two thorough ones, fits of the model
with other seeds: how often each ends lower than the best of the three, and by how much on average.
"""

import sys
import time
import warnings
from importlib.resources import files

import numpy as np

from mixtures import GeneralMixtureModel
from mixtures.distributions import MultivariateNormal
from mixtures.likelihood_ratio import Null, Pair
from mixtures.parts import take_apart
from mixtures.selection import bootstrap_lrt
from mixtures.spikes import has_spike
from mixtures.table import Table

SIZES = range(1, 6)


def main(n_replicates: int = 999, n_checked: int = 40) -> None:
    x = np.loadtxt(str(files("mixtures.datasets").joinpath("faithful.csv")), delimiter=",", skiprows=1)
    begin = time.perf_counter()
    bootstrap_lrt(MultivariateNormal(), x, 1, n_replicates=2)
    print(f"kernels compiled or loaded: {time.perf_counter() - begin:.1f} s\n")
    begin, cpu = time.perf_counter(), time.process_time()
    tests = bootstrap_lrt(MultivariateNormal(), x, SIZES, n_replicates=n_replicates, n_jobs=2)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    print(tests)
    print(f"\n{len(tests)} tests of {n_replicates} samples: {seconds:.1f} s, {cpu:.1f} s of processor time on 2 threads; ", end="")
    print(f"{tests.chosen()} components at level 0.05\n")
    print(
        f"Fits of K + 1 components to {n_checked} samples: share that ends lower than the best of three, and shortfall on average"
    )
    print("K   bootstrap        thorough, seed 1  thorough, seed 2")
    for test in tests:
        check(test.smaller, x, n_checked)


def check(model: GeneralMixtureModel, x: np.ndarray, n_checked: int) -> None:
    null = Null(model, Table.read(x), None, 0)
    drawn, n = null.samples(n_checked), len(x)
    pair = Pair(model.components_, model.weights_, model.components, drawn, model._checked()[1])
    rows = np.column_stack([drawn.numbers(j) for j in range(x.shape[1])])
    found, size = [], len(model.components_) + 1
    for place in range(n_checked):
        first, stop = place * n, (place + 1) * n
        values = [pair.log_likelihoods(first, stop, place)[1]]
        for seed in (1, 2):
            values.append(thorough(rows[first:stop], size, seed))
        found.append(values)
    short = np.nanmax(found, axis=1, keepdims=True) - np.array(found)
    shares, means = np.nanmean(short > 1e-3, axis=0), np.nanmean(short, axis=0)
    print(f"{size - 1}   " + "   ".join(f"{share:4.0%}, {mean:6.3f}  " for share, mean in zip(shares, means, strict=True)))


def thorough(rows: np.ndarray, size: int, seed: int) -> float:
    """The log-likelihood of a fit of the model; NaN for a spike, which the bootstrap does not count either."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GeneralMixtureModel(MultivariateNormal(), size, random_state=seed).fit(rows)
    table = Table.read(rows)
    if has_spike(take_apart(model.components_, table), model.weights_ * len(rows), table):
        return np.nan
    return len(rows) * model.score(rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
