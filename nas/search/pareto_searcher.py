"""What searchers of the trade-offs between objectives share."""

from abc import ABC
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from nas.plugin import refused_at
from nas.search.base import Searcher
from nas.search.neighbours import another
from nas.search.state import History
from nas.spaces.base import Architecture, Space

if TYPE_CHECKING:
    import numpy as np


class ParetoSearcher(Searcher, ABC):
    """A searcher of architectures that no other beats in all objectives."""

    max_objectives: ClassVar[int | None] = None

    mutation_probability: float | None = Field(
        None,
        gt=0,
        le=1,
        description="That a decision of a child takes another operation; null: one over the number "
        "of decisions.",
    )

    @model_validator(mode="after")
    def _there_is_a_trade_off(self) -> Self:
        if len(self.aims) < 2:
            raise refused_at(
                ("objectives",),
                f"{self.kind} needs two or more, and has only {self.aims[0]}: add flops or another, "
                "or take a searcher of one, such as evolution",
            )
        return self

    @property
    def default_objectives(self) -> tuple[str, ...]:
        return (f"maximise {self.scorer}", "flops")

    def loss_matrix(self, history: History, places: Sequence[int]) -> "np.ndarray":
        """Return the losses of evaluations, a row each, an objective per column."""
        import numpy as np

        signs = [-1.0 if aim.maximised else 1.0 for aim in self.aims]
        rows = [history[place].objectives for place in places]
        return np.array(rows, dtype=float).reshape(len(rows), len(signs)) * signs

    def mutated(self, space: Space, architecture: Architecture, rng: Random) -> Architecture:
        """Give decisions another operation by chance, never the present one."""
        probability = self.mutation_probability or 1 / len(architecture)
        return tuple(
            another(space, architecture, place, rng) if rng.random() < probability else name
            for place, name in enumerate(architecture)
        )
