"""Alembic's entry: compares and upgrades against the tables of `backend.models`."""

from alembic import context
from sqlalchemy import Connection

from backend import models
from backend.db import make_engine
from backend.settings import Settings


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=models.Base.metadata,
        # SQLite cannot alter most things in place; batch mode copies the table instead.
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # A migration that cannot get its lock must fail, not block every writer behind it.
            connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
        context.run_migrations()


def _run() -> None:
    connection: Connection | None = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    engine = make_engine(context.config.attributes.get("url") or Settings().database)
    try:
        with engine.begin() as opened:
            _migrate(opened)
    finally:
        engine.dispose()


_run()
