"""How a fit ended: integer statuses for compiled code, one table of what they mean and what to do."""

from __future__ import annotations

CONTINUE = 0
CONVERGED = 1
IMPOSSIBLE = 2
NOT_A_NUMBER = 3
UNFITTED = 4
EXHAUSTED = 5
FELL = 6

MESSAGES = {
    EXHAUSTED: "EM stopped after max_iter={max_iter} iterations before the mean log-likelihood settled within tol={tol:g}. "
    "Raise max_iter or tol, or fit fewer components.",
    IMPOSSIBLE: "the log-likelihood is -inf at iteration {iteration}: {where}. Start from other parameters, or use a family "
    "whose support holds every row.",
    NOT_A_NUMBER: "the log-likelihood is not finite at iteration {iteration}: {where}. A component's log_prob returned NaN or "
    "+inf; scale the data or mend the component.",
    UNFITTED: "the M-step of a component, one of {families}, found no parameters at iteration {iteration}.",
    FELL: "the log-likelihood fell at iteration {iteration}, from {before:.12g} to {after:.12g} a row, by more than rounding: the "
    "fit of a component, one of {families}, does not maximise its weighted likelihood. A class whose fit is another estimate says "
    "so by is_maximum_likelihood = False.",
}
