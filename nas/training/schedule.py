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


class Schedule:
    """The steps of one run on a training split of `num_images` images.

    It remembers the image order of the epoch last asked for; that saves time and changes nothing.
    """

    def __init__(self, spec: RunSpec, partition: Partition, num_images: int) -> None:
        self._spec = spec
        self._partition = partition
        self._num_images = num_images
        processes = spec.training.processes
        self.batch_size = min(spec.training.batch_size, num_images) // processes * processes
        self._epoch = -1
        self._order_N = torch.empty(0, dtype=torch.int64)

    def routes(self, step: int) -> tuple[Route, ...]:
        """Return the architectures that the step trains, the warm-up's steps included."""
        rng = stream(self._spec.seed, "architecture", step)
        return self._spec.training.sampler.draw(self._partition, step, rng)

    def image_indices(self, step: int) -> Tensor:
        """Return the positions of the step's training images, shape (batch,).

        Global steps walk through one random permutation of the images per epoch; the incomplete
        batch at its end is left out.
        """
        epoch, batch = divmod(step, self._num_images // self.batch_size)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(
                derive_seed(self._spec.seed, "images", epoch)
            )
            self._order_N = torch.randperm(self._num_images, generator=generator)
            self._epoch = epoch
        return self._order_N[batch * self.batch_size : (batch + 1) * self.batch_size]

    def augmentation(self, step: int) -> torch.Generator:
        """Return the generator of the step's shifts, mirrors and noise."""
        return torch.Generator().manual_seed(derive_seed(self._spec.seed, "augmentation", step))

    def learning_rate(self, step: int) -> float:
        """Return the learning rate: one cosine from its first value to 0 over all global steps."""
        training = self._spec.training
        return 0.5 * training.learning_rate * (1 + math.cos(math.pi * step / training.steps))
