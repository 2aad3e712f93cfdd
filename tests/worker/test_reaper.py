"""What the reaper puts right, on both databases."""

import threading

import pytest

from backend.db import Database
from backend.models import Run, WorkerSlot
from backend.runs import leases
from backend.runs.leases import Lease
from backend.settings import Settings
from tests.worker.support import SLOT, Deployment, skip_to_training, tiny_spec, unit_of
from worker import checkpoints
from worker.attempt import record_failure
from worker.checkpoints import StorageFull, StoredFile
from worker.failures import failure_of
from worker.reaper import ROOM_IN_CHECKPOINTS, reap, return_expired


def expired_lease(deployment: Deployment, run_id: int) -> Lease:
    lease = deployment.claim(run_id)
    assert lease is not None
    with deployment.db.unit_of_work() as session:
        leases.renew(session, SLOT, -1.0)
    return lease


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    runs: list[int] = []
    monkeypatch.setattr("worker.reaper.wake", lambda _, run_id: runs.append(run_id))
    return runs


def idle_slot(deployment: Deployment) -> None:
    with deployment.db.unit_of_work() as session:
        session.add(WorkerSlot(name="idle", hostname="here", pid=1, device="cpu"))


def test_an_expired_lease_is_returned_with_a_sentence(deployment: Deployment) -> None:
    run_id = deployment.create(tiny_spec())
    expired_lease(deployment, run_id)
    reap(deployment.db, deployment.settings)
    assert deployment.unit_states(run_id) == {"partition": "ready"}
    moves = [event for event in deployment.events(run_id) if event.kind == "unit-state"]
    assert [move.data["to"] for move in moves] == ["leased", "lost", "ready"]
    assert moves[1].message == f"The lease of {SLOT} expired: its worker stopped answering."


def test_a_lease_that_still_runs_is_left_alone(deployment: Deployment) -> None:
    run_id = deployment.create(tiny_spec())
    deployment.claim(run_id)
    reap(deployment.db, deployment.settings)
    assert deployment.unit_states(run_id) == {"partition": "leased"}


def test_a_lease_that_was_renewed_meanwhile_is_left_alone(deployment: Deployment) -> None:
    run_id = deployment.create(tiny_spec())
    lease = expired_lease(deployment, run_id)
    with deployment.db.unit_of_work() as session:
        leases.renew(session, SLOT, 30.0)
    return_expired(deployment.db, deployment.settings, lease)
    assert deployment.unit_states(run_id) == {"partition": "leased"}


