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
        bank_updates: per searched cell, weight bank to steps that read it there; empty without
            weight banks.
    """

    subspace: int
    updates: int
    images: int
    operation_updates: list[dict[str, int]]
    bank_updates: list[dict[int, int]]

    @classmethod
    def zero(
        cls,
        subspace: int,
        choices: Sequence[Sequence[str]],
        banks_by_cell: Sequence[Sequence[int]] = (),
    ) -> Self:
        """Return a count of nothing, every candidate of `choices` and every bank named."""
        return cls(
            subspace=subspace,
            updates=0,
            images=0,
            operation_updates=[dict.fromkeys(names, 0) for names in choices],
            bank_updates=[dict.fromkeys(banks, 0) for banks in banks_by_cell],
        )

    def add(
        self, architecture: Architecture, num_images: int, banks_read: Sequence[int] = ()
    ) -> None:
        """Count one step.

        Args:
            architecture: that it trained.
            num_images: of its batch.
            banks_read: the weight bank of each searched cell; empty without weight banks.
        """
        self.updates += 1
        self.images += num_images
        for counts, operation in zip(self.operation_updates, architecture, strict=True):
            counts[operation] += 1
        for updates, bank in zip(self.bank_updates, banks_read, strict=True):
            updates[bank] += 1

    def event(self) -> SupernetBalance:
        """Return the counts so far, detached from later changes."""
        return SupernetBalance(
            subspace=self.subspace,
            updates=self.updates,
            images=self.images,
            operation_updates=tuple(dict(counts) for counts in self.operation_updates),
            bank_updates=tuple(dict(counts) for counts in self.bank_updates),
        )
