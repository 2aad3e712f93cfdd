"""The whole server over a database of its own, shared by the tests of a module."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.settings import Settings
from frontend.server import build
from tests.backend.api import serving


@pytest.fixture(scope="session")
def stocked_sqlite(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the built-in spaces, digits and benchmarks, to be copied."""
    home = tmp_path_factory.mktemp("stocked")
    shutil.copyfile(migrated_sqlite, home / "efsnas.sqlite3")
    settings = Settings(home=home)
    db = Database(settings.database)
    install_catalogue(db, settings)
    db.close()
    return home


@pytest.fixture(scope="module")
def served_db(
    stocked_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """The database of this module's server."""
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(stocked_sqlite, home)
    db = Database(Settings(home=home).database)
    yield db
    db.close()


@pytest.fixture(scope="session")
def usual_port() -> int:
    """A port for one module's server after the other: the browser then knows their scripts."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def address(served_db: Database, usual_port: int) -> Iterator[str]:
    """Where the server of this module answers."""
    app = build(Settings(database_url=served_db.engine.url.render_as_string(), port=0))
    with serving(app, usual_port) as served:
        yield served
    app.state.db.close()
