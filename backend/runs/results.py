"""What a run has produced so far, in the shapes of `backend.runs.schemas`.

Every function takes the session first and returns the whole list; the `*_listing` functions
describe the same lists for paging. An unknown run has empty lists.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from itertools import zip_longest

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, defer

from backend.models import (
    Artifact,
    Balance,
    BenchmarkEntry,
    Candidate,
    Combination,
    Correlation,
    EventRow,
    LandmarkRow,
    LatencyRow,
    Metric,
    Run,
    Score,
    SubspaceRow,
    Unit,
)
from backend.paging import Listing
from backend.runs.measures import OVERALL, newest_rankings
from backend.runs.schemas import (
    ArtifactRead,
    BalanceRead,
    CandidateRead,
    CombinationRead,
    CorrelationRead,
    EventRead,
    LandmarkPrediction,
    LandmarkRead,
    LatencyRead,
    MetricRead,
    ScoreRead,
    SubspaceRead,
    UnitRead,
)
from nas.landmarks.landmark import num_pairs
from nas.ranking.measures import MeasureName

LOG_KINDS = ("log", "run-state", "unit-state", "edit")


def units(session: Session, run_id: int) -> list[UnitRead]:
    """Return the pieces of a run in the order in which they were planned."""
    return unit_listing(run_id).all(session)


def truth_id(session: Session, run_id: int) -> int | None:
    """Return the benchmark's column that a run is compared with; None without a benchmark."""
    return session.scalar(select(Run.truth_id).where(Run.id == run_id))


def subspaces(session: Session, run_id: int) -> list[SubspaceRead]:
    """Return the sub-spaces by index; empty until the partition is found."""
    rows = session.scalars(
        select(SubspaceRow).where(SubspaceRow.run_id == run_id).order_by(SubspaceRow.index)
    ).all()
    valid = sum(int(row.size_valid) for row in rows)
    owned = _landmark_accuracies(session, run_id)
    return [
        SubspaceRead(
            index=row.index,
            label=row.label,
            counts=row.counts,
            size_all=row.size_all,
            size_valid=row.size_valid,
            share_valid=int(row.size_valid) / valid,
            target_share=row.target_share,
            target_updates=row.target_updates,
            operation_targets=row.operation_targets,
            supernet_width=row.supernet_width,
            supernet_parameters=row.supernet_parameters,
            num_landmarks=len(owned[row.index]) if owned else None,
            num_landmark_pairs=num_pairs(owned[row.index]) if owned else None,
        )
        for row in rows
    ]


def landmarks(session: Session, run_id: int) -> list[LandmarkRead]:
    """Return the landmarks in the order in which they were chosen; empty without any."""
    return landmark_listing(run_id).all(session)


def metrics(
    session: Session, run_id: int, after_step: int = -1, series: str | None = None
) -> list[MetricRead]:
    """Return the points beyond `after_step`, by step; of one series or of all."""
    return metric_listing(run_id, after_step, series).all(session)


def balance(session: Session, run_id: int, after_step: int = -1) -> list[BalanceRead]:
    """Return the training balance beyond `after_step`, by step."""
    return balance_listing(run_id, after_step).all(session)


def newest_balance(session: Session, run_id: int) -> list[BalanceRead]:
    """Return the last row of every unit and sub-space, which counts all before it."""
    last = (
        select(Balance.unit_id, Balance.subspace, func.max(Balance.step).label("step"))
        .where(Balance.run_id == run_id)
        .group_by(Balance.unit_id, Balance.subspace)
        .subquery()
    )
    listing = balance_listing(run_id)
    key = (
        Balance.unit_id == last.c.unit_id,
        Balance.subspace == last.c.subspace,
        Balance.step == last.c.step,
    )
    return replace(listing, statement=listing.statement.join(last, and_(*key))).all(session)


def correlations(
    session: Session, run_id: int, stage: str | None = None, scorer: str | None = None
) -> list[CorrelationRead]:
    """Return the rank correlations in the order in which they were computed."""
    return correlation_listing(run_id, stage, scorer).all(session)


