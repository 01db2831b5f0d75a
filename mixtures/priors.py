"""Priors of Normal components, and what they take from the data where they are left open.

With a prior a fit finds the parameters of largest posterior density, the sum of the rows' log-densities and the prior's: a
variance can no longer shrink to 0 on a few rows that agree, as it does under maximum likelihood. These are the conjugate ones of
Fraley & Raftery (2007), "Bayesian regularization for normal mixture estimation and model-based clustering", Journal of
Classification 24, 155-181, whose density is taken over means and (co)variances, not over standard deviations.

What is left open is theirs, too, but that weighted variances divide by the sum of weights (theirs by n - 1): mean, the column's;
mean_weight, 0.01 rows; degrees_of_freedom, d + 2 (a shape of 3 / 2 in one dimension, half the degrees of freedom); scale, the
covariance of all rows over K^(2/d), for K components, which is the size of one of K parts of equal volume. Of diagonal covariances
each column keeps its own variance; theirs take the mean over columns, as spherical ones do here, under which columns in larger
units would swallow the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mixtures.constraints import Covariance, Vector, positive, real
from mixtures.distributions.base import Value
from mixtures.exceptions import DataError, ParameterError
from mixtures.table import Table

__all__ = ["NormalInverseGamma", "NormalInverseWishart"]

Floats = npt.NDArray[np.float64]

MEAN_WEIGHT = 0.01
"""How many rows the mean of a prior that leaves it open counts as."""
SMALLEST_CORRELATION = 1e-10
"""Smallest eigenvalue of correlations that rows are taken to tell; below, the scale of a prior has none."""


class NormalInverseGamma(Value):
    """Prior of the mean and the variance of a Normal: mean | variance ~ N(mean, variance / mean_weight), variance ~ InverseGamma(
    shape, scale).

    Parameters
    ----------
    mean : float, in the unit of the column; None: the column's weighted mean.
    mean_weight : float > 0, how many rows the prior's mean counts as; None: 0.01.
    shape : float > 0, half the degrees of freedom of the variance; None: 3 / 2.
    scale : float > 0, in the squared unit of the column; None: half the column's weighted variance over K^2, for a mixture of K
        components.

    Notes
    -----
    The fit of rows of total weight n, mean m and variance v is mean + n / (n + mean_weight) (m - mean) and
    (2 scale + n v + mean_weight n / (mean_weight + n) (m - mean)^2) / (2 shape + n + 3) (Fraley & Raftery 2007, table 1). Of a
    LogNormal all of it is about the logarithms.

    Where components tie their variance, the prior's part for the variance counts once for all of them, that for the mean once for
    each; where they tie their mean, the other way round.

    Examples
    --------
    >>> from mixtures.distributions import Normal
    >>> from mixtures.priors import NormalInverseGamma
    >>> round(Normal(prior=NormalInverseGamma(0.0, 1.0, 2.0, 3.0)).fit([4.0]).variance, 9)
    1.75
    """

    parameters = {"mean": real, "mean_weight": positive, "shape": positive, "scale": positive}

    def __init__(
        self,
        mean: float | None = None,
        mean_weight: float | None = None,
        shape: float | None = None,
        scale: float | None = None,
    ) -> None:
        super().__init__(mean=mean, mean_weight=mean_weight, shape=shape, scale=scale)

    mean: float
    mean_weight: float
    shape: float
    scale: float

    def filled(self, mean: float, variance: float, n_components: int) -> NormalInverseGamma:
        """This prior with what it leaves open taken from a column's `mean` and `variance`."""
        default = {"mean": mean, "mean_weight": MEAN_WEIGHT, "shape": 1.5, "scale": 0.5 * variance / n_components**2}
        return self.replaced(**{name: default[name] for name, value in self._values().items() if value is None})


