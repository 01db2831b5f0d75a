"""Mixture models of anything: any distribution as a component, columns of different types, one compiled EM loop."""

from mixtures._numba import jit, jit_sums
from mixtures.family_choice import infer
from mixtures.keeping import load
from mixtures.model import GeneralMixtureModel
from mixtures.selection import select

__all__ = ["GeneralMixtureModel", "infer", "jit", "jit_sums", "load", "select"]
__version__ = "0.1.0"