def correlations_over_steps(
    session: Session, run_id: int, measures: Collection[MeasureName]
) -> list[CorrelationRead]:
    """Return the rank correlations with some of their measures only, in the order of their making.

    A run of thousands of rounds has many megabytes of measures.
    """
    names = sorted(measures)
    statement = (
        select(Correlation, *(Correlation.measures[name] for name in names))
        .options(defer(Correlation.measures, raiseload=True))
        .where(Correlation.run_id == run_id)
        .order_by(Correlation.id)
    )
    return [
        CorrelationRead(
            stage=row.stage,
            step=row.step,
            scorer=row.scorer,
            scope=row.scope,
            num_architectures=row.num_architectures,
            score_ties=row.score_ties,
            truth_ties=row.truth_ties,
            measures=dict(zip(names, found, strict=True)),
            best=row.best,
            conditions=row.conditions,
        )
        for row, *found in session.execute(statement)
    ]


def newest_correlations(session: Session, run_id: int) -> list[CorrelationRead]:
    """Return, per scorer, those of the final ranking and of the newest live round."""
    keys = session.execute(
        select(
            Correlation.id,
            Correlation.stage,
            Correlation.step,
            Correlation.scorer,
            Correlation.scope,
        ).where(Correlation.run_id == run_id)
    ).all()
    ids = [key.id for _, _, found in newest_rankings(keys) for key in found]
    rows = session.scalars(
        select(Correlation).where(Correlation.id.in_(ids)).order_by(Correlation.id)
    )
    return [CorrelationRead.model_validate(row) for row in rows]


def newest_complete_round(session: Session, run_id: int, scorer: str) -> int | None:
    """Return the step of the newest live round that has an overall correlation, if any."""
    return session.scalar(
        select(func.max(Correlation.step)).where(
            Correlation.run_id == run_id,
            Correlation.stage == "live",
            Correlation.scorer == scorer,
            Correlation.scope == OVERALL,
        )
    )


def scores(
    session: Session,
    run_id: int,
    stage: str | None = None,
    step: int | None = None,
    scorer: str | None = None,
) -> list[ScoreRead]:
    """Return the ranking's scores beside the ground truth, by stage, step, scorer, architecture."""
    return score_listing(run_id, stage, step, scorer, ranked=True).all(session)


def combinations(session: Session, run_id: int) -> list[CombinationRead]:
    """Return the combined scorers by kind; each once it is prepared."""
    rows = session.scalars(
        select(Combination).where(Combination.run_id == run_id).order_by(Combination.scorer)
    )
    return [_combination(row) for row in rows]


def candidates(session: Session, run_id: int, after_evaluation: int = 0) -> list[CandidateRead]:
    """Return the searcher's evaluations beyond `after_evaluation`, in order."""
    return candidate_listing(run_id, after_evaluation).all(session)


def events(
    session: Session, run_id: int, after_id: int = 0, limit: int | None = None
) -> list[EventRead]:
    """Return the run's history beyond `after_id`, oldest first; at most `limit` lines."""
    return _up_to(event_listing(run_id, after_id), session, limit)


def log(
    session: Session, run_id: int, after_id: int = 0, limit: int | None = None
) -> list[EventRead]:
    """Return the part of the history that is meant to be read by people."""
    return _up_to(log_listing(run_id, after_id), session, limit)


def artifacts(session: Session, run_id: int) -> list[ArtifactRead]:
    """Return the stored files of a run, oldest first."""
    return artifact_listing(run_id).all(session)


def unit_listing(run_id: int) -> Listing[UnitRead]:
    """List `units`."""
    return Listing(
        f"runs/{run_id}/units",
        select(Unit).where(Unit.run_id == run_id),
        [Unit.id],
        UnitRead.model_validate,
    )


