"""Time of an EM iteration by family, on one core, and of the kinds of covariance beside each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mixtures import GeneralMixtureModel
from mixtures import distributions as of

TARGET = 10.0
"""Nanoseconds a row and component and iteration."""
STARTS: dict[str, tuple[Any, ...]] = {
    "Normal": (of.Normal(0.0, 1.0), of.Normal(4.0, 2.0)),
    "LogNormal": (of.LogNormal(0.0, 0.5), of.LogNormal(2.0, 0.4)),
    "StudentT": (of.StudentT(4.0, 0.0, 1.0), of.StudentT(8.0, 6.0, 2.0)),
    "SkewNormal": (of.SkewNormal(0.0, 1.0, 3.0), of.SkewNormal(6.0, 2.0, -2.0)),
    "Laplace": (of.Laplace(0.0, 1.0), of.Laplace(6.0, 2.0)),
    "Logistic": (of.Logistic(0.0, 1.0), of.Logistic(8.0, 1.5)),
    "Gumbel": (of.Gumbel(0.0, 1.0), of.Gumbel(7.0, 2.0)),
    "Exponential": (of.Exponential(5.0), of.Exponential(0.2)),
    "Gamma": (of.Gamma(2.0, 1.0), of.Gamma(30.0, 3.0)),
    "InverseGamma": (of.InverseGamma(3.0, 2.0), of.InverseGamma(30.0, 200.0)),
    "InverseGaussian": (of.InverseGaussian(1.0, 3.0), of.InverseGaussian(6.0, 100.0)),
    "Weibull": (of.Weibull(1.5, 1.0), of.Weibull(4.0, 6.0)),
    "Beta": (of.Beta(2.0, 8.0), of.Beta(9.0, 3.0)),
    "VonMises": (of.VonMises(-1.5, 2.0), of.VonMises(1.5, 5.0)),
    "Poisson": (of.Poisson(2.0), of.Poisson(9.0)),
    "NegativeBinomial": (of.NegativeBinomial(2.0, 0.5), of.NegativeBinomial(8.0, 0.3)),
    "NegativeBinomial, counts beyond 256": (of.NegativeBinomial(2.0, 0.01), of.NegativeBinomial(9.0, 0.005)),
    "BetaBinomial": (of.BetaBinomial(40, 2.0, 8.0), of.BetaBinomial(40, 9.0, 3.0)),
    "Binomial": (of.Binomial(40, 0.2), of.Binomial(40, 0.6)),
    "Geometric": (of.Geometric(0.6), of.Geometric(0.1)),
    "Bernoulli": (of.Bernoulli(0.2), of.Bernoulli(0.7)),
}
"""Two components each, from which rows are drawn, and near which EM starts."""


class Speed(NamedTuple):
    """One line of the third table."""

    what: str
    target: str
    measured: str


def _iteration(fit: Callable[[int], Any], long: int, count: int) -> float:
    """Seconds of an iteration in this thread: median of `count` differences between a long and a short run."""
    found = []
    fit(2)
    for _ in range(count):
        times = []
        for n_iter in (1, long):
            start = time.thread_time()
            fit(n_iter)
            times.append(time.thread_time() - start)
        found.append((times[1] - times[0]) / (long - 1))
    return statistics.median(found)


def families(n: int, count: int) -> Iterator[Speed]:
    """A mixture of two of each family, n rows."""
    for name, pair in STARTS.items():
        x = np.concatenate([c.sample(n // 2, seed) for seed, c in enumerate(pair)])

        def fit(n_iter: int, pair: tuple[Any, ...] = pair, x: Any = x) -> Any:
            return GeneralMixtureModel(list(pair), weights=[0.3, 0.7], tol=0, max_iter=n_iter, n_jobs=1).fit(x)

        took = 1e9 * _iteration(fit, 21, count) / (2 * n)
        yield Speed(f"{name}, a row and component", f"{TARGET:g} ns", f"{took:.1f} ns")


def covariances(n: int, count: int) -> Iterator[Speed]:
    """Kinds of covariance on the same n x 8 rows, K = 8."""
    k = d = 8
    random = np.random.default_rng(8)
    X = random.normal(size=(n, d)) + (2.0 * random.normal(size=(k, d)))[random.integers(k, size=n)]
    times = {}
    for words, kind, tied in [
        ("full", "full", False),
        ("full, tied", "full", True),
        ("diagonal", "diagonal", False),
        ("spherical", "spherical", False),
        ("spherical, tied", "spherical", True),
    ]:
        covariance = {"full": 2.0 * np.eye(d), "diagonal": [2.0] * d, "spherical": 2.0}[kind]
        components = [of.MultivariateNormal(X[c], covariance, kind=kind, tied=tied) for c in range(k)]

        def fit(n_iter: int, components: list[Any] = components) -> Any:
            return GeneralMixtureModel(components, weights=np.full(k, 1 / k), tol=0, max_iter=n_iter, n_jobs=1).fit(X)

        times[words] = _iteration(fit, 6, count)
        limit = "" if words == "full" else f"{1e3 * times['full']:.3g} ms"
        yield Speed(f"covariance {words}, {n:.0e} x {d}, K = {k}, one thread", limit, f"{1e3 * times[words]:.3g} ms")
