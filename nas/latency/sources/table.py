"""Latency that is known already."""

from typing import Annotated, Literal, final

from pydantic import Field

from nas.latency.sources.base import LatencySource
from nas.names import Reference

LatencyColumnName = Annotated[str, Field(pattern="^([A-Za-z0-9][A-Za-z0-9._-]{0,99}/)?latency$")]


@final
class TableLatency(LatencySource):
    """Look latencies up in a column of a benchmark; what it does not know is never a candidate."""

    kind: Literal["table"] = "table"
    benchmark: Reference | None = Field(
        None, description="Its name, on the run's search space; null: the run's own."
    )
    column: LatencyColumnName | None = Field(
        None, description="Of latencies, such as cifar10/latency; null: the only one."
    )

    @property
    def condition(self) -> str:
        return f"from {self.benchmark or 'the benchmark'}, {self.column or 'latency'}"
