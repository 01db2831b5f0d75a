"""Laws of the weighted fit: what weights mean, where a maximum lies, what must survive."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.constraints import Covariance, Interval, Simplex, UnitVector, Vector, Whole
from mixtures.exceptions import MixturesError
from mixtures.testing.cases import Case, Rows, as_numbers, parts, require

Floats = npt.NDArray[np.float64]
GRADIENT_TOLERANCE = 1e-4
"""Distance of a fitted parameter from the maximum, in standard errors of a single row. A fit that ignores weights, divides by
n - 1 or takes a variance for a standard deviation is off by 1e-3 and more on the rows used here."""


def _whole_weights(case: Case) -> Floats:
    weights = case.random().integers(0, 4, size=len(case.rows)).astype(float)
    weights[0] = 3.0
    weights.setflags(write=False)
    return weights


def unit_weights_change_nothing(case: Case) -> None:
    """A fit without weights equals the fit with weight 1 for every row."""
    case.require_same(case.fit(case.rows, np.ones(len(case.rows))), case.fit(case.rows), "fit with unit weights")


def weights_mean_repetition(case: Case) -> None:
    """A fit with whole weights equals the fit to rows repeated as often."""
    weights = _whole_weights(case)
    repeated = np.repeat(case.rows, weights.astype(int), axis=0)
    case.require_same(case.fit(case.rows, weights), case.fit(repeated), "fit with whole weights, against repeated rows")


def _mixture_of(distribution: Any) -> Any:
    from mixtures.model import GeneralMixtureModel

    # So many iterations whatever happens: enough for a family that climbs, by Newton's steps or slower ones.
    return GeneralMixtureModel([distribution], tol=0, max_iter=200)


def zero_weight_rows_are_inert(case: Case) -> None:
    """Rows of weight 0 change nothing: other rows of the support, and whatever else a table may hold.

    NaN, infinities, values outside the support and unseen categories are kept from a distribution that does not derive from
    ``Distribution`` by the engine: there the law is checked on a mixture of that one component.
    """
    plain = case.fit(case.rows)
    weights = np.concatenate([np.ones(len(case.rows)), np.zeros(20)])
    extra = case.rows[case.random().integers(len(case.rows), size=20)]
    case.require_same(case.fit(np.concatenate([case.rows, extra]), weights), plain, "fit with rows of weight 0")
    for value in (np.nan, np.inf, -np.inf, -1.0, 0.5):
        garbage = np.full((20, len(case.domains)), value, dtype=object)
        for j, domain in enumerate(case.domains):
            if isinstance(domain, tuple) and value == value:
                garbage[:, j] = "a category never seen"
        rows = as_numbers(np.concatenate([case.rows.astype(object), garbage]))
        if case.promises:
            case.require_same(case.fit(rows, weights), plain, f"fit with rows of weight 0 that hold {value}")
        else:
            found = _mixture_of(case.distribution).fit(case.table(rows), sample_weight=weights).components_[0]
            case.require_same(found, plain, f"mixture of one component, fitted with rows of weight 0 that hold {value}")


def missing_cells_are_left_out(case: Case) -> None:
    """A fit to one column with missing cells equals the fit to the others; by the engine where it is not the family's own."""
    if not case.one_column:
        return
    rows = np.array(case.rows, dtype=object if case.categorical else float)
    gone = case.random().uniform(size=len(rows)) < 0.3
    rows[gone] = np.nan
    expected = case.fit(case.rows[~gone])
    found = case.fit(rows) if case.promises else _mixture_of(case.distribution).fit(case.table(rows)).components_[0]
    case.require_same(found, expected, "fit with missing cells, against a fit without those rows")


def no_other_fit_is_better(case: Case) -> None:
    """Under weights w, no distribution fitted to other weights is likelier than the one fitted to w.

    Asked, as the next law, of distributions whose parts all declare ``is_maximum_likelihood`` or say nothing of it.
    """
    if not case.is_maximum_likelihood:
        return
    random = case.random()
    weights = random.uniform(0.0, 3.0, size=len(case.rows))
    best = case.objective(case.fit(case.rows, weights), case.rows, weights)
    for spread in (0.02, 0.2, 1.0):
        for _ in range(4):
            other = case.fit(case.rows, weights * np.exp(spread * random.standard_normal(len(weights))))
            value = case.objective(other, case.rows, weights)
            slack = 1e-9 * (1 + abs(best))
            require(
                not value > best + slack,
                f"{other!r} has the larger likelihood: {value} a row, against {best} of the fit to these weights",
            )


