"""The formats in which tables of results are found, one file each; told by how a file begins."""

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from nas.benchmarks.contents import Contents
from nas.benchmarks.formats.base import Format
from nas.errors import InvalidBenchmark

HEAD_BYTES = 65_536
"""How much of a file's beginning tells its format."""


@cache
def formats() -> tuple[Format, ...]:
    """Return one of each format: the concrete subclasses of `Format` in this package."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found = [made for made in Format.__subclasses__() if made.__module__.startswith(__name__)]
    return tuple(made() for made in sorted(found, key=lambda made: made.__name__))


@contextmanager
def opened(path: Path) -> Iterator[Contents]:
    """Open a table in whichever known format it is.

    Raises:
        InvalidBenchmark: if it is in none, or its header is at fault.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        matching = [known for known in formats() if known.recognises(head)]
        if len(matching) != 1:
            understood = "; ".join(known.layout for known in formats())
            raise InvalidBenchmark(f"a table in no known format; understood are {understood}")
        yield matching[0].read(file)
