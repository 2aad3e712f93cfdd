"""A table as a file holds it: its columns, and rows that are read one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pydantic import JsonValue

from nas.benchmarks.columns import AccuracyUnit, Column, check_columns, make_column
from nas.errors import InvalidBenchmark

Given = float | Sequence[float | None] | None
"""What a file says in one cell: a value, one per seed, or nothing."""


class Row(NamedTuple):
    """One architecture as the file has it, in the file's units.

    Attributes:
        place: of the row, for people: `line 3`.
        architecture: as it is written.
        values: per column; not checked to be finite or within bounds.
    """

    place: str
    architecture: str
    values: Sequence[Given]


@dataclass(frozen=True, slots=True)
class Header:
    """What a table says before its rows.

    Attributes:
        columns: of results.
        truth: name of the column that is the ground truth; None: the first accuracy.
        space: name of the search space; None where the table does not tell.
        recipe: how the architectures were trained, for people.

    Raises:
        InvalidBenchmark: if there is no column or too many, two have the same name, or the truth
            is no accuracy among them.
    """

    columns: tuple[Column, ...]
    truth: str | None = None
    space: str | None = None
    recipe: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_columns(self.columns)
        accuracies = [column.name for column in self.columns if column.metric == "accuracy"]
        if self.truth is not None and self.truth not in accuracies:
            known = ", ".join(accuracies) or "none"
            raise InvalidBenchmark(
                f"truth {self.truth!r} is no column of accuracies of the table; known: {known}"
            )

    @property
    def truth_column(self) -> Column | None:
        """The column that is the ground truth; None if no accuracy was measured."""
        accuracies = (column for column in self.columns if column.metric == "accuracy")
        chosen = (column for column in self.columns if column.name == self.truth)
        return next(chosen if self.truth is not None else accuracies, None)

    def completed(
        self, *, dataset: str | None, unit: AccuracyUnit | None, truth: str | None
    ) -> "Header":
        """Return the header with what the file leaves open; what it says itself stays.

        Args:
            dataset: of the columns that name none.
            unit: of the accuracies whose unit is not given.
            truth: name of the ground truth's column, whatever the file says.

        Raises:
            InvalidBenchmark: as for a header.
        """
        columns = []
        chosen = self.truth
        for column in self.columns:
            made = column
            if dataset is not None and column.dataset is None:
                make_column(column.metric, dataset, column.unit)
                made = replace(made, dataset=dataset)
            if unit is not None and column.metric == "accuracy" and column.unit is None:
                made = replace(made, unit=unit)
            if column.name == self.truth:
                chosen = made.name
            columns.append(made)
        return replace(self, columns=tuple(columns), truth=truth or chosen)


@dataclass(frozen=True, slots=True)
class Contents:
    """A table that is being read.

    Attributes:
        header: what comes before the rows.
        rows: in the order of the file, to be read once; few of them are in memory at a time, and
            reading on raises `InvalidBenchmark` naming the place at fault.
    """

    header: Header
    rows: Iterator[Row]
