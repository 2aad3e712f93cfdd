"""Where the time of training steps goes, at a cost of well under a microsecond per reading."""

import time
from typing import Literal

import torch

from nas.events import PartSeconds

Part = Literal["data", "forward", "backward", "optimizer"]


class Stopwatch:
    """Adds up the wall seconds of the parts of training steps.

    A lap gives the time since the one before to a part, so the parts add up to the whole.
    """

    def __init__(self) -> None:
        self._seconds: dict[Part, float] = {}
        self.begin()

    @classmethod
    def of(cls, device: str) -> "Stopwatch":
        """Return the one that measures the device on which the steps are computed."""
        return CudaStopwatch(device) if device.startswith("cuda") else cls()

    def begin(self) -> None:
        """Start anew; what has not been taken is forgotten."""
        self._seconds = {"data": 0.0, "forward": 0.0, "backward": 0.0, "optimizer": 0.0}
        self._lapped = time.perf_counter()

    def lap(self, part: Part) -> None:
        """Give the time since the last lap, or the beginning, to `part`."""
        now = time.perf_counter()
        self._seconds[part] += now - self._lapped
        self._lapped = now

    def take(self) -> PartSeconds:
        """Return what was measured since the beginning."""
        return PartSeconds(**self._seconds)


class CudaStopwatch(Stopwatch):
    """The same on a GPU, which computes a part some time after the host has asked for it.

    A lap leaves an event in the stream of the device, and only `take` waits for the last of them.
    A part is the time that the device spent on it, or waited in it for the host: where the host is
    too slow to keep the device busy, the parts show where.
    """

    def __init__(self, device: str) -> None:
        self._stream = torch.cuda.current_stream(device)
        super().__init__()

    def begin(self) -> None:
        self._began = self._event()
        self._laps: list[tuple[Part, torch.cuda.Event]] = []
        super().begin()

    def lap(self, part: Part) -> None:
        self._laps.append((part, self._event()))

    def take(self) -> PartSeconds:
        before = self._began
        if self._laps:
            self._laps[-1][1].synchronize()
        for part, event in self._laps:
            self._seconds[part] += before.elapsed_time(event) / 1000
            before = event
        self._laps = []
        return super().take()

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(self._stream)
        return event
