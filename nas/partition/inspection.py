"""What can be known of a partition before anything is trained on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import NamedTuple

from nas.partition.accumulated import BankedPartition
from nas.partition.base import Partition
from nas.seeds import stream
from nas.spaces.base import Architecture, Count, Space
from nas.spaces.cell import CellSpace
from nas.spaces.costs import Cost, CostRange, Range
from nas.spaces.shape import NetworkShape
from nas.spaces.tables import ranges

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


class SupernetSize(NamedTuple):
    """A supernet.

    Attributes:
        width: channels of its first stage.
        parameters: trainable ones, exactly; with weight banks, of one bank per cell, which is what
            the architectures of a sub-space read.
    """

    width: int
    parameters: int


@dataclass(frozen=True, slots=True)
class SuggestedWidths:
    """Supernets that together are no larger than the one-shot parent.

    Attributes:
        parent: the one supernet of an undivided space.
        subspaces: one per sub-space.
        shape: of all of them, but for their widths.
        parameters: of all supernets together; with weight banks, of the one that holds them.
    """

    shape: NetworkShape
    parent: SupernetSize
    subspaces: tuple[SupernetSize, ...]
    parameters: int

    def shaped(self, size: SupernetSize) -> NetworkShape:
        """Return the shape of one of these supernets."""
        return replace(self.shape, width=size.width)

    @property
    def fits(self) -> bool:
        """Whether they are no larger than the parent; not even width 1 may be."""
        return self.parameters <= self.parent.parameters


def suggest_widths(
    partition: Partition, parent_width: int, shape: NetworkShape
) -> SuggestedWidths:
    """Return a width for every sub-space's supernet, or for the one with weight banks.

    It is the parent's width over the number of sub-spaces, or of banks, rounded (16 gives 8, 5 and
    4 for two, three and four, the widths of EFS-NAS), and lower where their parameters would
    together exceed the parent's. All sub-spaces get the same, because every supernet holds all
    candidate operations.

    Args:
        partition: with private supernets, or with weight banks.
        parent_width: of the one-shot parent.
        shape: of every supernet, the parent's too, but for its width; with weight banks, of as
            many cells as the partition has been made for.

    Raises:
        InfeasibleSupernet: if the space has no network of this shape.

    Source: Oh et al., AAAI 2025 (arXiv 2412.14678).
    """
    space = partition.space

    def sized(width: int) -> SupernetSize:
        return SupernetSize(width, supernet_parameters(space, replace(shape, width=width)))

    def together(width: int) -> int:
        return _parameters(partition, replace(shape, width=width))

    parent, num_subspaces = sized(parent_width), len(partition.subspaces)
    parts = partition.banks.num_banks if isinstance(partition, BankedPartition) else num_subspaces
    # Halves are rounded up, as by hand.
    width = max(1, (2 * parent_width + parts) // (2 * parts))
    while width > 1 and together(width) > parent.parameters:
        width -= 1
    return SuggestedWidths(
        shape, parent, subspaces=(sized(width),) * num_subspaces, parameters=together(width)
    )


def supernet_parameters(space: Space, shape: NetworkShape) -> int:
    """Return the trainable parameters of the network that `build_supernet` builds, without torch.

    Those of every candidate operation of every decision and of what surrounds them; the BatchNorms
    of a supernet have none. Of a supernet without weight banks.

    Raises:
        InfeasibleSupernet: if the space has no network of this shape.
    """
    return space.resized(shape).network_costs(affine=False).parameters_of_all


def _parameters(partition: Partition, shape: NetworkShape) -> int:
    """Return the parameters of all supernets of a partition together."""
    once = supernet_parameters(partition.space, shape)
    if not isinstance(partition, BankedPartition):
        return len(partition.subspaces) * once
    space = partition.space.resized(shape)
    assert isinstance(space, CellSpace)
    cells = space.skeleton.cell_parameters(space.graph, affine=False)
    copies = [len(banks) for banks in partition.banks.by_cell(space)]
    return once + sum(
        (number - 1) * parameters for number, parameters in zip(copies, cells, strict=True)
    )


class TrainingCost(NamedTuple):
    """Multiply-adds of training per image and step, forward and backward.

    Attributes:
        split: mean over sub-spaces that are trained equally often, at their suggested width.
        one_shot: mean over all valid architectures, at the parent's width.
    """

    split: float
    one_shot: float


def training_cost(
    partition: Partition, widths: SuggestedWidths, samples: Sequence[Sequence[Drawn]]
) -> TrainingCost:
    """Estimate what a step costs, from architectures drawn from each sub-space.

    Counted in the supernets themselves, for images of the size that the space's skeleton reads.
    """
    space = partition.space
    total = space.size.valid
    parent = space.resized(widths.shaped(widths.parent))
    split = one_shot = 0.0
    for subspace, size, drawn in zip(partition.subspaces, widths.subspaces, samples, strict=True):
        narrow = space.resized(widths.shaped(size))
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
