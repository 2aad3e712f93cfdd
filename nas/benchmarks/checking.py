"""Checks of a table's rows: known architectures, finite values within bounds, one unit.

What is only missing is no fault. Repeated architectures are found by whoever keeps the rows.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nas.benchmarks.columns import UNITS, Column
from nas.benchmarks.contents import Contents, Given, Row
from nas.errors import InvalidBenchmark, UnknownArchitecture
from nas.spaces.base import Space
from nas.spaces.forms import DEAD, normal_form

MAX_SAID = 1000


class Value(NamedTuple):
    """One result, in the metric's own unit.

    Attributes:
        mean: over the seeds that are known.
        seeds: per seed of the column, None where it is not known; None without seeds.
    """

    mean: float
    seeds: tuple[float | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """One architecture and what is known of it.

    Attributes:
        place: of the row, for people.
        architecture: its canonical string.
        valid: whether its output depends on its input.
        count: its nonlinearity count.
        form: see `nas.spaces.forms.normal_form`.
        values: per column; at least one is not None.
    """

    place: str
    architecture: str
    valid: bool
    count: int
    form: str
    values: tuple[Value | None, ...]


def checked_rows(contents: Contents, space: Space) -> Iterator[CheckedRow]:
    """Yield the rows that hold a result; those without any are checked and left out.

    Nothing may be kept for good before the last row was yielded: a table that mixes percent with
    fractions is refused at its end.

    Raises:
        InvalidBenchmark: naming the place, if an architecture is unknown, or a value is not
            finite, out of bounds, or not of the unit of the others; or if nothing is known.
    """
    cells = [_Cells(column) for column in contents.header.columns]
    for row in contents.rows:
        try:
            made = _checked(row, cells, space)
        except UnknownArchitecture as error:
            raise InvalidBenchmark(f"{row.place}: {_short(str(error))}") from error
        if made is not None:
            yield made
    if not any(column.num_known for column in cells):
        raise InvalidBenchmark("the table holds no result of any architecture")
    for column in cells:
        column.finish()


def _short(text: str) -> str:
    """Return what people read of a text, which may repeat a whole line of a file."""
    return (
        text if len(text) <= MAX_SAID else f"{text[: MAX_SAID // 2]} ... {text[-MAX_SAID // 2 :]}"
    )


def _checked(row: Row, cells: Sequence["_Cells"], space: Space) -> CheckedRow | None:
    architecture = space.decode(row.architecture)
    values = tuple(
        column.read(given, row.place) for column, given in zip(cells, row.values, strict=True)
    )
    if all(value is None for value in values):
        return None
    form = normal_form(space, architecture)
    return CheckedRow(
        place=row.place,
        architecture=row.architecture,
        valid=form != DEAD,
        count=space.nonlinearity_count(architecture),
        form=form,
        values=values,
    )


@dataclass(slots=True)
class _Cells:
    """The cells of one column, and what was seen of them.

    Attributes:
        low: the first accuracy above 0 that could be a fraction, as it is written, and its place.
        high: likewise the first that could not.
    """

    column: Column
    num_known: int = 0
    low: tuple[float, str] | None = None
    high: tuple[float, str] | None = None

    def read(self, given: Given, place: str) -> Value | None:
        """Return what a cell holds, None for nothing."""
        seeds = self.column.seeds
        if given is None:
            return None
        if isinstance(given, float):
            if seeds:
                raise InvalidBenchmark(
                    f"{place}: {self.column.name} has one value, where {len(seeds)} are needed, "
                    "one per seed"
                )
            self.num_known += 1
            return Value(self._value(given, place))
        if len(given) != len(seeds):
            raise InvalidBenchmark(
                f"{place}: {self.column.name} has {len(given)} values for {len(seeds)} seeds"
            )
        values = tuple(None if value is None else self._value(value, place) for value in given)
        known = [value for value in values if value is not None]
        if not known:
            return None
        self.num_known += 1
        return Value(math.fsum(known) / len(known), values)

    def finish(self) -> None:
        """Refuse accuracies of which the unit is not certain."""
        if self.column.metric != "accuracy" or self.column.unit is not None or not self.num_known:
            return
        name = self.column.name
        remedy = (
            f"say which unit it is: name the column '{name} [percent]' or '{name} [fraction]', or "
            "give the unit with the import"
        )
        if self.high is None:
            example = "" if self.low is None else f" ({self.low[1]}: {self.low[0]})"
            raise InvalidBenchmark(
                f"no {name} is above 1{example}, so they look like fractions, and percent is "
                f"expected; {remedy}"
            )
        if self.low is not None:
            raise InvalidBenchmark(
                f"{self.low[1]}: {name} {self.low[0]} looks like a fraction, and {self.high[1]}: "
                f"{self.high[0]} like percent; if both are one unit, {remedy}"
            )

    def _value(self, given: float, place: str) -> float:
        column, unit = self.column, UNITS[self.column.metric]
        # Without the rounding 0.9437 would become 94.36999999999999.
        value = given if column.factor == 1 else float(f"{given * column.factor:.12g}")
        if not math.isfinite(value) or not unit.lowest <= value <= unit.highest:
            said = column.unit or unit.name
            factor = column.factor
            bounds = f"{unit.lowest / factor:g} to {unit.highest / factor:g}"
            raise InvalidBenchmark(
                f"{place}: {column.name} {given} is no finite number of {bounds} ({said}); leave "
                "out what is not known"
            )
        if given > 1:
            self.high = self.high or (given, place)
        elif given > 0:
            self.low = self.low or (given, place)
        return value
