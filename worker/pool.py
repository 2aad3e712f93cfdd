"""The worker slots of one host (`python -m worker.pool [--slots N|auto]`).

One slot becomes this process. Of several each is a child with its own device, started again when
it dies; they end with this process however it ends, and drain together when it is told to stop.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import structlog

from backend.logs import configure_logs
from backend.settings import Settings
from worker.children import Child, Command
from worker.devices import SlotDevice, slot_devices
from worker.environment import child_environment
from worker.signals import StopSignals

WATCH_SECONDS = 0.2

Slots = int | Literal["auto"]

_log = structlog.get_logger(__name__)


def slot_children(settings: Settings, devices: Sequence[SlotDevice]) -> list[Child]:
    """Return one child for each slot; none is started yet.

    Args:
        settings: of the deployment.
        devices: one for each slot.
    """
    folder = settings.home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    # Time for the runner to obey, to be told again, and to be killed.
    drain_seconds = 2 * settings.cancel_seconds + 5
    names = ["worker"] if len(devices) == 1 else [f"worker-{i}" for i in range(len(devices))]
    return [
        Child(
            Command(name, ("worker.main",), drain_seconds),
            child_environment(settings) | device.environment(),
            folder,
        )
        for name, device in zip(names, devices, strict=True)
    ]


def parse_slots(text: str) -> Slots:
    """Return what `--slots` says.

    Raises:
        argparse.ArgumentTypeError: if it is neither a number of slots nor `auto`.
    """
    if text == "auto":
        return "auto"
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 64:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither `auto` nor a number from 1 to 64")


def serve(settings: Settings, devices: Sequence[SlotDevice]) -> int:
    """Keep several slots alive until SIGTERM or SIGINT; return the exit code."""
    stop = StopSignals()
    children = slot_children(settings, devices)
    for child, device in zip(children, devices, strict=True):
        child.start()
        _log.info("slot started", device=device.title, log=str(child.log_path))
    while not stop.wait(WATCH_SECONDS):
        for child in children:
            child.keep_alive()
    stop_together(children, stop)
    return 0


def stop_together(children: Sequence[Child], stop: StopSignals) -> None:
    """Stop children at the same time; a further signal hurries."""
    signals = stop.count
    with ThreadPoolExecutor(max_workers=max(len(children), 1)) as threads:
        for child in children:
            threads.submit(child.stop, lambda: stop.count > signals)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve with the settings of the environment."""
    parser = argparse.ArgumentParser(prog="worker.pool", description=__doc__)
    parser.add_argument("--slots", type=parse_slots, default="auto", help="how many, or auto")
    named = parser.parse_args(arguments)
    configure_logs()
    settings = Settings()
    devices = slot_devices(settings, named.slots)
    if len(devices) > 1:
        return serve(settings, devices)
    environment = os.environ | devices[0].environment()
    os.execve(sys.executable, [sys.executable, "-m", "worker.main"], environment)


if __name__ == "__main__":
    sys.exit(main())
