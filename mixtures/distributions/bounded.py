"""A distribution whose parameters keep to intervals.

    maximise the sum of w log f(x), low <= parameter <= high,

as the base's own M-step wherever that ends inside. Where it does not, a parameter that stands on its bound and would leave is held
there and the others are maximised given it, the fewest parameters being held such that each of them would leave if it were free (an
active set). One that would leave from within takes two M-steps by turns, until it has met its bound or the step ends inside: its
own maximum given all others, cut off at the bound, then the others' given it (expectation conditional maximisation, Meng & Rubin
1993).

So each M-step is one of the base's, with some parameters held at their present values, cut off at most in a single parameter, along
which the likelihood, or its bound that the base climbs, rises up to the base's step: it is never lower at the bound on the way
than at its start. Hence the likelihood never falls; and where nothing moves any more, the derivative in every parameter is zero or
points out of its interval. A scale bounded from below keeps components of a Normal mixture from shrinking to a row, where the
likelihood has no bound (Hathaway 1985, "A constrained formulation of maximum-likelihood estimation for normal mixture
distributions").

Of the covariance of a MultivariateNormal the eigenvalues are bounded. With S the unconstrained maximum, log det(C) + tr(C^-1 S) is
smallest where C has the eigenvectors of S, and its eigenvalues are those of S cut off at the bounds: whatever the eigenvectors, the
trace is at least the sum of ratios of both's eigenvalues in order (von Neumann), and log c + s / c falls up to c = s and rises from
there. The mean is the best one for any covariance: the M-step is exact (Ingrassia 2004, "A likelihood-based constrained algorithm
for multivariate normal mixture models"; Won et al. 2013, "Condition-number-regularized covariance estimation").
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from mixtures._numba import bits_to_float, float_to_bits, jit
from mixtures._numba_calls import (
    address_of,
    call_accumulate,
    call_log_prior,
    call_log_prob,
    call_maximize,
    call_prepare,
)
from mixtures.constraints import Angle, Covariance, Interval, Whole
from mixtures.distributions.base import Kernels
from mixtures.distributions.multivariate_normal import COVARIANCE, HEAD, KIND, MultivariateNormal
from mixtures.distributions.wrapped import (
    ACCUMULATE,
    LOG_PROB,
    MAXIMIZE,
    PREPARE,
    Constrained,
    Wrapped,
    computed,
    innermost,
    part_from,
)
from mixtures.engine.coordinates import shifted
from mixtures.engine.eigenvalues import clip_eigenvalues
from mixtures.engine.normal_blocks import SHARE
from mixtures.engine.plan import FAILED, FLOORED, REPEAT, UNSETTLED
from mixtures.exceptions import ParameterError

# Packed parameters: addresses of the base's kernels, then
PRIOR = 4  # that of its prior's, 0 for none
START = 5  # where the base's own parameters start
COUNT = 6  # of bounded parameters
TURN = 7  # whether a parameter that would leave has had its turn, so that it is the others'
HELD = 8  # the base's place of the mask of held parameters, -1 for none
ALL = 9  # the mask of all its parameters
BOUNDS = 10  # of each bounded parameter: its bit, its place, low, high
DIMENSION = 6  # of a covariance: the number of columns, then low and high in the unit of the largest
STILL = 1e-11
"""Relative move of a covariance that is the last, where rows lack cells."""


@jit
def _base(parameters, k):
    return part_from(parameters, k, np.int64(parameters[k, START]))


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        call_prepare(float_to_bits(parameters[k, PREPARE]), _base(parameters, k))


@jit
def _log_prob(parameters, x, out):
    for k in range(out.shape[0]):
        call_log_prob(float_to_bits(parameters[k, LOG_PROB]), _base(parameters, k), x, part_from_row(out, k))


@jit
def part_from_row(values, k):
    """Row k, as a matrix."""
    return part_from(values, k, 0)


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    for k in range(responsibilities.shape[0]):
        share, sums = part_from_row(responsibilities, k), part_from_row(statistics, k)
        call_accumulate(float_to_bits(parameters[k, ACCUMULATE]), _base(parameters, k), x, share, sums)


@jit
def _log_prior(parameters):
    value = 0.0
    for k in range(parameters.shape[0]):
        if parameters[k, PRIOR] != 0.0:
            value += call_log_prior(float_to_bits(parameters[k, PRIOR]), _base(parameters, k))
    return value


@jit
def _outside(p, row, j):
    """Whether bounded parameter j has left its interval."""
    bound = p[BOUNDS + 4 * j :]
    value = row[np.int64(bound[1])]
    return not bound[2] <= value <= bound[3]


@jit
def _bit(p, j):
    return np.int64(p[BOUNDS + 4 * j])


@jit
def _attempt(p, sums, base, old, mask):
    """The base's M-step from its old parameters, those of a mask being held."""
    row, place = base[0], np.int64(p[HELD])
    row[:] = old
    own = np.int64(old[place]) if place >= 0 else 0
    if (own | mask) == np.int64(p[ALL]):
        return 0
    if place >= 0:
        row[place] = float(own | mask)
    outcome = call_maximize(float_to_bits(p[MAXIMIZE]), sums, base)
    if place >= 0:
        row[place] = float(own)
    return outcome


