"""A deployment of a script's own: SQLite in a temporary folder, and worker processes on it.

However the script ends, nothing of it stays: Ctrl-C and SIGTERM stop the workers and remove the
folder, and workers whose script was killed end by themselves.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import psutil

from backend.benchmarks.service import add_benchmark
from backend.catalogue import install_catalogue
from backend.datasets.service import add_dataset
from backend.db import Database
from backend.migrate import upgrade
from backend.models import SearchSpace
from backend.references import get
from backend.runs import service
from backend.runs.states import FINISHED_RUN_STATES
from backend.settings import Settings
from nas.benchmarks.table import read_table
from nas.data.dataset import ImageDataset
from nas.spec import RunSpec
from worker.children import Child
from worker.devices import CPU
from worker.pool import slot_children

POLL_SECONDS = 0.2
STILL_SECONDS = 2.0
"""A process that has used no processor for so long waits for work."""


@contextmanager
def deployed(dataset: ImageDataset, truth: Path) -> Iterator[tuple[Database, Settings]]:
    """Open a deployment that holds the catalogue, CIFAR-10 and its benchmark, and no worker.

    Until it is closed SIGTERM raises SystemExit, so that it is closed then too. To be called in
    the main thread.
    """
    with _exit_on_sigterm(), tempfile.TemporaryDirectory(prefix="efsnas-") as home:
        settings = Settings(home=Path(home), database_url="", redis_url="", artifacts=None)
        upgrade(settings)
        db = Database(settings.database)
        try:
            install_catalogue(db, settings)
            add_dataset(db, settings.artifact_folder, "cifar10-16", dataset)
            with db.unit_of_work() as session:
                space = get(session, SearchSpace, "nas-bench-201")
                table = read_table(truth, space.definition)
                add_benchmark(session, "nas-bench-201-cifar10", space, table)
            yield db, settings
        finally:
            db.close()


@contextmanager
def workers(settings: Settings, number: int) -> Iterator[None]:
    """Start worker slots on the CPU, and wait until they wait for work; end them at the end."""
    started = slot_children(settings, [CPU] * number)
    with ExitStack() as stack:
        for child in started:
            # Before its start: a signal may come right after it.
            stack.callback(child.stop, lambda: False)
            child.start()
        _wait_until_still(started, with_runner=settings.prepare_runner)
        yield


def execute(db: Database, spec: RunSpec) -> int:
    """Queue a run, wait for its success, and return its id."""
    with db.unit_of_work() as session:
        run_id = service.create_run(session, spec).id
    while True:
        time.sleep(POLL_SECONDS)
        with db.reading() as session:
            run = service.get_run(session, run_id)
        if run.state in FINISHED_RUN_STATES:
            break
    if run.state != "succeeded":
        sys.exit(f"The run {run.name} {run.state}: {run.failure_message}")
    return run_id


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_until_still(started: Sequence[Child], *, with_runner: bool) -> None:
    slots = [psutil.Process(child.pid) for child in started]
    still_since, used = time.monotonic(), -1.0
    while time.monotonic() - still_since < STILL_SECONDS:
        time.sleep(POLL_SECONDS)
        processes = [[slot, *slot.children()] for slot in slots]
        now_used = sum(sum(one.cpu_times()[:2]) for family in processes for one in family)
        complete = all(len(family) == 1 + with_runner for family in processes)
        # A waiting slot looks at the database every few seconds, which is next to nothing.
        if not complete or now_used - used > STILL_SECONDS / 10:
            still_since, used = time.monotonic(), now_used
