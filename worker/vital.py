"""Threads without which a process is of no use."""

import os
import signal
import threading
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)


class VitalThread(threading.Thread):
    """A thread whose death ends the process in order, so that whoever started it starts another.

    A process that lives on without it looks healthy from outside, and does nothing.

    Args:
        name: for the log.
        work: what the thread does until it is asked to stop.

    Attributes:
        died: `work` ended by an error; the process should end with a code other than 0.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self.died = False

    def run(self) -> None:
        """Do the work; if it fails, ask the process to stop as SIGTERM does."""
        try:
            self._work()
        except BaseException:
            self.died = True
            _log.critical("a thread died, so the process ends", thread=self.name, exc_info=True)
            os.kill(os.getpid(), signal.SIGTERM)
