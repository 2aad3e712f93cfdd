"""The deployment of docker-compose.yml, run as plain processes."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import make_url

ROOT = Path(__file__).parents[1]
SECONDS = 240


@pytest.mark.services
@pytest.mark.slow
def test_the_commands_of_the_compose_file_complete_a_run(
    postgresql_server: str, redis_server_url: str
):
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "scripts" / "compose_as_processes.py",
            f"--database-url={postgresql_server}",
            f"--redis-url={redis_server_url}",
            f"--seconds={SECONDS}",
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS + 60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    for service in ("api", "worker", "reaper"):
        assert f"{service}: stopped" in done.stdout
    assert not left_behind(postgresql_server, redis_server_url)


def left_behind(server: str, redis_url: str) -> list[str]:
    url = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'efsnas_compose_%'"
        ).fetchall()
    with redis.Redis.from_url(redis_url) as client:
        keys = [key.decode() for key in client.scan_iter("efsnas-compose-*")]
    return [*(name for (name,) in rows), *keys]
