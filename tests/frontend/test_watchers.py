"""Fifty people watch one run: the server stays quick, and everybody hears everything."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import httpx

from backend.db import Database
from backend.runs.states import append_event, lock_run
from tests.frontend.seeding import SeededRun, small_spec
from tests.support import wait_until

NUM_STREAMS = 50
NUM_REQUESTS = 100
LAST = "This is the last event."


class Listener:
    """Reads a run's stream in an event loop, up to the last event."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self.heard: list[str] = []
        self.ended = 0.0
        self._client, self._url = client, url

    async def listen(self) -> None:
        async with self._client.stream("GET", self._url) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    self.heard.append(json.loads(line.removeprefix("data: "))["message"])
                    if self.heard[-1] == LAST:
                        self.ended = time.monotonic()
                        return


def say(db: Database, run_id: int, message: str) -> None:
    with db.unit_of_work() as session:
        append_event(session, lock_run(session, run_id), "log", message)


@contextmanager
def events_every_50_ms(db: Database, run_id: int) -> Iterator[list[str]]:
    """Write events from another thread; yield those written so far."""
    written: list[str] = []
    enough = threading.Event()

    def write() -> None:
        while not enough.wait(0.05):
            say(db, run_id, f"event {len(written)}")
            written.append(f"event {len(written)}")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        enough.set()
        thread.join()


async def health_seconds(client: httpx.AsyncClient, address: str) -> float:
    begun = time.monotonic()
    assert (await client.get(f"{address}/healthz")).status_code == 200
    return time.monotonic() - begun


def test_fifty_streams_that_are_written_to_leave_the_health_check_under_200_ms(
    address: str, served_db: Database
):
    run_id = SeededRun(served_db, small_spec()).create().run_id

    async def scenario() -> tuple[list[float], str, list[str], list[Listener], float]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:
            url = f"{address}/api/v1/runs/{run_id}/events"
            listeners = [Listener(client, url) for _ in range(NUM_STREAMS)]
            tasks = [asyncio.create_task(listener.listen()) for listener in listeners]
            while not all(listener.heard for listener in listeners):
                await asyncio.sleep(0.02)
            with events_every_50_ms(served_db, run_id) as written:
                seconds = []
                for _ in range(NUM_REQUESTS):
                    seconds.append(await health_seconds(client, address))
                    await asyncio.sleep(0.02)
                metrics = (await client.get(f"{address}/metrics")).text
            said = time.monotonic()
            say(served_db, run_id, LAST)
            await asyncio.wait_for(asyncio.gather(*tasks), timeout=60)
            return seconds, metrics, written, listeners, said

    seconds, metrics, written, listeners, said = asyncio.run(scenario())
    assert f"efsnas_event_streams {NUM_STREAMS:.1f}" in metrics
    assert len(seconds) == NUM_REQUESTS
    assert median(seconds) < 0.2
    assert len(written) >= 10
    for listener in listeners:
        assert listener.heard == ["Run queued.", *written, LAST]
    assert median(listener.ended - said for listener in listeners) < 3
    wait_until(
        lambda: "efsnas_event_streams 0.0" in httpx.get(f"{address}/metrics").text,
        seconds=20,
        what="the closed streams are let go",
    )
