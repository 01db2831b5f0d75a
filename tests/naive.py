"""A slow, obvious EM for mixtures of products, written with NumPy and scipy alone: the oracle of the compiled loop.

A mixture is a list of weights and a list of components; a component is a list with one of the library's distributions a
column, used here as a bearer of parameters only. A table is a list of columns; NaN or None is a missing cell.
"""

import numpy as np
import scipy.stats

from mixtures.distributions import Bernoulli, Categorical, Exponential, Normal, Poisson


def is_missing(column):
    """Which cells are NaN or None."""
    return np.array([value is None or value != value for value in column])


def log_density(distribution, values):
    """Log-density of observed values."""
    match distribution:
        case Normal(mean=mean, std=std):
            return scipy.stats.norm.logpdf(values, mean, std)
        case Exponential(rate=rate):
            return scipy.stats.expon.logpdf(values, scale=1 / rate)
        case Poisson(rate=rate):
            return scipy.stats.poisson.logpmf(values, rate)
        case Bernoulli(probability=probability):
            return scipy.stats.bernoulli.logpmf(values, probability)
        case Categorical(probabilities=probabilities, categories=categories):
            with np.errstate(divide="ignore"):
                table = dict(zip(categories, np.log(probabilities), strict=True))
            return np.array([table.get(value, -np.inf) for value in values])


def refit(distribution, values, weights):
    """Weighted maximum likelihood from observed values; the same distribution where no weight is left."""
    total = weights.sum()
    if total == 0:
        return distribution
    if isinstance(distribution, Categorical):
        shares = [weights[[value == category for value in values]].sum() / total for category in distribution.categories]
        return Categorical(shares, distribution.categories)
    mean = weights @ values / total
    match distribution:
        case Normal():
            return Normal(mean, max(np.sqrt(weights @ (values - mean) ** 2 / total), 1e-300))  # 0 upon a single row
        case Exponential():
            return Exponential(1 / mean)
        case Poisson():
            return Poisson(mean)
        case Bernoulli():
            return Bernoulli(min(mean, 1.0))


def observed(column):
    """Row numbers and values of the cells that are there."""
    rows = np.flatnonzero(~is_missing(column))
    values = [column[row] for row in rows]
    return rows, values if any(isinstance(value, str) for value in values) else np.array(values, dtype=float)


def log_joint(weights, components, columns):
    """Log weight plus log-density, (n, k)."""
    with np.errstate(divide="ignore"):
        joint = np.tile(np.log(weights), (len(columns[0]), 1))
    for j, column in enumerate(columns):
        rows, values = observed(column)
        for k, component in enumerate(components):
            joint[rows, k] += log_density(component[j], values)
    return joint


def em_step(weights, components, columns, sample_weight, keep=0, sharpness=1.0, known=None, learn_weights=True):
    """One EM iteration: (new weights, new components, mean objective before it).

    Of every row only the `keep` most probable components take part, 0: all; posteriors are raised to the power `sharpness`; a row
    belongs to its `known` component if that is >= 0.
    """
    joint = log_joint(weights, components, columns)
    if known is not None:
        joint[(known[:, None] >= 0) & (known[:, None] != np.arange(len(components)))] = -np.inf
    if keep:
        places = np.argsort(-joint, axis=1, kind="stable")
        np.put_along_axis(joint, places[:, keep:], -np.inf, axis=1)
    joint = joint * sharpness
    density = np.logaddexp.reduce(joint, axis=1)
    shares = np.exp(joint - density[:, None]) * sample_weight[:, None]
    new = [[None] * len(columns) for _ in components]
    for j, column in enumerate(columns):
        rows, values = observed(column)
        for k, component in enumerate(components):
            new[k][j] = refit(component[j], values, shares[rows, k])
    learned = shares.sum(axis=0) / sample_weight.sum() if learn_weights else weights
    return learned, new, sample_weight @ density / sample_weight.sum() / sharpness


def is_narrow(components):
    """Whether a Normal is on its way to a single row, where each step multiplies rounding without bound."""
    return any(isinstance(factor, Normal) and factor.std < 0.1 for component in components for factor in component)
