"""Training balance: how often each supernet, and each operation in it, was trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from nas.events import SupernetBalance
from nas.spaces.base import Architecture


@dataclass(slots=True)
class BalanceCount:
    """Counts of one sub-space, updated in place.

    Attributes:
        subspace: its index.
        updates: optimizer steps on its architectures.
        images: training images seen in them.
        operation_updates: per decision, operation name to steps in which it was chosen.
    """

    subspace: int
    updates: int
    images: int
    operation_updates: list[dict[str, int]]

    @classmethod
    def zero(cls, subspace: int, choices: Sequence[Sequence[str]]) -> Self:
        """Return a count of nothing, every candidate of `choices` named."""
        return cls(subspace, 0, 0, [dict.fromkeys(names, 0) for names in choices])

    def add(self, architecture: Architecture, num_images: int) -> None:
        """Count one step."""
        self.updates += 1
        self.images += num_images
        for counts, operation in zip(self.operation_updates, architecture, strict=True):
            counts[operation] += 1

    def event(self) -> SupernetBalance:
        """Return the counts so far, detached from later changes."""
        return SupernetBalance(
            subspace=self.subspace,
            updates=self.updates,
            images=self.images,
            operation_updates=tuple(dict(counts) for counts in self.operation_updates),
        )
