"""`efsnas demo`: the whole product on a small experiment, with nothing to set up."""

import fcntl
import os
import signal
import socket
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

from backend.cli.client import ApiClient, connected
from backend.cli.errors import CliError
from backend.cli.runs import read_spec, require_success
from backend.cli.summary import outcome, summary
from backend.cli.watch import watch
from backend.settings import Settings

SPEC = Path(__file__).parents[2] / "examples" / "digits-mini.yaml"
HOST = "127.0.0.1"
START_SECONDS = 90.0
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
    url: str
    log: Path

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
        console.print(f"Another server works in {settings.home}; using {home}.")
    port = free_port(settings.port)
    if port != settings.port:
        console.print(f"Port {settings.port} is taken; using {port}.")
    failure: CliError | None = None
    with _termination_as_interrupt(), _serving(home, port) as stack:
        try:
            _experiment(console, stack)
        except CliError as error:
            failure = error
        if not leave:
            _serve_on(console, stack, failure)
    if failure is not None:
        raise failure


def free_port(preferred: int) -> int:
    """Return `preferred` if nothing listens there, or else a port that is free now."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # As the server does, so that connections which are just closing do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CliError("no port is free")


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


def _experiment(console: Console, stack: Stack) -> None:
    with connected(stack.url) as client:
        with console.status("Starting the server"):
            _wait_until_ready(client, stack)
        run = client.create_run(read_spec(SPEC))
        console.print(f"Dashboard: {stack.url}/ui/runs/{run.id}")
        ended = watch(client, run.id, console, check=stack.require_alive)
        require_success(ended)
        console.print(summary(outcome(client, ended)))


def _wait_until_ready(client: ApiClient, stack: Stack) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not client.is_ready():
        stack.require_alive()
        if time.monotonic() > deadline:
            raise CliError(f"the server is not ready after {START_SECONDS:.0f} s: see {stack.log}")
        time.sleep(POLL_SECONDS)


def _serve_on(console: Console, stack: Stack, failure: CliError | None) -> None:
    """Keep the server until Ctrl-C, whatever came of the experiment."""
    if failure is not None:
        console.print(f"Error: {failure}", style="red", markup=False, soft_wrap=True)
    console.print(f"Serving at {stack.url}/ui/ until Ctrl-C.")
    try:
        while True:
            stack.require_alive()
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        console.print("Stopping.")


@contextmanager
def _serving(home: Path, port: int) -> Iterator[Stack]:
    """Run the server in a session of its own, so that Ctrl-C reaches it through us, in order."""
    home = home.resolve()
    log = home / "logs" / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    changed = {"EFSNAS_HOME": str(home), "EFSNAS_HOST": HOST, "EFSNAS_PORT": str(port)}
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
        yield Stack(process, f"http://{HOST}:{port}", log)
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
