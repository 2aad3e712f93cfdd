"""Stand-alone training: the ground truth that supernets are ranked against."""

import math
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

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
from nas.training.recipe import StandAloneRecipe
from nas.training.stopwatch import Stopwatch

REPORT_SECONDS = 0.25
"""A training reports, and can be stopped, at least this often."""

EVALUATED_AT_ONCE = 500
"""Images per forward pass, which needs memory for as many; accuracy does not depend on it."""

Split = Literal["validation", "test"]


@dataclass(slots=True, eq=False)
class StandAloneTraining:
    """One training under way; `StandAloneTrainer.advance` updates it in place.

    Attributes:
        architecture: that is trained.
        network: its weights.
        optimizer: their momentum.
        generator: of the order of images and of their augmentation.
        order: positions of the training images in the order of the epoch under way; empty before
            its first step.
        step: optimizer steps so far.
    """

    architecture: Architecture
    network: Network
    optimizer: Nesterov
    generator: torch.Generator
    order: Tensor
    step: int = 0


class StandAloneTrainer:
    """Trains architectures of one space on one dataset; holds the images on the device.

    Attributes:
        space: of the architectures.
        dataset: with the images.
        recipe: how they are trained.
        device: a torch device.
        shape: of the networks.
        pixels: of the training images.
    """

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
        self.space = space
        self.dataset = dataset
        self.recipe = recipe
        self.device = device
        self.shape = shape
        self.pixels = pixel_statistics(dataset.train)
        padding = recipe.augmentation.shift_pixels
        self._train = ImageBatches(dataset.train, self.pixels, device=device, padding=padding)
        # Copied when first asked for: who asks for validation alone never touches test images.
        self._held_out: dict[Split, ImageBatches] = {}

    def test_accuracy(self, architecture: Architecture, seed: int) -> float:
        """Train from scratch and return the accuracy on the test images, in percent.

        The seed decides initial weights, order of images and augmentation. All architectures of
        one seed see the same images, so their differences are less noisy.

        Raises:
            TrainingDiverged: if the trained network's outputs are not finite.
        """
        training = self.begin(architecture, seed)
        while training.step < self.num_steps:
            self.advance(training)
        return self.accuracy(training, "test")

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
        training, reports = self.begin(architecture, seed), Reports(self, architecture, number)
        while training.step < self.num_steps:
            self.advance(training, reports.watch)
            if reports.are_due() or training.step == self.num_steps:
                yield reports.take(training)
                reports.begin(training)
        return self.accuracy(training, split)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one pass over the training images."""
        return self.recipe.steps_per_epoch(len(self._train))

    @property
    def num_steps(self) -> int:
        """Optimizer steps of one training."""
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def batch_size(self) -> int:
        """Images of a step."""
        return self.recipe.batch_of(len(self._train))

    def begin(self, architecture: Architecture, seed: int) -> StandAloneTraining:
        """Return a training at its beginning, a function of architecture and seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "stand-alone", "weights"))
            network = build_stand_alone(self.space, architecture, self.shape)
        network = on_device(network, self.device)
        return StandAloneTraining(
            architecture=architecture,
            network=network,
            optimizer=Nesterov(
                network.parameters(),
                decay=self.recipe.momentum,
                weight_decay=self.recipe.weight_decay,
            ),
            generator=torch.Generator().manual_seed(derive_seed(seed, "stand-alone", "images")),
            order=torch.empty(0, dtype=torch.int64),
        )

    def advance(self, training: StandAloneTraining, watch: Stopwatch | None = None) -> Tensor:
        """Make one optimizer step and return the mean loss of its batch (nats), on the device.

        Args:
            training: that `begin` returned.
            watch: measures the parts of the step, if anybody wants to know.
        """
        watch, recipe = watch or Stopwatch(), self.recipe
        batch = training.step % self.steps_per_epoch
        if batch == 0:
            training.order = torch.randperm(len(self._train), generator=training.generator)
        indices_B = training.order[batch * self.batch_size : (batch + 1) * self.batch_size]
        images, labels = self._train.augmented(indices_B, recipe.augmentation, training.generator)
        if not training.network.training:
            training.network.train()
        training.optimizer.forget_gradients()
        watch.lap("data")
        logits = training.network(images, training.architecture)
        loss = cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        watch.lap("forward")
        loss.backward()
        watch.lap("backward")
        if recipe.gradient_clip is not None:
            used = [weight for weight in training.optimizer.weights if weight.grad is not None]
            clip_grad_norm_(used, recipe.gradient_clip, foreach=True)
        training.optimizer.step(self.learning_rate(training.step))
        training.step += 1
        watch.lap("optimizer")
        return loss.detach()

    def learning_rate(self, step: int) -> float:
        """Return that of a step: it rises in the warm-up, and from there one cosine goes to 0."""
        recipe = self.recipe
        warm_up = recipe.warm_up_epochs * self.steps_per_epoch
        if step < warm_up:
            return recipe.learning_rate * (step + 1) / warm_up
        passed, all_steps = step - warm_up, self.num_steps - warm_up
        return 0.5 * recipe.learning_rate * (1 + math.cos(math.pi * passed / all_steps))

    @torch.no_grad()
    def accuracy(self, training: StandAloneTraining, split: Split) -> float:
        """Return the accuracy on held-out images, in percent.

        Raises:
            TrainingDiverged: if the network's outputs are not finite.
        """
        if split not in self._held_out:
            images = getattr(self.dataset, split)
            self._held_out[split] = ImageBatches(images, self.pixels, device=self.device)
        held_out, network = self._held_out[split], training.network
        network.eval()
        correct = 0
        for indices in torch.arange(len(held_out)).split(EVALUATED_AT_ONCE):
            images, labels = held_out.plain(indices)
            logits = network(images, training.architecture)
            if not bool(logits.isfinite().all()):
                raise TrainingDiverged(
                    f"{self.space.encode(training.architecture)}, trained alone, gives outputs that "
                    "are not finite; lower the recipe's learning_rate"
                )
            correct += int((logits.argmax(dim=1) == labels).sum())
        return 100.0 * correct / len(held_out)


class Reports:
    """What a training reports, and when.

    Args:
        trainer: that trains.
        architecture: that is trained.
        number: of the training.
        step: optimizer steps that are behind it.

    Attributes:
        watch: measures the steps of the next report.
    """

    def __init__(
        self, trainer: StandAloneTrainer, architecture: Architecture, number: int, step: int = 0
    ) -> None:
        self.watch = Stopwatch.of(trainer.device)
        self._trainer = trainer
        self._code = trainer.space.encode(architecture)
        self._number = number
        self._reported = step
        self._began = time.perf_counter()

    def are_due(self) -> bool:
        """Tell whether the last report is old enough."""
        return time.perf_counter() - self._began >= REPORT_SECONDS

    def take(self, training: StandAloneTraining) -> StandAloneProgressed:
        """Return the report of the steps since the last one."""
        updates = training.step - self._reported
        return StandAloneProgressed(
            architecture=self._code,
            seed=self._number,
            step=training.step,
            num_steps=self._trainer.num_steps,
            updates=updates,
            images=updates * self._trainer.batch_size,
            part_seconds=self.watch.take(),
        )

    def begin(self, training: StandAloneTraining) -> None:
        """Start the next report; what happened since the last one does not count."""
        self.watch.begin()
        self._began, self._reported = time.perf_counter(), training.step