def _moves(distribution: Any, constraint: Interval | Simplex, name: str) -> Iterator[tuple[str, Any, float, float]]:
    """Ways to move one parameter: (words, function of a step to the moved distribution, least and largest step)."""

    def rebuilt(value: Any) -> Any:
        return distribution.replaced(**{name: value})

    value = distribution.parameter_values()[name]
    if isinstance(constraint, Simplex):
        for i in range(1, len(value)):

            def shift(step: float, i: int = i) -> Any:
                moved = list(value)
                moved[i] += step
                moved[0] -= step
                return rebuilt(tuple(moved))

            if value[0] + value[i] > 0:
                yield f"{name}[{i}]", shift, -value[i], value[0]
    elif isinstance(constraint, Vector):
        cells = constraint.cells
        for i in range(len(value)):
            low, high = cells.low - value[i], cells.high - value[i]
            yield f"{name}[{i}]", lambda step, i=i: rebuilt((*value[:i], value[i] + step, *value[i + 1 :])), low, high
    elif isinstance(constraint, UnitVector):
        direction = np.asarray(value)
        for i in range(len(value)):
            tangent = np.eye(len(value))[i] - value[i] * direction

            def turned(step: float, tangent: Floats = tangent) -> Any:
                moved = direction + step * tangent
                return rebuilt(moved / np.linalg.norm(moved))

            yield f"{name}[{i}]", turned, -1.0, 1.0
    elif isinstance(constraint, Covariance) and np.ndim(value) < 2:
        variances = np.asarray(value, dtype=float)
        for i in range(variances.size):
            place = np.arange(variances.size).reshape(variances.shape) == i
            room = float(variances[place][0]) / 2
            yield f"{name}[{i}]", lambda step, place=place: rebuilt(variances + step * place), -room, room
    elif isinstance(constraint, Covariance):
        matrix = np.asarray(value)
        room = float(np.linalg.eigvalsh(matrix)[0]) / 2
        for i, j in np.ndindex(matrix.shape):
            unit = np.zeros(matrix.shape)
            unit[i, j] = unit[j, i] = 1.0
            yield f"{name}[{i}, {j}]", lambda step, unit=unit: rebuilt(matrix + step * unit), -room, room
    elif not isinstance(constraint, Whole):
        yield name, lambda step: rebuilt(value + step), constraint.low - value, constraint.high - value


def _check_end(case: Case, member: Any, rebuild: Any, name: str, rows: Rows, weights: Floats) -> None:
    """A parameter that is an end of the support: the likelihood falls outwards, and inwards a row is impossible."""
    value, outwards = member.parameter_values()[name], member.ends[name]

    def objective(step: float) -> float:
        try:
            return case.objective(rebuild(member.replaced(**{name: value + outwards * step})), rows, weights)
        except MixturesError:  # the ends have met
            return -np.inf

    size = 1e-9 * (abs(value) or 1.0)
    slack = 1e-10 * (1 + abs(objective(0.0)))
    require(objective(size) <= objective(0.0) + slack, f"the likelihood rises where {name} moves outwards from {member!r}")
    require(objective(-size) == -np.inf, f"{name} of {member!r} must be the outermost row, but every row allows it further in")


