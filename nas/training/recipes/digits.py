"""A short recipe for a few thousand small images."""

from typing import ClassVar, Literal, final

from nas.training.recipe import Augmentation, AugmentationSpec, Epochs
from nas.training.recipes.base import Patience, RetrainRecipe


@final
class DigitsRecipe(RetrainRecipe):
    """For handwritten digits of 8x8 pixels, and other small sets of small images.

    Our own choice: shifted and noisy images, because there are few of them, and an early stop.
    """

    largest_side: ClassVar[int] = 16
    most_images: ClassVar[int | None] = 5000

    kind: Literal["digits"] = "digits"
    epochs: Epochs = 60
    patience: Patience = 20
    augmentation: Augmentation = AugmentationSpec(shift_pixels=1, gaussian_noise=0.3)
