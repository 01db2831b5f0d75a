"""How many components: the likelihood of K against K + 1, judged by samples of the mixture of K.

Twice the gain of the log-likelihood has no chi-squared distribution here: under K components a mixture of K + 1 is not
identified. So its distribution is drawn (McLachlan 1987, Applied Statistics 36): samples of the fitted mixture of K are fitted
with K components and with K + 1, and the p-value is the share of their statistics that are at least as large as the observed one.

A sample's fit of K starts at the mixture that it was drawn of. That of K + 1 starts where each component of the former is split
in two, and at some clusters, a few steps each; the best ones go on to their ends, and moves of components lead away from there as
long as that gains anything. A mixture of K + 1 can be what one of K is, so its likelihood is at least as high: where a search ends
lower, the statistic is 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from mixtures.checks import read_weights, without_zeros
from mixtures.distributions.scipy_distribution import as_distribution
from mixtures.e_steps import SOFT
from mixtures.engine.plan import Floats
from mixtures.exceptions import DegenerateWarning, FitError, ParameterError
from mixtures.fitting import fit_mixture
from mixtures.initialise import seed_of
from mixtures.intervals import check_level
from mixtures.knowledge import NOTHING
from mixtures.leaves import safe_log
from mixtures.model import GeneralMixtureModel
from mixtures.parts import take_apart
from mixtures.replicates import Refit, Refits, side_by_side
from mixtures.resamples import drawn_table
from mixtures.result_tables import implementation_of, table_of
from mixtures.searches import Search, best_of, with_a_spare
from mixtures.settings import Settings
from mixtures.table import Table
from mixtures.warn import warn

CLUSTER_STARTS = 24
"""Starts of K + 1 components from clusters, besides those that split one of K. With so many the search misses the best known fit
of samples of Old Faithful as often as the one that fits X does, in half of its time (tests/benchmarks/bootstrap_lrt.py)."""
DRAWN_CELLS = 2**22
"""Rows times columns of draws that are kept at a time."""
LEAST_DRAWN = 4
"""Samples that are kept at a time, however large; never a function of the threads, which must not change the draws."""
SMALL_GAIN = 1e-6
"""Gains of a log-likelihood, relative to its size or 1, that are taken for rounding and for what EM left."""


class LikelihoodRatioTest:
    """A test of K components against K + 1.

    Attributes
    ----------
    n_components : K.
    statistic : twice the gain of the log-likelihood with one component more, >= 0.
    p_value : (1 + number of samples whose statistic is at least as large) / (1 + number of samples).
    null : (m,) the statistics of the samples that could be fitted, in the order in which they were drawn.
    n_failed : samples that could not be fitted; they are left out.
    smaller, larger : the fitted mixtures of K and of K + 1.
    """

    def __init__(self, smaller: Any, larger: Any, statistic: float, null: Floats, n_failed: int) -> None:
        self.smaller, self.larger = smaller, larger
        self.n_components = len(smaller.components_)
        self.statistic, self.null, self.n_failed = statistic, null, n_failed

    @property
    def p_value(self) -> float:
        """(1 + number of samples whose statistic is at least as large) / (1 + number of samples)."""
        slack = SMALL_GAIN * max(1.0, abs(self.statistic))  # ties count: a statistic of 0 is as good as another
        return float((1 + np.sum(self.null >= self.statistic - slack)) / (1 + len(self.null)))

    def __repr__(self) -> str:
        return repr(LikelihoodRatioTests([self]))


class LikelihoodRatioTests(Sequence[LikelihoodRatioTest]):
    """Tests of several numbers of components, in ascending order."""

    def __init__(self, tests: Sequence[LikelihoodRatioTest], X: Any = None) -> None:
        self._tests = tuple(tests)
        self._implementation = implementation_of(X)

    def __len__(self) -> int:
        return len(self._tests)

    def __getitem__(self, place: Any) -> Any:
        return self._tests[place]

    def __iter__(self) -> Iterator[LikelihoodRatioTest]:
        return iter(self._tests)

    def chosen(self, level: float = 0.05) -> int:
        """The first number of components that is not rejected against one more at this level; one more than the largest number
        where all are."""
        kept = [test.n_components for test in self if test.p_value > level]
        return kept[0] if kept else self[-1].n_components + 1

    @property
    def table(self) -> Any:
        """A row a test: a frame of the library that the rows came in; of arrays a list of dictionaries."""
        columns: dict[str, list[Any]] = {
            "n_components": [test.n_components for test in self],
            "statistic": [test.statistic for test in self],
            "p_value": [test.p_value for test in self],
            "n_samples": [len(test.null) for test in self],
            "n_failed": [test.n_failed for test in self],
        }
        return table_of(columns, self._implementation)

    def _rows(self) -> list[list[str]]:
        return [
            [
                f"{test.n_components} against {test.n_components + 1}",
                f"{test.statistic:.2f}",
                f"{np.quantile(test.null, 0.95):.2f}",
                f"{test.p_value:.4f}",
                str(len(test.null)),
            ]
            for test in self
        ]

    def __repr__(self) -> str:
        from mixtures.tables import table_text

        return table_text(HEADS, self._rows(), "<>>>>")

    def _repr_html_(self) -> str:
        from mixtures.tables import table_html

        return table_html(HEADS[:1], HEADS[1:], [[[cell] for cell in row] for row in self._rows()])


HEADS = ["components", "2 log ratio", "95% of samples", "p-value", "samples"]


def bootstrap_lrt(
    components: Any,
    X: Any,
    n_components: int | Iterable[int] = range(1, 6),
    *,
    n_replicates: int = 999,
    level: float | None = None,
    sample_weight: Any = None,
    random_state: Any = 0,
    n_jobs: int | None = None,
    **model_arguments: Any,
) -> Any:
    """Test K components against K + 1 by the parametric bootstrap of the likelihood ratio.

    Parameters
    ----------
    components : a distribution, or a :class:`~mixtures.GeneralMixtureModel` of one whose other arguments are to be used.
    X, sample_weight : as in the model's ``fit``. Samples have as many rows as X, or as its weights sum up to, and lack cells
        where X does.
    n_components : K, or several of them, tested in ascending order.
    n_replicates : int >= 1, samples of each test.
    level : float between 0 and 1, or None. Where several numbers are tested, the first one that is not rejected at this level is
        the last one; None: all are tested.
    random_state : seed, Generator, RandomState or None, of the samples and of all starts.
    n_jobs : int or None, threads; None for every processor. Results have the same bits for any number.
    model_arguments : of :class:`~mixtures.GeneralMixtureModel`.

    Returns
    -------
    :class:`LikelihoodRatioTest` for one number, :class:`LikelihoodRatioTests` for several.

    Raises
    ------
    ParameterError : an argument is wrong; a prior, weights that are held, or an E-step that is not soft, under which this is no
        ratio of maximised likelihoods of nested models. FitError : a fit to X failed, or those to all samples.

    Notes
    -----
    Fits to X are those of the model; those to samples, see :mod:`mixtures.likelihood_ratio`, are sought as well at less cost.
    Neither search is sure to find the highest maximum. Where it misses that of K + 1 components in samples only, p-values are too
    small; where in X only, too large.

    References
    ----------
    McLachlan (1987), On bootstrapping the likelihood ratio test statistic for the number of components in a normal mixture,
    Applied Statistics 36, 318-324.

    Examples
    --------
    >>> import numpy as np
    >>> from mixtures.distributions import Normal
    >>> from mixtures.selection import bootstrap_lrt
    >>> x = np.concatenate([np.linspace(-1, 1, 40), np.linspace(9, 11, 40)])
    >>> test = bootstrap_lrt(Normal(), x, 1, n_replicates=99)
    >>> test.p_value
    0.01
    """
    settings_of = _model_of(components, model_arguments, n_jobs)
    single = isinstance(n_components, (int, np.integer))
    sizes = sizes_of(n_components)
    if not isinstance(n_replicates, (int, np.integer)) or n_replicates < 1:
        raise ParameterError(f"n_replicates must be a whole number >= 1, found {n_replicates!r}")
    if level is not None:
        check_level(level)
    seed = seed_from(random_state)
    whole = Table.read(X)
    table, weights = without_zeros(whole, read_weights(sample_weight, whole.n_rows))
    fitted: dict[int, Any] = {}
    tests: list[LikelihoodRatioTest] = []
    for k in sizes:
        for size in (k, k + 1):
            if size not in fitted:
                fitted[size] = settings_of(size, seed).fit(X, sample_weight=sample_weight)
        tests.append(_test(fitted[k], fitted[k + 1], X, sample_weight, table, weights, int(n_replicates), seed))
        if level is not None and tests[-1].p_value > level:
            break
    return tests[0] if single else LikelihoodRatioTests(tests, X)


def seed_from(random_state: Any) -> int:
    """A seed from a seed, Generator, RandomState or None."""
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31 - 1))
    return seed_of(random_state)


def sizes_of(n_components: Any) -> list[int]:
    """Numbers of components, each once, in ascending order.

    Raises
    ------
    ParameterError : one is no whole number >= 1, or there is none.
    """
    sizes = list(n_components) if isinstance(n_components, Iterable) else [n_components]
    for size in sizes:
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ParameterError(f"n_components must be whole numbers >= 1, found {size!r}")
    if not sizes:
        raise ParameterError("n_components: expected at least one number of components, found none")
    return sorted({int(size) for size in sizes})


def _model_of(components: Any, arguments: dict[str, Any], n_jobs: Any) -> Callable[[int, int], GeneralMixtureModel]:
    """What makes a model of so many components and a seed.

    Raises
    ------
    ParameterError : its ratio of likelihoods is none of maxima of nested models.
    """
    given: dict[str, Any] = {}
    if isinstance(components, GeneralMixtureModel):
        given = components.get_params(deep=False)
        components = given.pop("components")
    component = as_distribution(components)
    if not hasattr(component, "log_prob"):
        raise ParameterError(
            f"expected one distribution, of which mixtures of K and of K + 1 components are compared, found {components!r}"
        )
    given = {**given, **arguments}
    for name in ("weights", "weights_prior", "callbacks"):
        if given.get(name) is not None:
            raise ParameterError(f"{name} cannot be used here: expected None, found {given[name]!r}")
    if not given.get("learn_weights", True):
        raise ParameterError("learn_weights=False: K components of equal weights are no special case of K + 1")
    given |= {"n_jobs": n_jobs if n_jobs is not None else given.get("n_jobs")}

    def model(size: int, seed: int) -> GeneralMixtureModel:
        return GeneralMixtureModel(component, **{**given, "n_components": size, "random_state": seed})

    if not is_nested(model(1, 0)):
        raise ParameterError("bootstrap_lrt compares maximised likelihoods: expected no prior and a soft E-step")
    return model


def is_nested(model: GeneralMixtureModel) -> bool:
    """Whether a fit maximises the likelihood of a mixture of one form, of which those of fewer components are special cases."""
    penalised = any(getattr(family, "_is_penalised", False) for family in model._all_distributions())
    maximal = model.is_maximum_likelihood and model.learn_weights and not penalised
    return maximal and hasattr(as_distribution(model.components), "log_prob") and model._checked()[1].e_step == SOFT


def _test(
    smaller: GeneralMixtureModel,
    larger: GeneralMixtureModel,
    X: Any,
    sample_weight: Any,
    table: Table,
    weights: Floats | None,
    n_replicates: int,
    seed: int,
) -> LikelihoodRatioTest:
    total = table.n_rows if weights is None else float(weights.sum())
    statistic = max(
        0.0, 2.0 * total * (larger.score(X, sample_weight=sample_weight) - smaller.score(X, sample_weight=sample_weight))
    )
    sampler = Null(smaller, table, weights, seed)
    found = np.array(list(sampler.statistics(n_replicates, smaller._n_threads())))
    null = found[~np.isnan(found)]
    k, failed = len(smaller.components_), int(np.isnan(found).sum())
    if not len(null):
        raise FitError(f"{k} components against {k + 1}: no sample could be fitted")
    if failed:
        warn(
            f"{k} components against {k + 1}: {failed} of {len(found)} samples could not be fitted, and are left out",
            DegenerateWarning,
        )
    return LikelihoodRatioTest(smaller, larger, statistic, null, failed)


class Null:
    """The statistic's distribution under a fitted mixture of K components.

    Parameters
    ----------
    model : of K components.
    table, weights : rows, none of weight zero, of which a sample takes its number and its missing cells; weights (n,) or None.
    seed : of the samples, and of the starts of their fits.
    """

    def __init__(self, model: GeneralMixtureModel, table: Table, weights: Floats | None, seed: int) -> None:
        self._components, self._weights, self._table = model.components_, model.weights_, table
        self._blank = as_distribution(model.components)
        self._settings = model._checked()[1]._replace(n_threads=1, verbose=0)
        self.n_rows = table.n_rows if weights is None else max(round(float(weights.sum())), 1)
        self._shares = None if weights is None else weights / weights.sum()
        self._seed = seed
        self._random = np.random.default_rng([seed, len(self._components)])

    def samples(self, count: int) -> Table:
        """So many samples, one below the other."""
        rows = np.arange(self._table.n_rows)
        if self._shares is None:
            rows = np.tile(rows, count)
        else:
            rows = self._random.choice(self._table.n_rows, self.n_rows * count, p=self._shares)
        parts = take_apart(self._components, self._table)
        return drawn_table(parts, self._weights, self._table, self.n_rows * count, rows, self._random)

    def statistics(self, n_replicates: int, n_threads: int) -> Iterator[float]:
        """The statistic of every sample; NaN where a fit failed."""
        batch = max(LEAST_DRAWN, DRAWN_CELLS // (self.n_rows * self._table.n_columns))
        for begin in range(0, n_replicates, batch):
            count = min(batch, n_replicates - begin)
            drawn = self.samples(count)
            pair = Pair(self._components, self._weights, self._blank, drawn, self._settings)
            runs = [(n * self.n_rows, (n + 1) * self.n_rows, self._seed + begin + n) for n in range(count)]
            yield from side_by_side(pair.statistic, runs, n_threads if pair.is_compiled else 1)


class Pair:
    """Fits of K and of K + 1 components to runs of rows of a table that was drawn of a mixture of K.

    Parameters
    ----------
    components, weights : k complete distributions and their weights (k,).
    blank : what such a component was before its fit.
    table : of samples.
    settings : of the fits.
    """

    def __init__(self, components: Sequence[Any], weights: Floats, blank: Any, table: Table, settings: Settings) -> None:
        self._table, self._settings = table, settings
        self._components, self._blank = components, blank
        log_weights = safe_log(weights)
        self.smaller = Refits(take_apart(components, table), table, log_weights, settings)
        more, log_weights, self._moves = with_a_spare(components, log_weights)
        self.larger = Refits(take_apart(more, table), table, log_weights, settings)

    @property
    def is_compiled(self) -> bool:
        """Whether no component lives in Python only."""
        return self.smaller.is_compiled

    def statistic(self, sample: tuple[int, int, int]) -> float:
        """Twice what one component more gains on a sample, >= 0; NaN where a fit failed. A sample is its first row, the one after
        its last, and a seed."""
        low, high = self.log_likelihoods(*sample)
        return float(np.maximum(2.0 * (high - low), 0.0))

    def log_likelihoods(self, first: int, stop: int, seed: int) -> tuple[float, float]:
        """Those of K and of K + 1 components."""
        if not self.is_compiled:
            return self._in_python(first, stop, seed)
        low, search = self.smaller.of_rows(first, stop), Search(self.smaller, first, stop, seed)
        if low.failed or low.is_doubtful():
            low = best_of([low, search.best(n_starts=CLUSTER_STARTS)])
        if low.failed:
            return np.nan, np.nan
        low = search.escaped(low)
        search = Search(self.larger, first, stop, seed)
        high = search.escaped(search.best(self._moves, CLUSTER_STARTS, self._widened(low)))
        return low.log_likelihood, high.log_likelihood

    def _widened(self, refit: Refit) -> tuple[Floats, Floats] | None:
        """Where a fit of K stands, with a spare component of weight 0; None where the components' layout does not tell."""
        k = len(refit.log_weights)
        own, wider = self.smaller.assembly.plates, self.larger.assembly.plates
        if len(own) != len(wider) or any(plate.count != k for plate in own):
            return None
        values = self.larger.start.copy()
        for old, new in zip(own, wider, strict=True):
            width = old.n_parameters * old.n_members
            values[new.start : new.start + k * width] = refit.parameters[old.start : old.start + k * width]
            values[new.start + k * width : new.start + (k + 1) * width] = values[
                new.start + (k - 1) * width : new.start + k * width
            ]
        return values, np.append(refit.log_weights, -np.inf)

    def _in_python(self, first: int, stop: int, seed: int) -> tuple[float, float]:
        """Fits of components some of which only Python knows, from starts that the initialiser finds."""
        part = self._table.take(np.arange(first, stop))
        settings = self._settings._replace(random_state=seed)
        values = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for size in (len(self._components), len(self._components) + 1):
                try:
                    fit = fit_mixture(take_apart([self._blank] * size, part), part, None, None, settings, NOTHING)
                except FitError:
                    return np.nan, np.nan
                values.append(part.n_rows * fit.objective)
        return values[0], values[1]
