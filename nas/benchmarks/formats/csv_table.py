"""Comma-separated values."""

import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, ClassVar, final

from nas.benchmarks.contents import Contents, Header, Row
from nas.benchmarks.formats.base import Format
from nas.benchmarks.formats.lines import bounded_lines
from nas.benchmarks.formats.named_columns import Place, places
from nas.errors import InvalidBenchmark

if TYPE_CHECKING:
    from _csv import Reader

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NOT_CSV = (b"PAR1", b"{")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@final
class CsvTable(Format):
    """One row per architecture, in UTF-8; an empty cell is a result that is not known."""

    layout: ClassVar[str] = (
        "CSV (column architecture, and columns named accuracy, cifar10/accuracy, "
        "cifar10/accuracy/seed0, cifar10/latency [ms])"
    )

    def recognises(self, head: bytes) -> bool:
        return not head.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(NOT_CSV)

    def read(self, file: BinaryIO) -> Contents:
        reader = csv.reader(_decoded(file))
        names = [name.strip() for name in next(_lines(reader), [])]
        try:
            architecture, columns = places(names)
            header = Header(tuple(place.column for place in columns))
        except InvalidBenchmark as error:
            raise InvalidBenchmark(f"line 1: {error}") from error
        return Contents(header, _rows(reader, len(names), architecture, columns))


def _rows(
    reader: "Reader", width: int, architecture: int, columns: Sequence[Place]
) -> Iterator[Row]:
    for cells in _lines(reader):
        if not cells:
            continue
        place = f"line {reader.line_num}"
        if len(cells) != width:
            raise InvalidBenchmark(f"{place}: expected {width} columns, found {len(cells)}")
        values = partial(_number, cells, place)
        yield Row(place, cells[architecture].strip(), [column.given(values) for column in columns])


def _lines(reader: "Reader") -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise InvalidBenchmark(f"line {reader.line_num}: {error}") from error


def _decoded(file: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(bounded_lines(file), start=1):
        # A byte order mark precedes the header in files saved by spreadsheets.
        encoding = "utf-8-sig" if number == 1 else "utf-8"
        try:
            yield line.decode(encoding)
        except UnicodeDecodeError as error:
            raise InvalidBenchmark(f"line {number}: is not UTF-8 text: {error}") from error


def _number(cells: Sequence[str], place: str, cell: int) -> float | None:
    text = cells[cell].strip()
    if not text:
        return None
    # Python reads further things as numbers, nan and 1_0 among them.
    if not NUMBER.fullmatch(text):
        raise InvalidBenchmark(
            f"{place}: {text[:100]!r} is no number; leave the cell empty where nothing is known"
        )
    return float(text)
