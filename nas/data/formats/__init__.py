"""The layouts in which datasets are found, one file each; they are told by the names of files."""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache

from nas.data.formats.base import Format
from nas.errors import InvalidDataset

NUM_SHOWN = 5


@cache
def formats() -> tuple[Format, ...]:
    """Return one of each format: the concrete subclasses of `Format` in this package."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found = [made for made in Format.__subclasses__() if made.__module__.startswith(__name__)]
    return tuple(made() for made in sorted(found, key=lambda made: made.__name__))


def recognised(names: Sequence[str]) -> Format:
    """Return the format of a source with files of these names.

    Raises:
        InvalidDataset: telling what was found and what is understood, if it is not exactly one.
    """
    matching = [known for known in formats() if known.recognises(names)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        layouts = " and ".join(known.layout for known in matching)
        raise InvalidDataset(f"files of several layouts: {layouts}; import them one by one")
    found = "no file in it"
    if names:
        shown = ", ".join(names[:NUM_SHOWN]) + (", ..." if len(names) > NUM_SHOWN else "")
        found = f"{len(names)} files ({shown}) in no known layout"
    understood = "; ".join(known.layout for known in formats())
    raise InvalidDataset(f"{found}; understood are {understood}")
