"""Lines of a file, none of them longer than what fits into memory."""

from collections.abc import Iterator
from typing import BinaryIO

from nas.errors import InvalidBenchmark

MAX_LINE = 2**20


def bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file with their ends.

    Raises:
        InvalidBenchmark: naming a line that is longer than `MAX_LINE` bytes.
    """
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise InvalidBenchmark(f"line {number}: longer than {MAX_LINE} bytes")
        yield line
