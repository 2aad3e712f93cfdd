"""A scorer turns what it may know of an architecture into one number, higher is better.

What it may know is told by its base: the predictions of a trained supernet or its gradients, a
network before any training, or the architecture alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nas.plugin import Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from nas.spaces.base import Architecture, Space


class Scorer(Strategy, ABC):
    """A rule that scores an architecture; the bases below say from what."""

    kind: str

    @property
    def conditions(self) -> Mapping[str, str | int]:
        """What its scores rest on, where that is not a pass over the run's validation images.

        The keys are those of a rank correlation's conditions: `split`, `images`, `batch_size`,
        `batch_norm`; and whatever else people should know.
        """
        return {}


class SupernetScorer(Scorer, ABC):
    """A rule that scores an architecture from one forward pass over the validation images.

    Its scores change while the supernet is trained, so every live round has them. Such scorers
    share the pass: `nas.ranking.scoring` computes the outputs once and gives them to every one of
    the run.
    """

    @abstractmethod
    def from_logits(self, logits_NC: Tensor, labels_N: Tensor) -> float:
        """Return the score, higher is better.

        Args:
            logits_NC: outputs before the softmax, one row per image.
            labels_N: class indices.

        Raises:
            ScoreUndefined: if the score is not finite.
        """


class ArchitectureScorer(Scorer, ABC):
    """A rule that scores an architecture by what it is: no weights, no images, no torch.

    Its scores never change, so the final ranking alone has them.
    """

    @property
    def conditions(self) -> Mapping[str, str | int]:
        return {"split": "none", "images": 0, "batch_size": 0, "batch_norm": "none"}

    @abstractmethod
    def of_architecture(self, space: Space, architecture: Architecture) -> float:
        """Return the score, higher is better.

        Args:
            space: with the skeleton of the stand-alone network.
            architecture: a valid one of `space`.
        """
