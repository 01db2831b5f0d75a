"""What a mixture shows of itself: its summary and the profiles of its components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixtures.profiles import Profiles
    from mixtures.summary import Summary


class Looking:
    """A mixture's own answers to "what did it find"; what makes them stands above the model, and is imported when it is asked."""

    def summary(self, X: Any = None, sample_weight: Any = None, *, units: Mapping[Any, str] | None = None) -> Summary:
        """Weights, parameters by column and component, sizes of the clusters, certainty of the assignment, and fit measures.

        A fitted model keeps its parameters, the labels of its training rows and how its fit went, but no rows. Without `X` the
        summary shows these; with `X` also log-likelihood, BIC, AIC, ICL and entropy at these rows, and the sizes are theirs.

        Parameters
        ----------
        X : rows as in ``fit``, usually those of the fit; or None.
        sample_weight : array (n,) of finite weights >= 0 that mean repetition, or None. Weights of the fit are not remembered: give
            them again.
        units : units of columns by name (by place where columns have no names), shown beside them: ``{"height": "cm"}``.

        Returns
        -------
        :class:`~mixtures.summary.Summary`, which prints as a table and renders in notebooks; its attributes are the numbers.

        Raises
        ------
        DataError : a row has density zero under every component, or X or its weights cannot be used.
        ParameterError : a unit is for a column that is not there.

        Examples
        --------
        >>> import numpy as np
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Normal
        >>> x = np.array([0.0, 1.0, 2.0, 10.0, 11.0, 12.0])
        >>> model = GeneralMixtureModel([Normal(1.0, 1.0), Normal(11.0, 1.0)]).fit(x)
        >>> print(model.summary(x, units={0: "cm"}))
        Mixture of 2 components
        log-likelihood -11.46   BIC 31.87   AIC 32.91   ICL 31.87   entropy 0.00   parameters 5   rows 6
        iterations 2   converged yes
        <BLANKLINE>
        component                              0             1
        ---------                    -----------  ------------
        weight                             50.0%         50.0%
        rows       most probable               3             3
        certainty  mean probability        1.000         1.000
        entropy    mean, nats              0.000         0.000
        x [cm]     Normal            1.00 ± 0.82  11.00 ± 0.82
        m ± s: mean and standard deviation
        """
        from mixtures.summary import summary_of

        return summary_of(self, X, sample_weight, units)

    def profiles(self, *, units: Mapping[Any, str] | None = None) -> Profiles:
        """What every component expects of every column: means and standard deviations, or probabilities of categories.

        Parameters
        ----------
        units : units of columns, as in :meth:`summary`.

        Returns
        -------
        :class:`~mixtures.profiles.Profiles`, which prints, and makes a frame: ``to_dict``, ``to_pandas``, ``to_polars``.

        Examples
        --------
        >>> from mixtures import GeneralMixtureModel
        >>> from mixtures.distributions import Poisson
        >>> GeneralMixtureModel([Poisson(1.0), Poisson(4.0)]).profiles()[0].stds
        array([1., 2.])
        """
        from mixtures.profiles import profiles_of

        return profiles_of(self, units)
