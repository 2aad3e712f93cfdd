"""Statistics of each architecture's own, estimated anew on training images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from nas.ranking.batch_norm.base import BatchNormPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from nas.ranking.scoring import ScoringImages
    from nas.spaces.base import Architecture
    from nas.supernets.network import Network


@final
class Recalibrate(BatchNormPolicy):
    """Means over a few batches of training images, for every architecture from the beginning.

    The batches are as large as those of scoring, without augmentation, and the same for all
    architectures and runs on a dataset. Each normalises by itself while the means of its means and
    (unbiased) variances are taken. A score costs as many more passes as there are batches.

    Source: Guo et al., ECCV 2020 (arXiv 1904.00420); 200 batches of 128 in the code of Oh et al.,
    AAAI 2025 (arXiv 2412.14678), for MobileNets.
    """

    kind: Literal["recalibrate"] = "recalibrate"
    batches: int = Field(
        10, ge=1, le=1000, description="Of training images, each as large as ranking.batch_size."
    )

    @property
    def label(self) -> str:
        return f"{self.kind}({self.batches})"

    def class_scores(
        self, supernet: Network, architectures: Sequence[Architecture], images: ScoringImages
    ) -> Iterator[tuple[Architecture, Tensor]]:
        from nas.supernets.evaluation import class_scores
        from nas.supernets.statistics import estimate_statistics, with_statistics

        # The supernet itself keeps none.
        judge = with_statistics(supernet)
        for architecture in dict.fromkeys(architectures):
            batches = (images.calibration(number) for number in range(self.batches))
            estimate_statistics(judge, architecture, batches)
            yield from class_scores(judge, [architecture], images.batches)
