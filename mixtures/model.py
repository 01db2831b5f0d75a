"""The general mixture model: a scikit-learn estimator, and a distribution itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from mixtures import templates
from mixtures.answers import Answers
from mixtures.assembly import Assembly
from mixtures.checks import check_support, read_weights, without_zeros
from mixtures.constraints import simplex
from mixtures.criteria import InformationCriteria
from mixtures.distributions.base import generator_of
from mixtures.distributions.scipy_distribution import as_distribution
from mixtures.draws import drawn_rows
from mixtures.e_steps import EStep, as_e_step
from mixtures.engine.plan import Floats, Ints
from mixtures.engine.team import available_threads
from mixtures.exceptions import ConvergenceWarning, DataError, ParameterError
from mixtures.fitting import fit_mixture
from mixtures.knowledge import read_knowledge, read_start
from mixtures.leaves import safe_log
from mixtures.looking import Looking
from mixtures.marginals import known_columns
from mixtures.output import in_callers_frame
from mixtures.parts import take_apart
from mixtures.runs import run_em
from mixtures.settings import STARVED, Settings
from mixtures.streaming import Streaming
from mixtures.table import Table
from mixtures.uncertainty import Uncertainty
from mixtures.warn import warn
from mixtures.watching import CallbackSupportMixin, is_watched, watcher, with_callbacks


class GeneralMixtureModel(
    CallbackSupportMixin, InformationCriteria, Answers, Uncertainty, Looking, Streaming, DensityMixin, BaseEstimator
):
    """Finite mixture of any distributions, fitted by EM.

    Parameters
    ----------
    components : a distribution, or a sequence of distributions, one a component. With parameters, EM starts there; without,
        the initialiser finds a start. A family of one column stands for every column of a wider table, independently.
    n_components : int, number of components where `components` is one distribution.
    weights : sequence of k weights with sum 1, where EM starts; None for those of the start.
    learn_weights : bool; False: weights stay at `weights`, or equal where that is None.
    weights_prior : concentration of a Dirichlet prior on the weights, a number >= 1 or a sequence of k; None for no prior.
        Concentration 1 + c adds c rows to every component.
    e_step : "soft", "hard", "stochastic", "tempered", or what :func:`mixtures.e_steps.truncated` and ``tempered`` make.
        "stochastic" runs exactly `max_iter` iterations and keeps the parameters of the highest likelihood.
    tol : float, EM stops when the mean log-likelihood of a row (plus log-priors) gains less, by the last step and by Aitken's
        estimate of all that would follow. 0: run exactly `max_iter` iterations.
    max_iter : int >= 1.
    n_init : int >= 1, starts to try: each runs for some iterations, the best ones to the end. None: several, and moves of
        components that split and merge where those find more. One is enough where all parameters are given.
    start : where EM starts, for components without parameters: "clusters" (weighted k-means++, in several variants in turn),
        "random" (around rows drawn at random), labels (n,) or responsibilities (n, k) of all rows, from whose M-step EM goes on.
    starved : "report", "drop" or "re-seed": what becomes of a component that is left without rows.
    accelerate : bool; True: iterations are extrapolated where that raises the objective, which saves most of those of a slow fit.
        False, or a `tol` of 0: EM's own steps. See :mod:`mixtures.engine.acceleration`.
    random_state : int, RandomState or None, for starts.
    n_jobs : int or None, threads; None for every processor this process may use. Results have the same bits for any number.
    verbose : int; 1 logs every run at level INFO of the logger ``mixtures``; 2 shows a progress bar, too (extra ``progress``).
    callbacks : a function or a sequence of them, called with a :class:`mixtures.watching.Progress` after every iteration of the run
        that is kept; True ends the fit there. (scikit-learn's callbacks, of ``set_callbacks``, are told as well.)

    Attributes
    ----------
    components_ : list of k fitted distributions.
    weights_ : array (k,), mixing proportions.
    converged_ : bool.
    n_iter_ : int, EM iterations of the best run.
    history_ : :class:`~mixtures.history.History`, an array (n_iter_ + 1,): mean log-likelihood of a row, plus log-priors over the
        total weight, at the start and after each iteration; its ``moves`` tell what was no EM step.
    lower_bound_ : float, what the fit has raised at the parameters that it keeps, a row's mean: the last of ``history_``, of a
        "stochastic" fit the highest. Without priors a bound of :meth:`score`, which an E-step over all components attains.
    labels_ : array (n,), most probable component of every training row; -1 for a row of weight zero.
    n_features_in_, feature_names_in_ : as in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Normal
    >>> x = np.array([0.0, 1.0, 2.0, 10.0, 11.0, 12.0])
    >>> model = GeneralMixtureModel(Normal(), n_components=2, random_state=0).fit(x)
    >>> sorted(round(c.mean, 6) for c in model.components_)
    [1.0, 11.0]
    >>> model.predict([1.5, 11.5]).tolist() == model.labels_[[0, -1]].tolist()
    True
    """

    def __init__(
        self,
        components: Any,
        n_components: int | None = None,
        *,
        weights: Any = None,
        learn_weights: bool = True,
        weights_prior: Any = None,
        e_step: Any = "soft",
        tol: float = 1e-8,
        max_iter: int = 1000,
        n_init: int | None = None,
        start: Any = "clusters",
        starved: str = "report",
        accelerate: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        callbacks: Any = None,
    ) -> None:
        self.components = components
        self.n_components = n_components
        self.weights = weights
        self.learn_weights = learn_weights
        self.weights_prior = weights_prior
        self.e_step = e_step
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.start = start
        self.starved = starved
        self.accelerate = accelerate
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.callbacks = callbacks

    # --- fitting ---

    @with_callbacks
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, labels: Any = None, responsibilities: Any = None) -> Self:
        """Fit by EM; a failed fit changes nothing.

        A KeyboardInterrupt after the first iteration leaves the model as the last iteration left it, with a warning, and goes on to
        the caller.

        Parameters
        ----------
        X : array (n, d), array (n,) for one column, or a frame. NaN (None, null) is a missing cell.
        y : ignored, as scikit-learn's pipelines want it; beside an array (n,) it is refused.
        sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None.
        labels : array (n,), the components that rows are known to belong to, numbers from 0 to k - 1; -1, None or NaN for unknown.
        responsibilities : array (n, k), plausibilities >= 0 of the components for every row, which multiply the densities there
            (Come et al. 2009, Pattern Recognition 42): a single 1 is a label, equal numbers or a row of NaN say nothing.

        Raises
        ------
        DataError : a cell, a weight, a label or the shape cannot be used; names column, row and value.
        FitError : EM could not go on. ParameterError : an argument of the model is wrong.
        """
        components, settings = self._checked()
        # fit(x, w) would drop the weights without a word; scikit-learn's checks want an error here, too.
        whole = Table.read(X, one_column=y is None)
        weights = read_weights(sample_weight, whole.n_rows)
        k = len(components)
        knowledge = read_knowledge(labels, responsibilities, whole.n_rows, k)
        start = read_start(self.start, whole.n_rows, k)
        table, used = without_zeros(whole, weights)
        if table is not whole and weights is not None:
            seen = np.flatnonzero(weights)
            knowledge, start = knowledge.take(seen), start if isinstance(start, str) else start.take(seen)
        settings = settings._replace(start=start)
        if settings.concentrations and used is not None and not 1e-100 < used.max() < 1e100:
            raise DataError(
                "weights_prior: under a prior, weights count rows: expected the largest between 1e-100 and 1e100, found "
                f"{used.max():.3g}"
            )
        if table.n_rows < k:
            raise DataError(f"expected at least as many rows as components, found n_samples={table.n_rows} for {k} components")
        template = templates.find(components, table)
        if template is None:
            parts = take_apart(components, table)
            check_support(parts, table)
        else:
            parts = template.parts
        mixing = None if self.weights is None else np.asarray(self.weights, dtype=float)
        if mixing is None and not self.learn_weights:
            mixing = np.full(k, 1.0 / k)
        if is_watched(self):
            with watcher(self, X) as watch:
                result = fit_mixture(parts, table, used, mixing, settings._replace(watch=watch), knowledge, template)
        else:
            result = fit_mixture(parts, table, used, mixing, settings, knowledge, template)
        self._remember_columns(X, whole)
        self.components_ = result.components
        self.weights_ = result.weights
        self.converged_ = result.converged
        self.n_iter_ = result.n_iter
        self.history_ = result.history
        self.lower_bound_ = result.objective
        self.labels_ = result.labels
        if table is not whole and weights is not None:
            self.labels_ = np.full(whole.n_rows, -1, dtype=np.int64)
            self.labels_[np.flatnonzero(weights)] = result.labels
        if result.interrupted:
            warn(f"interrupted after {self.n_iter_} iterations; the model is what the last of them left", ConvergenceWarning)
            raise KeyboardInterrupt
        return self

    def _remember_columns(self, X: Any, table: Table) -> None:
        if table.named:
            validate_data(self, _two_dimensional(X), skip_check_array=True, reset=True)
            return
        # What validate_data does for a table without names, at a hundredth of its time.
        self.n_features_in_ = table.n_columns
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Ints:
        """Fit and return ``labels_``."""
        return self.fit(X, y, sample_weight).labels_

    def _checked(self) -> tuple[list[Any], Settings]:
        components = self._listed_components()
        for name in ("max_iter", "n_init"):
            value = getattr(self, name)
            if (not isinstance(value, (int, np.integer)) or value < 1) and not (name == "n_init" and value is None):
                raise ParameterError(f"{name} must be a whole number >= 1, found {value!r}")
        if not (isinstance(self.tol, (int, float, np.number)) and self.tol >= 0):
            raise ParameterError(f"tol must be a number >= 0, found {self.tol!r}")
        if self.weights is not None and (not simplex.contains(self.weights) or len(self.weights) != len(components)):
            raise ParameterError(f"weights must be {len(components)} numbers, {simplex.words}, found {self.weights!r}")
        if self.weights_prior is not None and not self.learn_weights:
            raise ParameterError("weights_prior says nothing where learn_weights=False keeps weights as they are; give one of them")
        concentrations = _concentrations(self.weights_prior, len(components))
        if self.weights is not None:
            for place, (weight, concentration) in enumerate(zip(self.weights, concentrations, strict=False)):
                if weight == 0 and concentration > 1:
                    raise ParameterError(
                        f"weights[{place}] = 0 has density 0 under a weights_prior of concentration {concentration:g}; EM cannot "
                        "start there"
                    )
        if self.starved not in STARVED:
            raise ParameterError(f"starved must be one of {STARVED}, found {self.starved!r}")
        settings = Settings(
            float(self.tol),
            int(self.max_iter),
            None if self.n_init is None else int(self.n_init),
            self.random_state,
            self._n_threads(),
            self.verbose,
            as_e_step(self.e_step),
            bool(self.learn_weights),
            concentrations,
            self.starved,
            accelerate=bool(self.accelerate),
        )
        return components, settings

    def _listed_components(self) -> list[Any]:
        single = as_distribution(self.components)
        if hasattr(single, "log_prob"):
            if not isinstance(self.n_components, (int, np.integer)) or self.n_components < 1:
                raise ParameterError(
                    f"n_components must be a whole number >= 1 where components is one distribution, found {self.n_components!r}"
                )
            components = [single] * int(self.n_components)
        elif isinstance(self.components, Sequence) and not isinstance(self.components, str) and len(self.components):
            # one and the same frozen distribution of scipy.stats stays one and the same component
            made = {id(component): as_distribution(component) for component in self.components}
            components = [made[id(component)] for component in self.components]
            if self.n_components is not None and self.n_components != len(components):
                raise ParameterError(f"n_components is {self.n_components}, but components lists {len(components)}")
        else:
            raise ParameterError(f"components must be a distribution or a sequence of them, found {self.components!r}")
        for place, component in enumerate(components):
            if isinstance(component, type):
                raise ParameterError(f"component {place} must be a distribution, found a class: write {component.__name__}()")
            if not (callable(getattr(component, "log_prob", None)) and callable(getattr(component, "fit", None))):
                raise ParameterError(f"component {place} must be a distribution with log_prob and fit, found {component!r}")
        return components

    def _n_threads(self) -> int:
        if self.n_jobs is None:
            return available_threads()
        if not isinstance(self.n_jobs, (int, np.integer)) or self.n_jobs == 0:
            raise ParameterError(f"n_jobs must be a whole number other than 0, or None, found {self.n_jobs!r}")
        return int(self.n_jobs) if self.n_jobs > 0 else max(1, available_threads() + 1 + int(self.n_jobs))

    # --- questions to a fitted model, or to one whose parameters were all given ---

    def _state(self) -> tuple[list[Any], Floats]:
        """Components and weights: the fitted ones, or those given."""
        if not hasattr(self, "components_"):
            components = self._listed_components()
            if not all(getattr(component, "is_complete", True) for component in components):
                check_is_fitted(self, "components_")
            k = len(components)
            return components, np.full(k, 1.0 / k) if self.weights is None else np.asarray(self.weights, dtype=float)
        return self.components_, self.weights_

    def _evaluate(self, X: Any, *wanted: str, finite: bool = True) -> dict[str, Any]:
        """Outputs of one pass over X: "density" and "labels" (n,), "posterior" or "log_joint" (n, k). With `finite`, infinite cells
        are refused."""
        return self._evaluate_table(self._table_of(X), *wanted, finite=finite)

    def _table_of(self, X: Any) -> Table:
        """X as a table of the columns that the model was fitted to, of at least one row."""
        self._state()  # a model without parameters is told so first
        width = getattr(self, "n_features_in_", None)  # None: parameters were given, no table has been seen
        flat = np.ndim(X) == 1 and not hasattr(X, "columns") and width in (None, 1)
        table = Table.read(X, one_column=flat)
        if width is not None:
            validate_data(self, _two_dimensional(X) if flat else X, skip_check_array=True, reset=False)
        if not table.n_rows:
            raise DataError(
                f"expected at least one row, found 0 sample(s) (shape=(0, {table.n_columns})) while a minimum of 1 is required."
            )
        return table

    def _evaluate_table(self, table: Table, *wanted: str, finite: bool = True) -> dict[str, Any]:
        """As :meth:`_evaluate`, of a table that has been read."""
        components, mixing = self._state()
        assembly = Assembly(take_apart(components, table), table)
        if finite:
            assembly.check_finite()
        shapes: dict[str, Any] = {"density": table.n_rows, "labels": table.n_rows}
        outputs = {
            name: np.empty(shapes.get(name, (table.n_rows, len(components))), np.int64 if name == "labels" else np.float64)
            for name in wanted
        }
        assembly.evaluate(safe_log(mixing), self._n_threads(), **outputs)
        return outputs

    def _possible(self, density: Floats) -> None:
        bad = np.flatnonzero(density == -np.inf)
        if len(bad):
            raise DataError(
                f"row {bad[0]} has density zero under every component ({len(bad)} such rows), so no component can be named for it; "
                "score_samples shows them as -inf"
            )

    def score_samples(self, X: Any) -> Floats:
        """Log-density of every row, shape (n,); -inf where no component can have made the row; missing cells add nothing."""
        return in_callers_frame(self, X, self._evaluate(X, "density")["density"], "log_prob")

    def log_prob(self, X: Any) -> Floats:
        """As :meth:`score_samples`, as an array: a mixture is a distribution, and outside its support, at infinity, it is -inf."""
        return self._evaluate(X, "density", finite=False)["density"]

    def predict(self, X: Any) -> Ints:
        """Most probable component of every row, shape (n,), the first on a tie.

        Raises
        ------
        DataError : a row has density zero under every component.
        """
        out = self._evaluate(X, "density", "labels")
        self._possible(out["density"])
        return in_callers_frame(self, X, out["labels"], "component")

    def predict_proba(self, X: Any) -> Any:
        """Probability of every component given the row, shape (n, k).

        Raises
        ------
        DataError : a row has density zero under every component.
        """
        out = self._evaluate(X, "density", "posterior")
        self._possible(out["density"])
        return in_callers_frame(self, X, out["posterior"], "component")

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithm of :meth:`predict_proba`, right where that would underflow."""
        out = self._evaluate(X, "log_joint")["log_joint"]
        density = np.logaddexp.reduce(out, axis=1)
        self._possible(density)
        return in_callers_frame(self, X, out - density[:, None], "component")

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean log-density of a row, weighted."""
        density = self._evaluate(X, "density")["density"]
        return _weighted_mean(density, read_weights(sample_weight, len(density)))

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw n rows, shape (n, d), in random order; objects where a column's categories are no numbers.

        Columns are in the order of the table that the model was fitted to, or else in which the first component names them,
        but for those that no component describes.
        """
        components, mixing = self._state()
        random = generator_of(random_state)
        counts = random.multinomial(n, mixing / mixing.sum())
        return drawn_rows(components, counts, *known_columns(components, self), random)[random.permutation(n)]

    @property
    def n_features(self) -> int:
        """Number of columns."""
        check_is_fitted(self, "n_features_in_")
        return int(self.n_features_in_)

    # --- as a component of another mixture ---

    @property
    def is_complete(self) -> bool:
        """Whether it has been fitted, or every parameter was given."""
        return hasattr(self, "components_") or all(getattr(c, "is_complete", True) for c in self._listed_components())

    @property
    def is_maximum_likelihood(self) -> bool:
        """Whether every iteration raises the likelihood, and not that of some components a row, or that with a prior."""
        kinds = [getattr(component, "is_maximum_likelihood", True) for component in self._listed_components()]
        return all(kinds) and self.weights_prior is None and not as_e_step(self.e_step).components

    def _em_step(self, X: Any, sample_weight: Any) -> GeneralMixtureModel:
        """One EM iteration from here, without temperature or draws: with a soft E-step and no prior, an M-step that never lowers
        the weighted likelihood of an enclosing mixture."""
        table = Table.read(X)
        table, weights = without_zeros(table, read_weights(sample_weight, table.n_rows))
        components, mixing = self._state()
        kind, prior = as_e_step(self.e_step), _concentrations(self.weights_prior, len(components))
        settings = Settings(0.0, 1, e_step=EStep(kind.components), learn_weights=self.learn_weights, concentrations=prior)
        run = run_em(Assembly(take_apart(components, table), table, weights), safe_log(mixing), settings)
        new = type(self)(**self.get_params(deep=False))
        new.components_, new.weights_ = run.assembly.unpack(), run.weights
        new.n_features_in_ = table.n_columns
        return new

    # --- in a file ---

    def save(self, path: Any) -> None:
        """Write the model to a file, a JSON document that :func:`mixtures.load` reads: whole or not at all.

        Kept to the last bit are all arguments and all that a fit has found, ``labels_`` (one number a row) included. Left out are
        callbacks, which are functions, and the running statistics of a stream, without which :meth:`partial_fit` refuses to go on
        from a model that was read. A frozen distribution of `scipy.stats` becomes the ``ScipyDistribution`` that it stands for.
        Distributions of your own are kept as the arguments of their constructors, which must be attributes of the same names;
        :func:`mixtures.load` is then told of their classes.

        Parameters
        ----------
        path : str or path-like. A file that is there is replaced at the end, in one step.

        Raises
        ------
        ModelFormatError : the model holds something that no file can keep, such as a random generator for ``random_state``, a
            category that is no string, number, boolean, None, bytes, date or time, nor a tuple or frozenset of them, or
            more than a file may hold (see :func:`mixtures.load`); names it.
        OSError : the file cannot be written.

        Examples
        --------
        >>> import os, tempfile
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Poisson
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     GeneralMixtureModel([Poisson(1.0), Poisson(9.0)]).save(os.path.join(folder, "model.json"))
        """
        from mixtures.keeping import save

        save(self, path)

    # --- scikit-learn ---

    def set_output(self, *, transform: str | None = None) -> Self:
        """Form of row-wise outputs: "default" for arrays, "pandas" or "polars" for frames; None leaves it as it is."""
        if transform is not None:
            if transform not in ("default", "pandas", "polars"):
                raise ParameterError(f"transform must be 'default', 'pandas', 'polars' or None, found {transform!r}")
            self._sklearn_output_config = {"transform": transform}
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        distributions = self._all_distributions()
        tags.input_tags.categorical = tags.input_tags.string = any(d.encoding == "categories" for d in distributions)
        declared = [d.support for d in distributions if d.support is not None]
        supports = [cells for support in declared for cells in (support if isinstance(support, tuple) else (support,))]
        tags.input_tags.positive_only = bool(supports) and all(support.low >= 0 for support in supports)
        return tags

    def _all_distributions(self) -> list[Any]:
        """Every built-in family among the components and their factors."""
        components = [self.components] if hasattr(self.components, "log_prob") else list(self.components or [])
        found = []
        while components:
            component = components.pop()
            components.extend(getattr(component, "factors", {}).values())
            if hasattr(component, "kernels"):
                found.append(component)
        return found


def _concentrations(prior: Any, k: int) -> tuple[float, ...]:
    """Concentrations of the weights' prior, one a component; none for no prior."""
    if prior is None:
        return ()
    try:
        found = tuple(map(float, [prior] * k if np.ndim(prior) == 0 else prior))
    except (TypeError, ValueError):
        found = ()
    if len(found) != k or not all(1.0 <= value < np.inf for value in found):
        raise ParameterError(
            f"weights_prior must be a number >= 1, or {k} of them, found {prior!r}: below 1 the density is unbounded"
        )
    return found


def _two_dimensional(X: Any) -> Any:
    """X as scikit-learn's checks of names and widths want it: one column for a flat array."""
    if hasattr(X, "columns"):
        return X
    return X.to_frame() if hasattr(X, "to_frame") else np.reshape(X, (-1, 1)) if np.ndim(X) == 1 else X


def _weighted_mean(values: Floats, weights: Floats | None) -> float:
    if weights is None:
        return float(np.mean(values))
    seen = weights > 0
    return float(np.average(values[seen], weights=weights[seen]))
