"""The space as it is."""

from typing import Literal, final

from nas.partition.base import Partition, Splitter, labelled_partition
from nas.spaces.base import Space
from nas.spaces.labelling import EFFECTIVE


@final
class NoneSplitter(Splitter):
    """Do not split: one supernet for all architectures, the one-shot baseline.

    Source: Guo et al., ECCV 2020 (arXiv 1904.00420).
    """

    kind: Literal["none"] = "none"

    def subspace_count(self, space: Space) -> int:
        return 1

    def split(self, space: Space) -> Partition:
        labels = frozenset(space.counting(EFFECTIVE).tallies)
        return labelled_partition(space, EFFECTIVE, [("all", labels)])
