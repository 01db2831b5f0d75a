"""A mixture is a distribution: it obeys the laws of densities and of weighted fits, though as an estimator, in place."""

import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.constraints import natural, positive
from mixtures.distributions import Gamma, Normal, Poisson, Product
from mixtures.testing import LAWS
from mixtures.testing.cases import make_case

OF_VALUES = {"fit_leaves_everything_alone", "repr_rebuilds", "is_immutable"}
"""What an estimator of scikit-learn is not: it keeps its arguments, and ``fit`` fills it in."""
OF_MAXIMA = {"no_other_fit_is_better", "gradient_is_zero"}
"""EM climbs one hill, which is not always the highest; what a component's own maximum is, is checked there."""


def mixture(*components, weights):
    return GeneralMixtureModel(list(components), weights=weights, tol=0, max_iter=500, n_jobs=1)


MIXTURES = {
    "of Normals": (lambda: mixture(Normal(0.0, 1.0), Normal(6.0, 2.0), weights=[0.4, 0.6]), None),
    "of counts": (lambda: mixture(Poisson(1.0), Poisson(12.0), weights=[0.5, 0.5]), natural),
    "of two families": (lambda: mixture(Gamma(2.0, 2.0), Gamma(80.0, 4.0), weights=[0.3, 0.7]), positive),
    "of a mixture": (
        lambda: mixture(mixture(Normal(0.0, 1.0), Normal(5.0, 1.0), weights=[0.5, 0.5]), Normal(20.0, 1.0), weights=[0.6, 0.4]),
        None,
    ),
}


@pytest.mark.filterwarnings("ignore::mixtures.exceptions.DegenerateWarning")  # some laws fit rows that agree
@pytest.mark.parametrize("law", [law for law in LAWS if law.__name__ not in OF_VALUES | OF_MAXIMA], ids=lambda law: law.__name__)
@pytest.mark.parametrize("kind", MIXTURES)
def test_a_mixture_obeys_the_laws(kind, law):
    make, support = MIXTURES[kind]
    law(make_case(make(), None, support, 0))


def test_infinity_has_no_density_and_no_place_in_a_fit():
    model = mixture(Normal(0.0, 1.0), Normal(6.0, 2.0), weights=[0.5, 0.5])
    np.testing.assert_array_equal(model.log_prob([np.inf, -np.inf]), [-np.inf, -np.inf])
    with pytest.raises(ValueError, match="row 1 has inf"):
        model.score_samples([0.0, np.inf])
    with pytest.raises(ValueError, match="row 1 has inf"):
        model.score([0.0, np.inf])


def test_a_mixture_is_a_factor_of_a_product():
    inner = mixture(Normal(0.0, 1.0), Normal(6.0, 2.0), weights=[0.5, 0.5])
    X = np.column_stack([inner.sample(400, 0)[:, 0], np.random.default_rng(1).normal(size=400)])
    product = Product(inner, Normal(0.0, 1.0))
    np.testing.assert_allclose(product.log_prob(X), inner.log_prob(X[:, :1]) + Normal(0.0, 1.0).log_prob(X[:, 1]), rtol=1e-12)
    before = product.log_prob(X).mean()
    assert product.fit(X).log_prob(X).mean() > before
