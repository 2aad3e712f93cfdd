"""As many of each sub-space."""

from collections.abc import Callable
from random import Random
from typing import Literal, final

from nas.landmarks.choices.base import CountedChoice, Known, too_few
from nas.landmarks.landmark import LiveForm, live_form
from nas.partition.base import Partition
from nas.spaces.base import Architecture

MOST_REPEATS = 1000
"""Draws in a row that bring nothing new: the sub-space is taken to be exhausted."""

Source = Callable[[], Architecture | None]
"""Gives another architecture, perhaps one given before; None if there is none left."""


@final
class SpreadChoice(CountedChoice):
    """Draw from the sub-spaces in turn, uniformly inside each; no two compute the same.

    Every sub-space gets the same number, to within one. One that has no further architecture is
    passed over, and the others get more.

    Source: our own, for pairs inside private supernets.
    """

    kind: Literal["spread"] = "spread"

    def choose(
        self, partition: Partition, known: Known | None, rng: Random
    ) -> tuple[Architecture, ...]:
        space = partition.space
        open_sources = [
            _drawing(partition, subspace.index, rng)
            if known is None
            else _dealing(partition, subspace.index, known, rng)
            for subspace in partition.subspaces
        ]
        found: dict[LiveForm, Architecture] = {}
        while open_sources and len(found) < self.count:
            for source in tuple(open_sources):
                if len(found) == self.count:
                    break
                architecture = _new(source, lambda one: live_form(space, one) not in found)
                if architecture is None:
                    open_sources.remove(source)
                else:
                    found[live_form(space, architecture)] = architecture
        if len(found) < self.count:
            where = "" if known is None else " in the benchmark"
            raise too_few(len(found), self.count, f"that compute something else{where}")
        return tuple(found.values())


def _new(source: Source, is_new: Callable[[Architecture], bool]) -> Architecture | None:
    for _ in range(MOST_REPEATS):
        architecture = source()
        if architecture is None or is_new(architecture):
            return architecture
    return None


def _drawing(partition: Partition, index: int, rng: Random) -> Source:
    return lambda: partition.sample(index, rng)


def _dealing(partition: Partition, index: int, known: Known, rng: Random) -> Source:
    members = sorted(member for member in known if partition.route(member) == index)
    rng.shuffle(members)
    return lambda: members.pop() if members else None
