"""Candidates that one slot proposes and several evaluate.

The slot that searches offers chunks of a generation as rows, from the end of it, and evaluates the
rest from the beginning. Helpers claim a chunk each and add its scores; the search takes back what
they have scored, and also what nobody has claimed or whose helper is gone. So it waits for nothing but
chunks that are being evaluated just now. Scores are functions of the architecture alone, hence
candidates are the same whoever evaluates them.

Every transaction first verifies its own lease, which locks the run: no two claim one chunk.
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, Delete, Select, delete, false, func, select, update
from sqlalchemy.orm import Session

from backend.db import Database, db_now
from backend.models import OfferedChunk, Unit
from backend.runs import leases
from backend.runs.leases import HELPER, Lease
from nas.events import CandidatesScored, NothingOffered
from nas.search.loop import Evaluate
from nas.spaces.base import Architecture, Space

LEAST_SECONDS = 0.1
"""What is evaluated in less time is not worth the transactions of sharing it."""

CHUNK_SECONDS = 0.25
"""That a chunk takes at most; so long the search may have to wait for the last one."""

LOOK_SECONDS = 0.25
"""How often the search looks whether somebody helps."""

POLL_SECONDS = 0.02
IDLE_POLL_SECONDS = 0.1

PATIENCE_SECONDS = 5.0
PATIENCE_CHUNKS = 10
"""After so long, and so many times what a chunk should take, a claimed one is evaluated here."""

Scores = Sequence[float]
HelperEvent = CandidatesScored | NothingOffered


class OfferingSearch:
    """The slot that searches: offers what it will need, and has it evaluated in any case.

    Args:
        db: the database.
        lease: of the search.
        space: that is searched.
        device: that it computes on.
    """

    def __init__(self, db: Database, lease: Lease, space: Space, device: str) -> None:
        self._db = db
        self._lease = lease
        self._space = space
        self._device = device
        self._known: dict[Architecture, Scores] = {}
        self._offered: set[Architecture] = set()
        self._number = 0
        self._seconds_each: float | None = None
        self._looked_at = -math.inf
        self._num_helpers = 0
        self._has_begun = False

    def evaluate(
        self, chunk: Sequence[Architecture], following: Sequence[Architecture], own: Evaluate
    ) -> Sequence[Scores]:
        """Return the scores of a chunk, by `own` but for what helpers have evaluated.

        Args:
            chunk: what the search needs now.
            following: what it will need next, in this order; a part of it is offered, if that is
                worth it and somebody is there.
            own: evaluates here.

        Raises:
            StaleAttempt: if the lease no longer holds.
        """
        self._take_over()
        self._announce(following)
        self._score([one for one in chunk if not self._is_elsewhere(one)], own)
        began = time.monotonic()
        while not self._known.keys() >= set(chunk):
            waited = time.monotonic() - began
            taken = self._taken_back(is_overdue=waited > self._patience)
            here = [one for one in chunk if not self._is_elsewhere(one) and one not in taken]
            if taken or here:
                self._score([*taken, *here], own)
                began = time.monotonic()
            elif not self._known.keys() >= set(chunk):
                time.sleep(POLL_SECONDS)
        return [self._known.pop(one) for one in chunk]

    def _announce(self, following: Sequence[Architecture]) -> None:
        if self._offered or self._seconds_each is None:
            return
        if len(following) * self._seconds_each < LEAST_SECONDS:
            return
        helpers = self._helpers()
        if helpers:
            own = math.ceil(len(following) / (helpers + 1))
            self._offer([one for one in following[own:] if one not in self._known], helpers)

    @property
    def _patience(self) -> float:
        return PATIENCE_SECONDS + PATIENCE_CHUNKS * max(CHUNK_SECONDS, self._seconds_each or 0.0)

    def _is_elsewhere(self, one: Architecture) -> bool:
        return one in self._known or one in self._offered

    def _score(self, members: Sequence[Architecture], own: Evaluate) -> None:
        if not members:
            return
        began = time.monotonic()
        self._known.update(zip(members, own(members), strict=True))
        self._seconds_each = (time.monotonic() - began) / len(members)

    def _take_over(self) -> None:
        """Keep the scores that an earlier attempt had not taken yet; forget the rest of it."""
        if self._has_begun:
            return
        with self._db.reading() as session:
            left = select(OfferedChunk.number).where(self._ours).limit(1)
            is_clean = session.scalar(left) is None
        if not is_clean:
            with self._db.unit_of_work() as session:
                leases.verify(session, self._lease)
                self._take_scored(session)
                session.execute(_delete().where(self._ours))
        self._has_begun = True

    def _helpers(self) -> int:
        """Return how many slots help, as of the last look, which was just now."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            statement = select(func.count(Unit.id)).where(
                Unit.run_id == self._lease.run_id, Unit.kind == HELPER, Unit.state == "leased"
            )
            with self._db.reading() as session:
                self._num_helpers = session.scalar(statement) or 0
        return self._num_helpers

    def _offer(self, members: Sequence[Architecture], helpers: int) -> None:
        assert self._seconds_each is not None
        size = max(1, math.floor(CHUNK_SECONDS / self._seconds_each))
        size = min(size, max(1, math.ceil(len(members) / (2 * helpers))))
        with self._db.unit_of_work() as session:
            leases.verify(session, self._lease)
            for start in range(0, len(members), size):
                self._number += 1
                row = OfferedChunk(
                    run_id=self._lease.run_id,
                    number=self._number,
                    device=self._device,
                    architectures=list(map(self._space.encode, members[start : start + size])),
                )
                session.add(row)
        self._offered.update(members)

    def _taken_back(self, *, is_overdue: bool) -> list[Architecture]:
        """Take what was scored, and one chunk that nobody evaluates; return its architectures.

        Args:
            is_overdue: take one even from a helper that seems to be alive.
        """
        with self._db.reading() as session:
            is_scored = OfferedChunk.scores.is_not(None)
            is_held = false() if is_overdue else OfferedChunk.unit_id.is_not(None) & _claim_holds()
            free = OfferedChunk.scores.is_(None) & ~is_held
            offered = select(OfferedChunk.number).where(self._ours)
            if session.scalar(offered.where(is_scored | free).limit(1)) is None:
                if session.scalar(offered.limit(1)) is None:
                    self._offered.clear()
                return []
        with self._db.unit_of_work() as session:
            leases.verify(session, self._lease)
            self._take_scored(session)
            first = offered.where(free).order_by(OfferedChunk.number).limit(1)
            number = session.scalar(first)
            if number is None:
                return []
            taken = session.scalars(
                _delete()
                .where(self._ours, OfferedChunk.number == number)
                .returning(OfferedChunk.architectures)
            ).one()
        members = list(map(self._space.decode, taken))
        self._offered.difference_update(members)
        return members

    def _take_scored(self, session: Session) -> None:
        rows = session.execute(
            _delete()
            .where(self._ours, OfferedChunk.scores.is_not(None))
            .returning(OfferedChunk.architectures, OfferedChunk.scores)
        )
        for codes, scores in rows:
            assert scores is not None
            members = list(map(self._space.decode, codes))
            self._known.update(zip(members, scores, strict=True))
            self._offered.difference_update(members)

    @property
    def _ours(self) -> ColumnElement[bool]:
        return OfferedChunk.run_id == self._lease.run_id


