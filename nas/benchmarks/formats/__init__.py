"""The formats in which tables of results are found, one file each; told by how a file begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from nas.benchmarks.contents import Contents
from nas.benchmarks.formats.base import Format
from nas.errors import InvalidBenchmark
from nas.plugin import one_of_each

HEAD_BYTES = 65_536
"""How much of a file's beginning tells its format."""


@cache
def formats() -> tuple[Format, ...]:
    """Return one of each format in this package."""
    return one_of_each(__name__, Format)  # type: ignore[type-abstract]  # all are concrete


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
