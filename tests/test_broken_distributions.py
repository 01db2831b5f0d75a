"""The conformance suite finds distributions that break a law: several of these mistakes were once shipped by libraries."""

import numpy as np
import pytest
import scipy.stats

from mixtures import jit
from mixtures.constraints import natural, nonnegative, positive
from mixtures.distributions import Exponential, Kernels, Normal, Poisson
from mixtures.distributions import exponential as exponential_module
from mixtures.testing import LAWS, check_distribution
from mixtures.testing.cases import make_case


class Right:
    """A Normal as a user writes it; every broken class below spoils one method."""

    def __init__(self, mean=1.0, std=2.0):
        self.mean = float(mean)
        self.std = float(std)

    def log_prob(self, X):
        return scipy.stats.norm.logpdf(X[:, 0], self.mean, self.std)

    def fit(self, X, sample_weight=None):
        mean = np.average(X[:, 0], weights=sample_weight)
        centred = X[:, 0] - mean
        largest = np.max(np.abs(centred)) or 1.0  # measured in it, squares stay in range
        std = largest * np.sqrt(np.average(np.square(centred / largest), weights=sample_weight))
        return type(self)(mean, max(std, 1e-15 * max(1e-280, abs(mean))))

    def sample(self, n=1, random_state=None):
        return np.random.default_rng(random_state).normal(self.mean, self.std, size=(n, 1))


class LogNormalWithoutJacobian(Right):
    """Forgets -log x."""

    support = positive

    def log_prob(self, X):
        with np.errstate(all="ignore"):
            return np.where(X[:, 0] > 0, scipy.stats.norm.logpdf(np.log(X[:, 0]), self.mean, self.std), -np.inf)

    def sample(self, n=1, random_state=None):
        return np.exp(super().sample(n, random_state))


class DeafToWeights(Right):
    """Accepts weights and ignores them."""

    def fit(self, X, sample_weight=None):
        return super().fit(X)


class WeightsAsCertainty(Right):
    """Divides by the number of rows, not by the sum of weights."""

    def fit(self, X, sample_weight=None):
        weights = np.ones(len(X)) if sample_weight is None else sample_weight
        return type(self)(np.mean(weights * X[:, 0]), super().fit(X, sample_weight).std)


class VarianceSampler(Right):
    """Takes a variance for a standard deviation."""

    def sample(self, n=1, random_state=None):
        return np.random.default_rng(random_state).normal(self.mean, self.std**2, size=(n, 1))


class UnbiasedStd(Right):
    """Divides by n - 1."""

    def fit(self, X, sample_weight=None):
        fitted, total = super().fit(X, sample_weight), len(X) if sample_weight is None else np.sum(sample_weight)
        return type(self)(fitted.mean, fitted.std * np.sqrt(total / (total - 1)) if total > 1 else fitted.std)


class Unseeded(Right):
    """Draws afresh whatever the seed."""

    _random = np.random.default_rng(5)

    def sample(self, n=1, random_state=None):
        return self._random.normal(self.mean, self.std, size=(n, 1))


class FiniteOutside(Right):
    """An exponential density that goes on below 0."""

    support = nonnegative

    def log_prob(self, X):
        return -X[:, 0]

    def sample(self, n=1, random_state=None):
        return np.random.default_rng(random_state).exponential(size=(n, 1))


class FractionalCounts(Right):
    """A Poisson that gives fractions a mass."""

    support = natural

    def log_prob(self, X):
        x = X[:, 0]
        with np.errstate(all="ignore"):
            value = x * np.log(3.0) - 3.0 - scipy.special.gammaln(x + 1)
        return np.where((x >= 0) & (x < np.inf), value, -np.inf)

    def sample(self, n=1, random_state=None):
        return np.random.default_rng(random_state).poisson(3.0, size=(n, 1)).astype(float)


class MissingAsZero(Right):
    """Reads a missing cell as 0."""

    def log_prob(self, X):
        return super().log_prob(np.nan_to_num(X))


class Collapsing(Right):
    """Has no floor: rows that agree give std 0."""

    def fit(self, X, sample_weight=None):
        fitted = super().fit(X, sample_weight)
        fitted.std = 0.0 if np.ptp(X) == 0 else fitted.std
        return fitted

    def log_prob(self, X):
        with np.errstate(all="ignore"):
            return -0.5 * np.square((X[:, 0] - self.mean) / self.std) - np.log(self.std) - 0.9189385332046727


class FitsItself(Right):
    """Changes itself and returns itself."""

    def fit(self, X, sample_weight=None):
        vars(self).update(vars(super().fit(X, sample_weight)))
        return self


class Column(Right):
    """Returns a matrix."""

    def log_prob(self, X):
        return super().log_prob(X)[:, None]


