"""The measures of a run's rankings as tables show them: of which moment, and in which words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from backend.runs.schemas import BestRead, CorrelationRead, MeasureRead
from nas.ranking.measures import MEASURES, MeasureName

OVERALL = "overall"


class Ranked(Protocol):
    """What tells one ranking from another."""

    @property
    def stage(self) -> str:
        """Live, or final."""

    @property
    def step(self) -> int:
        """Global step of the supernets."""

    @property
    def scorer(self) -> str:
        """That gave the scores."""

    @property
    def scope(self) -> str:
        """Overall, or the sub-space's index."""


Key = TypeVar("Key", bound=Ranked)


@dataclass(frozen=True, slots=True)
class Moment:
    """One ranking by one scorer.

    Attributes:
        stage: live, or final.
        step: global step of the supernets.
        scorer: that gave the scores.
        rows: what it was found to be worth, by scope; not all scopes while parts are missing.
    """

    stage: str
    step: int
    scorer: str
    rows: Mapping[str, CorrelationRead]

    @property
    def title(self) -> str:
        """The moment in words."""
        when = "After training" if self.stage == "final" else "Newest live round"
        return f"{when}, by {self.scorer} (step {self.step:,})"


def newest_moments(correlations: Sequence[CorrelationRead]) -> list[Moment]:
    """Return, per scorer, the final ranking and the newest live round, where there are any.

    A round that is complete goes before a newer one that still misses the scores of sub-spaces.
    """
    return [
        Moment(stage, rows[0].step, scorer, {row.scope: row for row in rows})
        for scorer, stage, rows in newest_rankings(correlations)
    ]


def newest_rankings(keys: Sequence[Key]) -> list[tuple[str, str, list[Key]]]:
    """Return scorer, stage and rows of the same moments as `newest_moments`."""
    found = []
    for scorer in dict.fromkeys(key.scorer for key in keys):
        for stage in ("final", "live"):
            rows = [key for key in keys if (key.scorer, key.stage) == (scorer, stage)]
            if rows:
                newest = max(rows, key=lambda key: (key.scope == OVERALL, key.step)).step
                found.append((scorer, stage, [key for key in rows if key.step == newest]))
    return found


def scopes(moment: Moment, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the scopes of a moment with their titles: all sub-spaces first, then by index.

    Args:
        moment: the ranking.
        labels: of the sub-spaces, by scope.
    """
    own = sorted((scope for scope in moment.rows if scope != OVERALL), key=int)
    titles = {OVERALL: "all sub-spaces"} if OVERALL in moment.rows else {}
    return titles | {scope: labels.get(scope, f"sub-space {scope}") for scope in own}


def number_text(name: MeasureName, value: float) -> str:
    """Return a value of a measure in as many digits as mean something."""
    return f"{value:.2f}" if MEASURES[name].unit else f"{value:.3f}"


def interval_text(name: MeasureName, measure: MeasureRead) -> str:
    """Return the bootstrap interval of a measure; empty without one."""
    if measure.low is None or measure.high is None:
        return ""
    return f"[{number_text(name, measure.low)}, {number_text(name, measure.high)}]"


def own_number_text(measure: MeasureRead, row: CorrelationRead) -> str:
    """Return how many architectures a measure is about; empty if it is all of the row's."""
    number = measure.num_architectures
    return "" if number == row.num_architectures else f"n = {number:,}"


def measure_text(name: MeasureName, row: CorrelationRead) -> str:
    """Return a measure with its interval and n, or why it is undefined."""
    measure = row.measures[name]
    if measure.value is None:
        return f"undefined: {measure.undefined_reason}"
    texts = (
        number_text(name, measure.value),
        interval_text(name, measure),
        own_number_text(measure, row),
    )
    return " ".join(filter(None, texts))


def title_with_unit(name: MeasureName) -> str:
    """Return what a table calls a measure."""
    definition = MEASURES[name]
    return f"{definition.title} ({definition.unit})" if definition.unit else definition.title


def ties_text(score_ties: int, truth_ties: int) -> str:
    """Return numbers of tied pairs in words."""
    return f"{score_ties:,} by score, {truth_ties:,} by truth"


def best_text(best: BestRead | None) -> str:
    """Return the accuracy and the rank of the best by prediction, and who else had its score."""
    if best is None:
        return "undefined"
    tied = f", one of {best.num_tied:,} with the highest score" if best.num_tied > 1 else ""
    return f"{best.true_accuracy:.2f} %, true rank {best.true_rank:,} of {best.num_ranked:,}{tied}"
