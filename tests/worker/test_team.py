"""Units that two processes train: by torchrun, under a slot like any other."""

from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from backend.models import TelemetryRow
from nas import pipeline
from nas.data.digits import digits
from nas.experiment import Experiment
from nas.spaces import catalogue
from nas.spec import RunSpec
from nas.training.distributed import Leader
from nas.training.state import fresh_state
from tests.nas.training.test_distributed import digest, together
from tests.support import wait_until
from tests.worker.processes import (
    DEADLINE_SECONDS,
    gone,
    kill,
    process,
    runners,
    wait_for_checkpoint,
    wait_for_state,
)
from tests.worker.running import artifacts, final_tensors, same_bits, tensors_of
from tests.worker.support import Deployment, tiny_spec

pytestmark = pytest.mark.slow


def spec_of_two(every_steps: int = 20, **training: int) -> RunSpec:
    return tiny_spec(
        splitter={"kind": "nonlinearity", "num_subspaces": 1},
        training={"warm_up_steps": 0, "processes": 2, **training},
        ranking={"every_steps": every_steps},
        search=None,
    )


@pytest.fixture
def brisk(embedded: Deployment) -> Deployment:
    changes = {
        "record_seconds": 0.1,
        "checkpoint_seconds": 0.2,
        "prepare_runner": False,
        "device": "cpu",
    }
    return Deployment(embedded.db, embedded.settings.model_copy(update=changes))


def telemetry_bytes(deployment: Deployment) -> int:
    """Return the memory in the newest row of telemetry, 0 if there is none."""
    newest = select(TelemetryRow.memory_bytes).order_by(TelemetryRow.at.desc()).limit(1)
    with deployment.db.reading() as session:
        return session.scalar(newest) or 0


def test_a_run_of_two_processes_ends_with_the_weights_that_the_science_gives(
    brisk: Deployment, tmp_path: Path
) -> None:
    spec = spec_of_two()
    run_id = brisk.create(spec)
    log = tmp_path / "log"
    with process(brisk.settings, "worker.main", log=log):
        state = wait_for_state(brisk, run_id, "succeeded", "failed")
    assert state == "succeeded", log.read_text()
    space = catalogue()["digits-mini"]
    experiment = Experiment(spec, space, spec.splitter.split(space), digits())
    alone = fresh_state(experiment, 0)
    fresh = digest(alone)

    def lead(leader: Leader) -> None:
        list(pipeline.train_unit(experiment, alone, leader))

    together(2, lead)
    assert digest(alone) != fresh
    assert same_bits(tensors_of(alone), final_tensors(brisk, run_id))


def test_a_team_pauses_goes_on_and_does_not_outlive_its_slot(
    brisk: Deployment, tmp_path: Path
) -> None:
    run_id = brisk.create(spec_of_two(every_steps=500_000, steps=1_000_000))
    with process(brisk.settings, "worker.main", log=tmp_path / "log") as worker:
        key = wait_for_checkpoint(brisk, run_id)
        # Torchrun, the leader and the one that follows.
        team = runners(worker.pid)
        assert len(team) == 3
        used = wait_until(
            lambda: telemetry_bytes(brisk), seconds=DEADLINE_SECONDS, what="a row of telemetry"
        )
        # Torchrun itself computes nothing and is the smallest.
        assert used == pytest.approx(
            sum(sorted(one.memory_info().rss for one in team)[1:]), rel=0.25
        )
        brisk.act(run_id, "pause")
        wait_for_state(brisk, run_id, "paused")
        paused_at = artifacts(brisk, run_id, key)[0].step
        wait_until(
            lambda: all(map(gone, team)), seconds=DEADLINE_SECONDS, what="the team has gone"
        )
        brisk.act(run_id, "resume")
        wait_until(
            lambda: artifacts(brisk, run_id, key)[0].step > paused_at,
            seconds=DEADLINE_SECONDS,
            what="the run went on",
        )
        assert any(f"resumed from step {paused_at} " in text for text in brisk.messages(run_id))
        team = runners(worker.pid)
        assert len(team) == 3
        kill(psutil.Process(worker.pid))
        wait_until(
            lambda: all(map(gone, team)), seconds=DEADLINE_SECONDS, what="nobody outlives the slot"
        )
