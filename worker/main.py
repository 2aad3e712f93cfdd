"""One worker slot (`python -m worker.main`): answers wake-ups, and looks for work by itself.

Redis may be emptied or gone: the slot also asks the database every few seconds, so a lost wake-up
costs no more than that. torch is never loaded here; training happens in the runner process.
"""

import sys
import threading
from functools import partial

import structlog
from celery.signals import worker_shutting_down

from backend.db import Database
from backend.logs import configure_logs
from backend.queue import wake
from backend.settings import Settings
from worker.app import create_app
from worker.devices import own_device
from worker.signals import wait_for_stop
from worker.slot import Slot, unique_name
from worker.supervisor import Supervisor
from worker.tasks import register_tasks
from worker.vital import VitalThread

POLL_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class SlotThread:
    """The thread that claims and supervises, for as long as the slot lives.

    Args:
        supervisor: does the work.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._changed = threading.Condition()
        self._wanted = 0
        self._answered = 0
        self._stopping = False
        self._thread = VitalThread("slot", self._loop)

    @property
    def died(self) -> bool:
        """The thread ended by an error, so the slot answers nothing any more."""
        return self._thread.died

    def start(self) -> None:
        """Begin to look for work."""
        self._thread.start()

    def work_soon(self) -> None:
        """Look for work now, without waiting for it to be done."""
        with self._changed:
            self._wanted += 1
            self._changed.notify_all()

    def work(self) -> None:
        """Look for work now; return when there is none, or when the slot stops."""
        with self._changed:
            self._wanted += 1
            mine = self._wanted
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._answered >= mine or self._stopping)

    def stop(self) -> None:
        """Drain: the runner stores a checkpoint and goes; wait for that."""
        self._supervisor.drain()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def _loop(self) -> None:
        try:
            self._work_and_wait()
        finally:
            self._supervisor.close()

    def _work_and_wait(self) -> None:
        while not self._stopping:
            asked = self._wanted
            try:
                self._supervisor.work_until_idle()
            except Exception:
                # The boundary of the slot: it must outlive whatever one look at the work met.
                _log.exception("the slot met an error and goes on")
            with self._changed:
                self._answered = asked
                self._changed.notify_all()
                is_idle = self._wanted == asked and not self._stopping
                if is_idle:
                    is_idle = not self._changed.wait(POLL_SECONDS)
            if is_idle:
                self._supervisor.prepare()


def serve(settings: Settings) -> int:
    """Run one slot until SIGTERM or SIGINT; return the exit code.

    It also ends, with 1, when one of its threads dies: whoever keeps the slot starts another one.
    """
    name = unique_name()
    db = Database(settings.database, wake=partial(wake, settings))
    device = own_device(settings)
    settings = settings.model_copy(update={"device": device.kind})
    supervisor = Supervisor(db, settings, name, device)
    slot = Slot(db, name, device, supervisor.held_back)
    slot.announce()
    thread = SlotThread(supervisor)
    thread.start()
    try:
        code = _wait(settings, name, thread)
    finally:
        thread.stop()
        slot.withdraw()
        db.close()
    return 1 if thread.died or slot.died else code


def _wait(settings: Settings, name: str, thread: SlotThread) -> int:
    if settings.redis_url:
        return _answer_wake_ups(settings, name, thread)
    _log.info("no Redis: looking for work every few seconds", seconds=POLL_SECONDS)
    wait_for_stop()
    return 0


def _answer_wake_ups(settings: Settings, name: str, thread: SlotThread) -> int:
    app = create_app(settings)
    register_tasks(app, thread.work)
    # Celery waits for its task, and the task for the slot: draining must begin with the signal.
    stopper = threading.Thread(target=thread.stop, name="stopper")

    def drain(**_: object) -> None:
        if not stopper.ident:
            stopper.start()

    worker_shutting_down.connect(drain, weak=False)
    worker = app.Worker(
        hostname=f"{name}@%h", without_gossip=True, without_mingle=True, quiet=True
    )
    worker.start()
    return int(worker.exitcode or 0)


def main() -> int:
    """Serve with the settings of the environment."""
    configure_logs()
    return serve(Settings())


if __name__ == "__main__":
    sys.exit(main())
