"""Who takes part in the table of optima: each fits a problem from its own starts and hands over parameters in the same words.

Peers run until the mean log-likelihood of a row gains less than `TOLERANCE`, or `MAX_ITER` iterations: their defaults stop earlier,
too far from the top to be counted. All else is left as it is, scikit-learn's `reg_covar` and pomegranate's float32 included.
This library runs with its defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from optima_data import CATEGORICAL, COUNT, REAL, Problem
from optima_judge import Parameters

from mixtures import GeneralMixtureModel
from mixtures.distributions import Categorical, MultivariateNormal, Normal, Poisson, Product

TOLERANCE = 1e-6
MAX_ITER = 5000


@dataclass(frozen=True)
class Entrant:
    """A library with one way of starting."""

    name: str
    takes: Callable[[Problem], bool]
    fit: Callable[[Problem, int, int], Parameters]  # problem, seed, number of starts


def _normal_parameters(weights: Any, means: Any, covariances: Any) -> Parameters:
    """Of Normals alone; covariances in any of scikit-learn's forms, spread out."""
    k, d = np.shape(means)
    given = np.asarray(covariances, dtype=float)
    if given.ndim == 1:  # spherical
        given = given[:, None, None] * np.eye(d)
    elif given.ndim == 2 and given.shape == (k, d):
        given = given[:, :, None] * np.eye(d)
    return Parameters(np.asarray(weights), np.asarray(means), given, [], np.empty((k, 0)))


def _mixed_parameters(weights: Any, means: Any, variances: Any, probabilities: Any, rates: Any) -> Parameters:
    """Of independent columns; what there is none of may be empty."""
    k = len(weights)
    means = np.asarray(means, dtype=float).reshape(k, -1)
    variances = np.asarray(variances, dtype=float).reshape(means.shape)
    covariances = variances[:, :, None] * np.eye(means.shape[1])
    tables = [np.asarray(table, dtype=float) for table in probabilities]
    return Parameters(np.asarray(weights), means, covariances, tables, np.asarray(rates, dtype=float).reshape(k, -1))


# --- this library ---


def component(problem: Problem) -> Any:
    """The component that a problem asks for."""
    if problem.form == "product":
        return Product(*[{REAL: Normal, CATEGORICAL: Categorical, COUNT: Poisson}[kind]() for kind in problem.kinds])
    kind = {"full": "full", "tied": "full", "diag": "diagonal", "spherical": "spherical"}[problem.form]
    return MultivariateNormal(kind=kind, tied=problem.form == "tied")


def parameters_of(problem: Problem, model: Any) -> Parameters:
    """Of a fitted mixture of this library."""
    components, weights = model.components_, model.weights_
    if problem.form != "product":
        means, covariances = [c.mean for c in components], [c.covariance for c in components]
        return _normal_parameters(weights, means, covariances)
    factors = [list(c.factors.values()) for c in components]
    columns = {kind: [j for j, found in enumerate(problem.kinds) if found == kind] for kind in (REAL, CATEGORICAL, COUNT)}
    means = [[row[j].mean for j in columns[REAL]] for row in factors]
    variances = [[row[j].std ** 2 for j in columns[REAL]] for row in factors]
    probabilities = [[row[j].probabilities for row in factors] for j in columns[CATEGORICAL]]
    return _mixed_parameters(weights, means, variances, probabilities, [[row[j].rate for j in columns[COUNT]] for row in factors])


def started(problem: Problem, parameters: Parameters) -> GeneralMixtureModel:
    """A mixture of this library that begins at parameters."""
    components: list[Any] = []
    for c in range(problem.k):
        mean, covariance = parameters.means[c], parameters.covariances[c]
        if problem.form == "product":
            reals, codes, rates = (
                iter(zip(mean, np.sqrt(np.diag(covariance)), strict=True)),
                iter(parameters.probabilities),
                iter(parameters.rates[c]),
            )
            factors: list[Any] = []
            for kind in problem.kinds:
                if kind == REAL:
                    factors.append(Normal(*next(reals)))
                elif kind == COUNT:
                    factors.append(Poisson(next(rates)))
                else:
                    table = next(codes)[c]
                    factors.append(Categorical(table / table.sum(), range(len(table))))
            components.append(Product(*factors))
        else:
            kind = component(problem).kind
            given = {"full": covariance, "diagonal": np.diag(covariance), "spherical": covariance[0, 0]}[kind]
            components.append(MultivariateNormal(mean, given, kind=kind, tied=problem.form == "tied"))
    weights = np.asarray(parameters.weights, dtype=float)
    return GeneralMixtureModel(components, weights=weights / weights.sum(), n_jobs=1)


def _ours(problem: Problem, seed: int, n_init: int) -> Parameters:
    """Its defaults search by themselves; a number of starts above 1 is what a long search asks for."""
    settings = {} if n_init == 1 else {"n_init": n_init}
    model = GeneralMixtureModel(component(problem), problem.k, random_state=seed, n_jobs=1, **settings).fit(problem.X)
    return parameters_of(problem, model)


# --- its peers ---


