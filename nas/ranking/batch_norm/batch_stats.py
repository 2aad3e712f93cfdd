"""Statistics of the batch that is scored, as in the training of a supernet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.ranking.batch_norm.base import BatchNormPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from nas.ranking.scoring import ScoringImages
    from nas.spaces.base import Architecture
    from nas.supernets.network import Network


@final
class BatchStats(BatchNormPolicy):
    """Those of each scoring batch, so that the batches are part of a score's conditions.

    Source: Oh et al., AAAI 2025 (arXiv 2412.14678), as in the authors' code for cells.
    """

    kind: Literal["batch-stats"] = "batch-stats"

    @property
    def label(self) -> str:
        return self.kind

    def class_scores(
        self, supernet: Network, architectures: Sequence[Architecture], images: ScoringImages
    ) -> Iterator[tuple[Architecture, Tensor]]:
        from nas.supernets.evaluation import class_scores

        return class_scores(supernet, architectures, images.batches)
