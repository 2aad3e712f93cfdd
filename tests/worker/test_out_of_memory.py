"""Training that runs out of memory goes on once with halved batches, and says what that changes."""

import signal

import pytest
import torch

from backend.models import Unit
from backend.runs import leases, results
from backend.runs.conditions import unusual_conditions
from backend.runs.leases import FailureClass
from nas.supernets.cell_network import CellNetwork
from tests.worker.running import artifacts, run_here, run_to_end
from tests.worker.support import Deployment, add_truth, skip_to_training, tiny_spec, unit_of
from worker.failures import failure_of, failure_of_exit
from worker.plan import settle


class OutOfMemoryError(RuntimeError):
    """Stands for torch's own, which is told by its name."""


class SmallMemory:
    """Lets forward passes of training fail that have too many images.

    Attributes:
        most_images: that fit.
        passes_before: that fit whatever their size.
        seen: images of every forward pass of training.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most_images, self.passes_before = 10**9, 0
        self.seen: list[int] = []
        plain = CellNetwork.forward

        def forward(network, images, architecture):
            if torch.is_grad_enabled():  # scoring has none
                self._allocate(len(images))
            return plain(network, images, architecture)

        monkeypatch.setattr(CellNetwork, "forward", forward)

    def _allocate(self, images: int) -> None:
        self.seen.append(images)
        if len(self.seen) > self.passes_before and images > self.most_images:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> SmallMemory:
    return SmallMemory(monkeypatch)


@pytest.fixture
def eager(embedded: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Stores at every step."""
    monkeypatch.setattr("nas.training.loop.REPORT_SECONDS", 0.0)
    changes = {"record_seconds": 1e-6, "checkpoint_seconds": 1e-6}
    return Deployment(embedded.db, embedded.settings.model_copy(update=changes))


ONE_SUPERNET = {
    "splitter": {"kind": "nonlinearity", "num_subspaces": 1},
    "training": {"steps": 40, "warm_up_steps": 0, "batch_size": 9},
    "search": None,
}


def unit(deployment: Deployment, run_id: int, key: str):
    with deployment.db.reading() as session:
        found = unit_of(session, run_id, key)
        session.expunge_all()
    return found


def test_the_next_attempt_goes_on_from_the_last_checkpoint_with_halves_and_says_so(
    eager: Deployment, memory: SmallMemory
) -> None:
    add_truth(eager.db)
    run_id = eager.create(tiny_spec(benchmark="ordered", **ONE_SUPERNET))
    memory.most_images, memory.passes_before = 5, 30
    assert run_here(eager, run_id)
    after = unit(eager, run_id, "train-0")
    assert (after.state, after.micro_batches, after.fruitless_attempts) == ("ready", 2, 0)
    assert len(memory.seen) == 31  # the last of them did not fit
    resumed_from = artifacts(eager, run_id, "train-0")[0].step
    assert 20 <= resumed_from <= 30
    run_to_end(eager, run_id)
    assert eager.state(run_id) == "succeeded"
    assert memory.seen[31:] == [5, 4] * (40 - resumed_from)
    told = [event for event in eager.events(run_id) if "micro_batches" in event.message]
    assert [(event.level, event.unit) for event in told] == [("warning", "train-0")]
    assert "each batch of 9 images is cut into 2 halves" in told[0].message
    lost = [event.message for event in eager.events(run_id) if event.data.get("to") == "lost"]
    assert len(lost) == 1
    assert "needs more memory than there is" in lost[0]


def test_every_tau_after_it_shows_the_halves(eager: Deployment, memory: SmallMemory) -> None:
    add_truth(eager.db)
    run_id = eager.create(tiny_spec(benchmark="ordered", **ONE_SUPERNET))
    memory.most_images, memory.passes_before = 5, 25
    run_to_end(eager, run_id)
    with eager.db.reading() as session:
        rows = results.correlations(session, run_id)
    shown = {(row.stage, row.step): row.conditions["micro_batches"] for row in rows}
    # The round at step 20 was over before memory ran out.
    assert shown == {("live", 20): 1, ("live", 40): 2, ("final", 40): 2}
    assert unusual_conditions(rows[-1].conditions) == ("micro batches 2",)


def test_a_second_time_fails_the_unit_with_its_class(
    eager: Deployment, memory: SmallMemory
) -> None:
    run_id = eager.create(tiny_spec(**ONE_SUPERNET))
    memory.most_images = 4  # the larger half has five
    run_to_end(eager, run_id)
    assert memory.seen == [9, 5]
    failed = unit(eager, run_id, "train-0")
    assert (failed.state, failed.failure_class) == ("failed", "out of memory")
    assert "lower training.batch_size" in failed.failure_message
    assert eager.state(run_id) == "failed"


def test_a_batch_too_small_to_be_halved_fails_at_once(
    eager: Deployment, memory: SmallMemory
) -> None:
    small = {**ONE_SUPERNET, "training": {"steps": 40, "warm_up_steps": 0, "batch_size": 3}}
    run_id = eager.create(tiny_spec(**small))
    memory.most_images = 2
    run_to_end(eager, run_id)
    assert memory.seen == [3]
    assert unit(eager, run_id, "train-0").failure_class == "out of memory"


@pytest.mark.parametrize(("batch_size", "state"), [(6, "failed"), (8, "ready")])
def test_what_is_halved_is_the_share_of_one_process(
    embedded: Deployment, batch_size: int, state: str
) -> None:
    # Halves of three images: two and one, and of a single one there are no statistics.
    spec = tiny_spec(training={"batch_size": batch_size, "processes": 2})
    run_id = skip_to_training(embedded, spec, [1, 1])
    lease = embedded.claim(run_id)
    assert lease is not None
    with embedded.db.unit_of_work() as session:
        assert leases.fail(session, lease, failure_of(MemoryError()), 3) == state
    told = [text for text in embedded.messages(run_id) if "micro_batches" in text]
    assert bool(told) == (state == "ready")
    assert all("each process's share of 4 images is cut into 2 halves" in text for text in told)


def test_a_kill_by_the_kernel_is_lost_as_ever_and_halves_nothing(embedded: Deployment) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    lease = embedded.claim(run_id)
    assert lease is not None
    failure = failure_of_exit(-signal.SIGKILL, out_of_memory_kills=1)
    assert (failure.kind, failure.halves) == (FailureClass.OUT_OF_MEMORY, False)
    with embedded.db.unit_of_work() as session:
        assert leases.fail(session, lease, failure, 3) == "ready"
    again = unit(embedded, run_id, "train-0")
    assert (again.micro_batches, again.fruitless_attempts) == (1, 1)


def test_scoring_that_runs_out_of_memory_is_not_halved(embedded: Deployment) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    with embedded.db.unit_of_work() as session:
        for trained in ("train-0", "train-1"):
            unit_of(session, run_id, trained).state = "done"
        settle(session, run_id)
    lease = embedded.claim(run_id)
    assert lease is not None
    with embedded.db.unit_of_work() as session:
        assert leases.fail(session, lease, failure_of(MemoryError()), 3) == "ready"
        assert session.get_one(Unit, lease.unit_id).kind == "rank"
        assert session.get_one(Unit, lease.unit_id).micro_batches == 1
