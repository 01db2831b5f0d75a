"""Laws of the density, of samples from it, and of whatever else describes the same distribution."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

from mixtures.constraints import Angle, Interval, Whole
from mixtures.exceptions import MixturesError
from mixtures.testing.cases import Case, parts, require
from mixtures.testing.importance import ratios
from mixtures.testing.integration import centre_and_scale, masses, spreading_edges, whole_values

Floats = npt.NDArray[np.float64]
FAILURE_RATE = 1e-6
"""Probability that a law on random draws fails for a right distribution."""
SIGMAS = scipy.stats.norm.isf(FAILURE_RATE / 2)
N_DRAWS = 20_000
N_PROPOSED = 200_000
MASS_TOLERANCE = 1e-6
"""Of a density's total and of a cdf against the density: quadrature meets 1e-9, wrong constants miss by 1e-3 or more."""


def log_prob_has_one_value_a_row(case: Case) -> None:
    """log_prob returns floats of shape (n,), finite on rows that belong to the support, the same in any company."""
    found = np.asarray(case.distribution.log_prob(case.table(case.rows)))
    require(found.shape == (len(case.rows),), f"log_prob must have shape ({len(case.rows)},), found {found.shape}")
    require(found.dtype == np.float64, f"log_prob must be float64, found {found.dtype}")
    bad = np.flatnonzero(~np.isfinite(found))
    require(not len(bad), f"log_prob must be finite on rows of the support, found {found[bad[:1]]} at {case.rows[bad[:1]]}")
    alone = np.concatenate([case.log_prob(case.rows[i : i + 1]) for i in range(5)])
    require(np.allclose(alone, found[:5], rtol=1e-12, atol=1e-12), f"rows alone have {alone}, together {found[:5]}")


def _edges(case: Case) -> Floats:
    """Edges for integrals of the one-column density, the ends of its support among them, where it jumps."""
    domain: Any = case.domains[0]
    edges = spreading_edges(*centre_and_scale(case.rows[:, 0].astype(float)), domain)
    ends = getattr(case.distribution, "ends", {})
    return np.union1d(edges, [case.distribution.parameter_values()[name] for name in ends]) if ends else edges


def _cumulate(case: Case, points: Floats) -> Floats:
    """Integral of the one-column density up to each of the sorted `points`."""
    values = case.rows[:, 0].astype(float)
    domain = case.domains[0]
    if case.atoms or isinstance(domain, Whole):
        low, high = min(values.min(), points[0]), max(values.max(), points[-1])
        x, log_mass = _mass(case, low, high)
        cumulated = np.concatenate([[0.0], np.cumsum(np.exp(log_mass))])
        return cumulated[np.searchsorted(x, points, side="right")]
    assert isinstance(domain, Interval)
    edges = np.union1d(_edges(case), points)
    cumulated = np.concatenate([[0.0], np.cumsum(masses(case.log_prob_of, edges))])
    return cumulated[np.searchsorted(edges, points)]


def _mass(case: Case, low: float, high: float) -> tuple[Floats, Floats]:
    """Values that have mass, at least those from `low` to `high`, and their log-masses."""
    if case.atoms:
        return np.sort(case.atoms), case.log_prob_of(np.sort(case.atoms))
    return whole_values(case.log_prob_of, case.domains[0], low, high)  # type: ignore[arg-type]


def normalises(case: Case) -> None:
    """The density integrates (or sums) to 1: by quadrature for one column, by importance sampling for several."""
    if case.categorical:
        levels: list[Any] = list(case.domains[0])  # type: ignore[arg-type]
        if getattr(case.distribution, "pseudo_count", 0.0):
            levels.append(object())  # all that was never seen shares one cell
        total = float(np.exp(case.log_prob_of(levels)).sum())
    elif case.whole or case.atoms:
        values = case.rows[:, 0].astype(float)
        total = float(np.exp(_mass(case, values.min(), values.max())[1]).sum())
    elif case.one_column:
        total = float(masses(case.log_prob_of, _edges(case)).sum())
    else:
        _, ratio = ratios(case, N_PROPOSED)
        total, error = float(ratio.mean()), float(ratio.std() / np.sqrt(len(ratio)))
        require(error < 0.05, f"the density's integral cannot be told from samples: {total} with standard error {error}")
        require(abs(total - 1) <= SIGMAS * error + MASS_TOLERANCE, f"the density must integrate to 1, found {total} +- {error}")
        return
    require(abs(total - 1) <= MASS_TOLERANCE, f"the density must integrate to 1, found {total}")


