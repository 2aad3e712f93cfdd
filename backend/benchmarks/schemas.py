"""What the API says about benchmarks."""

from datetime import datetime
from typing import Any

from backend.runs.schemas import ReadModel


class BenchmarkRead(ReadModel):
    """One version of a table of stand-alone results."""

    name: str
    version: int
    space: str  # name@version
    num_entries: int
    num_valid: int
    num_seeds: int | None  # null: unknown
    noise_ceiling: float | None  # null: unknown, because the table came without seeds
    recipe: dict[str, Any]  # Any: free-form, for people
    sha256: str  # of the content
    created_at: datetime


class EntryRead(ReadModel):
    """The stand-alone result of one architecture."""

    architecture: str
    accuracy: float  # percent, mean over the seeds
    seeds: list[float] | None  # percent per training seed; null: unknown
    valid: bool
