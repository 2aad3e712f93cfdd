from collections.abc import Iterator

import pytest

from backend.app import create_app
from backend.db import Database
from backend.settings import Settings
from tests.backend.api import serving


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def server(
    stocked: Database, plain_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    with serving(create_app(plain_settings, stocked)) as url:
        monkeypatch.setenv("EFSNAS_URL", url)
        yield url
