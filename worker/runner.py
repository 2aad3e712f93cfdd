"""One runner process: executes a unit, then further ones of the same run (`-m worker.runner`).

Only this process loads torch. It is started by the supervisor of a slot, perhaps before there is
work, and waits for its first unit. The supervisor renews the lease and sends that unit and its
orders through the pipe at standard input.
"""

import importlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import psutil
import structlog
import torch
from sqlalchemy.exc import DBAPIError

from backend.db import Database
from backend.logs import configure_logs
from backend.models import Unit
from backend.queue import wake
from backend.runs import leases
from backend.runs.leases import Lease, StaleAttempt
from backend.settings import Settings
from backend.storage import is_full
from nas.events import Event, RoundFinished
from nas.training.team import Team
from worker import checkpoints, team
from worker.attempt import Attempt, record_failure
from worker.control import CANCEL, Control, die_with_parent
from worker.devices import own_device
from worker.execution import Work
from worker.failures import failure_of
from worker.jobs import JobExecution, open_job
from worker.resources import Resources

LINGER_SECONDS = 20.0
"""How long a runner with nothing to do waits for units of its run that others must make ready.

It leaves at once if another run has work for its slot."""

LINGER_POLL_SECONDS = 0.05

NO_ROOM_POLL_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Runner:
    """Executes units of one run, one after the other.

    Args:
        db: the database.
        settings: of the deployment.
        control: the supervisor's orders.
        lease: the first unit, claimed by the supervisor.
        team: who trains.

    Attributes:
        failed: an attempt has failed, so nothing in this process may be relied on any more.
    """

    def __init__(
        self,
        db: Database,
        settings: Settings,
        control: Control,
        lease: Lease,
        team: Team | None = None,
    ) -> None:
        self.failed = False
        self._team = team or Team()
        self._db = db
        self._settings = settings
        self._control = control
        self._first = lease
        self._execution: JobExecution | None = None
        self._resources: Resources | None = None

    def work(self) -> None:
        """Execute units until the run has none for this slot, or the supervisor says otherwise."""
        lease: Lease | None = self._first
        while lease is not None:
            if not self._execute(lease):
                return
            lease = self._next()

    def _execute(self, lease: Lease) -> bool:
        """Execute one unit; return whether to go on with another one."""
        try:
            self._drive(lease)
        except StaleAttempt as error:
            _log.warning("the lease was lost, stopping", reason=str(error))
            return False
        except Exception as error:
            # The boundary of an attempt: whatever went wrong is recorded. The process ends,
            # because what it has loaded may be part of the failure.
            _log.exception("the attempt failed", unit=lease.unit_id, attempt=lease.attempt)
            self.failed = True
            self._record_failure(lease, error)
            return False
        return self._control.order is None

    def _drive(self, lease: Lease) -> None:
        began = time.monotonic()
        execution = self._open_run()
        with self._db.reading() as session:
            unit = session.get_one(Unit, lease.unit_id)
            session.expunge_all()
        work = execution.open(unit)
        attempt = Attempt(
            self._db,
            self._settings,
            lease,
            execution.recorder(work, self._used(execution), began),
            checkpoints.unit_folder(unit),
        )
        with closing(attempt), work.held:
            self._execute_events(work, attempt)

    def _execute_events(self, work: Work, attempt: Attempt) -> None:
        attempt.begin(work)
        for event, seconds in timed(work.events):
            attempt.add(event, seconds)
            if self._control.order == CANCEL:
                attempt.cancel()
                return
            if self._control.order is not None:
                self._keep(work, attempt.release(work, "put back, its slot was asked to let go"))
                return
            if not isinstance(event, RoundFinished):
                attempt.store_if_due(work)
                continue
            waits, path = attempt.finish_round(work)
            if waits:
                self._keep(work, path)
                return
        reason = work.gives_way()
        if reason is None:
            self._keep(work, attempt.finish(work))
        else:
            attempt.release(work, reason)

    def _keep(self, work: Work, path: str | None) -> None:
        """Remember a supernet that is stored and that this unit no longer trains."""
        if path is not None:
            self._open_run().keep(path, work)

    def _record_failure(self, lease: Lease, error: Exception) -> None:
        failure = failure_of(error)
        while True:
            try:
                record_failure(self._db, self._settings, lease, failure)
                return
            except StaleAttempt as stale:
                _log.warning("the lease was lost before its failure", reason=str(stale))
                return
            except DBAPIError as unrecorded:
                # The database may lie on the full disk; the unit is kept until there is room for
                # the word that it was put back.
                if not is_full(unrecorded) or self._control.order is not None:
                    raise
            time.sleep(NO_ROOM_POLL_SECONDS)

    def _open_run(self) -> JobExecution:
        if self._execution is None:
            self._execution = open_job(self._db, self._settings, self._first.run_id, self._team)
        return self._execution

    def _used(self, execution: JobExecution) -> Resources:
        if self._resources is None:
            self._resources = Resources.of(execution.device, team.members())
        return self._resources

    def _next(self) -> Lease | None:
        """Claim the next unit of the run, waiting a little for one that others make ready."""
        run_id = self._first.run_id
        deadline = time.monotonic() + LINGER_SECONDS
        while self._control.order is None:
            with self._db.reading() as session:
                claimable = leases.has_claimable(session, run_id)
                waiting = claimable or leases.may_get_ready(session, run_id)
            if claimable and self._lacks_memory():
                return None
            if claimable:
                with self._db.unit_of_work() as session:
                    lease = leases.claim(
                        session, self._first.owner, self._settings.lease_seconds, run_id=run_id
                    )
                if lease is not None:
                    return lease
            if not waiting or time.monotonic() >= deadline:
                return None
            time.sleep(LINGER_POLL_SECONDS)
        return None

    def _lacks_memory(self) -> bool:
        """Tell whether others have taken the memory that the next unit needs.

        Then this process ends, and with it what it holds; its slot says why it waits.
        """
        device = own_device(self._settings)
        on_gpu = device.kind == "cuda"
        held = torch.cuda.memory_reserved() if on_gpu else psutil.Process().memory_info().rss
        reason = device.shortage(self._settings, held)
        if reason is not None:
            _log.warning("no further unit is begun", reason=reason)
        return reason is not None


