"""A mixture of one column as a law of numbers: distribution function, tail, quantiles.

    F(x) = sum over k of w_k F_k(x).

The quantile of q is the smallest x with F(x) >= q. It lies between the least and the largest of the components' own quantiles of
q, so the root that is looked for is bracketed from the start. There it is found by Chandrupatla's method (1997, "A new hybrid
quadratic/bisection algorithm", Advances in Engineering Software 28), of all q at once, in log F up to the middle and in log(1 - F)
beyond, which keeps tails relatively right; over whole numbers by bisection, and point masses are seen to before.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mixtures.constraints import Whole
from mixtures.densities import log_densities
from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.leaves import safe_log
from mixtures.tails import Tails

MOST_STEPS = 300
ROUNDING = 4 * float(np.finfo(float).eps)
LARGEST = float(np.finfo(float).max)


class OneColumnLaw:
    """A mixture of distributions of one column.

    Parameters
    ----------
    members : distributions with a cdf; those of weight 0 are left out.
    weights : (K,), with sum 1.

    Raises
    ------
    ParameterError : a member has no cdf or no quantiles.
    """

    def __init__(self, members: Sequence[Any], weights: Floats) -> None:
        seen = np.flatnonzero(np.asarray(weights) > 0).tolist()
        self.members = [members[k] for k in seen]
        self.weights = np.asarray(weights)[seen] / np.sum(weights)
        for member in self.members:
            for method in ("cdf", "quantile"):
                if getattr(member, "encoding", "numbers") == "categories" or not callable(getattr(member, method, None)):
                    raise ParameterError(
                        f"{method}: expected components of ordered values, found {member!r}, which has no {method}"
                    )
        self._tails = [Tails(member) for member in self.members]
        self.is_whole = all(_is_whole(member) for member in self.members)

    def cdf(self, x: Any) -> Floats:
        """Probability of a value <= x, elementwise."""
        x = np.asarray(x, dtype=float)
        found: Floats = sum(w * np.asarray(member.cdf(x)) for w, member in zip(self.weights, self.members, strict=True))
        return found

    def log_cdf(self, x: Any) -> Floats:
        """Logarithm of :meth:`cdf`, right where that underflows as far as the components' are."""
        return self._log_sum([tails.log_cdf for tails in self._tails], x)

    def log_sf(self, x: Any) -> Floats:
        """Logarithm of the probability of a value > x, elementwise."""
        return self._log_sum([tails.log_sf for tails in self._tails], x)

    def _log_sum(self, tails: Sequence[Callable[[Any], Any]], x: Any) -> Floats:
        x = np.asarray(x, dtype=float)
        with np.errstate(all="ignore"):
            logs = [np.asarray(tail(x)) + lw for tail, lw in zip(tails, safe_log(self.weights), strict=True)]
            found: Floats = np.logaddexp.reduce(logs, axis=0)
        return found

    def quantile(self, q: Any) -> Floats:
        """Smallest value with a cdf of at least q, elementwise; for 0 the lower end of the support; NaN outside [0, 1]."""
        q = np.asarray(q, dtype=float)
        levels = q.ravel()
        out = np.full(levels.shape, np.nan)
        with np.errstate(all="ignore"):
            out[levels == 0.0], out[levels == 1.0] = self._ends
            inside = (levels > 0.0) & (levels < 1.0)
            if inside.any():
                out[inside] = self._inner(levels[inside])
        return out.reshape(q.shape)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Of the support."""
        return min(_lower_end(member) for member in self.members), max(float(member.quantile(1.0)) for member in self.members)

    def _inner(self, q: Floats) -> Floats:
        with warnings.catch_warnings():  # of scipy, about quantiles that it cannot find; what they bracket is checked
            warnings.simplefilter("ignore", RuntimeWarning)
            own = np.array([np.nan_to_num(member.quantile(q), posinf=LARGEST, neginf=-LARGEST) for member in self.members])
        low, high = own.min(axis=0), own.max(axis=0)
        if self.is_whole:
            return self._whole(q, low, high)
        found = np.empty(len(q))
        open_ = np.ones(len(q), dtype=bool)
        for atom in sorted({value for member in self.members for value in getattr(member, "atoms", ())}):
            here = open_ & self._jumps_over(q, np.full(len(q), atom))
            found[here], open_ = atom, open_ & ~here
        if open_.any():
            found[open_] = self._solved(q[open_], low[open_], high[open_])
            if any(_is_whole(member) for member in self.members):
                near = np.rint(found)
                here = open_ & (np.abs(found - near) <= 1e-9 * (1.0 + np.abs(near))) & self._jumps_over(q, near)
                found[here] = near[here]
        return found

    def _jumps_over(self, q: Floats, at: Floats) -> Any:
        """Whether the cdf reaches q at a value, from below."""
        return (self.cdf(at) >= q) & (self.cdf(np.nextafter(at, -np.inf)) < q)

    def _whole(self, q: Floats, low: Floats, high: Floats) -> Floats:
        low = low - 1.0
        step = np.ones(len(q))
        for _ in range(MOST_STEPS):  # the members' quantiles are rounded, and may be wrong far out
            short, long = self.cdf(high) < q, self.cdf(low) >= q
            if not (short.any() or long.any()):
                break
            high, low, step = np.where(short, high + step, high), np.where(long, low - step, low), 2.0 * step
        while np.any(high - low > 1.0):
            middle = np.floor(low / 2 + high / 2)
            middle = np.where(middle <= low, low + 1.0, middle)
            reaches = self.cdf(middle) >= q
            stuck = high - low <= 1.0
            high, low = np.where(reaches & ~stuck, middle, high), np.where(reaches | stuck, low, middle)
            if np.all((high - low <= 1.0) | (np.nextafter(low, np.inf) >= high)):
                break
        return high

    def _gap(self, x: Floats, q: Floats) -> Floats:
        """Something that rises in x and is >= 0 where the cdf is at least q."""
        out = np.empty(len(x))
        lower = q <= 0.5
        if lower.any():
            out[lower] = self.log_cdf(x[lower]) - np.log(q[lower])
        if not lower.all():
            upper = ~lower
            out[upper] = np.log1p(-q[upper]) - self.log_sf(x[upper])
        return out

    def _solved(self, q: Floats, low: Floats, high: Floats) -> Floats:
        low_gap, high_gap = self._gap(low, q), self._gap(high, q)
        step = np.maximum(high - low, 1e-15 * np.maximum(np.abs(high), 1e-300))
        least, most = (float(np.clip(end, -LARGEST, LARGEST)) for end in self._ends)
        for _ in range(MOST_STEPS):  # the members' quantiles are rounded, some of scipy's wrong far out
            short, long = ~(high_gap >= 0) & (high < most), ~(low_gap < 0) & (low > least)
            if not (short.any() or long.any()):
                break
            high = np.where(short, np.minimum(high + step, most), high)
            low = np.where(long, np.maximum(low - step, least), low)
            step = np.where(short | long, 2.0 * step, step)
            high_gap[short], low_gap[long] = self._gap(high[short], q[short]), self._gap(low[long], q[long])
        return _root(lambda x, rows: self._gap(x, q[rows]), low, high, low_gap, high_gap)


def _is_whole(member: Any) -> bool:
    if isinstance(getattr(member, "support", None), Whole):
        return True
    atoms = getattr(member, "atoms", None)
    return atoms is not None and all(float(atom).is_integer() for atom in atoms)


def _lower_end(member: Any) -> float:
    """Where the support of a distribution begins; scipy's families of whole numbers say one less."""
    low = float(member.quantile(0.0))
    is_before = isinstance(getattr(member, "support", None), Whole) and log_densities(member, np.array([low]))[0] == -np.inf
    return low + 1.0 if is_before else low


