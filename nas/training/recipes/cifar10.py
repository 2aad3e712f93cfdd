"""The recipe of the stand-alone results of NAS-Bench-201."""

from typing import ClassVar, Literal, final

from nas.training.recipe import Augmentation, AugmentationSpec, BatchSize, Epochs
from nas.training.recipes.base import RetrainRecipe


@final
class Cifar10Recipe(RetrainRecipe):
    """For CIFAR-10 and other images of about 32x32 pixels.

    SGD with Nesterov momentum, learning rate 0.1 to 0 in one cosine over 200 epochs, batches of 256,
    weight decay 5e-4, mirrored images shifted by up to 4 pixels, no early stop.

    Source: Dong and Yang, ICLR 2020 (arXiv 2001.00326), whose table is the ground truth of EFS-NAS
    and of landmark regularisation on this space. They train on all of the training images; here the
    validation images stay held out.
    """

    largest_side: ClassVar[int] = 64

    kind: Literal["cifar10"] = "cifar10"
    epochs: Epochs = 200
    batch_size: BatchSize = 256
    augmentation: Augmentation = AugmentationSpec(horizontal_flip=True, shift_pixels=4)
