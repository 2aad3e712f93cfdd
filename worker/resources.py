"""What the processes of a unit use of their machine, by psutil and the GPU driver's own library.

A value that the system does not give is None, never an error: telemetry must not end a run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import structlog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading.

    Attributes:
        cpu_seconds: of all threads of the processes since they started.
        memory_bytes: resident memory of the processes.
        gpu_share: how much of the last moment (up to a second) the GPU was busy, 0 to 1, with the
            work of whatever process; of several GPUs the mean.
        gpu_memory_bytes: in use on the GPUs, by whatever process.
    """

    cpu_seconds: float | None
    memory_bytes: int | None
    gpu_share: float | None
    gpu_memory_bytes: int | None


class Gpu:
    """One GPU, asked through NVML.

    Args:
        driver: the module `pynvml`.
        uuid: of the GPU, as NVML writes it.
    """

    def __init__(self, driver: Any, uuid: str) -> None:  # Any: the library has no types
        self._driver = driver
        driver.nvmlInit()
        self._handle = driver.nvmlDeviceGetHandleByUUID(uuid)

    def busy_share(self) -> float | None:
        """Return how much of the driver's last sampling period some kernel was executing."""
        try:
            return float(self._driver.nvmlDeviceGetUtilizationRates(self._handle).gpu) / 100
        except self._driver.NVMLError:
            return None

    def memory_bytes(self) -> int | None:
        """Return the memory in use."""
        try:
            return int(self._driver.nvmlDeviceGetMemoryInfo(self._handle).used)
        except self._driver.NVMLError:
            return None


def open_gpu(uuid: str) -> Gpu | None:
    """Return the GPU of this UUID; None if the library or the driver is absent or fails."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        return Gpu(pynvml, uuid)
    except pynvml.NVMLError as error:
        _log.info("the GPU is not watched", reason=str(error))
        return None


@dataclass(slots=True)
class Resources:
    """What the processes that work on a unit use.

    Attributes:
        gpus: those on which they compute, as far as they can be watched.
        processes: by default this one alone.
    """

    gpus: Sequence[Gpu] = ()
    processes: Sequence[psutil.Process] = field(default_factory=lambda: (psutil.Process(),))

    @classmethod
    def of(cls, device: str, processes: Sequence[psutil.Process] = ()) -> Resources:
        """Return those of processes that compute on a device.

        Args:
            device: a torch device.
            processes: that train together, each on a GPU of its own if the device is one; none:
                this one alone.
        """
        members = processes or (psutil.Process(),)
        if not device.startswith("cuda"):
            return cls((), members)
        import torch

        devices = [device]
        if len(members) > 1:
            devices = [f"cuda:{number}" for number in range(len(members))]
        uuids = [torch.cuda.get_device_properties(device).uuid for device in devices]
        found = (open_gpu(f"GPU-{uuid}") for uuid in uuids)
        return cls([gpu for gpu in found if gpu is not None], members)

    def read(self) -> Usage:
        """Return what is in use now."""
        cpu_seconds, memory_bytes = None, None
        with contextlib.suppress(psutil.Error):
            times = [process.cpu_times() for process in self.processes]
            memory = [process.memory_info().rss for process in self.processes]
            cpu_seconds, memory_bytes = sum(one.user + one.system for one in times), sum(memory)
        shares = [share for gpu in self.gpus if (share := gpu.busy_share()) is not None]
        held = [held for gpu in self.gpus if (held := gpu.memory_bytes()) is not None]
        return Usage(
            cpu_seconds=cpu_seconds,
            memory_bytes=memory_bytes,
            gpu_share=sum(shares) / len(shares) if shares else None,
            gpu_memory_bytes=sum(held) if held else None,
        )
