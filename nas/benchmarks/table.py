"""Ground truth in memory: the stand-alone accuracy of architectures, read or shipped.

Tables of any size and of several columns are read row by row, see `nas.benchmarks.formats`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

from pydantic import JsonValue

from nas.benchmarks.checking import checked_rows
from nas.benchmarks.columns import Column
from nas.benchmarks.contents import Contents, Header, Row
from nas.benchmarks.formats import opened
from nas.errors import InvalidBenchmark
from nas.spaces import catalogue
from nas.spaces.base import Space


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one architecture.

    Attributes:
        accuracy: in percent, the mean over the seeds where they are known.
        seeds: accuracy in percent per training seed; None if the table does not tell.
    """

    accuracy: float
    seeds: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """A table of stand-alone accuracies.

    Attributes:
        entries: by canonical architecture string.
        num_seeds: trainings per architecture; None if the table does not tell.
        noise_ceiling: agreement of the table with itself, see `nas.benchmarks.noise`; None if
            unknown.
        recipe: how the architectures were trained, for people.
        dataset: on which; None if the table does not tell.
    """

    entries: dict[str, Entry]
    num_seeds: int | None = None
    noise_ceiling: float | None = None
    recipe: dict[str, JsonValue] = field(default_factory=dict)
    dataset: str | None = None

    def contents(self) -> Contents:
        """Return the same table as a file would hold it, to be read once."""
        column = Column(
            "accuracy",
            self.dataset,
            unit="percent",
            seeds=tuple(range(self.num_seeds or 0)),
            noise_ceiling=self.noise_ceiling,
        )
        return Contents(Header((column,), recipe=self.recipe), self._rows())

    def _rows(self) -> Iterator[Row]:
        for number, (code, entry) in enumerate(self.entries.items(), start=1):
            given = entry.accuracy if entry.seeds is None else list(entry.seeds)
            yield Row(f"entry {number}", code, [given])


def read_table(path: Path, space: Space) -> GroundTruth:
    """Read the ground truth of a table in any known format.

    Raises:
        InvalidBenchmark: naming the place, if it has no accuracies, or its rows are at fault.
    """
    with opened(path) as contents:
        return _ground_truth(contents, space)


def builtin() -> dict[str, tuple[str, GroundTruth]]:
    """Return the benchmarks of this package by name, each with the name of its search space."""
    found = {}
    for source in sorted(files(__package__).iterdir(), key=lambda path: path.name):
        if source.name.endswith(".json"):
            with as_file(source) as path, opened(path) as contents:
                name = contents.header.space
                space = catalogue().get(name or "")
                if name is None or space is None:
                    raise InvalidBenchmark(f"{source.name}: unknown search space {name!r}")
                found[source.name.removesuffix(".json")] = (name, _ground_truth(contents, space))
    return found


def _ground_truth(contents: Contents, space: Space) -> GroundTruth:
    header = contents.header
    column = header.truth_column
    if column is None:
        raise InvalidBenchmark("the table has no column of accuracies")
    place = header.columns.index(column)
    entries: dict[str, Entry] = {}
    for row in checked_rows(contents, space):
        if row.architecture in entries:
            raise InvalidBenchmark(f"{row.place}: {row.architecture!r} is in the table already")
        value = row.values[place]
        if value is not None:
            entries[row.architecture] = Entry(value.mean, _known(value.seeds))
    return GroundTruth(
        entries=entries,
        num_seeds=len(column.seeds) or None,
        noise_ceiling=column.noise_ceiling,
        recipe=dict(header.recipe),
        dataset=column.dataset,
    )


def _known(seeds: Sequence[float | None] | None) -> tuple[float, ...] | None:
    return None if seeds is None else tuple(seed for seed in seeds if seed is not None)
