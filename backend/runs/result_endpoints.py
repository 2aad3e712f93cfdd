import tempfile
from contextlib import ExitStack
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from backend.columns import BIG_INTEGER_MAX, INTEGER_MAX, StorableText
from backend.db import Database
from backend.dependencies import Config, Db
from backend.paging import Cursor, Limit, Listing, Page
from backend.runs import results, retraining, service, telemetry
from backend.runs.balance import balance_summary
from backend.runs.bundle import Format, write_bundle
from backend.runs.fronts import front_of, true_front
from backend.runs.schemas import (
    ArtifactRead,
    BalanceRead,
    BalanceSummary,
    CandidateRead,
    CombinationRead,
    CorrelationRead,
    EventRead,
    LandmarkRead,
    LatencyRead,
    MetricRead,
    RetrainingEpochRead,
    RetrainingPage,
    ScoreRead,
    SearchControl,
    SubspaceRead,
    TelemetryRead,
    TrueFront,
    UnitRead,
)
from backend.runs.searched import search_control

Item = TypeVar("Item")

BYTES_AT_ONCE = 2**20

AfterStep = Annotated[
    int, Query(ge=-1, le=INTEGER_MAX, description="Only what lies beyond this global step.")
]
Stage = Annotated[Literal["live", "final"] | None, Query()]
Scorer = Annotated[StorableText | None, Query(max_length=32)]


class ScoreFilters(BaseModel):
    """Which scores to list."""

    model_config = ConfigDict(extra="forbid")

    stage: Literal["live", "final"] | None = None
    step: int | None = Field(None, ge=0, le=INTEGER_MAX, description="Global step.")
    scorer: StorableText | None = Field(None, max_length=32)
    ranked: bool | None = Field(
        None, description="Only architectures of the ranking sample, or only the others."
    )
    limit: Limit = 1000
    cursor: Cursor = None


class BalancePage(Page[BalanceRead]):
    """Rows of the training balance, and the newest of them in short."""

    summary: BalanceSummary


router = APIRouter(prefix="/runs/{run_id}", tags=["results"])


@router.get("/units")
def list_units(run_id: int, db: Db, limit: Limit = 1000, cursor: Cursor = None) -> Page[UnitRead]:
    """List the pieces that worker slots execute."""
    return _page(db, run_id, results.unit_listing(run_id), limit, cursor)


@router.get("/subspaces")
def list_subspaces(run_id: int, db: Db) -> Page[SubspaceRead]:
    """List the sub-spaces with their exact sizes; empty until the partition is found."""
    with db.reading() as session:
        service.require_run(session, run_id)
        return Page(items=results.subspaces(session, run_id), next_cursor=None)


@router.get("/landmarks")
def list_landmarks(
    run_id: int, db: Db, limit: Limit = 1000, cursor: Cursor = None
) -> Page[LandmarkRead]:
    """List the architectures whose stand-alone accuracy the run knows, or is finding out."""
    return _page(db, run_id, results.landmark_listing(run_id), limit, cursor)


