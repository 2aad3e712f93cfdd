import pytest

from backend.db import Database, db_now
from backend.models import Unit, WorkerSlot
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
        assert slots(session) == Slots(alive=2, busy=1)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Slots(0, 0), "No worker slot has reported in the last 30 seconds"),
        (Slots(1, 1), "The only worker slot is busy"),
        (Slots(3, 3), "All 3 slots are busy"),
        (Slots(3, 2), "Waiting for a free worker slot"),
    ],
)
def test_a_queued_run_says_why_it_waits(found: Slots, said: str):
    assert waiting_reason("queued", found).startswith(said)


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
