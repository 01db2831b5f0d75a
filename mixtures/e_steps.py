"""Kinds of E-step, an argument of the model: how EM fills in which component a row belongs to.

Formulas and what each of them maximises: :mod:`mixtures.engine.kinds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mixtures.exceptions import ParameterError


@dataclass(frozen=True)
class EStep:
    """A kind of E-step.

    Attributes
    ----------
    components : how many of the components, the most probable ones, a row may belong to; 0 for all.
    sharpness : power of the posterior in the first iteration, 1 / temperature.
    warming : factor of the sharpness from one iteration to the next, until it is 1.
    draws : whether each row is given to one component, drawn by its posterior.
    """

    components: int = 0
    sharpness: float = 1.0
    warming: float = 1.0
    draws: bool = False


def truncated(components: int) -> EStep:
    """Each row belongs to its `components` most probable components only: truncated EM (Luecke & Forster 2019).

    Raises
    ------
    ParameterError : components is not a whole number >= 1.
    """
    if not isinstance(components, int) or isinstance(components, bool) or components < 1:
        raise ParameterError(f"truncated: components must be a whole number >= 1, found {components!r}")
    return EStep(components)


def tempered(sharpness: float = 0.2, warming: float = 1.2) -> EStep:
    """Posteriors raised to a power that rises from `sharpness` to 1, by a factor `warming` an iteration: deterministic annealing
    (Ueda & Nakano 1998), which smooths small local optima away.

    Where the power stays low for long, components melt into one, and EM cannot part what is equal. So each of the library's own
    starts is followed without a temperature, too, and the better end counts. From parameters that are given it is followed with it
    only.

    Raises
    ------
    ParameterError : sharpness is not between 0 and 1, or warming not above 1.
    """
    if not 0.0 < sharpness < 1.0:
        raise ParameterError(f"tempered: sharpness must be > 0 and < 1, found {sharpness!r}")
    if not 1.0 < warming < float("inf"):
        raise ParameterError(f"tempered: warming must be > 1 and finite, found {warming!r}")
    return EStep(sharpness=float(sharpness), warming=float(warming))


SOFT = EStep()
NAMED = {"soft": SOFT, "hard": truncated(1), "stochastic": EStep(draws=True), "tempered": tempered()}


def as_e_step(given: Any) -> EStep:
    """The kind of E-step that an argument names or is."""
    if isinstance(given, EStep):
        return given
    if isinstance(given, str) and given in NAMED:
        return NAMED[given]
    raise ParameterError(f"e_step must be one of {sorted(NAMED)}, truncated(...) or tempered(...), found {given!r}")
