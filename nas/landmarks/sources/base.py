"""What a run must know about its landmarks: which they are, and how their accuracy is found."""

from abc import ABC
from typing import ClassVar

from pydantic import Field

from nas.landmarks.choices import AnyLandmarkChoice
from nas.landmarks.choices.random import RandomChoice
from nas.plugin import Strategy


class LandmarkSource(Strategy, ABC):
    """Where the stand-alone accuracy of landmarks comes from.

    Attributes:
        reads_benchmark: whether it is in the run's benchmark, from which they are chosen then.
    """

    kind: str
    reads_benchmark: ClassVar[bool] = False
    choice: AnyLandmarkChoice = Field(
        default_factory=RandomChoice, description="Which architectures become landmarks."
    )

    @property
    def trainings(self) -> int:
        """How often the run trains each landmark."""
        return 0

    @property
    def epochs(self) -> int:
        """How often the run shows the training images to some landmark, in all."""
        return 0

    @property
    def condition(self) -> str:
        """What their accuracy was measured on, for people."""
        return self.kind
