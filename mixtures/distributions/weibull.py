"""Weibull distribution.

    log f(x) = log(shape / scale) + (shape - 1) log(x / scale) - (x / scale)^shape,   support: x > 0.

At 0 itself the density is 0 for a shape above 1, 1 / scale at 1 and infinite below: it is left out of the support.

Weighted maximum likelihood (Johnson, Kotz & Balakrishnan 1994, section 21.4): scale^shape is the mean of x^shape, and the shape
maximises the profile L(k) = log k + k mean(t) - Phi(k), with t = log x and Phi(k) = log mean(exp(k t)), means weighted. Phi'(k)
and Phi''(k) are mean and variance of t under the weights w exp(k t), so that L is concave.

One M-step moves the shape k once. The pass sums w exp(s t) t^j, j = 0, 1, 2, at s = k / 2, k and 2 k from a single exponential,
with t taken about a centre, the present scale, so that nothing overflows or cancels. Where L still rises at 2 k, or at k / 2 on
the way down, the step goes there, which concavity allows. Between them Newton's step is taken, halved until a lower bound on
its gain is positive: with m = Phi'(k), u = t - m and a step d, Phi(k + d) <= Phi(k) + d m + E[exp(d u)] - 1 under the weights
at k, and E[exp(d u)] - 1 <= d^2 / 2 max E[u^2 exp(s u)] over s in [0, d]. That expectation is a log-convex function of s and so
lies below the geometric interpolation between s = 0 and s = -k / 2 or k, which are sums of the pass. As d falls the bound
becomes Taylor's: full steps are taken near the maximum, the convergence is quadratic, and the likelihood never falls. With the
scale held, Phi(k) gives way to mean(exp(k log(x / scale))), whose derivatives are bounded alike.

Components that tie the shape climb the sum of their profiles, by the same step: its derivatives are the weighted means of theirs,
and a mean of log-convex functions of s is log-convex. Each one's scale is then the best for the bound in place of Phi, so that what
the step was sure to gain is gained.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from mixtures._numba import jit, jit_sums, wide_vectors
from mixtures.constraints import positive
from mixtures.constraints import shape as positive_shape
from mixtures.distributions.base import Family, Kernels
from mixtures.distributions.gamma import logs_of
from mixtures.engine.coordinates import LOG
from mixtures.engine.plan import FLOORED, REPEAT, UNSETTLED, is_held
from mixtures.engine.posterior import weighted_total
from mixtures.engine.special import exp, log, log_normal
from mixtures.engine.ties import has_ties, is_tied

SHAPE = 0
SCALE = 1  # in the unit of the column
HELD = 2
CENTRE = 3  # of the sums: the scale, but where those about it would overflow
LOG_UNIT = 4
CONSTANT = 5  # log shape - log scale - log unit
TIES = 6
SIZE = 7

# Statistics of a component, beside its weight.
FIRST = 1  # sum of t
HALF, ONCE, TWICE = 2, 5, 8  # sums of exp(s t), t exp(s t) and t^2 exp(s t)

LOG_2 = 0.6931471805599453
LARGEST_SHAPE = 1 / (16 * 2.220446049250313e-16)
"""Of rows that agree within 16 of their rounding errors."""
NEAR = 64.0
"""Largest shape * (1 + |log scale|) for which log x - log scale will do: it costs exp(z) a relative error of 64 roundings."""
LARGEST_POWER = 300.0
"""Exponents are cut off here: twice of it can still be summed, and no row that weighs anything gets there about its centre."""
FAR = 50.0
"""Largest |log mean(exp(k t))| for which the centre will do."""


@jit
def _prepare(parameters):
    for k in range(parameters.shape[0]):
        parameters[k, CONSTANT] = log(parameters[k, SHAPE]) - log(parameters[k, SCALE]) - parameters[k, LOG_UNIT]


@jit
def log_ratios(cells, logs, scale, shape, out):
    """log(x / scale), given log x, as exactly as a factor `shape` asks for."""
    wide_vectors()
    log_scale = log(scale)
    if shape * (1.0 + abs(log_scale)) <= NEAR:
        for i in range(cells.size):
            out[i] = logs[i] - log_scale
    else:
        for i in range(cells.size):
            ratio = cells[i] / scale
            # The rounding of the quotient is known: a first-order term gives it back.
            value = log_normal(ratio) + (cells[i] - ratio * scale) / cells[i]
            out[i] = value if 1e-290 < ratio < 1e290 else logs[i] - log_scale


@jit
def _log_prob(parameters, x, out):
    wide_vectors()
    cells = x[0]
    logs, ratios = np.empty(cells.size), np.empty(cells.size)
    logs_of(cells, logs)
    for k in range(out.shape[0]):
        row = out[k]
        shape, constant = parameters[k, SHAPE], parameters[k, CONSTANT]
        log_ratios(cells, logs, parameters[k, SCALE], shape, ratios)
        for i in range(row.size):
            value = constant + (shape - 1.0) * ratios[i] - exp(shape * ratios[i])
            row[i] += value if 0.0 < cells[i] < np.inf else -np.inf


@jit
def _accumulate(parameters, x, responsibilities, statistics):
    cells = x[0]
    logs, ratios, roots = np.empty(cells.size), np.empty(cells.size), np.empty(cells.size)
    logs_of(cells, logs)
    for k in range(responsibilities.shape[0]):
        shape = parameters[k, SHAPE]
        log_ratios(cells, logs, parameters[k, CENTRE], shape, ratios)
        _half_powers(ratios, shape, roots)
        statistics[k, FIRST] += weighted_total(ratios, responsibilities[k])
        _add_moments(ratios, roots, responsibilities[k], statistics[k])


@jit
def _half_powers(ratios, shape, out):
    """exp(shape t / 2), cut off."""
    wide_vectors()
    half = 0.5 * shape
    for i in range(out.size):
        out[i] = exp(min(half * ratios[i], 0.5 * LARGEST_POWER))


@jit_sums
def _add_moments(ratios, roots, share, statistics):
    wide_vectors()
    a0 = a1 = a2 = b0 = b1 = b2 = c0 = c1 = c2 = 0.0
    for i in range(share.size):
        t = ratios[i]
        root = roots[i]
        power = root * root
        a = share[i] * root
        b = share[i] * power
        c = b * power
        a0 += a
        b0 += b
        c0 += c
        a *= t
        b *= t
        c *= t
        a1 += a
        b1 += b
        c1 += c
        a2 += a * t
        b2 += b * t
        c2 += c * t
    sums = statistics[HALF : HALF + 9]
    sums[0] += a0
    sums[1] += a1
    sums[2] += a2
    sums[3] += b0
    sums[4] += b1
    sums[5] += b2
    sums[6] += c0
    sums[7] += c1
    sums[8] += c2


@jit
def _stretch(shape, slopes, curvature, below, above):
    """log(new shape / shape) of a step that does not lower log k - psi(k), psi convex.

    slopes: psi' at half, once and twice the shape k; curvature = psi''(k); below, above: what the expectation that bounds the
    rest becomes at half and at twice the shape.
    """
    rises = shape * slopes[1] < 1.0
    if rises and 2.0 * shape * slopes[2] <= 1.0:
        return LOG_2
    if not rises and 0.5 * shape * slopes[0] >= 1.0:
        return -LOG_2
    # k psi'(k) = 1 in logarithms, where it is all but a straight line: of slope 2 for a normal log x.
    step = LOG_2
    if slopes[1] > 0.0:
        step = -log(shape * slopes[1]) / (1.0 + shape * curvature / slopes[1])
    step = min(max(step, -LOG_2), LOG_2)
    for _ in range(60):
        change = shape * np.expm1(step)
        bound = _bound_of_spread(shape, change, curvature, below, above)
        if step - change * slopes[1] - 0.5 * change * change * bound >= 0.0:
            break
        step *= 0.5
    return step


@jit
def _maximize(statistics, parameters):
    outcome = 0
    for k in range(parameters.shape[0]):
        p = parameters[k]
        if statistics[k, 0] > 0.0 and not is_tied(p[TIES], p[HELD], SHAPE):
            outcome |= _maximize_one(statistics[k], p)
    return outcome | _maximize_tied(statistics, parameters) if has_ties(parameters, TIES) else outcome


@jit
def _maximize_one(sums, p):
    if is_held(p[HELD], SHAPE) and is_held(p[HELD], SCALE):
        return 0
    if _moves_centre(sums, p):
        return REPEAT | UNSETTLED
    if is_held(p[HELD], SHAPE):
        p[SCALE] = p[CENTRE] = p[CENTRE] * np.exp(log(sums[ONCE] / sums[0]) / p[SHAPE])
        return 0
    view = _view(sums, p)
    _, slopes, curvature, below, above = view
    step = _stretch(p[SHAPE], slopes, curvature, below, above)
    new, flags = _moved(p[SHAPE], step)
    if not is_held(p[HELD], SCALE):
        _settle_scale(sums, p, view, step, new, curvature)
    p[SHAPE] = new
    return flags


@jit
def _moves_centre(sums, p):
    """Whether the sums should be taken about another centre, which is never below the mean of the logs (Jensen)."""
    if is_held(p[HELD], SCALE):
        if p[CENTRE] == p[SCALE]:
            return False
        p[CENTRE] = p[SCALE]
        return True
    level = log(sums[ONCE] / sums[0])
    if abs(level) <= FAR:
        return False
    p[CENTRE] = np.exp(min(max(log(p[CENTRE]) + max(level / p[SHAPE], sums[FIRST] / sums[0]), -690.0), 690.0))
    return True


@jit
def _view(sums, p):
    """What a component says of its shape: the mean of t under the weights at it, and what :func:`_stretch` reads."""
    total = sums[0]
    mean = sums[FIRST] / total
    half, once, twice = sums[HALF:ONCE] / total, sums[ONCE:TWICE] / total, sums[TWICE:] / total
    if is_held(p[HELD], SCALE):
        return 0.0, (half[1] - mean, once[1] - mean, twice[1] - mean), once[2], half[2], twice[2]
    m = once[1] / once[0]
    variance = max(once[2] / once[0] - m * m, 0.0)
    slopes = (half[1] / half[0] - mean, m - mean, twice[1] / twice[0] - mean)
    below = np.exp(0.5 * p[SHAPE] * m) * (half[2] - 2.0 * m * half[1] + m * m * half[0]) / once[0]
    above = np.exp(-p[SHAPE] * m) * (twice[2] - 2.0 * m * twice[1] + m * m * twice[0]) / once[0]
    return m, slopes, variance, max(below, 0.0), max(above, 0.0)


@jit
def _settle_scale(sums, p, view, step, new, spread):
    """Give a component the scale of its `new` shape; `spread` is E[u^2 exp(s u)] between the two, or a bound of it."""
    change = new - p[SHAPE]
    # The logarithm of mean(exp(new t)): to second order, or one of the sums.
    level = log(sums[ONCE] / sums[0]) + change * view[0] + np.log1p(0.5 * change * change * spread)
    if step == LOG_2 and new < LARGEST_SHAPE:
        level = log(sums[TWICE] / sums[0])
    elif step == -LOG_2:
        level = log(sums[HALF] / sums[0])
    p[SCALE] = p[CENTRE] = p[CENTRE] * np.exp(level / new)


@jit
def _bound_of_spread(shape, change, curvature, below, above):
    """Largest E[u^2 exp(s u)] over s in [0, change]."""
    rises = change > 0.0
    share = change / shape if rises else -2.0 * change / shape
    end = above if rises else below
    return max(curvature, curvature ** (1.0 - share) * end**share)


@jit
def _maximize_tied(statistics, parameters):
    count = parameters.shape[0]
    total, shape, outcome = 0.0, 0.0, 0
    for k in range(count):
        p = parameters[k]
        if is_tied(p[TIES], p[HELD], SHAPE) and statistics[k, 0] > 0.0:
            total += statistics[k, 0]
            shape = p[SHAPE]
            if _moves_centre(statistics[k], p):
                outcome = REPEAT | UNSETTLED
    if outcome or not total > 0.0:
        return outcome
    s0 = s1 = s2 = curvature = below = above = 0.0
    for k in range(count):
        p = parameters[k]
        if is_tied(p[TIES], p[HELD], SHAPE) and statistics[k, 0] > 0.0:
            share = statistics[k, 0] / total
            _, slopes, bend, low, high = _view(statistics[k], p)
            s0 += share * slopes[0]
            s1 += share * slopes[1]
            s2 += share * slopes[2]
            curvature += share * bend
            below += share * low
            above += share * high
    step = _stretch(shape, (s0, s1, s2), curvature, below, above)
    new, flags = _moved(shape, step)
    for k in range(count):
        p = parameters[k]
        if not is_tied(p[TIES], p[HELD], SHAPE):
            continue
        if statistics[k, 0] > 0.0 and not is_held(p[HELD], SCALE):
            view = _view(statistics[k], p)
            spread = _bound_of_spread(shape, new - shape, view[2], view[3], view[4])
            _settle_scale(statistics[k], p, view, step, new, spread)
        p[SHAPE] = new
    return flags


@jit
def _moved(shape, step):
    """The shape times exp(step), and flags. Convergence is quadratic: what a step of 1e-9 leaves is its square."""
    new = shape * np.exp(step)
    flags = 0
    if new > LARGEST_SHAPE:
        new = LARGEST_SHAPE
        flags = FLOORED
    return new, flags | (UNSETTLED if abs(new - shape) > 1e-9 * shape else 0)


class Weibull(Family):
    """Weibull distribution of one column of values > 0: lifetimes, strengths, wind speeds.

    Parameters
    ----------
    shape : float > 0, or None to be learned. Failures grow rarer with age below 1, more frequent above.
    scale : float > 0, in the unit of the column, or None to be learned: a share 1 - 1/e of all values lies below.

    Notes
    -----
    ``scipy.stats.weibull_min(c=shape, scale=scale)``. The value 0 is outside the support. Where all values agree within rounding,
    the shape is held at 1 over 16 rounding errors, 3e14, with a :class:`~mixtures.exceptions.DegenerateWarning`.

    Examples
    --------
    >>> Weibull(1.0, 2.0).log_prob([2.0, 0.0]).round(6)
    array([-1.693147,      -inf])
    >>> Weibull().fit([1.0, 2.0, 3.0])
    Weibull(shape=2.7385731735959604, scale=2.2585862462440263)
    """

    parameters = {"shape": positive_shape, "scale": positive}
    support = positive
    kernels = Kernels(_prepare, _log_prob, _accumulate, _maximize)
    coordinates = ((LOG, SHAPE, 1, 0), (LOG, SCALE, 1, 1))
    uses_unit = True
    held = HELD
    ties = TIES
    tieable = ("shape",)

    def __init__(self, shape: float | None = None, scale: float | None = None) -> None:
        super().__init__(shape=shape, scale=scale)

    shape: float
    scale: float

    @property
    def mean(self) -> float:
        """scale Gamma(1 + 1 / shape)."""
        return self._moment("mean")

    @property
    def variance(self) -> float:
        """scale^2 (Gamma(1 + 2 / shape) - Gamma(1 + 1 / shape)^2)."""
        return self._moment("var")

    def _scipy(self):
        return scipy.stats.weibull_min, (self.shape,), {"scale": self.scale}

    def _layout(self, column):
        return SIZE, 11

    def _pack(self, column):
        scale, upper = self.scale / column.unit, column.upper / column.unit
        # A start far from the rows would take long to get there.
        far = upper > 0.0 and self.shape * abs(np.log(upper) - np.log(scale)) > FAR
        return self.shape, scale, 0.0, upper if far else scale, np.log(column.unit), 0.0, 0.0

    def _unpack(self, row, column):
        return Weibull(row[SHAPE], row[SCALE] * column.unit)

    def _start(self, column):
        return Weibull(1.0, max(column.upper / 2, column.floor))
