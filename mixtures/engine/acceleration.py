"""Acceleration of EM: Anderson's extrapolation of its iterates, with a safeguard under which the objective never falls.

With x_t the free numbers of the parameters (:mod:`mixtures.engine.coordinates`), g_t those of their EM image and r_t = g_t - x_t,
the next point is

    x_{t+1} = g_t - sum_j gamma_j (g_{j+1} - g_j),   gamma minimising |r_t - sum_j gamma_j (r_{j+1} - r_j)|,

over the last few iterates: where EM converges at a steady rate in each direction, what a Krylov method would reach (Walker & Ni
2011, SIAM Journal on Numerical Analysis 49; for EM, Henderson & Varadhan 2019, Journal of Computational and Graphical Statistics
28). A number is measured by how much it, and those of the other components that it stands beside, have moved of late: so units of
columns do not matter. What is added here:

- The next pass, which EM needs anyway, tells the objective of the new point. Where it is lower than that of the point before, the
  new point is given up for the EM image, which was kept: one pass is lost, and EM goes on as if nothing had happened.
- The extrapolation must lie forward, at less than a right angle to r_t. On the way from a saddle, where EM's steps grow, least
  squares point back to it, since it is the nearest point that does not move. There the step is one of squared extrapolation,
  |r_t| / |r_t - r_{t-1}| times r_t (Varadhan & Roland 2008, Scandinavian Journal of Statistics 35, scheme S3), which never does.
- The extrapolation is at most some multiple of r_t, which grows by a factor when that held it back and the point was good, and
  shrinks when the point was not.
- Where extrapolations are given up one after the other, it is tried ever less often.
- It begins after some plain iterations, so that the hill is EM's choice, and what ends a run are gains of plain iterations.

State is an array of floats that the caller owns, of size 0 for none: the entries below, then vectors.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit, jit_entry, jit_seldom, matrix, segment
from mixtures.engine.coordinates import average_over_components, from_free, n_free, to_free
from mixtures.engine.plan import FLOORED, LIMIT, unfold

DEPTH = 5
"""Differences of iterates that a step combines, at most."""
START = 4
"""Plain iterations before the first extrapolation."""
PATIENCE = 32
"""Plain iterations after one that was given up, at most: 1, 2, 4, ... after one, two, three in a row."""
SOON = 5
"""Plain iterations within which a run that ends by itself is left alone."""
CONFIRMATION = 2
"""Plain iterations, the last of a run, whose gains tell what is left to gain."""
REACH = 4.0
"""How far an extrapolation goes at first, in steps of EM; and the factor by which that grows or shrinks."""
RIDGE = 1e-10
"""Added to the diagonal of the normal equations, whose columns have length 1."""
NOISE = 1e-12
"""Changes of a number by less than this part of it are rounding."""
SLACK = 1e-15
"""Fall of the objective, as a share of its size (at least 1), that rounding explains."""

# Entries of the state.
FREE = 0  # length of a vector of free numbers
STORED = 1  # iterates in store, at most DEPTH + 1
NEWEST = 2  # slot of the last one
PENDING = 3  # whether the parameters are an extrapolation that no pass has seen
WAIT = 4  # plain iterations until the next one
PLAIN = 5  # plain iterations in a row
LIMIT_OF_REACH = 6
LENGTH = 7  # of the last extrapolation, in steps of EM
IS_CUT = 8  # whether the limit held it back
IS_KNOWN = 9  # whether x holds the free numbers of the point of the last pass
IS_LEAP = 10  # whether the point of the last M-step was an extrapolation
KEPT = 11  # which of two places holds the EM image that it replaced
IS_OFF = 12  # for good
LOST = 13  # passes that saw an extrapolation which was then given up
PAUSE = 14  # plain iterations that the last extrapolation cost; 0 where it was good
GOOD = 15  # extrapolations that were kept
AHEAD = 16  # how far least squares would have gone from EM images since the last extrapolation, in steps of EM, at most
HEAD = 17


@jit_seldom
def _size(free, n_parameters, n_components, n_plates):
    return HEAD + n_plates + (2 * (DEPTH + 1) + 3) * free + DEPTH * (DEPTH + 2) + 2 * (n_parameters + n_components)


@jit_seldom
def _free_vector(state, plan, which):
    """x, the weights of the metric, the step; then residuals and images of the iterates in store."""
    n = np.int64(state[FREE])
    return segment(state, HEAD + plan.plates.shape[0] + which * n, n)


X, METRIC, STEP, RESIDUALS = 0, 1, 2, 3
IMAGES = RESIDUALS + DEPTH + 1


@jit_seldom
def _flags(state, plan):
    """Of every plate's last M-step that was kept, those that say where a parameter cannot move."""
    return segment(state, HEAD, plan.plates.shape[0])


