"""The embedded deployment in one command (`python -m worker.stack [--port N] [--slots N|auto]`).

SQLite and the artifacts lie under `EFSNAS_HOME`; a bundled Redis-compatible server, the API with
the dashboard, the worker slots (one for each GPU, or one) and the reaper run as children, are started
again when they die, and end with this process however it ends.
"""

import argparse
import contextlib
import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

import httpx

from backend.binding import UnsafeAddress, check_address
from backend.installation import prepare as prepare_database
from backend.logs import configure_logs
from backend.settings import Settings
from worker.bundled import BundledRedis, prepare
from worker.children import Child, Command
from worker.devices import slot_devices
from worker.environment import child_environment
from worker.pool import Slots, parse_slots, slot_children, stop_together
from worker.signals import StopSignals

READY_SECONDS = 120.0
"""Seconds are usual; a busy machine has needed one minute."""

WATCH_SECONDS = 0.2
ANSWER_SECONDS = 2.0
"""How long one question to an API that is still starting may wait."""

STREAM_SECONDS = 3
"""How long open event streams may delay the end of the API."""


class CannotStart(Exception):
    """The deployment cannot be started, and this is why."""


class HomeInUse(CannotStart):
    """Another stack works in the same home."""


@contextlib.contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Hold the settings' home for one stack; the lock goes with the process.

    Raises:
        HomeInUse: if another process holds it.
    """
    home = settings.home
    with settings.stack_lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise HomeInUse(
                f"{home.resolve()} is in use by process {holder}; stop it, or choose another "
                "folder with EFSNAS_HOME"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class Stack:
    """The children of one deployment.

    Args:
        settings: with the port and the Redis that the children use.
        listener: on that port, for the API; closed with the stack.
        bundled: the bundled server, None if Redis runs elsewhere.
        stop: the signals that end the stack.
        slots: how many worker slots, see `slot_devices`.
    """

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        bundled: BundledRedis | None,
        stop: StopSignals,
        slots: Slots | None = None,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._bundled = bundled
        self._stop = stop
        environment = child_environment(settings)
        folder = settings.home / "logs"
        folder.mkdir(exist_ok=True)
        self._redis = None if bundled is None else Child(bundled.command, environment, folder)
        self._api = Child(_api(listener), environment, folder)
        self._reaper = Child(Command("reaper", ("worker.reaper",), 5.0), environment, folder)
        self._slots = slot_children(settings, slot_devices(settings, slots))

    @property
    def children(self) -> list[Child]:
        """In the order in which they are started; they are stopped the other way round."""
        redis = [] if self._redis is None else [self._redis]
        return [*redis, self._api, self._reaper, *self._slots]

    @property
    def address(self) -> str:
        """Where people find the dashboard."""
        host = self._settings.host
        named = f"[{host}]" if ":" in host else host
        return f"http://{named}:{self._settings.port}"

    def start(self) -> bool:
        """Start everything; return False if a signal came before it was ready.

        Raises:
            CannotStart: if a child ends, or does not answer in time.
        """
        if self._redis is not None and self._bundled is not None:
            self._redis.start()
            if not self._wait_for(self._redis, self._bundled.answers):
                return False
        self._api.start()
        for child in (self._reaper, *self._slots):
            child.start()
        return self._wait_for(self._api, self._api_answers)

    def watch(self) -> None:
        """Keep the children alive until a signal comes."""
        while not self._stop.wait(WATCH_SECONDS):
            for child in self.children:
                child.keep_alive()

    def close(self) -> None:
        """Stop the children in order; a further signal hurries."""
        self._listener.close()
        signals = self._stop.count
        stop_together(self._slots, self._stop)
        for child in reversed(self.children):
            child.stop(lambda: self._stop.count > signals)

    def _wait_for(self, child: Child, answers: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while not answers():
            if child.ended():
                raise CannotStart(f"The {child.command.name} ended at once:\n{child.tail()}")
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"The {child.command.name} did not answer within {READY_SECONDS:.0f} seconds; "
                    f"see {child.log_path}:\n{child.tail()}"
                )
            if self._stop.wait(WATCH_SECONDS):
                return False
        return True

    def _api_answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/healthz", timeout=ANSWER_SECONDS).is_success
        except httpx.TransportError:
            return False


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens on the settings' port, or on a free one if that is taken.

    Held from here on: a port that is merely found free can be another server's once the API is
    up, and that server would then answer in its place.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError:
        listener = socket.create_server((settings.host, 0), family=family)
    # Connections inherit it. The API cannot set it: uvicorn takes a handed-down socket for a
    # local one, and small answers would wait for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(settings: Settings, slots: Slots | None = None) -> int:
    """Run the deployment until SIGTERM or SIGINT; return the exit code.

    Args:
        settings: of the deployment.
        slots: how many worker slots, see `slot_devices`.
    """
    stop = StopSignals()
    try:
        check_address(settings.host, settings.allow_bind)
        settings.home.mkdir(parents=True, exist_ok=True)
        with locked(settings):
            return _serve_locked(settings, stop, slots)
    except (CannotStart, UnsafeAddress) as error:
        _say(str(error), sys.stderr)
        return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve with the settings of the environment and of the command line."""
    parser = argparse.ArgumentParser(prog="worker.stack", description=__doc__)
    parser.add_argument("--port", type=int, help="of the API; another one if it is taken")
    parser.add_argument("--slots", type=parse_slots, help="worker slots, or auto")
    named = parser.parse_args(arguments)
    configure_logs()
    settings = Settings() if named.port is None else Settings(port=named.port)
    return serve(settings, named.slots)


def _serve_locked(settings: Settings, stop: StopSignals, slots: Slots | None) -> int:
    prepare_database(settings)
    bundled = None if settings.redis_url else prepare(settings.home.resolve())
    listener = listen(settings)
    port = listener.getsockname()[1]
    if settings.port not in (0, port):
        _say(f"Port {settings.port} is taken; using {port}.", sys.stderr)
    chosen: dict[str, Any] = {"port": port}  # Any: values of several fields
    if bundled is not None:
        chosen |= {"redis_url": bundled.url}
    stack = Stack(settings.model_copy(update=chosen), listener, bundled, stop, slots)
    try:
        if stack.start():
            _say(f"EFS-NAS is ready at {stack.address}/ui/ (Ctrl-C stops it)", sys.stdout)
            stack.watch()
    finally:
        stack.close()
    return 0


def _api(listener: socket.socket) -> Command:
    arguments = (
        *("uvicorn", "frontend.server:application", "--factory"),
        *("--fd", str(listener.fileno())),
        *("--timeout-graceful-shutdown", str(STREAM_SECONDS), "--no-access-log"),
    )
    return Command("api", arguments, STREAM_SECONDS + 5.0, shared=(listener.fileno(),))


def _say(text: str, stream: TextIO) -> None:
    stream.write(f"{text}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
