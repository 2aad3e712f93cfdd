"""What the searches of several runs have found, by the one measure that they share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from backend.runs.schemas import CandidateRead
from frontend.figures.comparison.layout import lacking, nothing, started, unlike
from frontend.figures.comparison.runs import ComparedRun, differing, span
from frontend.figures.ranking import UNITS
from frontend.figures.search import TITLE, incumbents
from frontend.figures.style import Theme


@dataclass(frozen=True, slots=True)
class Found:
    """The progress of one search.

    Attributes:
        evaluations: numbers of those at which the best candidate changed, and of the last one.
        best: the candidate with the best score up to each of them.
        count: all evaluations so far.
    """

    evaluations: tuple[int, ...]
    best: tuple[CandidateRead, ...]
    count: int

    @property
    def measured(self) -> bool:
        """Whether the stand-alone accuracy of any best candidate is known."""
        return any(row.true_accuracy is not None for row in self.best)


def prepare_search(candidates: Sequence[CandidateRead]) -> Found:
    """Keep of the best candidate so far only its changes and where it stands now."""
    ordered = sorted(row.evaluation for row in candidates)
    best = incumbents(candidates)
    kept = [
        place
        for place in range(len(best))
        if place in (0, len(best) - 1) or best[place] is not best[place - 1]
    ]
    return Found(
        evaluations=tuple(ordered[place] for place in kept),
        best=tuple(best[place] for place in kept),
        count=len(ordered),
    )


def bests_so_far(runs: Sequence[ComparedRun], *, theme: Theme = "light") -> go.Figure:
    """Draw the stand-alone accuracy of each run's best candidate so far, else its score.

    Scores of different supernets have no common scale; stand-alone accuracies do. So scores are
    drawn only where no run knows an accuracy, with a note, and never those of different scorers.
    """
    name = "best-so-far"
    found = [prepare_search(one.candidates) for one in runs]
    if not any(search.count for search in found):
        message = "The search of none of these runs has evaluated a candidate yet."
        return nothing(name, TITLE, message, runs, theme=theme)
    measured = any(search.measured for search in found)
    if measured:
        found = [search if search.measured else prepare_search(()) for search in found]
    shown = [one for one, search in zip(runs, found, strict=True) if search.count]
    scorers = _scorers(shown)
    if not measured and len(scorers) > 1:
        message = (
            f"These runs were searched by different scorers ({', '.join(scorers)}) and know no"
            "<br>stand-alone accuracies: their scores have no common scale."
        )
        return nothing(name, TITLE, message, runs, theme=theme)
    drawn = started(
        name,
        TITLE,
        [
            f"the candidate with the best score by {', '.join(scorers)} so far",
            f"n = {span(search.count for search in found if search.count)} evaluations",
        ],
        runs,
        theme=theme,
        notes=[
            "" if measured else "scores of different supernets have no common scale",
            lacking(runs, shown),
            unlike(differing(shown, ("search space", "dataset", "benchmark"))),
        ],
    )
    for one, search in zip(runs, found, strict=True):
        drawn.add_scatter(
            name=one.label,
            meta={"run": one.run.id},
            mode="lines+markers",
            x=search.evaluations,
            y=[row.true_accuracy if measured else row.score for row in search.best],
            customdata=[_hover(row) for row in search.best],
            line={"color": one.colour, "dash": one.dash, "width": 2, "shape": "hv"},
            marker={"symbol": one.symbol, "size": 6},
            hovertemplate="evaluation %{x:,}<br>%{customdata}",
        )
    score = f"score ({UNITS.get(scorers[0], scorers[0])})"
    drawn.update_layout(
        xaxis={"title": {"text": "evaluation"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "stand-alone accuracy (%)" if measured else score}},
        showlegend=True,
    )
    return drawn


def _scorers(runs: Iterable[ComparedRun]) -> list[str]:
    searches = (one.run.spec.search for one in runs)
    return sorted({search.scorer for search in searches if search is not None})


def _hover(row: CandidateRead) -> str:
    lines = [f"found at evaluation {row.evaluation:,}", f"score {row.score:.4g}"]
    if row.true_accuracy is not None:
        rank = "" if row.true_rank is None else f", true rank {row.true_rank:,}"
        lines.append(f"{row.true_accuracy:.2f} % stand-alone{rank}")
    return "<br>".join([*lines, row.architecture])
