"""Pictures of mixtures, by matplotlib (extra ``plot``), in scikit-learn's convention:
``SomeDisplay.from_estimator(model, X, ax=None)``.

A display keeps the numbers that it shows, and after drawing the artists, ``ax_`` and ``figure_``; ``plot(ax)`` draws it again
elsewhere. It opens a figure only where no axes are given. Colours can be told apart in any kind of colour vision, on light and
on dark.
"""

from mixtures.plot.classification import ClassificationDisplay
from mixtures.plot.contour import ContourDisplay
from mixtures.plot.convergence import ConvergenceDisplay
from mixtures.plot.criteria import CriteriaDisplay
from mixtures.plot.density import DensityDisplay
from mixtures.plot.pair_grid import PairGridDisplay
from mixtures.plot.profile import ProfileDisplay
from mixtures.plot.qq import QQDisplay
from mixtures.plot.rootogram import RootogramDisplay

__all__ = [
    "ClassificationDisplay",
    "ContourDisplay",
    "ConvergenceDisplay",
    "CriteriaDisplay",
    "DensityDisplay",
    "PairGridDisplay",
    "ProfileDisplay",
    "QQDisplay",
    "RootogramDisplay",
]