@router.get("/metrics")
def list_metrics(
    run_id: int,
    db: Db,
    after_step: AfterStep = -1,
    series: Annotated[StorableText | None, Query(max_length=32)] = None,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Page[MetricRead]:
    """List training loss, the regularisers' term, learning rate and speed by step."""
    listing = results.metric_listing(run_id, after_step, series)
    return _page(db, run_id, listing, limit, cursor)


@router.get("/telemetry")
def list_telemetry(
    run_id: int,
    db: Db,
    points: Annotated[
        int, Query(ge=1, le=telemetry.MOST_POINTS, description="Largest number of rows per unit.")
    ] = telemetry.DEFAULT_POINTS,
) -> Page[TelemetryRead]:
    """List the speed of every unit over time, where its time went, and what its process used.

    Workers store at most one row per unit and second. Where a unit has more than `points` of them,
    each 2, 4, 8, ... that follow one another are answered as one: times and counts added up, rates
    averaged over the time, the most of memory. So sums are the same whatever `points` is, and
    `points=1` gives each unit's totals.
    """
    with db.reading() as session:
        service.require_run(session, run_id)
        return Page(items=telemetry.telemetry(session, run_id, points), next_cursor=None)


@router.get("/balance")
def list_balance(
    run_id: int,
    db: Db,
    after_step: AfterStep = -1,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> BalancePage:
    """List the cumulative training of each sub-space by step, and how even it is by now."""
    with db.reading() as session:
        service.require_run(session, run_id)
        page = results.balance_listing(run_id, after_step).page(session, limit, cursor)
        parts = results.subspaces(session, run_id)
        summary = balance_summary(parts, results.newest_balance(session, run_id))
    return BalancePage(items=page.items, next_cursor=page.next_cursor, summary=summary)


@router.get("/correlations")
def list_correlations(
    run_id: int,
    db: Db,
    stage: Stage = None,
    scorer: Scorer = None,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Page[CorrelationRead]:
    """List rank correlations with the conditions under which they hold."""
    listing = results.correlation_listing(run_id, stage, scorer)
    return _page(db, run_id, listing, limit, cursor)


@router.get("/scores")
def list_scores(
    run_id: int,
    db: Db,
    filters: Annotated[ScoreFilters, Query()],
) -> Page[ScoreRead]:
    """List scores beside the ground truth."""
    listing = results.score_listing(
        run_id, filters.stage, filters.step, filters.scorer, filters.ranked
    )
    return _page(db, run_id, listing, filters.limit, filters.cursor)


@router.get("/combinations")
def list_combinations(run_id: int, db: Db) -> Page[CombinationRead]:
    """List the combined scorers, each once it is prepared, with what it learned from landmarks."""
    with db.reading() as session:
        service.require_run(session, run_id)
        return Page(items=results.combinations(session, run_id), next_cursor=None)


@router.get("/candidates")
def list_candidates(
    run_id: int,
    db: Db,
    after_evaluation: Annotated[int, Query(ge=0, le=INTEGER_MAX)] = 0,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Page[CandidateRead]:
    """List the searcher's evaluations in order."""
    listing = results.candidate_listing(run_id, after_evaluation)
    return _page(db, run_id, listing, limit, cursor)


@router.get("/latencies")
def list_latencies(
    run_id: int, db: Db, limit: Limit = 1000, cursor: Cursor = None
) -> Page[LatencyRead]:
    """List the latencies that the search has measured, also of what was too slow to be evaluated."""
    return _page(db, run_id, results.latency_listing(run_id), limit, cursor)


@router.get("/front")
def list_front(run_id: int, db: Db) -> Page[CandidateRead]:
    """List the evaluations that no other beats in all objectives; none for a single objective."""
    with db.reading() as session:
        search = service.get_run(session, run_id).spec.search
        found = results.candidates(session, run_id)
    return Page(items=[] if search is None else front_of(search, found), next_cursor=None)


@router.get("/search-control")
def read_search_control(run_id: int, db: Db) -> SearchControl | None:
    """Tell what the search is compared with: the best cell, and random search of the same budget.

    Null for a run without a search or a benchmark.
    """
    with db.reading() as session:
        return search_control(session, service.get_run(session, run_id))


@router.get("/true-front")
def read_true_front(run_id: int, db: Db) -> TrueFront | None:
    """Compare the search's front with that of the benchmark, in true accuracies.

    Null unless the search trades one score for costs, and the run has a benchmark.
    """
    with db.reading() as session:
        return true_front(session, service.get_run(session, run_id))


@router.get("/retrainings")
def list_retrainings(
    run_id: int, db: Db, limit: Limit = 1000, cursor: Cursor = None
) -> RetrainingPage:
    """List the stand-alone trainings, and per architecture their mean beside its score."""
    with db.reading() as session:
        service.require_run(session, run_id)
        page = retraining.retraining_listing(run_id).page(session, limit, cursor)
        found = retraining.retrained(session, run_id)
    return RetrainingPage(items=page.items, next_cursor=page.next_cursor, architectures=found)


@router.get("/retraining-epochs")
def list_retraining_epochs(
    run_id: int, db: Db, limit: Limit = 1000, cursor: Cursor = None
) -> Page[RetrainingEpochRead]:
    """List training loss and validation accuracy of every retraining by epoch."""
    return _page(db, run_id, retraining.epoch_listing(run_id), limit, cursor)


@router.get("/log")
def list_log(
    run_id: int,
    db: Db,
    after: Annotated[
        int, Query(ge=0, le=BIG_INTEGER_MAX, description="Only lines beyond this event id.")
    ] = 0,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Page[EventRead]:
    """List the history meant for people: transitions, and what workers had to say."""
    return _page(db, run_id, results.log_listing(run_id, after), limit, cursor)


@router.get("/artifacts")
def list_artifacts(
    run_id: int, db: Db, limit: Limit = 1000, cursor: Cursor = None
) -> Page[ArtifactRead]:
    """List the stored files with their checksums."""
    return _page(db, run_id, results.artifact_listing(run_id), limit, cursor)


@router.get(
    "/bundle",
    summary="All tables of a run, as a zip",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}}},
)
def download_bundle(
    run_id: int,
    db: Db,
    settings: Config,
    form: Annotated[Format, Query(alias="format", description="Of the tables.")] = "csv",
) -> StreamingResponse:
    """Download the run with everything that is stored about it, checkpoints aside."""
    settings.artifact_folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as closing:
        # Without a name, so that nothing is left of it whatever happens.
        file = closing.enter_context(tempfile.TemporaryFile(dir=settings.artifact_folder))
        with db.reading() as session:
            write_bundle(session, run_id, form, file)
        num_bytes = file.tell()
        file.seek(0)
        sent = closing.pop_all()
    return StreamingResponse(
        iter(lambda: file.read(BYTES_AT_ONCE), b""),
        media_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="run-{run_id}-{form}.zip"',
            "Content-Length": str(num_bytes),
        },
        background=BackgroundTask(sent.close),
    )


def _page(
    db: Database, run_id: int, listing: Listing[Item], limit: int, cursor: str | None
) -> Page[Item]:
    with db.reading() as session:
        service.require_run(session, run_id)
        return listing.page(session, limit, cursor)
