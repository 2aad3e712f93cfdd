"""Any architectures."""

from random import Random
from typing import Literal, final

from nas.landmarks.choices.base import CountedChoice, Known, too_few
from nas.partition.base import Partition
from nas.spaces.base import Architecture
from nas.spaces.distinct import draw_distinct


@final
class RandomChoice(CountedChoice):
    """Draw uniformly, without replacement, from the valid architectures.

    Of a benchmark that does not hold all of them, from those that it holds.

    Source: `random` in the code of Yu et al., CVPR 2021 (arXiv 2104.05309); their number of
    landmarks for NAS-Bench-201 is the default.
    """

    kind: Literal["random"] = "random"

    def choose(
        self, partition: Partition, known: Known | None, rng: Random
    ) -> tuple[Architecture, ...]:
        if known is None:
            found = draw_distinct(partition.space, rng, self.count)
            which = "valid architectures"
        else:
            found = tuple(rng.sample(sorted(known), min(self.count, len(known))))
            which = "valid architectures in the benchmark"
        if len(found) < self.count:
            raise too_few(len(found), self.count, which)
        return found