def _sklearn(init: str) -> Callable[[Problem, int, int], Parameters]:
    def fit(problem: Problem, seed: int, n_init: int) -> Parameters:
        from sklearn.mixture import GaussianMixture

        start = {"n_init": n_init, "init_params": init, "random_state": seed}
        model = GaussianMixture(problem.k, covariance_type=problem.form, tol=TOLERANCE, max_iter=MAX_ITER, **start)
        model.fit(problem.X)
        covariances = model.covariances_
        if problem.form == "tied":
            covariances = np.broadcast_to(covariances, (problem.k, *covariances.shape))
        return _normal_parameters(model.weights_, model.means_, covariances)

    return fit


def default_sklearn_fit(problem: Problem, seed: int) -> None:
    """A fit as it comes, which the budget of time is measured by."""
    from sklearn.mixture import GaussianMixture

    GaussianMixture(problem.k, covariance_type=problem.form, random_state=seed).fit(problem.X)


def _stepmix(init: str) -> Callable[[Problem, int, int], Parameters]:
    def fit(problem: Problem, seed: int, n_init: int) -> Parameters:
        from stepmix import StepMix

        n_codes = problem.kinds.count(CATEGORICAL)
        n_reals = len(problem.kinds) - n_codes
        measurement: Any = f"gaussian_{problem.form}"
        if problem.form == "product":  # reals come first in every table
            measurement = {
                "reals": {"model": "gaussian_diag", "n_columns": n_reals},
                "codes": {"model": "categorical", "n_columns": n_codes},
            }
        settings = {"abs_tol": TOLERANCE, "max_iter": MAX_ITER, "progress_bar": 0, "verbose": 0}
        model = StepMix(problem.k, measurement=measurement, n_init=n_init, init_params=init, random_state=seed, **settings)
        model.fit(problem.X)
        found = model.get_parameters()["measurement"]
        if problem.form != "product":
            covariances = found["covariances"]
            if problem.form == "tied" and np.ndim(covariances) == 2:
                covariances = np.broadcast_to(covariances, (problem.k, *covariances.shape))
            return _normal_parameters(model.weights_, found["means"], covariances)
        reals, codes = found["reals"], found["codes"]
        # One table (k, columns x categories), every column padded to the most categories that any has.
        tables = codes["pis"].reshape(problem.k, n_codes, -1)
        return _mixed_parameters(
            model.weights_, reals["means"], reals["covariances"], np.moveaxis(tables, 1, 0), np.empty((problem.k, 0))
        )

    return fit


def _pomegranate(problem: Problem, seed: int, n_init: int) -> Parameters:
    """It has no restarts of its own: the highest of as many fits."""
    import torch
    from pomegranate import distributions
    from pomegranate.gmm import GeneralMixtureModel as Mixture

    tensor = torch.tensor(problem.X, dtype=torch.float32)
    forms = {"full": "full", "diag": "diag", "spherical": "sphere"}
    best, highest = None, -np.inf
    for number in range(n_init):
        if problem.form == "product":
            parts = [distributions.Poisson() for _ in range(problem.k)]
        else:
            parts = [distributions.Normal(covariance_type=forms[problem.form]) for _ in range(problem.k)]
        start = {"tol": TOLERANCE * len(tensor), "max_iter": MAX_ITER, "random_state": 1000 * seed + number}
        try:
            model = Mixture(parts, **start).fit(tensor)
            reached = float(model.log_probability(tensor).double().sum())
        except (IndexError, RuntimeError, ValueError):  # an empty cluster, a covariance that is none
            continue
        if reached > highest:
            best, highest = model, reached
    if best is None:
        raise RuntimeError("no start came to an end")
    weights, fitted = _numbers(best.priors), best.distributions
    if problem.form == "product":
        nothing = np.empty((problem.k, 0))
        return _mixed_parameters(weights, nothing, nothing, [], [_numbers(one.lambdas) for one in fitted])
    covariances = np.array([_numbers(one.covs) for one in fitted])
    shape = problem.k if problem.form == "spherical" else covariances.shape
    return _normal_parameters(weights, [_numbers(one.means) for one in fitted], covariances.reshape(shape))


def _numbers(tensor: Any) -> Any:
    return tensor.detach().double().numpy()


def _normals_only(problem: Problem) -> bool:
    return problem.form != "product"


def _without_counts(problem: Problem) -> bool:
    return COUNT not in problem.kinds


def _in_pomegranate(problem: Problem) -> bool:
    """It ties no covariances, and its Categorical takes whole tensors only, which real columns beside it rule out."""
    return problem.form != "tied" and CATEGORICAL not in problem.kinds


OURS = Entrant("mixtures", lambda problem: True, _ours)
SKLEARN = Entrant("scikit-learn kmeans", _normals_only, _sklearn("kmeans"))
ENTRANTS = [
    OURS,
    SKLEARN,
    Entrant("scikit-learn k-means++", _normals_only, _sklearn("k-means++")),
    Entrant("scikit-learn random_from_data", _normals_only, _sklearn("random_from_data")),
    Entrant("StepMix random", _without_counts, _stepmix("random")),
    Entrant("StepMix kmeans", _without_counts, _stepmix("kmeans")),
    Entrant("pomegranate", _in_pomegranate, _pomegranate),
]
