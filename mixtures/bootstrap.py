"""The bootstrap of a fitted mixture: the same fit to very many samples, and what its parameters do from one to the next.

Each sample is fitted from the parameters at hand, so that components hardly ever change places; where they do, they are put back
by the permutation under which they agree best with the original ones about which rows are whose (Stephens 2000, section 4,
Journal of the Royal Statistical Society B 62): the largest total of the products of both responsibilities over the rows of the
sample. Only components of the same form change places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from mixtures.engine.plan import Floats, Ints
from mixtures.exceptions import DataError, DegenerateWarning, FitError, ParameterError
from mixtures.free_groups import HELD, Number, Scale
from mixtures.free_numbers import flat_values, form_of
from mixtures.information import covariance_of, differentiate, root_of
from mixtures.intervals import NOT_DETERMINED, Estimate, Estimates, check_level, name_of, warn_undetermined
from mixtures.leaves import safe_log
from mixtures.parts import take_apart
from mixtures.replicates import Refit, Refits, side_by_side
from mixtures.resamples import drawn_table, resampled
from mixtures.scores import Mixture
from mixtures.settings import Settings
from mixtures.table import Table
from mixtures.warn import warn

KINDS = ("nonparametric", "parametric")
INTERVALS = ("percentile", "basic")
DRAWN_CELLS = 2**22
"""Rows times columns of draws that are kept at a time."""


@dataclass(frozen=True)
class Labelled:
    """A number among the parameters, where it stands, and whether the rows tell it."""

    component: int
    column: str
    number: Number
    is_told: bool = True

    @property
    def note(self) -> str:
        """Why there is no standard error, or what is to be known of it; "" for nothing."""
        return self.number.reason if self.is_told else NOT_DETERMINED


class Fitted(NamedTuple):
    """The numbers of one fit (m,), None where it failed; its log-likelihood; whether components had changed places."""

    row: Any
    log_likelihood: float
    is_swapped: bool


class Bootstrap:
    """What a bootstrap has found.

    Attributes
    ----------
    kind : "nonparametric" or "parametric".
    replicates : (n_replicates, m) the numbers of every fit, its components in the order of the original ones; NaN where it failed.
    log_likelihoods : (n_replicates,) total log-likelihood of every fit on its own sample, with log-priors.
    n_failed : fits that found no parameters; they are left out of everything else.
    n_swapped : fits whose components had changed places.
    """

    def __init__(
        self,
        labelled: Sequence[Labelled],
        replicates: Floats,
        log_likelihoods: Floats,
        kind: str,
        n_swapped: int,
        implementation: Any,
    ) -> None:
        self.kind, self.n_swapped = kind, n_swapped
        self.replicates, self.log_likelihoods = replicates, log_likelihoods
        self._labelled, self._implementation = labelled, implementation
        self._sound = ~np.isnan(log_likelihoods)
        self.n_failed = int(np.sum(~self._sound))

    @property
    def covariance(self) -> Floats:
        """(m, m) of the numbers, over the fits."""
        scale, spread = self._spread()
        with np.errstate(over="ignore"):
            return np.asarray(scale * spread * scale[:, None])

    def _spread(self) -> tuple[Floats, Floats]:
        """Sizes (m,) of the numbers, and their covariance (m, m) over the fits in these units: squares may be beyond float64."""
        found = self.replicates[self._sound]
        scale = np.abs(found).max(axis=0)
        scale[scale == 0.0] = 1.0
        found = found / scale
        centred = found - found.mean(axis=0)
        return scale, np.asarray(centred.T @ centred / max(len(found) - 1, 1))

    @property
    def bias(self) -> Floats:
        """(m,) mean over the fits less the estimate."""
        return np.asarray(self.replicates[self._sound].mean(axis=0) - [one.number.value for one in self._labelled])

    def standard_errors(self) -> Estimates:
        """Standard deviations over the fits, with 95% percentile intervals."""
        return self.confidence_intervals()

    def confidence_intervals(self, level: float = 0.95, kind: str = "percentile") -> Estimates:
        """Standard errors and confidence intervals.

        Parameters
        ----------
        level : float between 0 and 1.
        kind : "percentile" for quantiles of the fits; "basic" for those of their distances from the estimate, turned about it, on
            the scale on which a number has no ends (a logarithm, log-odds or itself), so that the interval stays in its range
            (Davison & Hinkley 1997, section 5.2).
        """
        check_level(level)
        if kind not in INTERVALS:
            raise ParameterError(f"kind must be one of {INTERVALS}, found {kind!r}")
        found = self.replicates[self._sound]
        scale, spread = self._spread()
        errors = scale * np.sqrt(np.diagonal(spread))
        ends = np.quantile(found, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=0)
        rows = []
        for j, one in enumerate(self._labelled):
            number, error = one.number, float(errors[j])
            low, high = float(ends[0, j]), float(ends[1, j])
            if not one.is_told:
                error = low = high = np.nan
            elif number.standing == HELD:
                error, low, high = 0.0, number.value, number.value
            elif kind == "basic":
                low, high = _turned(number, low, high)
            rows.append(Estimate(one.component, one.column, number.name, number.value, error, low, high, one.note))
        words = f"{self.kind} bootstrap, {len(found)} fits, {kind} intervals"
        return Estimates(rows, float(level), words, self.covariance, self._implementation)

    def __repr__(self) -> str:
        return repr(self.confidence_intervals())


def _turned(number: Number, low: float, high: float) -> tuple[float, float]:
    """Ends of a basic interval from quantiles of the replicates."""
    scale = Scale(number.low, number.high)
    with np.errstate(all="ignore"):
        inside = all(scale.low < value < scale.high for value in (number.value, low, high))
        if not inside:  # a replicate or the estimate stands at an end: turned about it on its own scale, and cut off
            first, last = 2.0 * number.value - high, 2.0 * number.value - low
            return max(first, scale.low), min(last, scale.high)
        middle = 2.0 * scale.to_free(number.value)
        first, last = (scale.from_free(middle - scale.to_free(value)) for value in (high, low))
    return max(first, number.bounds[0]), min(last, number.bounds[1])


def numbers_of(refit: Refit) -> tuple[Floats, list[Floats]]:
    """Weights (k,) and the numbers of every component of a fit."""
    values = [np.array([v for factor in part.factors for v in flat_values(factor)]) for part in refit.parts()]
    return np.exp(refit.log_weights), values


def order_of(refit: Refit, refits: Refits, forms: Sequence[Any]) -> Ints:
    """Which of a fit's components stands for each of the original ones."""
    k = len(forms)
    if k == 1:
        return np.arange(1)
    before = refit.before if refit.before is not None else refit.posterior(refits.start, refits.log_weights)
    after = refit.posterior()
    weights = refit.problem.weights
    agreement = (before * weights[:, None] if weights.size else before).T @ after
    apart = np.array([[own != other for other in forms] for own in forms])
    agreement[apart] = -1e3 * max(float(agreement.sum()), 1.0)
    return np.asarray(linear_sum_assignment(-agreement)[1])


