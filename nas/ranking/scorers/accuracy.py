"""Validation accuracy, the score of the original one-shot methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.errors import ScoreUndefined
from nas.ranking.scorers.base import SupernetScorer

if TYPE_CHECKING:
    from torch import Tensor


@final
class AccuracyScorer(SupernetScorer):
    """Percentage of validation images classified correctly, in [0, 100]."""

    kind: Literal["accuracy"] = "accuracy"

    def from_logits(self, logits_NC: Tensor, labels_N: Tensor) -> float:
        if not bool(logits_NC.isfinite().all()):
            raise ScoreUndefined(
                "some network outputs are not finite: training diverged; lower the learning rate "
                "or set a gradient clip"
            )
        correct = int((logits_NC.argmax(dim=1) == labels_N).sum())
        return 100.0 * correct / len(labels_N)
