"""A slot's row: how people and the API see that a worker is there."""

import os
import secrets
import socket
import threading
from collections.abc import Callable

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DBAPIError

from backend.db import Database, db_now
from backend.models import Unit, WorkerSlot
from worker.devices import SlotDevice
from worker.vital import VitalThread

BEAT_SECONDS = 5.0

_log = structlog.get_logger(__name__)


def unique_name() -> str:
    """Return a name that no slot ever had: containers share process numbers."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Slot:
    """Announces one slot and keeps its row fresh, while it works as well as while it is idle.

    Args:
        db: the database.
        name: unique.
        device: what it computes on.
        held_back: tells why it begins no unit although there is work, None if nothing does.
    """

    def __init__(
        self, db: Database, name: str, device: SlotDevice, held_back: Callable[[], str | None]
    ) -> None:
        self._db = db
        self._name = name
        self._device = device
        self._held_back = held_back
        self._stopped = threading.Event()
        self._thread = VitalThread("heartbeat", self._beat)

    @property
    def died(self) -> bool:
        """The heartbeat ended by an error, so the slot looks silent whatever it does."""
        return self._thread.died

    def announce(self) -> None:
        """Insert the row and begin to keep it fresh."""
        with self._db.unit_of_work() as session:
            session.add(
                WorkerSlot(
                    name=self._name,
                    hostname=socket.gethostname(),
                    pid=os.getpid(),
                    device=self._device.title,
                    max_processes=self._device.max_processes,
                )
            )
        self._thread.start()

    def withdraw(self) -> None:
        """Remove the row."""
        self._stopped.set()
        self._thread.join()
        with self._db.unit_of_work() as session:
            session.execute(delete(WorkerSlot).where(WorkerSlot.name == self._name))

    def _beat(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            try:
                self.refresh()
            except DBAPIError as error:
                _log.warning("no heartbeat, the database does not answer", error=str(error.orig))

    def refresh(self) -> None:
        """Write the sign of life, the unit in work, and what holds the slot back."""
        executing = (
            select(func.min(Unit.id))
            .where(Unit.owner == self._name, Unit.state == "leased")
            .scalar_subquery()
        )
        with self._db.unit_of_work() as session:
            session.execute(
                update(WorkerSlot)
                .where(WorkerSlot.name == self._name)
                .values(seen_at=db_now(), unit_id=executing, held_back=self._held_back())
                .execution_options(synchronize_session=False)
            )