def outside_is_impossible(case: Case) -> None:
    """log_prob is -inf, neither finite nor NaN nor an exception, at infinities (of one column) and beyond the support."""
    unseen_has_mass = any(getattr(part, "pseudo_count", 0.0) for part in parts(case.distribution))
    for j, domain in enumerate(case.domains):
        outside: list[Any]
        if isinstance(domain, tuple):
            outside = [] if unseen_has_mass else ["a category never seen"]
        else:
            # An infinity in one of several columns may meet another: infinity minus infinity, which no data can hold.
            outside = [x for x in domain.counterexamples() if np.isfinite(x) or (np.isinf(x) and case.one_column)]
            outside += [x for x in (domain.low - 1e-9, domain.high + 1e-9) if np.isfinite(x) and not domain.contains(x)]
        for value in outside:
            row = case.rows[:1].astype(object)
            row[0, j] = value
            _require_impossible(case, row)
    for columns, support in case.blocks:
        for beside in support.outside(case.rows[0, columns].astype(float)):
            row = case.rows[:1].astype(object)
            row[0, columns] = beside
            _require_impossible(case, row)


def _require_impossible(case: Case, row: npt.NDArray[Any]) -> None:
    found = case.log_prob(row)[0]
    require(found == -np.inf, f"log_prob outside the support must be -inf, found {found} at {row[0].tolist()}")


def missing_cells_add_nothing(case: Case) -> None:
    """A missing cell (NaN) adds 0 to the log-density; a distribution that leaves them to the engine may also return NaN."""
    if not case.one_column:
        row = case.rows[:1].astype(object)
        row[0, :] = np.nan
        factors = getattr(case.distribution, "factors", {})
        if not case.promises or not factors or any(isinstance(key, tuple) for key in factors):
            return  # a block of columns must have all its cells
        found = case.log_prob(row)[0]
    else:
        found = case.log_prob_of([np.nan])[0]
    # a mixture's weights sum to 1 but for rounding
    allowed = abs(found) <= 1e-15 or (not case.promises and np.isnan(found))
    require(allowed, f"a missing cell must add 0 to log_prob, found {found}")


def _scipy(case: Case) -> Any:
    """The equivalent frozen scipy distribution; None where there is none."""
    try:
        return case.distribution.to_scipy() if case.one_column and hasattr(case.distribution, "to_scipy") else None
    except NotImplementedError:
        return None


def agrees_with_scipy(case: Case) -> None:
    """log_prob equals the log-density of ``to_scipy()`` over its quantiles from 1e-300 to 1 - 1e-16, and outside.

    Tolerance: 1e-12 relative to 1 + |log f|. For counts, scipy subtracts terms of size x log x: 8 of their rounding errors.
    """
    other = _scipy(case)
    if other is None:
        return
    tails = 10.0 ** -np.array([300, 100, 30, 16, 8, 4, 2])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy's own search for extreme quantiles may fail with a word of it
        x = np.concatenate([other.ppf(tails), other.ppf(np.linspace(0.05, 0.95, 19)), other.isf(tails)])
    x = np.concatenate([x[np.isfinite(x)], [-1.0, 0.0, 0.5, 1.0, 2.0, 1e10, -1e10]])
    # At an end that does not belong to the support a density is a matter of taste.
    domain: Any = case.domains[0]
    if isinstance(domain, Angle):  # a sine of a large number is a matter of many digits, which scipy does not spend
        x = x[(x >= domain.low) & (x <= domain.high)]
    x = x[((x != domain.low) | domain.closed_low) & ((x != domain.high) | domain.closed_high)]
    with np.errstate(all="ignore"):
        expected = (other.logpmf if hasattr(other.dist, "logpmf") else other.logpdf)(x)
    found = case.log_prob_of(x)
    tolerance = 1e-12 * (1 + np.abs(expected))
    if case.whole or case.atoms:
        tolerance = tolerance + 8 * np.finfo(float).eps * np.abs(x) * np.log(2 + np.abs(x))
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~((np.abs(found - expected) <= tolerance) | (found == expected)))
    require(
        not len(wrong),
        f"log_prob and to_scipy() disagree at {x[wrong[:3]]}: expected {expected[wrong[:3]]}, found {found[wrong[:3]]}",
    )