def _check_move(case: Case, fitted: Any, rebuild: Any, move: tuple[str, Any, float, float], rows: Rows, weights: Floats) -> None:
    words, moved, least, largest = move

    def value(step: float) -> float:
        return case.objective(rebuild(moved(step)), rows, weights)

    centre = value(0.0)
    slack = 1e-10 * (1 + abs(centre))
    room = min(-least, largest)
    if room <= 0:  # at a declared end: the likelihood may only fall inwards
        reach, sign = (largest, 1.0) if least == 0 else (-least, -1.0)
        inwards = sign * 1e-6 * (reach if np.isfinite(reach) else 1.0)
        require(value(inwards) <= centre + slack, f"{words} is at the end of its range, yet the likelihood rises inwards")
        return
    # The step at which the likelihood of a row falls by 1e-4 or so: far above rounding, far below the range of cubic terms.
    step = min(room / 4, 1e3 * (1 + abs(float(np.max(np.abs(_numbers(fitted)), initial=0.0)))))
    for _ in range(400):
        fall = centre - (value(step) + value(-step)) / 2
        if fall < 2e-4:
            break
        step /= 1.3
    require(fall > -slack, f"the likelihood rises on both sides of {words}")
    if fall == np.inf:
        return  # no other value is possible: a point mass
    if fall < 1e-9:
        return  # flat: this parameter does not matter here
    curvature = 2 * fall / step**2
    slope = [(value(h) - value(-h)) / (2 * h) for h in (step, step / 2)]
    gradient = (4 * slope[1] - slope[0]) / 3  # Richardson: cubic terms cancel
    offset = abs(gradient) / np.sqrt(curvature)
    noise = 64 * np.finfo(float).eps * (1 + abs(centre)) / (step * np.sqrt(curvature))
    require(
        offset <= GRADIENT_TOLERANCE + noise or _is_corner(value, step),
        f"the log-likelihood's gradient in {words} is not zero at the fit {fitted!r}: the maximum is {offset:.3g} row errors away",
    )


def _is_corner(value: Callable[[float], float], step: float) -> bool:
    """Whether the likelihood falls to both sides of a maximum however small the step, as at a median: no gradient is 0 there.

    Beside a smooth maximum the likelihood rises on one side, once the step is shorter than the way to it.
    """
    centre = value(0.0)
    slack = 4 * np.finfo(float).eps * (1 + abs(centre))
    return all(max(value(h), value(-h)) <= centre + slack for h in step * 10.0 ** -np.arange(5))


def _numbers(value: Any) -> list[float]:
    """Every number among the parameters of a distribution."""
    if isinstance(value, (bool, str, bytes)) or value is None:
        return []
    if isinstance(value, (int, float, np.number)):
        return [float(value)]
    if isinstance(value, np.ndarray):
        return [] if value.dtype.kind not in "fiu" else [float(x) for x in value.flat]
    if isinstance(value, (list, tuple)):
        return [x for part in value for x in _numbers(part)]
    if isinstance(value, dict):
        return [x for part in value.values() for x in _numbers(part)]
    if not hasattr(value, "__dict__"):
        return []
    # What else an object may hold, a family of scipy's, say, is no parameter.
    kept = [part for name, part in vars(value).items() if name != "categories"]
    return [x for part in kept if hasattr(part, "log_prob") or not hasattr(part, "__dict__") for x in _numbers(part)]


def _replaced(product: Any, key: Any, factor: Any) -> Any:
    return type(product)({**product.factors, key: factor})


def gradient_is_zero(case: Case) -> None:
    """At a weighted fit the likelihood is flat in every declared parameter, or the parameter is at the end of its range, which for
    an end of the support is the outermost row.

    Central differences with Richardson's correction; asked of distributions that declare ``parameters`` and of their products.
    """
    if not case.is_maximum_likelihood:
        return
    weights = case.random().uniform(0.0, 3.0, size=len(case.rows))
    fitted = case.fit(case.rows, weights)
    factors = getattr(fitted, "factors", None)
    members: list[tuple[Any, Callable[[Any], Any]]] = [(fitted, lambda new: new)]
    if isinstance(factors, dict):
        members = [(factor, partial(_replaced, fitted, key)) for key, factor in factors.items()]
    for member, rebuild in members:
        for name, constraint in getattr(member, "parameters", {}).items():
            if name in getattr(member, "ends", {}):
                _check_end(case, member, rebuild, name, case.rows, weights)
                continue
            for move in _moves(member, constraint, name):
                _check_move(case, fitted, rebuild, move, case.rows, weights)


