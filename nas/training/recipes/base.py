"""What a recipe of retraining says beside that of any stand-alone training."""

from abc import ABC
from typing import Annotated, ClassVar

from pydantic import Field

from nas.plugin import Strategy
from nas.training.recipe import StandAloneRecipe

Patience = Annotated[
    int | None,
    Field(
        ge=1,
        le=10_000,
        description="Stop early after so many epochs without a better validation accuracy, and keep "
        "the weights of the best epoch; null: never, and keep those of the last.",
    ),
]


class RetrainRecipe(StandAloneRecipe, Strategy, ABC):
    """How an architecture is trained when it has been chosen.

    Attributes:
        largest_side: images of up to so many pixels a side are what the recipe is meant for.
        most_images: likewise, so many training images; None: however many.
    """

    largest_side: ClassVar[int]
    most_images: ClassVar[int | None] = None

    kind: str
    patience: Patience = None

    @classmethod
    def suits(cls, side: int, num_train: int) -> bool:
        """Tell whether the recipe is meant for images of this size, and so many of them."""
        return side <= cls.largest_side and (
            cls.most_images is None or num_train <= cls.most_images
        )
