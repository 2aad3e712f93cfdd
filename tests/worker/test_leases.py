"""Claiming, fencing and giving back units, on both databases."""

import threading
from itertools import product

import pytest
from sqlalchemy import delete

from backend.db import Database
from backend.models import RoundPart, Run
from backend.runs import leases
from backend.runs.leases import (
    Failure,
    FailureClass,
    Lease,
    StaleAttempt,
    TrainingAdvance,
)
from tests.worker.support import SLOT, Deployment, skip_to_training, tiny_spec, unit_of
from worker.plan import settle
from worker.reaper import return_expired

LOST = Failure(FailureClass.LOST, "The runner was lost.")
THREE = {"kind": "nonlinearity", "num_subspaces": 3}


def expire(deployment: Deployment, lease: Lease) -> None:
    """Let a lease run out a second ago, by the database's clock."""
    with deployment.db.unit_of_work() as session:
        leases.renew(session, lease.owner, -1.0)


def claimed(deployment: Deployment, run_id: int | None = None, owner: str = SLOT) -> Lease:
    lease = deployment.claim(run_id, owner)
    assert lease is not None
    return lease


def test_of_eight_simultaneous_claims_of_one_unit_one_wins(deployment: Deployment) -> None:
    run_id = deployment.create(tiny_spec())
    barrier, won = threading.Barrier(8), []

    def compete(owner: str) -> None:
        db = Database(deployment.settings.database)
        barrier.wait()
        with db.unit_of_work() as session:
            lease = leases.claim(session, owner, 30)
        if lease is not None:
            won.append(lease)
        db.close()

    threads = [threading.Thread(target=compete, args=(f"slot-{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    with deployment.db.reading() as session:
        unit = unit_of(session, run_id, "partition")
        assert (unit.owner, unit.attempt, unit.state) == (won[0].owner, 1, "leased")


def test_a_claim_starts_the_run_and_is_part_of_its_history(embedded: Deployment) -> None:
    run_id = embedded.create(tiny_spec())
    claimed(embedded)
    assert embedded.state(run_id) == "running"
    moves = [event.data for event in embedded.events(run_id) if event.kind == "unit-state"]
    assert moves == [{"from": "ready", "to": "leased", "unit": "partition", "attempt": 1}]
    assert embedded.claim() is None


def test_the_older_run_is_served_first(embedded: Deployment) -> None:
    older, newer = embedded.create(tiny_spec()), embedded.create(tiny_spec())
    assert [claimed(embedded).run_id, claimed(embedded).run_id] == [older, newer]


def test_a_slot_may_ask_for_units_of_one_run_only(embedded: Deployment) -> None:
    older, newer = embedded.create(tiny_spec()), embedded.create(tiny_spec())
    assert claimed(embedded, newer).run_id == newer
    assert embedded.claim(newer) is None
    assert claimed(embedded).run_id == older


def test_a_stale_attempt_cannot_write(deployment: Deployment) -> None:
    run_id = deployment.create(tiny_spec())
    stale = claimed(deployment, owner="first")
    expire(deployment, stale)
    return_expired(deployment.db, deployment.settings, stale)
    newer = claimed(deployment, run_id, owner="second")
    assert newer.attempt == stale.attempt + 1
    for refused in (leases.verify, leases.finish, leases.cancel):
        with pytest.raises(StaleAttempt), deployment.db.unit_of_work() as session:
            refused(session, stale)
    with deployment.db.unit_of_work() as session:
        assert leases.verify(session, newer)[1].owner == "second"


def test_a_slot_that_claims_its_own_lost_unit_again_is_fenced_from_its_past(
    embedded: Deployment,
) -> None:
    embedded.create(tiny_spec())
    stale = claimed(embedded)
    expire(embedded, stale)
    return_expired(embedded.db, embedded.settings, stale)
    claimed(embedded)
    with pytest.raises(StaleAttempt), embedded.db.unit_of_work() as session:
        leases.verify(session, stale)


def test_an_attempt_at_a_deleted_run_is_stale(deployment: Deployment) -> None:
    run_id = deployment.create(tiny_spec())
    lease = claimed(deployment)
    with deployment.db.unit_of_work() as session:
        session.execute(delete(Run).where(Run.id == run_id))
        assert settle(session, run_id) is None
    with pytest.raises(StaleAttempt), deployment.db.unit_of_work() as session:
        leases.verify(session, lease)


def test_renewal_extends_the_leases_of_that_slot_alone(deployment: Deployment) -> None:
    deployment.create(tiny_spec())
    deployment.create(tiny_spec())
    kept, dropped = claimed(deployment, owner="kept"), claimed(deployment, owner="dropped")
    expire(deployment, kept)
    expire(deployment, dropped)
    with deployment.db.unit_of_work() as session:
        assert leases.renew(session, "kept", 30) == 1
    with deployment.db.reading() as session:
        assert leases.expired(session) == [dropped]


def test_the_third_attempt_in_a_row_without_progress_fails_the_unit(
    embedded: Deployment,
) -> None:
    run_id = embedded.create(tiny_spec())
    states = []
    for _ in range(3):
        lease = claimed(embedded)
        with embedded.db.unit_of_work() as session:
            states.append(leases.fail(session, lease, LOST, 3))
    assert states == ["ready", "ready", "failed"]
    with embedded.db.reading() as session:
        unit = unit_of(session, run_id, "partition")
        assert unit.failure_class == "lost"
        assert "3 in a row without progress" in (unit.failure_message or "")


def test_stored_progress_starts_the_count_of_fruitless_attempts_anew(
    embedded: Deployment,
) -> None:
    run_id = embedded.create(tiny_spec())
    for attempt in range(1, 7):
        lease = claimed(embedded)
        with embedded.db.unit_of_work() as session:
            if attempt == 3:
                unit_of(session, run_id, "partition").fruitless_attempts = 0
            state = leases.fail(session, lease, LOST, 3)
        assert state == ("failed" if attempt == 6 else "ready"), attempt


def test_an_attempt_that_was_put_back_is_not_held_against_the_unit(
    embedded: Deployment,
) -> None:
    run_id = embedded.create(tiny_spec())
    for _ in range(4):
        lease = claimed(embedded)
        with embedded.db.unit_of_work() as session:
            leases.release(session, lease, "put back")
    with embedded.db.reading() as session:
        unit = unit_of(session, run_id, "partition")
        assert (unit.state, unit.attempt, unit.fruitless_attempts) == ("ready", 4, 0)


def test_a_final_failure_is_not_tried_again(embedded: Deployment) -> None:
    embedded.create(tiny_spec())
    lease = claimed(embedded)
    failure = Failure(FailureClass.BAD_SPEC, "Nothing can be done.", final=True)
    with embedded.db.unit_of_work() as session:
        assert leases.fail(session, lease, failure, 3) == "failed"


def test_a_unit_that_fails_while_its_run_is_being_cancelled_is_cancelled(
    embedded: Deployment,
) -> None:
    run_id = embedded.create(tiny_spec())
    lease = claimed(embedded)
    assert embedded.act(run_id, "cancel") == "cancelling"
    with embedded.db.unit_of_work() as session:
        assert leases.fail(session, lease, LOST, 3) == "cancelled"


def test_a_unit_given_up_in_a_run_that_goes_on_can_be_claimed_again(
    deployment: Deployment,
) -> None:
    run_id = deployment.create(tiny_spec())
    lease = claimed(deployment)
    with deployment.db.unit_of_work() as session:
        leases.cancel(session, lease)
    with deployment.db.reading() as session:
        assert unit_of(session, run_id, "partition").state == "ready"
    assert claimed(deployment).attempt == lease.attempt + 1


@pytest.mark.parametrize("state", ["pausing", "paused", "cancelling", "failed"])
def test_nothing_is_claimed_of_a_run_that_is(embedded: Deployment, state: str) -> None:
    run_id = embedded.create(tiny_spec())
    with embedded.db.unit_of_work() as session:
        session.get_one(Run, run_id).state = state
    assert embedded.claim() is None


def test_the_least_advanced_supernet_is_trained_next(embedded: Deployment) -> None:
    run_id = skip_to_training(embedded, tiny_spec(splitter=THREE), [1, 1, 1])
    with embedded.db.unit_of_work() as session:
        ids = {key: unit_of(session, run_id, key).id for key in ("train-0", "train-1", "train-2")}
        for key, rounds in (("train-0", 2), ("train-1", 1), ("train-2", 2)):
            for step in range(rounds):
                session.add(RoundPart(run_id=run_id, step=step, unit_id=ids[key]))
    assert claimed(embedded, run_id).unit_id == ids["train-1"]
    # The two others are a round ahead of it, so they wait until it has caught up.
    assert embedded.claim(run_id) is None


def test_of_equally_advanced_supernets_the_one_that_takes_longest_starts_first(
    embedded: Deployment,
) -> None:
    run_id = skip_to_training(embedded, tiny_spec(splitter=THREE), [1, 1, 1])
    with embedded.db.unit_of_work() as session:
        for key, seconds in (("train-0", 1.0), ("train-1", 2.0), ("train-2", 3.0)):
            unit_of(session, run_id, key).useful_seconds = seconds
        # Less advanced, so it goes first however little it takes.
        for key in ("train-1", "train-2"):
            unit_of(session, run_id, key).progress = 5
    order = [claimed(embedded, run_id).unit_id for _ in range(3)]
    with embedded.db.reading() as session:
        expected = [unit_of(session, run_id, f"train-{number}").id for number in (0, 1, 2)]
    assert order == [expected[0], expected[2], expected[1]]


def test_no_supernet_gets_two_rounds_ahead_unless_every_other_is_leased() -> None:
    for rounds in product(range(4), repeat=3):
        for leased in ({1}, {2}, {1, 2}, set()):
            advance = TrainingAdvance(dict(enumerate(rounds)), frozenset(leased))
            ahead = max(rounds[0] + 1 - rounds[1], rounds[0] + 1 - rounds[2])
            assert advance.may_advance(0) == (ahead <= 1 or leased == {1, 2})


def test_a_lone_supernet_always_advances() -> None:
    assert TrainingAdvance({7: 5}, frozenset()).may_advance(7)