@jit
def _leavers(p, old, row, mask):
    """Two sets, as bits from 0 on, of bounded parameters that are not held and have left their intervals: those that stood on the
    bound that they passed, and those that came from within, or from the other bound."""
    on_bound = within = 0
    for j in range(np.int64(p[COUNT])):
        if not mask & _bit(p, j) and _outside(p, row, j):
            bound = p[BOUNDS + 4 * j :]
            place = np.int64(bound[1])
            stood = old[place] <= bound[2] if row[place] < bound[2] else old[place] >= bound[3]
            on_bound |= 1 << j if stood else 0
            within |= 0 if stood else 1 << j
    return on_bound, within


@jit
def _mask_of(p, subset):
    """The mask of some of the bounded parameters."""
    mask = 0
    for j in range(np.int64(p[COUNT])):
        mask |= _bit(p, j) if (subset >> j) & 1 else 0
    return mask


@jit
def _size(subset):
    size = 0
    while subset:
        size += subset & 1
        subset >>= 1
    return size


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        if statistics[k, 0] > 0.0:
            outcome |= _maximize_one(parameters[k], part_from_row(statistics, k), _base(parameters, k))
    return outcome


@jit
def _search(p, sums, base, old, on_bound, forced):
    """The M-step that holds what a mask forces, and of the parameters on their bounds the fewest such that each of them would leave
    if it alone were free again, and no other one does. Returns flags, and those that leave from within."""
    outcome = within = 0
    left = np.zeros(1 << np.int64(p[COUNT]), dtype=np.int64)  # by each set of parameters that is held
    for size in range(_size(on_bound) + 1):
        for subset in range(left.size):
            if subset & ~on_bound or _size(subset) != size:
                continue
            outcome = _attempt(p, sums, base, old, _mask_of(p, subset) | forced)
            if outcome & (REPEAT | FAILED):
                return outcome, 0
            left[subset], within = _leavers(p, old, base[0], _mask_of(p, subset) | forced)
            needed = left[subset] == 0
            for j in range(np.int64(p[COUNT])):
                if (subset >> j) & 1:
                    needed &= (left[subset & ~(1 << j)] >> j) & 1 == 1
            if needed:
                return outcome, within
    # All of them: a step of the others that is as good, if not the one looked for.
    return outcome, within


@jit
def _first(subset):
    first = 0
    while not (subset >> first) & 1:
        first += 1
    return first


@jit
def _maximize_one(p, sums, base):
    row = base[0]
    old = row.copy()
    on_bound = 0
    for j in range(np.int64(p[COUNT])):
        bound = p[BOUNDS + 4 * j :]
        value = old[np.int64(bound[1])]
        if value <= bound[2] or value >= bound[3]:
            on_bound |= 1 << j
    outcome, leaving = _search(p, sums, base, old, on_bound, 0)
    if outcome & (REPEAT | FAILED) or leaving == 0:
        return outcome
    j = _first(leaving)
    if p[TURN] == 0.0:
        own = _attempt(p, sums, base, old, np.int64(p[ALL]) & ~_bit(p, j))
        if not own & (REPEAT | FAILED):
            p[TURN] = 1.0
            bound = p[BOUNDS + 4 * j :]
            place = np.int64(bound[1])
            if _outside(p, row, j):
                own &= ~FLOORED
                row[place] = min(max(row[place], bound[2]), bound[3])
        return own | UNSETTLED
    forced = 0
    while leaving:
        forced |= _mask_of(p, leaving)
        outcome, leaving = _search(p, sums, base, old, on_bound, forced)
        if outcome & (REPEAT | FAILED):
            return outcome
    p[TURN] = 0.0
    return outcome | UNSETTLED


