"""The fixtures themselves: what they promise is what every other test relies on."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest
import redis
from playwright.sync_api import Page
from sqlalchemy import delete, select, text

from backend.db import Database
from backend.migrate import current, head
from backend.models import SearchSpace
from backend.settings import Settings
from backend.spaces.service import add_space
from nas.spaces import catalogue
from tests.conftest import pytest_configure
from tests.postgresql import ReusedDatabase, plain
from tests.stock import Stock
from tests.support import required, skip_unless_required, wait_until


def test_the_database_stands_at_the_newest_migration(db: Database):
    assert current(db.engine) == head()


def test_a_test_finds_its_database_empty_and_may_write(db: Database):
    with db.unit_of_work() as session:
        assert session.scalar(text("SELECT count(*) FROM runs")) == 0
        session.execute(
            text(
                "INSERT INTO workers (name, hostname, pid, device, started_at, seen_at) VALUES ('w', 'h', 1, 'cpu', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
            )
        )


@pytest.fixture
def reused(postgresql_server: str, migrated_postgresql: str) -> Iterator[ReusedDatabase]:
    database = ReusedDatabase(postgresql_server, migrated_postgresql)
    yield database
    database.close()


@pytest.mark.services
def test_no_row_no_number_and_no_open_transaction_reaches_the_next_test(reused: ReusedDatabase):
    url = reused.take()
    before = Database(url)
    spaces = list(catalogue().values())
    with before.unit_of_work() as session:
        add_space(session, spaces[0])
    unfinished = psycopg.connect(plain(url))
    unfinished.execute("LOCK TABLE search_spaces")
    reused.give_back()
    with pytest.raises(psycopg.OperationalError):
        unfinished.execute("SELECT 1")
    unfinished.close()
    before.close()
    assert reused.take() == url
    after = Database(url)
    with after.unit_of_work() as session:
        assert session.scalars(select(SearchSpace)).all() == []
        add_space(session, spaces[1])
    with after.reading() as session:
        assert session.scalars(select(SearchSpace.id)).all() == [1]
    after.close()


@pytest.mark.services
@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more (number int)",
        "ALTER TABLE workers ADD COLUMN more int",
        "ALTER TABLE workers DROP COLUMN pid",
        "ALTER TABLE workers ADD CONSTRAINT more CHECK (pid > 1)",
        "DROP INDEX ix_runs_state",
        "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "UPDATE alembic_version SET version_num = 'more'",
    ],
)
def test_a_database_whose_schema_a_test_has_changed_serves_no_other(
    change: str, reused: ReusedDatabase
):
    first = reused.take()
    with psycopg.connect(plain(first)) as connection:
        connection.execute(change)
    reused.give_back()
    second = reused.take()
    assert second != first
    db = Database(second)
    assert current(db.engine) == head()
    db.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(plain(first))


def test_what_is_copied_into_a_database_is_what_the_services_stored(db: Database, tmp_path: Path):
    calls: list[int] = []

    def store(database: Database) -> None:
        calls.append(1)
        with database.unit_of_work() as session:
            for space in catalogue().values():
                add_space(session, space)

    def held() -> list[tuple[object, ...]]:
        with db.reading() as session:
            return [tuple(row) for row in session.execute(select(*SearchSpace.__table__.columns))]

    stock = Stock(f"own_{secrets.token_hex(4)}", store, tmp_path)
    stock.put_into(db)
    stored = held()
    assert len(stored) == len(catalogue())
    with db.unit_of_work() as session:
        session.execute(delete(SearchSpace))
    stock.put_into(db)
    assert calls == [1]
    assert held() == stored
    # What is stored next has the next number.
    space = catalogue()["digits-mini"].model_copy(update={"name": "mine"})
    with db.unit_of_work() as session:
        add_space(session, space)
    assert len(held()) == len(stored) + 1


def test_redis_answers_and_the_key_prefix_is_the_tests_own(settings: Settings):
    with redis.Redis.from_url(settings.redis_url) as client:
        assert client.ping()
        assert not list(client.scan_iter(f"{settings.redis_prefix}*"))


def test_no_setting_of_the_shell_reaches_a_test():
    assert "EFSNAS_HOME" not in os.environ
    assert Settings().database_url == ""


def test_waiting_returns_the_first_true_value_and_fails_when_time_is_up():
    answers = iter([None, 0, "ready"])
    assert wait_until(lambda: next(answers), seconds=5, what="an answer") == "ready"
    with pytest.raises(pytest.fail.Exception, match=r"after 0 s still not: the moon"):
        wait_until(lambda: False, seconds=0, what="the moon")


def test_a_switch_turns_a_skip_into_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EFSNAS_REQUIRE_MOON", "0")
    with pytest.raises(pytest.skip.Exception, match="no moon"):
        skip_unless_required("MOON", "no moon")
    monkeypatch.setenv("EFSNAS_REQUIRE_MOON", "1")
    with pytest.raises(pytest.fail.Exception, match="EFSNAS_REQUIRE_MOON is set, but no moon"):
        skip_unless_required("MOON", "no moon")


@pytest.mark.parametrize(
    ("shell", "services"),
    [
        ({"CI": "true"}, True),
        ({}, False),
        ({"CI": "false"}, False),
        ({"CI": "true", "EFSNAS_REQUIRE_SERVICES": "0"}, False),
    ],
)
def test_services_are_required_in_ci(shell: dict[str, str], services: bool):
    with patch.dict(os.environ, shell, clear=True):
        pytest_configure()
        assert required("SERVICES") is services
        assert not required("BROWSER")


@pytest.mark.browser
def test_the_browser_renders_a_page(page: Page):
    page.set_content("<h1>Hello</h1><script>document.title = 1 + 1</script>")
    assert page.title() == "2"
