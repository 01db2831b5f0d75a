"""The works of the benchmark: data, start, peer, how the two results are compared, and what the work costs at least.

Every builder takes `share`, the part of the full number of rows, so that a quick run is the same run on fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from floor import LINEAR, NORMAL, Load, full
from peers import pomegranate, sklearn_diagonal, sklearn_full, stepmix
from timing import per_iteration, seconds

from mixtures import GeneralMixtureModel
from mixtures.distributions import Categorical, Exponential, MultivariateNormal, Normal, Poisson, Product

FAITHFUL = str(files("mixtures.datasets").joinpath("faithful.csv"))
"""272 eruptions of the Old Faithful geyser: minutes, and minutes to the next one (Azzalini & Bowman 1990)."""


class Disagreement(AssertionError):
    """The two libraries did not do the same work, so that their times must not be compared."""


@dataclass(frozen=True)
class Work:
    """One line of the table."""

    title: str
    peer: str
    target: float  # times faster
    threads: int
    agree: Callable[[], str]  # fits with both, raises Disagreement, says how close they are
    ours: Callable[[], float]  # takes one reading: seconds of an iteration, or of a fit
    theirs: Callable[[], float]
    load: Load


def close(what: str, ours: Any, theirs: Any, tolerance: float) -> str:
    """Largest difference, relative to the largest entry; refuses one beyond the tolerance."""
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if ours.shape != theirs.shape:
        raise Disagreement(f"{what}: shapes {ours.shape} and {theirs.shape}")
    difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if not difference <= tolerance:
        raise Disagreement(f"{what} differ by {difference:.2g} of the largest, allowed {tolerance:.2g}")
    return f"{what} {difference:.0e}"


def _started(components: list[Any], weights: Any, X: Any, **settings: Any) -> Callable[[int], GeneralMixtureModel]:
    """Fits of exactly so many iterations from here."""
    return lambda n_iter: GeneralMixtureModel(components, weights=weights, tol=0, max_iter=n_iter, **settings).fit(X)


def _like_sklearn(ours: Callable[[int], Any], theirs: Callable[[int], Any], n_iter: int) -> str:
    """Same log-likelihood before every M-step and same parameters after the last one, up to the order of float64 sums."""
    mine, other = ours(n_iter), theirs(n_iter)
    factors = [list(getattr(component, "factors", {0: component}).values()) for component in mine.components_]
    return ", ".join(
        [
            close("log-likelihoods", mine.history_[:-1], other.lower_bounds_, 1e-10),
            close("weights", mine.weights_, other.weights_, 1e-8),
            close("means", [[f.mean for f in row] for row in factors], other.means_, 1e-8),
            close("variances", [[f.std**2 for f in row] for row in factors], other.covariances_, 1e-8),
        ]
    )


def normals(share: float, threads: int) -> Iterator[Work]:
    """1e6 x 8 Normal columns, K = 8, against scikit-learn."""
    k, d, n = 8, 8, int(1e6 * share)
    random = np.random.default_rng(0)
    X = random.normal(size=(n, d))
    X += (2.0 * random.normal(size=(k, d)))[random.integers(k, size=n)]
    weights, means, stds = np.full(k, 1 / k), X[:k].copy(), np.full((k, d), 1.5)
    components = [Product(*map(Normal, *rows)) for rows in zip(means, stds, strict=True)]
    ours, theirs = _started(components, weights, X, n_jobs=threads), sklearn_diagonal(X, weights, means, stds)
    yield Work(
        f"{n:.0e} x {d} Normal columns, K = {k}",
        "scikit-learn, diag",
        25,
        threads,
        lambda: _like_sklearn(ours, theirs, 3),
        lambda: per_iteration(ours, 1, 17),
        lambda: per_iteration(theirs, 1, 3),
        Load.of(n, k, d, d * NORMAL),
    )


def full_covariances(share: float, threads: int) -> Iterator[Work]:
    """Full covariances, 8 and 32 columns, against scikit-learn."""
    for n, d, k, target in ((int(1e6 * share), 8, 8, 25.0), (int(2e5 * share), 32, 16, 12.0)):
        random = np.random.default_rng(d)
        X = random.normal(size=(n, d))
        X += (2.0 * random.normal(size=(k, d)))[random.integers(k, size=n)]
        weights, means, covariances = np.full(k, 1 / k), X[:k].copy(), np.tile(2.0 * np.eye(d), (k, 1, 1))
        components = [MultivariateNormal(*pair) for pair in zip(means, covariances, strict=True)]
        ours, theirs = _started(components, weights, X, n_jobs=threads), sklearn_full(X, weights, means, covariances)

        def agree(ours: Callable[[int], Any] = ours, theirs: Callable[[int], Any] = theirs) -> str:
            mine, other = ours(3), theirs(3)
            return ", ".join(
                [
                    close("log-likelihoods", mine.history_[:-1], other.lower_bounds_, 1e-10),
                    close("weights", mine.weights_, other.weights_, 1e-8),
                    close("means", [c.mean for c in mine.components_], other.means_, 1e-8),
                    close("covariances", [c.covariance for c in mine.components_], other.covariances_, 1e-8),
                ]
            )

        yield Work(
            f"{n:.0e} x {d} full covariance, K = {k}",
            "scikit-learn, full",
            target,
            threads,
            agree,
            lambda ours=ours: per_iteration(ours, 1, 9),
            lambda theirs=theirs: per_iteration(theirs, 1, 2),
            Load.of(n, k, d, full(d)),
        )


def normal_exponential(share: float, threads: int) -> Iterator[Work]:
    """1e6 x 1, Normal + Exponential, against pomegranate; values >= 0, since its Exponential has a density below 0, too."""
    n = int(1e6 * share)
    random = np.random.default_rng(1)
    x = np.abs(np.where(random.random(n) < 0.5, random.normal(12.0, 2.0, n), random.exponential(5.0, n)))
    weights = [0.5, 0.5]
    ours = _started([Normal(8.0, 4.0), Exponential(1 / 3)], weights, x, n_jobs=threads)
    theirs = pomegranate(x, weights, lambda of: [of.Normal([8.0], [16.0], "diag", check_data=False),
                                                 of.Exponential([3.0], check_data=False)])  # fmt: skip

    def agree() -> str:
        mine, other = ours(8), theirs(8)
        normal, exponential = mine.components_
        bell, tail = other.distributions
        found = [normal.mean, normal.std**2, 1 / exponential.rate]
        # float32 in the peer: sums over a million rows keep some four digits.
        return ", ".join(
            [
                close("log-likelihoods", mine.score(x), theirs.score(other), 1e-4),
                close("weights", mine.weights_, other.priors.numpy(), 2e-3),
                close("parameters", found, [float(bell.means), float(bell.covs), float(tail.scales)], 2e-3),
            ]
        )

    yield Work(
        f"{n:.0e} x 1, Normal + Exponential",
        "pomegranate, float32",
        10,
        threads,
        agree,
        lambda: per_iteration(ours, 1, 61),
        lambda: per_iteration(theirs, 1, 7),
        Load.of(n, 2, 1, (NORMAL + LINEAR) / 2),
    )


def reals_categories(share: float, threads: int) -> Iterator[Work]:
    """1e5 rows: 3 Normal + 2 Categorical(4), K = 4, against StepMix, with its categories as codes and as indicators."""
    k, n = 4, int(1e5 * share)
    random = np.random.default_rng(2)
    group = random.integers(k, size=n)
    true = random.dirichlet(np.ones(4), size=(2, k))
    codes = [(random.random((n, 1)) > true[j].cumsum(axis=1)[group]).sum(axis=1).clip(max=3) for j in range(2)]
    X = np.column_stack([random.normal(size=(n, 3)) + (2.0 * random.normal(size=(k, 3)))[group], *codes])
    weights, means, stds = np.full(k, 1 / k), X[:k, :3].copy(), np.full((k, 3), 1.5)
    chances = 0.5 / 4 + 0.5 * random.dirichlet(np.ones(4), size=(2, k))
    components = [
        Product(*map(Normal, means[c], stds[c]), *(Categorical(chances[j, c], range(4)) for j in range(2))) for c in range(k)
    ]
    ours = _started(components, weights, X, n_jobs=threads)
    for one_hot in (False, True):
        theirs = stepmix(X, 3, weights, means, stds, chances, one_hot)

        def agree(theirs: Callable[[int], Any] = theirs) -> str:
            mine, other = ours(10), theirs(10)
            found = other.get_parameters()["measurement"]
            factors = [list(component.factors.values()) for component in mine.components_]
            tables = [np.ravel([factor.probabilities for factor in row[3:]]) for row in factors]
            return ", ".join(
                [
                    close("log-likelihoods", mine.history_[-2], other.lower_bound_, 1e-10),
                    close("weights", mine.weights_, other.weights_, 1e-8),
                    close("means", [[f.mean for f in row[:3]] for row in factors], found["reals"]["means"], 1e-8),
                    close("variances", [[f.std**2 for f in row[:3]] for row in factors], found["reals"]["covariances"], 1e-8),
                    close("probabilities", tables, found["categories"]["pis"], 1e-8),
                ]
            )

        yield Work(
            f"{n:.0e} rows: 3 Normal + 2 Categorical(4), K = {k}",
            f"StepMix, {'indicators' if one_hot else 'codes'}",
            40,
            threads,
            agree,
            lambda: per_iteration(ours, 1, 101),
            lambda theirs=theirs: per_iteration(theirs, 1, 9),
            Load.of(n, k, 5, 3 * NORMAL + 2 * LINEAR),
        )


def mixed(share: float, threads: int) -> Iterator[Work]:
    """1e6 rows: 3 Normal + Poisson + Exponential, K = 4, against pomegranate."""
    k, n = 4, int(1e6 * share)
    random = np.random.default_rng(3)
    group = random.integers(k, size=n)
    centres, rates, scales = 2.0 * random.normal(size=(k, 3)), np.array([1.0, 3.0, 6.0, 10.0]), np.array([1.0, 2.0, 0.5, 4.0])
    X = np.column_stack(
        [random.normal(size=(n, 3)) + centres[group], random.poisson(rates[group]), random.exponential(scales[group])]
    )
    weights, means = np.full(k, 1 / k), centres + 0.5
    rates, scales = np.array([2.0, 3.0, 5.0, 8.0]), np.array([1.5, 2.0, 1.0, 3.0])
    components = [Product(*(Normal(m, 1.5) for m in means[c]), Poisson(rates[c]), Exponential(1 / scales[c])) for c in range(k)]
    ours = _started(components, weights, X, n_jobs=threads)

    def theirs_of(of: Any) -> list[Any]:
        return [
            of.IndependentComponents(
                [
                    *(of.Normal([float(m)], [2.25], "diag", check_data=False) for m in means[c]),
                    of.Poisson([float(rates[c])], check_data=False),
                    of.Exponential([float(scales[c])], check_data=False),
                ]
            )
            for c in range(k)
        ]

    theirs = pomegranate(X, weights, theirs_of)

    def agree() -> str:
        mine, other = ours(6), theirs(6)
        found = []
        for component in mine.components_:
            *reals, count, wait = component.factors.values()
            found.append([*(f.mean for f in reals), *(f.std**2 for f in reals), count.rate, 1 / wait.rate])
        expected = []
        for component in other.distributions:
            *reals, count, wait = component.distributions
            moments = [*(f.means for f in reals), *(f.covs for f in reals)]
            expected.append([float(value) for value in [*moments, count.lambdas, wait.scales]])
        return ", ".join(
            [
                close("log-likelihoods", mine.score(X), theirs.score(other), 1e-4),
                close("weights", mine.weights_, other.priors.numpy(), 2e-3),
                close("parameters", found, expected, 2e-3),
            ]
        )

    yield Work(
        f"{n:.0e} rows: 3 Normal + Poisson + Exponential, K = {k}",
        "pomegranate, float32",
        30,
        threads,
        agree,
        lambda: per_iteration(ours, 1, 31),
        lambda: per_iteration(theirs, 1, 4),
        Load.of(n, k, 5, 3 * NORMAL + 2 * LINEAR),
    )


def faithful(share: float, threads: int) -> Iterator[Work]:
    """A whole fit with its start, 272 x 2, K = 2, each library's own start and its peer's stopping rule."""
    from sklearn.mixture import GaussianMixture

    X = np.loadtxt(FAITHFUL, delimiter=",", skiprows=1)
    model = GeneralMixtureModel(Product(Normal(), Normal()), 2, tol=1e-3, max_iter=100, n_init=1, random_state=0, n_jobs=1)
    other = GaussianMixture(2, covariance_type="diag", tol=1e-3, max_iter=100, random_state=0)
    n_iter = model.fit(X).n_iter_

    def agree() -> str:
        # Both stop within their tolerance of the same maximum, from starts of their own.
        likelihoods = close("log-likelihoods", model.fit(X).score(X), other.fit(X).score(X), 1e-3)
        return f"{likelihoods}, iterations {n_iter} and {other.n_iter_}"

    yield Work(
        "whole fit with start, 272 x 2, K = 2",
        "scikit-learn, diag",
        20,
        1,
        agree,
        lambda: seconds(lambda: model.fit(X), max(10, int(300 * share))),
        lambda: seconds(lambda: other.fit(X), max(2, int(20 * share))),
        Load.of(272 * n_iter, 2, 2, 2 * NORMAL),
    )


def small_fits(share: float, threads: int) -> Iterator[Work]:
    """A thousand tables of 500 x 4, K = 3, each fitted from one start to convergence: ours in threads, the peer in processes."""
    from joblib import Parallel, delayed
    from sklearn.mixture import GaussianMixture

    random = np.random.default_rng(5)
    count = int(1000 * share)
    tables = []
    for _ in range(count):
        means, groups = 2.5 * random.normal(size=(3, 4)), random.integers(3, size=500)
        tables.append(means[groups] + random.normal(size=(500, 4)))
    settings = {"tol": 1e-5, "max_iter": 1000, "random_state": 0}
    model = GeneralMixtureModel(MultivariateNormal(), 3, n_init=1, n_jobs=1, **settings)

    def ours() -> list[float]:
        def fit(X: Any) -> float:
            return float(GeneralMixtureModel(MultivariateNormal(), 3, n_init=1, n_jobs=1, **settings).fit(X).history_[-1])

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(fit, tables))

    def theirs(tables: Any) -> list[float]:
        return Parallel(n_jobs=threads)(delayed(_lower_bound)(GaussianMixture(3, reg_covar=0, **settings), X) for X in tables)

    def agree() -> str:
        # From starts of their own both may end on another hill now and then; most ends are the same.
        mine, yours = np.array(ours()), np.array(theirs(tables))
        same = float(np.mean(np.abs(mine - yours) < 1e-4))
        if not (same > 0.8 and np.mean(mine) > np.mean(yours) - 1e-3):
            raise Disagreement(f"final log-likelihoods: {same:.0%} equal, means {np.mean(mine):.6f} and {np.mean(yours):.6f}")
        return f"final log-likelihoods equal in {same:.1%}, means {np.mean(mine):.6f} and {np.mean(yours):.6f}"

    few = tables[: max(20, count // 5)]
    yield Work(
        "a fit of 500 x 4, K = 3, of a thousand",
        "scikit-learn, full",
        50,
        threads,
        agree,
        lambda: seconds(ours) / count,
        lambda: seconds(lambda: theirs(few)) / len(few),
        Load.of(500 * model.fit(tables[0]).n_iter_, 3, 4, full(4)),
    )


def _lower_bound(model: Any, X: Any) -> float:
    return float(model.fit(X).lower_bound_)


def one_thread(share: float, threads: int) -> Iterator[Work]:
    """0.8 N(-4, sd 2) + 0.2 N(10, sd 10), whole fits of eight iterations, both held at one thread."""
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(4)
    whole = np.where(random.random(2_000_000) < 0.8, random.normal(-4.0, 2.0, 2_000_000), random.normal(10.0, 10.0, 2_000_000))
    weights, means, stds = [0.5, 0.5], np.array([[-1.0], [1.0]]), np.ones((2, 1))
    for n in (500, 5_000, 50_000, 500_000, 2_000_000):
        if n > 2_000_000 * share:
            continue
        x = whole[:n]
        ours = _started([Normal(-1.0, 1.0), Normal(1.0, 1.0)], weights, x, n_jobs=1)
        theirs = sklearn_diagonal(x, weights, means, stds)
        repeats = max(1, 100_000 // len(x))

        def reading(fit: Callable[[int], Any], repeats: int) -> float:
            with threadpool_limits(1):
                return seconds(lambda: fit(8), repeats) / 8

        yield Work(
            f"one thread, two Normals, 8 iterations, n = {len(x)}",
            "scikit-learn, diag",
            12,
            1,
            lambda ours=ours, theirs=theirs: _like_sklearn(ours, theirs, 8),
            lambda ours=ours, repeats=repeats: reading(ours, 5 * repeats),
            lambda theirs=theirs, repeats=repeats: reading(theirs, repeats),
            Load.of(len(x), 2, 1, NORMAL),
        )


# Works of scikit-learn come first: torch, once imported, leaves threads of its own behind.
WORKS = {
    "normals": normals,
    "full-covariances": full_covariances,
    "faithful": faithful,
    "small-fits": small_fits,
    "one-thread": one_thread,
    "reals-categories": reals_categories,
    "normal-exponential": normal_exponential,
    "mixed": mixed,
}
