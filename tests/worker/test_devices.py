"""Which GPUs a slot gets, told without torch and without a GPU: NVML is replaced by a table."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from backend.runs import leases, service
from backend.settings import Settings
from backend.system.service import workers
from tests.worker.support import SLOT, Deployment, skip_to_training, tiny_spec
from worker import devices
from worker.devices import Gpu, SlotDevice, chosen_gpus, own_device, slot_devices, usable_cores
from worker.slot import Slot
from worker.supervisor import Supervisor

GIB = 2**30
GPUS = tuple(Gpu(index, f"GPU-{name * 4}", "H200") for index, name in enumerate("abcd"))


class Nvml:
    """The part of NVML that is asked, for GPUs with so many free bytes each."""

    NVMLError = RuntimeError

    def __init__(self, free: list[int], *, fails: bool = False) -> None:
        self.free, self.fails, self.open = free, fails, 0

    def nvmlInit(self) -> None:  # noqa: N802  # NVML's name
        if self.fails:
            raise self.NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.free)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:  # noqa: N802
        return [gpu.uuid for gpu in GPUS].index(uuid)

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return GPUS[handle].uuid

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return GPUS[handle].model

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(free=self.free[handle])


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    """Four GPUs, and a torch that can use them."""
    driver = Nvml([8 * GIB] * 4)
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.setattr(devices, "_torch_knows_gpus", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return driver


@pytest.mark.parametrize(
    ("choice", "indices"),
    [
        (None, [0, 1, 2, 3]),
        ("", []),
        ("2", [2]),
        ("3,1", [3, 1]),
        (" 0 , 1 ", [0, 1]),
        ("1,-1,2", [1]),
        ("0,7,1", [0]),
        ("NoDevFiles", []),
        ("GPU-bb,GPU-dddd", [1, 3]),
        ("GPU-", []),
        ("0,0", []),
        ("0,GPU-aaaa", []),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(choice, indices) -> None:
    assert [gpu.index for gpu in chosen_gpus(GPUS, choice)] == indices


@pytest.mark.parametrize(
    ("slots", "dealt"),
    [
        (None, [[0], [1], [2], [3]]),
        ("auto", [[0], [1], [2], [3]]),
        (1, [[0, 1, 2, 3]]),
        (2, [[0, 1], [2, 3]]),
        (3, [[0], [1], [2, 3]]),
        (6, [[0], [1], [2], [3], [0], [1]]),
    ],
)
def test_gpus_are_dealt_out_to_the_slots(nvml: Nvml, slots, dealt) -> None:
    found = slot_devices(Settings(), slots)
    assert [[gpu.index for gpu in device.gpus] for device in found] == dealt
    assert {device.kind for device in found} == {"cuda"}
    assert nvml.open == 0


def test_a_slot_sees_its_own_gpus_alone(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    second = slot_devices(Settings(), 2)[1]
    assert second.environment() == {
        "EFSNAS_DEVICE": "cuda",
        "CUDA_VISIBLE_DEVICES": "GPU-cccc,GPU-dddd",
    }
    assert (second.title, second.max_processes) == ("cuda:2,3 H200", 2)
    # What the slot's own process then finds.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-cccc,GPU-dddd")
    assert own_device(Settings(device="cuda")) == second


def test_a_host_without_gpus_has_one_slot_or_one_for_each_core(monkeypatch) -> None:
    monkeypatch.setattr(devices, "visible_gpus", lambda: ())
    assert slot_devices(Settings(), None) == [SlotDevice("cpu")]
    assert slot_devices(Settings(), 3) == [SlotDevice("cpu")] * 3
    assert slot_devices(Settings(), "auto") == [SlotDevice("cpu")] * usable_cores()
    assert slot_devices(Settings(), None)[0].environment() == {"EFSNAS_DEVICE": "cpu"}


def test_cpu_is_kept_to_where_there_are_gpus(nvml: Nvml) -> None:
    assert slot_devices(Settings(device="cpu"), None) == [SlotDevice("cpu")]


def test_a_driver_that_fails_means_no_gpu(nvml: Nvml) -> None:
    nvml.fails = True
    assert slot_devices(Settings(), None) == [SlotDevice("cpu")]
    # Who insists on a GPU is taken at their word: torch will say what is wrong.
    assert slot_devices(Settings(device="cuda"), None) == [SlotDevice("cuda")]


def test_a_torch_without_cuda_means_no_gpu(nvml: Nvml, monkeypatch) -> None:
    monkeypatch.setattr(devices, "_torch_knows_gpus", lambda: False)
    assert slot_devices(Settings(), None) == [SlotDevice("cpu")]


def test_too_little_memory_on_any_gpu_of_a_slot_is_said(nvml: Nvml) -> None:
    pair = slot_devices(Settings(), 2)[1]
    assert pair.shortage(Settings()) is None
    nvml.free[3] = GIB // 2
    assert pair.shortage(Settings()) == (
        "GPU 3 has 0.5 GiB of memory free, and a unit is begun only with 1.0 GiB "
        "(EFSNAS_MIN_FREE_GPU_BYTES)"
    )
    assert pair.shortage(Settings(min_free_gpu_bytes=GIB // 4)) is None
    nvml.fails = True  # then nobody knows, and the slot works
    assert pair.shortage(Settings()) is None


def test_what_the_process_holds_already_counts_as_free(nvml: Nvml) -> None:
    pair = slot_devices(Settings(), 2)[1]
    nvml.free[3] = GIB // 2
    assert pair.shortage(Settings(), held_bytes=GIB // 2) is None
    said = pair.shortage(Settings(), held_bytes=GIB // 4)
    assert said is not None
    assert said.startswith("GPU 3 has 0.8 GiB")
    needed = Settings(min_free_memory_bytes=2**60)
    assert SlotDevice("cpu").shortage(needed, held_bytes=2**60) is None


def test_too_little_memory_of_the_host_is_said() -> None:
    assert SlotDevice("cpu").shortage(Settings(min_free_memory_bytes=0)) is None
    said = SlotDevice("cpu").shortage(Settings(min_free_memory_bytes=2**60))
    assert said is not None
    assert said.startswith("this host has")
    assert "EFSNAS_MIN_FREE_MEMORY_BYTES" in said


def test_a_slot_with_too_little_memory_claims_nothing_and_says_so(embedded: Deployment) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    short = embedded.settings.model_copy(update={"min_free_memory_bytes": 2**60})
    supervisor = Supervisor(embedded.db, short, "short")
    slot = Slot(embedded.db, "short", SlotDevice("cpu"), supervisor.held_back)
    slot.announce()
    try:
        supervisor.work_until_idle()
        assert embedded.unit_states(run_id)["train-0"] == "ready"
        slot.refresh()
        with embedded.db.reading() as session:
            (shown,) = workers(session)
            reason = service.get_run(session, run_id).waiting_reason
        assert shown.held_back is not None
        assert shown.held_back.startswith("this host has")
        assert reason == f"No worker slot has enough free memory: {shown.held_back}."
    finally:
        slot.withdraw()


def test_a_run_for_several_gpus_is_left_to_slots_that_have_them(embedded: Deployment) -> None:
    spec = tiny_spec(training={"processes": 2})
    run_id = skip_to_training(embedded, spec, [1, 1])
    with embedded.db.unit_of_work() as session:
        assert leases.claim(session, SLOT, 30.0, max_processes=1) is None
        lease = leases.claim(session, SLOT, 30.0, max_processes=2)
    assert lease is not None
    assert lease.run_id == run_id


def test_asking_for_gpus_loads_no_torch() -> None:
    program = (
        "import sys; from backend.settings import Settings; from worker import devices, pool; "
        "devices.slot_devices(Settings(), None); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
