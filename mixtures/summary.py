"""A fitted mixture as a person reads it: a table for a terminal, and for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from scipy.special import xlogy

from mixtures.checks import read_weights
from mixtures.contents import Content, contents_of
from mixtures.engine.plan import Floats
from mixtures.pieces import header_of, header_of_rows, state_of
from mixtures.profiles import Profiles, profiles_of
from mixtures.tables import panels_text, short, table_html

WITHOUT_ROWS = "log-likelihood, criteria and certainty of the clusters need the rows: summary(X)"
UNCOUNTED = "no criteria: a component has no number of parameters"
LEGEND = "m ± s: mean and standard deviation"
WORDS = {
    "log_likelihood": "log-likelihood",
    "bic": "BIC",
    "aic": "AIC",
    "icl": "ICL",
    "entropy": "entropy",
    "n_parameters": "parameters",
    "n_rows": "rows",
    "total_weight": "total weight",
    "n_iter": "iterations",
    "converged": "converged",
}


@dataclass(frozen=True, eq=False)
class Summary:
    """What :meth:`GeneralMixtureModel.summary` found; ``print`` shows it, and so does a notebook.

    Attributes
    ----------
    weights : (k,), mixing proportions.
    contents : a :class:`~mixtures.contents.Content` for every column: what each component says of it, in words.
    profiles : :class:`~mixtures.profiles.Profiles`, means and probabilities as data.
    measures : what is known of ``log_likelihood``, ``bic``, ``aic``, ``icl``, ``entropy`` (of all assignments together, in nats;
        icl is bic and twice this), ``n_parameters``, ``n_rows`` of weight > 0, ``total_weight`` where rows have weights,
        ``n_iter`` and ``converged``, in this order.
    sizes : (k,), rows (or their weights) whose most probable component each is; None where that is not known.
    certainties : (k,), mean probability of the component of these rows, NaN where there are none; None without rows.
    entropies : (k,), mean entropy of the assignment of the component's rows, in nats: 0 where they are certain, log k for a
        toss-up; rows count by their probabilities, so that the sum over components of ``expected`` times this is ``entropy``.
        None without rows.
    expected : (k,), sum of the rows' probabilities of each component; None without rows.
    """

    weights: Floats
    contents: tuple[Content, ...]
    profiles: Profiles
    measures: dict[str, Any]
    sizes: Floats | None = None
    certainties: Floats | None = None
    entropies: Floats | None = None
    expected: Floats | None = None

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.weights)

    def _blocks(self) -> list[list[list[str]]]:
        rows = [[["weight"], [""], *[[f"{100 * weight:.1f}%"] for weight in self.weights]]]
        if self.sizes is not None:
            rows.append([["rows"], ["most probable"], *[[_count(size)] for size in self.sizes]])
        if self.certainties is not None and self.entropies is not None:
            rows.append([["certainty"], ["mean probability"], *[["" if p != p else f"{p:.3f}"] for p in self.certainties]])
            rows.append([["entropy"], ["mean, nats"], *[["" if h != h else f"{h:.3f}"] for h in self.entropies]])
        for content in self.contents:
            rows.append([[short(content.column, 40)], [short(content.family, 30)], *[list(lines) for lines in content.cells]])
        return rows

    def _head(self) -> str:
        k = self.n_components
        return f"Mixture of {k} component{'s' if k > 1 else ''}"

    def _pairs(self) -> list[tuple[str, str]]:
        return [(WORDS[name], _measure(value)) for name, value in self.measures.items()]

    def _notes(self) -> list[str]:
        notes = [] if "bic" in self.measures else [UNCOUNTED if "log_likelihood" in self.measures else WITHOUT_ROWS]
        shows_pair = any(" ± " in line for content in self.contents for cell in content.cells for line in cell)
        return [*([LEGEND] if shows_pair else []), *notes]

    def to_text(self, width: int = 100) -> str:
        """Fit measures, then a row per column and a column per component, in lines of at most `width` letters where that can be."""
        lines, line = [], ""
        for name, value in self._pairs():
            item = f"{name} {value}"
            if line and len(line) + len(item) + 3 > width:
                lines.append(line)
                line = item
            else:
                line = f"{line}   {item}" if line else item
        heads = [str(k) for k in range(self.n_components)]
        table = panels_text(["component", ""], heads, self._blocks(), width)
        return "\n".join([self._head(), *lines, line, "", table, *self._notes()])

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        measures = " &nbsp; ".join(f"{escape(name)}&nbsp;<b>{escape(value)}</b>" for name, value in self._pairs())
        heads = [str(k) for k in range(self.n_components)]
        table = table_html(["component", ""], heads, self._blocks(), f"<b>{escape(self._head())}</b><br>{measures}")
        notes = "".join(f'<div style="color:inherit;opacity:0.8;">{escape(note)}</div>' for note in self._notes())
        return table + notes


def summary_of(model: Any, X: Any = None, sample_weight: Any = None, units: Mapping[Any, str] | None = None) -> Summary:
    """Look at a mixture, and at rows under it; see ``GeneralMixtureModel.summary``."""
    components, weights = state_of(model)
    measures: dict[str, Any] = {}
    found: dict[str, Any] = {}
    if X is not None:
        found = _of_rows(model, X, sample_weight, measures)
    else:
        count = _count_parameters(model)
        if count is not None:
            measures["n_parameters"] = count
        if hasattr(model, "labels_"):
            seen = np.asarray(model.labels_)[np.asarray(model.labels_) >= 0]
            found["sizes"] = np.bincount(seen, minlength=len(weights)).astype(float)
            measures["n_rows"] = len(seen)
    table = header_of(model) if X is None else header_of_rows(model, X)
    contents, profiles = contents_of(components, table, units), profiles_of(model, units, table)
    for name in ("n_iter", "converged"):
        if hasattr(model, f"{name}_"):
            value = getattr(model, f"{name}_")
            measures[name] = bool(value) if name == "converged" else int(value)
    return Summary(weights.copy(), contents, profiles, measures, **found)


def _of_rows(model: Any, X: Any, sample_weight: Any, measures: dict[str, Any]) -> dict[str, Any]:
    """What the rows add: fit measures, put into `measures`, and how the rows are shared out."""
    out = model._evaluate(X, "density", "posterior", "labels")
    model._possible(out["density"])
    n, k = out["posterior"].shape
    given = read_weights(sample_weight, n)
    weights = np.ones(n) if given is None else given
    seen = weights > 0
    weights, posterior, labels = weights[seen], out["posterior"][seen], out["labels"][seen]
    total = float(weights.sum())
    log_likelihood = float(weights @ out["density"][seen])
    row_entropy = -xlogy(posterior, posterior).sum(axis=1)
    entropy = float(weights @ row_entropy)
    p = _count_parameters(model)
    measures["log_likelihood"] = log_likelihood
    if p is not None:
        bic = -2.0 * log_likelihood + p * float(np.log(total))
        measures |= {"bic": bic, "aic": -2.0 * log_likelihood + 2.0 * p, "icl": bic + 2.0 * entropy}
    measures |= {"entropy": entropy} | ({} if p is None else {"n_parameters": p}) | {"n_rows": int(seen.sum())}
    if given is not None:
        measures["total_weight"] = total
    sizes = np.bincount(labels, weights, minlength=k)
    expected = weights @ posterior
    own = np.bincount(labels, weights * posterior[np.arange(len(labels)), labels], minlength=k)
    with np.errstate(divide="ignore", invalid="ignore"):
        certainties, entropies = own / sizes, (weights * row_entropy) @ posterior / expected
    return {"sizes": sizes, "certainties": certainties, "entropies": entropies, "expected": expected}


def _count_parameters(model: Any) -> int | None:
    """Number of free parameters; None where a component has no number of them, so that criteria do not apply."""
    try:
        return int(model.n_parameters)
    except AttributeError:
        return None


def _count(size: float) -> str:
    return f"{size:,.0f}" if float(size).is_integer() else f"{size:,.1f}"


def _measure(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
