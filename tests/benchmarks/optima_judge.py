"""One judge for all libraries: the log-likelihood of given parameters, by scipy, and whether a maximum is spurious.

The likelihood of Normals whose covariances are free has no upper bound: a component that shrinks upon a few rows, or upon rows
that lie in a plane, raises it without end, and on the way there are local maxima about a few rows that happen to lie close
(Day 1969; McLachlan & Peel 2000, section 3.10). A maximum counts as spurious here, whoever found it, where a component

- has fewer effective rows, the sum of its posterior probabilities, than real parameters of its own: d + d (d + 1) / 2 of a mean
  and a covariance of d columns, 2 d with variances, d + 1 with one variance; or
- is in some direction less than a hundredth as wide as the table: the smallest eigenvalue of S^-1 C is below 1e-4, C being the
  component's covariance and S that of all rows (a constraint on the ratio of scales, Hathaway 1985, that has no unit).

Tied covariances, probabilities and rates have bounded likelihoods, of which no maximum is spurious.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from optima_data import CATEGORICAL, COUNT, REAL, Problem
from scipy.linalg import eigvalsh
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm, poisson

NARROWEST = 1e-4
"""Smallest ratio of variances that counts."""


class Parameters(NamedTuple):
    """A mixture in the same words for every library; what a problem has no columns for has no columns here."""

    weights: Any  # (k,)
    means: Any  # (k, reals)
    covariances: Any  # (k, reals, reals), diagonal in a product
    probabilities: Any  # one (k, categories) for every categorical column
    rates: Any  # (k, counts)


class Verdict(NamedTuple):
    """What parameters are worth."""

    mean_log_likelihood: float  # of a row; NaN where parameters are none of a mixture
    spurious: bool


def columns(problem: Problem, kind: str) -> Any:
    """The columns (n, ...) of one kind."""
    return problem.X[:, [j for j, found in enumerate(problem.kinds) if found == kind]]


def log_joint(problem: Problem, parameters: Parameters) -> Any:
    """Log weight plus log-density of every row and component, (n, k)."""
    reals, codes, counts = (columns(problem, kind) for kind in (REAL, CATEGORICAL, COUNT))
    out = np.empty((len(problem.X), problem.k))
    with np.errstate(divide="ignore"):
        log_weights = np.log(parameters.weights)
        logs = [np.log(table) for table in parameters.probabilities]
    for c in range(problem.k):
        value = log_weights[c]
        if reals.shape[1] and problem.form == "product":
            value = value + norm.logpdf(reals, parameters.means[c], np.sqrt(np.diag(parameters.covariances[c]))).sum(axis=1)
        elif reals.shape[1]:
            value = value + multivariate_normal.logpdf(reals, parameters.means[c], parameters.covariances[c])
        for j, table in enumerate(logs):
            value = value + table[c, codes[:, j].astype(int)]
        if counts.shape[1]:
            value = value + poisson.logpmf(counts, parameters.rates[c]).sum(axis=1)
        out[:, c] = value
    return out


def judge(problem: Problem, parameters: Parameters) -> Verdict:
    """The log-likelihood of a row and whether the maximum is spurious; broken parameters are worth NaN."""
    if not all(np.isfinite(part).all() for part in (*parameters[:3], *parameters.probabilities, parameters.rates)):
        return Verdict(np.nan, True)
    try:
        joint = log_joint(problem, parameters)
    except (ValueError, np.linalg.LinAlgError):  # a covariance that is none
        return Verdict(np.nan, True)
    density = logsumexp(joint, axis=1)
    effective = np.exp(joint - density[:, None]).sum(axis=0)
    return Verdict(float(density.mean()), _is_spurious(problem, parameters, effective))


def _is_spurious(problem: Problem, parameters: Parameters, effective: Any) -> bool:
    reals = columns(problem, REAL)
    d = reals.shape[1]
    if not d or problem.form == "tied":
        return False
    whole = np.cov(reals.T, bias=True).reshape(d, d)
    if problem.form != "full":
        whole = np.diag(np.diag(whole))
    narrowest = min(eigvalsh(covariance, whole)[0] for covariance in parameters.covariances)
    own = d + {"full": d * (d + 1) // 2, "diag": d, "product": d, "spherical": 1}[problem.form]
    return bool(effective.min() < own or narrowest < NARROWEST)
