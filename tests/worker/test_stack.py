"""The embedded deployment: one command, and nothing left when it is gone."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from backend.settings import Settings
from tests.support import wait_until
from tests.worker.processes import DEADLINE_SECONDS, descendants, gone
from worker.bundled import free_port
from worker.environment import child_environment
from worker.stack import HomeInUse, locked


@contextmanager
def stack(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the stack in `home`; at the end nothing of it is left."""
    environment = child_environment(Settings(home=home))
    environment.pop("EFSNAS_REDIS_URL")
    started = subprocess.Popen(
        [sys.executable, "-m", "worker.stack", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
    )
    try:
        yield started
    finally:
        family = descendants(started.pid)
        started.kill()
        started.wait()
        assert started.stdout is not None
        started.stdout.close()
        wait_until(
            lambda: all(map(gone, family)), seconds=DEADLINE_SECONDS, what="every child is gone"
        )


def ready_line(started: subprocess.Popen[str]) -> str:
    """Return the line that says where the dashboard is."""
    assert started.stdout is not None
    lines: list[str] = []
    for line in started.stdout:
        lines.append(line)
        if "ready at" in line:
            return line
    pytest.fail(f"the stack ended: {''.join(lines)}")


def children(started: subprocess.Popen[str], name: str) -> list[psutil.Process]:
    found = []
    for child in descendants(started.pid):
        with suppress(psutil.NoSuchProcess):
            if name in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all, so that the catalogue is installed once."""
    return tmp_path_factory.mktemp("stack")


def test_the_stack_serves_restarts_its_worker_and_stops_in_order(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with stack(home, "--port", str(port)) as started:
            line = ready_line(started)
            assert f":{port}/" not in line
            address = line.split()[4].removesuffix("ui/")
            assert httpx.get(f"{address}healthz").json() == {"status": "ok"}
            assert (home / "redis.conf").stat().st_mode & 0o777 == 0o600

            refused = subprocess.run(
                [sys.executable, "-m", "worker.stack"],
                env=child_environment(Settings(home=home)),
                capture_output=True,
                text=True,
                check=False,
            )
            assert refused.returncode == 1
            assert f"in use by process {started.pid}" in refused.stderr

            (worker,) = children(started, "worker.main")
            worker.send_signal(signal.SIGKILL)

            def replaced() -> bool:
                return [child.pid for child in children(started, "worker.main")] not in (
                    [],
                    [worker.pid],
                )

            wait_until(replaced, seconds=DEADLINE_SECONDS, what="the worker was started again")
            family = descendants(started.pid)
            assert len(family) == 4
            started.send_signal(signal.SIGINT)
            assert started.wait(timeout=DEADLINE_SECONDS) == 0
            assert all(map(gone, family))


def test_no_child_outlives_a_killed_stack(home: Path) -> None:
    with stack(home, "--port", str(free_port("127.0.0.1"))) as started:
        ready_line(started)
        family = descendants(started.pid)
        assert {
            name
            for name in ("valkey", "uvicorn", "reaper", "worker.main")
            if children(started, name)
        } == {"valkey", "uvicorn", "reaper", "worker.main"}
        started.kill()
        wait_until(
            lambda: all(map(gone, family)), seconds=DEADLINE_SECONDS, what="every child is gone"
        )


def test_an_address_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    environment = child_environment(Settings(home=tmp_path / "home", host="0.0.0.0"))
    refused = subprocess.run(
        [sys.executable, "-m", "worker.stack"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "EFSNAS_ALLOW_BIND" in refused.stderr
    assert not (tmp_path / "home").exists()


def test_a_home_is_held_by_one_process_and_free_afterwards(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with locked(settings), pytest.raises(HomeInUse, match=str(os.getpid())), locked(settings):
        pass
    with locked(settings):
        pass
