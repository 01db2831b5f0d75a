"""Mixture models of anything: any distribution as a component, columns of different types, one compiled EM loop."""

from mixtures._numba import jit, jit_sums
from mixtures.keeping import load
from mixtures.model import GeneralMixtureModel

__all__ = ["GeneralMixtureModel", "jit", "jit_sums", "load"]
__version__ = "0.1.0"
