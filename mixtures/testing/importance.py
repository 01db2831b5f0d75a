"""Importance sampling of densities of several columns: a proposal wider than the rows at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

from mixtures.constraints import Whole
from mixtures.row_supports import RowSupport
from mixtures.testing.cases import Case, as_numbers

Floats = npt.NDArray[np.float64]
FREEDOM = 5
"""Degrees of freedom of the proposal: tails heavier than those of any density with five moments."""
WIDENING = 1.5


def propose(case: Case, n: int, random: np.random.Generator, like: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Floats]:
    """`n` rows and the log-density they were drawn with.

    Real columns: one multivariate t with the mean and the widened covariance of the case's rows; whole columns: a rounded t,
    or uniform over a short range; categories: uniform; columns of a joint support: see :func:`_propose_block`.
    """
    drawn = np.empty((n, len(case.domains)), dtype=object)
    log_q = np.zeros(n)
    reals = []
    joint = set()
    for columns, support in case.blocks:
        values, log_density = _propose_block(
            support, case.rows[:, columns].astype(float), like[:, columns].astype(float), n, random
        )
        drawn[:, columns] = values
        log_q += log_density
        joint.update(columns)
    for j, domain in enumerate(case.domains):
        if j in joint:
            continue
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


def _propose_block(support: RowSupport, rows: Floats, like: Floats, n: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Rows of a joint support: uniform, where it has a chart half of them, which bounds the ratios from below (a defensive mixture,
    Hesterberg 1995); the others from a t in the chart, as for real columns."""
    drawn = support.uniform(like, n, random)
    chart = support.chart(rows)
    if chart is None:
        return drawn, support.log_uniform(drawn)
    seen = chart.coordinates(rows)
    covariance = np.atleast_2d(np.cov(seen.T)) * WIDENING**2
    t = scipy.stats.multivariate_t(seen.mean(axis=0), covariance, FREEDOM, allow_singular=True)
    z = chart.coordinates(drawn)
    half = n // 2
    z[:half] = t.rvs(size=half, random_state=random).reshape(half, z.shape[1])
    drawn[:half] = chart.rows(z[:half])
    log_t = t.logpdf(z) + chart.log_stretch(z)
    return drawn, np.logaddexp(np.log(half / n) + log_t, np.log1p(-half / n) + support.log_uniform(drawn))


def ratios(case: Case, n: int, like: npt.NDArray[Any] | None = None) -> tuple[npt.NDArray[Any], Floats]:
    """`n` proposed rows and density over proposal density of each: the mean ratio estimates the integral of the density.

    Where a density is one given something of the row, its total, say, that is as in the rows `like`; None for the case's.
    """
    rows, log_q = propose(case, n, case.random(), case.rows if like is None else like)
    return rows, np.exp(case.log_prob(rows) - log_q)
