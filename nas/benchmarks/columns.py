"""What a benchmark measures: its columns, each a metric on a dataset, and their units.

Values are kept in one unit per metric, whatever unit a file has them in.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from nas.errors import InvalidBenchmark

Metric = Literal["accuracy", "loss", "flops", "parameters", "latency", "training-time"]
AccuracyUnit = Literal["percent", "fraction"]

METRICS: tuple[Metric, ...] = get_args(Metric)
DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MAX_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Unit:
    """How a metric is measured.

    Attributes:
        name: of the unit that values are kept in; the key of the factor 1 in `factors`.
        factors: by the names of the units of files, what to multiply their values with.
        lowest: that a value may be, as kept.
        highest: likewise.
    """

    name: str
    factors: Mapping[str, float]
    lowest: float = 0.0
    highest: float = float("inf")


UNITS: Mapping[Metric, Unit] = {
    "accuracy": Unit("percent", {"percent": 1.0, "fraction": 100.0}, highest=100.0),
    "loss": Unit("nats", {"nats": 1.0}, lowest=-float("inf")),
    "flops": Unit("multiply-adds", {"multiply-adds": 1.0, "M": 1e6, "G": 1e9}),
    "parameters": Unit("parameters", {"parameters": 1.0, "M": 1e6}),
    "latency": Unit("ms", {"ms": 1.0, "s": 1e3, "us": 1e-3}),
    "training-time": Unit("s", {"s": 1.0, "min": 60.0, "h": 3600.0}),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One kind of result of a benchmark.

    Attributes:
        metric: what was measured.
        dataset: on which; None where the table does not tell.
        unit: of the values in the file; None where the file does not say, which is the metric's
            own unit, but for an accuracy has to be made out.
        seeds: names of the trainings, in the order of a result's values; empty if there is one
            value, of which it is not known how many trainings it is the mean of.
        noise_ceiling: of accuracies, where whoever made the table computed it; None: it is
            computed from the seeds, or unknown without them.
    """

    metric: Metric
    dataset: str | None = None
    unit: str | None = None
    seeds: tuple[int, ...] = ()
    noise_ceiling: float | None = None

    @property
    def name(self) -> str:
        """`dataset/metric`, or the metric alone; unique in a benchmark."""
        return self.metric if self.dataset is None else f"{self.dataset}/{self.metric}"

    @property
    def factor(self) -> float:
        """What to multiply the file's values with."""
        units = UNITS[self.metric]
        return units.factors[self.unit or units.name]


def make_column(
    metric: str, dataset: str | None, unit: str | None, seeds: tuple[int, ...] = ()
) -> Column:
    """Return a column of what a file says of it.

    Raises:
        InvalidBenchmark: if the metric or its unit is unknown, the dataset is no name, or a seed
            is there twice; with what is known.
    """
    known = next((name for name in METRICS if name == metric), None)
    if known is None:
        raise InvalidBenchmark(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")
    if dataset is not None and not DATASET.fullmatch(dataset):
        raise InvalidBenchmark(
            f"{dataset!r} is no name of a dataset: letters, digits, '.', '_' and '-', at most 100"
        )
    if unit is not None and unit not in UNITS[known].factors:
        units = ", ".join(UNITS[known].factors)
        raise InvalidBenchmark(f"{metric} has no unit {unit!r}; known: {units}")
    if len(set(seeds)) != len(seeds):
        raise InvalidBenchmark(f"{metric}: each seed may be named once, got {list(seeds)}")
    return Column(known, dataset, unit, seeds)


def check_columns(columns: tuple[Column, ...]) -> None:
    """Refuse a table whose columns cannot be told apart.

    Raises:
        InvalidBenchmark: if there is none, there are too many, or two have the same name.
    """
    names = [column.name for column in columns]
    if not names:
        raise InvalidBenchmark("the table has no column of results beside the architectures")
    if len(names) > MAX_COLUMNS:
        raise InvalidBenchmark(f"{len(names)} columns of results; at most {MAX_COLUMNS} are read")
    for name in names:
        if names.count(name) > 1:
            raise InvalidBenchmark(f"two columns of results are named {name!r}")
