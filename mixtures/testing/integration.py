"""Integrals and sums of a density of one column, known only through its log.

Panels double in width away from a centre, so that a few dozen reach from 1e-9 to 1e18 spreads; each is halved until two
Gauss-Legendre rules agree, which copes with kinks, jumps and poles wherever they are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mixtures.constraints import Interval, Whole

Floats = npt.NDArray[np.float64]
LogDensity = Callable[[Floats], Floats]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_LARGEST = 1e308
MAX_VALUES = 1 << 22
"""Whole numbers that a sum may visit at most."""


def _panel_masses(log_density: LogDensity, low: Floats, high: Floats) -> Floats:
    half = high / 2 - low / 2
    x = (low / 2 + high / 2)[:, None] + half[:, None] * _NODES
    with np.errstate(divide="ignore"):
        # The width joins the logarithm: a density may overflow where its integral does not.
        return np.exp(log_density(x.ravel()).reshape(x.shape) + np.log(half)[:, None]) @ _WEIGHTS


def masses(log_density: LogDensity, edges: Floats) -> Floats:
    """Integral of the density between neighbouring edges, to 1e-9 or so."""
    total = np.zeros(len(edges) - 1)
    low, high, owner = edges[:-1], edges[1:], np.arange(len(edges) - 1)
    whole = _panel_masses(log_density, low, high)
    for _ in range(60):
        middle = low / 2 + high / 2
        left, right = _panel_masses(log_density, low, middle), _panel_masses(log_density, middle, high)
        # Arguments are rounded: a panel far from 0 has a density as noisy as its edges are coarse.
        with np.errstate(divide="ignore", invalid="ignore"):
            noise = 1e-10 + 64 * np.finfo(float).eps * np.abs(middle) / (high - low)
        done = (np.abs(whole - left - right) <= 1e-12 + noise * (left + right)) | (middle <= low) | (middle >= high)
        np.add.at(total, owner[done], (left + right)[done])
        if done.all():
            break
        low, middle, high, owner = low[~done], middle[~done], high[~done], owner[~done]
        whole = np.concatenate([left[~done], right[~done]])
        low, high, owner = np.concatenate([low, middle]), np.concatenate([middle, high]), np.concatenate([owner, owner])
    else:
        np.add.at(total, owner, whole)
    return total


def spreading_edges(centre: float, scale: float, domain: Interval) -> Floats:
    """Edges that double away from the centre up to the ends of the domain, or 2^60 scales."""
    with np.errstate(over="ignore"):
        steps = scale * 2.0 ** np.arange(-30, 61)
        edges = np.concatenate([[centre], centre - steps, centre + steps, [domain.low, domain.high]])
    ends = (max(domain.low, -_LARGEST), min(domain.high, _LARGEST))
    if np.isfinite(domain.low):  # towards a finite end, where a density may have a pole
        edges = np.concatenate([edges, domain.low + (centre - domain.low) * 2.0 ** -np.arange(1.0, 200.0)])
    if np.isfinite(domain.high):
        edges = np.concatenate([edges, domain.high - (domain.high - centre) * 2.0 ** -np.arange(1.0, 200.0)])
    return np.unique(np.clip(edges[np.isfinite(edges)], *ends))


def centre_and_scale(values: Floats) -> tuple[float, float]:
    """Median, and half the distance between quartiles or the nearest substitute that is not 0."""
    low, centre, high = np.quantile(values, [0.25, 0.5, 0.75])
    for scale in (high / 2 - low / 2, np.ptp(values), 1e-6 * abs(centre), 1.0):
        if scale > 0:
            return float(centre), float(scale)
    raise AssertionError("unreachable")


def whole_values(log_mass: LogDensity, domain: Whole, low: float, high: float) -> tuple[Floats, Floats]:
    """Whole numbers that hold all the mass but 1e-12, found by widening [low, high], and their log-masses."""
    width = 10.0 + high - low
    reached = -1.0
    while True:
        start, stop = max(domain.low, low - width), min(domain.high, high + width)
        x = np.arange(start, stop + 1.0)
        values = log_mass(x)
        total = float(np.exp(values).sum())
        if abs(total - reached) < 1e-12 or (start == domain.low and stop == domain.high) or 2 * len(x) > MAX_VALUES:
            return x, values
        reached = total
        width *= 2


def _peak(log_density: LogDensity, domain: Interval) -> tuple[float, float]:
    """The place of a maximum, found by zooming in on the largest of a grid, and how far the log-density falls by 1 from there."""
    whole = isinstance(domain, Whole)
    low = domain.low if np.isfinite(domain.low) else min(-1.0, domain.high - 2.0)
    high = domain.high if np.isfinite(domain.high) else max(1.0, domain.low + 2.0)
    x = spreading_edges((low + high) / 2, 1.0, domain)
    for _ in range(60):
        x = np.unique(np.clip(np.rint(x), domain.low, domain.high)) if whole else x
        values = np.nan_to_num(log_density(x), nan=-np.inf, posinf=-np.inf)
        best = int(np.argmax(values))
        x = np.linspace(x[max(best - 1, 0)], x[min(best + 1, len(x) - 1)], 33)
    centre, top = float(x[16]), float(values[best])
    scale = 1.0 if whole else 1e-12 * max(1e-280, abs(centre))
    while np.isfinite(top) and log_density(np.clip([centre - scale, centre + scale], domain.low, domain.high)).max() > top - 1:
        scale *= 2
        if scale > high - low and np.isfinite(domain.high - domain.low):
            break
    return centre, scale


def quantiles(log_density: LogDensity, domain: Interval, levels: Floats) -> Floats:
    """Values whose cumulated density reaches these levels, for a density that is known only through its log.

    Raises
    ------
    ValueError : the density could not be found: its integral over what was searched is not near 1.
    """
    centre, scale = _peak(log_density, domain)
    if isinstance(domain, Whole):
        x, values = whole_values(log_density, domain, np.rint(centre - 4 * scale), np.rint(centre + 4 * scale))
        cumulated = np.cumsum(np.exp(values))
        drawn = x[np.minimum(np.searchsorted(cumulated, levels), len(x) - 1)]
    else:
        edges = spreading_edges(centre, scale, domain)
        for _ in range(4):  # each grid lies closer where the last one found mass
            cumulated = np.concatenate([[0.0], np.cumsum(masses(log_density, edges))])
            edges = np.union1d(edges, np.interp(np.linspace(0, 1, 65), cumulated / (cumulated[-1] or 1.0), edges))
        cumulated = np.concatenate([[0.0], np.cumsum(masses(log_density, edges))])
        drawn = np.interp(levels, cumulated, edges)
    if not 0.5 < cumulated[-1] < 2:
        raise ValueError(
            f"no rows can be drawn from a density that integrates to {cumulated[-1]} where it was searched: give rows X"
        )
    return drawn
