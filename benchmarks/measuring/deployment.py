"""A deployment of a script's own: SQLite in a temporary folder, and worker processes on it."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

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
from worker.environment import child_environment

POLL_SECONDS = 0.2
STOP_SECONDS = 60.0
STILL_SECONDS = 2.0
"""A process that has used no processor for so long waits for work."""


@contextmanager
def deployed(dataset: ImageDataset, truth: Path) -> Iterator[tuple[Database, Settings]]:
    """Open a deployment that holds the catalogue, CIFAR-10 and its benchmark, and no worker."""
    with tempfile.TemporaryDirectory(prefix="efsnas-") as home:
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
    """Start worker slots, and wait until they wait for work; end them at the end."""
    with ExitStack() as stack:
        started = [stack.enter_context(_worker(settings)) for _ in range(number)]
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
def _worker(settings: Settings) -> Iterator[psutil.Popen]:
    worker = psutil.Popen(
        [sys.executable, "-m", "worker.main"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=child_environment(settings),
    )
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(STOP_SECONDS)


def _wait_until_still(started: list[psutil.Popen], *, with_runner: bool) -> None:
    still_since, used = time.monotonic(), -1.0
    while time.monotonic() - still_since < STILL_SECONDS:
        time.sleep(POLL_SECONDS)
        processes = [[worker, *worker.children()] for worker in started]
        now_used = sum(sum(one.cpu_times()[:2]) for family in processes for one in family)
        complete = all(len(family) == 1 + with_runner for family in processes)
        # A waiting slot looks at the database every few seconds, which is next to nothing.
        if not complete or now_used - used > STILL_SECONDS / 10:
            still_since, used = time.monotonic(), now_used
