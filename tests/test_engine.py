"""Parts of the engine whose work shows in no result of a fit."""

import threading

import pytest

from mixtures.engine.loop import Counter, Team
from mixtures.engine.sweep import aligned


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
