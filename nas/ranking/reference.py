"""The architectures against which combined scorers rank, and what they read of an architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nas.ranking.places import Values
from nas.seeds import stream
from nas.spaces.base import Architecture, Space
from nas.spaces.distinct import draw_distinct


@dataclass(frozen=True, slots=True)
class Measured:
    """Some architectures with their scores by the scorers that a combined one combines.

    Attributes:
        space: theirs.
        architectures: valid ones.
        subspaces: index of each one's sub-space, shape (architectures,).
        scores: shape (architectures, combined scorers), in the order of `components`.
    """

    space: Space
    architectures: Sequence[Architecture]
    subspaces: NDArray[np.int64]
    scores: Values


@lru_cache(maxsize=8)
def reference_sample(space: Space, number: int) -> tuple[Architecture, ...]:
    """Return the architectures against which every run on this space ranks: distinct and valid.

    They are uniform draws without replacement, all valid architectures where there are fewer, from
    a seed that is a function of the space's definition: not of a run, so that runs compare, nor of
    the space's name.
    """
    definition = space.model_dump_json(exclude={"name"})
    return draw_distinct(space, stream(0, "reference sample", definition), number)
