"""JSON lines: the header in the first line, then one architecture per line."""

import json
from collections.abc import Iterator
from typing import BinaryIO, ClassVar, final

from nas.benchmarks.contents import Contents, Header, Row
from nas.benchmarks.formats.base import Format
from nas.benchmarks.formats.json_parts import given, parsed, read_header
from nas.benchmarks.formats.lines import bounded_lines
from nas.errors import InvalidBenchmark

FIELDS = {"architecture", "values"}


@final
class JsonLines(Format):
    """Read line by line, however long the table is."""

    layout: ClassVar[str] = (
        'JSON lines ({"columns": [{"metric": "accuracy", ...}]}, then lines of '
        '{"architecture": ..., "values": [90.5, ...]})'
    )

    def recognises(self, head: bytes) -> bool:
        return head.lstrip().startswith(b"{") and begins_with_an_object(head)

    def read(self, file: BinaryIO) -> Contents:
        lines = _lines(file)
        first, text = next(lines)
        header = read_header(parsed(text, f"line {first}"), f"line {first}")
        return Contents(header, _rows(header, lines))


def begins_with_an_object(head: bytes) -> bool:
    """Tell whether the first line of a file is an object of its own, and no whole document."""
    first, _, _ = head.lstrip().partition(b"\n")
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "entries" not in found


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(bounded_lines(file), start=1):
        if line.strip():
            yield number, line


def _rows(header: Header, lines: Iterator[tuple[int, bytes]]) -> Iterator[Row]:
    for number, text in lines:
        place = f"line {number}"
        found = parsed(text, place)
        if found.keys() != FIELDS or not isinstance(found["architecture"], str):
            raise InvalidBenchmark(
                f"{place}: 'architecture' and 'values' are needed, nothing else"
            )
        values = found["values"]
        if not isinstance(values, list) or len(values) != len(header.columns):
            raise InvalidBenchmark(
                f"{place}: a list of {len(header.columns)} values is needed, one per column"
            )
        yield Row(place, found["architecture"], [given(value, place) for value in values])
