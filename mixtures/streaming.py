"""Fitting a mixture to data that do not come at once: statistics of chunks that add up, and a fit that forgets its rows.

**Passes.** ``summarize`` a chunk under the model's parameters, anywhere; add what comes back; ``from_statistics`` makes the next
M-step. One round is one EM iteration over all chunks, exact: with the engine's own chunks of 8192 rows in order, to the bit.

**A stream.** ``partial_fit`` is the stepwise EM of Cappé & Moulines (2009, "On-line expectation-maximization algorithm for latent
data models", JRSS B 71:593): running statistics s, per unit of weight, follow those of each chunk, and an M-step follows s:

    s <- (1 - step) s + step s_chunk,   step = 1 - (1 - (t + 2)^-0.7)^(weight of the chunk / mean weight of the chunks so far),

t chunks having been seen before. For chunks of equal weight that is (t + 2)^-0.7, the form of Liang & Klein (2009, "Online EM for
unsupervised models", section 3). An exponent in (1/2, 1] makes the steps sum to infinity and their squares not, which is what
convergence needs (Cappé & Moulines, theorem 1). 1 would weigh the first chunks, read under poor parameters, as much as the last
ones; near 1/2 the last few chunks would be all that counts; with 0.7, some t^0.7 chunks do. A chunk of twice the usual weight
counts as two of the usual one, and what unit weights are in does not matter.

Statistics are averaged over chunks that were read under different parameters. So a family must know what those of older rows
would be about its new centre (:meth:`mixtures.distributions.Family._carried`); where statistics are derivatives at the parameters,
or ends of a support, nothing does, and ``partial_fit`` refuses. A family whose maximum takes several steps makes one a chunk.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import validate_data

from mixtures.checks import check_support, read_weights, without_zeros
from mixtures.columns import Columns
from mixtures.engine.plan import FLOORED, Floats
from mixtures.exceptions import ConvergenceWarning, DataError, DegenerateWarning, LimitWarning, ParameterError
from mixtures.history import History
from mixtures.parts import take_apart
from mixtures.position import Maximum, Position, carries, open_priors, require_carriers, require_kernels
from mixtures.settings import Settings
from mixtures.standalone import warn_floored
from mixtures.statistics import Statistics
from mixtures.table import Table
from mixtures.warn import warn

DECAY = 0.7
"""Exponent of the step size."""
FIRST_ITERATIONS = 20
"""EM iterations, at most, of the start on the first chunk."""


@dataclass(frozen=True, eq=False)
class Past:
    """What a model remembers of rows that it has seen.

    Attributes
    ----------
    position : where the model stands; the statistics are carried to it.
    values : statistics per unit of weight.
    weight : of all rows so far.
    chunks : how many there were; a fit counts as as many as it would have been.
    usual : mean weight of a chunk; None where there was none yet.
    """

    position: Position
    values: Floats
    weight: float
    chunks: float = 0.0
    usual: float | None = None


def step_size(chunks: float, share: float) -> float:
    """Share of the running statistics that a chunk replaces, `chunks` having been seen, of `share` times the usual weight."""
    return -float(np.expm1(share * np.log1p(-((chunks + 2.0) ** -DECAY))))


class Streaming:
    """What a mixture does with data that come in chunks."""

    @abstractmethod
    def _state(self) -> tuple[list[Any], Floats]:
        """Components and weights."""

    @abstractmethod
    def _listed_components(self) -> list[Any]:
        """The components that were given."""

    @abstractmethod
    def _checked(self) -> tuple[list[Any], Settings]:
        """The components that were given, and the settings, checked."""

    def _settings(self) -> Settings:
        """How rows are to be read and maxima found, of which passes and streams can do a part.

        Raises
        ------
        ParameterError : an E-step that changes from one iteration to the next, or draws.
        """
        settings = self._checked()[1]
        if settings.e_step.draws or settings.e_step.sharpness != 1.0:
            raise ParameterError(
                "e_step: data that come in chunks can be read by 'soft', 'hard' or truncated(...) steps, found one that draws or "
                "changes from one iteration to the next"
            )
        return settings

    # --- what is known of the columns ---

    def survey(self, *tables: Any) -> Self:
        """Look at tables, and keep what the columns are like in ``columns_``, the frame that statistics are taken in.

        Needed before the model is handed to several threads or processes, so that all of them use one frame; any chunk will do. A
        survey of all chunks saves the pass that :meth:`from_statistics` asks for when values turn up beyond those known. What was
        known before stays known.

        Parameters
        ----------
        *tables : arrays or frames, or the ``columns_`` of models that surveyed other chunks.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> GeneralMixtureModel(Normal(), n_components=2).survey([1.0, 2.0], [0.5, 9.0]).columns_
        <Columns of 4 rows; 0: 0.5 to 9>
        """
        known: Columns | None = getattr(self, "columns_", None)
        for X in tables:
            seen = X if isinstance(X, Columns) else self._seen(self._read(X, None)[0])
            known = seen if known is None else known + seen
        if known is not None:
            self.columns_ = known
            if self.is_complete and not open_priors(self._state()[0]):
                self._kept_position = self._standing(known)
        return self

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Whether all parameters have values."""

    def _read(self, X: Any, sample_weight: Any, one_column: bool = True) -> tuple[Table, Floats | None]:
        """A table of the rows of weight > 0, and their weights."""
        width = getattr(self, "n_features_in_", None)
        flat = np.ndim(X) == 1 and not hasattr(X, "columns")
        table = Table.read(X, one_column=one_column and width in (None, 1))
        if width is not None:
            square = X if not flat else X.to_frame() if hasattr(X, "to_frame") else np.reshape(X, (-1, 1))
            validate_data(self, square, skip_check_array=True, reset=False)
        return without_zeros(table, read_weights(sample_weight, table.n_rows))

    def _seen(self, table: Table) -> Columns:
        """What is known of the columns of a table, which must be one that the components allow."""
        components = self.components_ if hasattr(self, "components_") else self._listed_components()
        parts = take_apart(components, table)
        check_support(parts, table)
        return Columns.of(parts, table)

    def _frame(self, table: Table, seen: Columns) -> Columns:
        """The frame for a chunk: the model's own, or what was seen of the chunk."""
        known: Columns | None = getattr(self, "columns_", None)
        if known is None:
            return seen
        if known.fits(table):
            return known
        if hasattr(self, "n_features_in_"):
            return seen  # a fit to other columns has followed the survey
        raise DataError(f"expected columns {list(known.names)}, as surveyed, found {table.names}")

    def _standing(self, columns: Columns) -> Position:
        """Where the model stands in a frame."""
        components, weights = self._state()
        kept: Position | None = getattr(self, "_kept_position", None)
        if kept is not None and kept.columns is columns and kept.is_of(components, weights):
            return kept
        return Position.at(components, weights, columns)

    def _repeated(self) -> list[int]:
        """Places of two given components that are equal, if there are: EM would leave them equal for ever."""
        components = self._listed_components()
        require_kernels(components)
        for place, component in enumerate(components):
            if component in components[:place]:
                return [components.index(component), place]
        return []

    # --- passes over chunks ---

    def summarize(self, X: Any, sample_weight: Any = None) -> Statistics:
        """What the next M-step needs of these rows, under the present parameters.

        The model changes in one respect: the first chunk that it sees decides its frame, ``columns_``, unless it has made a
        :meth:`survey`.

        Parameters
        ----------
        X : array (n, d), array (n,) for one column, or a frame: some of the rows. NaN (None, null) is a missing cell.
        sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None.

        Raises
        ------
        NotFittedError : components lack parameters.
        DataError : a cell, a weight or the shape cannot be used.
        FitError : a row has density zero under every component.
        ParameterError : a component exists in Python only, and has no statistics that add up; or its prior leaves something open;
            or two given ones are equal.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> model = GeneralMixtureModel([Normal(0.0, 1.0), Normal(9.0, 1.0)]).survey([-1.0, 11.0])
        >>> both = model.summarize([-1.0, 1.0]) + model.summarize([7.0, 11.0])
        >>> both
        <Statistics of 4 rows of weight 4, log-likelihood -11.4483>
        >>> [round(component.mean, 3) for component in model.from_statistics(both).components_]
        [0.0, 9.0]
        """
        self._state()  # which says what is not fitted
        if not hasattr(self, "components_") and (places := self._repeated()):
            raise ParameterError(
                f"components {places} are equal, and EM would leave them equal: give them other parameters, or begin with fit or "
                "partial_fit, which find a start"
            )
        if where := open_priors(self._state()[0]):
            raise ParameterError(
                f"{where[0]}: its prior leaves open what a fit takes from all rows: give it all its numbers, or begin with fit or "
                "partial_fit, which take them from the rows that they see first"
            )
        settings = self._settings()
        table, weights = self._read(X, sample_weight)
        seen = self._seen(table)
        columns = self._frame(table, seen)
        position = self._standing(columns)
        statistics = position.summarize(table, seen, weights, settings)
        if getattr(self, "_kept_position", None) is not position:
            self.columns_, self._kept_position = columns, position
        return statistics

    def from_statistics(self, statistics: Statistics) -> Self:
        """A new model, after the M-step that the statistics of all chunks ask for.

        Its attributes are ``components_``, ``weights_``, ``n_iter_`` (M-steps so far), ``history_`` (mean log-likelihood of a row
        before each of them) and ``needs_pass_``: True where no parameter has changed, but the pass is to be done again with the new
        model, because values turned up beyond those known (``columns_`` now knows them) or because sums of squares had lost digits
        (their centre has moved). A fit of all rows at once does the same, unseen. A family whose maximum takes several steps makes
        one of them, which never lowers the likelihood.

        Parameters
        ----------
        statistics : those of this model, or a sum of them.

        Raises
        ------
        ParameterError : they belong to other parameters or another frame.
        FitError : a family found no parameters.
        """
        if not isinstance(statistics, Statistics):
            raise ParameterError(f"from_statistics: expected Statistics, made by summarize, found {statistics!r}")
        position = self._standing(self.columns_) if hasattr(self, "columns_") else None
        if position is None or position.fingerprint != statistics._model:
            raise ParameterError(
                "from_statistics: expected statistics taken under this model's parameters and in its frame, found those of another "
                "model or of an earlier round"
            )
        history = list(getattr(self, "history_", [])) if getattr(self, "_is_of_passes", False) else []
        if statistics._values is None:
            new = position.widened(position.columns.widened(statistics.columns))
            return self._at(new, None, history, needs_pass=True)
        found = position.maximized(statistics._values, self._settings())
        new = found.position
        if new.repeats:
            return self._at(new, None, history, needs_pass=True)
        _warn(found)
        past = None
        if carries(new.components):
            past = Past(new, position.carried(statistics._values, new) / statistics.weight, statistics.weight)
        return self._at(new, past, [*history, found.objective], needs_pass=False)

    def _at(self, position: Position, past: Past | None, history: list[float], needs_pass: bool) -> Self:
        """A new model at a position."""
        new: Any = type(self)(**self.get_params(deep=False))  # type: ignore[attr-defined]
        for name in ("n_features_in_", "feature_names_in_", "_sklearn_output_config"):
            if hasattr(self, name):
                setattr(new, name, getattr(self, name))
        if not hasattr(new, "n_features_in_"):
            new._remember_names(position.columns)
        new._move_to(position, past)
        new.n_iter_, new.history_, new.needs_pass_, new._is_of_passes = len(history), History(history), needs_pass, True
        own: Self = new
        return own

    def _remember_names(self, columns: Columns) -> None:
        self.n_features_in_ = len(columns.names)
        if columns.named:
            self.feature_names_in_ = np.asarray(columns.names, dtype=object)

    def _move_to(self, position: Position, past: Past | None) -> None:
        self.columns_ = position.columns
        self.components_ = position.components
        self.weights_ = np.exp(position.log_weights)
        # The weights' logarithms are the model's: what is computed back from the weights differs in the last bit.
        self._kept_position = position
        self._past = past

    # --- a stream ---

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Go on with rows that will not be seen again: one step of stepwise EM, which the module's docstring describes.

        The first chunk is where a model starts that lacks parameters, as :meth:`fit` does, with a few EM iterations; it should hold
        some rows of every component. A model that was given parameters starts from them, and a fitted one goes on from its fit:
        their statistics are those that their parameters expect. Afterwards ``n_steps_`` says how many chunks
        there were; what a fit alone knows (``labels_``, ``converged_``, ``history_``, ``n_iter_``) is deleted.

        Parameters
        ----------
        X : array (n, d), array (n,) for one column, or a frame: the next rows, some hundreds or more. Categories that the first
            chunk lacks must be given to ``Categorical`` with their probabilities, or allowed by its pseudo_count.
        y : ignored, as in :meth:`fit`.
        sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None.

        Raises
        ------
        ParameterError : a component exists in Python only, or is of a family whose statistics belong to the parameters at hand, or
            are ends of a support: a t, a Laplace or a Weibull distribution, a Uniform. Use :meth:`summarize` for those.
        DataError : a cell, a weight or the shape cannot be used. FitError : EM could not go on. A refused chunk changes nothing.

        Examples
        --------
        >>> import numpy as np
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> random = np.random.default_rng(0)
        >>> model = GeneralMixtureModel(Normal(), n_components=2, random_state=0)
        >>> for _ in range(100):
        ...     chunk = np.concatenate([random.normal(-4.0, 1.0, 100), random.normal(4.0, 1.0, 300)])
        ...     model = model.partial_fit(chunk)
        >>> sorted(round(float(weight), 2) for weight in model.weights_)
        [0.25, 0.75]
        """
        start: Any = self
        self._require_past()
        settings = self._settings()
        require_carriers(self.components_ if hasattr(self, "components_") else self._listed_components())
        if not hasattr(self, "components_") and (
            not self.is_complete or self._repeated() or open_priors(self._listed_components())
        ):
            start = self._started(X, y, sample_weight)
        table, weights = start._read(X, sample_weight, one_column=y is None)
        seen = start._seen(table)
        position: Position = start._standing(start._frame(table, seen))
        past: Past | None = getattr(self, "_past", None)
        if start is not self:
            past = None
        elif past is None or past.position is not position:
            past = self._past_of(position, table.n_rows, weights)
        if not position.columns.covers(seen):
            wider = position.widened(position.columns.widened(seen, keep_rows=True))
            if past is not None:
                past = Past(wider, position.carried(past.values, wider), past.weight, past.chunks, past.usual)
            position = wider
        past = _followed(past, position, position.summarize(table, seen, weights, settings))
        values = past.values
        while True:
            found = position.maximized(values * past.weight, settings)
            values, position = position.carried(values, found.position), found.position
            if not position.repeats:
                break
            # Older rows cannot be read again: their sums have been moved to the new centre.
        _warn(found)
        for name in ("labels_", "converged_", "history_", "n_iter_", "needs_pass_", "_is_of_passes"):
            self.__dict__.pop(name, None)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(start, name):
                setattr(self, name, getattr(start, name))
        if not hasattr(self, "n_features_in_"):
            self._remember_names(position.columns)
        self._move_to(position, Past(position, values, past.weight, past.chunks, past.usual))
        self.n_steps_ = getattr(self, "n_steps_", 0) + 1
        return self

    def _follows_stream(self) -> bool:
        """Whether its parameters are where a stream, or a pass, has left them, with running statistics that go with them."""
        past: Past | None = getattr(self, "_past", None)
        if past is None:
            return self._lacks_past()
        return past.position.is_of(*self._state())

    def _lacks_past(self) -> bool:
        """Whether such statistics were left in the process that wrote the file which it was read from."""
        components: list[Any] | None = getattr(self, "_stream_left_out", None)
        return components is not None and components is getattr(self, "components_", None)

    def _require_past(self) -> None:
        """Refuse a model that would go on as if it had seen no rows."""
        if self._lacks_past():
            raise ParameterError(
                "partial_fit: this model was read from a file, which keeps no running statistics of a stream; a pickle does. To "
                "begin a new stream where it stands, make a new model of its components_ and weights_"
            )

    def _started(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """A model fitted to the first chunk."""
        first: Any = type(self)(**self.get_params(deep=False))  # type: ignore[attr-defined]
        first.max_iter, first.callbacks = min(first.max_iter, FIRST_ITERATIONS), None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            first.fit(X, y, sample_weight)
        if hasattr(self, "columns_"):
            first.columns_ = self.columns_
        return first

    def _past_of(self, position: Position, n_rows: int, weights: Floats | None) -> Past | None:
        """What a model stands for that has not followed a stream so far: one that was fitted, for as many rows as it was fitted to;
        one that was given parameters, for a chunk that is not counted. Rows weigh as much as those at hand, of `n_rows` and
        `weights`."""
        expected = position.expected()
        n_fitted = int(np.count_nonzero(self.labels_ >= 0)) if hasattr(self, "labels_") else 0
        if isinstance(expected, str):
            if n_fitted:
                raise ParameterError(
                    f"partial_fit: {expected} cannot tell from its parameters what rows it was fitted to, so that no stream can go "
                    "on from a fit of it: begin with partial_fit, or with summarize and from_statistics"
                )
            return None
        weight = float(n_rows if weights is None else weights.sum())
        chunks = n_fitted / n_rows
        return Past(position, expected, chunks * weight, chunks, weight)


def _followed(past: Past | None, position: Position, chunk: Statistics) -> Past:
    """What is remembered after a chunk, whose statistics were taken where the model stands."""
    assert chunk._values is not None
    own, weight = chunk._values / chunk.weight, chunk.weight
    if past is None:
        return Past(position, own, weight, 1.0, weight)
    chunks, usual = (past.weight / weight, weight) if past.usual is None else (past.chunks, past.usual)
    usual = (usual * chunks + weight) / (chunks + 1.0)
    step = step_size(chunks, weight / usual)
    # No sum for maxima, which only parameters that are held leave, at -inf.
    values = np.where(chunk._is_maximum, -np.inf, (1.0 - step) * past.values + step * own)
    return Past(position, values, past.weight + weight, chunks + 1.0, usual)


def _warn(found: Maximum) -> None:
    """Warn of what an M-step found at the edge of what the data can tell."""
    if np.any(found.flags & FLOORED):
        warn_floored(found.assembly.columns_with(found.flags, FLOORED))
    for sentence in dict.fromkeys(found.assembly.limits(found.flags)):
        warn(sentence, LimitWarning)
    empty = np.flatnonzero(found.position.weights == 0.0).tolist()
    if empty:
        warn(f"components {empty} have no rows left. Fit fewer components.", DegenerateWarning)
