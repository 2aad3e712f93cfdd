"""What can be known of a partition before anything is trained on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from nas.partition.base import Partition
from nas.seeds import stream
from nas.spaces.base import Architecture, Count, Space
from nas.spaces.costs import Cost, CostRange, Range
from nas.spaces.tables import ranges

if TYPE_CHECKING:
    from nas.supernets.sizes import Supernets

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
PASSES_PER_STEP = 3
"""A training step costs a forward pass and a backward pass of about twice its multiply-adds."""


@dataclass(frozen=True, slots=True)
class Cover:
    """That sub-spaces are disjoint and make up their space, in numbers.

    Attributes:
        parts: architectures in all sub-spaces together, counted label by label.
        space: architectures of the space, counted without any label: the product of the numbers
            of candidates, and the valid ones by a table that knows no labels.
        shared_labels: labels that two sub-spaces claim.
    """

    parts: Count
    space: Count
    shared_labels: tuple[int, ...]

    @property
    def holds(self) -> bool:
        """Whether every architecture belongs to exactly one sub-space."""
        return self.parts == self.space and not self.shared_labels


def cover(partition: Partition) -> Cover:
    """Count both sides of the claim that `partition` is one."""
    sizes = [subspace.size for subspace in partition.subspaces]
    shared = {
        label
        for one, other in combinations(partition.subspaces, 2)
        for label in one.labels & other.labels
    }
    return Cover(
        parts=Count(all=sum(size.all for size in sizes), valid=sum(size.valid for size in sizes)),
        space=partition.space.size,
        shared_labels=tuple(sorted(shared)),
    )


def exact_ranges(partition: Partition) -> tuple[CostRange, ...]:
    """Return the exact FLOPs and parameters, least and greatest, of each sub-space."""
    by_label = ranges(partition.space, partition.labelling)
    return tuple(
        _joined([by_label[label] for label in subspace.labels if label in by_label])
        for subspace in partition.subspaces
    )


class Drawn(NamedTuple):
    """A valid architecture, drawn from a sub-space.

    Attributes:
        architecture: one operation per decision.
        live: per decision, whether it lies on a live path.
    """

    architecture: Architecture
    live: tuple[bool, ...]


def draw(partition: Partition, num_drawn: int, seed: int) -> tuple[list[Drawn], ...]:
    """Draw uniformly, with replacement, from each sub-space.

    Args:
        partition: what to draw from.
        num_drawn: architectures per sub-space.
        seed: the same seed draws the same architectures.
    """
    space = partition.space
    samples = []
    for subspace in partition.subspaces:
        rng = stream(seed, "partition preview", subspace.index)
        drawn = [partition.sample(subspace.index, rng) for _ in range(num_drawn)]
        samples.append([Drawn(architecture, space.live(architecture)) for architecture in drawn])
    return tuple(samples)


def costs_of(drawn: Sequence[Drawn], space: Space) -> list[Cost]:
    """Return what architectures cost in the skeleton of `space`."""
    costs = space.costs
    return [costs.total(architecture, live) for architecture, live in drawn]


def quantiles(values: Iterable[int]) -> tuple[int, ...]:
    """Return the values at `QUANTILES`, each one of those given (nearest rank)."""
    ordered = sorted(values)
    return tuple(ordered[round(share * (len(ordered) - 1))] for share in QUANTILES)


class TrainingCost(NamedTuple):
    """Multiply-adds of training per image and step, forward and backward.

    Attributes:
        split: mean over sub-spaces that are trained equally often, in their supernets.
        one_shot: mean over all valid architectures, at the parent's width.
    """

    split: float
    one_shot: float


def training_cost(supernets: Supernets, samples: Sequence[Sequence[Drawn]]) -> TrainingCost:
    """Estimate what a step costs, from architectures drawn from each sub-space.

    Counted in the supernets themselves, for images of the size that the space's skeleton reads.
    """
    partition = supernets.partition
    space = partition.space
    total = space.size.valid
    parent = space.resized(supernets.shaped(supernets.parent))
    split = one_shot = 0.0
    sizes = supernets.subspaces
    for subspace, size, drawn in zip(partition.subspaces, sizes, samples, strict=True):
        narrow = space.resized(supernets.shaped(size))
        split += _mean_flops(drawn, narrow) / len(partition.subspaces)
        one_shot += _mean_flops(drawn, parent) * (subspace.size.valid / total)
    return TrainingCost(split=PASSES_PER_STEP * split, one_shot=PASSES_PER_STEP * one_shot)


def _mean_flops(drawn: Sequence[Drawn], space: Space) -> float:
    return fmean(cost.flops for cost in costs_of(drawn, space))


def _joined(parts: list[CostRange]) -> CostRange:
    return CostRange(
        *(
            Range(min(part.least for part in kind), max(part.greatest for part in kind))
            for kind in zip(*parts, strict=True)
        )
    )
