"""Leases: who executes a unit, until when, and which attempt may still write.

A slot claims a ready unit with one conditional UPDATE that raises the unit's attempt. The attempt
is the fencing token: every later write of that slot first calls `verify`, which refuses an attempt
that is no longer the unit's newest. All deadlines are judged by the database's clock.

Every function that changes a unit takes the run's row first, the one order of locks that
`backend.runs.states` asks for.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend.db import db_now
from backend.errors import NotFound
from backend.models import Job, RoundPart, Run, Unit
from backend.runs.lifecycle import pause_for
from backend.runs.states import append_event, lock_job, move_run, move_unit

CLAIMABLE_RUN_STATES = ("queued", "running")

HELPER = "evaluate"
"""Kind of the units that evaluate candidates for a search. No run depends on what they do."""

SMALLEST_HALVED_BATCH = 4
"""A half of it has two images; the statistics of a single one are undefined where it is one pixel."""


class FailureClass(StrEnum):
    """Why an attempt or a unit failed, for people and for statistics."""

    BAD_SPEC = "bad spec"
    OUT_OF_MEMORY = "out of memory"
    STORAGE = "storage"
    LOST = "lost"
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and one sentence that says it to a person.

    Attributes:
        final: another attempt would meet the same end, so none is made.
        pauses: the run pauses until its cause is gone, and loses nothing.
        halves: training may get along with half a batch at a time.
    """

    kind: FailureClass
    message: str
    final: bool = False
    pauses: bool = False
    halves: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """One attempt of one slot at one unit.

    Attributes:
        owner: the slot's name.
        attempt: the fencing token.
    """

    unit_id: int
    run_id: int
    owner: str
    attempt: int


class StaleAttempt(Exception):
    """The lease is no longer held: its unit was returned, cancelled or given to another slot."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(
            f"attempt {lease.attempt} of {lease.owner} at unit {lease.unit_id} is no longer valid"
        )
        self.lease = lease


@dataclass(frozen=True, slots=True)
class TrainingAdvance:
    """How far the unfinished train units of a run are.

    Attributes:
        rounds: unit id to completed rounds of live ranking.
        leased: ids of those that a slot is executing.
    """

    rounds: dict[int, int]
    leased: frozenset[int]

    def may_advance(self, unit_id: int) -> bool:
        """Tell whether `unit_id` may begin its next round.

        No supernet gets more than one round ahead of another, unless every other one is leased
        and so advances by itself.
        """
        others = self.rounds.keys() - {unit_id}
        if others <= self.leased:
            return True
        return self.rounds[unit_id] <= min(self.rounds[other] for other in others)


def has_ready(session: Session, run_id: int | None = None) -> bool:
    """Tell, without a lock, whether some unit waits for a slot."""
    return bool(_runs_with_ready_units(session, run_id))


def may_help(session: Session, run_id: int) -> bool:
    """Tell whether a slot may evaluate candidates for a run's search.

    It may while the search is being executed, and nothing else waits for a slot: of this run or
    of another, whether or not this very slot could execute it.
    """
    searching = select(Unit.id).where(
        Unit.run_id == run_id, Unit.kind == "search", Unit.state == "leased"
    )
    if session.scalar(searching) is None:
        return False
    return not _runs_with_ready_units(session, None, but_helpers=True)


def has_claimable(session: Session, run_id: int) -> bool:
    """Tell, without a lock, whether `claim` would find a unit of the run just now."""
    ready = _runs_with_ready_units(session, run_id)
    return bool(ready) and bool(_claimable_units(session, run_id))


def may_get_ready(session: Session, run_id: int) -> bool:
    """Tell whether a slot should wait for a unit of `run_id` that cannot be claimed just now.

    It should not if nothing of the run is left, or if another run has work for it.
    """
    if set(_runs_with_ready_units(session, None, but_helpers=True)) - {run_id}:
        return False
    ready = _runs_with_ready_units(session, run_id)
    leased = (
        select(Unit.id)
        .join(Job)
        .where(Unit.run_id == run_id, Unit.state == "leased", Job.state.in_(CLAIMABLE_RUN_STATES))
    )
    return bool(ready) or session.scalar(leased.limit(1)) is not None


def claim(
    session: Session,
    owner: str,
    lease_seconds: float,
    *,
    run_id: int | None = None,
    max_processes: int | None = None,
) -> Lease | None:
    """Give the next ready unit to `owner`, or return None if there is none to give.

    Older runs come first; within a run the train units wait for the least advanced of them.

    Args:
        session: a writing transaction.
        owner: the slot's name, unique among all slots that ever lived.
        lease_seconds: how long the lease lasts unless it is renewed.
        run_id: take units of this run only.
        max_processes: leave runs alone whose units more processes train; None: take any.
    """
    for candidate in _runs_with_ready_units(session, run_id):
        run = lock_job(session, candidate, Job)
        if run.state not in CLAIMABLE_RUN_STATES:
            continue
        if max_processes is not None and run.processes > max_processes:
            continue
        for unit_id in _claimable_units(session, run.id):
            lease = _take(session, unit_id, owner, lease_seconds)
            if lease is not None:
                if run.state == "queued":
                    move_run(session, run, "running", f"{owner} started the run.")
                return lease
    return None


def verify(session: Session, lease: Lease) -> tuple[Job, Unit]:
    """Lock the run and return it with the unit, if `lease` still holds.

    Raises:
        StaleAttempt: if the attempt must not write any more.
    """
    try:
        run = lock_job(session, lease.run_id, Job)
    except NotFound:
        raise StaleAttempt(lease) from None
    unit = session.get(Unit, lease.unit_id, populate_existing=True)
    if unit is None or _lease_of(unit) != lease:
        raise StaleAttempt(lease)
    return run, unit


def renew(session: Session, owner: str, lease_seconds: float) -> int:
    """Extend the leases that `owner` holds; return how many there are."""
    statement = (
        update(Unit)
        .where(Unit.owner == owner, Unit.state == "leased")
        .values(lease_until=db_now(lease_seconds))
        .returning(Unit.id)
        .execution_options(synchronize_session=False)
    )
    return len(session.scalars(statement).all())


def held(session: Session, owner: str) -> list[Lease]:
    """Return the leases that `owner` holds."""
    units = session.scalars(
        select(Unit).where(Unit.owner == owner, Unit.state == "leased").order_by(Unit.id)
    )
    return [held_lease(unit) for unit in units]


def expired(session: Session) -> list[Lease]:
    """Return the leases that ran out by the database's clock."""
    units = session.scalars(
        select(Unit)
        .where(Unit.state == "leased", Unit.lease_until < db_now())
        .order_by(Unit.run_id, Unit.id)
    )
    return [held_lease(unit) for unit in units]


