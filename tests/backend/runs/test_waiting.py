import pytest

from backend.db import Database, db_now
from backend.models import Unit, WorkerSlot
from backend.runs import leases, service
from backend.runs.states import lock_run, move_run
from backend.runs.waiting import Slots, slots, waiting_reason


def _slot(name: str, seen_seconds_ago: float, unit_id: int | None = None) -> WorkerSlot:
    return WorkerSlot(
        name=name,
        hostname="here",
        pid=1,
        device="cpu",
        unit_id=unit_id,
        seen_at=db_now(-seen_seconds_ago),
    )


def test_only_slots_seen_in_the_last_thirty_seconds_count(stocked: Database, new_run):
    new_run()
    with stocked.unit_of_work() as session:
        unit = session.query(Unit).one()
        session.add_all([_slot("old", 40), _slot("idle", 5), _slot("busy", 5, unit.id)])
    with stocked.reading() as session:
        assert slots(session) == Slots(
            alive=2, busy=1, run_ids={unit.run_id}, held_back=(None,), max_processes=None
        )


def test_slots_tell_what_holds_them_back_and_how_many_gpus_the_largest_has(stocked: Database):
    small, large = _slot("small", 5), _slot("large", 5)
    small.held_back, small.max_processes, large.max_processes = "GPU 0 is full", 1, 4
    with stocked.unit_of_work() as session:
        session.add_all([small, large])
    with stocked.reading() as session:
        found = slots(session)
    assert (sorted(found.held_back, key=str), found.max_processes) == (["GPU 0 is full", None], 4)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Slots(0, 0), "No worker slot has reported in the last 30 seconds"),
        (Slots(1, 1), "The only worker slot is busy"),
        (Slots(3, 3), "All 3 slots are busy"),
        (Slots(3, 2), "Waiting for a free worker slot"),
        (Slots(2, 1, held_back=["GPU 1 is full"]), "No worker slot has enough free memory: GPU 1"),
        (Slots(3, 1, held_back=["GPU 1 is full", None]), "Waiting for a free worker slot"),
    ],
)
def test_a_queued_run_says_why_it_waits(found: Slots, said: str):
    assert waiting_reason("queued", found).startswith(said)


def test_a_run_for_more_gpus_than_any_slot_has_says_so():
    found = Slots(2, 0, max_processes=2)
    assert waiting_reason("queued", found, processes=2).startswith("Waiting for a free")
    reason = waiting_reason("queued", found, processes=4)
    assert reason.startswith("training.processes is 4, and no worker slot has that many GPUs")


def test_a_run_that_a_slot_executes_does_not_wait():
    assert waiting_reason("running", Slots(1, 1), is_executed=True) is None


def test_a_finished_or_paused_run_does_not_wait():
    for state in ("succeeded", "failed", "cancelled", "paused", "pausing", "cancelling"):
        assert waiting_reason(state, Slots(0, 0)) is None


def test_a_running_run_whose_workers_died_says_so():
    assert waiting_reason("running", Slots(0, 0)).startswith("No worker slot has reported")


def test_a_running_run_between_two_units_does_not_wait():
    # The slot may still be known by the unit that it has just finished.
    assert waiting_reason("running", Slots(1, 1)) is None


def test_a_run_resumed_before_its_slot_reports_again_does_not_blame_another_run():
    reason = waiting_reason("queued", Slots(1, 1, {7}), run_id=7)
    assert reason is not None
    assert reason.startswith("Waiting for a free worker slot")
    other = waiting_reason("queued", Slots(1, 1, {7}), run_id=8)
    assert other == "The only worker slot is busy with another run."


def test_a_run_paused_and_resumed_at_once_waits_for_a_matter_of_seconds(
    stocked: Database, new_run
):
    run_id = new_run()
    with stocked.unit_of_work() as session:
        lease = leases.claim(session, "busy", 30.0)
        assert lease is not None
        session.add(_slot("busy", 1, lease.unit_id))
    with stocked.unit_of_work() as session:
        service.pause(session, run_id)
        leases.release(session, lease, "put back")
        move_run(session, lock_run(session, run_id), "paused")
        resumed = service.resume(session, run_id)
    assert resumed.state == "queued"
    assert resumed.waiting_reason is not None
    assert "busy with another run" not in resumed.waiting_reason
