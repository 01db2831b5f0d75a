"""The families, one file each."""

from mixtures.distributions.base import Distribution, Family, Kernels
from mixtures.distributions.bernoulli import Bernoulli
from mixtures.distributions.beta import Beta
from mixtures.distributions.categorical import Categorical
from mixtures.distributions.exponential import Exponential
from mixtures.distributions.gamma import Gamma
from mixtures.distributions.inverse_gamma import InverseGamma
from mixtures.distributions.inverse_gaussian import InverseGaussian
from mixtures.distributions.multivariate_normal import MultivariateNormal
from mixtures.distributions.normal import Normal
from mixtures.distributions.poisson import Poisson
from mixtures.distributions.product import Product
from mixtures.distributions.weibull import Weibull

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "Distribution",
    "Exponential",
    "Family",
    "Gamma",
    "InverseGamma",
    "InverseGaussian",
    "Kernels",
    "MultivariateNormal",
    "Normal",
    "Poisson",
    "Product",
    "Weibull",
]
