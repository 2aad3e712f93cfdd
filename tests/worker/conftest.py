"""Deployments for the worker's tests."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.logs import configure_logs
from backend.settings import Settings
from tests.stock import Stock
from tests.worker.support import Deployment


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> Iterator[None]:
    """Log as the worker's processes do: the default prints every local variable of an error."""
    configure_logs()
    yield
    structlog.reset_defaults()


@dataclass(frozen=True)
class Catalogue:
    """The catalogue, installed once on each kind of database, with its files; then copied."""

    folder: Path

    def put_into(self, db: Database, settings: Settings) -> None:
        kind = db.engine.dialect.name
        home = Settings(home=self.folder / kind)
        home.home.mkdir(exist_ok=True)
        Stock(f"catalogue_{kind}", lambda new: install_catalogue(new, home), home.home).put_into(
            db
        )
        shutil.copytree(home.artifact_folder, settings.artifact_folder)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return Catalogue(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture
def deployment(settings: Settings, db: Database, installed: Catalogue) -> Deployment:
    """Embedded, and again on PostgreSQL and Redis; with the catalogue."""
    installed.put_into(db, settings)
    return Deployment(db, settings)


@pytest.fixture
def embedded(sqlite_url: str, tmp_path: Path, installed: Catalogue) -> Iterator[Deployment]:
    """On SQLite without Redis, for what does not depend on either; with the catalogue."""
    settings = Settings(home=tmp_path / "home", database_url=sqlite_url)
    db = Database(settings.database)
    installed.put_into(db, settings)
    yield Deployment(db, settings)
    db.close()