@jit_seldom
def _tail(state, plan):
    """Place of the matrix (DEPTH, DEPTH) and two vectors (DEPTH,) of the normal equations; then come parameters and
    log-weights of the EM image."""
    n = np.int64(state[FREE])
    return HEAD + plan.plates.shape[0] + (2 * (DEPTH + 1) + 3) * n


@jit_seldom
def state_for(plan, control, n_parameters):
    """The state at the start of a run: of size 0 where nothing is to be accelerated."""
    free = n_free(plan, control.moves_weights) if control.accelerates else 0
    state = np.zeros(0 if free == 0 else _size(free, n_parameters, plan.n_components, plan.plates.shape[0]))
    if state.size:
        state[FREE] = free
        restart(state)
    return state


@jit_entry
def new_state(problem, control, n_parameters):
    """As :func:`state_for`, for Python."""
    plan, _ = unfold(problem)
    return state_for(plan, control, n_parameters)


@jit_seldom
def restart(state):
    """Forget everything, at the start of a run."""
    for i in range(1, state.size):
        state[i] = 0.0
    if state.size:
        state[WAIT], state[LIMIT_OF_REACH] = START, REACH


@jit_seldom
def plain_iterations(state):
    """How many iterations in a row have been plain, that of the pass just made included."""
    return 0 if state[PENDING] == 1.0 else np.int64(state[PLAIN]) + 1


@jit_seldom
def is_pending(state):
    """Whether the pass is the first to see an extrapolation."""
    return state.size > 0 and state[PENDING] == 1.0


@jit_seldom
def all_that_follows(state, history, iteration):
    """Estimate, rather too large, of what is still to be gained after a plain iteration.

    With s the distance to the maximum, H minus the Hessian there and I the complete-data information, EM's step is r = I^-1 H s
    (Dempster, Laird & Rubin 1977): about s' H s / 2 = s' I r / 2 is left to gain, of which the step gains between a half and
    the whole of r' I r. So their ratio is at most that of the lengths of s, the extrapolation included, and r. Just after an
    extrapolation gains fall fast, from what it stirred up, and their own ratio tells nothing of the slow directions. Nor does
    least squares where these are many: so, as much as came of the last iterations may follow. 0 where nothing was extrapolated:
    then the gains themselves tell.
    """
    if state[GOOD] == 0.0:
        return 0.0
    gain = abs(history[iteration] - history[iteration - 1]) * (1.0 + state[AHEAD])
    return max(gain, history[iteration] - history[max(0, iteration - DEPTH)])


@jit_seldom
def ends_soon(history, iteration, tolerance):
    """Whether the stopping rule will be met after few more plain iterations, by the ratio of the last two gains."""
    if iteration < 2:
        return False
    gain, before = history[iteration] - history[iteration - 1], history[iteration - 1] - history[iteration - 2]
    return 0.0 <= gain < before and gain * (gain / before) ** SOON / (1.0 - gain / before) < tolerance


@jit_seldom
def is_worse(objective, before):
    """Whether an objective, or what is no number, lies below the one before by more than rounding."""
    return not objective >= before - SLACK * max(1.0, abs(before))


@jit_seldom
def meets_end(plan, state, flags):
    """Whether a parameter met an end of its range just now: an extrapolation may have gone beyond it, from where EM has to come
    back, and the objective falls."""
    old = _flags(state, plan)
    found = False
    for p in range(flags.size):
        found = found or (flags[p] & (FLOORED | LIMIT)) & ~np.int64(old[p]) != 0
    return found


@jit_seldom
def withdraw(plan, state, flags, parameters, log_weights):
    """Give up an extrapolation for the EM image that it was made from."""
    _give_up(plan, state, parameters, log_weights)
    old = _flags(state, plan)
    for p in range(flags.size):
        flags[p] = np.int64(old[p])
    state[LOST] += 1.0
    _shorten(state)


@jit_seldom
def _shorten(state):
    """What follows from a bad extrapolation."""
    state[WAIT] = state[PAUSE] = min(max(2.0 * state[PAUSE], 1.0), PATIENCE)
    state[LIMIT_OF_REACH] = max(min(state[LIMIT_OF_REACH], state[LENGTH]) / REACH, 1.0)


@jit_seldom
def settle(plan, state, parameters, log_weights):
    """The EM image again, in the place of an extrapolation that no pass has seen, where a run is to go on elsewhere."""
    if is_pending(state):
        _give_up(plan, state, parameters, log_weights)


@jit_entry
def settle_state(problem, state, parameters, log_weights):
    """As :func:`settle`, for Python."""
    plan, _ = unfold(problem)
    settle(plan, state, parameters, log_weights)


