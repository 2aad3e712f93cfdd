"""The promise of the design, on the real experiment: kill -9 costs time, never a bit."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
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
from nas.benchmarks.table import read_table
from nas.data.dataset import ImageDataset
from nas.spec import RunSpec
from tests.support import wait_until
from tests.worker.processes import DEADLINE_SECONDS, gone, process, runners, wait_for_state
from tests.worker.running import final_tensors, same_bits
from tests.worker.support import Deployment

EXAMPLE = Path(__file__).parents[2] / "examples" / "nas-bench-201-cifar10.yaml"
SECONDS = 420.0
"""Two runs of 2,000 steps, one in spite of a kill, take a minute at most."""

pytestmark = [pytest.mark.slow, pytest.mark.data]


def shortened() -> RunSpec:
    """Return the real experiment with a few checkpoints' worth of steps and little to rank.

    The weights of a thousand steps differ as soon as one step does.
    """
    spec = yaml.safe_load(EXAMPLE.read_text())
    spec["training"] |= {"steps": 1000, "warm_up_steps": 500}
    spec["ranking"] |= {
        "num_architectures": 6,
        "live_architectures": 6,
        "every_steps": 300,
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
def homes(
    shared_data: Path, cifar10_16: ImageDataset, tmp_path: Path
) -> Iterator[tuple[Deployment, Deployment]]:
    """Two deployments, so that one's worker cannot help the other."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    prepare(calm, cifar10_16, shared_data / "nas-bench-201-cifar10-test.csv")
    shutil.copytree(calm, killed)
    made = deployment_in(calm), deployment_in(killed)
    yield made
    for deployment in made:
        deployment.db.close()


def trains_beyond_a_checkpoint(
    deployment: Deployment, run_id: int, spec: RunSpec
) -> tuple[str, int] | None:
    """Return a unit that has stored progress since its newest checkpoint, and its position."""
    with deployment.db.reading() as session:
        newest = {row.unit: row.step for row in results.artifacts(session, run_id)}
        for unit in results.units(session, run_id):
            first = spec.training.warm_up_steps if unit.kind == "train" else 0
            position = first + unit.progress
            if unit.state == "leased" and newest.get(unit.key, position) < position:
                return unit.key, position
    return None


def test_a_killed_worker_costs_no_bit_of_the_result(
    homes: tuple[Deployment, Deployment], tmp_path: Path
) -> None:
    calm, struck = homes
    spec = shortened()
    runs = calm.create(spec), struck.create(spec)
    with ExitStack() as processes:

        def start(deployment: Deployment, module: str, name: str) -> subprocess.Popen[bytes]:
            log = tmp_path / f"{name}.log"
            return processes.enter_context(process(deployment.settings, module, log=log))

        start(calm, "worker.main", "calm")
        start(struck, "worker.reaper", "reaper")
        worker = start(struck, "worker.main", "first")
        key, position = wait_until(
            lambda: trains_beyond_a_checkpoint(struck, runs[1], spec),
            seconds=SECONDS,
            what="training between two checkpoints",
        )
        (runner,) = runners(worker.pid)
        worker.kill()
        wait_until(
            lambda: gone(runner), seconds=DEADLINE_SECONDS, what="the runner died with its worker"
        )
        start(struck, "worker.main", "second")
        for deployment, run_id in zip(homes, runs, strict=True):
            state = wait_for_state(deployment, run_id, "succeeded", "failed", seconds=SECONDS)
            assert state == "succeeded"
    lost = [event for event in struck.events(runs[1]) if event.data.get("to") == "lost"]
    assert [event.unit for event in lost] == [key]
    assert "expired" in lost[0].message
    (resumed,) = [text for text in struck.messages(runs[1]) if "resumed from step" in text]
    assert resumed.startswith(key)
    assert 0 < int(resumed.split("step ")[1].split()[0]) < position
    assert same_bits(final_tensors(calm, runs[0]), final_tensors(struck, runs[1]))
