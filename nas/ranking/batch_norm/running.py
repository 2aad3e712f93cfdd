"""Statistics gathered while the supernet was trained: the control that shows why not to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.ranking.batch_norm.base import BatchNormPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from nas.ranking.scoring import ScoringImages
    from nas.spaces.base import Architecture
    from nas.supernets.network import Network


@final
class Running(BatchNormPolicy):
    """Moving averages of training, as networks that stand alone have them.

    A supernet's are averages over whatever architectures were trained last, and features after
    another path have other statistics: expect worse rankings, and use it only to measure that.
    Checkpoints hold them, and training takes torch's own BatchNorm, which is slower for few
    channels. A supernet that inherits another one's weights inherits these statistics only where it
    is as wide.
    """

    kind: Literal["running"] = "running"
    keeps_running_statistics: ClassVar[bool] = True

    def class_scores(
        self, supernet: Network, architectures: Sequence[Architecture], images: ScoringImages
    ) -> Iterator[tuple[Architecture, Tensor]]:
        from nas.supernets.statistics import keeps_statistics

        assert keeps_statistics(supernet)
        return super().class_scores(supernet, architectures, images)
