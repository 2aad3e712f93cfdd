"""The recipe with which cells of the DARTS space are retrained on CIFAR-10."""

from typing import ClassVar, Literal, final

from nas.training.recipe import (
    Augmentation,
    AugmentationSpec,
    BatchSize,
    Epochs,
    GradientClip,
    LearningRate,
    WeightDecay,
)
from nas.training.recipes.base import RetrainRecipe


@final
class DartsRecipe(RetrainRecipe):
    """For cells of the DARTS space on CIFAR-10.

    600 epochs in batches of 96, learning rate 0.025 to 0 in one cosine, weight decay 3e-4, gradients
    clipped at norm 5. The authors' network has 36 channels and 20 cells: set `width` to 36 and
    `cells_per_stage` to 6 (three stages and two cells that halve the image).

    Left out of theirs: cutout of 16 pixels, the auxiliary classifier (0.4) and drop path (0.2), so
    expect a lower accuracy than theirs.

    Source: Oh et al., AAAI 2025 (arXiv 2412.14678), their code, after Liu et al., ICLR 2019
    (arXiv 1806.09055).
    """

    largest_side: ClassVar[int] = 0  # never a dataset's default, because it takes days

    kind: Literal["darts"] = "darts"
    epochs: Epochs = 600
    batch_size: BatchSize = 96
    learning_rate: LearningRate = 0.025
    weight_decay: WeightDecay = 3e-4
    gradient_clip: GradientClip = 5.0
    augmentation: Augmentation = AugmentationSpec(horizontal_flip=True, shift_pixels=4)