class NormalInverseWishart(Value):
    """Prior of the mean and the covariance of a MultivariateNormal over d columns: mean | S ~ N(mean, S / mean_weight) and
    S ~ InverseWishart(degrees_of_freedom, scale).

    Parameters
    ----------
    mean : sequence of d floats; None: the columns' weighted means.
    mean_weight : float > 0, how many rows the prior's mean counts as; None: 0.01.
    degrees_of_freedom : float > 0, of kind "full" > d - 1; None: d + 2.
    scale : of kind "full" a symmetric positive definite matrix (d, d); of "diagonal" d numbers, or one for all; of "spherical" one
        number. None: the weighted covariance over K^(2/d), for a mixture of K components; of "diagonal" its diagonal, of
        "spherical" the mean of that.

    Notes
    -----
    Of the kinds "diagonal" and "spherical" each variance has an InverseGamma(degrees_of_freedom / 2, scale / 2) distribution. The
    fit of rows of total weight n, means m and covariance C has the mean mean + n / (n + mean_weight) (m - mean), and with
    A = n C + mean_weight n / (mean_weight + n) (m - mean)(m - mean)' the covariance (scale + A) / (degrees_of_freedom + n + d + 2),
    of "diagonal" the diagonal of (scale + A) / (degrees_of_freedom + n + 3), of "spherical"
    (scale + trace A) / (degrees_of_freedom + (n + 1) d + 2) (Fraley & Raftery 2007, table 2).

    Where components tie their covariance, the prior's part for it counts once for all of them, that for the mean once for each.
    Rows that do not tell a covariance, such as fewer than columns, leave the scale its diagonal.

    Examples
    --------
    >>> from mixtures.distributions import MultivariateNormal
    >>> from mixtures.priors import NormalInverseWishart
    >>> prior = NormalInverseWishart((0.0, 0.0), 1.0, 4.0, ((2.0, 0.0), (0.0, 2.0)))
    >>> MultivariateNormal(prior=prior).fit([[3.0, 0.0]]).covariance
    ((0.7222222222222222, 0.0), (0.0, 0.2222222222222222))
    """

    parameters = {"mean": Vector(), "mean_weight": positive, "degrees_of_freedom": positive, "scale": Covariance()}

    def __init__(
        self,
        mean: Any = None,
        mean_weight: float | None = None,
        degrees_of_freedom: float | None = None,
        scale: Any = None,
    ) -> None:
        super().__init__(mean=mean, mean_weight=mean_weight, degrees_of_freedom=degrees_of_freedom, scale=scale)

    mean: tuple[float, ...]
    mean_weight: float
    degrees_of_freedom: float
    scale: Any

    def filled(self, mean: Floats, covariance: Floats, n_components: int, kind: str) -> NormalInverseWishart:
        """This prior with what it leaves open taken from the `mean` (d,) and `covariance` (d, d) of columns."""
        d = len(mean)
        part = covariance / n_components ** (2.0 / d)
        scale: Any = {"full": part, "diagonal": np.diagonal(part), "spherical": np.mean(np.diagonal(part))}[kind]
        default = {"mean": mean, "mean_weight": MEAN_WEIGHT, "degrees_of_freedom": d + 2.0, "scale": scale}
        return self.replaced(**{name: default[name] for name, value in self._values().items() if value is None})

    def check(self, kind: str, d: int | None = None) -> None:
        """Refuse a scale that is none of covariances of this kind over d columns, or of any number of them."""
        dimensions = None if self.scale is None else np.ndim(self.scale)
        allowed = {"full": (2,), "diagonal": (0, 1), "spherical": (0,)}[kind]
        if dimensions is not None and dimensions not in allowed:
            words = {"full": "a matrix", "diagonal": "a sequence of numbers, or one", "spherical": "one number"}[kind]
            raise ParameterError(
                f"NormalInverseWishart: scale must be {words} for covariances of kind {kind!r}, found {self.scale!r}"
            )
        if d is None:
            return
        if len(self.mean) != d or (dimensions and len(self.scale) != d):
            raise ParameterError(f"NormalInverseWishart: mean and scale must be of {d} columns, found {self!r}")
        if kind == "full" and not self.degrees_of_freedom > d - 1:
            raise ParameterError(
                f"NormalInverseWishart: degrees_of_freedom must be > {d - 1}, the columns less 1, found {self.degrees_of_freedom!r}"
            )

    def packed(self, kind: str, d: int) -> tuple[Floats, float, float, float, Floats]:
        """Mean (d,), its weight, the powers of det(S)^(-1/2) in the density of S, the logarithm of its constant, and the matrix
        (d, d) whose product with S^-1 has the trace in the exponent: log f(S) = constant - powers log det(S) / 2 -
        trace(matrix S^-1) / 2. No numbers for what is open, with which no fit can go on."""
        if not self.is_complete:
            return np.full(d, np.nan), 1.0, np.nan, np.nan, np.full((d, d), np.nan)
        self.check(kind, d)
        half = self.degrees_of_freedom / 2.0
        scale = np.asarray(self.scale, dtype=float)
        if kind == "full":
            gammas = d * (d - 1) / 4.0 * math.log(math.pi) + math.fsum([math.lgamma(half - j / 2.0) for j in range(d)])
            constant = half * (float(np.linalg.slogdet(scale)[1]) - d * math.log(2.0)) - gammas
            return np.asarray(self.mean), self.mean_weight, self.degrees_of_freedom + d + 1.0, constant, scale
        if kind == "diagonal":
            scale = np.broadcast_to(scale, (d,))
            constant = half * float(np.log(scale / 2.0).sum()) - d * math.lgamma(half)
            return np.asarray(self.mean), self.mean_weight, self.degrees_of_freedom + 2.0, constant, np.diag(scale)
        constant = half * math.log(float(scale) / 2.0) - math.lgamma(half)
        return np.asarray(self.mean), self.mean_weight, (self.degrees_of_freedom + 2.0) / d, constant, np.eye(d) * (scale / d)


