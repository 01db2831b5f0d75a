"""Densities of conjugate priors at one value, for the kernels that add them to what a fit maximises.

Constants are in them, so that a penalised likelihood compares models. Terms of power 0 are left out: where their base is 0 they
would be 0 times infinity.
"""

from __future__ import annotations

import numpy as np

from mixtures._numba import jit
from mixtures.engine.special import log, log_gamma, log_one_plus


@jit
def _power(exponent, logarithm):
    """exponent * logarithm, 0 for exponent 0."""
    return exponent * logarithm if exponent != 0.0 else 0.0


@jit
def log_gamma_density(x, shape, rate):
    """Of a Gamma law at x >= 0; 0 for rate 0, which stands for no prior."""
    if rate == 0.0:
        return 0.0
    return shape * log(rate) - log_gamma(shape) + _power(shape - 1.0, log(x)) - rate * x


@jit
def log_beta_density(p, alpha, beta):
    """Of a Beta law at p, from 0 to 1; 0 where both arguments are 1, which stands for no prior, too."""
    log_rest = log_one_plus(-p) if p < 1.0 else -np.inf
    constant = log_gamma(alpha + beta) - log_gamma(alpha) - log_gamma(beta)
    return constant + _power(alpha - 1.0, log(p)) + _power(beta - 1.0, log_rest)


@jit
def log_inverse_gamma_density(log_variance, variance, shape, scale):
    """Of an inverse Gamma law at a variance and its logarithm."""
    return shape * log(scale) - log_gamma(shape) - (shape + 1.0) * log_variance - scale / variance
