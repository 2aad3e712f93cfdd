from itertools import product

import pytest
from sqlalchemy import select

from backend.db import Database
from backend.errors import IllegalTransition, NotFound
from backend.models import EventRow, Run, Unit
from backend.runs import states
from backend.runs.states import RUN_TRANSITIONS, UNIT_TRANSITIONS, move_run, move_unit

RUN_MOVES = {
    ("queued", "running"),
    ("queued", "cancelling"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "pausing"),
    ("running", "cancelling"),
    ("pausing", "paused"),
    ("pausing", "succeeded"),
    ("pausing", "failed"),
    ("pausing", "cancelling"),
    ("paused", "queued"),
    ("paused", "cancelling"),
    ("cancelling", "cancelled"),
    ("cancelled", "queued"),
    ("failed", "queued"),
    ("succeeded", "queued"),
}
UNIT_MOVES = {
    ("waiting", "ready"),
    ("waiting", "cancelled"),
    ("waiting", "done"),
    ("ready", "leased"),
    ("ready", "cancelled"),
    ("ready", "done"),
    ("leased", "done"),
    ("leased", "failed"),
    ("leased", "lost"),
    ("leased", "ready"),
    ("leased", "cancelled"),
    ("lost", "ready"),
    ("lost", "failed"),
    ("lost", "cancelled"),
    ("lost", "done"),
    ("failed", "waiting"),
    ("failed", "ready"),
    ("cancelled", "waiting"),
    ("cancelled", "ready"),
}


def _moves(table) -> set[tuple[str, str]]:
    return {(origin, to) for origin, targets in table.items() for to in targets}


def test_the_run_table_holds_exactly_the_moves_of_the_design():
    assert _moves(RUN_TRANSITIONS) == RUN_MOVES


def test_the_unit_table_holds_exactly_the_moves_of_the_design():
    assert _moves(UNIT_TRANSITIONS) == UNIT_MOVES


def test_every_run_move_succeeds_or_names_the_allowed_ones(stocked: Database, new_run):
    run_id = new_run()
    for origin, to in product(RUN_TRANSITIONS, repeat=2):
        with stocked.unit_of_work() as session:
            run = session.get_one(Run, run_id)
            run.state = origin
            session.flush()
            if (origin, to) in RUN_MOVES:
                move_run(session, run, to)
                assert run.state == to
                continue
            with pytest.raises(IllegalTransition) as refused:
                move_run(session, run, to)
            assert refused.value.status == 409
            assert refused.value.state == origin
            assert refused.value.allowed == RUN_TRANSITIONS[origin]
            assert run.state == origin


def test_every_unit_move_succeeds_or_names_the_allowed_ones(stocked: Database, new_run):
    run_id = new_run()
    for origin, to in product(UNIT_TRANSITIONS, repeat=2):
        with stocked.unit_of_work() as session:
            unit = session.scalars(select(Unit).where(Unit.run_id == run_id)).one()
            unit.state = origin
            session.flush()
            if (origin, to) in UNIT_MOVES:
                move_unit(session, unit, to)
                assert unit.state == to
                continue
            with pytest.raises(IllegalTransition) as refused:
                move_unit(session, unit, to)
            assert refused.value.allowed == UNIT_TRANSITIONS[origin]
            assert unit.state == origin


def test_a_move_appends_one_event_and_raises_the_revision_by_one(stocked: Database, new_run):
    run_id = new_run()
    with stocked.unit_of_work() as session:
        run = states.lock_run(session, run_id)
        before = run.revision
        move_run(session, run, "running", "A slot took it.")
        assert run.revision == before + 1
        event = session.scalars(
            select(EventRow).where(EventRow.run_id == run_id).order_by(EventRow.id.desc())
        ).first()
        assert (event.kind, event.message) == ("run-state", "A slot took it.")
        assert event.data == {"from": "queued", "to": "running"}


def test_giving_up_a_lease_keeps_the_attempt_as_the_fencing_token(stocked: Database, new_run):
    run_id = new_run()
    with stocked.unit_of_work() as session:
        unit = session.scalars(select(Unit).where(Unit.run_id == run_id)).one()
        move_unit(session, unit, "leased")
        unit.owner, unit.attempt = "slot", 4
        move_unit(session, unit, "ready")
        assert (unit.owner, unit.lease_until, unit.attempt) == (None, None, 4)


def test_a_queued_run_has_forgotten_its_failure(stocked: Database, new_run):
    run_id = new_run()
    with stocked.unit_of_work() as session:
        run = session.get_one(Run, run_id)
        move_run(session, run, "running")
        run.failure_class, run.failure_message = "bug", "It broke."
        move_run(session, run, "failed")
        session.refresh(run)
        assert run.finished_at is not None
        move_run(session, run, "queued")
        session.refresh(run)
        assert (run.finished_at, run.failure_class, run.failure_message) == (None, None, None)


def test_an_unknown_run_cannot_be_locked(stocked: Database):
    with stocked.unit_of_work() as session, pytest.raises(NotFound):
        states.lock_run(session, 4711)
