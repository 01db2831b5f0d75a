"""The families, one file each."""

from mixtures.distributions.base import Distribution, Family, Kernels
from mixtures.distributions.bernoulli import Bernoulli
from mixtures.distributions.categorical import Categorical
from mixtures.distributions.exponential import Exponential
from mixtures.distributions.gamma import Gamma
from mixtures.distributions.kernel_density import KernelDensity
from mixtures.distributions.multivariate_normal import MultivariateNormal
from mixtures.distributions.normal import Normal
from mixtures.distributions.one_column import OneColumn
from mixtures.distributions.poisson import Poisson
from mixtures.distributions.product import Product
from mixtures.distributions.scipy_distribution import ScipyDistribution
from mixtures.distributions.truncated import Truncated

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Exponential",
    "Family",
    "Gamma",
    "KernelDensity",
    "Kernels",
    "MultivariateNormal",
    "Normal",
    "OneColumn",
    "Poisson",
    "Product",
    "ScipyDistribution",
    "Truncated",
]
