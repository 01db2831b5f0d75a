"""scikit-learn's own estimator checks hold, and none is expected to fail."""

import os
import pickle
import subprocess
import sys
from functools import partial

import pytest
from sklearn.utils.estimator_checks import check_array_api_input, parametrize_with_checks

from mixtures import GeneralMixtureModel
from mixtures.distributions import Exponential, Normal

MODELS = [
    GeneralMixtureModel(Normal(), n_components=2),
    GeneralMixtureModel(Normal(), n_components=1),
    GeneralMixtureModel(Normal(), n_components=2, n_init=3),
    GeneralMixtureModel(Exponential(), n_components=2),
]

RUN_FROM_PICKLE = "import pickle, sys; check, estimator = pickle.load(sys.stdin.buffer); check(estimator)"


@parametrize_with_checks(MODELS)
# The checks fit tiny tables, some of constant columns, and compare models wherever EM stands after few iterations.
@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimator(estimator, check):
    if isinstance(check, partial) and check.func is check_array_api_input:
        # It skips itself unless scipy was imported with this variable set, which a process of its own can have.
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RUN_FROM_PICKLE],
            input=pickle.dumps((check, estimator)),
            env={**os.environ, "SCIPY_ARRAY_API": "1"},
            check=True,
            timeout=120,
        )
    else:
        check(estimator)
