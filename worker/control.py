"""What the supervisor wants of this runner: read from a pipe, whose end is the supervisor's end.

One line a message: an order, or the task with which a waiting runner begins.
"""

import ctypes
import os
import signal
import sys
import threading
from queue import SimpleQueue

DRAIN = "drain"
"""Store a checkpoint, put the unit back and exit."""

CANCEL = "cancel"
"""Give the unit up and exit; nothing more needs to be stored."""

EXIT_ORPHANED = 70

_PR_SET_PDEATHSIG = 1


class Control:
    """The newest order of the supervisor.

    Attributes:
        order: `DRAIN`, `CANCEL`, or None to carry on.
    """

    def __init__(self) -> None:
        self.order: str | None = None
        self._tasks: SimpleQueue[str | None] = SimpleQueue()

    def wait_for_task(self) -> str | None:
        """Wait for the line that says what to work on; None if an order came before it."""
        return self._tasks.get()

    def listen(self, pipe: int) -> None:
        """Take messages, one a line, from a file descriptor; exit at once when it ends."""
        threading.Thread(target=self._read, args=(pipe,), name="orders", daemon=True).start()

    def drain_on_sigterm(self) -> None:
        """Treat SIGTERM as the order to drain; the work in progress ends at its next event."""
        signal.signal(signal.SIGTERM, lambda *_: self._set(DRAIN))

    def _read(self, pipe: int) -> None:
        # Not through a buffered file: the interpreter cannot end while a thread waits in one.
        pending = b""
        while received := os.read(pipe, 1024):
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                self._receive(line.decode())
        # The lease will expire and another slot will go on; whatever this process might still
        # store would be refused then, so it ends here without a word.
        os._exit(EXIT_ORPHANED)

    def _receive(self, message: str) -> None:
        if message in (DRAIN, CANCEL):
            self._set(message)
        else:
            self._tasks.put(message)

    def _set(self, order: str) -> None:
        # A cancel is not taken back by a drain.
        if self.order != CANCEL:
            self.order = order
        self._tasks.put(None)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send a signal to this process when its parent's thread ends (Linux).

    It survives exec, but not fork.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number))
