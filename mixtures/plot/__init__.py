"""Pictures of mixtures, by matplotlib (extra ``plot``), in scikit-learn's convention: ``SomeDisplay.from_estimator(model, X, ax=None)``.

A display keeps the numbers that it shows, and after drawing the artists, ``ax_`` and ``figure_``; ``plot(ax)`` draws it again elsewhere.
It opens a figure only where no axes are given.
"""

from mixtures.plot.contour import ContourDisplay
from mixtures.plot.density import DensityDisplay
from mixtures.plot.pair_grid import PairGridDisplay

__all__ = ["ContourDisplay", "DensityDisplay", "PairGridDisplay"]
