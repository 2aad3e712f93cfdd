"""What a search is compared with: the best that the benchmark knows, and random search."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.models import BenchmarkEntry
from backend.runs import results
from backend.runs.latencies import latency_table
from backend.runs.schemas import RandomPoint, RunRead, SearchControl
from backend.spaces.service import definition
from nas.search.expected import random_search_truth

MOST_POINTS = 100


def search_control(session: Session, run: RunRead) -> SearchControl | None:
    """Return what the search of a run is compared with; None without a search or a benchmark.

    Random search is not run: the final ranking has scored a uniform sample of the space by the same
    scorer, and what draws from it find is exact. Architectures beyond the search's limits, or whose
    accuracy is not known, are no draws. Within a limit on measured latencies nobody knows what
    they would be, for the ranking measures none.
    """
    search = run.spec.search
    truth_id = results.truth_id(session, run.id)
    if search is None or truth_id is None:
        return None
    best = session.scalar(
        select(func.max(BenchmarkEntry.value)).where(
            BenchmarkEntry.column_id == truth_id, BenchmarkEntry.valid
        )
    )
    if best is None:
        return None
    space = definition(session, run.space)
    scored = results.scores(session, run.id, "final", scorer=search.scorer)
    is_whole_space = len(scored) == space.size.valid
    limits, table = search.constraints, latency_table(session, search, space)
    is_unknown = table is None and limits.latency is not None
    allowed = [
        (row.score, row.true_accuracy)
        for row in scored
        if row.true_accuracy is not None
        and not is_unknown
        and limits.allow(space, architecture := space.decode(row.architecture))
        and (
            table is None or (architecture in table and limits.allow_latency(table[architecture]))
        )
    ]
    return SearchControl(
        best_accuracy=best,
        num_scored=len(allowed),
        is_whole_space=is_whole_space,
        random=_random_points(allowed, search.budget, is_whole_space),
    )


def _random_points(
    scored: list[tuple[float, float]], budget: int, is_whole_space: bool
) -> list[RandomPoint]:
    if not scored:
        return []
    numbers = sorted({round(budget ** (place / MOST_POINTS)) for place in range(MOST_POINTS + 1)})
    scores, truth = zip(*scored, strict=True)
    found = random_search_truth(scores, truth, numbers, is_whole_space=is_whole_space)
    return [
        RandomPoint(evaluation=number, mean=point.mean, low=point.low, high=point.high)
        for number, point in zip(numbers, found, strict=True)
    ]
