"""One JSON document, as the benchmarks of this package are."""

from collections.abc import Iterator
from typing import Any, BinaryIO, ClassVar, final

from nas.benchmarks.contents import Contents, Header, Row
from nas.benchmarks.formats.base import Format
from nas.benchmarks.formats.json_lines import begins_with_an_object
from nas.benchmarks.formats.json_parts import given, parsed, read_header
from nas.errors import InvalidBenchmark

ENTRIES = "entries"
MAX_BYTES = 64 * 2**20


@final
class JsonDocument(Format):
    """An object with the fields of the header, and `entries`: per architecture a list of results.

    It is held in memory as a whole; what is larger is written as JSON lines.
    """

    layout: ClassVar[str] = (
        'JSON ({"columns": [{"metric": "accuracy", ...}], "entries": {ARCHITECTURE: [90.5, ...]}})'
    )

    def recognises(self, head: bytes) -> bool:
        return head.lstrip().startswith(b"{") and not begins_with_an_object(head)

    def read(self, file: BinaryIO) -> Contents:
        content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InvalidBenchmark(
                f"a JSON document of more than {MAX_BYTES} bytes; write it as JSON lines"
            )
        document = parsed(content, "document")
        entries = document.pop(ENTRIES, None)
        if not isinstance(entries, dict):
            raise InvalidBenchmark(f"document: {ENTRIES!r} is needed, an object by architecture")
        header = read_header(document, "document")
        return Contents(header, _rows(header, entries))


def _rows(header: Header, entries: dict[str, Any]) -> Iterator[Row]:  # Any: JSON values
    for number, (code, values) in enumerate(entries.items(), start=1):
        place = f"entry {number}"
        if not isinstance(values, list) or len(values) != len(header.columns):
            raise InvalidBenchmark(
                f"{place}: a list of {len(header.columns)} results is needed, one per column"
            )
        yield Row(place, code, [given(value, place) for value in values])
