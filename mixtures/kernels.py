"""What the kernels of a family of your own are made of: compilers, answers of ``maximize``, functions for loops over rows.

- :func:`jit` compiles a kernel or a helper of one; :func:`jit_sums` one that only adds and multiplies, whose sums then vectorise;
  :func:`wide_vectors`, called in its first line, lets a loop use the widest vectors; :func:`inline` makes a helper part of
  every loop that calls it.
- ``REPEAT``, ``FLOORED``, ``LIMIT``, ``FAILED`` and ``UNSETTLED`` are what ``maximize`` may return, joined by ``|``; 0 for none.
- ``exp``, ``log``, ``log_gamma`` and their like are branch-free, so that loops vectorise: an element costs a nanosecond or a few,
  where those of ``math`` and ``np`` cost five and more and stop the loop around them from vectorising.

:class:`mixtures.distributions.Kernels` says what each kernel is given; `exponential.py` is the shortest family to copy.
"""

from mixtures._numba import inline, jit, jit_sums, wide_vectors
from mixtures.engine.plan import FAILED, FLOORED, LIMIT, REPEAT, UNSETTLED, is_held
from mixtures.engine.special import (
    HALF_LOG_2PI,
    bessel_ratio,
    digamma,
    exp,
    exp_nonpositive,
    log,
    log_bessel_i0,
    log_gamma,
    log_normal_cdf,
    log_one_plus,
    trigamma,
)

__all__ = [
    "FAILED",
    "FLOORED",
    "HALF_LOG_2PI",
    "LIMIT",
    "REPEAT",
    "UNSETTLED",
    "bessel_ratio",
    "digamma",
    "exp",
    "exp_nonpositive",
    "inline",
    "is_held",
    "jit",
    "jit_sums",
    "log",
    "log_bessel_i0",
    "log_gamma",
    "log_normal_cdf",
    "log_one_plus",
    "trigamma",
    "wide_vectors",
]
