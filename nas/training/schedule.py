"""What each global step trains: a pure function of the spec's seed and the step's number.

Any process that asks for a step gets the same answer, whatever it asked before. So a unit can skip
the steps of other sub-spaces, resume in the middle, or run beside the others on another worker.
"""

import math

import torch
from torch import Tensor

from nas.partition.base import Partition
from nas.seeds import derive_seed, stream
from nas.spec import RunSpec
from nas.training.samplers.base import Route


class BatchOrder:
    """Which images of a split each step reads: one random permutation per epoch.

    The incomplete batch at the end of an epoch is left out. The order of the epoch last asked for
    is remembered; that saves time and changes nothing.
    """

    def __init__(self, seed: int, label: str, num_images: int, batch_size: int) -> None:
        self._seed = seed
        self._label = label
        self._num_images = num_images
        self._batch_size = batch_size
        self._epoch = -1
        self._order_N = torch.empty(0, dtype=torch.int64)

    def indices(self, step: int) -> Tensor:
        """Return positions in the split, shape (batch,)."""
        epoch, batch = divmod(step, self._num_images // self._batch_size)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(derive_seed(self._seed, self._label, epoch))
            self._order_N = torch.randperm(self._num_images, generator=generator)
            self._epoch = epoch
        return self._order_N[batch * self._batch_size : (batch + 1) * self._batch_size]


class Schedule:
    """The steps of one run on a training split of `num_images` images."""

    def __init__(self, spec: RunSpec, partition: Partition, num_images: int) -> None:
        self._spec = spec
        self._partition = partition
        self.batch_size = batch_size(spec, num_images)
        self._images = BatchOrder(spec.seed, "images", num_images, self.batch_size)
        self._validation: BatchOrder | None = None

    def routes(self, step: int) -> tuple[Route, ...]:
        """Return the architectures that the step trains, the warm-up's steps included."""
        rng = stream(self._spec.seed, "architecture", step)
        return self._spec.training.sampler.draw(self._partition, step, rng)

    def image_indices(self, step: int) -> Tensor:
        """Return the positions of the step's training images, shape (batch,).

        Global steps walk through one random permutation of the images per epoch; the incomplete
        batch at its end is left out.
        """
        return self._images.indices(step)

    def validation_indices(self, step: int, num_images: int) -> Tensor:
        """Return the positions of the images that regularisers read in a step.

        They are as many as training images where there are so many, and those of a step are the same
        for every supernet.

        Args:
            step: global step.
            num_images: of the validation split, the same in every call.
        """
        if self._validation is None:
            size = batch_size(self._spec, num_images)
            self._validation = BatchOrder(self._spec.seed, "regulariser images", num_images, size)
        return self._validation.indices(step)

    def augmentation(self, step: int) -> torch.Generator:
        """Return the generator of the step's shifts, mirrors and noise."""
        return torch.Generator().manual_seed(derive_seed(self._spec.seed, "augmentation", step))

    def learning_rate(self, step: int) -> float:
        """Return the learning rate: one cosine from its first value to its final one."""
        training = self._spec.training
        fall = training.learning_rate - training.final_learning_rate
        cosine = 0.5 * fall * (1 + math.cos(math.pi * step / training.steps))
        return training.final_learning_rate + cosine


def batch_size(spec: RunSpec, num_images: int) -> int:
    """Return how many images of a split a step reads: a multiple of the processes that share them."""
    processes = spec.training.processes
    return min(spec.training.batch_size, num_images) // processes * processes