def _root(function: Callable[[Floats, Any], Floats], low: Floats, high: Floats, low_gap: Floats, high_gap: Floats) -> Floats:
    """Where functions, one a bracket, rise through 0: the end of the last bracket at which it is >= 0.

    `function` takes points and the numbers of their brackets.
    """
    low, high, low_gap, high_gap = low.copy(), high.copy(), low_gap.copy(), high_gap.copy()
    older, older_gap = low.copy(), low_gap.copy()
    newest_is_high = np.ones(len(low), dtype=bool)
    share = np.full(len(low), 0.5)  # of the way from the newest end to the other
    # A bracket whose upper end is a root is narrowed, too: where the function is level, the least root is the quantile.
    active = np.flatnonzero(high - low > ROUNDING * np.maximum(np.abs(low), np.abs(high)))
    for _ in range(MOST_STEPS):
        if not len(active):
            break
        a = np.where(newest_is_high[active], high[active], low[active])
        b = np.where(newest_is_high[active], low[active], high[active])
        t = share[active]
        x = np.where(t == 0.5, _middle(a, b), a + t * (b - a))
        gap = function(x, active)
        reaches = ~(gap < 0.0)
        # The newest point takes the place of the end on its side; what it replaces, or where it came from, is remembered.
        same = reaches == newest_is_high[active]
        a_gap = np.where(newest_is_high[active], high_gap[active], low_gap[active])
        b_gap = np.where(newest_is_high[active], low_gap[active], high_gap[active])
        older[active], older_gap[active] = np.where(same, a, b), np.where(same, a_gap, b_gap)
        high[active], high_gap[active] = np.where(reaches, x, high[active]), np.where(reaches, gap, high_gap[active])
        low[active], low_gap[active] = np.where(reaches, low[active], x), np.where(reaches, low_gap[active], gap)
        newest_is_high[active] = reaches
        share[active] = _next_share(
            x, gap, *_others(active, low, high, low_gap, high_gap, reaches), older[active], older_gap[active]
        )
        width, size = high[active] - low[active], np.maximum(np.abs(low[active]), np.abs(high[active]))
        active = active[(width > ROUNDING * size) & (width > 5e-324)]
    return high


def _middle(a: Floats, b: Floats) -> Floats:
    """Half way between two numbers; by their exponents where these are far apart, so that any float64 is near."""
    short, long = np.minimum(np.abs(a), np.abs(b)), np.maximum(np.abs(a), np.abs(b))
    between = np.sign(a + b) * np.sqrt(np.maximum(short, 5e-324)) * np.sqrt(long)
    far = np.where(np.sign(a) * np.sign(b) < 0, 0.0, between)
    return np.where(long > 16.0 * short, far, a / 2 + b / 2)


def _others(
    active: Any, low: Floats, high: Floats, low_gap: Floats, high_gap: Floats, newest_is_high: Any
) -> tuple[Floats, Floats]:
    """The end that is not the newest, and the function there."""
    return np.where(newest_is_high, low[active], high[active]), np.where(newest_is_high, low_gap[active], high_gap[active])


def _next_share(a: Floats, fa: Floats, b: Floats, fb: Floats, c: Floats, fc: Floats) -> Floats:
    """How far from the newest point a towards b the next one lies: by inverse quadratic interpolation where that is safe."""
    xi = (a - b) / (c - b)
    phi = (fa - fb) / (fc - fb)
    is_safe = np.isfinite(xi) & np.isfinite(phi) & (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
    t = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    least = np.minimum(0.5, 0.5 * ROUNDING * np.maximum(np.abs(a), np.abs(b)) / np.abs(b - a))
    return np.where(is_safe & np.isfinite(t), np.clip(t, least, 1.0 - least), 0.5)
