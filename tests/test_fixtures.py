"""The fixtures themselves: what they promise is what every other test relies on."""

import os
from unittest.mock import patch

import pytest
import redis
from playwright.sync_api import Page
from sqlalchemy import text

from backend.db import Database
from backend.migrate import current, head
from backend.settings import Settings
from tests.conftest import pytest_configure
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
