"""What a choice of landmarks decides."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from random import Random
from typing import ClassVar

from pydantic import Field

from nas.errors import InfeasibleLandmarks
from nas.partition.base import Partition
from nas.plugin import Strategy
from nas.spaces.base import Architecture

MOST_LANDMARKS = 10_000

Known = Mapping[Architecture, float]
"""Stand-alone accuracy, in percent, of the valid architectures that a benchmark holds."""


class LandmarkChoice(Strategy, ABC):
    """A rule that picks the architectures that become landmarks: distinct, valid, at least two.

    Attributes:
        needs_accuracies: whether it looks at accuracies, which must then be known beforehand.
    """

    kind: str
    needs_accuracies: ClassVar[bool] = False

    @property
    @abstractmethod
    def number(self) -> int:
        """How many it picks."""

    @abstractmethod
    def choose(
        self, partition: Partition, known: Known | None, rng: Random
    ) -> tuple[Architecture, ...]:
        """Pick landmarks.

        Args:
            partition: of the space to pick from.
            known: to pick from these alone; None: from all valid architectures.
            rng: the stream of this choice.

        Raises:
            InfeasibleLandmarks: if there are not so many; the parameter is one of this choice.
        """


class CountedChoice(LandmarkChoice, ABC):
    """A choice of so many landmarks."""

    count: int = Field(50, ge=2, le=MOST_LANDMARKS, description="M, the number of landmarks.")

    @property
    def number(self) -> int:
        return self.count


def too_few(found: int, wanted: int, which: str) -> InfeasibleLandmarks:
    """Return the error of a choice that finds less than it was asked for."""
    return InfeasibleLandmarks(
        "count",
        f"{wanted} landmarks, but there are only {found} {which}; ask for as many or fewer",
    )
