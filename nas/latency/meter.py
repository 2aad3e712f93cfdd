"""The latency of architectures on the device of this process."""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from nas.experiment import Experiment
from nas.latency.latency import Latency
from nas.latency.sources.measured import MeasuredLatency
from nas.latency.timing import timed
from nas.spaces.base import Architecture
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_stand_alone
from nas.supernets.network import on_device


class LatencyMeter:
    """Builds the network of an architecture and times its forward pass.

    The networks have the full size of the space and the dataset's pixels and classes, and compute
    in float32 with PyTorch's operations one by one, as they are trained. Weights and pixels are
    random numbers: what they are takes no time.

    Attributes:
        device: what is measured on, for people.
    """

    def __init__(
        self,
        experiment: Experiment,
        source: MeasuredLatency,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Prepare the images.

        Args:
            experiment: whose space, images and device these are; the process has its threads.
            source: how to measure.
            clock: in seconds.
        """
        dataset = experiment.dataset
        self.device = device_title(experiment.device)
        self._space = experiment.space
        self._shape = NetworkShape(
            image_channels=dataset.image_shape[0], num_classes=len(dataset.classes)
        )
        self._torch_device = experiment.device
        self._source = source
        self._clock = clock
        images = torch.randn(
            (source.batch_size, *dataset.image_shape), generator=torch.Generator().manual_seed(0)
        )
        self._images = images.to(experiment.device, memory_format=torch.channels_last)

    @torch.no_grad()
    def measure(self, architecture: Architecture) -> Latency:
        """Return what one forward pass of an architecture takes."""
        with torch.random.fork_rng(devices=[]):
            network = build_stand_alone(self._space, architecture, self._shape)
        network = on_device(network, self._torch_device).eval()
        on_gpu = self._torch_device.startswith("cuda")
        found = timed(
            lambda: network(self._images, architecture),
            warm_up=self._source.warm_up,
            repeats=self._source.repeats,
            synchronise=torch.cuda.synchronize if on_gpu else None,
            clock=self._clock,
        )
        return Latency(ms=found.ms, spread_ms=found.spread_ms, device=self.device)


def device_title(device: str) -> str:
    """Return what a torch device is, for people: its kind and its model."""
    model = torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor()
    return f"{torch.device(device).type} {model}"


def _processor(told: Path = Path("/proc/cpuinfo")) -> str:
    """Return the model of this host's processor, or of what kind it is where it does not say."""
    try:
        lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []  # not Linux
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()
