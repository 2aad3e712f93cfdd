"""Everything that training and scoring of one run read; importing it loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nas.data.dataset import ImageDataset
from nas.landmarks.landmark import NO_LANDMARKS, Landmarks
from nas.partition.base import Partition
from nas.ranking.sample import ranking_sample
from nas.spaces.base import Architecture, Space
from nas.spec import RunSpec
from nas.supernets.sizes import Supernets

if TYPE_CHECKING:
    from nas.ranking.probe_images import ProbeImages
    from nas.ranking.scoring import ScoringImages
    from nas.ranking.untrained import UntrainedScores
    from nas.training.batches import ImageBatches


@dataclass(frozen=True)
class Experiment:
    """A run's specification with the objects that its references name.

    Keep one per process: the images are copied to the device once, when first needed.

    Attributes:
        spec: the parameters.
        space: the search space that `spec.space` names.
        partition: what `spec.splitter` makes of it.
        dataset: the images that `spec.dataset` names.
        device: a torch device, for example `cpu` or `cuda:0`.
        landmarks: those that `spec.landmarks` names, with their accuracies where they are known.
        known: canonical strings of the valid architectures of the run's benchmark; empty where the
            ranking does not draw from it.
    """

    spec: RunSpec
    space: Space
    partition: Partition
    dataset: ImageDataset
    device: str = "cpu"
    landmarks: Landmarks = NO_LANDMARKS
    known: tuple[str, ...] = ()

    @cached_property
    def ranking_sample(self) -> tuple[Architecture, ...]:
        """What is ranked after training, in random order.

        Raises:
            InfeasibleLandmarks: if they leave nothing to be ranked.
            InfeasibleRanking: if the benchmark that is drawn from holds too little.
        """
        return ranking_sample(self.spec, self.space, self.landmarks, self.known)

    @property
    def live_sample(self) -> tuple[Architecture, ...]:
        """What every round of live ranking scores: the first of them."""
        return self.ranking_sample[: self.spec.ranking.live_architectures]

    @cached_property
    def supernets(self) -> Supernets:
        """The sizes of the supernets: the spec's widths and depth, the dataset's images.

        Raises:
            InfeasibleSupernet: if the spec's widths do not fit the partition.
        """
        supernet, dataset = self.spec.supernet, self.dataset
        shape = supernet.shape(
            image_channels=dataset.image_shape[0], num_classes=len(dataset.classes)
        )
        return supernet.supernets(self.partition, shape)

    @cached_property
    def train_images(self) -> ImageBatches:
        """The training images on the device, padded for the largest shift."""
        from nas.training.batches import ImageBatches, pixel_statistics

        return ImageBatches(
            self.dataset.train,
            pixel_statistics(self.dataset.train),
            device=self.device,
            padding=self.spec.training.augmentation.shift_pixels,
        )

    @cached_property
    def validation_images(self) -> ImageBatches:
        """The validation images on the device, for regularisers that read them."""
        from nas.training.batches import ImageBatches, pixel_statistics

        pixels = pixel_statistics(self.dataset.train)
        return ImageBatches(self.dataset.validation, pixels, device=self.device)

    @cached_property
    def probe_images(self) -> ProbeImages:
        """What scorers of untrained networks and of gradients read."""
        from nas.ranking.probe_images import ProbeImages

        return ProbeImages(
            self.train_images,
            seed=self.spec.seed,
            image_shape=self.dataset.image_shape,
            device=self.device,
        )

    @cached_property
    def untrained_scores(self) -> UntrainedScores:
        """The scores of untrained networks, each computed once."""
        from nas.ranking.untrained import UntrainedScores

        return UntrainedScores(self)

    @cached_property
    def scoring_images(self) -> ScoringImages:
        """The validation images that final scores and search read."""
        return self._scoring_images(self.spec.ranking.num_images)

    @cached_property
    def live_scoring_images(self) -> ScoringImages:
        """The first of them, which live scores read."""
        return self._scoring_images(self.spec.ranking.live_images)

    def _scoring_images(self, num_images: int) -> ScoringImages:
        from nas.ranking.scoring import scoring_images

        return scoring_images(
            self.dataset,
            num_images=num_images,
            batch_size=self.spec.ranking.batch_size,
            device=self.device,
        )
