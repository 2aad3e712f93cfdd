"""The supervisor of one slot: claims a unit, gives it to a fresh runner, watches over both.

It renews the lease, hands the run's orders to the runner with a deadline (order, SIGTERM,
SIGKILL), and records what became of a runner that died without a word.
"""

import signal
import threading
import time
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from backend.db import Database
from backend.models import Job
from backend.runs import leases
from backend.runs.leases import Failure, FailureClass, Lease, StaleAttempt
from backend.settings import Settings
from worker.control import CANCEL, DRAIN
from worker.devices import CPU, SlotDevice
from worker.failures import failure_of_exit, out_of_memory_kills
from worker.plan import settle
from worker.runner_process import RunnerProcess

WATCH_SECONDS = 0.25
"""How often the state of the run is looked at, hence how fast a cancel reaches the runner."""

UNHELD_SECONDS = 40.0
"""How long a runner may live without a lease: it waits a little for its next unit."""

ORDER_OF_STATE = {"pausing": DRAIN, "cancelling": CANCEL, "queued": None, "running": None}
"""What a run's state asks of its runners; any other state ends them."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Watch:
    """One runner under supervision.

    Attributes:
        runner: the process.
        run_id: of the run it works for.
        memory_kills: the kernel's count of kills for memory when the runner was started.
        order: what it has been told to do.
        escalate_at: when the next, harder means is due (monotonic seconds).
        terminated: SIGTERM has been sent.
        killed: SIGKILL has been sent by the supervisor itself.
        renewed_at: when the lease was last renewed.
        unheld_since: when a renewal first found no lease to renew; None while there is one.
    """

    runner: RunnerProcess
    run_id: int
    memory_kills: int
    order: str | None = None
    escalate_at: float = 0.0
    terminated: bool = False
    killed: bool = False
    renewed_at: float = 0.0
    unheld_since: float | None = None


class Supervisor:
    """Works for one slot.

    Args:
        db: the database.
        settings: of the deployment.
        owner: the slot's name, unique among all slots that ever lived.
        device: what the slot computes on.
    """

    def __init__(
        self, db: Database, settings: Settings, owner: str, device: SlotDevice = CPU
    ) -> None:
        self._db = db
        self._settings = settings
        self._owner = owner
        self._device = device
        self._shortage: str | None = None
        self._draining = threading.Event()
        self._prepared: RunnerProcess | None = None

    def drain(self) -> None:
        """Let the runner store a checkpoint and go; claim nothing more. Safe in any thread."""
        self._draining.set()

    def held_back(self) -> str | None:
        """Say why the slot begins no unit although there is work. Safe in any thread."""
        return self._shortage

    def work_until_idle(self) -> None:
        """Execute ready units until there are none that this slot may take.

        To be called by one thread, which lives as long as the slot.
        """
        while not self._draining.is_set():
            lease = self._claim()
            if lease is None:
                return
            self._supervise(lease)

    def prepare(self) -> None:
        """Start the process of the next run ahead, so that the run need not wait for its imports.

        It waits without a lease and ends with this process. To be called by the thread that works,
        while the slot is idle: then it takes time from nobody. One that died is not replaced
        before the next run, lest a broken installation start processes for ever.
        """
        if (
            self._prepared is None
            and self._settings.prepare_runner
            and not self._draining.is_set()
        ):
            self._prepared = RunnerProcess(self._settings)
            _log.info("runner prepared", pid=self._prepared.pid)

    def close(self) -> None:
        """End the process that waits for the next run."""
        if self._prepared is not None:
            self._prepared.close()
            self._prepared = None

    def _processes(self, run_id: int) -> int:
        with self._db.reading() as session:
            run = session.get(Job, run_id)
            return 1 if run is None else run.processes

    def _runner(self, processes: int = 1) -> RunnerProcess:
        if processes > 1:
            return RunnerProcess(self._settings, processes)
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared.is_alive:
            return prepared
        if prepared is not None:
            _log.warning("the prepared runner had ended", returncode=prepared.close())
        return RunnerProcess(self._settings)

    def _claim(self) -> Lease | None:
        with self._db.reading() as session:
            has_ready = leases.has_ready(session)
        # Asked only for work at hand: what is free while there is none is of no interest.
        self._shortage = self._device.shortage(self._settings) if has_ready else None
        if self._shortage is not None:
            _log.warning("no unit is begun", reason=self._shortage)
        if not has_ready or self._shortage is not None:
            return None
        with self._db.unit_of_work() as session:
            return leases.claim(
                session,
                self._owner,
                self._settings.lease_seconds,
                max_processes=self._device.max_processes,
            )

    def _supervise(self, lease: Lease) -> None:
        now = time.monotonic()
        watch = Watch(
            runner=self._runner(self._processes(lease.run_id)),
            run_id=lease.run_id,
            memory_kills=out_of_memory_kills(),
            renewed_at=now,
        )
        _log.info("runner begins", pid=watch.runner.pid, run=lease.run_id, unit=lease.unit_id)
        try:
            watch.runner.begin(lease)
            while watch.runner.wait(WATCH_SECONDS) is None:
                self._look(watch)
        finally:
            returncode = watch.runner.close()
        _log.info("runner ended", pid=watch.runner.pid, returncode=returncode)
        self._take_back(watch, returncode)

    def _look(self, watch: Watch) -> None:
        """Renew the lease when it is time to, and pass on what the run's state asks for."""
        try:
            self._renew(watch)
            order = self._wanted(watch)
        except DBAPIError as error:
            # The database may be back before the lease expires; if not, the reaper takes over.
            _log.warning("the database does not answer", error=str(error.orig))
            order = DRAIN if self._draining.is_set() else None
        if order is not None:
            self._enforce(watch, order)

    def _renew(self, watch: Watch) -> None:
        now = time.monotonic()
        if now - watch.renewed_at < self._settings.renew_seconds:
            return
        with self._db.unit_of_work() as session:
            renewed = leases.renew(session, self._owner, self._settings.lease_seconds)
        watch.renewed_at = now
        # Judged by what renewals find, never by how long they take: on a busy machine one alone
        # can take longer than the limit.
        if renewed:
            watch.unheld_since = None
        elif watch.unheld_since is None:
            watch.unheld_since = time.monotonic()

    def _wanted(self, watch: Watch) -> str | None:
        with self._db.reading() as session:
            run = session.get(Job, watch.run_id)
            state = "deleted" if run is None else run.state
        order = ORDER_OF_STATE.get(state, CANCEL)
        if order is None and self._draining.is_set():
            return DRAIN
        if order is None and watch.unheld_since is not None:
            unheld_seconds = watch.renewed_at - watch.unheld_since
            return DRAIN if unheld_seconds > UNHELD_SECONDS else None
        return order

    def _enforce(self, watch: Watch, order: str) -> None:
        now = time.monotonic()
        if watch.order is None or (order == CANCEL and watch.order == DRAIN):
            watch.order = order
            watch.escalate_at = now + self._settings.cancel_seconds
            watch.runner.order(order)
        elif now >= watch.escalate_at:
            watch.escalate_at = now + self._settings.cancel_seconds
            if watch.terminated:
                watch.killed = True
                watch.runner.signal(signal.SIGKILL)
            else:
                watch.terminated = True
                watch.runner.signal(signal.SIGTERM)

    def _take_back(self, watch: Watch, returncode: int) -> None:
        """Settle the units that a dead runner still holds, and its run."""
        try:
            with self._db.reading() as session:
                held = leases.held(session, self._owner)
            for lease in held:
                self._return(watch, lease, returncode)
            with self._db.unit_of_work() as session:
                settle(session, watch.run_id)
        except DBAPIError as error:
            _log.warning("the reaper must return what the runner held", error=str(error.orig))

    def _return(self, watch: Watch, lease: Lease, returncode: int) -> None:
        try:
            with self._db.unit_of_work() as session:
                if watch.order == DRAIN:
                    text = "The runner did not let go in time and was ended; its slot drains."
                    leases.release(session, lease, text)
                else:
                    failure = self._failure(watch, returncode)
                    leases.fail(session, lease, failure, self._settings.max_fruitless_attempts)
        except StaleAttempt as error:
            _log.info("the unit is in other hands already", reason=str(error))

    def _failure(self, watch: Watch, returncode: int) -> Failure:
        if watch.killed:
            return Failure(FailureClass.LOST, "The runner did not react and was ended.")
        kills = out_of_memory_kills() - watch.memory_kills
        return failure_of_exit(returncode, out_of_memory_kills=kills)
