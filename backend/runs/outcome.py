"""All that a summary of a run tells, of one moment."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.benchmarks.schemas import BenchmarkRead
from backend.benchmarks.service import read_benchmark
from backend.runs import results, retraining, service
from backend.runs.schemas import (
    BalanceRead,
    CandidateRead,
    CombinationRead,
    CorrelationRead,
    LandmarkRead,
    RetrainedRead,
    RunRead,
    SubspaceRead,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has found out.

    Attributes:
        benchmark: that the run is compared with.
        balance: at least the newest rows.
        correlations: at least the newest ones.
        candidates: in the order of their evaluation.
    """

    run: RunRead
    benchmark: BenchmarkRead | None
    subspaces: Sequence[SubspaceRead]
    balance: Sequence[BalanceRead]
    correlations: Sequence[CorrelationRead]
    candidates: Sequence[CandidateRead]
    combinations: Sequence[CombinationRead] = ()
    landmarks: Sequence[LandmarkRead] = ()
    retrained: Sequence[RetrainedRead] = ()


def read_outcome(session: Session, run_id: int) -> Outcome:
    """Return what a run has found out so far.

    Raises:
        NotFound: if there is no such run.
    """
    run = service.get_run(session, run_id)
    return Outcome(
        run=run,
        benchmark=read_benchmark(session, run.benchmark) if run.benchmark else None,
        subspaces=results.subspaces(session, run_id),
        balance=results.newest_balance(session, run_id),
        correlations=results.newest_correlations(session, run_id),
        candidates=results.candidates(session, run_id),
        combinations=results.combinations(session, run_id),
        landmarks=results.landmarks(session, run_id),
        retrained=retraining.retrained(session, run_id),
    )