@jit_seldom
def _give_up(plan, state, parameters, log_weights):
    _put_back(plan, state, 1 - np.int64(state[KEPT]), parameters, log_weights)
    _take_over(_free_vector(state, plan, IMAGES + np.int64(state[NEWEST])), _free_vector(state, plan, X))
    state[PENDING] = 0.0


@jit_seldom
def undo(plan, state, parameters, log_weights):
    """Give up an extrapolation that had a higher objective, but an EM image of a lower one: whatever it was that a family's M-step
    could not bear, no more of it. Returns whether there was one."""
    if not (state.size > 0 and state[IS_LEAP] == 1.0):
        return False
    _put_back(plan, state, np.int64(state[KEPT]), parameters, log_weights)
    state[IS_LEAP] = 0.0
    state[IS_OFF] = 1.0
    return True


@jit_seldom
def _place_of_image(plan, state, which, size):
    return _tail(state, plan) + DEPTH * (DEPTH + 2) + which * size


@jit_seldom
def _put_back(plan, state, which, parameters, log_weights):
    start = _place_of_image(plan, state, which, parameters.size + log_weights.size)
    _take_over(segment(state, start, parameters.size), parameters)
    _take_over(segment(state, start + parameters.size, log_weights.size), log_weights)


@jit_seldom
def _keep(plan, state, which, parameters, log_weights):
    start = _place_of_image(plan, state, which, parameters.size + log_weights.size)
    _take_over(parameters, segment(state, start, parameters.size))
    _take_over(log_weights, segment(state, start + parameters.size, log_weights.size))


@jit_seldom
def _take_over(values, out):
    """out = values."""
    for i in range(out.size):
        out[i] = values[i]


@jit
def leap(plan, tolerance, moves_weights, state, flags, history, iteration, parameters, log_weights):
    """After an M-step: move `parameters` and `log_weights` from the EM image on to an extrapolation, if there is one to try.
    Returns whether they moved, and are to be prepared. history[iteration] is the objective before this M-step."""
    state[PLAIN] = plain_iterations(state)
    state[IS_LEAP] = state[PENDING]
    if state[PENDING] == 1.0:
        state[PENDING] = state[PAUSE] = 0.0
        state[KEPT] = 1.0 - state[KEPT]
        state[GOOD] += 1.0
        if state[IS_CUT] == 1.0:
            state[LIMIT_OF_REACH] *= REACH
        if history[iteration] - history[iteration - 1] < tolerance:
            state[WAIT] = CONFIRMATION
    if state[IS_OFF] == 1.0:
        return False
    _note_flags(plan, state, flags)
    x = _free_vector(state, plan, X)
    place = (np.int64(state[NEWEST]) + 1) % (DEPTH + 1)
    image, residual = _free_vector(state, plan, IMAGES + place), _free_vector(state, plan, RESIDUALS + place)
    _take_over(x, image)  # angles are those next to the ones before
    to_free(plan, parameters, log_weights, moves_weights, flags, image)
    if state[IS_KNOWN] == 1.0:
        for i in range(x.size):
            residual[i] = image[i] - x[i]
        state[NEWEST] = place
        state[STORED] = min(state[STORED] + 1.0, DEPTH + 1.0)
    state[IS_KNOWN] = 1.0
    _take_over(image, x)
    before = 0.0 if state[IS_LEAP] == 1.0 else state[AHEAD]
    state[AHEAD] = 0.0
    is_found = state[STORED] >= 2.0 and _extrapolate(plan, moves_weights, state)
    state[AHEAD] = max(state[AHEAD], before)
    if state[WAIT] > 0.0:
        state[WAIT] -= 1.0
        return False
    if not is_found or (state[GOOD] == 0.0 and ends_soon(history, iteration, tolerance)):
        return False
    _keep(plan, state, 1 - np.int64(state[KEPT]), parameters, log_weights)
    step = _free_vector(state, plan, STEP)
    for i in range(x.size):
        x[i] += step[i]
    state[PENDING] = 1.0
    if not from_free(plan, x, image, parameters, log_weights, moves_weights):
        # Beyond the range of some parameter: no pass is needed to tell.
        _give_up(plan, state, parameters, log_weights)
        _shorten(state)
        return False
    return True


@jit_seldom
def _note_flags(plan, state, flags):
    """Where other parameters than before are at ends of their ranges, the iterates in store are of no use."""
    old = _flags(state, plan)
    for p in range(flags.size):
        ends = np.float64(flags[p] & (FLOORED | LIMIT))
        if ends != old[p]:
            state[STORED] = state[IS_KNOWN] = 0.0
        old[p] = ends


@jit_seldom
def _slot(state, age):
    """Of the iterate of this age, 0 for the newest."""
    return (np.int64(state[NEWEST]) - age + DEPTH + 1) % (DEPTH + 1)


