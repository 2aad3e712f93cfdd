"""What every search space offers: exact arithmetic and conversion, without torch."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from random import Random

from nas.plugin import Strategy

Architecture = tuple[str, ...]
"""One operation name per decision, in the order of the space's decisions."""


@dataclass(frozen=True, slots=True)
class Count:
    """Number of architectures: all of them, and the valid ones."""

    all: int
    valid: int


class Space(Strategy, ABC):
    """A search space: data that defines a finite set of architectures.

    A nonlinearity count is the effective one: the most nonlinear functions on any live
    input-to-output path; a dead architecture counts 0.
    """

    name: str

    @property
    @abstractmethod
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """The candidate operations of each decision."""

    @abstractmethod
    def histogram(self) -> dict[int, Count]:
        """Return the exact number of architectures per nonlinearity count, ascending."""

    @abstractmethod
    def nonlinearity_count(self, architecture: Architecture) -> int:
        """Return the effective nonlinearity count, 0 for a dead architecture."""

    @abstractmethod
    def is_valid(self, architecture: Architecture) -> bool:
        """Tell whether the output depends on the input."""

    @abstractmethod
    def sample(self, rng: Random, counts: Collection[int] | None = None) -> Architecture:
        """Draw uniformly from the valid architectures whose count is in `counts` (all if None).

        Raises:
            ValueError: if no valid architecture has such a count.
        """

    @abstractmethod
    def enumerate(self) -> Iterator[Architecture]:
        """Yield every architecture, dead ones included, in a fixed order."""

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
    def flops(self, architecture: Architecture) -> int:
        """Return the multiply-adds of one image through the full stand-alone network."""

    @abstractmethod
    def parameters(self, architecture: Architecture) -> int:
        """Return the trainable parameters of the full stand-alone network."""

    @abstractmethod
    def cheapest(self) -> tuple[Architecture, ...]:
        """Return valid architectures that show which limits on cost can be met.

        For every valid architecture one of these has at most its FLOPs and at most its
        parameters, so limits are feasible exactly if one of these is within them.
        """
