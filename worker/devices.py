"""What the slots of a host compute on, asked without loading torch.

GPUs are asked for through the driver's own library (NVML). Where that is absent or fails there is
no GPU as far as `auto` is concerned. A slot's process is told its GPUs by their UUIDs in
CUDA_VISIBLE_DEVICES, so it does not matter in which order CUDA would number them.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar

import psutil
import structlog

from backend.settings import Settings

VISIBLE = "CUDA_VISIBLE_DEVICES"
GIB = 2**30

Answer = TypeVar("Answer")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of this host.

    Attributes:
        index: its number in the order of the bus, as `nvidia-smi` shows it.
        uuid: its name for ever.
        model: for people.
    """

    index: int
    uuid: str
    model: str


@dataclass(frozen=True, slots=True)
class SlotDevice:
    """What one slot computes on.

    Attributes:
        kind: of device.
        gpus: that it may use; none where the driver could not be asked.
    """

    kind: Literal["cpu", "cuda"] = "cpu"
    gpus: tuple[Gpu, ...] = ()

    def environment(self) -> dict[str, str]:
        """Return the variables that confine a slot's process to this device."""
        found: dict[str, str] = {"EFSNAS_DEVICE": self.kind}
        if self.gpus:
            found[VISIBLE] = ",".join(gpu.uuid for gpu in self.gpus)
        return found

    @property
    def title(self) -> str:
        """What it is, for people."""
        if not self.gpus:
            return self.kind
        numbers = ",".join(str(gpu.index) for gpu in self.gpus)
        return f"{self.kind}:{numbers} {self.gpus[0].model}"

    @property
    def max_processes(self) -> int | None:
        """How many processes may train one unit here, each on its own GPU; None for any."""
        if self.kind == "cpu":
            return None
        return len(self.gpus) or 1

    def shortage(self, settings: Settings, held_bytes: int = 0) -> str | None:
        """Say why there is too little free memory to begin a unit; None if there is enough.

        Args:
            settings: of the deployment.
            held_bytes: memory that is not free, and that the process which is to begin the unit
                holds already.
        """
        if self.kind == "cpu":
            free = psutil.virtual_memory().available + held_bytes
            return _too_little(
                "this host", free, settings.min_free_memory_bytes, "EFSNAS_MIN_FREE_MEMORY_BYTES"
            )
        found = (
            _too_little(
                f"GPU {gpu.index}",
                free + held_bytes,
                settings.min_free_gpu_bytes,
                "EFSNAS_MIN_FREE_GPU_BYTES",
            )
            for gpu in self.gpus
            if (free := _asked(partial(_free_bytes, gpu))) is not None
        )
        return next((text for text in found if text is not None), None)


CPU = SlotDevice()


def visible_gpus(environment: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """Return the GPUs that CUDA would show to a process with this environment, in that order."""
    if not _torch_knows_gpus():
        return ()
    return chosen_gpus(_asked(_all_gpus) or [], environment.get(VISIBLE))


def chosen_gpus(gpus: Sequence[Gpu], choice: str | None) -> tuple[Gpu, ...]:
    """Return those that a value of CUDA_VISIBLE_DEVICES chooses, as CUDA reads it.

    None chooses all. Otherwise the GPUs are named by number (here: in the order of the bus) or by
    the beginning of a UUID. The first name that fits none ends the list; one that is named twice
    leaves none.
    """
    if choice is None:
        return tuple(gpus)
    chosen: list[Gpu] = []
    for name in choice.split(","):
        found = [gpu for gpu in gpus if _is_named(gpu, name.strip())]
        if len(found) != 1:
            break
        if found[0] in chosen:
            return ()
        chosen.append(found[0])
    return tuple(chosen)


def own_device(settings: Settings) -> SlotDevice:
    """Return what a slot in this very process has: all that it sees, `auto` decided."""
    (device,) = slot_devices(settings, 1)
    return device


def slot_devices(settings: Settings, slots: int | Literal["auto"] | None) -> list[SlotDevice]:
    """Return the device of every slot that this host should have.

    Args:
        settings: of the deployment.
        slots: how many; `auto`: one for each GPU, and without a GPU one for each core; None: the
            same, but without a GPU just one. GPUs are dealt out evenly: fewer slots than GPUs
            have several each, more slots share them.
    """
    gpus = visible_gpus() if settings.device != "cpu" else ()
    if settings.device == "cuda" and not gpus:
        # The driver cannot be asked; torch may still find a GPU, and says so if it does not.
        return [SlotDevice(kind="cuda")]
    if slots is None:
        slots = len(gpus) or 1
    elif slots == "auto":
        slots = len(gpus) or usable_cores()
    if not gpus:
        return [SlotDevice()] * slots
    if slots >= len(gpus):
        return [SlotDevice("cuda", (gpus[number % len(gpus)],)) for number in range(slots)]
    bounds = [number * len(gpus) // slots for number in range(slots + 1)]
    return [SlotDevice("cuda", gpus[bounds[i] : bounds[i + 1]]) for i in range(slots)]


def usable_cores() -> int:
    """Return how many cores this process may use at once, at least 1."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, int(quota) // int(period))
    except (OSError, ValueError):
        pass  # no Linux, or no limit of this kind
    return max(cores, 1)


def _too_little(place: str, free: int, needed: int, name: str) -> str | None:
    if free >= needed:
        return None
    return (
        f"{place} has {free / GIB:.1f} GiB of memory free, and a unit is begun only with "
        f"{needed / GIB:.1f} GiB ({name})"
    )


def _is_named(gpu: Gpu, name: str) -> bool:
    if name.isascii() and name.isdigit():
        return int(name) == gpu.index
    return name.startswith("GPU-") and gpu.uuid.startswith(name)


def _all_gpus(nvml: Any) -> list[Gpu]:  # Any: the library has no types
    handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    return [
        Gpu(index, nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle))
        for index, handle in enumerate(handles)
    ]


def _free_bytes(gpu: Gpu, nvml: Any) -> int:
    handle = nvml.nvmlDeviceGetHandleByUUID(gpu.uuid)
    return int(nvml.nvmlDeviceGetMemoryInfo(handle).free)


def _torch_knows_gpus() -> bool:
    """Tell whether the installed torch could use a GPU, without loading it."""
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def _asked(question: Callable[[Any], Answer]) -> Answer | None:
    """Return the driver's answer; None where there is no driver, or it fails."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        try:
            return question(pynvml)
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        _log.debug("the GPU driver does not answer", reason=str(error))
        return None