class Neighbourly(Right):
    """The density of a row depends on the rows around it."""

    def log_prob(self, X):
        return super().log_prob(X) - 1e-3 * (len(X) > 1)


class MisquotedRepr(Right):
    """Text that rebuilds another distribution."""

    def __repr__(self):
        return f"{type(self).__name__}({self.std}, {self.mean})"


class Forgetful(Right):
    """Loses a parameter when pickled."""

    def __getstate__(self):
        return {"mean": self.mean, "std": 1.0}


class WrongScipy(Normal):
    """Names another scipy distribution."""

    def to_scipy(self):
        return scipy.stats.norm(self.mean, self.std**2)


class WrongQuantile(Normal):
    """A quantile function that is not the inverse of cdf."""

    def quantile(self, probability):
        return super().quantile(probability) + 1e-3


class WrongCdf(Normal):
    """The survival function under the name of cdf."""

    def cdf(self, x):
        return 1.0 - super().cdf(x)


class WrongMoment(Normal):
    """The standard deviation under the name of variance."""

    @property
    def variance(self):
        return self.std


class Lenient(Exponential):
    """Takes any rate."""

    def _checked(self, name, value):
        return value


class Mutable(Poisson):
    """Can be changed in place."""

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


@jit
def _half_way(statistics, parameters):
    for k in range(parameters.shape[0]):
        parameters[k, 0] = 0.99 * statistics[k, 0] / statistics[k, 1]
    return 0


class WrongMaximum(Exponential):
    """A maximize kernel that misses by one hundredth."""

    kernels = Kernels(exponential_module._prepare, exponential_module._log_prob, exponential_module._accumulate, _half_way)

    def _unpack(self, row, column):
        return WrongMaximum(row[0] / column.unit)


class Misjitted:
    """A compiled function that is not its source."""

    def __init__(self, compiled, py_func):
        self.by_address, self.py_func = compiled.by_address, py_func
        self._compiled = compiled

    def __call__(self, *arguments):
        return self._compiled(*arguments)


class WrongSource(Exponential):
    """Compiled code that differs from the code one reads."""

    kernels = Kernels(
        exponential_module._prepare,
        Misjitted(exponential_module._log_prob, lambda parameters, x, out: None),
        exponential_module._accumulate,
        exponential_module._maximize,
    )

    def _unpack(self, row, column):
        return WrongSource(row[0] / column.unit)


BROKEN = {
    "normalises": [LogNormalWithoutJacobian()],
    "weights_mean_repetition": [DeafToWeights(), WeightsAsCertainty()],
    "zero_weight_rows_are_inert": [DeafToWeights(), WeightsAsCertainty()],
    "no_other_fit_is_better": [UnbiasedStd()],
    "sample_agrees_with_density": [VarianceSampler(), Unseeded()],
    "outside_is_impossible": [FiniteOutside(), FractionalCounts()],
    "missing_cells_add_nothing": [MissingAsZero()],
    "degenerate_data_are_survived": [Collapsing()],
    "fit_leaves_everything_alone": [FitsItself()],
    "log_prob_has_one_value_a_row": [Column(), Neighbourly()],
    "repr_rebuilds": [MisquotedRepr()],
    "copies_are_equal": [Forgetful()],
    "agrees_with_scipy": [WrongScipy(0.0, 2.0)],
    "cdf_agrees_with_density": [WrongQuantile(0.0, 2.0), WrongCdf(1.0, 2.0)],
    "moments_agree_with_sample": [WrongMoment(0.0, 2.0)],
    "constraints_are_enforced": [Lenient(2.0)],
    "is_immutable": [Mutable(3.0)],
    "gradient_is_zero": [WrongMaximum(2.0)],
    "kernels_equal_their_source": [WrongSource(2.0)],
}

CASES = [pytest.param(law, broken, id=f"{type(broken).__name__}-{law}") for law, several in BROKEN.items() for broken in several]


@pytest.mark.parametrize(("law", "distribution"), CASES)
def test_the_broken_law_is_detected(law, distribution):
    case = make_case(distribution, None, None, seed=0)
    with np.errstate(all="ignore"), pytest.raises(AssertionError):
        next(one for one in LAWS if one.__name__ == law)(case)


@pytest.mark.parametrize(
    "distribution",
    {type(broken): broken for several in BROKEN.values() for broken in several}.values(),
    ids=lambda d: type(d).__name__,
)
def test_the_suite_as_a_whole_refuses_it_by_name(distribution):
    with pytest.raises(AssertionError, match=rf"^({'|'.join(law.__name__ for law in LAWS)}): .*: "):
        check_distribution(distribution)


def test_the_unspoilt_distribution_passes():
    check_distribution(Right())