def timed(events: Iterator[Event]) -> Iterator[tuple[Event, float]]:
    """Yield every event with the wall seconds that the science took to reach it."""
    while True:
        began = time.monotonic()
        event = next(events, None)
        if event is None:
            return
        yield event, time.monotonic() - began


def configure_torch() -> None:
    """Make every computation of this process repeatable; call it before any of them."""
    torch.set_num_interop_threads(1)
    # `torch.use_deterministic_algorithms` does the same, and loads the compiler: two seconds.
    torch.set_deterministic_debug_mode("error")


def load_ahead() -> None:
    """Load what executing a unit loads when it is first needed; the device is left alone."""
    importlib.import_module("nas.training.loop")
    importlib.import_module("nas.ranking.scoring")


def main() -> int:
    """Wait for a unit, execute it and others of its run; return the exit code."""
    configure_logs()
    die_with_parent()
    rank = team.rank()
    if rank:
        configure_torch()
        load_ahead()
        return team.follow(Settings())
    control = Control()
    control.drain_on_sigterm()
    control.listen(sys.stdin.fileno())
    configure_torch()
    load_ahead()
    task = control.wait_for_task()
    if task is None:
        return 0 if rank is None else team.EXIT_FAILED
    settings = Settings()
    leader = None if rank is None else team.join_as_leader(settings)
    db = Database(settings.database, wake=partial(wake, settings))
    runner = Runner(db, settings, control, Lease(**json.loads(task)), leader)
    try:
        runner.work()
    finally:
        db.close()
    if leader is None:
        return 0
    if runner.failed:
        # The others may wait in the middle of a step: torchrun ends them for this code.
        return team.EXIT_FAILED
    team.dismiss(leader)
    return 0


if __name__ == "__main__":
    sys.exit(main())
