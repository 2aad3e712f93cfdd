"""Group architectures by their number of nonlinear functions."""

from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Annotated, Literal, Self, final

from pydantic import Field, model_validator

from nas.errors import InfeasiblePartition
from nas.partition.base import Partition, Splitter, Subspace
from nas.spaces.base import Count, Space


@final
class NonlinearitySplitter(Splitter):
    """Cut the range of nonlinearity counts at thresholds.

    The index of an architecture's sub-space is the number of thresholds that its count exceeds.
    Without `thresholds`, those are taken that make the largest share of valid architectures as
    small as possible (then the second largest, and so on; then the lowest thresholds).

    Source: Oh et al., AAAI 2025 (arXiv 2412.14678), whose released code fixes the thresholds by
    hand; choosing them by the shares is ours.
    """

    kind: Literal["nonlinearity"] = "nonlinearity"
    num_subspaces: int = Field(
        3, ge=1, le=64, description="K, the number of sub-spaces; 1 is one-shot training."
    )
    thresholds: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None,
        description="K - 1 ascending nonlinearity counts, each the highest of its sub-space; "
        "null balances the sizes.",
    )

    @model_validator(mode="after")
    def _thresholds_cut_into_k(self) -> Self:
        if self.thresholds is None:
            return self
        if any(low >= high for low, high in pairwise(self.thresholds)):
            raise ValueError(f"thresholds {list(self.thresholds)} must ascend")
        if len(self.thresholds) != self.num_subspaces - 1:
            raise ValueError(
                f"thresholds {list(self.thresholds)} make {len(self.thresholds) + 1} sub-spaces, "
                f"but num_subspaces is {self.num_subspaces}"
            )
        return self

    def split(self, space: Space) -> Partition:
        histogram = space.histogram()
        populated = [count for count, number in histogram.items() if number.valid]
        if self.num_subspaces > len(populated):
            raise InfeasiblePartition(
                f"num_subspaces {self.num_subspaces} is infeasible for {space.name}: its valid "
                f"architectures have {len(populated)} nonlinearity counts ({_listed(populated)}), "
                f"so feasible are {_listed(range(1, len(populated) + 1))}"
            )
        thresholds = self.thresholds
        if thresholds is None:
            valid = {count: histogram[count].valid for count in populated}
            thresholds = balanced_thresholds(valid, self.num_subspaces)
        groups = _groups(populated, thresholds)
        if not all(groups):
            raise InfeasiblePartition(
                f"thresholds {list(thresholds)} leave sub-space {groups.index([])} of "
                f"{space.name} without a valid architecture; feasible thresholds lie between the "
                f"counts {_listed(populated)}: choose among {_listed(populated[:-1])}"
            )
        subspaces = tuple(
            _subspace(index, counts, histogram)
            for index, counts in enumerate(_groups(list(histogram), thresholds))
        )
        return Partition(space=space, subspaces=subspaces, thresholds=thresholds)


def balanced_thresholds(valid: Mapping[int, int], num_subspaces: int) -> tuple[int, ...]:
    """Return the thresholds whose sub-spaces are the most even.

    Exact, by dynamic programming: sizes sorted from the largest are compared element by element,
    an order that adding one more sub-space to both sides keeps.

    Args:
        valid: valid architectures per nonlinearity count, at least one each.
        num_subspaces: K, at most the number of counts.
    """
    counts = sorted(valid)
    below = list(accumulate((valid[count] for count in counts), initial=0))
    # best[end]: the most even cut of the counts before `end`, as (sizes descending, thresholds).
    best: dict[int, tuple[list[int], tuple[int, ...]]] = {
        end: ([below[end]], ()) for end in range(1, len(counts) + 1)
    }
    for parts in range(2, num_subspaces + 1):
        best = {
            end: min(
                (
                    sorted([*best[start][0], below[end] - below[start]], reverse=True),
                    (*best[start][1], counts[start - 1]),
                )
                for start in range(parts - 1, end)
            )
            for end in range(parts, len(counts) + 1)
        }
    return best[len(counts)][1]


def _groups(counts: list[int], thresholds: tuple[int, ...]) -> list[list[int]]:
    groups: list[list[int]] = [[] for _ in range(len(thresholds) + 1)]
    for count in counts:
        groups[sum(count > threshold for threshold in thresholds)].append(count)
    return groups


def _subspace(index: int, counts: list[int], histogram: Mapping[int, Count]) -> Subspace:
    low, high = counts[0], counts[-1]
    return Subspace(
        index=index,
        label=f"count {low}" if low == high else f"count {low}-{high}",
        counts=frozenset(counts),
        size=Count(
            all=sum(histogram[count].all for count in counts),
            valid=sum(histogram[count].valid for count in counts),
        ),
    )


def _listed(numbers: list[int] | range) -> str:
    return ", ".join(str(number) for number in numbers)
