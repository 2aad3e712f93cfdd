"""Who evaluates candidates beside the process that searches."""

from collections.abc import Sequence
from typing import Protocol

from nas.search.loop import Evaluate
from nas.search.state import SearchState
from nas.spaces.base import Architecture


class Share(Protocol):
    """Has others evaluate some of what a search has proposed."""

    def evaluate(
        self, chunk: Sequence[Architecture], following: Sequence[Architecture], own: Evaluate
    ) -> Sequence[Sequence[float]]:
        """Return the scores of a chunk, which are those by `own` whoever computes them.

        Args:
            chunk: what the search needs now.
            following: what it will need next, in this order, unless it is stopped.
            own: evaluates here.
        """


def shared(own: Evaluate, share: Share, state: SearchState, budget: int) -> Evaluate:
    """Return what evaluates the chunks of a search, each with a view of what follows it.

    Args:
        own: evaluates here.
        share: has others evaluate too.
        state: of the search, whose pending candidates begin with the chunk.
        budget: of the searcher.
    """

    def evaluate(chunk: Sequence[Architecture]) -> Sequence[Sequence[float]]:
        left = budget - len(state.evaluations)
        return share.evaluate(chunk, state.pending[len(chunk) : left], own)

    return evaluate
