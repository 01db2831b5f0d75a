"""The families, one file each."""

from mixtures.distributions.base import Distribution, Family, Kernels
from mixtures.distributions.bernoulli import Bernoulli
from mixtures.distributions.binomial import Binomial
from mixtures.distributions.categorical import Categorical
from mixtures.distributions.discrete_uniform import DiscreteUniform
from mixtures.distributions.exponential import Exponential
from mixtures.distributions.gamma import Gamma
from mixtures.distributions.geometric import Geometric
from mixtures.distributions.multivariate_normal import MultivariateNormal
from mixtures.distributions.negative_binomial import NegativeBinomial
from mixtures.distributions.normal import Normal
from mixtures.distributions.poisson import Poisson
from mixtures.distributions.product import Product

__all__ = [
    "Bernoulli",
    "Binomial",
    "Categorical",
    "DiscreteUniform",
    "Distribution",
    "Exponential",
    "Family",
    "Gamma",
    "Geometric",
    "Kernels",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "Product",
]
