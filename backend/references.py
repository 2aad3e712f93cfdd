"""`name` and `name@version`: how specs and paths point at spaces, datasets and benchmarks."""

import re
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.errors import NotFound
from backend.models import Benchmark, Dataset, SearchSpace
from nas.names import REFERENCE_PATTERN

Versioned = TypeVar("Versioned", SearchSpace, Dataset, Benchmark)

WORDS = {SearchSpace: "search space", Dataset: "dataset", Benchmark: "benchmark"}


def find(session: Session, table: type[Versioned], reference: str) -> Versioned | None:
    """Return the version that `reference` pins, or the newest one of that name."""
    if not re.fullmatch(REFERENCE_PATTERN, reference):
        return None  # a path may hold anything
    name, _, version = reference.partition("@")
    statement = select(table).where(table.name == name)
    if version:
        statement = statement.where(table.version == int(version))
    return session.scalars(statement.order_by(table.version.desc()).limit(1)).one_or_none()


def get(session: Session, table: type[Versioned], reference: str) -> Versioned:
    """Return what `find` finds.

    Raises:
        NotFound: if there is no such name or version.
    """
    found = find(session, table, reference)
    if found is None:
        raise NotFound(WORDS[table], reference)
    return found


def names(session: Session, table: type[Versioned]) -> list[str]:
    """Return every name, sorted."""
    return list(session.scalars(select(table.name).distinct().order_by(table.name)))


def next_version(session: Session, table: type[Versioned], name: str) -> int:
    """Return the version that new content under `name` gets, counted from 1."""
    newest = session.scalar(select(func.max(table.version)).where(table.name == name))
    return (newest or 0) + 1


def pinned(row: SearchSpace | Dataset | Benchmark) -> str:
    """Return `name@version`."""
    return f"{row.name}@{row.version}"
