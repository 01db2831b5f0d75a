"""Families whose kernels are long, and all kinds of E-step, give the same with numba switched off, as a debugger wants it."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mixtures.distributions import MultivariateStudentT, SkewNormal  # noqa: F401

SCRIPT = """
import warnings
import numpy as np
from mixtures.distributions import MultivariateStudentT, SkewNormal
warnings.simplefilter("ignore")
rows = {rows}
start = {start}
print(repr([start.log_prob(rows).tolist(), start.fit(rows).log_prob(rows).tolist()]))
"""
CASES = {
    "SkewNormal(0.5, 2.0, -1.0)": [0.3, 1.6, 2.0, 2.2, 2.5, 3.0, 3.6, 5.0, -40.0],
    "SkewNormal(1e9, 1.0, 30.0)": [1e9 + 0.25, 1e9, 1e9 + 1.0, 1e9 + 0.5, 1e9 + 2.5],
    "MultivariateStudentT(3.0, [0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]])": [
        [0.0, 0.0],
        [1.0, 2.0],
        [2.0, 1.0],
        [2.0, 2.0],
        [1.0, 1.0],
        [3.0, 2.0],
        [50.0, -90.0],
    ],
}


@pytest.mark.parametrize("start", CASES)
def test_without_numba(start):
    script = SCRIPT.format(rows=CASES[start], start=start)
    found = []
    for switch in ("0", "1"):
        ran = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "NUMBA_DISABLE_JIT": switch},
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        found.append(np.array(eval(ran.stdout)))
    # Multiply-adds are fused in one of them, which the last step of a climb may feel.
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-6, atol=1e-6)
    assert found[1][1].sum() == pytest.approx(found[0][1].sum(), abs=1e-10)


MIXTURES = """
import warnings
import numpy as np
from mixtures import GeneralMixtureModel
from mixtures.distributions import Normal, Poisson
from mixtures.e_steps import truncated
warnings.simplefilter("ignore")
x = np.random.default_rng(60).poisson(np.arange(30) % 2 * 6 + 1.0).astype(float)
known = np.where(np.arange(30) % 5 == 0, np.arange(30) % 2, -1)
cases = [
    ({"e_step": "hard"}, {}),
    ({"e_step": truncated(2), "weights_prior": 3.0}, {}),
    ({"e_step": "tempered", "learn_weights": False}, {}),
    ({"e_step": "stochastic"}, {}),
    ({"weights_prior": [1.0, 2.0, 5.0]}, {"labels": known}),
    ({}, {"responsibilities": np.where(known[:, None] < 0, 1.0, 0.2 + (known[:, None] == np.arange(3)))}),
]
found = []
for settings, arguments in cases:
    for components in ([Normal(0, 1), Poisson(5.0), Normal(8, 2)], [Poisson(), Poisson(), Normal()]):
        model = GeneralMixtureModel(components, tol=0, max_iter=6, n_init=1, random_state=0, n_jobs=1, **settings)
        found.append([model.fit(x, **arguments).lower_bound_, *model.weights_])
print(repr(np.array(found).tolist()))
"""


def test_kinds_of_e_step_without_numba():
    found = []
    for switch in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": switch}
        command = [sys.executable, "-c", MIXTURES]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
        found.append(eval(ran.stdout))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)
