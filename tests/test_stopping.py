"""When EM ends by itself: its rule, its errors and its warnings, and what is left of it afterwards."""

import copy
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import mixtures
from mixtures import GeneralMixtureModel
from mixtures.distributions import Normal, Poisson
from mixtures.e_steps import tempered, truncated
from mixtures.exceptions import ConvergenceWarning, FitError
from mixtures.history import History, Move

DEATHS, DAYS = np.arange(10.0), [162, 267, 271, 185, 111, 61, 27, 8, 3, 1]


def two_clusters(n=400, gap=3.0):
    return np.random.default_rng(40).normal(np.arange(n) % 2 * gap, 1.0)


START = [Normal(-1.0, 1.0), Normal(4.0, 2.0)]


# --- the rule ---


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8])
def test_what_is_left_is_below_the_tolerance(tol):
    # The death notices: EM gains half a percent of what is left in an iteration, so that a rule that looks at the last gain only
    # would stop two hundred tolerances below the top.
    def fit(tol, max_iter):
        start = [Poisson(1.0), Poisson(3.5)]
        return GeneralMixtureModel(start, tol=tol, max_iter=max_iter).fit(DEATHS, sample_weight=DAYS)

    model = fit(tol, 100_000)
    assert model.converged_
    assert 0 <= fit(0.0, 20_000).history_[-1] - model.history_[-1] < 2 * tol


def test_a_slow_start_from_a_saddle_is_no_end():
    # Two equal Poissons are a saddle. Next to it gains begin far below the tolerance, and grow.
    model = GeneralMixtureModel([Poisson(2.15), Poisson(2.15 + 1e-5)], tol=1e-8, max_iter=10_000).fit(DEATHS, sample_weight=DAYS)
    gains = np.diff(model.history_)
    assert 0 < gains[1] < gains[4] < gains[7] < 1e-11
    assert model.converged_
    apart = GeneralMixtureModel([Poisson(1.0), Poisson(3.5)], tol=1e-8, max_iter=10_000).fit(DEATHS, sample_weight=DAYS)
    assert model.history_[-1] == pytest.approx(apart.history_[-1], abs=3e-8)


def test_tolerance_zero_runs_to_the_last_iteration():
    model = GeneralMixtureModel(START, tol=0, max_iter=500).fit(two_clusters())  # without a warning, long after it settled
    assert model.n_iter_ == 500
    assert len(model.history_) == 501
    assert not model.converged_ or np.ptp(model.history_[-2:]) < 1e-15


@pytest.mark.parametrize("settings", [{}, {"max_iter": 7}, {"n_init": 3}, {"e_step": "hard"}, {"e_step": "tempered"}], ids=str)
@pytest.mark.parametrize("n", [400, 20000])  # a table that a start sees whole, and one that it does not
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_history_has_an_entry_for_the_start_and_every_iteration(settings, n):
    x = two_clusters(n)
    model = GeneralMixtureModel(Normal(), 2, random_state=0, **settings).fit(x)
    assert len(model.history_) == model.n_iter_ + 1
    if settings.get("e_step") != "hard" and settings.get("max_iter") is None:
        assert model.history_[-1] == pytest.approx(model.score(x), rel=1e-13)
    assert model.lower_bound_ == model.history_[-1]


# --- a fit that is no maximum likelihood ---


class Wandering:
    """A Normal of variance one, whose fit goes past the mean and beyond."""

    def __init__(self, mean=0.0):
        self.mean = mean

    def log_prob(self, X):
        return -0.5 * (np.ravel(X) - self.mean) ** 2 - 0.5 * np.log(2 * np.pi)

    def fit(self, X, sample_weight=None):
        best = np.average(np.ravel(X), weights=sample_weight)
        return type(self)(best + 1.5 * (best - self.mean))


class Honest(Wandering):
    is_maximum_likelihood = False


