"""The Pareto front of a search with several objectives, as scored and in truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from sqlalchemy.orm import Session

from backend.benchmarks.service import valid_values
from backend.runs import results
from backend.runs.latencies import latency_table
from backend.runs.schemas import CandidateRead, FrontPoint, RunRead, TrueFront
from backend.spaces.service import definition
from nas.latency.latency import LatencyTable
from nas.search.base import Searcher
from nas.search.objectives import COSTS, LATENCY, Objective
from nas.search.pareto import hypervolume, pareto_front
from nas.spaces.base import Architecture, Space

REFERENCE = 1.05
"""Of the hypervolume in every objective, of which the valid architectures span 0 to 1 (arXiv
2407.20656)."""

TRUTH = "accuracy"
"""What stands in the place of the scorer."""

CACHED = 8
"""True fronts in memory: one takes a second where a benchmark knows ten thousand architectures."""


def front_of(searcher: Searcher, candidates: Sequence[CandidateRead]) -> list[CandidateRead]:
    """Return the candidates that no other beats in all objectives, in order of evaluation.

    There is no front, and the list is empty, for a single objective.
    """
    names = [aim.name for aim in searcher.aims]
    if len(names) < 2:
        return []
    ordered = sorted(candidates, key=lambda candidate: candidate.evaluation)
    losses = [
        searcher.losses([candidate.objectives[name] for name in names]) for candidate in ordered
    ]
    return [ordered[place] for place in pareto_front(losses)]


def true_front(session: Session, run: RunRead) -> TrueFront | None:
    """Compare the front that a search has found with that of the benchmark, in true accuracies.

    The accuracy stands in the place of the scorer. None unless the search has one scorer and at
    least one cost or latency for objectives, and the run a benchmark. Latencies have to be those of
    a table: what a search measures is known of its own candidates alone.
    """
    search = run.spec.search
    truth_id = results.truth_id(session, run.id)
    if search is None or truth_id is None or not _is_comparable(search.aims):
        return None
    space = definition(session, run.space)
    table = latency_table(session, search, space)
    if table is None and any(aim.name == LATENCY for aim in search.aims):
        return None
    entries = tuple(valid_values(session, truth_id).items())
    latencies = None if table is None else tuple(table.items())
    known = _known(space, search.aims, entries, latencies)
    if known is None:
        return None
    looked_at = [
        known.points[row.architecture]
        for row in front_of(search, results.candidates(session, run.id))
        if row.architecture in known.points
    ]
    losses = [known.losses(point) for point in looked_at]
    found = pareto_front(losses)
    volume = hypervolume([losses[place] for place in found], known.reference)
    return TrueFront(
        objectives=known.names,
        front=known.front,
        found=[looked_at[place] for place in found],
        hypervolume_share=volume / known.volume,
        num_known=len(known.points),
    )


@dataclass(frozen=True)
class _Known:
    """What a benchmark tells of the trade-offs in a space.

    Attributes:
        aims: the objectives, in whose place the true values stand.
        points: by architecture.
        scales: per objective, least loss of all points and what they span.
    """

    aims: Sequence[Objective]
    points: Mapping[str, FrontPoint]
    scales: Sequence[tuple[float, float]]

    @property
    def names(self) -> list[str]:
        return [_true_name(aim) for aim in self.aims]

    @property
    def reference(self) -> list[float]:
        return [REFERENCE] * len(self.aims)

    @cached_property
    def front(self) -> list[FrontPoint]:
        """The points that no other beats."""
        every = list(self.points.values())
        return [every[place] for place in pareto_front(list(map(self.losses, every)))]

    @cached_property
    def volume(self) -> float:
        """The hypervolume of the true front."""
        return hypervolume(list(map(self.losses, self.front)), self.reference)

    def losses(self, point: FrontPoint) -> list[float]:
        """Return the point such that lower is better: 0 for the least of all, 1 for the greatest."""
        raw = _raw_losses(self.aims, point)
        return [
            (value - least) / span if span else 0.0
            for value, (least, span) in zip(raw, self.scales, strict=True)
        ]


@lru_cache(CACHED)
def _known(
    space: Space,
    aims: tuple[Objective, ...],
    entries: tuple[tuple[str, float], ...],
    latencies: tuple[tuple[Architecture, float], ...] | None,
) -> _Known | None:
    table: LatencyTable | None = None if latencies is None else dict(latencies)
    points = {}
    for code, accuracy in entries:
        architecture = space.decode(code)
        if table is not None and architecture not in table:
            continue
        known = {TRUTH: accuracy, **({} if table is None else {LATENCY: table[architecture]})}
        values = {
            _true_name(aim): float(COSTS[aim.name](space, architecture))
            if aim.is_cost
            else known[_true_name(aim)]
            for aim in aims
        }
        points[code] = FrontPoint(architecture=code, objectives=values)
    if not points:
        return None
    columns = list(zip(*(_raw_losses(aims, point) for point in points.values()), strict=True))
    scales = [(min(column), max(column) - min(column)) for column in columns]
    return _Known(aims, points, scales)


def _raw_losses(aims: Sequence[Objective], point: FrontPoint) -> list[float]:
    return [aim.loss(point.objectives[_true_name(aim)]) for aim in aims]


def _true_name(aim: Objective) -> str:
    return TRUTH if aim.is_score else aim.name


def _is_comparable(aims: Sequence[Objective]) -> bool:
    """Tell whether one score, maximised, is traded for costs or latency."""
    scored = [aim for aim in aims if aim.is_score]
    return len(aims) > 1 and len(scored) == 1 and scored[0].maximised