class Helper:
    """A slot that evaluates candidates of a search that another slot executes.

    Args:
        db: the database.
        lease: of the helper's unit.
        space: that is searched.
        device: that this slot computes on.

    Attributes:
        gives_way: why the unit is to be put back, once nothing more is offered; None: it is done.
    """

    def __init__(self, db: Database, lease: Lease, space: Space, device: str) -> None:
        self.gives_way: str | None = None
        self._db = db
        self._lease = lease
        self._space = space
        self._device = device
        self._number: int | None = None

    def offered(self) -> Iterator[Sequence[Architecture]]:
        """Yield what this slot has claimed, nothing where there is nothing, until the search ends.

        Raises:
            StaleAttempt: if the lease no longer holds.
        """
        pause = POLL_SECONDS
        while not self._is_over():
            chunk = self._claimed()
            if chunk:
                pause = POLL_SECONDS
            else:
                time.sleep(pause)
                pause = min(2 * pause, IDLE_POLL_SECONDS)
            yield chunk

    def stored(self, events: Iterable[HelperEvent]) -> Iterator[HelperEvent]:
        """Yield the events after what they tell of was stored, for the search may wait for it.

        Raises:
            StaleAttempt: if the lease no longer holds.
        """
        for event in events:
            if isinstance(event, CandidatesScored):
                self._store(event.scores)
            yield event

    def _is_over(self) -> bool:
        run_id = self._lease.run_id
        with self._db.reading() as session:
            state = session.scalar(
                select(Unit.state).where(Unit.run_id == run_id, Unit.kind == "search")
            )
            if state == "done":
                return True
            if not leases.may_help(session, run_id):
                self.gives_way = "put back, its slot has other work or the search stands still"
        return self.gives_way is not None

    def _claimed(self) -> list[Architecture]:
        """Claim the last chunk that nobody has claimed, and return it; empty if there is none."""
        with self._db.reading() as session:
            if session.scalar(self._newest_free()) is None:
                return []
        with self._db.unit_of_work() as session:
            leases.verify(session, self._lease)
            row = session.execute(
                update(OfferedChunk)
                .where(
                    OfferedChunk.run_id == self._lease.run_id,
                    OfferedChunk.number == self._newest_free().scalar_subquery(),
                    OfferedChunk.unit_id.is_(None),
                )
                .values(unit_id=self._lease.unit_id, attempt=self._lease.attempt)
                .returning(OfferedChunk.number, OfferedChunk.architectures)
                .execution_options(synchronize_session=False)
            ).one_or_none()
        if row is None:
            return []
        self._number = row.number
        return list(map(self._space.decode, row.architectures))

    def _store(self, scores: Sequence[Scores]) -> None:
        """Add the scores of the claimed chunk, unless the search has taken it back meanwhile."""
        with self._db.unit_of_work() as session:
            leases.verify(session, self._lease)
            session.execute(
                update(OfferedChunk)
                .where(
                    OfferedChunk.run_id == self._lease.run_id,
                    OfferedChunk.number == self._number,
                    OfferedChunk.unit_id == self._lease.unit_id,
                    OfferedChunk.attempt == self._lease.attempt,
                )
                .values(scores=list(map(list, scores)))
                .execution_options(synchronize_session=False)
            )

    def _newest_free(self) -> Select[int]:
        return (
            select(OfferedChunk.number)
            .where(
                OfferedChunk.run_id == self._lease.run_id,
                OfferedChunk.device == self._device,
                OfferedChunk.unit_id.is_(None),
            )
            .order_by(OfferedChunk.number.desc())
            .limit(1)
        )


def forget(session: Session, run_id: int) -> None:
    """Remove what the search of a run has offered and no longer needs."""
    session.execute(_delete().where(OfferedChunk.run_id == run_id))


def _delete() -> Delete:
    return delete(OfferedChunk).execution_options(synchronize_session=False)


def _claim_holds() -> ColumnElement[bool]:
    """Whether the helper that has claimed a chunk still has its lease."""
    return (
        select(Unit.id)
        .where(
            Unit.id == OfferedChunk.unit_id,
            Unit.attempt == OfferedChunk.attempt,
            Unit.state == "leased",
            Unit.lease_until >= db_now(),
        )
        .exists()
    )