def landmark_listing(run_id: int) -> Listing[LandmarkRead]:
    """List `landmarks`."""
    return Listing(
        f"runs/{run_id}/landmarks",
        select(LandmarkRow).where(LandmarkRow.run_id == run_id),
        [LandmarkRow.index],
        LandmarkRead.model_validate,
    )


def metric_listing(
    run_id: int, after_step: int = -1, series: str | None = None
) -> Listing[MetricRead]:
    """List `metrics`."""
    statement = (
        select(Unit.key, Unit.subspace, Metric.series, Metric.step, Metric.value)
        .join(Unit, Unit.id == Metric.unit_id)
        .where(Metric.run_id == run_id, Metric.step > after_step)
    )
    if series is not None:
        statement = statement.where(Metric.series == series)

    def read(unit: str, subspace: int | None, name: str, step: int, value: float) -> MetricRead:
        return MetricRead(unit=unit, subspace=subspace, series=name, step=step, value=value)

    keys = [Metric.step, Metric.unit_id, Metric.series]
    return Listing(f"runs/{run_id}/metrics", statement, keys, read)


def balance_listing(run_id: int, after_step: int = -1) -> Listing[BalanceRead]:
    """List `balance`."""
    statement = (
        select(Unit.key, Balance)
        .join(Unit, Unit.id == Balance.unit_id)
        .where(Balance.run_id == run_id, Balance.step > after_step)
    )

    def read(unit: str, found: Balance) -> BalanceRead:
        return BalanceRead(
            unit=unit,
            phase=found.phase,
            subspace=found.subspace,
            step=found.step,
            updates=found.updates,
            samples=found.samples,
            images=found.images,
            operation_updates=found.operation_updates,
            operation_samples=found.operation_samples,
            operation_images=found.operation_images,
            bank_updates=found.bank_updates,
        )

    keys = [Balance.step, Balance.unit_id, Balance.subspace]
    return Listing(f"runs/{run_id}/balance", statement, keys, read)


def correlation_listing(
    run_id: int, stage: str | None = None, scorer: str | None = None
) -> Listing[CorrelationRead]:
    """List `correlations`."""
    statement = select(Correlation).where(Correlation.run_id == run_id)
    if stage is not None:
        statement = statement.where(Correlation.stage == stage)
    if scorer is not None:
        statement = statement.where(Correlation.scorer == scorer)
    name = f"runs/{run_id}/correlations"
    return Listing(name, statement, [Correlation.id], CorrelationRead.model_validate)


def score_listing(
    run_id: int,
    stage: str | None = None,
    step: int | None = None,
    scorer: str | None = None,
    ranked: bool | None = None,
) -> Listing[ScoreRead]:
    """List `scores`, also those of architectures that are not ranked unless told otherwise."""
    statement = (
        select(Score, BenchmarkEntry.value)
        .join(Run, Run.id == Score.run_id)
        .outerjoin(
            BenchmarkEntry,
            and_(
                BenchmarkEntry.column_id == Run.truth_id,
                BenchmarkEntry.architecture == Score.architecture,
            ),
        )
        .where(Score.run_id == run_id)
    )
    if stage is not None:
        statement = statement.where(Score.stage == stage)
    if step is not None:
        statement = statement.where(Score.step == step)
    if scorer is not None:
        statement = statement.where(Score.scorer == scorer)
    if ranked is not None:
        statement = statement.where(Score.ranked == ranked)

    def read(score: Score, accuracy: float | None) -> ScoreRead:
        return ScoreRead(
            stage=score.stage,
            step=score.step,
            scorer=score.scorer,
            architecture=score.architecture,
            subspace=score.subspace,
            score=score.score,
            ranked=score.ranked,
            true_accuracy=accuracy,
        )

    keys = [Score.stage, Score.step, Score.scorer, Score.architecture]
    return Listing(f"runs/{run_id}/scores", statement, keys, read)


def candidate_listing(run_id: int, after_evaluation: int = 0) -> Listing[CandidateRead]:
    """List `candidates`."""
    return Listing(
        f"runs/{run_id}/candidates",
        select(Candidate).where(
            Candidate.run_id == run_id, Candidate.evaluation > after_evaluation
        ),
        [Candidate.evaluation],
        CandidateRead.model_validate,
    )


