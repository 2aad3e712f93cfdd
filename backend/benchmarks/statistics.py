"""What is told of a column when it is imported: coverage, distribution, twins, noise ceiling."""

import json
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from math import floor
from random import Random
from typing import Any

from backend.benchmarks.staging import Staged
from nas.benchmarks.noise import noise_ceiling
from nas.errors import InvalidBenchmark

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
TWIN_TOLERANCE = 1.0
"""Percentage points that trainings of the same network may lie apart without being told of."""
MOST_EXAMPLES = 3
MAX_NOISE_ARCHITECTURES = 20_000
"""Every split of the seeds sorts all of them."""
NOISE_SEED = 0


@dataclass(frozen=True, slots=True)
class CountStatistics:
    """Results of the architectures with one nonlinearity count.

    Attributes:
        known: of how many there is a value.
        valid: how many of these are valid.
        quantiles: lowest, quartiles and highest of the valid ones; empty without any.
    """

    count: int
    known: int
    valid: int
    quantiles: list[float]


@dataclass(frozen=True, slots=True)
class Twins:
    """How far accuracies of the same network lie apart that is written in several ways.

    Attributes:
        groups: networks that are in the table under two or more strings.
        architectures: strings of these.
        disagreeing: groups that lie further apart than `tolerance`.
        tolerance: in percentage points.
        largest: distance between the highest and the lowest value of a group.
        examples: the groups furthest apart: lowest and highest, each with its value.
    """

    groups: int
    architectures: int
    disagreeing: int
    tolerance: float
    largest: float
    examples: list[dict[str, Any]]  # Any: two strings and two numbers


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """One column; the attributes are those of the table `benchmark_columns`."""

    num_known: int
    num_valid: int
    lowest: float | None
    highest: float | None
    noise_ceiling: float | None
    noise_architectures: int | None
    by_count: list[CountStatistics]
    twins: Twins | None

    def row(self) -> dict[str, Any]:  # Any: columns of several types
        """Return the columns of the database."""
        return asdict(self)


def column_statistics(table: Staged, position: int) -> ColumnStatistics:
    """Return what there is to tell of the column at `position`."""
    column = table.header.columns[position]
    value = f"v{position}"
    num_known, num_valid, lowest, highest = table.one(
        f"SELECT COUNT({value}), COALESCE(SUM(valid), 0), MIN({value}), MAX({value}) "
        f"FROM entries WHERE {value} IS NOT NULL"
    )
    ceiling, architectures = column.noise_ceiling, None
    if ceiling is None and column.metric == "accuracy" and len(column.seeds) > 1:
        ceiling, architectures = _noise_ceiling(table, position)
    return ColumnStatistics(
        num_known=int(num_known),
        num_valid=int(num_valid),
        lowest=lowest,
        highest=highest,
        noise_ceiling=ceiling,
        noise_architectures=architectures,
        by_count=_by_count(table, value),
        twins=_twins(table, value) if column.metric == "accuracy" else None,
    )


def _by_count(table: Staged, value: str) -> list[CountStatistics]:
    counts = table.each(
        f"SELECT count, COUNT(*), SUM(valid) FROM entries WHERE {value} IS NOT NULL "
        "GROUP BY count ORDER BY count"
    )
    return [
        CountStatistics(
            count=int(count),
            known=int(known),
            valid=int(valid),
            quantiles=[_quantile(table, value, int(count), int(valid), q) for q in QUANTILES]
            if valid
            else [],
        )
        for count, known, valid in list(counts)
    ]


def _quantile(table: Staged, value: str, count: int, number: int, quantile: float) -> float:
    """Return a quantile of valid values, linear between the two nearest."""
    place = quantile * (number - 1)
    below = floor(place)
    near = [
        float(found)
        for (found,) in table.each(
            f"SELECT {value} FROM entries WHERE count = ? AND valid AND {value} IS NOT NULL "
            f"ORDER BY {value} LIMIT 2 OFFSET ?",
            count,
            below,
        )
    ]
    return near[0] if place == below else near[0] + (place - below) * (near[1] - near[0])


def _twins(table: Staged, value: str) -> Twins | None:
    groups = (
        f"SELECT form, COUNT(*) AS size, MAX({value}) - MIN({value}) AS gap FROM entries "
        f"WHERE {value} IS NOT NULL GROUP BY form HAVING size > 1"
    )
    number, architectures, disagreeing, largest = table.one(
        "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(gap > ?), 0), MAX(gap) "
        f"FROM ({groups})",
        TWIN_TOLERANCE,
    )
    if not number:
        return None
    furthest = list(
        table.each(f"SELECT form FROM ({groups}) ORDER BY gap DESC, form LIMIT {MOST_EXAMPLES}")
    )
    return Twins(
        groups=int(number),
        architectures=int(architectures),
        disagreeing=int(disagreeing),
        tolerance=TWIN_TOLERANCE,
        largest=largest,
        examples=[_example(table, value, form) for (form,) in furthest] if disagreeing else [],
    )


def _example(
    table: Staged, value: str, form: object
) -> dict[str, Any]:  # Any: two strings and two numbers
    def end(order: str) -> Sequence[Any]:  # Any: of two types
        return table.one(
            f"SELECT architecture, {value} FROM entries WHERE form = ? AND {value} IS NOT NULL "
            f"ORDER BY {value} {order}, architecture LIMIT 1",
            form,
        )

    (lower, lowest), (higher, highest) = end("ASC"), end("DESC")
    return {"lower": lower, "lowest": lowest, "higher": higher, "highest": highest}


def _noise_ceiling(table: Staged, position: int) -> tuple[float | None, int | None]:
    """Return the noise ceiling and of how many architectures; None where it is unknown.

    Those count that are valid and known for every seed; of very many a sample, drawn uniformly.
    """
    rows = f"FROM entries WHERE valid AND s{position} IS NOT NULL"
    complete = f"{rows} AND s{position} NOT LIKE '%null%'"
    number = int(table.one(f"SELECT COUNT(*) {complete}")[0])
    chosen: Container[int] = range(number)
    if number > MAX_NOISE_ARCHITECTURES:
        chosen = frozenset(Random(NOISE_SEED).sample(range(number), MAX_NOISE_ARCHITECTURES))
    found = table.each(f"SELECT architecture, s{position} {complete} ORDER BY architecture")
    values = {
        str(architecture): json.loads(str(seeds))
        for place, (architecture, seeds) in enumerate(found)
        if place in chosen
    }
    try:
        return round(noise_ceiling(values, seed=NOISE_SEED), 4), len(values)
    except InvalidBenchmark:
        return None, None
