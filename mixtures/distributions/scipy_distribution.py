"""Any family of one variable that scipy.stats has.

    log f(x) = family.logpdf(x, shapes, loc, scale), or family.logpmf(x, shapes, loc),   support: the family's.

Weighted maximum likelihood by numerical optimisation (:mod:`mixtures.numerical`) from the parameters that it has, where the
likelihood is finite there, else from the best of a few starts: scipy's own, and shapes on a grid with location and scale that match
the quartiles. The likelihood at the end is never below that of the parameters it began with, so that a mixture's never falls.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product
from typing import Any

import numpy as np
import scipy.stats
from scipy.stats.distributions import rv_frozen

from mixtures.constraints import Interval, Whole, between, positive, real
from mixtures.distributions.base import Floats
from mixtures.distributions.one_column import OneColumn, weighted_quantiles
from mixtures.exceptions import ParameterError
from mixtures.numerical import Coordinate, Values, maximise, weighted_sum
from mixtures.quantiles import without_wrong_ends

MOST_STARTS = 64
SKETCH = 1000
"""Quantiles that stand for a column where starts are compared."""


class ScipyDistribution(OneColumn):
    """A family of `scipy.stats`, continuous or discrete, as a component.

    Parameters
    ----------
    family : ``scipy.stats.burr12``, say, or an ``rv_continuous`` or ``rv_discrete`` of your own.
    fixed : parameters that are held and never fitted: a mapping from names to values, or names of some that are given.
    **parameters : the family's shapes, ``loc`` and ``scale`` by scipy's names: where a fit starts. Absent or None: learned from the
        rows alone. The ``loc`` of a discrete family is a whole number, which cannot be learned: it is held, at 0 unless given.

    Notes
    -----
    As `scipy.stats` does, this learns ``loc`` unless told otherwise. Where the support begins at ``loc``, the likelihood often
    has no maximum: hold it, ``fixed={"loc": 0.0}``. A scale that ends at 16 rounding errors of the column's largest value (rows
    that agree), and a shape that runs to a limit, come with a :class:`~mixtures.exceptions.DegenerateWarning`; where the
    likelihood has no maximum that could be found there is a :class:`~mixtures.exceptions.FitError`. Densities are scipy's, as
    right as those are in far tails; a built-in family, where there is one, is exact there and many times as fast.

    Examples
    --------
    >>> import scipy.stats
    >>> ScipyDistribution(scipy.stats.norm, loc=0.0, scale=1.0).log_prob([0.0]).round(6)
    array([-0.918939])
    >>> fitted = ScipyDistribution(scipy.stats.gamma, fixed={"loc": 0.0}).fit([1.0, 2.0, 3.0])
    >>> round(fitted.a, 4), round(fitted.scale, 4)
    (5.3752, 0.3721)
    """

    def __init__(self, family: Any, *, fixed: Mapping[str, float] | Iterable[str] | None = None, **parameters: Any) -> None:
        words = f"ScipyDistribution({_name(family)})"
        if isinstance(family, rv_frozen):
            raise ParameterError(
                f"{words}: expected a family such as scipy.stats.norm, found one with parameters; give them by name"
            )
        if not isinstance(family, (scipy.stats.rv_continuous, scipy.stats.rv_discrete)):
            raise ParameterError(f"{words}: expected a family of scipy.stats, such as scipy.stats.norm, found {family!r}")
        domains = _domains(family)
        held = dict(fixed) if isinstance(fixed, Mapping) else {name: parameters.pop(name, None) for name in fixed or ()}
        if _is_discrete(family) and "loc" not in held:
            held["loc"] = parameters.pop("loc", None) or 0
        for name in [*parameters, *held]:
            if name not in domains:
                raise ParameterError(f"{words}: expected parameters among {', '.join(domains)}, found {name!r}")
        own: dict[str, Any] = {"family": family, "fixed": held}
        for name, constraint in domains.items():
            value = held[name] if name in held else parameters.get(name)
            if name in held and (name in parameters or value is None):
                raise ParameterError(
                    f"{words}: {name} is held and must have one value, found {parameters.get(name)!r} and {value!r}"
                )
            if isinstance(constraint, Whole) and name not in held:
                raise ParameterError(
                    f"{words}: {name} is a whole number, which cannot be learned: hold it, fixed={{{name!r}: ...}}"
                )
            own[name] = None if value is None else _converted(words, name, constraint, value)
            if name in held:
                held[name] = own[name]
        vars(self).update(own)
        shapes = self._shapes(own)
        if None not in shapes and not np.all(family._argcheck(*shapes)):
            found = ", ".join(f"{name}={own[name]!r}" for name in _shape_names(family))
            raise ParameterError(f"{words}: the family refuses these shapes together: {found}")

    family: Any
    fixed: dict[str, float]

    @property
    def parameters(self) -> dict[str, Any]:  # type: ignore[override]
        """Constraints of the parameters that are learned, by name."""
        return {name: constraint for name, constraint in _domains(self.family).items() if name not in self.fixed}

    def _values(self) -> dict[str, Any]:
        own = vars(self)
        return {"family": self.family} | {name: own[name] for name in self.parameters} | {"fixed": self.fixed or None}

    def __repr__(self) -> str:
        values = [f"{k}={v!r}" for k, v in self._values().items() if k not in ("family", "fixed") and v is not None]
        fixed = {k: v for k, v in self.fixed.items() if not (k == "loc" and v == 0 and _is_discrete(self.family))}
        return f"ScipyDistribution({', '.join([_name(self.family), *values, *([f'fixed={fixed!r}'] if fixed else [])])})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScipyDistribution) or not _is_same_family(self.family, other.family):
            return False
        return {**self._values(), "family": None} == {**other._values(), "family": None}

    def __hash__(self) -> int:
        values = self._values()
        return hash((self.family.name, tuple(self.fixed.items()), *(values[name] for name in self.parameters)))

    def __reduce__(self) -> Any:
        values = self._values()
        if _name(self.family) == f"scipy.stats.{self.family.name}":
            values["family"] = self.family.name  # scipy's families are not the same objects after pickling
        return _rebuild, (values,)

    @property
    def support(self) -> Interval:
        """Values that are possible under these parameters."""
        reach = self._reach
        if not self.is_complete:
            return reach
        ends = np.array([reach.low, reach.high])
        closed = np.isfinite(ends)
        if closed.any():
            with np.errstate(all="ignore"):
                closed &= self._log_density(np.where(closed, ends, 0.0)) > -np.inf
        return between(reach.low, reach.high, bool(closed[0]), bool(closed[1]), _is_discrete(self.family))

    @property
    def _reach(self) -> Interval:
        """The support with all its ends, whether they belong to it or not, which only the density tells."""
        if not self.is_complete:
            return self.domain
        own = vars(self)
        scale = 1.0 if _is_discrete(self.family) else own["scale"]
        low, high = (own["loc"] + scale * np.array(self.family._get_support(*self._shapes(own)), dtype=float)).tolist()
        return between(low, high, math.isfinite(low), math.isfinite(high), _is_discrete(self.family))

    @property
    def domain(self) -> Interval:
        """Values that some parameters allow: ends that depend on nothing learned."""
        ends = []
        for shapes in [self._shapes(vars(self)), *islice(self._shape_starts(1.0), 4)]:
            if None not in shapes and np.all(self.family._argcheck(*shapes)):
                ends.append([float(end) for end in self.family._get_support(*shapes)])
        low, high = (
            column[0] if len(set(column)) == 1 else sign * math.inf
            for column, sign in zip(zip(*ends, strict=True), (-1, 1), strict=True)
        )
        loc, scale = self.fixed.get("loc"), 1.0 if _is_discrete(self.family) else self.fixed.get("scale")

        def moved(end: float, far: float) -> float:
            known = math.isfinite(end) and loc is not None and (scale is not None or end == 0)
            return loc + (scale or 1.0) * end if known and loc is not None else far

        # Whether an end belongs to it is a matter of the parameters.
        low, high = moved(low, -math.inf), moved(high, math.inf)
        return between(low, high, math.isfinite(low), math.isfinite(high), _is_discrete(self.family))

    @property
    def mean(self) -> float:
        """Expected value."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """Variance."""
        return self._moment("var")

    def to_scipy(self) -> Any:
        """The frozen distribution of scipy.stats."""
        self._require_complete()
        return self.family(*self._arguments(vars(self)))

    def cdf(self, x: Any) -> Floats:
        with np.errstate(all="ignore"):
            return np.asarray(self.to_scipy().cdf(x))

    def quantile(self, probability: Any) -> Floats:
        with np.errstate(all="ignore"):
            return without_wrong_ends(self, probability, self.to_scipy().ppf(probability))

    def _moment(self, which: str) -> float:
        with np.errstate(all="ignore"):
            return float(getattr(self.to_scipy(), which)())

    def _scipy(self) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        return self.family, tuple(self._arguments(vars(self))), {}

    def _drawn(self, n: int, random: Any) -> Floats:
        return np.asarray(self.to_scipy().rvs(size=n, random_state=random), dtype=float)

    def _shapes(self, values: Mapping[str, Any]) -> list[Any]:
        return [values[name] for name in _shape_names(self.family)]

    def _arguments(self, values: Mapping[str, Any]) -> list[Any]:
        return [*self._shapes(values), values["loc"], *([] if _is_discrete(self.family) else [values["scale"]])]

    def _log_density(self, x: Floats, values: Mapping[str, Any] | None = None) -> Floats:
        log_density = self.family.logpmf if _is_discrete(self.family) else self.family.logpdf
        found = np.asarray(log_density(x, *self._arguments(vars(self) if values is None else values)), dtype=float)
        return np.where(np.isinf(x), -np.inf, found)

    def _fitted(self, x: Floats, weights: Floats) -> ScipyDistribution:
        if _is_discrete(self.family):  # few distinct values: each is asked for once
            x, place = np.unique(x, return_inverse=True)
            weights = np.bincount(place.ravel(), weights=weights).astype(float)
        constraints = self.parameters
        if not constraints:
            return self._trusted(**vars(self))
        share = weights / weights.max()
        share = share / share.sum()
        low, middle, high = weighted_quantiles(x, weights, [0.25, 0.5, 0.75]).tolist()
        floor = max(16 * np.finfo(float).eps * float(np.abs(x).max()), 2.3e-308)
        spread = max(next((s for s in (high - low, float(np.ptp(x)), abs(middle)) if s > 0), 1.0), floor)
        coordinates = [
            Coordinate(name, constraint, middle, spread)
            if name == "loc"
            else Coordinate(name, constraint, least=floor if name == "scale" else 0.0)
            for name, constraint in constraints.items()
        ]

        def mean_log_density(values: Values) -> float:
            return weighted_sum(share, self._log_density(x, values))

        if float(np.ptp(x)) <= 0.0 and {"loc", "scale"} <= constraints.keys():
            # The density at these rows grows without bound as the scale falls: whatever the shapes are, there is no maximum.
            for start in self._starts(x, weights):
                narrow = start | {"scale": floor, "loc": middle - floor * float(self.family.median(*self._shapes(start)))}
                values = max(narrow, start, key=mean_log_density)
                if math.isfinite(mean_log_density(values)):
                    return self._trusted(**{**vars(self), **values, "untold": ("scale",)})
        words = f"ScipyDistribution({_name(self.family)})"
        found = maximise(mean_log_density, self._starts(x, weights), coordinates, words)
        return self._trusted(**{**vars(self), **found.values, "untold": found.untold})

    def _starts(self, x: Floats, weights: Floats) -> Iterator[Values]:
        """Parameters to start from: those at hand, then others, the likeliest first."""
        names = list(_domains(self.family))
        own = vars(self)
        if self.is_complete:
            yield {name: own[name] for name in names}
        sketch = (
            x if len(x) <= SKETCH and np.ptp(weights) == 0 else weighted_quantiles(x, weights, (np.arange(SKETCH) + 0.5) / SKETCH)
        )
        sketch = np.concatenate([sketch, [x.min(), x.max()]])
        ranked: list[tuple[float, int, Values]] = []
        for start in self._guesses(sketch):
            start |= {name: own[name] for name in names if own[name] is not None}
            if not all(np.all(self.parameters[name].contains(start[name])) for name in self.parameters):
                continue
            value = float(np.mean(self._log_density(sketch, start)))
            if math.isfinite(value):
                ranked.append((-value, len(ranked), start))
        for _, _, start in sorted(ranked)[:8]:
            yield start

    def _guesses(self, x: Floats) -> Iterator[Values]:
        names = list(_domains(self.family))
        with contextlib.suppress(Exception):  # it divides by spreads, takes logarithms and so on; a discrete family has none
            yield dict(zip(names, map(float, self.family._fitstart(x)), strict=True))
        quartiles = np.quantile(x, [0.25, 0.5, 0.75])
        for shapes in islice(self._shape_starts(float(np.mean(x))), MOST_STARTS):
            start = dict(zip(names, [*shapes, 0.0, 1.0], strict=False))
            if _is_discrete(self.family):
                yield start
                continue
            try:
                low, middle, high = self.family.ppf([0.25, 0.5, 0.75], *shapes)
                loc, scale = self.fixed.get("loc"), self.fixed.get("scale")
                if scale is None:
                    scale = (quartiles[2] - quartiles[0]) / (high - low) if loc is None else (quartiles[1] - loc) / middle
                    if loc is not None and not scale > 0:
                        scale = np.quantile(np.abs(x - loc), 0.5) / max(abs(low), abs(high))
                yield {**start, "loc": quartiles[1] - scale * middle, "scale": scale}
                loc, scale = self.family._fit_loc_scale_support(x, *shapes)
                yield {**start, "loc": loc, "scale": scale}
            except Exception:
                continue

    def _shape_starts(self, mean: float) -> Iterator[list[Any]]:
        """Combinations of shapes inside their domains, those held at their values."""
        choices = []
        for name in _shape_names(self.family):
            domain = _domains(self.family)[name]
            low, high = domain.low, domain.high
            if name in self.fixed:
                choices.append([self.fixed[name]])
            elif math.isfinite(low) and math.isfinite(high):
                choices.append([low + (high - low) * share for share in (0.5, 0.2, 0.8)])
            elif math.isfinite(low):
                choices.append([low + step for step in (1.0, 0.3, 3.0, 10.0, *([mean - low] if mean > low else []))])
            elif math.isfinite(high):
                choices.append([high - step for step in (1.0, 0.3, 3.0)])
            else:
                choices.append([0.0, 1.0, -1.0, 0.1, -0.1])
        return (list(chosen) for chosen in product(*choices))


def as_distribution(value: Any) -> Any:
    """`value` itself, or what a frozen distribution of scipy.stats stands for as a component.

    Its parameters are where the fit starts. ``loc`` and ``scale`` that were not written are learned where no end of the support
    depends on them, as on the whole line, and held at scipy's 0 and 1 where one does: ``gamma(2)`` keeps starting at 0,
    ``beta(2, 3)`` keeps to [0, 1]. Whole numbers among the shapes are held.
    """
    if not isinstance(value, rv_frozen):
        return value
    family = getattr(scipy.stats, value.dist.name or "", None)
    family = family if type(family) is type(value.dist) else value.dist
    domains = _domains(family)
    given = dict(zip(domains, value.args, strict=False)) | dict(value.kwds)
    parameters = {"loc": 0.0, "scale": 1.0} | given
    low, high = value.dist._get_support(*(parameters[name] for name in _shape_names(family)))
    held = [name for name, constraint in domains.items() if isinstance(constraint, Whole)]
    if "loc" not in given and (np.isfinite(low) or np.isfinite(high)):
        held.append("loc")
    if "scale" not in given and ((np.isfinite(low) and low != 0) or (np.isfinite(high) and high != 0)):
        held.append("scale")
    return ScipyDistribution(
        family, fixed={n: parameters[n] for n in held if n in domains}, **{n: parameters[n] for n in domains if n not in held}
    )


def _is_discrete(family: Any) -> bool:
    return isinstance(family, scipy.stats.rv_discrete)


def _name(family: Any) -> str:
    name = getattr(family, "name", None) or ""
    return f"scipy.stats.{name}" if getattr(scipy.stats, name, None) is family else repr(family)


def _shape_names(family: Any) -> list[str]:
    return [name.strip() for name in family.shapes.split(",")] if family.shapes else []


def _is_same_family(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    mine, theirs = one._updated_ctor_param(), other._updated_ctor_param()
    return mine.keys() == theirs.keys() and all(_is_same(mine[key], theirs[key]) for key in mine)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(np.array_equal(one, other)) or (one != one and other != other)  # NaN is what scipy puts outside


@functools.lru_cache(maxsize=512)
def _domains(family: Any) -> dict[str, Interval]:
    """Constraint of every parameter in scipy's order: as scipy declares them, else as the family's own check answers."""
    found: dict[str, Interval] = {}
    try:
        declared = {info.name: info for info in family._shape_info()}
    except (AttributeError, NotImplementedError):
        declared = {}
    for name in _shape_names(family):
        if name in declared:
            info = declared[name]
            (low, high), (closed_low, closed_high) = map(float, info.domain), info.inclusive
            closed = bool(closed_low) and math.isfinite(low), bool(closed_high) and math.isfinite(high)
            found[name] = between(low, high, *closed, bool(info.integrality))
        else:
            found[name] = _probed(family, name)
    return found | (
        {"loc": between(-math.inf, math.inf, False, False, True)} if _is_discrete(family) else {"loc": real, "scale": positive}
    )


def _probed(family: Any, name: str) -> Interval:
    """The domain of a shape whose family does not declare it: what ``_argcheck`` allows beside ordinary values of the others."""
    names = _shape_names(family)

    def allows(value: float) -> bool:
        for others in (1.0, 0.5, 2.0, 10.0):
            try:
                if np.all(family._argcheck(*(value if other == name else others for other in names))):
                    return True
            except Exception:  # whatever a check does with a value that it never met
                continue
        return False

    low = -math.inf if allows(-0.5) and allows(-1e6) else -1.0 if allows(-0.5) else 0.0
    high = math.inf if allows(1e6) else 1.0
    return between(low, high, math.isfinite(low) and allows(low), math.isfinite(high) and allows(high), False)


def _converted(words: str, name: str, constraint: Interval, value: Any) -> float:
    try:
        found = float(value)
        if constraint.contains(found):
            return int(found) if isinstance(constraint, Whole) else found
    except (TypeError, ValueError):
        pass
    raise ParameterError(f"{words}: {name} must be {constraint.words}, found {value!r}")


def _rebuild(values: dict[str, Any]) -> ScipyDistribution:
    if isinstance(values["family"], str):
        values = {**values, "family": getattr(scipy.stats, values["family"])}
    return ScipyDistribution(**values)