def is_expired(session: Session, lease: Lease) -> bool:
    """Tell whether `lease` has run out; asked again under the run's lock before it is taken."""
    statement = select(Unit.id).where(Unit.id == lease.unit_id, Unit.lease_until < db_now())
    return session.scalar(statement) is not None


def held_lease(unit: Unit) -> Lease:
    """Return the lease under which a leased unit is executed."""
    lease = _lease_of(unit)
    assert lease is not None, f"unit {unit.id} is {unit.state}, not leased"
    return lease


def release(session: Session, lease: Lease, message: str) -> None:
    """Put a leased unit back among the ready ones; the attempt does not count as fruitless.

    Raises:
        StaleAttempt: if the lease no longer holds.
    """
    _, unit = verify(session, lease)
    unit.fruitless_attempts = max(unit.fruitless_attempts - 1, 0)
    move_unit(session, unit, "ready", message)


def cancel(session: Session, lease: Lease) -> None:
    """Give up a leased unit; in a run that is not being cancelled it becomes ready again.

    Nothing would ever take up a cancelled unit of a run that goes on.

    Raises:
        StaleAttempt: if the lease no longer holds.
    """
    run, unit = verify(session, lease)
    if run.state == "cancelling":
        move_unit(session, unit, "cancelled", f"{unit.key}: cancelled.")
    else:
        move_unit(session, unit, "ready", f"{unit.key}: put back, its slot gave it up.")


def finish(session: Session, lease: Lease, message: str = "") -> None:
    """Mark a leased unit as done.

    Raises:
        StaleAttempt: if the lease no longer holds.
    """
    _, unit = verify(session, lease)
    unit.progress = unit.total
    unit.fruitless_attempts = 0
    move_unit(session, unit, "done", message)


def fail(session: Session, lease: Lease, failure: Failure, max_fruitless_attempts: int) -> str:
    """End an attempt that failed, and return the unit's new state.

    A helper that would fail is done instead, for its run can do without it.

    The unit becomes ready again, unless the failure is final or was the last of
    `max_fruitless_attempts` attempts in a row that stored nothing new. A failure that pauses the
    run counts as no attempt at all. Training that ran out of memory is tried again once, with halves
    of a batch. In a run that is being cancelled the unit is cancelled.

    Raises:
        StaleAttempt: if the lease no longer holds.
    """
    run, unit = verify(session, lease)
    if run.state == "cancelling":
        cancel(session, lease)
        return unit.state
    if failure.pauses:
        pause_for(session, run, failure.kind, failure.message)
        release(session, lease, f"{unit.key}: put back. {failure.message}")
        return unit.state
    if failure.final or (failure.halves and unit.micro_batches > 1):
        _give_up(session, unit, failure.kind, failure.message)
        return unit.state
    if failure.halves and isinstance(run, Run) and unit.kind in ("warm-up", "train"):
        _halve(session, run, unit, failure)
        return unit.state
    move_unit(session, unit, "lost", failure.message)
    if unit.fruitless_attempts < max_fruitless_attempts:
        move_unit(session, unit, "ready", f"{unit.key}: will be tried again.")
        return unit.state
    message = (
        f"{failure.message} It was attempt {unit.fruitless_attempts} in a row without progress."
    )
    _give_up(session, unit, failure.kind, message)
    return unit.state


