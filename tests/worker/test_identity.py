"""Final weights are the same bits however a run was executed: alone, killed, or spread."""

import hashlib
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import torch

from backend.runs import leases, results
from backend.runs.leases import Failure, FailureClass
from nas import pipeline
from nas.data.digits import digits
from nas.experiment import Experiment
from nas.spaces import catalogue
from nas.spec import RunSpec
from nas.training.state import fresh_state, inherited_state
from tests.support import wait_until
from tests.worker import forked
from tests.worker.processes import DEADLINE_SECONDS, wait_for_state
from tests.worker.running import final_tensors, tensors_of
from tests.worker.support import Deployment, tiny_spec
from worker.plan import settle
from worker.recorder import first_step

KILLS = 5
INTERVAL = 0.15
KILLED = Failure(FailureClass.LOST, "The runner was killed.")

pytestmark = pytest.mark.slow


def spec() -> RunSpec:
    """Return a run of some seconds: three private supernets after a common warm-up."""
    return tiny_spec(
        splitter={"kind": "nonlinearity", "num_subspaces": 3},
        training={"steps": 600, "warm_up_steps": 200},
        ranking={"every_steps": 100},
        search=None,
    )


def sha256(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def uninterrupted() -> str:
    """The weights and momenta that the science alone gives, one supernet after the other."""
    space = catalogue()["digits-mini"]
    experiment = Experiment(spec(), space, spec().splitter.split(space), digits())
    warm = fresh_state(experiment, None)
    list(pipeline.train_unit(experiment, warm))
    tensors: dict[str, torch.Tensor] = {}
    for subspace in experiment.partition.subspaces:
        state = inherited_state(experiment, warm, subspace.index)
        list(pipeline.train_unit(experiment, state))
        tensors |= tensors_of(state)
    return sha256(tensors)


@pytest.fixture
def brisk(embedded: Deployment) -> Iterator[Deployment]:
    changes = {"record_seconds": 0.03, "checkpoint_seconds": INTERVAL}
    return Deployment(embedded.db, embedded.settings.model_copy(update=changes))


def newest_checkpoint(deployment: Deployment, run_id: int) -> int:
    """Return the number of the newest checkpoint of a unit that is being executed, 0 for none."""
    leased = {key for key, state in deployment.unit_states(run_id).items() if state == "leased"}
    with deployment.db.reading() as session:
        found = [row.id for row in results.artifacts(session, run_id) if row.unit in leased]
    return max(found, default=0)


def kill_between_checkpoints(
    deployment: Deployment, run_id: int, before: int, pause: float
) -> tuple[int, int]:
    """Kill a runner some time after its first checkpoint.

    Args:
        deployment: where the run is.
        run_id: of the run.
        before: the number of the newest checkpoint of those who were killed before.
        pause: seconds from the first checkpoint, or a little more, to the kill.

    Returns:
        The number of the newest checkpoint now, and the loss: how many global steps the unit had
        stored beyond its own.
    """
    runner = forked.start(deployment, run_id, "killed")
    wait_until(
        lambda: newest_checkpoint(deployment, run_id) > before,
        seconds=DEADLINE_SECONDS,
        what="another checkpoint",
    )
    time.sleep(pause)
    runner.kill()
    runner.join()
    assert runner.exitcode == -9
    with deployment.db.unit_of_work() as session:
        (lease,) = leases.held(session, "killed")
        _, unit = leases.verify(session, lease)
        stored = results.artifacts(session, run_id)
        steps = [row.step for row in stored if row.unit == unit.key]
        lost = first_step(spec(), unit) + unit.progress - max(steps, default=0)
        leases.fail(session, lease, KILLED, deployment.settings.max_fruitless_attempts)
        settle(session, run_id)
    return max(row.id for row in stored), lost


def test_a_run_killed_five_times_between_checkpoints_ends_with_the_same_weights(
    brisk: Deployment, uninterrupted: str
) -> None:
    run_id = brisk.create(spec())
    rng, newest, losses = random.Random(2024), 0, []
    for _ in range(KILLS):
        pause = rng.uniform(0, INTERVAL)
        newest, lost = kill_between_checkpoints(brisk, run_id, newest, pause)
        losses.append(lost)
    last = forked.start(brisk, run_id, "last")
    assert wait_for_state(brisk, run_id, "succeeded", "failed") == "succeeded"
    last.join()
    assert last.exitcode == 0
    killed = [event for event in brisk.events(run_id) if event.data.get("to") == "lost"]
    assert len(killed) == KILLS
    assert sum("resumed from step" in text for text in brisk.messages(run_id)) >= KILLS - 1
    assert sum(losses) > 0
    assert sha256(final_tensors(brisk, run_id)) == uninterrupted


def test_a_run_whose_supernets_two_workers_train_ends_with_the_same_weights(
    brisk: Deployment, uninterrupted: str
) -> None:
    run_id = brisk.create(spec())
    both = [forked.start(brisk, run_id, owner) for owner in ("first", "second")]
    assert wait_for_state(brisk, run_id, "succeeded", "failed") == "succeeded"
    for worker in both:
        worker.join()
        assert worker.exitcode == 0
    claims = Counter(
        event.message.split(": ")[1].split(" began")[0]
        for event in brisk.events(run_id)
        if event.data.get("to") == "leased" and event.data["unit"].startswith("train")
    )
    assert claims.keys() == {"first", "second"}
    assert sha256(final_tensors(brisk, run_id)) == uninterrupted
