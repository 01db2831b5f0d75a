"""Special functions for kernels: branch-free, so that loops over rows vectorise.

numba's own ``exp`` and ``log`` are scalar library calls (5 ns an element); these are polynomials over a reduced argument
(0.6 to 1 ns; log-gamma 4.5 ns, digamma 3.4 ns). Polynomials interpolate at Chebyshev nodes, coefficients computed with
mpmath at 50 digits. Each docstring states the largest relative error against 50-digit mpmath where multiply-adds fuse: exp
1.2e-16, log 1.4e-16; the tests hold them to a little more.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import bits_to_float, float_to_bits, inline, jit

_LOG2_E = 1.4426950408889634
_ROUND_BIASED = 6755399441055744.0 + 1023.0  # adding 1.5 * 2**52 leaves the nearest integer in the low bits
_LOG_2_HIGH = 6.93147180369123816490e-01  # 33 bits of log 2, so that a multiple by an exponent is exact
_LOG_2_LOW = 1.90821492927058770002e-10
_TWO_52 = 4503599627370496.0
_TWO_600 = 2.0**600
_SMALLEST_NORMAL = 2.2250738585072014e-308
_LARGEST = 1.7976931348623157e308
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_LEADING_BITS = np.int64(-(1 << 27))
_SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)

HALF_LOG_2PI = 0.9189385332046727418


@jit
def exp_nonpositive(x):
    """exp(x) for x <= 0; exactly 0 below -708.75, where exp is subnormal, NaN for NaN."""
    y = -709.1 if x < -709.1 else x
    # The low bits of the sum hold the nearest integer to y / log 2, biased like an exponent; shifted into the exponent field
    # they are a power of two, and 0 for the least y.
    n = y * _LOG2_E + _ROUND_BIASED
    power = bits_to_float(float_to_bits(n) << np.int64(52))
    n = n - _ROUND_BIASED
    r = (y - n * _LOG_2_HIGH) - n * _LOG_2_LOW
    p = 2.5110049204818658e-08
    p = p * r + 2.763265472252779e-07
    p = p * r + 2.755724088722987e-06
    p = p * r + 2.4801485441561313e-05
    p = p * r + 0.00019841269890076403
    p = p * r + 0.0013888888952352863
    p = p * r + 0.008333333333319589
    p = p * r + 0.04166666666648795
    p = p * r + 0.1666666666666668
    p = p * r + 0.5000000000000019
    p = p * r + 1.0
    p = p * r + 1.0
    return p * power


@jit
def exp(x):
    """exp(x) for every float64: 0 below -708.75 and inf above 709, where few numbers are left; NaN for NaN."""
    # The reduction of exp_nonpositive serves up there as well.
    value = exp_nonpositive(709.0 if x > 709.0 else x)
    return np.inf if x > 709.0 else value


@jit
def log_normal(x):
    """log(x) for finite x in the normal range (x >= 2.3e-308); NaN for NaN.

    x = 2**k * m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s) with s = (m - 1) / (m + 1).
    """
    bits = float_to_bits(x)
    shifted = bits - _SQRT_HALF_BITS
    k = shifted >> np.int64(52)
    m = bits_to_float(bits - (k << np.int64(52)))
    f = m - 1.0 + 0.0 * x  # whose bits alone would make a number of NaN
    s = f / (2.0 + f)
    z = s * s
    p = 0.14617807153417325
    p = p * z + 0.15331611722055008
    p = p * z + 0.1818289243253687
    p = p * z + 0.22222211089379496
    p = p * z + 0.28571428626253836
    p = p * z + 0.3999999999989889
    p = p * z + 0.666666666666667
    exponent = float(k)
    half_square = 0.5 * f * f
    # f - f*f/2 + s * (f*f/2 + z*p): the large term stays exact
    tail = s * (half_square + z * p) + exponent * _LOG_2_LOW
    return exponent * _LOG_2_HIGH - ((half_square - tail) - f)


@jit
def log(x):
    """log(x) for every float64: -inf at 0, NaN below, inf at inf, subnormal numbers included."""
    tiny = x < _SMALLEST_NORMAL
    y = x * _TWO_52 if tiny else x
    value = log_normal(y) - (36.04365338911715 if tiny else 0.0)
    value = value if x <= _LARGEST else x
    value = -np.inf if x == 0.0 else value
    return value if x >= 0.0 else np.nan


@jit
def stirling_error(n):
    """log n! - [(n + 1/2) log n - n + log(2 pi) / 2] for n > 0 (Loader 2000, "Fast and accurate computation of binomial
    probabilities"); for n below 16, whole n only. The series is that of Abramowitz & Stegun 6.1.41."""
    inline()
    m = n if n >= 16.0 else 16.0
    inverse = 1.0 / m
    square = inverse * inverse
    p = -1.0 / 360360.0 * 691.0
    p = p * square + 1.0 / 1188.0
    p = p * square - 1.0 / 1680.0
    p = p * square + 1.0 / 1260.0
    p = p * square - 1.0 / 360.0
    p = p * square + 1.0 / 12.0
    index = np.int64(n) if n < 16.0 else np.int64(0)
    return p * inverse if n >= 16.0 else _STIRLING_ERRORS[index]


_STIRLING_ERRORS = np.array(
    [
        0.0,
        0.08106146679532726,
        0.0413406959554093,
        0.02767792568499834,
        0.020790672103765093,
        0.016644691189821193,
        0.013876128823070748,
        0.01189670994589177,
        0.010411265261972096,
        0.009255462182712733,
        0.00833056343336287,
        0.007573675487951841,
        0.00694284010720953,
        0.006408994188004207,
        0.0059513701127588475,
        0.005554733551962801,
    ]
)


@jit
def poisson_deviance(x, rate):
    """x log(x / rate) + rate - x for x > 0, rate > 0, without cancellation where x is near the rate (Loader 2000)."""
    inline()
    return deviance(x, rate, x - rate)


@jit
def deviance(x, rate, difference):
    """As :func:`poisson_deviance` where x - rate is known better than from its rounded ends."""
    inline()
    v = difference / (x + rate)
    # Beside a rate below 1e-150 the ratio may overflow: it is taken to 2**600 times the rate.
    small = rate < 1e-150
    far = x * (log(x / (rate * _TWO_600 if small else rate)) + (415.88830833596717 if small else 0.0)) - difference
    near = _deviance_beside(x, difference, v)
    value = near if -0.1 < v < 0.1 else far
    return value if rate < np.inf else rate


@jit
def deviance_of_ratio(x, ratio, difference, v):
    """As :func:`deviance` for whom x / rate and v = difference / (x + rate) cost less than a division each."""
    inline()
    near, far = _deviance_beside(x, difference, v), x * log(ratio) - difference
    return near if -0.1 < v < 0.1 else far


@jit
def _deviance_beside(x, difference, v):
    """x log(x / rate) + rate - x for |v| < 0.1, v = (x - rate) / (x + rate)."""
    inline()
    square = v * v
    # x * 2 v**3 (1/3 + v**2/5 + v**4/7 + ...) and what the first term leaves
    p = 1.0 / 21.0
    p = p * square + 1.0 / 19.0
    p = p * square + 1.0 / 17.0
    p = p * square + 1.0 / 15.0
    p = p * square + 1.0 / 13.0
    p = p * square + 1.0 / 11.0
    p = p * square + 1.0 / 9.0
    p = p * square + 1.0 / 7.0
    p = p * square + 1.0 / 5.0
    p = p * square + 1.0 / 3.0
    return difference * v + 2.0 * x * v * square * p


@jit
def leading_half(x):
    """x without the last 27 bits of its mantissa: the product of two such numbers is exact."""
    return bits_to_float(float_to_bits(x) & _LEADING_BITS)


@jit
def log_gamma(x):
    """log gamma(x) for x > 0; inf at 0 and inf; largest relative error 2e-15, its roots at 1 and 2 included.

    From 8 on, Stirling's series (Abramowitz & Stegun 6.1.41). Below, the recurrence gamma(x + 1) = x gamma(x) leads to z in
    [1.5, 2.5), where log gamma(z) / (z - 2) is a polynomial: the root of the quotient's numerator is exact.
    """
    inline()
    large = x >= 8.0
    # Down by whole steps from above 2.5 (each exact; written out, since an inner loop would not vectorise), ...
    z = 8.0 if large else x
    product = 1.0
    above = z >= 2.5
    z = z - 1.0 if above else z
    product = product * z if above else product
    above = z >= 2.5
    z = z - 1.0 if above else z
    product = product * z if above else product
    above = z >= 2.5
    z = z - 1.0 if above else z
    product = product * z if above else product
    above = z >= 2.5
    z = z - 1.0 if above else z
    product = product * z if above else product
    above = z >= 2.5
    z = z - 1.0 if above else z
    product = product * z if above else product
    above = z >= 2.5
    z = z - 1.0 if above else z
    product = product * z if above else product
    # ... up by at most two from below 1.5, where t = z - 2 is x - 1 or x, without the rounding of x + 1.
    once = x < 1.5
    twice = x < 0.5
    climbed = x if once else 1.0
    climbed = x * (x + 1.0) if twice else climbed
    t = x - 1.0 if once else z - 2.0
    t = x if twice else t
    p = 2.7475390051909663e-07
    p = p * t - 5.811277768921246e-07
    p = p * t + 9.242852225162277e-07
    p = p * t - 1.9743106888421067e-06
    p = p * t + 4.3828545383846665e-06
    p = p * t - 9.45628851510172e-06
    p = p * t + 2.050601970174762e-05
    p = p * t - 4.4923727564247656e-05
    p = p * t + 9.945761692157133e-05
    p = p * t - 0.00022315497746292723
    p = p * t + 0.0005096695196526673
    p = p * t - 0.0011927539009983087
    p = p * t + 0.002890510330865901
    p = p * t - 0.007385551028935545
    p = p * t + 0.02058080842778338
    p = p * t - 0.06735230105319563
    p = p * t + 0.3224670334241132
    p = p * t + 0.42278433509846713
    y = x if large else 8.0
    # One logarithm serves all: of x, or of the product that the recurrence collected on its way down or up.
    near = climbed if once else product
    level = log(y if large else near)
    far = (y - 0.5) * (level - 1.0) + (HALF_LOG_2PI - 0.5 + stirling_series(y))
    value = t * p + (-level if once else level)
    value = far if large else value
    return value if x < np.inf else x


@jit
def log_minus_digamma(x):
    """log(x) - psi(x) for x > 0, where psi = (log Gamma)'; largest relative error 1e-14.

    Ten steps of the recurrence psi(x) = psi(x + 1) - 1 / x where x is below 10, then the asymptotic series (Abramowitz &
    Stegun 6.3.18).
    """
    inline()
    low = x < 10.0
    start = x if low else 1.0
    # The sum of 1 / (x + i) over i = 1..9 as one fraction, written out, since an inner loop would not vectorise.
    above = 1.0
    under = start + 1.0
    above = above * (start + 2.0) + under
    under = under * (start + 2.0)
    above = above * (start + 3.0) + under
    under = under * (start + 3.0)
    above = above * (start + 4.0) + under
    under = under * (start + 4.0)
    above = above * (start + 5.0) + under
    under = under * (start + 5.0)
    above = above * (start + 6.0) + under
    under = under * (start + 6.0)
    above = above * (start + 7.0) + under
    under = under * (start + 7.0)
    above = above * (start + 8.0) + under
    under = under * (start + 8.0)
    above = above * (start + 9.0) + under
    under = under * (start + 9.0)
    y = x + 10.0 if low else x
    inverse = 1.0 / y
    square = inverse * inverse
    p = 1.0 / 12.0
    p = p * square - 691.0 / 32760.0
    p = p * square + 1.0 / 132.0
    p = p * square - 1.0 / 240.0
    p = p * square + 1.0 / 252.0
    p = p * square - 1.0 / 120.0
    p = p * square + 1.0 / 12.0
    gap = 0.5 * inverse + p * square
    # log x - psi(x) = gap + sum of 1 / (x + i) - log(1 + 10 / x) below 10.
    return ((gap - log(y / start)) + above / under) + 1.0 / start if low else gap


@jit
def trigamma_excess(x):
    """psi'(x) - 1 / x for x > 0; largest relative error 1e-14.

    As :func:`log_minus_digamma`: psi'(x) = psi'(x + 1) + 1 / x^2, and Abramowitz & Stegun 6.4.12.
    """
    inline()
    low = x < 10.0
    start = x if low else 1.0
    # Smallest first.
    term = 1.0 / (start + 9.0)
    total = term * term
    term = 1.0 / (start + 8.0)
    total += term * term
    term = 1.0 / (start + 7.0)
    total += term * term
    term = 1.0 / (start + 6.0)
    total += term * term
    term = 1.0 / (start + 5.0)
    total += term * term
    term = 1.0 / (start + 4.0)
    total += term * term
    term = 1.0 / (start + 3.0)
    total += term * term
    term = 1.0 / (start + 2.0)
    total += term * term
    term = 1.0 / (start + 1.0)
    total += term * term
    term = 1.0 / (start + 0.0)
    total += term * term
    y = x + 10.0 if low else x
    inverse = 1.0 / y
    square = inverse * inverse
    p = -3617.0 / 510.0
    p = p * square + 7.0 / 6.0
    p = p * square - 691.0 / 2730.0
    p = p * square + 5.0 / 66.0
    p = p * square - 1.0 / 30.0
    p = p * square + 1.0 / 42.0
    p = p * square - 1.0 / 30.0
    p = p * square + 1.0 / 6.0
    rest = 0.5 * square + p * square * inverse
    # psi'(x) - 1 / x: the first term of the sum below 10 gives its 1 / x up, the last of the series takes it over.
    return rest + total + (inverse - 1.0 / start) if low else rest


@jit
def digamma(x):
    """psi(x) = d/dx log gamma(x) for x > 0; relative error 1e-14 away from its root 1.4616..., absolute error 2e-15 beside it."""
    inline()
    return log(x) - log_minus_digamma(x)


@jit
def trigamma(x):
    """psi'(x) = d^2/dx^2 log gamma(x) for x > 0; largest relative error 2e-15."""
    inline()
    return 1.0 / x + trigamma_excess(x)


@jit
def inverse_digamma(y):
    """The x > 0 with digamma(x) = y, by Newton's method from Minka's (2000) start, which is within a tenth."""
    x = np.exp(y) + 0.5 if y >= -2.22 else -1.0 / (y + 0.5772156649015329)
    for _ in range(20):
        step = (digamma(x) - y) / trigamma(x)
        step = min(step, 0.9 * x)
        x -= step
        if abs(step) <= 4e-16 * x:
            break
    return x


@jit
def stirling_series(x):
    """log gamma(x) - [(x - 1/2) log x - x + log(2 pi) / 2] for x >= 8; relative error 2e-15 (Abramowitz & Stegun 6.1.41)."""
    inline()
    return stirling_from_inverse(1.0 / x)


@jit
def stirling_from_inverse(inverse):
    """As :func:`stirling_series`, of 1 / x."""
    inline()
    square = inverse * inverse
    q = 1.0 / 156.0
    q = q * square - 691.0 / 360360.0
    q = q * square + 1.0 / 1188.0
    q = q * square - 1.0 / 1680.0
    q = q * square + 1.0 / 1260.0
    q = q * square - 1.0 / 360.0
    q = q * square + 1.0 / 12.0
    return q * inverse


@jit
def stirling_rest(x):
    """As :func:`stirling_series`, for every x > 0; not for row loops."""
    if x >= 8.0:
        return stirling_series(x)
    return log_gamma(x) - ((x - 0.5) * log(x) - x + HALF_LOG_2PI)


@jit
def log_gamma_excess(x):
    """log gamma(x) - (x log x - x) for x > 0: what is left where such terms cancel; error 2e-15 relative to 1 + its size."""
    inline()
    large = x >= 8.0
    y = x if large else 8.0
    z = 1.0 if large else x
    level = log(y if large else z)
    near = log_gamma(z) - z * (level - 1.0)
    return HALF_LOG_2PI - 0.5 * level + stirling_series(y) if large else near


@jit
def _bessel_i0_forms(x):
    """log I0(x) where x <= 8, else 0, and log(exp(-x) I0(x)) where x > 8."""
    inline()
    small = x <= 8.0
    half = 0.5 * x if small else 0.0
    q = half * half
    series = 7.915289708078262e-43
    series = series * q + 3.8310002187098785e-40
    series = series * q + 1.6894710964510564e-37
    series = series * q + 6.757884385804225e-35
    series = series * q + 2.4395962632753253e-32
    series = series * q + 7.904291893012054e-30
    series = series * q + 2.2843403570804838e-27
    series = series * q + 5.8479113141260385e-25
    series = series * q + 1.3157800456783586e-22
    series = series * q + 2.5789288895295828e-20
    series = series * q + 4.358389823304995e-18
    series = series * q + 6.276081345559193e-16
    series = series * q + 7.594058428126623e-14
    series = series * q + 7.594058428126624e-12
    series = series * q + 6.151187326782565e-10
    series = series * q + 3.936759889140842e-08
    series = series * q + 1.9290123456790124e-06
    series = series * q + 6.944444444444444e-05
    series = series * q + 0.001736111111111111
    series = series * q + 0.027777777777777776
    series = series * q + 0.25
    series = series * q + 1.0
    y = 8.0 if small else x
    t = 8.0 / y - 0.5
    scaled = -0.0002048663554674442
    scaled = scaled * t + 0.0003823007498770266
    scaled = scaled * t + 0.00037115575485242354
    scaled = scaled * t - 0.0006810072372374267
    scaled = scaled * t - 0.00033176472371839773
    scaled = scaled * t + 0.0005671960650485271
    scaled = scaled * t + 0.00021082781982106284
    scaled = scaled * t - 0.00029691550609323587
    scaled = scaled * t - 0.0001175153348168329
    scaled = scaled * t + 0.00010686078749953672
    scaled = scaled * t + 6.22612847528633e-05
    scaled = scaled * t - 2.0552065165331135e-05
    scaled = scaled * t - 2.7499543514933054e-05
    scaled = scaled * t - 7.021040175065541e-06
    scaled = scaled * t + 3.870394418516704e-06
    scaled = scaled * t + 5.521358530856123e-06
    scaled = scaled * t + 5.033615771056415e-06
    scaled = scaled * t + 5.678089334823395e-06
    scaled = scaled * t + 9.515517467093675e-06
    scaled = scaled * t + 2.3741562849476233e-05
    scaled = scaled * t + 8.914427030761409e-05
    scaled = scaled * t + 0.0005448642975580585
    scaled = scaled * t + 0.006721103967335783
    scaled = scaled * t + 0.4021765094450081
    # log(1 + q + ...) keeps the digits of a small x.
    near = log_one_plus(series * q) if small else 0.0
    return near, log(scaled) - 0.5 * log(y)


@jit
def log_bessel_i0(x):
    """log of the modified Bessel function I0(x), x >= 0; largest relative error 2e-15.

    To 8 the power series (Abramowitz & Stegun 9.6.12), whose terms all are positive; beyond, exp(-x) sqrt(x) I0(x) as a
    polynomial in 8 / x.
    """
    inline()
    near, far = _bessel_i0_forms(x)
    return near if x <= 8.0 else x + far


@jit
def log_scaled_bessel_i0(x):
    """log(exp(-x) I0(x)), x >= 0, without the cancellation of its two parts beyond 8; largest relative error 1e-14."""
    inline()
    near, far = _bessel_i0_forms(x)
    return near - x if x <= 8.0 else far


@jit
def bessel_ratio(x):
    """I1(x) / I0(x), x >= 0: the mean resultant length of the von Mises distribution; largest relative error 2e-15.

    As :func:`log_bessel_i0`.
    """
    inline()
    small = x <= 8.0
    half = 0.5 * x if small else 0.0
    q = half * half
    below = 7.915289708078262e-43
    below = below * q + 3.8310002187098785e-40
    below = below * q + 1.6894710964510564e-37
    below = below * q + 6.757884385804225e-35
    below = below * q + 2.4395962632753253e-32
    below = below * q + 7.904291893012054e-30
    below = below * q + 2.2843403570804838e-27
    below = below * q + 5.8479113141260385e-25
    below = below * q + 1.3157800456783586e-22
    below = below * q + 2.5789288895295828e-20
    below = below * q + 4.358389823304995e-18
    below = below * q + 6.276081345559193e-16
    below = below * q + 7.594058428126623e-14
    below = below * q + 7.594058428126624e-12
    below = below * q + 6.151187326782565e-10
    below = below * q + 3.936759889140842e-08
    below = below * q + 1.9290123456790124e-06
    below = below * q + 6.944444444444444e-05
    below = below * q + 0.001736111111111111
    below = below * q + 0.027777777777777776
    below = below * q + 0.25
    below = below * q + 1.0
    below = below * q + 1.0
    above = 3.4414303078601135e-44
    above = above * q + 1.7413637357772174e-41
    above = above * q + 8.045100459290744e-39
    above = above * q + 3.3789421929021126e-36
    above = above * q + 1.2839980333028028e-33
    above = above * q + 4.391273273895586e-31
    above = above * q + 1.3437296218120491e-28
    above = above * q + 3.654944571328774e-26
    above = above * q + 8.771866971189057e-24
    above = above * q + 1.842092063949702e-21
    above = above * q + 3.352607556388458e-19
    above = above * q + 5.230067787965994e-17
    above = above * q + 6.903689480115112e-15
    above = above * q + 7.594058428126623e-13
    above = above * q + 6.834652585313961e-11
    above = above * q + 4.920949861426052e-09
    above = above * q + 2.755731922398589e-07
    above = above * q + 1.1574074074074073e-05
    above = above * q + 0.00034722222222222224
    above = above * q + 0.006944444444444444
    above = above * q + 0.08333333333333333
    above = above * q + 0.5
    above = above * q + 1.0
    y = 8.0 if small else x
    t = 8.0 / y - 0.5
    under = -0.0002048663554674442
    under = under * t + 0.0003823007498770266
    under = under * t + 0.00037115575485242354
    under = under * t - 0.0006810072372374267
    under = under * t - 0.00033176472371839773
    under = under * t + 0.0005671960650485271
    under = under * t + 0.00021082781982106284
    under = under * t - 0.00029691550609323587
    under = under * t - 0.0001175153348168329
    under = under * t + 0.00010686078749953672
    under = under * t + 6.22612847528633e-05
    under = under * t - 2.0552065165331135e-05
    under = under * t - 2.7499543514933054e-05
    under = under * t - 7.021040175065541e-06
    under = under * t + 3.870394418516704e-06
    under = under * t + 5.521358530856123e-06
    under = under * t + 5.033615771056415e-06
    under = under * t + 5.678089334823395e-06
    under = under * t + 9.515517467093675e-06
    under = under * t + 2.3741562849476233e-05
    under = under * t + 8.914427030761409e-05
    under = under * t + 0.0005448642975580585
    under = under * t + 0.006721103967335783
    under = under * t + 0.4021765094450081
    over = 0.00018808742742566323
    over = over * t - 0.0003981187384288812
    over = over * t - 0.0003414848034071379
    over = over * t + 0.0007101740844786595
    over = over * t + 0.0003077919011489179
    over = over * t - 0.000593085100437129
    over = over * t - 0.0001994681753361545
    over = over * t + 0.0003121990911931354
    over = over * t + 0.00011474584185373249
    over = over * t - 0.00011377735489924936
    over = over * t - 6.297396272141101e-05
    over = over * t + 2.2822987358589073e-05
    over = over * t + 2.877797771005039e-05
    over = over * t + 7.011920178451804e-06
    over = over * t - 4.3172705141413975e-06
    over = over * t - 5.988895477340815e-06
    over = over * t - 5.520447747968862e-06
    over = over * t - 6.400688029596135e-06
    over = over * t - 1.1148340308561003e-05
    over = over * t - 2.9358563990384284e-05
    over = over * t - 0.00012030837758577406
    over = over * t - 0.000876943055325511
    over = over * t - 0.01949915438647153
    over = over * t + 0.38939845902587233
    return half * above / below if small else over / under


@jit
def bessel_ratio_gap(x):
    """1 - I1(x) / I0(x), x >= 0, without the cancellation of a large x; largest relative error 2e-14.

    From 32 on, the asymptotic series that y' = 1 - y / x - y^2 has for y = I1 / I0.
    """
    inline()
    large = x >= 32.0
    t = 1.0 / (x if large else 32.0)
    p = 12251067.63286615
    p = p * t + 1628749.4532470703
    p = p * t + 231884.6359563172
    p = p * t + 35528.87744140625
    p = p * t + 5892.0457146167755
    p = p * t + 1064.67822265625
    p = p * t + 211.27614974975586
    p = p * t + 46.478515625
    p = p * t + 11.466461181640625
    p = p * t + 3.21875
    p = p * t + 1.0478515625
    p = p * t + 0.40625
    p = p * t + 0.1953125
    p = p * t + 0.125
    p = p * t + 0.125
    p = p * t + 0.5
    return p * t if large else 1.0 - bessel_ratio(x)


TWO_PI = 6.283185307179586
TWO_PI_REST = 2.4492935982947064e-16
LARGEST_ANGLE = 2.0**20 * TWO_PI
"""Up to here :func:`reduced_angle` is exact."""


@jit
def reduced_angle(x):
    """x less the nearest multiple of 2 pi, as the sum of a float64 and a rest below its rounding: error 1e-29 for |x| up to
    2^20 periods.

    Cody & Waite (1980): 2 pi in three parts, of which the first two have 33 bits, so that multiples of them are exact.
    """
    inline()
    n = np.rint(x * 0.15915494309189535)
    first = x - n * 6.2831853069365025
    rest = n * 2.4308402025215864e-10
    angle = first - rest
    return angle, ((first - angle) - rest) - n * 8.089064995183803e-21


@jit
def angle_between(x, x_rest, y, y_rest):
    """x - y of two reduced angles, brought back to [-pi, pi]; relative error 4e-16 beside the exact difference, however small."""
    inline()
    gap = x - y
    back = gap - x
    rest = (x - (gap - back)) - (y + back)  # what the rounding of the difference lost (Knuth 1969, 4.2.2)
    turns = 1.0 if gap > 3.141592653589793 else 0.0
    turns = -1.0 if gap < -3.141592653589793 else turns
    return (gap - turns * TWO_PI) + (rest + ((x_rest - y_rest) - turns * TWO_PI_REST))


@jit
def sin_quarter(x):
    """sin(x) for |x| <= pi / 2; largest relative error 3e-16."""
    inline()
    q = x * x
    p = 2.7215660921125597e-15
    p = p * q - 7.643025738964345e-13
    p = p * q + 1.6058940847832492e-10
    p = p * q - 2.505210688997513e-08
    p = p * q + 2.7557319211223257e-06
    p = p * q - 0.00019841269841208638
    p = p * q + 0.008333333333333186
    p = p * q - 0.16666666666666666
    return x + x * q * p


@jit
def cos_quarter(x):
    """cos(x) for |x| <= pi / 2; largest absolute error 2e-16."""
    inline()
    q = x * x
    p = -1.51197786600161e-16
    p = p * q + 4.776871733415368e-14
    p = p * q - 1.1470670142864075e-11
    p = p * q + 2.087675566605353e-09
    p = p * q - 2.755731920964734e-07
    p = p * q + 2.4801587301492586e-05
    p = p * q - 0.001388888888888853
    p = p * q + 0.04166666666666666
    p = p * q - 0.5
    return 1.0 + q * p


@jit
def log_one_plus(x):
    """log(1 + x) for x > -1, also where 1 + x would round x away; largest relative error 4e-16."""
    inline()
    y = 1.0 + x
    value = log(y)
    # The rounding of 1 + x is known: a first-order term gives it back (Higham 2002, problem 1.5).
    value += (x - (y - 1.0)) / y
    return value if y < np.inf else y


@jit
def scaled_normal_tail(x):
    """exp(x^2 / 2) erfc(|x| / sqrt 2), twice the Normal's tail beyond |x| over exp(-x^2 / 2): (1 + 2 z) times it is a polynomial in
    (z - 3.75) / (z + 3.75), z = |x| / sqrt 2 (Shepherd & Laframboise 1981)."""
    inline()
    z = abs(x) * 0.7071067811865476
    t = (z - 3.75) / (z + 3.75) if z < 1e300 else 1.0
    p = 4.434959070009628e-10
    p = p * t + 3.110310719839165e-10
    p = p * t - 5.28428697963142e-09
    p = p * t - 3.743568033634583e-09
    p = p * t + 3.8965452548985966e-08
    p = p * t + 2.3261913276696566e-08
    p = p * t - 2.591069687796658e-07
    p = p * t - 5.721597255990987e-08
    p = p * t + 1.752057970166318e-06
    p = p * t - 9.735619015182663e-07
    p = p * t - 1.1444412439171722e-05
    p = p * t + 2.2384240314224437e-05
    p = p * t + 5.1649211390702855e-05
    p = p * t - 0.0002901540809795271
    p = p * t + 0.0002937136342850081
    p = p * t + 0.0017556258530017257
    p = p * t - 0.009746579552504244
    p = p * t + 0.028362277418940665
    p = p * t - 0.058693398590212366
    p = p * t + 0.09230432116037876
    p = p * t - 0.10880393014171785
    p = p * t + 0.08227673849014516
    p = p * t + 0.003585415485463775
    p = p * t - 0.14024059858554697
    p = p * t + 1.2375126308378275
    return p / (1.0 + 2.0 * z)


@jit
def normal_cdf_parts(x):
    """(exponential e, part v) of the standard normal distribution function: v exp(-x^2 / 2) with e = 1 for x < 0; v, with
    e = exp(-x^2 / 2), from 0 on. Either way its density over it is e / v / sqrt(2 pi)."""
    inline()
    half = 0.5 * scaled_normal_tail(x)
    e = exp_nonpositive(-0.5 * x * x)
    return (1.0 if x < 0.0 else e), (half if x < 0.0 else 1.0 - half * e)


@jit
def log_normal_cdf(x):
    """log of the standard normal distribution function; relative error 1e-15.

    Phi(x) = exp(-x^2 / 2) erfcx(-x / sqrt 2) / 2 for x <= 0; 1 - Phi(-x) above. One logarithm serves both.
    """
    inline()
    half = 0.5 * scaled_normal_tail(x)
    beyond = half * exp_nonpositive(-0.5 * x * x)
    part = half if x < 0.0 else 1.0 - beyond
    value = log_normal(part)
    # Above, the rounding of 1 - beyond is known, as in log_one_plus; 1 / part is 2 - part, nearly.
    return value + (-0.5 * x * x if x < 0.0 else (-beyond - (part - 1.0)) * (2.0 - part))
