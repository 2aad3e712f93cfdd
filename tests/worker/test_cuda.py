"""A whole run by a slot on a GPU. Skipped without one; runs as it is on a machine that has one."""

from pathlib import Path

import pytest

from backend.runs import results
from backend.system.service import workers
from tests.worker.processes import process, wait_for_checkpoint, wait_for_state
from tests.worker.support import Deployment, tiny_spec

pytestmark = pytest.mark.gpu


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
