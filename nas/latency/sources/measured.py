"""Latency that the search measures itself."""

from typing import Literal, final

from pydantic import Field

from nas.latency.sources.base import LatencySource


@final
class MeasuredLatency(LatencySource):
    """Time the full stand-alone network of each candidate, on the device that searches.

    The value is the median of repeated forward passes, with the interquartile range for its
    spread, in evaluation mode, float32 and `training.threads` threads.
    """

    kind: Literal["measured"] = "measured"
    batch_size: int = Field(1, ge=1, le=4096, description="Images per forward pass.")
    warm_up: int = Field(3, ge=0, le=1000, description="Passes before, which do not count.")
    repeats: int = Field(20, ge=2, le=10_000, description="Passes whose median is the latency.")

    @property
    def condition(self) -> str:
        return f"batch size {self.batch_size}, median of {self.repeats} runs"
