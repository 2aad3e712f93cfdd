"""What a search knows so far, as JSON: enough to continue it exactly."""

from bisect import insort
from collections.abc import Collection, Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from nas.latency.latency import MeasuredArchitecture
from nas.spaces.base import Architecture


class Evaluation(BaseModel):
    """One evaluated candidate.

    Attributes:
        score: by the searcher's scorer; higher is better.
        objectives: values of the searcher's objectives in their order, not turned around.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    score: FiniteFloat
    objectives: tuple[FiniteFloat, ...] = ()


class Memory(BaseModel):
    """What a searcher carries from one generation to the next, as places in the history.

    Attributes:
        population: whom the next candidates descend from.
        archive: the best of all times, by whatever the searcher means by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    population: tuple[int, ...] = ()
    archive: tuple[int, ...] = ()


class SearchState(BaseModel):
    """The progress of one search, updated in place by `nas.search.loop.search`.

    Attributes:
        generation: proposals asked for so far; names the random stream of the next one.
        pending: proposed candidates that are not evaluated yet, next one first.
        evaluations: evaluated candidates in order.
        memory: of the searcher.
        observed: how many evaluations `memory` takes into account.
        seconds: of searching behind the evaluations, over all attempts.
        latencies: of all architectures that were measured, also of those that were too slow, in
            the order of their measurement; none is measured twice.
    """

    model_config = ConfigDict(extra="forbid")

    generation: int = Field(0, ge=0)
    pending: list[Architecture] = Field(default_factory=list)
    evaluations: list[Evaluation] = Field(default_factory=list)
    memory: Memory = Memory()
    observed: int = Field(0, ge=0)
    seconds: float = Field(0.0, ge=0, allow_inf_nan=False)
    latencies: list[MeasuredArchitecture] = Field(default_factory=list)

    def copied(self) -> Self:
        """Return the state of now; what the lists hold never changes, so they alone are copied."""
        return self.model_copy(
            update={name: list(value) for name, value in self if isinstance(value, list)}
        )


class History:
    """Evaluations in order, with what searchers look up in them; a function of these alone.

    It grows with the search, so that no look-up goes through all evaluations.

    Attributes:
        eligible: the only architectures that may be candidates, in a fixed order; None for any.
    """

    def __init__(
        self,
        evaluations: Iterable[Evaluation] = (),
        eligible: Collection[Architecture] | None = None,
    ) -> None:
        self.eligible = eligible
        self._excluded: set[Architecture] = set()
        self._evaluations: list[Evaluation] = []
        self._places: dict[Architecture, int] = {}
        self._ranked: list[tuple[float, int]] = []
        for evaluation in evaluations:
            self.add(evaluation)

    def add(self, evaluation: Evaluation) -> None:
        """Append one evaluation."""
        place = len(self._evaluations)
        self._evaluations.append(evaluation)
        self._places[evaluation.architecture] = place
        insort(self._ranked, (-evaluation.score, place))

    def exclude(self, architecture: Architecture) -> None:
        """Remember what turned out not to be a candidate."""
        self._excluded.add(architecture)

    def is_open(self, architecture: Architecture) -> bool:
        """Tell whether an architecture may still be evaluated, as far as the history tells."""
        return (
            architecture not in self._places
            and architecture not in self._excluded
            and (self.eligible is None or architecture in self.eligible)
        )

    def __len__(self) -> int:
        return len(self._evaluations)

    def __getitem__(self, place: int) -> Evaluation:
        return self._evaluations[place]

    def __contains__(self, architecture: Architecture) -> bool:
        return architecture in self._places

    def place(self, architecture: Architecture) -> int | None:
        """Return where an architecture was evaluated, None if it was not."""
        return self._places.get(architecture)

    def best(self, number: int) -> list[Evaluation]:
        """Return those with the highest scores, best first; ties keep the earlier one first."""
        return [self._evaluations[place] for _, place in self._ranked[:number]]
