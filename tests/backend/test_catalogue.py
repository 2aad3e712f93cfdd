from pathlib import Path

import pytest
from sqlalchemy import select

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.models import Benchmark, Dataset, SearchSpace
from backend.settings import Settings
from nas.benchmarks.table import builtin
from nas.data.dataset import ImageDataset
from nas.spaces import catalogue


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def _contents(db: Database) -> list[list[str]]:
    with db.reading() as session:
        return [
            sorted(f"{row.name}@{row.version}" for row in session.scalars(select(table)))
            for table in (SearchSpace, Dataset, Benchmark)
        ]


def test_the_catalogue_is_stored_once_and_a_lost_file_is_restored(db: Database, tmp_path: Path):
    settings = Settings(home=tmp_path)
    install_catalogue(db, settings)
    expected = [
        sorted(f"{name}@1" for name in catalogue()),
        ["digits@1"],
        sorted(f"{name}@1" for name in builtin()),
    ]
    assert _contents(db) == expected
    with db.reading() as session:
        row = session.scalars(select(Dataset)).one()
    (settings.artifact_folder / row.path).unlink()
    install_catalogue(db, settings)
    assert _contents(db) == expected
    with db.reading() as session:
        row = session.scalars(select(Dataset)).one()
    dataset = ImageDataset.load(settings.artifact_folder / row.path, row.sha256)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [1000, 397, 400]
