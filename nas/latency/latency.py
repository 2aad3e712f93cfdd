"""What is known of how long an architecture takes."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from nas.spaces.base import Architecture

LatencyTable = Mapping[Architecture, float]
"""Milliseconds of valid architectures, always in the same order."""


class Latency(BaseModel):
    """Of one forward pass of the full stand-alone network, in evaluation mode.

    Attributes:
        ms: milliseconds; the median where it was measured.
        spread_ms: interquartile range of the runs; None where it comes from a table.
        device: that it was measured on, for people; likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ms: float = Field(ge=0)
    spread_ms: float | None = Field(None, ge=0)
    device: str | None = None


class MeasuredArchitecture(BaseModel):
    """An architecture and what it took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    latency: Latency
