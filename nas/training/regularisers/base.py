"""What a regulariser may look at, and what it may do, in one optimizer step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Literal

from pydantic import Field

from nas.landmarks.landmark import Landmark
from nas.plugin import Strategy
from nas.spaces.base import Architecture

Images = Literal["train", "validation"]
"""The images of the step itself, or a batch of validation images that nothing has changed."""


class StepLosses(ABC):
    """The cross entropy of architectures under the weights of one supernet, on one batch."""

    @abstractmethod
    def loss(self, architecture: Architecture) -> float:
        """Return the mean loss (nats) over the whole batch, all processes' shares included.

        Raises:
            TrainingDiverged: if it is not finite.
        """

    @abstractmethod
    def add_gradient(self, architecture: Architecture, factor: float) -> None:
        """Add `factor` times the gradient of the mean loss to that of the step."""


@dataclass(frozen=True, slots=True)
class RegularisedStep:
    """One optimizer step of one supernet.

    Attributes:
        step: global step.
        num_steps: global steps in all.
        landmarks: those whose architectures this supernet trains, the worst first: all of them
            in the warm-up and with weight banks, else those of its sub-space.
        rng: the stream of this step, supernet and regulariser.
        losses: by the images to compute them on.
    """

    step: int
    num_steps: int
    landmarks: Sequence[Landmark]
    rng: Random
    losses: Callable[[Images], StepLosses]


class Regulariser(Strategy, ABC):
    """A term that is added to the task's loss.

    Its gradient joins that of the step before this is clipped, and there is one optimizer step for
    both. Everything that it decides is a function of the step and of its stream.

    Attributes:
        needs_landmarks: whether a run must have landmarks for it.
    """

    kind: str
    needs_landmarks: ClassVar[bool] = False
    images: Images = Field(description="What it computes losses on.")

    @abstractmethod
    def apply(self, at: RegularisedStep) -> float:
        """Add the gradient of the term to that of the step, and return the term (nats).

        Where the gradient is zero, none is added: weights that no architecture of the step uses
        then keep their values and momentum.
        """

    @property
    def condition(self) -> str:
        """What it does to the meaning of scores, for people."""
        return f"{self.kind} on {self.images} images"