def _has(case: Case, name: str) -> bool:
    """Whether the distribution answers this question about one column of numbers."""
    if not case.one_column or case.categorical or not callable(getattr(case.distribution, name, None)):
        return False
    try:
        getattr(case.distribution, name)(np.array([0.5]))
    except NotImplementedError:
        return False
    return True


def cdf_agrees_with_density(case: Case) -> None:
    """cdf is the integral of the density, and quantile its inverse: the smallest value whose cdf reaches a probability."""
    if not _has(case, "cdf"):
        return
    points = np.unique(case.rows[:, 0].astype(float))
    expected, found = _cumulate(case, points), np.asarray(case.distribution.cdf(points))
    worst = int(np.argmax(np.abs(found - expected)))
    require(
        abs(found[worst] - expected[worst]) <= MASS_TOLERANCE,
        f"cdf({points[worst]}) must be the integral of the density, {expected[worst]}, found {found[worst]}",
    )
    if not _has(case, "quantile"):
        return
    levels = np.array([1e-6, 0.01, 0.2, 0.5, 0.77, 0.99, 1 - 1e-6])
    values = np.asarray(case.distribution.quantile(levels), dtype=float)
    reached = np.asarray(case.distribution.cdf(values))
    if case.whole or case.atoms:
        below = np.asarray(case.distribution.cdf(values - 1))
        right = (reached >= levels - 1e-9) & (below < levels + 1e-9)
    else:
        # The value itself is rounded: its cdf is as coarse as the density there is high.
        coarse = np.exp(case.log_prob_of(values)) * np.abs(values) * 4 * np.finfo(float).eps
        right = np.abs(reached - levels) <= 1e-9 + coarse
    require(right.all(), f"cdf(quantile(p)) must be p: at {levels[~right]} found {reached[~right]}")


def _draw(case: Case) -> npt.NDArray[Any] | None:
    if not hasattr(case.distribution, "sample"):
        return None
    return np.asarray(case.distribution.sample(N_DRAWS, random_state=case.seed + 1))


def sample_agrees_with_density(case: Case) -> None:
    """Draws have shape (n, d), repeat with their seed, lie in the support and follow the density.

    One column: Kolmogorov-Smirnov on a grid (conservative, for counts too), or chi-square over categories, at p = 1e-6.
    Several: shares of draws below each median, and below two medians at once, against importance sampling.
    """
    drawn = _draw(case)
    if drawn is None:
        return
    require(
        drawn.shape == (N_DRAWS, len(case.domains)), f"sample must have shape {(N_DRAWS, len(case.domains))}, found {drawn.shape}"
    )
    again = np.asarray(_draw(case))
    require(all(a == b for a, b in zip(drawn.flat, again.flat, strict=True)), "sample must repeat itself for one random_state")
    require(np.all(case.log_prob(drawn) > -np.inf), "sample drew a row outside the support")
    if case.categorical:
        _check_categories(case, drawn[:, 0])
    elif case.one_column:
        _check_one_column(case, drawn[:, 0].astype(float))
    else:
        _check_columns(case, drawn)


