"""What the server says about itself."""

from datetime import datetime
from typing import Literal

from backend.runs.schemas import ReadModel


class Health(ReadModel):
    """The process answers."""

    status: Literal["ok"]


class Readiness(ReadModel):
    """Whether each part that a request may need answers."""

    database: bool
    schema_current: bool
    redis: bool | None  # null: none is configured, and the reaper alone wakes the workers
    # Of the database and of the artifacts; null: not asked, for the schema is not there.
    storage: Literal["writable", "full", "not writable"] | None


class Version(ReadModel):
    """What is running."""

    version: str
    schema_revision: str
    python: str


class WorkerRead(ReadModel):
    """A worker slot that has announced itself."""

    name: str
    hostname: str
    pid: int
    device: str
    max_processes: int | None  # that may train one unit here; null: any number
    held_back: str | None  # why it begins no unit although there is work
    state: Literal["idle", "busy", "silent"]  # silent: not seen in the last 30 seconds
    run_id: int | None
    unit: str | None
    started_at: datetime
    seen_at: datetime