def moments(x: Floats, weights: Floats | None) -> tuple[float, float]:
    """Weighted mean and variance of the observed values among x (n,), taken about their middle, so that no digits cancel."""
    seen = ~np.isnan(x)
    x = x[seen]
    w = np.ones(len(x)) if weights is None else weights[seen] / weights[seen].max()
    middle = float(x.min() / 2 + x.max() / 2)
    away = x - middle
    shift = float((w * away).sum() / w.sum())
    return middle + shift, float((w * (away - shift) ** 2).sum() / w.sum())


def joint_moments(table: Table, columns: Sequence[int], weights: Floats | None) -> tuple[Floats, Floats]:
    """Weighted means (d,) of columns and a positive definite covariance (d, d): that of every two columns over the rows that have
    both, or the diagonal alone where rows do not tell the rest. A variance is at least that of a column's rounding."""
    d = len(columns)
    mean, covariance = np.empty(d), np.empty((d, d))
    away, shares = [], []
    for i, j in enumerate(columns):
        x = table.numbers(j)
        check_squares(table, j, "covariances")
        mean[i], variance = moments(x, weights)
        seen = ~np.isnan(x)
        away.append(np.where(seen, x - mean[i], 0.0))
        shares.append(np.where(seen, 1.0 if weights is None else weights, 0.0))
        covariance[i, i] = max(variance, table.column(j).floor ** 2)
    for i in range(d):
        for j in range(i):
            share = np.where(shares[i] > 0, shares[j], 0.0)
            total = float(share.sum())
            value = float((share * away[i] * away[j]).sum()) / total if total > 0 else 0.0
            covariance[i, j] = covariance[j, i] = value
    scale = np.sqrt(np.diagonal(covariance))
    if np.linalg.eigvalsh(covariance / scale / scale[:, None])[0] < SMALLEST_CORRELATION:
        covariance = np.diag(np.diagonal(covariance))
    return mean, covariance


def check_squares(table: Table, column: int, words: str) -> None:
    """Refuse a column whose squares are no float64: a prior's scale is one."""
    magnitude = table.column(column).magnitude
    if magnitude and not 1e-150 < magnitude < 1e150:
        raise DataError(
            f"{table.where(column)}: values to {magnitude:.3g} have {words} that are no float64, and so no prior; scale the column"
        )