@jit_seldom
def _pair(state, plan, which, age):
    """Residuals or images of the iterate of this age and of the one before."""
    return _free_vector(state, plan, which + _slot(state, age)), _free_vector(state, plan, which + _slot(state, age + 1))


@jit_seldom
def _measure(plan, moves_weights, state):
    """The metric: one over the squares that the residuals in store have, on average over components, but for rounding."""
    weights, image = _free_vector(state, plan, METRIC), _free_vector(state, plan, IMAGES + _slot(state, 0))
    for i in range(weights.size):
        weights[i] = (NOISE * image[i]) ** 2
    for age in range(np.int64(state[STORED])):
        residual = _free_vector(state, plan, RESIDUALS + _slot(state, age))
        for i in range(weights.size):
            weights[i] += residual[i] * residual[i]
    average_over_components(plan, moves_weights, weights)
    for i in range(weights.size):
        weights[i] = 1.0 / weights[i] if weights[i] > 1e-300 else 0.0


@jit_seldom
def _product(weights, a, b, c, d):
    """Sum of weights * (a - b) * (c - d)."""
    total = 0.0
    for i in range(weights.size):
        total += weights[i] * (a[i] - b[i]) * (c[i] - d[i])
    return total


@jit_seldom
def _extrapolate(plan, moves_weights, state):
    """The step from the EM image on. Returns whether there is one."""
    _measure(plan, moves_weights, state)
    count = np.int64(state[STORED]) - 1
    start = _tail(state, plan)
    gram = matrix(state, start, DEPTH, DEPTH)
    right, lengths = segment(state, start + DEPTH * DEPTH, DEPTH), segment(state, start + DEPTH * (DEPTH + 1), DEPTH)
    weights, step = _free_vector(state, plan, METRIC), _free_vector(state, plan, STEP)
    last = _free_vector(state, plan, RESIDUALS + _slot(state, 0))
    for a in range(count):
        one, before = _pair(state, plan, RESIDUALS, a)
        for b in range(a + 1):
            other, earlier = _pair(state, plan, RESIDUALS, b)
            gram[a, b] = _product(weights, one, before, other, earlier)
        lengths[a] = np.sqrt(gram[a, a])
        if not lengths[a] > 0.0:
            return False
        right[a] = 0.0
        for i in range(step.size):
            right[a] += weights[i] * (one[i] - before[i]) * last[i]
        right[a] /= lengths[a]
    for a in range(count):
        for b in range(a + 1):
            gram[a, b] = 1.0 + RIDGE if a == b else gram[a, b] / (lengths[a] * lengths[b])
    if not _solve(gram, right, count):
        return False
    for i in range(step.size):
        step[i] = 0.0
    for a in range(count):
        one, before = _pair(state, plan, IMAGES, a)
        share = right[a] / lengths[a]
        if not np.isfinite(share):
            return False
        for i in range(step.size):
            step[i] -= share * (one[i] - before[i])
    return _limit(state, weights, last, step, lengths[0])


@jit_seldom
def _limit(state, weights, last, step, change):
    """Turn a step that leads back, and cut one that goes too far. `change` is the length of the last residual's change."""
    along = square = size = 0.0
    for i in range(step.size):
        along += weights[i] * step[i] * last[i]
        square += weights[i] * step[i] * step[i]
        size += weights[i] * last[i] * last[i]
    if not size > 0.0:
        return False
    length = np.sqrt(square / size)
    if not along >= 0.0:
        length = np.sqrt(size) / change
        for i in range(step.size):
            step[i] = length * last[i]
    if not length < np.inf:
        return False
    state[IS_CUT] = 0.0
    state[AHEAD] = length
    if length > state[LIMIT_OF_REACH]:
        for i in range(step.size):
            step[i] *= state[LIMIT_OF_REACH] / length
        length = state[LIMIT_OF_REACH]
        state[IS_CUT] = 1.0
    state[LENGTH] = length
    return True


@jit_seldom
def _solve(matrix, right, count):
    """right = matrix^-1 right for the leading `count` rows of a symmetric matrix of which the lower triangle is given, by its
    Cholesky factor, in place. Returns whether it is positive definite."""
    for i in range(count):
        for j in range(i + 1):
            value = matrix[i, j]
            for c in range(j):
                value -= matrix[i, c] * matrix[j, c]
            if i == j:
                if not value > 0.0:
                    return False
                matrix[i, i] = np.sqrt(value)
            else:
                matrix[i, j] = value / matrix[j, j]
    for i in range(count):
        for c in range(i):
            right[i] -= matrix[i, c] * right[c]
        right[i] /= matrix[i, i]
    for i in range(count - 1, -1, -1):
        for c in range(i + 1, count):
            right[i] -= matrix[c, i] * right[c]
        right[i] /= matrix[i, i]
    return True
