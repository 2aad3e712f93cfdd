"""Architectures that differ in one decision."""

from collections.abc import Iterator
from random import Random

from nas.spaces.base import Architecture, Space


def neighbours(space: Space, architecture: Architecture) -> Iterator[Architecture]:
    """Yield every architecture that differs in exactly one decision, in a fixed order."""
    for place, operations in enumerate(space.choices):
        for name in operations:
            if name != architecture[place]:
                yield (*architecture[:place], name, *architecture[place + 1 :])


def with_one_change(space: Space, architecture: Architecture, rng: Random) -> Architecture:
    """Draw a decision among those that have a choice, and another operation for it."""
    open_places = [place for place, names in enumerate(space.choices) if len(names) > 1]
    if not open_places:
        return architecture
    place = rng.choice(open_places)
    name = another(space, architecture, place, rng)
    return (*architecture[:place], name, *architecture[place + 1 :])


def another(space: Space, architecture: Architecture, place: int, rng: Random) -> str:
    """Draw an operation of one decision that is not the present one, if there is any."""
    others = [name for name in space.choices[place] if name != architecture[place]]
    return rng.choice(others) if others else architecture[place]
