"""What a searcher decides."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random

from pydantic import Field

from nas.plugin import Strategy
from nas.search.constraints import Constraints
from nas.search.state import Evaluation
from nas.spaces.base import Architecture, Space


class Searcher(Strategy, ABC):
    """A rule that proposes candidates from the scores of earlier ones.

    A searcher keeps nothing between calls: its proposals are a function of the evaluations and of
    the generator passed in, so a search can stop after any evaluation and continue elsewhere.
    """

    kind: str
    scorer: str = Field("loss", description="Which of the run's scorers to maximise.")
    budget: int = Field(1000, ge=1, le=1_000_000, description="Evaluations at most.")
    constraints: Constraints = Field(
        default_factory=Constraints, description="Limits that every candidate keeps."
    )

    @abstractmethod
    def propose(
        self, space: Space, evaluations: Sequence[Evaluation], rng: Random
    ) -> list[Architecture]:
        """Return new candidates: valid, distinct, within the constraints, never evaluated yet.

        The order is the order of evaluation. Empty means that none is left, or that none was
        found within the searcher's number of tries, and ends the search.
        """
