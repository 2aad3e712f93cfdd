"""How images are changed, and how one architecture is trained alone; importing it loads no torch."""

from pydantic import Field

from nas.spec_part import SpecPart


class AugmentationSpec(SpecPart):
    """Random changes of a training image; all off by default."""

    horizontal_flip: bool = Field(False, description="Mirror with probability one half.")
    shift_pixels: int = Field(
        0, ge=0, le=16, description="Shift by up to this many pixels each way, zero padded."
    )
    gaussian_noise: float = Field(
        0.0, ge=0, le=5, description="Standard deviation of noise added to normalised pixels."
    )


class StandAloneRecipe(SpecPart):
    """How one architecture is trained from scratch; SGD with Nesterov momentum, cosine to 0."""

    epochs: int = Field(ge=1, le=10_000, description="Passes over the training images.")
    batch_size: int = Field(
        64, ge=2, le=4096, description="Images per step; an incomplete last is left."
    )
    learning_rate: float = Field(
        0.1, gt=0, le=10, description="At step 0; cosine to 0 over all steps."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum.")
    weight_decay: float = Field(5e-4, ge=0, le=1, description="Added to the gradient.")
    augmentation: AugmentationSpec = Field(default_factory=AugmentationSpec)
