"""The promise of the design, on the real experiment: kill -9 costs time, never a bit."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import torch
import yaml

from backend.benchmarks.service import add_benchmark
from backend.catalogue import install_catalogue
from backend.datasets.service import add_dataset
from backend.db import Database
from backend.migrate import upgrade
from backend.models import SearchSpace
from backend.references import get
from backend.runs import results
from backend.settings import Settings
from nas import pipeline
from nas.benchmarks.table import read_table
from nas.data.dataset import ImageDataset
from nas.spec import RunSpec
from nas.training.state import TrainState, inherited_state
from tests.support import wait_until
from tests.worker.processes import DEADLINE_SECONDS, gone, process, runners, wait_for_state
from tests.worker.running import artifacts, final_tensors, same_bits, tensors_of
from tests.worker.support import Deployment
from worker import checkpoints
from worker.loading import load_run

EXAMPLE = Path(__file__).parents[2] / "examples" / "nas-bench-201-cifar10.yaml"
SECONDS = 420.0
"""A run of 3,000 steps, in spite of a kill, takes a minute or so."""

pytestmark = [pytest.mark.slow, pytest.mark.data]


def shortened() -> RunSpec:
    """Return the real experiment with a few checkpoints' worth of steps and little to rank."""
    spec = yaml.safe_load(EXAMPLE.read_text())
    spec["training"] |= {"steps": 3000, "warm_up_steps": 2000}
    spec["ranking"] |= {
        "num_architectures": 6,
        "live_architectures": 6,
        "every_steps": 1000,
        "num_images": 250,
    }
    return RunSpec.model_validate(spec | {"search": None})


def prepare(home: Path, dataset: ImageDataset, truth_csv: Path) -> None:
    """Make a deployment that holds the real data."""
    settings = Settings(home=home)
    upgrade(settings)
    with closing(Database(settings.database)) as db:
        install_catalogue(db, settings)
        add_dataset(db, settings.artifact_folder, "cifar10-16", dataset)
        with db.unit_of_work() as session:
            space = get(session, SearchSpace, "nas-bench-201")
            truth = read_table(truth_csv, space.definition)
            add_benchmark(session, "nas-bench-201-cifar10", space, truth)


def deployment_in(home: Path) -> Deployment:
    settings = Settings(
        home=home,
        lease_seconds=5.0,
        renew_seconds=1.0,
        reap_seconds=0.5,
        record_seconds=0.2,
        checkpoint_seconds=1.0,
    )
    return Deployment(Database(settings.database), settings)


@pytest.fixture
def struck(shared_data: Path, cifar10_16: ImageDataset, tmp_path: Path) -> Iterator[Deployment]:
    """The deployment whose worker is killed."""
    home = tmp_path / "home"
    prepare(home, cifar10_16, shared_data / "nas-bench-201-cifar10-test.csv")
    deployment = deployment_in(home)
    yield deployment
    deployment.db.close()


def undisturbed(deployment: Deployment, run_id: int) -> dict[str, torch.Tensor]:
    """Return the weights and momenta that the science alone ends with, without any stop.

    It begins with the end of the run's warm-up, which nothing disturbed.
    """
    with deployment.db.reading() as session:
        experiment = load_run(session, deployment.settings, run_id).experiment
    (newest, *_) = artifacts(deployment, run_id, "warm-up")
    data = checkpoints.read_checked(deployment.settings.artifact_folder, newest)
    warm = TrainState.from_bytes(experiment, data)
    assert warm.next_step == experiment.spec.training.warm_up_steps
    tensors: dict[str, torch.Tensor] = {}
    for subspace in experiment.partition.subspaces:
        state = inherited_state(experiment, warm, subspace.index)
        for _ in pipeline.train_unit(experiment, state):
            pass
        tensors |= tensors_of(state)
    return tensors


def trains_beyond_a_checkpoint(
    deployment: Deployment, run_id: int, warm_up_steps: int
) -> tuple[str, int] | None:
    """Return a sub-space's unit with stored progress since its newest checkpoint, and its step."""
    with deployment.db.reading() as session:
        newest = {row.unit: row.step for row in results.artifacts(session, run_id)}
        for unit in results.units(session, run_id):
            position = warm_up_steps + unit.progress
            trains = unit.kind == "train" and unit.state == "leased"
            if trains and newest.get(unit.key, position) < position:
                return unit.key, position
    return None


def test_a_killed_worker_costs_no_bit_of_the_result(struck: Deployment, tmp_path: Path) -> None:
    spec = shortened()
    run_id = struck.create(spec)
    with ExitStack() as processes:

        def start(module: str, name: str) -> subprocess.Popen[bytes]:
            log = tmp_path / f"{name}.log"
            return processes.enter_context(process(struck.settings, module, log=log))

        start("worker.reaper", "reaper")
        worker = start("worker.main", "first")
        key, position = wait_until(
            lambda: trains_beyond_a_checkpoint(struck, run_id, spec.training.warm_up_steps),
            seconds=SECONDS,
            what="training between two checkpoints",
        )
        (runner,) = runners(worker.pid)
        worker.kill()
        wait_until(
            lambda: gone(runner), seconds=DEADLINE_SECONDS, what="the runner died with its worker"
        )
        start("worker.main", "second")
        expected = undisturbed(struck, run_id)
        state = wait_for_state(struck, run_id, "succeeded", "failed", seconds=SECONDS)
        assert state == "succeeded"
    events = struck.events(run_id)
    (lost,) = [event for event in events if event.data.get("to") == "lost"]
    assert lost.unit == key
    assert "expired" in lost.message
    # Supernets that waited for the others' rounds resume too; this one was struck.
    afterwards = [event.message for event in events[events.index(lost) :]]
    resumed = next(text for text in afterwards if text.startswith(f"{key}: resumed from step"))
    first_of_its_own = spec.training.warm_up_steps
    assert first_of_its_own < int(resumed.split("step ")[1].split()[0]) < position
    assert same_bits(final_tensors(struck, run_id), expected)
