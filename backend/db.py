"""Engine, session and the column types that SQLite and PostgreSQL share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator


class Base(DeclarativeBase):
    """Root of every table; constraints get names, so that a migration can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC timestamp; SQLite keeps it as naive UTC text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive timestamp {value!r}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PydanticJSON(TypeDecorator[Any]):  # Any: the column's type is the model given at run time
    """A pydantic model kept as JSON: dumped with defaults on the way in, validated on the way out.

    Defaults are stored, so changing one later does not rewrite history.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, model: type[BaseModel] | Any) -> None:  # Any: also a tagged union
        super().__init__()
        self.model = model
        self._adapter: TypeAdapter[Any] = TypeAdapter(model)

    def load_dialect_impl(self, dialect: Dialect) -> Any:  # Any: a dialect's own type object
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self._adapter.dump_python(value, mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self._adapter.validate_python(value)


class db_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The database's clock, plus `seconds`; every lease is judged by this one clock."""

    type = UtcDateTime()
    inherit_cache = True
    # What a compiled statement depends on, so that it is compiled once for all its executions.
    _traverse_internals = [  # noqa: RUF012 - SQLAlchemy reads it
        *FunctionElement._traverse_internals,
        ("seconds", InternalTraversal.dp_plain_obj),
    ]

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = float(seconds)


@compiles(db_now, "sqlite")
def _sqlite_now(element: db_now, compiler: SQLCompiler, **_: Any) -> str:
    # Six fractional digits, the form in which SQLAlchemy stores timestamps, so text compares.
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', '{element.seconds:+.3f} seconds') || '000')"


@compiles(db_now, "postgresql")
def _postgresql_now(element: db_now, compiler: SQLCompiler, **_: Any) -> str:
    return f"(clock_timestamp() + interval '{element.seconds:.3f} seconds')"


def make_engine(url: str) -> Engine:
    """Open the database; SQLite gets WAL, foreign keys, and writes that wait for their turn."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:  # Any: the DBAPI's own objects
        # Leave BEGIN to the listener below: the driver's own is deferred, and a deferred
        # transaction that later writes fails at once with "database is locked".
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        reading = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


class Database:
    """Opens units of work on one engine.

    Args:
        url: where the database is.
        wake: called with a run's id after a transaction that asked for it has committed
            (`wake_after_commit`); None: nobody listens, and the reaper finds the run later.
    """

    def __init__(self, url: str, *, wake: Callable[[int], None] | None = None) -> None:
        self.engine = make_engine(url)
        self._writing = sessionmaker(self.engine, expire_on_commit=False, info={"wake": wake})
        self._reading = sessionmaker(
            self.engine.execution_options(read_only=True), expire_on_commit=False
        )

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """Open a transaction that commits at the end, or rolls back on an exception.

        What was asked of `after_commit` is done once the commit has succeeded, never otherwise.
        """
        with self._writing() as session:
            with session.begin():
                yield session
            for job in session.info.get("after_commit", ()):
                job()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction for reading; on SQLite it never waits for a writer.

        What was read stays readable afterwards.
        """
        with self._reading() as session:
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def lock_name(session: Session, name: str) -> None:
    """Let no other transaction that locks `name` continue until this one ends.

    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def after_commit(session: Session, job: Callable[[], None]) -> None:
    """Do `job` once the session's unit of work has committed."""
    session.info.setdefault("after_commit", []).append(job)


def wake_after_commit(session: Session, run_id: int) -> None:
    """Once the unit of work has committed, tell the workers that the run has work."""
    wake: Callable[[int], None] | None = session.info.get("wake")
    if wake is not None:
        after_commit(session, partial(wake, run_id))
