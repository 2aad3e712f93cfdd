"""What is built and run for a latency."""

from pathlib import Path

import pytest
import torch

from nas.latency import meter
from nas.latency.meter import LatencyMeter, device_title
from nas.latency.sources.measured import MeasuredLatency
from nas.seeds import stream
from nas.supernets.network import Network


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What the networks that are built were called with, and how they were set."""
    found: list[tuple] = []
    build = meter.build_stand_alone

    def watched(*given) -> Network:
        network = build(*given)

        def look(module, arguments) -> None:
            images, architecture = arguments
            parameters = sum(weight.numel() for weight in module.parameters())
            size = (tuple(images.shape), architecture, parameters)
            found.append((*size, module.training, torch.is_grad_enabled()))

        network.register_forward_pre_hook(look)
        return network

    monkeypatch.setattr(meter, "build_stand_alone", watched)
    return found


def test_the_full_network_of_the_architecture_sees_the_datasets_images(
    make_experiment, calls
) -> None:
    experiment = make_experiment()
    space = experiment.space
    cell = space.sample(stream(0, "cell"))
    measured = LatencyMeter(experiment, MeasuredLatency(batch_size=5, warm_up=2, repeats=4))
    found = measured.measure(cell)
    # Of the space's width, not of the supernets', in evaluation mode and without gradients.
    own = space.parameters(cell)
    assert calls == [((5, 1, 8, 8), cell, own, False, False)] * 6
    assert found.ms > 0
    assert found.spread_ms is not None
    assert found.device == device_title("cpu")


def test_the_clock_of_a_measurement_is_the_one_given(make_experiment) -> None:
    ticks = iter(range(100))
    source = MeasuredLatency(warm_up=1, repeats=3)
    experiment = make_experiment()
    measured = LatencyMeter(experiment, source, clock=lambda: float(next(ticks)))
    found = measured.measure(experiment.space.sample(stream(0, "cell")))
    assert (found.ms, found.spread_ms) == (1000, 0)


def test_a_measurement_draws_from_no_random_stream_of_others(make_experiment) -> None:
    experiment = make_experiment()
    before = torch.get_rng_state()
    measured = LatencyMeter(experiment, MeasuredLatency(warm_up=0, repeats=2))
    measured.measure(experiment.space.sample(stream(0, "cell")))
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_waits_for_a_gpu_without_one(make_experiment, monkeypatch) -> None:
    def fails() -> None:
        raise AssertionError("a processor needs no synchronisation")

    monkeypatch.setattr(torch.cuda, "synchronize", fails)
    experiment = make_experiment()
    measured = LatencyMeter(experiment, MeasuredLatency(warm_up=1, repeats=2))
    assert measured.measure(experiment.space.sample(stream(0, "cell"))).ms > 0


def test_a_processor_is_named_by_its_model(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel name\t: Some Chip @ 3 GHz\nmodel name\t: another\n")
    assert meter._processor(told) == "Some Chip @ 3 GHz"
    told.write_text("processor\t: 0\n")
    assert meter._processor(told) != ""
    assert meter._processor(tmp_path / "absent") != ""
    assert device_title("cpu").startswith("cpu ")


@pytest.mark.gpu
def test_on_a_gpu_every_run_is_waited_for(make_experiment) -> None:
    experiment = make_experiment()
    object.__setattr__(experiment, "device", "cuda")
    waits = 0
    wait = torch.cuda.synchronize

    def counted() -> None:
        nonlocal waits
        waits += 1
        wait()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.cuda, "synchronize", counted)
        measured = LatencyMeter(experiment, MeasuredLatency(warm_up=2, repeats=6))
        found = measured.measure(experiment.space.sample(stream(0, "cell")))
    assert waits == 12
    assert found.ms > 0
    assert found.device is not None
    assert found.device.startswith("cuda ")
