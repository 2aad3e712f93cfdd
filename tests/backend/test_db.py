from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from backend.db import Database, after_commit, db_now
from backend.models import IdempotencyKey, Run
from nas.spec import RunSpec


def _key(name: str, created_at) -> IdempotencyKey:
    return IdempotencyKey(
        key=name, endpoint="x", body_sha256="", status=200, response={}, created_at=created_at
    )


def test_timestamps_come_back_aware_and_equal(db: Database):
    moment = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=timezone(timedelta(hours=2)))
    with db.unit_of_work() as session:
        session.add(_key("a", moment))
    with db.reading() as session:
        stored = session.scalars(select(IdempotencyKey.created_at)).one()
    assert stored == moment
    assert stored.utcoffset() == timedelta(0)


def test_a_naive_timestamp_is_refused(db: Database):
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with db.unit_of_work() as session, pytest.raises(StatementError, match="naive timestamp"):
        session.execute(select(IdempotencyKey).where(IdempotencyKey.created_at < naive))


def test_the_databases_clock_compares_with_stored_timestamps(db: Database):
    now = datetime.now(UTC)
    with db.unit_of_work() as session:
        session.add_all([_key("past", now - timedelta(seconds=60)), _key("lease", db_now(60))])
    with db.reading() as session:
        late = select(IdempotencyKey.key).where(IdempotencyKey.created_at < db_now(-30))
        due = select(IdempotencyKey.key).where(IdempotencyKey.created_at > db_now(30))
        assert session.scalars(late).all() == ["past"]
        assert session.scalars(due).all() == ["lease"]


def test_a_spec_is_stored_with_its_defaults_and_read_as_a_spec(db: Database, stocked, new_run):
    run_id = new_run()
    with stocked.reading() as session:
        run = session.get_one(Run, run_id)
        assert isinstance(run.spec, RunSpec)
        weight_decay = select(Run.spec["training"]["weight_decay"].as_float())
        assert session.scalar(weight_decay) == 1e-4


def test_what_follows_a_commit_is_not_done_after_a_rollback(db: Database):
    done: list[str] = []
    with suppress(ZeroDivisionError), db.unit_of_work() as session:
        after_commit(session, lambda: done.append("rolled back"))
        raise ZeroDivisionError
    with db.unit_of_work() as session:
        after_commit(session, lambda: done.append("committed"))
        assert done == []
    assert done == ["committed"]


def test_reading_does_not_wait_for_a_writer(db: Database):
    with db.unit_of_work() as writing:
        writing.add(_key("a", db_now()))
        writing.flush()
        with db.reading() as session:
            assert session.scalars(select(IdempotencyKey)).all() == []
