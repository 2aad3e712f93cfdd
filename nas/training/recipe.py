"""How images are changed, and how one architecture is trained alone; importing it loads no torch."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

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


Epochs = Annotated[int, Field(ge=1, le=10_000, description="Passes over the training images.")]
BatchSize = Annotated[
    int, Field(ge=2, le=4096, description="Images per step; an incomplete last is left.")
]
LearningRate = Annotated[
    float,
    Field(gt=0, le=10, description="After the warm-up; from there a cosine to 0 over all steps."),
]
WarmUpEpochs = Annotated[
    int,
    Field(ge=0, le=10_000, description="First epochs, in which the learning rate rises from 0."),
]
Momentum = Annotated[float, Field(ge=0, lt=1, description="Nesterov momentum.")]
WeightDecay = Annotated[float, Field(ge=0, le=1, description="Added to the gradient.")]
LabelSmoothing = Annotated[
    float,
    Field(ge=0, lt=1, description="Share of each label that is spread over all classes alike."),
]
GradientClip = Annotated[
    float | None, Field(gt=0, description="Largest gradient norm of a step; null for none.")
]
Augmentation = Annotated[
    AugmentationSpec, Field(description="Random changes of the training images.")
]


class StandAloneRecipe(SpecPart):
    """How one architecture is trained from scratch; SGD with Nesterov momentum, cosine to 0."""

    epochs: Epochs
    batch_size: BatchSize = 64
    learning_rate: LearningRate = 0.1
    warm_up_epochs: WarmUpEpochs = 0
    momentum: Momentum = 0.9
    weight_decay: WeightDecay = 5e-4
    label_smoothing: LabelSmoothing = 0.0
    gradient_clip: GradientClip = None
    augmentation: Augmentation = AugmentationSpec()

    @field_validator("warm_up_epochs")
    @classmethod
    def _warm_up_leaves_epochs(cls, warm_up_epochs: int, info: ValidationInfo) -> int:
        epochs = info.data.get("epochs")
        if epochs is not None and warm_up_epochs >= epochs:
            raise ValueError(f"{warm_up_epochs} must be below epochs {epochs}")
        return warm_up_epochs

    def batch_of(self, num_images: int) -> int:
        """Return how many of so many training images a step reads."""
        return min(self.batch_size, num_images)

    def steps_per_epoch(self, num_images: int) -> int:
        """Return the optimizer steps of one pass over so many training images."""
        return num_images // self.batch_of(num_images)
