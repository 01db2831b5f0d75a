"""What a fresh process pays: memory of a fit, import, first fit with a warm and with a cold compilation cache."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple


class Cost(NamedTuple):
    """One line of the second table."""

    what: str
    target: str
    measured: str


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from mixtures import GeneralMixtureModel
from mixtures.distributions import Normal

def peak():  # MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)

X = np.empty((1_000_000, 8))
random = np.random.default_rng(0)
for rows in np.array_split(X, 1000):
    random.standard_normal(out=rows)
    rows += random.integers(4, size=(len(rows), 1))
model = GeneralMixtureModel(Normal(), 8, tol=0, max_iter=5, random_state=0)
model.fit(X[:100_000])  # kernels are loaded, threads have run
reset = Path("/proc/self/clear_refs")
if reset.exists():  # Linux forgets the peak so far on request; elsewhere it may hide a part of what follows
    reset.write_text("5")
    status = Path("/proc/self/status")
    peak = lambda: int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
before = peak()
model.fit(X)
print(peak() - before)
"""

FIRST_FIT = """
import logging, time
import numpy as np
from mixtures import GeneralMixtureModel
from mixtures.distributions import Bernoulli, Categorical, Exponential, Normal, Poisson, Product

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger("mixtures").addHandler(handler)
logging.getLogger("mixtures").setLevel(logging.INFO)
random = np.random.default_rng(0)
X = np.column_stack([random.normal(size=1000), random.exponential(size=1000), random.poisson(3.0, 1000),
                     random.integers(3, size=1000), random.integers(2, size=1000)])
start = time.perf_counter()
GeneralMixtureModel(Product(Normal(), Exponential(), Poisson(), Categorical(), Bernoulli()), 3, random_state=0, tol=1e-3).fit(X)
print(time.perf_counter() - start, sum("compiling" in line for line in lines))
"""


def _run(code: str, **environment: str) -> tuple[list[float], float]:
    """Numbers that a fresh interpreter prints, and its wall time."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [float(word) for word in done.stdout.split()], time.perf_counter() - start


def costs(count: int) -> Iterator[Cost]:
    """The lines; `count` processes or pairs of processes each, medians quoted."""
    with tempfile.TemporaryDirectory() as cache:
        (cold, announced), _ = _run(FIRST_FIT, NUMBA_CACHE_DIR=cache)
        warm = statistics.median(_run(FIRST_FIT, NUMBA_CACHE_DIR=cache)[0][0] for _ in range(count))
        _run(MEMORY, NUMBA_CACHE_DIR=cache)
        extra = statistics.median(_run(MEMORY, NUMBA_CACHE_DIR=cache)[0][0] for _ in range(3))
    yield Cost("peak memory of a fit on 1e6 x 8 floats (64 MB), above the data", "32 MB", f"{extra:.1f} MB")
    _run("import mixtures", PYTHONDONTWRITEBYTECODE="")  # as installed: bytecode, which sklearn has, lies beside the sources
    taken = []
    for number in range(count):
        names = ["mixtures", "sklearn.mixture"]
        times = {name: _run(f"import {name}")[1] for name in (names if number % 2 else names[::-1])}
        taken.append((times["mixtures"], times["sklearn.mixture"]))
    difference = statistics.median(ours - theirs for ours, theirs in taken)
    ours, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
    seen = f"{difference:+.2f} s ({ours:.2f} s against {theirs:.2f} s)"
    yield Cost("process that does `import mixtures`, against `import sklearn.mixture`", "+0.3 s", seen)
    yield Cost("first fit in a fresh process, five families, warm cache", "0.5 s", f"{warm:.2f} s")
    yield Cost(
        "first fit in a fresh process, five families, cold cache", "20 s", f"{cold:.1f} s, announced in {announced:.0f} line"
    )
