"""The families, one file each."""

from mixtures.distributions.base import Distribution, Family, Kernels
from mixtures.distributions.bernoulli import Bernoulli
from mixtures.distributions.categorical import Categorical
from mixtures.distributions.dirichlet import Dirichlet
from mixtures.distributions.dirichlet_multinomial import DirichletMultinomial
from mixtures.distributions.exponential import Exponential
from mixtures.distributions.gamma import Gamma
from mixtures.distributions.multinomial import Multinomial
from mixtures.distributions.multivariate_normal import MultivariateNormal
from mixtures.distributions.normal import Normal
from mixtures.distributions.poisson import Poisson
from mixtures.distributions.product import Product
from mixtures.distributions.von_mises_fisher import VonMisesFisher

__all__ = [
    "Bernoulli",
    "Categorical",
    "Dirichlet",
    "DirichletMultinomial",
    "Distribution",
    "Exponential",
    "Family",
    "Gamma",
    "Kernels",
    "Multinomial",
    "MultivariateNormal",
    "Normal",
    "Poisson",
    "Product",
    "VonMisesFisher",
]
