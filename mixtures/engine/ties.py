"""Parameters that components of a plate share: who shares them, and the statistics of all of these together."""

from __future__ import annotations

from mixtures._numba import jit
from mixtures.engine.plan import is_held


@jit
def is_tied(ties, held, parameter):
    """Whether a component shares a parameter, given its masks of what it ties and of what it holds: what is held is not shared."""
    return is_held(ties, parameter) and not is_held(held, parameter)


@jit
def has_ties(parameters, place):
    """Whether any component has a mask of ties, which is at this place."""
    found = False
    for k in range(parameters.shape[0]):
        found |= parameters[k, place] != 0.0
    return found


@jit
def pooled(statistics, parameters, ties, statistic):
    """(weight, sum of a statistic) of all components that tie the only parameter of a column, whose mask is at place `ties`: what
    stands in for each one's own."""
    weight = total = 0.0
    for k in range(parameters.shape[0]):
        if parameters[k, ties] != 0.0:
            weight += statistics[k, 0]
            total += statistics[k, statistic]
    return weight, total


@jit
def add_up(statistics, parameters, ties):
    """Give each component of a plate over one set of columns that ties all its parameters the statistics of all of these."""
    if not has_ties(parameters, ties):
        return
    for s in range(statistics.shape[1]):
        total = pooled(statistics, parameters, ties, s)[1]
        for k in range(parameters.shape[0]):
            if parameters[k, ties] != 0.0:
                statistics[k, s] = total