def fit_leaves_everything_alone(case: Case) -> None:
    """fit returns another object and changes neither the distribution nor its arguments."""
    before = case.log_prob(case.rows)
    weights = np.ones(len(case.rows))
    weights[::2] = 2.0
    kept = weights.copy()
    rows, held = case.table(case.rows), case.table(case.rows.copy())
    fitted = case.distribution.fit(rows, sample_weight=weights)
    require(fitted is not case.distribution, "fit must return a new object")
    require(np.array_equal(weights, kept), "fit changed sample_weight")
    require(pickle.dumps(np.asarray(rows).tolist()) == pickle.dumps(np.asarray(held).tolist()), "fit changed X")
    require(np.array_equal(case.log_prob(case.rows), before), "fit changed the distribution that it was called on")


def _degenerate(domain: Interval | tuple[Any, ...]) -> dict[str, list[Any]]:
    """Columns of three values, by what is degenerate about them."""
    if isinstance(domain, tuple):
        first, last = domain[0], domain[-1]
        return {"constant": [first, first, first], "two values": [first, last, last]}
    candidates = {
        "constant": [3.0, 3.0, 3.0],
        "ones": [1.0, 1.0, 1.0],
        "two values": [0.0, 1.0, 1.0],
        "all zero": [0.0, 0.0, 0.0],
        "huge": [1e300, 2e300, 3e300],
        "tiny": [1e-300, 2e-300, 3e-300],
        "far and close": [1e9 - 1, 1e9, 1e9 + 1],
        "constant and huge": [1e300, 1e300, 1e300],
        "of two scales": [1e-10, 1.0, 1e10],
        "constant below 1": [0.3, 0.3, 0.3],
        "two values below 1": [0.25, 0.75, 0.75],
        "constant below 0": [-2.5, -2.5, -2.5],
        "far apart": [-1e300, 1e300, 1e300],
        "with an outlier": [1.0, 2.0, 1e300],
    }
    return {words: values for words, values in candidates.items() if np.all(domain.contains(values))}


def _degenerate_tables(case: Case) -> Iterator[tuple[str, Rows]]:
    """Tables whose columns are degenerate alike, as far as their domains allow, and their first rows alone."""
    columns = [_degenerate(domain) for domain in case.domains]
    for places, support in case.blocks:
        tables = support.degenerate(len(places))
        for j, place in enumerate(places):
            columns[place] = {words: table[:, j].tolist() for words, table in tables.items()}
    if not all(columns):
        return
    for words in dict.fromkeys(words for column in columns for words in column):
        chosen = [column.get(words, next(iter(column.values()))) for column in columns]
        rows = np.empty((3, len(chosen)), dtype=object)
        for j, values in enumerate(chosen):
            rows[:, j] = values
        yield words, as_numbers(rows)
        yield f"one row of {words}", as_numbers(rows[:1])


def degenerate_data_are_survived(case: Case) -> None:
    """Rows that agree, one row, huge and tiny values: parameters are finite and the rows possible, or there is an error.

    The error is one of :mod:`mixtures.exceptions`; of a part that does not derive from ``Distribution``, any ValueError.
    """
    for words, rows in _degenerate_tables(case):
        with np.errstate(all="ignore"):
            try:
                fitted = case.fit(rows)
            except MixturesError:
                continue
            except ValueError:
                if case.ours:
                    raise
                continue
            numbers = [x for part in parts(fitted) for x in _numbers(part)]
            require(np.all(np.isfinite(numbers)), f"{words} data gave parameters that are not finite: {fitted!r}")
            found = case.log_prob(rows, fitted)
        require(np.all(np.isfinite(found)), f"{words} data gave {fitted!r}, under which those rows have log_prob {found}")


def mixture_of_one_equals_component(case: Case) -> None:
    """A mixture of this one component has its fit, weighted or not, and its log-density."""
    for weights in (None, _whole_weights(case)):
        mixture = _mixture_of(case.distribution).fit(case.table(case.rows), sample_weight=weights)
        fitted = case.fit(case.rows, weights)
        case.require_same(mixture.components_[0], fitted, "mixture of one component, against the component's own fit")
        found, expected = np.asarray(mixture.log_prob(case.table(case.rows))), case.log_prob(case.rows, fitted)
        close = np.allclose(found, expected, rtol=1e-7, atol=1e-7)
        require(close, f"the mixture's log_prob starts {found[:3]}, the component's {expected[:3]}")
