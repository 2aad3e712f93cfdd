"""A policy decides by which means and variances BatchNorm normalises while architectures are scored."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar

from nas.plugin import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from nas.ranking.scoring import ScoringImages
    from nas.spaces.base import Architecture
    from nas.supernets.network import Network


class BatchNormPolicy(Strategy, ABC):
    """A way to obtain BatchNorm's statistics; part of the conditions of every score.

    Attributes:
        keeps_running_statistics: whether supernets gather statistics while they train, which are
            then part of their checkpoints.
    """

    kind: str
    keeps_running_statistics: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """The policy with its parameters, as it stands among the conditions of a correlation."""
        return self.kind

    def class_scores(
        self, supernet: Network, architectures: Sequence[Architecture], images: ScoringImages
    ) -> Iterator[tuple[Architecture, Tensor]]:
        """Yield every architecture once, in any order, with its class scores, (images, classes).

        They are a function of the architecture alone, bit by bit: of no other one that is evaluated
        beside it. The supernet is not changed.

        Args:
            supernet: that holds them.
            architectures: any number.
            images: to classify, and others to estimate statistics on.
        """
        # The supernet as it is: batch statistics, or those that it keeps.
        from nas.supernets.evaluation import class_scores

        return class_scores(supernet, architectures, images.batches)
