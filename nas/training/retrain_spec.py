"""RetrainSpec: which winners are trained stand-alone, and how. Importing it loads no torch."""

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field

from nas.spaces.shape import NetworkShape
from nas.spec_part import SpecPart
from nas.supernets.spec import MAX_WIDTH
from nas.training.default_recipe import default_recipe
from nas.training.recipes import AnyRecipe

MOST_SEEDS = 100
MOST_RETRAINED = 100
"""Of one run's winners, or of one request: each is a training of its own."""


def _counted(given: object) -> object:
    """Take a number of seeds for the seeds from 0."""
    return tuple(range(given)) if type(given) is int and given <= MOST_SEEDS else given


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"each seed may be named once, got {list(seeds)}")
    return seeds


Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...],
    Field(
        min_length=1,
        max_length=MOST_SEEDS,
        description="One training of each architecture per seed, which decides its weights, its "
        "order of images and its augmentation. In documents a number n means the seeds 0 to n - 1.",
    ),
    BeforeValidator(_counted),
    AfterValidator(_each_once),
]


class Retraining(SpecPart):
    """How architectures are trained stand-alone once they have been chosen."""

    seeds: Seeds = (0, 1, 2)
    recipe: AnyRecipe | None = Field(
        None, description="How each is trained; null: the recipe for such images."
    )
    width: int | None = Field(
        None,
        ge=1,
        le=MAX_WIDTH,
        description="Channels of the first stage, others in proportion; null: those of the space.",
    )
    cells_per_stage: int | None = Field(
        None, ge=1, le=64, description="Searched cells in a row; null: as many as the space has."
    )

    def resolved(self, side: int, num_train: int) -> Self:
        """Return the same with the recipe for images of a size, where none is named.

        Args:
            side: pixels of the longer side of an image.
            num_train: training images.
        """
        if self.recipe is not None:
            return self
        return self.model_copy(update={"recipe": default_recipe(side, num_train)})

    def shape(self, *, image_channels: int, num_classes: int) -> NetworkShape:
        """Return the sizes of the networks.

        Args:
            image_channels: of the dataset.
            num_classes: likewise.
        """
        return NetworkShape(
            width=self.width,
            cells_per_stage=self.cells_per_stage,
            image_channels=image_channels,
            num_classes=num_classes,
        )


class Winners(SpecPart):
    """Which candidates of a search are worth a training of their own."""

    top: int = Field(
        1,
        ge=1,
        le=MOST_RETRAINED,
        description="So many of the best candidates, of those that compute the same the best; with "
        "several objectives, of the Pareto front.",
    )


class RetrainSpec(Retraining, Winners):
    """The stand-alone training of what a search has found."""
