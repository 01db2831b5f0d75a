"""Every family's parameters can be held: all of them, or some."""

import warnings

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Degenerate, Frozen
from mixtures.exceptions import DegenerateWarning
from mixtures.testing.cases import as_numbers

from .test_any_two_families import member
from .test_conformance import families

FAMILIES = [family for family in families() if family is not Degenerate]


def drawn(family, n=150):
    """A member of moderate parameters, and rows of it."""
    random = np.random.default_rng([5, *map(ord, family.__name__)])
    distribution = member(family, random)
    return distribution, as_numbers(np.asarray(distribution.sample(n, random)))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_wholly_frozen_member_stays_alone_and_in_a_mixture(family):
    distribution, rows = drawn(family)
    frozen = Frozen(distribution)
    assert frozen.n_parameters == 0
    assert frozen.fit(rows) == frozen
    np.testing.assert_array_equal(frozen.log_prob(rows), distribution.log_prob(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)
        model = GeneralMixtureModel([frozen, distribution], weights=[0.5, 0.5], tol=0, max_iter=10).fit(rows)
    assert model.components_[0] == frozen
    assert np.diff(model.history_).min() > -1e-12 * (1 + abs(model.history_).max())
    again = eval(repr(frozen), {"Frozen": Frozen, family.__name__: family})
    assert again == frozen


@pytest.mark.parametrize("family", [f for f in FAMILIES if len(f.parameters) > 1], ids=lambda family: family.__name__)
def test_each_parameter_can_be_held_while_the_others_are_learned(family):
    distribution, rows = drawn(family)
    for name in family.parameters:
        frozen = Frozen(distribution, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateWarning)
            fitted = frozen.fit(rows)
        assert getattr(fitted.base, name) == getattr(distribution, name)
        before, after = distribution.log_prob(rows).sum(), fitted.log_prob(rows).sum()
        assert after >= before - 1e-9 * abs(before)
