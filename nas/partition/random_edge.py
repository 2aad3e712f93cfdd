"""One sub-space per operation of a few decisions."""

from itertools import combinations, product
from math import prod
from typing import Annotated, Literal, Self, final

from pydantic import Field, model_validator

from nas.errors import InfeasiblePartition
from nas.partition.base import Partition, Splitter, labelled_partition
from nas.seeds import stream
from nas.spaces.base import Space
from nas.spaces.labelling import ChoiceSum

MAX_SUBSPACES = 64


@final
class RandomEdgeSplitter(Splitter):
    """Fix the operation of some decisions, given or drawn: every combination is a sub-space.

    Source: FS-NAS (Zhao et al., ICML 2021, arXiv 2006.06863), which splits a random edge into one
    sub-supernet per operation. Decisions are only drawn among those that leave every sub-space a
    valid architecture.
    """

    kind: Literal["random-edge"] = "random-edge"
    num_decisions: int = Field(1, ge=1, le=6, description="How many decisions are fixed.")
    decisions: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None, description="Which ones, counted from 0; null draws them."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the drawn decisions.")

    @model_validator(mode="after")
    def _decisions_are_as_many_as_said(self) -> Self:
        if self.decisions is None:
            return self
        if len(set(self.decisions)) != len(self.decisions):
            raise ValueError(f"decisions {list(self.decisions)} must differ")
        if len(self.decisions) != self.num_decisions:
            raise ValueError(
                f"decisions {list(self.decisions)} are {len(self.decisions)}, but num_decisions "
                f"is {self.num_decisions}"
            )
        return self

    def subspace_count(self, space: Space) -> int:
        return prod(len(space.choices[decision]) for decision in self._decisions(space))

    def split(self, space: Space) -> Partition:
        return _split(space, self._decisions(space))

    def _decisions(self, space: Space) -> tuple[int, ...]:
        num_decisions = len(space.choices)
        if self.decisions is not None:
            beyond = [decision for decision in self.decisions if decision >= num_decisions]
            if beyond:
                raise InfeasiblePartition(
                    "decisions",
                    f"{space.name} has no decision {beyond[0]}; its decisions are 0 to "
                    f"{num_decisions - 1}",
                )
            return tuple(sorted(self.decisions))
        if self.num_decisions > num_decisions:
            raise InfeasiblePartition(
                "num_decisions",
                f"{self.num_decisions} decisions cannot be fixed: {space.name} has {num_decisions}",
            )
        rng = stream(self.seed, "random-edge splitter", self.num_decisions)
        candidates = list(combinations(range(num_decisions), self.num_decisions))
        rng.shuffle(candidates)
        for decisions in candidates:
            try:
                _split(space, decisions)
            except InfeasiblePartition:
                continue
            return decisions
        raise InfeasiblePartition(
            "num_decisions",
            f"however {self.num_decisions} decisions of {space.name} are chosen, there would be "
            f"more than {MAX_SUBSPACES} sub-spaces or one without a valid architecture",
        )


def _split(space: Space, decisions: tuple[int, ...]) -> Partition:
    """Return one sub-space per combination of operations of some decisions."""
    names = [space.choices[decision] for decision in decisions]
    combined = list(product(*names))
    if len(combined) > MAX_SUBSPACES:
        raise InfeasiblePartition(
            "decisions",
            f"decisions {list(decisions)} of {space.name} have {len(combined)} combinations of "
            f"operations; at most {MAX_SUBSPACES} sub-spaces are possible",
        )
    # The label is the combination's position: a number whose digits are the operations.
    weights = [[0] * len(choices) for choices in space.choices]
    place = 1
    for decision in reversed(decisions):
        weights[decision] = [place * rank for rank in range(len(space.choices[decision]))]
        place *= len(space.choices[decision])
    labelling = ChoiceSum(weights=tuple(map(tuple, weights)))
    titles = [
        ", ".join(
            f"{name} at {decision}" for decision, name in zip(decisions, chosen, strict=True)
        )
        for chosen in combined
    ]
    groups = [(title, frozenset({label})) for label, title in enumerate(titles)]
    try:
        return labelled_partition(space, labelling, groups)
    except InfeasiblePartition as error:
        raise InfeasiblePartition("decisions", f"{error.reason}: fix other decisions") from error
