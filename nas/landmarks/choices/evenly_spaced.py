"""From the worst to the best in even steps."""

from random import Random
from typing import ClassVar, Literal, final

from nas.landmarks.choices.base import CountedChoice, Known, too_few
from nas.partition.base import Partition
from nas.spaces.base import Architecture


@final
class EvenlySpacedChoice(CountedChoice):
    """Take every n-th of the benchmark's valid architectures in the order of their accuracy.

    The worst and the best are among them. Equally accurate ones are in the order of their
    operations' names.

    Source: `fixed` in the code of Yu et al., CVPR 2021 (arXiv 2104.05309).
    """

    kind: Literal["evenly-spaced"] = "evenly-spaced"
    needs_accuracies: ClassVar[bool] = True

    def choose(
        self, partition: Partition, known: Known | None, rng: Random
    ) -> tuple[Architecture, ...]:
        assert known is not None, "landmarks that are trained by the run refuse this choice"
        ranked = sorted(known, key=lambda architecture: (known[architecture], architecture))
        if len(ranked) < self.count:
            raise too_few(len(ranked), self.count, "valid architectures in the benchmark")
        steps, last = self.count - 1, len(ranked) - 1
        return tuple(
            ranked[(2 * place * last + steps) // (2 * steps)] for place in range(self.count)
        )
