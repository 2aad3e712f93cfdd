"""The runs of a comparison: which may stand side by side, and how each looks in every figure."""

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from backend.runs.schemas import (
    BalanceRead,
    CandidateRead,
    CorrelationRead,
    MetricRead,
    RunRead,
    SubspaceRead,
)
from frontend.figures.ranking import shown_scorer
from frontend.figures.style import subspace_colour, subspace_dash, subspace_symbol

MOST_RUNS = 20
LONGEST_NAME = 28


def _distinct(run_ids: list[int]) -> list[int]:
    repeated = [f"#{run_id}" for run_id in sorted(set(run_ids)) if run_ids.count(run_id) > 1]
    if repeated:
        raise ValueError(f"each run may be named once, {', '.join(repeated)} came again")
    return run_ids


RunId = Annotated[int, Field(ge=1, le=2**31 - 1)]
RunIds = Annotated[
    list[RunId], Field(min_length=1, max_length=MOST_RUNS), AfterValidator(_distinct)
]
"""Numbers of the runs to compare, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run of a comparison with the rows that were asked for; the others are empty.

    Attributes:
        place: in the comparison, from 0; it alone decides the run's colour, marker and dash.
    """

    place: int
    run: RunRead
    subspaces: Sequence[SubspaceRead] = ()
    balance: Sequence[BalanceRead] = ()
    correlations: Sequence[CorrelationRead] = ()
    metrics: Sequence[MetricRead] = ()
    candidates: Sequence[CandidateRead] = ()

    @property
    def label(self) -> str:
        """Number and name as Plotly shows them: shortened, and taken literally."""
        name = self.run.name
        if len(name) > LONGEST_NAME:
            name = name[: LONGEST_NAME - 1] + "…"
        return f"#{self.run.id} {html.escape(name, quote=False)}"

    # Sub-spaces and runs never meet in one figure, so they share the palette.

    @property
    def colour(self) -> str:
        """The colour of this run in every figure and table of the comparison."""
        return subspace_colour(self.place)

    @property
    def symbol(self) -> str:
        """Its marker; with the colour it tells more runs apart than a comparison may have."""
        return subspace_symbol(self.place)

    @property
    def dash(self) -> str:
        """Its line style, which changes where the colours repeat."""
        return subspace_dash(self.place)


ASPECTS: Mapping[str, Callable[[RunRead], object]] = {
    "search space": lambda run: run.space,
    "dataset": lambda run: run.dataset,
    "benchmark": lambda run: run.benchmark and f"{run.benchmark} ({run.benchmark_column})",
    "scorer": shown_scorer,
    "batch size": lambda run: run.spec.training.batch_size,
}
"""What the numbers of a run rest on, so that they mean less beside those of another one."""


def differing(runs: Sequence[ComparedRun], aspects: Iterable[str]) -> list[str]:
    """Return those of `aspects` in which runs are unlike; what a run lacks differs from nothing."""
    held = {aspect: {ASPECTS[aspect](one.run) for one in runs} - {None} for aspect in aspects}
    return [aspect for aspect, values in held.items() if len(values) > 1]


def span(numbers: Iterable[int]) -> str:
    """Return the smallest and the largest of some numbers, or the one that they all are.

    Without a number there is no text.
    """
    found = sorted(set(numbers))
    if not found:
        return ""
    return "–".join(f"{number:,}" for number in dict.fromkeys((found[0], found[-1])))


def numbers_of(runs: Iterable[ComparedRun]) -> str:
    """Return the numbers of some runs for a sentence."""
    return ", ".join(f"#{one.run.id}" for one in runs)
