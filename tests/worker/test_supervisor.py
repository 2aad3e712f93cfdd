"""A slot with real runner processes: orders, deadlines and deaths."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import psutil
import pytest
from sqlalchemy.orm import Session

from backend.db import Database
from backend.runs import leases
from backend.settings import Settings
from nas.spec import RunSpec
from tests.support import wait_until
from tests.worker.conftest import Catalogue
from tests.worker.processes import (
    DEADLINE_SECONDS,
    gone,
    kill,
    runners,
    wait_for_checkpoint,
    wait_for_state,
)
from tests.worker.support import SLOT, Deployment, tiny_spec, unit_of
from worker.control import DRAIN
from worker.main import SlotThread
from worker.runner_process import RunnerProcess
from worker.supervisor import UNHELD_SECONDS, Supervisor, Watch


def long_spec() -> RunSpec:
    """Return a run that trains one supernet for minutes, if nobody stops it."""
    return tiny_spec(
        # One: with more, whoever is put back waits for the less advanced ones.
        splitter={"kind": "nonlinearity", "num_subspaces": 1},
        training={"steps": 1_000_000, "warm_up_steps": 0},
        ranking={"every_steps": 500_000},
    )


BRISK = {"record_seconds": 0.1, "checkpoint_seconds": 0.2, "renew_seconds": 0.5}
"""Short intervals, so that a long run can be interfered with soon."""


@pytest.fixture
def brisk(embedded: Deployment) -> Deployment:
    return Deployment(embedded.db, embedded.settings.model_copy(update=BRISK))


def preparing(deployment: Deployment) -> Settings:
    return deployment.settings.model_copy(update={"prepare_runner": True})


@contextmanager
def working_slot(deployment: Deployment, settings: Settings) -> Iterator[SlotThread]:
    thread = SlotThread(Supervisor(deployment.db, settings, "slot"))
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()
    assert runners() == []


def the_runner() -> psutil.Process:
    return wait_until(lambda: runners(), seconds=DEADLINE_SECONDS, what="a runner has started")[0]


def resumed(deployment: Deployment, run_id: int) -> list[str]:
    return [text for text in deployment.messages(run_id) if "resumed from step" in text]


class Training:
    """A run that trains, in a slot at work in this process.

    What happens to it leaves it training, so that one test can follow the other; the last one
    ends it.
    """

    def __init__(self, deployment: Deployment, slot: SlotThread) -> None:
        self.deployment = deployment
        self.slot = slot
        self.run_id = deployment.create(long_spec())
        slot.work_soon()

    def position(self, key: str) -> int:
        with self.deployment.db.reading() as session:
            return unit_of(session, self.run_id, key).progress


@pytest.fixture(scope="class")
def training(
    migrated_sqlite: Path,
    installed: Catalogue,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Training]:
    home = tmp_path_factory.mktemp("training") / "home"
    home.mkdir()
    shutil.copy(migrated_sqlite, home)
    settings = Settings(home=home).model_copy(update=BRISK)
    with closing(Database(settings.database)) as db:
        installed.put_into(db, settings)
        with working_slot(Deployment(db, settings), settings) as slot:
            yield Training(Deployment(db, settings), slot)


class TestATrainingRun:
    def test_a_killed_runner_is_replaced_and_the_loss_is_named(self, training: Training) -> None:
        wait_for_checkpoint(training.deployment, training.run_id)
        kill(the_runner())
        wait_until(
            lambda: resumed(training.deployment, training.run_id),
            seconds=DEADLINE_SECONDS,
            what="another runner resumed",
        )
        events = training.deployment.events(training.run_id)
        lost = [event for event in events if event.data.get("to") == "lost"]
        assert [event.message for event in lost] == [
            "The runner was lost: SIGKILL from outside ended its process."
        ]

    def test_a_pause_puts_the_unit_back_and_a_resume_goes_on(self, training: Training) -> None:
        deployment, run_id = training.deployment, training.run_id
        key = wait_for_checkpoint(deployment, run_id)
        assert deployment.act(run_id, "pause") == "pausing"
        wait_for_state(deployment, run_id, "paused")
        assert deployment.unit_states(run_id)[key] == "ready"
        with deployment.db.reading() as session:
            assert unit_of(session, run_id, key).fruitless_attempts == 0
        paused_at = training.position(key)
        assert paused_at > 0
        assert deployment.act(run_id, "resume") == "queued"
        training.slot.work_soon()
        wait_until(
            lambda: training.position(key) > paused_at,
            seconds=DEADLINE_SECONDS,
            what="the run went on",
        )
        assert any(
            f"resumed from step {paused_at} " in text for text in resumed(deployment, run_id)
        )

    # The last one: it ends the run.
    def test_a_cancel_stops_a_training_run_within_its_deadline(self, training: Training) -> None:
        deployment, run_id = training.deployment, training.run_id
        wait_for_checkpoint(deployment, run_id)
        runner = the_runner()
        assert deployment.act(run_id, "cancel") == "cancelling"
        wait_for_state(deployment, run_id, "cancelled")
        assert set(deployment.unit_states(run_id).values()) == {"done", "cancelled"}
        wait_until(lambda: gone(runner), seconds=DEADLINE_SECONDS, what="the runner is gone")


def test_a_runner_that_does_not_react_is_killed(brisk: Deployment) -> None:
    run_id = brisk.create(long_spec())
    impatient = brisk.settings.model_copy(update={"cancel_seconds": 0.5})
    with working_slot(brisk, impatient):
        wait_for_checkpoint(brisk, run_id)
        runner = the_runner()
        os.kill(runner.pid, signal.SIGSTOP)
        brisk.act(run_id, "cancel")
        wait_for_state(brisk, run_id, "cancelled", seconds=DEADLINE_SECONDS)
        wait_until(lambda: gone(runner), seconds=DEADLINE_SECONDS, what="the runner is gone")


def test_a_run_that_is_cancelled_before_any_slot_took_it_ends_at_once(brisk: Deployment) -> None:
    run_id = brisk.create(long_spec())
    assert brisk.act(run_id, "cancel") == "cancelled"
    assert brisk.claim(run_id) is None


def test_an_idle_slot_prepares_a_runner_without_a_lease_and_the_next_run_takes_it(
    brisk: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.main.POLL_SECONDS", 0.05)
    with working_slot(brisk, preparing(brisk)) as slot:
        prepared = the_runner()
        with brisk.db.reading() as session:
            assert leases.held(session, "slot") == []
        run_id = brisk.create(long_spec())
        slot.work_soon()
        wait_for_checkpoint(brisk, run_id)
        assert runners() == [prepared]
        brisk.act(run_id, "cancel")
        wait_for_state(brisk, run_id, "cancelled")
        wait_until(lambda: gone(prepared), seconds=DEADLINE_SECONDS, what="a run has its own")
        another = the_runner()
        assert another != prepared
    assert gone(another)


def test_a_prepared_runner_that_died_is_replaced_when_it_is_needed(brisk: Deployment) -> None:
    supervisor = Supervisor(brisk.db, preparing(brisk), SLOT)
    supervisor.prepare()
    dead = the_runner()
    kill(dead)
    wait_until(lambda: gone(dead), seconds=DEADLINE_SECONDS, what="the runner is gone")
    supervisor.prepare()
    assert [runner for runner in runners() if not gone(runner)] == []
    taken = supervisor._runner()
    assert taken.is_alive
    assert taken.pid != dead.pid
    taken.close()
    assert runners() == []


def test_a_slot_prepares_nothing_if_it_should_not_or_is_about_to_go(brisk: Deployment) -> None:
    assert Settings.model_fields["prepare_runner"].default is True
    thrifty = brisk.settings.model_copy(update={"prepare_runner": False})
    Supervisor(brisk.db, thrifty, SLOT).prepare()
    leaving = Supervisor(brisk.db, preparing(brisk), SLOT)
    leaving.drain()
    leaving.prepare()
    assert runners() == []


def test_a_slow_renewal_is_no_reason_to_end_a_runner(
    brisk: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(brisk.db, brisk.settings, SLOT)
    run_id = brisk.create(tiny_spec())
    assert brisk.claim(run_id, SLOT) is not None
    clock = [1000.0]
    monkeypatch.setattr("worker.supervisor.time", SimpleNamespace(monotonic=lambda: clock[0]))
    watch = Watch(runner=Mock(spec=RunnerProcess), run_id=run_id, memory_kills=0)
    renew = leases.renew

    def slow(session: Session, owner: str, seconds: float) -> int:
        clock[0] += 60.0
        return renew(session, owner, seconds)

    monkeypatch.setattr(leases, "renew", slow)
    supervisor._renew(watch)
    assert supervisor._wanted(watch) is None


def test_a_runner_without_a_lease_is_sent_away_after_a_while(
    brisk: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(brisk.db, brisk.settings, SLOT)
    run_id = brisk.create(tiny_spec())
    clock = [1000.0]
    monkeypatch.setattr("worker.supervisor.time", SimpleNamespace(monotonic=lambda: clock[0]))
    watch = Watch(runner=Mock(spec=RunnerProcess), run_id=run_id, memory_kills=0)
    supervisor._renew(watch)
    assert supervisor._wanted(watch) is None
    clock[0] += UNHELD_SECONDS + brisk.settings.renew_seconds
    supervisor._renew(watch)
    assert supervisor._wanted(watch) == DRAIN
