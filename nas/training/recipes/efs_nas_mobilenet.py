"""The recipe with which EFS-NAS retrains what it finds in the MobileNet space."""

import sys
from typing import ClassVar, Literal, final

from nas.training.recipe import (
    Augmentation,
    AugmentationSpec,
    BatchSize,
    Epochs,
    LabelSmoothing,
    LearningRate,
    WeightDecay,
)
from nas.training.recipes.base import RetrainRecipe


@final
class EfsNasMobilenetRecipe(RetrainRecipe):
    """For large images, such as those of ImageNet, and chains of inverted bottlenecks.

    240 epochs in batches of 1024, learning rate 0.5 to 0 in one cosine, weight decay 4e-5, labels
    smoothed by 0.1. Some of the authors' runs take 300 epochs with a warm-up.

    Left out of theirs: dropout 0.2 before the classifier, which our networks do not have; colour
    jitter; and crops of random size, in whose place images are shifted by up to 16 pixels.

    Source: Oh et al., AAAI 2025 (arXiv 2412.14678), their code.
    """

    largest_side: ClassVar[int] = sys.maxsize

    kind: Literal["efs-nas-mobilenet"] = "efs-nas-mobilenet"
    epochs: Epochs = 240
    batch_size: BatchSize = 1024
    learning_rate: LearningRate = 0.5
    weight_decay: WeightDecay = 4e-5
    label_smoothing: LabelSmoothing = 0.1
    augmentation: Augmentation = AugmentationSpec(horizontal_flip=True, shift_pixels=16)
