"""Latencies of candidates in words: their values, and what these rest on."""

from collections.abc import Sequence

from backend.runs.schemas import CandidateRead, RunRead
from nas.latency.sources.measured import MeasuredLatency


def latency_text(row: CandidateRead) -> str:
    """Return the latency of a candidate that has one, with the spread of a measured one."""
    spread = row.latency_spread_ms
    told = "" if spread is None else f" (interquartile range {spread:.3g} ms)"
    return f"{row.latency_ms:.4g} ms{told}"


def latency_conditions(run: RunRead, candidates: Sequence[CandidateRead]) -> str | None:
    """Return what the latencies of candidates rest on; None where they have none."""
    search = run.spec.search
    source = None if search is None else search.latency_source
    if source is None or all(row.latency_ms is None for row in candidates):
        return None
    if not isinstance(source, MeasuredLatency):
        return source.condition
    devices = list(dict.fromkeys(row.latency_device for row in candidates if row.latency_device))
    threads = run.spec.training.threads
    told = f"{threads} thread{'s' if threads > 1 else ''}, {source.condition}"
    if len(devices) > 1:
        return f"measured on several devices, which do not compare: {', '.join(devices)}; {told}"
    return f"measured on {devices[0]}, {told}"
