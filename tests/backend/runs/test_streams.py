import json
from collections.abc import Iterator

import httpx
import pytest

from backend.app import close_api, create_app
from backend.db import Database
from backend.runs.states import append_event, lock_run
from backend.settings import Settings
from tests.backend.api import problem_of, serving


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def server(stocked: Database, plain_settings: Settings) -> Iterator[str]:
    app = create_app(plain_settings, stocked)
    close_api(app)
    with serving(app) as url:
        yield url


def _say(db: Database, run_id: int, *messages: str) -> None:
    with db.unit_of_work() as session:
        run = lock_run(session, run_id)
        for message in messages:
            append_event(session, run, "log", message)


def _messages(lines: Iterator[str]) -> Iterator[dict]:
    """Parse server-sent events; yield id, event and data of each."""
    message: dict = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name in ("id", "event", "data"):
            message[name] = value
        elif not line and message:
            yield message
            message = {}


def _read(url: str, number: int, headers: dict | None = None) -> list[dict]:
    """Return the first `number` events of a stream."""
    with (
        httpx.Client(timeout=60) as client,
        client.stream("GET", url, headers=headers or {}) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        messages = _messages(response.iter_lines())
        return [next(messages) for _ in range(number)]


def test_a_stream_replays_the_history_and_then_follows_it(server, stocked, new_run):
    run_id = new_run()
    _say(stocked, run_id, "one")
    url = f"{server}/api/v1/runs/{run_id}/events"
    with httpx.Client(timeout=60) as client, client.stream("GET", url) as response:
        messages = _messages(response.iter_lines())
        replayed = [json.loads(next(messages)["data"])["message"] for _ in range(2)]
        _say(stocked, run_id, "two", "three")
        followed = [next(messages) for _ in range(2)]
    assert replayed == ["Run queued.", "one"]
    assert [json.loads(message["data"])["message"] for message in followed] == ["two", "three"]
    assert [message["event"] for message in followed] == ["log", "log"]


def test_a_stream_continues_after_the_last_event_id(server, stocked, new_run):
    run_id = new_run()
    _say(stocked, run_id, "one", "two", "three")
    url = f"{server}/api/v1/runs/{run_id}/events"
    everything = _read(url, 4)
    seen = everything[1]["id"]
    assert _read(url, 2, {"Last-Event-ID": seen}) == everything[2:]
    assert _read(f"{url}?after={seen}", 2) == everything[2:]


def test_a_stream_tells_of_its_own_run_alone(server, stocked, new_run):
    mine, other = new_run(), new_run()
    _say(stocked, other, "other")
    _say(stocked, mine, "mine")
    found = _read(f"{server}/api/v1/runs/{mine}/events", 2)
    assert [json.loads(message["data"])["message"] for message in found] == ["Run queued.", "mine"]


def test_a_history_longer_than_a_batch_comes_whole_and_in_order(server, stocked, new_run):
    run_id = new_run()
    _say(stocked, run_id, *(str(number) for number in range(1200)))
    found = _read(f"{server}/api/v1/runs/{run_id}/events", 1201)
    assert [json.loads(message["data"])["message"] for message in found[1:]] == [
        str(number) for number in range(1200)
    ]


def test_the_stream_of_an_unknown_run_is_not_found(server):
    problem_of(httpx.get(f"{server}/api/v1/runs/4711/events"), 404)
