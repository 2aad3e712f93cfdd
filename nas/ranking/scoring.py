"""Scoring architectures with a trained supernet: one forward pass serves every scorer.

BatchNorm's policy is that of the spec. By default it uses the statistics of the scoring batch, so
the batches are part of a score's conditions: the first images of one fixed order, in batches of one
fixed size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nas.data.dataset import ImageDataset
from nas.ranking.batch_norm.base import BatchNormPolicy
from nas.ranking.batch_norm.batch_stats import BatchStats
from nas.ranking.scorers.base import SupernetScorer
from nas.seeds import derive_seed
from nas.spaces.base import Architecture
from nas.supernets.network import Network
from nas.training.batches import ImageBatches, pixel_statistics

BATCH_STATS = BatchStats()


@dataclass(frozen=True)
class ScoringImages:
    """Validation images, ready for a supernet.

    Attributes:
        batches: normalised, each of shape (batch, channels, height, width).
        labels: of all of them in the same order, shape (images,).
        dataset: that they are from.
        batch_size: of whole batches.
    """

    batches: tuple[Tensor, ...]
    labels: Tensor
    dataset: ImageDataset
    batch_size: int

    def calibration(self, number: int) -> Tensor:
        """Return a batch of training images, normalised and not augmented, to estimate statistics.

        Its images are drawn without replacement by its number and the dataset's split seed alone.
        """
        generator = torch.Generator()
        generator.manual_seed(derive_seed(self.dataset.split_seed, "calibration", number))
        order_N = torch.randperm(len(self._train), generator=generator)
        images, _ = self._train.plain(order_N[: self.batch_size])
        return images

    @cached_property
    def _train(self) -> ImageBatches:
        train, device = self.dataset.train, str(self.labels.device)
        return ImageBatches(train, pixel_statistics(train), device=device)


def scoring_images(
    dataset: ImageDataset, *, num_images: int, batch_size: int, device: str
) -> ScoringImages:
    """Put the first `num_images` validation images (all where fewer) on the device in batches.

    The order is a permutation drawn from the dataset's split seed, because files often lie sorted
    by class and a batch of one class has other statistics. A last batch of a single image joins
    the one before it: it has no variance.
    """
    validation = ImageBatches(dataset.validation, pixel_statistics(dataset.train), device=device)
    generator = torch.Generator().manual_seed(derive_seed(dataset.split_seed, "scoring order"))
    order_N = torch.randperm(len(validation), generator=generator)[:num_images]
    parts = [order_N[start : start + batch_size] for start in range(0, len(order_N), batch_size)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    cut = [validation.plain(part) for part in parts]
    return ScoringImages(
        batches=tuple(images for images, _ in cut),
        labels=torch.cat([labels for _, labels in cut]),
        dataset=dataset,
        batch_size=batch_size,
    )


def scores(
    supernet: Network,
    architectures: Sequence[Architecture],
    images: ScoringImages,
    scorers: Sequence[SupernetScorer],
    batch_norm: BatchNormPolicy = BATCH_STATS,
) -> Iterator[tuple[Architecture, tuple[float, ...]]]:
    """Yield every architecture once, in an order of their own, with one score per scorer.

    Higher is better. Scores are a function of each architecture alone.

    Raises:
        ScoreUndefined: if a score is not finite.
    """
    evaluated = batch_norm.class_scores(supernet, architectures, images)
    for architecture, logits_NC in evaluated:
        yield (
            architecture,
            tuple(scorer.from_logits(logits_NC, images.labels) for scorer in scorers),
        )


def score(
    supernet: Network,
    architecture: Architecture,
    images: ScoringImages,
    scorers: Sequence[SupernetScorer],
    batch_norm: BatchNormPolicy = BATCH_STATS,
) -> tuple[float, ...]:
    """Return what `scores` yields for one architecture.

    Raises:
        ScoreUndefined: if a score is not finite.
    """
    ((_, found),) = scores(supernet, [architecture], images, scorers, batch_norm)
    return found
