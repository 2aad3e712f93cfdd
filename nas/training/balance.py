"""Training balance: how often each supernet, and each operation in it, was trained."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from nas.events import SupernetBalance
from nas.spaces.base import Architecture


def normalised_entropy(counts: Sequence[float]) -> float | None:
    """Return how even counts are: 1 if all are equal, 0 if one has all.

    H = -sum(p_k ln p_k) / ln K over the K shares p_k = counts_k / sum(counts), with 0 ln 0 = 0.
    None where that is undefined: of a single count, which is neither even nor uneven, and before
    anything was counted.
    """
    total = sum(counts)
    if len(counts) < 2 or not total:
        return None
    shares = [count / total for count in counts if count]
    return -sum(share * math.log(share) for share in shares) / math.log(len(counts))


@dataclass(slots=True)
class BalanceCount:
    """Counts of one sub-space, updated in place; what they count is told by `SupernetBalance`."""

    subspace: int
    updates: int
    samples: int
    images: int
    operation_updates: list[dict[str, int]]
    operation_samples: list[dict[str, int]]
    operation_images: list[dict[str, int]]
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
            samples=0,
            images=0,
            operation_updates=[dict.fromkeys(names, 0) for names in choices],
            operation_samples=[dict.fromkeys(names, 0) for names in choices],
            operation_images=[dict.fromkeys(names, 0) for names in choices],
            bank_updates=[dict.fromkeys(banks, 0) for banks in banks_by_cell],
        )

    def add(
        self,
        architectures: Sequence[Architecture],
        num_images: int,
        banks_read: Sequence[Sequence[int]] = (),
    ) -> None:
        """Count one optimizer step.

        Args:
            architectures: of this sub-space that it trained, at least one.
            num_images: of the batch that each of them saw.
            banks_read: for each of them, the weight bank of each searched cell; empty without
                weight banks.
        """
        self.updates += 1
        self.samples += len(architectures)
        self.images += len(architectures) * num_images
        for decision, chosen in enumerate(zip(*architectures, strict=True)):
            for operation, samples in Counter(chosen).items():
                self.operation_updates[decision][operation] += 1
                self.operation_samples[decision][operation] += samples
                self.operation_images[decision][operation] += samples * num_images
        for updates, banks in zip(self.bank_updates, zip(*banks_read, strict=True), strict=True):
            for bank in set(banks):
                updates[bank] += 1

    def event(self) -> SupernetBalance:
        """Return the counts so far, detached from later changes."""
        return SupernetBalance(
            subspace=self.subspace,
            updates=self.updates,
            samples=self.samples,
            images=self.images,
            operation_updates=_copied(self.operation_updates),
            operation_samples=_copied(self.operation_samples),
            operation_images=_copied(self.operation_images),
            bank_updates=tuple(dict(counts) for counts in self.bank_updates),
        )


def _copied(by_decision: Iterable[dict[str, int]]) -> tuple[dict[str, int], ...]:
    return tuple(dict(counts) for counts in by_decision)
