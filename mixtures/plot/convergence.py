"""How a fit went: its objective, iteration by iteration."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.pieces import state_of
from mixtures.plot import colours
from mixtures.plot.canvas import axes_for

SCALES = ("objective", "gap")


class ConvergenceDisplay:
    """The objective of a fit over its iterations: the mean log-likelihood of a row, plus log-priors.

    Parameters
    ----------
    history : (n_iter + 1,), as ``history_`` of a fitted model.
    converged : whether the fit settled, or None where that is not known.
    moves : number of moves that were no EM steps, by kind.

    Attributes
    ----------
    ax_, figure_ : where it was drawn. line_ : the line.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from mixtures import GeneralMixtureModel
    >>> from mixtures.distributions import Normal
    >>> from mixtures.plot import ConvergenceDisplay
    >>> model = GeneralMixtureModel([Normal(0.0, 1.0), Normal(5.0, 1.0)]).fit([0.0, 1.0, 2.0, 4.0, 5.0, 6.0])
    >>> display = ConvergenceDisplay.from_estimator(model)
    >>> bool((display.line_.get_ydata() == model.history_).all())
    True
    """

    def __init__(self, *, history: Any, converged: bool | None = None, moves: Any = ()) -> None:
        self.history: Floats = np.asarray(history, dtype=float)
        if self.history.ndim != 1 or not len(self.history):
            raise ParameterError(f"history must be an array (n_iter + 1,), found shape {self.history.shape}")
        self.converged = converged
        self.moves = dict(moves)

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any = None, *, scale: str = "objective", ax: Any = None) -> Self:
        """Draw the history of a fitted mixture.

        Parameters
        ----------
        estimator : a fitted :class:`~mixtures.GeneralMixtureModel`.
        X : not needed, and not looked at: the history is the model's. It is there for the convention.
        scale : "objective", or "gap" for what was missing to its highest value, on a logarithmic axis: a straight line is EM's
            linear convergence.
        ax : matplotlib axes; None for a new figure.

        Raises
        ------
        NotFittedError : the estimator has no history. ParameterError : it is no mixture, or `scale` is wrong.
        """
        state_of(estimator)
        check_is_fitted(estimator, "history_", msg="%(name)s has no history: it was not fitted by `fit`, which keeps one")
        moves = Counter(move.kind for move in getattr(estimator.history_, "moves", ()))
        converged = getattr(estimator, "converged_", None)
        return cls(history=estimator.history_, converged=converged, moves=moves).plot(ax, scale=scale)

    def plot(self, ax: Any = None, *, scale: str = "objective") -> Self:
        """Draw it, on new axes or on those given; returns itself."""
        if scale not in SCALES:
            raise ParameterError(f"scale must be one of {SCALES}, found {scale!r}")
        self.figure_, self.ax_, _ = axes_for(ax, (6.4, 3.8))
        ax = self.ax_
        iterations = np.arange(len(self.history))
        values = np.where(np.isfinite(self.history), self.history, np.nan)
        if scale == "gap":
            gap = np.nanmax(values) - values if np.isfinite(values).any() else values
            values = np.where(gap > 0, gap, np.nan)  # zero has no logarithm: the best itself is not drawn
            if np.isfinite(values).any():
                ax.set_yscale("log")
        marker = "o" if len(values) <= 60 else None
        self.line_ = ax.plot(iterations, values, color=colours.colour(0), marker=marker, markersize=4, linewidth=1.8)[0]
        ax.set_xlabel("iteration")
        ax.set_ylabel("mean log-likelihood of a row" if scale == "objective" else "gap to the best (nats a row)")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.ticklabel_format(axis="y", useOffset=False) if scale == "objective" else None
        ax.set_title(self._words(), fontsize="medium")
        ax.margins(y=0.1)
        return self

    def _words(self) -> str:
        n = len(self.history) - 1
        head = {True: "converged after", False: "not converged after", None: "after"}[self.converged]
        words = f"{head} {n:,} iteration{'' if n == 1 else 's'}"
        moves = ", ".join(f"{count} x {kind}" for kind, count in self.moves.items())
        return f"{words}\nmoves: {moves}" if moves else words
