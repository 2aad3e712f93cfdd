import json
import secrets
import time

import redis
from structlog.testing import capture_logs

from backend.queue import wake
from backend.settings import Settings


def test_a_wake_up_carries_the_runs_id_alone(bundled_redis_url: str):
    prefix = f"test-{secrets.token_hex(4)}:"
    wake(Settings(redis_url=bundled_redis_url, redis_prefix=prefix), 42)
    with redis.Redis.from_url(bundled_redis_url) as client:
        (message,) = client.lrange(f"{prefix}celery", 0, -1)
    envelope = json.loads(message)
    assert envelope["headers"]["task"] == "runs.wake"
    assert envelope["headers"]["argsrepr"] == "[42]"


def test_an_absent_server_costs_a_line_in_the_log_and_little_time():
    begun = time.monotonic()
    with capture_logs() as lines:
        wake(Settings(redis_url="redis://127.0.0.1:1/0"), 42)
    assert time.monotonic() - begun < 15
    assert [(line["log_level"], line["run_id"]) for line in lines] == [("warning", 42)]


def test_without_a_server_nothing_is_sent():
    with capture_logs() as lines:
        wake(Settings(redis_url=""), 42)
    assert lines == []
