"""`efsnas demo`: the whole product on a small experiment, with nothing to set up."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from backend.cli.client import connected
from backend.cli.errors import CliError
from backend.cli.runs import read_spec, require_success
from backend.cli.summary import outcome, summary
from backend.cli.watch import watch
from backend.settings import Settings

SPEC = Path(__file__).parents[2] / "examples" / "digits-mini.yaml"
HOST = "127.0.0.1"
READY = re.compile(r"ready at (http://\S+:(\d+))/ui/")
"""How the server says in its log that it answers, and where."""

START_SECONDS = 300.0
"""Far beyond the time after which the server itself gives up, and says why."""

STOP_SECONDS = 60.0
POLL_SECONDS = 0.2
LOG_LINES = 30
MAX_SERVERS = 8


@dataclass(frozen=True, slots=True)
class Stack:
    """The server's processes, started as one child.

    Attributes:
        log: file that holds what they say.
    """

    process: "subprocess.Popen[bytes]"
    log: Path

    def wait_until_ready(self) -> tuple[str, int]:
        """Wait until the server answers; return its address and its port.

        It is asked for nothing until then: whoever answers at the port that it should have had
        may be another server.

        Raises:
            CliError: if it stops, or does not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.require_alive()
            said = READY.search(self.log.read_text(errors="replace"))
            if said is not None:
                return said[1], int(said[2])
            if time.monotonic() > deadline:
                raise CliError(
                    f"the server is not ready after {START_SECONDS:.0f} s: see {self.log}"
                )
            time.sleep(POLL_SECONDS)

    def require_alive(self) -> None:
        """Refuse a server that has stopped by itself.

        Raises:
            CliError: with the last lines of its log.
        """
        code = self.process.poll()
        if code is not None:
            last = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            raise CliError(
                "\n".join([f"the server stopped with exit code {code}; its log ends:", *last])
            )


def demo(
    leave: Annotated[
        bool, typer.Option("--exit", help="Stop everything at the end instead of serving on.")
    ] = False,
) -> None:
    """Start a server, run the small experiment on it, print what it found, and serve on."""
    console = Console()
    settings = Settings()
    home = free_home(settings)
    if home != settings.home:
        _say(console, f"Another server works in {settings.home}; using {home}.")
    failure: CliError | None = None
    with _termination_as_interrupt(), _serving(home) as stack:
        with console.status("Starting the server"):
            url, port = stack.wait_until_ready()
        if settings.port not in (0, port):
            _say(console, f"Port {settings.port} is taken; using {port}.")
        try:
            _experiment(console, stack, url)
        except CliError as error:
            failure = error
        if not leave:
            _serve_on(console, stack, url, failure)
    if failure is not None:
        raise failure


def free_home(settings: Settings) -> Path:
    """Return the settings' home, or a folder inside if a server works there already."""
    home = settings.home
    for number in range(2, MAX_SERVERS + 2):
        if not _is_locked(settings.model_copy(update={"home": home}).stack_lock):
            return home
        home = settings.home / f"demo-{number}"
    raise CliError(f"{MAX_SERVERS} servers work in {settings.home} already; stop one of them")


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _experiment(console: Console, stack: Stack, url: str) -> None:
    with connected(url) as client:
        run = client.create_run(read_spec(SPEC))
        _say(console, f"Dashboard: {url}/ui/runs/{run.id}")
        ended = watch(client, run.id, console, check=stack.require_alive)
        require_success(ended)
        console.print(summary(outcome(client, ended)))


def _serve_on(console: Console, stack: Stack, url: str, failure: CliError | None) -> None:
    """Keep the server until Ctrl-C, whatever came of the experiment."""
    if failure is not None:
        _say(console, f"Error: {failure}", style="red")
    _say(console, f"Serving at {url}/ui/ until Ctrl-C.")
    try:
        while True:
            stack.require_alive()
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        _say(console, "Stopping.")


def _say(console: Console, text: str, style: str | None = None) -> None:
    # Paths and addresses are to be copied: as they are, whatever the width of the terminal.
    console.print(text, style=style, markup=False, soft_wrap=True)


@contextmanager
def _serving(home: Path) -> Iterator[Stack]:
    """Run the server in a session of its own, so that Ctrl-C reaches it through us, in order."""
    home = home.resolve()
    log = home / "logs" / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    changed = {"EFSNAS_HOME": str(home), "EFSNAS_HOST": HOST}
    with log.open("wb") as output:
        process = subprocess.Popen(
            # The tether ends the server when this process ends, even without a word.
            [sys.executable, "-m", "worker.tether", "worker.stack"],
            env=os.environ | changed,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Stack(process, log)
    finally:
        _stop(process)
        assert process.stdin is not None
        process.stdin.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        # It did not stop in time, or a second Ctrl-C asks not to wait.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM stop the server as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
