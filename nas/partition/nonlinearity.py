"""Group architectures by their number of nonlinear functions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Annotated, Literal, Self, final

from pydantic import Field, model_validator

from nas.errors import InfeasiblePartition
from nas.partition.base import Partition, Splitter, labelled_partition
from nas.spaces.base import Space
from nas.spaces.labelling import NonlinearityCount, Reading

NonlinearFunctions = Annotated[int, Field(ge=0)]


@final
class NonlinearitySplitter(Splitter):
    """Cut the range of nonlinearity counts at thresholds, or gather named sets of counts.

    With thresholds, the index of an architecture's sub-space is the number of thresholds that its
    count exceeds. With sets, it is the position of the set that names the count, and the last
    sub-space holds all counts that no set names. With neither, those thresholds are taken that make
    the largest share of valid architectures as small as possible (then the second largest, and so
    on; then the lowest thresholds).

    Source: Oh et al., AAAI 2025 (arXiv 2412.14678), whose released code fixes thresholds (cells)
    or sets (MobileNet) by hand; choosing thresholds by the shares is ours.
    """

    kind: Literal["nonlinearity"] = "nonlinearity"
    num_subspaces: int = Field(
        3, ge=1, le=64, description="K, the number of sub-spaces; 1 is one-shot training."
    )
    count: Reading = Field(
        "effective",
        description="effective: most nonlinear functions on any live path; total: on all live "
        "paths together.",
    )
    thresholds: tuple[NonlinearFunctions, ...] | None = Field(
        None,
        description="K - 1 ascending nonlinearity counts, each the highest of its sub-space "
        "(routing accumulated: running counts, each the highest of its bank); null balances the "
        "sizes.",
    )
    sets: tuple[tuple[NonlinearFunctions, ...], ...] | None = Field(
        None,
        description="K - 1 sets of counts instead of thresholds; the last sub-space holds the "
        "counts that are in none of them.",
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

    @model_validator(mode="after")
    def _sets_make_k_with_the_rest(self) -> Self:
        if self.sets is None:
            return self
        if self.thresholds is not None:
            raise ValueError("sets and thresholds exclude each other; leave one of them out")
        named = [count for counts in self.sets for count in counts]
        if len(set(named)) != len(named):
            raise ValueError(f"sets {_listed_sets(self.sets)} must not share a count")
        if len(self.sets) != self.num_subspaces - 1:
            raise ValueError(
                f"sets {_listed_sets(self.sets)} make {len(self.sets) + 1} sub-spaces with the "
                f"rest, but num_subspaces is {self.num_subspaces}"
            )
        return self

    def subspace_count(self, space: Space) -> int:
        return self.num_subspaces

    def split(self, space: Space) -> Partition:
        histogram = space.histogram(self.count)
        valid = {count: number.valid for count, number in histogram.items() if number.valid}
        if self.num_subspaces > len(valid):
            raise InfeasiblePartition(
                "num_subspaces",
                f"num_subspaces {self.num_subspaces} is infeasible for {space.name}: its valid "
                f"architectures have {len(valid)} nonlinearity counts ({_listed(valid)}), "
                f"so feasible are {_listed(range(1, len(valid) + 1))}",
            )
        labelling = NonlinearityCount(self.count)
        if self.sets is not None:
            groups = self._grouped_by_sets(space, histogram, valid)
            return labelled_partition(space, labelling, groups)
        thresholds = self.thresholds
        if thresholds is None:
            thresholds = balanced_thresholds(valid, self.num_subspaces)
        parts = _parts(valid, thresholds)
        if not all(parts):
            raise InfeasiblePartition(
                "thresholds",
                f"thresholds {list(thresholds)} leave sub-space {parts.index([])} of "
                f"{space.name} without a valid architecture; feasible thresholds lie between the "
                f"counts {_listed(valid)}: choose among {_listed(sorted(valid)[:-1])}",
            )
        groups = [
            (counts_title(counts), frozenset(counts)) for counts in _parts(histogram, thresholds)
        ]
        return replace(labelled_partition(space, labelling, groups), thresholds=thresholds)

    def _grouped_by_sets(
        self, space: Space, histogram: Mapping[int, object], valid: Mapping[int, int]
    ) -> list[tuple[str, frozenset[int]]]:
        assert self.sets is not None
        named = {count for counts in self.sets for count in counts}
        for place, counts in enumerate(self.sets):
            if not valid.keys() & set(counts):
                raise InfeasiblePartition(
                    "sets",
                    f"set {place}, {list(counts)}, holds no valid architecture of {space.name}; "
                    f"its counts are {_listed(valid)}",
                )
        if not valid.keys() - named:
            raise InfeasiblePartition(
                "sets",
                f"the sets name every count of {space.name} ({_listed(valid)}) and leave none for "
                "the last sub-space",
            )
        rest = sorted(histogram.keys() - named)
        groups = [(counts_title(sorted(counts)), frozenset(counts)) for counts in self.sets]
        return [*groups, (counts_title(rest), frozenset(rest))]


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


def _parts(counts: Iterable[int], thresholds: tuple[int, ...]) -> list[list[int]]:
    parts: list[list[int]] = [[] for _ in range(len(thresholds) + 1)]
    for count in sorted(counts):
        parts[sum(count > threshold for threshold in thresholds)].append(count)
    return parts


def counts_title(counts: list[int]) -> str:
    """Return the counts in words, neighbours joined: `count 0-1`, `count 30-34, 42`."""
    runs: list[list[int]] = []
    for count in counts:
        if runs and count == runs[-1][-1] + 1:
            runs[-1].append(count)
        else:
            runs.append([count])
    return "count " + ", ".join(
        str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs
    )


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


def _listed_sets(sets: tuple[tuple[int, ...], ...]) -> str:
    return str([list(counts) for counts in sets])