def latency_listing(run_id: int) -> Listing[LatencyRead]:
    """List the latencies that the search has measured, in the order of their measurement."""
    statement = (
        select(LatencyRow, Run).join(Run, Run.id == LatencyRow.run_id).where(Run.id == run_id)
    )

    def read(row: LatencyRow, run: Run) -> LatencyRead:
        assert run.spec.search is not None
        return LatencyRead(
            number=row.number,
            architecture=row.architecture,
            latency_ms=row.latency_ms,
            latency_spread_ms=row.latency_spread_ms,
            latency_device=row.latency_device,
            is_candidate=run.spec.search.constraints.allow_latency(row.latency_ms),
        )

    return Listing(f"runs/{run_id}/latencies", statement, [LatencyRow.number], read)


def event_listing(
    run_id: int, after_id: int = 0, kinds: tuple[str, ...] | None = None
) -> Listing[EventRead]:
    """List `events`, of some kinds only if these are given."""
    statement = (
        select(EventRow, Unit.key)
        .outerjoin(Unit, Unit.id == EventRow.unit_id)
        .where(EventRow.run_id == run_id, EventRow.id > after_id)
    )
    if kinds is not None:
        statement = statement.where(EventRow.kind.in_(kinds))

    def read(event: EventRow, unit: str | None) -> EventRead:
        return EventRead(
            id=event.id,
            unit=unit,
            kind=event.kind,
            level=event.level,
            message=event.message,
            data=event.data,
            created_at=event.created_at,
        )

    return Listing(f"runs/{run_id}/events", statement, [EventRow.id], read)


def log_listing(run_id: int, after_id: int = 0) -> Listing[EventRead]:
    """List `log`."""
    return event_listing(run_id, after_id, LOG_KINDS)


def artifact_listing(run_id: int) -> Listing[ArtifactRead]:
    """List `artifacts`."""
    statement = (
        select(Artifact, Unit.key)
        .join(Unit, Unit.id == Artifact.unit_id)
        .where(Artifact.run_id == run_id)
    )

    def read(artifact: Artifact, unit: str) -> ArtifactRead:
        return ArtifactRead(
            id=artifact.id,
            unit=unit,
            kind=artifact.kind,
            attempt=artifact.attempt,
            step=artifact.step,
            path=artifact.path,
            sha256=artifact.sha256,
            num_bytes=artifact.num_bytes,
            created_at=artifact.created_at,
        )

    return Listing(f"runs/{run_id}/artifacts", statement, [Artifact.id], read)


def _combination(row: Combination) -> CombinationRead:
    learned = row.calibration
    left_out = () if learned is None else learned.left_out
    return CombinationRead(
        scorer=row.scorer,
        components=row.components,
        num_reference=row.num_reference,
        num_landmarks=len(row.landmarks),
        left_out_tau=None if learned is None else learned.left_out_tau,
        offsets=None if learned is None else list(learned.regression.offsets),
        landmarks=[
            LandmarkPrediction(architecture=architecture, accuracy=accuracy, left_out_score=score)
            for architecture, accuracy, score in zip_longest(
                row.landmarks, () if learned is None else learned.accuracies, left_out
            )
        ],
    )


def _landmark_accuracies(session: Session, run_id: int) -> defaultdict[int, list[float | None]]:
    """Accuracies of a run's landmarks by sub-space; empty if it has none."""
    found: defaultdict[int, list[float | None]] = defaultdict(list)
    statement = select(LandmarkRow.subspace, LandmarkRow.accuracy).where(
        LandmarkRow.run_id == run_id
    )
    for subspace, accuracy in session.execute(statement):
        found[subspace].append(accuracy)
    return found


def _up_to(listing: Listing[EventRead], session: Session, limit: int | None) -> list[EventRead]:
    return listing.all(session) if limit is None else listing.page(session, limit).items
