"""Columns that carry everything in their names, as CSV and Parquet have them.

A name is `dataset/metric`, with `/seed3` where a column holds one training, and with the unit in
brackets: `cifar10/accuracy/seed3 [fraction]`. Dataset, seed and unit may be absent.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nas.benchmarks.columns import Column, make_column
from nas.benchmarks.contents import Given
from nas.errors import InvalidBenchmark

ARCHITECTURE = "architecture"
NAME = re.compile(
    r"(?:(?P<dataset>[^/\[\]]+)/)?(?P<metric>(?!seed[0-9])[^/\[\]]+?)(?:/seed(?P<seed>[0-9]{1,9}))?"
    r"(?:\s*\[(?P<unit>[^\[\]]*)\])?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the values of a column of results stand in a row.

    Attributes:
        column: of results.
        cells: their numbers in the row, one per seed; one alone without seeds.
    """

    column: Column
    cells: tuple[int, ...]

    def given(self, values: Callable[[int], float | None]) -> Given:
        """Return what a row says, given a way to read its cells."""
        if self.column.seeds:
            return [values(cell) for cell in self.cells]
        return values(self.cells[0])


def places(names: Sequence[str]) -> tuple[int, tuple[Place, ...]]:
    """Return where a row has its architecture, and where each column of results.

    Raises:
        InvalidBenchmark: if there is not one column `architecture`, a name is not understood, or
            a column stands there both as a whole and by seed.
    """
    if list(names).count(ARCHITECTURE) != 1:
        raise InvalidBenchmark(
            f"one column {ARCHITECTURE!r} and columns of results such as 'accuracy' or "
            f"'cifar10/accuracy/seed0' are needed; found {list(names)}"
        )
    found: dict[str, Place] = {}
    for number, name in enumerate(names):
        if name != ARCHITECTURE:
            _add(found, number, name)
    return list(names).index(ARCHITECTURE), tuple(found.values())


def _add(found: dict[str, Place], number: int, name: str) -> None:
    matched = NAME.fullmatch(name)
    if matched is None:
        raise InvalidBenchmark(
            f"column {name!r} is not named dataset/metric, dataset/metric/seed0 or "
            "dataset/metric [unit]"
        )
    seed = matched["seed"]
    seeds = () if seed is None else (int(seed),)
    try:
        column = make_column(matched["metric"], matched["dataset"], matched["unit"], seeds)
    except InvalidBenchmark as error:
        raise InvalidBenchmark(f"column {name!r}: {error}") from error
    known = found.get(column.name)
    if known is None:
        found[column.name] = Place(column, (number,))
        return
    if not (seeds and known.column.seeds) or seeds[0] in known.column.seeds:
        raise InvalidBenchmark(
            f"column {name!r}: {column.name} is there already; it stands there once, or once per "
            "seed"
        )
    if column.unit != known.column.unit:
        raise InvalidBenchmark(f"column {name!r}: the seeds of {column.name} differ in their unit")
    joined = replace(known.column, seeds=(*known.column.seeds, *seeds))
    found[column.name] = Place(joined, (*known.cells, number))
