"""The families, one file each."""

from mixtures.distributions.base import Distribution, Family, Kernels
from mixtures.distributions.bernoulli import Bernoulli
from mixtures.distributions.beta import Beta
from mixtures.distributions.beta_binomial import BetaBinomial
from mixtures.distributions.binomial import Binomial
from mixtures.distributions.bounded import Bounded
from mixtures.distributions.categorical import Categorical
from mixtures.distributions.degenerate import Degenerate
from mixtures.distributions.dirichlet import Dirichlet
from mixtures.distributions.dirichlet_multinomial import DirichletMultinomial
from mixtures.distributions.discrete_uniform import DiscreteUniform
from mixtures.distributions.exponential import Exponential
from mixtures.distributions.frozen import Frozen
from mixtures.distributions.gamma import Gamma
from mixtures.distributions.geometric import Geometric
from mixtures.distributions.gumbel import Gumbel
from mixtures.distributions.half_normal import HalfNormal
from mixtures.distributions.inverse_gamma import InverseGamma
from mixtures.distributions.inverse_gaussian import InverseGaussian
from mixtures.distributions.kernel_density import KernelDensity
from mixtures.distributions.laplace import Laplace
from mixtures.distributions.location_scale import LocationScale
from mixtures.distributions.log_normal import LogNormal
from mixtures.distributions.logistic import Logistic
from mixtures.distributions.multinomial import Multinomial
from mixtures.distributions.multivariate_normal import MultivariateNormal
from mixtures.distributions.multivariate_student_t import MultivariateStudentT
from mixtures.distributions.negative_binomial import NegativeBinomial
from mixtures.distributions.normal import Normal
from mixtures.distributions.one_column import OneColumn
from mixtures.distributions.pareto import Pareto
from mixtures.distributions.poisson import Poisson
from mixtures.distributions.product import Product
from mixtures.distributions.rayleigh import Rayleigh
from mixtures.distributions.scipy_distribution import ScipyDistribution
from mixtures.distributions.skew_normal import SkewNormal
from mixtures.distributions.student_t import StudentT
from mixtures.distributions.tied import Tied
from mixtures.distributions.truncated import Truncated
from mixtures.distributions.uniform import Uniform
from mixtures.distributions.von_mises import VonMises
from mixtures.distributions.von_mises_fisher import VonMisesFisher
from mixtures.distributions.weibull import Weibull
from mixtures.distributions.zero_inflated import ZeroInflated

__all__ = [
    "Bernoulli",
    "Beta",
    "BetaBinomial",
    "Binomial",
    "Bounded",
    "Categorical",
    "Degenerate",
    "Dirichlet",
    "DirichletMultinomial",
    "DiscreteUniform",
    "Distribution",
    "Exponential",
    "Family",
    "Frozen",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "InverseGamma",
    "InverseGaussian",
    "KernelDensity",
    "Kernels",
    "Laplace",
    "LocationScale",
    "LogNormal",
    "Logistic",
    "Multinomial",
    "MultivariateNormal",
    "MultivariateStudentT",
    "NegativeBinomial",
    "Normal",
    "OneColumn",
    "Pareto",
    "Poisson",
    "Product",
    "Rayleigh",
    "ScipyDistribution",
    "SkewNormal",
    "StudentT",
    "Tied",
    "Truncated",
    "Uniform",
    "VonMises",
    "VonMisesFisher",
    "Weibull",
    "ZeroInflated",
]
