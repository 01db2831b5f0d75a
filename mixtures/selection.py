"""Choosing a mixture: how many components, of which families, under which constraints."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product as combinations
from typing import Any

import numpy as np

from mixtures.candidates import CRITERIA, INFORMATION, Candidate, Fold, Plan, Rows, fitted, held_out, over_folds
from mixtures.checks import read_weights
from mixtures.distributions import Product
from mixtures.distributions.scipy_distribution import as_distribution
from mixtures.engine.plan import Ints
from mixtures.exceptions import DataError, FitError, ParameterError
from mixtures.extras import import_extra
from mixtures.likelihood_ratio import bootstrap_lrt, is_nested, seed_from, sizes_of
from mixtures.model import GeneralMixtureModel
from mixtures.replicates import side_by_side
from mixtures.result_tables import frame_of, implementation_of, table_of
from mixtures.table import Table

__all__ = ["Candidate", "Selection", "alternatives", "best_of", "bootstrap_lrt", "select"]

LEAST_MISS = 1e-6
"""Share of a log-likelihood by which one of more components must be lower to be told, so that what EM leaves at its end is not."""
MISSED = "{fewer} components have a higher log-likelihood: the search missed the best fit; raise n_init"

logger = logging.getLogger("mixtures")


def select(
    components: Any,
    X: Any,
    n_components: int | Iterable[int] = range(1, 7),
    criterion: str = "bic",
    *,
    sample_weight: Any = None,
    cv: Any = 5,
    n_jobs: int | None = None,
    random_state: Any = 0,
    verbose: int = 0,
    **model_arguments: Any,
) -> Selection:
    """Fit mixtures of several numbers of components, of one or several kinds, side by side, and choose the best.

    Parameters
    ----------
    components : what the components may be: a distribution; a sequence of distributions, or a mapping from names to them, to choose
        from; what :func:`mixtures.infer` returns. In place of a distribution may stand a sequence of them, for a mixture of just
        these, one a component; or an unfitted :class:`~mixtures.GeneralMixtureModel`, with arguments of its own (starts,
        E-step, priors).
    X : array (n, d), array (n,), or a frame; missing cells are NaN or null.
    n_components : numbers of components to try, where a candidate does not say its own.
    criterion : "bic", "aic", "aicc", "sabic" or "icl", the lowest of which is chosen; or "cv", the highest mean log-density of rows
        that were held out.
    sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None.
    cv : for criterion "cv": number of folds, drawn with the seed, or what scikit-learn takes for it.
    n_jobs : int or None, threads; None for every processor. Results have the same bits for any number.
    random_state : seed, Generator, RandomState or None; all fits have the same one.
    verbose : 1 logs every fit at level INFO of the logger ``mixtures``; 2 shows a progress bar, too (extra ``progress``).
    model_arguments : of :class:`~mixtures.GeneralMixtureModel`, for all fits.

    Returns
    -------
    :class:`Selection`, which prints as a table.

    Raises
    ------
    ParameterError : an argument is wrong. DataError : the rows cannot be used. A fit that fails is a candidate that was not
        fitted; where all fail, ``best`` raises FitError.

    Notes
    -----
    Fits that are degenerate, see :mod:`mixtures.candidates`, are marked, and chosen only where there is no other. Densities of one
    column and masses of another family on it (a Normal and a Poisson for counts) are compared as they are: a density of
    counts counts for the mass within half a unit, which is so only where its standard deviation is well above one.

    Examples
    --------
    >>> import numpy as np
    >>> from mixtures.distributions import Normal
    >>> from mixtures.selection import select
    >>> x = np.concatenate([np.linspace(-1, 1, 40), np.linspace(9, 11, 40)])
    >>> found = select(Normal(), x, range(1, 4))
    >>> found.best.n_components
    2
    >>> found.best_model.predict([0.5, 9.5]).tolist() == found.best_model.labels_[[0, -1]].tolist()
    True
    """
    if criterion not in CRITERIA:
        raise ParameterError(f"criterion must be one of {CRITERIA}, found {criterion!r}")
    table = Table.read(X)
    if not table.n_rows:
        raise DataError("expected at least one row, found 0")
    weights = read_weights(sample_weight, table.n_rows)
    seed = seed_from(random_state)
    arguments = {**model_arguments, "random_state": seed} | ({} if n_jobs is None else {"n_jobs": n_jobs})
    plans = [Plan(name, model) for name, spec in named(components) for model in _models(spec, sizes_of(n_components), arguments)]
    folds = _folds(cv, table, weights, seed) if criterion == "cv" else []
    rows = Rows(X, weights, table)
    candidates = _run(plans, rows, folds, _threads(n_jobs), verbose)
    return Selection(candidates, criterion, X)


class Selection(Sequence[Candidate]):
    """The candidates of a selection, in the order of their specifications, then of their numbers of components.

    Attributes
    ----------
    criterion : by which the best one is chosen.
    candidates : tuple of :class:`~mixtures.candidates.Candidate`.
    """

    def __init__(self, candidates: Sequence[Candidate], criterion: str = "bic", X: Any = None) -> None:
        self.candidates, self.criterion = tuple(candidates), criterion
        self._implementation = implementation_of(X)

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, place: Any) -> Any:
        return self.candidates[place]

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    @property
    def best(self) -> Candidate:
        """The candidate to choose by the criterion; a degenerate one only where there is no other.

        Raises
        ------
        FitError : no candidate was fitted.
        """
        return best_of(self.candidates, self.criterion)

    @property
    def best_model(self) -> GeneralMixtureModel:
        """Its fitted model."""
        return self.best.model

    @property
    def models(self) -> list[Any]:
        """The fitted models, None where a fit failed, in the order of the candidates."""
        return [candidate.model for candidate in self]

    @property
    def criteria(self) -> tuple[str, ...]:
        """Names of the criteria that are known."""
        return CRITERIA if self.criterion == "cv" else INFORMATION

    def _columns(self) -> dict[str, list[Any]]:
        chosen = self.best if any(candidate.is_fitted for candidate in self) else None
        columns: dict[str, list[Any]] = {
            "components": [c.name for c in self],
            "n_components": [c.n_components for c in self],
            "n_parameters": [None if c.measures is None else c.measures.n_parameters for c in self],
            "log_likelihood": [np.nan if c.measures is None else c.measures.log_likelihood for c in self],
        }
        for name in self.criteria:
            columns[name] = [c.criterion(name) for c in self]
        if "cv" in columns:
            columns["cv_error"] = [c.cv_error for c in self]
        columns |= {
            "converged": [c.converged for c in self],
            "degenerate": [c.degenerate for c in self],
            "chosen": [c is chosen for c in self],
            "notes": ["; ".join(c.notes) for c in self],
        }
        return columns

    @property
    def table(self) -> Any:
        """A row a candidate: a frame of the library that the rows came in; of arrays a list of dictionaries."""
        return table_of(self._columns(), self._implementation)

    def to_frame(self, backend: Any = None) -> Any:
        """:attr:`table` as a frame of `backend`, "pandas", "polars" or another that narwhals knows; None: the library that the rows
        came in, and where they came in an array pandas, or else polars."""
        return frame_of(self._columns(), backend, self._implementation)

    def to_pandas(self) -> Any:
        """:attr:`table` as a frame of pandas."""
        return self.to_frame("pandas")

    def to_polars(self) -> Any:
        """:attr:`table` as a frame of polars."""
        return self.to_frame("polars")

    def plot(self, ax: Any = None, *, criteria: Sequence[str] | None = None, legend: bool | None = None) -> Any:
        """Draw criteria over the number of components, the best of each marked; degenerate fits of one kind are crosses.

        Parameters
        ----------
        ax : axes of matplotlib, or None for new ones.
        criteria : names; None for the one by which was chosen, and, where there is one specification, "bic" and "icl". With several
            specifications it is one criterion, and they are the lines.

        Returns
        -------
        :class:`~mixtures.plot.CriteriaDisplay`.
        """
        from mixtures.plot import CriteriaDisplay

        display = CriteriaDisplay.from_criteria(**_lines(self, criteria), ax=ax, legend=legend)
        if len({candidate.name for candidate in self}) > 1:  # the lines are no criteria
            name = (criteria or (self.criterion,))[0]
            display.ax_.set_ylabel(f"{name.upper()} ({'higher' if name == 'cv' else 'lower'} is better)")
        return display

    def __repr__(self) -> str:
        from mixtures.report import selection_text

        return selection_text(self)

    def _repr_html_(self) -> str:
        from mixtures.report import selection_html

        return selection_html(self)


def best_of(candidates: Sequence[Candidate], criterion: str = "bic") -> Candidate:
    """The candidate to choose by a criterion, the first of equal ones; a degenerate one only where there is no other.

    Raises
    ------
    FitError : no candidate was fitted.
    """
    found = [candidate for candidate in candidates if candidate.is_fitted]
    if not found:
        raise FitError(f"no mixture could be fitted: {candidates[0].notes[0] if candidates else 'no size was asked for'}")
    sign = -1.0 if criterion == "cv" else 1.0
    return min(found, key=lambda c: (c.degenerate, np.nan_to_num(sign * c.criterion(criterion), nan=np.inf, posinf=np.inf)))


def alternatives(components: Product, columns: Mapping[Any, Any] | None = None, **named_columns: Any) -> dict[str, Product]:
    """Products to choose from: all combinations of the families that some columns may have.

    Parameters
    ----------
    components : a product over all columns.
    columns, named_columns : distributions for a column of it, in a sequence; `columns` for keys that are no names.

    Examples
    --------
    >>> from mixtures.distributions import NegativeBinomial, Normal, Poisson, Product
    >>> from mixtures.selection import alternatives
    >>> list(alternatives(Product(age=Normal(), visits=Normal()), visits=[Poisson(), NegativeBinomial()]))
    ['visits=Poisson()', 'visits=NegativeBinomial()']
    """
    choices = {**(columns or {}), **named_columns}
    factors = dict(components.factors)
    for key, options in choices.items():
        if key not in factors:
            raise ParameterError(f"alternatives: expected columns among {list(factors)}, found {key!r}")
        if not isinstance(options, Sequence) or isinstance(options, str) or not options:
            raise ParameterError(f"alternatives: column {key!r}: expected a sequence of distributions, found {options!r}")
    found = {}
    for chosen in combinations(*choices.values()):
        own = dict(zip(choices, chosen, strict=True))
        found[", ".join(f"{key}={value!r}" for key, value in own.items())] = Product({**factors, **own})
    return found


def named(components: Any) -> list[tuple[str, Any]]:
    """Specifications of components with their names.

    Raises
    ------
    ParameterError : there is none, or one that is none.
    """
    if hasattr(components, "choices") and hasattr(components, "product"):  # of infer
        components = components.product
    if isinstance(components, GeneralMixtureModel) or hasattr(as_distribution(components), "log_prob"):
        return [(_name(components), components)]
    if isinstance(components, Mapping):
        pairs = [(str(name), spec) for name, spec in components.items()]
    elif isinstance(components, Sequence) and not isinstance(components, str):
        pairs = [(_name(spec), spec) for spec in components]
    else:
        raise ParameterError(f"components must be a distribution, or a sequence or mapping of them, found {components!r}")
    if not pairs:
        raise ParameterError("components: expected at least one distribution, found none")
    seen: dict[str, int] = {}
    for place, (name, spec) in enumerate(pairs):
        seen[name] = seen.get(name, 0) + 1
        pairs[place] = (name if seen[name] == 1 else f"{name} ({seen[name]})", spec)
    return pairs


def _name(spec: Any) -> str:
    if isinstance(spec, GeneralMixtureModel):
        return _name(spec.components)
    return repr(list(spec)) if isinstance(spec, (list, tuple)) else repr(as_distribution(spec))


def _models(spec: Any, sizes: Sequence[int], arguments: dict[str, Any]) -> list[GeneralMixtureModel]:
    """Models of a specification, one of each size; one alone where it lists its components."""
    own = spec.get_params(deep=False) if isinstance(spec, GeneralMixtureModel) else {"components": spec}
    own = {**own, **arguments, "verbose": 0}
    listed = not hasattr(as_distribution(own["components"]), "log_prob")
    made = [GeneralMixtureModel(**{**own, "n_components": size}) for size in ([None] if listed else sizes)]
    for model in made:
        model._checked()
    return made


def _threads(n_jobs: Any) -> int:
    return GeneralMixtureModel([], n_jobs=n_jobs)._n_threads()


def _folds(cv: Any, table: Table, weights: Any, seed: int) -> list[tuple[Ints, Ints]]:
    """Pairs of the rows to fit to and those held out; rows of weight zero are in none."""
    from sklearn.model_selection import KFold, check_cv  # which takes a while to import

    seen = np.arange(table.n_rows) if weights is None else np.flatnonzero(weights)
    if isinstance(cv, (int, np.integer)):
        if not 2 <= cv <= len(seen):
            raise ParameterError(f"cv must be a whole number from 2 to the number of rows, {len(seen)}, found {cv!r}")
        cv = KFold(int(cv), shuffle=True, random_state=seed % 2**32)
    try:
        pairs = list(check_cv(cv).split(seen[:, None]))
    except ValueError as error:
        raise ParameterError(f"cv: {error}") from None
    return [(seen[train], seen[test]) for train, test in pairs]


def _run(plans: Sequence[Plan], rows: Rows, folds: Sequence[tuple[Ints, Ints]], n_threads: int, verbose: int) -> list[Candidate]:
    """Every plan's candidate; the largest are begun first, so that no thread is left with one at the end."""
    jobs: list[tuple[int, int]] = [(p, f) for p in range(len(plans)) for f in range(-1, len(folds))]  # fold -1: all rows
    jobs.sort(key=lambda job: (-plans[job[0]].n_components, job))
    outer = min(n_threads, len(jobs))
    inner = max(1, n_threads // outer)
    # what threads would each find out for themselves, at the same time
    for column in range(rows.table.n_columns):
        if rows.table.is_numeric(column):
            rows.table.column(column)

    def done(job: tuple[int, int]) -> Any:
        plan, fold = plans[job[0]], job[1]
        own = plan._replace(model=GeneralMixtureModel(**{**plan.model.get_params(deep=False), "n_jobs": inner}))
        result: Any = fitted(own, rows) if fold < 0 else held_out(own, rows, *folds[fold])
        own.model.n_jobs = plan.model.n_jobs  # for what it will be asked, when it is alone
        if verbose and isinstance(result, Candidate):
            _log(result)
        return result

    found: dict[tuple[int, int], Any] = {}
    results = side_by_side(done, jobs, outer)
    if verbose > 1:
        tqdm = import_extra("tqdm.auto", "progress")
        results = tqdm.tqdm(results, total=len(jobs), desc="select", unit="fit")
    for job, result in zip(jobs, results, strict=True):
        found[job] = result
    candidates = []
    for place in range(len(plans)):
        candidate: Candidate = found[place, -1]
        if folds and candidate.is_fitted:
            over: list[Fold] = [found[place, fold] for fold in range(len(folds))]
            more = over_folds(over)
            candidate = replace(candidate, **{**more, "notes": (*candidate.notes, *more["notes"])})
        candidates.append(candidate)
    return _told_of_misses(candidates)


def _told_of_misses(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates, with a note where one of fewer components of the same form fits better, which it could be as well."""
    highest: dict[str, tuple[float, int]] = {}
    found = []
    for candidate in candidates:
        if candidate.measures is not None and not candidate.degenerate and is_nested(candidate.model):
            value, size = candidate.measures.log_likelihood, candidate.n_components
            best, fewer = highest.get(candidate.name, (-np.inf, 0))
            if value < best - LEAST_MISS * max(1.0, abs(best)):
                candidate = replace(candidate, notes=(*candidate.notes, MISSED.format(fewer=fewer)))
            highest[candidate.name] = max((value, size), (best, fewer))
        found.append(candidate)
    return found


def _log(candidate: Candidate) -> None:
    told = "failed" if candidate.measures is None else f"BIC {candidate.measures.bic:.6g}"
    logger.info("select: %s, %d components: %s", candidate.name, candidate.n_components, told)


def _lines(selection: Selection, criteria: Sequence[str] | None) -> dict[str, Any]:
    """What to draw of a selection."""
    names = list(dict.fromkeys(candidate.name for candidate in selection))
    for name in criteria or ():
        if name not in selection.criteria:
            raise ParameterError(f"criteria must be some of {selection.criteria}, found {name!r}")
    sizes = sorted({candidate.n_components for candidate in selection})
    if len(names) == 1:
        # a mean log-density is no neighbour of criteria on the scale of -2 log L
        others = () if selection.criterion == "cv" else ("bic", "icl")
        shown = list(dict.fromkeys(criteria or (selection.criterion, *others)))
        by_size = {candidate.n_components: candidate for candidate in selection}
        values = {name: [by_size[size].criterion(name) for size in sizes] for name in shown}
        flags = [by_size[size].degenerate for size in sizes]
        return {
            "n_components": sizes,
            "criteria": values,
            "degenerate": flags,
            "higher_is_better": [name for name in shown if name == "cv"],
        }
    shown = list(criteria or (selection.criterion,))
    if len(shown) != 1:
        raise ParameterError(f"criteria: with several specifications expected one criterion, found {criteria!r}")
    found = {(candidate.name, candidate.n_components): candidate for candidate in selection if not candidate.degenerate}
    lines = {name: [found[name, size].criterion(shown[0]) if (name, size) in found else np.nan for size in sizes] for name in names}
    return {"n_components": sizes, "criteria": lines, "higher_is_better": names if shown[0] == "cv" else []}
