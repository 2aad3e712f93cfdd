"""How much faster is a training step than a plain implementation of the same network?

Both train a NAS-Bench-201 supernet: on one thread, in one process, a few steps each in turn, on the
same sampled architectures and the same ready batches, in float32. The plain one below is what a
researcher writes first: every edge its own ReLU, convolution and BatchNorm, torch's default memory
format, an optimizer that walks from tensor to tensor. It runs only the chosen operation of an edge
and skips `none`. Ours is the step of the product, its schedule and its counts included.

The figures are for architectures drawn uniformly; those of the balanced sampler of the first
experiment, with more convolutions, stand beside them. What was measured before is read from
`results/training/`; delete a file to measure it again. Exits with 1 if a ratio is below its limit.
About six minutes.

    python benchmarks/training.py
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from measuring.report import RESULTS, Row, keep, print_figures, print_table, provenance
from torch import Tensor, nn
from torch.nn import functional

from nas.data.dataset import ImageDataset, ImageSplit
from nas.experiment import Experiment
from nas.spaces import catalogue
from nas.spaces.base import Architecture
from nas.spec import RunSpec
from nas.training.batches import ImageBatches
from nas.training.loop import prepare_device, update
from nas.training.recipe import AugmentationSpec
from nas.training.schedule import Schedule
from nas.training.state import fresh_state
from nas.training.team import Team
from worker.environment import ALLOCATION

BATCH = 64
NUM_BATCHES = 8
SEEDS = (0, 1, 2)
BLOCK = 5
"""Steps that one of the two makes before the other makes them."""
KEPT = RESULTS / "training"
SAMPLERS: dict[str, dict[str, str]] = {
    "uniform": {"kind": "uniform"},
    "balanced": {"kind": "supernet-balanced"},
}


@dataclass(frozen=True)
class Setting:
    """Sizes of a supernet, the steps that are timed, and the ratio that is wanted."""

    width: int
    cells_per_stage: int
    size: int
    steps: int
    limit: float

    @property
    def name(self) -> str:
        """As in the last line."""
        return f"w{self.width}_n{self.cells_per_stage}_r{self.size}"


SETTINGS = (
    Setting(8, 1, 16, steps=150, limit=1.7),
    Setting(8, 5, 32, steps=25, limit=2.1),
    Setting(5, 5, 32, steps=25, limit=1.5),
)


def main() -> None:
    """Measure every setting, keep the row, and fail below a limit."""
    if any(os.environ.get(name) != value for name, value in ALLOCATION.items()):
        # glibc reads them when a process starts. Runners have them; here both networks do.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATION})
    for seed in SEEDS:
        if not _path(seed).exists():
            origin = provenance()
            measured = [
                measure(setting, sampler, seed) for setting in SETTINGS for sampler in SAMPLERS
            ]
            keep(_path(seed), {**origin, "seed": seed, "rows": list(measured)})
    rows: list[Row] = []
    for seed in SEEDS:
        rows += json.loads(_path(seed).read_text())["rows"]
    show(rows)
    if any(ratio(rows, setting) < setting.limit for setting in SETTINGS):
        sys.exit("A training step is slower than promised.")


def _path(seed: int) -> Path:
    return KEPT / f"nas-bench-201-seed{seed}.json"


def measure(setting: Setting, sampler: str, seed: int) -> Row:
    """Time both networks on the same architectures and return their milliseconds per step."""
    experiment = experiment_of(setting, sampler, seed)
    prepare_device(experiment)
    state = fresh_state(experiment, None)
    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    plain = PlainTraining(setting, experiment)
    seconds = dict.fromkeys(("plain", "ours"), 0.0)
    timed = 0
    for number, first in enumerate(range(0, setting.steps + BLOCK, BLOCK)):
        block = range(first, first + BLOCK)
        routes = [schedule.routes(step) for step in block]
        # Each goes first in every second block. Nothing of the first block counts.
        for name in sorted(seconds, reverse=number % 2 == 0):
            began = time.perf_counter()
            for step, of_step in zip(block, routes, strict=True):
                if name == "plain":
                    plain.step(step, of_step[0].architecture)
                else:
                    state.next_step = step
                    update(experiment, state, schedule, of_step, Team())
            if number:
                seconds[name] += time.perf_counter() - began
        timed += BLOCK if number else 0
    plain_ms, ours_ms = (1000 * seconds[name] / timed for name in ("plain", "ours"))
    return {
        "setting": setting.name,
        "sampler": sampler,
        "seed": seed,
        "steps": timed,
        "plain_ms": round(plain_ms, 2),
        "ours_ms": round(ours_ms, 2),
        "ratio": round(plain_ms / ours_ms, 3),
    }


def show(rows: Sequence[Row]) -> None:
    """Print one line per setting and sampler, medians over the seeds, then the figures."""
    table = []
    for setting in SETTINGS:
        for sampler in SAMPLERS:
            found = [
                row for row in rows if row["setting"] == setting.name and row["sampler"] == sampler
            ]
            ratios = sorted(number(row["ratio"]) for row in found)
            table.append(
                [
                    f"width {setting.width}, {setting.cells_per_stage} cells a stage, "
                    f"{setting.size}x{setting.size}",
                    sampler,
                    f"{statistics.median(number(row['plain_ms']) for row in found):.1f}",
                    f"{statistics.median(number(row['ours_ms']) for row in found):.1f}",
                    f"{statistics.median(ratios):.2f}",
                    f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
                ]
            )
    print_table(["supernet", "sampler", "plain ms", "ours ms", "ratio", "seeds"], table)
    print_figures({f"speedup_{setting.name}": ratio(rows, setting) for setting in SETTINGS})


def ratio(rows: Sequence[Row], setting: Setting) -> float:
    """Return the median ratio over the seeds for architectures drawn uniformly."""
    return statistics.median(
        number(row["ratio"])
        for row in rows
        if row["setting"] == setting.name and row["sampler"] == "uniform"
    )


def number(value: object) -> float:
    """Return a figure of a row."""
    assert isinstance(value, int | float)
    return float(value)


class ReadyBatches(ImageBatches):
    """Batches that lie ready, so that no time goes into cutting them."""

    def __init__(self, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
        self._ready = [
            (images.contiguous(memory_format=torch.channels_last), labels)
            for images, labels in batches
        ]
        self._taken = 0

    def __len__(self) -> int:
        return BATCH * len(self._ready)

    def augmented(
        self,
        indices_B: Tensor,  # noqa: N803 - as in the base
        augmentation: AugmentationSpec,
        generator: torch.Generator,
        part: slice = slice(None),
    ) -> tuple[Tensor, Tensor]:
        self._taken += 1
        return self._ready[(self._taken - 1) % len(self._ready)]


class ReadyExperiment(Experiment):
    """An experiment on batches that lie ready."""

    @cached_property
    def batches(self) -> list[tuple[Tensor, Tensor]]:
        """Random images, as torch lays them out by default, and labels."""
        torch.manual_seed(self.spec.seed)
        channels, height, width = self.dataset.image_shape
        return [
            (torch.randn(BATCH, channels, height, width), torch.randint(10, (BATCH,)))
            for _ in range(NUM_BATCHES)
        ]

    @cached_property
    def train_images(self) -> ImageBatches:
        return ReadyBatches(self.batches)


def experiment_of(setting: Setting, sampler: str, seed: int) -> ReadyExperiment:
    """Return a one-shot experiment whose supernet has the sizes of a setting."""
    space = catalogue()["nas-bench-201"]
    spec = RunSpec.model_validate(
        {
            "name": "training",
            "space": "nas-bench-201",
            "dataset": "random",
            "seed": seed,
            "splitter": {"kind": "nonlinearity", "num_subspaces": 3, "thresholds": [1, 2]},
            "supernet": {"width": setting.width, "cells_per_stage": setting.cells_per_stage},
            "training": {
                "steps": 24_000,
                "warm_up_steps": 12_000,
                "batch_size": BATCH,
                "sampler": SAMPLERS[sampler],
            },
        }
    )
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (BATCH, 3, setting.size, setting.size), dtype=np.uint8)
    split = ImageSplit(images, np.arange(BATCH) % 10)
    names = tuple(str(index) for index in range(10))
    dataset = ImageDataset(split, split, split, names, split_seed=0)
    return ReadyExperiment(spec, space, spec.partition(space), dataset)


class PlainTraining:
    """The plain network, its batches and its optimizer."""

    def __init__(self, setting: Setting, experiment: ReadyExperiment) -> None:
        torch.manual_seed(experiment.spec.seed)
        self._network = PlainNetwork(setting.width, setting.cells_per_stage)
        self._batches = experiment.batches
        self._training = experiment.spec.training
        self._optimizer = torch.optim.SGD(
            self._network.parameters(),
            lr=self._training.learning_rate,
            momentum=self._training.momentum,
            weight_decay=self._training.weight_decay,
            nesterov=True,
            foreach=False,
        )

    def step(self, step: int, architecture: Architecture) -> float:
        """Make one optimizer step and return its loss."""
        images, labels = self._batches[step % len(self._batches)]
        self._optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(self._network(images, architecture), labels)
        loss.backward()
        used = [weight for weight in self._network.parameters() if weight.grad is not None]
        assert self._training.gradient_clip is not None
        nn.utils.clip_grad_norm_(used, self._training.gradient_clip, foreach=False)
        self._optimizer.step()
        return float(loss.detach())


class PlainNetwork(nn.Module):
    """Stem, three stages of cells with reductions between them, classifier."""

    def __init__(self, width: int, cells_per_stage: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), plain_norm(width))
        blocks: list[nn.Module] = []
        for stage in range(3):
            if stage:
                blocks.append(
                    nn.Sequential(
                        nn.AvgPool2d(2),
                        nn.Conv2d(width, 2 * width, 1, bias=False),
                        plain_norm(2 * width),
                    )
                )
                width *= 2
            blocks += [PlainCell(width) for _ in range(cells_per_stage)]
        self.blocks = nn.ModuleList(blocks)
        self.tail = nn.Sequential(plain_norm(width), nn.ReLU())
        self.classifier = nn.Linear(width, 10)

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """Return class scores."""
        features = self.stem(images)
        for block in self.blocks:
            if isinstance(block, PlainCell):
                features = block(features, architecture)
            else:
                features = block(features)
        scores: Tensor = self.classifier(self.tail(features).mean(dim=(2, 3)))
        return scores


class PlainCell(nn.Module):
    """Six edges, each with a module per operation."""

    EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(plain_operations(channels) for _ in self.EDGES)

    def forward(self, features: Tensor, architecture: Architecture) -> Tensor:
        """Return the last node."""
        nodes: list[Tensor | None] = [features, None, None, None]
        for edge, (source, target), name in zip(self.edges, self.EDGES, architecture, strict=True):
            read = nodes[source]
            if name == "none" or read is None:
                continue
            assert isinstance(edge, nn.ModuleDict)
            output = edge[name](read)
            before = nodes[target]
            nodes[target] = output if before is None else before + output
        assert nodes[3] is not None
        return nodes[3]


def plain_operations(channels: int) -> nn.ModuleDict:
    """Return a module per operation but `none`."""
    return nn.ModuleDict(
        {
            "skip_connect": nn.Identity(),
            "nor_conv_1x1": plain_convolution(channels, 1),
            "nor_conv_3x3": plain_convolution(channels, 3),
            "avg_pool_3x3": nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        }
    )


def plain_convolution(channels: int, kernel_size: int) -> nn.Module:
    """Return ReLU, convolution, BatchNorm."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, bias=False),
        plain_norm(channels),
    )


def plain_norm(channels: int) -> nn.Module:
    """Return BatchNorm by the batch alone, as supernets have it."""
    return nn.BatchNorm2d(channels, affine=False, track_running_stats=False)


if __name__ == "__main__":
    main()
