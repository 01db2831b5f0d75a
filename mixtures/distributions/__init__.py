"""The families, one file each."""

from mixtures.distributions.base import Distribution, Family, Kernels
from mixtures.distributions.bernoulli import Bernoulli
from mixtures.distributions.categorical import Categorical
from mixtures.distributions.exponential import Exponential
from mixtures.distributions.frozen import Frozen
from mixtures.distributions.gamma import Gamma
from mixtures.distributions.gumbel import Gumbel
from mixtures.distributions.half_normal import HalfNormal
from mixtures.distributions.inverse_gamma import InverseGamma
from mixtures.distributions.location_scale import LocationScale
from mixtures.distributions.log_normal import LogNormal
from mixtures.distributions.multivariate_normal import MultivariateNormal
from mixtures.distributions.multivariate_student_t import MultivariateStudentT
from mixtures.distributions.normal import Normal
from mixtures.distributions.one_column import OneColumn
from mixtures.distributions.poisson import Poisson
from mixtures.distributions.product import Product
from mixtures.distributions.rayleigh import Rayleigh
from mixtures.distributions.scipy_distribution import ScipyDistribution
from mixtures.distributions.skew_normal import SkewNormal
from mixtures.distributions.student_t import StudentT
from mixtures.distributions.truncated import Truncated
from mixtures.distributions.von_mises import VonMises
from mixtures.distributions.weibull import Weibull
from mixtures.distributions.zero_inflated import ZeroInflated

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Exponential",
    "Family",
    "Frozen",
    "Gamma",
    "Gumbel",
    "HalfNormal",
    "InverseGamma",
    "Kernels",
    "LocationScale",
    "LogNormal",
    "MultivariateNormal",
    "MultivariateStudentT",
    "Normal",
    "OneColumn",
    "Poisson",
    "Product",
    "Rayleigh",
    "ScipyDistribution",
    "SkewNormal",
    "StudentT",
    "Truncated",
    "VonMises",
    "Weibull",
    "ZeroInflated",
]
