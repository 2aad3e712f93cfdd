"""Uniform draws of architectures without replacement."""

from collections.abc import Callable
from random import Random

from nas.spaces.base import Architecture, Space

MOST_REPEATS = 10_000
"""Draws in a row that bring nothing new, after which there is taken to be nothing."""


def draw_distinct(
    space: Space,
    rng: Random,
    wanted: int,
    accepts: Callable[[Architecture], bool] = lambda _: True,
) -> tuple[Architecture, ...]:
    """Draw valid architectures uniformly, none of them twice; fewer where there are fewer.

    Args:
        space: to draw from.
        rng: of the draws.
        wanted: how many.
        accepts: tells which ones may be drawn; by default all.
    """
    if space.size.valid <= 2 * wanted:
        # Draws would repeat too often; a space this small is quick to enumerate.
        valid = [member for member in space.enumerate() if space.is_valid(member)]
        accepted = [member for member in valid if accepts(member)]
        return tuple(rng.sample(accepted, min(wanted, len(accepted))))
    drawn: dict[Architecture, None] = {}
    repeats = 0
    while len(drawn) < wanted and repeats < MOST_REPEATS:
        member = space.sample(rng)
        repeats += 1
        if member not in drawn and accepts(member):
            drawn[member] = None
            repeats = 0
    return tuple(drawn)