def training_advance(session: Session, run_id: int) -> TrainingAdvance:
    """Return how far each unfinished train unit of a run is."""
    rows = session.execute(
        select(Unit.id, Unit.state, func.count(RoundPart.step))
        .outerjoin(RoundPart, RoundPart.unit_id == Unit.id)
        .where(Unit.run_id == run_id, Unit.kind == "train", Unit.state != "done")
        .group_by(Unit.id, Unit.state)
    ).all()
    return TrainingAdvance(
        rounds={unit_id: rounds for unit_id, _, rounds in rows},
        leased=frozenset(unit_id for unit_id, state, _ in rows if state == "leased"),
    )


def _runs_with_ready_units(
    session: Session, run_id: int | None, *, but_helpers: bool = False
) -> list[int]:
    statement = (
        select(Unit.run_id)
        .join(Job)
        .where(Unit.state == "ready", Job.state.in_(CLAIMABLE_RUN_STATES))
        .distinct()
        .order_by(Unit.run_id)
    )
    if run_id is not None:
        statement = statement.where(Unit.run_id == run_id)
    if but_helpers:
        statement = statement.where(Unit.kind != HELPER)
    return list(session.scalars(statement))


def _claimable_units(session: Session, run_id: int) -> list[int]:
    """Ready units in the order in which they should start, without those that are held back.

    Of equally advanced supernets the one that has taken longest so far goes first: several slots
    then reach the end of a round closer together.
    """
    ready = session.execute(
        select(Unit.id, Unit.kind, Unit.progress, Unit.useful_seconds)
        .where(Unit.run_id == run_id, Unit.state == "ready")
        .order_by(Unit.id)
    ).all()
    advance = training_advance(session, run_id)
    others = [unit_id for unit_id, kind, _, _ in ready if kind not in ("train", HELPER)]
    helpers = [unit_id for unit_id, kind, _, _ in ready if kind == HELPER]
    training = sorted(
        (advance.rounds[unit_id], progress, -seconds, unit_id)
        for unit_id, kind, progress, seconds in ready
        if kind == "train" and advance.may_advance(unit_id)
    )
    wanted = [unit_id for *_, unit_id in training] + others
    return wanted or (helpers if helpers and may_help(session, run_id) else [])


def _take(session: Session, unit_id: int, owner: str, lease_seconds: float) -> Lease | None:
    # The attempt is presumed fruitless until it stores something, so that an attempt that dies
    # without a word has already been counted.
    taken = session.scalar(
        update(Unit)
        .where(Unit.id == unit_id, Unit.state == "ready")
        .values(
            state="leased",
            owner=owner,
            attempt=Unit.attempt + 1,
            fruitless_attempts=Unit.fruitless_attempts + 1,
            lease_until=db_now(lease_seconds),
            started_at=func.coalesce(Unit.started_at, db_now()),
        )
        .returning(Unit.id)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        return None
    unit = session.get_one(Unit, unit_id, populate_existing=True)
    append_event(
        session,
        unit,
        "unit-state",
        f"{unit.key}: {owner} began attempt {unit.attempt}.",
        data={"from": "ready", "to": "leased", "unit": unit.key, "attempt": unit.attempt},
    )
    return held_lease(unit)


def _halve(session: Session, run: Run, unit: Unit, failure: Failure) -> None:
    """Cut the unit's batches in two from now on, and say so; too small ones end it instead."""
    processes = run.spec.training.processes
    # What one process holds at a time, and what it would halve.
    share = min(run.spec.training.batch_size, run.dataset.num_train) // processes
    if share < SMALLEST_HALVED_BATCH:
        _give_up(session, unit, failure.kind, failure.message)
        return
    move_unit(session, unit, "lost", failure.message)
    unit.micro_batches = 2
    cut = f"batch of {share} images" if processes == 1 else f"process's share of {share} images"
    text = (
        f"{unit.key}: it ran out of memory, so from its last checkpoint on each {cut} "
        "is cut into 2 halves whose gradients are added up (micro_batches 2). "
        "BatchNorm then has the statistics of a half, so results differ from those of a run that "
        "had enough memory; every rank correlation of this run shows it."
    )
    append_event(session, unit, "log", text, level="warning")
    # The attempt says nothing about the next one, which needs less.
    unit.fruitless_attempts = 0
    move_unit(session, unit, "ready", f"{unit.key}: will be tried again with halved batches.")


def _give_up(session: Session, unit: Unit, kind: FailureClass, message: str) -> None:
    if unit.kind == HELPER:
        append_event(session, unit, "log", f"{unit.key}: {message}", level="warning")
        unit.total = unit.progress
        move_unit(session, unit, "done", f"{unit.key}: gave up; the search goes on without it.")
        return
    move_unit(session, unit, "failed", message)
    unit.failure_class = kind
    unit.failure_message = message


def _lease_of(unit: Unit) -> Lease | None:
    if unit.state != "leased" or unit.owner is None:
        return None
    return Lease(unit_id=unit.id, run_id=unit.run_id, owner=unit.owner, attempt=unit.attempt)
