"""A full disk is said as such, wherever it is met."""

import errno
import io
import os
import sys
from pathlib import Path

import pytest
import structlog
from sqlalchemy import event, text

from backend.app import create_app
from backend.db import Database
from backend.logs import configure_logs
from backend.settings import Settings
from backend.storage import has_room
from tests.backend.api import Api, problem_of

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$
"""


@pytest.fixture
def full(stocked: Database) -> Database:
    """A database that has no room for another page."""
    if stocked.engine.dialect.name == "postgresql":
        with stocked.unit_of_work() as session:
            session.execute(text(REFUSE))
            for table in ("runs", "idempotency_keys"):
                session.execute(
                    text(
                        f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} "
                        "EXECUTE FUNCTION refuse()"
                    )
                )
        return stocked
    stocked.close()

    @event.listens_for(stocked.engine, "connect")
    def limit(connection, _):
        connection.execute("PRAGMA max_page_count=1")  # not below what there is

    return stocked


def test_a_request_that_a_full_database_refuses_is_answered_as_such(
    full: Database, plain_settings: Settings, spec: dict
):
    api = Api(create_app(plain_settings, full))
    # The pages that SQLite has may still take a run or two.
    answers = [api.post("/api/v1/runs", json=spec) for _ in range(8)]
    response = answers[-1]
    assert "storage is full" in problem_of(response, 507)["detail"]


def test_a_server_on_a_full_database_is_not_ready(full: Database, plain_settings: Settings):
    response = Api(create_app(plain_settings, full)).get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "database": True,
        "schema_current": True,
        "redis": None,
        "storage": "full",
    }


class TestFolder:
    @pytest.fixture
    def database_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_a_server_on_a_full_disk_is_not_ready(
        self, fresh_api: Api, plain_settings: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        def refuse(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)
        response = fresh_api.get("/readyz")
        assert (response.status_code, response.json()["storage"]) == (503, "full")
        assert list(plain_settings.artifact_folder.iterdir()) == []

    def test_a_folder_that_cannot_be_written_is_not_ready(
        self, stocked: Database, plain_settings: Settings, tmp_path: Path
    ):
        file = tmp_path / "file"
        file.touch()
        settings = plain_settings.model_copy(update={"artifacts": file / "folder"})
        response = Api(create_app(settings, stocked)).get("/readyz")
        assert (response.status_code, response.json()["storage"]) == (503, "not writable")

    def test_a_full_disk_below_the_log_too_is_a_problem(
        self, fresh_api: Api, monkeypatch: pytest.MonkeyPatch
    ):
        @fresh_api.app.get("/broken")
        def broken() -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        class Full(io.StringIO):
            def write(self, _: str) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(sys, "stderr", Full())
        before = structlog.get_config()
        configure_logs()
        try:
            problem_of(fresh_api.get("/broken"), 507)
        finally:
            structlog.configure(**before)

    def test_an_upload_that_does_not_fit_is_a_problem(
        self, fresh_api: Api, monkeypatch: pytest.MonkeyPatch
    ):
        def refuse(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("starlette.datastructures.UploadFile.write", refuse)
        data = {"name": "b", "space": "digits-mini"}
        response = fresh_api.post("/api/v1/benchmarks", data=data, files={"file": b"x"})
        problem_of(response, 507)


def test_a_disk_has_room_if_enough_is_left_and_the_file_fits(tmp_path: Path) -> None:
    assert has_room(tmp_path, 1, 2**16)
    assert not has_room(tmp_path, 2**60, 1)
    assert not has_room(tmp_path, 1, 2**60)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["posix_fallocate", "write"])
def test_a_quota_that_is_used_up_shows_when_the_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    if call == "write":
        monkeypatch.delattr(os, "posix_fallocate")
    assert not has_room(tmp_path, 1, 2**16)


def test_room_is_also_found_where_the_system_cannot_reserve_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    assert has_room(tmp_path, 1, 3 * 2**20)
