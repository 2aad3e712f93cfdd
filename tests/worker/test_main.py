"""The worker as a process: it works without wake-ups, drains, and leaves nothing behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from celery import Celery
from sqlalchemy import select

from backend.models import WorkerSlot
from backend.queue import WAKE_TASK, wake
from tests.support import wait_until
from tests.worker.processes import (
    DEADLINE_SECONDS,
    gone,
    process,
    runners,
    wait_for_checkpoint,
    wait_for_state,
)
from tests.worker.support import Deployment, tiny_spec
from tests.worker.test_supervisor import long_spec
from worker.app import create_app
from worker.bundled import free_port
from worker.environment import PACKAGE_ROOT, child_environment
from worker.tasks import register_tasks

pytestmark = pytest.mark.slow


def slots(deployment: Deployment) -> list[str]:
    with deployment.db.reading() as session:
        return list(session.scalars(select(WorkerSlot.name)))


# What a worker does as a process is the same on either database.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_finds_a_run_nobody_woke_it_for_and_leaves_in_order(
    deployment: Deployment, tmp_path: Path
) -> None:
    # Its database sends no wake-ups: as if Redis had been emptied.
    run_id = deployment.create(tiny_spec())
    with process(deployment.settings, "worker.main", log=tmp_path / "log") as worker:
        wait_for_state(deployment, run_id, "succeeded")
        assert len(slots(deployment)) == 1
        wake(deployment.settings, run_id)
        with redis.Redis.from_url(deployment.settings.redis_url) as client:
            queue = f"{deployment.settings.redis_prefix}celery"
            wait_until(
                lambda: client.llen(queue) == 0,
                seconds=DEADLINE_SECONDS,
                what="the wake-up was taken",
            )
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=DEADLINE_SECONDS) == 0
    assert slots(deployment) == []


def test_a_worker_without_its_redis_works_and_when_drained_puts_its_unit_back(
    embedded: Deployment, tmp_path: Path
) -> None:
    settings = embedded.settings.model_copy(
        update={
            "record_seconds": 0.1,
            "checkpoint_seconds": 0.2,
            "redis_url": f"redis://127.0.0.1:{free_port('127.0.0.1')}/0",
        }
    )
    run_id = embedded.create(long_spec())
    with process(settings, "worker.main", log=tmp_path / "log") as worker:
        key = wait_for_checkpoint(embedded, run_id)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=DEADLINE_SECONDS) == 0
        assert runners(worker.pid) == []
    assert embedded.unit_states(run_id)[key] == "ready"
    assert embedded.state(run_id) == "running"


def test_a_runner_ends_with_its_killed_supervisor(embedded: Deployment, tmp_path: Path) -> None:
    settings = embedded.settings.model_copy(
        update={"record_seconds": 0.1, "checkpoint_seconds": 0.2}
    )
    run_id = embedded.create(long_spec())
    with process(settings, "worker.main", log=tmp_path / "log") as worker:
        key = wait_for_checkpoint(embedded, run_id)
        (runner,) = runners(worker.pid)
        worker.kill()
        wait_until(lambda: gone(runner), seconds=DEADLINE_SECONDS, what="the runner is gone")
    # Nobody has said so, so the lease is what brings the unit back.
    assert embedded.unit_states(run_id)[key] == "leased"


def test_a_runner_that_waits_for_work_ends_with_its_killed_supervisor(
    embedded: Deployment, tmp_path: Path
) -> None:
    settings = embedded.settings.model_copy(update={"prepare_runner": True})
    with process(settings, "worker.main", log=tmp_path / "log") as worker:
        (runner,) = wait_until(
            lambda: runners(worker.pid), seconds=DEADLINE_SECONDS, what="a runner is prepared"
        )
        worker.kill()
        wait_until(lambda: gone(runner), seconds=DEADLINE_SECONDS, what="the runner is gone")


def test_the_end_of_the_pipe_alone_ends_a_runner() -> None:
    code = (
        "import sys, time; from worker.control import Control;"
        "Control().listen(sys.stdin.fileno()); print('ready', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=PACKAGE_ROOT,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    child.stdin.close()
    assert child.wait(timeout=DEADLINE_SECONDS) == 70
    child.stdout.close()


def test_a_wake_up_makes_the_slot_look_for_work() -> None:
    app, calls = Celery("test", set_as_current=False), []
    register_tasks(app, lambda: calls.append("looked"))
    app.tasks[WAKE_TASK](7)
    assert calls == ["looked"]


LAST_WORDS = """
import sys
import {module} as module
from worker import main

def die(*_):
    raise SystemExit

module.{name} = die
module.BEAT_SECONDS = 0.05
sys.exit(main.main())
"""


@pytest.mark.parametrize(
    ("module", "name", "with_redis"),
    [
        ("worker.supervisor", "Supervisor.work_until_idle", True),
        ("worker.slot", "Slot.refresh", False),
    ],
    ids=["slot", "heartbeat"],
)
def test_a_worker_without_one_of_its_threads_ends_so_that_it_is_started_again(
    module: str, name: str, with_redis: bool, embedded: Deployment, bundled_redis_url: str
) -> None:
    redis_url = bundled_redis_url if with_redis else ""
    settings = embedded.settings.model_copy(update={"redis_url": redis_url})
    ended = subprocess.run(
        [sys.executable, "-c", LAST_WORDS.format(module=module, name=name)],
        env=child_environment(settings),
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    # By the signal itself, if the thread died before the process was ready to stop in order.
    assert ended.returncode in (1, -signal.SIGTERM), ended.stderr
    assert b"a thread died" in ended.stderr


def test_a_worker_on_a_full_disk_works_without_its_log(embedded: Deployment) -> None:
    run_id = embedded.create(tiny_spec(search=None))
    with process(embedded.settings, "worker.main", log=Path("/dev/full")):
        wait_for_state(embedded, run_id, "succeeded", "failed")
    assert embedded.state(run_id) == "succeeded"


def test_messages_are_acknowledged_when_received_and_never_hoarded(embedded: Deployment) -> None:
    conf = create_app(embedded.settings.model_copy(update={"redis_url": "redis://x"})).conf
    assert conf.task_acks_late is False
    assert conf.worker_disable_prefetch is True
    assert conf.worker_concurrency == 1
    assert conf.task_ignore_result is True
    assert conf.broker_transport_options["global_keyprefix"] == embedded.settings.redis_prefix


def test_torch_is_loaded_by_the_runner_alone() -> None:
    modules = "worker.app, worker.main, worker.tasks, worker.reaper, worker.stack"
    code = f"import {modules}, sys; sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=PACKAGE_ROOT, check=False).returncode == 0
    )
