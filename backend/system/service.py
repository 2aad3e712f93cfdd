"""Whether the parts of a deployment answer, and which worker slots there are."""

import os
import secrets
import tempfile
from typing import Literal

import redis
from sqlalchemy import delete, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend import migrate
from backend.db import Database, db_now
from backend.models import IdempotencyKey, Unit, WorkerSlot
from backend.runs.waiting import SLOT_SEEN_SECONDS
from backend.settings import Settings
from backend.storage import is_full
from backend.system.schemas import Readiness, WorkerRead

PING_SECONDS = 2.0
PROBE_BYTES = 2**16
"""What must fit for the storage to count as writable."""

Storage = Literal["writable", "full", "not writable"]


def readiness(db: Database, settings: Settings) -> Readiness:
    """Ask the database, its schema's revision, Redis, and the storage."""
    try:
        with db.reading() as session:
            session.execute(text("SELECT 1"))
        answers, current = True, migrate.current(db.engine) == migrate.head()
    except SQLAlchemyError:
        answers = current = False
    return Readiness(
        database=answers,
        schema_current=current,
        redis=_redis_answers(settings.redis_url) if settings.redis_url else None,
        storage=_storage(db, settings) if current else None,
    )


def workers(session: Session) -> list[WorkerRead]:
    """Return every slot that ever announced itself and was not removed, by name."""
    seen = (WorkerSlot.seen_at > db_now(-SLOT_SEEN_SECONDS)).label("seen")
    rows = session.execute(
        select(WorkerSlot, Unit, seen)
        .outerjoin(Unit, Unit.id == WorkerSlot.unit_id)
        .order_by(WorkerSlot.name)
    )
    return [
        WorkerRead(
            name=slot.name,
            hostname=slot.hostname,
            pid=slot.pid,
            device=slot.device,
            max_processes=slot.max_processes,
            held_back=slot.held_back,
            state="silent" if not alive else "busy" if unit is not None else "idle",
            run_id=unit.run_id if unit is not None else None,
            unit=unit.key if unit is not None else None,
            started_at=slot.started_at,
            seen_at=slot.seen_at,
        )
        for slot, unit, alive in rows
    ]


def _storage(db: Database, settings: Settings) -> Storage:
    """Write something to the database and to the artifact folder, and remove it."""
    try:
        _write_row(db)
        _write_file(settings)
    except (OSError, SQLAlchemyError) as error:
        return "full" if is_full(error) else "not writable"
    return "writable"


def _write_row(db: Database) -> None:
    key = f"probe-{secrets.token_hex(8)}"
    with db.unit_of_work() as session:
        session.add(
            IdempotencyKey(
                key=key,
                endpoint="GET readyz",
                body_sha256="",
                status=0,
                response={"padding": "x" * PROBE_BYTES},
            )
        )
        session.flush()
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.key == key))


def _write_file(settings: Settings) -> None:
    folder = settings.artifact_folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-") as file:
        file.write(bytes(PROBE_BYTES))
        file.flush()
        # Some file systems find out that they are full only now.
        os.fsync(file.fileno())


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=PING_SECONDS, socket_timeout=PING_SECONDS
        ) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
