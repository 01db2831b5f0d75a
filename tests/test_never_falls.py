"""EM never falls: random families, constraints, priors, missing cells, weights and kinds of E-step, in one table.

The suite runs some dozens of fits; ``NEVER_FALLS=2000 pytest tests/test_never_falls.py`` runs as many as it is told.
"""

import os
import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mixtures import GeneralMixtureModel
from mixtures.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Bounded,
    Categorical,
    Dirichlet,
    Exponential,
    Frozen,
    Gamma,
    Geometric,
    Gumbel,
    HalfNormal,
    InverseGamma,
    InverseGaussian,
    Laplace,
    Logistic,
    LogNormal,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    Product,
    Rayleigh,
    SkewNormal,
    StudentT,
    Tied,
    VonMises,
    Weibull,
    ZeroInflated,
)
from mixtures.e_steps import truncated
from mixtures.exceptions import ConvergenceWarning, DegenerateWarning
from mixtures.priors import NormalInverseGamma, NormalInverseWishart

FITS = int(os.environ.get("NEVER_FALLS", "60"))

REALS = lambda r, n: r.normal(r.choice([-4.0, 0.0, 3.0], n), r.choice([0.5, 2.0], n))  # noqa: E731
POSITIVE = lambda r, n: r.gamma(r.choice([1.5, 9.0], n), r.choice([0.5, 2.0], n)) + 1e-3  # noqa: E731
COUNTS = lambda r, n: r.poisson(r.choice([1.0, 9.0], n)).astype(float)  # noqa: E731
SHARES = lambda r, n: np.clip(r.beta(r.choice([2.0, 8.0], n), 3.0), 1e-6, 1 - 1e-6)  # noqa: E731
BITS = lambda r, n: r.integers(0, 2, n).astype(float)  # noqa: E731
ANGLES = lambda r, n: r.vonmises(r.choice([-1.0, 2.0], n), 3.0)  # noqa: E731

# What may stand on a column: rows of it, and forms of a family, some with priors, some held, tied or bounded.
FORMS = {
    "real": (
        REALS,
        [
            Normal(),
            Normal(prior=NormalInverseGamma()),
            Normal(prior=NormalInverseGamma(0.0, 0.5, 2.0, 1.0)),
            Tied(Normal(), "std"),
            Frozen(Normal(std=1.5), "std"),
            Bounded(Normal(), std=(0.7, 2.0)),
            Laplace(),
            Tied(Laplace(), "scale"),
            Logistic(),
            Gumbel(),
            StudentT(),
            Tied(StudentT(), "scale"),
            Bounded(StudentT(), df=(2.0, 30.0)),
            SkewNormal(),
        ],
    ),
    "positive": (
        POSITIVE,
        [
            Exponential(),
            Exponential(prior=Gamma(2.0, 1.0)),
            Gamma(),
            Gamma(prior=Gamma(2.0, 3.0)),
            Tied(Gamma(), "shape"),
            Bounded(Gamma(), shape=(0.5, 4.0)),
            Weibull(),
            Tied(Weibull(), "shape"),
            LogNormal(),
            InverseGamma(),
            InverseGaussian(),
            Tied(InverseGaussian(), "shape"),
            HalfNormal(),
            Rayleigh(),
        ],
    ),
    "count": (
        COUNTS,
        [
            Poisson(),
            Poisson(prior=Gamma(2.0, 0.5)),
            NegativeBinomial(),
            Tied(NegativeBinomial(), "size"),
            Binomial(60),
            Binomial(60, prior=Beta(2.0, 3.0)),
            ZeroInflated(Poisson()),
            Bounded(Poisson(), rate=(0.5, 6.0)),
        ],
    ),
    "trials": (lambda r, n: COUNTS(r, n) + 1.0, [Geometric(), Geometric(prior=Beta(2.0, 2.0))]),
    "share": (SHARES, [Beta(), Tied(Beta(), "alpha")]),
    "bit": (BITS, [Bernoulli(), Bernoulli(prior=Beta(3.0, 2.0)), Frozen(Bernoulli(0.4))]),
    "angle": (ANGLES, [VonMises(), Tied(VonMises(), "concentration")]),
    "code": (BITS, [Categorical(), Categorical(prior=Dirichlet((2.0, 2.0))), Categorical(pseudo_count=0.5)]),
}
BLOCKS = [
    MultivariateNormal(),
    MultivariateNormal(tied=True),
    MultivariateNormal(kind="diagonal"),
    MultivariateNormal(kind="spherical", tied=True),
    MultivariateNormal(prior=NormalInverseWishart()),
    Bounded(MultivariateNormal(), covariance=(0.2, None)),
]
E_STEPS = ["soft", "soft", "hard", truncated(2)]


@st.composite
def fits(draw):
    """Seed, kinds of columns, whether a block stands beside them, components, share of missing cells, weights, kind of E-step."""
    kinds = draw(st.lists(st.sampled_from(sorted(FORMS)), min_size=1, max_size=3))
    return (
        draw(st.integers(0, 2**32 - 1)),
        kinds,
        draw(st.booleans()),
        draw(st.integers(2, 4)),
        draw(st.sampled_from([0.0, 0.2])),
        draw(st.booleans()),
        draw(st.sampled_from(E_STEPS)),
        draw(st.sampled_from([None, 1.0, 2.5])),
        draw(st.booleans()),
    )


@given(fits())
@settings(max_examples=FITS, derandomize=True, deadline=None)
def test_the_objective_never_falls(structure):
    seed, kinds, has_block, k, missing, weighted, e_step, concentration, learns = structure
    random = np.random.default_rng(seed)
    n = int(random.integers(40, 160))
    columns, factors = [], {}
    for j, kind in enumerate(kinds):
        rows, forms = FORMS[kind]
        column = rows(random, n)
        column[1:][random.random(n - 1) < missing] = np.nan
        columns.append(column)
        factors[j] = forms[random.integers(len(forms))]
    if has_block:
        block = random.normal(size=(n, 2)) @ random.normal(size=(2, 2)) + random.choice([-3.0, 2.0], (n, 1))
        columns += [block[:, 0], block[:, 1]]
        factors[len(kinds), len(kinds) + 1] = BLOCKS[random.integers(len(BLOCKS))]
    model = GeneralMixtureModel(
        Product(factors),
        k,
        e_step=e_step,
        learn_weights=learns,
        weights_prior=concentration if learns else None,
        n_init=1,
        max_iter=60,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("error", DegenerateWarning)
        try:
            history = model.fit(np.column_stack(columns), sample_weight=random.integers(1, 4, n) if weighted else None).history_
        except DegenerateWarning:
            return  # at a floor the likelihood has no bound, and may fall
    rounding = 1e-11 * np.maximum(1.0, np.abs(history[1:]))
    assert np.all(np.diff(history) >= -rounding)
