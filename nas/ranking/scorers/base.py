"""A scorer turns a network's outputs on validation images into one number, higher is better."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from nas.plugin import Strategy

if TYPE_CHECKING:
    from torch import Tensor


class Scorer(Strategy, ABC):
    """A rule that scores an architecture from one forward pass over the validation images.

    Scorers share the pass: `nas.ranking.scoring` computes the outputs once and gives them to every
    scorer of the run.
    """

    kind: str

    @abstractmethod
    def from_logits(self, logits_NC: Tensor, labels_N: Tensor) -> float:
        """Return the score, higher is better.

        Args:
            logits_NC: outputs before the softmax, one row per image.
            labels_N: class indices.

        Raises:
            ScoreUndefined: if the score is not finite.
        """
