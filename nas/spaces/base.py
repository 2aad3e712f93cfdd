"""What every search space offers: exact arithmetic and conversion, without torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from itertools import product
from math import prod
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Self

from pydantic import Field

from nas.plugin import Strategy
from nas.spaces.labelling import EFFECTIVE, Labelling, NonlinearityCount, Reading, unlabelled

if TYPE_CHECKING:
    from nas.export.source import NetworkClasses
    from nas.spaces.costs import CostRange, Costs
    from nas.spaces.counting import Automaton, Counting
    from nas.spaces.marginals import OperationCounts
    from nas.spaces.shape import NetworkShape
    from nas.supernets.network import Network

Architecture = tuple[str, ...]
"""One operation name per decision, in the order of the space's decisions."""

LiveForm = tuple[str, ...]
"""An architecture with an empty name for every operation on no live path."""

Candidates = tuple[tuple[str, ...], ...]
"""Operations per decision: those that may be chosen, or those that a network holds."""


class Count(NamedTuple):
    """Number of architectures: all of them, and the valid ones."""

    all: int
    valid: int


class Space(Strategy, ABC):
    """A search space: data that defines a finite set of architectures.

    What a subclass defines is small: its decisions, how they make a path from input to output (as
    automata, see `nas.spaces.counting`), what they cost, how an architecture is written, and which
    network it stands for. Counting, sampling and limits on cost follow from that, exactly and
    without enumeration.
    """

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$", description="How runs refer to the space."
    )

    @property
    @abstractmethod
    def choices(self) -> Candidates:
        """The candidate operations of each decision."""

    @property
    @abstractmethod
    def num_halvings(self) -> int:
        """How often a network halves the image, one after the other."""

    @abstractmethod
    def automaton(self, labelling: Labelling) -> Automaton:
        """Return the walk that counts by `labelling` in the fewest states."""

    @abstractmethod
    def live_automaton(self, labelling: Labelling) -> Automaton:
        """Return a walk that counts by `labelling` and tells which decisions are live."""

    @abstractmethod
    def network_costs(self, *, affine: bool) -> Costs:
        """Return what the skeleton's network costs: fixed, and per live decision and operation.

        Args:
            affine: whether BatchNorm has parameters: True for a stand-alone network, False for a
                supernet.
        """

    @abstractmethod
    def label(self, architecture: Architecture, labelling: Labelling) -> int:
        """Return the label of one architecture."""

    @abstractmethod
    def live(self, architecture: Architecture) -> tuple[bool, ...]:
        """Tell, per decision, whether it lies on a live path from the input to the output."""

    @abstractmethod
    def encode(self, architecture: Architecture) -> str:
        """Return the canonical string of an architecture."""

    @abstractmethod
    def decode(self, code: str) -> Architecture:
        """Parse a canonical string.

        Raises:
            UnknownArchitecture: if it is not a member of this space.
        """

    @abstractmethod
    def resized(self, shape: NetworkShape) -> Self:
        """Return the same space with a skeleton of other sizes.

        Raises:
            InfeasibleSupernet: if the skeleton cannot have them.
        """

    @abstractmethod
    def build_network(self, candidates: Candidates, *, affine: bool) -> Network:
        """Build the network of the skeleton's sizes; `nas.supernets.build` says of which.

        Args:
            candidates: the operations to build, per decision.
            affine: whether BatchNorm has parameters and running statistics.
        """

    @abstractmethod
    def network_classes(self, architecture: Architecture) -> NetworkClasses:
        """Return the stand-alone network of the skeleton's sizes as Python source, without torch.

        Raises:
            ExportFailed: if an operation is not written in plain torch.
        """

    @property
    def smallest_side(self) -> int:
        """The least height and width, in pixels, of images that every halving finds larger than one.

        Whatever halves a size rounds it up, so smaller images pass too; but what stands behind a
        halving of single pixels sees no neighbours, and its kernels are not told apart.
        """
        return 2 ** (self.num_halvings - 1) + 1 if self.num_halvings else 1

    def is_valid(self, architecture: Architecture) -> bool:
        """Tell whether the output depends on the input."""
        return any(self.live(architecture))

    def nonlinearity_count(
        self, architecture: Architecture, reading: Reading = "effective"
    ) -> int:
        """Return the number of nonlinear functions, 0 for a dead architecture."""
        return self.label(architecture, NonlinearityCount(reading))

    def counting(self, labelling: Labelling = EFFECTIVE) -> Counting:
        """Return the exact tables for a labelling; equal spaces share them."""
        from nas.spaces.tables import counting

        return counting(self, labelling)

    def operation_counts(self, labelling: Labelling = EFFECTIVE) -> OperationCounts | None:
        """Return how many valid architectures of each label choose each operation, exactly.

        None where counting them would take too long; equal spaces share what is counted.
        """
        from nas.spaces.tables import operation_counts

        return operation_counts(self, labelling)

    def histogram(self, reading: Reading = "effective") -> dict[int, Count]:
        """Return the exact number of architectures per nonlinearity count, ascending."""
        return dict(self.counting(NonlinearityCount(reading)).tallies)

    @property
    def size(self) -> Count:
        """The exact number of architectures."""
        return Count(
            all=prod(len(names) for names in self.choices),
            valid=self.counting(unlabelled(self.choices)).num_valid(),
        )

    def sample(
        self,
        rng: Random,
        labels: Collection[int] | None = None,
        labelling: Labelling = EFFECTIVE,
    ) -> Architecture:
        """Draw uniformly from the valid architectures whose label is in `labels` (all if None).

        Raises:
            ValueError: if no valid architecture has such a label.
        """
        if labels is not None and not isinstance(labels, frozenset):
            labels = frozenset(labels)
        architecture = self.counting(labelling).sample(rng, labels)
        if architecture is None:
            raise ValueError(
                f"{self.name} has no valid architecture with a label in {sorted(labels or ())}"
            )
        return architecture

    def enumerate(self) -> Iterator[Architecture]:
        """Yield every architecture, dead ones included, in a fixed order."""
        return product(*self.choices)

    def live_form(self, architecture: Architecture) -> LiveForm:
        """Return the operations of live decisions, an empty name for the others.

        Architectures of the same form compute the same function. Sorted by form, those whose cells
        or chains begin alike are neighbours.
        """
        return tuple(
            operation if alive else ""
            for operation, alive in zip(architecture, self.live(architecture), strict=True)
        )

    @property
    def costs(self) -> Costs:
        """What the stand-alone network costs."""
        return self.network_costs(affine=True)

    def flops(self, architecture: Architecture) -> int:
        """Return the multiply-adds of one image through the full stand-alone network."""
        return self.costs.total(architecture, self.live(architecture)).flops

    def parameters(self, architecture: Architecture) -> int:
        """Return the trainable parameters of the full stand-alone network."""
        return self.costs.total(architecture, self.live(architecture)).parameters

    def cost_ranges(self, labelling: Labelling) -> dict[int, CostRange]:
        """Return the exact ranges of FLOPs and parameters per label, over valid architectures.

        `nas.spaces.tables.ranges` keeps what this computes.
        """
        from nas.spaces.costs import cost_ranges

        return cost_ranges(self.live_automaton(labelling), self.costs, labelling.reduced)

    def cheapest(self, max_count: int | None = None) -> tuple[Architecture, ...]:
        """Return valid architectures that show which limits on cost can be met.

        For every valid architecture one of these has at most its FLOPs and at most its
        parameters, so limits are feasible exactly if one of these is within them.

        Args:
            max_count: of nonlinear functions that all of these have at most, and then those that
                they stand for too; none may be left. None for no limit.
        """
        from nas.spaces.tables import cheapest, cheapest_by_count

        if max_count is None:
            return cheapest(self)
        return tuple(
            member
            for count, members in cheapest_by_count(self).items()
            if count <= max_count
            for member in members
        )
