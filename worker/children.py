"""Child processes of the embedded deployment: kept alive, and stopped in order."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from worker.tether import PARENT_VARIABLE

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STABLE_SECONDS = 60.0
"""A child that lived so long before it died is started again without a longer pause."""

POLL_SECONDS = 0.05

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a child.

    Attributes:
        name: for people and for the log file.
        arguments: of `worker.tether`.
        stop_seconds: between SIGTERM and SIGKILL.
        shared: file descriptors of this process that it also has.
    """

    name: str
    arguments: Sequence[str]
    stop_seconds: float
    shared: Sequence[int] = ()


class Child:
    """One child process, started again with a growing pause whenever it ends by itself.

    Args:
        command: what it is.
        environment: of the process.
        log_folder: its output is appended to a file there.

    Attributes:
        environment: of the process, its tie to this one included.
    """

    def __init__(self, command: Command, environment: Mapping[str, str], log_folder: Path) -> None:
        self.command = command
        self.log_path = log_folder / f"{command.name}.log"
        self.environment = {**environment, PARENT_VARIABLE: str(os.getpid())}
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._restart_at: float | None = None
        self._pause = FIRST_PAUSE_SECONDS

    @property
    def pid(self) -> int | None:
        """The process's number, None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worker.tether", *self.command.arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                pass_fds=self.command.shared,
                # Ctrl-C in a terminal reaches the parent alone, which stops its children in order.
                start_new_session=True,
            )
        self._started_at = time.monotonic()
        self._restart_at = None

    def ended(self) -> bool:
        """Tell whether the process has ended by itself."""
        return self._process is None or self._process.poll() is not None

    def keep_alive(self) -> None:
        """Start the process again if it has ended and its pause is over."""
        now = time.monotonic()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self.start()
        elif self._process is not None and self._process.poll() is not None:
            lived = now - self._started_at
            self._pause = (
                FIRST_PAUSE_SECONDS
                if lived > STABLE_SECONDS
                else min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            )
            _log.warning(
                "a process ended and is started again",
                name=self.command.name,
                returncode=self._process.returncode,
                pause_seconds=self._pause,
                log=str(self.log_path),
            )
            self._close()
            self._restart_at = now + self._pause

    def stop(self, hurry: Callable[[], bool]) -> None:
        """End the process: SIGTERM, then SIGKILL at its deadline or as soon as `hurry()`."""
        self._restart_at = None
        process = self._process
        if process is None:
            return
        deadline = time.monotonic() + self.command.stop_seconds
        process.send_signal(signal.SIGTERM)
        while process.poll() is None and time.monotonic() < deadline and not hurry():
            time.sleep(POLL_SECONDS)
        self._close()

    def tail(self, num_lines: int = 20) -> str:
        """Return the end of the process's output."""
        lines = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(lines[-num_lines:])

    def _close(self) -> None:
        assert self._process is not None
        self._process.kill()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process = None
