"""How distributions over several columns split: what some of their columns are like, alone or given the others.

For an ellipse with location m and matrix S, columns in the order seen (o), others (r), and Cholesky's S = L L':

    location of r given x_o:  m_r + L_ro L_oo^-1 (x_o - m_o),       matrix of r given x_o:  L_rr L_rr',

the Schur complement of S_oo, which this way is never negative by rounding. Of a Normal that is all. Of Student's t with df
degrees of freedom, those of r given x_o are df + d_o, and the matrix is multiplied by (df + q) / (df + d_o), where d_o is the
number of seen columns and q = (x_o - m_o)' S_oo^-1 (x_o - m_o) (Ding 2016, "On the conditional distribution of the multivariate t
distribution").

One column of a Dirichlet is a Beta(a_j, sum of the other a). Several of its columns, but not all, lie inside a simplex and not on
it, and what some counts are without the row's total is no Multinomial: such splits are refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mixtures.distributions.base import Floats
from mixtures.distributions.beta import Beta
from mixtures.distributions.dirichlet import Dirichlet
from mixtures.distributions.multivariate_normal import MultivariateNormal
from mixtures.distributions.multivariate_student_t import MultivariateStudentT
from mixtures.distributions.normal import Normal
from mixtures.distributions.student_t import StudentT
from mixtures.distributions.wrapped import Constrained
from mixtures.engine.student import LARGEST_DF
from mixtures.exceptions import ParameterError


def unconstrained(distribution: Any) -> Any:
    """The same distribution without what only tells a fit where to look: held, tied and bounded parameters."""
    return unconstrained(distribution.base) if isinstance(distribution, Constrained) else distribution


class Ellipse(NamedTuple):
    """A Normal or a Student's t of several columns."""

    location: Floats
    """(d,)"""
    matrix: Floats
    """(d, d)"""
    df: float
    """Infinite for a Normal."""


class Given(NamedTuple):
    """Some columns of an ellipse, in each of n rows given the others."""

    locations: Floats
    """(n, m)"""
    lower: Floats
    """(m, m), L of the matrix L L' of a row whose stretch is 1."""
    stretches: Floats
    """(n,), by which the matrix of a row is multiplied."""
    df: float


def ellipse(distribution: Any) -> Ellipse | None:
    """Location, matrix and degrees of freedom of a distribution that has them, whatever holds its parameters."""
    base = unconstrained(distribution)
    if isinstance(base, MultivariateNormal):
        return Ellipse(np.asarray(base.mean), base._matrix(), math.inf)
    if isinstance(base, MultivariateStudentT):
        return Ellipse(np.asarray(base.location), np.asarray(base.scale_matrix), base.df)
    return None


def given(found: Ellipse, seen: Sequence[int], values: Floats) -> Given:
    """The columns of an ellipse that are not `seen`, in their order, given rows of `values` (n, d_o) of those that are."""
    rest = [j for j in range(len(found.location)) if j not in set(seen)]
    order = [*seen, *rest]
    unit = np.sqrt(np.diagonal(found.matrix))
    lower = _cholesky((found.matrix / unit / unit[:, None])[np.ix_(order, order)])
    n_seen = len(seen)
    scaled = _substituted(lower[:n_seen, :n_seen], ((values - found.location[seen]) / unit[seen]).T)
    locations = found.location[rest] + (lower[n_seen:, :n_seen] @ scaled).T * unit[rest]
    own = lower[n_seen:, n_seen:] * unit[rest][:, None]
    if math.isinf(found.df):
        return Given(locations, own, np.ones(len(values)), found.df)
    stretches = (found.df + np.square(scaled).sum(axis=0)) / (found.df + n_seen)
    return Given(locations, own, stretches, min(found.df + n_seen, LARGEST_DF))


def _substituted(lower: Floats, right: Floats) -> Floats:
    """L^-1 of columns (d, n), row by row: LAPACK's threads take a hundred times as long for so little where cores are busy."""
    out = np.empty(right.shape)
    for i in range(len(lower)):
        out[i] = (right[i] - lower[i, :i] @ out[:i]) / lower[i, i]
    return out


def _cholesky(correlation: Floats) -> Floats:
    """L of a matrix that is positive definite but for rounding, as that of a component whose rows all but lie in a plane."""
    try:
        return np.asarray(np.linalg.cholesky(correlation), dtype=np.float64)
    except np.linalg.LinAlgError:
        d = len(correlation)
        return np.asarray(np.linalg.cholesky(correlation + 32 * d * np.finfo(float).eps * np.eye(d)), dtype=np.float64)


def marginal(distribution: Any, places: Sequence[int], words: str) -> Any:
    """The distribution of some columns, by place and in this order, of one over several.

    Parameters
    ----------
    distribution : complete; a class of one's own is asked for its ``marginal(places)``, as a mixture is.
    words : names the columns, for errors.

    Raises
    ------
    ParameterError : the family has no closed form for it.
    """
    base = unconstrained(distribution)
    if isinstance(base, MultivariateNormal) and len(places) > 1:
        mean, covariance = np.asarray(base.mean)[list(places)], np.asarray(base.covariance)
        if base.kind != "spherical":
            covariance = covariance[np.ix_(places, places)] if base.kind == "full" else covariance[list(places)]
        return MultivariateNormal(mean, covariance, kind=base.kind, tied=base.tied)
    found = ellipse(base)
    if found is not None:
        return _of_ellipse(found.location[list(places)], found.matrix[np.ix_(places, places)], found.df)
    if isinstance(base, Dirichlet) and len(places) == 1:
        own = base.concentration[places[0]]
        return Beta(own, math.fsum(base.concentration) - own)
    if callable(getattr(base, "marginal", None)):
        return base.marginal(list(places))
    raise ParameterError(f"{type(base).__name__} over {words}: some of its columns without the others have no closed form")


def conditional(distribution: Any, seen: Sequence[int], values: Sequence[float], words: str) -> Any:
    """The distribution of the other columns, in their order, where those `seen`, by place, have these values.

    Arguments and errors are those of :func:`marginal`; a class of one's own is asked for its ``condition({place: value})``.
    """
    base = unconstrained(distribution)
    if isinstance(base, MultivariateNormal) and base.kind != "full":
        return marginal(base, [j for j in range(len(base.mean)) if j not in set(seen)], words)
    found = ellipse(base)
    if found is not None:
        rest = given(found, seen, np.array([values], dtype=float))
        matrix = rest.lower @ rest.lower.T * rest.stretches[0]
        return _of_ellipse(rest.locations[0], 0.5 * (matrix + matrix.T), rest.df)
    if callable(getattr(base, "condition", None)):
        return base.condition(dict(zip(seen, values, strict=True)))
    raise ParameterError(f"{type(base).__name__} over {words}: some of its columns given the others have no closed form")


def _of_ellipse(location: Floats, matrix: Floats, df: float) -> Any:
    if len(location) == 1:
        scale = math.sqrt(matrix[0, 0])
        return Normal(location[0], scale) if math.isinf(df) else StudentT(df, location[0], scale)
    return MultivariateNormal(location, matrix) if math.isinf(df) else MultivariateStudentT(df, location, matrix)