def _check_categories(case: Case, drawn: npt.NDArray[Any]) -> None:
    levels: list[Any] = list(case.domains[0])  # type: ignore[arg-type]
    expected = np.exp(case.log_prob_of(levels))
    expected = expected / expected.sum() * len(drawn)
    counts = np.array([sum(value == level for value in drawn) for level in levels], dtype=float)
    often = expected >= 5
    statistic = float((np.square(counts - expected)[often] / expected[often]).sum())
    chance = float(scipy.stats.chi2.sf(statistic, max(1, int(often.sum()) - 1)))
    require(chance > FAILURE_RATE, f"sample's counts of {levels} are {counts}, expected {expected}: chi-square p = {chance:.2g}")


def _check_one_column(case: Case, drawn: Floats) -> None:
    points = np.unique(np.quantile(drawn, np.linspace(0, 1, 257), method="inverted_cdf"))
    share = np.searchsorted(np.sort(drawn), points, side="right") / len(drawn)
    gap = np.abs(share - _cumulate(case, points))
    chance = float(scipy.stats.kstwo.sf(gap.max(), len(drawn)))
    where = points[int(np.argmax(gap))]
    require(
        chance > FAILURE_RATE, f"sample and density disagree by {gap.max():.3g} at {where}: Kolmogorov-Smirnov p = {chance:.2g}"
    )


def _check_columns(case: Case, drawn: npt.NDArray[Any]) -> None:
    proposed, ratio = ratios(case, N_PROPOSED, like=drawn)
    below_drawn, below_proposed = [], []
    for j, domain in enumerate(case.domains):
        if isinstance(domain, tuple):
            below_drawn.append(np.array([value == domain[0] for value in drawn[:, j]], dtype=float))
            below_proposed.append(np.array([value == domain[0] for value in proposed[:, j]], dtype=float))
        else:
            middle = np.median(case.rows[:, j].astype(float))
            below_drawn.append((drawn[:, j].astype(float) <= middle).astype(float))
            below_proposed.append((proposed[:, j].astype(float) <= middle).astype(float))
    for i in range(len(case.domains)):
        for j in range(i + 1):
            mine = below_drawn[i] * below_drawn[j]
            expected = ratio * below_proposed[i] * below_proposed[j]
            error = np.hypot(mine.std() / np.sqrt(len(mine)), expected.std() / np.sqrt(len(expected)))
            gap = abs(mine.mean() - expected.mean())
            require(
                gap <= SIGMAS * error + MASS_TOLERANCE,
                f"columns {i} and {j} lie below their medians in {mine.mean():.4g} of the sample, in {expected.mean():.4g} "
                f"of the density ({gap / max(error, 1e-300):.1f} standard errors)",
            )


def moments_agree_with_sample(case: Case) -> None:
    """``mean`` and ``variance``, where the distribution has them, are those of its draws within 5 standard errors.

    Not where tails are so heavy that a standard error cannot be told.
    """
    drawn = _draw(case) if case.one_column and not case.categorical else None
    if drawn is None:
        return
    values = drawn[:, 0].astype(float)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.square(values - values.mean())
        rounding = np.square(1e-14 * np.abs(values).max())  # of the deviations from a mean that is rounded
    for name, sampled in (("mean", values), ("variance", squared)):
        try:
            stated = getattr(case.distribution, name, None)
        except (NotImplementedError, MixturesError):
            continue
        if not isinstance(stated, float) or not np.isfinite(stated) or not np.isfinite(sampled).all():
            continue
        squares = np.square(sampled - sampled.mean())
        if squares.sum() ** 2 < 100 * np.square(squares).sum():
            continue  # a few draws make up the variance: it says nothing about the error of the mean
        error = SIGMAS * sampled.std() / np.sqrt(len(sampled)) + 1e-9 * abs(stated) + rounding
        require(abs(sampled.mean() - stated) <= error, f"{name} is {stated}, but {sampled.mean()} +- {error} in a sample")
