"""Worker processes that tests start, watch and kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from backend.runs import results
from backend.settings import Settings
from tests.support import wait_until
from tests.worker.support import Deployment
from worker.environment import child_environment

DEADLINE_SECONDS = 300.0
"""For what takes seconds: a machine that is busy with other things must not fail a test."""


@contextmanager
def process(settings: Settings, *command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python module with `settings`; at the end nothing of it is left."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=child_environment(settings),
            start_new_session=True,
        )
    try:
        yield started
    finally:
        family = descendants(started.pid)
        started.kill()
        started.wait()
        for member in family:
            wait_until(
                lambda member=member: gone(member), seconds=DEADLINE_SECONDS, what=f"{member} gone"
            )


def descendants(pid: int) -> list[psutil.Process]:
    """Return the processes that descend from `pid`."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def runners(pid: int | None = None) -> list[psutil.Process]:
    """Return the runner processes below `pid`, below this process if it is None."""
    found = []
    for child in descendants(os.getpid() if pid is None else pid):
        try:
            if "worker.runner" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def gone(member: psutil.Process) -> bool:
    """Tell whether a process has ended; one that only waits to be noticed has."""
    try:
        return not member.is_running() or member.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill(member: psutil.Process) -> None:
    """End a process as a crash of the machine would."""
    os.kill(member.pid, signal.SIGKILL)


def wait_for_state(
    deployment: Deployment, run_id: int, *states: str, seconds: float = DEADLINE_SECONDS
) -> str:
    """Wait until a run is in one of `states`."""

    def reached() -> str:
        state = deployment.state(run_id)
        return state if state in states else ""

    return wait_until(reached, seconds=seconds, what=f"run {run_id} is {' or '.join(states)}")


def wait_for_checkpoint(
    deployment: Deployment, run_id: int, seconds: float = DEADLINE_SECONDS
) -> str:
    """Wait until some unit of a run has stored a checkpoint and trains on; return its key."""

    def training() -> str:
        with deployment.db.reading() as session:
            stored = {artifact.unit for artifact in results.artifacts(session, run_id)}
            for unit in results.units(session, run_id):
                if unit.state == "leased" and unit.key in stored:
                    return unit.key
        return ""

    return wait_until(training, seconds=seconds, what=f"run {run_id} trains past a checkpoint")
