"""What a search optimises: scores, costs and latency of architectures, each in one direction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field

from nas.spaces.base import Architecture, Space

COSTS: Mapping[str, Callable[[Space, Architecture], int]] = {
    "flops": lambda space, architecture: space.flops(architecture),
    "parameters": lambda space, architecture: space.parameters(architecture),
    "nonlinearity-count": lambda space, architecture: space.nonlinearity_count(architecture),
}
"""Of the full stand-alone network, by name; no supernet is asked for them."""

LATENCY = "latency"
"""Of one forward pass of that network, in milliseconds; the searcher says whence."""

UNSCORED = (*COSTS, LATENCY)
"""What is optimised without any scorer."""


def costs_of(space: Space, architecture: Architecture) -> dict[str, int]:
    """Return every one of `COSTS`; what is live is looked up once for all of them."""
    total = space.costs.total(architecture, space.live(architecture))
    return {
        "flops": total.flops,
        "parameters": total.parameters,
        "nonlinearity-count": space.nonlinearity_count(architecture),
    }


ObjectiveText = Annotated[str, Field(pattern="^((minimise|maximise) )?[a-z0-9][a-z0-9-]*$")]
"""As people write it: a name, behind a direction if it is not the usual one."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One thing to optimise.

    Attributes:
        name: of a cost, `latency`, or the kind of a scorer.
        maximised: else it is minimised.
    """

    name: str
    maximised: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `ObjectiveText` allows: scores are maximised by default, all else minimised."""
        direction, _, name = text.rpartition(" ")
        return cls(name, direction == "maximise" if direction else name not in UNSCORED)

    @property
    def is_cost(self) -> bool:
        """Whether it is computed from the architecture alone, without any scorer."""
        return self.name in COSTS

    @property
    def is_score(self) -> bool:
        """Whether a scorer of the run gives it."""
        return self.name not in UNSCORED

    def loss(self, value: float) -> float:
        """Return a value such that lower is better."""
        return -value if self.maximised else value

    def __str__(self) -> str:
        return f"{'maximise' if self.maximised else 'minimise'} {self.name}"
