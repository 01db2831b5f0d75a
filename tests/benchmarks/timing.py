"""Clocks for two rivals on one noisy machine: pairs of readings in turn, so that drift cancels, the quietest kept, medians."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PAUSE = 0.1
"""Seconds before a reading. Idle BLAS and OpenMP threads of a peer spin for some 30 ms, on cores that the next fit needs."""
QUIET = 0.05
"""Share of the cores that other processes may have during a pair. Pairs are chosen by this alone, never by their times."""
ROUNDS = 3
"""Times as many pairs as asked for are taken where others keep the machine busy, ..."""
PATIENCE = 30.0
"""... unless that has lasted so many seconds."""


class Pair(NamedTuple):
    """Two readings taken after one another, in seconds, the machine's floor beside them, and others' share of the cores."""

    ours: float
    theirs: float
    floor: float
    others: float


class Summary(NamedTuple):
    """Medians over the pairs that were kept."""

    ours: float
    theirs: float
    floor: float
    ratio: float  # theirs / ours, pair by pair
    above_floor: float  # ours / floor, pair by pair
    others: float


def seconds(call: Callable[[], Any], repeats: int = 1) -> float:
    """Wall time of one call, averaged over `repeats`."""
    time.sleep(PAUSE)
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def per_iteration(fit: Callable[[int], Any], short: int, long: int) -> float:
    """Seconds of one iteration: what `long` iterations take more than `short` ones, so that set-up and finish cancel."""
    less = seconds(lambda: fit(short))
    return (seconds(lambda: fit(long)) - less) / (long - short)


def _core_seconds_of_others() -> float:
    """CPU time that the whole machine has spent so far without this process; 0 where the system doesn't tell."""
    statistic = Path("/proc/stat")
    if not statistic.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, statistic.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()


def take(ours: Callable[[], float], theirs: Callable[[], float], floor: Callable[[], float], count: int) -> Summary:
    """At least `count` pairs, the order within a pair alternating; medians of the `count` quietest."""
    found: list[Pair] = []
    start = time.monotonic()
    while sum(pair.others <= QUIET for pair in found) < count:
        enough = len(found) >= count
        if enough and (len(found) >= ROUNDS * count or time.monotonic() - start > PATIENCE):
            break
        before, began = _core_seconds_of_others(), time.monotonic()
        if len(found) % 2:
            mine, other = ours(), theirs()
        else:
            other, mine = theirs(), ours()
        least = floor()
        spent = (time.monotonic() - began) * (os.cpu_count() or 1)
        found.append(Pair(mine, other, least, max(0.0, (_core_seconds_of_others() - before) / spent)))
    kept = sorted(found, key=lambda pair: pair.others)[:count]
    return Summary(
        statistics.median(pair.ours for pair in kept),
        statistics.median(pair.theirs for pair in kept),
        statistics.median(pair.floor for pair in kept),
        statistics.median(pair.theirs / pair.ours for pair in kept),
        statistics.median(pair.ours / pair.floor for pair in kept),
        statistics.median(pair.others for pair in kept),
    )
