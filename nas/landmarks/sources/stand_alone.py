"""Accuracy that the run finds by training."""

from typing import Literal, Self, final

from pydantic import Field, model_validator

from nas.landmarks.sources.base import LandmarkSource
from nas.plugin import refused_at
from nas.training.recipe import StandAloneRecipe


@final
class StandAloneLandmarks(LandmarkSource):
    """Train each landmark alone, at the full size of its space, before the supernets.

    The accuracy is the mean over the seeds, on all validation images; test images are never read.

    Source: Yu et al., CVPR 2021 (arXiv 2104.05309). The recipe's defaults are those of
    NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv 2001.00326), without augmentation.
    """

    kind: Literal["stand-alone"] = "stand-alone"
    seeds: int = Field(
        1, ge=1, le=100, description="Trainings of each landmark, derived from the run's seed."
    )
    recipe: StandAloneRecipe = Field(
        default_factory=lambda: StandAloneRecipe(epochs=200, batch_size=256),
        description="How a landmark is trained.",
    )

    @model_validator(mode="after")
    def _chosen_before_they_are_trained(self) -> Self:
        if self.choice.needs_accuracies:
            raise refused_at(
                ("choice",),
                f"{self.choice.kind} looks at the accuracies of all architectures, and those that "
                "are trained by the run are not known yet: take another choice, or landmarks of "
                "the kind benchmark",
            )
        return self

    @property
    def trainings(self) -> int:
        return self.seeds

    @property
    def epochs(self) -> int:
        return self.choice.number * self.seeds * self.recipe.epochs

    @property
    def condition(self) -> str:
        return "stand-alone, on validation images"
