"""Searches that several slots evaluate: what they find is what one alone finds."""

import math
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.db import Database
from backend.models import OfferedChunk, Unit
from backend.runs import leases
from backend.runs.leases import Failure, FailureClass, Lease, StaleAttempt
from backend.settings import Settings
from nas.ranking import evaluation
from nas.spaces import catalogue
from nas.spaces.base import Architecture
from nas.spec import RunSpec
from tests.support import wait_until
from tests.worker import forked
from tests.worker.conftest import Catalogue
from tests.worker.processes import DEADLINE_SECONDS, wait_for_state
from tests.worker.running import DrainWhen, artifacts, lose, run_here, run_to_end
from tests.worker.support import Deployment, skip_to_training, tiny_spec, unit_of, units_of
from tests.worker.test_searching import found
from worker.control import Control
from worker.plan import settle
from worker.runner import Runner
from worker.sharing import Helper, OfferingSearch, forget
from worker.supervisor import ORDER_OF_STATE

SPACE = catalogue()["digits-mini"]
MEMBERS = [member for member in SPACE.enumerate() if SPACE.is_valid(member)]
BUDGET = 100
SCORING_SECONDS = 0.06
"""Of a chunk in one sub-space, at least: a search of seconds, in which there is time to help."""

DIED = Failure(FailureClass.LOST, "The runner was lost.")


def spec_of(**changes: object) -> RunSpec:
    return tiny_spec(
        **{
            "training": {"steps": 10, "warm_up_steps": 0},
            "ranking": {
                "num_architectures": 12,
                "scorers": [{"kind": "loss"}, {"kind": "accuracy"}, {"kind": "rank-sum"}],
            },
            "search": {
                "kind": "evolution",
                "scorer": "rank-sum",
                "budget": BUDGET,
                "evaluators": 2,
            },
            **changes,
        }
    )


@dataclass(frozen=True)
class Trained:
    """A run of which all but the search is done, to be copied, and what its search finds alone."""

    folder: Path
    run_id: int
    expected: list[tuple]

    def copied(self, folder: Path) -> Deployment:
        shutil.copytree(self.folder, folder)
        return _deployment(folder)


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, installed: Catalogue, migrated_sqlite: Path
) -> Trained:
    folder = tmp_path_factory.mktemp("trained") / "stored"
    folder.mkdir()
    shutil.copyfile(migrated_sqlite, folder / "efsnas.sqlite3")
    deployment = _deployment(folder)
    installed.put_into(deployment.db, deployment.settings)
    run_id = deployment.create(spec_of())

    def is_trained() -> bool:
        return deployment.unit_states(run_id).get("search") == "ready"

    while not is_trained():
        run_here(deployment, run_id, DrainWhen(is_trained))
    deployment.db.close()
    kept = Trained(folder, run_id, [])
    alone = kept.copied(folder.with_name("alone"))
    run_to_end(alone, run_id)
    kept.expected.extend(found(alone, run_id))
    # Helpers that never began keep no run from succeeding.
    assert alone.state(run_id) == "succeeded"
    assert helpers(alone, run_id) == {"evaluate-0": ("done", 0), "evaluate-1": ("done", 0)}
    alone.db.close()
    return kept


