"""Live events for any number of readers at the cost of one.

One task per process looks for new rows and hands them out, so an open stream holds neither a
database connection nor a thread. A reader that joins late, or again, is first given what it
missed: replay and tail are the same query, from the reader's own position.

Ids of one run rise in the order in which they are committed (`backend.runs.states`), so a
position per run never skips a row; a position over all runs could.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from starlette.concurrency import run_in_threadpool

from backend.db import Database
from backend.runs import results
from backend.runs.schemas import EventRead

BATCH = 500
"""Most events that one look gives one reader; the next look continues."""

MAX_WAITING = 2
"""A reader that has not taken this many batches is given no more until it has."""

_log = structlog.get_logger(__name__)

Position = tuple[int, int]  # run id, last event id


@dataclass(eq=False)
class _Reader:
    run_id: int
    after_id: int
    waiting: asyncio.Queue[Sequence[EventRead]] = field(default_factory=asyncio.Queue)

    @property
    def position(self) -> Position:
        return self.run_id, self.after_id


class EventHub:
    """Tails the history of every run that somebody is reading.

    Args:
        db: where the events are.
        poll_seconds: pause between two looks.
    """

    def __init__(self, db: Database, poll_seconds: float) -> None:
        self._db = db
        self._poll_seconds = poll_seconds
        self._readers: set[_Reader] = set()
        self._joined = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def num_readers(self) -> int:
        """Number of open streams."""
        return len(self._readers)

    @asynccontextmanager
    async def reading(
        self, run_id: int, after_id: int
    ) -> AsyncIterator[AsyncIterator[Sequence[EventRead]]]:
        """Open the endless stream of a run's events beyond `after_id`, some at a time."""
        reader = _Reader(run_id, after_id)
        self._readers.add(reader)
        self._joined.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tail())
        try:
            yield self._batches(reader)
        finally:
            self._readers.discard(reader)

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _batches(self, reader: _Reader) -> AsyncIterator[Sequence[EventRead]]:
        while True:
            yield await reader.waiting.get()

    async def _tail(self) -> None:
        while self._readers:
            # Somebody who joins while the database is being read is served by another look.
            self._joined.clear()
            await self._look()
            try:
                await asyncio.wait_for(self._joined.wait(), self._poll_seconds)
            except TimeoutError:
                continue

    async def _look(self) -> None:
        hungry = [reader for reader in self._readers if reader.waiting.qsize() < MAX_WAITING]
        try:
            found = await run_in_threadpool(self._read, {reader.position for reader in hungry})
        except Exception:
            # The task must outlive a database that is away for a moment: every open stream hangs
            # on it. The positions stay, so nothing is missed.
            _log.exception("events cannot be read, trying again")
            return
        for reader in hungry:
            batch = found[reader.position]
            if batch:
                reader.waiting.put_nowait(batch)
                reader.after_id = batch[-1].id

    def _read(self, positions: set[Position]) -> Mapping[Position, Sequence[EventRead]]:
        found: dict[Position, Sequence[EventRead]] = defaultdict(tuple)
        with self._db.reading() as session:
            for run_id, after_id in positions:
                found[run_id, after_id] = results.events(session, run_id, after_id, BATCH)
        return found
