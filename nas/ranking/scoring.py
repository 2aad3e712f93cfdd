"""Scoring architectures with a trained supernet: one forward pass serves every scorer.

BatchNorm uses the statistics of the scoring batch (policy `batch-stats`), so the batches are part
of a score's conditions: the first images of one fixed order, in batches of one fixed size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.data.dataset import ImageDataset
from nas.ranking.scorers.base import SupernetScorer
from nas.seeds import derive_seed
from nas.spaces.base import Architecture
from nas.supernets.network import Network
from nas.training.batches import ImageBatches, pixel_statistics


@dataclass(frozen=True, slots=True)
class ScoringImages:
    """Validation images, ready for a supernet.

    Attributes:
        batches: normalised, each of shape (batch, channels, height, width).
        labels: of all of them in the same order, shape (images,).
    """

    batches: tuple[Tensor, ...]
    labels: Tensor


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
    )


@torch.no_grad()
def score(
    supernet: Network,
    architecture: Architecture,
    images: ScoringImages,
    scorers: Sequence[SupernetScorer],
) -> tuple[float, ...]:
    """Return one score per scorer, higher is better.

    Raises:
        ScoreUndefined: if a score is not finite.
    """
    logits_NC = torch.cat([supernet(batch, architecture) for batch in images.batches])
    return tuple(scorer.from_logits(logits_NC, images.labels) for scorer in scorers)
