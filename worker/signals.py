"""Stopping on SIGTERM or SIGINT without a race between the handler and the wait."""

import os
import select
import signal
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Notes SIGTERM and SIGINT from its creation on, in the main thread of a process.

    Attributes:
        count: how many there were.
    """

    def __init__(self) -> None:
        self.count = 0
        # A pipe, because what a handler may do to a lock that the main thread holds is wait for
        # ever.
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a signal, at most `seconds`; return whether there was one, ever."""
        return bool(select.select([self._read_end], [], [], seconds)[0])

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.count += 1
        try:
            os.write(self._write_end, b"x")
        except BlockingIOError:
            return  # thousands of signals are noted already


def wait_for_stop() -> None:
    """Wait for SIGTERM or SIGINT."""
    StopSignals().wait()
