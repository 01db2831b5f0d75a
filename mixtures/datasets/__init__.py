"""Tables that come with the package.

``penguins.csv``: size, island, sex and year of observation of 344 adult penguins of three species, measured near Palmer
Station, Antarctica, 2007 to 2009, by K. B. Gorman and the Palmer Station Long Term Ecological Research program; published as
palmerpenguins (A. M. Horst, A. P. Hill & K. B. Gorman 2020, doi:10.5281/zenodo.3960218) and dedicated to the public domain
under CC0 1.0. The file is the one published there, unchanged: 19 cells are missing, written NA.

``faithful.csv``: length of 272 eruptions of the geyser Old Faithful in Yellowstone National Park, and the waiting time to the next
one, both in minutes (A. Azzalini & A. W. Bowman 1990, A look at some data on the Old Faithful geyser, Applied Statistics 39,
357-365), in the version of R's package ``datasets``.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from mixtures.extras import import_extra

__all__ = ["load_faithful", "load_penguins"]


def load_faithful() -> Any:
    """Eruptions of Old Faithful as a polars frame of 272 rows: ``eruptions`` (float) and ``waiting`` (whole number), in minutes.

    Raises
    ------
    ModuleNotFoundError : polars is not installed; the extra ``tables`` brings it.

    Examples
    --------
    >>> load_faithful().columns
    ['eruptions', 'waiting']
    """
    return _read("faithful.csv")


def load_penguins() -> Any:
    """The Palmer penguins as a polars frame of 344 rows, a penguin a row; missing cells are null.

    ``species`` (Adelie, Chinstrap, Gentoo), ``island`` (Biscoe, Dream, Torgersen) and ``sex`` (female, male) are strings,
    ``bill_length_mm`` and ``bill_depth_mm`` floats, ``flipper_length_mm``, ``body_mass_g`` and ``year`` whole numbers.

    Raises
    ------
    ModuleNotFoundError : polars is not installed; the extra ``tables`` brings it.

    Examples
    --------
    >>> load_penguins().shape
    (344, 8)
    """
    return _read("penguins.csv")


def _read(name: str) -> Any:
    polars = import_extra("polars", "tables")
    return polars.read_csv(files(__package__).joinpath(name).read_bytes(), null_values="NA")
