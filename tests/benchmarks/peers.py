"""The other libraries, each started from given parameters and run for exactly so many iterations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def sklearn_diagonal(X: Any, weights: Sequence[float], means: Any, stds: Any) -> Callable[[int], Any]:
    """scikit-learn's GaussianMixture with diagonal covariances."""
    return _sklearn("diag", X, weights, means, 1 / np.square(stds))


def sklearn_full(X: Any, weights: Sequence[float], means: Any, covariances: Any) -> Callable[[int], Any]:
    """scikit-learn's GaussianMixture with full covariances."""
    return _sklearn("full", X, weights, means, np.linalg.inv(covariances))


def _sklearn(kind: str, X: Any, weights: Sequence[float], means: Any, precisions: Any) -> Callable[[int], Any]:
    """In float64; with all three starts given it skips its own initialisation."""
    from sklearn.mixture import GaussianMixture

    X = np.reshape(X, (len(X), -1))

    def fit(n_iter: int) -> Any:
        model = GaussianMixture(
            len(weights),
            covariance_type=kind,
            reg_covar=0,
            tol=0,
            max_iter=n_iter,
            weights_init=weights,
            means_init=means,
            precisions_init=precisions,
        )
        return model.fit(X)

    return fit


def pomegranate(X: Any, weights: Sequence[float], components: Callable[[Any], list[Any]]) -> Callable[[int], Any]:
    """pomegranate in its fastest setting: float32 (its default; float64 works only as torch's global default), data checks off,
    the data already a tensor. `components` makes fresh components, since a fit changes them, from pomegranate.distributions."""
    import torch
    from pomegranate import distributions
    from pomegranate.gmm import GeneralMixtureModel

    tensor = torch.tensor(np.reshape(X, (len(X), -1)), dtype=torch.float32)

    def fit(n_iter: int) -> Any:
        # No gain is below -inf: it never stops early.
        model = GeneralMixtureModel(components(distributions), priors=list(weights), max_iter=n_iter, tol=-np.inf, check_data=False)
        return model.fit(tensor)

    def score(model: Any) -> float:
        return float(model.log_probability(tensor).double().mean())

    fit.score = score  # type: ignore[attr-defined]
    return fit


def stepmix(X: Any, n_reals: int, weights: Any, means: Any, stds: Any, probabilities: Any, one_hot: bool) -> Callable[[int], Any]:
    """StepMix on `n_reals` real columns, then columns of categories, `probabilities` (columns, k, C).

    It has no argument for a start: the method that makes one is replaced. `one_hot`: categories arrive as indicator columns,
    which spares it encoding them in every E-step and every M-step.
    """
    from stepmix import StepMix

    columns, k, size = np.shape(probabilities)
    categorical = {"max_n_outcomes": size, "total_outcomes": columns * size, "integer_codes": not one_hot}
    measurement = {
        "reals": {"model": "gaussian_diag", "n_columns": n_reals, "reg_covar": 0.0},
        "categories": {"model": "categorical", "n_columns": columns * (size if one_hot else 1), **categorical},
    }
    if one_hot:
        indicators = [X[:, n_reals + j, None] == np.arange(size) for j in range(columns)]
        X = np.hstack([X[:, :n_reals], *indicators])
    X = np.ascontiguousarray(X)
    chances = np.hstack(list(probabilities))

    class Started(StepMix):
        def _initialize_parameters(self, X: Any, random_state: Any) -> None:
            self._initialize_parameters_measurement(X, random_state, init_emission=False)
            self.weights_ = np.array(weights)
            reals = {"means": np.array(means), "covariances": np.square(stds)}
            categories = {key: value for key, value in categorical.items() if key != "integer_codes"} | {"pis": chances.copy()}
            self._mm.set_parameters({"reals": reals, "categories": categories})

    def fit(n_iter: int) -> Any:
        model = Started(k, measurement=measurement, n_steps=1, abs_tol=0, rel_tol=0, max_iter=n_iter, progress_bar=0, verbose=0)
        return model.fit(X)

    return fit
