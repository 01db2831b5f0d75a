"""How well the rows tell the parameters of a fitted mixture: standard errors, confidence intervals, the bootstrap."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtures.bootstrap import KINDS as BOOTSTRAPS
from mixtures.bootstrap import Bootstrap, fits_of, summarised
from mixtures.checks import read_weights, without_zeros
from mixtures.distributions.base import generator_of
from mixtures.engine.plan import Floats
from mixtures.exceptions import ConvergenceWarning, DataError, DegenerateWarning, ParameterError
from mixtures.free_groups import EDGE
from mixtures.information import Derivatives, check_kind, covariance_of, differentiate, root_of
from mixtures.intervals import NOT_DETERMINED, Estimate, Estimates, check_level, interval, listed, name_of, warn_undetermined
from mixtures.knowledge import read_knowledge
from mixtures.result_tables import implementation_of
from mixtures.scores import Mixture, responsibilities_of
from mixtures.table import Table
from mixtures.warn import warn

FARTHEST = 0.05
"""Newton decrement of the objective, in squared standard errors, up to which a fit counts as ended."""
METHODS = {"observed": "observed information", "opg": "outer products of scores", "sandwich": "sandwich"}


class Uncertainty:
    """What a fitted mixture knows of the precision of its parameters."""

    @abstractmethod
    def _state(self) -> tuple[list[Any], Floats]:
        """Components and weights."""

    @abstractmethod
    def _checked(self) -> tuple[list[Any], Any]:
        """Components as they are listed, and settings."""

    @abstractmethod
    def _n_threads(self) -> int:
        """Threads to use."""

    n_jobs: Any

    @abstractmethod
    def _evaluate(self, X: Any, *wanted: str, finite: bool = True) -> dict[str, Any]:
        """Outputs of one pass over X."""

    def standard_errors(
        self, X: Any, sample_weight: Any = None, *, kind: str = "observed", labels: Any = None, responsibilities: Any = None
    ) -> Estimates:
        """Standard errors of all parameters, with 95% intervals: :meth:`confidence_intervals` at its level.

        Examples
        --------
        >>> import numpy as np
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Poisson
        >>> x = np.array([0.0, 1.0, 2.0, 1.0])
        >>> row = GeneralMixtureModel(Poisson(), 1).fit(x).standard_errors(x).of(0, "rate")
        >>> round(row.estimate, 6), round(row.standard_error, 6)
        (1.0, 0.5)
        """
        return self.confidence_intervals(X, 0.95, sample_weight, kind=kind, labels=labels, responsibilities=responsibilities)

    def confidence_intervals(
        self,
        X: Any,
        level: float = 0.95,
        sample_weight: Any = None,
        *,
        kind: str = "observed",
        labels: Any = None,
        responsibilities: Any = None,
    ) -> Estimates:
        """Standard errors and confidence intervals of all parameters, from the curvature of the log-likelihood at the fit.

        Parameters
        ----------
        X, sample_weight, labels, responsibilities : those of the fit.
        level : float between 0 and 1, of the intervals.
        kind : "observed" for the inverse of the observed information, "opg" for that of the sum of outer products of the rows'
            scores, "sandwich" for both together, which is right as well where the rows come from another distribution.

        Returns
        -------
        :class:`~mixtures.intervals.Estimates`, a row for every number among the parameters.

        Notes
        -----
        Intervals are symmetric on the scale on which a number has no ends, and stay in its range: of its logarithm where it is
        positive (a rate, a scale, a variance), of its log-odds between two ends (a weight, a probability), of the number itself
        otherwise (a mean, a covariance of two columns); they are cut off at the bounds of a ``Bounded`` parameter. Parameters
        that are tied are one; those that are held have a standard error of 0. With priors, the information is that of
        the likelihood times the prior. That the rows are many is assumed: :meth:`bootstrap` does not.

        Where rows do not determine a parameter, or where it is estimated at an end of its range or of the support, there is no
        standard error by this theory: it is NaN, with a :class:`~mixtures.exceptions.DegenerateWarning` that names it, and other
        parameters have theirs as if it were known.

        Examples
        --------
        >>> import numpy as np
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> x = np.array([1.0, 2.0, 3.0, 6.0])
        >>> GeneralMixtureModel(Normal(), 1).fit(x).confidence_intervals(x)
        component  column  parameter  estimate  std. error   95% low     high
        ---------  ------  ---------  --------  ----------  --------  -------
                0          weight            1           0         1        1  the only one
                0  0       mean              3    0.935414   1.16662  4.83338
                0  0       std         1.87083    0.661438  0.935597  3.74093
        observed information
        """
        check_level(level)
        check_kind(kind)
        derivatives, names = self._derivatives(X, sample_weight, labels, responsibilities)
        found = covariance_of(derivatives, kind)
        mixture = derivatives.mixture
        rows = []
        for k, place, number, tie, error, lost in zip(
            mixture.owners, mixture.places, mixture.numbers, _is_tied(derivatives), found.errors, found.undetermined, strict=True
        ):
            low, high = interval(number, float(error), level)
            note = number.reason if number.standing else NOT_DETERMINED if lost else "tied" if tie else ""
            column = ", ".join(names[j] for j in place)
            rows.append(Estimate(k, column, number.name, number.value, float(error), low, high, note))
        _warn(mixture, rows, found.undetermined, found.decrement)
        return Estimates(rows, float(level), METHODS[kind], found.matrix, implementation_of(X))

    def bootstrap(
        self,
        X: Any,
        n_replicates: int = 1000,
        *,
        kind: str = "nonparametric",
        sample_weight: Any = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> Bootstrap:
        """What the parameters do when the sample changes: the same fit to very many samples, each from the parameters at hand.

        Parameters
        ----------
        X, sample_weight : those of the fit.
        n_replicates : int >= 2, samples.
        kind : "nonparametric" for rows drawn from X with replacement, by their weights; "parametric" for draws of this mixture,
            in which cells are missing where they are in X. Samples have as many rows as X, or as its weights sum up to.
        random_state : seed, Generator, RandomState or None.
        n_jobs : int or None, threads; None for those of the model. Results have the same bits for any number.

        Returns
        -------
        :class:`~mixtures.bootstrap.Bootstrap`: its ``replicates``, ``standard_errors`` and ``confidence_intervals``.

        Notes
        -----
        Components that have changed places are put back, see :mod:`mixtures.bootstrap`. A maximum near the one at hand is
        followed, and no other one is sought. Labels or responsibilities of a fit are not taken into account.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Exponential
        >>> x = [0.5, 1.0, 1.5, 3.0]
        >>> found = GeneralMixtureModel(Exponential(), 1).fit(x).bootstrap(x, 100, random_state=0)
        >>> found.replicates.shape
        (100, 2)
        >>> row = found.confidence_intervals(0.9).of(0, "rate")
        >>> row.low < row.estimate < row.high
        True
        """
        if not isinstance(n_replicates, (int, np.integer)) or n_replicates < 2:
            raise ParameterError(f"n_replicates must be a whole number >= 2, found {n_replicates!r}")
        if kind not in BOOTSTRAPS:
            raise ParameterError(f"kind must be one of {BOOTSTRAPS}, found {kind!r}")
        components, mixing = self._state()
        joint = self._evaluate(X, "density", finite=False)["density"]
        whole = Table.read(X)
        weights = read_weights(sample_weight, whole.n_rows)
        table, used = without_zeros(whole, weights)
        seen = joint if weights is None else joint[weights > 0]
        bad = np.flatnonzero(~(seen > -np.inf))
        if len(bad):
            raise DataError(f"row {table.row(bad[0])} has density zero under every component, which no fit leaves")
        _, settings = self._checked()
        if settings.e_step.draws:
            raise ParameterError("bootstrap: a stochastic E-step has no end that could be followed; fit with another one")
        random, n_threads = generator_of(random_state), self._threads(n_jobs)
        found, labelled = fits_of(components, mixing, table, used, settings, kind, int(n_replicates), random, n_threads)
        return summarised(found, labelled, kind, implementation_of(X))

    def _threads(self, n_jobs: Any) -> int:
        """Threads that a number of jobs stands for; None: those of the model."""
        other = copy.copy(self)
        if n_jobs is not None:
            other.n_jobs = n_jobs
        return other._n_threads()

    def _derivatives(self, X: Any, sample_weight: Any, labels: Any, responsibilities: Any) -> tuple[Derivatives, Sequence[str]]:
        components, mixing = self._state()
        joint = self._evaluate(X, "log_joint", finite=False)["log_joint"]
        whole = Table.read(X)
        weights = read_weights(sample_weight, whole.n_rows)
        knowledge = read_knowledge(labels, responsibilities, whole.n_rows, len(components))
        table, used = without_zeros(whole, weights)
        if table is not whole and weights is not None:
            seen = np.flatnonzero(weights)
            joint, knowledge = joint[seen], knowledge.take(seen)
        if knowledge.beliefs.size:
            joint = joint + knowledge.beliefs
        if knowledge.labels.size:
            known = knowledge.labels >= 0
            other = np.arange(len(components)) != knowledge.labels[:, None]
            joint = np.where(known[:, None] & other, -np.inf, joint)
        bad = np.flatnonzero(~(joint.max(axis=1) > -np.inf))
        if len(bad):
            raise DataError(
                f"row {table.row(bad[0])} has density zero under every component that it may belong to, which no fit leaves"
            )
        prior = getattr(self, "weights_prior", None)
        concentrations = [] if prior is None else np.broadcast_to(np.asarray(prior, dtype=float), (len(components),)).tolist()
        learns = bool(getattr(self, "learn_weights", True))
        mixture = root_of(components, mixing, table, learns, concentrations)
        return differentiate(mixture, table, used, responsibilities_of(joint)), table.names


def _is_tied(derivatives: Derivatives) -> list[bool]:
    """Whether each number depends on a coordinate that several components share."""
    shared = (derivatives.tied != 0.0).sum(axis=0) > 1
    return [bool(shared[row != 0].any()) for row in derivatives.jacobian]


def _warn(mixture: Mixture, rows: Sequence[Estimate], undetermined: Any, decrement: float) -> None:
    """Say what there is no standard error for, and why."""
    lost = [name_of(row.component, row.column, row.parameter) for row, is_lost in zip(rows, undetermined, strict=True) if is_lost]
    edges: dict[str, list[str]] = {}
    for row, number in zip(rows, mixture.numbers, strict=True):
        if number.standing == EDGE:
            edges.setdefault(number.reason, []).append(name_of(row.component, row.column, row.parameter))
    for reason, names in edges.items():
        warn(
            f"no standard error by this theory for {listed(names)}: {reason}. Others are given as if it were known; bootstrap, or "
            "hold it.",
            DegenerateWarning,
        )
    if lost:
        warn_undetermined(lost)
    if mixture.unknown:
        kinds = ", ".join(sorted({type(one).__name__ for one in mixture.unknown}))
        warn(f"{kinds}: declares no parameters that could be differentiated by; they are taken as known", DegenerateWarning)
    if decrement > FARTHEST:
        warn(
            f"these parameters are no maximum for these rows: some are {decrement**0.5:.2g} standard errors away from it. Give the "
            "rows, weights and labels of the fit, and fit with a smaller tol.",
            ConvergenceWarning,
        )
