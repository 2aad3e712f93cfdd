from contextlib import suppress
from itertools import product

import pytest
from sqlalchemy import select

from backend.db import Database
from backend.errors import Conflict
from backend.models import Run, Unit
from backend.runs import lifecycle, service
from backend.runs.lifecycle import ACTIONS, allowed_actions
from backend.runs.states import RUN_TRANSITIONS, lock_run, move_run, move_unit


def _unit(session, run_id: int, key: str, state: str, depends_on=()) -> Unit:
    unit = Unit(run_id=run_id, key=key, kind="train", state=state, depends_on=list(depends_on))
    session.add(unit)
    session.flush()
    return unit


def _state_of(db: Database, run_id: int) -> str:
    with db.reading() as session:
        return session.get_one(Run, run_id).state


def _unit_states(db: Database, run_id: int) -> dict[str, str]:
    with db.reading() as session:
        units = session.scalars(select(Unit).where(Unit.run_id == run_id))
        return {unit.key: unit.state for unit in units}


def _start(db: Database, run_id: int) -> None:
    """Let a slot take the partition's unit."""
    with db.unit_of_work() as session:
        run = lock_run(session, run_id)
        unit = session.scalars(select(Unit).where(Unit.run_id == run_id)).one()
        move_unit(session, unit, "leased")
        move_run(session, run, "running")


def test_an_action_in_a_wrong_state_is_a_conflict_that_names_the_possible_ones(
    stocked: Database, new_run
):
    run_id = new_run()
    pairs = product(lifecycle.RUN_ACTIONS, RUN_TRANSITIONS)
    for action, state in pairs:
        if state in ACTIONS[action]:
            continue
        with stocked.unit_of_work() as session:
            session.get_one(Run, run_id).state = state
        with pytest.raises(Conflict) as refused, stocked.unit_of_work() as session:
            lifecycle.act(session, run_id, action, Run)
        assert refused.value.status == 409
        assert refused.value.extra == {
            "state": state,
            "allowed_actions": allowed_actions(state),
        }


def test_cancelling_a_run_that_nobody_executes_ends_it_at_once(stocked: Database, new_run):
    run_id = new_run()
    with stocked.unit_of_work() as session:
        assert service.cancel(session, run_id).state == "cancelled"
    assert _unit_states(stocked, run_id) == {"partition": "cancelled"}


def test_cancelling_an_executed_run_waits_for_the_slot(stocked: Database, new_run):
    run_id = new_run()
    _start(stocked, run_id)
    with stocked.unit_of_work() as session:
        _unit(session, run_id, "train-0", "waiting", ["partition"])
        assert service.cancel(session, run_id).state == "cancelling"
    assert _unit_states(stocked, run_id) == {"partition": "leased", "train-0": "cancelled"}
    with stocked.unit_of_work() as session:
        run = lock_run(session, run_id)
        unit = session.scalars(select(Unit).where(Unit.key == "partition")).one()
        move_unit(session, unit, "cancelled")
        lifecycle.stop_if_idle(session, run)
    assert _state_of(stocked, run_id) == "cancelled"


def test_pausing_waits_for_the_slot_and_resuming_queues_the_run(stocked: Database, new_run):
    run_id = new_run()
    _start(stocked, run_id)
    with stocked.unit_of_work() as session:
        assert service.pause(session, run_id).state == "pausing"
    with stocked.unit_of_work() as session:
        run = lock_run(session, run_id)
        move_unit(session, session.scalars(select(Unit)).one(), "ready")
        lifecycle.stop_if_idle(session, run)
    assert _state_of(stocked, run_id) == "paused"
    with stocked.unit_of_work() as session:
        assert service.resume(session, run_id).state == "queued"
    assert _unit_states(stocked, run_id) == {"partition": "ready"}


def test_stop_if_idle_leaves_a_running_run_alone(stocked: Database, new_run):
    run_id = new_run()
    with stocked.unit_of_work() as session:
        run = lock_run(session, run_id)
        move_run(session, run, "running")
        lifecycle.stop_if_idle(session, run)
        assert run.state == "running"


def test_retry_keeps_what_is_done_and_the_attempts_and_readies_what_may_start(
    stocked: Database, new_run
):
    run_id = new_run()
    with stocked.unit_of_work() as session:
        run = session.get_one(Run, run_id)
        partition = session.scalars(select(Unit)).one()
        partition.state = "done"
        failed = _unit(session, run_id, "train-0", "failed", ["partition"])
        failed.attempt, failed.fruitless_attempts = 3, 3
        failed.failure_class, failed.failure_message = "bug", "It broke."
        _unit(session, run_id, "train-1", "lost", ["partition"])
        _unit(session, run_id, "rank-0-0", "cancelled", ["train-0"])
        run.state = "failed"
    with stocked.unit_of_work() as session:
        assert service.retry(session, run_id).state == "queued"
    assert _unit_states(stocked, run_id) == {
        "partition": "done",
        "train-0": "ready",
        "train-1": "ready",
        "rank-0-0": "waiting",
    }
    with stocked.reading() as session:
        unit = session.scalars(select(Unit).where(Unit.key == "train-0")).one()
        assert (unit.attempt, unit.fruitless_attempts) == (3, 0)
        assert (unit.failure_class, unit.failure_message) == (None, None)


def test_retry_is_refused_while_a_slot_still_executes_a_unit(stocked: Database, new_run):
    run_id = new_run()
    _start(stocked, run_id)
    with stocked.unit_of_work() as session:
        session.get_one(Run, run_id).state = "failed"
    with (
        pytest.raises(Conflict, match="partition is still stopping"),
        stocked.unit_of_work() as session,
    ):
        service.retry(session, run_id)


def test_workers_are_woken_only_after_the_commit(database_url: str, stocked: Database, new_run):
    run_id = new_run()
    woken: list[int] = []
    db = Database(database_url, wake=woken.append)
    # The first transaction is rolled back: it wakes nobody.
    with suppress(ZeroDivisionError), db.unit_of_work() as session:
        service.cancel(session, run_id)
        service.retry(session, run_id)
        raise ZeroDivisionError
    assert woken == []
    with db.unit_of_work() as session:
        service.cancel(session, run_id)
        service.retry(session, run_id)
        assert woken == []
    assert woken == [run_id]
    db.close()