def test_two_reapers_at_once_return_a_lease_once(deployment: Deployment) -> None:
    run_id = deployment.create(tiny_spec())
    expired_lease(deployment, run_id)
    barrier = threading.Barrier(2)

    def compete() -> None:
        db = Database(deployment.settings.database)
        barrier.wait()
        reap(db, deployment.settings)
        db.close()

    threads = [threading.Thread(target=compete) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lost = [event for event in deployment.events(run_id) if event.data.get("to") == "lost"]
    assert len(lost) == 1
    with deployment.db.reading() as session:
        assert unit_of(session, run_id, "partition").fruitless_attempts == 1


def test_the_third_expired_lease_without_progress_fails_the_run(deployment: Deployment) -> None:
    run_id = deployment.create(tiny_spec())
    for _ in range(3):
        assert deployment.state(run_id) != "failed"
        expired_lease(deployment, run_id)
        reap(deployment.db, deployment.settings)
    assert deployment.state(run_id) == "failed"


@pytest.mark.parametrize(("action", "after"), [("cancel", "cancelled"), ("pause", "paused")])
def test_a_run_whose_worker_is_gone_still_stops(
    deployment: Deployment, action: str, after: str
) -> None:
    run_id = deployment.create(tiny_spec())
    expired_lease(deployment, run_id)
    deployment.act(run_id, action)
    reap(deployment.db, deployment.settings)
    assert deployment.state(run_id) == after


def test_a_promotion_that_a_crash_prevented_is_made_up_for(deployment: Deployment) -> None:
    run_id = skip_to_training(deployment, tiny_spec(), [1, 1])
    with deployment.db.unit_of_work() as session:
        unit_of(session, run_id, "train-0").state = "done"
    assert deployment.unit_states(run_id)["rank-0-0"] == "waiting"
    reap(deployment.db, deployment.settings)
    assert deployment.unit_states(run_id)["rank-0-0"] == "ready"


def test_ready_units_wake_an_idle_slot_again(deployment: Deployment, woken: list[int]) -> None:
    run_id = deployment.create(tiny_spec())
    idle_slot(deployment)
    reap(deployment.db, deployment.settings)
    assert woken == [run_id]


def test_no_message_is_sent_while_every_slot_is_busy(
    deployment: Deployment, woken: list[int]
) -> None:
    deployment.create(tiny_spec())
    reap(deployment.db, deployment.settings)
    assert woken == []


def test_nothing_is_sent_for_a_paused_run(deployment: Deployment, woken: list[int]) -> None:
    run_id = skip_to_training(deployment, tiny_spec(), [1, 1])
    deployment.act(run_id, "pause")
    idle_slot(deployment)
    reap(deployment.db, deployment.settings)
    assert deployment.state(run_id) == "paused"
    assert woken == []


def paused_by_a_full_disk(deployment: Deployment) -> int:
    run_id = deployment.create(tiny_spec())
    lease = deployment.claim(run_id)
    assert lease is not None
    record_failure(deployment.db, deployment.settings, lease, failure_of(StorageFull("Full.")))
    assert deployment.state(run_id) == "paused"
    return run_id


def with_room(deployment: Deployment, **changes: float) -> Settings:
    wanted = {"resume_free_bytes": 1, "resume_seconds": 0.0, **changes}
    return deployment.settings.model_copy(update=wanted)


def test_a_run_that_a_full_disk_paused_goes_on_when_there_is_room(deployment: Deployment) -> None:
    run_id = paused_by_a_full_disk(deployment)
    reap(deployment.db, with_room(deployment))
    assert deployment.state(run_id) == "queued"
    moves = [event.message for event in deployment.events(run_id) if event.kind == "run-state"]
    assert moves[-1] == "Resumed: the disk has room again."
    with deployment.db.reading() as session:
        run = session.get_one(Run, run_id)
        assert (run.failure_class, run.failure_message) == (None, None)


@pytest.mark.parametrize(
    "changes", [{"resume_free_bytes": 2**60}, {"resume_seconds": 3600.0}], ids=["room", "time"]
)
def test_a_run_that_a_full_disk_paused_does_not_flap(
    embedded: Deployment, changes: dict[str, float]
) -> None:
    run_id = paused_by_a_full_disk(embedded)
    reap(embedded.db, with_room(embedded, **changes))
    assert embedded.state(run_id) == "paused"


def test_as_much_as_some_checkpoints_must_fit_before_a_run_goes_on(
    embedded: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    with embedded.db.unit_of_work() as session:
        unit = unit_of(session, run_id, "train-0")
        checkpoints.record(session, unit, StoredFile("file", "0" * 64, 1000), 1)
    lease = embedded.claim(run_id)
    assert lease is not None
    record_failure(embedded.db, embedded.settings, lease, failure_of(StorageFull("Full.")))
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "worker.reaper.has_room", lambda _, free, wanted: asked.append((free, wanted)) or False
    )
    reap(embedded.db, with_room(embedded))
    assert asked == [(1, ROOM_IN_CHECKPOINTS * 1000)]
    assert embedded.state(run_id) == "paused"


def test_a_run_that_people_paused_stays_paused_and_one_without_room_can_be_resumed_by_them(
    embedded: Deployment,
) -> None:
    theirs = skip_to_training(embedded, tiny_spec(), [1, 1])
    embedded.act(theirs, "pause")
    without_room = paused_by_a_full_disk(embedded)
    reap(embedded.db, with_room(embedded, resume_free_bytes=2**60))
    assert embedded.act(without_room, "resume") == "queued"
    reap(embedded.db, with_room(embedded))
    assert embedded.state(theirs) == "paused"


def test_a_run_that_is_cancelled_while_it_waits_for_room_forgets_why_it_waited(
    embedded: Deployment,
) -> None:
    run_id = paused_by_a_full_disk(embedded)
    assert embedded.act(run_id, "cancel") == "cancelled"
    with embedded.db.reading() as session:
        assert session.get_one(Run, run_id).failure_class is None
