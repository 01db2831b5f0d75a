"""Components that exist in Python only take the same steps, and what they raise reaches the caller."""

import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.stats
from sklearn.mixture import GaussianMixture

from mixtures import GeneralMixtureModel
from mixtures.distributions import Normal
from mixtures.door import ACCUMULATE, Door


class PlainNormal:
    """A Normal as a user would write it."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def log_prob(self, X):
        return -0.5 * ((X[:, 0] - self.mean) / self.std) ** 2 - np.log(self.std) - 0.5 * np.log(2 * np.pi)

    def fit(self, X, sample_weight=None):
        mean = np.average(X[:, 0], weights=sample_weight)
        return PlainNormal(mean, np.sqrt(np.average((X[:, 0] - mean) ** 2, weights=sample_weight)))


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("n", [100, 40000])
def test_a_component_in_python_takes_the_steps_of_the_built_in_one(n, n_jobs):
    random = np.random.default_rng(11)
    x = random.normal(random.choice([-2.0, 3.0], n), 1)
    x[::7] = np.nan
    weights = random.exponential(1.0, n)
    settings = {"weights": [0.3, 0.7], "tol": 0, "max_iter": 10, "n_jobs": n_jobs}
    python = GeneralMixtureModel([PlainNormal(-1, 2), Normal(1, 2)], **settings).fit(x, sample_weight=weights)
    compiled = GeneralMixtureModel([Normal(-1, 2), Normal(1, 2)], **settings).fit(x, sample_weight=weights)
    np.testing.assert_allclose(python.history_, compiled.history_, rtol=1e-12)
    for one, other in zip(python.components_, compiled.components_, strict=True):
        assert one.mean == pytest.approx(other.mean, abs=1e-10)
        assert one.std == pytest.approx(other.std, abs=1e-10)


@dataclass
class Full:
    """A Gaussian over several columns, whose equality, made of arrays, has no truth value."""

    mean: np.ndarray
    covariance: np.ndarray

    def log_prob(self, X):
        return scipy.stats.multivariate_normal(self.mean, self.covariance).logpdf(X)

    def fit(self, X, sample_weight=None):
        return Full(np.average(X, axis=0, weights=sample_weight), np.cov(X.T, aweights=sample_weight, bias=True))


def test_components_of_arrays_take_the_steps_of_scikit_learns():
    random = np.random.default_rng(13)
    x = np.concatenate([random.normal([-2, 0], [1, 2], (150, 2)), random.normal([2, 1], [1, 1], (250, 2))])
    means = np.array([[-1.0, 0.0], [1.0, 0.0]])
    theirs = GaussianMixture(
        2, reg_covar=0, tol=0, max_iter=10, weights_init=[0.5, 0.5], means_init=means, precisions_init=[np.eye(2)] * 2
    )
    with pytest.warns(match="did not converge"):
        theirs.fit(x)
    ours = GeneralMixtureModel([Full(mean, np.eye(2)) for mean in means], weights=[0.5, 0.5], tol=0, max_iter=10).fit(x)
    np.testing.assert_allclose([component.mean for component in ours.components_], theirs.means_, atol=1e-8)
    np.testing.assert_allclose([component.covariance for component in ours.components_], theirs.covariances_, atol=1e-8)
    np.testing.assert_allclose(ours.weights_, theirs.weights_, atol=1e-8)


class Stumbling(PlainNormal):
    """A Normal whose methods raise one and the same exception from the third call on."""

    def __init__(self, mean, std, method, error, calls=None):
        super().__init__(mean, std)
        self.method, self.error = method, error
        self.calls = [] if calls is None else calls

    def _stumble(self, method):
        if method == self.method:
            self.calls.append(method)
            if len(self.calls) >= 3:
                raise self.error

    def log_prob(self, X):
        self._stumble("log_prob")
        return super().log_prob(X)

    def fit(self, X, sample_weight=None):
        self._stumble("fit")
        new = super().fit(X, sample_weight)
        return Stumbling(new.mean, new.std, self.method, self.error, self.calls)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("log_prob", RuntimeError("out of breath")),
        ("fit", RuntimeError("out of breath")),
        ("log_prob", KeyboardInterrupt()),  # before the first iteration; after it, tests/test_interrupts.py
    ],
    ids=repr,
)
def test_the_exception_of_a_component_reaches_the_caller(method, error, n_jobs):
    x = np.random.default_rng(12).normal(size=40000)
    model = GeneralMixtureModel([Normal(1, 1), Normal(-1, 1)], max_iter=2, tol=0, n_jobs=n_jobs).fit(x)
    before = model.components_
    model.components = [Stumbling(1, 1, method, error), Normal(-1, 1)]
    model.max_iter = 20
    with pytest.raises(type(error)) as caught:
        model.fit(x)
    assert caught.value is error
    assert model.components_ is before


def test_the_exception_of_a_component_reaches_who_asks():
    x = np.random.default_rng(12).normal(size=100)
    error = RuntimeError("out of breath")
    model = GeneralMixtureModel([Normal(1, 1), Normal(-1, 1)], max_iter=1, tol=0).fit(x)
    model.components_[0] = Stumbling(1, 1, "log_prob", error, calls=["log_prob"] * 2)
    for _ in range(2):
        with pytest.raises(RuntimeError) as caught:
            model.predict_proba(x)
        assert caught.value is error


def test_threads_that_fill_in_the_first_responsibilities_lose_none():
    # Each chunk's thread writes its rows; in the first pass of a fit, all of them at once.
    count, rows = 8, 50000  # large enough for an allocation to take a while
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            door, barrier = Door(), threading.Barrier(count)
            door.add(Normal(0, 1), np.zeros((count * rows, 1)))

            def fill(thread, door=door, barrier=barrier):
                numbers, ones = np.arange(thread * rows, (thread + 1) * rows, dtype=float), np.ones(rows)
                barrier.wait()
                door._call(ACCUMULATE, 0, 1, rows, numbers.ctypes.data, ones.ctypes.data)

            threads = [threading.Thread(target=fill, args=(thread,)) for thread in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert door._weights[0].sum() == count * rows
    finally:
        sys.setswitchinterval(interval)
