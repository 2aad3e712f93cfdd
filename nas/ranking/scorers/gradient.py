"""What scorers share that look at the gradients of a trained supernet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from nas.ranking.scorers.base import Scorer

if TYPE_CHECKING:
    from nas.ranking.supernet_gradients import GradientSteps


class GradientScorer(Scorer, ABC):
    """A rule that scores an architecture by the supernet's gradients on some training batches.

    The supernet is that of the architecture's sub-space, trained. The batches are the same for all
    architectures, without augmentation. A score takes several forward and backward passes, more
    than a live round has time for, so the final ranking alone has it.
    """

    num_batches: int = Field(4, ge=2, le=100, description="Batches, one gradient each.")
    batch_size: int = Field(
        64,
        ge=2,
        le=4096,
        description="Training images per batch; fewer where the dataset has too few.",
    )

    @property
    def conditions(self) -> Mapping[str, str | int]:
        return {
            "split": "train",
            "images": self.num_batches * self.batch_size,
            "batch_size": self.batch_size,
        }

    @property
    def step_size(self) -> float:
        """Learning rate of the step between two batches, on a copy of the weights."""
        return 0.0

    @abstractmethod
    def of_gradients(self, steps: GradientSteps) -> float:
        """Return the score, higher is better.

        Raises:
            ScoreUndefined: if the score is not finite.
        """
