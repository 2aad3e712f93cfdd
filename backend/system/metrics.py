"""Prometheus metrics: most are read from the database when they are asked for."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.db import Database
from backend.models import Artifact, Job, Unit, WorkerSlot
from backend.runs.states import RUN_TRANSITIONS, UNIT_TRANSITIONS
from backend.runs.streams import EventHub
from backend.runs.waiting import slots


class DeploymentCollector(Collector):
    """Queue, slots and storage as the database knows them, and this process's open streams."""

    def __init__(self, db: Database, events: EventHub) -> None:
        self._db = db
        self._events = events

    def describe(self) -> list[Metric]:
        """Name nothing beforehand, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything in one transaction."""
        with self._db.reading() as session:
            runs = dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())
            units = dict(
                session.execute(select(Unit.state, func.count()).group_by(Unit.state)).all()
            )
            queued_at = session.scalar(
                select(func.min(Job.created_at)).where(Job.state == "queued")
            )
            stored = session.scalar(select(func.coalesce(func.sum(Artifact.num_bytes), 0)))
            known = session.scalar(select(func.count(WorkerSlot.name)))
            found = slots(session)
        yield _by_state(
            "efsnas_runs",
            "Runs and builds of benchmarks by state.",
            {s: runs.get(s, 0) for s in RUN_TRANSITIONS},
        )
        yield _by_state(
            "efsnas_units", "Units by state.", {s: units.get(s, 0) for s in UNIT_TRANSITIONS}
        )
        yield _by_state(
            "efsnas_worker_slots",
            "Worker slots by state.",
            {
                "busy": found.busy,
                "idle": found.alive - found.busy,
                "silent": (known or 0) - found.alive,
            },
        )
        yield GaugeMetricFamily(
            "efsnas_oldest_queued_run_age_seconds",
            "Age of the oldest queued run, 0 without one.",
            value=max(0.0, time.time() - queued_at.timestamp()) if queued_at else 0.0,
        )
        yield GaugeMetricFamily(
            "efsnas_artifact_bytes", "Bytes of recorded artifacts.", value=float(stored or 0)
        )
        yield GaugeMetricFamily(
            "efsnas_event_streams", "Open event streams.", value=self._events.num_readers
        )


def _by_state(name: str, help_text: str, counts: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family


class RequestTimer:
    """Measures the time to the first byte of every answer."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._seconds = Histogram(
            "efsnas_request_seconds",
            "Time to the first byte of an answer.",
            ["method", "status"],
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                taken = time.perf_counter() - begun
                self._seconds.labels(scope["method"], str(message["status"])).observe(taken)
            await send(message)

        await self._app(scope, receive, timed)
