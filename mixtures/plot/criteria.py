"""Criteria over the number of components."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.pieces import state_of
from mixtures.plot import colours
from mixtures.plot.canvas import axes_for, dollars, put_legend

CRITERIA = ("bic", "aic", "icl")
SHOUTED = {"aic", "aicc", "bic", "icl", "sabic", "caic"}


class CriteriaDisplay:
    """Criteria of mixtures of several sizes, the best of each marked.

    Parameters
    ----------
    n_components : m numbers of components.
    criteria : name -> m values; NaN where there is none.
    degenerate : m flags: fits that ended at the edge of what the data can tell, whose likelihood says nothing. They are drawn as
        crosses, and none of them is the best.
    higher_is_better : names of the criteria of which that is so, such as a log-likelihood; of the others lower is better.

    Attributes
    ----------
    ax_, figure_ : where it was drawn. lines_ : name -> line. best_ : name -> number of components, None where no value can be best.
    legend_.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from mixtures.plot import CriteriaDisplay
    >>> display = CriteriaDisplay.from_criteria([1, 2, 3], {"bic": [900.0, 700.0, 650.0]}, degenerate=[False, False, True])
    >>> display.best_
    {'bic': 2}
    """

    def __init__(
        self,
        *,
        n_components: Sequence[int],
        criteria: Mapping[str, Sequence[float]],
        degenerate: Sequence[bool] | None = None,
        higher_is_better: Collection[str] = (),
    ) -> None:
        sizes = np.asarray(n_components)
        if (
            sizes.ndim != 1
            or not len(sizes)
            or sizes.dtype.kind not in "iu"
            or sizes.min() < 1
            or len(set(sizes.tolist())) < len(sizes)
        ):
            raise ParameterError(f"n_components must be different whole numbers >= 1, found {n_components!r}")
        if not isinstance(criteria, Mapping) or not criteria:
            raise ParameterError(f"criteria must map at least one name to its values, found {criteria!r}")
        order = np.argsort(sizes)
        self.n_components = sizes[order]
        self.criteria: dict[str, Floats] = {}
        for name, values in criteria.items():
            found = np.asarray(values, dtype=float)
            if found.shape != sizes.shape:
                raise ParameterError(f"criteria: expected {len(sizes)} values of {name!r}, one a size, found shape {found.shape}")
            self.criteria[str(name)] = found[order]
        flags = np.zeros(len(sizes), dtype=bool) if degenerate is None else np.asarray(degenerate, dtype=bool)
        if flags.shape != sizes.shape:
            raise ParameterError(f"degenerate: expected {len(sizes)} flags, one a size, found shape {flags.shape}")
        self.degenerate = flags[order]
        unknown = set(higher_is_better) - set(self.criteria)
        if isinstance(higher_is_better, str) or unknown:
            raise ParameterError(f"higher_is_better: expected some of {list(self.criteria)}, found {higher_is_better!r}")
        self.higher_is_better = frozenset(higher_is_better)

    @classmethod
    def from_criteria(
        cls,
        n_components: Sequence[int],
        criteria: Mapping[str, Sequence[float]],
        *,
        degenerate: Sequence[bool] | None = None,
        higher_is_better: Collection[str] = (),
        ax: Any = None,
        legend: bool | None = None,
    ) -> Self:
        """Draw criteria that are known already: see the parameters of the class.

        Raises
        ------
        ParameterError : lengths differ, or an argument is wrong.
        """
        display = cls(n_components=n_components, criteria=criteria, degenerate=degenerate, higher_is_better=higher_is_better)
        return display.plot(ax, legend=legend)

    @classmethod
    def from_estimators(
        cls,
        estimators: Sequence[Any],
        X: Any,
        *,
        criteria: Sequence[str] = CRITERIA,
        sample_weight: Any = None,
        degenerate: Sequence[bool] | None = None,
        ax: Any = None,
        legend: bool | None = None,
    ) -> Self:
        """Draw criteria of fitted mixtures of different sizes at the rows of X.

        Parameters
        ----------
        estimators : fitted :class:`~mixtures.GeneralMixtureModel`.
        criteria : names of methods of theirs, of which lower values are better.
        X, sample_weight : rows and their weights, as in ``bic``.

        Raises
        ------
        NotFittedError : an estimator has not been fitted. ParameterError : an argument is wrong. DataError : X cannot be used.
        """
        sizes = [len(state_of(estimator)[0]) for estimator in estimators]
        for name in criteria:
            if name not in CRITERIA:
                raise ParameterError(f"criteria must be some of {CRITERIA}, found {name!r}")
        found = {name: [getattr(estimator, name)(X, sample_weight) for estimator in estimators] for name in criteria}
        return cls.from_criteria(sizes, found, degenerate=degenerate, ax=ax, legend=legend)

    def plot(self, ax: Any = None, *, legend: bool | None = None) -> Self:
        """Draw it, on new axes or on those given; returns itself."""
        self.figure_, self.ax_, new = axes_for(ax)
        ax = self.ax_
        ink = colours.ink(ax)
        self.lines_: dict[str, Any] = {}
        self.best_: dict[str, int | None] = {}
        crossed: list[Any] = []
        for place, (name, values) in enumerate(self.criteria.items()):
            values = np.where(np.isfinite(values), values, np.nan)
            style = {"color": colours.colour(place), "linestyle": colours.line(place), "marker": colours.marker(place)}
            upper = name.upper() if name.lower() in SHOUTED else name.replace("_", " ")
            can = ~np.isnan(values) & ~self.degenerate
            best = None
            if can.any():
                best = int(np.nanargmin(np.where(can, -values if name in self.higher_is_better else values, np.nan)))
            self.best_[name] = None if best is None else int(self.n_components[best])
            label = dollars(upper) + ("" if best is None else f" (best: {self.best_[name]})")
            sound = np.flatnonzero(~self.degenerate)
            self.lines_[name] = ax.plot(self.n_components, values, label=label, markevery=sound.tolist(), linewidth=1.8, **style)[0]
            if best is not None:
                ring = {"markersize": 14, "markerfacecolor": "none", "markeredgecolor": ink, "markeredgewidth": 1.4}
                ax.plot(self.n_components[best], values[best], "o", **ring)
            crossed += [values[self.degenerate]] if self.degenerate.any() else []
        for place, values in enumerate(crossed):
            words = "degenerate, not compared" if place == 0 else None
            ax.plot(self.n_components[self.degenerate], values, "x", color=ink, markersize=8, markeredgewidth=1.6, label=words)
        if len(self.n_components) <= 25:
            ax.set_xticks(self.n_components)
        else:
            ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel("number of components")
        directions = {"higher is better" if name in self.higher_is_better else "lower is better" for name in self.criteria}
        only = next(iter(directions)) if len(directions) == 1 else "see each"
        ax.set_ylabel(f"criterion ({only})")
        ax.margins(y=0.12)
        self.legend_ = put_legend(ax, new, legend)
        return self
