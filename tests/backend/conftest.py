"""A database with spaces, a dataset and a small benchmark, and an application over it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI

from backend.app import close_api, create_app
from backend.benchmarks.service import add_benchmark
from backend.db import Database
from backend.models import Dataset, SearchSpace
from backend.references import get
from backend.runs import service
from backend.settings import Settings
from backend.spaces.service import add_space
from nas.benchmarks.table import Entry, GroundTruth
from nas.spaces import catalogue
from nas.spec import RunSpec
from tests.backend.api import Api
from tests.stock import Stock

CONV = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
POOL = "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|"
DEAD = "|none~0|+|none~0|none~1|"


def _stock(db: Database) -> None:
    """Store spaces, a dataset and a small benchmark as the services do."""
    with db.unit_of_work() as session:
        for space in catalogue().values():
            add_space(session, space)
        session.add(
            Dataset(
                name="digits",
                version=1,
                path="datasets/digits.npz",
                sha256="0" * 64,
                num_bytes=1,
                channels=1,
                height=8,
                width=8,
                classes=[str(digit) for digit in range(10)],
                num_train=1000,
                num_validation=397,
                num_test=400,
                split_seed=0,
            )
        )
        truth = GroundTruth(
            entries={
                CONV: Entry(accuracy=90.0, seeds=(89.0, 91.0)),
                POOL: Entry(accuracy=60.0, seeds=(60.0, 60.0)),
                SKIP: Entry(accuracy=70.0, seeds=(69.0, 71.0)),
                DEAD: Entry(accuracy=95.0, seeds=(95.0, 95.0)),
            },
            num_seeds=2,
            noise_ceiling=0.8,
        )
        space_row = get(session, SearchSpace, "digits-mini")
        add_benchmark(session, "mini-truth", space_row, truth)


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """The rows of `stocked`, stored once by the services and copied into every database."""
    return Stock("stock", _stock, tmp_path_factory.mktemp("stock"))


@pytest.fixture
def stocked(db: Database, stock: Stock) -> Database:
    stock.put_into(db)
    return db


@pytest.fixture
def plain_settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(home=tmp_path / "home", database_url=database_url, event_poll_seconds=0.05)


class Current:
    """Stands for whatever object the running test has.

    Attributes:
        target: that object.
    """

    target: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)


@dataclass(frozen=True)
class SharedApp:
    """One application for all tests of a process: FastAPI takes longer to build it than to answer.

    Attributes:
        app: the application.
        settings: those of the running test.
        db: likewise.
    """

    app: FastAPI
    settings: Current
    db: Current


@pytest.fixture(scope="session")
def shared_app() -> SharedApp:
    settings, db = Current(), Current()
    settings.target = Settings()
    app = create_app(cast(Settings, settings), cast(Database, db))
    close_api(app)
    return SharedApp(app, settings, db)


@pytest.fixture
def api(shared_app: SharedApp, stocked: Database, plain_settings: Settings) -> Api:
    """Calls the application that all tests share."""
    shared_app.settings.target, shared_app.db.target = plain_settings, stocked
    return Api(shared_app.app)


@pytest.fixture
def fresh_api(stocked: Database, plain_settings: Settings) -> Api:
    """Calls an application of the test's own, which may be given more routes, or counted."""
    app = create_app(plain_settings, stocked)
    close_api(app)
    return Api(app)


@pytest.fixture
def spec() -> dict:
    """A spec that can be executed; a test changes what it is about."""
    return {
        "name": "first",
        "space": "digits-mini",
        "dataset": "digits",
        "benchmark": "mini-truth",
        "training": {"steps": 100},
    }


@pytest.fixture
def new_run(stocked: Database, spec: dict) -> Callable[..., int]:
    """Queue a run and return its id; keyword arguments replace parts of its spec."""

    def create(**changes: Any) -> int:
        with stocked.unit_of_work() as session:
            return service.create_run(session, RunSpec.model_validate({**spec, **changes})).id

    return create
