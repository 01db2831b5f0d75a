"""Ctrl-C: the best model so far stays, with a warning, and the interrupt goes on to the caller."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Normal
from mixtures.engine import loop
from mixtures.exceptions import ConvergenceWarning
from mixtures.initialise import Starter

from .test_stopping import START, Honest, two_clusters

FOREVER = {"tol": 0, "max_iter": 10**7}


def press():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def press_in_the_midst(monkeypatch):
    """Ctrl-C from another thread, some milliseconds after compiled code was entered for the third time."""
    compiled, calls = loop.em_steps, []

    def em_steps(*arguments):
        calls.append(time.perf_counter())
        if len(calls) == 3:
            threading.Timer(0.005, press).start()
        return compiled(*arguments)

    monkeypatch.setattr(loop, "em_steps", em_steps)
    return calls


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("n", [400, 30000])
@pytest.mark.parametrize("settings", [{}, {"e_step": "stochastic"}], ids=["EM", "stochastic"])
def test_in_the_midst_of_a_long_fit(press_in_the_midst, settings, n, n_jobs):
    x = two_clusters(n)
    model = GeneralMixtureModel(START, n_jobs=n_jobs, **FOREVER, **settings)
    threads = threading.active_count()
    with pytest.warns(ConvergenceWarning, match="interrupted after .* iterations") as caught, pytest.raises(KeyboardInterrupt):
        model.fit(x)
    assert time.perf_counter() - press_in_the_midst[2] < 30.0  # of ten million iterations, hours; a slice takes a tenth of a second
    assert [warning.filename for warning in caught] == [__file__]
    assert model.n_iter_ >= 1
    assert len(model.history_) == model.n_iter_ + 1
    assert model.history_.moves[-1].kind == "interrupted"
    assert model.lower_bound_ == pytest.approx(model.score(x), rel=1e-13)
    assert not model.converged_
    assert threading.active_count() <= threads + 1  # the timer's own may be there still
    if not settings:
        plain = GeneralMixtureModel(START, tol=0, max_iter=model.n_iter_, n_jobs=n_jobs).fit(x) if model.n_iter_ < 2000 else model
        assert plain.components_ == model.components_


@pytest.mark.parametrize("settings", [{"n_init": 1}, {"n_init": 3}, {}, {"e_step": "tempered"}], ids=str)
@pytest.mark.parametrize("n", [400, 30000])
def test_in_a_search(press_in_the_midst, settings, n):
    # A run of the search is stopped, and no other one is begun.
    x = two_clusters(n)
    model = GeneralMixtureModel(Normal(), 2, random_state=0, **FOREVER, **settings)
    with pytest.warns(ConvergenceWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        model.fit(x)
    assert model.lower_bound_ == pytest.approx(model.score(x), abs=0.5)  # a tempered run may be warm yet
    assert model.history_.moves[-1].kind == "interrupted"
    assert len(model.history_) == model.n_iter_ + 1


def test_between_moves_of_components(monkeypatch):
    def moved(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Starter, "moved", moved)
    x = two_clusters()
    model = GeneralMixtureModel(Normal(), 2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        model.fit(x)
    assert model.score(x) == pytest.approx(GeneralMixtureModel(Normal(), 2, n_init=10, random_state=0).fit(x).score(x), abs=1e-9)


def test_from_a_callback():
    model = GeneralMixtureModel(START, callbacks=lambda p: press() if p.iteration == 4 else None, **FOREVER)
    with pytest.warns(ConvergenceWarning, match="interrupted after 4 iterations"), pytest.raises(KeyboardInterrupt):
        model.fit(two_clusters())
    assert model.n_iter_ == 4


@pytest.mark.parametrize("components", [START, [Normal(), Normal()]], ids=["given", "searched"])
def test_before_the_first_iteration_nothing_changes(components, monkeypatch):
    x = two_clusters()
    model = GeneralMixtureModel(components, random_state=0).fit(x)
    before = dict(vars(model))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "em_steps", interrupt)
    monkeypatch.setattr(Starter, "starts", interrupt)
    with pytest.raises(KeyboardInterrupt):  # without a warning
        model.fit(x + 1.0)
    assert vars(model) == before


class Slow(Honest):
    """A component in Python that Ctrl-C meets in one of its calls."""

    calls = {}
    at = ("log_prob", 5)

    def _met(self, name):
        self.calls[name] = self.calls.get(name, 0) + 1
        if (name, self.calls[name]) == self.at:
            press()
            time.sleep(0.001)  # for the interpreter to notice

    def log_prob(self, X):
        self._met("log_prob")
        return super().log_prob(X)

    def fit(self, X, sample_weight=None):
        self._met("fit")
        return type(self)(np.average(np.ravel(X), weights=sample_weight))


@pytest.mark.parametrize("at", [("log_prob", 9), ("fit", 4)], ids=str)
@pytest.mark.parametrize("n", [400, 20000])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_in_a_component_in_python(monkeypatch, at, n, n_jobs):
    monkeypatch.setattr(Slow, "at", at)
    monkeypatch.setattr(Slow, "calls", {})
    x = two_clusters(n)
    model = GeneralMixtureModel([Slow(-1.0), Normal(4.0, 2.0)], n_jobs=n_jobs, **FOREVER)
    with pytest.warns(ConvergenceWarning, match="interrupted after"), pytest.raises(KeyboardInterrupt):
        model.fit(x)
    assert 1 <= model.n_iter_ < 10
    assert np.isfinite(model.history_).all()
    assert model.lower_bound_ == pytest.approx(model.score(x), rel=1e-12)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_a_start_with_a_component_in_python(monkeypatch):
    # A start that fails gives way to the others; one that is interrupted ends the search.
    monkeypatch.setattr(Slow, "at", ("fit", 3))
    monkeypatch.setattr(Slow, "calls", {})
    model = GeneralMixtureModel([Slow(), Normal()], n_init=3, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(two_clusters())
    assert Slow.calls["fit"] < 8
    assert not hasattr(model, "components_")


def test_a_handler_of_the_users_own_is_left_alone():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        model = GeneralMixtureModel([Honest(-1.0), Normal(4.0, 2.0)], callbacks=lambda _: press(), tol=0, max_iter=3)
        model.fit(two_clusters())
        assert len(seen) == 3
        assert model.n_iter_ == 3
    finally:
        signal.signal(signal.SIGINT, before)
