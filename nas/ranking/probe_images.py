"""What scorers feed to a network to look inside it: the same for every architecture of a run."""

from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from nas.errors import ScoreUndefined
from nas.seeds import derive_seed
from nas.training.batches import ImageBatches

Inputs = Literal["noise", "images"]


class ProbeImages:
    """Training images in one random order, noise in their shape, and random signs, on the device.

    All of them depend on the seed alone.
    """

    def __init__(
        self,
        train: ImageBatches,
        *,
        seed: int,
        image_shape: tuple[int, int, int],
        device: str,
    ) -> None:
        """Keep what images are made from.

        Args:
            train: the training images.
            seed: of the run.
            image_shape: channels, height and width of every image.
            device: where noise and signs are to be.
        """
        self._train = train
        self._seed = seed
        self._image_shape = image_shape
        self._device = device
        self._inputs: dict[tuple[Inputs, int], Tensor] = {}
        self._batches: dict[tuple[int, int], tuple[tuple[Tensor, Tensor], ...]] = {}
        self._signs: dict[tuple[int, tuple[int, ...]], Tensor] = {}

    def inputs(self, inputs: Inputs, number: int) -> Tensor:
        """Return images of shape (number, channels, height, width).

        Args:
            inputs: standard normal pixels; or normalised training images, of which fewer are the
                first of more.
            number: of images; all training images where there are fewer.
        """
        key = inputs, number
        if key not in self._inputs:
            made = self._noise(number) if inputs == "noise" else self._images(number)[0]
            self._inputs[key] = made
        return self._inputs[key]

    def batches(self, number: int, size: int) -> tuple[tuple[Tensor, Tensor], ...]:
        """Return the first training images in batches, each with its class indices.

        Args:
            number: of batches.
            size: images per batch; as many as there are for each, where there are fewer.

        Raises:
            ScoreUndefined: if there are no two images per batch.
        """
        key = number, size
        if key not in self._batches:
            size = min(size, len(self._train) // number)
            if size < 2:
                raise ScoreUndefined(
                    f"{len(self._train)} training images make no {number} batches of two or more: "
                    "lower the scorer's num_batches"
                )
            images, labels = self._images(number * size)
            self._batches[key] = tuple(zip(images.split(size), labels.split(size), strict=True))
        return self._batches[key]

    def signs(self, position: int, like: Tensor) -> Tensor:
        """Return +1 or -1, each as often, for every value of some features.

        Args:
            position: of the features in their network: others have other signs.
            like: the features.
        """
        key = position, tuple(like.shape)
        if key not in self._signs:
            seed = derive_seed(self._seed, "probe", "signs", position)
            generator = torch.Generator().manual_seed(seed)
            drawn = 2 * torch.randint(2, like.shape, generator=generator) - 1
            self._signs[key] = torch.empty_like(like).copy_(drawn).detach()
        return self._signs[key]

    def _noise(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self._seed, "probe", "noise"))
        noise_NCHW = torch.randn((number, *self._image_shape), generator=generator)
        return noise_NCHW.to(self._device).contiguous(memory_format=torch.channels_last)

    def _images(self, number: int) -> tuple[Tensor, Tensor]:
        return self._train.plain(self._order[:number])

    @cached_property
    def _order(self) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self._seed, "probe", "images"))
        return torch.randperm(len(self._train), generator=generator)
