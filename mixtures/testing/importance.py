"""Importance sampling of densities of several columns: a proposal wider than the rows at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

from mixtures.constraints import Whole
from mixtures.testing.cases import Case, as_numbers

Floats = npt.NDArray[np.float64]
FREEDOM = 5
"""Degrees of freedom of the proposal: tails heavier than those of any density with five moments."""
WIDENING = 1.5


def propose(case: Case, n: int, random: np.random.Generator) -> tuple[npt.NDArray[Any], Floats]:
    """`n` rows and the log-density they were drawn with.

    Real columns: one multivariate t with the mean and the widened covariance of the case's rows; whole columns: a rounded t,
    or uniform over a short range; categories: uniform.
    """
    drawn = np.empty((n, len(case.domains)), dtype=object)
    log_q = np.zeros(n)
    reals = []
    for j, domain in enumerate(case.domains):
        if isinstance(domain, tuple):
            levels = np.empty(len(domain), dtype=object)
            levels[:] = domain
            drawn[:, j] = levels[random.integers(len(domain), size=n)]
            log_q -= np.log(len(domain))
        elif isinstance(domain, Whole) and domain.high - domain.low < 100:
            drawn[:, j] = domain.low + random.integers(int(domain.high - domain.low) + 1, size=n)
            log_q -= np.log(domain.high - domain.low + 1)
        elif isinstance(domain, Whole):
            column = case.rows[:, j].astype(float)
            t = scipy.stats.t(FREEDOM, column.mean(), WIDENING * column.std() + 0.5)
            values = np.rint(t.rvs(size=n, random_state=random))
            drawn[:, j] = values
            log_q += np.log(t.cdf(values + 0.5) - t.cdf(values - 0.5))
        else:
            reals.append(j)
    if reals:
        block = case.rows[:, reals].astype(float)
        covariance = np.atleast_2d(np.cov(block.T)) * WIDENING**2
        t = scipy.stats.multivariate_t(block.mean(axis=0), covariance, FREEDOM, allow_singular=True)
        values = t.rvs(size=n, random_state=random).reshape(n, len(reals))
        drawn[:, reals] = values
        log_q += t.logpdf(values)
    return as_numbers(drawn), log_q


def ratios(case: Case, n: int) -> tuple[npt.NDArray[Any], Floats]:
    """`n` proposed rows and density over proposal density of each: the mean ratio estimates the integral of the density."""
    rows, log_q = propose(case, n, case.random())
    return rows, np.exp(case.log_prob(rows) - log_q)