def test_a_fall_of_the_likelihood_is_an_error_that_names_the_iteration():
    x = two_clusters()
    with pytest.raises(FitError, match=r"fell at iteration 1, from .* to .* Wandering, .*is_maximum_likelihood = False"):
        GeneralMixtureModel([Wandering(-1.0), Normal(3.0, 1.0)]).fit(x)


def test_a_class_that_admits_it_may_fall():
    model = GeneralMixtureModel([Honest(-1.0), Normal(3.0, 1.0)], tol=0, max_iter=4).fit(two_clusters())
    assert np.diff(model.history_).min() < -0.01


# --- warnings and what a fit leaves ---


@pytest.mark.parametrize("weights", [None, np.ones(400), np.arange(400) % 2], ids=["none", "ones", "with zeros"])
@pytest.mark.parametrize("where", ["fit", "fit_predict", "pipeline"])
@pytest.mark.parametrize("components", [START, [Normal(), Normal()]], ids=["given", "searched"])
def test_a_warning_names_the_line_of_the_caller(components, where, weights):
    x = two_clusters()
    model = GeneralMixtureModel(components, max_iter=2, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if where == "fit":
            model.fit(x, sample_weight=weights)
        elif where == "fit_predict":
            model.fit_predict(x, sample_weight=weights)
        else:
            make_pipeline(model).fit(x[:, None], generalmixturemodel__sample_weight=weights)
    (warning,) = caught
    assert issubclass(warning.category, ConvergenceWarning)
    assert Path(warning.filename).name == Path(__file__).name
    assert f"max_iter={model.max_iter}" in str(warning.message)


def test_a_package_of_a_name_that_begins_alike_is_a_caller():
    # Frames are told by their files: mixtures_of_mine is not mixtures.
    ours = Path(mixtures.__file__).parent
    source = "def call(model, x):\n    return model.fit(x)\n"
    code = compile(source, str(ours) + "_of_mine/caller.py", "exec")
    scope = {}
    exec(code, scope)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scope["call"](GeneralMixtureModel(START, max_iter=1), two_clusters())
    assert [warning.filename for warning in caught] == [str(ours) + "_of_mine/caller.py"]


def stopped(progress):
    """A callback that can be pickled."""
    return progress.iteration == 2


ARGUMENTS = {
    "weights": [0.3, 0.7],
    "learn_weights": False,
    "e_step": truncated(1),
    "tol": 1e-5,
    "max_iter": 70,
    "n_init": 2,
    "starved": "drop",
    "start": "random",
    "random_state": 3,
    "n_jobs": 1,
    "verbose": 0,
    "callbacks": stopped,
}


@pytest.mark.parametrize("other", [{}, {"e_step": tempered(0.4, 1.5), "weights_prior": [2.0, 3.0], "learn_weights": True}], ids=str)
def test_every_argument_survives_clone_and_pickle(other):
    arguments = ARGUMENTS | other
    model = GeneralMixtureModel([Normal(), Normal()], **arguments)
    for twin in (clone(model), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert repr(twin.get_params()) == repr(model.get_params())
        assert {name: getattr(twin, name) for name in arguments} == arguments
    x = two_clusters()
    fitted = model.fit(x)
    for twin in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), clone(fitted).fit(x)):
        assert twin.components_ == fitted.components_
        assert twin.history_.tolist() == fitted.history_.tolist()
        assert twin.history_.moves == fitted.history_.moves != ()
        assert twin.lower_bound_ == fitted.lower_bound_


def test_history_is_an_array_that_knows_its_moves():
    moves = (Move("split and merge", (1, 0), 0.5), Move("interrupted"))
    history = History([-3.0, -2.0, -1.5], moves)
    for other in (pickle.loads(pickle.dumps(history)), copy.copy(history), copy.deepcopy(history)):
        assert isinstance(other, History)
        assert other.tolist() == [-3.0, -2.0, -1.5]
        assert other.moves == moves
    assert isinstance(history[-1], float)
    assert np.diff(history).tolist() == [1.0, 0.5]
