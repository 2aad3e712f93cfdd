"""Ground truth: the stand-alone accuracy of architectures, imported or shipped.

A table comes from CSV (columns `architecture,accuracy`, no seeds) or from the JSON files of this
package, which hold one accuracy per training seed and the recipe they were trained with.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from random import Random

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from nas.errors import InvalidBenchmark, UnknownArchitecture
from nas.ranking.metrics import kendall_tau
from nas.spaces import catalogue
from nas.spaces.base import Space

HEADER = ["architecture", "accuracy"]
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


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
    """A table of stand-alone results.

    Attributes:
        entries: by canonical architecture string.
        num_seeds: trainings per architecture; None if the table does not tell.
        noise_ceiling: agreement of the table with itself, see `noise_ceiling`; None if unknown.
        recipe: how the architectures were trained, for people.
    """

    entries: dict[str, Entry]
    num_seeds: int | None = None
    noise_ceiling: float | None = None
    recipe: dict[str, JsonValue] = field(default_factory=dict)


def read_csv(lines: Iterable[str], space: Space) -> GroundTruth:
    """Read a table of accuracies of architectures of `space`.

    Args:
        lines: CSV with the header `architecture,accuracy`; accuracy in percent.
        space: that the architectures must belong to.

    Raises:
        InvalidBenchmark: naming the line, if the header differs, a row is malformed, its
            architecture is unknown or repeated, its accuracy is no number of 0 to 100, or there
            is no row at all.
    """
    # A byte order mark precedes the header in files saved by spreadsheets.
    rows = csv.reader(line.removeprefix("\ufeff") for line in lines)
    try:
        header = next(rows, [])
        if [name.strip() for name in header] != HEADER:
            raise InvalidBenchmark(f"line 1: expected the columns {HEADER}, found {header}")
        entries: dict[str, Entry] = {}
        for row in rows:
            if row:
                _add_row(entries, row, rows.line_num, space)
    except csv.Error as error:
        raise InvalidBenchmark(f"line {rows.line_num}: {error}") from error
    if not entries:
        raise InvalidBenchmark("the table holds no architecture")
    return GroundTruth(entries=entries)


def noise_ceiling(
    values: Mapping[str, Sequence[float]], *, seed: int, num_splits: int = 100
) -> float:
    """Return how well the table orders architectures as it would order them again.

    It is the mean tau-b between the means of two disjoint random halves of the seeds; with an odd
    number of seeds each split leaves one out.

    Args:
        values: accuracy per training seed of each valid architecture; at least two seeds, the
            same number everywhere.
        seed: of the splits.
        num_splits: random splits to average over.

    Raises:
        InvalidBenchmark: if there are too few seeds or architectures, or all means are equal.
    """
    counts = {len(seeds) for seeds in values.values()}
    if len(counts) != 1 or min(counts) < 2:
        raise InvalidBenchmark(
            "a noise ceiling needs two or more seeds, the same number for every architecture; "
            f"found {sorted(counts)}"
        )
    accuracy_AS = np.array(list(values.values()), dtype=np.float64)
    num_seeds = counts.pop()
    half = num_seeds // 2
    rng = Random(seed)
    taus = []
    for _ in range(num_splits):
        shuffled = rng.sample(range(num_seeds), num_seeds)
        first_A = accuracy_AS[:, shuffled[:half]].mean(axis=1)
        second_A = accuracy_AS[:, shuffled[half : 2 * half]].mean(axis=1)
        tau = kendall_tau(first_A, second_A)
        if tau is None:
            raise InvalidBenchmark(
                f"{len(values)} architectures have no noise ceiling: it needs three or more, "
                "whose means differ"
            )
        taus.append(tau)
    return math.fsum(taus) / num_splits


def builtin() -> dict[str, tuple[str, GroundTruth]]:
    """Return the benchmarks of this package by name, each with the name of its search space."""
    folder = files(__package__)
    paths = sorted(
        (path for path in folder.iterdir() if path.name.endswith(".json")),
        key=lambda path: path.name,
    )
    return {
        path.name.removesuffix(".json"): read_json(path.read_text(encoding="utf-8"))
        for path in paths
    }


def read_json(text: str) -> tuple[str, GroundTruth]:
    """Read a table with seeds of a built-in search space; return the space's name and the table.

    Raises:
        InvalidBenchmark: if the text does not fit the format or the space.
    """
    try:
        table = _Table.model_validate_json(text)
    except ValidationError as error:
        raise InvalidBenchmark(f"not a benchmark: {error}") from error
    space = catalogue().get(table.space)
    if space is None:
        raise InvalidBenchmark(f"unknown search space {table.space!r}")
    for code, values in table.entries.items():
        _check_code(code, space)
        if len(values) != len(table.seeds):
            raise InvalidBenchmark(f"{code}: {len(values)} values for {len(table.seeds)} seeds")
    entries = {
        code: Entry(accuracy=math.fsum(values) / len(values), seeds=values)
        for code, values in table.entries.items()
    }
    return table.space, GroundTruth(
        entries=entries,
        num_seeds=len(table.seeds),
        noise_ceiling=table.noise_ceiling,
        recipe={"dataset": table.dataset, **table.recipe},
    )


class _Table(BaseModel):
    """The JSON format of a benchmark with seeds; accuracies in percent."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    space: str
    dataset: str
    recipe: dict[str, JsonValue]
    seeds: tuple[int, ...] = Field(min_length=1)
    noise_ceiling: float
    entries: dict[str, tuple[float, ...]] = Field(min_length=1)


def _add_row(entries: dict[str, Entry], row: list[str], line: int, space: Space) -> None:
    if len(row) != len(HEADER):
        raise InvalidBenchmark(f"line {line}: expected {len(HEADER)} columns, found {len(row)}")
    code, text = (cell.strip() for cell in row)
    try:
        _check_code(code, space)
    except InvalidBenchmark as error:
        raise InvalidBenchmark(f"line {line}: {error}") from error
    if code in entries:
        raise InvalidBenchmark(f"line {line}: {code!r} is in the table already")
    # Python reads further things as numbers, 1_0 among them.
    accuracy = float(text) if NUMBER.fullmatch(text) else math.nan
    if not 0 <= accuracy <= 100:
        raise InvalidBenchmark(f"line {line}: accuracy {text!r} is no percentage (0 to 100)")
    entries[code] = Entry(accuracy=accuracy)


def _check_code(code: str, space: Space) -> None:
    try:
        space.decode(code)
    except UnknownArchitecture as error:
        raise InvalidBenchmark(str(error)) from error
