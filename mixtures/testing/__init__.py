"""The laws that every distribution obeys, as a test suite for distributions of your own.

>>> from mixtures.distributions import Normal
>>> from mixtures.testing import check_distribution
>>> check_distribution(Normal(1.0, 2.0))
"""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from typing import Any

import numpy as np

from mixtures.constraints import Interval
from mixtures.distributions.base import Distribution
from mixtures.exceptions import DegenerateWarning
from mixtures.testing.cases import make_case, parts
from mixtures.testing.density import (
    agrees_with_scipy,
    cdf_agrees_with_density,
    log_prob_has_one_value_a_row,
    missing_cells_add_nothing,
    moments_agree_with_sample,
    normalises,
    outside_is_impossible,
    sample_agrees_with_density,
)
from mixtures.testing.fits import (
    degenerate_data_are_survived,
    fit_leaves_everything_alone,
    gradient_is_zero,
    missing_cells_are_left_out,
    mixture_of_one_equals_component,
    no_other_fit_is_better,
    unit_weights_change_nothing,
    weights_mean_repetition,
    zero_weight_rows_are_inert,
)
from mixtures.testing.objects import (
    constraints_are_enforced,
    copies_are_equal,
    counts_are_right,
    is_immutable,
    kernels_equal_their_source,
    repr_rebuilds,
)

__all__ = ["LAWS", "check_distribution"]

LAWS = (
    log_prob_has_one_value_a_row,
    normalises,
    outside_is_impossible,
    missing_cells_add_nothing,
    agrees_with_scipy,
    cdf_agrees_with_density,
    sample_agrees_with_density,
    moments_agree_with_sample,
    unit_weights_change_nothing,
    weights_mean_repetition,
    zero_weight_rows_are_inert,
    missing_cells_are_left_out,
    no_other_fit_is_better,
    gradient_is_zero,
    fit_leaves_everything_alone,
    degenerate_data_are_survived,
    mixture_of_one_equals_component,
    repr_rebuilds,
    copies_are_equal,
    is_immutable,
    counts_are_right,
    constraints_are_enforced,
    kernels_equal_their_source,
)
"""Every law: a function of a :class:`~mixtures.testing.cases.Case` that raises AssertionError where the law is broken."""


def check_distribution(distribution: Any, X: Any = None, *, support: Interval | None = None, random_state: int = 0) -> None:
    """Check that a distribution obeys the laws; what it does not have (``sample``, ``to_scipy``, ...) is not asked for.

    Parameters
    ----------
    distribution : anything with ``log_prob(X)`` and ``fit(X, sample_weight)``, every parameter given.
    X : array (n, d) of rows to fit, some hundreds, inside the support. None: drawn from the distribution, by its own
        ``sample`` or, for one column, by inverting its integrated density.
    support : constraint on the values of its columns (see :mod:`mixtures.constraints`) for a distribution that does not
        declare one; None for the real line.
    random_state : seed of every draw: the same call gives the same verdict.

    Raises
    ------
    AssertionError : a law is broken; the message names law and distribution, what was expected and what was found.
    ValueError : there are no rows: `distribution` has several columns, no ``sample``, and X is None.

    Notes
    -----
    Laws on random draws fail for a right distribution with probability 1e-6 each, or less; with a fixed seed, never or always.
    """
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)  # some laws fit rows that agree
        # The laws visit extremes, where a formula in plain NumPy may overflow with a warning and still be right.
        ours = all(isinstance(part, Distribution) for part in parts(distribution))
        stack.enter_context(np.errstate() if ours else np.errstate(all="ignore"))
        case = make_case(distribution, X, support, random_state)
        for law in LAWS:
            try:
                law(case)
            except AssertionError as error:
                raise AssertionError(f"{law.__name__}: {distribution!r}: {error}") from error
