"""What a search has measured, and what it says at its end, as rows."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from backend.models import LatencyRow, Unit
from backend.runs.states import append_event
from nas.events import Event, LatencyMeasured, SearchRemarked
from nas.latency.latency import Latency
from nas.latency.meter import device_title
from worker.upsert import upsert


def latency_columns(latency: Latency | None) -> dict[str, float | str | None]:
    """Return the columns of a latency in any table that has them; null without one."""
    return {
        "latency_ms": None if latency is None else latency.ms,
        "latency_spread_ms": None if latency is None else latency.spread_ms,
        "latency_device": None if latency is None else latency.device,
    }


@dataclass(slots=True)
class MeasuredLatencies:
    """The latencies and remarks of one attempt that are not stored yet."""

    _measured: list[LatencyMeasured] = field(default_factory=list)
    _remarks: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Gather one event."""
        match event:
            case LatencyMeasured():
                self._measured.append(event)
            case SearchRemarked():
                self._remarks.append(event.text)

    def write(self, session: Session, unit: Unit) -> list[str]:
        """Store what was gathered; return the tables that have new rows."""
        for text in self._remarks:
            append_event(session, unit, "log", f"{unit.key}: {text}.")
        self._remarks.clear()
        if not self._measured:
            return []
        rows = [
            {
                "run_id": unit.run_id,
                "architecture": event.architecture,
                "number": event.number,
                **latency_columns(event.latency),
            }
            for event in self._measured
        ]
        upsert(session, LatencyRow, ("run_id", "architecture"), rows)
        self._measured.clear()
        return ["latencies"]


def other_devices(unit: Unit, measured: Iterable[Latency], device: str) -> list[tuple[str, str]]:
    """Return, as level and text, that a search goes on with measurements on another device.

    Args:
        unit: the search.
        measured: what earlier attempts have measured.
        device: a torch device, that this attempt measures on.
    """
    here = device_title(device)
    others = sorted({one.device for one in measured if one.device is not None} - {here})
    if not others:
        return []
    text = (
        f"{unit.key}: earlier latencies were measured on {', '.join(others)}, and the others will be "
        f"on {here}: they do not compare."
    )
    return [("warning", text)]
