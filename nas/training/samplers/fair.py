"""Every operation alike, in every single step."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from random import Random
from typing import Literal, final

from nas.errors import InfeasibleSampling
from nas.operations import OPERATIONS
from nas.partition.base import OperationShares, Partition
from nas.spaces.base import Architecture, Candidates, Space
from nas.spaces.labelling import unlabelled
from nas.training.samplers.base import Route, Sampler

LIVE_DEALS, MOST_DEALS = 40, 2000
"""So many deals without a dead architecture must be among so many: at most 50 per step, in mean."""


@final
class FairSampler(Sampler):
    """Choose every operation of every decision exactly once per step.

    A step trains m architectures, m being the most operations that a decision has. Each decision
    deals its operations out to them in random order. Rules for what FairNAS, with equal choices in
    every layer, does not meet:

    * An operation that no valid architecture chooses (`none` on the only path) is left out.
    * A decision with fewer operations, c, deals each of them floor(m / c) times. The m mod c
      architectures that are left choose among its operations that connect, which take turns from
      step to step: over the steps of one round of turns all of these are chosen equally often, and
      `none` at most as often.
    * If an architecture would be dead, the whole step is dealt again.

    What is dealt alike is the choice: a chosen operation on a dead edge has no gradient. Sub-spaces
    train those of the architectures that they own: fairness is that of the whole step, and what a
    single one of several sub-spaces will get is not known beforehand.

    Source: strict fairness of FairNAS (Chu et al., ICCV 2021, arXiv 1907.01845). As there, the
    gradients of the m architectures are summed.
    """

    kind: Literal["fair"] = "fair"

    def draw(self, partition: Partition, step: int, rng: Random) -> tuple[Route, ...]:
        space = partition.space
        architectures = next(deal for deal in _deals(space, step, rng) if _all_valid(space, deal))
        return tuple(Route(partition.route(member), member) for member in architectures)

    def samples_per_step(self, space: Space, num_subspaces: int) -> int:
        return max(map(len, _operations(space)))

    def target_updates(self, partition: Partition) -> tuple[float, ...] | None:
        return (1.0,) if len(partition.subspaces) == 1 else None

    def operation_targets(self, partition: Partition) -> tuple[OperationShares | None, ...]:
        if len(partition.subspaces) > 1:
            return (None,) * len(partition.subspaces)
        space = partition.space
        num_architectures = self.samples_per_step(space, 1)
        shares = tuple(
            dict.fromkeys(names, 0.0) | _shares(dealt, num_architectures)
            for names, dealt in zip(space.choices, _operations(space), strict=True)
        )
        return (shares,)

    def check(self, partition: Partition) -> None:
        space = partition.space
        deals = islice(_deals(space, 0, Random(0)), MOST_DEALS)
        live = sum(
            1 for _ in islice((deal for deal in deals if _all_valid(space, deal)), LIVE_DEALS)
        )
        if live < LIVE_DEALS:
            raise InfeasibleSampling(
                "kind",
                f"fair deals every operation out in every step, and in {space.name} nearly every "
                f"deal holds a dead architecture ({live} of {MOST_DEALS} have none); take "
                "supernet-balanced or uniform",
            )


def _deals(space: Space, step: int, rng: Random) -> Iterator[list[Architecture]]:
    """Yield the architectures of a step, dealt again and again; some may be dead."""
    operations = _operations(space)
    num_architectures = max(map(len, operations))
    hands = [
        _hand(names, num_architectures, turn=step * (num_architectures % len(names)) + decision)
        for decision, names in enumerate(operations)
    ]
    while True:
        for hand in hands:
            rng.shuffle(hand)
        yield list(zip(*hands, strict=True))


def _hand(names: tuple[str, ...], num_architectures: int, turn: int) -> list[str]:
    """Return what one decision deals out.

    Args:
        names: its operations.
        num_architectures: how many to deal to.
        turn: position of the operation whose turn it is to be chosen once more.
    """
    rounds, left = divmod(num_architectures, len(names))
    connecting = _connecting(names)
    return [
        *names * rounds,
        *(connecting[(turn + place) % len(connecting)] for place in range(left)),
    ]


def _shares(names: tuple[str, ...], num_architectures: int) -> dict[str, float]:
    """Return the share of each operation of one decision, over a round of turns."""
    rounds, left = divmod(num_architectures, len(names))
    connecting = _connecting(names)
    return {
        name: (rounds + (left / len(connecting) if name in connecting else 0)) / num_architectures
        for name in names
    }


def _connecting(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if OPERATIONS[name].connects)


def _all_valid(space: Space, architectures: list[Architecture]) -> bool:
    return all(space.is_valid(member) for member in architectures)


@lru_cache(maxsize=64)
def _operations(space: Space) -> Candidates:
    """Return, per decision, the operations that some valid architecture chooses."""
    counts = space.operation_counts(unlabelled(space.choices))
    assert counts is not None, "a walk that knows no counts is short in every space"
    return tuple(
        tuple(name for name in names if name in counted)
        for names, counted in zip(space.choices, counts, strict=True)
    )