@jit
def _maximize_covariance(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        if not statistics[k, 0] > 0.0:
            continue
        p, base = parameters[k], _base(parameters, k)
        d = np.int64(p[DIMENSION])
        share, square = base[0, HEAD + SHARE * d : HEAD + (SHARE + 1) * d], HEAD + 6 * d + COVARIANCE * d * d
        old = base[0].copy()
        own = call_maximize(float_to_bits(p[MAXIMIZE]), part_from_row(statistics, k), base)
        if own & (REPEAT | FAILED):
            outcome |= own
            continue
        covariance = base[0, square : square + d * d].reshape(d, d)
        scaled = np.empty((d, d))
        for i in range(d):
            for j in range(d):
                scaled[i, j] = covariance[i, j] * share[i] * share[j]
        raised, lowered = clip_eigenvalues(scaled, p[DIMENSION + 1], p[DIMENSION + 2], base[0, KIND] != 0.0)
        if raised:
            own &= ~FLOORED
        if raised or lowered:
            for i in range(d):
                for j in range(d):
                    covariance[i, j] = scaled[i, j] / (share[i] * share[j])
        if own & UNSETTLED:  # which the base says of the covariance before it was cut off
            own &= ~UNSETTLED
            for i in range(d):
                mean, variance = HEAD + i, square + i * d + i
                spread = abs(base[0, mean] - old[mean]) / np.sqrt(old[variance])
                for j in range(d):
                    size = np.sqrt(old[variance] * old[square + j * d + j])
                    spread = max(spread, abs(covariance[i, j] - old[square + i * d + j]) / size)
                own |= UNSETTLED if spread > STILL else 0
        outcome |= own
    return outcome


class Bounded(Constrained):
    """A distribution with parameters that a fit keeps inside intervals.

    Parameters
    ----------
    base : a family of the package, or one of which some parameters are :class:`~mixtures.distributions.Frozen`.
    **bounds : of each bounded parameter by name (low, high), both included; None for an end that is open. Of the ``covariance`` of
        a MultivariateNormal, those of its eigenvalues: variances in any direction, in the columns' squared units.

    Notes
    -----
    What has been bounded is what :class:`~mixtures.exceptions.DegenerateWarning` does not speak of: where rows agree, a scale stops
    at its bound. A parameter at a bound counts in ``n_parameters``, as any other. Whole parameters, ends of a support, which rows
    decide, and angles, which have no order, are not bounded.

    Examples
    --------
    >>> from mixtures.distributions import Normal
    >>> Bounded(Normal(), std=(0.1, None)).fit([3.0, 3.0, 3.0])
    Bounded(Normal(mean=3.0, std=0.1), std=(0.1, None))
    """

    def __init__(self, base: Any, **bounds: tuple[float | None, float | None]) -> None:
        super().__init__(base)
        if not bounds:
            raise ParameterError(f"Bounded: expected bounds of parameters of {base!r}, found none")
        if isinstance(base, Wrapped) and not (isinstance(base, Constrained) and base.keeps_plates and base.held is not None):
            raise ParameterError(f"Bounded: expected a family, or one of which some parameters are held, found {base!r}")
        if base.held is None and len(base.parameters) > 1:
            raise ParameterError(f"Bounded: {type(base).__name__} cannot hold one of its parameters and learn the others")
        intervals = {name: self._interval(name, pair) for name, pair in bounds.items()}
        vars(self)["bounds"] = {name: (_open(low), _open(high)) for name, (low, high) in intervals.items()}
        for name in bounds:
            value = base.parameter_values()[name]
            if value is not None and not self._keeps(name, value):
                raise ParameterError(f"Bounded: {name} must start between its bounds {bounds[name]}, found {value!r}")

    bounds: dict[str, tuple[float | None, float | None]]

    def _limits(self) -> dict[str, tuple[float, float]]:
        """The bounds, open ends being infinite."""
        ends = vars(self).get("bounds", {}).items()
        return {name: (-math.inf if low is None else low, math.inf if high is None else high) for name, (low, high) in ends}

    def _interval(self, name: str, pair: Any) -> tuple[float, float]:
        constraint = self.base.parameters.get(name)
        if constraint is None:
            raise ParameterError(f"Bounded: {self.base!r} learns the parameters {list(self.base.parameters)}, found {name!r}")
        is_matrix = isinstance(constraint, Covariance) and isinstance(innermost(self.base), MultivariateNormal)
        is_circular = isinstance(self.base.support, Angle) and constraint.low == -math.inf
        is_number = isinstance(constraint, Interval) and not isinstance(constraint, Whole)
        if not (is_number or is_matrix) or is_circular or name in innermost(self.base).ends:
            raise ParameterError(f"Bounded: {name} of {type(self.base).__name__} is no parameter that bounds can be given for")
        try:
            low, high = (-math.inf if pair[0] is None else float(pair[0])), (math.inf if pair[1] is None else float(pair[1]))
            ordered = len(pair) == 2 and low < high
        except (TypeError, ValueError, IndexError):
            ordered = False
        if not ordered:
            raise ParameterError(f"Bounded: {name} needs (low, high), low below high and None for an open end, found {pair!r}")
        least, most = (0.0, math.inf) if is_matrix else (constraint.low, constraint.high)
        low, high = (-math.inf if low <= least else low), (math.inf if high >= most else high)
        if not (low < most and high > least) or (math.isinf(low) and math.isinf(high)):
            raise ParameterError(f"Bounded: {pair!r} leaves {name} nothing, or all that it may be: {constraint.words}")
        return low, high

    @property
    def _is_covariance(self) -> bool:
        return "covariance" in self.bounds and isinstance(innermost(self.base), MultivariateNormal)

    def _keeps(self, name: str, value: Any) -> bool:
        low, high = self._limits()[name]
        if np.ndim(value) or isinstance(self.base.parameters[name], Covariance):
            found = np.linalg.eigvalsh(value) if np.ndim(value) == 2 else np.atleast_1d(np.asarray(value, dtype=float))
            rounding = 1e-12 * float(np.abs(found).max())
            return bool(found.min() >= low - rounding and found.max() <= high + rounding)
        return bool(low <= value <= high)

    @computed
    def parameters(self):
        """Those of the base, the bounded ones in their intervals."""
        own = dict(getattr(vars(self).get("base"), "parameters", {}))
        for name, (low, high) in self._limits().items():
            if isinstance(own[name], Interval):
                ends = [(">=", low), ("<=", high)]
                words = [own[name].words, *(f"{sign} {end:.15g}" for sign, end in ends if math.isfinite(end))]
                own[name] = replace(
                    own[name],
                    low=max(low, own[name].low),
                    high=min(high, own[name].high),
                    closed_low=own[name].closed_low or low > -math.inf,
                    closed_high=own[name].closed_high or high < math.inf,
                    words=", ".join(words),
                )
        return own

    several_columns = False

    @computed
    def kernels(self):
        maximize = _maximize_covariance if self._is_covariance else _maximize
        prior = None if self.base.kernels.log_prior is None else _log_prior
        return Kernels(_prepare, _log_prob, _accumulate, maximize, prior)

    @property
    def _plate_kind(self):
        return Bounded, self.base._plate_kind, tuple(self.bounds), self._is_covariance

    def __repr__(self) -> str:
        words = (f"{name}={pair!r}" for name, pair in self.bounds.items())
        return f"Bounded({self.base!r}, {', '.join(words)})"

    def __hash__(self) -> int:
        return hash((Bounded, self.base, tuple(self.bounds.items())))

    def __reduce__(self) -> Any:
        return _rebuild, (self.base, self.bounds)

    def _around(self, base: Any, **arguments: Any) -> Bounded:
        """Around `base`, its parameters moved inside the bounds."""
        moved = {}
        for name, (low, high) in self._limits().items():
            value = base.parameter_values()[name]
            if value is not None and not self._keeps(name, value):
                moved[name] = _clipped(value, low, high)
        return Bounded(base.replaced(**moved) if moved else base, **self.bounds)

    def replaced(self, **parameters: Any) -> Bounded:
        """This distribution with other values for some of its parameters, which must lie inside their bounds."""
        try:
            base = self.base.replaced(**parameters)
        except ParameterError as error:
            raise ParameterError(f"Bounded: {error}") from None
        return Bounded(base, **self.bounds)

    def _completed(self, table, columns):
        return self._around(self.base._completed(table, columns))

    def _start(self, column):
        return self._around(self.base._start(column))

    def _covering(self, table, columns, held=()):
        return self._around(self.base._covering(table, columns, held))

    def _head(self) -> int:
        return DIMENSION + 3 if self._is_covariance else BOUNDS + 4 * len(self.bounds)

    def _layout(self, column):
        n_parameters, n_statistics = self.base._layout(column)
        return self._head() + n_parameters, n_statistics

    def _coordinates(self, column):
        # Beyond its bound a parameter may be likelier, but from there EM comes back.
        bounded = {self.base._places[name] for name in self.bounds}
        return shifted([row for row in self.base._coordinates(column) if row[3] not in bounded], self._head())

    carries = computed(lambda self: self.base.carries)

    def _expected(self, row, column):
        return self.base._expected(row[self._head() :], column)

    def _carried(self, statistics, old, new, before, after):
        head = self._head()
        return self.base._carried(statistics, old[head:], new[head:], before, after)

    def _pack(self, column):
        own = self.base.kernels.log_prior
        prior = 0.0 if own is None else bits_to_float(address_of(own, "log_prior"))
        packed = list(self.base._pack(column))
        head = [*self._addresses(), prior, self._head()]
        if self._is_covariance:
            unit = max(place.unit for place in column)
            low, high = self._limits()["covariance"]
            return [*head, len(column), low / unit / unit, high / unit / unit, *packed]
        held = -1 if self.base.held is None else self.base.held
        places = self.base._places
        head += [len(self.bounds), 0.0, held, (1 << len(places)) - 1]
        for name, (low, high) in self._limits().items():
            place = self._place_of(name, column)
            ends = [math.inf if math.isinf(end) else self.base.replaced(**{name: end})._pack(column)[place] for end in (low, high)]
            head += [1 << places[name], place, -math.inf if math.isinf(low) else ends[0], ends[1]]
        return [*head, *packed]

    def _place_of(self, name: str, column: Any) -> int:
        """Where a parameter is packed: the first place, before all that is derived from it, at which two values of it differ."""
        low, high = self.bounds[name]
        one: Any = high if low is None else low
        constraint = self.base.parameters[name]
        other = next(x for x in (0.5 * one, 2.0 * one, one - 1.0, one + 1.0) if x != one and constraint.contains(x))
        rows = [np.asarray(self.base.replaced(**{name: value})._pack(column)) for value in (one, other)]
        return int(np.flatnonzero(rows[0] != rows[1])[0])

    def _unpack(self, row, column):
        # In the column's unit and origin a bound may be rounded: it is met to the last digit.
        return self._around(self.base._unpack(row[self._head() :], column))


def _clipped(value: Any, low: float, high: float) -> Any:
    """A number, variances, or the eigenvalues of a covariance, cut off at bounds."""
    if np.ndim(value) < 2:
        found = np.clip(value, low, high)
        return tuple(found.tolist()) if np.ndim(value) else float(found)
    matrix = np.array(value, dtype=float)
    values, vectors = np.linalg.eigh(matrix)
    change = vectors * (np.clip(values, low, high) - values) @ vectors.T
    return matrix + 0.5 * (change + change.T)


def _open(end: float) -> float | None:
    return None if math.isinf(end) else end


def _rebuild(base: Any, bounds: dict[str, Any]) -> Bounded:
    return Bounded(base, **bounds)
