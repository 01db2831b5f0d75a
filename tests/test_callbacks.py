"""Who looks on while EM runs: callbacks, the progress bar, the log, and scikit-learn's callbacks."""

import logging

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Exponential, Normal
from mixtures.exceptions import FitError, ParameterError
from mixtures.history import Move

from .test_stopping import START, Honest, Wandering, two_clusters


def rising(model, x, **arguments):
    """What callbacks were told in a fit."""
    told = []
    model.set_params(callbacks=lambda p: told.append((p.iteration, p.objective, p.gain, p.weights, p.components)))
    model.fit(x, **arguments)
    return told


@pytest.mark.parametrize("n", [400, 20000])
@pytest.mark.parametrize(
    "components",
    [START, [Normal(), Normal()], [Normal(), Exponential()], [Normal(), Honest()]],
    ids=["given", "one family", "two families", "Python"],
)
@pytest.mark.parametrize(
    "settings", [{}, {"n_init": 3}, {"n_init": 1}, {"e_step": "tempered"}, {"e_step": "stochastic", "n_init": 2}], ids=str
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_callbacks_see_every_iteration_of_the_run_that_is_kept_and_change_nothing(components, settings, n):
    x = np.abs(two_clusters(n))
    if isinstance(components[1], Honest):
        settings = settings | {"max_iter": 4}
    settings = {"max_iter": 60} | settings
    unseen = GeneralMixtureModel(components, random_state=0, **settings).fit(x)
    model = GeneralMixtureModel(components, random_state=0, **settings)
    told = rising(model, x)
    assert [iteration for iteration, *_ in told] == list(range(1, model.n_iter_ + 1))
    assert [objective for _, objective, *_ in told] == model.history_[:-1].tolist()
    gains = [gain for _, _, gain, *_ in told]
    assert gains[0] is None
    assert gains[1:] == np.diff(model.history_[:-1]).tolist()
    _, _, _, weights, found = told[-1]
    if settings.get("e_step") != "stochastic":
        assert weights.tolist() == model.weights_.tolist()
        assert repr(found).split("object at")[0] == repr(model.components_).split("object at")[0]
    # Who looks on changes no bit.
    assert model.lower_bound_ == unseen.lower_bound_
    assert model.weights_.tolist() == unseen.weights_.tolist()
    assert model.labels_.tolist() == unseen.labels_.tolist()


def test_true_ends_the_fit():
    x = two_clusters()
    told = []
    callbacks = [lambda p: p.iteration >= 3, lambda p: told.append(p.iteration) or 1]  # 1 is not True
    model = GeneralMixtureModel(START, callbacks=callbacks).fit(x)
    assert told == [1, 2, 3]
    assert model.n_iter_ == 3
    assert len(model.history_) == 4
    assert model.history_.moves == (Move("stopped"),)
    assert not model.converged_
    plain = GeneralMixtureModel(START, tol=0, max_iter=3).fit(x)
    assert model.components_ == plain.components_
    assert model.history_.tolist() == plain.history_.tolist()


def test_an_exception_in_a_callback_reaches_the_caller_and_changes_nothing():
    def fail(progress):
        if progress.iteration == 2:
            raise ZeroDivisionError("mine")

    x = two_clusters()
    model = GeneralMixtureModel(START).fit(x)
    before = dict(vars(model))
    model.callbacks = fail
    with pytest.raises(ZeroDivisionError, match="mine"):
        model.fit(x + 1)
    assert vars(model) == before | {"callbacks": fail}


@pytest.mark.parametrize("callbacks", [3, [print, "x"]])
def test_what_cannot_be_called_is_refused(callbacks):
    with pytest.raises(ParameterError, match="callbacks must be functions"):
        GeneralMixtureModel(START, callbacks=callbacks).fit(two_clusters())


def test_a_progress_bar_counts_iterations(capsys):
    GeneralMixtureModel(START, tol=0, max_iter=12, verbose=2).fit(two_clusters())
    shown = capsys.readouterr().err
    assert "12/12" in shown
    assert "mean log-likelihood -" in shown


def test_a_progress_bar_is_one_for_the_run_that_is_kept(capsys):
    model = GeneralMixtureModel(Normal(), 2, verbose=2, random_state=0).fit(two_clusters())
    assert f"{model.n_iter_}/1000" in capsys.readouterr().err


def test_verbose_logs_runs(caplog):
    with caplog.at_level(logging.INFO, logger="mixtures"):
        GeneralMixtureModel(START, verbose=1).fit(two_clusters())
    assert "mean log-likelihood" in caplog.text


class Listener:
    """A callback of scikit-learn's kind."""

    def __init__(self, stop_at=None):
        self.calls, self.scores, self.stop_at = [], [], stop_at

    def setup(self, estimator, context):
        self.calls.append(("setup", context.task_name))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.calls.append(("end", context.task_name, context.task_id))
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X))
            assert fitted_estimator.predict(X).shape == (len(X),)
        return context.task_id + 1 == self.stop_at


has_callbacks = pytest.mark.skipif(not hasattr(GeneralMixtureModel, "set_callbacks"), reason="scikit-learn before 1.9 has none")


@has_callbacks
@pytest.mark.parametrize("components", [START, [Normal(), Normal()]], ids=["given", "searched"])
def test_scikit_learns_callbacks_are_told(components):
    x = two_clusters()
    listener = Listener(stop_at=4)
    model = GeneralMixtureModel(components, random_state=0).set_callbacks(listener).fit(x)
    inner = [(word, "EM iteration", task) for task in range(4) for word in ("begin", "end")]
    assert listener.calls == [("setup", "fit"), ("begin", "fit", 0), *inner, ("end", "fit", 0), ("teardown", "fit")]
    np.testing.assert_allclose(listener.scores, model.history_[1:], rtol=1e-12)
    assert model.n_iter_ == 4
    assert model.history_.moves[-1].kind == "stopped"


@has_callbacks
def test_scikit_learns_callbacks_are_let_go_when_a_fit_fails():
    listener = Listener()
    with pytest.raises(FitError):
        GeneralMixtureModel([Wandering(-1.0), Normal(3.0, 1.0)]).set_callbacks(listener).fit(two_clusters())
    assert listener.calls[-1] == ("teardown", "fit")
