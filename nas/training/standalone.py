"""Stand-alone training: the ground truth that supernets are ranked against."""

import math
import time
from collections.abc import Generator, Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nas.data.dataset import ImageDataset
from nas.errors import TrainingDiverged
from nas.events import StandAloneProgressed
from nas.seeds import derive_seed
from nas.spaces.base import Architecture, Space
from nas.spaces.shape import NetworkShape
from nas.supernets.build import FULL, build_stand_alone
from nas.supernets.network import Network, on_device
from nas.training.batches import ImageBatches, pixel_statistics
from nas.training.nesterov import Nesterov
from nas.training.recipe import StandAloneRecipe as StandAloneRecipe
from nas.training.stopwatch import Stopwatch

REPORT_SECONDS = 0.25
"""A training reports, and can be stopped, at least this often."""

EVALUATED_AT_ONCE = 500
"""Images per forward pass, which needs memory for as many; accuracy does not depend on it."""

Split = Literal["validation", "test"]


class StandAloneTrainer:
    """Trains architectures of one space on one dataset; holds the images on the device."""

    def __init__(
        self,
        space: Space,
        dataset: ImageDataset,
        recipe: StandAloneRecipe,
        device: str = "cpu",
        shape: NetworkShape = FULL,
    ) -> None:
        """Copy the training images to the device.

        Args:
            space: of the architectures.
            dataset: with the images.
            recipe: how they are trained.
            device: a torch device.
            shape: of the networks, by default that of the space.
        """
        self._space = space
        self._dataset = dataset
        self._recipe = recipe
        self._device = device
        self._shape = shape
        self._pixels = pixel_statistics(dataset.train)
        padding = recipe.augmentation.shift_pixels
        self._train = ImageBatches(dataset.train, self._pixels, device=device, padding=padding)
        # Copied when first asked for: who asks for validation alone never touches test images.
        self._held_out: dict[Split, ImageBatches] = {}

    def test_accuracy(self, architecture: Architecture, seed: int) -> float:
        """Train from scratch and return the accuracy on the test images, in percent.

        The seed decides initial weights, order of images and augmentation. All architectures of
        one seed see the same images, so their differences are less noisy.

        Raises:
            TrainingDiverged: if the trained network's outputs are not finite.
        """
        network = self._fresh(architecture, seed)
        for _ in self._steps(network, architecture, seed):
            pass
        return self._accuracy(network, architecture, "test")

    def reported_accuracy(
        self, architecture: Architecture, seed: int, number: int, split: Split = "validation"
    ) -> Generator[StandAloneProgressed, None, float]:
        """Train likewise, reporting meanwhile; return the accuracy on held-out images.

        Args:
            architecture: a valid one.
            seed: of the training.
            number: of the training, for the reports.
            split: whose images are classified.

        Raises:
            TrainingDiverged: if the trained network's outputs are not finite.
        """
        network = self._fresh(architecture, seed)
        watch = Stopwatch.of(self._device)
        code, reported = self._space.encode(architecture), 0
        began = time.perf_counter()
        for step in self._steps(network, architecture, seed, watch):
            if time.perf_counter() - began >= REPORT_SECONDS or step == self.num_steps:
                yield StandAloneProgressed(
                    architecture=code,
                    seed=number,
                    step=step,
                    num_steps=self.num_steps,
                    updates=step - reported,
                    images=(step - reported) * self._batch_size,
                    part_seconds=watch.take(),
                )
                watch.begin()
                began, reported = time.perf_counter(), step
        return self._accuracy(network, architecture, split)

    @property
    def num_steps(self) -> int:
        """Optimizer steps of one training."""
        return self._recipe.epochs * (len(self._train) // self._batch_size)

    @property
    def _batch_size(self) -> int:
        return min(self._recipe.batch_size, len(self._train))

    def _fresh(self, architecture: Architecture, seed: int) -> Network:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "stand-alone", "weights"))
            network = build_stand_alone(self._space, architecture, self._shape)
        return on_device(network, self._device)

    def _steps(
        self,
        network: Network,
        architecture: Architecture,
        seed: int,
        watch: Stopwatch | None = None,
    ) -> Iterator[int]:
        """Train, and yield the number of optimizer steps after each of them."""
        watch = watch or Stopwatch()
        recipe, num_steps = self._recipe, self.num_steps
        optimizer = Nesterov(
            network.parameters(), decay=recipe.momentum, weight_decay=recipe.weight_decay
        )
        generator = torch.Generator().manual_seed(derive_seed(seed, "stand-alone", "images"))
        network.train()
        batches = epochs_of_batches(len(self._train), self._batch_size, generator)
        for step in range(num_steps):
            images, labels = self._train.augmented(next(batches), recipe.augmentation, generator)
            learning_rate = 0.5 * recipe.learning_rate * (1 + math.cos(math.pi * step / num_steps))
            optimizer.forget_gradients()
            watch.lap("data")
            loss = cross_entropy(network(images, architecture), labels)
            watch.lap("forward")
            loss.backward()
            watch.lap("backward")
            optimizer.step(learning_rate)
            watch.lap("optimizer")
            yield step + 1

    @torch.no_grad()
    def _accuracy(self, network: Network, architecture: Architecture, split: Split) -> float:
        if split not in self._held_out:
            images = getattr(self._dataset, split)
            self._held_out[split] = ImageBatches(images, self._pixels, device=self._device)
        held_out = self._held_out[split]
        network.eval()
        correct = 0
        for indices in torch.arange(len(held_out)).split(EVALUATED_AT_ONCE):
            images, labels = held_out.plain(indices)
            logits = network(images, architecture)
            if not bool(logits.isfinite().all()):
                raise TrainingDiverged(
                    f"{self._space.encode(architecture)}, trained alone, gives outputs that are "
                    "not finite; lower the recipe's learning_rate"
                )
            correct += int((logits.argmax(dim=1) == labels).sum())
        return 100.0 * correct / len(held_out)


def epochs_of_batches(
    num_images: int, batch_size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield index batches for ever: each epoch a new permutation, its incomplete rest left out."""
    while True:
        order = torch.randperm(num_images, generator=generator)
        yield from order[: num_images - num_images % batch_size].split(batch_size)
