"""A family of one column restricted to an interval.

    log f(x) = log f0(x) - log P0(low <= X <= high),   support: low <= x <= high, ends included, inside the family's own.

The probability of the interval is a difference of cdfs left of the median, of survival functions right of it, taken between
their logarithms; an integral of the density where those differ by less than a tenth or underflow; a sum over few whole numbers.

Weighted maximum likelihood of the family's parameters by numerical optimisation (:mod:`mixtures.numerical`): for an exponential
family the truncated mean and the like equal the sample's, which has no closed form, and no solution where rows are spread more
evenly than any member's (Cohen 1991, "Truncated and censored samples").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import quad

from mixtures.constraints import Interval, Whole, between
from mixtures.densities import Densities
from mixtures.distributions.base import Declared, Floats
from mixtures.distributions.one_column import OneColumn, weighted_quantiles
from mixtures.distributions.scipy_distribution import as_distribution
from mixtures.engine.plan import FLOORED
from mixtures.exceptions import ParameterError
from mixtures.numerical import Coordinate, Values, maximise, weighted_sum
from mixtures.table import Table
from mixtures.tails import Tails, below_and_up_to, log_mass


class Truncated(OneColumn):
    """A distribution of one column, given that its value lies between two ends: sizes that a sieve lets through.

    Parameters
    ----------
    base : distribution of one column with a cdf: a family, a ScipyDistribution, a frozen distribution of scipy.stats. Its
        parameters are where a fit starts, None to be learned; what it holds stays held.
    low, high : float, ends of the interval in the column's unit, both included; None (or infinity) for none.

    Notes
    -----
    ``parameters`` are those of `base`, untruncated: ``Truncated(Normal(0, 1), 0, None).base.mean`` is 0 and its ``mean`` 0.798.
    Where the likelihood has no maximum, since rows lie as evenly as no member of the family (a rate of 0), the climb
    ends where rounding ends it, with a :class:`~mixtures.exceptions.DegenerateWarning` that names the parameter, or in a
    :class:`~mixtures.exceptions.FitError`. Rows that agree get the floor of the untruncated family's own fit, with that warning.
    The same as ``scipy.stats.truncate`` of newer releases, which does not fit.

    Examples
    --------
    >>> from mixtures.distributions import Exponential
    >>> Truncated(Exponential(1.0), 2.0, None).log_prob([1.0, 2.0, 3.0])
    array([-inf,   0.,  -1.])
    >>> round(Truncated(Exponential(), None, 4.0).fit([0.5, 1.0, 1.5, 3.0]).base.rate, 6)
    0.389949
    """

    def __init__(self, base: Any, low: float | None = None, high: float | None = None) -> None:
        base = as_distribution(base)
        if not isinstance(base, Declared) or getattr(base, "encoding", "numbers") != "numbers" or not hasattr(base, "cdf"):
            raise ParameterError(f"Truncated: base must be a distribution of one column of numbers with a cdf, found {base!r}")
        if getattr(base, "prior", None) is not None:
            raise ParameterError(f"Truncated: base must have no prior, which the fit would leave out, found {base!r}")
        for name, constraint in base.parameters.items():
            if not isinstance(constraint, Interval) or isinstance(constraint, Whole):
                raise ParameterError(f"Truncated: base must have numbers as parameters, but {name} must be {constraint.words}")
        if getattr(base, "n_parameters", 0) != len(base.parameters):
            raise ParameterError(f"Truncated: base must declare all that it learns among its parameters, found {base!r}")
        vars(self).update(base=base, low=_end("low", low, -math.inf), high=_end("high", high, math.inf))
        own = self._reach
        if not (own.low < own.high or (own.low == own.high and isinstance(own, Whole))):
            raise ParameterError(
                f"Truncated: low and high must leave some of the values that {base!r} can have, found {low!r}, {high!r}"
            )

    base: Any
    low: float | None
    high: float | None

    @property
    def parameters(self) -> dict[str, Any]:  # type: ignore[override]
        """Constraints of the base's parameters."""
        return dict(self.base.parameters)

    def parameter_values(self) -> dict[str, Any]:
        """Values of the base's parameters."""
        return dict(self.base.parameter_values())

    def replaced(self, **parameters: Any) -> Truncated:
        """Truncated alike, the base's parameters replaced."""
        try:
            base = self.base.replaced(**parameters)
        except ParameterError as error:
            raise ParameterError(f"Truncated: {error}") from None
        return self._trusted(base=base, low=self.low, high=self.high)

    @property
    def is_complete(self) -> bool:
        """Whether the base is."""
        return bool(self.base.is_complete)

    def _require_complete(self) -> None:
        self.base._require_complete()

    @property
    def n_parameters(self) -> int:
        """Number of free parameters of the base."""
        return int(self.base.n_parameters)

    @property
    def support(self) -> Interval:
        """Values that are possible under these parameters."""
        return _within(self.base.support, self.low, self.high)

    @property
    def _reach(self) -> Interval:
        """The support with all its ends, found without asking for densities."""
        return _within(getattr(self.base, "_reach", None) or self.base.support, self.low, self.high)

    @property
    def domain(self) -> Interval:
        """Values that some parameters allow."""
        return _within(getattr(self.base, "domain", None) or self.base.support, self.low, self.high)

    def _values(self) -> dict[str, Any]:
        return {"base": self.base, "low": self.low, "high": self.high}

    def _log_density(self, x: Floats) -> Floats:
        low, high = self._ends()
        found = self.base.log_prob(x) - self._mass()
        return np.where((x >= low) & (x <= high) & np.isfinite(x), found, -np.inf)

    def _mass(self) -> float:
        with np.errstate(all="ignore"):
            return log_mass(self.base, self.support)

    def _ends(self) -> tuple[float, float]:
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high

    def _fitted(self, x: Floats, weights: Floats) -> Truncated:
        if not self.parameters:
            return self._trusted(**self._values())
        share = weights / weights.max()
        share = share / share.sum()
        if isinstance(self.support, Whole):  # few distinct values: each is asked for once
            x, place = np.unique(x, return_inverse=True)
            share = np.bincount(place.ravel(), weights=share).astype(float)
        low, middle, high = weighted_quantiles(x, share, [0.25, 0.5, 0.75]).tolist()
        spread = next((s for s in (high - low, float(np.ptp(x)), abs(middle)) if s > 0), 1.0)
        coordinates = [Coordinate(name, constraint, middle, spread) for name, constraint in self.parameters.items()]
        densities = Densities(self.base, x) if hasattr(self.base, "kernels") else lambda base: base._log_density(x)

        def mean_log_density(values: Values) -> float:
            candidate = self.replaced(**values)
            return weighted_sum(share, densities(candidate.base)) - candidate._mass()

        words = f"Truncated({type(self.base).__name__})"
        own = self.parameter_values()
        if float(np.ptp(x)) <= 0.0 and not isinstance(self.support, Whole):
            pole = self._at_a_pole(x, share, mean_log_density)
            if pole is not None:
                return pole

        def starts() -> Iterator[Values]:
            if self.is_complete:
                yield own
            untruncated = self._untruncated(x, share)[0]
            known = {name: value for name, value in own.items() if value is not None}
            if 0 < len(known) < len(own):
                yield untruncated | known
            yield untruncated

        found = maximise(mean_log_density, starts(), coordinates, words)
        fitted = self.replaced(**{name: found.values[name] for name in own})
        vars(fitted)["untold"] = found.untold
        return fitted

    def _untruncated(self, x: Floats, share: Floats) -> tuple[Values, tuple[str, ...]]:
        """Parameters that fit the rows without regard to the ends, and those of them that rounding alone has ended."""
        if not hasattr(self.base, "kernels"):
            fitted = self.base._fitted(x, share)
            return fitted.parameter_values(), fitted.untold
        from mixtures.standalone import settled

        assembly, outcome = settled(self.base, Table.read(x), share)
        return assembly.unpack()[0].parameter_values(), tuple(self.parameters) if outcome & FLOORED else ()

    def _at_a_pole(self, x: Floats, share: Floats, mean_log_density: Callable[[Values], float]) -> Truncated | None:
        """The fit to rows that agree, where the untruncated density of these grows without bound.

        So does the truncated one, which is larger: there is no maximum to climb to, and the untruncated fit's floor is as good as
        any. Parameters at hand that are likelier still are kept.
        """
        values, untold = self._untruncated(x, share)
        if not untold:
            return None
        own = self.parameter_values()
        with np.errstate(all="ignore"):
            reached = mean_log_density(values)
            if not math.isfinite(reached):
                return None
            if self.is_complete and reached <= mean_log_density(own) < math.inf:
                values = own
        fitted = self.replaced(**values)
        vars(fitted)["untold"] = untold
        return fitted

    def cdf(self, x: Any) -> Floats:
        self._require_complete()
        x = np.asarray(x, dtype=float)
        tails, (low, high) = Tails(self.base), below_and_up_to(self.support)
        with np.errstate(all="ignore"):
            at = np.clip(np.floor(x) if isinstance(self.support, Whole) else x, low, high)
            if tails.is_right(low):
                top = tails.log_sf(low)
                found = np.expm1(tails.log_sf(at) - top) / np.expm1(tails.log_sf(high) - top)
            else:
                top = tails.log_cdf(high)
                least = np.exp(tails.log_cdf(low) - top)
                found = (np.exp(tails.log_cdf(at) - top) - least) / (1.0 - least)
        return np.asarray(np.where(np.isnan(x), np.nan, np.clip(found, 0.0, 1.0)))

    def quantile(self, probability: Any) -> Floats:
        self._require_complete()
        p = np.asarray(probability, dtype=float)
        support = self.support
        with np.errstate(all="ignore"):
            found = Tails(self.base).between(*below_and_up_to(support), p)
        found = np.where(p == 0, support.low, np.where(p == 1, support.high, np.clip(found, support.low, support.high)))
        return np.asarray(np.where((p >= 0) & (p <= 1), found, np.nan))

    @property
    def mean(self) -> float:
        """Expected value of the truncated distribution."""
        return self._expected(lambda x: x)

    @property
    def variance(self) -> float:
        """Variance of the truncated distribution."""
        mean = self.mean
        return self._expected(lambda x: (x - mean) ** 2)

    def _expected(self, function: Any) -> float:
        self._require_complete()
        levels = [1e-9, 1e-6, 1e-3, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999, 1 - 1e-6, 1 - 1e-9]
        support = self.support
        if isinstance(support, Whole):
            top = min(support.high, float(self.quantile(1 - 1e-13)) + 1000)
            x = np.arange(max(support.low, float(self.quantile(1e-15)) - 1000), top + 1)
            return float(function(x) @ np.exp(self.log_prob(x)))
        edges = np.unique([support.low, *self.quantile(levels), support.high])

        def integrand(x: float) -> float:
            return float(function(x)) * math.exp(float(self.log_prob([x])[0]))

        return float(sum(quad(integrand, *ends, limit=200)[0] for ends in pairwise(edges)))


def _end(name: str, value: Any, far: float) -> float | None:
    """An end as it is kept: a finite number, or None."""
    try:
        found = far if value is None else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if math.isnan(found) or found == -far:
        raise ParameterError(f"Truncated: {name} must be a number or None, found {value!r}")
    return found if math.isfinite(found) else None


def _within(interval: Interval, low: float | None, high: float | None) -> Interval:
    """The part of an interval between two ends, which belong to it."""
    whole = isinstance(interval, Whole)
    least = -math.inf if low is None else float(math.ceil(low)) if whole else low
    most = math.inf if high is None else float(math.floor(high)) if whole else high
    low_end = (least, True) if least > interval.low else (interval.low, interval.closed_low)
    high_end = (most, True) if most < interval.high else (interval.high, interval.closed_high)
    return between(low_end[0], high_end[0], low_end[1], high_end[1], whole)