def fits_of(
    components: Sequence[Any],
    weights: Floats,
    table: Table,
    row_weights: Floats | None,
    settings: Settings,
    kind: str,
    n_replicates: int,
    random: Any,
    n_threads: int,
) -> tuple[list[Fitted], list[Labelled]]:
    """The fits to all samples, and what their numbers are.

    Parameters
    ----------
    components, weights : of the fitted mixture.
    table, row_weights : rows of weights (n,) > 0, or None for 1; the samples have as many rows as these sum up to.
    settings : of the fit.
    """
    total = table.n_rows if row_weights is None else max(round(float(row_weights.sum())), 1)
    shares = None if row_weights is None else row_weights / row_weights.sum()
    log_weights = safe_log(weights)
    refits = Refits(take_apart(components, table), table, log_weights, settings)
    complete = refits.assembly.unpack(refits.start)
    root = root_of(complete, weights, table, settings.learn_weights, settings.concentrations)
    is_told = _told(root, refits, row_weights)
    labelled = [
        Labelled(k, ", ".join(table.names[j] for j in place), number, told)
        for k, place, number, told in zip(root.owners, root.places, root.numbers, is_told, strict=True)
    ]
    forms = _forms(complete, root, settings)
    if kind == "nonparametric":
        samples = resampled(shares, table.n_rows, total, n_replicates, random)
        return list(fitted_to(refits, samples, forms, n_threads)), labelled
    found: list[Fitted] = []
    batch = max(1, DRAWN_CELLS // (total * table.n_columns))
    for begin in range(0, n_replicates, batch):
        count = min(batch, n_replicates - begin)
        rows = np.arange(total) if shares is None else random.choice(table.n_rows, total, p=shares)
        drawn = drawn_table(take_apart(complete, table), weights, table, total * count, np.tile(rows, count), random)
        refits = Refits(take_apart(complete, drawn), drawn, log_weights, settings)
        runs = [(place * total, (place + 1) * total) for place in range(count)]
        found += fitted_to(refits, runs, forms, n_threads)
    return found, labelled


def _forms(components: Sequence[Any], root: Mixture, settings: Settings) -> list[Any]:
    """What tells components apart for good, whatever is learned: those that are equal in it may change places."""
    k = len(components)
    concentrations = settings.concentrations or (1.0,) * k
    known = [None] * k if settings.learn_weights else root.weights.tolist()
    held = [[(n.name, n.value) for n in node.numbers if n.standing == HELD] for node in root.nodes]
    return [(form_of(components[j]), held[j], concentrations[j], known[j]) for j in range(k)]


def _told(root: Mixture, refits: Refits, row_weights: Floats | None) -> list[bool]:
    """Whether the rows tell each number: on a ridge of the likelihood fits stay where they begin, so that their spread means
    nothing."""
    posterior = np.empty((refits.table.n_rows, len(refits.log_weights)))
    refits.assembly.evaluate(refits.log_weights, posterior=posterior)
    try:
        found = covariance_of(differentiate(root, refits.table, row_weights, posterior), "observed")
    except (DataError, ParameterError):  # of what has no derivatives the fits alone can tell
        return [True] * len(root.numbers)
    return [not lost for lost in found.undetermined.tolist()]


def fitted_to(refits: Refits, samples: Iterable[Any], forms: Sequence[Any], n_threads: int) -> Iterator[Fitted]:
    """The fits to samples: counts of rows, or pairs of the first and the last but one of a run of them."""

    def fitted(sample: Any) -> Fitted:
        refit = refits.of_rows(*sample) if isinstance(sample, tuple) else refits.of_counts(sample)
        if refit.failed:
            return Fitted(None, np.nan, False)
        order = order_of(refit, refits, forms)
        weights, values = numbers_of(refit)
        row = np.concatenate([weights[order], *[values[place] for place in order]])
        return Fitted(row, refit.log_likelihood, bool((order != np.arange(len(order))).any()))

    yield from side_by_side(fitted, samples, n_threads)


def summarised(found: Sequence[Fitted], labelled: Sequence[Labelled], kind: str, implementation: Any) -> Bootstrap:
    """What the fits to all samples say.

    Raises
    ------
    FitError : no sample could be fitted.
    """
    lost = [name_of(label.component, label.column, label.number.name) for label in labelled if not label.is_told]
    if lost:
        warn_undetermined(lost)
    failed = sum(one.row is None for one in found)
    if failed == len(found):
        raise FitError("bootstrap: no sample could be fitted")
    if failed:
        warn(f"bootstrap: {failed} of {len(found)} samples could not be fitted, and are left out", DegenerateWarning)
    nothing = np.full(len(labelled), np.nan)
    replicates = np.array([nothing if one.row is None else one.row for one in found])
    for j, label in enumerate(labelled):
        if label.number.period:  # the nearest of the angles that mean the same
            replicates[:, j] -= label.number.period * np.rint((replicates[:, j] - label.number.value) / label.number.period)
    values = np.array([one.log_likelihood for one in found])
    return Bootstrap(labelled, replicates, values, kind, sum(one.is_swapped for one in found), implementation)
