"""The layouts in which datasets are found, one file each; they are told by the names of files."""

from collections.abc import Sequence
from functools import cache

from nas.data.formats.base import Format
from nas.errors import InvalidDataset
from nas.plugin import one_of_each

NUM_SHOWN = 5


@cache
def formats() -> tuple[Format, ...]:
    """Return one of each format in this package."""
    return one_of_each(__name__, Format)  # type: ignore[type-abstract]  # all are concrete


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
