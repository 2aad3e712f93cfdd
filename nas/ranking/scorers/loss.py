"""Negative validation loss: smoother than accuracy, so it separates under-trained networks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, final

from nas.errors import ScoreUndefined
from nas.ranking.scorers.base import SupernetScorer

if TYPE_CHECKING:
    from torch import Tensor


@final
class LossScorer(SupernetScorer):
    """Negative mean cross entropy (nats) over the validation images, in (-inf, 0]."""

    kind: Literal["loss"] = "loss"

    def from_logits(self, logits_NC: Tensor, labels_N: Tensor) -> float:
        from torch.nn.functional import cross_entropy

        score = -float(cross_entropy(logits_NC.double(), labels_N))
        if not math.isfinite(score):
            raise ScoreUndefined(
                f"the loss over {len(labels_N)} validation images is {-score}: training diverged; "
                "lower the learning rate or set a gradient clip"
            )
        return score
