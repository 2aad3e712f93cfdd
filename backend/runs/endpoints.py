import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, cast, get_args

from fastapi import APIRouter, Body, Header, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from backend.columns import BIG_INTEGER_MAX
from backend.db import Database
from backend.dependencies import Config, Db, IdempotencyHeader
from backend.idempotency import Answer, answer_once
from backend.paging import Cursor, Limit, Page
from backend.runs import retraining, service
from backend.runs.schemas import (
    EventRead,
    RetrainingRead,
    RetrainRequest,
    RunPatch,
    RunRead,
    RunSummary,
)
from backend.runs.states import RUN_TRANSITIONS
from backend.runs.streams import EventHub
from nas.spec import RunSpec

RunState = Literal[
    "queued",
    "running",
    "pausing",
    "paused",
    "cancelling",
    "cancelled",
    "failed",
    "succeeded",
]
assert set(get_args(RunState)) == set(RUN_TRANSITIONS)

router = APIRouter(tags=["runs"])


@router.get("/run-spec/schema")
def get_spec_schema() -> dict[str, Any]:  # Any: JSON schema
    """Return the JSON schema of the body of `POST /runs`."""
    return RunSpec.model_json_schema()


@router.post("/runs", status_code=201, response_model=RunRead)
def create_run(
    spec: RunSpec, db: Db, settings: Config, idempotency_key: IdempotencyHeader = None
) -> JSONResponse:
    """Queue a run; everything that a worker would trip on is refused here."""
    with db.unit_of_work() as session:
        return answer_once(
            session,
            idempotency_key,
            "POST runs",
            spec.model_dump_json(),
            lambda: Answer(
                201,
                service.create_run(session, spec, artifact_folder=settings.artifact_folder),
            ),
        )


@router.get("/runs")
def list_runs(
    db: Db,
    state: RunState | None = None,
    archived: Annotated[bool | None, Query(description="Absent: not the archived ones.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RunSummary]:
    """List runs, newest first."""
    with db.reading() as session:
        return service.list_runs(
            session, state=state, archived=archived, limit=limit, cursor=cursor
        )


@router.get("/runs/{run_id}")
def get_run(run_id: int, db: Db) -> RunRead:
    """Return a run with its spec, state, progress, and why it waits or failed."""
    with db.reading() as session:
        return service.get_run(session, run_id)


@router.patch("/runs/{run_id}")
def update_run(run_id: int, patch: RunPatch, db: Db) -> RunRead:
    """Change the name, the note or the place in the archive."""
    with db.unit_of_work() as session:
        return service.update_run(session, run_id, patch)


@router.delete("/runs/{run_id}", status_code=204)
def delete_run(run_id: int, db: Db, settings: Config) -> Response:
    """Remove a finished run with its results and files."""
    with db.unit_of_work() as session:
        service.delete_run(session, run_id, settings.artifact_folder)
    return Response(status_code=204)


@router.post("/runs/{run_id}/cancel", status_code=202)
def cancel_run(run_id: int, db: Db) -> RunRead:
    """Stop a run."""
    with db.unit_of_work() as session:
        return service.cancel(session, run_id)


@router.post("/runs/{run_id}/pause", status_code=202)
def pause_run(run_id: int, db: Db) -> RunRead:
    """Let a run's units stop at their next checkpoint."""
    with db.unit_of_work() as session:
        return service.pause(session, run_id)


@router.post("/runs/{run_id}/resume", status_code=202)
def resume_run(run_id: int, db: Db) -> RunRead:
    """Queue a paused run again."""
    with db.unit_of_work() as session:
        return service.resume(session, run_id)


@router.post("/runs/{run_id}/retry", status_code=202)
def retry_run(run_id: int, db: Db) -> RunRead:
    """Queue a failed or cancelled run again; what is done stays done."""
    with db.unit_of_work() as session:
        return service.retry(session, run_id)


@router.post("/runs/{run_id}/retrainings", status_code=202, response_model=Page[RetrainingRead])
def retrain(
    run_id: int, asked: RetrainRequest, db: Db, idempotency_key: IdempotencyHeader = None
) -> JSONResponse:
    """Train architectures stand-alone: any of the space, or the best of the search.

    Answers the trainings that were added. A run that had succeeded is queued again for them.
    """
    with db.unit_of_work() as session:
        return answer_once(
            session,
            idempotency_key,
            f"POST runs/{run_id}/retrainings",
            asked.model_dump_json(),
            lambda: Answer(
                202,
                Page[RetrainingRead](
                    items=retraining.request(session, run_id, asked), next_cursor=None
                ),
            ),
        )


@router.post("/runs/{run_id}/clone", status_code=201, response_model=RunRead)
def clone_run(
    run_id: int,
    db: Db,
    settings: Config,
    changes: Annotated[
        dict[str, Any] | None,  # Any: JSON values
        Body(description="JSON merge patch (RFC 7396) of the spec."),
    ] = None,
    idempotency_key: IdempotencyHeader = None,
) -> JSONResponse:
    """Queue a new run with the spec of this one, changed where the body says so."""
    with db.unit_of_work() as session:
        return answer_once(
            session,
            idempotency_key,
            f"POST runs/{run_id}/clone",
            json.dumps(changes, sort_keys=True),
            lambda: Answer(
                201,
                service.clone(session, run_id, changes, artifact_folder=settings.artifact_folder),
            ),
        )


@router.get(
    "/runs/{run_id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
            "description": "One event per line of the run's history, data as of /log.",
        }
    },
)
async def stream_events(
    request: Request,
    run_id: int,
    db: Db,
    last_event_id: Annotated[
        int, Header(ge=0, le=BIG_INTEGER_MAX, description="Continue after this one.")
    ] = 0,
    after: Annotated[
        int, Query(ge=0, le=BIG_INTEGER_MAX, description="The same, for clients without it.")
    ] = 0,
) -> EventSourceResponse:
    """Stream the run's history from its beginning, or from where the client left off."""
    await run_in_threadpool(_require_run, db, run_id)
    hub = cast(EventHub, request.app.state.events)

    async def messages() -> AsyncIterator[bytes]:
        async with hub.reading(run_id, max(last_event_id, after)) as batches:
            async for batch in batches:
                yield b"".join(map(_message, batch))

    return EventSourceResponse(messages())


def _message(event: EventRead) -> bytes:
    sent = ServerSentEvent(event.model_dump_json(), event=event.kind, id=str(event.id))
    return sent.encode()


def _require_run(db: Database, run_id: int) -> None:
    with db.reading() as session:
        service.require_run(session, run_id)
