"""The embedded deployment: one command, and nothing left when it is gone."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from backend.db import Database
from backend.runs.schemas import EventRead
from backend.settings import Settings
from tests.support import wait_until
from tests.worker.processes import (
    DEADLINE_SECONDS,
    descendants,
    gone,
    kill,
    runners,
    wait_for_checkpoint,
    wait_for_state,
)
from tests.worker.support import Deployment, tiny_spec
from worker.environment import child_environment
from worker.stack import HomeInUse, listen, locked

PARTS = ("valkey", "uvicorn", "reaper", "worker.main")
"""What the stack consists of, as their command lines name it."""

SHORT_LEASES = {
    "lease_seconds": 4.0,
    "renew_seconds": 0.5,
    "reap_seconds": 0.5,
    "record_seconds": 0.1,
    "checkpoint_seconds": 0.3,
}


@contextmanager
def stack(home: Path, *arguments: str, **settings: float) -> Iterator[subprocess.Popen[str]]:
    """Run the stack in `home`; at the end nothing of it is left."""
    environment = child_environment(Settings(home=home).model_copy(update=settings))
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
    return tmp_path_factory.mktemp("stack")


@dataclass(frozen=True)
class Running:
    """A stack at work.

    Attributes:
        http: leads to its API.
        wanted_port: the one that it was told to use, at which something else listens.
    """

    process: subprocess.Popen[str]
    http: httpx.Client
    wanted_port: int


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Running]:
    """A stack for several tests; the last of them ends it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with stack(home, "--port", str(port), **SHORT_LEASES) as started:
            address = ready_line(started).split()[4].removesuffix("/ui/")
            with httpx.Client(base_url=address, timeout=DEADLINE_SECONDS) as http:
                yield Running(started, http, port)


def test_the_stack_serves_at_another_port_if_its_own_is_taken(
    running: Running, home: Path
) -> None:
    assert running.http.base_url.port != running.wanted_port
    assert running.http.get("/healthz").json() == {"status": "ok"}
    assert (home / "redis.conf").stat().st_mode & 0o777 == 0o600


def test_a_second_stack_in_the_same_home_is_refused(running: Running, home: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "worker.stack"],
        env=child_environment(Settings(home=home)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert f"in use by process {running.process.pid}" in refused.stderr


def the_worker(running: Running) -> psutil.Process:
    """Return the stack's worker once it runs."""
    found = wait_until(
        lambda: children(running.process, "worker.main"),
        seconds=DEADLINE_SECONDS,
        what="the stack has a worker",
    )
    return found[0]


def log(running: Running, run_id: int) -> list[EventRead]:
    """Return the log of a run as people read it."""
    page = running.http.get(f"/api/v1/runs/{run_id}/log").json()
    return [EventRead.model_validate(line) for line in page["items"]]


@pytest.mark.slow
def test_a_run_outlives_its_worker_without_help(running: Running, home: Path) -> None:
    spec = tiny_spec(
        splitter={"kind": "nonlinearity", "num_subspaces": 1},
        training={"steps": 1500, "warm_up_steps": 0},
        ranking={"every_steps": 1500},
    )
    queued = running.http.post("/api/v1/runs", json=spec.model_dump(mode="json"))
    run_id = queued.json()["id"]
    with closing(Database(Settings(home=home).database)) as db:
        deployment = Deployment(db, Settings(home=home))
        key = wait_for_checkpoint(deployment, run_id)
        worker = the_worker(running)
        (runner,) = runners(worker.pid)
        kill(worker)
        # From here on, nobody but the stack does anything.
        wait_until(lambda: gone(runner), seconds=DEADLINE_SECONDS, what="the runner is gone")
        state = wait_for_state(deployment, run_id, "succeeded", "failed")
    assert state == "succeeded"
    lines = log(running, run_id)
    (lost,) = [line for line in lines if line.data.get("to") == "lost"]
    assert lost.unit == key
    assert "expired" in lost.message
    (resumed,) = [line for line in lines if "resumed from step" in line.message]
    assert resumed.unit == key
    assert resumed.id > lost.id
    assert 0 < int(resumed.message.split("step ")[1].split()[0]) < spec.training.steps
    assert the_worker(running).pid != worker.pid


# The last of those that share a stack: it ends it.
def test_an_interrupt_stops_the_stack_in_order(running: Running) -> None:
    the_worker(running)
    family = descendants(running.process.pid)
    assert all(children(running.process, part) for part in PARTS)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=DEADLINE_SECONDS) == 0
    assert all(map(gone, family))


def test_a_port_is_held_from_the_moment_it_is_chosen() -> None:
    with listen(Settings(port=0)) as first:
        port = first.getsockname()[1]
        with listen(Settings(port=port)) as second:
            assert second.getsockname()[1] != port
        # Whoever connects before the API is up waits for it.
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = first.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert accepted.getpeername() == client.getsockname()
    with socket.create_server(("127.0.0.1", port)):
        pass


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
