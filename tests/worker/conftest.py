"""Deployments for the worker's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.logs import configure_logs
from backend.settings import Settings
from tests.worker.support import Deployment


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> Iterator[None]:
    """Log as the worker's processes do: the default prints every local variable of an error."""
    configure_logs()
    yield
    structlog.reset_defaults()


@pytest.fixture
def deployment(settings: Settings, db: Database) -> Deployment:
    """Embedded, and again on PostgreSQL and Redis; with the catalogue."""
    install_catalogue(db, settings)
    return Deployment(db, settings)


@pytest.fixture
def embedded(sqlite_url: str, tmp_path: Path) -> Iterator[Deployment]:
    """On SQLite without Redis, for what does not depend on either; with the catalogue."""
    settings = Settings(home=tmp_path / "home", database_url=sqlite_url)
    db = Database(settings.database)
    install_catalogue(db, settings)
    yield Deployment(db, settings)
    db.close()