@pytest.fixture
def ready(trained: Trained, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment whose only run is about to search."""
    deployment = trained.copied(tmp_path / "copy")
    yield deployment
    deployment.db.close()


def _deployment(folder: Path) -> Deployment:
    settings = Settings(home=folder, database_url=f"sqlite:///{folder / 'efsnas.sqlite3'}")
    settings = settings.model_copy(update={"record_seconds": 0.02, "checkpoint_seconds": 0.05})
    return Deployment(Database(settings.database), settings)


def helpers(deployment: Deployment, run_id: int) -> dict[str, tuple[str, int]]:
    """Return the state of every helper, and how many candidates it has evaluated."""
    with deployment.db.reading() as session:
        return {
            unit.key: (unit.state, unit.progress)
            for unit in units_of(session, run_id)
            if unit.kind == leases.HELPER
        }


def owner_of(deployment: Deployment, run_id: int, key: str) -> str | None:
    with deployment.db.reading() as session:
        return unit_of(session, run_id, key).owner


def searched_by_two(
    deployment: Deployment, run_id: int
) -> tuple[ForkServerProcess, ForkServerProcess]:
    """Start two workers; return the one that searches and the one that helps, once it has."""
    workers = {
        name: forked.start(deployment, run_id, name, SCORING_SECONDS) for name in ("one", "two")
    }
    wait_until(
        lambda: helpers(deployment, run_id)["evaluate-0"][1] > 0,
        seconds=DEADLINE_SECONDS,
        what="a helper has evaluated something",
    )
    searching = owner_of(deployment, run_id, "search")
    assert searching is not None, "the search ended before it could be looked at"
    (helping,) = workers.keys() - {searching}
    return workers[searching], workers[helping]


def kill(deployment: Deployment, worker: ForkServerProcess) -> None:
    worker.kill()
    worker.join()
    assert worker.exitcode == -9
    lose(deployment, worker.name)


@pytest.mark.slow
class TestProcesses:
    def test_two_workers_find_what_one_finds_and_both_evaluate(
        self, ready: Deployment, trained: Trained
    ) -> None:
        workers = searched_by_two(ready, trained.run_id)
        assert wait_for_state(ready, trained.run_id, "succeeded", "failed") == "succeeded"
        assert found(ready, trained.run_id) == trained.expected
        assert len(trained.expected) == BUDGET
        states = helpers(ready, trained.run_id)
        assert {state for state, _ in states.values()} == {"done"}
        assert 0 < sum(number for _, number in states.values()) < BUDGET
        with ready.db.reading() as session:
            assert session.scalar(select(func.count()).select_from(OfferedChunk)) == 0
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0

    @pytest.mark.parametrize("struck", ["the search", "the helper"])
    def test_a_worker_that_is_killed_changes_nothing(
        self, struck: str, ready: Deployment, trained: Trained
    ) -> None:
        searching, helping = searched_by_two(ready, trained.run_id)
        victim, left = (searching, helping) if struck == "the search" else (helping, searching)
        assert len(found(ready, trained.run_id)) < BUDGET
        kill(ready, victim)
        assert wait_for_state(ready, trained.run_id, "succeeded", "failed") == "succeeded"
        left.join()
        assert left.exitcode == 0
        assert found(ready, trained.run_id) == trained.expected
        with ready.db.reading() as session:
            search = unit_of(session, trained.run_id, "search")
            assert search.attempt == (2 if struck == "the search" else 1)


class Following(Control):
    """Orders what the state of the run asks for, as a supervisor does."""

    def __init__(self, deployment: Deployment, run_id: int) -> None:
        self._look = lambda: ORDER_OF_STATE.get(deployment.state(run_id))

    @property
    def order(self) -> str | None:
        return self._look()


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the search of this process take long enough for a second slot to help."""
    work = evaluation.evaluations
    monkeypatch.setattr(evaluation, "evaluations", forked._slowed(work, SCORING_SECONDS / 2))


def worked_by_two(deployment: Deployment, run_id: int) -> list[threading.Thread]:
    """Execute a run by two slots in threads of this process, until it has nothing for them."""

    def work(owner: str) -> None:
        slot = Deployment(Database(deployment.settings.database), deployment.settings)
        while slot.state(run_id) in ("queued", "running"):
            run_here(slot, run_id, Following(slot, run_id), owner)
        slot.db.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    return threads


def wait_for_help(deployment: Deployment, run_id: int, more_than: int = 0) -> None:
    wait_until(
        lambda: sum(number for _, number in helpers(deployment, run_id).values()) > more_than,
        seconds=DEADLINE_SECONDS,
        what=f"helpers have evaluated more than {more_than}",
    )


@pytest.mark.usefixtures("slowed")
class TestPeople:
    def test_a_paused_search_goes_on_with_its_helpers_and_finds_the_same(
        self, ready: Deployment, trained: Trained
    ) -> None:
        threads = worked_by_two(ready, trained.run_id)
        wait_for_help(ready, trained.run_id)
        assert ready.act(trained.run_id, "pause") == "pausing"
        for thread in threads:
            thread.join()
        assert ready.state(trained.run_id) == "paused"
        states = ready.unit_states(trained.run_id)
        assert states["search"] == states["evaluate-0"] == states["evaluate-1"] == "ready"
        known = sum(number for _, number in helpers(ready, trained.run_id).values())
        ready.act(trained.run_id, "resume")
        threads = worked_by_two(ready, trained.run_id)
        wait_for_help(ready, trained.run_id, known)
        for thread in threads:
            thread.join()
        assert ready.state(trained.run_id) == "succeeded"
        assert found(ready, trained.run_id) == trained.expected

    def test_a_cancelled_search_takes_its_helpers_along_and_can_be_retried(
        self, ready: Deployment, trained: Trained
    ) -> None:
        threads = worked_by_two(ready, trained.run_id)
        wait_for_help(ready, trained.run_id)
        assert ready.act(trained.run_id, "cancel") == "cancelling"
        for thread in threads:
            thread.join()
        assert ready.state(trained.run_id) == "cancelled"
        states = ready.unit_states(trained.run_id)
        assert states["search"] == states["evaluate-0"] == states["evaluate-1"] == "cancelled"
        ready.act(trained.run_id, "retry")
        run_to_end(ready, trained.run_id)
        assert ready.state(trained.run_id) == "succeeded"
        assert found(ready, trained.run_id) == trained.expected


def test_a_helper_that_cannot_read_a_supernet_gives_up_and_the_run_goes_on(
    ready: Deployment, trained: Trained
) -> None:
    searching = ready.claim(trained.run_id, "searching")
    (newest, *_) = artifacts(ready, trained.run_id, "train-0")
    path = ready.settings.artifact_folder / newest.path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert run_here(ready, trained.run_id, owner="helping")
    assert ready.unit_states(trained.run_id)["evaluate-0"] == "done"
    assert ready.state(trained.run_id) == "running"
    (warning,) = [event for event in ready.events(trained.run_id) if event.level == "warning"]
    assert "evaluate-0: The finished supernet of train-0 cannot be read" in warning.message
    path.write_bytes(whole)
    assert searching is not None
    Runner(ready.db, ready.settings, Control(), searching).work()
    assert ready.state(trained.run_id) == "succeeded"
    assert found(ready, trained.run_id) == trained.expected


def test_a_helper_that_dies_again_and_again_is_done_in_the_end(
    ready: Deployment, trained: Trained
) -> None:
    ready.claim(trained.run_id, "searching")
    states = []
    for _ in range(3):
        lease = ready.claim(trained.run_id, "helping")
        assert lease is not None
        with ready.db.unit_of_work() as session:
            states.append(leases.fail(session, lease, DIED, 3))
            settle(session, trained.run_id)
    assert states == ["ready", "ready", "done"]
    assert ready.state(trained.run_id) == "running"


def test_a_helper_gives_way_to_the_search_that_lost_its_slot(
    ready: Deployment, trained: Trained
) -> None:
    searching = ready.claim(trained.run_id, "searching")
    assert searching is not None
    looks = iter(range(5))

    def is_lost() -> bool:
        if next(looks, None) == 4:
            lose(ready, "searching")
        return False

    assert run_here(ready, trained.run_id, DrainWhen(is_lost), owner="helping")
    assert ready.state(trained.run_id) == "succeeded"
    assert found(ready, trained.run_id) == trained.expected
    assert any(
        "evaluate-0: put back" in text for text in ready.messages(trained.run_id, "unit-state")
    )


class TestClaims:
    """On both databases, with rows alone."""

    @pytest.fixture
    def run_id(self, deployment: Deployment) -> int:
        """A run whose search and two helpers are ready."""
        run_id = skip_to_training(deployment, spec_of(), [1, 1])
        with deployment.db.unit_of_work() as session:
            for unit in units_of(session, run_id):
                if unit.state != "done":
                    unit.state = "ready" if unit.kind in ("search", leases.HELPER) else "done"
        return run_id

    @staticmethod
    def claimed(deployment: Deployment, run_id: int, owner: str, key: str) -> Lease:
        lease = deployment.claim(run_id, owner)
        assert lease is not None
        with deployment.db.reading() as session:
            assert session.get_one(Unit, lease.unit_id).key == key
        return lease

    def offering(self, deployment: Deployment, run_id: int) -> OfferingSearch:
        lease = self.claimed(deployment, run_id, "searching", "search")
        offering = OfferingSearch(deployment.db, lease, SPACE, "cpu")
        offering._take_over()
        return offering

    def helper(self, deployment: Deployment, run_id: int, number: int = 0) -> Helper:
        lease = self.claimed(deployment, run_id, f"helping-{number}", f"evaluate-{number}")
        return Helper(deployment.db, lease, SPACE, "cpu")

    def test_a_helper_is_claimed_only_while_the_search_is_and_nothing_else_waits(
        self, deployment: Deployment, run_id: int
    ) -> None:
        search = self.claimed(deployment, run_id, "searching", "search")
        other = deployment.create(tiny_spec())
        assert self.claimed(deployment, other, "other", "partition")
        first = self.claimed(deployment, run_id, "helping-0", "evaluate-0")
        with deployment.db.unit_of_work() as session:
            leases.release(session, search, "put back")
            leases.release(session, first, "put back")
        search = self.claimed(deployment, run_id, "searching", "search")
        waiting = deployment.create(tiny_spec())
        assert deployment.claim(run_id, "helping-0") is None
        with deployment.db.reading() as session:
            assert not leases.has_claimable(session, run_id)
        # A slot that asks for anything gets what waits, although the other run is older.
        lease = deployment.claim(None, "helping-0")
        assert lease is not None
        assert lease.run_id == waiting

    def test_no_chunk_is_claimed_by_two(self, deployment: Deployment, run_id: int) -> None:
        offering = self.offering(deployment, run_id)
        both = [self.helper(deployment, run_id, number) for number in range(2)]
        offering._seconds_each = 0.25
        offering._offer(MEMBERS[:40], 2)
        taken: list[Architecture] = []
        barrier = threading.Barrier(3)

        def compete(helper: Helper) -> None:
            mine = helper._db = Database(deployment.settings.database)
            barrier.wait()
            while chunk := helper._claimed():
                taken.extend(chunk)
            mine.close()

        def take_back() -> None:
            barrier.wait()
            while chunk := offering._taken_back(is_overdue=False):
                taken.extend(chunk)

        threads = [threading.Thread(target=compete, args=(helper,)) for helper in both]
        threads.append(threading.Thread(target=take_back))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == sorted(MEMBERS[:40])

    def test_the_search_takes_scores_and_evaluates_what_nobody_did(
        self, deployment: Deployment, run_id: int
    ) -> None:
        offering = self.offering(deployment, run_id)
        helper, gone = (self.helper(deployment, run_id, number) for number in range(2))
        offering._seconds_each = 0.25
        offering._offer(MEMBERS[:4], 2)
        (last,), (third,) = helper._claimed(), gone._claimed()
        assert (last, third) == (MEMBERS[3], MEMBERS[2])
        helper._store([[3.0]])
        lose(deployment, "helping-1")
        evaluated: list[Architecture] = []

        def own(members: Sequence[Architecture]) -> list[list[float]]:
            evaluated.extend(members)
            return [[float(MEMBERS.index(member))] for member in members]

        assert offering.evaluate(MEMBERS[:4], [], own) == [[0.0], [1.0], [2.0], [3.0]]
        assert evaluated == MEMBERS[:3]
        # What the helper that was gone still has to say is of no interest any more.
        with pytest.raises(StaleAttempt):
            gone._store([[99.0]])

    def test_a_claim_that_takes_too_long_is_evaluated_twice_and_counts_once(
        self, deployment: Deployment, run_id: int
    ) -> None:
        offering = self.offering(deployment, run_id)
        helper = self.helper(deployment, run_id)
        offering._seconds_each = 0.25
        offering._offer(MEMBERS[:1], 1)
        assert list(helper._claimed()) == MEMBERS[:1]
        assert offering._taken_back(is_overdue=False) == []
        assert offering._taken_back(is_overdue=True) == MEMBERS[:1]
        helper._store([[99.0]])
        assert offering._known == {}

    def test_a_search_that_goes_on_elsewhere_keeps_what_helpers_have_scored(
        self, deployment: Deployment, run_id: int
    ) -> None:
        offering = self.offering(deployment, run_id)
        helper = self.helper(deployment, run_id)
        offering._seconds_each = 0.25
        offering._offer(MEMBERS[:3], 1)
        helper._claimed()
        helper._store([[1 / 3]])
        helper._claimed()
        lose(deployment, "searching")
        again = self.offering(deployment, run_id)

        def own(members: Sequence[Architecture]) -> list[list[float]]:
            assert list(members) == MEMBERS[:2]
            return [[0.0], [0.0]]

        assert again.evaluate(MEMBERS[:3], [], own) == [[0.0], [0.0], [1 / 3]]
        with pytest.raises(StaleAttempt):
            offering._offer(MEMBERS[:1], 1)
        # Of a chunk that is no longer wanted nothing is stored.
        helper._store([[99.0]])
        with deployment.db.reading() as session:
            assert session.scalar(select(func.count()).select_from(OfferedChunk)) == 0

    def test_nothing_is_offered_without_helpers_or_for_little_work(
        self, deployment: Deployment, run_id: int
    ) -> None:
        offering = self.offering(deployment, run_id)

        def own(members: Sequence[Architecture]) -> list[list[float]]:
            return [[0.0] for _ in members]

        def num_offered() -> int | None:
            with deployment.db.reading() as session:
                return session.scalar(select(func.count()).select_from(OfferedChunk))

        for seconds, looked_at in ((1.0, -math.inf), (1e-6, -math.inf)):
            offering._seconds_each, offering._looked_at = seconds, looked_at
            offering.evaluate(MEMBERS[:1], MEMBERS[1:9], own)
            assert num_offered() == 0
            self.helper(deployment, run_id) if seconds == 1.0 else None
        offering._seconds_each, offering._looked_at = 1.0, -math.inf
        offering.evaluate(MEMBERS[:1], MEMBERS[1:9], own)
        assert num_offered() == 4

    def test_the_search_needs_no_row_of_what_it_offered(
        self, deployment: Deployment, run_id: int
    ) -> None:
        offering = self.offering(deployment, run_id)
        offering._seconds_each = 0.25
        offering._offer(MEMBERS[:2], 1)
        with deployment.db.unit_of_work() as session:
            forget(session, run_id)
        assert (
            offering.evaluate(MEMBERS[:2], [], lambda chunk: [[0.5]] * len(chunk)) == [[0.5]] * 2
        )

    def test_slots_of_another_kind_of_device_leave_candidates_alone(
        self, deployment: Deployment, run_id: int
    ) -> None:
        offering = self.offering(deployment, run_id)
        lease = self.claimed(deployment, run_id, "helping", "evaluate-0")
        offering._seconds_each = 0.25
        offering._offer(MEMBERS[:2], 1)
        assert Helper(deployment.db, lease, SPACE, "cuda")._claimed() == []
