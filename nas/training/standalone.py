"""Stand-alone training: the ground truth that supernets are ranked against."""

import math
from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from nas.data.dataset import ImageDataset
from nas.seeds import derive_seed
from nas.spaces.base import Architecture, Space
from nas.spec import AugmentationSpec, SpecPart
from nas.supernets.build import build_stand_alone
from nas.supernets.network import Network, on_device
from nas.training.batches import ImageBatches, pixel_statistics
from nas.training.nesterov import Nesterov


class StandAloneRecipe(SpecPart):
    """How one architecture is trained from scratch; SGD with Nesterov momentum, cosine to 0."""

    epochs: int = Field(ge=1, description="Passes over the training images.")
    batch_size: int = Field(64, ge=2, description="Images per step; an incomplete last is left.")
    learning_rate: float = Field(0.1, gt=0, description="At step 0; cosine to 0 over all steps.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum.")
    weight_decay: float = Field(5e-4, ge=0, description="Added to the gradient.")
    augmentation: AugmentationSpec = Field(default_factory=AugmentationSpec)


class StandAloneTrainer:
    """Trains architectures of one space on one dataset; holds the images on the device."""

    def __init__(
        self,
        space: Space,
        dataset: ImageDataset,
        recipe: StandAloneRecipe,
        device: str = "cpu",
    ) -> None:
        self._space = space
        self._recipe = recipe
        self._device = device
        pixels = pixel_statistics(dataset.train)
        padding = recipe.augmentation.shift_pixels
        self._train = ImageBatches(dataset.train, pixels, device=device, padding=padding)
        self._test = ImageBatches(dataset.test, pixels, device=device)

    def test_accuracy(self, architecture: Architecture, seed: int) -> float:
        """Train from scratch and return the accuracy on the test images, in percent.

        The seed decides initial weights, order of images and augmentation. All architectures of
        one seed see the same images, so their differences are less noisy.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "stand-alone", "weights"))
            network = build_stand_alone(self._space, architecture)
        on_device(network, self._device)
        self._train_network(network, architecture, derive_seed(seed, "stand-alone", "images"))
        return self._accuracy(network, architecture)

    def _train_network(self, network: Network, architecture: Architecture, seed: int) -> None:
        recipe = self._recipe
        batch_size = min(recipe.batch_size, len(self._train))
        num_steps = recipe.epochs * (len(self._train) // batch_size)
        optimizer = Nesterov(
            network.parameters(), decay=recipe.momentum, weight_decay=recipe.weight_decay
        )
        generator = torch.Generator().manual_seed(seed)
        network.train()
        batches = epochs_of_batches(len(self._train), batch_size, generator)
        for step in range(num_steps):
            images, labels = self._train.augmented(next(batches), recipe.augmentation, generator)
            learning_rate = 0.5 * recipe.learning_rate * (1 + math.cos(math.pi * step / num_steps))
            optimizer.forget_gradients()
            cross_entropy(network(images, architecture), labels).backward()
            optimizer.step(learning_rate)

    @torch.no_grad()
    def _accuracy(self, network: Network, architecture: Architecture) -> float:
        network.eval()
        images, labels = self._test.plain(torch.arange(len(self._test)))
        correct = int((network(images, architecture).argmax(dim=1) == labels).sum())
        return 100.0 * correct / len(labels)


def epochs_of_batches(
    num_images: int, batch_size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield index batches for ever: each epoch a new permutation, its incomplete rest left out."""
    while True:
        order = torch.randperm(num_images, generator=generator)
        yield from order[: num_images - num_images % batch_size].split(batch_size)
