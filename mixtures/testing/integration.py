"""Integrals and sums of a density of one column, known only through its log.

Panels double in width away from a centre, so that a few dozen reach from 1e-9 to 1e18 spreads; each is halved until two
Gauss-Legendre rules agree, which copes with kinks, jumps and poles wherever they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def quantiles(log_density: LogDensity, domain: Any, levels: Floats) -> Floats:
    """Values whose cumulated density reaches these levels, for a density that is known only through its log."""
    if isinstance(domain, Whole):
        x, values = whole_values(log_density, domain, max(domain.low, -100.0), min(domain.high, 100.0))
        return x[np.minimum(np.searchsorted(np.cumsum(np.exp(values)), levels), len(x) - 1)]
    finite = np.isfinite([domain.low, domain.high])
    centre = (
        (domain.low + domain.high) / 2 if finite.all() else domain.low + 1 if finite[0] else domain.high - 1 if finite[1] else 0.0
    )
    edges = spreading_edges(centre, 1.0, domain)
    for _ in range(8):  # the first grid finds the mass, the next ones lie closely where it is
        cumulated = np.cumsum(masses(log_density, edges))
        cumulated /= cumulated[-1]
        inner = np.interp(np.linspace(0, 1, 65), np.concatenate([[0.0], cumulated]), edges)
        edges = np.union1d(edges, inner)
    return np.interp(levels, np.concatenate([[0.0], np.cumsum(masses(log_density, edges))]), edges)
