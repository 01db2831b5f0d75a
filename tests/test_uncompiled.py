"""Families whose kernels are long give the same with numba switched off, as a debugger wants it."""

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
