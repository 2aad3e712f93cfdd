"""What this process uses of its machine, by psutil and the GPU driver's own library.

A value that the system does not give is None, never an error: telemetry must not end a run.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import structlog

if TYPE_CHECKING:
    from nas.experiment import Experiment

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading.

    Attributes:
        cpu_seconds: of all threads of this process since it started.
        memory_bytes: resident memory of this process.
        gpu_share: how much of the last moment (up to a second) the GPU was busy, 0 to 1, with the
            work of whatever process.
        gpu_memory_bytes: in use on the GPU, by whatever process.
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
    """What this process uses; `gpu` is the one on which it computes, if it can be watched."""

    gpu: Gpu | None = None
    _process: psutil.Process = field(default_factory=psutil.Process)

    @classmethod
    def of(cls, experiment: Experiment) -> Resources:
        """Return those of a process that computes on the experiment's device."""
        if not experiment.device.startswith("cuda"):
            return cls()
        import torch

        return cls(open_gpu(f"GPU-{torch.cuda.get_device_properties(experiment.device).uuid}"))

    def read(self) -> Usage:
        """Return what is in use now."""
        cpu_seconds, memory_bytes = None, None
        with contextlib.suppress(psutil.Error):
            times = self._process.cpu_times()
            cpu_seconds, memory_bytes = times.user + times.system, self._process.memory_info().rss
        return Usage(
            cpu_seconds=cpu_seconds,
            memory_bytes=memory_bytes,
            gpu_share=None if self.gpu is None else self.gpu.busy_share(),
            gpu_memory_bytes=None if self.gpu is None else self.gpu.memory_bytes(),
        )
