"""The landmarks of a run: what they are, how they are ranked, and what is too like them to rank."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import comb

from nas.spaces.base import Architecture, Space

LiveForm = tuple[str | None, ...]
"""An architecture with None for every operation on no live path: equal forms compute the same."""


def live_form(space: Space, architecture: Architecture) -> LiveForm:
    """Return what an architecture computes: its operations, those of dead decisions left out."""
    live = space.live(architecture)
    return tuple(name if alive else None for name, alive in zip(architecture, live, strict=True))


@dataclass(frozen=True, slots=True)
class Landmark:
    """One architecture whose stand-alone accuracy is known, or will be.

    Attributes:
        architecture: a valid one.
        subspace: index of the one that owns it.
        accuracy: in percent; None until it is trained.
    """

    architecture: Architecture
    subspace: int
    accuracy: float | None = None


@dataclass(frozen=True)
class Landmarks:
    """The landmarks of a run, in the order in which they were chosen."""

    chosen: tuple[Landmark, ...] = ()

    def __len__(self) -> int:
        return len(self.chosen)

    def forms(self, space: Space) -> frozenset[LiveForm]:
        """Return what the landmarks compute; no architecture that computes it belongs in a ranking."""
        return frozenset(live_form(space, landmark.architecture) for landmark in self.chosen)

    def ranked(self, subspace: int | None) -> tuple[Landmark, ...]:
        """Return those with a known accuracy, the worst first.

        Args:
            subspace: of this one only; None for all.
        """
        return self._ranked.get(subspace, ())

    def counts(self, num_subspaces: int) -> tuple[int, ...]:
        """Return how many of them each sub-space owns."""
        owners = Counter(landmark.subspace for landmark in self.chosen)
        return tuple(owners[index] for index in range(num_subspaces))

    @cached_property
    def _ranked(self) -> dict[int | None, tuple[Landmark, ...]]:
        # By architecture where accuracies are equal, so that the order does not depend on chance.
        known = sorted(
            ((landmark.accuracy, landmark.architecture), landmark)
            for landmark in self.chosen
            if landmark.accuracy is not None
        )
        ranked = {None: tuple(landmark for _, landmark in known)}
        owners = {landmark.subspace for landmark in self.chosen}
        return ranked | {
            owner: tuple(one for one in ranked[None] if one.subspace == owner) for owner in owners
        }


NO_LANDMARKS = Landmarks()


def num_pairs(accuracies: Iterable[float | None]) -> int:
    """Return how many pairs of landmarks have an order: those whose accuracies are not equal.

    One that is not known yet (None) counts as different from all others.
    """
    listed = list(accuracies)
    equal = Counter(accuracy for accuracy in listed if accuracy is not None)
    return comb(len(listed), 2) - sum(comb(number, 2) for number in equal.values())
