import ctypes
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pynvml
import pytest

from nas.data.digits import digits
from nas.experiment import Experiment
from nas.spaces import catalogue
from tests.worker.support import tiny_spec
from worker.resources import Gpu, Resources, open_gpu

UUID = "GPU-12345678-9abc-def0-1234-56789abcdef0"


class Driver:
    """Answers as NVML's documentation says: percent of the last sample period, and bytes."""

    NVMLError = pynvml.NVMLError

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.asked: list[str] = []

    def __getattr__(self, name: str):
        if not name.startswith("nvml"):
            raise AttributeError(name)
        self.asked.append(name)
        if name in self.failing:
            return self._fail
        return getattr(self, f"_{name}")

    def _fail(self, *_):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def _nvmlInit(self):  # noqa: N802 - the library's name
        return None

    def _nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        if uuid != UUID:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return "handle"

    def _nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        assert handle == "handle"
        rates = pynvml.c_nvmlUtilization_t()
        rates.gpu, rates.memory = ctypes.c_uint(37).value, 5
        return rates

    def _nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        assert handle == "handle"
        memory = pynvml.c_nvmlMemory_t()
        memory.total, memory.free, memory.used = 80 << 30, 77 << 30, 3 << 30
        return memory


@pytest.fixture
def install(monkeypatch):
    """Makes a driver the module that `import pynvml` finds."""
    return lambda driver: monkeypatch.setitem(sys.modules, "pynvml", driver)


def watched() -> list[Gpu]:
    gpu = open_gpu(UUID)
    assert gpu is not None
    return [gpu]


def test_a_gpu_is_found_by_its_uuid_and_read(install):
    install(Driver())
    read = Resources(watched()).read()
    assert (read.gpu_share, read.gpu_memory_bytes) == (0.37, 3 << 30)


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        ("nvmlDeviceGetUtilizationRates", (None, 3 << 30)),
        ("nvmlDeviceGetMemoryInfo", (0.37, None)),
    ],
)
def test_a_value_that_the_driver_refuses_is_none_and_the_other_stays(install, failing, expected):
    # As with MIG, where the utilization of a part is not told.
    install(Driver(failing))
    read = Resources(watched()).read()
    assert (read.gpu_share, read.gpu_memory_bytes) == expected


def test_without_library_driver_or_the_very_gpu_nothing_is_read_and_nothing_raised(install):
    install(Driver("nvmlInit"))
    assert open_gpu(UUID) is None
    install(Driver())
    assert open_gpu("GPU-another") is None
    install(None)  # as Python remembers a module that is not there
    assert open_gpu(UUID) is None
    read = Resources().read()
    assert (read.gpu_share, read.gpu_memory_bytes) == (None, None)


def test_the_installed_library_without_a_driver_is_no_error():
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        assert open_gpu(UUID) is None
    else:
        pytest.skip("there is a driver")


def test_the_functions_that_are_asked_exist_in_the_library():
    driver = Driver()
    gpu = Gpu(driver, UUID)
    gpu.busy_share()
    gpu.memory_bytes()
    assert len(driver.asked) == 4
    assert all(callable(getattr(pynvml, name)) for name in driver.asked)


def test_cpu_seconds_grow_with_work_and_not_with_sleep():
    resources = Resources()
    before = resources.read()
    time.sleep(0.05)
    slept = resources.read()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    worked = resources.read()
    assert before.cpu_seconds is not None
    assert slept.cpu_seconds is not None
    assert worked.cpu_seconds is not None
    assert slept.cpu_seconds - before.cpu_seconds < 0.05
    assert worked.cpu_seconds - slept.cpu_seconds == pytest.approx(0.1, abs=0.03)
    assert worked.memory_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)


def test_a_process_that_may_not_be_read_has_no_values(monkeypatch):
    def refused(*_):
        raise psutil.AccessDenied

    resources = Resources()
    monkeypatch.setattr(psutil.Process, "cpu_times", refused)
    read = resources.read()
    assert (read.cpu_seconds, read.memory_bytes) == (None, None)


def test_of_several_processes_and_gpus_the_sums_are_read(install) -> None:
    install(Driver())
    program = "import time; data = bytes(range(256)) * 2**17; print(flush=True); time.sleep(600)"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            alone, other = psutil.Process(), psutil.Process(child.pid)
            single = Resources(processes=(alone,)).read()
            both = Resources(watched() * 2, (alone, other)).read()
            assert both.memory_bytes is not None
            assert single.memory_bytes is not None
            more = both.memory_bytes - single.memory_bytes
            assert more == pytest.approx(other.memory_info().rss, rel=0.2)
            assert more > 2**25
            assert both.cpu_seconds is not None
            assert both.cpu_seconds >= (single.cpu_seconds or 0) + other.cpu_times().user
            assert (both.gpu_share, both.gpu_memory_bytes) == (pytest.approx(0.37), 6 << 30)
        finally:
            child.kill()


def test_the_gpu_is_that_of_the_experiment(install, monkeypatch):
    spec, space = tiny_spec(), catalogue()["digits-mini"]
    experiment = Experiment(spec, space, spec.partition(space), digits(), device="cuda:1")
    install(Driver())
    asked = []

    def properties(device):
        asked.append(device)
        return SimpleNamespace(uuid=UUID.removeprefix("GPU-"))

    monkeypatch.setattr("torch.cuda.get_device_properties", properties)
    assert Resources.of(experiment.device).read().gpu_share == 0.37
    assert asked == ["cuda:1"]
    asked.clear()
    two = (psutil.Process(), psutil.Process())
    assert Resources.of(experiment.device, two).read().gpu_memory_bytes == 6 << 30
    assert asked == ["cuda:0", "cuda:1"]
