"""Whole runs by a slot on a GPU. Skipped without one; they run as they are on a machine with one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from sqlalchemy import select

from backend.datasets.service import add_dataset
from backend.models import TelemetryRow
from backend.runs import results
from backend.settings import Settings
from backend.system.service import workers
from nas.spec import RunSpec
from tests.nas.training.networks import NETWORKS, colour_images, document
from tests.worker.processes import process, wait_for_checkpoint, wait_for_state
from tests.worker.running import artifacts, run_to_end
from tests.worker.support import Deployment, tiny_spec, unit_of
from worker.devices import SlotDevice, slot_devices, visible_gpus

pytestmark = pytest.mark.gpu


@pytest.fixture
def colourful(embedded: Deployment) -> Deployment:
    """A deployment with the dataset `colour`."""
    add_dataset(embedded.db, embedded.settings.artifact_folder, "colour", colour_images())
    return embedded


def test_a_slot_finds_the_gpu_by_itself_and_executes_a_run_on_it(
    embedded: Deployment, tmp_path: Path
) -> None:
    run_id = embedded.create(tiny_spec())
    assert embedded.settings.device == "auto"
    with process(embedded.settings, "worker.main", log=tmp_path / "log"):
        wait_for_state(embedded, run_id, "succeeded", "failed")
        with embedded.db.reading() as session:
            (slot,) = workers(session)
            assert {unit.state for unit in results.units(session, run_id)} == {"done"}
            assert len(results.candidates(session, run_id)) == 12
    assert slot.device.startswith("cuda:")
    assert slot.max_processes is not None
    assert embedded.state(run_id) == "succeeded"


def test_a_paused_run_goes_on_from_its_checkpoint_on_a_gpu(
    embedded: Deployment, tmp_path: Path
) -> None:
    brisk = embedded.settings.model_copy(update={"record_seconds": 0.1, "checkpoint_seconds": 0.2})
    run_id = embedded.create(
        tiny_spec(training={"steps": 2000, "warm_up_steps": 0}, ranking={"every_steps": 1000})
    )
    with process(brisk, "worker.main", log=tmp_path / "log"):
        wait_for_checkpoint(embedded, run_id)
        embedded.act(run_id, "pause")
        wait_for_state(embedded, run_id, "paused")
        embedded.act(run_id, "resume")
        wait_for_state(embedded, run_id, "succeeded", "failed")
    assert embedded.state(run_id) == "succeeded"
    assert any("resumed from step" in text for text in embedded.messages(run_id))


@pytest.mark.parametrize(("space", "network"), NETWORKS)
def test_every_kind_of_network_is_trained_ranked_and_searched_on_a_gpu(
    colourful: Deployment, tmp_path: Path, space: str, network: dict
) -> None:
    # The runner allows no operation of CUDA that does not repeat itself.
    run_id = colourful.create(RunSpec.model_validate(document(space, network)))
    log = tmp_path / "log"
    with process(colourful.settings, "worker.main", log=log):
        state = wait_for_state(colourful, run_id, "succeeded", "failed")
    assert state == "succeeded", log.read_text()


def test_its_telemetry_tells_of_the_gpu(embedded: Deployment, tmp_path: Path) -> None:
    run_id = embedded.create(tiny_spec())
    with process(embedded.settings, "worker.main", log=tmp_path / "log"):
        wait_for_state(embedded, run_id, "succeeded", "failed")
    with embedded.db.reading() as session:
        found = list(session.scalars(select(TelemetryRow)))
    assert found
    for row in found:
        assert row.gpu_memory_bytes is not None
        assert row.gpu_memory_bytes > 0
        parts = ("data", "forward", "backward", "optimizer", "ranking", "checkpoint")
        assert sum(getattr(row, f"{part}_seconds") for part in parts) <= row.seconds


def test_slots_are_given_the_gpus_that_torch_finds_and_their_free_memory_is_asked_for() -> None:
    gpus = visible_gpus()
    assert len(gpus) == torch.cuda.device_count()
    named = {f"GPU-{torch.cuda.get_device_properties(i).uuid}" for i in range(len(gpus))}
    assert {gpu.uuid for gpu in gpus} == named
    devices = slot_devices(Settings(), "auto")
    assert devices == [SlotDevice("cuda", (gpu,)) for gpu in gpus]
    _, total = torch.cuda.mem_get_info(0)
    said = devices[0].shortage(Settings(min_free_gpu_bytes=2 * total))
    assert said is not None
    assert said.startswith("GPU 0 has ")
    assert devices[0].shortage(Settings(min_free_gpu_bytes=0)) is None


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Lets this process allocate a few MiB of the GPU beyond what it holds."""
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info(0)
    allowed = torch.cuda.memory_reserved(0) + 8 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / total, 0)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0, 0)


@pytest.mark.usefixtures("little_memory")
def test_training_that_outgrows_the_gpu_is_halved_once_and_fails_with_that_class(
    colourful: Deployment,
) -> None:
    # 64 images of 128 channels at 32x32 pixels are 32 MiB for every tensor, their halves 16 MiB.
    large = document("nas-bench-201", {"supernet": {"width": 128}}, batch_size=64)
    run_id = colourful.create(RunSpec.model_validate(large))
    on_gpu = Deployment(colourful.db, colourful.settings.model_copy(update={"device": "cuda"}))
    run_to_end(on_gpu, run_id)
    assert on_gpu.state(run_id) == "failed"
    told = [text for text in on_gpu.messages(run_id) if "micro_batches 2" in text]
    with on_gpu.db.reading() as session:
        failed = [unit for unit in results.units(session, run_id) if unit.state == "failed"]
        classes = {unit_of(session, run_id, unit.key).failure_class for unit in failed}
    assert classes == {"out of memory"}
    assert {text.split(":")[0] for text in told} >= {unit.key for unit in failed}


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_processes_share_two_gpus(embedded: Deployment, tmp_path: Path) -> None:
    brisk = embedded.settings.model_copy(update={"record_seconds": 0.1, "checkpoint_seconds": 0.2})
    spec = tiny_spec(
        splitter={"kind": "nonlinearity", "num_subspaces": 1},
        training={"steps": 400, "warm_up_steps": 0, "processes": 2},
        search=None,
    )
    run_id = embedded.create(spec)
    log = tmp_path / "log"
    with process(brisk, "worker.main", log=log):
        state = wait_for_state(embedded, run_id, "succeeded", "failed")
    assert state == "succeeded", log.read_text()
    assert artifacts(embedded, run_id, "train-0")[0].step == 400
