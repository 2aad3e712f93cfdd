"""Apache Parquet, read in pieces of its row groups."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, ClassVar, final

from nas.benchmarks.contents import Contents, Header, Row
from nas.benchmarks.formats.base import Format
from nas.benchmarks.formats.named_columns import Place, places
from nas.errors import InvalidBenchmark

MAGIC = b"PAR1"
BATCH_ROWS = 4096
READ_BYTES = 2**20
MAX_SAID = 300


@final
class ParquetTable(Format):
    """Columns named as in CSV; null is a result that is not known."""

    layout: ClassVar[str] = "Parquet (columns named as in CSV)"

    def recognises(self, head: bytes) -> bool:
        return head.startswith(MAGIC)

    def read(self, file: BinaryIO) -> Contents:
        # Large, and needed here alone.
        import pyarrow as arrow
        from pyarrow import parquet

        try:
            table = parquet.ParquetFile(file, buffer_size=READ_BYTES)
            schema = table.schema_arrow
        except (arrow.ArrowException, OSError) as error:
            raise InvalidBenchmark(f"not a Parquet file: {str(error)[:MAX_SAID]}") from error
        architecture, columns = places(schema.names)
        for number, (name, kind) in enumerate(zip(schema.names, schema.types, strict=True)):
            fits = _is_text(kind) if number == architecture else _is_number(kind)
            if not fits:
                wanted = "text is" if number == architecture else "numbers are"
                raise InvalidBenchmark(f"column {name!r} holds {kind}, where {wanted} needed")
        header = Header(tuple(place.column for place in columns))
        return Contents(header, _rows(table, architecture, columns))


def _is_text(kind: Any) -> bool:  # Any: pyarrow has no types
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return any(
        is_one(kind) for is_one in (types.is_string, types.is_large_string, types.is_string_view)
    )


def _is_number(kind: Any) -> bool:  # Any: pyarrow has no types
    from pyarrow import types

    # A column of nulls alone has no other kind.
    ones = (types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    return any(is_one(kind) for is_one in ones)


def _rows(
    table: Any, architecture: int, columns: Sequence[Place]
) -> Iterator[Row]:  # Any: pyarrow has no types
    import pyarrow as arrow

    number = 0
    batches = table.iter_batches(batch_size=BATCH_ROWS)
    while True:
        try:
            batch = next(batches, None)
        except (arrow.ArrowException, OSError) as error:
            raise InvalidBenchmark(
                f"damaged after row {number}: {str(error)[:MAX_SAID]}"
            ) from error
        if batch is None:
            return
        cells = [column.to_pylist() for column in batch.columns]
        for row in range(batch.num_rows):
            number += 1
            code = cells[architecture][row]
            if code is None:
                raise InvalidBenchmark(f"row {number}: no architecture")
            values = _reader(cells, row)
            yield Row(f"row {number}", code, [column.given(values) for column in columns])


def _reader(cells: Sequence[Sequence[Any]], row: int) -> Callable[[int], float | None]:
    def value(cell: int) -> float | None:
        found = cells[cell][row]
        return None if found is None else float(found)

    return value
