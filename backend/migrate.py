"""Bring a database to the newest schema."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from backend.db import make_engine
from backend.settings import Settings

# Any number that no other program takes: two servers that start together must not both migrate.
ADVISORY_LOCK = 7_305_521_077


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, bound to an open connection if one is given."""
    package = importlib.util.find_spec("migrations")
    if package is None or package.origin is None:
        raise RuntimeError("the package `migrations` is not installed beside `backend`")
    config = Config()
    config.set_main_option("script_location", str(Path(package.origin).parent))
    config.attributes["connection"] = connection
    return config


def upgrade(settings: Settings) -> str:
    """Upgrade the database to the newest schema, create SQLite's folder, return the revision.

    Safe to run by several processes at once: they take turns.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with _engine(settings.database) as engine, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
        command.upgrade(alembic_config(connection), "head")
    return head()


def head() -> str:
    """Return the newest revision that this code knows."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None
    return revision


def current(engine: Engine) -> str | None:
    """Return the revision that the database stands at, None for an empty one."""
    with engine.connect().execution_options(read_only=True) as connection:
        return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
