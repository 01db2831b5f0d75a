"""What acceleration saves: passes over the rows and time to the same stopping rule, with and without.

    python tests/benchmarks/acceleration.py

Passes are M-steps, the last look at the objective and the passes that saw an extrapolation which was then given up. "missing" is
what each lacks of the best objective that either found at a tolerance of 1e-13.
"""

import time

import numpy as np

from mixtures.assembly import Assembly
from mixtures.distributions import Bernoulli, Exponential, Gamma, MultivariateNormal, Normal, Poisson, Product, StudentT
from mixtures.engine.acceleration import LOST
from mixtures.parts import take_apart
from mixtures.runs import begin
from mixtures.settings import Settings
from mixtures.table import Table


def run(components, rows, accelerate, tol):
    """Passes, seconds and the last objective of one run in one thread."""
    table, k = Table.read(rows), len(components)
    best = np.inf
    for _ in range(3):
        assembly = Assembly(take_apart(components, table), table)
        course = begin(assembly, np.full(k, -np.log(k)), Settings(tol, 100_000, 1, accelerate=accelerate)).course
        start = time.perf_counter()
        course.run(1)
        best = min(best, time.perf_counter() - start)
        if best > 1.0:
            break
    return (
        course.iteration + 1 + int(course.accelerator[LOST] if course.accelerator.size else 0),
        best,
        course.history[course.iteration],
    )


def cases():
    """Components to start from, and rows."""
    random = np.random.default_rng(0)
    near = np.concatenate([random.normal(0.0, 1.0, 50_000), random.normal(1.5, 1.0, 50_000)])
    yield "two Normals 1.5 sd apart, 1e5 rows", [Normal(-0.5, 1.0), Normal(2.0, 1.0)], near
    yield "the same, 1e3 rows", [Normal(-0.5, 1.0), Normal(2.0, 1.0)], near[::100]
    centres = random.normal(0.0, 1.5, (5, 4))
    rows = centres[random.integers(0, 5, 10_000)] + random.normal(0.0, 1.0, (10_000, 4))
    starts = rows[:5]
    yield "five Normals in 4 columns", [Product(*[Normal(m, 2.0) for m in start]) for start in starts], rows
    yield "the same, full covariances", [MultivariateNormal(start, 4.0 * np.eye(4)) for start in starts], rows
    deaths = np.repeat(np.arange(10.0), [162, 267, 271, 185, 111, 61, 27, 8, 3, 1])
    yield "two Poissons, death notices", [Poisson(1.0), Poisson(3.0)], deaths
    tails = np.concatenate([random.standard_t(3.0, 5000), 2.0 + random.standard_t(5.0, 5000)])
    yield "two StudentTs", [StudentT(4.0, 0.0, 1.0), StudentT(4.0, 3.0, 1.0)], tails
    chances = random.uniform(0.1, 0.9, (4, 8))
    answers = (random.random((5000, 8)) < chances[random.integers(0, 4, 5000)]).astype(float)
    yield (
        "four latent classes, 8 questions",
        [Product(*[Bernoulli(p) for p in random.uniform(0.3, 0.7, 8)]) for _ in range(4)],
        answers,
    )
    waits = np.concatenate([random.exponential(1.0, 5000), np.abs(random.normal(2.0, 0.5, 5000))])
    yield "Normal and Exponential", [Normal(1.5, 1.0), Exponential(0.7)], waits
    yield (
        "two Gammas",
        [Gamma(2.0, 2.0), Gamma(5.0, 1.0)],
        np.concatenate([random.gamma(2.0, 1.0, 5000), random.gamma(6.0, 0.8, 5000)]),
    )
    far = np.concatenate([random.normal(0.0, 1.0, 5000), random.normal(6.0, 1.0, 5000)])
    yield "two Normals 6 sd apart", [Normal(-1.0, 1.0), Normal(7.0, 1.0)], far


def main():
    """Print the table."""
    print(f"{'':36}{'passes':>16}{'milliseconds':>20}{'missing':>20}")
    print(f"{'':36}{'plain':>9}{'with':>7}{'plain':>11}{'with':>9}{'plain':>11}{'with':>9}")
    for name, components, rows in cases():
        top = max(run(components, rows, accelerate, 1e-13)[2] for accelerate in (False, True))
        plain, own = (run(components, rows, accelerate, 1e-8) for accelerate in (False, True))
        times, gaps = (plain[1] * 1e3, own[1] * 1e3), (top - plain[2], top - own[2])
        print(f"{name:36}{plain[0]:9}{own[0]:7}{times[0]:11.2f}{times[1]:9.2f}{gaps[0]:11.0e}{gaps[1]:9.0e}")


if __name__ == "__main__":
    main()
