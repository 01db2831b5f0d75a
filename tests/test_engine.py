"""Parts of the engine whose work shows in no result of a fit."""

import threading
from collections import defaultdict

import numba
import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures._numba import _Entry
from mixtures.distributions import Categorical, Exponential, Normal, Product
from mixtures.engine.plan import CHUNK_ROWS
from mixtures.engine.sweep import aligned
from mixtures.engine.team import Counter, Team


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 100_000])
def test_scratch_begins_at_a_cache_line(size):
    several = [aligned(size) for _ in range(8)]
    assert all(scratch.shape == (size,) and scratch.ctypes.data % 64 == 0 for scratch in several)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_every_thread_of_a_team_runs_the_function_with_one_counter(n_threads):
    calls = []
    together = threading.Barrier(n_threads)

    def function(name, counter):
        together.wait(60)
        calls.append((name, counter, threading.get_ident()))

    with Team(n_threads) as team:
        for name in ("first", "second"):
            team.run(function, name, Counter)
    for name in ("first", "second"):
        made = [(counter, thread) for called, counter, thread in calls if called == name]
        assert len({counter for counter, _ in made}) == 1
        assert len({thread for _, thread in made}) == len(made) == n_threads


def test_an_exception_of_another_thread_reaches_the_caller():
    caller = threading.get_ident()

    def function():
        if threading.get_ident() != caller:
            raise MemoryError("no room")

    with Team(3) as team, pytest.raises(MemoryError, match="no room"):
        team.run(function)
    assert not any(thread.name.endswith("(_serve)") for thread in threading.enumerate())


def test_compiled_code_sees_the_same_types_in_every_call_from_python(monkeypatch):
    # After the first call nobody looks at them any more.
    seen = defaultdict(set)
    call = _Entry.__call__

    def looked_at(self, *arguments):
        seen[self.__name__].add(tuple(map(numba.typeof, arguments)))
        return call(self, *arguments)

    monkeypatch.setattr(_Entry, "__call__", looked_at)
    random = np.random.default_rng(0)
    x = random.normal(size=(CHUNK_ROWS + 100, 2))
    short = np.asfortranarray(x[:200])
    short.flags.writeable = False
    weights = np.arange(200)[::-1].copy()
    weights.flags.writeable = False
    GeneralMixtureModel(Normal(), 2, max_iter=3, tol=0, n_jobs=2, random_state=0).fit(x).predict_proba(x[::-1])
    GeneralMixtureModel(Normal(), 2, max_iter=3, tol=0, n_jobs=1, n_init=2, random_state=0).fit(x)
    GeneralMixtureModel(Normal(), 1, max_iter=3, tol=0).fit(short[::2, 1:], sample_weight=weights[::2])
    GeneralMixtureModel([Normal(0, 1), Normal(1, 1)], weights=np.array([0.3, 0.7])[::-1], max_iter=3, tol=0).fit(short)
    words = [[value, "ab"[value > 0]] for value in short[:, 0].tolist()]
    model = GeneralMixtureModel([Product(Normal(), Categorical()), Product(Exponential(), Categorical())], max_iter=3, tol=0)
    model.fit([[abs(value), word] for value, word in words], sample_weight=weights).predict_log_proba(words)
    Normal().fit(short[:, 0], sample_weight=weights).log_prob(short[:, 1])
    assert {"scan", "hash_rows", "prepare", "em_steps", "visit_chunks"} < set(seen)
    assert {name for name, types in seen.items() if len(types) > 1} == set()
